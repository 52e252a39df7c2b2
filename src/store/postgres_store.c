#include "store/postgres_store.h"

#include <errno.h>

#include "base/array.h"

#define BYTEA 17 /* pg_type.oid, for ever */
#define INT8  20

/* So many are on their way at most: what the server has to say about them must fit on its way, too. */
#define QUEUE_MOST       256
#define QUEUE_BYTES_MOST ((size_t)1024 * 1024)

/* --- parameters ------------------------------------------------------------------------------ */

static void add(struct postgres_params *params, const char *value, size_t n, Oid type)
{
	int at = params->n++;
	params->values[at] = value;
	params->lengths[at] = (int)n;
	params->types[at] = type;
}

void postgres_add(struct postgres_params *params, struct str bytes)
{
	params->too_big = params->too_big || bytes.n > POSTGRES_VALUE_BYTES;
	add(params, bytes.p, params->too_big ? 0 : bytes.n, BYTEA);
}

void postgres_add_number(struct postgres_params *params, uint64_t value)
{
	int at = params->n;
	params->numbers[at] = htobe64(value);
	add(params, (const char *)&params->numbers[at], sizeof value, INT8);
}

void postgres_add_name(struct postgres_params *params, struct str name)
{
	postgres_add(params, name);
	params->too_big = params->too_big || name.n > POSTGRES_NAME_BYTES;
}

/* --- rows ------------------------------------------------------------------------------------ */

int postgres_keep(struct buf *buf, struct str text, struct diag *diag)
{
	buf_reset(buf);
	buf_add(buf, text);
	return buf_status(buf) < 0 ? diag_set(diag, -ENOMEM, "store: out of memory") : 0;
}

/* --- calls ----------------------------------------------------------------------------------- */

static int failed_before(const struct postgres_store *s, struct diag *diag)
{
	return postgres_conn_says(&s->conn, s->failed, diag, "the transaction has failed before");
}

int postgres_read_call(struct postgres_store *s, struct diag *diag)
{
	postgres_conn_within(&s->conn, POSTGRES_CALL_MS);
	s->reads = true;
	if (!s->begun) {
		return postgres_conn_lives(&s->conn) ? 0 : postgres_conn_gone(&s->conn, diag);
	}
	return s->failed < 0 ? failed_before(s, diag) : 0;
}

int postgres_change_call(struct postgres_store *s, struct diag *diag)
{
	postgres_conn_within(&s->conn, POSTGRES_CALL_MS);
	s->reads = false;
	if (!s->begun) {
		return postgres_conn_says(&s->conn, -EINVAL, diag, "no transaction has begun");
	}
	return s->failed < 0 ? failed_before(s, diag) : 0;
}

int postgres_lose(struct postgres_store *s, int rc)
{
	if (s->begun && rc < 0) {
		s->failed = rc;
	}
	return rc;
}

/* --- statements ------------------------------------------------------------------------------ */

static const char *text_of(enum postgres_statement which);

/* A name for a statement: its number. */
struct name {
	char text[8];
};

static struct name name_of(enum postgres_statement which)
{
	return (struct name){{'t', (char)('a' + which / 10), (char)('0' + which % 10), '\0'}};
}

static int prepare(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, struct diag *diag)
{
	if (s->prepared[which]) {
		return 0;
	}
	struct name name = name_of(which);
	if (!libpq.PQsendPrepare(s->conn.pg, name.text, text_of(which), params->n, params->types)) {
		return postgres_conn_fault(&s->conn, NULL, diag);
	}
	TRY(postgres_conn_drain(&s->conn, diag));
	s->prepared[which] = true;
	return 0;
}

static int send(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, struct diag *diag)
{
	static const int binary[POSTGRES_PARAMS_MOST] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct name name = name_of(which);
	if (!libpq.PQsendQueryPrepared(
		    s->conn.pg, name.text, params->n, params->values, params->lengths, binary, 1)) {
		return postgres_conn_fault(&s->conn, NULL, diag);
	}
	return 0;
}

static int check_size(
	const struct postgres_store *s, const struct postgres_params *params, struct diag *diag)
{
	return params->too_big ? postgres_conn_says(&s->conn, E_LIMIT, diag,
					 "a name or a value is too long for it")
			       : 0;
}

