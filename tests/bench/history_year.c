/*
 * history_year - a year of metric points of many instances, through the contract of store/store.h.
 *
 * Runs are written in the order that time brings them. All but the last day in four steps a run, as
 * pages fill up less when what is in them grows; the last day minute by minute, with the ageing that
 * goes with it. Then the store is opened again, and one instance is read whole.
 *
 * Usage: history_year [INSTANCES [FOLDER]]     (the folder: where a temporary one is made; /tmp)
 * Prints one line of JSON; times are in milliseconds, the median and the most of each kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

#define MINUTE_S      INT64_C(60)
#define HOUR_S        (60 * MINUTE_S)
#define DAY_S         (24 * HOUR_S)
#define END_S         (INT64_C(2800) * 7 * DAY_S) /* the end of a day and of a week: 2023 */
#define YEAR_S        (455 * DAY_S)
#define STEPS         4
#define STEP_S        (15 * MINUTE_S) /* every step of every period begins at one of these */
#define MOST_BYTES    2048
#define MOST_TIMES    ((size_t)(DAY_S / MINUTE_S))
#define ID_BYTES      32
#define MEGA          (1024.0 * 1024.0)
#define READ_EVERY_TH 97 /* of the instances, one in so many */

static const struct period {
	const char *name;
	uint32_t period_s;
	int64_t run_s;  /* how much time a run holds */
	int64_t kept_s; /* how long it is kept */
	int64_t least_bytes;
	int64_t more_bytes; /* of some instances */
} periods[] = {
	{"minutes", 60, HOUR_S, 15 * DAY_S, 150, 150},
	{"fives", 300, DAY_S, 63 * DAY_S, 1400, 0},
	{"hours", 3600, 7 * DAY_S, YEAR_S, 900, 0},
};
enum { PERIODS = sizeof periods / sizeof periods[0] };

struct times {
	double ms[MOST_TIMES];
	size_t n;
};

/* Lifetime: process. */
static struct bench {
	struct store *store;
	struct diag diag;
	char folder[128];
	char path[160];
	char url[192];
	char noise[2 * MOST_BYTES]; /* what points look like when they are packed */
	int64_t instances;
	struct times minute; /* flushes in which only runs of minutes grow */
	struct times five;
	struct times hour;
	struct times age;
} bench;

static void check(int rc)
{
	if (rc < 0) {
		(void)fprintf(stderr, "history_year: %s: %s\n", result_name(rc), bench.diag.text);
		exit(EXIT_FAILURE);
	}
}

static double now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void keep_time(struct times *times, double begun_ms)
{
	if (times->n < MOST_TIMES) {
		times->ms[times->n++] = now_ms() - begun_ms;
	}
}

static struct str id_of(int64_t instance, char text[ID_BYTES])
{
	(void)snprintf(text, ID_BYTES, "i-%017llx", (unsigned long long)instance);
	return str_of(text);
}

static void open_store(void)
{
	check(store_open(str_of(bench.url), &bench.store, &bench.diag));
}

static void begin(void)
{
	check(bench.store->ops->begin(bench.store, &bench.diag));
}

static void commit(void)
{
	check(bench.store->ops->commit(bench.store, &bench.diag));
}

/* --- writing --------------------------------------------------------------------------------- */

/* The run of an instance that the time at_s is the end of, as far as it has grown. */
static void put(const struct period *period, int64_t instance, int64_t at_s)
{
	char text[ID_BYTES];
	int64_t start_s = (at_s - 1) / period->run_s * period->run_s;
	int64_t most = period->least_bytes + instance * 37 % (period->more_bytes + 1);
	int64_t bytes = most * (at_s - start_s) / period->run_s;
	struct store_points points = {
		.instance_id = id_of(instance, text),
		.period_s = period->period_s,
		.start_s = start_s,
		.bytes = {bench.noise + (instance + at_s / MINUTE_S) % MOST_BYTES, (size_t)bytes},
	};
	check(bench.store->ops->points_put(bench.store, &points, &bench.diag));
}

static void put_all(const struct period *period, int64_t at_s)
{
	for (int64_t i = 0; i < bench.instances; i++) {
		put(period, i, at_s);
	}
}

static void write_year(void)
{
	for (int64_t at_s = END_S - YEAR_S; at_s <= END_S - DAY_S; at_s += STEP_S) {
		for (size_t i = 0; i < PERIODS; i++) {
			bool is_kept = at_s > END_S - DAY_S - periods[i].kept_s;
			if (is_kept && at_s % (periods[i].run_s / STEPS) == 0) {
				begin();
				put_all(&periods[i], at_s);
				commit();
			}
		}
	}
}

struct aged {
	char (*ids)[ID_BYTES];
	int64_t *starts_s;
	int64_t n;
};

