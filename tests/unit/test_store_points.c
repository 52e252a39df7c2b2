/* What store/store.h promises of metric points, asked of every back end. */
#include "tests/unit/store_help.h"

#define MANY_INSTANCES 40
#define MANY_STARTS    50

static void put_bytes(
	struct fixture *f, const char *id, uint32_t period_s, int64_t start_s, struct str bytes)
{
	struct store_points points = {str_of(id), period_s, start_s, bytes};
	assert_int_equal(f->store->ops->points_put(f->store, &points, &f->diag), 0);
}

static void put(struct fixture *f, const char *id, uint32_t period_s, int64_t start_s)
{
	char bytes[64];
	(void)snprintf(bytes, sizeof bytes, "%s/%u", id, period_s);
	put_bytes(f, id, period_s, start_s, str_of(bytes));
}

static void delete (struct fixture *f, const char *id, uint32_t period_s, int64_t start_s)
{
	assert_int_equal(
		f->store->ops->points_delete(f->store, str_of(id), period_s, start_s, &f->diag), 0);
}

static int add_run(void *ctx, const struct store_points *points)
{
	buf_add_f(ctx, "%.*s/%u@%lld=%.*s ", STR_FMT(points->instance_id), points->period_s,
		(long long)points->start_s, STR_FMT(points->bytes));
	return 0;
}

/* The starts alone: in which order those of one start come is nobody's business. */
static int add_start(void *ctx, const struct store_points *points)
{
	buf_add_f(ctx, "%lld ", (long long)points->start_s);
	return 0;
}

static int add_id(void *ctx, struct str instance_id)
{
	buf_add_f(ctx, "%.*s ", STR_FMT(instance_id));
	return 1; /* only < 0 ends it */
}

