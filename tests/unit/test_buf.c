/* Unit tests of base/buf.h. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "fake/alloc.h"

#define MANY 100000

static void test_starts_empty(void **state)
{
	(void)state;
	struct buf buf = BUF_EMPTY;
	assert_int_equal(buf_status(&buf), 0);
	assert_true(str_eq(buf_str(&buf), STR_EMPTY));
	buf_add(&buf, STR_EMPTY);
	buf_add(&buf, STR(""));
	assert_null(buf.p);
	buf_done(&buf);
	buf_done(&buf); /* again is fine */
	buf_done(NULL);
}

/* Over many doublings, by one, and by pieces larger than what is there. */
static void test_grows(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_EMPTY;
	for (size_t i = 0; i < MANY; i++) {
		buf_add_char(&buf, (char)(i * 31));
	}
	assert_int_equal(buf_status(&buf), 0);
	assert_int_equal(buf.n, MANY);
	struct str piece = {buf_str(&buf).p, MANY};
	char *copy = str_dup(piece);
	assert_non_null(copy);
	for (size_t size = 0; size < MANY; size = size * 3 + 1) {
		buf_add(&buf, (struct str){copy, size});
		assert_memory_equal(buf.p + buf.n - size, copy, size);
	}
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(buf.p[i], (char)(i * 31));
	}
	free(copy);
}

/* Neither of what is there nor of what was there before. */
static void test_growing_leaves_no_copy(void **state)
{
	(void)state;
	struct buf buf = BUF_EMPTY;
	buf_add(&buf, STR("0123456789-old"));
	buf_reset(&buf);
	buf_add(&buf, STR("new-"));
	(void)alloc_watch(STR("56789-old"));
	for (size_t i = 0; i < MANY; i++) {
		buf_add_char(&buf, 'x');
	}
	assert_int_equal(alloc_watch(STR("new-")), 0);
	for (size_t i = 0; i < 10 * MANY; i++) {
		buf_add_char(&buf, 'x');
	}
	assert_int_equal(alloc_watch(STR_EMPTY), 0);
	assert_memory_equal(buf.p, "new-x", 5);
	buf_done(&buf);
}

