/* What store/store.h promises of operations and audit records, asked of every back end. */
#include "tests/unit/store_help.h"

#define MANY       600
#define RANDOM_IDS 24

static void put(
	struct fixture *f, const char *id, const char *resource, const char *body, bool open)
{
	struct store_operation operation = {
		.id = str_of(id),
		.resource = str_of(resource),
		.body = str_of(body),
		.open = open,
		.number = 12345, /* not looked at */
	};
	assert_int_equal(f->store->ops->operation_put(f->store, &operation, &f->diag), 0);
}

static void add(struct fixture *f, const char *who, const char *resource)
{
	struct store_audit audit = {
		.who = str_of(who), .resource = str_of(resource), .number = 12345};
	assert_int_equal(f->store->ops->audit_add(f->store, &audit, &f->diag), 0);
}

static void trim(struct fixture *f, uint64_t keep_operations, uint64_t keep_audits)
{
	assert_int_equal(f->store->ops->trim(f->store, keep_operations, keep_audits, &f->diag), 0);
}

static int add_operation(void *ctx, const struct store_operation *operation)
{
	buf_add_f(ctx, "%llu:%.*s@%.*s=%.*s%s ", (unsigned long long)operation->number,
		STR_FMT(operation->id), STR_FMT(operation->resource), STR_FMT(operation->body),
		operation->open ? "+" : "");
	return 1; /* only < 0 ends anything */
}

static int add_audit(void *ctx, const struct store_audit *audit)
{
	buf_add_f(ctx, "%llu:%.*s@%.*s ", (unsigned long long)audit->number, STR_FMT(audit->who),
		STR_FMT(audit->resource));
	return 1;
}

