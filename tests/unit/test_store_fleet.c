/*
 * What store/store.h promises where many daemons share a store, asked of every back end: changes made
 * from a revision, hosts and what each has, moves between them.
 */
#include "tests/unit/store_help.h"

#include <time.h>

#define RANDOM_NAMES 8
#define RANDOM_HOSTS 3
#define QUIET_MOST_S 10

/* name, spec, host */
static struct store_instance row_of(const char *name, const char *spec, const char *host)
{
	return (struct store_instance){
		.name = str_of(name), .spec = str_of(spec), .host = str_of(host)};
}

static int put_from(
	struct fixture *f, const char *name, const char *spec, const char *host, uint64_t base)
{
	struct store_instance row = row_of(name, spec, host);
	return f->store->ops->instance_put(f->store, &row, base, &f->diag);
}

static void put(struct fixture *f, const char *name, const char *spec, const char *host)
{
	assert_int_equal(put_from(f, name, spec, host, STORE_ANY), 0);
}

static int delete_from(struct fixture *f, const char *name, uint64_t base)
{
	return f->store->ops->instance_delete(f->store, str_of(name), base, &f->diag);
}

static int add_line(void *ctx, const struct store_instance *row)
{
	if (row->spec.p) {
		buf_add_f(ctx, "%.*s=%.*s@%.*s ", STR_FMT(row->name), STR_FMT(row->spec),
			STR_FMT(row->host));
	} else {
		buf_add_f(ctx, "-%.*s@%.*s ", STR_FMT(row->name), STR_FMT(row->host));
	}
	return 0;
}

