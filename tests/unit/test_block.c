/* Unit tests of base/block.h, which is built twice: with this machine's way to bits and with the plain one. */
#include "tests/unit/cases.h"

#include <stdlib.h>

#include "base/block.h"

static block are_odd(block bytes)
{
	return (block)((bytes & 1) != 0);
}

static block are_zero(block bytes)
{
	return (block)(bytes == 0);
}

/* One bit a byte, the first byte's the lowest, whichever are found. */
static void bits_are_in_the_order_of_bytes(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits <= UINT16_MAX; bits++) {
		char text[BLOCK_BYTES];
		for (unsigned i = 0; i < BLOCK_BYTES; i++) {
			text[i] = (char)(bits >> i & 1);
		}
		assert_int_equal(block_bits(are_odd(block_at(text))), bits);
	}
}

/* Wherever a byte of that kind is, in however many, and how much of the text is looked at again. */
static void the_first_of_a_kind_is_found(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 50; n++) {
		char *text = malloc(n ? n : 1); /* so that a sanitizer sees what is read beyond */
		assert_non_null(text);
		char *end = text + n;
		for (size_t odd = 0; odd <= n; odd++) {
			memset(text, 'b', n);
			memset(text + odd, 'a', n - odd);
			for (size_t at = 0; at <= odd; at++) {
				const char *found = block_find(text + at, text + at, end, are_odd);
				assert_ptr_equal(found, text + odd);
				found = block_find(text, text + at, end, are_odd);
				assert_ptr_equal(found, text + odd);
			}
		}
		free(text);
	}
}

/* A byte before the place to start from is none, nor is what fills a short text up. */
static void only_the_bytes_asked_about_count(void **state)
{
	(void)state;
	char text[40];
	memset(text, 'b', sizeof text);
	for (size_t at = 1; at < sizeof text; at++) {
		const char *end = text + sizeof text;
		text[at - 1] = 'a';
		assert_ptr_equal(block_find(text, text + at, end, are_odd), end);
		assert_ptr_equal(block_find(text, text + at, end, are_zero), end);
		assert_ptr_equal(block_find(text + at, text + at, end, are_zero), end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_in_the_order_of_bytes),
		cmocka_unit_test(the_first_of_a_kind_is_found),
		cmocka_unit_test(only_the_bytes_asked_about_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
