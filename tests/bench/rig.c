#include "rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "platform/loop.h"

#define FIRST_ID 1

int __real_loop_wait(struct loop *loop, struct epoll_event events[LOOP_EVENTS], uint64_t until_ms);
int __wrap_loop_wait(struct loop *loop, struct epoll_event events[LOOP_EVENTS], uint64_t until_ms);

/* The linker sends the workers' waits here. */
int __wrap_loop_wait(struct loop *loop, struct epoll_event events[LOOP_EVENTS], uint64_t until_ms)
{
	return __real_loop_wait(loop, events, rig_before_wait() ? until_ms : LOOP_AT_ONCE);
}

int __wrap_sandbox_enter(void);

/* Workers here are also clients, which make calls that are no worker's business. */
int __wrap_sandbox_enter(void)
{
	return 0;
}

void rig_must(int rc, const char *what, const struct diag *diag)
{
	if (rc < 0) {
		(void)fprintf(stderr, "%s: %s\n", what,
			diag && diag->text[0] ? diag->text : result_name(rc)); /* nowhere else */
		exit(EXIT_FAILURE);
	}
}

/* --- the data plane -------------------------------------------------------------------------- */

/* A port that is free now. */
static uint16_t free_port(struct sockaddr_in *at)
{
	socklen_t n = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = fd < 0 || bind(fd, (const struct sockaddr *)at, n) < 0 ||
				 getsockname(fd, (struct sockaddr *)at, &n) < 0
			 ? -errno
			 : 0;
	rig_must(rc, "a port", NULL);
	close(fd);
	return ntohs(at->sin_port);
}

static void make_config(struct rig *rig, struct diag *diag)
{
	char text[32];
	const char *listen = text;
	rig->server = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	(void)snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)free_port(&rig->server));
	struct config_flags flags = {
		.listen = &listen, .n_listen = 1, .store = "sqlite:///nowhere"};
	rig_must(config_new(&flags, &rig->config, diag), "configuration", diag);
	rig->site = (struct site){rig->config->region, rig->config->account_id};
}

void rig_init(struct rig *rig, unsigned workers)
{
	struct diag diag = {{0}};
	*rig = (struct rig){0};
	log_set_level(LOG_WARN);
	make_config(rig, &diag);
	rig->registry = registry_new(workers);
	rig_must(rig->registry ? 0 : -ENOMEM, "registry", NULL);
	rig_must(conn_table_init(&rig->table, RIG_DESCRIPTORS), "connections", NULL);
	rig_must(secret_init(&rig->secret, TOKEN_KEY_BYTES), "secret", NULL);
	memset(rig->secret.p, 's', rig->secret.n);
	rig_must(spaces_new(rig->config, workers, &rig->spaces, &diag), "listeners", &diag);
	rig_must(spaces_enter(rig->spaces, &diag), "listeners", &diag);
	struct data_plane_config config = {
		.settings = rig->config,
		.spaces = rig->spaces,
		.workers = workers,
		.registry = rig->registry,
		.table = &rig->table,
		.first_id = FIRST_ID,
		.token_secrets = &rig->secret,
		.n_token_secrets = 1,
		.signing_key = NULL, /* nobody asks for a signature */
	};
	rig_must(data_plane_new(&config, &rig->plane, &diag), "data plane", &diag);
	const struct follow_handler listeners = data_plane_listeners(rig->plane);
	rig_must(spaces_start(rig->spaces, &listeners, NULL, &diag), "listeners", &diag);
}

void rig_start(struct rig *rig)
{
	struct diag diag = {{0}};
	rig_must(data_plane_start(rig->plane, &diag), "data plane", &diag);
}

void rig_done(struct rig *rig)
{
	spaces_stop(rig->spaces);
	data_plane_free(rig->plane);
	spaces_free(rig->spaces);
	registry_free(rig->registry);
	conn_table_done(&rig->table);
	secret_done(&rig->secret);
	config_free(rig->config);
	*rig = (struct rig){0};
}

/* --- clients --------------------------------------------------------------------------------- */

int client_ask(struct client *client, const struct rig *rig, const struct request *request)
{
	const char *what;
	if (client->fd < 0) {
		client->fd = connect_from(&rig->server, client->source, SOCK_NONBLOCK, &what);
	}
	client->got = 0;
	/* On loopback the handshake is over when connect() returns. */
	return client->fd >= 0 && send(client->fd, request->text, request->n, MSG_NOSIGNAL) ==
					  (ssize_t)request->n
		       ? 0
		       : -1;
}

int client_take(struct client *client, struct reply *ret_reply)
{
	ssize_t n = recv(client->fd, client->bytes + client->got,
		sizeof client->bytes - client->got, MSG_DONTWAIT);
	if (n <= 0) {
		return n < 0 && errno == EAGAIN ? 0 : -1;
	}
	client->got += (size_t)n;
	return reply_parse(client->bytes, client->got, ret_reply);
}

void client_close(struct client *client)
{
	if (client->fd >= 0) {
		close(client->fd);
	}
	client->fd = -1;
}
