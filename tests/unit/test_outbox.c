/* What was counted reaches the database once, whatever breaks off where. */
#include "tests/unit/store_help.h"

#include "control/host_row.h"
#include "control/outbox.h"
#include "control/points.h"
#include "tests/fake/alloc.h"
#include "tests/fake/store_shared.h"

#define T      (INT64_C(2900) * 7 * 86400) /* a run of any grain starts here */
#define RUN_S  ((int64_t)points_grains[POINTS_60_S].run_s)
#define MOST   3
#define ALL    1000
#define MINUTE 60

struct mail {
	struct store *copy; /* in memory, and lent */
	struct store *database;
	struct store *out; /* connections to them */
	struct store *in;
	struct diag diag;
};

static int setup_mail(void **state)
{
	struct mail *m = calloc(1, sizeof *m);
	*state = m;
	m->copy = store_memory_new();
	m->database = store_memory_new();
	m->out = store_shared_new(m->copy);
	m->in = store_shared_new(m->database);
	return m->out && m->in ? 0 : -1;
}

static int teardown_mail(void **state)
{
	struct mail *m = *state;
	store_free(m->out);
	store_free(m->in);
	store_free(m->copy);
	store_free(m->database);
	free(m);
	return 0;
}

/* --- counting ---------------------------------------------------------------------------------- */

static int on_bytes(void *ctx, const struct store_points *points)
{
	return points_decode(ctx, POINTS_60_S, points->start_s, points->bytes);
}

static void put_bytes(struct store *store, const char *id, int64_t start_s, struct str bytes)
{
	const struct store_points points = {
		.instance_id = str_of(id), .period_s = MINUTE, .start_s = start_s, .bytes = bytes};
	assert_int_equal(store->ops->begin(store, NULL), 0);
	assert_int_equal(store->ops->points_put(store, &points, NULL), 0);
	assert_int_equal(store->ops->commit(store, NULL), 0);
}

/* As history_flush() does it. */
static void count(struct store *copy, const char *id, int64_t at_s, uint64_t n)
{
	struct points_run run;
	struct buf bytes = BUF_EMPTY;
	const struct points_set set = {1, n, n, n};
	points_init(&run, POINTS_60_S, at_s);
	int rc = copy->ops->points_get(copy, str_of(id), MINUTE, run.start_s, on_bytes, &run, NULL);
	assert_true(rc == 0 || rc == E_NOTFOUND);
	points_add(&run, at_s, 0, &set);
	assert_int_equal(points_encode(&run, &bytes), 0);
	put_bytes(copy, id, run.start_s, buf_str(&bytes));
	buf_done(&bytes);
}

struct total {
	uint64_t sum;
	uint64_t samples;
	uint64_t runs;
	uint64_t closed;
};

static int on_total(void *ctx, const struct store_points *points)
{
	struct total *total = ctx;
	struct points_run run;
	total->runs++;
	total->closed += outbox_is_closed(points->instance_id);
	if (points_decode(&run, POINTS_60_S, points->start_s, points->bytes) < 0) {
		return 0;
	}
	for (unsigned slot = 0; slot < points_slots(POINTS_60_S); slot++) {
		total->sum += run.at[slot][0].sum;
		total->samples += run.at[slot][0].n;
	}
	return 0;
}

static struct total total_of(struct store *store)
{
	struct total total = {0};
	assert_int_equal(
		store->ops->points_before(store, MINUTE, INT64_MAX, on_total, &total, NULL), 0);
	return total;
}

static void assert_delivered(struct mail *m, uint64_t sum)
{
	struct total total = total_of(m->database);
	assert_int_equal(total.sum, sum);
	assert_int_equal(total.closed, 0);
	assert_int_equal(total_of(m->copy).runs, 0);
}

static int send_from(struct mail *m, struct store *copy, const char *host, unsigned most)
{
	return outbox_send(copy, m->in, str_of(host), most, &m->diag);
}

