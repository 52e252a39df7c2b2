/* Unit tests of http/connection.h. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "fake/alloc.h"
#include "http/connection.h"
#include "tests/unit/child.h"

#define SLOTS 64
#define TURNS 20000

static struct conn_table table;

static int make_table(void **state)
{
	(void)state;
	return conn_table_init(&table, SLOTS);
}

static int end_table(void **state)
{
	(void)state;
	conn_table_done(&table);
	return table.slots || table.n ? -1 : 0;
}

/* --- states ------------------------------------------------------------------------------------ */

static const char *const names[CONN_STATES] = {
	"free", "reading", "idle", "writing", "parked", "paused", "linger"};

/* Rows: from; columns: to. As the header draws it. */
static const bool legal[CONN_STATES][CONN_STATES] = {
	[CONN_FREE] = {[CONN_READING] = true},
	[CONN_READING] = {[CONN_FREE] = true,
		[CONN_READING] = true,
		[CONN_IDLE] = true,
		[CONN_WRITING] = true,
		[CONN_PARKED] = true,
		[CONN_PAUSED] = true,
		[CONN_LINGER] = true},
	[CONN_IDLE] = {[CONN_FREE] = true, [CONN_READING] = true},
	[CONN_WRITING] = {[CONN_FREE] = true, [CONN_READING] = true, [CONN_LINGER] = true},
	[CONN_PARKED] = {[CONN_FREE] = true, [CONN_READING] = true},
	[CONN_PAUSED] = {[CONN_FREE] = true, [CONN_READING] = true},
	[CONN_LINGER] = {[CONN_FREE] = true},
};

struct step {
	uint8_t from, to;
};

static void take_step(void *ctx)
{
	const struct step *step = ctx;
	struct conn conn = {.state = step->from};
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CHECK(nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0); /* the assertion's words */
	conn_move(&conn, (enum conn_state)step->to);
	CHECK(conn.state == step->to);
}

static void test_states(void **state)
{
	(void)state;
	for (uint8_t from = 0; from < CONN_STATES; from++) {
		for (uint8_t to = 0; to < CONN_STATES; to++) {
			struct step step = {from, to};
			int code = child_run(take_step, &step);
			if (code != (legal[from][to] ? 0 : 128 + SIGABRT)) {
				fail_msg("from %s to %s: %d", names[from], names[to], code);
			}
		}
	}
}

/* --- slots ------------------------------------------------------------------------------------- */

static void test_table_size(void **state)
{
	(void)state;
	struct conn_table none;
	struct conn_table empty = {0};
	conn_table_done(&empty);
	/* As many as there can be descriptors: address space, not memory. */
	assert_int_equal(conn_table_init(&none, 1024 * 1024), 0);
	assert_int_equal(none.n, 1024 * 1024);
	assert_int_equal(atomic_load(&none.slots[none.n - 1].owner), 0);
	conn_table_done(&none);
	assert_null(none.slots);
	assert_int_equal(none.n, 0);
	conn_table_done(&none);
	assert_int_equal(conn_table_init(&none, SIZE_MAX / 4096), -ENOMEM);
}

static void test_slots(void **state)
{
	(void)state;
	static const int outside[] = {-1, SLOTS, SLOTS + 1, INT32_MAX, INT32_MIN};
	for (size_t i = 0; i < COUNT(outside); i++) {
		assert_null(conn_take(&table, outside[i], 1));
	}
	for (int fd = 0; fd < SLOTS; fd++) {
		struct conn *conn = conn_take(&table, fd, (uint16_t)(fd + 1));
		assert_ptr_equal(conn, &table.slots[fd]);
		assert_true(conn_is_owned(conn, (uint16_t)(fd + 1)));
		assert_false(conn_is_owned(conn, (uint16_t)(fd + 2)));
		assert_false(conn_is_owned(conn, 0));
		assert_int_equal(conn->state, CONN_FREE);
		conn_move(conn, CONN_READING);
	}
	for (int fd = 0; fd < SLOTS; fd++) {
		conn_release(&table.slots[fd]);
		assert_true(conn_is_owned(&table.slots[fd], 0));
		assert_int_equal(table.slots[fd].state, CONN_FREE);
	}
}

