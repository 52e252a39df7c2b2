#include "platform/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/clock.h"

#define ANSWER_BYTES 32768

_Static_assert(NLMSG_HDRLEN == sizeof(struct nlmsghdr), "a message's head needs no padding");

void netlink_init(struct netlink *netlink)
{
	*netlink = (struct netlink){0};
}

void netlink_done(struct netlink *netlink)
{
	if (netlink && netlink->is_open_) {
		(void)close(netlink->fd_); /* nothing is lost with it */
		netlink->is_open_ = false;
	}
}

static int open_socket(struct netlink *netlink, uint32_t groups, int flags)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);
	if (fd < 0) {
		return -errno;
	}
	const struct timeval wait = {.tv_usec = NETLINK_WAIT_MS * 1000L};
	const struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups};
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	/* Connected, so that other processes can't fill its buffer. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
		bind(fd, (const struct sockaddr *)&self, sizeof self) < 0 ||
		connect(fd, (const struct sockaddr *)&kernel, sizeof kernel) < 0) {
		int rc = -errno;
		(void)close(fd); /* rc says what is wrong */
		return rc;
	}
	netlink->fd_ = fd;
	netlink->is_open_ = true;
	return 0;
}

int netlink_open(struct netlink *netlink)
{
	netlink_done(netlink);
	TRY(open_socket(netlink, 0, 0));
	netlink->stays_ = true;
	return 0;
}

int netlink_listen(struct netlink *netlink, uint32_t groups, int *ret_fd)
{
	netlink_done(netlink);
	TRY(open_socket(netlink, groups, SOCK_NONBLOCK));
	netlink->stays_ = true;
	*ret_fd = netlink->fd_;
	return 0;
}

/* --- questions ------------------------------------------------------------------------------- */

/* Netlink pads everything to four bytes. */
static void append(struct netlink_message *message, const void *bytes, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);
	if (message->full_ || padded > sizeof message->bytes_ - message->n_) {
		message->full_ = true;
		return;
	}
	if (n) {
		memcpy(message->bytes_ + message->n_, bytes, n);
	}
	message->n_ += padded;
}

void netlink_begin(
	struct netlink_message *message, uint16_t type, uint16_t flags, const void *body, size_t n)
{
	const struct nlmsghdr head = {
		.nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST)};
	*message = (struct netlink_message){.n_ = 0};
	append(message, &head, sizeof head);
	append(message, body, n);
}

void netlink_add(struct netlink_message *message, uint16_t type, const void *value, size_t n)
{
	const struct nlattr head = {.nla_len = (uint16_t)(sizeof head + n), .nla_type = type};
	message->full_ |= n > sizeof message->bytes_;
	append(message, &head, sizeof head);
	append(message, value, n);
}

size_t netlink_nest(struct netlink_message *message, uint16_t type)
{
	size_t at = message->n_;
	netlink_add(message, type, NULL, 0);
	return at;
}

void netlink_end(struct netlink_message *message, size_t nest)
{
	struct nlattr head;
	if (!message->full_) {
		memcpy(&head, message->bytes_ + nest, sizeof head);
		head.nla_len = (uint16_t)(message->n_ - nest);
		memcpy(message->bytes_ + nest, &head, sizeof head);
	}
}

/* --- answers --------------------------------------------------------------------------------- */

bool netlink_take(struct str *body, void *ret_fixed, size_t n)
{
	if (body->n < n) {
		return false;
	}
	memcpy(ret_fixed, body->p, n);
	*body = str_from(*body, n);
	return true;
}

/* The last padding may be missing. */
static struct str take_padded(struct str *cursor, size_t n)
{
	struct str part = {cursor->p, n};
	size_t padded = NLMSG_ALIGN(n);
	*cursor = str_from(*cursor, padded < cursor->n ? padded : cursor->n);
	return part;
}

bool netlink_next(struct str *body, uint16_t *ret_type, struct str *ret_value)
{
	struct nlattr head;
	if (body->n < sizeof head) {
		return false;
	}
	memcpy(&head, body->p, sizeof head);
	if (head.nla_len < sizeof head || head.nla_len > body->n) {
		return false;
	}
	*ret_type = (uint16_t)(head.nla_type & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER));
	*ret_value = str_from(take_padded(body, head.nla_len), sizeof head);
	return true;
}

bool netlink_u32(struct str value, uint32_t *ret_number)
{
	return value.n == sizeof *ret_number && netlink_take(&value, ret_number, value.n);
}

bool netlink_u16(struct str value, uint16_t *ret_number)
{
	return value.n == sizeof *ret_number && netlink_take(&value, ret_number, value.n);
}

/* What is awaited. */
struct exchange {
	netlink_on_message on_message;
	void *ctx;
	uint32_t sequence;
	uint64_t until_ms; /* 0: no matter */
	bool one;          /* the answer is one message */
	bool news;         /* nothing was asked: whatever comes */
};

static int hand(const struct exchange *exchange, uint16_t type, struct str body)
{
	return exchange->on_message ? exchange->on_message(exchange->ctx, type, body) : 0;
}

