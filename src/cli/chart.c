#include "cli/chart.h"

#include "base/timefmt.h"

#define DAY_S      86400
#define MINUTE_S   60
#define ROWS_WELL  30 /* more are too many to look at */
#define TIME_CHARS 17 /* 2026-11-25 10:05Z */
#define EIGHTHS    8

static const struct column {
	const char *heading;
	int chars;
} columns[CHART_METRICS] = {
	[CHART_NO_TOKEN] = {"NO-TOKEN", 8},
	[CHART_REJECTED] = {"REJECTED", 8},
};

uint32_t chart_period(uint32_t since_s)
{
	static const uint32_t periods_s[] = {
		60, 300, 900, 3600, 10800, 21600, DAY_S, 7 * DAY_S, 30 * DAY_S};
	const size_t last = sizeof periods_s / sizeof periods_s[0] - 1;
	size_t i = 0;
	while (i < last && since_s > ROWS_WELL * (uint64_t)periods_s[i]) {
		i++;
	}
	return periods_s[i];
}

uint32_t chart_fine_period(uint32_t time_s, int64_t age_s)
{
	uint32_t least_s = age_s > 63 * INT64_C(86400)   ? 3600
			   : age_s > 15 * INT64_C(86400) ? 300
							 : 60;
	uint32_t period_s = time_s / CHART_ROWS_MAX / least_s * least_s;
	while (period_s == 0 || time_s / period_s >= CHART_ROWS_MAX) {
		period_s += least_s;
	}
	return period_s;
}

int chart_init(struct chart *chart, uint32_t since_s, uint32_t period_s, int64_t now_s)
{
	uint32_t round_s = period_s > DAY_S ? DAY_S : DAY_S % period_s == 0 ? period_s : 60;
	int64_t start_s = now_s > since_s ? now_s - since_s : 0;
	start_s -= start_s % round_s;
	int64_t n = (now_s - start_s) / period_s + 1;
	if (n >= CHART_ROWS_MAX) {
		return E_RANGE;
	}
	memset(chart, 0, sizeof *chart);
	chart->since_s = since_s;
	chart->period_s = period_s;
	chart->start_s = start_s;
	chart->now_s = now_s;
	chart->n = n > 0 ? (size_t)n : 1;
	return 0;
}

void chart_add(struct chart *chart, enum chart_metric metric, int64_t at_s, uint64_t count)
{
	int64_t row = at_s > chart->start_s ? (at_s - chart->start_s) / chart->period_s : 0;
	size_t i = row < CHART_ROWS_MAX ? (size_t)row : CHART_ROWS_MAX - 1;
	uint64_t *at = &chart->rows[i][metric];
	if (count == 0) {
		return;
	}
	chart->n = i < chart->n ? chart->n : i + 1;
	chart->last_s[metric] = at_s > chart->last_s[metric] ? at_s : chart->last_s[metric];
	*at = __builtin_add_overflow(*at, count, at) ? UINT64_MAX : *at;
}

uint64_t chart_total(const struct chart *chart, enum chart_metric metric)
{
	uint64_t total = 0;
	for (size_t i = 0; i < chart->n; i++) {
		if (__builtin_add_overflow(total, chart->rows[i][metric], &total)) {
			return UINT64_MAX;
		}
	}
	return total;
}

/* "2026-11-25 10:05Z" */
static void format_time(int64_t at_s, char ret_text[TIMEFMT_ISO_BYTES])
{
	timefmt_iso(at_s, ret_text);
	ret_text[10] = ' ';
	ret_text[TIME_CHARS - 1] = 'Z';
	ret_text[TIME_CHARS] = '\0';
}

/* A bar for a count, the most of which has all characters; what is not 0 can be seen. */
static void add_bar(struct buf *out, uint64_t count, uint64_t most, bool is_utf8)
{
	/* Of one eighth to seven: U+258F … U+2589. */
	static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned steps = is_utf8 ? EIGHTHS : 1;
	if (count == 0) {
		return;
	}
	unsigned n = (unsigned)((double)count / (double)most * CHART_BAR_CHARS * steps + 0.5);
	n = n ? n : 1;
	buf_add(out, STR("  "));
	for (unsigned i = 0; i < n / steps; i++) {
		buf_add(out, is_utf8 ? STR("█") : STR("#"));
	}
	buf_add(out, str_of(parts[n % steps]));
}

static void add_counts(struct buf *out, const uint64_t counts[CHART_METRICS])
{
	for (unsigned metric = 0; metric < CHART_METRICS; metric++) {
		buf_add_f(
			out, "  %*llu", columns[metric].chars, (unsigned long long)counts[metric]);
	}
}

