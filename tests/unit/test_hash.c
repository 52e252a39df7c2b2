/* Unit tests of base/hash.h. */
#include "tests/unit/cases.h"

#include "base/hash.h"

/* From the authors' own test vectors. */
static void known_hashes(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		uint64_t hash;
	} cases[] = {
		{__LINE__, STR_INIT(""), UINT64_C(0xcbf29ce484222325)},
		{__LINE__, STR_INIT("a"), UINT64_C(0xaf63dc4c8601ec8c)},
		{__LINE__, STR_INIT("foobar"), UINT64_C(0x85944171f73967e8)},
		{__LINE__, STR_INIT("\xff\x00\x00\x01"), UINT64_C(0x6961196491cc682d)},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		HOLDS(cases[i].line, hash_str(HASH_START, cases[i].text) == cases[i].hash);
	}
	assert_true(hash_str(HASH_START, STR_EMPTY) == HASH_START);
}

static void parts_are_the_whole(void **state)
{
	(void)state;
	struct str text = STR("meta-data/instance-id");
	uint64_t whole = hash_str(HASH_START, text);
	for (size_t at = 0; at <= text.n; at++) {
		uint64_t h = hash_bytes(HASH_START, text.p, at);
		assert_true(hash_str(h, str_from(text, at)) == whole);
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
		cmocka_unit_test(known_hashes),
		cmocka_unit_test(parts_are_the_whole),
		cmocka_unit_test(slots_are_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
