#include "store/postgres_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/crypto.h"

#define WORDS_MOST 64 /* of a connection: libpq 17 knows some 50 */
#define NAME_BYTES 256

/* --- where to -------------------------------------------------------------------------------- */

/* What the URL does not say. */
static const char *const defaults[][2] = {
	{"application_name", "telltale"}, {"keepalives", "1"}, {"keepalives_idle", "10"},
	{"keepalives_interval", "5"}, {"keepalives_count", "3"}, {"tcp_user_timeout", "15000"},
	{"gssencmode", "disable"}, /* would ask a KDC, and wait for it */
};
#define DEFAULTS (sizeof defaults / sizeof defaults[0])

static const char *option(const struct postgres_target *target, const char *word)
{
	for (const PQconninfoOption *one = target->options_; one->keyword; one++) {
		if (strcmp(one->keyword, word) == 0) {
			return one->val;
		}
	}
	return NULL;
}

static unsigned count_elements(const char *list)
{
	unsigned n = list && *list ? 1 : 0;
	for (; list && *list; list++) {
		n += *list == ',';
	}
	return n;
}

/* The list's element, or its only one. Too long a one is cut: no host has such a name. */
static void copy_element(const char *list, unsigned at, char ret_text[NAME_BYTES])
{
	bool only = count_elements(list) == 1;
	for (unsigned i = 0; i < at && !only; i++) {
		list = strchr(list, ',') + 1;
	}
	(void)snprintf(ret_text, NAME_BYTES, "%.*s", (int)strcspn(list, ","), list);
}

/* Each host stands for itself, see postgres_conn_open(). */
static int count_hosts(struct postgres_target *target, struct diag *diag)
{
	unsigned hosts = count_elements(option(target, "host"));
	unsigned addresses = count_elements(option(target, "hostaddr"));
	unsigned ports = count_elements(option(target, "port"));
	unsigned most = hosts > addresses ? hosts : addresses;
	const char *host = option(target, "host");
	if (most > POSTGRES_HOSTS_MOST || (hosts > 0 && hosts != most) ||
		(addresses > 0 && addresses != most) || (ports > 1 && ports != most)) {
		return diag_set(diag, E_SYNTAX,
			"store: the URL needs as many ports as hosts, or one, and at most %u hosts",
			POSTGRES_HOSTS_MOST);
	}
	/* The rest of a password would be the host's name, and in every message. */
	if (host && strchr(host, '@')) {
		return diag_set(diag, E_SYNTAX, "store: write @ in the URL's password as %%40");
	}
	target->hosts_ = most;
	return 0;
}

int postgres_target_init(struct postgres_target *target, struct str url, struct diag *diag)
{
	*target = (struct postgres_target){0};
	TRY(postgres_libpq_load(diag));
	char *text = str_dup(url);
	char *error = NULL;
	if (!text) {
		return diag_set(diag, -ENOMEM, "store: out of memory");
	}
	bool whole = strlen(text) == url.n;
	target->options_ = whole ? libpq.PQconninfoParse(text, &error) : NULL;
	crypto_wipe(text, url.n);
	free(text);
	libpq.PQfreemem(error); /* not shown: it may be the whole URL */
	if (!target->options_) {
		return diag_set(diag, E_SYNTAX,
			"store: the URL is not of the form "
			"postgresql://USER@HOST:PORT/DATABASE?OPTION=VALUE that libpq reads");
	}
	int rc = count_hosts(target, diag);
	if (rc < 0) {
		postgres_target_done(target);
	}
	return rc;
}

void postgres_target_done(struct postgres_target *target)
{
	for (PQconninfoOption *one = target->options_; one && one->keyword; one++) {
		if (one->val) {
			crypto_wipe(one->val, strlen(one->val));
		}
	}
	if (target->options_) {
		libpq.PQconninfoFree(target->options_);
	}
	*target = (struct postgres_target){0};
}

/* --- waiting --------------------------------------------------------------------------------- */

