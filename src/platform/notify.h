/*
 * notify - tell the service manager how the service is, by systemd's protocol.
 *
 * Layer:   platform
 * Threads: notify_init() before others are started; what is said is anybody's
 * Memory:  the caller's struct; notify_done() closes the socket
 * Secrets: whoever may ask the manager sees what is said
 * Limits:  NOTIFY_STATUS_BYTES, what is longer is cut; NOTIFY_WAIT_MS for a manager that does not read
 * Spec:    sd_notify(3), systemd.service(5) Type=notify, sd_watchdog_enabled(3)
 *
 * One datagram a message, to the socket that NOTIFY_SOCKET names. Without it all of this does nothing.
 */
#ifndef TELLTALE_PLATFORM_NOTIFY_H
#define TELLTALE_PLATFORM_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/str.h"

#define NOTIFY_STATUS_BYTES 256
#define NOTIFY_WAIT_MS      1000

struct notify {
	struct sockaddr_un addr_;
	socklen_t addr_bytes_; /* 0: nobody wants to know */
	int fd_;
	uint64_t watchdog_ms; /* a sign of life is due at least so often; 0: none is */
};

/*
 * Take the manager's wishes out of the environment, where no other program is to find them: where to
 * say it, and whether there is a watchdog. Returns 0, or with diag E_SYNTAX for what is no address of
 * a socket, E_RANGE for what is no time, or -errno.
 */
MUST_CHECK int notify_init(struct notify *notify, struct diag *diag);
void notify_done(struct notify *notify);

/*
 * Each with a line for people, in which line breaks become spaces. That nobody took it is no error: a
 * service is not there for its manager.
 */
void notify_ready(const struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);
void notify_reloading(const struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);
void notify_stopping(const struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);

/* The sign of life. */
void notify_alive(const struct notify *notify);

#endif
