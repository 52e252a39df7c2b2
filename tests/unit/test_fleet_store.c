/* Which store of a fleet's daemon is asked for what. */
#include "tests/unit/store_help.h"

#include "store/fleet_store.h"
#include "tests/fake/alloc.h"
#include "tests/fake/store_shared.h"

/* --- the fixture: a database and a copy, each with something of its own ------------------------ */

struct two {
	struct store *database; /* in memory, and lent */
	struct store *copy;
	struct store *connection; /* to the database, once attached */
	struct store *store;
	struct diag diag;
};

static void fill(struct store *store, const char *text)
{
	struct str mark = str_of(text);
	const struct store_instance row = {
		.name = STR("aa"), .spec = mark, .id = STR("i-1"), .host = STR("a")};
	const struct store_points points = {
		.instance_id = STR("i-1"), .period_s = 60, .start_s = 0, .bytes = mark};
	const struct store_operation operation = {.id = STR("o-1"),
		.resource = STR("aa"),
		.host = STR("a"),
		.body = mark,
		.open = true};
	const struct store_host host = {.name = STR("a"), .version = mark};
	const struct store_audit audit = {.who = mark};
	assert_int_equal(store->ops->begin(store, NULL), 0);
	assert_int_equal(store->ops->instance_put(store, &row, STORE_ANY, NULL), 0);
	assert_int_equal(store->ops->points_put(store, &points, NULL), 0);
	assert_int_equal(store->ops->secret_put(store, STR("key"), mark, NULL), 0);
	assert_int_equal(store->ops->operation_put(store, &operation, NULL), 0);
	assert_int_equal(store->ops->host_put(store, &host, NULL), 0);
	assert_int_equal(store->ops->audit_add(store, &audit, NULL), 0);
	assert_int_equal(store->ops->commit(store, NULL), 0);
}

static int setup_two(void **state)
{
	struct two *t = calloc(1, sizeof *t);
	*state = t;
	t->database = store_memory_new();
	t->copy = store_memory_new();
	fill(t->database, "database");
	fill(t->copy, "copy");
	t->store = fleet_store_new(t->copy);
	return t->store ? 0 : -1;
}

static int teardown_two(void **state)
{
	struct two *t = *state;
	store_free(t->store); /* and with it the copy and the connection */
	store_free(t->database);
	free(t);
	return 0;
}

static void attach(struct two *t)
{
	t->connection = store_shared_new(t->database);
	fleet_store_attach(t->store, t->connection);
}

/* --- every reading call ------------------------------------------------------------------------ */

static int on_row(void *ctx, const struct store_instance *row)
{
	buf_add(ctx, row->spec);
	return 0;
}

static int on_points(void *ctx, const struct store_points *points)
{
	buf_add(ctx, points->bytes);
	return 0;
}

static int on_id(void *ctx, struct str id)
{
	buf_add(ctx, id);
	return 0;
}

static int on_operation(void *ctx, const struct store_operation *operation)
{
	buf_add(ctx, operation->body);
	return 0;
}

static int on_host(void *ctx, const struct store_host *host)
{
	buf_add(ctx, host->version);
	return 0;
}

static int on_audit(void *ctx, const struct store_audit *audit)
{
	buf_add(ctx, audit->who);
	return 0;
}

static int get(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->instance_get(s, STR("aa"), on_row, out, diag);
}

static int find(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->instance_find(s, STR("i-1"), on_row, out, diag);
}

static int each(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->instance_each(s, STR("a"), STR_EMPTY, on_row, out, diag);
}

static int points_get(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->points_get(s, STR("i-1"), 60, 0, on_points, out, diag);
}

static int points_each(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->points_each(s, STR("i-1"), 60, 0, 1, on_points, out, diag);
}

static int secret(struct store *s, struct buf *out, struct diag *diag)
{
	struct secret value;
	TRY(s->ops->secret_get(s, STR("key"), &value, diag));
	buf_add(out, (struct str){(const char *)value.p, value.n});
	secret_done(&value);
	return 0;
}

static int instances(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->points_instances(s, on_id, out, diag);
}

static int since(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->changed_since(s, STR("a"), 0, on_row, out, diag);
}

static int revision(struct store *s, struct buf *out, struct diag *diag)
{
	uint64_t n = 0;
	TRY(s->ops->revision_get(s, STR("a"), &n, diag));
	buf_add(out, STR("database"));
	return 0;
}

static int host_get(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->host_get(s, STR("a"), on_host, out, diag);
}

static int host_each(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->host_each(s, on_host, out, diag);
}

static int operation_get(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->operation_get(s, STR("o-1"), on_operation, out, diag);
}

static int operation_each(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->operation_each(s, STR_EMPTY, 0, on_operation, out, diag);
}

static int operation_open(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->operation_open(s, STR("a"), on_operation, out, diag);
}

