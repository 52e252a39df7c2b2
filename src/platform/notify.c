#include "platform/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES (NOTIFY_STATUS_BYTES + 96)
#define US_PER_MS     1000
#define US_PER_S      1000000
#define NS_PER_US     1000

/* A path, or with '@' a name in the abstract namespace. */
static int set_address(struct notify *notify, struct str text, struct diag *diag)
{
	if (text.n < 2 || (text.p[0] != '/' && text.p[0] != '@') ||
		text.n >= sizeof notify->addr_.sun_path) {
		return diag_set(diag, E_SYNTAX,
			"NOTIFY_SOCKET: must be a path or @NAME, of at most %zu characters",
			sizeof notify->addr_.sun_path - 1);
	}
	notify->addr_ = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(notify->addr_.sun_path, text.p, text.n);
	if (text.p[0] == '@') {
		notify->addr_.sun_path[0] = '\0';
	}
	notify->addr_bytes_ = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + text.n);
	return 0;
}

static int set_watchdog(struct notify *notify, struct diag *diag)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t us = 0, for_pid = 0;
	if (!usec) {
		return 0;
	}
	if (str_to_u64(str_of(usec), &us) < 0 || us < US_PER_MS ||
		(pid && str_to_u64(str_of(pid), &for_pid) < 0)) {
		return diag_set(diag, E_RANGE,
			"WATCHDOG_USEC, WATCHDOG_PID: must be microseconds, at least %d, and a number",
			US_PER_MS);
	}
	/* Another's number: it is meant for who has started us. */
	if (!pid || for_pid == (uint64_t)getpid()) {
		notify->watchdog_ms = us / US_PER_MS;
	}
	return 0;
}

static int open_socket(struct notify *notify, struct diag *diag)
{
	const struct timeval wait = {.tv_sec = NOTIFY_WAIT_MS / 1000};
	notify->fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify->fd_ < 0 ||
		setsockopt(notify->fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0) {
		return diag_set(diag, -errno, "NOTIFY_SOCKET: %s", result_name(-errno));
	}
	return 0;
}

int notify_init(struct notify *notify, struct diag *diag)
{
	*notify = (struct notify){.fd_ = -1};
	const char *socket_name = getenv("NOTIFY_SOCKET");
	int rc = 0;
	if (socket_name) {
		rc = set_address(notify, str_of(socket_name), diag);
		rc = rc == 0 ? set_watchdog(notify, diag) : rc;
		rc = rc == 0 ? open_socket(notify, diag) : rc;
	}
	/* Removing a name can't fail: these are good ones. */
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	return rc;
}

void notify_done(struct notify *notify)
{
	if (notify->addr_bytes_ && notify->fd_ >= 0) {
		(void)close(notify->fd_); /* nothing is lost with it */
	}
	notify->addr_bytes_ = 0;
}

/* Not connected, as the manager may put another socket in this one's place. */
static void say(const struct notify *notify, struct str message)
{
	if (notify->addr_bytes_) {
		(void)sendto(notify->fd_, message.p, message.n, MSG_NOSIGNAL,
			(const struct sockaddr *)&notify->addr_,
			notify->addr_bytes_); /* its own loss */
	}
}

/* STATE, and the status as one line. */
static void say_status(const struct notify *notify, const char *state, const char *format,
	va_list args) PRINTF_LIKE(3, 0);

static void say_status(
	const struct notify *notify, const char *state, const char *format, va_list args)
{
	char status[NOTIFY_STATUS_BYTES + 1], message[MESSAGE_BYTES];
	if (vsnprintf(status, sizeof status, format, args) < 0) {
		status[0] = '\0';
	}
	for (char *c = status; *c; c++) {
		*c = *c == '\n' ? ' ' : *c;
	}
	int n = snprintf(message, sizeof message, "%s\nSTATUS=%s", state, status);
	if (n > 0 && (size_t)n < sizeof message) {
		say(notify, (struct str){message, (size_t)n});
	}
}

void notify_ready(const struct notify *notify, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say_status(notify, "READY=1", format, args);
	va_end(args);
}

/* By the time the manager tells this reload's READY from one that came before. */
void notify_reloading(const struct notify *notify, const char *format, ...)
{
	char state[64];
	struct timespec now;
	va_list args;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail: every kernel has it */
	long long us = (long long)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US;
	(void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", us); /* fits */
	va_start(args, format);
	say_status(notify, state, format, args);
	va_end(args);
}

void notify_stopping(const struct notify *notify, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say_status(notify, "STOPPING=1", format, args);
	va_end(args);
}

void notify_alive(const struct notify *notify)
{
	say(notify, STR("WATCHDOG=1"));
}
