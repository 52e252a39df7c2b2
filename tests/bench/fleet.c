/*
 * fleet - what a fleet's database has to bear: many hosts' worth of readers and writers, through the
 * contract of store/store.h.
 *
 * Usage: bench_fleet URL fill HOSTS INSTANCES WRITERS
 *        bench_fleet URL change HOSTS WRITERS SECONDS EACH [ONE]  each changes one instance a
 *                                       transaction; ONE: all of them those of one host
 *        bench_fleet URL hear HOSTS LISTENERS CHANGES EACH   from commit until the host is told
 *        bench_fleet URL start HOSTS STARTERS COUNT          what a host reads when it starts
 *        bench_fleet URL check HOSTS READERS SECONDS         what each host asks now and then
 *        bench_fleet URL points HOSTS WRITERS SECONDS        batches of what was counted
 * EACH: instances that each host has.
 * Prints one line of JSON; times are in milliseconds. tests/bench/fleet.py runs all of it.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/host_row.h"
#include "control/outbox.h"
#include "control/points.h"
#include "store/postgres_listen.h"
#include "store/store.h"
#include "tests/fake/store_memory.h"

#define NAME_BYTES 32
#define BATCH      1000
#define RUNS       100
#define MOST_TIMES 1000000

static const char *url;
static unsigned long hosts;

struct times {
	double *ms;
	size_t n;
};

struct task {
	pthread_t thread;
	unsigned index, of;
	unsigned long instances;
	double until_ms;
	bool one_host;
	unsigned long done, retried;
	struct times times;
	uint64_t dice;
};

static void check(int rc, const struct diag *diag)
{
	if (rc < 0) {
		(void)fprintf(stderr, "bench_fleet: %s: %s\n", result_name(rc), diag->text);
		exit(EXIT_FAILURE);
	}
}

static double now_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint64_t roll(uint64_t *dice)
{
	*dice ^= *dice << 13;
	*dice ^= *dice >> 7;
	*dice ^= *dice << 17;
	return *dice;
}

static void note(struct times *times, double ms)
{
	if (!times->ms) {
		times->ms = calloc(MOST_TIMES, sizeof *times->ms);
	}
	if (times->ms && times->n < MOST_TIMES) {
		times->ms[times->n++] = ms;
	}
}

static int by_time(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void print_times(const char *what, struct times *times)
{
	qsort(times->ms, times->n, sizeof *times->ms, by_time);
	if (times->n) {
		(void)printf(", \"%s\": {\"median\": %.3f, \"p99\": %.3f, \"most\": %.3f}", what,
			times->ms[times->n / 2], times->ms[times->n * 99 / 100],
			times->ms[times->n - 1]);
	}
}

static struct store *open_store(void)
{
	struct store *store;
	struct diag diag = {{0}};
	check(store_open(str_of(url), &store, &diag), &diag);
	return store;
}

static struct str host_name(unsigned long number, char text[NAME_BYTES])
{
	(void)snprintf(text, NAME_BYTES, "host-%05lu", number);
	return str_of(text);
}

/* About what an instance's specification is. */
static void spec_of(unsigned long number, unsigned state, char text[512])
{
	(void)snprintf(text, 512,
		"{\"name\": \"vm-%lu\", \"match\": {\"addresses\": [\"172.26.%lu.%lu\"]}, "
		"\"blueprintId\": \"amazon_linux_2023\", \"bundleId\": \"nano_3_0\", \"location\": "
		"{\"availabilityZone\": \"us-west-2a\"}, \"publicKeys\": {\"key\": \"ssh-ed25519 "
		"AAAAC3NzaC1lZDI1NTE5AAAAIO00000000000000000000000000000000000000 me\"}, \"tags\": "
		"{\"env\": \"prod\"}, \"metadataOptions\": {\"httpTokens\": \"%s\"}}",
		number, number / 250 % 250, number % 250, state ? "required" : "optional");
}

