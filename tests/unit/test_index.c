/* Unit tests of metadata/index.h: beside a model, with collisions, and without memory. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <stdio.h>

#include "metadata/index.h"
#include "tests/fake/alloc.h"

/* The index knows nothing of an entry but its key: here it is one of our own. */
struct entry {
	char text[16];
	struct str key;
	bool there;
	bool seen;
};

static struct str key_of(const struct entry *entry)
{
	return entry->key;
}

#define ENTRIES 400

struct fixture {
	struct index index;
	struct entry entries[ENTRIES];
};

static int setup(void **state)
{
	static struct fixture fixture;
	fixture = (struct fixture){0};
	for (int i = 0; i < ENTRIES; i++) {
		struct entry *entry = &fixture.entries[i];
		(void)snprintf(entry->text, sizeof entry->text, "web-%d", i);
		entry->key = str_of(entry->text);
	}
	index_init(&fixture.index, key_of);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	index_done(&f->index);
	index_done(&f->index); /* again: nothing */
	return 0;
}

static void add(struct fixture *f, size_t i)
{
	assert_int_equal(index_reserve(&f->index, f->index.n + 1), 0);
	index_add(&f->index, &f->entries[i]);
	f->entries[i].there = true;
}

/* Those that are there are found and come once each, and no others. */
static void check_all(struct fixture *f)
{
	size_t n = 0, at = 0;
	struct entry *entry;
	for (size_t i = 0; i < ENTRIES; i++) {
		struct entry *want = f->entries[i].there ? &f->entries[i] : NULL;
		assert_ptr_equal(index_find(&f->index, f->entries[i].key), want);
		f->entries[i].seen = false;
	}
	while ((entry = index_next(&f->index, &at)) != NULL) {
		assert_true(entry->there && !entry->seen);
		entry->seen = true;
		n++;
	}
	assert_null(index_next(&f->index, &at));
	for (size_t i = 0; i < ENTRIES; i++) {
		assert_int_equal(f->entries[i].seen, f->entries[i].there);
	}
	assert_int_equal(f->index.n, n);
}

static void nothing_in_it(void **state)
{
	struct fixture *f = *state;
	check_all(f);
	index_remove(&f->index, STR("web-1"));
	assert_int_equal(index_reserve(&f->index, 0), 0);
	check_all(f);
	index_remove(&f->index, STR("web-1"));
	check_all(f);
}

static void keys_of_any_bytes(void **state)
{
	struct fixture *f = *state;
	f->entries[0].key = STR_EMPTY;
	f->entries[1].key = STR("\0");
	f->entries[2].key = STR("web");
	for (size_t i = 0; i < 4; i++) {
		add(f, i);
		check_all(f);
	}
	index_remove(&f->index, STR_EMPTY);
	f->entries[0].there = false;
	check_all(f);
}

static void the_last_with_a_key_is_the_one(void **state)
{
	struct fixture *f = *state;
	f->entries[1].key = f->entries[0].key;
	add(f, 0);
	add(f, 1);
	assert_int_equal(f->index.n, 1);
	assert_ptr_equal(index_find(&f->index, f->entries[0].key), &f->entries[1]);
	index_remove(&f->index, f->entries[0].key);
	assert_null(index_find(&f->index, f->entries[1].key));
	assert_int_equal(f->index.n, 0);
}

static void grows(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < ENTRIES; i++) {
		add(f, i);
		check_all(f);
	}
	for (size_t i = 0; i < ENTRIES; i++) {
		index_remove(&f->index, f->entries[i].key);
		f->entries[i].there = false;
		check_all(f);
	}
}

/* Few slots and many removals, so that chains are mended everywhere, round the end too. */
static void beside_a_model(void **state)
{
	struct fixture *f = *state;
	uint64_t random = UINT64_C(88172645463325252);
	for (int step = 0; step < 20000; step++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		/* First among the few that the smallest table holds, then among all. */
		struct entry *entry = &f->entries[random % (step < 10000 ? 64 : ENTRIES)];
		if (!entry->there && f->index.n < (step < 10000 ? 32 : ENTRIES)) {
			add(f, (size_t)(entry - f->entries));
		} else {
			index_remove(&f->index, entry->key);
			entry->there = false;
		}
		check_all(f);
	}
}

static void no_memory(void **state)
{
	struct fixture *f = *state;
	size_t failures = 0;
	for (size_t i = 0; i < ENTRIES; i++) {
		alloc_fail_at(1);
		int rc = index_reserve(&f->index, f->index.n + 1);
		bool failed = alloc_fail_at(0);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		failures += failed;
		check_all(f); /* as it was */
		add(f, i);
	}
	assert_int_equal(failures, 5); /* 64, 128, 256, 512 and 1024 slots */
}

/* What there is room for can be added and taken out without memory. */
static void room_is_kept(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(index_reserve(&f->index, ENTRIES), 0);
	alloc_fail_at(1);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < ENTRIES; i++) {
			add(f, i);
		}
		check_all(f);
		for (size_t i = 0; i < ENTRIES; i++) {
			index_remove(&f->index, f->entries[i].key);
			f->entries[i].there = false;
		}
	}
	assert_false(alloc_fail_at(0));
	check_all(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_in_it),
		TEST(keys_of_any_bytes),
		TEST(the_last_with_a_key_is_the_one),
		TEST(grows),
		TEST(beside_a_model),
		TEST(no_memory),
		TEST(room_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
