#include "daemon/control_plane.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timefmt.h"

#define SOCKET_MODE        0600
#define HEAD_BYTES         16384
#define TARGET_BYTES       8192
#define HEADER_TIMEOUT_MS  10000
#define IDLE_TIMEOUT_MS    60000
#define REQUEST_TIMEOUT_MS 60000
#define DATE_LINE_BYTES    64

#define WHO_BYTES 16

/* A way in, with a worker of its own. */
enum { BY_SOCKET, BY_ADDRESS, DOORS };

_Static_assert((int)DOORS == CONTROL_WORKERS, "one worker a door");

struct door {
	struct control_plane *plane;
	bool socket;
	struct http_worker *http;
	pthread_t thread;
	bool started;
	unsigned connections;
};

struct control_plane {
	struct control_plane_config config;
	char *socket;
	bool listening; /* at the socket: its file is ours */
	struct door doors[DOORS];
};

static const struct str text_plain = STR_INIT("text/plain; charset=utf-8");
static const struct str text_metrics = STR_INIT("text/plain; version=0.0.4; charset=utf-8");

/* --- replies --------------------------------------------------------------------------------- */

/* By the Date of a refusal SDKs correct a clock that is off, and sign once more. */
static void add_date(const struct control_plane *plane, struct buf *fields)
{
	char date[TIMEFMT_HTTP_BYTES];
	timefmt_http(plane->config.api.now_ms() / 1000, date);
	buf_add_f(fields, "Date: %s\r\n", date);
}

static void reply_text(const struct control_plane *plane, struct http_resp *resp, unsigned status,
	struct str type, struct str text, bool head_only)
{
	char line[DATE_LINE_BYTES];
	struct buf fields = buf_fixed(line, sizeof line);
	add_date(plane, &fields);
	http1_reply_with(resp->out, status, type, buf_str(&fields), text, resp->close, head_only);
}

static void say(const struct control_plane *plane, const struct http1_req *req,
	struct http_resp *resp, unsigned status, struct str text)
{
	reply_text(plane, resp, status, text_plain, text, req->method == HTTP1_HEAD);
}

/* --- requests -------------------------------------------------------------------------------- */

struct scrape {
	struct registrar *registrar;
	struct metrics metrics;
	struct buf *out;
};

static void render(void *ctx)
{
	struct scrape *scrape = ctx;
	registrar_fleet(scrape->registrar, &scrape->metrics.fleet);
	metrics_render(&scrape->metrics, scrape->out);
}

static void on_metrics(
	struct control_plane *plane, const struct http1_req *req, struct http_resp *resp)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	struct scrape scrape = {.registrar = plane->config.api.registrar, .out = &text};
	plane->config.metrics(plane->config.ctx, &scrape.metrics);
	registrar_run(plane->config.api.registrar, render, &scrape);
	bool ok = buf_status(&text) == 0;
	reply_text(plane, resp, ok ? 200 : 503, text_metrics, ok ? buf_str(&text) : STR_EMPTY,
		req->method == HTTP1_HEAD);
}

static void on_read(struct control_plane *plane, struct str path, const struct http1_req *req,
	struct http_resp *resp)
{
	if (str_eq(path, STR("/metrics"))) {
		on_metrics(plane, req, resp);
	} else if (str_eq(path, STR("/healthz"))) {
		say(plane, req, resp, 200, STR("ok\n"));
	} else if (str_eq(path, STR("/readyz"))) {
		bool ready = plane->config.ready(plane->config.ctx);
		say(plane, req, resp, ready ? 200 : 503, ready ? STR("ok\n") : STR("not ready\n"));
	} else {
		say(plane, req, resp, 404, STR("There is /metrics, /healthz and /readyz.\n"));
	}
}

/* Operations come by the socket, whose file mode is the permission, or signed by the address. */
static void on_operation(const struct door *door, const struct http_peer *peer,
	const struct http1_req *req, struct http_resp *resp)
{
	struct control_plane *plane = door->plane;
	struct api_reply reply;
	char from[IPADDR_TEXT_BYTES], who[WHO_BYTES];
	if (door->socket) {
		(void)snprintf(who, sizeof who, "uid %u", (unsigned)peer->uid); /* fits */
		api_by_socket(&plane->config.api, req, str_of(who), &reply);
	} else {
		ipaddr_format(&peer->addr, from);
		api_by_address(&plane->config.api, req, str_of(from), &reply);
	}
	add_date(plane, &reply.fields);
	if (reply.failed || buf_status(&reply.fields) < 0) {
		say(plane, req, resp, 503, STR_EMPTY);
	} else {
		http1_reply_with(resp->out, reply.status, reply.content_type,
			buf_str(&reply.fields), buf_str(&reply.body), resp->close, false);
	}
	api_reply_done(&reply);
}

/* POST, and by the address GET with a query: a presigned link. */
static bool is_operation(const struct door *door, const struct http1_req *req, struct str path)
{
	bool by_query = path.n < req->target.n && !door->socket;
	return str_eq(path, STR("/")) &&
	       (req->method == HTTP1_POST || (req->method == HTTP1_GET && by_query));
}

static void on_answer(
	void *ctx, struct http_peer *peer, const struct http1_req *req, struct http_resp *resp)
{
	const struct door *door = ctx;
	struct control_plane *plane = door->plane;
	struct str path = {req->target.p, str_find(req->target, '?')};
	if (is_operation(door, req, path)) {
		on_operation(door, peer, req, resp);
	} else if (req->method == HTTP1_GET || req->method == HTTP1_HEAD) {
		on_read(plane, path, req, resp);
	} else {
		say(plane, req, resp, 405, STR("GET and HEAD, and POST to / for operations.\n"));
	}
}

