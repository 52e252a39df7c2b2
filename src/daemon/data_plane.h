/*
 * data_plane - the workers that answer guests.
 *
 * Layer:   daemon
 * Threads: one a worker; the functions here are for the main thread
 * Memory:  data_plane_new/free
 * Secrets: token secrets, keyed into each worker's contexts
 * Limits:  struct config_limits; DATA_PLANE_PLACES
 * Spec:    docs/architecture.md#the-way-of-one-request
 *
 * This is where HTTP meets metadata: requests become service requests, callers become instances.
 */
#ifndef TELLTALE_DAEMON_DATA_PLANE_H
#define TELLTALE_DAEMON_DATA_PLANE_H

#include "daemon/space.h"
#include "http/worker.h"
#include "metadata/service.h"

/* How many listeners there can be when they come and go with interfaces. */
#define DATA_PLANE_PLACES 8192

struct data_plane;

struct data_plane_config {
	const struct config *settings; /* limits are copied */
	struct spaces *spaces;         /* they end later */
	unsigned workers;
	struct registry *registry;
	struct conn_table *table;
	uint16_t first_id;                  /* of the workers in the table */
	const struct secret *token_secrets; /* the one that makes tokens first */
	size_t n_token_secrets;
	struct crypto_signer *signing_key;
};

/* Nobody is answered yet, and nothing is listened on. Returns 0 or an error with diag. */
MUST_CHECK int data_plane_new(
	const struct data_plane_config *config, struct data_plane **ret_plane, struct diag *diag);

/* Where listeners come from: for spaces_start(). */
struct follow_handler data_plane_listeners(struct data_plane *plane);

/* Starts the threads. Returns 0 or an error with diag. */
MUST_CHECK int data_plane_start(struct data_plane *plane, struct diag *diag);

/* Ask every worker for a sign of life; returns how many have not given the last one. */
unsigned data_plane_pulse(struct data_plane *plane);

/*
 * Have the workers make and verify tokens by other secrets, as token_keys_init() has them: each by its next
 * turn. Returns 0 or -ENOMEM: then all have the old ones still.
 */
MUST_CHECK int data_plane_rekey(struct data_plane *plane, const struct secret *secrets, size_t n);

/* New limits for what comes from now on. */
void data_plane_limit(struct data_plane *plane, const struct config_limits *limits);

/* Listen no more and answer what has been asked; data_plane_drained() says when that is done. */
void data_plane_drain(struct data_plane *plane);
bool data_plane_drained(const struct data_plane *plane);

/* Ends the threads, at once if need be. */
void data_plane_free(struct data_plane *plane);

/* For metrics: the workers' counters and the open connections. */
struct service_worker *const *data_plane_workers(const struct data_plane *plane, size_t *ret_n);
uint64_t data_plane_connections(const struct data_plane *plane);

#endif
