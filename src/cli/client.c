#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"

#define RECEIVE_BYTES ((size_t)16 * 1024)
#define RETRY_MS      20 /* while a socket's queue is full */

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd); /* nothing is lost: the reply is read, or given up */
	}
}

static int take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

static int64_t now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail: the clock exists */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait for any of the events; ret_events is what happened. */
static int wait_for(int fd, short events, int64_t deadline_ms, short *ret_events)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	for (;;) {
		int64_t left_ms = deadline_ms - now_ms();
		int rc = left_ms > 0 ? poll(&pollfd, 1, (int)left_ms) : 0;
		if (rc > 0) {
			*ret_events = pollfd.revents;
			return 0;
		}
		if (rc == 0) {
			return -ETIMEDOUT;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

static int finish_connect(int fd, int64_t deadline_ms)
{
	short events = 0;
	int error = 0;
	socklen_t size = sizeof error;
	TRY(wait_for(fd, POLLOUT, deadline_ms, &events));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
		return -errno;
	}
	return -error;
}

/* A connected, non-blocking socket, or a negative code. */
static int open_connection(const struct sockaddr *addr, socklen_t size, int64_t deadline_ms)
{
	CLEANUP(close_fd)
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	while (connect(fd, addr, size) < 0) {
		if (errno == EINPROGRESS || errno == EINTR) {
			TRY(finish_connect(fd, deadline_ms));
			break;
		}
		/* A Unix socket whose queue is full can't be waited for. */
		if (errno != EAGAIN) {
			return -errno;
		}
		if (now_ms() >= deadline_ms) {
			return -ETIMEDOUT;
		}
		(void)poll(NULL, 0, RETRY_MS); /* only a pause */
	}
	return take_fd(&fd);
}

static int send_some(int fd, struct str *request)
{
	ssize_t n = send(fd, request->p, request->n, MSG_NOSIGNAL);
	if (n >= 0) {
		*request = str_from(*request, (size_t)n);
		return 0;
	}
	if (errno == EPIPE || errno == ECONNRESET) {
		/* The server has heard enough; its reply may be here already. */
		request->n = 0;
		return 0;
	}
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int receive_some(int fd, struct reply *reply)
{
	char bytes[RECEIVE_BYTES];
	ssize_t n = recv(fd, bytes, sizeof bytes, 0);
	if (n > 0) {
		return reply_feed(reply, (struct str){bytes, (size_t)n});
	}
	if (n == 0) {
		return reply_close(reply);
	}
	return errno == EAGAIN || errno == EINTR ? E_AGAIN : -errno;
}

/* Both directions at once: a server that refuses early answers before it has read everything. */
static int exchange(int fd, struct str request, struct reply *reply, int64_t deadline_ms)
{
	int rc = E_AGAIN;
	while (rc == E_AGAIN) {
		short events = 0;
		short wanted = request.n ? POLLIN | POLLOUT : POLLIN;
		TRY(wait_for(fd, wanted, deadline_ms, &events));
		if ((events & POLLOUT) && request.n) {
			TRY(send_some(fd, &request));
		}
		if (events & (POLLIN | POLLHUP | POLLERR)) {
			rc = receive_some(fd, reply);
		}
	}
	return rc;
}

/* What a failed exchange means, behind "WHO: ". */
static int explain(int rc, const char *who, int timeout_s, struct diag *diag)
{
	switch (rc) {
	case -ETIMEDOUT:
		return diag_set(diag, rc, "%s: no reply within %d seconds", who, timeout_s);
	case -ENOTSUP:
		return diag_set(
			diag, rc, "%s: the reply is chunked; it should say its length", who);
	case E_SYNTAX:
		return diag_set(diag, rc, "%s: the reply is cut off or not HTTP/1.1", who);
	case E_LIMIT:
		return diag_set(diag, rc, "%s: the reply is too large", who);
	default:
		return diag_set(diag, rc, "%s: %s", who, result_name(rc));
	}
}

int client_socket_path(const char *flag, struct buf *ret_path, struct diag *diag)
{
	const char *given = flag ? flag : getenv("TELLTALE_CONTROL_SOCKET");
	if (given && *given) {
		buf_add(ret_path, str_of(given));
	} else {
		int rc = config_default_socket(ret_path, diag);
		if (rc == E_NOTFOUND) {
			return diag_set(diag, rc,
				"where is the control socket? HOME is not set; give --socket or "
				"TELLTALE_CONTROL_SOCKET");
		}
		TRY(rc);
	}
	buf_add_char(ret_path, '\0');
	int rc = buf_status(ret_path);
	return rc < 0 ? diag_set(diag, rc, "out of memory") : 0;
}

static int open_socket(const char *path, int64_t deadline_ms, struct diag *diag)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n >= sizeof addr.sun_path) {
		return diag_set(diag, E_LIMIT, "%s: the path of a socket has at most %zu bytes",
			path, sizeof addr.sun_path - 1);
	}
	memcpy(addr.sun_path, path, n);
	int fd = open_connection((const struct sockaddr *)&addr, sizeof addr, deadline_ms);
	if (fd == -ENOENT || fd == -ECONNREFUSED || fd == -ENOTDIR) {
		return diag_set(diag, fd,
			"no daemon answers at %s (is telltale serve running? another place: "
			"--socket or TELLTALE_CONTROL_SOCKET)",
			path);
	}
	return fd < 0 ? explain(fd, path, CLIENT_SOCKET_TIMEOUT_S, diag) : fd;
}

