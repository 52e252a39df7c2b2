/* Unit tests of base/hash.h. */
#include "tests/unit/cases.h"

#include "base/hash.h"

/* Every byte counts, at every length, and so do their number and where the hash starts. */
static void every_byte_counts(void **state)
{
	(void)state;
	char text[40] = {0};
	for (size_t n = 0; n < sizeof text; n++) {
		uint64_t h = hash_bytes(HASH_START, text, n);
		assert_true(hash_bytes(HASH_START, text, n) == h);
		assert_true(n + 1 == sizeof text || hash_bytes(HASH_START, text, n + 1) != h);
		assert_true(hash_bytes(h, text, n) != h);
		for (size_t i = 0; i < n; i++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				text[i] = (char)(1U << bit);
				assert_true(hash_bytes(HASH_START, text, n) != h);
				text[i] = 0;
			}
		}
	}
}

/* What lies behind the bytes, and how they are aligned, plays no part. */
static void only_the_bytes_count(void **state)
{
	(void)state;
	const char *text = "meta-data/instance-id";
	char memory[64];
	for (size_t at = 0; at < 8; at++) {
		for (size_t n = 0; n <= strlen(text); n++) {
			memset(memory, (int)at + 'a', sizeof memory);
			memcpy(memory + at, text, n);
			assert_true(hash_bytes(HASH_START, memory + at, n) ==
				    hash_bytes(HASH_START, text, n));
		}
	}
}

/* So many slots of a table are met by keys of n bytes that differ in one byte alone. */
static size_t slots_met(size_t n, size_t at, size_t cap)
{
	bool seen[4096] = {false};
	size_t met = 0;
	for (unsigned i = 0; i < 256; i++) {
		unsigned char key[24] = {10};
		key[at] = (unsigned char)i;
		size_t slot = hash_slot(hash_bytes(HASH_START, key, n), cap);
		assert_true(slot < cap);
		met += !seen[slot];
		seen[slot] = true;
	}
	return met;
}

/* Whichever byte that is, they are spread over small tables and large ones. */
static void slots_are_spread(void **state)
{
	(void)state;
	for (size_t cap = 1; cap <= 4096; cap *= 4) {
		for (size_t n = 1; n <= 24; n++) {
			for (size_t at = 0; at < n; at++) {
				assert_true(slots_met(n, at, cap) >= (cap < 256 ? cap / 2 : 128));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(only_the_bytes_count),
		cmocka_unit_test(slots_are_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