static void assert_operations(
	struct fixture *f, struct str resource, uint64_t before, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->operation_each(
				 f->store, resource, before, add_operation, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_open(struct fixture *f, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(
		f->store->ops->operation_open(f->store, STR_EMPTY, add_operation, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_audits(
	struct fixture *f, struct str resource, uint64_t before, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(
		f->store->ops->audit_each(f->store, resource, before, add_audit, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_operation(struct fixture *f, const char *id, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(
		f->store->ops->operation_get(f->store, str_of(id), add_operation, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static int get_nothing(struct fixture *f, const char *id)
{
	struct buf lines = BUF_EMPTY;
	int rc =
		f->store->ops->operation_get(f->store, str_of(id), add_operation, &lines, &f->diag);
	assert_int_equal(lines.n, 0);
	return rc;
}

/* --- operations ------------------------------------------------------------------------------ */

static void test_nothing_there(void **state)
{
	struct fixture *f = *state;
	assert_operations(f, STR_EMPTY, 0, "");
	assert_operations(f, STR("web-1"), 7, "");
	assert_open(f, "");
	assert_audits(f, STR_EMPTY, 0, "");
	assert_int_equal(get_nothing(f, "op-1"), E_NOTFOUND);
	assert_non_null(strstr(f->diag.text, "op-1"));
	begin(f);
	trim(f, 0, 0);
	commit(f);
}

static void test_newest_first(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "z", "web-1", "1", true);
	put(f, "a", "web-2", "2", false);
	put(f, "m", "web-1", "3", false);
	assert_operations(f, STR_EMPTY, 0, "3:m@web-1=3 2:a@web-2=2 1:z@web-1=1+ ");
	commit(f);
	begin(f);
	put(f, "b", "", "4", false);
	commit(f);
	reopen(f);
	assert_operations(f, STR_EMPTY, 0, "4:b@=4 3:m@web-1=3 2:a@web-2=2 1:z@web-1=1+ ");
	assert_operation(f, "a", "2:a@web-2=2 ");
	assert_int_equal(get_nothing(f, "w"), E_NOTFOUND);
	assert_int_equal(get_nothing(f, "A"), E_NOTFOUND);
}

static void test_of_one_resource(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "web-1", "", false);
	put(f, "b", "web-2", "", false);
	put(f, "c", "", "", false);
	put(f, "d", "web-1", "", true);
	add(f, "a", "web-1");
	add(f, "b", "");
	add(f, "c", "web-1");
	commit(f);
	assert_operations(f, STR("web-1"), 0, "4:d@web-1=+ 1:a@web-1= ");
	assert_operations(f, STR(""), 0, "3:c@= "); /* empty is not absent */
	assert_operations(f, STR("web"), 0, "");
	assert_operations(f, STR("WEB-1"), 0, "");
	assert_audits(f, STR("web-1"), 0, "3:c@web-1 1:a@web-1 ");
	assert_audits(f, STR(""), 0, "2:b@ ");
	assert_audits(f, STR("web-"), 0, "");
}

static void test_before_a_number(void **state)
{
	struct fixture *f = *state;
	begin(f);
	for (unsigned i = 0; i < 4; i++) {
		put(f, (char[]){(char)('a' + i), '\0'}, i % 2 ? "y" : "x", "", false);
		add(f, (char[]){(char)('a' + i), '\0'}, i % 2 ? "y" : "x");
	}
	commit(f);
	assert_operations(f, STR_EMPTY, 3, "2:b@y= 1:a@x= ");
	assert_operations(f, STR_EMPTY, 1, "");
	assert_operations(f, STR_EMPTY, 5, "4:d@y= 3:c@x= 2:b@y= 1:a@x= ");
	assert_operations(f, STR("x"), 3, "1:a@x= ");
	assert_operations(f, STR("x"), 4, "3:c@x= 1:a@x= ");
	assert_operations(f, STR("y"), INT64_MAX, "4:d@y= 2:b@y= ");
	assert_operations(f, STR("y"), UINT64_MAX, "4:d@y= 2:b@y= ");
	assert_audits(f, STR_EMPTY, 3, "2:b@y 1:a@x ");
	assert_audits(f, STR_EMPTY, 1, "");
	assert_audits(f, STR("x"), 3, "1:a@x ");
	assert_audits(f, STR("y"), UINT64_MAX, "4:d@y 2:b@y ");
}

static void test_replacing_keeps_number_and_resource(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "web-1", "started", true);
	put(f, "b", "web-1", "started", true);
	commit(f);
	begin(f);
	put(f, "a", "web-2", "done", false);
	put(f, "c", "web-1", "started", true);
	commit(f);
	reopen(f);
	assert_operations(
		f, STR("web-1"), 0, "3:c@web-1=started+ 2:b@web-1=started+ 1:a@web-1=done ");
	assert_operations(f, STR("web-2"), 0, "");
	assert_open(f, "2:b@web-1=started+ 3:c@web-1=started+ ");
	begin(f);
	put(f, "a", "web-1", "again", true); /* a life after death */
	put(f, "a", "web-1", "again", true);
	commit(f);
	assert_open(f, "1:a@web-1=again+ 2:b@web-1=started+ 3:c@web-1=started+ ");
	assert_operation(f, "a", "1:a@web-1=again+ ");
}

static int check_operation(void *ctx, const struct store_operation *operation)
{
	const struct str *bytes = ctx;
	assert_non_null(operation->id.p);
	assert_non_null(operation->resource.p);
	assert_non_null(operation->body.p);
	assert_true(str_eq(operation->id, *bytes));
	assert_true(str_eq(operation->resource, *bytes));
	assert_true(str_eq(operation->body, *bytes));
	return 0;
}

static int check_audit(void *ctx, const struct store_audit *audit)
{
	const struct store_audit *expected = ctx;
	assert_true(audit->at_ms == expected->at_ms);
	assert_true(str_eq(audit->who, expected->who));
	assert_true(str_eq(audit->from, expected->from));
	assert_true(str_eq(audit->action, expected->action));
	assert_true(str_eq(audit->resource, expected->resource));
	assert_true(str_eq(audit->result, expected->result));
	assert_true(str_eq(audit->request_id, expected->request_id));
	assert_non_null(audit->who.p);
	assert_non_null(audit->request_id.p);
	return 0;
}

static void test_values_are_bytes(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	char all[512];
	for (size_t i = 0; i < sizeof all; i++) {
		all[i] = (char)(i + 250); /* odd ones first: 250 … 255, 0, 1 … */
	}
	static const size_t sizes[] = {0, 1, 2, 6, 7, 8, 9, 100, 512};
	begin(f);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct str some = {all, sizes[i]};
		struct store_operation operation = {.id = some, .resource = some, .body = some};
		assert_int_equal(ops->operation_put(f->store, &operation, &f->diag), 0);
		assert_int_equal(ops->operation_put(f->store, &operation, &f->diag), 0);
	}
	commit(f);
	reopen(f);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct str some = {all, sizes[i]};
		assert_int_equal(
			ops->operation_get(f->store, some, check_operation, &some, &f->diag), 0);
		assert_int_equal(
			ops->operation_each(f->store, some, 0, check_operation, &some, &f->diag),
			0);
	}
}

static void test_every_column_of_an_audit_comes_back(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_audit rows[] = {
		{.at_ms = INT64_MAX,
			.who = STR_INIT("AKIA\0EXAMPLE"),
			.from = STR_INIT("192.0.2.1"),
			.action = STR_INIT("lightsail:StopInstance"),
			.resource = STR_INIT("web\xff"),
			.result = STR_INIT("ok"),
			.request_id = STR_INIT("0-1")},
		{.at_ms = INT64_MIN, .resource = STR_INIT("none")}, /* the others are NULL */
	};
	begin(f);
	assert_int_equal(ops->audit_add(f->store, &rows[0], &f->diag), 0);
	assert_int_equal(ops->audit_add(f->store, &rows[1], &f->diag), 0);
	assert_int_equal(ops->audit_add(f->store, &(struct store_audit){0}, &f->diag), 0);
	commit(f);
	reopen(f);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(f->store->ops->audit_each(f->store, rows[i].resource, 0,
					 check_audit, &rows[i], &f->diag),
			0);
	}
	assert_audits(f, STR(""), 0, "3:@ ");
	assert_audits(f, STR("none"), 0, "2:@none ");
}

static void test_a_null_operation_is_empty(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	begin(f);
	assert_int_equal(ops->operation_put(f->store, &(struct store_operation){0}, &f->diag), 0);
	commit(f);
	struct str empty = STR("");
	assert_int_equal(
		ops->operation_get(f->store, STR_EMPTY, check_operation, &empty, &f->diag), 0);
	assert_operations(f, empty, 0, "1:@= ");
}

/* --- trimming -------------------------------------------------------------------------------- */

static void test_trim_keeps_the_newest(void **state)
{
	struct fixture *f = *state;
	begin(f);
	for (unsigned i = 0; i < 6; i++) {
		put(f, (char[]){(char)('a' + i), '\0'}, "x", "", i == 0 || i == 3);
		add(f, (char[]){(char)('a' + i), '\0'}, "x");
	}
	trim(f, 4, 6); /* as many as there are */
	assert_operations(f, STR_EMPTY, 0, "6:f@x= 5:e@x= 4:d@x=+ 3:c@x= 2:b@x= 1:a@x=+ ");
	assert_audits(f, STR_EMPTY, 0, "6:f@x 5:e@x 4:d@x 3:c@x 2:b@x 1:a@x ");
	trim(f, 3, 5); /* one too many; the open ones are not counted */
	assert_operations(f, STR_EMPTY, 0, "6:f@x= 5:e@x= 4:d@x=+ 3:c@x= 1:a@x=+ ");
	assert_audits(f, STR_EMPTY, 0, "6:f@x 5:e@x 4:d@x 3:c@x 2:b@x ");
	commit(f);
	begin(f);
	trim(f, INT64_MAX, UINT64_MAX);
	trim(f, UINT64_MAX, INT64_MAX);
	assert_operations(f, STR("x"), 0, "6:f@x= 5:e@x= 4:d@x=+ 3:c@x= 1:a@x=+ ");
	trim(f, 1, 1);
	commit(f);
	reopen(f);
	assert_operations(f, STR("x"), 0, "6:f@x= 4:d@x=+ 1:a@x=+ ");
	assert_audits(f, STR("x"), 0, "6:f@x ");
	assert_open(f, "1:a@x=+ 4:d@x=+ ");
	assert_int_equal(get_nothing(f, "e"), E_NOTFOUND);
}

static void test_numbers_are_not_used_again(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "x", "", false);
	put(f, "b", "x", "", false);
	add(f, "a", "x");
	commit(f);
	begin(f);
	trim(f, 0, 0);
	commit(f);
	assert_operations(f, STR_EMPTY, 0, "");
	assert_audits(f, STR_EMPTY, 0, "");
	reopen(f);
	begin(f);
	put(f, "a", "x", "", false); /* it was forgotten, so it is a new one */
	add(f, "b", "x");
	commit(f);
	assert_operations(f, STR_EMPTY, 0, "3:a@x= ");
	assert_audits(f, STR_EMPTY, 0, "2:b@x ");
}

static int count_operation(void *ctx, const struct store_operation *operation)
{
	uint64_t *next = ctx;
	assert_true(operation->number == *next);
	--*next;
	return 0;
}

static int count_audit(void *ctx, const struct store_audit *audit)
{
	uint64_t *next = ctx;
	assert_true(audit->number == *next);
	--*next;
	return 0;
}

static void test_many(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	begin(f);
	for (unsigned i = 0; i < MANY; i++) {
		char id[32];
		(void)snprintf(id, sizeof id, "%u", i * 2654435761U);
		put(f, id, "x", "{\"a\": \"more text than fits into one page with many of them\"}",
			false);
		add(f, id, "x");
		trim(f, MANY / 3, MANY / 2);
	}
	commit(f);
	uint64_t next = MANY;
	assert_int_equal(
		ops->operation_each(f->store, STR_EMPTY, 0, count_operation, &next, &f->diag), 0);
	assert_int_equal(next, MANY - MANY / 3);
	next = MANY;
	assert_int_equal(ops->audit_each(f->store, STR("x"), 0, count_audit, &next, &f->diag), 0);
	assert_int_equal(next, MANY - MANY / 2);
}

/* --- transactions and callbacks -------------------------------------------------------------- */

static void test_rollback_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "x", "1", true);
	put(f, "b", "x", "1", false);
	add(f, "a", "x");
	commit(f);
	begin(f);
	put(f, "a", "x", "2", false);
	put(f, "c", "x", "2", false);
	add(f, "b", "x");
	trim(f, 0, 0);
	assert_operations(f, STR_EMPTY, 0, "");
	f->store->ops->rollback(f->store);
	assert_operations(f, STR_EMPTY, 0, "2:b@x=1 1:a@x=1+ ");
	assert_open(f, "1:a@x=1+ ");
	assert_audits(f, STR_EMPTY, 0, "1:a@x ");
	begin(f);
	put(f, "c", "y", "3", false);
	reopen(f);
	assert_operations(f, STR_EMPTY, 0, "2:b@x=1 1:a@x=1+ ");
}

static void test_changes_need_a_transaction(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_operation operation = {.id = STR("a")};
	struct store_audit audit = {.who = STR("a")};
	assert_int_equal(ops->operation_put(f->store, &operation, &f->diag), -EINVAL);
	assert_int_equal(ops->audit_add(f->store, &audit, &f->diag), -EINVAL);
	assert_int_equal(ops->trim(f->store, 0, 0, &f->diag), -EINVAL);
	assert_operations(f, STR_EMPTY, 0, "");
	assert_audits(f, STR_EMPTY, 0, "");
}

static int take_revision(void *ctx, const struct store_instance *row)
{
	*(uint64_t *)ctx = row->revision;
	return 0;
}

static void test_the_revision_is_not_theirs(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_instance row = {.name = STR("web-1"), .spec = STR("1")};
	uint64_t revision = 0;
	begin(f);
	put(f, "a", "x", "", false);
	add(f, "a", "x");
	assert_int_equal(ops->instance_put(f->store, &row, STORE_ANY, &f->diag), 0);
	commit(f);
	assert_int_equal(
		ops->instance_get(f->store, row.name, take_revision, &revision, &f->diag), 0);
	assert_int_equal(revision, 1);
	assert_int_equal(ops->changed_since(
				 f->store, STR_EMPTY, revision, take_revision, &revision, &f->diag),
		0);
}

static int stop_operation(void *ctx, const struct store_operation *operation)
{
	(void)operation;
	unsigned *calls = ctx;
	return ++*calls == 2 ? -ECANCELED : 0;
}

static int stop_audit(void *ctx, const struct store_audit *audit)
{
	(void)audit;
	unsigned *calls = ctx;
	return ++*calls == 2 ? -ECANCELED : 0;
}

static void test_callbacks_can_stop(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	begin(f);
	for (unsigned i = 0; i < 3; i++) {
		put(f, (char[]){(char)('a' + i), '\0'}, "x", "", true);
		add(f, "a", "x");
	}
	commit(f);
	(void)diag_set(&f->diag, 0, "untouched");
	unsigned calls = 0;
	assert_int_equal(
		ops->operation_each(f->store, STR_EMPTY, 0, stop_operation, &calls, &f->diag),
		-ECANCELED);
	assert_int_equal(calls, 2);
	calls = 0;
	assert_int_equal(ops->operation_open(f->store, STR_EMPTY, stop_operation, &calls, &f->diag),
		-ECANCELED);
	assert_int_equal(calls, 2);
	calls = 1;
	assert_int_equal(ops->operation_get(f->store, STR("a"), stop_operation, &calls, &f->diag),
		-ECANCELED);
	calls = 0;
	assert_int_equal(
		ops->audit_each(f->store, STR("x"), 0, stop_audit, &calls, &f->diag), -ECANCELED);
	assert_int_equal(calls, 2);
	assert_string_equal(f->diag.text, "untouched");
	begin(f); /* nothing is left open */
	put(f, "d", "x", "", false);
	trim(f, 0, 1);
	commit(f);
	assert_audits(f, STR_EMPTY, 0, "3:a@x ");
}

/* --- against each other, and faults ---------------------------------------------------------- */

static int random_put(struct store *store, uint32_t dice)
{
	char id[16];
	char text[16];
	char resource[2] = {(char)('x' + dice / 1024 % 3), '\0'};
	(void)snprintf(id, sizeof id, "n%u", dice / 16 % RANDOM_IDS);
	(void)snprintf(text, sizeof text, "%u", dice);
	struct store_operation operation = {.id = str_of(id),
		.resource = str_of(resource),
		.body = str_of(text),
		.open = (dice & 0x10000) != 0};
	return store->ops->operation_put(store, &operation, NULL);
}

static int random_step(struct store *store, uint32_t dice)
{
	struct store_audit audit = {.at_ms = dice,
		.who = dice & 0x20000 ? STR("AKIAEXAMPLE") : STR_EMPTY,
		.resource = dice & 0x40000 ? STR("x") : STR("y")};
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
		return store->ops->trim(store, dice / 16 % 16, dice / 256 % 64, NULL);
	case 5:
	case 6:
	case 7:
	case 8:
		return store->ops->audit_add(store, &audit, NULL);
	default:
		return random_put(store, dice);
	}
}

/* Not the numbers: one that was rolled back may have taken some along. */
struct dumping {
	struct buf *text;
	unsigned left; /* until `before` is taken */
	uint64_t before;
};

static void take_number(struct dumping *dumping, uint64_t number)
{
	if (dumping->left > 0 && --dumping->left == 0) {
		dumping->before = number;
	}
}

static int dump_operation(void *ctx, const struct store_operation *operation)
{
	struct dumping *dumping = ctx;
	take_number(dumping, operation->number);
	buf_add_f(dumping->text, "%.*s@%.*s=%.*s%s ", STR_FMT(operation->id),
		STR_FMT(operation->resource), STR_FMT(operation->body), operation->open ? "+" : "");
	return 0;
}

static int dump_audit(void *ctx, const struct store_audit *audit)
{
	struct dumping *dumping = ctx;
	take_number(dumping, audit->number);
	buf_add_f(dumping->text, "%.*s@%.*s=%lld ", STR_FMT(audit->who), STR_FMT(audit->resource),
		(long long)audit->at_ms);
	return 0;
}

static void dump(struct store *store, struct buf *ret_text)
{
	const struct store_ops *ops = store->ops;
	static const struct str of[] = {{NULL, 0}, STR_INIT("x"), STR_INIT("y"), STR_INIT("z")};
	struct dumping operations = {ret_text, 5, 0};
	struct dumping audits = {ret_text, 5, 0};
	for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
		assert_int_equal(ops->operation_each(store, of[i], operations.before,
					 dump_operation, &operations, NULL),
			0);
		assert_int_equal(
			ops->audit_each(store, of[i], audits.before, dump_audit, &audits, NULL), 0);
		buf_add_char(ret_text, '\n');
		operations.left = audits.left = 3;
	}
	assert_int_equal(
		ops->operation_open(store, STR_EMPTY, dump_operation, &operations, NULL), 0);
}

