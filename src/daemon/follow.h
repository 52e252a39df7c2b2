/*
 * follow - the listeners of one network namespace: with their interfaces they come and go.
 *
 * Layer:   daemon
 * Threads: one at a time, which lives in the namespace
 * Memory:  the caller's struct; follow_done() frees what is in it. Entries of the configuration are
 *          borrowed, for as long
 * Secrets: none
 * Limits:  as many listeners as the handler has room for
 * Spec:    docs/operator.md#addresses
 *
 * An entry of `listen` is one listener, or with an interface ("tap1", "tap*") one at each interface of
 * such a name that is there. With `setUp` the interface is given the address, and again when it has lost
 * it; without an interface that is done on one of our own, FOLLOW_INTERFACE.
 */
#ifndef TELLTALE_DAEMON_FOLLOW_H
#define TELLTALE_DAEMON_FOLLOW_H

#include "base/log.h"
#include "config/config.h"
#include "daemon/identity.h"
#include "platform/activation.h"
#include "platform/netif.h"

/* A dummy interface for addresses that belong to none; "lo" where the kernel has no such kind. */
#define FOLLOW_INTERFACE "telltale0"

/* Who listens. */
struct follow_handler {
	void *ctx;
	/* One socket for each worker, taken also on failure. Returns a number, or E_LIMIT. */
	int (*open)(void *ctx, const struct place *place, const int *fds);
	/* Listen there no more. */
	void (*close)(void *ctx, unsigned number);
};

/* A listener: an entry at one interface, there or waited for. */
struct spot;

struct follow {
	const struct config_listen **entries_; /* those in this namespace */
	size_t n_entries_;
	unsigned space_;
	unsigned workers_;
	struct follow_handler handler_;
	struct spot *spots_;
	size_t n_spots_;
	size_t room_;
	struct activation *inherited_; /* while follow_begin() runs */
	struct netlink netlink_;       /* for questions, also while a list is read */
	struct netlink list_;
	struct netlink news_;
	unsigned own_;  /* FOLLOW_INTERFACE's or lo's index; 0: not needed so far */
	bool own_made_; /* it is not lo */
	bool lost_;     /* news was lost, and nobody has looked around since */
	struct log_limit log_;
	int *fds_;           /* of one listener while it is being opened */
	struct diag *first_; /* where the first fault goes while follow_begin() runs */
	int first_rc_;
};

/*
 * netns  which entries of the configuration are meant (empty: those that name none).
 * Returns 0 or -ENOMEM.
 */
MUST_CHECK int follow_init(struct follow *follow, const struct config *config, struct str netns,
	unsigned space, unsigned workers);

/* Whether there is more to do than to listen once. */
bool follow_is_needed(const struct follow *follow);

/*
 * Listen wherever it can be done now. What waits for its interface is logged; everything else that is
 * not possible is an error. *ret_fd is readable when there is news; -1 when nothing is followed.
 * inherited: sockets that are open here already, for entries without an interface; NULL: none. One at an
 * interface could not be had again when that comes back.
 * Returns 0 or an error with diag.
 */
MUST_CHECK int follow_begin(struct follow *follow, const struct follow_handler *handler,
	struct activation *inherited, int *ret_fd, struct diag *diag);

/*
 * Do what the news ask for, and try again what was not possible so far; that is logged.
 * Returns whether there is something to be tried again.
 */
bool follow_turn(struct follow *follow);

/* Take away what was set up; listeners are left alone. Zeroed is fine. */
void follow_done(struct follow *follow);

#endif