static void assert_rows(struct fixture *f, struct str host, const char *after, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->instance_each(
				 f->store, host, str_of(after), add_line, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_changes(
	struct fixture *f, const char *host, uint64_t since, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->changed_since(
				 f->store, str_of(host), since, add_line, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static int take_revision(void *ctx, const struct store_instance *row)
{
	*(uint64_t *)ctx = row->revision;
	return 0;
}

static uint64_t revision_of(struct fixture *f, const char *name)
{
	uint64_t revision = 0;
	assert_int_equal(f->store->ops->instance_get(
				 f->store, str_of(name), take_revision, &revision, &f->diag),
		0);
	return revision;
}

static uint64_t revision_at(struct fixture *f, const char *host)
{
	uint64_t revision = UINT64_MAX;
	assert_int_equal(
		f->store->ops->revision_get(f->store, str_of(host), &revision, &f->diag), 0);
	return revision;
}

static void put_secret(struct fixture *f, const char *name, const char *value)
{
	assert_int_equal(
		f->store->ops->secret_put(f->store, str_of(name), str_of(value), &f->diag), 0);
}

static int add_secret(struct fixture *f, const char *name, const char *value)
{
	return f->store->ops->secret_add(f->store, str_of(name), str_of(value), &f->diag);
}

static void assert_secret(struct fixture *f, const char *name, struct str expected)
{
	struct secret value = {0};
	assert_int_equal(f->store->ops->secret_get(f->store, str_of(name), &value, &f->diag), 0);
	assert_true(str_eq((struct str){(const char *)value.p, value.n}, expected));
	secret_done(&value);
}

/* --- what a change was made from ------------------------------------------------------------- */

static void test_put_from_a_base(void **state)
{
	struct fixture *f = *state;
	begin(f);
	assert_int_equal(put_from(f, "a", "0", "", 1), E_STALE); /* there is none */
	assert_int_equal(put_from(f, "a", "1", "", STORE_NEW), 0);
	uint64_t first = revision_of(f, "a");
	assert_int_equal(put_from(f, "a", "2", "", STORE_NEW), E_STALE);
	assert_non_null(strstr(f->diag.text, "\"a\""));
	commit(f);
	assert_rows(f, STR_EMPTY, "", "a=1@ ");
	begin(f);
	assert_int_equal(put_from(f, "a", "3", "", first), 0);
	uint64_t second = revision_of(f, "a");
	assert_true(second > first);
	assert_int_equal(put_from(f, "a", "4", "", first), E_STALE);
	assert_int_equal(put_from(f, "a", "4", "", second + 1), E_STALE);
	assert_int_equal(put_from(f, "a", "5", "", STORE_ANY), 0);
	commit(f);
	reopen(f);
	assert_rows(f, STR_EMPTY, "", "a=5@ ");
}

static void test_delete_from_a_base(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1", "");
	put(f, "b", "1", "");
	uint64_t first = revision_of(f, "a");
	put(f, "a", "2", "");
	assert_int_equal(delete_from(f, "a", first), E_STALE);
	assert_int_equal(delete_from(f, "a", STORE_NEW), E_STALE);
	assert_int_equal(delete_from(f, "c", 7), E_NOTFOUND);
	assert_int_equal(delete_from(f, "c", STORE_NEW), E_NOTFOUND);
	assert_int_equal(delete_from(f, "a", revision_of(f, "a")), 0);
	assert_int_equal(delete_from(f, "b", STORE_ANY), 0);
	assert_int_equal(put_from(f, "a", "3", "", first), E_STALE);
	commit(f);
	assert_rows(f, STR_EMPTY, "", "");
}

static void test_stale_loses_nothing(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1", "");
	commit(f);
	uint64_t before = revision_at(f, "");
	begin(f);
	put(f, "b", "1", "");
	assert_int_equal(put_from(f, "a", "2", "h", STORE_NEW), E_STALE);
	assert_int_equal(delete_from(f, "a", before + 9), E_STALE);
	put(f, "c", "1", "");
	assert_rows(f, STR_EMPTY, "", "a=1@ b=1@ c=1@ ");
	commit(f);
	assert_rows(f, STR_EMPTY, "", "a=1@ b=1@ c=1@ ");
	assert_changes(f, "", before, "b=1@ c=1@ ");
	assert_changes(f, "h", 0, "");
}

/* One who saw a name on one host is never taken for one who saw it on another, or later. */
static void test_no_revision_comes_twice(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;
	begin(f);
	for (unsigned i = 0; i < 12; i++) {
		const char *host = (const char *[]){"x", "y", "x", "z"}[i % 4];
		put(f, "a", "1", host);
		assert_true(revision_of(f, "a") > last);
		last = revision_of(f, "a");
		assert_int_equal(i % 3 == 0 ? delete_from(f, "a", last) : 0, 0);
	}
	commit(f);
}

/* --- rows and their hosts -------------------------------------------------------------------- */

static void test_rows_of_a_host(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "c", "1", "x");
	put(f, "b", "1", "y");
	put(f, "a", "1", "x");
	put(f, "", "1", "x");
	put(f, "d", "1", "");
	commit(f);
	assert_rows(f, STR_EMPTY, "", "=1@x a=1@x b=1@y c=1@x d=1@ ");
	assert_rows(f, STR_EMPTY, "a", "b=1@y c=1@x d=1@ ");
	assert_rows(f, STR_EMPTY, "aa", "b=1@y c=1@x d=1@ ");
	assert_rows(f, STR_EMPTY, "d", "");
	assert_rows(f, STR("x"), "", "=1@x a=1@x c=1@x ");
	assert_rows(f, STR("x"), "a", "c=1@x ");
	assert_rows(f, STR("y"), "b", "");
	assert_rows(f, STR(""), "", "d=1@ "); /* empty is not absent */
	assert_rows(f, STR("X"), "", "");
	assert_changes(f, "x", 0, "c=1@x a=1@x =1@x ");
	assert_changes(f, "y", 0, "b=1@y ");
	assert_changes(f, "", 0, "d=1@ ");
	assert_changes(f, "z", 0, "");
}

static void test_moving(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1", "x");
	put(f, "b", "1", "x");
	put(f, "c", "1", "y");
	commit(f);
	uint64_t x = revision_at(f, "x");
	uint64_t y = revision_at(f, "y");
	begin(f);
	put(f, "a", "2", "y");
	commit(f);
	assert_true(revision_at(f, "x") > x);
	assert_true(revision_at(f, "y") > y);
	assert_true(revision_of(f, "a") == revision_at(f, "y"));
	assert_changes(f, "x", x, "-a@x ");
	assert_changes(f, "x", 0, "b=1@x -a@x ");
	assert_changes(f, "y", y, "a=2@y ");
	assert_rows(f, STR("x"), "", "b=1@x ");
	reopen(f);
	x = revision_at(f, "x");
	y = revision_at(f, "y");
	begin(f);
	put(f, "a", "3", "x"); /* and back */
	commit(f);
	assert_changes(f, "x", 0, "b=1@x a=3@x ");
	assert_changes(f, "x", x, "a=3@x ");
	assert_changes(f, "y", 0, "c=1@y -a@y ");
	begin(f);
	assert_int_equal(delete_from(f, "a", STORE_ANY), 0);
	commit(f);
	assert_changes(f, "x", 0, "b=1@x -a@x ");
	assert_changes(f, "y", 0, "c=1@y -a@y "); /* each remembers */
	begin(f);
	put(f, "a", "4", "y");
	commit(f);
	assert_changes(f, "x", 0, "b=1@x -a@x ");
	assert_changes(f, "y", 0, "c=1@y a=4@y ");
}

static void test_revision_of_a_host(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(revision_at(f, ""), 0);
	assert_int_equal(revision_at(f, "x"), 0);
	begin(f);
	put(f, "a", "1", "x");
	uint64_t inside = revision_at(f, "x");
	assert_true(inside == revision_of(f, "a"));
	f->store->ops->rollback(f->store);
	assert_int_equal(revision_at(f, "x"), 0);
	begin(f);
	put(f, "a", "1", "x");
	commit(f);
	reopen(f);
	uint64_t x = revision_at(f, "x");
	assert_true(x == revision_of(f, "a"));
	assert_int_equal(revision_at(f, ""), 0);
	begin(f);
	put_secret(f, "key", "1");
	commit(f);
	assert_true(revision_at(f, "x") == x);
	uint64_t secrets = revision_at(f, "");
	assert_true(secrets > 0);
	begin(f);
	assert_int_equal(delete_from(f, "a", x), 0);
	commit(f);
	assert_true(revision_at(f, "x") > x);
	assert_true(revision_at(f, "") == secrets);
	begin(f);
	put_secret(f, "key", "2");
	put(f, "b", "1", "");
	commit(f);
	assert_true(revision_at(f, "") == revision_of(f, "b"));
	assert_true(revision_of(f, "b") > secrets + 1);
}

static int check_strings(void *ctx, const struct store_instance *row)
{
	const struct str *bytes = ctx;
	assert_true(str_eq(row->id, *bytes));
	assert_true(str_eq(row->host, *bytes));
	assert_true(str_eq(row->next_host, *bytes));
	assert_non_null(row->id.p);
	assert_non_null(row->host.p);
	assert_non_null(row->next_host.p);
	return 0;
}

static void test_hosts_of_rows_are_bytes(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	static const char bytes[] = "\xff\0\x80'\\host";
	begin(f);
	for (size_t i = 0; i < sizeof bytes; i++) {
		struct str some = {i ? bytes : NULL, i};
		struct store_instance row = {
			.name = some, .id = some, .host = some, .next_host = some};
		assert_int_equal(ops->instance_put(f->store, &row, STORE_NEW, &f->diag), 0);
	}
	commit(f);
	reopen(f);
	for (size_t i = 0; i < sizeof bytes; i++) {
		struct str some = {bytes, i};
		assert_int_equal(
			ops->instance_get(f->store, some, check_strings, &some, &f->diag), 0);
		assert_int_equal(ops->instance_each(
					 f->store, some, STR_EMPTY, check_strings, &some, &f->diag),
			0);
		assert_int_equal(
			ops->changed_since(f->store, some, 0, check_strings, &some, &f->diag), 0);
		assert_int_equal(ops->instance_find(f->store, some, check_strings, &some, &f->diag),
			i ? 0 : E_NOTFOUND);
	}
}

static void assert_found(struct fixture *f, const char *id, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(
		f->store->ops->instance_find(f->store, str_of(id), add_line, &lines, &f->diag),
		expected ? 0 : E_NOTFOUND);
	assert_lines(&lines, expected ? expected : "");
}

static void test_find_by_id(void **state)
{
	struct fixture *f = *state;
	struct store_instance row = {.name = STR("b"), .spec = STR("1"), .id = STR("i-1")};
	begin(f);
	put(f, "none", "1", "x");
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_ANY, &f->diag), 0);
	row.id = STR("i-2");
	row.name = STR("c");
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_ANY, &f->diag), 0);
	row.id = STR("i-1");
	row.name = STR("a");
	row.host = STR("x");
	commit(f);
	assert_found(f, "i-1", "b=1@ ");
	begin(f);
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_ANY, &f->diag), 0);
	assert_found(f, "i-1", "a=1@x "); /* the first by name */
	commit(f);
	assert_found(f, "i-2", "c=1@ ");
	assert_found(f, "i-3", NULL);
	assert_non_null(strstr(f->diag.text, "i-3"));
	assert_found(f, "I-1", NULL);
	assert_found(f, "", NULL);
	assert_found(f, NULL, NULL);
	begin(f);
	put(f, "c", "2", "x"); /* without its id */
	assert_int_equal(delete_from(f, "a", STORE_ANY), 0);
	commit(f);
	assert_found(f, "i-2", NULL);
	assert_found(f, "i-1", "b=1@ ");
}