/* Until there is nothing left; the first error ends it. */
static int send_all(struct mail *m)
{
	int rc;
	do {
		rc = send_from(m, m->out, "a", MOST);
	} while (rc > 0);
	return rc;
}

/* --- sending ----------------------------------------------------------------------------------- */

static void sends_what_was_counted(void **state)
{
	struct mail *m = *state;
	assert_int_equal(send_from(m, m->out, "a", MOST), 0);
	count(m->copy, "i-1", T, 2);
	count(m->copy, "i-2", T + MINUTE, 30);
	count(m->copy, "i-1", T + RUN_S, 400);
	count(m->copy, "i-3", T + RUN_S, 5000);
	assert_int_equal(send_from(m, m->out, "a", MOST), MOST);
	assert_int_equal(total_of(m->database).sum, 2 + 30 + 400); /* the oldest */
	assert_int_equal(send_from(m, m->out, "a", MOST), 1);
	assert_int_equal(send_from(m, m->out, "a", MOST), 0);
	assert_delivered(m, 5432);
}

/* What is counted in a minute whose first half has been sent is one sample with it. */
static void halves_of_a_minute_are_one_sample(void **state)
{
	struct mail *m = *state;
	count(m->copy, "i-1", T, 1);
	assert_int_equal(send_all(m), 0);
	count(m->copy, "i-1", T, 10);
	assert_int_equal(send_all(m), 0);
	assert_delivered(m, 11);
	assert_int_equal(total_of(m->database).samples, 1);
}

/* An instance that was moved is counted at both. */
static void two_hosts_add_to_a_run(void **state)
{
	struct mail *m = *state;
	struct store *other = store_memory_new();
	count(m->copy, "i-1", T, 1);
	count(other, "i-1", T, 20);
	count(other, "i-1", T + MINUTE, 300);
	assert_int_equal(send_from(m, other, "b", ALL), 1);
	assert_int_equal(send_from(m, m->out, "a", ALL), 1);
	assert_delivered(m, 321);
	assert_int_equal(total_of(m->database).samples, 2);
	assert_int_equal(total_of(other).runs, 0);
	store_free(other);
}

/* What is counted while a batch waits is not in it, and not lost. */
static void counts_on_while_a_batch_waits(void **state)
{
	struct mail *m = *state;
	count(m->copy, "i-1", T, 1);
	store_shared_away(m->in, 2);
	assert_int_equal(send_from(m, m->out, "a", MOST), E_AWAY);
	store_shared_away(m->in, 0);
	assert_int_equal(total_of(m->copy).closed, 1);
	count(m->copy, "i-1", T, 20);
	assert_int_equal(total_of(m->copy).sum, 21);
	assert_int_equal(send_all(m), 0);
	assert_delivered(m, 21);
}

/* --- where it may break off -------------------------------------------------------------------- */

static void count_some(struct mail *m)
{
	for (unsigned i = 0; i < 5; i++) {
		const char id[] = {'i', '-', (char)('0' + i), '\0'};
		count(m->copy, id, T + (i % 2) * RUN_S, i + 1);
	}
	/* Half of it once more, in runs that the database has already. */
	assert_int_equal(send_from(m, m->out, "a", MOST), MOST);
	for (unsigned i = 0; i < 5; i++) {
		const char id[] = {'i', '-', (char)('0' + i), '\0'};
		count(m->copy, id, T, 100);
	}
}

#define SOME (1 + 2 + 3 + 4 + 5 + 5 * 100)

/* So many calls it takes; then all is delivered, or one has failed and it is not. */
static unsigned each_breaks(void **state, void (*breaks)(struct mail *m, unsigned nth), int error)
{
	for (unsigned nth = 1;; nth++) {
		struct mail *m = *state;
		count_some(m);
		breaks(m, nth);
		int rc = send_all(m);
		breaks(m, 0);
		if (rc == 0) {
			assert_delivered(m, SOME);
			return nth - 1;
		}
		assert_int_equal(rc, error);
		count(m->copy, "i-0", T, 1000); /* life goes on */
		assert_int_equal(send_all(m), 0);
		assert_delivered(m, SOME + 1000);
		assert_int_equal(teardown_mail(state), 0);
		assert_int_equal(setup_mail(state), 0);
	}
}