static int audit_each(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->audit_each(s, STR_EMPTY, 0, on_audit, out, diag);
}

static int points_before(struct store *s, struct buf *out, struct diag *diag)
{
	return s->ops->points_before(s, 60, 1, on_points, out, diag);
}

static const struct reading {
	int line;
	int (*read)(struct store *store, struct buf *out, struct diag *diag);
	bool copied; /* the copy has it too */
	const char *text;
} readings[] = {
	{__LINE__, get, true, NULL},
	{__LINE__, find, true, NULL},
	{__LINE__, each, true, NULL},
	{__LINE__, points_get, true, NULL},
	{__LINE__, points_each, true, NULL},
	{__LINE__, secret, true, NULL},
	{__LINE__, instances, true, "i-1"},
	{__LINE__, since, false, NULL},
	{__LINE__, revision, false, NULL},
	{__LINE__, host_get, false, NULL},
	{__LINE__, host_each, false, NULL},
	{__LINE__, operation_get, false, NULL},
	{__LINE__, operation_each, false, NULL},
	{__LINE__, operation_open, false, NULL},
	{__LINE__, audit_each, false, NULL},
	{__LINE__, points_before, false, NULL},
};

#define N_READINGS (sizeof readings / sizeof readings[0])

static void assert_read(struct two *t, const struct reading *one, const char *where)
{
	struct buf out = BUF_EMPTY;
	int rc = one->read(t->store, &out, &t->diag);
	if (rc != 0 || !str_eq(buf_str(&out), str_of(one->text ? one->text : where))) {
		fail_msg("line %d: %s \"%.*s\" instead of \"%s\"", one->line,
			rc < 0 ? result_name(rc) : "", STR_FMT(buf_str(&out)), where);
	}
	buf_done(&out);
}

static void assert_away(struct two *t, const struct reading *one)
{
	struct buf out = BUF_EMPTY;
	if (one->read(t->store, &out, &t->diag) != E_AWAY || out.n) {
		fail_msg("line %d: read \"%.*s\", which nobody can know", one->line,
			STR_FMT(buf_str(&out)));
	}
	buf_done(&out);
}

static void assert_reads_copy(struct two *t)
{
	for (size_t i = 0; i < N_READINGS; i++) {
		if (readings[i].copied) {
			assert_read(t, &readings[i], "copy");
		} else {
			assert_away(t, &readings[i]);
		}
	}
}

static void reads_the_copy_until_there_is_a_database(void **state)
{
	struct two *t = *state;
	assert_false(fleet_store_is_attached(t->store));
	assert_ptr_equal(fleet_store_copy(t->store), t->copy);
	assert_reads_copy(t);
}

static void reads_the_database_while_there_is_one(void **state)
{
	struct two *t = *state;
	attach(t);
	assert_true(fleet_store_is_attached(t->store));
	for (size_t i = 0; i < N_READINGS; i++) {
		assert_read(t, &readings[i], "database");
	}
	fleet_store_detach(t->store);
	assert_false(fleet_store_is_attached(t->store));
	assert_reads_copy(t);
}

/* Whichever call hears of it first. */
static void does_not_ask_a_database_that_is_away(void **state)
{
	struct two *t = *state;
	for (size_t i = 0; i < N_READINGS; i++) {
		attach(t); /* and the one before is freed */
		store_shared_away(t->connection, 1);
		assert_away(t, &readings[i]);
		assert_false(fleet_store_is_attached(t->store));
		store_shared_away(t->connection, 0); /* it is back, but nobody has brought it */
		unsigned calls = store_shared_calls(t->connection);
		assert_reads_copy(t);
		assert_int_equal(store_shared_calls(t->connection), calls);
	}
	attach(t);
	assert_read(t, &readings[0], "database");
}

/* --- changes ----------------------------------------------------------------------------------- */

#define CHANGES 11

/* All kinds of changes, one after the other; the first that fails ends it. */
static int change_all(struct store *s, struct diag *diag)
{
	const struct store_instance row = {.name = STR("bb"), .spec = STR("new"), .host = STR("a")};
	const struct store_points points = {
		.instance_id = STR("i-2"), .period_s = 60, .start_s = 0, .bytes = STR("new")};
	const struct store_operation operation = {.id = STR("o-2"), .body = STR("new")};
	const struct store_host host = {.name = STR("b")};
	const struct store_audit audit = {.who = STR("new")};
	TRY(s->ops->instance_put(s, &row, STORE_NEW, diag));
	TRY(s->ops->instance_delete(s, STR("aa"), STORE_ANY, diag));
	TRY(s->ops->host_put(s, &host, diag));
	TRY(s->ops->host_delete(s, STR("a"), diag));
	TRY(s->ops->secret_put(s, STR("key"), STR("new"), diag));
	TRY(s->ops->secret_add(s, STR("other"), STR("new"), diag));
	TRY(s->ops->operation_put(s, &operation, diag));
	TRY(s->ops->audit_add(s, &audit, diag));
	TRY(s->ops->trim(s, 0, 0, diag));
	TRY(s->ops->points_put(s, &points, diag));
	return s->ops->points_delete(s, STR("i-1"), 60, 0, diag);
}

