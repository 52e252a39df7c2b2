#include "http/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int listeners_init(struct listeners *listeners, struct loop *loop, const int *fds,
	struct tls_context *const *tls, size_t n)
{
	struct listener *at = calloc(n + 1, sizeof *at);
	if (!at) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		int rc = loop_add(loop, fds[i], EPOLLIN, LISTENERS_TAG | i);
		if (rc < 0) {
			free(at);
			return rc;
		}
		at[i].fd = fds[i];
	}
	for (size_t i = 0; tls && i < n; i++) {
		at[i].tls = tls_context_hold(tls[i]);
		at[i].next_tls_ = tls_context_hold(tls[i]);
	}
	*listeners = (struct listeners){.at = at, .n = n, .lock_ = PTHREAD_MUTEX_INITIALIZER};
	return 0;
}

void listeners_done(struct listeners *listeners)
{
	listeners_close(listeners);
	free(listeners->at);
	listeners->at = NULL;
}

void listeners_close(struct listeners *listeners)
{
	pthread_mutex_lock(&listeners->lock_);
	for (size_t i = 0; i < listeners->n; i++) {
		close(listeners->at[i].fd);
		tls_context_free(listeners->at[i].tls);
		tls_context_free(listeners->at[i].next_tls_);
	}
	listeners->n = 0;
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

int listeners_accept(const struct listeners *listeners, size_t i, struct http_peer *ret_peer)
{
	struct sockaddr_storage from = {0};
	socklen_t n = sizeof from;
	int fd = accept4(
		listeners->at[i].fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	set_peer(ret_peer, &from, i);
	if (from.ss_family == AF_UNIX) {
		set_user(ret_peer, fd);
	}
	return fd;
}

void listeners_pause(const struct listeners *listeners, struct loop *loop)
{
	for (size_t i = 0; i < listeners->n; i++) {
		loop_remove(loop, listeners->at[i].fd);
	}
}

bool listeners_resume(const struct listeners *listeners, struct loop *loop)
{
	bool all = true;
	for (size_t i = 0; i < listeners->n; i++) {
		all &= loop_add(loop, listeners->at[i].fd, EPOLLIN, LISTENERS_TAG | i) == 0;
	}
	return all;
}

void listeners_secure(struct listeners *listeners, size_t i, struct tls_context *tls)
{
	pthread_mutex_lock(&listeners->lock_);
	if (i < listeners->n) {
		tls_context_free(listeners->at[i].next_tls_);
		listeners->at[i].next_tls_ = tls_context_hold(tls);
	}
	pthread_mutex_unlock(&listeners->lock_);
}

void listeners_turn(struct listeners *listeners)
{
	pthread_mutex_lock(&listeners->lock_);
	for (size_t i = 0; i < listeners->n; i++) {
		tls_context_free(listeners->at[i].tls);
		listeners->at[i].tls = tls_context_hold(listeners->at[i].next_tls_);
	}
	pthread_mutex_unlock(&listeners->lock_);
}