/* --- secrets and operations ------------------------------------------------------------------ */

static void test_secret_add(void **state)
{
	struct fixture *f = *state;
	begin(f);
	assert_int_equal(add_secret(f, "key", "one"), 0);
	assert_int_equal(add_secret(f, "key", "two"), E_EXISTS);
	assert_non_null(strstr(f->diag.text, "\"key\""));
	assert_int_equal(add_secret(f, "", ""), 0);
	assert_int_equal(add_secret(f, NULL, "x"), E_EXISTS);
	commit(f);
	reopen(f);
	uint64_t before = revision_at(f, "");
	begin(f);
	assert_int_equal(add_secret(f, "key", "three"), E_EXISTS);
	put(f, "a", "1", "x"); /* what exists loses nothing */
	commit(f);
	assert_true(revision_at(f, "") == before);
	assert_secret(f, "key", STR("one"));
	assert_secret(f, "", STR(""));
	assert_rows(f, STR_EMPTY, "", "a=1@x ");
}

static int add_operation(void *ctx, const struct store_operation *operation)
{
	buf_add_f(ctx, "%.*s@%.*s ", STR_FMT(operation->id), STR_FMT(operation->host));
	return 1;
}

static void assert_open(struct fixture *f, const char *host, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->operation_open(
				 f->store, str_of(host), add_operation, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void put_operation(struct fixture *f, const char *id, const char *host, bool open)
{
	struct store_operation operation = {.id = str_of(id), .host = str_of(host), .open = open};
	assert_int_equal(f->store->ops->operation_put(f->store, &operation, &f->diag), 0);
}

static void test_operations_of_hosts(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_operation(f, "a", "x", true);
	put_operation(f, "b", "y", true);
	put_operation(f, "c", NULL, true);
	put_operation(f, "d", "x", true);
	put_operation(f, "e", "x", false);
	commit(f);
	reopen(f);
	assert_open(f, "x", "a@x d@x ");
	assert_open(f, "y", "b@y ");
	assert_open(f, "", "c@ ");
	assert_open(f, NULL, "c@ ");
	assert_open(f, "z", "");
	begin(f);
	put_operation(f, "a", "y", false); /* whose it is stays */
	put_operation(f, "d", "y", true);
	commit(f);
	assert_open(f, "x", "d@x ");
	assert_open(f, "y", "b@y ");
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->operation_each(
				 f->store, STR_EMPTY, 0, add_operation, &lines, &f->diag),
		0);
	assert_lines(&lines, "e@x d@x c@ b@y a@x ");
}

/* --- hosts ----------------------------------------------------------------------------------- */

static int add_host(void *ctx, const struct store_host *host)
{
	buf_add_f(ctx, "%.*s %.*s %llu %llu %llu%s\n", STR_FMT(host->name), STR_FMT(host->version),
		(unsigned long long)host->applied, (unsigned long long)host->instances,
		(unsigned long long)host->recorded, host->stopped ? " stopped" : "");
	assert_true(host->quiet_ms >= 0 && host->quiet_ms < (int64_t)1000 * 60 * 60);
	return 1; /* only < 0 ends anything */
}

static void put_host(struct fixture *f, const char *name, const char *version, uint64_t applied)
{
	struct store_host host = {
		.name = str_of(name),
		.version = str_of(version),
		.revision = 12345, /* not looked at, nor is quiet_ms */
		.applied = applied,
		.instances = 2,
		.recorded = UINT64_MAX,
		.quiet_ms = INT64_MAX,
	};
	assert_int_equal(f->store->ops->host_put(f->store, &host, &f->diag), 0);
}

static void assert_hosts(struct fixture *f, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->host_each(f->store, add_host, &lines, &f->diag), 0);
	assert_lines(&lines, expected);
}