static void assert_each(struct fixture *f, const char *id, uint32_t period_s, int64_t from_s,
	int64_t until_s, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->points_each(f->store, str_of(id), period_s, from_s, until_s,
				 add_run, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_all(struct fixture *f, const char *id, uint32_t period_s, const char *expected)
{
	assert_each(f, id, period_s, INT64_MIN, INT64_MAX, expected);
}

static void assert_before(
	struct fixture *f, uint32_t period_s, int64_t until_s, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->points_before(
				 f->store, period_s, until_s, add_start, &lines, &f->diag),
		0);
	assert_lines(&lines, expected);
}

static void assert_instances(struct fixture *f, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	assert_int_equal(f->store->ops->points_instances(f->store, add_id, &lines, &f->diag), 0);
	assert_lines(&lines, expected);
}

static int get(
	struct fixture *f, const char *id, uint32_t period_s, int64_t start_s, const char *expected)
{
	struct buf lines = BUF_EMPTY;
	int rc = f->store->ops->points_get(
		f->store, str_of(id), period_s, start_s, add_run, &lines, &f->diag);
	assert_lines(&lines, expected);
	return rc;
}

/* --- the suite ------------------------------------------------------------------------------- */

static void test_nothing_there(void **state)
{
	struct fixture *f = *state;
	assert_all(f, "i-1", 60, "");
	assert_before(f, 60, INT64_MAX, "");
	assert_instances(f, "");
	assert_int_equal(get(f, "i-1", 60, 0, ""), E_NOTFOUND);
	assert_non_null(strstr(f->diag.text, "i-1"));
	begin(f);
	delete (f, "i-1", 60, 0);
	commit(f);
}

static void test_put_replaces(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_bytes(f, "i-1", 60, 3600, STR("one"));
	put_bytes(f, "i-2", 60, 3600, STR("two"));
	assert_int_equal(get(f, "i-1", 60, 3600, "i-1/60@3600=one "), 0);
	commit(f);
	begin(f);
	put_bytes(f, "i-1", 60, 3600, STR("one and more"));
	commit(f);
	reopen(f);
	assert_all(f, "i-1", 60, "i-1/60@3600=one and more ");
	assert_int_equal(get(f, "i-1", 60, 3600, "i-1/60@3600=one and more "), 0);
	assert_int_equal(get(f, "i-2", 60, 3600, "i-2/60@3600=two "), 0);
	assert_int_equal(get(f, "i-3", 60, 3600, ""), E_NOTFOUND);
	assert_int_equal(get(f, "i-1", 300, 3600, ""), E_NOTFOUND);
	assert_int_equal(get(f, "i-1", 60, 3601, ""), E_NOTFOUND);
	assert_int_equal(get(f, "I-1", 60, 3600, ""), E_NOTFOUND);
	begin(f);
	put_bytes(f, "i-1", 60, 3600, STR("less"));
	commit(f);
	assert_all(f, "i-1", 60, "i-1/60@3600=less ");
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	begin(f);
	for (int64_t start_s = 40; start_s >= -40; start_s -= 20) { /* the latest first */
		put(f, "b", 60, start_s);
	}
	put(f, "a", 60, 5); /* starts need not be the same */
	put(f, "c", 60, 20);
	commit(f);
	assert_all(
		f, "b", 60, "b/60@-40=b/60 b/60@-20=b/60 b/60@0=b/60 b/60@20=b/60 b/60@40=b/60 ");
	assert_each(f, "b", 60, -20, 20, "b/60@-20=b/60 b/60@0=b/60 ");
	assert_each(f, "b", 60, -19, 21, "b/60@0=b/60 b/60@20=b/60 ");
	assert_each(f, "b", 60, 40, 41, "b/60@40=b/60 ");
	assert_each(f, "b", 60, 41, INT64_MAX, "");
	assert_each(f, "b", 60, 20, 20, "");
	assert_each(f, "b", 60, 20, -20, "");
	assert_each(f, "b", 60, INT64_MIN, -39, "b/60@-40=b/60 ");
	assert_all(f, "a", 60, "a/60@5=a/60 ");
	assert_all(f, "c", 60, "c/60@20=c/60 ");
	assert_all(f, "", 60, "");
}

static void test_periods_are_apart(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "i-1", 60, 0);
	put(f, "i-1", 300, 0);
	put(f, "i-1", 3600, 0);
	commit(f);
	assert_all(f, "i-1", 300, "i-1/300@0=i-1/300 ");
	assert_all(f, "i-1", 0, "");
	assert_before(f, 60, 1, "0 ");
	assert_before(f, 61, 1, "");
	begin(f);
	delete (f, "i-1", 60, 0);
	commit(f);
	assert_all(f, "i-1", 60, "");
	assert_all(f, "i-1", 300, "i-1/300@0=i-1/300 ");
	assert_all(f, "i-1", 3600, "i-1/3600@0=i-1/3600 ");
	assert_before(f, 60, INT64_MAX, "");
	assert_instances(f, "i-1 ");
}

static void test_ends_of_numbers(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", UINT32_MAX, INT64_MAX);
	put(f, "a", UINT32_MAX, INT64_MIN);
	put(f, "a", 0, 0);
	commit(f);
	reopen(f);
	assert_int_equal(get(f, "a", UINT32_MAX, INT64_MAX,
				 "a/4294967295@9223372036854775807=a/4294967295 "),
		0);
	assert_all(f, "a", UINT32_MAX, "a/4294967295@-9223372036854775808=a/4294967295 ");
	assert_all(f, "a", 0, "a/0@0=a/0 ");
	assert_before(f, UINT32_MAX, INT64_MAX, "-9223372036854775808 ");
	assert_before(f, UINT32_MAX, INT64_MIN, "");
	begin(f);
	delete (f, "a", UINT32_MAX, INT64_MIN);
	delete (f, "a", UINT32_MAX, INT64_MAX);
	commit(f);
	assert_int_equal(get(f, "a", UINT32_MAX, INT64_MAX, ""), E_NOTFOUND);
}

/* PostgreSQL has them in an index. */
static struct str id_in(struct str bytes)
{
	return (struct str){bytes.p, bytes.n < 1000 ? bytes.n : 1000};
}

static int check_bytes(void *ctx, const struct store_points *points)
{
	const struct str *bytes = ctx;
	assert_non_null(points->instance_id.p);
	assert_non_null(points->bytes.p);
	assert_true(str_eq(points->instance_id, id_in(*bytes)));
	assert_true(str_eq(points->bytes, *bytes));
	return 0;
}

