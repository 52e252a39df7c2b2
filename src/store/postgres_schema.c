#include "store/postgres_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Number N brings schema N - 1 to N. What is here never changes; new ones follow.
 *
 * bytea     Names and values are bytes, in no encoding and of any database's; they are compared and
 *           sorted bytewise, whatever its locale. For people there is readable_instance.
 * sum       over the row's other columns, see store/row_sum.h
 * counter   the revision of each host. Not a sequence: docs/adr/0007-postgresql-store.md
 * *_number  Sequences: nobody reads on from a number, so what is committed late may be below it.
 * *_of      by the beginning of what anybody may have sent, however long: an index takes 2.7 KB
 * *_ended   what trim looks at
 */
static const char *const migrations[] = {
	"CREATE TABLE telltale (one int8 PRIMARY KEY CHECK (one = 1), application_id int8 NOT NULL,"
	" version int8 NOT NULL);"
	"INSERT INTO telltale VALUES (1, 1414807884, 0);" /* PLACE_APPLICATION_ID */
	"CREATE TABLE counter (host bytea PRIMARY KEY, revision int8 NOT NULL);"
	"CREATE TABLE instance (name bytea PRIMARY KEY, spec bytea NOT NULL, file_spec bytea,"
	" id bytea NOT NULL, host bytea NOT NULL, next_host bytea NOT NULL,"
	" token_epoch int8 NOT NULL, created_s int8 NOT NULL, launched_s int8 NOT NULL,"
	" changed_s int8 NOT NULL, revision int8 NOT NULL, sum int8 NOT NULL);"
	"CREATE INDEX instance_id ON instance (id, name);"
	"CREATE INDEX instance_of ON instance (host, name);"
	"CREATE INDEX instance_changed ON instance (host, revision);"
	"CREATE TABLE deleted (host bytea, name bytea, revision int8 NOT NULL, sum int8 NOT NULL,"
	" PRIMARY KEY (host, name));"
	"CREATE INDEX deleted_name ON deleted (name);"
	"CREATE INDEX deleted_changed ON deleted (host, revision);"
	"CREATE TABLE host (name bytea PRIMARY KEY, version bytea NOT NULL, applied int8 NOT NULL,"
	" instances int8 NOT NULL, recorded int8 NOT NULL, put_ms int8 NOT NULL,"
	" sum int8 NOT NULL);"
	"CREATE TABLE secret (name bytea PRIMARY KEY, value bytea NOT NULL, sum int8 NOT NULL);"
	"CREATE SEQUENCE operation_number;"
	"CREATE TABLE operation (number int8 PRIMARY KEY, id bytea NOT NULL UNIQUE,"
	" resource bytea NOT NULL, body bytea NOT NULL, open int8 NOT NULL, sum int8 NOT NULL,"
	" host bytea NOT NULL);"
	"CREATE INDEX operation_of ON operation (substr(resource, 1, 100), number);"
	"CREATE INDEX operation_open ON operation (host, number) WHERE open = 1;"
	"CREATE INDEX operation_ended ON operation (number) WHERE open = 0;"
	"CREATE SEQUENCE audit_number;"
	"CREATE TABLE audit (number int8 PRIMARY KEY, at_ms int8 NOT NULL, who bytea NOT NULL,"
	" came_from bytea NOT NULL, action bytea NOT NULL, resource bytea NOT NULL,"
	" change bytea NOT NULL, result bytea NOT NULL, request_id bytea NOT NULL,"
	" sum int8 NOT NULL);"
	"CREATE INDEX audit_of ON audit (substr(resource, 1, 100), number);"
	"CREATE TABLE points (instance_id bytea, period_s int8, start_s int8, bytes bytea NOT NULL,"
	" sum int8 NOT NULL, PRIMARY KEY (instance_id, period_s, start_s));"
	"CREATE INDEX points_before ON points (period_s, start_s, instance_id);"
	"CREATE VIEW readable_instance AS SELECT encode(name, 'escape') AS name,"
	" encode(id, 'escape') AS id, encode(host, 'escape') AS host,"
	" encode(next_host, 'escape') AS next_host, revision, token_epoch, created_s, launched_s,"
	" changed_s, encode(spec, 'escape') AS spec, encode(file_spec, 'escape') AS file_spec"
	" FROM instance;",
};
#define SCHEMA_VERSION ((int)(sizeof migrations / sizeof migrations[0]))

/* One makes them, the others wait and look again. What it says is over when the transaction is. */
static const char begin_alone[] = "BEGIN ISOLATION LEVEL READ COMMITTED;"
				  "SET LOCAL lock_timeout = 25000;"
				  "SET LOCAL statement_timeout = 28000;"
				  "SELECT pg_advisory_xact_lock(1414807884)";

/* A schema, or nothing; whether it has our mark; a table, view or sequence that is no extension's. */
static const char look_around[] =
	"SELECT current_schema(),"
	" to_regclass(quote_ident(current_schema()) || '.telltale') IS NOT NULL,"
	" (SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
	" AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
	" AND d.objid = c.oid AND d.deptype = 'e') ORDER BY relname LIMIT 1)";