static int build_call(const char *operation, const json_t *request, struct buf *out)
{
	char *body = json_dumps(request, JSON_COMPACT);
	if (!body) {
		return -ENOMEM;
	}
	buf_add_f(out,
		"POST / HTTP/1.1\r\n"
		"Host: localhost\r\n"
		"Content-Type: application/x-amz-json-1.1\r\n"
		"X-Amz-Target: Telltale_20261124.%s\r\n"
		"Connection: close\r\n"
		"Content-Length: %zu\r\n"
		"\r\n",
		operation, strlen(body));
	buf_add(out, str_of(body));
	free(body);
	return buf_status(out);
}

/* The daemon's own words where it has some. */
static int read_refusal(const struct reply *reply, struct diag *diag)
{
	json_t *error = json_loadb(reply->body.p ? reply->body.p : "", reply->body.n, 0, NULL);
	const char *message = json_string_value(json_object_get(error, "message"));
	if (message && *message) {
		diag_write(diag, "%s", message);
	} else {
		diag_write(diag, "the daemon answered %d %s", reply->status,
			reply->reason); /* returned below */
	}
	json_decref(error);
	return E_DENIED;
}

static int read_result(const struct reply *reply, json_t **ret_reply, struct diag *diag)
{
	if (reply->status != 200) {
		return read_refusal(reply, diag);
	}
	json_t *result = reply->body.n ? json_loadb(reply->body.p, reply->body.n,
						 JSON_REJECT_DUPLICATES, NULL)
				       : json_object();
	if (!json_is_object(result)) {
		json_decref(result);
		return diag_set(diag, E_SYNTAX, "the daemon's reply is no JSON object");
	}
	*ret_reply = result;
	return 0;
}

int client_call(const char *socket_path, const char *operation, const json_t *request,
	json_t **ret_reply, struct diag *diag)
{
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	CLEANUP(reply_done) struct reply reply;
	reply_init(&reply, CLIENT_SOCKET_BODY_BYTES);
	int64_t deadline_ms = now_ms() + (int64_t)CLIENT_SOCKET_TIMEOUT_S * 1000;
	int rc = build_call(operation, request, &bytes);
	if (rc < 0) {
		return diag_set(diag, rc, "out of memory");
	}
	CLEANUP(close_fd) int fd = open_socket(socket_path, deadline_ms, diag);
	TRY(fd);
	rc = exchange(fd, buf_str(&bytes), &reply, deadline_ms);
	if (rc == -ETIMEDOUT) {
		return diag_set(diag, rc,
			"%s: no reply within %d seconds; what was asked may still be done",
			socket_path, CLIENT_SOCKET_TIMEOUT_S);
	}
	if (rc < 0) {
		return explain(rc, socket_path, CLIENT_SOCKET_TIMEOUT_S, diag);
	}
	return read_result(&reply, ret_reply, diag);
}

static void free_addresses(struct addrinfo **addresses)
{
	if (*addresses) {
		freeaddrinfo(*addresses);
	}
}

/* The first address of the host that accepts; the last one's error otherwise. */
static int open_endpoint(
	const struct endpoint *endpoint, const char *who, int64_t deadline_ms, struct diag *diag)
{
	CLEANUP(free_addresses) struct addrinfo *addresses = NULL;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	char port[8];
	(void)snprintf(port, sizeof port, "%u", endpoint->port); /* five digits fit */
	int rc = getaddrinfo(endpoint->host, port, &hints, &addresses);
	if (rc != 0) {
		return diag_set(diag, E_NOTFOUND, "%s: %s", who, gai_strerror(rc));
	}
	int fd = -EHOSTUNREACH;
	for (const struct addrinfo *a = addresses; a && fd < 0; a = a->ai_next) {
		/* None may use up the time of those behind it. */
		int64_t left_ms = deadline_ms - now_ms();
		int64_t until_ms = a->ai_next ? now_ms() + left_ms / 2 : deadline_ms;
		fd = open_connection(a->ai_addr, a->ai_addrlen, until_ms);
	}
	if (fd == -ETIMEDOUT) {
		return diag_set(diag, E_NOTFOUND, "%s: no connection within %d seconds", who,
			CLIENT_FETCH_TIMEOUT_S);
	}
	return fd < 0 ? explain(fd, who, CLIENT_FETCH_TIMEOUT_S, diag) : fd;
}

int client_fetch(
	const struct endpoint *endpoint, struct str head, struct reply *reply, struct diag *diag)
{
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	char who[ENDPOINT_URL_BYTES];
	endpoint_authority(endpoint, who);
	buf_add(&bytes, head);
	buf_add_f(&bytes, "Host: %s\r\nConnection: close\r\n\r\n", who);
	int rc = buf_status(&bytes);
	if (rc < 0) {
		return diag_set(diag, rc, "out of memory");
	}
	int64_t deadline_ms = now_ms() + (int64_t)CLIENT_FETCH_TIMEOUT_S * 1000;
	CLEANUP(close_fd) int fd = open_endpoint(endpoint, who, deadline_ms, diag);
	TRY(fd);
	rc = exchange(fd, buf_str(&bytes), reply, deadline_ms);
	return rc < 0 ? explain(rc, who, CLIENT_FETCH_TIMEOUT_S, diag) : 0;
}
