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

/* Keys that differ in their last byte alone are spread over small tables and large ones. */
static void slots_are_spread(void **state)
{
	(void)state;
	for (size_t cap = 1; cap <= 65536; cap *= 4) {
		bool seen[65536] = {false};
		size_t n = 0;
		for (unsigned i = 0; i < 256; i++) {
			unsigned char key[] = {10, 0, 0, (unsigned char)i};
			size_t slot = hash_slot(hash_bytes(HASH_START, key, sizeof key), cap);
			assert_true(slot < cap);
			n += !seen[slot];
			seen[slot] = true;
		}
		assert_true(n >= (cap < 256 ? cap / 2 : 128));
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
