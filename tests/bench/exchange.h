/*
 * exchange - HTTP as the bench's clients speak it: requests built beforehand, replies checked.
 *
 * Layer:   bench (the load programs, and those with a client in the worker's own thread)
 * Threads: none of its own
 * Memory:  the caller's; a struct reply points into the bytes that were looked at
 * Secrets: none that matter: the tokens of a bench
 * Limits:  REQUEST_MAX_BYTES
 * Spec:    RFC 9112, as far as servers of small fixed replies use it
 */
#ifndef BENCH_EXCHANGE_H
#define BENCH_EXCHANGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_MAX_BYTES = 4000, TOKEN_TEXT_BYTES = 56 };

#define TOKEN_PATH  "/latest/api/token"
#define TOKEN_FIELD "X-aws-ec2-metadata-token: "
#define TTL_FIELD   "X-aws-ec2-metadata-token-ttl-seconds: "

struct request {
	size_t n;
	char text[REQUEST_MAX_BYTES];
};

struct request_parts {
	const struct sockaddr_in *server;
	const char *method;
	const char *path;
	const char *field; /* "Name: ", or NULL */
	const char *value; /* of the field; NULL leaves it out */
	unsigned extra;    /* so many further fields that mean nothing */
	bool close;
};

/* Byte for byte as curl sends it. Returns 0, or -1 when it is too long. */
int request_build(struct request *request, const struct request_parts *parts);

struct reply {
	unsigned status;
	size_t total_bytes;
	const char *body;
	size_t body_bytes;
};

/*
 * Look at the reply as far as it has come.
 *
 * Returns 1 when it is complete, 0 when more is to come, -1 when it is none we count: no HTTP, no
 * length, or more bytes than one reply has.
 */
int reply_parse(const char *p, size_t n, struct reply *ret_reply);

/*
 * A socket on its way to the server.
 *
 * source  host order; 0: the kernel's choice
 * flags   SOCK_NONBLOCK or 0
 * Returns it, or -1 with errno and the name of what failed in ret_what.
 */
int connect_from(
	const struct sockaddr_in *server, uint32_t source, int flags, const char **ret_what);

#endif
