/*
 * store_help - every back end of the store behind one fixture, for the suites that ask the promises
 *              of store/store.h of all of them.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  setup_memory(), setup_sqlite() or setup_postgres() gives, teardown() takes
 * Secrets: none
 * Limits:  none
 * Spec:    store/store.h
 */
#ifndef TELLTALE_UNIT_STORE_HELP_H
#define TELLTALE_UNIT_STORE_HELP_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "store/store.h"
#include "tests/fake/store_memory.h"
#include "tests/unit/pg_server.h"

#define RANDOM_STEPS 1500

struct fixture {
	char folder[64];
	char url[128];
	bool is_memory;
	bool is_postgres;
	struct store *store;
	struct diag diag;
};

/* --- all back ends behind one fixture -------------------------------------------------------- */

static inline int setup_memory(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->is_memory = true;
	f->store = store_memory_new();
	*state = f;
	return f->store ? 0 : -1;
}

static inline int setup_sqlite(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	/* In memory where that can be had: thousands of transactions wait for the disk otherwise. */
	(void)snprintf(f->folder, sizeof f->folder, "%s/telltale-store-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(f->folder)) {
		return -1;
	}
	(void)snprintf(f->url, sizeof f->url, "sqlite://%s/new/telltale.db", f->folder);
	*state = f;
	int rc = store_open(str_of(f->url), &f->store, &f->diag);
	if (rc < 0) {
		print_error("%s\n", f->diag.text);
	}
	return rc;
}

static inline int setup_postgres(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->is_postgres = true;
	*state = f;
	pg_server_database(pg_server_shared(), f->url);
	int rc = store_open(str_of(f->url), &f->store, &f->diag);
	if (rc < 0) {
		print_error("%s\n", f->diag.text);
	}
	return rc;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	store_free(f->store);
	if (f->folder[0]) {
		char command[128];
		(void)snprintf(command, sizeof command, "rm -rf %s", f->folder);
		if (system(command) != 0) {
			return -1;
		}
	}
	free(f);
	return 0;
}

/* What is not committed is gone, in the fake as well. */
static inline void reopen(struct fixture *f)
{
	if (f->is_memory) {
		f->store->ops->rollback(f->store);
		return;
	}
	store_free(f->store);
	f->store = NULL;
	assert_int_equal(store_open(str_of(f->url), &f->store, &f->diag), 0);
}

static inline void begin(struct fixture *f)
{
	assert_int_equal(f->store->ops->begin(f->store, &f->diag), 0);
}

static inline void commit(struct fixture *f)
{
	assert_int_equal(f->store->ops->commit(f->store, &f->diag), 0);
}

static inline void assert_lines(struct buf *lines, const char *expected)
{
	buf_add_char(lines, '\0');
	assert_int_equal(buf_status(lines), 0);
	assert_string_equal(lines->p, expected);
	buf_done(lines);
}

/*
 * Have each call of the fake fail once while run_all does its work: that gives the error, and the store
 * is as it was. Returns how many calls there are; then the work is done.
 */
static inline unsigned each_call_fails(struct fixture *f, int (*run_all)(struct fixture *f),
	void (*assert_unchanged)(struct fixture *f))
{
	for (unsigned nth = 1;; nth++) {
		store_memory_fail(f->store, nth, E_FULL);
		int rc = run_all(f);
		store_memory_fail(f->store, 0, 0);
		if (rc == 0) {
			return nth - 1;
		}
		assert_int_equal(rc, E_FULL);
		assert_non_null(strstr(f->diag.text, "made to fail"));
		assert_unchanged(f);
	}
}

/* The same steps on it and on the fake, by dice; what can be read is compared now and then. */
static inline void assert_same_steps(struct fixture *f,
	int (*step)(struct store *store, uint32_t dice),
	void (*dump)(struct store *store, struct buf *ret_text))
{
	struct store *fake = store_memory_new();
	assert_non_null(fake);
	uint32_t dice = 1;
	for (unsigned i = 0; i < RANDOM_STEPS; i++) {
		dice = dice * 1664525 + 1013904223;
		assert_int_equal(step(f->store, dice >> 8), step(fake, dice >> 8));
		if (i % 300 == 299) {
			reopen(f);
			fake->ops->rollback(fake);
		}
		if (i % 64 == 0 || i % 300 == 299) {
			struct buf here = BUF_EMPTY;
			struct buf there = BUF_EMPTY;
			dump(f->store, &here);
			dump(fake, &there);
			assert_int_equal(buf_status(&here), 0);
			assert_true(str_eq(buf_str(&here), buf_str(&there)));
			buf_done(&here);
			buf_done(&there);
		}
	}
	store_free(fake);
}

#define EACH(test)                                                          \
	{#test " (memory)", test, setup_memory, teardown, NULL},            \
		{#test " (sqlite)", test, setup_sqlite, teardown, NULL},    \
	{                                                                   \
#test " (postgresql)", test, setup_postgres, teardown, NULL \
	}

/* Before they are run: without a server there are no tests of it, loudly, and in CI not at all. */
static inline int prepare_tests(void)
{
	if (pg_server_can()) {
		return 0;
	}
	print_error("NO POSTGRESQL HERE, so nothing is tested with it: install postgresql\n");
	cmocka_set_skip_filter("* (postgresql)");
	const char *ci = getenv("CI");
	return ci && strcmp(ci, "true") == 0 ? -1 : 0;
}

#define RUN_TESTS(tests) (prepare_tests() < 0 ? 1 : cmocka_run_group_tests((tests), NULL, NULL))

#endif
