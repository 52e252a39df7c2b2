/*
 * body - a request's body, as far as it has come.
 *
 * Layer:   http
 * Threads: the connection's worker
 * Memory:  the body is in the bytes that were given, or in the buffer
 * Secrets: what a body may hold is its owner's to wipe
 * Limits:  max_bytes
 * Spec:    RFC 9112 6.3, 7.1; RFC 9110 10.1.1
 */
#ifndef TELLTALE_HTTP_BODY_H
#define TELLTALE_HTTP_BODY_H

#include "http/connection.h"
#include "http/http1.h"

/*
 * rest       what has come behind the head
 * into       room for a body that comes in chunks
 * req        its body is set when it is whole
 * ret_used   the length of the body in rest
 * ret_close  set when more of it may come that nobody will read
 * Returns 0, E_AGAIN for more, or the status to refuse the request with.
 */
MUST_CHECK int body_gather(struct str rest, size_t max_bytes, struct conn *conn, struct buf *into,
	struct http1_req *req, size_t *ret_used, bool *ret_close);

#endif
