/*
 * rig - the data plane without a daemon around it, and clients in its workers' own threads.
 *
 * Layer:   bench (links all of src/ but main)
 * Threads: rig_before_wait() is called by every worker; the rest is for the main thread
 * Memory:  the caller's structs
 * Secrets: a token secret that is everybody's
 * Limits:  RIG_DESCRIPTORS
 * Spec:    none
 *
 * A worker that shares its thread with its clients needs nobody to keep it busy or to wait for: what
 * it does is the same in every run. Programs that use this are linked with --wrap=loop_wait.
 */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include "config/config.h"
#include "daemon/data_plane.h"
#include "daemon/space.h"
#include "exchange.h"

#define RIG_DESCRIPTORS 4096

struct rig {
	struct config *config; /* of the sample instance, but for the listener */
	struct site site;
	struct registry *registry;
	struct conn_table table;
	struct secret secret;
	struct spaces *spaces;
	struct data_plane *plane;
	struct sockaddr_in server;
};

/* A registry without instances, workers that listen and are not started. Ends the process on failure. */
void rig_init(struct rig *rig, unsigned workers);
void rig_start(struct rig *rig);
void rig_done(struct rig *rig);

/* Say what failed and end the process, when rc is an error. */
void rig_must(int rc, const char *what, const struct diag *diag);

/* The program's own: called by a worker before it waits for events. Returns whether it may wait. */
bool rig_before_wait(void);

/* One client with at most one connection. fd -1: none. */
struct client {
	int fd;
	uint32_t source; /* host order; 0: the kernel's choice */
	size_t got;
	char bytes[4096];
};

/* Send a request, on a new connection if there is none. Returns 0 or -1. */
int client_ask(struct client *client, const struct rig *rig, const struct request *request);

/* Returns 1 with the whole reply, 0 when more is to come, -1 when the connection is of no use. */
int client_take(struct client *client, struct reply *ret_reply);

void client_close(struct client *client);

#endif