/* What was queued comes first. */
static int run(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, struct diag *diag)
{
	TRY(check_size(s, params, diag));
	TRY(postgres_settle(s, diag));
	TRY(prepare(s, which, params, diag));
	return send(s, which, params, diag);
}

/* on_step: NULL when it was not asked row by row. */
static int take_rows(struct postgres_store *s,
	int (*on_step)(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag),
	void *ctx, uint64_t *ret_changed, struct diag *diag)
{
	int rc = 0;
	for (;;) {
		PGresult *result = NULL;
		int next_rc = postgres_conn_next(&s->conn, &result, rc == 0 ? diag : NULL);
		if (next_rc < 0 || !result) {
			return rc == 0 ? next_rc : rc;
		}
		ExecStatusType status = libpq.PQresultStatus(result);
		if (status == PGRES_SINGLE_TUPLE && rc == 0) {
			rc = on_step(s, result, ctx, diag);
			/* The callback's time is not the server's, and many rows take theirs. */
			if (s->reads) {
				postgres_conn_within(&s->conn, POSTGRES_CALL_MS);
			}
		} else if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
			*ret_changed = strtoull(libpq.PQcmdTuples(result), NULL, 10);
		} else if (status != PGRES_SINGLE_TUPLE) {
			int fault_rc = postgres_conn_fault(&s->conn, result, rc == 0 ? diag : NULL);
			rc = rc == 0 ? fault_rc : rc;
		}
		libpq.PQclear(result);
		if (!s->conn.pg) {
			return rc;
		}
	}
}

int postgres_change(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, uint64_t *ret_rows, struct diag *diag)
{
	uint64_t rows = 0;
	int rc = run(s, which, params, diag);
	rc = rc < 0 ? rc : take_rows(s, NULL, NULL, &rows, diag);
	if (rc < 0) {
		return postgres_lose(s, rc);
	}
	if (ret_rows) {
		*ret_rows = rows;
	}
	return 0;
}

/* A step's own error is none of the server's, so the transaction goes on. */
struct stepping {
	int (*on_step)(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag);
	void *ctx;
	int rc;
};

static int step(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct stepping *stepping = ctx;
	stepping->rc = stepping->on_step(s, row, stepping->ctx, diag);
	return stepping->rc;
}

int postgres_each(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params,
	int (*on_step)(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag),
	void *ctx, struct diag *diag)
{
	struct stepping stepping = {on_step, ctx, 0};
	uint64_t changed = 0;
	TRY(postgres_lose(s, run(s, which, params, diag)));
	if (!libpq.PQsetSingleRowMode(s->conn.pg)) {
		return postgres_lose(s, postgres_conn_fault(&s->conn, NULL, diag));
	}
	int rc = take_rows(s, step, &stepping, &changed, diag);
	return stepping.rc != 0 ? stepping.rc : postgres_lose(s, rc);
}

static int take_number(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	(void)s;
	(void)diag;
	*(uint64_t *)ctx = row_number(row, 0);
	return 0;
}

int postgres_number(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, uint64_t *ret_number, struct diag *diag)
{
	uint64_t number = 0;
	TRY(postgres_each(s, which, params, take_number, &number, diag));
	if (number == 0) {
		return postgres_lose(
			s, postgres_conn_says(&s->conn, E_DAMAGED, diag, "a counter is damaged"));
	}
	*ret_number = number;
	return 0;
}

/* --- many at once ---------------------------------------------------------------------------- */

int postgres_queue(struct postgres_store *s, enum postgres_statement which,
	const struct postgres_params *params, struct diag *diag)
{
	int rc = check_size(s, params, diag);
	if (rc == 0 && !s->prepared[which]) {
		rc = postgres_settle(s, diag);
		rc = rc < 0 ? rc : prepare(s, which, params, diag);
	}
	if (rc == 0 && s->queued == 0 && !libpq.PQenterPipelineMode(s->conn.pg)) {
		rc = postgres_conn_fault(&s->conn, NULL, diag);
	}
	rc = rc < 0 ? rc : send(s, which, params, diag);
	if (rc < 0) {
		return postgres_lose(s, rc);
	}
	s->queued++;
	for (int i = 0; i < params->n; i++) {
		s->queued_bytes += (size_t)params->lengths[i];
	}
	if (s->queued < QUEUE_MOST && s->queued_bytes < QUEUE_BYTES_MOST) {
		return 0;
	}
	return postgres_lose(s, postgres_settle(s, diag));
}

