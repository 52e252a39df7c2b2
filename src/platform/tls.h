/*
 * tls - the server's side of TLS: a certificate with its key, and sessions over nonblocking sockets.
 *
 * Layer:   platform (the only user of libssl)
 * Threads: a struct tls_context is its maker's until it is shared, and is never changed after that;
 *          hold and free are safe from any thread. A struct tls_session belongs to one thread.
 * Memory:  x_new gives heap objects, x_free takes NULL. A context is there until its last holder and
 *          its last session are gone
 * Secrets: the private key is in OpenSSL's memory, which wipes it; what it was read from is the
 *          caller's to wipe
 * Limits:  TLS_RECORD_BYTES, TLS_FILE_BYTES
 * Spec:    RFC 8446, RFC 5246; docs/adr/0004-tls-on-the-control-address.md
 */
#ifndef TELLTALE_PLATFORM_TLS_H
#define TELLTALE_PLATFORM_TLS_H

#include <sys/types.h>

#include "base/str.h"

#define TLS_RECORD_BYTES ((size_t)16384)      /* the most that one record carries */
#define TLS_FILE_BYTES   ((size_t)256 * 1024) /* of a certificate's or key's file */

/* --- a certificate and its key ----------------------------------------------------------------- */

struct tls_context;

/*
 * One that takes TLS 1.2 and 1.3 with forward secrecy, and neither renegotiation, compression nor
 * resumption. Returns 0, -ENOMEM or E_CRYPTO.
 */
MUST_CHECK int tls_context_new(struct tls_context **ret_context);

/*
 * The server's certificate, and behind it those that lead to one that clients know; PEM.
 * Returns 0, -ENOMEM, E_LIMIT, E_SYNTAX (there is none), or E_CRYPTO (too weak, say) with diag.
 */
MUST_CHECK int tls_context_certify(struct tls_context *context, struct str pem, struct diag *diag);

/*
 * The key of the certificate, which must be there already; PEM without a passphrase.
 * Returns 0, -ENOMEM, E_LIMIT, E_SYNTAX (there is none), or E_CRYPTO (another one's) with diag.
 */
MUST_CHECK int tls_context_set_key(struct tls_context *context, struct str pem, struct diag *diag);

/* One holder more; returns the context. NULL is nothing to hold. */
struct tls_context *tls_context_hold(struct tls_context *context);

/* One holder less. */
void tls_context_free(struct tls_context *context);

/* --- sessions ---------------------------------------------------------------------------------- */

struct tls_session;

/* For an accepted socket, which stays the caller's. Returns 0 or -ENOMEM. */
MUST_CHECK int tls_session_new(
	struct tls_context *context, int fd, struct tls_session **ret_session);

/* Says goodbye first, where that is possible at once. */
void tls_session_free(struct tls_session *session);

/*
 * Receive; the first calls do the handshake. With n at least TLS_RECORD_BYTES nothing that has been
 * received stays inside unseen, so the socket's readiness tells all.
 * Returns how many bytes; 0 at the end, whether it was said or not; -EAGAIN (tls_session_wants_write()
 * tells what to wait for); or another -errno: -EPROTO is a peer that does not speak TLS as we do.
 */
ssize_t tls_session_read(struct tls_session *session, void *ret_bytes, size_t n);

/*
 * Send as much as the socket takes. After less than all, the next call must begin with the byte
 * behind; it may be elsewhere in memory. Only once something was received.
 * Returns how many bytes, -EAGAIN when the socket must become writable first, or another -errno.
 */
ssize_t tls_session_write(struct tls_session *session, const void *bytes, size_t n);

/* Whether the last -EAGAIN was for want of room to write, as handshakes write, too. */
bool tls_session_wants_write(const struct tls_session *session);

/* Tell the peer that no more will come, once; best effort. */
void tls_session_finish(struct tls_session *session);

/* What was wrong with what the peer sent, for a log; NULL: nothing. Never freed. */
const char *tls_session_fault(const struct tls_session *session);

#endif
