/*
 * client - ask a server over HTTP and wait for the reply, with a deadline.
 *
 * Layer:   cli
 * Threads: blocks the caller
 * Memory:  replies belong to the caller
 * Secrets: what is sent and received may hold a token or credentials; nothing is kept or printed
 * Limits:  CLIENT_SOCKET_BODY_BYTES and CLIENT_SOCKET_TIMEOUT_S for the control socket,
 *          CLIENT_FETCH_BODY_BYTES and CLIENT_FETCH_TIMEOUT_S for endpoints; one request a
 *          connection
 * Spec:    docs/control.md; RFC 9112
 */
#ifndef TELLTALE_CLI_CLIENT_H
#define TELLTALE_CLI_CLIENT_H

#include <jansson.h>

#include "cli/endpoint.h"
#include "cli/reply.h"

#define CLIENT_SOCKET_BODY_BYTES ((size_t)64 * 1024 * 1024)
#define CLIENT_SOCKET_TIMEOUT_S  60
#define CLIENT_FETCH_BODY_BYTES  ((size_t)64 * 1024)
#define CLIENT_FETCH_TIMEOUT_S   10

/*
 * The path of the socket: flag, else TELLTALE_CONTROL_SOCKET, else config_default_socket(). With a
 * NUL at its end. Returns 0 or a negative code with diag.
 */
MUST_CHECK int client_socket_path(const char *flag, struct buf *ret_path, struct diag *diag);

/*
 * Run one operation of the control socket.
 * request    borrowed
 * ret_reply  a JSON object; the caller's reference
 * Returns 0 or a negative code; diag is then the daemon's message or says what went wrong.
 */
MUST_CHECK int client_call(const char *socket_path, const char *operation, const json_t *request,
	json_t **ret_reply, struct diag *diag);

/*
 * Send one request to an endpoint and read the reply.
 * head   the request line and fields but Host and Connection, each with CR LF
 * reply  after reply_init()
 * Returns 0, or a negative code with diag, among them
 *   E_NOTFOUND   no such host, or no connection in time
 *   -ETIMEDOUT   connected, but no reply in time
 *   E_SYNTAX     cut off, or not HTTP
 *   E_LIMIT      too large
 */
MUST_CHECK int client_fetch(
	const struct endpoint *endpoint, struct str head, struct reply *reply, struct diag *diag);

#endif