static void database_fails(struct mail *m, unsigned nth)
{
	store_memory_fail(m->database, nth, E_FULL);
}

static void copy_fails(struct mail *m, unsigned nth)
{
	store_memory_fail(m->copy, nth, E_FULL);
}

static void database_goes(struct mail *m, unsigned nth)
{
	store_shared_away(m->in, nth);
}

static void database_doubts(struct mail *m, unsigned nth)
{
	store_shared_doubt(m->in, nth);
	if (nth == 0) {
		store_shared_away(m->in, 0);
	}
}

static void copy_doubts(struct mail *m, unsigned nth)
{
	store_shared_doubt(m->out, nth);
	if (nth == 0) {
		store_shared_away(m->out, 0);
	}
}

static void breaks_off_in_the_database(void **state)
{
	assert_true(each_breaks(state, database_fails, E_FULL) > 10);
}

static void breaks_off_in_the_copy(void **state)
{
	assert_true(each_breaks(state, copy_fails, E_FULL) > 10);
}

static void breaks_off_when_the_database_goes(void **state)
{
	assert_true(each_breaks(state, database_goes, E_AWAY) > 10);
}

static void breaks_off_at_a_commit_that_was_one(void **state)
{
	assert_true(each_breaks(state, database_doubts, E_AWAY) >= 2);
	assert_int_equal(teardown_mail(state), 0);
	assert_int_equal(setup_mail(state), 0);
	assert_true(each_breaks(state, copy_doubts, E_AWAY) >= 4);
}

static void breaks_off_without_memory(void **state)
{
	unsigned failed = 0;
	for (unsigned nth = 1;; nth++) {
		struct mail *m = *state;
		count_some(m);
		alloc_fail_at(nth);
		int rc = send_all(m);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		failed++;
		m->copy->ops->rollback(m->copy); /* a fake's begin() may fail half-way */
		assert_int_equal(send_all(m), 0);
		assert_delivered(m, SOME);
		assert_int_equal(teardown_mail(state), 0);
		assert_int_equal(setup_mail(state), 0);
	}
	assert_true(failed > 20);
}

/* Somebody else sends the batch, and the number, between the look at it and the transaction. */
static void send_before(void *ctx)
{
	struct mail *m = ctx;
	struct store *other = store_shared_new(m->database);
	assert_int_equal(outbox_send(m->copy, other, STR("a"), ALL, &m->diag), 1);
	store_free(other);
}

static void a_number_that_arrives_meanwhile_is_seen(void **state)
{
	struct mail *m = *state;
	count(m->copy, "i-1", T, 1);
	store_shared_before(m->in, send_before, m);
	assert_int_equal(send_from(m, m->out, "a", ALL), 1);
	assert_delivered(m, 1);
	assert_int_equal(send_all(m), 0);
}

/* --- where the numbers do not go on ------------------------------------------------------------ */

/* A host whose disk was replaced: what it counts then is as new as ever. */
static void a_new_copy_is_sent_too(void **state)
{
	struct mail *m = *state;
	for (unsigned i = 0; i < 3; i++) {
		count(m->copy, "i-1", T + i * MINUTE, 1);
		assert_int_equal(send_all(m), 0);
	}
	store_free(m->out);
	store_free(m->copy);
	m->copy = store_memory_new();
	m->out = store_shared_new(m->copy);
	count(m->copy, "i-1", T + 3 * MINUTE, 10);
	assert_int_equal(send_all(m), 0);
	assert_delivered(m, 13);
}