/* Until the mark that all of it was carried out, or refused. */
static int take_queued(struct postgres_store *s, struct diag *diag)
{
	int rc = 0;
	for (;;) {
		PGresult *result = NULL;
		int next_rc = postgres_conn_next(&s->conn, &result, rc == 0 ? diag : NULL);
		if (next_rc < 0) {
			return rc == 0 ? next_rc : rc;
		}
		ExecStatusType status = result ? libpq.PQresultStatus(result) : PGRES_COMMAND_OK;
		if (status == PGRES_FATAL_ERROR && rc == 0) {
			rc = postgres_conn_fault(&s->conn, result, diag);
		}
		libpq.PQclear(result);
		if (status == PGRES_PIPELINE_SYNC || !s->conn.pg) {
			return rc;
		}
	}
}

int postgres_settle(struct postgres_store *s, struct diag *diag)
{
	if (s->queued == 0) {
		return 0;
	}
	s->queued = 0;
	s->queued_bytes = 0;
	if (!libpq.PQpipelineSync(s->conn.pg)) {
		return postgres_conn_fault(&s->conn, NULL, diag);
	}
	int rc = take_queued(s, diag);
	if (s->conn.pg && !libpq.PQexitPipelineMode(s->conn.pg) && rc == 0) {
		rc = postgres_conn_fault(&s->conn, NULL, diag);
	}
	return rc;
}

/* --- revisions ------------------------------------------------------------------------------- */

/* Who listens for the host is told at commit, of the last of its revisions. */
static int note_raised(
	struct postgres_store *s, struct str host, uint64_t revision, struct diag *diag)
{
	for (size_t i = 0; i < s->raised_n; i++) {
		if (str_eq(s->raised[i].host, host)) {
			s->raised[i].revision = revision;
			return 0;
		}
	}
	struct postgres_raised *raised =
		array_room(s->raised, s->raised_n, &s->raised_cap, sizeof *raised);
	char *p = raised ? str_dup(host) : NULL;
	s->raised = raised ? raised : s->raised;
	if (!p) {
		return postgres_lose(s, diag_set(diag, -ENOMEM, "store: out of memory"));
	}
	s->raised[s->raised_n++] = (struct postgres_raised){{p, host.n}, revision};
	return 0;
}

int postgres_raise(struct postgres_store *s, struct str host, uint64_t above,
	uint64_t *ret_revision, struct diag *diag)
{
	struct postgres_params params = {0};
	uint64_t revision = 0;
	postgres_add_name(&params, host);
	postgres_add_at_most(&params, above);
	TRY(postgres_number(s, REVISION_RAISE, &params, &revision, diag));
	TRY(note_raised(s, host, revision, diag));
	*ret_revision = revision;
	return 0;
}

/* --- their texts ----------------------------------------------------------------------------- */

static const char *const sql[POSTGRES_STATEMENTS] = {
	[REVISION_GET] = "SELECT revision FROM counter WHERE host = $1",
	[REVISION_RAISE] = "INSERT INTO counter (host, revision) VALUES ($1, $2 + 1)"
			   " ON CONFLICT (host) DO UPDATE"
			   " SET revision = greatest(counter.revision, $2) + 1 RETURNING revision",
	[SECRET_PUT] = "INSERT INTO secret (name, value, sum) VALUES ($1, $2, $3)"
		       " ON CONFLICT (name) DO UPDATE SET value = $2, sum = $3",
	[SECRET_ADD] = "INSERT INTO secret (name, value, sum) VALUES ($1, $2, $3)"
		       " ON CONFLICT (name) DO NOTHING",
	[SECRET_GET] = "SELECT value, sum FROM secret WHERE name = $1",
};

static const char *text_of(enum postgres_statement which)
{
	const char *const texts[] = {sql[which], postgres_instances_sql[which],
		postgres_hosts_sql[which], postgres_trail_sql[which], postgres_points_sql[which]};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (texts[i]) {
			return texts[i];
		}
	}
	return "";
}