static void on_refuse(void *ctx, struct http_peer *peer, unsigned status, struct http_resp *resp)
{
	const struct door *door = ctx;
	(void)peer;
	resp->close = true;
	reply_text(door->plane, resp, status, text_plain, STR_EMPTY, false);
}

static unsigned on_admit(void *ctx, struct http_peer *peer)
{
	struct door *door = ctx;
	(void)peer;
	if (door->connections >= CONTROL_CONNECTIONS) {
		return 503;
	}
	door->connections++;
	return 0;
}

static void on_leave(void *ctx, struct http_peer *peer)
{
	struct door *door = ctx;
	(void)peer;
	door->connections--;
}

/* --- life ------------------------------------------------------------------------------------ */

static void *run(void *ctx)
{
	struct door *door = ctx;
	http_worker_run(door->http);
	return NULL;
}

/* The listener's descriptor, or an error. */
static int open_listener(struct control_plane *plane, const struct door *door, struct diag *diag)
{
	const struct config_control *control = &plane->config.settings->control;
	struct listen_spec spec = {.address = control->address, .port = control->port};
	int fd = -1;
	if (door->socket) {
		fd = activation_unix(plane->config.inherited, str_of(plane->socket));
		if (fd == E_NOTFOUND) {
			fd = listen_unix(str_of(plane->socket), SOCKET_MODE, diag);
			plane->listening = fd >= 0;
		}
	} else {
		TRY(activation_tcp(plane->config.inherited, &spec, 1, &fd, diag));
	}
	return fd;
}

static int make(struct door *door, uint16_t id, struct diag *diag)
{
	struct control_plane *plane = door->plane;
	struct tls_context *tls = door->socket ? NULL : plane->config.settings->control.tls;
	int fd = open_listener(plane, door, diag);
	TRY(fd);
	struct http_worker_config http = {
		.name = door->socket ? "socket" : "control",
		.id = id,
		.table = plane->config.table,
		.limits = {.parse = {.head_bytes = HEAD_BYTES,
				   .target_bytes = TARGET_BYTES,
				   .fields = HTTP1_FIELDS_MAX,
				   .body_bytes = door->socket ? CONTROL_SOCKET_BODY_BYTES
							      : CONTROL_ADDRESS_BODY_BYTES},
			.header_timeout_ms = HEADER_TIMEOUT_MS,
			.idle_timeout_ms = IDLE_TIMEOUT_MS,
			.request_timeout_ms = REQUEST_TIMEOUT_MS,
			.park_timeout_ms = REQUEST_TIMEOUT_MS},
		.handler = {.ctx = door,
			.admit = on_admit,
			.leave = on_leave,
			.answer = on_answer,
			.refuse = on_refuse},
		.listeners = &fd,
		.n_listeners = 1,
		.tls = &tls,
	};
	int rc = http_worker_new(&http, &door->http);
	if (rc < 0) {
		close(fd);
		return diag_set(diag, rc, "can't start: %s", result_name(rc));
	}
	return 0;
}

static void tell_where(const struct control_plane *plane)
{
	const struct config_control *control = &plane->config.settings->control;
	char text[LISTEN_TEXT_BYTES];
	listen_format(&control->address, control->port, text);
	LOG(LOG_INFO, "control", "listening", LOG_TEXT("address", text),
		LOG_TEXT("socket", plane->socket));
}

/* Nobody is answered before both listen. */
static int start(struct control_plane *plane, struct diag *diag)
{
	for (unsigned i = 0; i < DOORS; i++) {
		plane->doors[i].plane = plane;
		plane->doors[i].socket = i == BY_SOCKET;
		TRY(make(&plane->doors[i], (uint16_t)(plane->config.first_id + i), diag));
	}
	tell_where(plane);
	for (unsigned i = 0; i < DOORS; i++) {
		struct door *door = &plane->doors[i];
		int rc = -pthread_create(&door->thread, NULL, run, door);
		if (rc < 0) {
			return diag_set(diag, rc, "can't start a thread: %s", result_name(rc));
		}
		door->started = true;
	}
	return 0;
}

int control_plane_new(const struct control_plane_config *config, struct control_plane **ret_plane,
	struct diag *diag)
{
	struct control_plane *plane = calloc(1, sizeof *plane);
	if (plane) {
		plane->config = *config;
		plane->socket = str_dup(config->settings->control.socket);
	}
	if (!plane || !plane->socket) {
		free(plane);
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	int rc = start(plane, diag);
	if (rc < 0) {
		control_plane_free(plane);
		return rc;
	}
	*ret_plane = plane;
	return 0;
}

void control_plane_secure(struct control_plane *plane, struct tls_context *tls)
{
	http_worker_secure(plane->doors[BY_ADDRESS].http, 0, tls);
}

void control_plane_free(struct control_plane *plane)
{
	if (!plane) {
		return;
	}
	for (unsigned i = 0; i < DOORS; i++) {
		struct door *door = &plane->doors[i];
		if (door->started) {
			http_worker_stop(door->http);
			pthread_join(door->thread, NULL);
		}
	}
	if (plane->listening) {
		unlink(plane->socket);
	}
	for (unsigned i = 0; i < DOORS; i++) {
		http_worker_free(plane->doors[i].http);
	}
	free(plane->socket);
	free(plane);
}
