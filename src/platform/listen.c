#include "platform/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void listen_format(const struct ipaddr *address, uint16_t port, char ret_text[LISTEN_TEXT_BYTES])
{
	char text[IPADDR_TEXT_BYTES];
	ipaddr_format(address, text);
	(void)snprintf(ret_text, LISTEN_TEXT_BYTES, ipaddr_is_v4(address) ? "%s:%u" : "[%s]:%u",
		text, (unsigned)port); /* always fits */
}

static socklen_t to_sockaddr(
	const struct ipaddr *address, uint16_t port, struct sockaddr_storage *ret_addr)
{
	*ret_addr = (struct sockaddr_storage){0};
	if (ipaddr_is_v4(address)) {
		struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)ret_addr;
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		memcpy(&in4->sin_addr, address->b + 12, 4);
		return sizeof *in4;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)ret_addr;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, address->b, 16);
	return sizeof *in6;
}

bool listen_has_address(const struct ipaddr *address)
{
	struct sockaddr_storage addr;
	socklen_t n = to_sockaddr(address, 0, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && bind(fd, (const struct sockaddr *)&addr, n) == 0;
	if (fd >= 0) {
		close(fd);
	}
	return yes;
}

static int set_flag(int fd, int level, int option)
{
	int on = 1;
	return setsockopt(fd, level, option, &on, sizeof on) < 0 ? -errno : 0;
}

static int set_options(int fd, const struct listen_spec *spec, int family, bool shared)
{
	TRY(set_flag(fd, SOL_SOCKET, SO_REUSEADDR));
	/* Replies are one write each: waiting to fill a segment could only delay them. */
	TRY(set_flag(fd, IPPROTO_TCP, TCP_NODELAY));
	if (shared) {
		TRY(set_flag(fd, SOL_SOCKET, SO_REUSEPORT));
	}
	if (family == AF_INET6) {
		TRY(set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	}
	if (spec->interface.n && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, spec->interface.p,
					 (socklen_t)spec->interface.n) < 0) {
		return -errno;
	}
	return 0;
}

static int open_one(const struct listen_spec *spec, bool shared)
{
	struct sockaddr_storage addr;
	socklen_t n = to_sockaddr(&spec->address, spec->port, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	int rc = set_options(fd, spec, addr.ss_family, shared);
	if (rc == 0 && bind(fd, (const struct sockaddr *)&addr, n) < 0) {
		rc = -errno;
	}
	/* A socket that only tries the address out must not get connections. */
	if (rc == 0 && shared && listen(fd, LISTEN_BACKLOG) < 0) {
		rc = -errno;
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

int listen_tcp(const struct listen_spec *spec, size_t n, int *ret_fds, struct diag *diag)
{
	char text[LISTEN_TEXT_BYTES];
	listen_format(&spec->address, spec->port, text);
	/*
	 * With SO_REUSEPORT a second daemon of the same user would silently take half of the
	 * connections; without it bind(2) says that the address is in use.
	 */
	int rc = open_one(spec, false);
	if (rc >= 0) {
		close(rc);
	}
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		rc = ret_fds[i] = open_one(spec, true);
		while (rc < 0 && i > 0) {
			close(ret_fds[--i]);
		}
		if (rc < 0) {
			break;
		}
	}
	if (rc < 0) {
		return diag_set(diag, rc, "can't listen on %s%s%.*s: %s", text,
			spec->interface.n ? " at " : "", STR_FMT(spec->interface), result_name(rc));
	}
	return 0;
}

/* 0 when the socket is a dead process's, -EADDRINUSE when it is not, or why nobody knows. */
static int check_dead(const struct sockaddr_un *addr)
{
	/* Does not wait where the queue is full: whoever has a queue is alive. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -errno;
	}
	int error = connect(fd, (const struct sockaddr *)addr, sizeof *addr) < 0 ? errno : 0;
	close(fd);
	switch (error) {
	case ECONNREFUSED:
		return 0;
	case 0:
	case EAGAIN:
	case EPROTOTYPE: /* alive, and of another type */
		return -EADDRINUSE;
	default:
		return -error; /* EACCES: another user's, dead or alive */
	}
}

static int bind_unix(int fd, const struct sockaddr_un *addr, unsigned mode)
{
	struct stat st;
	if (lstat(addr->sun_path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			return -EEXIST;
		}
		TRY(check_dead(addr));
		if (unlink(addr->sun_path) < 0) {
			return -errno;
		}
	}
	/* fchmod(2) before bind sets the mode that the file is born with, minus the umask. */
	if (fchmod(fd, mode) < 0 || bind(fd, (const struct sockaddr *)addr, sizeof *addr) < 0 ||
		chmod(addr->sun_path, mode) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		return -errno;
	}
	return 0;
}

int listen_unix(struct str path, unsigned mode, struct diag *diag)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	if (path.n == 0 || path.n >= sizeof addr.sun_path) {
		return diag_set(diag, E_LIMIT, "%.*s: a socket's path has 1 to %zu characters",
			STR_FMT(path), sizeof addr.sun_path - 1);
	}
	memcpy(addr.sun_path, path.p, path.n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : bind_unix(fd, &addr, mode);
	if (rc < 0) {
		if (fd >= 0) {
			close(fd);
		}
		return diag_set(diag, rc, "can't listen on %s: %s", addr.sun_path,
			rc == -EADDRINUSE ? "another process answers there"
			: rc == -EEXIST   ? "there is a file that is not a socket"
					  : result_name(rc));
	}
	return fd;
}
