/* The metric history in random steps, beside a naive list of samples that does the same. */
#include "tests/unit/history_help.h"

#define MODEL_STEPS       500
#define MODEL_SAMPLES_MAX 4000

/* Samples in no order; period_s says how exact the time still is. */
struct model_sample {
	unsigned instance;
	enum history_metric metric;
	int64_t at_s;
	uint32_t period_s;
	uint64_t count;
};

struct model {
	struct model_sample samples[MODEL_SAMPLES_MAX];
	size_t n;
	uint64_t pending[N_NAMES][HISTORY_METRICS];
	int64_t now_s;
	uint64_t random;
};

static uint64_t draw(struct model *model, uint64_t below)
{
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return model->random % below;
}

static void model_flush(struct model *model, unsigned instance)
{
	for (unsigned metric = 0; metric < HISTORY_METRICS; metric++) {
		uint64_t *pending = &model->pending[instance][metric];
		const struct model_sample sample = {
			instance, metric, model->now_s / 60 * 60, 60, *pending};
		size_t i = 0;
		while (i < model->n && (model->samples[i].instance != instance ||
					       model->samples[i].metric != metric ||
					       model->samples[i].at_s != sample.at_s ||
					       model->samples[i].period_s != 60)) {
			i++;
		}
		if (*pending && i < model->n) {
			model->samples[i].count += *pending;
		} else if (*pending) {
			assert_true(model->n < MODEL_SAMPLES_MAX);
			model->samples[model->n++] = sample;
		}
		*pending = 0;
	}
}

/* A sample ages with the run that it is in. Returns false when it goes. */
static bool model_age_one(struct model_sample *sample, int64_t now_s)
{
	static const struct {
		uint32_t period_s, next_s;
		int64_t run_s, age_s;
	} steps[] = {{60, 300, HOUR_S, 15 * DAY_S}, {300, 3600, DAY_S, 63 * DAY_S},
		{3600, 0, WEEK_S, 455 * DAY_S}};
	for (unsigned i = 0; i < 3; i++) {
		int64_t end_s = sample->at_s / steps[i].run_s * steps[i].run_s + steps[i].run_s;
		if (sample->period_s == steps[i].period_s && end_s + steps[i].age_s <= now_s) {
			if (steps[i].next_s == 0) {
				return false;
			}
			sample->period_s = steps[i].next_s;
			sample->at_s = sample->at_s / steps[i].next_s * steps[i].next_s;
		}
	}
	return true;
}

static void model_age(struct model *model)
{
	size_t kept = 0;
	for (size_t i = 0; i < model->n; i++) {
		if (model_age_one(&model->samples[i], model->now_s)) {
			model->samples[kept++] = model->samples[i];
		}
	}
	model->n = kept;
}

static void stats_add_sample(struct history_stats *s, uint64_t n)
{
	s->min = s->n == 0 || n < s->min ? n : s->min;
	s->max = n > s->max ? n : s->max;
	s->sum += n;
	s->n++;
}

/* One point, the slow way: all samples looked at. */
static struct history_stats model_point(const struct model *model, unsigned instance,
	const struct history_query *query, int64_t from_s, int64_t until_s, bool live)
{
	struct history_stats stats = {0};
	uint64_t pending = live ? model->pending[instance][query->metric] : 0;
	int64_t minute_s = model->now_s / 60 * 60;
	for (size_t i = 0; i < model->n; i++) {
		const struct model_sample *sample = &model->samples[i];
		if (sample->instance != instance || sample->metric != query->metric ||
			sample->at_s < from_s || sample->at_s >= until_s) {
			continue;
		}
		bool same = sample->at_s == minute_s && sample->period_s == 60;
		stats_add_sample(&stats, sample->count + (same ? pending : 0));
		pending = same ? 0 : pending;
	}
	if (pending && minute_s >= from_s && minute_s < until_s) {
		stats_add_sample(&stats, pending);
	}
	return stats;
}

static void model_compare(struct fixture *f, struct model *model)
{
	static struct told want;
	static const uint32_t periods[] = {60, 300, 3600, 7200, 86400, 604800};
	unsigned instance = (unsigned)draw(model, N_NAMES);
	bool live = draw(model, 2) != 0;
	uint32_t period_s = periods[draw(model, 6)];
	int64_t start_s = model->now_s - (int64_t)draw(model, 90 * period_s);
	start_s -= (int64_t)draw(model, 3) * (int64_t)draw(model, 250 * DAY_S);
	const struct history_query query = {id_of(f, instance), (enum history_metric)draw(model, 2),
		start_s, start_s + (int64_t)draw(model, 60 * period_s), period_s};
	assert_int_equal(read_rc(f, live ? entry_of(f, instance) : NULL, &query, model->now_s), 0);
	int64_t age_s = model->now_s - start_s;
	int64_t step_s = age_s > 63 * DAY_S ? 3600 : age_s > 15 * DAY_S ? 300 : 60;
	want = (struct told){.zero_s = T};
	for (int64_t at_s = start_s / step_s * step_s; start_s < query.end_s && at_s < query.end_s;
		at_s += period_s) {
		int64_t end_s = at_s + period_s < query.end_s ? at_s + period_s : query.end_s;
		struct history_stats stats =
			model_point(model, instance, &query, at_s, end_s, live);
		if (stats.n) {
			(void)on_point(&want, at_s, &stats);
		}
	}
	assert_string_equal(told.text, want.text);
}

static void model_pass_time(struct model *model)
{
	static const int64_t steps_s[] = {1, 20, 60, 120, 300, HOUR_S, 5 * HOUR_S, 2 * DAY_S,
		20 * DAY_S, -30, -HOUR_S, -18 * DAY_S};
	model->now_s += steps_s[draw(model, sizeof steps_s / sizeof steps_s[0])];
}

static void model_step(struct fixture *f, struct model *model)
{
	unsigned instance = (unsigned)draw(model, N_NAMES);
	unsigned kind = (unsigned)draw(model, 20);
	if (kind < 8) {
		unsigned metric = (unsigned)draw(model, HISTORY_METRICS);
		uint64_t n = 1 + draw(model, 1000);
		count(f, instance, metric, n);
		model->pending[instance][metric] += n;
	} else if (kind < 14) {
		flushed(f, model->now_s);
		for (unsigned i = 0; i < N_NAMES; i++) {
			model_flush(model, i);
		}
	} else if (kind < 17) {
		model_pass_time(model);
	} else if (kind == 17) {
		int rc = 1;
		while (rc == 1) {
			rc = history_age(
				f->store, model->now_s, 1 + (unsigned)draw(model, 5), &f->diag);
		}
		assert_int_equal(rc, 0);
		model_age(model);
	} else if (kind == 18) {
		assert_int_equal(history_flush_one(f->store, f->registry, entry_of(f, instance),
					 model->now_s, &f->diag),
			0);
		model_flush(model, instance);
	} else if (draw(model, 3) == 0) {
		restart(f);
		memset(model->pending, 0, sizeof model->pending);
	}
}

static void random_steps_beside_a_model(void **state)
{
	struct fixture *f = *state;
	static struct model model;
	for (unsigned seed = 1; seed <= 6; seed++) {
		model = (struct model){.now_s = T + seed * 1000 * DAY_S, .random = 77777 * seed};
		restart(f);
		for (unsigned step = 0; step < MODEL_STEPS; step++) {
			model_step(f, &model);
			model_compare(f, &model);
		}
		assert_true(model.n > 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(random_steps_beside_a_model),
	};
	return cmocka_run_group_tests_name("history_model", tests, NULL, NULL);
}