static void test_values_are_bytes(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	char all[6000]; /* more than a page */
	for (size_t i = 0; i < sizeof all; i++) {
		all[i] = (char)(i + 250);
	}
	static const size_t sizes[] = {0, 1, 2, 6, 7, 8, 9, 100, 512, 6000};
	begin(f);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct str some = {all, sizes[i]};
		struct store_points points = {id_in(some), 60, 0, some};
		assert_int_equal(ops->points_put(f->store, &points, &f->diag), 0);
	}
	commit(f);
	reopen(f);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct str some = {all, sizes[i]};
		assert_int_equal(f->store->ops->points_get(f->store, id_in(some), 60, 0,
					 check_bytes, &some, &f->diag),
			0);
		assert_int_equal(f->store->ops->points_each(f->store, id_in(some), 60, 0, 1,
					 check_bytes, &some, &f->diag),
			0);
	}
	begin(f);
	put_bytes(f, NULL, 60, 60, STR_EMPTY);
	commit(f);
	struct str empty = STR("");
	assert_int_equal(
		f->store->ops->points_get(f->store, empty, 60, 60, check_bytes, &empty, &f->diag),
		0);
	assert_int_equal(f->store->ops->points_get(
				 f->store, STR_EMPTY, 60, 60, check_bytes, &empty, &f->diag),
		0);
}

static void test_before(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "b", 60, 40);
	put(f, "b", 60, 20);
	put(f, "a", 60, 20);
	put(f, "a", 60, -20);
	put(f, "c", 60, 30);
	commit(f);
	assert_before(f, 60, 40, "-20 20 20 30 ");
	assert_before(f, 60, 30, "-20 20 20 ");
	assert_before(f, 60, -20, "");
	struct buf lines = BUF_EMPTY;
	assert_int_equal(
		f->store->ops->points_before(f->store, 60, 20, add_run, &lines, &f->diag), 0);
	assert_lines(&lines, "a/60@-20=a/60 ");
}

static void test_delete_and_instances(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "web-2", 60, 0);
	put(f, "web-10", 60, 0);
	put(f, "web-10", 300, 0);
	put(f, "\xff", 60, 0);
	put(f, "B", 60, 0);
	commit(f);
	assert_instances(f, "B web-10 web-2 \xff ");
	begin(f);
	delete (f, "web-2", 60, 60); /* there is none */
	delete (f, "web-3", 60, 0);
	delete (f, "web-2", 300, 0);
	delete (f, "web-10", 60, 0);
	assert_instances(f, "B web-10 web-2 \xff ");
	delete (f, "web-2", 60, 0);
	delete (f, "web-10", 300, 0);
	delete (f, "\xff", 60, 0);
	assert_instances(f, "B ");
	commit(f);
	reopen(f);
	assert_instances(f, "B ");
	assert_all(f, "web-2", 60, "");
	begin(f);
	put(f, "web-2", 60, 0); /* it comes again */
	put(f, "a", 60, 0);
	commit(f);
	assert_instances(f, "B a web-2 ");
	assert_all(f, "web-2", 60, "web-2/60@0=web-2/60 ");
	assert_all(f, "B", 60, "B/60@0=B/60 ");
}

struct order {
	size_t n;
	int64_t start_s;
};

static int check_order(void *ctx, const struct store_points *points)
{
	struct order *order = ctx;
	assert_true(points->start_s >= order->start_s);
	order->start_s = points->start_s;
	order->n++;
	return 0;
}

static void test_many(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	begin(f);
	for (uint32_t i = 0; i < MANY_INSTANCES * MANY_STARTS; i++) {
		char id[32];
		uint32_t at = i * 1013 % (MANY_INSTANCES * MANY_STARTS);
		(void)snprintf(id, sizeof id, "i-%u", at % MANY_INSTANCES);
		put(f, id, 60, 60 * (int64_t)(at / MANY_INSTANCES));
	}
	commit(f);
	struct order order = {0};
	assert_int_equal(
		ops->points_before(f->store, 60, INT64_MAX, check_order, &order, &f->diag), 0);
	assert_int_equal(order.n, MANY_INSTANCES * MANY_STARTS);
	order = (struct order){0};
	assert_int_equal(
		ops->points_each(f->store, STR("i-7"), 60, 60, 600, check_order, &order, &f->diag),
		0);
	assert_int_equal(order.n, 9);
}

