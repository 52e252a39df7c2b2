/*
 * pg_server - a PostgreSQL of the test's own, in a folder of its own, that ends with it.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  pg_server_start() gives, pg_server_end() takes
 * Secrets: none
 * Limits:  PG_SERVER_MOST_S to start or to stop
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_PG_SERVER_H
#define TELLTALE_UNIT_PG_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#define PG_SERVER_MOST_S 60

struct pg_server {
	char folder[64];
	int port;
	pid_t pid; /* 0: it does not run */
};

/* Is there a PostgreSQL to make one of, and a user to run it? */
bool pg_server_can(void);

/* One for the whole test program, made when it is first asked for. */
struct pg_server *pg_server_shared(void);

/* Make and run one. standby_of: NULL, or whose copy it shall be. */
void pg_server_start(struct pg_server *server, const struct pg_server *standby_of);
void pg_server_end(struct pg_server *server);

/* Run one that is made; stop it as a crash would, or in order. */
void pg_server_run(struct pg_server *server);
void pg_server_stop(struct pg_server *server, bool in_order);

/* Every process of it stands still (SIGSTOP), or goes on. */
void pg_server_freeze(struct pg_server *server, bool still);

/* Run SQL in a database of it; the first value of the last row, or "", until the next call. */
const char *pg_server_sql(struct pg_server *server, const char *database, const char *sql);

/* A new, empty database, and its URL by the socket in the folder. */
void pg_server_database(struct pg_server *server, char ret_url[128]);

#endif
