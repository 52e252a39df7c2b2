/*
 * activation - listening sockets that the service manager has opened for us.
 *
 * Layer:   platform
 * Threads: the thread that starts the service
 * Memory:  the caller's struct; activation_done() closes what nobody took
 * Secrets: none
 * Limits:  ACTIVATION_MAX sockets
 * Spec:    sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; systemd.socket(5)
 *
 * A socket is known by what it is bound to; its name is for people. Whoever would open a socket at that
 * place gets the one that is there.
 */
#ifndef TELLTALE_PLATFORM_ACTIVATION_H
#define TELLTALE_PLATFORM_ACTIVATION_H

#include "platform/listen.h"

#define ACTIVATION_FIRST_FD 3
#define ACTIVATION_MAX      256

struct activation {
	unsigned n_; /* descriptors from ACTIVATION_FIRST_FD on */
	bool used_[ACTIVATION_MAX];
};

/*
 * Take what the environment says, when it is said to this process, out of the environment.
 * Returns 0, or with diag: E_SYNTAX, E_LIMIT, or E_RANGE for a descriptor that is no listening
 * stream socket.
 */
MUST_CHECK int activation_init(struct activation *activation, struct diag *diag);

/* Close them; those that somebody uses are that one's. */
void activation_done(struct activation *activation);

/*
 * As listen_tcp(). When a socket is bound to this address, port and device, ret_fds are n descriptors of
 * that one: all workers accept from one queue. activation NULL: there is none.
 */
MUST_CHECK int activation_tcp(struct activation *activation, const struct listen_spec *spec,
	size_t n, int *ret_fds, struct diag *diag);

/* The descriptor of the Unix socket at the path, or E_NOTFOUND. Its file is the manager's. */
MUST_CHECK int activation_unix(struct activation *activation, struct str path);

/* How many nobody has used so far. */
unsigned activation_left(const struct activation *activation);

#endif