static void test_same_as_the_fake(void **state)
{
	assert_same_steps(*state, random_step, dump);
}

/* One transaction with every function in it. */
static int run_all(struct fixture *f)
{
	const struct store_ops *ops = f->store->ops;
	struct store_operation operation = {.id = STR("b"), .open = true};
	struct store_audit audit = {.who = STR("b")};
	struct buf lines = BUF_EMPTY;
	int rc = ops->begin(f->store, &f->diag);
	if (rc == 0 && (rc = ops->operation_put(f->store, &operation, &f->diag)) == 0 &&
		(rc = ops->audit_add(f->store, &audit, &f->diag)) == 0 &&
		(rc = ops->trim(f->store, 0, 1, &f->diag)) == 0 &&
		(rc = ops->operation_get(f->store, STR("b"), add_operation, &lines, &f->diag)) ==
			0 &&
		(rc = ops->operation_each(
			 f->store, STR_EMPTY, 0, add_operation, &lines, &f->diag)) == 0 &&
		(rc = ops->operation_open(f->store, STR_EMPTY, add_operation, &lines, &f->diag)) ==
			0 &&
		(rc = ops->audit_each(f->store, STR_EMPTY, 0, add_audit, &lines, &f->diag)) == 0) {
		rc = ops->commit(f->store, &f->diag);
	}
	ops->rollback(f->store);
	buf_done(&lines);
	return rc;
}