/* --- transactions and callbacks -------------------------------------------------------------- */

static void test_rollback_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put_bytes(f, "a", 60, 0, STR("1"));
	put_bytes(f, "b", 60, 0, STR("1"));
	commit(f);
	begin(f);
	put_bytes(f, "a", 60, 0, STR("2"));
	put_bytes(f, "c", 60, 0, STR("2"));
	delete (f, "b", 60, 0);
	assert_instances(f, "a c ");
	f->store->ops->rollback(f->store);
	assert_instances(f, "a b ");
	assert_all(f, "a", 60, "a/60@0=1 ");
	assert_all(f, "b", 60, "b/60@0=1 ");
	begin(f);
	put_bytes(f, "c", 60, 0, STR("3"));
	reopen(f);
	assert_instances(f, "a b ");
	assert_all(f, "c", 60, "");
}

static void test_changes_need_a_transaction(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_points points = {.instance_id = STR("a"), .period_s = 60};
	assert_int_equal(ops->points_put(f->store, &points, &f->diag), -EINVAL);
	assert_int_equal(ops->points_delete(f->store, STR("a"), 60, 0, &f->diag), -EINVAL);
	assert_instances(f, "");
}

struct stop {
	unsigned calls;
	int rc; /* of the second call */
};

static int stop_at_second(void *ctx, const struct store_points *points)
{
	(void)points;
	struct stop *stop = ctx;
	return ++stop->calls == 2 ? stop->rc : 0;
}

static int stop_at_second_id(void *ctx, struct str instance_id)
{
	(void)instance_id;
	struct stop *stop = ctx;
	return ++stop->calls == 2 ? stop->rc : 0;
}

static void put_three(struct fixture *f)
{
	begin(f);
	for (unsigned i = 0; i < 3; i++) {
		put(f, "a", 60, i);
		put(f, (char[]){(char)('b' + i), '\0'}, 60, i);
	}
	commit(f);
}

static void test_callbacks_can_stop(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	put_three(f);
	(void)diag_set(&f->diag, 0, "untouched");
	struct stop stop = {0, -ECANCELED};
	assert_int_equal(
		ops->points_each(f->store, STR("a"), 60, 0, 9, stop_at_second, &stop, &f->diag),
		-ECANCELED);
	assert_int_equal(stop.calls, 2);
	stop.calls = 0;
	assert_int_equal(
		ops->points_before(f->store, 60, 9, stop_at_second, &stop, &f->diag), -ECANCELED);
	assert_int_equal(stop.calls, 2);
	stop.calls = 0;
	assert_int_equal(
		ops->points_instances(f->store, stop_at_second_id, &stop, &f->diag), -ECANCELED);
	assert_int_equal(stop.calls, 2);
	stop.calls = 1;
	assert_int_equal(
		ops->points_get(f->store, STR("a"), 60, 1, stop_at_second, &stop, &f->diag),
		-ECANCELED);
	assert_string_equal(f->diag.text, "untouched");
	begin(f); /* nothing is left open */
	put(f, "e", 60, 0);
	commit(f);
	assert_instances(f, "a b c d e ");
}

/* The ageing of points ends that way when it has had enough. */
static void test_before_can_end_early(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	put_three(f);
	struct stop stop = {0, 7};
	assert_int_equal(ops->points_before(f->store, 60, 9, stop_at_second, &stop, &f->diag), 7);
	assert_int_equal(stop.calls, 2);
	stop.calls = 0; /* the others go on */
	assert_int_equal(
		ops->points_each(f->store, STR("a"), 60, 0, 9, stop_at_second, &stop, &f->diag), 0);
	assert_int_equal(stop.calls, 3);
	stop.calls = 0;
	assert_int_equal(ops->points_instances(f->store, stop_at_second_id, &stop, &f->diag), 0);
	assert_int_equal(stop.calls, 4);
	stop.calls = 1;
	assert_int_equal(
		ops->points_get(f->store, STR("a"), 60, 1, stop_at_second, &stop, &f->diag), 0);
}

