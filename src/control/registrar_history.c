#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/outbox.h"
#include "control/plan.h"
#include "control/points.h"
#include "control/registrar_state.h"

#define MINUTE_S 60
#define AGE_MOST 64 /* runs a tick: ten thousands of instances in an hour, none of which notices */

/* --- recording ------------------------------------------------------------------------------- */

/* Once a minute, so that a store that fails is not asked more often, nor told of. */
void registrar_record(struct registrar *registrar)
{
	struct diag diag = {{0}};
	int64_t counted = registrar->counted_minute, minute = registrar->now_s() / MINUTE_S;
	if (minute == counted) {
		return;
	}
	registrar->counted_minute = minute;
	int rc = history_flush(registrar->points, registrar->registry, counted * MINUTE_S, &diag);
	if (rc < 0) {
		LOG(LOG_WARN, "control", "counts can't be recorded now, they are kept",
			LOG_TEXT("error", diag.text));
	}
}

/* Once an hour, in small steps. */
void registrar_age(struct registrar *registrar)
{
	struct diag diag = {{0}};
	int64_t now_s = registrar->now_s(), hour = now_s / 3600;
	if (hour == registrar->aged_hour || !registrar_leads(registrar)) {
		return;
	}
	int rc = history_age(registrar->store, now_s, AGE_MOST, &diag);
	/* After a run that was damaged, and is gone now, there may be more to do. */
	if (rc <= 0 && rc != E_DAMAGED) {
		registrar->aged_hour = hour;
	}
	uint32_t held;
	if (rc < 0 && log_limit_pass(&registrar->age_limit, now_s, &held)) {
		LOG(LOG_WARN, "control", "metric history can't be aged",
			LOG_TEXT("error", diag.text), LOG_INT("more", held));
	}
}

/* Whether an instance's history will not be its entry's any more. */
static bool is_leaving(const struct change *change, const struct entry *entry)
{
	return !change->spec ||
	       (change->instance && strcmp(change->instance->id, entry_instance(entry)->id) != 0);
}

int registrar_record_leaving(
	struct registrar *registrar, const struct plan *plan, struct diag *diag)
{
	struct store *store = registrar->points;
	const struct registry *registry = registrar->registry;
	struct entry *leaving = NULL;
	size_t n = 0;
	for (size_t i = 0; i < plan->n; i++) {
		struct entry *entry = registry_find(registry, str_of(plan->v[i].name));
		if (entry && is_leaving(&plan->v[i], entry)) {
			leaving = entry;
			n++;
		}
	}
	if (n == 0) {
		return 0;
	}
	registrar_record(registrar);
	int64_t now_s = registrar->now_s();
	int rc = n == 1 ? history_flush_one(store, registry, leaving, now_s, diag)
			: history_flush(store, registry, now_s, diag);
	/* An instance whose old points can't be read can go all the same. */
	return rc == E_DAMAGED || rc == E_VERSION ? 0 : rc;
}

void registrar_end(struct registrar *registrar)
{
	struct diag diag = {{0}};
	if (!registrar) {
		return;
	}
	pthread_mutex_lock(&registrar->lock);
	registrar_record(registrar);
	int rc = history_flush(registrar->points, registrar->registry, registrar->now_s(), &diag);
	if (rc == 0) {
		registrar_send_points(registrar);
	}
	pthread_mutex_unlock(&registrar->lock);
	if (rc < 0) {
		LOG(LOG_ERROR, "control", "the last counts are lost", LOG_TEXT("error", diag.text));
	}
}

/* --- reading --------------------------------------------------------------------------------- */

