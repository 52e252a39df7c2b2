#include "exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Append as snprintf() does. Returns 0, or -1 when there is no room. */
__attribute__((format(printf, 2, 3))) static int append(
	struct request *request, const char *format, ...)
{
	size_t room = sizeof(request->text) - request->n;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(request->text + request->n, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		return -1;
	}
	request->n += (size_t)n;
	return 0;
}

int request_build(struct request *request, const struct request_parts *parts)
{
	char host[INET_ADDRSTRLEN];
	int rc;

	request->n = 0;
	(void)inet_ntop(AF_INET, &parts->server->sin_addr, host, sizeof(host)); /* it fits */
	rc = append(request,
		"%s %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n",
		parts->method, parts->path, host, (unsigned)ntohs(parts->server->sin_port));
	for (unsigned i = 0; i < parts->extra && rc == 0; i++) {
		rc = append(request, "X-Bench-Field-%02u: of no meaning at all\r\n", i);
	}
	if (parts->value != NULL && rc == 0) {
		rc = append(request, "%s%s\r\n", parts->field, parts->value);
	}
	if (rc == 0) {
		rc = append(request, "%s\r\n", parts->close ? "Connection: close\r\n" : "");
	}
	return rc;
}

/* The three digits of a status line; 0 when it is none. */
static unsigned status_of(const char *p)
{
	static const char version[] = "HTTP/1.1 ";
	unsigned status = 0;

	if (memcmp(p, version, sizeof(version) - 1) != 0) {
		return 0;
	}
	for (p += sizeof(version) - 1; *p >= '0' && *p <= '9' && status < 100; p++) {
		status = status * 10 + (unsigned)(*p - '0');
	}
	return status >= 100 && *p == ' ' ? status : 0;
}

/* The value of Content-Length in the head that ends before `end`; SIZE_MAX when there is none. */
static size_t length_of(const char *head, const char *end)
{
	static const char length[] = "content-length:";
	size_t bytes = SIZE_MAX;

	for (const char *line = head; line < end;) {
		const char *next = memchr(line, '\n', (size_t)(end + 2 - line));

		line = next + 1;
		if ((*line == 'C' || *line == 'c') &&
			strncasecmp(line, length, sizeof(length) - 1) == 0) {
			bytes = strtoul(line + sizeof(length) - 1, NULL, 10);
		}
	}
	return bytes;
}

int reply_parse(const char *p, size_t n, struct reply *ret_reply)
{
	enum { STATUS_LINE_BYTES = 13, BODY_MAX_BYTES = 1 << 20 };
	const char *end;
	size_t body_bytes;
	unsigned status;

	if (n < STATUS_LINE_BYTES) {
		return 0;
	}
	status = status_of(p);
	if (status == 0) {
		return -1;
	}
	end = memmem(p, n, "\r\n\r\n", 4);
	if (end == NULL) {
		return 0;
	}
	body_bytes = length_of(p, end);
	if (body_bytes > BODY_MAX_BYTES) {
		return -1; /* no length, or nothing this bench asks for */
	}
	*ret_reply = (struct reply){
		.status = status,
		.total_bytes = (size_t)(end + 4 - p) + body_bytes,
		.body = end + 4,
		.body_bytes = body_bytes,
	};
	if (n < ret_reply->total_bytes) {
		return 0;
	}
	return n == ret_reply->total_bytes ? 1 : -1;
}

static int bind_source(int fd, uint32_t source)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
	int one = 1;

	/* Else the port is chosen now, and each address has room for 28,000 in all. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0) {
		return -1;
	}
	return bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
}

int connect_from(
	const struct sockaddr_in *server, uint32_t source, int flags, const char **ret_what)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	int saved;

	*ret_what = "socket";
	if (fd < 0) {
		return -1;
	}
	if (source == 0 || bind_source(fd, source) == 0) {
		*ret_what = "connect";
		if (connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0 ||
			errno == EINPROGRESS) {
			return fd;
		}
	} else {
		*ret_what = "bind";
	}
	saved = errno;
	(void)close(fd); /* it holds nothing */
	errno = saved;
	return -1;
}
