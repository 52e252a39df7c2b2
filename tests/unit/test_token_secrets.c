/* The secrets by which tokens are made: as the store has them, and how they follow each other. */
#include "tests/unit/cases.h"

#include "control/token_secrets.h"

#define NOW INT64_C(1800000000)

static struct secret first(void)
{
	struct secret value = {0};
	assert_int_equal(secret_init(&value, TOKEN_KEY_BYTES), 0);
	memset(value.p, 7, value.n);
	return value;
}

static void load_first(struct token_secrets *secrets)
{
	CLEANUP(secret_done) struct secret value = first();
	assert_int_equal(token_secrets_read(secrets, &value), 0);
}

static void test_one_as_it_was_first_made(void **state)
{
	(void)state;
	CLEANUP(token_secrets_done) struct token_secrets secrets;
	load_first(&secrets);
	assert_int_equal(secrets.n, 1);
	assert_int_equal(secrets.v[0].p[31], 7);
	assert_int_equal(token_secrets_current(&secrets, 0), 0);
	assert_true(token_secrets_verifies(&secrets, 0, INT64_MAX / 2));
}

static void test_a_new_one_waits_and_the_old_one_stays(void **state)
{
	(void)state;
	CLEANUP(token_secrets_done) struct token_secrets secrets;
	struct diag diag = {{0}};
	load_first(&secrets);
	assert_int_equal(token_secrets_rotate(&secrets, NOW, 90, &diag), 0);
	assert_int_equal(secrets.n, 2);
	assert_memory_not_equal(secrets.v[0].p, secrets.v[1].p, TOKEN_KEY_BYTES);
	assert_int_equal(token_secrets_current(&secrets, NOW + 89), 0);
	assert_int_equal(token_secrets_current(&secrets, NOW + 90), 1);
	int64_t last = NOW + 90 + TOKEN_TTL_MAX_S;
	assert_true(token_secrets_verifies(&secrets, 0, last));
	assert_false(token_secrets_verifies(&secrets, 0, last + TOKEN_SECRETS_FLEET_S));
	assert_true(token_secrets_verifies(&secrets, 1, last + TOKEN_SECRETS_FLEET_S));
	assert_int_equal(token_secrets_rotate(&secrets, NOW + 89, 90, &diag), E_EXISTS);
	assert_non_null(strstr(diag.text, "in 1 s"));
}

static void test_those_that_verify_nothing_go(void **state)
{
	(void)state;
	CLEANUP(token_secrets_done) struct token_secrets secrets;
	int64_t now_s = NOW;
	load_first(&secrets);
	for (unsigned i = 0; i < 20; i++, now_s += TOKEN_TTL_MAX_S + 200) {
		assert_int_equal(token_secrets_rotate(&secrets, now_s, 90, NULL), 0);
		assert_true(secrets.n <= 3);
	}
}

static void test_not_more_than_can_verify(void **state)
{
	(void)state;
	CLEANUP(token_secrets_done) struct token_secrets secrets;
	struct diag diag = {{0}};
	load_first(&secrets);
	for (size_t i = 1; i < TOKEN_KEYS_MAX; i++) {
		assert_int_equal(
			token_secrets_rotate(&secrets, NOW + (int64_t)i * 100, 90, NULL), 0);
	}
	assert_int_equal(token_secrets_rotate(&secrets, NOW + 900, 90, &diag), E_LIMIT);
	assert_int_equal(secrets.n, TOKEN_KEYS_MAX);
	assert_non_null(strstr(diag.text, "the oldest expire in"));
}

static void test_what_is_written_is_read(void **state)
{
	(void)state;
	CLEANUP(token_secrets_done) struct token_secrets secrets;
	CLEANUP(token_secrets_done) struct token_secrets again;
	CLEANUP(secret_done) struct secret value = {0};
	load_first(&secrets);
	assert_int_equal(token_secrets_rotate(&secrets, NOW, 90, NULL), 0);
	assert_int_equal(token_secrets_rotate(&secrets, NOW + 100, 3, NULL), 0);
	assert_int_equal(token_secrets_write(&secrets, &value), 0);
	assert_int_equal(value.n, 3 * 40);
	assert_int_equal(token_secrets_read(&again, &value), 0);
	assert_true(token_secrets_same(&secrets, &again));
	again.from_s[2]++;
	assert_false(token_secrets_same(&secrets, &again));
}

static void test_what_is_none(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 31, 33, 39, 41, 5 * 40};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		CLEANUP(secret_done) struct secret value = {0};
		struct token_secrets secrets;
		assert_int_equal(secret_init(&value, sizes[i]), 0);
		assert_int_equal(token_secrets_read(&secrets, &value), E_DAMAGED);
	}
	/* Two with the same time. */
	CLEANUP(secret_done) struct secret value = {0};
	struct token_secrets secrets;
	assert_int_equal(secret_init(&value, 80), 0);
	assert_int_equal(token_secrets_read(&secrets, &value), E_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_as_it_was_first_made),
		cmocka_unit_test(test_a_new_one_waits_and_the_old_one_stays),
		cmocka_unit_test(test_those_that_verify_nothing_go),
		cmocka_unit_test(test_not_more_than_can_verify),
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
