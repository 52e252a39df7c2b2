/* What was counted gets into the store once a minute, before an instance goes, and at the end. */
#include "tests/unit/control_help.h"

#include "tests/unit/cases.h"

#include "control/points.h"

#define DAY_S INT64_C(86400)
#define TWO   "[{name: aa}, {name: bb}]"

static void count(struct control *c, const char *name, enum stats_counter counter, unsigned n)
{
	struct entry *entry = registry_find(c->registry, str_of(name));
	assert_non_null(entry);
	while (n--) {
		stats_add(entry_stats(entry, n % CONTROL_WORKERS), counter);
	}
}

static int on_point(void *ctx, int64_t at_s, const struct history_stats *stats)
{
	buf_add_f(ctx, "%lld:%llu/%llu ", (long long)(at_s - CONTROL_NOW_S),
		(unsigned long long)stats->n, (unsigned long long)stats->sum);
	return 0;
}

/* "seconds:samples/sum " of one hour around the start of the test, in static memory. */
static const char *history(struct control *c, const char *id, enum history_metric metric)
{
	static char text[256];
	struct buf out = buf_fixed(text, sizeof text);
	const struct history_query query = {
		str_of(id), metric, CONTROL_NOW_S - 1800, CONTROL_NOW_S + 1800, 60};
	text[0] = '\0';
	assert_int_equal(registrar_history(c->registrar, &query, on_point, &out, &c->diag), 0);
	return text;
}

static const char *id_of(struct control *c, const char *name)
{
	static char ids[4][INSTANCE_ID_CHARS + 1];
	static unsigned next;
	char *id = ids[next++ % COUNT(ids)];
	struct buf out = buf_fixed(id, INSTANCE_ID_CHARS + 1);
	assert_int_equal(registrar_id_of(c->registrar, str_of(name), &out, &c->diag), 0);
	id[out.n] = '\0';
	return id;
}

static int on_run(void *ctx, const struct store_points *points)
{
	(void)points;
	++*(unsigned *)ctx;
	return 0;
}

/* How many runs of 60-s points the store has. */
static unsigned stored(struct control *c)
{
	unsigned n = 0;
	assert_int_equal(
		c->store->ops->points_before(c->store, 60, INT64_MAX, on_run, &n, NULL), 0);
	return n;
}

static void tick_at(struct control *c, int64_t now_s)
{
	control_clock_s = CONTROL_NOW_S + now_s;
	registrar_tick(c->registrar);
}

/* --- when it gets there ------------------------------------------------------------------------ */

static void once_a_minute(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, TWO), 0);
	const char *id = id_of(c, "aa");
	count(c, "aa", STATS_NO_TOKEN, 3);
	tick_at(c, 59);
	assert_int_equal(stored(c), 0);
	/* It is seen at once all the same. */
	assert_string_equal(history(c, id, HISTORY_NO_TOKEN), "0:1/3 ");
	count(c, "aa", STATS_NO_TOKEN_REJECTED, 2);
	tick_at(c, 60);
	assert_int_equal(stored(c), 1);
	count(c, "aa", STATS_NO_TOKEN, 5);
	/* In the minute in which it was counted, whatever time it is now. */
	assert_string_equal(history(c, id, HISTORY_NO_TOKEN), "0:1/3 60:1/5 ");
	assert_string_equal(history(c, id, HISTORY_NO_TOKEN_REJECTED), "0:1/2 ");
	control_clock_s = CONTROL_NOW_S + 300;
	assert_string_equal(history(c, id, HISTORY_NO_TOKEN), "0:1/3 60:1/5 ");
	tick_at(c, 301);
	tick_at(c, 302);
	assert_string_equal(history(c, id, HISTORY_NO_TOKEN), "0:1/3 60:1/5 ");
	assert_string_equal(history(c, id_of(c, "bb"), HISTORY_NO_TOKEN), "");
}