/* Nothing of the connection before is left in a slot. */
static void test_slot_is_cleared(void **state)
{
	(void)state;
	int cookie;
	struct conn *conn = conn_take(&table, 5, 1);
	assert_non_null(conn);
	conn_move(conn, CONN_READING);
	memset(&conn->peer, 0xa5, sizeof conn->peer);
	conn->peer.cookie = &cookie;
	conn->watched = conn->close = conn->admitted = conn->in_body = conn->put_off = true;
	assert_non_null(conn_bytes(conn));
	conn_release(conn);
	assert_null(conn->bytes);
	conn = conn_take(&table, 5, 2);
	assert_non_null(conn);
	static const struct http_peer none;
	assert_memory_equal(&conn->peer.addr, &none.addr, sizeof none.addr);
	assert_null(conn->peer.cookie);
	assert_int_equal(conn->peer.generation, 0);
	assert_int_equal(conn->peer.listener, 0);
	assert_int_equal(conn->peer.hop_limit, 0);
	assert_false(conn->peer.ipv6);
	assert_false(
		conn->watched || conn->close || conn->admitted || conn->in_body || conn->put_off);
	assert_null(conn->bytes);
	assert_int_equal(conn->timer.slot_, WHEEL_SLOTS);
	conn_move(conn, CONN_READING);
	conn_release(conn);
}

static void take_twice(void *ctx)
{
	(void)ctx;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CHECK(nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0);
	CHECK(conn_take(&table, 9, 1));
	(void)conn_take(&table, 9, 2);
}

static void test_slot_is_not_taken_twice(void **state)
{
	(void)state;
	assert_int_equal(child_run(take_twice, NULL), 128 + SIGABRT);
}

/* --- bytes that wait --------------------------------------------------------------------------- */

static void test_bytes(void **state)
{
	(void)state;
	struct conn *conn = conn_take(&table, 1, 1);
	assert_non_null(conn);
	conn_move(conn, CONN_READING);
	conn_drop_bytes(conn); /* none are there: nothing happens */
	struct conn_bytes *bytes = conn_bytes(conn);
	assert_non_null(bytes);
	assert_ptr_equal(conn_bytes(conn), bytes);
	assert_int_equal(bytes->in.n, 0);
	assert_int_equal(bytes->out.n, 0);
	assert_int_equal(bytes->sent_bytes, 0);
	conn_drop_bytes(conn);
	assert_null(conn->bytes);
	(void)alloc_fail_at(1);
	assert_null(conn_bytes(conn));
	assert_true(alloc_fail_at(0));
	assert_null(conn->bytes);
	conn_release(conn);
}

/* Also what is behind the end: it was used before. */
static void test_bytes_are_wiped(void **state)
{
	(void)state;
	static const struct str secret = STR_INIT("AQAAAHc1mbD4Ud9");
	for (int released = 0; released < 2; released++) {
		struct conn *conn = conn_take(&table, 1, 1);
		assert_non_null(conn);
		conn_move(conn, CONN_READING);
		struct conn_bytes *bytes = conn_bytes(conn);
		assert_non_null(bytes);
		buf_add(&bytes->in, secret);
		buf_add(&bytes->out, STR("Some reply: "));
		buf_add(&bytes->out, secret);
		if (released) {
			buf_reset(&bytes->in);
			bytes->out.n -= 3;
		}
		(void)alloc_watch(secret);
		if (released) {
			conn_release(conn);
		} else {
			conn_drop_bytes(conn);
		}
		assert_int_equal(alloc_watch(STR_EMPTY), 0);
		if (!released) {
			conn_release(conn);
		}
	}
	/* The look at what is given back does find something. */
	struct buf kept = BUF_EMPTY;
	buf_add(&kept, secret);
	(void)alloc_watch(secret);
	buf_done(&kept);
	assert_int_equal(alloc_watch(STR_EMPTY), 1);
}

/* --- two workers ------------------------------------------------------------------------------- */

static _Atomic uint16_t turn = 1;

/* As descriptors are: the next owner comes once the one before has given the number back. */
static void *take_turns(void *ctx)
{
	uint16_t me = *(const uint16_t *)ctx, other = me == 1 ? 2 : 1;
	for (int i = 0; i < TURNS; i++) {
		while (atomic_load_explicit(&turn, memory_order_relaxed) != me) {
		}
		struct conn *conn = conn_take(&table, 3, me);
		conn_move(conn, CONN_READING);
		conn->peer.generation = me;
		struct conn_bytes *bytes = conn_bytes(conn);
		if (bytes) {
			buf_add(&bytes->in, STR("x"));
		}
		conn_release(conn);
		atomic_store_explicit(&turn, other, memory_order_relaxed);
	}
	return NULL;
}

static void test_slot_is_handed_on(void **state)
{
	(void)state;
	uint16_t ids[] = {1, 2};
	pthread_t threads[2];
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &ids[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_true(conn_is_owned(&table.slots[3], 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_table_size),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_slot_is_cleared),
		cmocka_unit_test(test_slot_is_not_taken_twice),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bytes_are_wiped),
		cmocka_unit_test(test_slot_is_handed_on),
	};
	return cmocka_run_group_tests(tests, make_table, end_table);
}
