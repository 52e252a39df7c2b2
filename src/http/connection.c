#include "http/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/crypto.h"

#define M(state) (1u << (state))

/* Which states may follow. */
static const uint8_t legal[CONN_STATES] = {
	[CONN_FREE] = M(CONN_READING),
	[CONN_READING] = M(CONN_READING) | M(CONN_IDLE) | M(CONN_WRITING) | M(CONN_PARKED) |
			 M(CONN_PAUSED) | M(CONN_LINGER) | M(CONN_FREE),
	[CONN_IDLE] = M(CONN_READING) | M(CONN_FREE),
	[CONN_WRITING] = M(CONN_READING) | M(CONN_LINGER) | M(CONN_FREE),
	[CONN_PARKED] = M(CONN_READING) | M(CONN_FREE),
	[CONN_PAUSED] = M(CONN_READING) | M(CONN_FREE),
	[CONN_LINGER] = M(CONN_FREE),
};

#undef M

/* Pages are there only once touched, so the size costs address space and no memory. */
static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

int conn_table_init(struct conn_table *table, size_t n)
{
	struct conn_table made = {.n = n};
	made.slots = map(n * sizeof *made.slots);
	made.sessions = map(n * sizeof(struct tls_session *));
	if (!made.slots || !made.sessions) {
		conn_table_done(&made);
		return -ENOMEM;
	}
	*table = made;
	return 0;
}

void conn_table_done(struct conn_table *table)
{
	if (table->slots) {
		munmap(table->slots, table->n * sizeof *table->slots);
	}
	if (table->sessions) {
		munmap(table->sessions, table->n * sizeof(struct tls_session *));
	}
	*table = (struct conn_table){0};
}

struct conn *conn_take(struct conn_table *table, int fd, uint16_t owner)
{
	if ((size_t)fd >= table->n) {
		return NULL;
	}
	struct conn *conn = &table->slots[fd];
	/* Pairs with the release below: the worker that had this number is done with the slot. */
	uint16_t before = atomic_load_explicit(&conn->owner, memory_order_acquire);
	assert(before == 0);
	(void)before;
	conn->peer = (struct http_peer){0};
	conn->bytes = NULL;
	wheel_link_init(&conn->timer);
	conn->state = CONN_FREE;
	conn->watched = false;
	conn->close = false;
	conn->admitted = false;
	conn->secure = false;
	conn->in_body = false;
	conn->put_off = false;
	atomic_store_explicit(&conn->owner, owner, memory_order_relaxed);
	return conn;
}

void conn_release(struct conn *conn)
{
	conn_move(conn, CONN_FREE);
	conn_drop_bytes(conn);
	atomic_store_explicit(&conn->owner, 0, memory_order_release);
}

void conn_move(struct conn *conn, enum conn_state state)
{
	assert(legal[conn->state] & 1u << state);
	conn->state = (uint8_t)state;
}

struct conn_bytes *conn_bytes(struct conn *conn)
{
	if (!conn->bytes) {
		conn->bytes = calloc(1, sizeof *conn->bytes);
	}
	return conn->bytes;
}

void conn_drop_bytes(struct conn *conn)
{
	if (conn->bytes) {
		crypto_wipe_buf(&conn->bytes->in);
		crypto_wipe_buf(&conn->bytes->out);
		free(conn->bytes);
		conn->bytes = NULL;
	}
}