#define RECORDED " 2 18446744073709551615\n"

static void test_hosts(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct buf lines = BUF_EMPTY;
	assert_hosts(f, "");
	assert_int_equal(ops->host_get(f->store, STR("x"), add_host, &lines, &f->diag), E_NOTFOUND);
	assert_non_null(strstr(f->diag.text, "\"x\""));
	begin(f);
	put_host(f, "x", "1.0", 0);
	put_host(f, "\xff", "", UINT64_MAX);
	put_host(f, "W", "2.0", 7);
	put_host(f, "w", NULL, 8);
	assert_hosts(f, "W 2.0 7" RECORDED "w  8" RECORDED "x 1.0 0" RECORDED
			"\xff  18446744073709551615" RECORDED);
	commit(f);
	reopen(f);
	begin(f);
	put_host(f, "x", "1.1", 5);
	assert_int_equal(ops->host_delete(f->store, STR("w"), &f->diag), 0);
	assert_int_equal(ops->host_delete(f->store, STR("w"), &f->diag), E_NOTFOUND);
	assert_int_equal(ops->host_delete(f->store, STR("\xff"), &f->diag), 0); /* still can */
	commit(f);
	assert_hosts(f, "W 2.0 7" RECORDED "x 1.1 5" RECORDED);
	assert_int_equal(ops->host_get(f->store, STR("x"), add_host, &lines, &f->diag), 0);
	assert_lines(&lines, "x 1.1 5" RECORDED);
	begin(f);
	put_host(f, "y", "", 0);
	assert_int_equal(ops->host_delete(f->store, STR("x"), &f->diag), 0);
	ops->rollback(f->store);
	assert_hosts(f, "W 2.0 7" RECORDED "x 1.1 5" RECORDED);
}

