#include "control/history.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/timefmt.h"
#include "control/points.h"

#define MINUTE_S   60
#define TIME_MAX_S INT64_C(253402300740) /* the last minute of the year 9999 */

_Static_assert((int)HISTORY_METRICS == POINTS_METRICS, "a run has every metric");

static const unsigned counters[HISTORY_METRICS] = {
	[HISTORY_NO_TOKEN] = STATS_NO_TOKEN,
	[HISTORY_NO_TOKEN_REJECTED] = STATS_NO_TOKEN_REJECTED,
};

static const int64_t ages_s[POINTS_GRAINS] = {
	[POINTS_60_S] = HISTORY_60_S_AGE_S,
	[POINTS_300_S] = HISTORY_300_S_AGE_S,
	[POINTS_3600_S] = HISTORY_3600_S_AGE_S,
};

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

static int out_of_memory(struct diag *diag)
{
	return diag_set(diag, -ENOMEM, "out of memory");
}

/* --- runs in the store ----------------------------------------------------------------------- */

/*
 * A run that could not be read while others were dealt with: the first, or one of a newer release.
 * rc 0: all could.
 */
struct trouble {
	int rc;
	struct diag why;
};

/* rc, after saying which run can't be read. */
static int unreadable(
	int rc, struct str instance_id, enum points_grain grain, int64_t start_s, struct diag *diag)
{
	char text[TIMEFMT_ISO_BYTES];
	timefmt_iso(start_s, text);
	return diag_set(diag, rc, "metric history of %.*s, points of %u s from %s: %s",
		STR_FMT(instance_id), points_grains[grain].period_s, text,
		rc == E_VERSION ? "made by a newer release" : "damaged");
}

static void trouble_note(struct trouble *trouble, int rc, struct str instance_id,
	enum points_grain grain, int64_t start_s)
{
	if (trouble->rc == 0 || rc == E_VERSION) {
		trouble->rc = unreadable(rc, instance_id, grain, start_s, &trouble->why);
	}
}

/* A run to be read from the store, and how that went. */
struct load {
	struct points_run *run;
	int rc;
};

static int on_load(void *ctx, const struct store_points *points)
{
	struct load *load = ctx;
	load->rc = points_decode(load->run, load->run->grain, points->start_s, points->bytes);
	return 0;
}

/* Read the run that starts then. Returns 0, an error of the store, or 1 with trouble: it can't be read. */
MUST_CHECK static int run_get(struct store *store, struct str instance_id, enum points_grain grain,
	int64_t start_s, struct points_run *run, struct trouble *trouble, struct diag *diag)
{
	struct load load = {.run = run};
	run->grain = grain;
	TRY(store->ops->points_get(
		store, instance_id, points_grains[grain].period_s, start_s, on_load, &load, diag));
	if (load.rc < 0) {
		trouble_note(trouble, load.rc, instance_id, grain, start_s);
		return 1;
	}
	return 0;
}

/* The same of the one in which a time is, which is empty when there is none, or one that can't be read. */
MUST_CHECK static int run_load(struct store *store, struct str instance_id, enum points_grain grain,
	int64_t at_s, struct points_run *run, struct trouble *trouble, struct diag *diag)
{
	struct diag why = {""};
	int rc = run_get(store, instance_id, grain, points_start(grain, at_s), run, trouble, &why);
	if (rc < 0 && rc != E_NOTFOUND) {
		return diag_set(diag, rc, "%s", why.text);
	}
	if (rc != 0) {
		points_init(run, grain, at_s);
	}
	return rc == 1;
}

MUST_CHECK static int run_save(struct store *store, struct str instance_id,
	const struct points_run *run, struct diag *diag)
{
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	if (points_encode(run, &bytes) < 0) {
		return out_of_memory(diag);
	}
	const struct store_points points = {
		.instance_id = instance_id,
		.period_s = points_grains[run->grain].period_s,
		.start_s = run->start_s,
		.bytes = buf_str(&bytes),
	};
	return store->ops->points_put(store, &points, diag);
}

/* rc, or what the trouble was. */
MUST_CHECK static int trouble_or(int rc, const struct trouble *trouble, struct diag *diag)
{
	return trouble->rc < 0 ? diag_set(diag, trouble->rc, "%s", trouble->why.text) : rc;
}

/* --- flushing -------------------------------------------------------------------------------- */

/* An instance of which something was counted. */
struct due {
	struct entry *entry;
	uint64_t counted[HISTORY_METRICS]; /* in all its life */
	bool stored;                       /* the transaction has it */
};

struct dues {
	const struct registry *registry;
	struct due *at;
	size_t n;
	size_t cap;
};