static void test_u64(void **state)
{
	(void)state;
	static const struct {
		int line;
		uint64_t value;
		struct str text;
	} cases[] = {
		{__LINE__, 0, STR_INIT("0")},
		{__LINE__, 9, STR_INIT("9")},
		{__LINE__, 10, STR_INIT("10")},
		{__LINE__, 100, STR_INIT("100")},
		{__LINE__, UINT32_MAX, STR_INIT("4294967295")},
		{__LINE__, UINT64_C(9999999999999999999), STR_INIT("9999999999999999999")},
		{__LINE__, UINT64_C(10000000000000000000), STR_INIT("10000000000000000000")},
		{__LINE__, UINT64_MAX, STR_INIT("18446744073709551615")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		CLEANUP(buf_done) struct buf buf = BUF_EMPTY;
		buf_add_u64(&buf, cases[i].value);
		HOLDS(cases[i].line, str_eq(buf_str(&buf), cases[i].text));
	}
}

static void test_formats(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_EMPTY;
	char longer[1000];
	memset(longer, 'x', sizeof longer);
	buf_add_f(&buf, "%s", "");
	assert_int_equal(buf.n, 0);
	buf_add_f(&buf, "%d-%s", 5, "a");
	buf_add_f(&buf, "%.*s", (int)sizeof longer, longer);
	buf_add_f(&buf, "%c", '\0');
	assert_int_equal(buf_status(&buf), 0);
	assert_int_equal(buf.n, 3 + sizeof longer + 1);
	assert_memory_equal(buf.p, "5-a", 3);
	assert_memory_equal(buf.p + 3, longer, sizeof longer);
}

/* At its cap, and one byte beyond. */
static void test_fixed(void **state)
{
	(void)state;
	char memory[9];
	memory[8] = '#';
	struct buf buf = buf_fixed(memory, 8);
	buf_add(&buf, STR("1234"));
	buf_add(&buf, STR("5678"));
	assert_int_equal(buf_status(&buf), 0);
	assert_true(str_eq(buf_str(&buf), STR("12345678")));
	buf_add(&buf, STR_EMPTY);
	assert_int_equal(buf_status(&buf), 0);
	buf_add_char(&buf, '9');
	assert_int_equal(buf_status(&buf), E_LIMIT);
	assert_true(str_eq(buf_str(&buf), STR("12345678")));

	buf_reset(&buf);
	assert_int_equal(buf_status(&buf), 0);
	assert_int_equal(buf.n, 0);
	buf_add(&buf, STR("123456789")); /* all of it or nothing */
	assert_int_equal(buf_status(&buf), E_LIMIT);
	assert_int_equal(buf.n, 0);
	buf_add_char(&buf, '1'); /* would fit, but the first failure stays */
	assert_int_equal(buf.n, 0);

	buf_reset(&buf);
	buf_add_f(&buf, "%s", "1234567"); /* one byte is for the NUL */
	assert_int_equal(buf_status(&buf), 0);
	assert_int_equal(buf.n, 7);
	buf_reset(&buf);
	buf_add_f(&buf, "%s", "12345678");
	assert_int_equal(buf_status(&buf), E_LIMIT);
	buf_reset(&buf);
	buf_add_u64(&buf, 123456789);
	assert_int_equal(buf_status(&buf), E_LIMIT);
	assert_int_equal(memory[8], '#');

	buf_reset(&buf);
	assert_null(buf_take(&buf)); /* the memory is the caller's */
	buf_done(&buf);
}

static void test_room(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf buf = BUF_EMPTY;
	char *at = buf_room(&buf, 1000);
	assert_non_null(at);
	memset(at, 'a', 1000);
	buf.n += 600;
	assert_ptr_equal(buf_room(&buf, 400), buf.p + 600);
	assert_int_equal(buf.n, 600);
	/* Lengths that do not fit in a size_t, or are absurd. */
	assert_null(buf_room(&buf, SIZE_MAX));
	assert_int_equal(buf_status(&buf), -ENOMEM);
	buf_reset(&buf);
	assert_null(buf_room(&buf, SIZE_MAX / 2 + 1));
	assert_int_equal(buf_status(&buf), -ENOMEM);
	assert_null(buf_room(&buf, 1));
}

static void test_take(void **state)
{
	(void)state;
	struct buf buf = BUF_EMPTY;
	char *p = buf_take(&buf);
	assert_non_null(p);
	assert_string_equal(p, "");
	free(p);
	assert_null(buf.p);

	/* Just full: the NUL needs more room. */
	(void)buf_room(&buf, 1);
	while (buf.n < buf.cap_) {
		buf_add_char(&buf, 'a');
	}
	size_t n = buf.n;
	p = buf_take(&buf);
	assert_non_null(p);
	assert_int_equal(strlen(p), n);
	assert_int_equal(buf.n, 0);
	assert_null(buf.p);
	free(p);

	(void)buf_room(&buf, SIZE_MAX);
	assert_null(buf_take(&buf));
	buf_done(&buf);
	assert_int_equal(buf_status(&buf), 0);
}

/* What was there stays, the failure is kept, and nothing is added behind a gap. */
static void test_out_of_memory(void **state)
{
	(void)state;
	for (unsigned n = 1;; n++) {
		CLEANUP(buf_done) struct buf buf = BUF_EMPTY;
		(void)alloc_fail_at(n);
		for (size_t i = 0; i < 3000; i++) {
			buf_add_char(&buf, (char)i);
			buf_add_f(&buf, "%c", (char)i);
		}
		char *p = buf_status(&buf) == 0 ? buf_take(&buf) : NULL;
		if (!alloc_fail_at(0)) {
			assert_non_null(p);
			free(p);
			assert_true(n > 3);
			return;
		}
		assert_int_equal(buf_status(&buf), -ENOMEM);
		assert_null(p);
		assert_null(buf_take(&buf));
		assert_true(buf.n < 6000);
		for (size_t i = 0; i < buf.n; i++) {
			assert_int_equal(buf.p[i], (char)(i / 2));
		}
		buf_reset(&buf);
		buf_add(&buf, STR("again"));
		assert_int_equal(buf_status(&buf), 0);
		assert_true(str_eq(buf_str(&buf), STR("again")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_empty),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_growing_leaves_no_copy),
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