/* A database from a backup has an older number; what it lost is lost, what waits is sent. */
static void an_older_database_gets_what_waits(void **state)
{
	struct mail *m = *state;
	for (unsigned i = 0; i < 3; i++) {
		count(m->copy, "i-1", T + i * MINUTE, 1);
		assert_int_equal(send_all(m), 0);
	}
	count(m->copy, "i-1", T + 3 * MINUTE, 10);
	store_shared_doubt(m->in, 1);
	assert_int_equal(send_from(m, m->out, "a", MOST), E_AWAY);
	store_free(m->in);
	store_free(m->database);
	m->database = store_memory_new();
	m->in = store_shared_new(m->database);
	assert_int_equal(send_all(m), 0);
	assert_delivered(m, 10);
}

/* --- damage ------------------------------------------------------------------------------------ */

static void a_damaged_run_is_lost_alone(void **state)
{
	struct mail *m = *state;
	count(m->copy, "i-1", T, 1);
	put_bytes(m->copy, "i-2", T, STR("nonsense"));
	count(m->copy, "i-3", T, 20);
	assert_int_equal(send_from(m, m->out, "a", ALL), E_DAMAGED);
	assert_non_null(strstr(m->diag.text, "1 runs"));
	assert_delivered(m, 21);
	assert_int_equal(send_from(m, m->out, "a", ALL), 0);
}

static void nothing_is_added_to_a_damaged_run(void **state)
{
	struct mail *m = *state;
	put_bytes(m->database, "i-1", T, STR("nonsense"));
	count(m->copy, "i-1", T, 1);
	count(m->copy, "i-2", T, 20);
	assert_int_equal(send_from(m, m->out, "a", ALL), E_DAMAGED);
	assert_delivered(m, 20);
	assert_int_equal(total_of(m->database).runs, 2); /* whoever reads it is told */
}

/* --- forgetting -------------------------------------------------------------------------------- */

