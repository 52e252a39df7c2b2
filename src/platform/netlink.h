/*
 * netlink - questions to the kernel about its network, and news from it.
 *
 * Layer:   platform
 * Threads: a struct netlink belongs to one thread
 * Memory:  the caller's structs; netlink_done() closes the socket
 * Secrets: none
 * Limits:  NETLINK_WAIT_MS, NETLINK_DATAGRAMS, NETLINK_MESSAGE_BYTES
 * Spec:    netlink(7), rtnetlink(7)
 *
 * A socket sees the network namespace in which it was opened, whichever its user is in later.
 */
#ifndef TELLTALE_PLATFORM_NETLINK_H
#define TELLTALE_PLATFORM_NETLINK_H

#include "base/str.h"

#define NETLINK_WAIT_MS       50   /* for one datagram of the kernel's answer */
#define NETLINK_DATAGRAMS     1024 /* of one answer, 20 or more links each; more are not read */
#define NETLINK_MESSAGE_BYTES 256  /* of a question */

/* Zeroed is closed. */
struct netlink {
	int fd_;
	bool is_open_;
	bool stays_; /* netlink_open(): never closed because of a fault */
	uint32_t sequence_;
};

/* A question while it is being put together. */
struct netlink_message {
	_Alignas(4) char bytes_[NETLINK_MESSAGE_BYTES];
	size_t n_;
	bool full_;         /* something did not fit: netlink_ask() refuses it */
	uint32_t within_ms; /* what the whole answer may take; 0: as long as it goes on */
};

/* One message of an answer, or news. Returns 0 to go on, or an error that ends it. */
typedef int (*netlink_on_message)(void *ctx, uint16_t type, struct str body);

void netlink_init(struct netlink *netlink);
void netlink_done(struct netlink *netlink);

/*
 * Open the socket here and now: it stays in this namespace. Otherwise it is opened by the first
 * question, and anew after a fault, where the calling thread is then. Returns 0 or -errno.
 */
MUST_CHECK int netlink_open(struct netlink *netlink);

/* Begin a question: its type, its flags (NLM_F_REQUEST is set), and its fixed part. */
void netlink_begin(
	struct netlink_message *message, uint16_t type, uint16_t flags, const void *body, size_t n);

/* Append an attribute; or one with others in it, which lasts until netlink_end(). */
void netlink_add(struct netlink_message *message, uint16_t type, const void *value, size_t n);
MUST_CHECK size_t netlink_nest(struct netlink_message *message, uint16_t type);
void netlink_end(struct netlink_message *message, size_t nest);

/*
 * Ask, and hand what comes to on_message (NULL: nobody): with NLM_F_DUMP all of it, with NLM_F_ACK until
 * the kernel says that it is done, else the one message.
 * on_message must not ask by the same socket.
 * Returns 0, on_message's error, -errno of the kernel's answer or of the socket, -EMSGSIZE, -EBADMSG
 * or -ETIMEDOUT.
 */
MUST_CHECK int netlink_ask(struct netlink *netlink, struct netlink_message *message,
	netlink_on_message on_message, void *ctx);

/* Open the socket for news of these groups (RTMGRP_…); its descriptor is for waiting. */
MUST_CHECK int netlink_listen(struct netlink *netlink, uint32_t groups, int *ret_fd);

/*
 * Hand all news that are there to on_message; does not wait.
 * Returns 0, on_message's error, -ENOBUFS when all that were left are handed over but some had been
 * lost, or -errno.
 */
MUST_CHECK int netlink_news(struct netlink *netlink, netlink_on_message on_message, void *ctx);

/* Cut the fixed part off a message; false when it is shorter. */
MUST_CHECK bool netlink_take(struct str *body, void *ret_fixed, size_t n);

/* Cut the next attribute off; false when there are no more, or what is left is none. */
MUST_CHECK bool netlink_next(struct str *body, uint16_t *ret_type, struct str *ret_value);

/* A number as an attribute's value; false when it has another size. */
MUST_CHECK bool netlink_u32(struct str value, uint32_t *ret_number);
MUST_CHECK bool netlink_u16(struct str value, uint16_t *ret_number);

#endif
