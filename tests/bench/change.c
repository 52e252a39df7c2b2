/*
 * change - how long one option's change takes from the store's commit until it is in force in busy
 * workers, among N instances.
 *
 * Everything is what the daemon runs: registrar, SQLite store, registry, workers, sockets. Each
 * worker also plays the clients that keep it busy (rig.h), and has the cores that were given but the
 * last, where changes are made. Clients ask without a token; a change makes tokens required or
 * optional for one of the instances that are being asked, so the first reply with the other status
 * is the first request that saw it.
 *
 * Usage: bench_change FOLDER INSTANCES CORE,CORE…
 *
 * Prints {"load_s": …, …} once the instances are loaded; then, for each line with a number on stdin,
 * makes so many changes and prints their times in microseconds since the commit:
 *   published  the registrar is done
 *   seen       a client has a reply that is different
 *   passed     every worker has begun a turn since: no reader is left that has the old state
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/registrar.h"
#include "platform/clock.h"
#include "rig.h"

#define CLIENTS       32 /* of each worker */
#define WORKERS_MAX   16
#define CORES_MAX     (WORKERS_MAX + 1)
#define ROWS_AT_ONCE  20000
#define FIRST_ADDRESS ((127u << 24) + (1u << 16) + 1) /* 127.1.0.1 */
#define WAIT_NS       UINT64_C(5000000000)
#define NS_PER_US     1000.0

struct asker {
	struct client client;
	unsigned long instance;
	_Atomic unsigned status;     /* of the last reply */
	_Atomic uint64_t changed_ns; /* when the status became another */
	_Atomic unsigned long replies;
};

static struct {
	struct rig rig;
	struct store *store;
	struct store_ops ops; /* the store's own, but for commit */
	int (*commit)(struct store *store, struct diag *diag);
	struct registrar *registrar;
	unsigned long n_instances;
	int cores[CORES_MAX];
	unsigned n_workers;
	struct request get;
	struct asker askers[WORKERS_MAX][CLIENTS];
	_Atomic unsigned numbered; /* workers that know who they are */
	pthread_mutex_t lock;      /* protects running and ending */
	pthread_cond_t changed;
	_Atomic bool running; /* also read without the lock: a moment late is fine */
	bool ending;
	uint64_t committed_ns;
} bench;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* --- instances ------------------------------------------------------------------------------- */

static void name_of(unsigned long i, char name[32])
{
	(void)snprintf(name, 32, "guest-%07lu", i); /* fits */
}

static void address_of(unsigned long i, char address[16])
{
	uint32_t a = FIRST_ADDRESS + (uint32_t)i;
	(void)snprintf(address, 16, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
		a & 255); /* fits */
}

static void put_row(unsigned long i, int64_t now_s)
{
	char name[32], address[16], spec[256];
	struct diag diag = {{0}};
	name_of(i, name);
	address_of(i, address);
	int n = snprintf(spec, sizeof spec,
		"{\"name\":\"%s\",\"match\":{\"addresses\":[\"%s/32\"]},"
		"\"metadataOptions\":{\"httpTokens\":\"optional\"},\"tags\":{\"env\":\"bench\"}}",
		name, address);
	struct store_instance row = {.name = str_of(name),
		.spec = {spec, (size_t)n},
		.token_epoch = 1,
		.created_s = now_s,
		.launched_s = now_s,
		.changed_s = now_s};
	rig_must(bench.store->ops->instance_put(bench.store, &row, STORE_ANY, &diag), "store",
		&diag);
}

static void fill_store(void)
{
	struct diag diag = {{0}};
	int64_t now_s = clock_wall_s();
	for (unsigned long i = 0; i < bench.n_instances;) {
		rig_must(bench.store->ops->begin(bench.store, &diag), "store", &diag);
		do {
			put_row(i++, now_s);
		} while (i % ROWS_AT_ONCE && i < bench.n_instances);
		rig_must(bench.store->ops->commit(bench.store, &diag), "store", &diag);
	}
}

/* --- the clients that a worker plays --------------------------------------------------------- */

