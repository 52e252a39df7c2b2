/*
 * bare - the least a server of the usual kind can do: the bench's yardstick.
 *
 * One thread, level-triggered epoll, accept until EAGAIN, one receive and one send per request. The
 * reply is fixed and has the size of telltale's; the request is never looked at, but for its first
 * byte where PUTs have a reply of their own. Whatever another server costs beyond this, it spends on
 * reading, deciding and writing.
 *
 * Usage: bare [--daemon] [--lean] ADDRESS PORT BODY [close | share | TOKEN]
 *   --daemon  with what a daemon has beside such a loop: a second thread, which does nothing, and a
 *          filter of system calls. Each call pays for both: it counts its use of the descriptor table,
 *          which is shared, and asks the filter. What the filter lets pass whatever its arguments the
 *          kernel has in a bitmap, so that a short one costs what a long one does. What only costs a
 *          daemon that does not know its kernel it is spared: that table has its size from the start.
 *   --lean  telltale's loop in place of the usual one, without looking at what it asks either: one
 *          accept, or a few while more wait, each received from and answered at once; epoll hears of a
 *          connection that survives its first reply; one that does not leaves with its FIN. As a daemon
 *          this is the least that any daemon with such a loop can do.
 *   close  the server closes after each reply
 *   share  several of them may have the port, as workers do
 *   TOKEN  what PUTs are answered with
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	BATCH = 512,
	FILES_MAX = 65536,
	REPLY_MAX_BYTES = 1024,
	REQUEST_MAX_BYTES = 8192,
	ROW_MAX = 8 /* see listeners_tries() in src/http/listeners.h */
};

struct reply {
	size_t n;
	char text[REPLY_MAX_BYTES];
};

struct bare {
	int listener;
	int epoll;
	bool lean;
	bool closes;
	struct reply reply;
	struct reply put_reply; /* empty: as all others */
};

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void watch(const struct bare *bare, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(bare->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		fail("epoll_ctl");
	}
}

static void accept_all(const struct bare *bare)
{
	for (;;) {
		int fd = accept4(bare->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			return; /* EAGAIN, or a caller that has gone again */
		}
		watch(bare, fd);
	}
}

/* Returns whether the connection stays. */
static bool answer(const struct bare *bare, int fd)
{
	char request[REQUEST_MAX_BYTES];
	ssize_t n = recv(fd, request, sizeof(request), 0);
	const struct reply *reply = n > 0 && request[0] == 'P' && bare->put_reply.n > 0
					    ? &bare->put_reply
					    : &bare->reply;
	int flags = MSG_NOSIGNAL | (bare->lean && bare->closes ? MSG_MORE : 0);

	if (n < 0 && errno == EAGAIN) {
		return true;
	}
	if (n > 0 && send(fd, reply->text, reply->n, flags) >= 0 && !bare->closes) {
		return true;
	}
	(void)close(fd); /* nothing to be done about a failure */
	return false;
}

/* Returns false when there was none. */
static bool accept_lean(const struct bare *bare)
{
	struct sockaddr_storage from; /* who is there is what telltale must know */
	socklen_t n = sizeof(from);
	int fd =
		accept4(bare->listener, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0 && answer(bare, fd)) {
		watch(bare, fd);
	}
	return fd >= 0;
}

/* turn: 1, 2, … */
static void accept_some(const struct bare *bare, unsigned long turn)
{
	static unsigned row;
	static unsigned long row_next;

	row = turn == row_next ? row + (row < ROW_MAX) : 0;
	row_next = turn + 1;
	for (unsigned tries = row > 0 ? row : 1; tries > 0; tries--) {
		if (!accept_lean(bare)) {
			row_next = 0;
			return;
		}
	}
}

static int listen_on(const char *address, const char *port, bool share)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &sa.sin_addr) != 1) {
		fail("socket");
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		(share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
		bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, BACKLOG) < 0) {
		fail("listen");
	}
	return fd;
}

/* The header blocks are telltale's own, so that both put as many bytes on the wire. */
static void reply_init(struct reply *reply, const char *fields, const char *body, bool closes)
{
	int n = snprintf(reply->text, sizeof(reply->text),
		"HTTP/1.1 200 OK\r\n"
		"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n"
		"%s"
		"Content-Type: text/plain\r\n"
		"Content-Length: %zu\r\n"
		"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
		"Server: EC2ws\r\n"
		"%s"
		"\r\n"
		"%s",
		fields, strlen(body), closes ? "Connection: close\r\n" : "", body);

	if (n < 0 || (size_t)n >= sizeof(reply->text)) {
		(void)fputs("bare: the body is too long\n", stderr);
		exit(EXIT_FAILURE);
	}
	reply->n = (size_t)n;
}

static void *sleep_on(void *unused)
{
	for (;;) {
		(void)pause();
	}
	return unused;
}

/* With a second thread each growth is a wait for all processors: see src/daemon/process.c. */
static void make_table(int fd)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		rlim_t most = files.rlim_cur < FILES_MAX ? files.rlim_cur : FILES_MAX;
		(void)close(fcntl(fd, F_DUPFD_CLOEXEC, (int)most - 1));
	}
}

static void become_daemon(int some_fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
	pthread_t thread;

	make_table(some_fd);
	errno = pthread_create(&thread, NULL, sleep_on, NULL);
	if (errno != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
			&filter) < 0) {
		fail("--daemon");
	}
}

static void serve(const struct bare *bare)
{
	struct epoll_event events[BATCH];

	for (unsigned long turn = 1;; turn++) {
		int n = epoll_wait(bare->epoll, events, BATCH, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != bare->listener) {
				(void)answer(bare, events[i].data.fd);
			} else if (bare->lean) {
				accept_some(bare, turn);
			} else {
				accept_all(bare);
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct bare bare = {0};
	const char *option;
	bool daemon = false;

	for (; argc > 1 && strncmp(argv[1], "--", 2) == 0; argc--, argv++) {
		daemon |= strcmp(argv[1], "--daemon") == 0;
		bare.lean |= strcmp(argv[1], "--lean") == 0;
	}
	if (argc < 4 || argc > 5) {
		(void)fputs("usage: bare [--daemon] [--lean] ADDRESS PORT BODY"
			    " [close | share | TOKEN]\n",
			stderr);
		return 2;
	}
	option = argc == 5 ? argv[4] : "";
	bare.closes = strcmp(option, "close") == 0;
	reply_init(&bare.reply,
		"Accept-Ranges: none\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n", argv[3],
		bare.closes);
	if (strlen(option) > sizeof("share")) {
		reply_init(&bare.put_reply, "", option, false);
	}
	bare.listener = listen_on(argv[1], argv[2], strcmp(option, "share") == 0);
	bare.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (bare.epoll < 0) {
		fail("epoll_create1");
	}
	watch(&bare, bare.listener);
	if (daemon) {
		become_daemon(bare.epoll);
	}
	serve(&bare);
}
