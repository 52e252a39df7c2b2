/* Unit tests of base/arena.h. */
#include "tests/unit/cases.h"

#include <stdlib.h>

#include "base/arena.h"
#include "fake/alloc.h"

#define MANY 20000

static size_t size_of(size_t i)
{
	/* Mostly small, some about a chunk, some larger. */
	return i % 1000 == 999 ? ARENA_CHUNK_BYTES - 8 + i % 16 : i % 997 == 0 ? 100000 : i % 67;
}

static void test_pieces_are_apart(void **state)
{
	(void)state;
	CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
	unsigned char **pieces = calloc(MANY, sizeof *pieces);
	assert_non_null(pieces);
	for (size_t i = 0; i < MANY; i++) {
		pieces[i] = arena_alloc(&arena, size_of(i));
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
		for (size_t at = 0; at < size_of(i); at++) {
			if (pieces[i][at] != 0) {
				fail_msg("piece %zu is not zeroed", i);
			}
		}
		if (size_of(i)) {
			memset(pieces[i], (int)(i % 251 + 1), size_of(i));
		}
	}
	for (size_t i = 0; i < MANY; i++) {
		for (size_t at = 0; at < size_of(i); at++) {
			if (pieces[i][at] != i % 251 + 1) {
				fail_msg("piece %zu was written to by another", i);
			}
		}
	}
	free(pieces);
}

static void test_at_the_chunk_s_size(void **state)
{
	(void)state;
	for (size_t more = 0; more < 3; more++) {
		CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
		size_t n = ARENA_CHUNK_BYTES - 1 + more;
		char *first = arena_alloc(&arena, n);
		char *second = arena_alloc(&arena, 1);
		assert_non_null(first);
		assert_non_null(second);
		memset(first, 'a', n);
		*second = 'b';
		assert_int_equal(first[n - 1], 'a');
	}
}

static void test_end_and_again(void **state)
{
	(void)state;
	struct arena arena = ARENA_EMPTY;
	arena_done(&arena);
	arena_done(NULL);
	assert_non_null(arena_alloc(&arena, 0));
	arena_done(&arena);
	arena_done(&arena);
	assert_non_null(arena_alloc(&arena, 10));
	arena_done(&arena);
}

static void test_str(void **state)
{
	(void)state;
	CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
	static const struct str texts[] = {
		{NULL, 0}, STR_INIT(""), STR_INIT("abc"), STR_INIT("\0a")};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct str copy = arena_str(&arena, texts[i]);
		assert_non_null(copy.p);
		assert_ptr_not_equal(copy.p, texts[i].p);
		assert_true(str_eq(copy, texts[i]));
		assert_int_equal(copy.p[copy.n], '\0');
	}
}

/* Absurd sizes are refused without asking for them; what is there stays usable. */
static void test_out_of_memory(void **state)
{
	(void)state;
	CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX / 2 + 1));
	(void)alloc_fail_at(1);
	assert_null(arena_alloc(&arena, 1));
	assert_true(alloc_fail_at(1));
	assert_null(arena_str(&arena, STR("abc")).p);
	assert_true(alloc_fail_at(0));
	char *p = arena_alloc(&arena, 8);
	assert_non_null(p);
	memset(p, 'p', 8);
	(void)alloc_fail_at(1);
	assert_null(arena_alloc(&arena, ARENA_CHUNK_BYTES));
	assert_true(alloc_fail_at(0));
	char *q = arena_alloc(&arena, 8);
	assert_non_null(q);
	memset(q, 'q', 8);
	assert_memory_equal(p, "pppppppp", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_are_apart),
		cmocka_unit_test(test_at_the_chunk_s_size),
		cmocka_unit_test(test_end_and_again),
		cmocka_unit_test(test_str),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