static int on_entry(void *ctx, struct entry *entry)
{
	struct dues *dues = ctx;
	struct due due = {.entry = entry};
	bool any = false;
	for (unsigned metric = 0; metric < HISTORY_METRICS; metric++) {
		due.counted[metric] = entry_counter(dues->registry, entry, counters[metric]);
		any = any || due.counted[metric] != entry->reported[metric];
	}
	if (!any) {
		return 0;
	}
	struct due *at = array_room(dues->at, dues->n, &dues->cap, sizeof *at);
	if (!at) {
		return -ENOMEM;
	}
	dues->at = at;
	dues->at[dues->n++] = due;
	return 0;
}

static void add_sample(struct points_run *run, int64_t now_s, unsigned metric, uint64_t count)
{
	if (count > 0) {
		const struct points_set set = {1, count, count, count};
		points_add(run, now_s, metric, &set);
	}
}

/* Put one instance's counts into its run, unless that can't be read. */
MUST_CHECK static int flush_due(struct store *store, struct due *due, int64_t now_s,
	struct trouble *trouble, struct diag *diag)
{
	struct points_run run;
	const struct entry *entry = due->entry;
	struct str id = str_of(entry_instance(entry)->id);
	int rc = run_load(store, id, POINTS_60_S, now_s, &run, trouble, diag);
	if (rc != 0) {
		return rc < 0 ? rc : 0;
	}
	for (unsigned metric = 0; metric < HISTORY_METRICS; metric++) {
		add_sample(&run, now_s, metric, due->counted[metric] - entry->reported[metric]);
	}
	TRY(run_save(store, id, &run, diag));
	due->stored = true;
	return 0;
}

MUST_CHECK static int flush_dues(
	struct store *store, const struct dues *dues, int64_t now_s, struct diag *diag)
{
	struct trouble trouble = {0};
	if (dues->n == 0) {
		return 0;
	}
	now_s = clamp(now_s, 0, TIME_MAX_S);
	TRY(store->ops->begin(store, diag));
	int rc = 0;
	for (size_t i = 0; i < dues->n && rc == 0; i++) {
		rc = flush_due(store, &dues->at[i], now_s, &trouble, diag);
	}
	TRY(store_end(store, rc, diag));
	for (size_t i = 0; i < dues->n; i++) {
		const struct due *due = &dues->at[i];
		if (due->stored) {
			memcpy(due->entry->reported, due->counted, sizeof due->counted);
		}
	}
	return trouble_or(0, &trouble, diag);
}

uint64_t history_pending(
	const struct registry *registry, const struct entry *entry, enum history_metric metric)
{
	return entry_counter(registry, entry, counters[metric]) - entry->reported[metric];
}

int history_flush(
	struct store *store, const struct registry *registry, int64_t now_s, struct diag *diag)
{
	struct dues dues = {.registry = registry};
	int rc = registry_each(registry, on_entry, &dues);
	rc = rc < 0 ? out_of_memory(diag) : flush_dues(store, &dues, now_s, diag);
	free(dues.at);
	return rc;
}

int history_flush_one(struct store *store, const struct registry *registry, struct entry *entry,
	int64_t now_s, struct diag *diag)
{
	struct dues dues = {.registry = registry};
	int rc = on_entry(&dues, entry);
	rc = rc < 0 ? out_of_memory(diag) : flush_dues(store, &dues, now_s, diag);
	free(dues.at);
	return rc;
}

/* --- ageing ---------------------------------------------------------------------------------- */

/* A run that has come of age; on the heap. What is in it is read where it is folded. */
struct old_run {
	struct str instance_id;
	int64_t start_s;
};

struct old_runs {
	struct old_run *at;
	size_t n;
	size_t cap;
	size_t most;
};

static void free_str(struct str text)
{
	char *p;
	memcpy(&p, &text.p, sizeof p); /* it was made by str_dup() */
	free(p);
}

static void old_runs_done(struct old_runs *runs)
{
	for (size_t i = 0; i < runs->n; i++) {
		free_str(runs->at[i].instance_id);
	}
	free(runs->at);
}

/* Returns 1 at the first that is too many. */
static int on_old(void *ctx, const struct store_points *points)
{
	struct old_runs *runs = ctx;
	if (runs->n == runs->most) {
		return 1;
	}
	struct old_run *at = array_room(runs->at, runs->n, &runs->cap, sizeof *at);
	if (!at) {
		return -ENOMEM;
	}
	runs->at = at;
	struct old_run *old = &runs->at[runs->n++];
	*old = (struct old_run){
		.instance_id = {str_dup(points->instance_id), points->instance_id.n},
		.start_s = points->start_s,
	};
	return old->instance_id.p ? 0 : -ENOMEM;
}

