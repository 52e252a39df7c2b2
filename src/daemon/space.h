/*
 * space - the network namespaces in which metadata is served, each with a thread where one is needed.
 *
 * Layer:   daemon
 * Threads: the functions here are for the main thread; the handler is called from several
 * Memory:  spaces_new/free; the configuration is borrowed, for as long
 * Secrets: none
 * Limits:  a namespace for each entry of `listen`
 * Spec:    docs/architecture.md#addresses-and-interfaces
 *
 * A thread is where its namespace is, so each namespace but our own has one; our own has one when there
 * are interfaces to follow or addresses to set up. These threads alone keep CAP_NET_ADMIN.
 */
#ifndef TELLTALE_DAEMON_SPACE_H
#define TELLTALE_DAEMON_SPACE_H

#include "daemon/follow.h"

struct spaces;

/*
 * Find the namespaces of the configuration: while the process may still read what is root's.
 * Returns 0, or an error with diag.
 */
MUST_CHECK int spaces_new(const struct config *config, unsigned workers, struct spaces **ret_spaces,
	struct diag *diag);

/*
 * Go there. Needs CAP_SYS_ADMIN for namespaces other than our own, and nothing after this does.
 * Returns 0, or an error with diag.
 */
MUST_CHECK int spaces_enter(struct spaces *spaces, struct diag *diag);

/* Whose neighbours a worker asks about: place.space is the index. Until spaces_free(). */
struct neighbour *spaces_neighbours(const struct spaces *spaces, unsigned space, unsigned worker);

/*
 * Listen wherever it can be done now, and follow the interfaces. inherited: sockets that are open already
 * in our own namespace, used during this call alone; NULL: none. Returns 0, or an error with diag.
 */
MUST_CHECK int spaces_start(struct spaces *spaces, const struct follow_handler *handler,
	struct activation *inherited, struct diag *diag);

/* Follow no more; the handler is not called again. */
void spaces_stop(struct spaces *spaces);

/* Take away what was set up, and free all. */
void spaces_free(struct spaces *spaces);

#endif
