/*
 * The promises of store/store.h, asked of every back end, and the faults of the fake one.
 * Operations and audit records are in test_store_trail.c, metric points in test_store_points.c;
 * what only SQLite has to do is in test_sqlite.c.
 */
#include "tests/unit/store_help.h"

#define MANY_ROWS    5000
#define RANDOM_NAMES 12
#define BIG_BYTES    ((size_t)3 * 1024 * 1024)

static void put_row(struct fixture *f, const struct store_instance *row)
{
	assert_int_equal(f->store->ops->instance_put(f->store, row, STORE_ANY, &f->diag), 0);
}

static void put(struct fixture *f, const char *name, const char *spec)
{
	struct store_instance row = {.name = str_of(name), .spec = str_of(spec)};
	put_row(f, &row);
}

static int delete (struct fixture *f, const char *name)
{
	return f->store->ops->instance_delete(f->store, str_of(name), STORE_ANY, &f->diag);
}

static void put_secret(struct fixture *f, const char *name, struct str value)
{
	assert_int_equal(f->store->ops->secret_put(f->store, str_of(name), value, &f->diag), 0);
}

static int add_line(void *ctx, const struct store_instance *row)
{
	if (row->spec.p) {
		buf_add_f(ctx, "%.*s=%.*s ", STR_FMT(row->name), STR_FMT(row->spec));
	} else {
		buf_add_f(ctx, "-%.*s ", STR_FMT(row->name));
	}
	return 0;
}