int64_t postgres_now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* can't fail for this clock */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0, or E_AWAY at the deadline. */
static int await(struct postgres_conn *conn, short events, struct diag *diag)
{
	for (;;) {
		struct pollfd pollfd = {.fd = libpq.PQsocket(conn->pg), .events = events};
		int64_t left = conn->deadline_ms - postgres_now_ms();
		int n = poll(&pollfd, 1, left > 0 ? (int)left : 0);
		if (n > 0) {
			return 0;
		}
		if (n == 0) {
			return postgres_conn_says(conn, E_AWAY, diag, "it does not answer");
		}
		if (errno != EINTR) {
			return postgres_conn_says(conn, E_AWAY, diag, result_name(-errno));
		}
	}
}

/* --- errors ---------------------------------------------------------------------------------- */

static const struct {
	const char *state; /* its beginning */
	int rc;
	bool ends; /* the connection is of no use any more */
} faults[] = {
	{"25006", E_AWAY, true}, /* read_only_sql_transaction: it is no primary any more */
	{"25P03", E_AWAY, true}, /* idle_in_transaction_session_timeout */
	{"28", -EACCES, true},   /* invalid_authorization_specification */
	{"3D", -ENOENT, true},   /* invalid_catalog_name: no such database */
	{"40001", E_BUSY, false},
	{"40P01", E_BUSY, false}, /* deadlock_detected */
	{"42501", -EACCES, false},
	{"42", E_DAMAGED, false}, /* our SQL is right, so tables are not as we made them */
	{"22", E_DAMAGED, false},
	{"23", E_DAMAGED, false},
	{"XX", E_DAMAGED, false}, /* data_corrupted, index_corrupted */
	{"53300", E_AWAY, true},  /* too_many_connections */
	{"53200", E_BUSY, false}, /* out_of_memory, of the server's */
	{"53", E_FULL, false},
	{"54", E_LIMIT, false},
	{"55P03", E_BUSY, false}, /* lock_not_available */
	{"57014", E_BUSY, false}, /* query_canceled: statement_timeout */
	{"57", E_AWAY, true},     /* it shuts down, or starts */
	{"58", -EIO, false},
	{"08", E_AWAY, true},
};

/* In one line. */
static int say(const struct postgres_conn *conn, int rc, const char *text, struct diag *diag)
{
	char line[DIAG_TEXT_BYTES];
	(void)snprintf(line, sizeof line, "%s", text && *text ? text : "it has gone");
	for (char *end = line + strlen(line); end > line && end[-1] == '\n';) {
		*--end = '\0';
	}
	for (char *end = strchr(line, '\n'); end; end = strchr(end, '\n')) {
		*end = ' ';
	}
	return postgres_conn_says(conn, rc, diag, line);
}

int postgres_conn_fault(struct postgres_conn *conn, const PGresult *result, struct diag *diag)
{
	const char *state = result ? libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	int rc = state ? -EIO : E_AWAY;
	bool ends = !state || libpq.PQstatus(conn->pg) != CONNECTION_OK;
	for (size_t i = 0; state && i < sizeof faults / sizeof faults[0]; i++) {
		if (strncmp(state, faults[i].state, strlen(faults[i].state)) == 0) {
			rc = faults[i].rc;
			ends = ends || faults[i].ends;
			break;
		}
	}
	/* The details have values in them. */
	rc = say(conn, rc,
		state ? libpq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
		      : libpq.PQerrorMessage(conn->pg),
		diag);
	if (ends) {
		postgres_conn_close(conn);
	}
	return rc;
}

static int lose(struct postgres_conn *conn, int rc)
{
	postgres_conn_close(conn);
	return rc;
}

/* --- results --------------------------------------------------------------------------------- */

int postgres_conn_next(struct postgres_conn *conn, PGresult **ret_result, struct diag *diag)
{
	for (;;) {
		int unsent = libpq.PQflush(conn->pg);
		if (unsent < 0) {
			return postgres_conn_fault(conn, NULL, diag);
		}
		if (!libpq.PQisBusy(conn->pg)) {
			*ret_result = libpq.PQgetResult(conn->pg);
			return 0;
		}
		short events = unsent ? POLLIN | POLLOUT : POLLIN;
		int rc = await(conn, events, diag);
		if (rc < 0) {
			return lose(conn, rc);
		}
		/* An end that the server explains is a result, to be taken first. */
		if (!libpq.PQconsumeInput(conn->pg) && libpq.PQisBusy(conn->pg)) {
			return postgres_conn_fault(conn, NULL, diag);
		}
	}
}

