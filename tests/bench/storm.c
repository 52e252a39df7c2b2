/*
 * storm - the bench's boot storm: many guests, each from its own address, all at once, each going
 * through the requests of a boot one after another, every one on a new connection.
 *
 * What a guest asks is in a file of lines "METHOD PATH STATUS", guests separated by empty lines; when
 * there are fewer of these than guests, they are taken in turn. A PUT's reply is the token of the
 * guest's further requests. A guest that gets another status than the expected one, or none, is an
 * error, and over.
 *
 * Usage: storm PORT FIRST-ADDRESS GUESTS FILE
 *
 * Prints "ready", waits for a line on stdin, prints one JSON object, and ends when stdin does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"
#include "measure.h"

enum { BATCH = 512, TICK_MS = 100, REPLY_MAX_BYTES = 32768, GIVE_UP_S = 60 };

/* One request of a boot. */
struct step {
	char *text;
	size_t n;
	char *token; /* where the guest's token goes; NULL: it is the PUT */
	unsigned status;
};

struct boot {
	struct step *steps;
	size_t n;
};

struct guest {
	int fd;
	uint32_t source; /* host order */
	const struct boot *boot;
	size_t at; /* the step under way */
	bool waits_to_send;
	uint64_t start_ns; /* of the step */
	size_t got;
	char token[TOKEN_TEXT_BYTES];
	char reply[REPLY_MAX_BYTES];
};

struct storm {
	struct sockaddr_in server;
	struct boot *boots;
	size_t n_boots;
	struct guest *guests;
	size_t n_guests;
	size_t active;
	int epoll;
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t cpu_ns;
	uint64_t done;
	uint64_t errors;
	uint64_t body_bytes;
	char first_error[200];
	struct hist latency;
	struct hist guest_time;
};

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void *must(void *memory)
{
	if (memory == NULL) {
		fail("storm: memory");
	}
	return memory;
}

/* --- what to ask ------------------------------------------------------------------------------ */

static void add_step(struct storm *storm, struct boot *boot, const char *method, const char *path,
	unsigned status)
{
	static const char empty[] =
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; /* TOKEN_TEXT_BYTES */
	static struct request request;
	bool put = strcmp(method, "PUT") == 0;
	struct request_parts parts = {.server = &storm->server,
		.method = method,
		.path = path,
		.field = put ? TTL_FIELD : TOKEN_FIELD,
		.value = put ? "21600" : empty};
	struct step *step;
	char *field;

	_Static_assert(sizeof(empty) == TOKEN_TEXT_BYTES + 1, "as long as a token");
	if (request_build(&request, &parts) < 0) {
		(void)fputs("storm: a path is too long\n", stderr);
		exit(2);
	}
	boot->steps = must(realloc(boot->steps, (boot->n + 1) * sizeof(*boot->steps)));
	step = &boot->steps[boot->n++];
	step->text = must(strndup(request.text, request.n));
	step->n = request.n;
	step->status = status;
	step->token = NULL;
	if (!put) {
		field = must(strstr(step->text, TOKEN_FIELD));
		step->token = field + sizeof(TOKEN_FIELD) - 1;
	}
}

static struct boot *add_boot(struct storm *storm)
{
	storm->boots = must(realloc(storm->boots, (storm->n_boots + 1) * sizeof(*storm->boots)));
	storm->boots[storm->n_boots] = (struct boot){0};
	return &storm->boots[storm->n_boots++];
}

static void read_boots(struct storm *storm, const char *path)
{
	char line[2048], method[8], target[1600];
	struct boot *boot = NULL;
	FILE *file = fopen(path, "r");
	unsigned status;

	if (file == NULL) {
		fail(path);
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '\n') {
			boot = NULL;
			continue;
		}
		if (sscanf(line, "%7s %1599s %u", method, target, &status) != 3) {
			(void)fprintf(stderr, "storm: not a request: %s", line);
			exit(2);
		}
		boot = boot == NULL ? add_boot(storm) : boot;
		add_step(storm, boot, method, target, status);
	}
	(void)fclose(file); /* only read */
	if (storm->n_boots == 0) {
		(void)fputs("storm: nothing to ask\n", stderr);
		exit(2);
	}
}

/* --- one guest -------------------------------------------------------------------------------- */