static void assert_rows(struct fixture *f, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->instance_each(
				 f->store, STR_EMPTY, STR_EMPTY, add_line, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_changes(struct fixture *f, uint64_t since, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->changed_since(
				 f->store, STR_EMPTY, since, add_line, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_secret(struct fixture *f, const char *name, struct str expected)
{
	struct secret value = {0};
	assert_int_equal(f->store->ops->secret_get(f->store, str_of(name), &value, &f->diag), 0);
	assert_true(str_eq((struct str){(const char *)value.p, value.n}, expected));
	secret_done(&value);
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

/* --- the suite ------------------------------------------------------------------------------- */

static void test_nothing_there(void **state)
{
	struct fixture *f = *state;
	assert_rows(f, "");
	assert_changes(f, 0, "");
	struct buf lines = BUF_EMPTY;
	assert_int_equal(
		f->store->ops->instance_get(f->store, STR("web-1"), add_line, &lines, &f->diag),
		E_NOTFOUND);
	assert_non_null(strstr(f->diag.text, "web-1"));
	assert_int_equal(lines.n, 0);
	struct secret value = {.n = 7};
	assert_int_equal(
		f->store->ops->secret_get(f->store, STR("key"), &value, &f->diag), E_NOTFOUND);
	assert_int_equal(value.n, 7);
	assert_null(value.p);
}

static int check_full_row(void *ctx, const struct store_instance *row)
{
	const struct store_instance *expected = ctx;
	assert_true(str_eq(row->name, expected->name));
	assert_true(str_eq(row->spec, expected->spec));
	assert_true(str_eq(row->file_spec, expected->file_spec));
	assert_int_equal(row->token_epoch, expected->token_epoch);
	assert_true(row->created_s == expected->created_s);
	assert_true(row->launched_s == expected->launched_s);
	assert_true(row->changed_s == expected->changed_s);
	assert_true(row->revision > 0);
	return 1; /* only < 0 ends anything */
}

static void test_every_column_comes_back(void **state)
{
	struct fixture *f = *state;
	struct store_instance row = {
		.name = STR("web-1"),
		.spec = STR("{\"name\": \"web-1\"}"),
		.file_spec = STR("{}"),
		.token_epoch = UINT32_MAX,
		.created_s = INT64_MIN,
		.launched_s = INT64_MAX,
		.changed_s = -1,
		.revision = 12345, /* not looked at */
	};
	begin(f);
	put_row(f, &row);
	commit(f);
	reopen(f);
	assert_int_equal(
		f->store->ops->instance_get(f->store, row.name, check_full_row, &row, &f->diag), 0);
	assert_int_equal(f->store->ops->instance_each(
				 f->store, STR_EMPTY, STR_EMPTY, check_full_row, &row, &f->diag),
		0);
	assert_int_equal(f->store->ops->changed_since(
				 f->store, STR_EMPTY, 0, check_full_row, &row, &f->diag),
		0);
	assert_int_equal(revision_of(f, "web-1"), 1);
}

static void test_put_replaces(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	put(f, "b", "1");
	commit(f);
	uint64_t before = revision_of(f, "b");
	begin(f);
	put(f, "a", "2");
	commit(f);
	assert_rows(f, "a=2 b=1 ");
	assert_true(revision_of(f, "a") > before);
	assert_true(revision_of(f, "b") == before);
}

static void test_order_is_bytewise(void **state)
{
	struct fixture *f = *state;
	begin(f);
	static const char *const names[] = {
		"web-2", "web-10", "a", "B", "\xc3\xa9", "", "a/b", "\xff", "~", "9"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		put(f, names[i], "");
	}
	commit(f);
	assert_rows(f, "= 9= B= a= a/b= web-10= web-2= ~= \xc3\xa9= \xff= ");
}

static int check_bytes(void *ctx, const struct store_instance *row)
{
	const struct str *bytes = ctx;
	assert_true(str_eq(row->name, *bytes));
	assert_true(str_eq(row->spec, *bytes));
	assert_true(str_eq(row->file_spec, *bytes));
	return 0;
}

static void test_values_are_bytes(void **state)
{
	struct fixture *f = *state;
	char all[512];
	for (size_t i = 0; i < sizeof all; i++) {
		all[i] = (char)i;
	}
	struct str bytes = {all, sizeof all};
	begin(f);
	for (size_t i = 0; i <= 9; i++) { /* short ones, too: 0, 00 01, … */
		struct str some = {all, i};
		put_row(f, &(struct store_instance){.name = some, .spec = some, .file_spec = some});
	}
	put_row(f, &(struct store_instance){.name = bytes, .spec = bytes, .file_spec = bytes});
	put_secret(f, "key", bytes);
	commit(f);
	reopen(f);
	for (size_t i = 0; i <= 9; i++) {
		struct str some = {all, i};
		assert_int_equal(
			f->store->ops->instance_get(f->store, some, check_bytes, &some, &f->diag),
			0);
	}
	assert_int_equal(
		f->store->ops->instance_get(f->store, bytes, check_bytes, &bytes, &f->diag), 0);
	assert_secret(f, "key", bytes);
}

static int check_absent(void *ctx, const struct store_instance *row)
{
	(void)ctx;
	assert_non_null(row->spec.p);
	assert_int_equal(row->spec.n, 0);
	assert_int_equal(row->file_spec.n, 0);
	assert_true((row->file_spec.p != NULL) == str_eq(row->name, STR("file")));
	return 0;
}

static void test_empty_is_not_absent(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_row(f, &(struct store_instance){
			   .name = STR("file"), .spec = STR(""), .file_spec = STR("")});
	put_row(f, &(struct store_instance){.name = STR("live"), .spec = STR("")});
	put_row(f, &(struct store_instance){.name = STR("null"), .spec = STR_EMPTY});
	put_secret(f, "empty", STR(""));
	put_secret(f, "null", STR_EMPTY);
	commit(f);
	reopen(f);
	assert_int_equal(f->store->ops->instance_each(
				 f->store, STR_EMPTY, STR_EMPTY, check_absent, NULL, &f->diag),
		0);
	assert_int_equal(
		f->store->ops->changed_since(f->store, STR_EMPTY, 0, check_absent, NULL, &f->diag),
		0);
	assert_rows(f, "file= live= null= ");
	assert_secret(f, "empty", STR(""));
	assert_secret(f, "null", STR(""));
}

static int check_big(void *ctx, const struct store_instance *row)
{
	const struct str *bytes = ctx;
	assert_true(str_eq(row->spec, *bytes));
	assert_true(str_eq(row->file_spec, *bytes));
	return 0;
}

static void test_big_values(void **state)
{
	struct fixture *f = *state;
	char *p = malloc(BIG_BYTES);
	assert_non_null(p);
	for (size_t i = 0; i < BIG_BYTES; i++) {
		p[i] = (char)(i * 2654435761U >> 24);
	}
	struct str big = {p, BIG_BYTES};
	struct str name = f->is_postgres ? STR("big") : big; /* it has names in an index */
	begin(f);
	put_row(f, &(struct store_instance){.name = name, .spec = big, .file_spec = big});
	put_secret(f, "big", big);
	commit(f);
	assert_int_equal(f->store->ops->instance_get(f->store, name, check_big, &big, &f->diag), 0);
	assert_secret(f, "big", big);
	free(p);
}

static void test_rollback_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	put(f, "b", "1");
	put_secret(f, "key", STR("old"));
	commit(f);
	begin(f);
	put(f, "a", "2");
	put(f, "c", "2");
	assert_int_equal(delete (f, "b"), 0);
	put_secret(f, "key", STR("new"));
	put_secret(f, "other", STR("new"));
	f->store->ops->rollback(f->store);
	assert_rows(f, "a=1 b=1 ");
	assert_changes(f, 0, "a=1 b=1 ");
	assert_secret(f, "key", STR("old"));
	struct secret value = {0};
	assert_int_equal(
		f->store->ops->secret_get(f->store, STR("other"), &value, NULL), E_NOTFOUND);
	f->store->ops->rollback(f->store); /* does nothing */
	begin(f);
	put(f, "c", "3");
	commit(f);
	assert_rows(f, "a=1 b=1 c=3 ");
}

static void test_reads_see_their_transaction(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	commit(f);
	uint64_t before = revision_of(f, "a");
	begin(f);
	put(f, "b", "1");
	assert_int_equal(delete (f, "a"), 0);
	put_secret(f, "key", STR("new"));
	assert_rows(f, "b=1 ");
	assert_changes(f, before, "b=1 -a ");
	assert_secret(f, "key", STR("new"));
	commit(f);
	assert_rows(f, "b=1 ");
}

static void test_delete(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	assert_int_equal(delete (f, "b"), E_NOTFOUND);
	assert_non_null(strstr(f->diag.text, "\"b\""));
	put(f, "c", "1"); /* not found loses nothing */
	commit(f);
	begin(f);
	assert_int_equal(delete (f, "a"), 0);
	assert_int_equal(delete (f, "a"), E_NOTFOUND);
	commit(f);
	assert_rows(f, "c=1 ");
	begin(f);
	assert_int_equal(delete (f, "a"), E_NOTFOUND);
	commit(f);
}

static void test_changed_since(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "c", "1");
	put(f, "a", "1");
	put(f, "b", "1");
	commit(f);
	uint64_t first = revision_of(f, "c");
	uint64_t last = revision_of(f, "b");
	assert_changes(f, 0, "c=1 a=1 b=1 ");
	assert_changes(f, first, "a=1 b=1 ");
	assert_changes(f, last, "");
	begin(f);
	put(f, "c", "2");
	assert_int_equal(delete (f, "a"), 0);
	put_secret(f, "key", STR("new")); /* raises the revision, is no row */
	put(f, "d", "1");
	commit(f);
	assert_changes(f, 0, "b=1 c=2 -a d=1 ");
	assert_changes(f, last, "c=2 -a d=1 ");
	uint64_t third = revision_of(f, "d");
	assert_true(third >= last + 4);
	reopen(f);
	begin(f);
	put(f, "a", "3"); /* its name lives again */
	assert_int_equal(delete (f, "b"), 0);
	commit(f);
	assert_changes(f, third, "a=3 -b ");
	assert_changes(f, 0, "c=2 d=1 a=3 -b ");
	assert_true(revision_of(f, "a") == third + 1);
	assert_changes(f, INT64_MAX, "");
	assert_changes(f, UINT64_MAX, "");
}

static int stop_at_second(void *ctx, const struct store_instance *row)
{
	(void)row;
	unsigned *calls = ctx;
	return ++*calls == 2 ? -ECANCELED : 0;
}

static void test_callbacks_can_stop(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	put(f, "b", "1");
	put(f, "c", "1");
	commit(f);
	const struct store_ops *ops = f->store->ops;
	(void)diag_set(&f->diag, 0, "untouched");
	unsigned calls = 0;
	assert_int_equal(ops->instance_each(
				 f->store, STR_EMPTY, STR_EMPTY, stop_at_second, &calls, &f->diag),
		-ECANCELED);
	assert_int_equal(calls, 2);
	calls = 0;
	assert_int_equal(
		ops->changed_since(f->store, STR_EMPTY, 0, stop_at_second, &calls, &f->diag),
		-ECANCELED);
	assert_int_equal(calls, 2);
	calls = 1;
	assert_int_equal(ops->instance_get(f->store, STR("b"), stop_at_second, &calls, &f->diag),
		-ECANCELED);
	assert_string_equal(f->diag.text, "untouched");
	begin(f); /* nothing is left open */
	put(f, "d", "1");
	commit(f);
	assert_rows(f, "a=1 b=1 c=1 d=1 ");
}

static void test_secrets(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_secret(f, "token-secret", STR("one"));
	put_secret(f, "signing-key", STR("two"));
	commit(f);
	begin(f);
	put_secret(f, "token-secret", STR("three"));
	commit(f);
	reopen(f);
	assert_secret(f, "token-secret", STR("three"));
	assert_secret(f, "signing-key", STR("two"));
	assert_rows(f, ""); /* names of secrets are names of nothing else */
	assert_changes(f, 0, "");
	begin(f);
	put(f, "token-secret", "1");
	commit(f);
	assert_secret(f, "token-secret", STR("three"));
	assert_rows(f, "token-secret=1 ");
}

static void test_changes_need_a_transaction(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_instance row = {.name = STR("a"), .spec = STR("1")};
	assert_int_equal(ops->commit(f->store, &f->diag), -EINVAL);
	assert_int_equal(ops->instance_put(f->store, &row, STORE_ANY, &f->diag), -EINVAL);
	assert_int_equal(ops->instance_delete(f->store, STR("a"), STORE_ANY, &f->diag), -EINVAL);
	assert_int_equal(ops->secret_put(f->store, STR("a"), STR("b"), &f->diag), -EINVAL);
	assert_rows(f, "");
	begin(f);
	put(f, "a", "1");
	assert_int_equal(ops->begin(f->store, &f->diag), -EINVAL);
	put(f, "b", "1"); /* the first one goes on */
	commit(f);
	assert_int_equal(ops->commit(f->store, NULL), -EINVAL);
	assert_rows(f, "a=1 b=1 ");
}

static void test_reopen_keeps_what_is_committed(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	commit(f);
	begin(f);
	put(f, "a", "2");
	put(f, "b", "2");
	reopen(f);
	assert_rows(f, "a=1 ");
	begin(f);
	put(f, "b", "3");
	commit(f);
	assert_rows(f, "a=1 b=3 ");
	assert_true(revision_of(f, "b") > revision_of(f, "a"));
}

struct order {
	char last[32];
	size_t n;
	uint64_t revision;
};

static int check_order(void *ctx, const struct store_instance *row)
{
	struct order *order = ctx;
	assert_true(row->name.n < sizeof order->last);
	assert_true(order->n == 0 || str_cmp(row->name, str_of(order->last)) > 0);
	memcpy(order->last, row->name.p, row->name.n);
	order->last[row->name.n] = '\0';
	order->n++;
	return 0;
}

static int check_revision_order(void *ctx, const struct store_instance *row)
{
	struct order *order = ctx;
	assert_true(row->revision > order->revision);
	order->revision = row->revision;
	order->n++;
	return 0;
}

static void test_many_rows(void **state)
{
	struct fixture *f = *state;
	begin(f);
	for (uint32_t i = 0; i < MANY_ROWS; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "web-%010u", i * 2654435761U);
		put(f, name, "{\"a\": \"more text than fits into one page with many of them\"}");
	}
	commit(f);
	struct order order = {0};
	assert_int_equal(f->store->ops->instance_each(
				 f->store, STR_EMPTY, STR_EMPTY, check_order, &order, &f->diag),
		0);
	assert_int_equal(order.n, MANY_ROWS);
	order.n = 0;
	assert_int_equal(f->store->ops->changed_since(f->store, STR_EMPTY, MANY_ROWS / 2,
				 check_revision_order, &order, &f->diag),
		0);
	assert_int_equal(order.n, MANY_ROWS - MANY_ROWS / 2);
}

/* --- against each other ---------------------------------------------------------------------- */

static int add_all(void *ctx, const struct store_instance *row)
{
	buf_add_f(ctx, "%.*s|%d%.*s|%d%.*s|%u %lld %lld\n", STR_FMT(row->name), row->spec.p != NULL,
		STR_FMT(row->spec), row->file_spec.p != NULL, STR_FMT(row->file_spec),
		row->token_epoch, (long long)row->changed_s, (long long)row->revision);
	return 0;
}

static void dump(struct store *store, struct buf *ret_text)
{
	assert_int_equal(
		store->ops->instance_each(store, STR_EMPTY, STR_EMPTY, add_all, ret_text, NULL), 0);
	assert_int_equal(
		store->ops->changed_since(store, STR_EMPTY, 0, add_all, ret_text, NULL), 0);
}

static int random_step(struct store *store, uint32_t dice)
{
	char name[16];
	char spec[16];
	(void)snprintf(name, sizeof name, "n%u", dice / 16 % RANDOM_NAMES);
	(void)snprintf(spec, sizeof spec, "%u", dice);
	struct store_instance row = {.name = str_of(name),
		.spec = str_of(spec),
		.file_spec = dice & 0x10000 ? str_of(spec) : STR_EMPTY,
		.token_epoch = dice,
		.changed_s = (int64_t)dice};
	switch (dice % 16) {
	case 0:
		return store->ops->begin(store, NULL);
	case 1:
		return store->ops->commit(store, NULL);
	case 2:
		store->ops->rollback(store);
		return 0;
	case 3:
		return store->ops->secret_put(store, row.name, row.spec, NULL);
	case 4:
	case 5:
	case 6:
	case 7:
		return store->ops->instance_delete(store, row.name, STORE_ANY, NULL);
	default:
		return store->ops->instance_put(store, &row, STORE_ANY, NULL);
	}
}

static void test_same_as_the_fake(void **state)
{
	assert_same_steps(*state, random_step, dump);
}

/* --- faults of the fake ---------------------------------------------------------------------- */

/* One transaction with every function in it, and one read. */
static int run_all(struct fixture *f)
{
	const struct store_ops *ops = f->store->ops;
	struct store_instance row = {.name = STR("b"), .spec = STR("2")};
	struct buf lines = BUF_EMPTY;
	struct secret value = {0};
	int rc = ops->begin(f->store, &f->diag);
	if (rc == 0 && (rc = ops->instance_put(f->store, &row, STORE_ANY, &f->diag)) == 0 &&
		(rc = ops->instance_delete(f->store, STR("a"), STORE_ANY, &f->diag)) == 0 &&
		(rc = ops->secret_put(f->store, STR("key"), STR("new"), &f->diag)) == 0 &&
		(rc = ops->instance_each(
			 f->store, STR_EMPTY, STR_EMPTY, add_line, &lines, &f->diag)) == 0 &&
		(rc = ops->instance_get(f->store, STR("b"), add_line, &lines, &f->diag)) == 0 &&
		(rc = ops->changed_since(f->store, STR_EMPTY, 0, add_line, &lines, &f->diag)) ==
			0 &&
		(rc = ops->secret_get(f->store, STR("key"), &value, &f->diag)) == 0) {
		rc = ops->commit(f->store, &f->diag);
	}
	if (rc < 0) {
		ops->rollback(f->store);
	}
	buf_done(&lines);
	secret_done(&value);
	return rc;
}

static void assert_unchanged(struct fixture *f)
{
	assert_rows(f, "a=1 ");
	assert_changes(f, 0, "a=1 ");
}

static void test_each_call_can_fail(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	commit(f);
	assert_int_equal(each_call_fails(f, run_all, assert_unchanged), 9);
	assert_rows(f, "b=2 ");
	unsigned calls = store_memory_calls(f->store);
	assert_rows(f, "b=2 ");
	assert_int_equal(store_memory_calls(f->store), calls + 1);
}

static void test_failed_change_loses_its_transaction(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "1");
	store_memory_fail(f->store, 1, E_FULL);
	struct store_instance row = {.name = STR("b"), .spec = STR("1")};
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_ANY, &f->diag), E_FULL);
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_ANY, &f->diag), E_FULL);
	assert_int_equal(f->store->ops->commit(f->store, &f->diag), E_FULL);
	assert_rows(f, "");
	begin(f);
	put(f, "b", "1");
	commit(f);
	assert_rows(f, "b=1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_nothing_there),
		EACH(test_every_column_comes_back),
		EACH(test_put_replaces),
		EACH(test_order_is_bytewise),
		EACH(test_values_are_bytes),
		EACH(test_empty_is_not_absent),
		EACH(test_big_values),
		EACH(test_rollback_leaves_nothing),
		EACH(test_reads_see_their_transaction),
		EACH(test_delete),
		EACH(test_changed_since),
		EACH(test_callbacks_can_stop),
		EACH(test_secrets),
		EACH(test_changes_need_a_transaction),
		EACH(test_reopen_keeps_what_is_committed),
		EACH(test_many_rows),
		EACH(test_same_as_the_fake),
		cmocka_unit_test_setup_teardown(test_each_call_can_fail, setup_memory, teardown),
		cmocka_unit_test_setup_teardown(
			test_failed_change_loses_its_transaction, setup_memory, teardown),
	};
	return RUN_TESTS(tests);
}