static bool is_good(const PGresult *result)
{
	ExecStatusType status = libpq.PQresultStatus(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* All results, of which the last is handed on; after an error the others are taken and dropped. */
static int take_all(struct postgres_conn *conn, PGresult **ret_result, struct diag *diag)
{
	PGresult *last = NULL;
	int rc = 0;
	for (;;) {
		PGresult *result = NULL;
		int next_rc = postgres_conn_next(conn, &result, rc < 0 ? NULL : diag);
		if (next_rc < 0 || !result) {
			rc = rc < 0 ? rc : next_rc;
			break;
		}
		if (rc == 0 && !is_good(result)) {
			rc = postgres_conn_fault(conn, result, diag);
		}
		libpq.PQclear(last);
		last = result;
		if (!conn->pg) {
			break;
		}
	}
	if (rc < 0 || !ret_result) {
		libpq.PQclear(last);
		return rc;
	}
	*ret_result = last;
	return 0;
}

int postgres_conn_drain(struct postgres_conn *conn, struct diag *diag)
{
	return take_all(conn, NULL, diag);
}

int postgres_conn_run(struct postgres_conn *conn, const char *sql, struct diag *diag)
{
	if (!libpq.PQsendQuery(conn->pg, sql)) {
		return postgres_conn_fault(conn, NULL, diag);
	}
	return take_all(conn, NULL, diag);
}

int postgres_conn_ask(
	struct postgres_conn *conn, const char *sql, PGresult **ret_result, struct diag *diag)
{
	if (!libpq.PQsendQuery(conn->pg, sql)) {
		return postgres_conn_fault(conn, NULL, diag);
	}
	PGresult *result = NULL;
	TRY(take_all(conn, &result, diag));
	if (!result) {
		return postgres_conn_says(conn, E_DAMAGED, diag, "it answers nothing");
	}
	*ret_result = result;
	return 0;
}

/* --- open and close -------------------------------------------------------------------------- */

/*
 * What a server does for a daemon that was stopped, or whose host has lost its power: it ends what
 * holds locks. A setting that it does not have is left out. The last row is whether it can't be written.
 */
static const char session[] =
	"SELECT set_config(s.name, v.value, false) FROM pg_settings s JOIN (VALUES"
	" ('statement_timeout', '10000'), ('lock_timeout', '2000'),"
	" ('idle_in_transaction_session_timeout', '5000'), ('idle_session_timeout', '0'),"
	" ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'),"
	" ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '15000'), ('TimeZone', 'UTC'),"
	" ('client_encoding', 'UTF8'), ('standard_conforming_strings', 'on'), ('jit', 'off'),"
	" ('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
	" ELSE current_setting('synchronous_commit') END)) v (name, value) USING (name);"
	"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";

/* Its notices would go to stderr. That it ends is a notice, too, when nothing was asked. */
static void on_notice(void *ctx, const PGresult *result)
{
	struct postgres_conn *conn = ctx;
	const char *severity = libpq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	conn->ended =
		conn->ended ||
		(severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0));
}

static void name_server(struct postgres_conn *conn)
{
	const char *host = libpq.PQhost(conn->pg);
	const char *port = libpq.PQport(conn->pg);
	(void)snprintf(conn->server, sizeof conn->server, "%s:%s",
		host && *host ? host : "postgresql", port && *port ? port : "5432");
}

/* libpq's words: our defaults, what the URL says, and which of its hosts. */
static void start(struct postgres_conn *conn, const struct postgres_target *target, unsigned at)
{
	static const char *const listed[] = {"host", "hostaddr", "port"};
	char elements[3][NAME_BYTES];
	const char *words[WORDS_MOST + 1] = {0};
	const char *values[WORDS_MOST + 1] = {0};
	size_t n = 0;
	for (; n < DEFAULTS; n++) {
		words[n] = defaults[n][0];
		values[n] = defaults[n][1];
	}
	for (PQconninfoOption *one = target->options_; one->keyword; one++) {
		if (one->val && n < WORDS_MOST - 3) {
			words[n] = one->keyword;
			values[n++] = one->val;
		}
	}
	for (size_t i = 0; i < 3 && target->hosts_ > 0; i++) {
		const char *list = option(target, listed[i]);
		if (list && *list) {
			copy_element(list, at, elements[i]);
			words[n] = listed[i];
			values[n++] = elements[i];
		}
	}
	conn->pg = libpq.PQconnectStartParams(words, values, 0);
}

static int shake_hands(struct postgres_conn *conn, struct diag *diag)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED) {
			return postgres_conn_fault(conn, NULL, diag);
		}
		TRY(await(conn, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, diag));
		status = libpq.PQconnectPoll(conn->pg);
	}
	return 0;
}