static int take_host(void *ctx, const struct store_host *host)
{
	*(struct store_host *)ctx = *host;
	return 0;
}

static struct store_host host_of(struct fixture *f, const char *name)
{
	struct store_host host = {0};
	assert_int_equal(
		f->store->ops->host_get(f->store, str_of(name), take_host, &host, &f->diag), 0);
	host.name = host.version = STR_EMPTY; /* they were borrowed */
	return host;
}

static void test_hosts_and_their_instances(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_host(f, "x", "", 0);
	put_host(f, "y", "", 0);
	assert_int_equal(host_of(f, "x").revision, 0);
	put(f, "a", "1", "x");
	assert_true(host_of(f, "x").revision == revision_at(f, "x"));
	put(f, "a", "1", "y");
	commit(f);
	assert_true(host_of(f, "x").revision == revision_at(f, "x"));
	assert_true(host_of(f, "y").revision == revision_of(f, "a"));
	begin(f);
	assert_int_equal(f->store->ops->host_delete(f->store, STR("y"), &f->diag), 0);
	commit(f);
	assert_rows(f, STR("y"), "", "a=1@y ");
	assert_true(revision_at(f, "y") == revision_of(f, "a"));
}

/* A moment of the store's clock; false when it does not come. */
static bool wait_for_quiet(struct fixture *f, const char *name, int64_t ms)
{
	time_t end = time(NULL) + QUIET_MOST_S;
	if (f->is_memory) {
		store_memory_wait(f->store, ms);
	}
	while (host_of(f, name).quiet_ms < ms) {
		if (time(NULL) > end) {
			return false;
		}
	}
	return true;
}

