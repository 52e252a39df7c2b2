/*
 * instructions - one kind of request, answered again and again, for callgrind to count what that
 * takes: tests/bench/instructions.py runs it.
 *
 * Client and worker share a thread and take turns, and the clock is a made one, so that the count is
 * the same in every run. Counted is what happens in http_worker_run() but not in play_client(), from
 * begin_counting() on; callgrind knows them by these names.
 *
 * Usage: bench_instructions kept|new|put COUNT
 *   kept  GET with a token over one kept connection
 *   new   GET with a token, each over a new connection that the client closes
 *   put   PUT for a token, each over a new connection that the client closes
 */
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "metadata/registry.h"
#include "rig.h"

#define WARM_UP      256
#define CLOCK_STEP   3000 /* nanoseconds between two looks at the clock */
#define CLOCK_FROM_S 1767225600

enum kind { KIND_KEPT, KIND_NEW, KIND_PUT };

static struct {
	struct rig rig;
	struct client client;
	struct request put;
	struct request get; /* once there is a token */
	enum kind kind;
	unsigned long left; /* exchanges still to be had, warming up included */
	unsigned long count;
	bool asked;
	sem_t done;
} run = {.client.fd = -1};

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
void begin_counting(void);
void play_client(void);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	static int64_t ns;
	(void)clock;
	ns += CLOCK_STEP;
	*ret_time = (struct timespec){CLOCK_FROM_S + ns / 1000000000, ns % 1000000000};
	return 0;
}

/* A place that callgrind recognises. */
__attribute__((noinline)) void begin_counting(void)
{
	__asm__ volatile("");
}

static void fail(const char *why)
{
	(void)fprintf(stderr, "bench_instructions: %s\n", why); /* nowhere else to say it */
	exit(EXIT_FAILURE);
}

static void take_token(const struct reply *reply)
{
	char token[TOKEN_TEXT_BYTES + 1];
	if (reply->body_bytes != TOKEN_TEXT_BYTES) {
		fail("that is no token");
	}
	memcpy(token, reply->body, TOKEN_TEXT_BYTES);
	token[TOKEN_TEXT_BYTES] = '\0';
	struct request_parts parts = {.server = &run.rig.server,
		.method = "GET",
		.path = "/latest/meta-data/instance-id",
		.field = TOKEN_FIELD,
		.value = token};
	if (request_build(&run.get, &parts) < 0) {
		fail("the request is too long");
	}
}

static void on_reply(const struct reply *reply)
{
	if (reply->status != 200) {
		fail("the status is not 200");
	}
	if (run.get.n == 0) {
		take_token(reply); /* of the first exchange, in all kinds */
	}
	run.left--;
	if (run.left == run.count) {
		begin_counting();
	}
	if (run.left == 0) {
		sem_post(&run.done);
	}
}

/* Between two waits of the worker: take the reply, if one is due, and ask the next. */
__attribute__((noinline)) void play_client(void)
{
	struct reply reply;
	if (run.left == 0) {
		return;
	}
	if (run.asked) {
		int rc = client_take(&run.client, &reply);
		if (rc == 0 && run.left > run.count) {
			return; /* the worker's first turns take its listeners */
		}
		if (rc <= 0) {
			fail(rc < 0 ? "a connection was cut off" : "a turn brought no reply");
		}
		on_reply(&reply);
		if (run.kind != KIND_KEPT) {
			client_close(&run.client);
		}
	}
	if (run.left == 0) {
		return;
	}
	const struct request *next = run.kind == KIND_PUT || run.get.n == 0 ? &run.put : &run.get;
	if (client_ask(&run.client, &run.rig, next) < 0) {
		fail("can't ask");
	}
	run.asked = true;
}

bool rig_before_wait(void)
{
	play_client();
	return true;
}

static enum kind kind_of(const char *text)
{
	static const char *const names[] = {"kept", "new", "put"};
	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			return (enum kind)i;
		}
	}
	fail("the kinds are kept, new and put");
	return KIND_KEPT;
}

static void put_sample(struct rig *rig)
{
	const struct instance_record record = {.token_epoch = 1, .changed_s = CLOCK_FROM_S};
	struct diag diag = {{0}};
	struct instance *instance;
	rig_must(instance_new(json_array_get(rig->config->instances, 0), &record, &rig->site, NULL,
			 &instance, &diag),
		"instance", &diag);
	rig_must(registry_put(rig->registry, instance, &diag), "registry", &diag);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fail("usage: bench_instructions kept|new|put COUNT");
	}
	run.kind = kind_of(argv[1]);
	run.count = strtoul(argv[2], NULL, 10);
	run.left = run.count + WARM_UP;
	sem_init(&run.done, 0, 0);
	rig_init(&run.rig, 1);
	put_sample(&run.rig);
	struct request_parts parts = {.server = &run.rig.server,
		.method = "PUT",
		.path = TOKEN_PATH,
		.field = TTL_FIELD,
		.value = "21600"};
	if (request_build(&run.put, &parts) < 0) {
		fail("the request is too long");
	}
	rig_start(&run.rig);
	while (sem_wait(&run.done) < 0 && errno == EINTR) {
	}
	rig_done(&run.rig);
	client_close(&run.client);
	return EXIT_SUCCESS;
}