/* Returns 1 when the answer is complete, 0 when more comes, or an error. */
static int read_datagram(const struct exchange *exchange, struct str datagram)
{
	struct nlmsghdr head;
	while (datagram.n >= sizeof head) {
		memcpy(&head, datagram.p, sizeof head);
		if (head.nlmsg_len < sizeof head || head.nlmsg_len > datagram.n) {
			return -EBADMSG;
		}
		struct str body = str_from(take_padded(&datagram, head.nlmsg_len), sizeof head);
		int error = 0;
		if (!exchange->news && head.nlmsg_seq != exchange->sequence) {
			continue; /* to a question whose answer was given up */
		}
		switch (head.nlmsg_type) {
		case NLMSG_ERROR:
			return netlink_take(&body, &error, sizeof error) && error < 0 ? error : 1;
		case NLMSG_DONE:
			return 1;
		case NLMSG_NOOP:
			break;
		default:
			TRY(hand(exchange, head.nlmsg_type, body));
			if (exchange->one) {
				return 1;
			}
		}
	}
	return 0;
}

/* One datagram into bytes. Returns its size, 0 when it is not the kernel's word, or -errno. */
static ssize_t receive_one(const struct netlink *netlink, char bytes[ANSWER_BYTES], int flags)
{
	struct sockaddr_nl from = {0};
	socklen_t from_bytes = sizeof from;
	ssize_t n = recvfrom(netlink->fd_, bytes, ANSWER_BYTES, MSG_TRUNC | flags,
		(struct sockaddr *)&from, &from_bytes);
	if (n < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	if (n > ANSWER_BYTES) {
		return -EMSGSIZE;
	}
	return from.nl_pid == 0 ? n : 0;
}

static int receive(const struct netlink *netlink, const struct exchange *exchange)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
	for (unsigned i = 0; i < NETLINK_DATAGRAMS; i++) {
		ssize_t n = receive_one(netlink, bytes, 0);
		int rc = n <= 0 ? (int)n : read_datagram(exchange, (struct str){bytes, (size_t)n});
		if (rc != 0) {
			return rc == -EAGAIN ? -ETIMEDOUT : rc;
		}
		if (exchange->until_ms && clock_mono_ms() >= exchange->until_ms) {
			break;
		}
	}
	return -ETIMEDOUT;
}

/*
 * The rest of an answer may be under way: nothing that comes now is waited for. A socket that could
 * not be opened again where it belongs is emptied instead of closed; what still comes later has an old
 * sequence number.
 */
static void start_afresh(struct netlink *netlink)
{
	char bytes[ANSWER_BYTES];
	if (!netlink->stays_) {
		netlink_done(netlink);
		return;
	}
	for (unsigned i = 0; i < NETLINK_DATAGRAMS; i++) {
		if (receive_one(netlink, bytes, MSG_DONTWAIT) == -EAGAIN) {
			return;
		}
	}
}

static int send_message(struct netlink *netlink, struct netlink_message *message)
{
	struct nlmsghdr head;
	memcpy(&head, message->bytes_, sizeof head);
	head.nlmsg_len = (uint32_t)message->n_;
	head.nlmsg_seq = ++netlink->sequence_;
	memcpy(message->bytes_, &head, sizeof head);
	ssize_t n = send(netlink->fd_, message->bytes_, message->n_, 0);
	return n < 0 ? -errno : 0;
}

/* Faults of the question, which leave nothing behind in the socket. */
static bool is_answer(int rc)
{
	return rc == 0 || rc == -ENOENT || rc == -EOPNOTSUPP || rc == -EEXIST || rc == -ENODEV ||
	       rc == -EADDRNOTAVAIL;
}

int netlink_ask(struct netlink *netlink, struct netlink_message *message,
	netlink_on_message on_message, void *ctx)
{
	struct nlmsghdr head;
	if (message->full_) {
		return -EMSGSIZE;
	}
	if (!netlink->is_open_) {
		TRY(open_socket(netlink, 0, 0));
	}
	int rc = send_message(netlink, message);
	memcpy(&head, message->bytes_, sizeof head);
	struct exchange exchange = {.on_message = on_message,
		.ctx = ctx,
		.sequence = netlink->sequence_,
		.until_ms = message->within_ms ? clock_mono_ms() + message->within_ms : 0,
		.one = (head.nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK)) == 0};
	if (rc == 0) {
		rc = receive(netlink, &exchange);
		rc = rc > 0 ? 0 : rc;
	}
	if (!is_answer(rc)) {
		start_afresh(netlink);
	}
	return rc;
}

/*
 * That something was lost is told once, and what comes while the socket is still full is lost without
 * another word: so all of it is read before that is said.
 */
int netlink_news(struct netlink *netlink, netlink_on_message on_message, void *ctx)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
	const struct exchange exchange = {.on_message = on_message, .ctx = ctx, .news = true};
	bool lost = false;
	for (;;) {
		ssize_t n = receive_one(netlink, bytes, MSG_DONTWAIT);
		if (n == -EAGAIN) {
			return lost ? -ENOBUFS : 0;
		}
		if (n == -ENOBUFS) {
			lost = true;
			continue;
		}
		TRY((int)n);
		if (n > 0) {
			TRY(read_datagram(&exchange, (struct str){bytes, (size_t)n}));
		}
	}
}