static void test_quiet_rises(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_host(f, "x", "", 0);
	put_host(f, "y", "", 0);
	commit(f);
	assert_true(wait_for_quiet(f, "y", 20));
	begin(f);
	put_host(f, "x", "", 1);
	commit(f);
	assert_true(host_of(f, "y").quiet_ms >= 20);
	assert_true(host_of(f, "x").quiet_ms < host_of(f, "y").quiet_ms);
	reopen(f);
	assert_true(host_of(f, "y").quiet_ms >= 20);
}

/* It is quiet from then on, and not any more stopped once it is heard of again. */
static void test_a_host_stops(void **state)
{
	struct fixture *f = *state;
	const struct store_host last = {.name = STR("x"), .version = STR("1"), .stopped = true};
	begin(f);
	put_host(f, "x", "1", 0);
	assert_int_equal(f->store->ops->host_put(f->store, &last, &f->diag), 0);
	put_host(f, "y", "1", 0);
	commit(f);
	assert_true(wait_for_quiet(f, "x", 20));
	reopen(f);
	assert_hosts(f, "x 1 0 0 0 stopped\ny 1 0" RECORDED);
	assert_true(host_of(f, "x").quiet_ms >= 20);
	begin(f);
	put_host(f, "x", "1", 0);
	commit(f);
	assert_hosts(f, "x 1 0" RECORDED "y 1 0" RECORDED);
}

/* --- transactions and callbacks -------------------------------------------------------------- */

static int stop_row(void *ctx, const struct store_instance *row)
{
	(void)row;
	unsigned *calls = ctx;
	return ++*calls == 2 ? -ECANCELED : 0;
}

static int stop_host(void *ctx, const struct store_host *host)
{
	(void)host;
	unsigned *calls = ctx;
	return ++*calls == 2 ? -ECANCELED : 0;
}

static void test_callbacks_can_stop(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_instance row = {.name = STR("a"), .id = STR("i-1"), .host = STR("x")};
	begin(f);
	assert_int_equal(ops->instance_put(f->store, &row, STORE_NEW, &f->diag), 0);
	put(f, "b", "1", "x");
	put(f, "c", "1", "x");
	put_host(f, "x", "", 0);
	put_host(f, "y", "", 0);
	put_host(f, "z", "", 0);
	commit(f);
	(void)diag_set(&f->diag, 0, "untouched");
	unsigned calls = 0;
	assert_int_equal(
		ops->instance_each(f->store, STR("x"), STR_EMPTY, stop_row, &calls, &f->diag),
		-ECANCELED);
	assert_int_equal(calls, 2);
	calls = 1;
	assert_int_equal(
		ops->instance_find(f->store, row.id, stop_row, &calls, &f->diag), -ECANCELED);
	calls = 0;
	assert_int_equal(ops->host_each(f->store, stop_host, &calls, &f->diag), -ECANCELED);
	assert_int_equal(calls, 2);
	calls = 1;
	assert_int_equal(
		ops->host_get(f->store, STR("y"), stop_host, &calls, &f->diag), -ECANCELED);
	assert_string_equal(f->diag.text, "untouched");
	begin(f); /* nothing is left open */
	put_host(f, "z", "1", 0);
	commit(f);
}