static void forgets_what_is_too_old_and_tells(void **state)
{
	struct mail *m = *state;
	uint64_t lost;
	count(m->copy, "i-1", T, 1);
	count(m->copy, "i-1", T + MINUTE, 1);
	count(m->copy, "i-2", T, 1);
	count(m->copy, "i-1", T + RUN_S, 1);
	assert_int_equal(outbox_forget(m->out, T, ALL, &lost, &m->diag), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(outbox_forget(m->out, T + RUN_S, 1, &lost, &m->diag), 0);
	assert_int_equal(lost, 2); /* minutes of one run */
	assert_int_equal(outbox_forget(m->out, T + RUN_S, 1, &lost, &m->diag), 0);
	assert_int_equal(lost, 1);
	assert_int_equal(outbox_forget(m->out, T + RUN_S, 1, &lost, &m->diag), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(total_of(m->copy).sum, 1);
}

/* How many runs a store has handed on. */
static const struct store_ops *uncounted;
static unsigned handed_on;

struct counting {
	int (*on_points)(void *ctx, const struct store_points *points);
	void *ctx;
};

static int count_one(void *ctx, const struct store_points *points)
{
	const struct counting *counting = ctx;
	handed_on++;
	return counting->on_points(counting->ctx, points);
}

static int counting_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct counting counting = {on_points, ctx};
	return uncounted->points_before(store, period_s, until_s, count_one, &counting, diag);
}

static int counting_each(struct store *store, struct str id, uint32_t period_s, int64_t from_s,
	int64_t until_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct counting counting = {on_points, ctx};
	return uncounted->points_each(
		store, id, period_s, from_s, until_s, count_one, &counting, diag);
}

/* After days of absence there is much more than a batch, and each batch is sent under a lock. */
static void a_batch_does_not_read_what_waits_behind_it(void **state)
{
	struct mail *m = *state;
	struct store_ops counting = *m->out->ops;
	for (int i = 0; i < 50; i++) {
		count(m->copy, i % 2 ? "i-1" : "i-2", T + i * RUN_S, 1);
	}
	uncounted = m->out->ops;
	counting.points_before = counting_before;
	counting.points_each = counting_each;
	m->out->ops = &counting;
	handed_on = 0;
	store_shared_doubt(m->in, 1);
	assert_int_equal(send_from(m, m->out, "a", MOST), E_AWAY); /* one that waits, too */
	store_shared_away(m->in, 0);
	assert_int_equal(send_from(m, m->out, "a", MOST), MOST);
	assert_true(handed_on <= 4 * (MOST + 1));
	assert_int_equal(send_all(m), 0);
	m->out->ops = uncounted;
	assert_delivered(m, 50);
}

/* The database may have it already. */
static void does_not_forget_a_batch_that_waits(void **state)
{
	struct mail *m = *state;
	uint64_t lost;
	count(m->copy, "i-1", T, 1);
	store_shared_doubt(m->in, 1);
	assert_int_equal(send_from(m, m->out, "a", MOST), E_AWAY);
	store_shared_away(m->in, 0);
	assert_int_equal(outbox_forget(m->out, INT64_MAX, ALL, &lost, &m->diag), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(send_all(m), 0);
	assert_delivered(m, 1);
}

static void forgets_nothing_when_the_copy_fails(void **state)
{
	struct mail *m = *state;
	uint64_t lost = 77;
	count(m->copy, "i-1", T, 1);
	for (unsigned nth = 1; nth <= 4; nth++) { /* reading, begin, delete, commit */
		store_memory_fail(m->copy, nth, E_FULL);
		assert_int_equal(outbox_forget(m->out, INT64_MAX, ALL, &lost, &m->diag), E_FULL);
		assert_int_equal(lost, 77);
		assert_int_equal(total_of(m->copy).sum, 1);
	}
}

/* --- the host's row ---------------------------------------------------------------------------- */

static void set_applied(struct store_host *host, const void *ctx)
{
	(void)ctx;
	host->applied = 5;
	host->version = STR("1.2");
}

static void sending_keeps_the_rest_of_a_hosts_row(void **state)
{
	struct mail *m = *state;
	uint64_t applied, recorded;
	assert_int_equal(m->in->ops->begin(m->in, NULL), 0);
	assert_int_equal(host_row_change(m->in, STR("a"), set_applied, NULL, NULL), 0);
	assert_int_equal(m->in->ops->commit(m->in, NULL), 0);
	count(m->copy, "i-1", T, 1);
	assert_int_equal(send_all(m), 0);
	assert_int_equal(host_row_applied(m->in, STR("a"), &applied, NULL), 0);
	assert_int_equal(host_row_recorded(m->in, STR("a"), &recorded, NULL), 0);
	assert_int_equal(applied, 5);
	assert_int_equal(recorded, 1);
	assert_int_equal(host_row_recorded(m->in, STR("b"), &recorded, NULL), 0);
	assert_int_equal(recorded, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup_mail, teardown_mail)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sends_what_was_counted),
		TEST(halves_of_a_minute_are_one_sample),
		TEST(two_hosts_add_to_a_run),
		TEST(counts_on_while_a_batch_waits),
		TEST(breaks_off_in_the_database),
		TEST(breaks_off_in_the_copy),
		TEST(breaks_off_when_the_database_goes),
		TEST(breaks_off_at_a_commit_that_was_one),
		TEST(breaks_off_without_memory),
		TEST(a_number_that_arrives_meanwhile_is_seen),
		TEST(a_new_copy_is_sent_too),
		TEST(an_older_database_gets_what_waits),
		TEST(a_damaged_run_is_lost_alone),
		TEST(nothing_is_added_to_a_damaged_run),
		TEST(forgets_what_is_too_old_and_tells),
		TEST(a_batch_does_not_read_what_waits_behind_it),
		TEST(does_not_forget_a_batch_that_waits),
		TEST(forgets_nothing_when_the_copy_fails),
		TEST(sending_keeps_the_rest_of_a_hosts_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
