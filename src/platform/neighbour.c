#include "platform/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 32768
#define GOOD_STATES  (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

/* What is looked for, and what has been found of it. */
struct search {
	uint8_t family;
	const uint8_t *key; /* the address as the kernel has it */
	size_t key_bytes;
	uint32_t ifindex; /* 0: any */
	bool found;
	bool differs; /* two interfaces, two answers */
	uint8_t mac[NEIGHBOUR_MAC_BYTES];
};

struct question {
	struct nlmsghdr head;
	struct ndmsg body;
	struct nlattr key_head;
	uint8_t key[sizeof(struct ipaddr)];
};

void neighbour_init(struct neighbour *neighbour)
{
	*neighbour = (struct neighbour){0};
}

void neighbour_done(struct neighbour *neighbour)
{
	if (neighbour && neighbour->is_open_) {
		(void)close(neighbour->fd_); /* nothing is lost with it */
		neighbour->is_open_ = false;
	}
}

static int open_socket(struct neighbour *neighbour)
{
	if (neighbour->is_open_) {
		return 0;
	}
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0) {
		return -errno;
	}
	const struct timeval wait = {.tv_usec = NEIGHBOUR_WAIT_MS * 1000L};
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
		connect(fd, (const struct sockaddr *)&kernel, sizeof kernel) < 0) {
		int rc = -errno;
		(void)close(fd); /* rc says what is wrong */
		return rc;
	}
	neighbour->fd_ = fd;
	neighbour->is_open_ = true;
	return 0;
}

static int ask(struct neighbour *neighbour, const struct search *search, bool list)
{
	size_t bytes = list ? offsetof(struct question, key_head)
			    : offsetof(struct question, key) + search->key_bytes;
	struct question question = {
		.head = {.nlmsg_len = (uint32_t)bytes,
			.nlmsg_type = RTM_GETNEIGH,
			.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (list ? NLM_F_DUMP : 0)),
			.nlmsg_seq = ++neighbour->sequence_},
		.body = {.ndm_family = search->family,
			.ndm_ifindex = list ? 0 : (int32_t)search->ifindex},
		.key_head = {.nla_len = (uint16_t)(sizeof(struct nlattr) + search->key_bytes),
			.nla_type = NDA_DST},
	};
	memcpy(question.key, search->key, search->key_bytes);
	ssize_t n = send(neighbour->fd_, &question, bytes, 0);
	return n < 0 ? -errno : 0;
}

/* The next n bytes, or false when there are not so many. */
static bool take(struct str *cursor, void *ret, size_t n)
{
	if (cursor->n < n) {
		return false;
	}
	memcpy(ret, cursor->p, n);
	*cursor = str_from(*cursor, n);
	return true;
}

/* Netlink pads everything to four bytes, the last one perhaps not. */
static struct str take_padded(struct str *cursor, size_t n)
{
	struct str part = {cursor->p, n};
	size_t padded = NLMSG_ALIGN(n);
	*cursor = str_from(*cursor, padded < cursor->n ? padded : cursor->n);
	return part;
}

static void read_entry(struct str message, struct search *search)
{
	struct ndmsg body;
	struct nlattr head;
	struct str key = STR_EMPTY;
	struct str mac = STR_EMPTY;
	if (!take(&message, &body, sizeof body) || body.ndm_family != search->family ||
		(search->ifindex && (uint32_t)body.ndm_ifindex != search->ifindex) ||
		!(body.ndm_state & GOOD_STATES)) {
		return;
	}
	while (message.n >= sizeof head) {
		memcpy(&head, message.p, sizeof head);
		if (head.nla_len < sizeof head || head.nla_len > message.n) {
			return;
		}
		struct str value = str_from(take_padded(&message, head.nla_len), sizeof head);
		if (head.nla_type == NDA_DST) {
			key = value;
		} else if (head.nla_type == NDA_LLADDR) {
			mac = value;
		}
	}
	struct str wanted = {(const char *)search->key, search->key_bytes};
	if (!str_eq(key, wanted) || mac.n != sizeof search->mac) {
		return;
	}
	search->differs |= search->found && memcmp(search->mac, mac.p, mac.n) != 0;
	search->found = true;
	memcpy(search->mac, mac.p, mac.n);
}

/* Returns 1 when the answer is complete, 0 when more comes, or an error. */
static int read_datagram(
	const struct neighbour *neighbour, struct str datagram, bool list, struct search *search)
{
	struct nlmsghdr head;
	while (datagram.n >= sizeof head) {
		memcpy(&head, datagram.p, sizeof head);
		if (head.nlmsg_len < sizeof head || head.nlmsg_len > datagram.n) {
			return -EBADMSG;
		}
		struct str message = str_from(take_padded(&datagram, head.nlmsg_len), sizeof head);
		int error = 0;
		if (head.nlmsg_seq != neighbour->sequence_) {
			continue; /* to a question whose answer was given up */
		}
		switch (head.nlmsg_type) {
		case NLMSG_ERROR:
			return take(&message, &error, sizeof error) && error < 0 ? error : 1;
		case NLMSG_DONE:
			return 1;
		case RTM_NEWNEIGH:
			read_entry(message, search);
			if (!list) {
				return 1;
			}
			break;
		default:
			break;
		}
	}
	return 0;
}

static int receive(const struct neighbour *neighbour, bool list, struct search *search)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
	for (unsigned i = 0; i < NEIGHBOUR_DATAGRAMS; i++) {
		struct sockaddr_nl from = {0};
		socklen_t from_bytes = sizeof from;
		ssize_t n = recvfrom(neighbour->fd_, bytes, sizeof bytes, MSG_TRUNC,
			(struct sockaddr *)&from, &from_bytes);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if ((size_t)n > sizeof bytes) {
			return -EMSGSIZE;
		}
		if (from.nl_pid != 0) {
			continue; /* not the kernel's word */
		}
		int rc = read_datagram(neighbour, (struct str){bytes, (size_t)n}, list, search);
		if (rc != 0) {
			return rc;
		}
	}
	return -ETIMEDOUT;
}

static int run(struct neighbour *neighbour, bool list, struct search *search)
{
	TRY(open_socket(neighbour));
	int rc = ask(neighbour, search, list);
	if (rc == 0) {
		rc = receive(neighbour, list, search);
	}
	if (rc < 0 && rc != -ENOENT && rc != -EOPNOTSUPP) {
		neighbour_done(neighbour); /* the rest of an answer may be under way */
	}
	return rc;
}

int neighbour_mac(struct neighbour *neighbour, const struct ipaddr *addr, unsigned ifindex,
	uint8_t ret_mac[NEIGHBOUR_MAC_BYTES])
{
	bool is_v4 = ipaddr_is_v4(addr);
	size_t skip = is_v4 ? sizeof addr->b - 4 : 0;
	struct search search = {
		.family = is_v4 ? AF_INET : AF_INET6,
		.key = addr->b + skip,
		.key_bytes = sizeof addr->b - skip,
		.ifindex = ifindex,
	};
	int rc = -EOPNOTSUPP;
	if (ifindex != 0 && !neighbour->lists_only_) {
		rc = run(neighbour, false, &search);
		neighbour->lists_only_ = rc == -EOPNOTSUPP;
	}
	if (rc == -EOPNOTSUPP) {
		rc = run(neighbour, true, &search);
	}
	/* ENODEV: the interface is gone, and its neighbours with it. */
	if (rc == -ENOENT || rc == -ENODEV || (rc > 0 && (!search.found || search.differs))) {
		return E_NOTFOUND;
	}
	TRY(rc);
	memcpy(ret_mac, search.mac, sizeof search.mac);
	return 0;
}