static void test_changes_need_a_transaction(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_host host = {.name = STR("x")};
	assert_int_equal(ops->host_put(f->store, &host, &f->diag), -EINVAL);
	assert_int_equal(ops->host_delete(f->store, STR("x"), &f->diag), -EINVAL);
	assert_int_equal(add_secret(f, "key", "1"), -EINVAL);
	assert_int_equal(put_from(f, "a", "1", "x", STORE_NEW), -EINVAL);
	assert_int_equal(delete_from(f, "a", STORE_NEW), -EINVAL);
	assert_hosts(f, "");
}

/* --- against each other, and faults ---------------------------------------------------------- */

/* A base by dice: any, new, the right one, or one before it. */
static uint64_t random_base(struct store *store, struct str name, uint32_t dice)
{
	uint64_t revision = 0;
	int rc = store->ops->instance_get(store, name, take_revision, &revision, NULL);
	assert_true(rc == 0 || rc == E_NOTFOUND);
	switch (dice / 64 % 4) {
	case 0:
		return STORE_ANY;
	case 1:
		return STORE_NEW;
	case 2:
		return rc == 0 ? revision : 1;
	default:
		return revision + 1;
	}
}

static int random_put(struct store *store, uint32_t dice)
{
	char name[16];
	char host[16];
	char next[16];
	char spec[16];
	(void)snprintf(name, sizeof name, "n%u", dice / 256 % RANDOM_NAMES);
	(void)snprintf(host, sizeof host, "h%u", dice / 4096 % RANDOM_HOSTS);
	(void)snprintf(next, sizeof next, "h%u", dice / 32768 % RANDOM_HOSTS);
	(void)snprintf(spec, sizeof spec, "%u", dice);
	struct store_instance row = {.name = str_of(name),
		.spec = str_of(spec),
		.id = dice & 0x40000 ? str_of(next) : STR_EMPTY,
		.host = dice & 0x20000 ? str_of(host) : STR_EMPTY,
		.next_host = dice & 0x80000 ? str_of(next) : STR_EMPTY};
	uint64_t base = random_base(store, row.name, dice);
	return dice / 16 % 4 == 0 ? store->ops->instance_delete(store, row.name, base, NULL)
				  : store->ops->instance_put(store, &row, base, NULL);
}

static int random_other(struct store *store, uint32_t dice)
{
	char name[16];
	(void)snprintf(name, sizeof name, "h%u", dice / 4096 % RANDOM_HOSTS);
	struct store_host host = {
		.name = str_of(name), .applied = dice, .stopped = (dice & 0x200000) != 0};
	struct store_operation operation = {
		.id = str_of(name), .host = host.name, .open = (dice & 0x100000) != 0};
	switch (dice / 16 % 5) {
	case 0:
		return store->ops->host_delete(store, host.name, NULL);
	case 1:
		return store->ops->secret_add(store, host.name, host.name, NULL);
	case 2:
		return store->ops->operation_put(store, &operation, NULL);
	default:
		return store->ops->host_put(store, &host, NULL);
	}
}

static int random_step(struct store *store, uint32_t dice)
{
	switch (dice % 16) {
	case 0:
	case 1:
		return store->ops->begin(store, NULL);
	case 2:
		return store->ops->commit(store, NULL);
	case 3:
		store->ops->rollback(store);
		return 0;
	case 4:
	case 5:
	case 6:
		return random_other(store, dice);
	default:
		return random_put(store, dice);
	}
}

struct dumping {
	struct buf *text;
	uint64_t last;
};

/* Not the numbers: a store may count all hosts together, or each for itself. */
static int dump_change(void *ctx, const struct store_instance *row)
{
	struct dumping *dumping = ctx;
	assert_true(row->revision > dumping->last);
	dumping->last = row->revision;
	buf_add_f(dumping->text, "%.*s ", STR_FMT(row->next_host));
	return add_line(dumping->text, row);
}