static void guest_end(struct storm *storm, struct guest *guest, uint64_t now)
{
	if (guest->fd >= 0) {
		(void)close(guest->fd); /* nothing to be done about a failure */
	}
	guest->fd = -1;
	storm->active--;
	storm->end_ns = now;
}

__attribute__((format(printf, 3, 4))) static void guest_fail(
	struct storm *storm, struct guest *guest, const char *format, ...)
{
	const struct step *step = &guest->boot->steps[guest->at];
	size_t used;
	va_list args;

	if (storm->errors++ == 0) {
		va_start(args, format);
		(void)vsnprintf(storm->first_error, sizeof(storm->first_error), format, args);
		va_end(args);
		used = strlen(storm->first_error);
		(void)snprintf(storm->first_error + used, sizeof(storm->first_error) - used,
			" (step %zu: %.60s)", guest->at, step->text);
		for (char *p = storm->first_error; *p != '\0'; p++) {
			*p = *p < ' ' || *p == '"' || *p == '\\' ? ' ' : *p; /* it goes into JSON */
		}
	}
	guest_end(storm, guest, now_ns());
}

static void watch(const struct storm *storm, struct guest *guest, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = guest};

	if (epoll_ctl(storm->epoll, op, guest->fd, &event) < 0) {
		fail("storm: epoll_ctl");
	}
}

/* Returns whether all of it went out; otherwise errno says why. */
static bool send_step(struct guest *guest)
{
	const struct step *step = &guest->boot->steps[guest->at];

	if (step->token != NULL) {
		memcpy(step->token, guest->token, TOKEN_TEXT_BYTES); /* others' is sent already */
	}
	return send(guest->fd, step->text, step->n, MSG_NOSIGNAL) == (ssize_t)step->n;
}

static void guest_ask(struct storm *storm, struct guest *guest)
{
	const char *what;

	guest->got = 0;
	guest->start_ns = now_ns();
	guest->fd = connect_from(&storm->server, guest->source, SOCK_NONBLOCK, &what);
	if (guest->fd < 0) {
		guest_fail(storm, guest, "%s: %s", what, strerror(errno));
		return;
	}
	guest->waits_to_send = !send_step(guest);
	if (guest->waits_to_send && errno != EAGAIN && errno != ENOTCONN) {
		guest_fail(storm, guest, "send: %s", strerror(errno));
		return;
	}
	watch(storm, guest, EPOLL_CTL_ADD, guest->waits_to_send ? EPOLLOUT : EPOLLIN);
}

static void on_reply(struct storm *storm, struct guest *guest, const struct reply *reply)
{
	const struct step *step = &guest->boot->steps[guest->at];
	uint64_t now = now_ns();

	if (reply->status != step->status) {
		guest_fail(storm, guest, "status %u, not %u", reply->status, step->status);
		return;
	}
	if (step->token == NULL) {
		if (reply->body_bytes != TOKEN_TEXT_BYTES) {
			guest_fail(storm, guest, "a token of %zu bytes", reply->body_bytes);
			return;
		}
		memcpy(guest->token, reply->body, TOKEN_TEXT_BYTES);
	}
	hist_add(&storm->latency, now - guest->start_ns);
	storm->done++;
	storm->body_bytes += reply->body_bytes;
	if (++guest->at == guest->boot->n) {
		hist_add(&storm->guest_time, now - storm->begin_ns);
		guest_end(storm, guest, now);
		return;
	}
	(void)close(guest->fd); /* as a client that is done with it does */
	guest_ask(storm, guest);
}

static void on_readable(struct storm *storm, struct guest *guest)
{
	ssize_t n =
		recv(guest->fd, guest->reply + guest->got, sizeof(guest->reply) - guest->got, 0);
	struct reply reply;
	int complete;

	if (n < 0 && errno == EAGAIN) {
		return;
	}
	if (n <= 0) {
		guest_fail(storm, guest, "recv: %s", n == 0 ? "the end" : strerror(errno));
		return;
	}
	guest->got += (size_t)n;
	complete = reply_parse(guest->reply, guest->got, &reply);
	if (complete > 0) {
		on_reply(storm, guest, &reply);
	} else if (complete < 0 || guest->got == sizeof(guest->reply)) {
		guest_fail(storm, guest, "no reply we count in %zu bytes", guest->got);
	}
}