/* The first of our tables or sequences that this user may not use as a daemon does. */
static const char look_for_rights[] =
	"SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" WHERE n.nspname = current_schema() AND relname IN ('counter', 'instance', 'deleted', 'host',"
	" 'secret', 'operation_number', 'operation', 'audit_number', 'audit', 'points')"
	" AND NOT CASE relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'USAGE, UPDATE')"
	" ELSE has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
	" AND (relname = 'audit' OR has_table_privilege(c.oid, 'UPDATE')) AND has_table_privilege(c.oid, 'DELETE') END"
	" ORDER BY relname LIMIT 1";

static const char mark[] = "SELECT version FROM telltale WHERE application_id = 1414807884";

/* Zero when there is nothing yet. */
static int look(struct postgres_conn *conn, bool *ret_marked, struct diag *diag)
{
	PGresult *result = NULL;
	TRY(postgres_conn_ask(conn, look_around, &result, diag));
	int rc = 0;
	bool marked = strcmp(libpq.PQgetvalue(result, 0, 1), "t") == 0;
	if (libpq.PQgetisnull(result, 0, 0)) {
		rc = postgres_conn_says(conn, -ENOENT, diag,
			"search_path names no schema that is there; make one for telltale");
	} else if (!marked && !libpq.PQgetisnull(result, 0, 2)) {
		rc = diag_set(diag, E_EXISTS,
			"store %s: schema \"%s\" has what another program made (\"%s\"); it was left"
			" as it is: give telltale a database, or a schema, of its own",
			conn->server, libpq.PQgetvalue(result, 0, 0),
			libpq.PQgetvalue(result, 0, 2));
	}
	libpq.PQclear(result);
	*ret_marked = marked;
	return rc;
}

static int read_version(struct postgres_conn *conn, int *ret_version, struct diag *diag)
{
	PGresult *result = NULL;
	int rc = postgres_conn_ask(conn, mark, &result, diag);
	if (rc == E_DAMAGED || (rc == 0 && libpq.PQntuples(result) != 1)) {
		rc = postgres_conn_says(conn, E_EXISTS, diag,
			"table \"telltale\" is of another program, or damaged; it was left as it is");
	}
	if (rc == 0) {
		*ret_version = (int)strtol(libpq.PQgetvalue(result, 0, 0), NULL, 10);
	}
	libpq.PQclear(result);
	if (rc == 0 && *ret_version > SCHEMA_VERSION) {
		rc = diag_set(diag, E_VERSION,
			"store %s: a newer release made it (schema %d, this one knows %d)",
			conn->server, *ret_version, SCHEMA_VERSION);
	}
	return rc;
}

/* Of which version the tables are; zero when there are none yet. */
static int find_version(struct postgres_conn *conn, int *ret_version, struct diag *diag)
{
	bool marked = false;
	*ret_version = 0;
	TRY(look(conn, &marked, diag));
	return marked ? read_version(conn, ret_version, diag) : 0;
}

static int bring_forward(struct postgres_conn *conn, int *ret_version, struct diag *diag)
{
	char sql[64];
	TRY(postgres_conn_run(conn, begin_alone, diag));
	TRY(find_version(conn, ret_version, diag)); /* another may have done it */
	if (*ret_version < SCHEMA_VERSION) {
		TRY(postgres_conn_run(conn, migrations[*ret_version], diag));
		++*ret_version;
		(void)snprintf(sql, sizeof sql, "UPDATE telltale SET version = %d", *ret_version);
		TRY(postgres_conn_run(conn, sql, diag));
	}
	return postgres_conn_run(conn, "COMMIT", diag);
}

/* By one version, in a transaction of its own. *ret_version: which it is of now. */
static int migrate_one(struct postgres_conn *conn, int *ret_version, struct diag *diag)
{
	int rc = bring_forward(conn, ret_version, diag);
	if (rc < 0 && conn->pg) {
		int end_rc = postgres_conn_run(conn, "ROLLBACK", NULL);
		(void)end_rc; /* rc says what is wrong, and the caller closes it */
	}
	return rc;
}

static int check_rights(struct postgres_conn *conn, struct diag *diag)
{
	PGresult *result = NULL;
	int rc = 0;
	TRY(postgres_conn_ask(conn, look_for_rights, &result, diag));
	if (libpq.PQntuples(result) > 0) {
		rc = diag_set(diag, -EACCES, "store %s: this user may not change \"%s\"",
			conn->server, libpq.PQgetvalue(result, 0, 0));
	}
	libpq.PQclear(result);
	return rc;
}

/* Where they are there already nobody waits, and nothing is written: hosts may start by the thousand. */
int postgres_schema_init(struct postgres_conn *conn, struct diag *diag)
{
	int version;
	int rc = find_version(conn, &version, diag);
	/* Another may be making them in this moment: only under the lock they are whole. */
	TRY(rc == E_EXISTS ? 0 : rc);
	version = rc == 0 ? version : 0;
	postgres_conn_within(conn, POSTGRES_SCHEMA_MS);
	while (version < SCHEMA_VERSION) {
		TRY(migrate_one(conn, &version, diag));
	}
	return check_rights(conn, diag);
}

int postgres_schema_check(struct postgres_conn *conn, struct diag *diag)
{
	int version = 0;
	TRY(read_version(conn, &version, diag));
	return version == SCHEMA_VERSION
		       ? 0
		       : postgres_conn_says(conn, E_DAMAGED, diag,
				 "its tables are of an older release; where it has them from, they are brought"
				 " forward by a daemon of this one");
}
