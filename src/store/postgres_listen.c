#include "store/postgres_listen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "store/postgres_channel.h"
#include "store/postgres_conn.h"

#define SQL_BYTES 512

struct postgres_listen {
	struct postgres_conn conn;
	char channel[POSTGRES_CHANNEL_BYTES];
	char secrets[POSTGRES_CHANNEL_BYTES];
};

/* The lock's number. Another schema of the same database is another fleet. */
static int lock_number(
	struct postgres_conn *conn, struct str host, uint64_t *ret_number, struct diag *diag)
{
	unsigned char digest[CRYPTO_SHA256_BYTES];
	PGresult *result = NULL;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	TRY(postgres_conn_ask(conn, "SELECT current_schema()", &result, diag));
	buf_add(&text, STR("telltale host\n"));
	buf_add(&text, str_of(libpq.PQgetvalue(result, 0, 0)));
	buf_add_char(&text, '\n');
	buf_add(&text, host);
	libpq.PQclear(result);
	if (buf_status(&text) < 0) {
		return postgres_conn_says(conn, -ENOMEM, diag, "out of memory");
	}
	if (crypto_sha256(buf_str(&text), digest) < 0) {
		return postgres_conn_says(conn, E_CRYPTO, diag, "the crypto library refused");
	}
	memcpy(ret_number, digest, sizeof *ret_number);
	return 0;
}

/* Who has it. What the server does not tell our user about another's session is left out. */
static int busy(struct postgres_conn *conn, struct str host, uint64_t number, struct diag *diag)
{
	char sql[SQL_BYTES];
	PGresult *result = NULL;
	(void)snprintf(sql, sizeof sql,
		"SELECT coalesce(host(client_addr), 'a socket'), coalesce(to_char(backend_start,"
		" 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'some time') FROM pg_locks l"
		" JOIN pg_stat_activity a USING (pid) WHERE locktype = 'advisory' AND granted"
		" AND objsubid = 1 AND classid = %" PRIu64 " AND objid = %" PRIu64
		" AND l.database = (SELECT oid FROM pg_database"
		" WHERE datname = current_database())",
		number >> 32, number & UINT32_MAX);
	bool known =
		postgres_conn_ask(conn, sql, &result, NULL) == 0 && libpq.PQntuples(result) > 0;
	int rc = diag_set(diag, E_BUSY,
		"store %s: another daemon has the name of host \"%.*s\": connected from %s, since %s",
		conn->server, STR_FMT(host), known ? libpq.PQgetvalue(result, 0, 0) : "somewhere",
		known ? libpq.PQgetvalue(result, 0, 1) : "some time");
	libpq.PQclear(result);
	return rc;
}

static int take_lock(struct postgres_conn *conn, struct str host, struct diag *diag)
{
	char sql[SQL_BYTES];
	uint64_t number = 0;
	PGresult *result = NULL;
	TRY(lock_number(conn, host, &number, diag));
	(void)snprintf(
		sql, sizeof sql, "SELECT pg_try_advisory_lock(%" PRId64 ")", (int64_t)number);
	TRY(postgres_conn_ask(conn, sql, &result, diag));
	bool ours =
		libpq.PQntuples(result) == 1 && strcmp(libpq.PQgetvalue(result, 0, 0), "t") == 0;
	libpq.PQclear(result);
	return ours ? 0 : busy(conn, host, number, diag);
}

static int open_all(
	struct postgres_listen *listen, struct str url, struct str host, struct diag *diag)
{
	struct postgres_target target;
	char sql[SQL_BYTES];
	if (postgres_channel(host, listen->channel) < 0 ||
		postgres_channel(STR(""), listen->secrets) < 0) {
		return diag_set(diag, E_CRYPTO, "store: the crypto library refused");
	}
	TRY(postgres_target_init(&target, url, diag));
	postgres_conn_within(&listen->conn, POSTGRES_CALL_MS);
	int rc = postgres_conn_open(&listen->conn, &target, diag);
	postgres_target_done(&target);
	TRY(rc);
	TRY(take_lock(&listen->conn, host, diag));
	(void)snprintf(sql, sizeof sql, "LISTEN %s; LISTEN %s", listen->channel, listen->secrets);
	return postgres_conn_run(&listen->conn, sql, diag);
}

int postgres_listen_new(
	struct str url, struct str host, struct postgres_listen **ret_listen, struct diag *diag)
{
	struct postgres_listen *listen = calloc(1, sizeof *listen);
	if (!listen) {
		return diag_set(diag, -ENOMEM, "store: out of memory");
	}
	int rc = open_all(listen, url, host, diag);
	if (rc < 0) {
		postgres_listen_free(listen);
		return rc;
	}
	*ret_listen = listen;
	return 0;
}

void postgres_listen_free(struct postgres_listen *listen)
{
	if (listen) {
		postgres_conn_close(&listen->conn);
		free(listen);
	}
}

int postgres_listen_fd(const struct postgres_listen *listen)
{
	return listen->conn.pg ? libpq.PQsocket(listen->conn.pg) : -1;
}

int postgres_listen_read(struct postgres_listen *listen, unsigned *ret_told, struct diag *diag)
{
	unsigned told = 0;
	if (!postgres_conn_lives(&listen->conn)) {
		return postgres_conn_gone(&listen->conn, diag);
	}
	PGnotify *notice;
	while ((notice = libpq.PQnotifies(listen->conn.pg))) {
		if (strcmp(notice->relname, listen->channel) == 0) {
			told |= POSTGRES_TOLD_HOST;
		} else if (strcmp(notice->relname, listen->secrets) == 0) {
			told |= POSTGRES_TOLD_SECRETS;
		}
		libpq.PQfreemem(notice);
	}
	*ret_told = told;
	return 0;
}

int postgres_listen_ping(struct postgres_listen *listen, struct diag *diag)
{
	if (!postgres_conn_lives(&listen->conn)) {
		return postgres_conn_gone(&listen->conn, diag);
	}
	postgres_conn_within(&listen->conn, POSTGRES_CALL_MS);
	return postgres_conn_run(&listen->conn, "SELECT 1", diag);
}