static void assert_unchanged(struct fixture *f)
{
	assert_operations(f, STR_EMPTY, 0, "1:a@x= ");
	assert_audits(f, STR_EMPTY, 0, "1:a@x ");
}

static void test_each_call_can_fail(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", "x", "", false);
	add(f, "a", "x");
	commit(f);
	assert_int_equal(each_call_fails(f, run_all, assert_unchanged), 9);
	assert_operations(f, STR_EMPTY, 0, "2:b@=+ ");
	assert_audits(f, STR_EMPTY, 0, "2:b@ ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_nothing_there),
		EACH(test_newest_first),
		EACH(test_of_one_resource),
		EACH(test_before_a_number),
		EACH(test_replacing_keeps_number_and_resource),
		EACH(test_values_are_bytes),
		EACH(test_every_column_of_an_audit_comes_back),
		EACH(test_a_null_operation_is_empty),
		EACH(test_trim_keeps_the_newest),
		EACH(test_numbers_are_not_used_again),
		EACH(test_many),
		EACH(test_rollback_leaves_nothing),
		EACH(test_changes_need_a_transaction),
		EACH(test_the_revision_is_not_theirs),
		EACH(test_callbacks_can_stop),
		EACH(test_same_as_the_fake),
		cmocka_unit_test_setup_teardown(test_each_call_can_fail, setup_memory, teardown),
	};
	return RUN_TESTS(tests);
}