static void a_failing_store_loses_nothing(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, TWO), 0);
	count(c, "aa", STATS_NO_TOKEN, 3);
	registrar_tick(c->registrar); /* so that nothing but the counts is to be written */
	control_clock_s = CONTROL_NOW_S + 60;
	store_memory_fail(c->store, 1, E_FULL);
	registrar_tick(c->registrar);
	assert_int_equal(stored(c), 0);
	/* Not again before the next minute. */
	unsigned calls = store_memory_calls(c->store);
	tick_at(c, 119);
	assert_int_equal(store_memory_calls(c->store), calls);
	count(c, "aa", STATS_NO_TOKEN, 1);
	tick_at(c, 120);
	assert_int_equal(stored(c), 1);
	assert_string_equal(history(c, id_of(c, "aa"), HISTORY_NO_TOKEN), "60:1/4 ");
}

static void at_the_end(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, TWO), 0);
	count(c, "aa", STATS_NO_TOKEN, 3);
	tick_at(c, 60);
	count(c, "aa", STATS_NO_TOKEN, 4);
	count(c, "bb", STATS_NO_TOKEN, 5);
	control_clock_s = CONTROL_NOW_S + 65;
	registrar_end(c->registrar);
	control_restart(c);
	assert_string_equal(history(c, id_of(c, "aa"), HISTORY_NO_TOKEN), "0:1/3 60:1/4 ");
	assert_string_equal(history(c, id_of(c, "bb"), HISTORY_NO_TOKEN), "60:1/5 ");
	/* Within the same minute it is one sample. */
	count(c, "bb", STATS_NO_TOKEN, 1);
	assert_string_equal(history(c, id_of(c, "bb"), HISTORY_NO_TOKEN), "60:1/6 ");
	/* Without an end what was not yet written is gone, and nothing else. */
	control_restart(c);
	assert_string_equal(history(c, id_of(c, "bb"), HISTORY_NO_TOKEN), "60:1/5 ");
	registrar_end(NULL);
}

static void before_it_goes(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, TWO), 0);
	const char *aa = id_of(c, "aa"), *bb = id_of(c, "bb");
	count(c, "aa", STATS_NO_TOKEN, 3);
	count(c, "bb", STATS_NO_TOKEN, 4);
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("aa"), &c->diag), 0);
	assert_int_equal(stored(c), 1);
	assert_string_equal(history(c, aa, HISTORY_NO_TOKEN), "0:1/3 ");
	/* With another id it has another history. */
	assert_int_equal(control_put(c, "{name: bb, instanceId: i-0123456789abcdef0}"), 0);
	assert_string_equal(history(c, bb, HISTORY_NO_TOKEN), "0:1/4 ");
	count(c, "bb", STATS_NO_TOKEN, 1);
	assert_string_equal(history(c, "i-0123456789abcdef0", HISTORY_NO_TOKEN), "0:1/1 ");
	assert_string_equal(history(c, bb, HISTORY_NO_TOKEN), "0:1/4 ");
}

static void before_many_go(void **state)
{
	struct control *c = *state;
	for (int64_t late_s = 0; late_s <= 60; late_s += 60) {
		assert_int_equal(
			control_apply(c, "[{name: aa}, {name: bb}, {name: cc}]"), late_s ? 2 : 3);
		const char *aa = id_of(c, "aa"), *bb = id_of(c, "bb");
		count(c, "aa", STATS_NO_TOKEN, 3);
		count(c, "bb", STATS_NO_TOKEN_REJECTED, 4);
		control_clock_s = CONTROL_NOW_S + late_s; /* and no tick has been since */
		assert_int_equal(control_apply(c, "[{name: cc}]"), 2);
		assert_string_equal(history(c, aa, HISTORY_NO_TOKEN), late_s ? "0:1/6 " : "0:1/3 ");
		assert_string_equal(
			history(c, bb, HISTORY_NO_TOKEN_REJECTED), late_s ? "0:1/8 " : "0:1/4 ");
	}
}