static void play(struct asker *asker)
{
	struct reply reply;
	int rc = asker->client.fd < 0 ? 1 : client_take(&asker->client, &reply);
	if (rc == 0) {
		return;
	}
	if (rc < 0) {
		client_close(&asker->client);
	} else if (asker->client.fd >= 0) {
		if (reply.status != atomic_load(&asker->status)) {
			atomic_store(&asker->changed_ns, now_ns());
			atomic_store(&asker->status, reply.status);
		}
		atomic_fetch_add(&asker->replies, 1);
	}
	if (client_ask(&asker->client, &bench.rig, &bench.get) < 0) {
		client_close(&asker->client); /* the next turn tries again */
	}
}

/* Wait while nothing is measured, without connections that could grow old. */
static void rest(struct asker askers[CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		client_close(&askers[i].client);
		atomic_store(&askers[i].status, 0);
	}
	pthread_mutex_lock(&bench.lock);
	while (!bench.running && !bench.ending) {
		pthread_cond_wait(&bench.changed, &bench.lock);
	}
	pthread_mutex_unlock(&bench.lock);
}

bool rig_before_wait(void)
{
	static _Thread_local struct asker *askers;
	if (!askers) {
		askers = bench.askers[atomic_fetch_add(&bench.numbered, 1)];
	}
	if (!bench.running) {
		rest(askers);
		return false;
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		play(&askers[i]);
	}
	return false; /* busy: there is always something */
}

static void set_running(bool running)
{
	pthread_mutex_lock(&bench.lock);
	bench.running = running;
	pthread_cond_broadcast(&bench.changed);
	pthread_mutex_unlock(&bench.lock);
}

static void place_askers(void)
{
	unsigned long all = (unsigned long)bench.n_workers * CLIENTS;
	for (unsigned long i = 0; i < all; i++) {
		struct asker *asker = &bench.askers[i / CLIENTS][i % CLIENTS];
		asker->instance = i * bench.n_instances / all;
		asker->client.fd = -1;
		asker->client.source = FIRST_ADDRESS + (uint32_t)asker->instance;
	}
}

/* --- changes --------------------------------------------------------------------------------- */

static int on_commit(struct store *store, struct diag *diag)
{
	int rc = bench.commit(store, diag);
	bench.committed_ns = now_ns();
	return rc;
}

/* Note the moment of each commit from now on. */
static void watch_commits(void)
{
	bench.ops = *bench.store->ops;
	bench.commit = bench.ops.commit;
	bench.ops.commit = on_commit;
	bench.store->ops = &bench.ops;
}

static void await_status(const struct asker *asker, unsigned status)
{
	uint64_t until = now_ns() + WAIT_NS;
	while (atomic_load(&asker->status) != status) {
		rig_must(now_ns() > until ? -ETIMEDOUT : 0, "a reply with the other status", NULL);
	}
}

/* Microseconds from the commit on. */
struct times {
	double published;
	double seen;
	double passed;
};

static double since_commit(uint64_t ns)
{
	return ((double)ns - (double)bench.committed_ns) / NS_PER_US;
}

static struct times change_one(const struct asker *asker)
{
	bool optional = atomic_load(&asker->status) == 200;
	struct diag diag = {{0}};
	struct times times;
	char name[32];
	name_of(asker->instance, name);
	json_t *changes = json_pack("{s:s}", "httpTokens", optional ? "required" : "optional");
	const struct deed deed = {.at_ms = clock_wall_s() * 1000,
		.who = STR("bench"),
		.from = STR("bench"),
		.action = STR("lightsail:UpdateInstanceMetadataOptions"),
		.operation_type = "UpdateInstanceMetadataOptions",
		.operations = json_array()};
	rig_must(registrar_options(bench.registrar, &deed, str_of(name), changes, &diag),
		"registrar", &diag);
	times.published = since_commit(now_ns());
	uint64_t mark = registry_mark(bench.rig.registry);
	while (!registry_passed(bench.rig.registry, mark)) {
	}
	times.passed = since_commit(now_ns());
	await_status(asker, optional ? 401 : 200);
	times.seen = since_commit(atomic_load(&asker->changed_ns));
	json_decref(deed.operations);
	json_decref(changes);
	registrar_tick(bench.registrar);
	return times;
}

static unsigned long count_replies(void)
{
	unsigned long n = 0;
	for (unsigned w = 0; w < bench.n_workers; w++) {
		for (unsigned i = 0; i < CLIENTS; i++) {
			n += atomic_load(&bench.askers[w][i].replies);
		}
	}
	return n;
}

