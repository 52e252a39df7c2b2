/* Unit tests of daemon/data_plane.h: other secrets for tokens. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "daemon/data_plane.h"
#include "fake/alloc.h"

#define WORKERS 3
#define FILES   64
#define NOW_NS  INT64_C(1700010000000000000)
#define TTL_S   60
#define WAIT_MS 10000

static const struct config settings;
static const struct token_owner owner = {STR_INIT("i-0123456789abcdef0"), 1};

struct fixture {
	struct registry *registry;
	struct conn_table table;
	struct secret first, second;
	char by_first[TOKEN_CHARS], by_second[TOKEN_CHARS]; /* tokens */
};

static void make_secret(struct secret *secret, unsigned char byte, char ret_token[TOKEN_CHARS])
{
	struct token_keys keys;
	struct crypto_rng rng = {0};
	assert_int_equal(secret_init(secret, TOKEN_KEY_BYTES), 0);
	memset(secret->p, byte, secret->n);
	assert_int_equal(token_keys_init(&keys, secret, 1), 0);
	assert_int_equal(token_mint(&keys, &owner, &rng, NOW_NS, TTL_S, ret_token), 0);
	token_keys_done(&keys);
}

static int setup(void **state)
{
	static struct fixture fixture;
	struct fixture *f = *state = &fixture;
	f->registry = registry_new(WORKERS);
	assert_non_null(f->registry);
	assert_int_equal(conn_table_init(&f->table, FILES), 0);
	make_secret(&f->first, 1, f->by_first);
	make_secret(&f->second, 2, f->by_second);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	secret_done(&f->first);
	secret_done(&f->second);
	conn_table_done(&f->table);
	registry_free(f->registry);
	return 0;
}

static struct data_plane *plane_new(struct fixture *f)
{
	struct data_plane *plane;
	const struct data_plane_config config = {.settings = &settings,
		.workers = WORKERS,
		.registry = f->registry,
		.table = &f->table,
		.first_id = 1,
		.token_secrets = &f->first,
		.n_token_secrets = 1};
	assert_int_equal(data_plane_new(&config, &plane, NULL), 0);
	return plane;
}

/* Each worker has turned, and its thread is gone: what it has can be looked at. */
static void run_out(struct data_plane *plane)
{
	int waited_ms = 0;
	assert_int_equal(data_plane_start(plane, NULL), 0);
	data_plane_drain(plane);
	for (; !data_plane_drained(plane) && waited_ms < WAIT_MS; waited_ms++) {
		(void)poll(NULL, 0, 1);
	}
	assert_true(waited_ms < WAIT_MS);
}

static bool is_good(struct token_keys *keys, const char token[TOKEN_CHARS])
{
	uint32_t left_s;
	return token_verify(keys, &owner, (struct str){token, TOKEN_CHARS}, NOW_NS, &left_s) == 0;
}

static void expect_all(struct fixture *f, struct data_plane *plane, bool second)
{
	size_t n;
	struct service_worker *const *workers = data_plane_workers(plane, &n);
	assert_int_equal(n, WORKERS);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(is_good(&workers[i]->keys, f->by_first), !second);
		assert_int_equal(is_good(&workers[i]->keys, f->by_second), second);
	}
}

/* Whatever allocation fails: all workers have the same, and it is what is said. */
static void test_rekey_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		struct data_plane *plane = plane_new(f);
		alloc_fail_at(n);
		int rc = data_plane_rekey(plane, &f->second, 1);
		failed = alloc_fail_at(0);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		run_out(plane);
		expect_all(f, plane, !failed);
		data_plane_free(plane);
	}
}

static void test_the_last_of_several_counts(void **state)
{
	struct fixture *f = *state;
	struct data_plane *plane = plane_new(f);
	assert_int_equal(data_plane_rekey(plane, &f->second, 1), 0);
	assert_int_equal(data_plane_rekey(plane, &f->first, 1), 0);
	assert_int_equal(data_plane_rekey(plane, &f->second, 1), 0);
	run_out(plane);
	expect_all(f, plane, true);
	data_plane_free(plane);
}

/* Those that come when nobody turns any more. */
static void test_rekey_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct data_plane *plane = plane_new(f);
	run_out(plane);
	assert_int_equal(data_plane_rekey(plane, &f->second, 1), 0);
	expect_all(f, plane, false);
	data_plane_free(plane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rekey_is_all_or_nothing),
		cmocka_unit_test(test_the_last_of_several_counts),
		cmocka_unit_test(test_rekey_at_the_end),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
