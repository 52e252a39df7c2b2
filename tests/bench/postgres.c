/*
 * How many changes a second a fleet's store takes: bench_postgres URL, of a PostgreSQL and an empty
 * database. Writers are processes, on one host's instances or each on its own host's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

#define WRITERS_MOST 16
#define RUN_S        3
#define ROWS         100 /* of each writer */
#define SPEC_BYTES   600
#define BATCH        1000

static void must(int rc, const struct diag *diag)
{
	if (rc < 0) {
		(void)fprintf(stderr, "bench_postgres: %s: %s\n", result_name(rc), diag->text);
		exit(1);
	}
}

static double now_s(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int change(struct store *store, unsigned writer, unsigned row, const char *host)
{
	static char spec[SPEC_BYTES];
	char name[32];
	struct diag diag = {{0}};
	(void)snprintf(name, sizeof name, "w%u-%u", writer, row);
	memset(spec, 'x', sizeof spec);
	struct store_instance instance = {
		.name = str_of(name), .spec = {spec, sizeof spec}, .host = str_of(host)};
	int rc = store->ops->begin(store, &diag);
	rc = rc < 0 ? rc : store->ops->instance_put(store, &instance, STORE_ANY, &diag);
	rc = rc < 0 ? rc : store->ops->commit(store, &diag);
	store->ops->rollback(store);
	if (rc != E_BUSY) {
		must(rc, &diag);
	}
	return rc;
}

static void write_for_a_while(const char *url, unsigned writer, const char *host, unsigned *changes)
{
	struct store *store = NULL;
	struct diag diag = {{0}};
	must(store_open(str_of(url), &store, &diag), &diag);
	for (unsigned i = 0; i < ROWS / 10; i++) { /* until its statements are prepared */
		(void)change(store, writer, i, host);
	}
	double end_s = now_s() + RUN_S;
	for (unsigned i = 0; now_s() < end_s; i++) {
		*changes += change(store, writer, i % ROWS, host) == 0;
	}
	store_free(store);
	_exit(0);
}

static void run(const char *url, unsigned writers, bool one_host)
{
	unsigned *changes = mmap(NULL, WRITERS_MOST * sizeof *changes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned sum = 0;
	if (changes == MAP_FAILED) {
		exit(1);
	}
	for (unsigned i = 0; i < writers; i++) {
		char host[16];
		(void)snprintf(host, sizeof host, "host-%u", one_host ? 0 : i);
		if (fork() == 0) {
			write_for_a_while(url, i, host, &changes[i]);
		}
	}
	while (wait(NULL) > 0) {
	}
	for (unsigned i = 0; i < writers; i++) {
		sum += changes[i];
	}
	(void)munmap(changes, WRITERS_MOST * sizeof *changes);
	(void)printf("%2u writers, %s: %u changes/s, %.2f ms each\n", writers,
		one_host ? "one host" : "a host each", sum / RUN_S,
		1e3 * RUN_S * writers / (sum ? sum : 1));
}

/* A minute's flush of so many instances. */
static void run_points(const char *url)
{
	struct store *store = NULL;
	struct diag diag = {{0}};
	char bytes[100] = {0};
	must(store_open(str_of(url), &store, &diag), &diag);
	double start_s = now_s();
	must(store->ops->begin(store, &diag), &diag);
	for (unsigned i = 0; i < BATCH; i++) {
		char id[32];
		(void)snprintf(id, sizeof id, "i-%u", i);
		struct store_points points = {str_of(id), 60, 0, {bytes, sizeof bytes}};
		must(store->ops->points_put(store, &points, &diag), &diag);
	}
	must(store->ops->commit(store, &diag), &diag);
	(void)printf("%u runs of points in one transaction: %.1f ms\n", BATCH,
		1e3 * (now_s() - start_s));
	store_free(store);
}

int main(int argc, char *argv[])
{
	static const unsigned writers[] = {1, 4, WRITERS_MOST};
	if (argc != 2) {
		(void)fprintf(stderr, "usage: bench_postgres postgresql://…\n");
		return 2;
	}
	for (size_t i = 0; i < 2 * sizeof writers / sizeof writers[0]; i++) {
		run(argv[1], writers[i / 2], i % 2 == 0);
	}
	run_points(argv[1]);
	return 0;
}
