/*
 * Workers that look up, ask and hold while the writer puts, moves, swaps, removes and reclaims. What
 * the sanitizers find here is as much the test as what is asserted.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/metadata_help.h"

#include "metadata/service.h"

#define WORKERS 3
#define ROUNDS  3000
#define CHURN   16 /* instances that come and go */
#define HELD    32 /* entries that a worker holds at once */

struct shared {
	struct registry *registry;
	struct service service;
	_Atomic bool done;
	_Atomic unsigned faults;
	_Atomic uint64_t lookups;
	_Atomic(struct entry *) wanted; /* what the signer shall sign, held */
};

struct worker {
	struct shared *shared;
	struct service_worker *service;
	struct entry *held[HELD];
	unsigned index;
	uint64_t random;
	pthread_t thread;
};

/* cmocka's assertions belong to the thread that runs the test. */
static void must(struct shared *shared, bool holds, int line)
{
	if (!holds) {
		print_error("line %d does not hold\n", line);
		atomic_fetch_add(&shared->faults, 1);
	}
}

#define MUST(shared, condition) must(shared, condition, __LINE__)

static unsigned draw(uint64_t *random, unsigned below)
{
	*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*random >> 33) % below;
}

static struct entry *lookup(struct shared *shared, unsigned last_byte)
{
	struct ipaddr addr = {{[10] = 0xff, 0xff, 10, 0, 0, (uint8_t)last_byte}};
	atomic_fetch_add_explicit(&shared->lookups, 1, memory_order_relaxed);
	return registry_lookup(shared->registry, STR_EMPTY, STR_EMPTY, &addr);
}

/* --- the workers ------------------------------------------------------------------------------- */

/* It is moved and changed all the time, but never gone. */
static void look_for_the_steady_one(struct shared *shared)
{
	struct entry *entry = lookup(shared, 1);
	const struct instance *instance = entry ? entry_instance(entry) : NULL;
	MUST(shared, instance && str_eq(instance->name, STR("steady")));
}

/* One of the two that swap, or nobody, but never the one with the network around them. */
static void look_for_the_swapping_ones(struct shared *shared)
{
	for (unsigned last = 2; last <= 3; last++) {
		struct entry *entry = lookup(shared, last);
		const struct instance *instance = entry ? entry_instance(entry) : NULL;
		MUST(shared, !instance || str_starts(instance->name, STR("swap-")));
	}
	struct entry *entry = lookup(shared, 4);
	MUST(shared, entry && str_eq(entry_instance(entry)->name, STR("all")));
}

static void ask(struct worker *worker, struct entry *entry)
{
	static const char *const targets[] = {"/latest/meta-data/", "/latest/meta-data/instance-id",
		"/latest/user-data", "/latest/dynamic/instance-identity/signature", "/x", "/"};
	struct service_request request = {.method = SERVICE_GET,
		.target = str_of(targets[draw(&worker->random, 6)]),
		.now_ns = INT64_C(1700000000000000000)};
	struct service_reply reply = {0};
	int rc = service_answer(&worker->shared->service, worker->service, entry, &request, &reply);
	MUST(worker->shared, rc == 0 || rc == E_AGAIN);
	/* The reply's bytes are there until the worker's next turn. */
	size_t sum = 0;
	for (size_t i = 0; rc == 0 && i < reply.value.n; i++) {
		sum += (unsigned char)reply.value.p[i];
	}
	MUST(worker->shared, rc != 0 || reply.value.n == 0 || sum > 0);
}

/* Hold what is found, or let go; what is held is used after it may have been removed. */
static void hold_and_let_go(struct worker *worker)
{
	struct entry **place = &worker->held[draw(&worker->random, HELD)];
	if (*place) {
		const struct instance *instance = entry_instance(*place);
		struct stats *stats = entry_stats(*place, worker->index);
		MUST(worker->shared, !instance || instance->name.n >= INSTANCE_NAME_MIN);
		if (stats) {
			stats_add(stats, STATS_TOKENS_ISSUED);
		}
		ask(worker, *place);
		atomic_fetch_sub_explicit(&(*place)->holds, 1, memory_order_release);
		*place = NULL;
		return;
	}
	struct entry *entry = lookup(worker->shared, 100 + draw(&worker->random, CHURN));
	if (entry) {
		atomic_fetch_add_explicit(&entry->holds, 1, memory_order_relaxed);
		*place = entry;
	}
}

static void *work(void *ctx)
{
	struct worker *worker = ctx;
	struct registry *registry = worker->shared->registry;
	while (!atomic_load(&worker->shared->done)) {
		registry_turn(registry, worker->index);
		for (int i = 0; i < 20; i++) {
			look_for_the_steady_one(worker->shared);
			look_for_the_swapping_ones(worker->shared);
			ask(worker, lookup(worker->shared, draw(&worker->random, 120)));
			hold_and_let_go(worker);
		}
		if (draw(&worker->random, 8) == 0) {
			registry_idle(registry, worker->index);
		}
	}
	registry_turn(registry, worker->index);
	for (size_t i = 0; i < HELD; i++) {
		if (worker->held[i]) {
			atomic_fetch_sub_explicit(&worker->held[i]->holds, 1, memory_order_release);
		}
	}
	registry_idle(registry, worker->index);
	return NULL;
}

/* --- the signer -------------------------------------------------------------------------------- */

/* Called by a worker in its turn: hold the entry for the signer, unless that one is busy. */
static void on_want(void *ctx, struct entry *entry, struct str document)
{
	struct shared *shared = ctx;
	struct entry *none = NULL;
	MUST(shared, document.n > 0);
	atomic_fetch_add_explicit(&entry->holds, 1, memory_order_relaxed);
	if (!atomic_compare_exchange_strong(&shared->wanted, &none, entry)) {
		atomic_fetch_sub_explicit(&entry->holds, 1, memory_order_release);
	}
}