/* Add a run, as it is now, to the coarser one that it lies in. What can't be read is left behind. */
MUST_CHECK static int fold(struct store *store, enum points_grain grain, const struct old_run *old,
	struct trouble *trouble, struct diag *diag)
{
	struct points_run fine, coarse;
	int rc = run_get(store, old->instance_id, grain, old->start_s, &fine, trouble, diag);
	if (rc != 0) {
		return rc == E_NOTFOUND || rc == 1 ? 0 : rc; /* another daemon has, or nobody can */
	}
	TRY(run_load(store, old->instance_id, grain + 1, old->start_s, &coarse, trouble, diag));
	points_fold(&coarse, &fine);
	return run_save(store, old->instance_id, &coarse, diag);
}

MUST_CHECK static int age_run(struct store *store, enum points_grain grain,
	const struct old_run *old, struct trouble *trouble, struct diag *diag)
{
	if (grain != POINTS_3600_S) {
		TRY(fold(store, grain, old, trouble, diag));
		/* Never in the way of a newer release's: it may be started again. */
		if (trouble->rc == E_VERSION) {
			return trouble_or(0, trouble, diag);
		}
	}
	return store->ops->points_delete(
		store, old->instance_id, points_grains[grain].period_s, old->start_s, diag);
}

/* One step of ageing: what is left to do, and the transaction that is begun when needed. */
struct ageing {
	struct store *store;
	int64_t now_s;
	size_t left;
	bool begun;
	bool more;
	struct trouble trouble;
};

MUST_CHECK static int age_grain(struct ageing *ageing, enum points_grain grain, struct diag *diag)
{
	struct store *store = ageing->store;
	CLEANUP(old_runs_done) struct old_runs runs = {.most = ageing->left};
	/* A run is of age when its last moment is. */
	int64_t until_s = ageing->now_s - ages_s[grain] - (int64_t)points_grains[grain].run_s + 1;
	int rc = store->ops->points_before(
		store, points_grains[grain].period_s, until_s, on_old, &runs, diag);
	if (rc < 0) {
		return rc == -ENOMEM ? out_of_memory(diag) : rc;
	}
	ageing->more = ageing->more || rc > 0;
	ageing->left -= runs.n;
	if (runs.n > 0 && !ageing->begun) {
		TRY(store->ops->begin(store, diag));
		ageing->begun = true;
	}
	for (size_t i = 0; i < runs.n; i++) {
		TRY(age_run(store, grain, &runs.at[i], &ageing->trouble, diag));
	}
	return 0;
}

int history_age(struct store *store, int64_t now_s, unsigned most, struct diag *diag)
{
	struct ageing ageing = {.store = store, .now_s = clamp(now_s, 0, TIME_MAX_S), .left = most};
	int rc = 0;
	/* The finest first, so that what is very old goes all the way. */
	for (unsigned grain = 0; grain < POINTS_GRAINS && rc == 0; grain++) {
		rc = age_grain(&ageing, grain, diag);
	}
	if (ageing.begun) {
		rc = store_end(store, rc, diag);
	}
	TRY(rc);
	return trouble_or(ageing.more, &ageing.trouble, diag);
}

/* --- reading --------------------------------------------------------------------------------- */

/* A point of the answer: the statistics of a query's kth period. */
struct point {
	uint64_t k;
	struct points_set set;
};

struct reading {
	const struct history_query *query;
	int64_t start_s;
	int64_t end_s;
	enum points_grain grain; /* of the runs that come */
	struct point *at;
	size_t n;
	size_t cap;
	bool unsorted;
	int64_t live_s; /* what is not flushed yet, 0 when there is none, belongs to this time */
	uint64_t live;
	struct diag *diag;
};

/* A point of the store is the query's point, or a part of it. */
static int collect(struct reading *reading, int64_t at_s, const struct points_set *set)
{
	if (set->n == 0 || at_s < reading->start_s || at_s >= reading->end_s) {
		return 0;
	}
	struct point *last = reading->n ? &reading->at[reading->n - 1] : NULL;
	uint64_t k = (uint64_t)(at_s - reading->start_s) / reading->query->period_s;
	if (last && last->k == k) {
		points_merge(&last->set, set);
		return 0;
	}
	reading->unsorted = reading->unsorted || (last && last->k > k);
	if (reading->n == HISTORY_POINTS_MAX) {
		return diag_set(reading->diag, E_LIMIT, "more than %d points", HISTORY_POINTS_MAX);
	}
	struct point *at = array_room(reading->at, reading->n, &reading->cap, sizeof *at);
	if (!at) {
		return out_of_memory(reading->diag);
	}
	reading->at = at;
	reading->at[reading->n++] = (struct point){k, *set};
	return 0;
}

