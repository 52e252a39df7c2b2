#include "platform/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- taking over ------------------------------------------------------------------------------- */

static bool is_listening_stream(int fd)
{
	int type = 0, listens = 0;
	socklen_t n = sizeof type, m = sizeof listens;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &m) == 0 && listens;
}

/* As our own sockets are: closed for programs that we might run, and nobody waits in accept(2). */
static int adopt(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		return -errno;
	}
	int on = 1;
	/* Of no meaning for a Unix socket, which says so. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return 0;
}

static int adopt_all(unsigned n, struct diag *diag)
{
	for (unsigned i = 0; i < n; i++) {
		int fd = ACTIVATION_FIRST_FD + (int)i;
		if (!is_listening_stream(fd)) {
			return diag_set(diag, E_RANGE,
				"LISTEN_FDS: descriptor %d is no listening stream socket", fd);
		}
		int rc = adopt(fd);
		if (rc < 0) {
			return diag_set(
				diag, rc, "LISTEN_FDS: descriptor %d: %s", fd, result_name(rc));
		}
	}
	return 0;
}

/* How many descriptors there are for this process; 0 when others are meant. */
static int read_environment(unsigned *ret_n, struct diag *diag)
{
	const char *pid_text = getenv("LISTEN_PID"), *fds_text = getenv("LISTEN_FDS");
	uint64_t pid, fds;
	if (!pid_text || !fds_text) {
		return 0;
	}
	if (str_to_u64(str_of(pid_text), &pid) < 0 || str_to_u64(str_of(fds_text), &fds) < 0) {
		return diag_set(diag, E_SYNTAX, "LISTEN_PID, LISTEN_FDS: must be numbers");
	}
	if (pid != (uint64_t)getpid()) {
		return 0;
	}
	if (fds > ACTIVATION_MAX) {
		return diag_set(diag, E_LIMIT, "LISTEN_FDS: must be at most %d", ACTIVATION_MAX);
	}
	*ret_n = (unsigned)fds;
	return 0;
}

int activation_init(struct activation *activation, struct diag *diag)
{
	unsigned n = 0;
	*activation = (struct activation){0};
	int rc = read_environment(&n, diag);
	/* Removing a name can't fail: these are good ones. */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	TRY(rc);
	TRY(adopt_all(n, diag));
	activation->n_ = n;
	return 0;
}

void activation_done(struct activation *activation)
{
	for (unsigned i = 0; i < activation->n_; i++) {
		(void)close(ACTIVATION_FIRST_FD + (int)i); /* the manager has it still */
	}
	activation->n_ = 0;
}

unsigned activation_left(const struct activation *activation)
{
	unsigned left = 0;
	for (unsigned i = 0; i < activation->n_; i++) {
		left += !activation->used_[i];
	}
	return left;
}

/* --- finding ----------------------------------------------------------------------------------- */

static bool is_at(const struct sockaddr_storage *bound, const struct listen_spec *spec)
{
	struct ipaddr address = {.b = {[10] = 0xff, [11] = 0xff}};
	uint16_t port;
	if (bound->ss_family == AF_INET) {
		const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)bound;
		memcpy(address.b + 12, &in4->sin_addr, 4);
		port = ntohs(in4->sin_port);
	} else if (bound->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)bound;
		memcpy(address.b, &in6->sin6_addr, 16);
		port = ntohs(in6->sin6_port);
	} else {
		return false;
	}
	return port == spec->port && ipaddr_eq(&address, &spec->address);
}

/* Who is who depends on it: a socket of all devices is not the one that was asked for at br0. */
static bool has_device(int fd, struct str interface)
{
	char name[IFNAMSIZ + 1] = {0};
	socklen_t n = IFNAMSIZ;
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &n) < 0) {
		return false;
	}
	return str_eq(str_of(name), interface);
}

/* A duplicate of the one listening queue; -errno. */
static int duplicate(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return copy < 0 ? -errno : copy;
}

static int duplicate_each(int fd, size_t n, int *ret_fds, struct diag *diag)
{
	for (size_t i = 0; i < n; i++) {
		int rc = ret_fds[i] = duplicate(fd);
		while (rc < 0 && i > 0) {
			(void)close(ret_fds[--i]); /* rc says what is wrong */
		}
		if (rc < 0) {
			return diag_set(
				diag, rc, "LISTEN_FDS: descriptor %d: %s", fd, result_name(rc));
		}
	}
	return 0;
}

int activation_tcp(struct activation *activation, const struct listen_spec *spec, size_t n,
	int *ret_fds, struct diag *diag)
{
	for (unsigned i = 0; activation && i < activation->n_; i++) {
		int fd = ACTIVATION_FIRST_FD + (int)i;
		struct sockaddr_storage bound = {0};
		socklen_t bytes = sizeof bound;
		if (!activation->used_[i] &&
			getsockname(fd, (struct sockaddr *)&bound, &bytes) == 0 &&
			is_at(&bound, spec) && has_device(fd, spec->interface)) {
			activation->used_[i] = true;
			return duplicate_each(fd, n, ret_fds, diag);
		}
	}
	return listen_tcp(spec, n, ret_fds, diag);
}

int activation_unix(struct activation *activation, struct str path)
{
	for (unsigned i = 0; i < activation->n_; i++) {
		int fd = ACTIVATION_FIRST_FD + (int)i;
		struct sockaddr_un bound = {0};
		socklen_t bytes = sizeof bound;
		if (activation->used_[i] ||
			getsockname(fd, (struct sockaddr *)&bound, &bytes) < 0 ||
			bound.sun_family != AF_UNIX || bytes > sizeof bound) {
			continue;
		}
		struct str at = {bound.sun_path,
			strnlen(bound.sun_path, bytes - offsetof(struct sockaddr_un, sun_path))};
		if (str_eq(at, path)) {
			activation->used_[i] = true;
			return duplicate(fd);
		}
	}
	return E_NOTFOUND;
}