static int change(struct store *s, struct diag *diag)
{
	TRY(s->ops->begin(s, diag));
	int rc = change_all(s, diag);
	if (rc < 0) {
		s->ops->rollback(s);
		return rc;
	}
	return s->ops->commit(s, diag);
}

static void assert_has(struct store *store, const char *text)
{
	struct buf out = BUF_EMPTY;
	assert_int_equal(each(store, &out, NULL), 0);
	assert_lines(&out, text);
}

static void changes_the_database_and_not_the_copy(void **state)
{
	struct two *t = *state;
	attach(t);
	unsigned calls = store_memory_calls(t->copy);
	assert_int_equal(change(t->store, &t->diag), 0);
	assert_int_equal(store_memory_calls(t->copy), calls);
	assert_has(t->database, "new");
	assert_has(t->copy, "copy");
}

static void changes_nothing_without_a_database(void **state)
{
	struct two *t = *state;
	assert_int_equal(change(t->store, &t->diag), E_AWAY);
	assert_non_null(strstr(t->diag.text, "can't be reached"));
	t->store->ops->rollback(t->store); /* of nothing */
	assert_int_equal(change_all(t->store, &t->diag), E_AWAY);
	assert_int_equal(t->store->ops->commit(t->store, &t->diag), E_AWAY);
	assert_has(t->copy, "copy");
}

/* begin, the changes, commit: at each of them it may go, and nothing has changed then. */
static void a_database_that_goes_has_not_changed(void **state)
{
	struct two *t = *state;
	for (unsigned nth = 1; nth <= CHANGES + 2; nth++) {
		attach(t);
		store_shared_away(t->connection, nth);
		assert_int_equal(change(t->store, &t->diag), E_AWAY);
		assert_false(fleet_store_is_attached(t->store));
		assert_has(t->database, "database");
	}
	attach(t);
	store_shared_away(t->connection, CHANGES + 3);
	assert_int_equal(change(t->store, &t->diag), 0);
}

static void a_commit_may_have_been_one(void **state)
{
	struct two *t = *state;
	attach(t);
	store_shared_doubt(t->connection, 1);
	assert_int_equal(change(t->store, &t->diag), E_AWAY);
	assert_false(fleet_store_is_attached(t->store));
	assert_has(t->database, "new");
}

static void other_errors_are_only_told(void **state)
{
	struct two *t = *state;
	attach(t);
	for (unsigned nth = 1; nth <= CHANGES + 2; nth++) {
		store_memory_fail(t->database, nth, E_FULL);
		assert_int_equal(change(t->store, &t->diag), E_FULL);
		assert_true(fleet_store_is_attached(t->store));
	}
	assert_has(t->database, "database");
}

static void takes_the_copy_only_when_it_can(void **state)
{
	(void)state;
	struct store *copy = store_memory_new();
	alloc_fail_at(1);
	struct store *store = fleet_store_new(copy);
	assert_true(alloc_fail_at(0));
	assert_null(store);
	store_free(copy);
}

/* One that goes is freed with what it had begun. */
static void a_new_database_takes_the_place_of_the_old(void **state)
{
	struct two *t = *state;
	attach(t);
	assert_int_equal(t->store->ops->begin(t->store, &t->diag), 0);
	attach(t);
	assert_int_equal(change(t->store, &t->diag), 0);
	fleet_store_attach(t->store, NULL);
	assert_false(fleet_store_is_attached(t->store));
}

/* Nobody waits for what it had begun. */
static void one_that_is_detached_is_freed(void **state)
{
	struct two *t = *state;
	attach(t);
	assert_int_equal(t->store->ops->begin(t->store, &t->diag), 0);
	fleet_store_detach(t->store);
	assert_false(fleet_store_is_attached(t->store));
	assert_int_equal(t->database->ops->begin(t->database, &t->diag), 0);
	t->database->ops->rollback(t->database);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup_two, teardown_two)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_the_copy_until_there_is_a_database),
		TEST(reads_the_database_while_there_is_one),
		TEST(does_not_ask_a_database_that_is_away),
		TEST(changes_the_database_and_not_the_copy),
		TEST(changes_nothing_without_a_database),
		TEST(a_database_that_goes_has_not_changed),
		TEST(a_commit_may_have_been_one),
		TEST(other_errors_are_only_told),
		TEST(a_new_database_takes_the_place_of_the_old),
		TEST(one_that_is_detached_is_freed),
		cmocka_unit_test(takes_the_copy_only_when_it_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