static int collect_run(struct reading *reading, struct points_run *run)
{
	if (run->grain == POINTS_60_S &&
		run->start_s == points_start(run->grain, reading->live_s)) {
		add_sample(run, reading->live_s, reading->query->metric, reading->live);
		reading->live = 0;
	}
	for (unsigned slot = 0; slot < points_slots(run->grain); slot++) {
		TRY(collect(
			reading, points_time(run, slot), &run->at[slot][reading->query->metric]));
	}
	return 0;
}

static int on_run(void *ctx, const struct store_points *points)
{
	struct reading *reading = ctx;
	struct points_run run;
	int rc = points_decode(&run, reading->grain, points->start_s, points->bytes);
	if (rc < 0) {
		return unreadable(rc, reading->query->instance_id, reading->grain, points->start_s,
			reading->diag);
	}
	return collect_run(reading, &run);
}

static int by_k(const void *left, const void *right)
{
	const struct point *a = left, *b = right;
	return (a->k > b->k) - (a->k < b->k);
}

/*
 * Runs come in order, the coarsest and oldest first. Only where a clock was set back does one
 * lie in the time of another.
 */
static void sort(struct reading *reading)
{
	if (!reading->unsorted) {
		return;
	}
	size_t kept = 0;
	qsort(reading->at, reading->n, sizeof *reading->at, by_k);
	for (size_t i = 1; i < reading->n; i++) {
		if (reading->at[kept].k == reading->at[i].k) {
			points_merge(&reading->at[kept].set, &reading->at[i].set);
		} else {
			reading->at[++kept] = reading->at[i];
		}
	}
	reading->n = kept + 1;
}

static int read_all(struct reading *reading, struct store *store)
{
	for (unsigned grain = POINTS_GRAINS; grain-- > 0;) {
		reading->grain = grain;
		int64_t from_s = points_start(grain, clamp(reading->start_s, 0, TIME_MAX_S));
		TRY(store->ops->points_each(store, reading->query->instance_id,
			points_grains[grain].period_s, from_s, reading->end_s, on_run, reading,
			reading->diag));
	}
	if (reading->live > 0) {
		struct points_run run;
		points_init(&run, POINTS_60_S, reading->live_s);
		TRY(collect_run(reading, &run));
	}
	sort(reading);
	return 0;
}

static int tell(const struct reading *reading,
	int (*on_point)(void *ctx, int64_t at_s, const struct history_stats *stats), void *ctx)
{
	for (size_t i = 0; i < reading->n; i++) {
		const struct points_set *set = &reading->at[i].set;
		const struct history_stats stats = {set->n, set->sum, set->min, set->max};
		int64_t after_s = (int64_t)(reading->at[i].k * reading->query->period_s);
		TRY(on_point(ctx, reading->start_s + after_s, &stats));
	}
	return 0;
}

/*
 * "Start time less than 15 days ago - Round down to the nearest whole minute", "between 15 and 63 days
 * ago - […] 5-minute clock interval", "greater than 63 days ago - […] 1-hour clock interval".
 */
static int64_t round_start(int64_t start_s, int64_t now_s)
{
	int64_t age_s = now_s - start_s;
	int64_t step_s = age_s > HISTORY_300_S_AGE_S ? 3600 : age_s > HISTORY_60_S_AGE_S ? 300 : 60;
	int64_t rest_s = start_s % step_s;
	return start_s - (rest_s < 0 ? rest_s + step_s : rest_s);
}

int history_read(struct store *store, const struct registry *registry, const struct entry *live,
	const struct history_query *query, int64_t now_s,
	int (*on_point)(void *ctx, int64_t at_s, const struct history_stats *stats), void *ctx,
	struct diag *diag)
{
	if (query->period_s == 0 || query->period_s % MINUTE_S != 0 ||
		query->metric >= HISTORY_METRICS) {
		return diag_set(diag, E_RANGE, "no such period or metric");
	}
	if (query->start_s >= query->end_s) {
		return 0;
	}
	now_s = clamp(now_s, 0, TIME_MAX_S);
	struct reading reading = {
		.query = query,
		.start_s = round_start(clamp(query->start_s, -TIME_MAX_S, TIME_MAX_S), now_s),
		.end_s = clamp(query->end_s, -TIME_MAX_S, TIME_MAX_S + MINUTE_S),
		.live_s = now_s,
		.live = live ? history_pending(registry, live, query->metric) : 0,
		.diag = diag,
	};
	int rc = read_all(&reading, store);
	if (rc == 0) {
		rc = tell(&reading, on_point, ctx);
	}
	free(reading.at);
	return rc;
}
