/*
 * connection - one HTTP connection: what it is doing, and what may follow.
 *
 * Layer:   http
 * Threads: a connection belongs to the worker that accepted it
 * Memory:  slots live in one table for all workers, indexed by descriptor; a page of it is only
 *          there once a descriptor in it was used. Lifetime "connection". A slot is 64 bytes, one
 *          cache line; bytes that could not be handled at once are in a struct conn_bytes, which an
 *          idle connection does not have. TLS sessions are in an array beside, of which a plain
 *          connection touches nothing.
 * Secrets: buffered bytes may hold tokens; they are wiped when freed
 * Limits:  the table's size; struct http_limits (worker.h)
 * Spec:    docs/architecture.md#connections
 *
 *	           ┌──────────────┬───────── reply sent ────────┐
 *	           │              ▼                              │
 *	FREE ─▶ READING ─────▶ IDLE ─── bytes ──▶ READING ──▶ WRITING   (socket full)
 *	           │                                 │            │
 *	           ├──▶ PARKED (waits for an answer) ◀            │
 *	           ├──▶ PAUSED (asks too often) ──▶ READING      │
 *	           │       │                                      │
 *	           └───────┴──────────▶ LINGER ◀──────────────────┘   (closing; reads what still comes)
 *	all of them ─▶ FREE
 */
#ifndef TELLTALE_HTTP_CONNECTION_H
#define TELLTALE_HTTP_CONNECTION_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/ipaddr.h"
#include "http/http1.h"
#include "platform/wheel.h"

enum conn_state {
	CONN_FREE,
	CONN_READING, /* a request has begun, or the first one is awaited */
	CONN_IDLE,    /* between requests */
	CONN_WRITING, /* part of a reply waits for room in the socket, or requests for a later turn */
	CONN_PARKED, /* the handler will have the answer later */
	CONN_PAUSED, /* answered; what it asks next is read after a while */
	CONN_LINGER, /* everything is sent; waiting for the peer's end so that it is not cut off */
	CONN_STATES,
};

/* What a handler sees of a connection. */
struct http_peer {
	union {
		struct ipaddr addr;
		uint32_t uid; /* of a Unix socket's peer: its effective user id */
	};
	void *cookie;        /* the handler's */
	uint32_t generation; /* the handler's */
	uint16_t listener;   /* index of the listener it came by */
	uint8_t hop_limit;   /* set on the socket so far; 0: the system's */
	bool ipv6 : 1;       /* by an IPv6 address (not IPv4-mapped) */
	bool asked : 1;      /* the handler's */
};

/* Bytes that wait. Heap; only while there are some. */
struct conn_bytes {
	struct buf in;              /* received, not yet handled */
	struct http1_chunks chunks; /* of the first request's body, while conn->in_body */
	struct buf out;             /* not yet sent */
	size_t sent_bytes;          /* of out */
};

struct conn {
	struct http_peer peer;
	struct conn_bytes *bytes;
	struct wheel_link timer;
	_Atomic uint16_t owner; /* worker + 1, 0: nobody; handed on through close and accept */
	uint8_t state;
	bool watched;     /* known to epoll */
	bool close;       /* after what waits to be sent */
	bool admitted;    /* the handler counts it */
	bool secure;      /* by TLS: its session is in the table */
	bool in_body : 1; /* the head of a request is here, its body is not */
	bool put_off : 1; /* the handler was asked before for the same request */
};

_Static_assert(sizeof(struct conn) <= 64, "a connection is one cache line");

/* Slots for all descriptors below n. */
struct conn_table {
	struct conn *slots;
	struct tls_session **sessions; /* of those that are secure (http/transport.h) */
	size_t n;
};

/* Returns 0 or -ENOMEM. */
MUST_CHECK int conn_table_init(struct conn_table *table, size_t n);
void conn_table_done(struct conn_table *table);

/* The slot of a new descriptor, cleared; NULL when the table has none for it. owner is not 0. */
struct conn *conn_take(struct conn_table *table, int fd, uint16_t owner);

/* Whose the slot is; another worker's slot must not be touched otherwise. */
static inline bool conn_is_owned(const struct conn *conn, uint16_t owner)
{
	return atomic_load_explicit(&conn->owner, memory_order_relaxed) == owner;
}

/* Give the slot back; before close(2), since the number may be reused at once. */
void conn_release(struct conn *conn);

/* Enter a state; asserts that it may follow. */
void conn_move(struct conn *conn, enum conn_state state);

/* The bytes structure, made when there is none; NULL when out of memory. */
struct conn_bytes *conn_bytes(struct conn *conn);

/* Free it, wiped. */
void conn_drop_bytes(struct conn *conn);

#endif