static int begin_session(
	struct postgres_conn *conn, const struct postgres_target *target, struct diag *diag)
{
	if (libpq.PQsetnonblocking(conn->pg, 1) < 0) {
		return postgres_conn_fault(conn, NULL, diag);
	}
	PGresult *result = NULL;
	TRY(postgres_conn_ask(conn, session, &result, diag));
	bool writable =
		libpq.PQntuples(result) == 1 && strcmp(libpq.PQgetvalue(result, 0, 0), "f") == 0;
	libpq.PQclear(result);
	return writable || target->reads
		       ? 0
		       : postgres_conn_says(conn, E_READONLY, diag,
				 "it can't be written: a standby, or set to be read only");
}

static int open_one(struct postgres_conn *conn, const struct postgres_target *target, unsigned at,
	struct diag *diag)
{
	start(conn, target, at);
	if (!conn->pg) {
		return diag_set(diag, -ENOMEM, "store: out of memory");
	}
	name_server(conn);
	conn->ended = false;
	(void)libpq.PQsetNoticeReceiver(conn->pg, on_notice, conn);
	int rc = 0;
	if (libpq.PQstatus(conn->pg) == CONNECTION_BAD) {
		rc = postgres_conn_fault(conn, NULL, diag);
	} else {
		rc = shake_hands(conn, diag);
	}
	if (rc == 0) {
		name_server(conn);
		rc = begin_session(conn, target, diag);
	}
	return rc < 0 ? lose(conn, rc) : 0;
}

int postgres_conn_open(
	struct postgres_conn *conn, const struct postgres_target *target, struct diag *diag)
{
	unsigned hosts = target->hosts_ > 0 ? target->hosts_ : 1;
	int64_t deadline_ms = conn->deadline_ms;
	int rc = E_AWAY;
	postgres_conn_close(conn);
	for (unsigned at = 0; at < hosts; at++) {
		int64_t now_ms = postgres_now_ms();
		struct diag why;
		conn->deadline_ms = now_ms + (deadline_ms - now_ms) / (hosts - at);
		int one_rc = open_one(conn, target, at, &why);
		conn->deadline_ms = deadline_ms;
		if (one_rc == 0) {
			return 0;
		}
		/* What one that answered says tells more than that another did not. */
		if (at == 0 || rc == E_AWAY) {
			rc = one_rc;
			(void)diag_set(diag, 0, "%s", why.text);
		}
	}
	return rc;
}

void postgres_conn_close(struct postgres_conn *conn)
{
	if (conn->pg) {
		libpq.PQfinish(conn->pg);
	}
	conn->pg = NULL;
}

bool postgres_conn_lives(struct postgres_conn *conn)
{
	if (!conn->pg) {
		return false;
	}
	/* Why it ended comes first, then the end. */
	struct pollfd pollfd = {.fd = libpq.PQsocket(conn->pg), .events = POLLIN};
	bool lives = true;
	for (int i = 0; i < 4 && lives && poll(&pollfd, 1, 0) > 0; i++) {
		lives = libpq.PQconsumeInput(conn->pg) && !libpq.PQisBusy(conn->pg) && !conn->ended;
	}
	if (!lives || libpq.PQstatus(conn->pg) != CONNECTION_OK) {
		postgres_conn_close(conn);
		return false;
	}
	return true;
}
