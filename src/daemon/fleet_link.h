/*
 * fleet_link - keeps a host in touch with its fleet's database, on a thread of its own.
 *
 * Layer:   daemon
 * Threads: connect, start and free: the thread that owns it; what it calls back runs on its own
 * Memory:  fleet_link_new() gives, fleet_link_free() takes
 * Secrets: the URL may have a password
 * Limits:  one attempt to connect at a time; waits of up to FLEET_LINK_WAIT_MAX_MS in between
 * Spec:    docs/fleet.md
 *
 * Guests never wait for it. Connections are made here, without the registrar's lock; what has changed is
 * asked for when the database tells of it, and now and then, as what it tells can be lost.
 */
#ifndef TELLTALE_DAEMON_FLEET_LINK_H
#define TELLTALE_DAEMON_FLEET_LINK_H

#include "control/registrar.h"

#define FLEET_LINK_CHECK_MS    30000 /* so often it is asked in any case; a fifth more or less */
#define FLEET_LINK_WAIT_MS     500   /* after the first failure; then twice as long, and so on */
#define FLEET_LINK_WAIT_MAX_MS 30000

struct fleet_link;

struct fleet_link_config {
	struct registrar *registrar;
	struct str url;     /* borrowed */
	struct str replica; /* the same; empty: none */
	struct str host;    /* borrowed */
	/* The fleet's secrets may have changed, or there is a database again. */
	void (*on_news)(void *ctx);
	void *ctx;
};

/* NULL when out of memory or descriptors. */
struct fleet_link *fleet_link_new(const struct fleet_link_config *config);

/* Try once, before fleet_link_start(). Returns 0, or why not; E_BUSY: another daemon is this host. */
MUST_CHECK int fleet_link_connect(struct fleet_link *link, struct diag *diag);

/* Returns 0 or -errno. */
MUST_CHECK int fleet_link_start(struct fleet_link *link);

/* Ends the thread, and tells the database that the host is not there any more; one that never was says nothing. */
void fleet_link_free(struct fleet_link *link);

#endif