static void on_event(struct storm *storm, struct guest *guest)
{
	if (guest->fd < 0) {
		return;
	}
	if (!guest->waits_to_send) {
		on_readable(storm, guest);
		return;
	}
	guest->waits_to_send = false;
	if (send_step(guest)) {
		watch(storm, guest, EPOLL_CTL_MOD, EPOLLIN);
	} else {
		guest_fail(storm, guest, "send: %s", strerror(errno));
	}
}

/* --- all of them ------------------------------------------------------------------------------ */

static void run(struct storm *storm)
{
	struct epoll_event events[BATCH];
	uint64_t give_up_ns = storm->begin_ns + GIVE_UP_S * NS_PER_S;

	for (size_t i = 0; i < storm->n_guests; i++) {
		guest_ask(storm, &storm->guests[i]);
	}
	while (storm->active > 0) {
		int n = epoll_wait(storm->epoll, events, BATCH, TICK_MS);

		for (int i = 0; i < n; i++) {
			on_event(storm, events[i].data.ptr);
		}
		if (now_ns() > give_up_ns) {
			(void)snprintf(storm->first_error, sizeof(storm->first_error),
				"%zu guests were not done in time", storm->active);
			storm->errors += storm->active;
			return;
		}
	}
}

static void print_result(const struct storm *storm)
{
	printf("{\"done\": %llu, \"errors\": %llu, \"first_error\": \"%s\", \"guests\": %zu, "
	       "\"body_bytes\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu, ",
		(unsigned long long)storm->done, (unsigned long long)storm->errors,
		storm->first_error, storm->n_guests, (unsigned long long)storm->body_bytes,
		(unsigned long long)(storm->end_ns - storm->begin_ns),
		(unsigned long long)storm->cpu_ns);
	printf("\"p50_ns\": %llu, \"p99_ns\": %llu, \"p999_ns\": %llu, \"max_ns\": %llu, "
	       "\"guest_p50_ns\": %llu, \"guest_p99_ns\": %llu}\n",
		(unsigned long long)hist_quantile(&storm->latency, 500),
		(unsigned long long)hist_quantile(&storm->latency, 990),
		(unsigned long long)hist_quantile(&storm->latency, 999),
		(unsigned long long)storm->latency.max,
		(unsigned long long)hist_quantile(&storm->guest_time, 500),
		(unsigned long long)hist_quantile(&storm->guest_time, 990));
	(void)fflush(stdout); /* a caller that has gone needs no result */
}

static void prepare(struct storm *storm, char **argv)
{
	struct in_addr first;
	int guests = atoi(argv[3]);

	if (inet_pton(AF_INET, argv[2], &first) != 1 || guests < 1 || guests > 100000) {
		(void)fputs("storm: not an address, or no number of guests\n", stderr);
		exit(2);
	}
	storm->server = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	read_boots(storm, argv[4]);
	storm->n_guests = storm->active = (size_t)guests;
	storm->guests = must(calloc(storm->n_guests, sizeof(*storm->guests)));
	storm->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (storm->epoll < 0) {
		fail("storm: epoll_create1");
	}
	for (size_t i = 0; i < storm->n_guests; i++) {
		storm->guests[i].fd = -1;
		storm->guests[i].source = ntohl(first.s_addr) + (uint32_t)i;
		storm->guests[i].boot = &storm->boots[i % storm->n_boots];
	}
}

int main(int argc, char **argv)
{
	static struct storm storm; /* too large for a stack */
	uint64_t cpu_ns;

	if (argc != 5) {
		(void)fputs("usage: storm PORT FIRST-ADDRESS GUESTS FILE\n", stderr);
		return 2;
	}
	prepare(&storm, argv);
	(void)puts("ready");
	(void)fflush(stdout); /* whoever does not get it will not send us on */
	if (!wait_for_line()) {
		return EXIT_FAILURE;
	}
	(void)alarm(2 * GIVE_UP_S);
	cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	storm.begin_ns = storm.end_ns = now_ns();
	run(&storm);
	storm.cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	(void)alarm(0);
	print_result(&storm);
	while (wait_for_line()) {
	}
	return storm.errors == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