/* Then the instance stays, and nothing is lost. */
static void one_that_cannot_be_recorded_stays(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, TWO), 0);
	const char *aa = id_of(c, "aa");
	count(c, "aa", STATS_NO_TOKEN, 3);
	store_memory_fail(c->store, 2, E_FULL); /* behind instance_get */
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("aa"), &c->diag), E_FULL);
	assert_non_null(control_instance(c, "aa"));
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("aa"), &c->diag), 0);
	assert_string_equal(history(c, aa, HISTORY_NO_TOKEN), "0:1/3 ");
}

static void put_run(struct control *c, const char *id, int64_t start_s, struct str bytes)
{
	const struct store_points points = {str_of(id), 60, start_s, bytes};
	assert_int_equal(c->store->ops->begin(c->store, NULL), 0);
	assert_int_equal(c->store->ops->points_put(c->store, &points, NULL), 0);
	assert_int_equal(c->store->ops->commit(c->store, NULL), 0);
}

static void put_counts(struct control *c, const char *id, int64_t at_s, unsigned metric)
{
	const struct points_set set = {1, 7, 7, 7};
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	struct points_run run;
	points_init(&run, POINTS_60_S, at_s);
	points_add(&run, at_s, metric, &set);
	assert_int_equal(points_encode(&run, &bytes), 0);
	put_run(c, id, run.start_s, buf_str(&bytes));
}

static void damage_keeps_nobody(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, TWO), 0);
	const char *aa = id_of(c, "aa");
	put_run(c, aa, points_start(POINTS_60_S, CONTROL_NOW_S), STR("x"));
	count(c, "aa", STATS_NO_TOKEN, 3);
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("aa"), &c->diag), 0);
	assert_null(control_instance(c, "aa"));
}

/* --- age --------------------------------------------------------------------------------------- */

static void ages_by_and_by(void **state)
{
	struct control *c = *state;
	int64_t old_s = CONTROL_NOW_S - 20 * DAY_S;
	for (int i = 0; i < 150; i++) {
		put_counts(c, "i-1", old_s - i * 3600, HISTORY_NO_TOKEN);
	}
	put_run(c, "i-2", points_start(POINTS_60_S, old_s - 200 * 3600), STR("damaged"));
	unsigned before = stored(c), ticks = 0;
	assert_int_equal(before, 151);
	for (; stored(c) > 0 && ticks < 10; ticks++) {
		registrar_tick(c->registrar);
		assert_true(before - stored(c) <= 64);
		before = stored(c);
	}
	assert_int_equal(ticks, 3);
	/* In the next hour again, not before. */
	registrar_tick(c->registrar);
	put_counts(c, "i-1", old_s, HISTORY_NO_TOKEN);
	registrar_tick(c->registrar);
	assert_int_equal(stored(c), 1);
	tick_at(c, 3600);
	assert_int_equal(stored(c), 0);
}

/* --- which there are --------------------------------------------------------------------------- */

static const char *list(struct control *c, const char *after, size_t most)
{
	static char text[512];
	struct buf out = buf_fixed(text, sizeof text);
	json_t *ids, *id;
	size_t i;
	bool more;
	assert_int_equal(registrar_history_instances(
				 c->registrar, str_of(after), most, &ids, &more, &c->diag),
		0);
	json_array_foreach (ids, i, id) {
		buf_add_f(&out, "%s ", json_string_value(id));
	}
	buf_add_f(&out, "%s", more ? "..." : "");
	json_decref(ids);
	return text;
}

static const char *has(struct control *c, const char *id, int64_t since_s)
{
	bool found[HISTORY_METRICS] = {false};
	assert_int_equal(
		registrar_history_has(c->registrar, str_of(id), since_s, found, &c->diag), 0);
	return found[0] ? found[1] ? "both" : "first" : found[1] ? "second" : "none";
}

