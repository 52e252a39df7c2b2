/*
 * transport - a connection's socket: bytes in and out, plain or by TLS.
 *
 * Layer:   http
 * Threads: the connection's worker
 * Memory:  a TLS session is in the table from transport_secure() until transport_close()
 * Secrets: none of its own
 * Limits:  none of its own
 * Spec:    docs/adr/0004-tls-on-the-control-address.md
 *
 * Metadata is served plain: there TLS costs a branch in each of these functions, and nothing else.
 */
#ifndef TELLTALE_HTTP_TRANSPORT_H
#define TELLTALE_HTTP_TRANSPORT_H

#include <sys/socket.h>

#include "base/log.h"
#include "http/connection.h"
#include "platform/tls.h"

#define transport_is_secure(conn) __builtin_expect((conn)->secure, 0)

/*
 * An IP TTL only ever goes down on a connection, so that no retransmission travels further. Returns
 * false when it could not be set: then nothing that depends on it may be sent.
 */
bool transport_lower_hop_limit(struct conn *conn, int fd, uint8_t limit);

/* Speak TLS from the first byte on. Returns 0 or -ENOMEM. */
MUST_CHECK int transport_secure(
	const struct conn_table *table, struct conn *conn, int fd, struct tls_context *context);

/* What the functions below do for a connection that is secure. */
ssize_t transport_receive_secure(struct tls_session *session, void *ret_bytes, size_t n);
ssize_t transport_send_secure(struct tls_session *session, const void *bytes, size_t n);
void transport_close_secure(const struct conn_table *table, struct conn *conn, int fd);

/* As recv(2), n at least TLS_RECORD_BYTES: -1 and errno; EAGAIN is for transport_wants(). */
static inline ssize_t transport_receive(
	const struct conn_table *table, const struct conn *conn, int fd, void *ret_bytes, size_t n)
{
	return transport_is_secure(conn)
		       ? transport_receive_secure(table->sessions[fd], ret_bytes, n)
		       : recv(fd, ret_bytes, n, MSG_DONTWAIT);
}

/*
 * As send(2); what was not taken must be offered again first.
 * last  what follows is transport_finish(), or close(2) where the peer has said that it sends nothing more.
 *       Either sends the last bytes with its FIN: one packet less on its way, and one that wakes the
 *       peer. But when bytes of the peer's are unread, close(2) alone resets the connection, and what
 *       was kept back is lost.
 */
static inline ssize_t transport_send(const struct conn_table *table, const struct conn *conn,
	int fd, const void *bytes, size_t n, bool last)
{
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (last ? MSG_MORE : 0);
	return transport_is_secure(conn) ? transport_send_secure(table->sessions[fd], bytes, n)
					 : send(fd, bytes, n, flags);
}

/* What epoll should wait for before the next transport_receive(): a handshake writes, too. */
uint32_t transport_wants(const struct conn_table *table, const struct conn *conn, int fd);

/*
 * Log what was wrong with the peer's TLS, if anything was: a certificate that callers don't trust is the
 * operator's. At most once in a while, for the worker that has this name and limit.
 */
void transport_log_fault(const struct conn_table *table, const struct conn *conn, int fd,
	const char *worker, struct log_limit *limit);

/* Nothing more will be sent: returns false when not even that could be. */
bool transport_finish(const struct conn_table *table, const struct conn *conn, int fd);

/*
 * Have close(2) end the connection with a reset: nothing of it stays in the kernel then, as it does while
 * the peer's end is awaited.
 */
void transport_reset_on_close(int fd);

/* Before close(2). */
static inline void transport_close(const struct conn_table *table, struct conn *conn, int fd)
{
	if (transport_is_secure(conn)) {
		transport_close_secure(table, conn, fd);
	}
}

#endif
