#include "http/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include "platform/clock.h"

bool transport_lower_hop_limit(struct conn *conn, int fd, uint8_t limit)
{
	if (conn->peer.hop_limit && conn->peer.hop_limit <= limit) {
		return true;
	}
	int value = limit;
	int rc = conn->peer.ipv6
			 ? setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, sizeof value)
			 : setsockopt(fd, IPPROTO_IP, IP_TTL, &value, sizeof value);
	if (rc == 0) {
		conn->peer.hop_limit = limit;
	}
	return rc == 0;
}

int transport_secure(
	const struct conn_table *table, struct conn *conn, int fd, struct tls_context *context)
{
	TRY(tls_session_new(context, fd, &table->sessions[fd]));
	conn->secure = true;
	return 0;
}

/* As the socket's calls have it. */
static ssize_t with_errno(ssize_t rc)
{
	if (rc < 0) {
		errno = (int)-rc;
		return -1;
	}
	return rc;
}

ssize_t transport_receive_secure(struct tls_session *session, void *ret_bytes, size_t n)
{
	return with_errno(tls_session_read(session, ret_bytes, n));
}

ssize_t transport_send_secure(struct tls_session *session, const void *bytes, size_t n)
{
	return with_errno(tls_session_write(session, bytes, n));
}

uint32_t transport_wants(const struct conn_table *table, const struct conn *conn, int fd)
{
	return conn->secure && tls_session_wants_write(table->sessions[fd]) ? EPOLLOUT : EPOLLIN;
}

void transport_log_fault(const struct conn_table *table, const struct conn *conn, int fd,
	const char *worker, struct log_limit *limit)
{
	const char *fault = conn->secure ? tls_session_fault(table->sessions[fd]) : NULL;
	char from[IPADDR_TEXT_BYTES];
	uint32_t held;
	if (fault && log_limit_pass(limit, clock_wall_s(), &held)) {
		ipaddr_format(&conn->peer.addr, from);
		LOG(LOG_WARN, "http", "a TLS connection failed", LOG_TEXT("worker", worker),
			LOG_TEXT("from", from), LOG_TEXT("error", fault), LOG_INT("held", held));
	}
}

bool transport_finish(const struct conn_table *table, const struct conn *conn, int fd)
{
	if (conn->secure) {
		tls_session_finish(table->sessions[fd]);
	}
	return shutdown(fd, SHUT_WR) == 0;
}

void transport_close_secure(const struct conn_table *table, struct conn *conn, int fd)
{
	tls_session_free(table->sessions[fd]);
	table->sessions[fd] = NULL;
	conn->secure = false;
}

void transport_reset_on_close(int fd)
{
	static const struct linger none = {.l_onoff = 1};
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none); /* else it ends politely */
}
