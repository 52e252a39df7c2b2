/*
 * postgres_help - what the tests of PostgreSQL's back end share.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  none
 * Secrets: none
 * Limits:  none
 * Spec:    store/postgres.h
 */
#ifndef TELLTALE_UNIT_POSTGRES_HELP_H
#define TELLTALE_UNIT_POSTGRES_HELP_H

#include "store/postgres_conn.h"
#include "tests/unit/child.h"
#include "tests/unit/store_help.h"

#define GRACE_MS    700 /* of a machine that does other things, too */
#define BACK_MOST_S 40
#define DEADLINE_MS (POSTGRES_CALL_MS + GRACE_MS)
#define AT_ONCE_MS  300

/* The database's name, out of the fixture's URL. */
static inline const char *database_of(const struct fixture *f)
{
	static char name[32];
	(void)sscanf(f->url, "postgresql://telltale@/%31[^?]", name);
	return name;
}

static inline const char *sql(struct fixture *f, const char *text)
{
	return pg_server_sql(pg_server_shared(), database_of(f), text);
}

static inline int put_on(struct store *store, const char *name, const char *host)
{
	struct store_instance row = {.name = str_of(name), .spec = STR("{}"), .host = str_of(host)};
	return store->ops->instance_put(store, &row, STORE_ANY, NULL);
}

/* One row in a transaction of its own. */
static inline int change(struct store *store, const char *name, const char *host)
{
	int rc = store->ops->begin(store, NULL);
	rc = rc < 0 ? rc : put_on(store, name, host);
	rc = rc < 0 ? rc : store->ops->commit(store, NULL);
	store->ops->rollback(store);
	return rc;
}

static inline int add_name(void *ctx, const struct store_instance *row)
{
	buf_add_f(ctx, "%.*s ", STR_FMT(row->name));
	return 0;
}

static inline void assert_names(struct fixture *f, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->instance_each(
				 f->store, STR_EMPTY, STR_EMPTY, add_name, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static inline int open_refused(struct fixture *f, const char *url)
{
	struct store *store = NULL;
	int rc = store_open(str_of(url), &store, &f->diag);
	assert_true(rc < 0);
	assert_null(store);
	assert_null(strchr(f->diag.text, '\n'));
	return rc;
}

/* Opens it anew until it is there and can be written. The old one is of no use: it does not connect again. */
static inline void come_back(const char *url, struct store **store)
{
	int64_t end_ms = postgres_now_ms() + (int64_t)BACK_MOST_S * 1000;
	int rc;
	assert_int_equal((*store)->ops->begin(*store, NULL), E_AWAY);
	store_free(*store);
	*store = NULL;
	while ((rc = store_open(str_of(url), store, NULL), rc == E_AWAY || rc == E_READONLY) &&
		postgres_now_ms() < end_ms) {
		(void)usleep(20000);
	}
	assert_int_equal(rc, 0);
}

static inline void assert_comes_back(struct fixture *f)
{
	come_back(f->url, &f->store);
	assert_int_equal(change(f->store, "back", ""), 0);
}

#define ASSERT_WITHIN(ms, call, expected)                                \
	do {                                                             \
		int64_t start_ms_ = postgres_now_ms();                   \
		assert_int_equal((call), (expected));                    \
		assert_in_range(postgres_now_ms() - start_ms_, 0, (ms)); \
	} while (0)

#define TEST(name)                                                          \
	{                                                                   \
#name " (postgresql)", name, setup_postgres, teardown, NULL \
	}

#endif