static int on_old(void *ctx, const struct store_points *points)
{
	struct aged *aged = ctx;
	(void)snprintf(aged->ids[aged->n], ID_BYTES, "%.*s", STR_FMT(points->instance_id));
	aged->starts_s[aged->n] = points->start_s;
	return ++aged->n == bench.instances;
}

/* One run of every instance is too old. */
static void age(const struct period *period, int64_t at_s)
{
	const struct store_ops *ops = bench.store->ops;
	struct aged aged = {
		.ids = calloc((size_t)bench.instances, sizeof *aged.ids),
		.starts_s = calloc((size_t)bench.instances, sizeof *aged.starts_s),
	};
	check(aged.ids && aged.starts_s ? 0 : -1);
	double begun_ms = now_ms();
	check(ops->points_before(bench.store, period->period_s,
		at_s - period->kept_s - period->run_s, on_old, &aged, &bench.diag));
	begin();
	for (int64_t i = 0; i < aged.n; i++) {
		check(ops->points_delete(bench.store, str_of(aged.ids[i]), period->period_s,
			aged.starts_s[i], &bench.diag));
	}
	commit();
	if (aged.n == bench.instances) {
		keep_time(&bench.age, begun_ms);
	}
	free(aged.ids);
	free(aged.starts_s);
}

static void write_day(void)
{
	for (int64_t at_s = END_S - DAY_S + MINUTE_S; at_s <= END_S; at_s += MINUTE_S) {
		struct times *times = &bench.minute;
		double begun_ms = now_ms();
		begin();
		put_all(&periods[0], at_s);
		if (at_s % (5 * MINUTE_S) == 0) {
			put_all(&periods[1], at_s);
			times = &bench.five;
		}
		if (at_s % HOUR_S == 0) {
			put_all(&periods[2], at_s);
			times = &bench.hour;
		}
		commit();
		keep_time(times, begun_ms);
		if (at_s % HOUR_S == 0) {
			age(&periods[0], at_s);
		}
	}
}

/* --- reading and telling --------------------------------------------------------------------- */

static int on_read(void *ctx, const struct store_points *points)
{
	size_t *bytes = ctx;
	*bytes += points->bytes.n;
	return 0;
}

static void read_some(const struct period *period, struct times *times)
{
	for (int64_t i = 0; i < bench.instances; i += READ_EVERY_TH) {
		char text[ID_BYTES];
		size_t bytes = 0;
		double begun_ms = now_ms();
		check(bench.store->ops->points_each(bench.store, id_of(i, text), period->period_s,
			0, INT64_MAX, on_read, &bytes, &bench.diag));
		check(bytes > 0 ? 0 : -1);
		keep_time(times, begun_ms);
	}
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;
	return (left > right) - (left < right);
}

static void tell(const char *name, struct times *times)
{
	check(times->n > 0 ? 0 : -1);
	qsort(times->ms, times->n, sizeof times->ms[0], compare);
	printf(", \"%s_ms\": [%.2f, %.2f]", name, times->ms[times->n / 2], times->ms[times->n - 1]);
}

static void tell_all(void)
{
	struct stat st = {0};
	static struct times opened;
	check(stat(bench.path, &st));
	printf("{\"instances\": %lld, \"file_mib\": %.1f", (long long)bench.instances,
		(double)st.st_size / MEGA);
	double begun_ms = now_ms();
	open_store();
	keep_time(&opened, begun_ms);
	tell("open", &opened);
	tell("flush_minute", &bench.minute);
	tell("flush_five", &bench.five);
	tell("flush_hour", &bench.hour);
	tell("age_hour", &bench.age);
	for (size_t i = 0; i < PERIODS; i++) {
		static struct times read;
		char name[32];
		read.n = 0;
		read_some(&periods[i], &read);
		(void)snprintf(name, sizeof name, "read_%s", periods[i].name);
		tell(name, &read);
	}
	printf("}\n");
}

static void clean_up(void)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-lock"};
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		char name[192];
		(void)snprintf(name, sizeof name, "%s%s", bench.path, endings[i]);
		(void)unlink(name);
	}
	(void)rmdir(bench.folder);
}

int main(int argc, char **argv)
{
	bench.instances = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000;
	(void)snprintf(bench.folder, sizeof bench.folder, "%s/history-year-XXXXXX",
		argc > 2 ? argv[2] : "/tmp");
	check(bench.instances > 0 && mkdtemp(bench.folder) ? 0 : -1);
	(void)snprintf(bench.path, sizeof bench.path, "%s/telltale.db", bench.folder);
	(void)snprintf(bench.url, sizeof bench.url, "sqlite://%s", bench.path);
	uint32_t dice = 1;
	for (size_t i = 0; i < sizeof bench.noise; i++) {
		dice = dice * 1664525 + 1013904223;
		bench.noise[i] = (char)(dice >> 24);
	}
	open_store();
	write_year();
	write_day();
	store_free(bench.store);
	tell_all();
	store_free(bench.store);
	clean_up();
	return 0;
}