static int put(struct store *store, unsigned long number, unsigned long host, unsigned state,
	struct diag *diag)
{
	char name[NAME_BYTES], id[NAME_BYTES], on[NAME_BYTES], spec[512];
	(void)snprintf(name, sizeof name, "vm-%lu", number);
	(void)snprintf(id, sizeof id, "i-%017lx", number);
	spec_of(number, state, spec);
	const struct store_instance row = {.name = str_of(name),
		.spec = str_of(spec),
		.id = str_of(id),
		.host = host_name(host, on),
		.token_epoch = state,
		.created_s = 1,
		.launched_s = 1,
		.changed_s = 1};
	return store->ops->instance_put(store, &row, STORE_ANY, diag);
}

/* --- tasks ----------------------------------------------------------------------------------- */

static void run_all(struct task *tasks, unsigned n, void *(*run)(void *ctx))
{
	for (unsigned i = 0; i < n; i++) {
		tasks[i].index = i;
		tasks[i].of = n;
		tasks[i].dice = 0x9e3779b97f4a7c15U * (i + 1);
		if (pthread_create(&tasks[i].thread, NULL, run, &tasks[i])) {
			exit(EXIT_FAILURE);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(tasks[i].thread, NULL);
	}
}

static void print_all(const char *what, struct task *tasks, unsigned n, double took_ms)
{
	struct times all = {0};
	unsigned long done = 0, retried = 0;
	for (unsigned i = 0; i < n; i++) {
		for (size_t t = 0; t < tasks[i].times.n; t++) {
			note(&all, tasks[i].times.ms[t]);
		}
		done += tasks[i].done;
		retried += tasks[i].retried;
	}
	(void)printf("{\"%s\": %lu, \"per_second\": %.0f, \"retried\": %lu", what, done,
		(double)done / (took_ms / 1e3), retried);
	print_times("ms", &all);
	(void)printf("}\n");
}

/* Whole hosts, so that writers don't wait for each other. */
static void *fill(void *ctx)
{
	struct task *task = ctx;
	struct store *store = open_store();
	struct diag diag = {{0}};
	unsigned long each = task->instances / hosts;
	for (unsigned long host = task->index; host < hosts; host += task->of) {
		char name[NAME_BYTES];
		const struct store_host row = {
			.name = host_name(host, name), .version = STR("bench"), .instances = each};
		check(store->ops->begin(store, &diag), &diag);
		for (unsigned long i = 0; i < each; i++) {
			check(put(store, host * each + i, host, 0, &diag), &diag);
		}
		check(store->ops->host_put(store, &row, &diag), &diag);
		check(store->ops->commit(store, &diag), &diag);
		task->done += each;
	}
	store_free(store);
	return NULL;
}

static int change_once(struct store *store, struct task *task, struct diag *diag)
{
	unsigned long host = task->one_host ? 0 : roll(&task->dice) % hosts;
	unsigned long number = host * task->instances + roll(&task->dice) % task->instances;
	TRY(store->ops->begin(store, diag));
	int rc = put(store, number, host, (unsigned)(roll(&task->dice) & 1), diag);
	if (rc < 0) {
		store->ops->rollback(store);
		return rc;
	}
	return store->ops->commit(store, diag);
}

static void *change(void *ctx)
{
	struct task *task = ctx;
	struct store *store = open_store();
	struct diag diag = {{0}};
	while (now_ms() < task->until_ms) {
		double from_ms = now_ms();
		int rc = change_once(store, task, &diag);
		if (rc == E_BUSY) {
			task->retried++;
			continue;
		}
		check(rc, &diag);
		note(&task->times, now_ms() - from_ms);
		task->done++;
	}
	store_free(store);
	return NULL;
}

/* --- starting and asking --------------------------------------------------------------------- */

static int count(void *ctx, const struct store_instance *row)
{
	(void)row;
	++*(unsigned long *)ctx;
	return 0;
}

static int ignore_operation(void *ctx, const struct store_operation *operation)
{
	(void)ctx;
	(void)operation;
	return 0;
}

static void *start(void *ctx)
{
	struct task *task = ctx;
	struct diag diag = {{0}};
	for (unsigned long n = 0; n < task->instances; n++) {
		char name[NAME_BYTES];
		unsigned long number =
			roll(&task->dice) % (hosts / task->of) * task->of + task->index;
		struct str host = host_name(number, name);
		uint64_t revision;
		unsigned long rows = 0;
		struct postgres_listen *listen;
		double from_ms = now_ms();
		struct store *store = open_store();
		int rc = postgres_listen_new(str_of(url), host, &listen, &diag);
		if (rc == E_BUSY) { /* the server has not missed the one before */
			task->retried++;
			store_free(store);
			continue;
		}
		check(rc, &diag);
		check(store->ops->operation_open(store, host, ignore_operation, NULL, &diag),
			&diag);
		check(store->ops->revision_get(store, host, &revision, &diag), &diag);
		check(store->ops->instance_each(store, host, STR_EMPTY, count, &rows, &diag),
			&diag);
		note(&task->times, now_ms() - from_ms);
		postgres_listen_free(listen);
		store_free(store);
		task->done++;
	}
	return NULL;
}

/* What a host asks twice a minute when nobody tells it anything, and that it is there. */
static void *ask(void *ctx)
{
	struct task *task = ctx;
	struct store *store = open_store();
	struct diag diag = {{0}};
	while (now_ms() < task->until_ms) {
		char name[NAME_BYTES];
		struct str host = host_name(roll(&task->dice) % hosts, name);
		unsigned long rows = 0;
		uint64_t revision;
		double from_ms = now_ms();
		check(store->ops->operation_open(store, host, ignore_operation, NULL, &diag),
			&diag);
		check(store->ops->revision_get(store, host, &revision, &diag), &diag);
		check(store->ops->changed_since(store, host, revision, count, &rows, &diag), &diag);
		const struct store_host row = {
			.name = host, .version = STR("bench"), .applied = revision};
		check(store->ops->begin(store, &diag), &diag);
		int rc = store->ops->host_put(store, &row, &diag);
		rc = rc == 0 ? store->ops->commit(store, &diag) : rc;
		task->retried += rc == E_BUSY;
		check(rc == E_BUSY ? 0 : rc, &diag);
		note(&task->times, now_ms() - from_ms);
		task->done++;
	}
	store_free(store);
	return NULL;
}

/* --- points ---------------------------------------------------------------------------------- */

static void fill_copy(struct store *copy, unsigned long host, int64_t minute, struct diag *diag)
{
	check(copy->ops->begin(copy, diag), diag);
	for (unsigned i = 0; i < RUNS; i++) {
		CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
		struct points_run run;
		const struct points_set set = {1, 3, 3, 3};
		char id[NAME_BYTES];
		(void)snprintf(id, sizeof id, "i-%017lx", host * RUNS + i);
		points_init(&run, POINTS_60_S, minute * 60);
		points_add(&run, minute * 60, 0, &set);
		check(points_encode(&run, &bytes), diag);
		const struct store_points points = {.instance_id = str_of(id),
			.period_s = 60,
			.start_s = run.start_s,
			.bytes = buf_str(&bytes)};
		check(copy->ops->points_put(copy, &points, diag), diag);
	}
	check(copy->ops->commit(copy, diag), diag);
}

/* A host's minute in which each of a hundred instances was counted. */
static void *count_points(void *ctx)
{
	struct task *task = ctx;
	struct store *store = open_store(), *copy = store_memory_new();
	struct diag diag = {{0}};
	int64_t minute = 30000000;
	while (now_ms() < task->until_ms) {
		char name[NAME_BYTES];
		unsigned long host = roll(&task->dice) % hosts;
		fill_copy(copy, host, minute++, &diag);
		double from_ms = now_ms();
		int rc = outbox_send(copy, store, host_name(host, name), RUNS, &diag);
		if (rc == E_BUSY) {
			task->retried++;
			rc = outbox_send(copy, store, host_name(host, name), RUNS, &diag);
		}
		check(rc, &diag);
		note(&task->times, now_ms() - from_ms);
		task->done += RUNS;
	}
	store_free(copy);
	store_free(store);
	return NULL;
}

/* --- hearing --------------------------------------------------------------------------------- */

static double wait_told(struct postgres_listen *listen, double from_ms)
{
	struct diag diag = {{0}};
	unsigned told = 0;
	while (!told && now_ms() - from_ms < 5000) {
		struct pollfd fd = {.fd = postgres_listen_fd(listen), .events = POLLIN};
		(void)poll(&fd, 1, 1000); /* whatever it says, it is looked at */
		check(postgres_listen_read(listen, &told, &diag), &diag);
	}
	return told ? now_ms() - from_ms : -1;
}

static void hear(unsigned listeners, unsigned long changes, unsigned long instances)
{
	struct postgres_listen **all = calloc(listeners, sizeof(struct postgres_listen *));
	struct store *store = open_store();
	struct diag diag = {{0}};
	struct times commit = {0}, told = {0};
	unsigned long lost = 0;
	uint64_t dice = 88172645463325252U;
	double from_ms = now_ms();
	for (unsigned i = 0; i < listeners; i++) {
		char name[NAME_BYTES];
		check(postgres_listen_new(str_of(url), host_name(i, name), &all[i], &diag), &diag);
	}
	double opened_ms = now_ms() - from_ms;
	for (unsigned long n = 0; n < changes; n++) {
		unsigned long host = roll(&dice) % listeners;
		from_ms = now_ms();
		check(store->ops->begin(store, &diag), &diag);
		check(put(store, host * instances, host, (unsigned)n & 1, &diag), &diag);
		check(store->ops->commit(store, &diag), &diag);
		double at_ms = now_ms();
		note(&commit, at_ms - from_ms);
		double ms = wait_told(all[host], at_ms);
		lost += ms < 0;
		note(&told, ms);
	}
	(void)printf("{\"changes\": %lu, \"lost\": %lu, \"listeners\": %u, \"open_each_ms\": %.2f",
		changes, lost, listeners, opened_ms / listeners);
	print_times("commit", &commit);
	print_times("told", &told);
	(void)printf("}\n");
	for (unsigned i = 0; i < listeners; i++) {
		postgres_listen_free(all[i]);
	}
	free(all);
	store_free(store);
}

/* --- all ------------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	void *(*run)(void *ctx);
} works[] = {{"fill", fill}, {"change", change}, {"start", start}, {"check", ask},
	{"points", count_points}};

int main(int argc, char **argv)
{
	if (argc < 6) {
		(void)fprintf(
			stderr, "usage: bench_fleet URL WORK HOSTS A B [C]; see its source\n");
		return 2;
	}
	url = argv[1];
	hosts = strtoul(argv[3], NULL, 10);
	unsigned long a = strtoul(argv[4], NULL, 10), b = strtoul(argv[5], NULL, 10);
	unsigned long each = argc > 6 ? strtoul(argv[6], NULL, 10) : 100;
	bool is_fill = strcmp(argv[2], "fill") == 0, is_start = strcmp(argv[2], "start") == 0;
	if (a == 0 || each == 0 || hosts < (is_start ? a : 1)) {
		(void)fprintf(stderr, "bench_fleet: too few hosts, or nothing to do\n");
		return 2;
	}
	if (strcmp(argv[2], "hear") == 0) {
		hear((unsigned)a, b, each);
		return 0;
	}
	unsigned n = (unsigned)(is_fill ? b : a);
	struct task *tasks = calloc(n, sizeof *tasks);
	for (unsigned i = 0; tasks && i < n; i++) {
		tasks[i].instances = is_fill ? a : is_start ? b : each;
		tasks[i].until_ms = now_ms() + (double)b * 1e3;
		tasks[i].one_host = argc > 7;
	}
	for (size_t i = 0; tasks && i < sizeof works / sizeof works[0]; i++) {
		if (strcmp(argv[2], works[i].word) == 0) {
			double from_ms = now_ms();
			run_all(tasks, n, works[i].run);
			print_all(works[i].word, tasks, n, now_ms() - from_ms);
			return 0;
		}
	}
	return 2;
}