static void *sign(void *ctx)
{
	struct shared *shared = ctx;
	while (!atomic_load(&shared->done)) {
		struct entry *entry = atomic_load(&shared->wanted);
		if (!entry) {
			sched_yield();
			continue;
		}
		struct signed_document *document = calloc(1, sizeof *document);
		if (document) {
			document->document = STR("not what was asked for");
			registry_signed(shared->registry, entry, document);
		}
		atomic_fetch_sub_explicit(&entry->holds, 1, memory_order_release);
		atomic_store(&shared->wanted, NULL);
	}
	return NULL;
}

/* --- the writer -------------------------------------------------------------------------------- */

static void put(struct registry *registry, const char *format, ...) PRINTF_LIKE(2, 3);

static void put(struct registry *registry, const char *format, ...)
{
	char spec[512];
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(spec, sizeof spec, format, ap);
	va_end(ap);
	assert_int_equal(registry_put(registry, help_instance(spec), NULL), 0);
}

static void move_the_steady_one(struct registry *registry, unsigned round)
{
	put(registry,
		"{'name': 'steady', 'match': {'addresses': ['10.0.0.1', '10.0.1.%u', 'fd00::%x/%u']},"
		" 'tags': {'round': '%u'}}",
		round % 256, (round % 16) << 12,
		116 + round % 4 * 4 > 124 ? 128 : 116 + round % 4 * 4, round);
}

static void swap(struct registry *registry, unsigned round)
{
	registry_detach(registry, STR("swap-a"));
	registry_detach(registry, STR("swap-b"));
	put(registry, "{'name': 'swap-a', 'match': {'addresses': ['10.0.0.%u']}}", 2 + round % 2);
	put(registry, "{'name': 'swap-b', 'match': {'addresses': ['10.0.0.%u']}}", 3 - round % 2);
}

static void churn(struct registry *registry, unsigned which)
{
	char name[16];
	(void)snprintf(name, sizeof name, "churn-%u", which);
	if (registry_remove(registry, str_of(name)) < 0) {
		put(registry,
			"{'name': '%s', 'userDataBase64': 'aGkK', 'match': {'addresses': ['10.0.0.%u']}}",
			name, 100 + which);
	}
}

static void write_all(struct registry *registry)
{
	uint64_t random = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		move_the_steady_one(registry, round);
		if (round % 3 == 0) {
			swap(registry, round / 3);
		}
		churn(registry, draw(&random, CHURN));
		churn(registry, draw(&random, CHURN));
		if (round % 2 == 0) {
			(void)registry_reclaim(registry);
		}
	}
}

/* A change is in force for all when registry_passed() says so, and that is soon. */
static void wait_for_mark(struct registry *registry)
{
	uint64_t mark = registry_mark(registry);
	while (!registry_passed(registry, mark)) {
		sched_yield();
	}
}

/* --- all together ------------------------------------------------------------------------------ */

static void start(struct worker *worker, struct shared *shared, unsigned index)
{
	struct secret secret;
	worker->shared = shared;
	worker->index = index;
	worker->random = index + 99;
	worker->service = calloc(1, sizeof *worker->service);
	assert_non_null(worker->service);
	worker->service->index = index;
	assert_int_equal(secret_init(&secret, TOKEN_KEY_BYTES), 0);
	assert_int_equal(token_keys_init(&worker->service->keys, &secret, 1), 0);
	secret_done(&secret);
	service_limit(worker->service, (struct service_throttle){1000000, 1000000});
	assert_int_equal(pthread_create(&worker->thread, NULL, work, worker), 0);
}

static void stop(struct worker *worker)
{
	assert_int_equal(pthread_join(worker->thread, NULL), 0);
	token_keys_done(&worker->service->keys);
	free(worker->service);
}

static void readers_beside_a_writer(void **state)
{
	(void)state;
	static struct shared shared;
	static struct worker workers[WORKERS];
	pthread_t signer;
	shared.registry = registry_new(WORKERS);
	assert_non_null(shared.registry);
	shared.service = (struct service){.registry = shared.registry,
		.nobody = calloc(1, sizeof(struct entry) + WORKERS * sizeof(struct stats *)),
		.want_signature = on_want,
		.ctx = &shared};
	put(shared.registry, "{'name': 'all', 'match': {'addresses': ['10.0.0.0/8']}}");
	put(shared.registry, "{'name': 'swap-a', 'match': {'addresses': ['10.0.0.2']}}");
	put(shared.registry, "{'name': 'swap-b', 'match': {'addresses': ['10.0.0.3']}}");
	move_the_steady_one(shared.registry, 0);
	for (unsigned i = 0; i < WORKERS; i++) {
		start(&workers[i], &shared, i);
	}
	assert_int_equal(pthread_create(&signer, NULL, sign, &shared), 0);
	write_all(shared.registry);
	wait_for_mark(shared.registry);
	atomic_store(&shared.done, true);
	for (unsigned i = 0; i < WORKERS; i++) {
		stop(&workers[i]);
	}
	assert_int_equal(pthread_join(signer, NULL), 0);
	struct entry *wanted = atomic_load(&shared.wanted);
	if (wanted) {
		atomic_fetch_sub(&wanted->holds, 1);
	}
	print_message("%llu lookups beside %d rounds of changes\n",
		(unsigned long long)atomic_load(&shared.lookups), ROUNDS);
	assert_int_equal(atomic_load(&shared.faults), 0);
	assert_int_equal(registry_reclaim(shared.registry), 0);
	free(shared.service.nobody);
	registry_free(shared.registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_beside_a_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