static void which_there_are(void **state)
{
	struct control *c = *state;
	assert_string_equal(list(c, "", 10), "");
	assert_int_equal(
		control_put(c, "[{name: aa, instanceId: i-30000000}, {name: bb, "
			       "instanceId: i-20000000}, {name: cc, instanceId: i-60000000}]"),
		0);
	assert_string_equal(list(c, "", 10), "");
	put_counts(c, "i-10000000", CONTROL_NOW_S, HISTORY_NO_TOKEN);
	put_counts(c, "i-30000000", CONTROL_NOW_S, HISTORY_NO_TOKEN_REJECTED);
	put_counts(c, "i-50000000", CONTROL_NOW_S, HISTORY_NO_TOKEN);
	assert_string_equal(list(c, "", 2), "i-10000000 i-30000000 ...");
	assert_string_equal(list(c, "", 3), "i-10000000 i-30000000 i-50000000 ");
	count(c, "aa", STATS_NO_TOKEN, 1);
	count(c, "cc", STATS_NO_TOKEN_REJECTED, 1);
	assert_string_equal(list(c, "", 10), "i-10000000 i-30000000 i-50000000 i-60000000 ");
	assert_string_equal(list(c, "", 4), "i-10000000 i-30000000 i-50000000 i-60000000 ");
	assert_string_equal(list(c, "", 3), "i-10000000 i-30000000 i-50000000 ...");
	assert_string_equal(list(c, "", 2), "i-10000000 i-30000000 ...");
	assert_string_equal(list(c, "i-30000000", 2), "i-50000000 i-60000000 ");
	assert_string_equal(list(c, "i-30000000", 1), "i-50000000 ...");
	assert_string_equal(list(c, "i-55", 1), "i-60000000 ");
	assert_string_equal(list(c, "i-60000000", 1), "");
	assert_string_equal(has(c, "i-30000000", 0), "both");
	assert_string_equal(has(c, "i-10000000", 0), "first");
	assert_string_equal(has(c, "i-60000000", 0), "second");
	assert_string_equal(has(c, "i-20000000", 0), "none");
	assert_string_equal(has(c, "i-50000000", 0), "first");
	put_counts(c, "i-50000000", CONTROL_NOW_S + 7200, HISTORY_NO_TOKEN_REJECTED);
	assert_string_equal(has(c, "i-50000000", 0), "both");
	assert_string_equal(has(c, "i-50000000", CONTROL_NOW_S + 60), "second");
	assert_string_equal(has(c, "i-10000000", CONTROL_NOW_S), "first");
	assert_string_equal(has(c, "i-10000000", CONTROL_NOW_S + 60), "none");
	assert_string_equal(has(c, "i-30000000", CONTROL_NOW_S + 60), "first");
	put_run(c, "i-10000000", points_start(POINTS_60_S, CONTROL_NOW_S), STR("damaged"));
	assert_string_equal(has(c, "i-10000000", 0), "none");
}

static void fails_clean(void **state)
{
	struct control *c = *state;
	json_t *ids = NULL;
	bool more, found[HISTORY_METRICS];
	assert_int_equal(control_put(c, TWO), 0);
	count(c, "aa", STATS_NO_TOKEN, 1);
	registrar_tick(c->registrar);
	tick_at(c, 60);
	store_memory_fail(c->store, 1, E_DAMAGED);
	assert_int_equal(
		registrar_history_instances(c->registrar, STR_EMPTY, 10, &ids, &more, &c->diag),
		E_DAMAGED);
	assert_null(ids);
	store_memory_fail(c->store, 1, E_DAMAGED);
	assert_int_equal(
		registrar_history_has(c->registrar, STR("i-1"), 0, found, &c->diag), E_DAMAGED);
	struct buf id = BUF_EMPTY;
	assert_int_equal(registrar_id_of(c->registrar, STR("zz"), &id, &c->diag), E_NOTFOUND);
	assert_non_null(strstr(c->diag.text, "'zz'"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(once_a_minute),
		TEST(a_failing_store_loses_nothing),
		TEST(at_the_end),
		TEST(before_it_goes),
		TEST(before_many_go),
		TEST(one_that_cannot_be_recorded_stays),
		TEST(damage_keeps_nobody),
		TEST(ages_by_and_by),
		TEST(which_there_are),
		TEST(fails_clean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