/* --- against each other, and faults ---------------------------------------------------------- */

static int random_step(struct store *store, uint32_t dice)
{
	char id[2] = {(char)('a' + dice / 16 % 5), '\0'};
	char bytes[300];
	memset(bytes, 'a' + (int)(dice / 64 % 26), sizeof bytes);
	struct store_points points = {str_of(id), dice & 0x40000 ? 60 : 300,
		(int64_t)(dice / 1024 % 8) - 4, {bytes, dice / 256 % sizeof bytes}};
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
	case 7:
	case 8:
	case 9:
		return store->ops->points_delete(
			store, points.instance_id, points.period_s, points.start_s, NULL);
	default:
		return store->ops->points_put(store, &points, NULL);
	}
}

static void dump(struct store *store, struct buf *ret_text)
{
	const struct store_ops *ops = store->ops;
	assert_int_equal(ops->points_instances(store, add_id, ret_text, NULL), 0);
	for (char id[2] = "a"; id[0] <= 'f'; id[0]++) {
		int rc = ops->points_each(
			store, str_of(id), 60, INT64_MIN, INT64_MAX, add_run, ret_text, NULL);
		assert_int_equal(rc, 0);
		rc = ops->points_each(store, str_of(id), 300, -2, 2, add_run, ret_text, NULL);
		assert_int_equal(rc, 0);
	}
	assert_int_equal(ops->points_before(store, 60, 3, add_start, ret_text, NULL), 0);
	assert_int_equal(ops->points_before(store, 300, INT64_MAX, add_start, ret_text, NULL), 0);
}

static void test_same_as_the_fake(void **state)
{
	assert_same_steps(*state, random_step, dump);
}

/* One transaction with every function in it. */
static int run_all(struct fixture *f)
{
	const struct store_ops *ops = f->store->ops;
	struct store_points points = {STR("b"), 60, 0, STR("2")};
	struct buf lines = BUF_EMPTY;
	int rc = ops->begin(f->store, &f->diag);
	if (rc == 0 && (rc = ops->points_put(f->store, &points, &f->diag)) == 0 &&
		(rc = ops->points_delete(f->store, STR("a"), 60, 0, &f->diag)) == 0 &&
		(rc = ops->points_get(f->store, STR("b"), 60, 0, add_run, &lines, &f->diag)) == 0 &&
		(rc = ops->points_each(f->store, STR("b"), 60, 0, 1, add_run, &lines, &f->diag)) ==
			0 &&
		(rc = ops->points_before(f->store, 60, 1, add_run, &lines, &f->diag)) == 0 &&
		(rc = ops->points_instances(f->store, add_id, &lines, &f->diag)) == 0) {
		rc = ops->commit(f->store, &f->diag);
	}
	ops->rollback(f->store);
	buf_done(&lines);
	return rc;
}

static void assert_unchanged(struct fixture *f)
{
	assert_instances(f, "a ");
	assert_all(f, "a", 60, "a/60@0=a/60 ");
}

static void test_each_call_can_fail(void **state)
{
	struct fixture *f = *state;
	begin(f);
	put(f, "a", 60, 0);
	commit(f);
	assert_int_equal(each_call_fails(f, run_all, assert_unchanged), 8);
	assert_instances(f, "b ");
	assert_all(f, "b", 60, "b/60@0=2 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_nothing_there),
		EACH(test_put_replaces),
		EACH(test_ranges),
		EACH(test_periods_are_apart),
		EACH(test_ends_of_numbers),
		EACH(test_values_are_bytes),
		EACH(test_before),
		EACH(test_delete_and_instances),
		EACH(test_many),
		EACH(test_rollback_leaves_nothing),
		EACH(test_changes_need_a_transaction),
		EACH(test_callbacks_can_stop),
		EACH(test_before_can_end_early),
		EACH(test_same_as_the_fake),
		cmocka_unit_test_setup_teardown(test_each_call_can_fail, setup_memory, teardown),
	};
	return RUN_TESTS(tests);
}