/* Every client has had a reply. */
static void await_all(void)
{
	uint64_t until = now_ns() + WAIT_NS;
	for (unsigned w = 0; w < bench.n_workers; w++) {
		for (unsigned i = 0; i < CLIENTS; i++) {
			while (atomic_load(&bench.askers[w][i].status) == 0) {
				rig_must(now_ns() > until ? -ETIMEDOUT : 0, "first replies", NULL);
			}
		}
	}
}

static void print_list(const char *name, const double *values, size_t n)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < n; i++) {
		printf("%s%.2f", i ? ", " : "", values[i]);
	}
	printf("]");
}

static void make_changes(size_t n)
{
	static double published[1000], seen[1000], passed[1000];
	static unsigned next;
	n = n < 1000 ? n : 1000;
	set_running(true);
	await_all();
	unsigned long replies = count_replies();
	uint64_t begin_ns = now_ns();
	for (size_t i = 0; i < n; i++, next++) {
		struct times times =
			change_one(&bench.askers[next % bench.n_workers][next * 7 % CLIENTS]);
		published[i] = times.published;
		seen[i] = times.seen;
		passed[i] = times.passed;
	}
	double rate = (double)(count_replies() - replies) / (double)(now_ns() - begin_ns) * 1e9;
	set_running(false);
	printf("{\"rate\": %.0f, ", rate);
	print_list("published_us", published, n);
	printf(", ");
	print_list("seen_us", seen, n);
	printf(", ");
	print_list("passed_us", passed, n);
	printf("}\n");
	(void)fflush(stdout); /* a caller that has gone needs no result */
}

/* --- life ------------------------------------------------------------------------------------ */

static void stay_on(const int *cores, unsigned n)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (unsigned i = 0; i < n; i++) {
		CPU_SET((size_t)cores[i], &set);
	}
	rig_must(sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0, "cores", NULL);
}

static void read_cores(char *text)
{
	unsigned n = 0;
	for (char *one = strtok(text, ","); one && n < CORES_MAX; one = strtok(NULL, ",")) {
		bench.cores[n++] = atoi(one);
	}
	rig_must(n < 2 ? -EINVAL : 0, "two cores are needed", NULL);
	bench.n_workers = n - 1;
}

static void load(const char *folder)
{
	char url[512];
	struct diag diag = {{0}};
	(void)snprintf(url, sizeof url, "sqlite:///%s/change.db", folder); /* else it won't open */
	rig_must(store_open(str_of(url), &bench.store, &diag), "store", &diag);
	fill_store();
	bench.registrar =
		registrar_new(bench.rig.registry, bench.store, &bench.rig.site, clock_wall_s);
	rig_must(bench.registrar ? 0 : -ENOMEM, "registrar", NULL);
	uint64_t begin_ns = now_ns();
	rig_must(registrar_load(bench.registrar, &diag), "store", &diag);
	printf("{\"instances\": %zu, \"workers\": %u, \"load_s\": %.3f}\n",
		registry_count(bench.rig.registry), bench.n_workers,
		(double)(now_ns() - begin_ns) / 1e9);
	(void)fflush(stdout); /* a caller that has gone needs no result */
	watch_commits();
}

int main(int argc, char **argv)
{
	char line[32];
	if (argc != 4) {
		(void)fputs("usage: bench_change FOLDER INSTANCES CORE,CORE...\n", stderr);
		return 2;
	}
	bench.n_instances = strtoul(argv[2], NULL, 10);
	read_cores(argv[3]);
	pthread_mutex_init(&bench.lock, NULL);
	pthread_cond_init(&bench.changed, NULL);
	rig_init(&bench.rig, bench.n_workers);
	place_askers();
	struct request_parts parts = {.server = &bench.rig.server,
		.method = "GET",
		.path = "/latest/meta-data/instance-id"};
	rig_must(request_build(&bench.get, &parts), "request", NULL);
	load(argv[1]);
	stay_on(bench.cores, bench.n_workers);
	rig_start(&bench.rig);
	stay_on(bench.cores + bench.n_workers, 1);
	while (fgets(line, sizeof line, stdin)) {
		make_changes(strtoul(line, NULL, 10));
	}
	pthread_mutex_lock(&bench.lock);
	bench.ending = true;
	pthread_cond_broadcast(&bench.changed);
	pthread_mutex_unlock(&bench.lock);
	/* The rest goes with the process; a million instances are slow to free one by one. */
	data_plane_free(bench.rig.plane);
	store_free(bench.store);
	return EXIT_SUCCESS;
}
