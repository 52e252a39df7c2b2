/*
 * postgres_conn - one connection to PostgreSQL that never waits longer than it was told to.
 *
 * Layer:   store
 * Threads: one caller at a time
 * Memory:  postgres_target_init() gives, postgres_target_done() takes; likewise open and close
 * Secrets: the URL's password is in struct postgres_target and in libpq; in no message
 * Limits:  POSTGRES_CALL_MS; POSTGRES_HOSTS_MOST in a URL
 * Spec:    PostgreSQL's manual, chapter 34 (libpq), appendix A (SQLSTATE)
 *
 * libpq waits without an end for a server that is stopped, or whose packets go nowhere. So it is used
 * in its ways that don't wait, and all waiting is poll(2) here, until the deadline. There is one
 * exception: a host name is looked up by the system's resolver, which waits by its own rules. Give
 * addresses (hostaddr=) where that matters.
 */
#ifndef TELLTALE_STORE_POSTGRES_CONN_H
#define TELLTALE_STORE_POSTGRES_CONN_H

#include "base/str.h"
#include "store/postgres_libpq.h"

#define POSTGRES_CALL_MS     3000
#define POSTGRES_HOSTS_MOST  16
#define POSTGRES_SERVER_TEXT 128

/* Where to connect to. Lifetime: that of the store. */
struct postgres_target {
	PQconninfoOption *options_;
	unsigned hosts_;
	bool reads; /* one that can't be written will do */
};

/* Returns 0, -ENOMEM, or E_SYNTAX. */
MUST_CHECK int postgres_target_init(
	struct postgres_target *target, struct str url, struct diag *diag);
void postgres_target_done(struct postgres_target *target);

/* Zeroed is closed. */
struct postgres_conn {
	PGconn *pg;                        /* NULL: closed */
	int64_t deadline_ms;               /* of the call that is made; see postgres_now_ms() */
	bool ended;                        /* the server said so, and the end itself is to come */
	char server[POSTGRES_SERVER_TEXT]; /* HOST:PORT, also of one that is closed */
};

/* Milliseconds of a clock that only goes forward. */
int64_t postgres_now_ms(void);

/* From now on, so long. */
static inline void postgres_conn_within(struct postgres_conn *conn, int64_t ms)
{
	conn->deadline_ms = postgres_now_ms() + ms;
}

/*
 * Connect to the first of the target's hosts that can be written (or read, where that will do), until the deadline, of which each
 * host gets its share. Returns 0, E_READONLY when one answered and can't be written, or E_AWAY: also
 * when a server would not have us, as libpq tells that by words alone.
 */
MUST_CHECK int postgres_conn_open(
	struct postgres_conn *conn, const struct postgres_target *target, struct diag *diag);
void postgres_conn_close(struct postgres_conn *conn);

/* Is there one, and has the server not ended it? Does not wait. The struct may not be moved. */
bool postgres_conn_lives(struct postgres_conn *conn);

/*
 * Wait for the next result of what was sent; NULL when there is none any more. E_AWAY when the
 * deadline has passed or the server has gone: the connection is closed then.
 */
MUST_CHECK int postgres_conn_next(
	struct postgres_conn *conn, PGresult **ret_result, struct diag *diag);

/* Take all results of what was sent. 0, or the first error; a result is no use then. */
MUST_CHECK int postgres_conn_drain(struct postgres_conn *conn, struct diag *diag);

/* Run statements, without values, one after the other, whose rows nobody needs. */
MUST_CHECK int postgres_conn_run(struct postgres_conn *conn, const char *sql, struct diag *diag);

/* The same; the rows of the last one, as text. PQclear() it. */
MUST_CHECK int postgres_conn_ask(
	struct postgres_conn *conn, const char *sql, PGresult **ret_result, struct diag *diag);

/*
 * What it means that a call of libpq failed (result NULL), or that the server says so: closes the
 * connection when it can't be used any more. Returns an error, never 0.
 */
int postgres_conn_fault(struct postgres_conn *conn, const PGresult *result, struct diag *diag);

/* "store SERVER: text", and rc. Inline, so that analysers see which it is. */
static inline int postgres_conn_says(
	const struct postgres_conn *conn, int rc, struct diag *diag, const char *text)
{
	return diag_set(diag, rc, "store %s: %s", conn->server, text);
}

/* What it means that it does not live. */
static inline int postgres_conn_gone(const struct postgres_conn *conn, struct diag *diag)
{
	return postgres_conn_says(conn, E_AWAY, diag, "the connection has gone");
}

#endif