static void add_rows(const struct chart *chart, bool is_utf8, struct buf *out)
{
	uint64_t most = 0;
	for (size_t i = 0; i < chart->n; i++) {
		uint64_t count = chart->rows[i][CHART_NO_TOKEN];
		most = count > most ? count : most;
	}
	buf_add_f(out, "%-*s", TIME_CHARS, "TIME");
	for (unsigned metric = 0; metric < CHART_METRICS; metric++) {
		buf_add_f(out, "  %*s", columns[metric].chars, columns[metric].heading);
	}
	buf_add_char(out, '\n');
	for (size_t i = 0; i < chart->n; i++) {
		char time[TIMEFMT_ISO_BYTES];
		format_time(chart->start_s + (int64_t)i * chart->period_s, time);
		buf_add(out, str_of(time));
		add_counts(out, chart->rows[i]);
		add_bar(out, chart->rows[i][CHART_NO_TOKEN], most, is_utf8);
		buf_add_char(out, '\n');
	}
}

static const struct {
	const char *name;
	uint32_t s;
} units[] = {{"weeks", 7 * DAY_S}, {"days", DAY_S}, {"h", 3600}, {"min", 60}, {"s", 1}};

/* "24 h", in the largest unit that it is a multiple of, and more than one of. */
static void add_since(struct buf *out, uint32_t since_s)
{
	size_t i = 0;
	while (since_s % units[i].s != 0 || (since_s == units[i].s && units[i].s > 1)) {
		i++;
	}
	buf_add_f(out, "%u %s", since_s / units[i].s, units[i].name);
}

/* "12 min", in whole units of which there are more than one. */
static void add_age(struct buf *out, int64_t age_s)
{
	size_t i = 0;
	while (units[i].s > 1 && age_s < 2 * (int64_t)units[i].s) {
		i++;
	}
	buf_add_f(out, "%lld %s", (long long)age_s / units[i].s, units[i].name);
}

/*
 * There was no call. Whoever reads that requires tokens next, so it is said only of time in which a
 * call would have been counted.
 */
static void add_all_clear(const struct chart *chart, struct str name, struct buf *out)
{
	char created[TIMEFMT_ISO_BYTES];
	if (chart->created_s <= chart->now_s - chart->since_s) {
		buf_add(out, STR("No call without a token in the last "));
		add_since(out, chart->since_s);
		buf_add(out, STR(": tokens can be required.\n"));
		return;
	}
	format_time(chart->created_s, created);
	buf_add_f(out, "No call without a token since %.*s was made, %s (", STR_FMT(name), created);
	/* A clock may have been set back meanwhile. */
	add_age(out, chart->now_s > chart->created_s ? chart->now_s - chart->created_s : 0);
	buf_add(out, STR(" ago); that is less than the "));
	add_since(out, chart->since_s);
	buf_add(out, STR(" asked for.\n"));
}

static void add_last(const struct chart *chart, int64_t last_s, struct buf *out)
{
	char last[TIMEFMT_ISO_BYTES];
	bool is_minute = chart_fine_period(MINUTE_S, chart->now_s - last_s) == MINUTE_S;
	format_time(last_s, last);
	buf_add_f(out, "; last: %s%s.\n", is_minute ? "" : "about ", last);
}

static void add_sentence(const struct chart *chart, struct str name, struct buf *out)
{
	unsigned long long answered = chart_total(chart, CHART_NO_TOKEN);
	unsigned long long rejected = chart_total(chart, CHART_REJECTED);
	if (answered > 0) {
		buf_add_f(out, "%.*s was called %llu time%s", STR_FMT(name), answered,
			answered == 1 ? "" : "s");
	} else if (rejected > 0) {
		buf_add_f(out, "%.*s rejected %llu call%s", STR_FMT(name), rejected,
			rejected == 1 ? "" : "s");
	} else {
		add_all_clear(chart, name, out);
		return;
	}
	buf_add(out, STR(" without a token in the last "));
	add_since(out, chart->since_s);
	add_last(chart, chart->last_s[answered ? CHART_NO_TOKEN : CHART_REJECTED], out);
}

int chart_format(const struct chart *chart, struct str name, bool is_utf8, struct buf *out)
{
	const uint64_t totals[CHART_METRICS] = {
		chart_total(chart, CHART_NO_TOKEN), chart_total(chart, CHART_REJECTED)};
	add_rows(chart, is_utf8, out);
	buf_add_f(out, "%-*s", TIME_CHARS, "total");
	add_counts(out, totals);
	buf_add_char(out, '\n');
	add_sentence(chart, name, out);
	return buf_status(out);
}
