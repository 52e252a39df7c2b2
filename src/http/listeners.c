#include "http/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/clock.h"

/* A socket that workers share wakes one of them for a connection, not all. */
#define EVENTS (EPOLLIN | EPOLLEXCLUSIVE)

int listeners_init(struct listeners *listeners, struct loop *loop, const int *fds,
	struct tls_context *const *tls, size_t n, size_t room)
{
	room = room > n ? room : n;
	struct listener *at = calloc(room + 1, sizeof *at);
	if (!at) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		int rc = loop_add(loop, fds[i], EVENTS, LISTENERS_TAG | i);
		if (rc < 0) {
			free(at);
			return rc;
		}
	}
	for (size_t i = 0; i < room; i++) {
		at[i].fd = at[i].next_fd_ = i < n ? fds[i] : -1;
		at[i].tls = tls_context_hold(tls && i < n ? tls[i] : NULL);
		at[i].next_tls_ = tls_context_hold(at[i].tls);
	}
	*listeners = (struct listeners){
		.at = at, .n = n, .next_n_ = n, .room_ = room, .lock_ = PTHREAD_MUTEX_INITIALIZER};
	return 0;
}

void listeners_done(struct listeners *listeners, struct loop *loop)
{
	listeners_close(listeners, loop);
	free(listeners->at);
	listeners->at = NULL;
}

static void close_fd(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

/* The loop forgets a socket that nobody has any more; one that others have it must be told to. */
static void close_watched(struct loop *loop, int fd)
{
	if (fd >= 0) {
		loop_remove(loop, fd);
		close(fd);
	}
}

void listeners_close(struct listeners *listeners, struct loop *loop)
{
	pthread_mutex_lock(&listeners->lock_);
	for (size_t i = 0; i < listeners->next_n_; i++) {
		struct listener *one = &listeners->at[i];
		close_watched(loop, one->fd);
		if (one->next_fd_ != one->fd) {
			close_fd(one->next_fd_);
		}
		tls_context_free(one->tls);
		tls_context_free(one->next_tls_);
	}
	listeners->n = listeners->next_n_ = 0;
	listeners->again_ms = 0;
	listeners->closed_ = true;
	pthread_mutex_unlock(&listeners->lock_);
}

static void set_peer(struct http_peer *peer, const struct sockaddr_storage *from, size_t listener)
{
	*peer = (struct http_peer){.listener = (uint16_t)listener};
	if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;
		memcpy(peer->addr.b, &in6->sin6_addr, sizeof peer->addr.b);
		peer->ipv6 = !ipaddr_is_v4(&peer->addr);
	} else if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)from;
		peer->addr.b[10] = peer->addr.b[11] = 0xff;
		memcpy(peer->addr.b + 12, &in4->sin_addr, 4);
	}
}

static void set_user(struct http_peer *peer, int fd)
{
	struct ucred who;
	socklen_t n = sizeof who;
	/* Can't fail for a connected Unix socket; if it did, it is nobody's. */
	bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0;
	peer->uid = known ? who.uid : UINT32_MAX;
}

unsigned listeners_tries(struct listeners *listeners, size_t i, uint64_t turn)
{
	struct listener *one = &listeners->at[i];
	one->row_ = turn == one->row_next_ ? one->row_ + 1 : 0;
	if (one->row_ > LISTENERS_ACCEPTS_MAX) {
		one->row_ = LISTENERS_ACCEPTS_MAX;
	}
	one->row_next_ = turn + 1;
	return one->row_ ? one->row_ : 1;
}

int listeners_accept(struct listeners *listeners, size_t i, struct http_peer *ret_peer)
{
	struct sockaddr_storage from = {0};
	socklen_t n = sizeof from;
	int fd = accept4(
		listeners->at[i].fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		listeners->at[i].row_next_ = 0;
		return -errno;
	}
	set_peer(ret_peer, &from, i);
	if (from.ss_family == AF_UNIX) {
		set_user(ret_peer, fd);
	}
	return fd;
}

void listeners_pause(struct listeners *listeners, struct loop *loop, uint64_t now_ms,
	const char *worker, int error)
{
	uint32_t held;
	if (log_limit_pass(&listeners->log_, clock_wall_s(), &held)) {
		LOG(LOG_WARN, "http", "can't accept connections", LOG_TEXT("worker", worker),
			LOG_TEXT("error", result_name(error)), LOG_INT("held", held));
	}
	for (size_t i = 0; i < listeners->n; i++) {
		if (listeners->at[i].fd >= 0) {
			loop_remove(loop, listeners->at[i].fd);
		}
	}
	listeners->again_ms = now_ms + LISTENERS_PAUSE_MS;
}

void listeners_resume(struct listeners *listeners, struct loop *loop, uint64_t now_ms)
{
	bool all = true;
	for (size_t i = 0; i < listeners->n; i++) {
		int fd = listeners->at[i].fd;
		int rc = fd < 0 ? 0 : loop_add(loop, fd, EVENTS, LISTENERS_TAG | i);
		all &= rc == 0 || rc == -EEXIST; /* it came while the others paused */
	}
	listeners->again_ms = all ? 0 : now_ms + LISTENERS_PAUSE_MS;
}

void listeners_put(struct listeners *listeners, size_t i, int fd)
{
	pthread_mutex_lock(&listeners->lock_);
	if (listeners->closed_ || i >= listeners->room_) {
		close_fd(fd);
	} else {
		listeners->next_n_ = i < listeners->next_n_ ? listeners->next_n_ : i + 1;
		listeners->at[i].next_fd_ = fd;
	}
	pthread_mutex_unlock(&listeners->lock_);
}

void listeners_secure(struct listeners *listeners, size_t i, struct tls_context *tls)
{
	pthread_mutex_lock(&listeners->lock_);
	if (i < listeners->next_n_) {
		tls_context_free(listeners->at[i].next_tls_);
		listeners->at[i].next_tls_ = tls_context_hold(tls);
	}
	pthread_mutex_unlock(&listeners->lock_);
}

static int turn_one(struct listeners *listeners, struct loop *loop, size_t i)
{
	struct listener *one = &listeners->at[i];
	int was = one->fd, rc = 0;
	if (one->tls != one->next_tls_) {
		tls_context_free(one->tls);
		one->tls = tls_context_hold(one->next_tls_);
	}
	if (was == one->next_fd_) {
		return 0;
	}
	if (one->next_fd_ >= 0) {
		rc = loop_add(loop, one->next_fd_, EVENTS, LISTENERS_TAG | i);
	}
	if (rc < 0) {
		close(one->next_fd_);
		one->next_fd_ = -1;
	}
	close_watched(loop, was);
	one->fd = one->next_fd_;
	one->row_next_ = 0;
	if (one->fd < 0) {
		/* Whoever has the number next says what is spoken there. */
		tls_context_free(one->tls);
		tls_context_free(one->next_tls_);
		one->tls = one->next_tls_ = NULL;
	}
	return rc == 0 && was >= 0 ? 1 : rc;
}

int listeners_turn(struct listeners *listeners, struct loop *loop, size_t *ret_closed)
{
	int rc = 0;
	pthread_mutex_lock(&listeners->lock_);
	listeners->n = listeners->next_n_;
	for (size_t i = 0; rc == 0 && i < listeners->n; i++) {
		rc = turn_one(listeners, loop, i);
		if (rc != 0) {
			*ret_closed = i;
		}
	}
	pthread_mutex_unlock(&listeners->lock_);
	return rc;
}