int registrar_history(struct registrar *registrar, const struct history_query *query,
	int (*on_point)(void *ctx, int64_t at_s, const struct history_stats *stats), void *ctx,
	struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	registrar_record(registrar); /* what is not recorded is this minute's, then */
	registrar_send_points(registrar);
	const struct entry *live = registry_find_id(registrar->registry, query->instance_id);
	struct store *store;
	int rc;
	do {
		store = registrar_reader(registrar);
		rc = history_read(store, registrar->registry, live, query, registrar->now_s(),
			on_point, ctx, diag);
	} while (registrar_read_again(registrar, store, rc));
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

struct looking {
	enum points_grain grain;
	int64_t since_s;
	bool *has;
};

/* Ends with E_EXISTS when there is all that could be. */
static int on_run(void *ctx, const struct store_points *points)
{
	struct looking *looking = ctx;
	struct points_run run;
	if (points_decode(&run, looking->grain, points->start_s, points->bytes) < 0) {
		return 0; /* who reads it is told */
	}
	bool all = true;
	for (unsigned metric = 0; metric < HISTORY_METRICS; metric++) {
		for (unsigned i = 0; i < points_slots(run.grain) && !looking->has[metric]; i++) {
			looking->has[metric] =
				run.at[i][metric].n > 0 && points_time(&run, i) >= looking->since_s;
		}
		all = all && looking->has[metric];
	}
	return all ? E_EXISTS : 0;
}

static int look(struct store *store, struct str id, int64_t since_s, bool *has, struct diag *diag)
{
	for (unsigned grain = 0; grain < POINTS_GRAINS; grain++) {
		struct looking looking = {.grain = grain, .since_s = since_s, .has = has};
		int rc = store->ops->points_each(store, id, points_grains[grain].period_s,
			points_start(grain, since_s), INT64_MAX, on_run, &looking, diag);
		if (rc == E_EXISTS) {
			return 0;
		}
		TRY(rc);
	}
	return 0;
}

int registrar_history_has(struct registrar *registrar, struct str id, int64_t since_s,
	bool ret_has[HISTORY_METRICS], struct diag *diag)
{
	bool has[HISTORY_METRICS] = {false};
	pthread_mutex_lock(&registrar->lock);
	const struct entry *live = registry_find_id(registrar->registry, id);
	for (unsigned metric = 0; live && metric < HISTORY_METRICS; metric++) {
		has[metric] = history_pending(registrar->registry, live, metric) > 0;
	}
	struct store *store;
	int rc;
	do {
		store = registrar_reader(registrar);
		rc = look(store, id, since_s < 0 ? 0 : since_s, has, diag);
	} while (registrar_read_again(registrar, store, rc));
	pthread_mutex_unlock(&registrar->lock);
	TRY(rc);
	memcpy(ret_has, has, sizeof has);
	return 0;
}

/* --- which there are ------------------------------------------------------------------------- */

/* Ids in order: those in the store, and those of instances that have counted. */
struct listing {
	const struct registry *registry;
	struct str after;
	size_t most;
	json_t *stored;
	struct str *live; /* in their instances */
	size_t n_live;
};

/* One more than are asked for, so that it is known whether there are more. */
static int on_stored(void *ctx, struct str id)
{
	struct listing *listing = ctx;
	if (str_cmp(id, listing->after) <= 0 || outbox_is_closed(id)) {
		return 0;
	}
	if (json_array_size(listing->stored) > listing->most) {
		return E_AGAIN;
	}
	return json_array_append_new(listing->stored, json_from_str(id)) < 0 ? -ENOMEM : 0;
}

static int on_live(void *ctx, struct entry *entry)
{
	struct listing *listing = ctx;
	struct str id = str_of(entry_instance(entry)->id);
	bool any = false;
	for (unsigned metric = 0; metric < HISTORY_METRICS; metric++) {
		any = any || history_pending(listing->registry, entry, metric) > 0;
	}
	if (any && str_cmp(id, listing->after) > 0) {
		listing->live[listing->n_live++] = id;
	}
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	return str_cmp(*x, *y);
}

/* Both lists into one, without what is in both. */
static int merge(const struct listing *listing, json_t *ids, bool *ret_more)
{
	size_t s = 0, l = 0, n = json_array_size(listing->stored);
	while (json_array_size(ids) < listing->most && (s < n || l < listing->n_live)) {
		int order = s == n ? 1
			    : l == listing->n_live
				    ? -1
				    : str_cmp(json_str_at(listing->stored, s), listing->live[l]);
		struct str id = order <= 0 ? json_str_at(listing->stored, s) : listing->live[l];
		if (json_array_append_new(ids, json_from_str(id)) < 0) {
			return -ENOMEM;
		}
		s += order <= 0;
		l += order >= 0;
	}
	*ret_more = s < n || l < listing->n_live;
	return 0;
}

static int list(struct registrar *registrar, struct listing *listing, json_t *ids, bool *ret_more,
	struct diag *diag)
{
	size_t count = registry_count(registrar->registry);
	listing->live = calloc(count + 1, sizeof *listing->live);
	if (!listing->live || !listing->stored || !ids) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	struct store *store;
	int rc;
	do {
		store = registrar_reader(registrar);
		(void)json_array_clear(listing->stored); /* it is an array */
		rc = store->ops->points_instances(store, on_stored, listing, diag);
	} while (registrar_read_again(registrar, store, rc));
	TRY(rc == E_AGAIN ? 0 : rc);
	(void)registry_each(registrar->registry, on_live, listing); /* never stopped */
	qsort(listing->live, listing->n_live, sizeof *listing->live, by_id);
	return merge(listing, ids, ret_more);
}

int registrar_history_instances(struct registrar *registrar, struct str after, size_t most,
	json_t **ret_ids, bool *ret_more, struct diag *diag)
{
	struct listing listing = {.registry = registrar->registry,
		.after = after,
		.most = most,
		.stored = json_array()};
	json_t *ids = json_array();
	pthread_mutex_lock(&registrar->lock);
	int rc = list(registrar, &listing, ids, ret_more, diag);
	pthread_mutex_unlock(&registrar->lock);
	free(listing.live);
	json_decref(listing.stored);
	if (rc < 0) {
		json_decref(ids);
		return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
	}
	*ret_ids = ids;
	return 0;
}