static void dump_host(struct store *store, struct str host, struct buf *ret_text)
{
	struct dumping dumping = {ret_text, 0};
	uint64_t revision = UINT64_MAX;
	assert_int_equal(store->ops->changed_since(store, host, 0, dump_change, &dumping, NULL), 0);
	assert_int_equal(store->ops->revision_get(store, host, &revision, NULL), 0);
	assert_true(host.n > 0 ? revision == dumping.last : revision >= dumping.last);
	buf_add_char(ret_text, '\n');
	int rc = store->ops->instance_each(store, host, STR("n3"), add_line, ret_text, NULL);
	assert_int_equal(rc, 0);
	assert_int_equal(store->ops->operation_open(store, host, add_operation, ret_text, NULL), 0);
	rc = store->ops->instance_find(store, host, add_line, ret_text, NULL);
	buf_add_f(ret_text, "%d\n", rc);
}

static void dump(struct store *store, struct buf *ret_text)
{
	for (unsigned i = 0; i <= RANDOM_HOSTS; i++) {
		char host[16];
		(void)snprintf(host, sizeof host, "h%u", i);
		dump_host(store, i < RANDOM_HOSTS ? str_of(host) : STR(""), ret_text);
	}
	int rc = store->ops->instance_each(store, STR_EMPTY, STR_EMPTY, add_line, ret_text, NULL);
	assert_int_equal(rc, 0);
	assert_int_equal(store->ops->host_each(store, add_host, ret_text, NULL), 0);
}

static void test_same_as_the_fake(void **state)
{
	assert_same_steps(*state, random_step, dump);
}

/* One transaction with every function in it. */
static int run_all(struct fixture *f)
{
	const struct store_ops *ops = f->store->ops;
	struct store_host host = {.name = STR("y")};
	struct store_instance row = {.name = STR("b"), .id = STR("i"), .host = STR("y")};
	struct buf lines = BUF_EMPTY;
	uint64_t revision = 0;
	int rc = ops->begin(f->store, &f->diag);
	if (rc == 0 && (rc = ops->host_put(f->store, &host, &f->diag)) == 0 &&
		(rc = ops->host_delete(f->store, STR("x"), &f->diag)) == 0 &&
		(rc = ops->instance_put(f->store, &row, STORE_NEW, &f->diag)) == 0 &&
		(rc = add_secret(f, "key", "1")) == 0 &&
		(rc = ops->instance_find(f->store, row.id, add_line, &lines, &f->diag)) == 0 &&
		(rc = ops->revision_get(f->store, row.host, &revision, &f->diag)) == 0 &&
		(rc = ops->host_get(f->store, STR("y"), add_host, &lines, &f->diag)) == 0 &&
		(rc = ops->host_each(f->store, add_host, &lines, &f->diag)) == 0) {
		rc = ops->commit(f->store, &f->diag);
	}
	ops->rollback(f->store);
	buf_done(&lines);
	return rc;
}

static void assert_unchanged(struct fixture *f)
{
	assert_hosts(f, "x 1 2" RECORDED);
	assert_rows(f, STR_EMPTY, "", "");
}

static void test_each_call_can_fail(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_host(f, "x", "1", 2);
	commit(f);
	assert_int_equal(each_call_fails(f, run_all, assert_unchanged), 10);
	assert_hosts(f, "y  0 0 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_put_from_a_base),
		EACH(test_delete_from_a_base),
		EACH(test_stale_loses_nothing),
		EACH(test_no_revision_comes_twice),
		EACH(test_rows_of_a_host),
		EACH(test_moving),
		EACH(test_revision_of_a_host),
		EACH(test_hosts_of_rows_are_bytes),
		EACH(test_find_by_id),
		EACH(test_secret_add),
		EACH(test_operations_of_hosts),
		EACH(test_hosts),
		EACH(test_hosts_and_their_instances),
		EACH(test_quiet_rises),
		EACH(test_a_host_stops),
		EACH(test_callbacks_can_stop),
		EACH(test_changes_need_a_transaction),
		EACH(test_same_as_the_fake),
		cmocka_unit_test_setup_teardown(test_each_call_can_fail, setup_memory, teardown),
	};
	return RUN_TESTS(tests);
}
