/*
 * reply - an HTTP/1.1 reply, read strictly, in pieces of any size.
 *
 * Layer:   cli (pure)
 * Threads: one owner at a time
 * Memory:  reply_init() before use; the body is heap memory, reply_done() frees it
 * Secrets: a body may hold a token or credentials: reply_done() wipes it
 * Limits:  REPLY_HEAD_BYTES; the body's cap is an argument
 * Spec:    RFC 9112 2 to 6. The body ends where Content-Length says, or at the end of the
 *          connection. Refused: bare LF, folded fields, control bytes, two Content-Length, any
 *          Transfer-Encoding, interim (1xx) replies.
 */
#ifndef TELLTALE_CLI_REPLY_H
#define TELLTALE_CLI_REPLY_H

#include "base/buf.h"

#define REPLY_HEAD_BYTES   ((size_t)16 * 1024)
#define REPLY_REASON_BYTES 64

enum reply_state { REPLY_HEAD, REPLY_COUNTED, REPLY_UNTIL_CLOSE, REPLY_COMPLETE };

struct reply {
	int status;                      /* 200 to 599 once the head is read */
	char reason[REPLY_REASON_BYTES]; /* cut */
	struct buf body;                 /* may be used once the reply is complete */
	enum reply_state state_;
	struct buf head_;
	size_t body_cap_;
	size_t left_; /* of a counted body */
};

void reply_init(struct reply *reply, size_t body_cap_bytes);
void reply_done(struct reply *reply);

/*
 * The next bytes. What stands behind a complete reply is ignored.
 * Returns 0 when the reply is complete, or
 *   E_AGAIN   more is to come
 *   E_SYNTAX  not an HTTP/1.x reply
 *   E_LIMIT   head or body are larger than their cap
 *   -ENOTSUP  it has a Transfer-Encoding
 *   -ENOMEM
 */
MUST_CHECK int reply_feed(struct reply *reply, struct str bytes);

/* The connection has ended. Returns 0, or E_SYNTAX when something is missing. */
MUST_CHECK int reply_close(struct reply *reply);

#endif
