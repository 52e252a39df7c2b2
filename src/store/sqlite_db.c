#include "store/sqlite_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES 256

/*
 * Number N brings schema N - 1 to N. What is here never changes; new ones follow.
 *
 * sum      over the row's other columns, see store/sqlite.c: a damaged row is found when it is read
 * opened   how often the store was opened; changing it proves that the file can be written
 * revision  one counter for all hosts; secrets: where it was when a secret changed
 * points   Rows lie in the order of their making: what a minute's flush of all instances rewrites
 *          lies together, and what grows old together goes together. Measured with a thousand
 *          instances and a year: a WITHOUT ROWID table is half as large again, as all beyond a
 *          quarter of a page goes to a page of its own there, and a flush takes three times as
 *          long; with the instance first, fifteen times, a page or more for each. points_of is
 *          three per cent of the file: one instance's runs are a range, however the others' lie.
 */
static const char *const migrations[] = {
	"PRAGMA application_id = 1414807884;" /* PLACE_APPLICATION_ID */
	"CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL,"
	" opened INTEGER NOT NULL) STRICT;"
	"INSERT INTO state VALUES (1, 0, 0);"
	"CREATE TABLE instance (name TEXT PRIMARY KEY NOT NULL, spec TEXT NOT NULL, file_spec TEXT,"
	" token_epoch INTEGER NOT NULL, created_s INTEGER NOT NULL, launched_s INTEGER NOT NULL,"
	" changed_s INTEGER NOT NULL, revision INTEGER NOT NULL UNIQUE, sum INTEGER NOT NULL) STRICT;"
	"CREATE TABLE deleted (name TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL UNIQUE,"
	" sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE secret (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL,"
	" sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"PRAGMA user_version = 1;",

	"CREATE TABLE operation (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
	" resource TEXT NOT NULL, body TEXT NOT NULL, open INTEGER NOT NULL,"
	" sum INTEGER NOT NULL) STRICT;"
	"CREATE INDEX operation_of ON operation (resource);" /* every index ends in the number */
	"CREATE INDEX operation_open ON operation (open);"
	"CREATE TABLE audit (number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL,"
	" who TEXT NOT NULL, came_from TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL,"
	" change TEXT NOT NULL, result TEXT NOT NULL, request_id TEXT NOT NULL,"
	" sum INTEGER NOT NULL) STRICT;"
	"CREATE INDEX audit_of ON audit (resource);"
	"CREATE TABLE series (number INTEGER PRIMARY KEY, instance_id TEXT NOT NULL UNIQUE,"
	" sum INTEGER NOT NULL) STRICT;"
	"CREATE TABLE points (series INTEGER NOT NULL REFERENCES series, period_s INTEGER NOT NULL,"
	" start_s INTEGER NOT NULL, bytes BLOB NOT NULL,"
	" PRIMARY KEY (period_s, start_s, series)) STRICT;"
	"CREATE INDEX points_of ON points (series, period_s, start_s);"
	"PRAGMA user_version = 2;",

	"ALTER TABLE instance ADD COLUMN id TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE instance ADD COLUMN host TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE instance ADD COLUMN next_host TEXT NOT NULL DEFAULT '';"
	"CREATE INDEX instance_id ON instance (id, name);"
	"ALTER TABLE operation ADD COLUMN host TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE deleted RENAME TO deleted_2;"
	"CREATE TABLE deleted (host TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL,"
	" sum INTEGER NOT NULL, PRIMARY KEY (host, name)) STRICT, WITHOUT ROWID;"
	"INSERT INTO deleted SELECT '', name, revision, sum FROM deleted_2;"
	"DROP TABLE deleted_2;"
	"CREATE UNIQUE INDEX deleted_changed ON deleted (revision);"
	"CREATE TABLE host (name TEXT PRIMARY KEY NOT NULL, version TEXT NOT NULL,"
	" applied INTEGER NOT NULL, instances INTEGER NOT NULL, recorded INTEGER NOT NULL,"
	" put_ms INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"ALTER TABLE state ADD COLUMN secrets INTEGER NOT NULL DEFAULT 0;"
	"PRAGMA user_version = 3;",
};
#define SCHEMA_VERSION ((int)(sizeof migrations / sizeof migrations[0]))

static const char settings[] = "PRAGMA foreign_keys = ON;"
			       "PRAGMA synchronous = FULL;"
			       "PRAGMA secure_delete = ON;"
			       "PRAGMA cell_size_check = ON;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA temp_store = MEMORY;"
			       "PRAGMA journal_size_limit = 8388608;";

/* One row with 1: the counter is there and no row is ahead of it. */
static const char counter_is_sound[] =
	"SELECT count(*) = 1 AND coalesce(min(revision) >= max("
	"coalesce((SELECT max(revision) FROM instance), 0),"
	"coalesce((SELECT max(revision) FROM deleted), 0)), 0) FROM state";

/* The same for what schema 3 has beside. */
static const char secrets_are_sound[] = "SELECT secrets <= revision FROM state";

static int result_of(int code, int err)
{
	switch (code) {
	case SQLITE_IOERR_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR_SHORT_READ:
	case SQLITE_IOERR_DATA:
	case SQLITE_IOERR_CORRUPTFS:
		return E_DAMAGED;
	case SQLITE_IOERR_SHMSIZE: /* the one write that does not always say why */
		return err ? place_result(err) : E_FULL;
	default:
		break;
	}
	switch (code & 0xff) {
	case SQLITE_FULL:
		return E_FULL;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return E_READONLY;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return E_BUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_TOOBIG:
		return E_LIMIT;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return place_result(err);
	default: /* our SQL is right, so the file is not: NOTADB, CORRUPT, CONSTRAINT, ERROR … */
		return E_DAMAGED;
	}
}

/*
 * SQLite keeps the cause of an I/O error on some of its ways and not on others. On all of them
 * errno is what the last failed system call left, when it was cleared before.
 */
static int cause(const struct sqlite_db *db, int err)
{
	return err ? err : sqlite3_system_errno(db->handle);
}

int sqlite_db_fault(const struct sqlite_db *db, int code, struct diag *diag)
{
	int err = cause(db, errno);
	char text[TEXT_BYTES];
	const char *what = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
	bool tells = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
	(void)snprintf(text, sizeof text, tells && err ? "%s: %s" : "%s", what, result_name(-err));
	return place_fault(db->place.path, result_of(code, err), diag, text);
}

int sqlite_db_step(sqlite3_stmt *stmt)
{
	errno = 0;
	return sqlite3_step(stmt);
}

int sqlite_db_run(struct sqlite_db *db, const char *sql, struct diag *diag)
{
	errno = 0;
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : sqlite_db_fault(db, code, diag);
}

int sqlite_db_prepare(
	struct sqlite_db *db, const char *sql, sqlite3_stmt **ret_stmt, struct diag *diag)
{
	errno = 0;
	int code =
		sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
	return code == SQLITE_OK ? 0 : sqlite_db_fault(db, code, diag);
}

int sqlite_db_checkpoint(struct sqlite_db *db, struct diag *diag)
{
	errno = 0;
	int code =
		sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (code == SQLITE_OK ||
		(code & 0xff) == SQLITE_BUSY) { /* a reader's: the next one will do */
		return 0;
	}
	return sqlite_db_fault(db, code, diag);
}

/* The first column of the first row, as text on one line. */
static int ask(struct sqlite_db *db, const char *sql, char ret_text[TEXT_BYTES], struct diag *diag)
{
	sqlite3_stmt *stmt = NULL;
	TRY(sqlite_db_prepare(db, sql, &stmt, diag));
	int code = sqlite_db_step(stmt);
	const unsigned char *text = code == SQLITE_ROW ? sqlite3_column_text(stmt, 0) : NULL;
	int rc = 0;
	if (text) {
		(void)snprintf(ret_text, TEXT_BYTES, "%s", (const char *)text); /* cut is fine */
		for (char *end = strchr(ret_text, '\n'); end; end = strchr(end, '\n')) {
			*end = ' ';
		}
	} else {
		/* What is asked always has an answer, so if there is none … */
		bool no_memory = code == SQLITE_ROW;
		bool no_row = code == SQLITE_DONE;
		rc = sqlite_db_fault(
			db, no_memory ? SQLITE_NOMEM : (no_row ? SQLITE_CORRUPT : code), diag);
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int ask_number(struct sqlite_db *db, const char *sql, int64_t *ret_value, struct diag *diag)
{
	char text[TEXT_BYTES];
	TRY(ask(db, sql, text, diag));
	*ret_value = strtoll(text, NULL, 10);
	return 0;
}

static int connect(struct sqlite_db *db, struct diag *diag)
{
	errno = 0;
	int code = sqlite3_open_v2(
		db->place.path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK) {
		return sqlite_db_fault(db, code, diag);
	}
	(void)sqlite3_extended_result_codes(db->handle, 1);
	(void)sqlite3_busy_timeout(db->handle, SQLITE_DB_BUSY_MS);
	/* Careful: what is in the WAL is not written over the file before the file is known. */
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	TRY(sqlite_db_run(db, settings, diag));
	if (sqlite3_db_readonly(db->handle, "main") == 1) {
		return place_fault(db->place.path, E_READONLY, diag, "it can't be written");
	}
	return 0;
}

/* Is it ours, and of which schema? Zero for a file with nothing in it. */
static int identify(struct sqlite_db *db, int64_t *ret_version, struct diag *diag)
{
	int64_t pages;
	int64_t application;
	int64_t version;
	TRY(ask_number(db, "PRAGMA page_count", &pages, diag));
	TRY(ask_number(db, "PRAGMA application_id", &application, diag));
	TRY(ask_number(db, "PRAGMA user_version", &version, diag));
	if (pages == 0) {
		*ret_version = 0;
		return 0;
	}
	if (application != PLACE_APPLICATION_ID || version < 1) {
		return place_fault(
			db->place.path, E_DAMAGED, diag, "an SQLite database of another program");
	}
	if (version > SCHEMA_VERSION) {
		char text[TEXT_BYTES];
		(void)snprintf(text, sizeof text,
			"a newer release made it (schema %lld, this one knows %d)",
			(long long)version, SCHEMA_VERSION);
		return place_fault(db->place.path, E_VERSION, diag, text);
	}
	*ret_version = version;
	return 0;
}

static int check_counter(struct sqlite_db *db, const char *sql, struct diag *diag)
{
	int64_t sound;
	TRY(ask_number(db, sql, &sound, diag));
	if (sound != 1) {
		return place_fault(
			db->place.path, E_DAMAGED, diag, "its revision counter makes no sense");
	}
	return 0;
}

static int check(struct sqlite_db *db, struct diag *diag)
{
	char text[TEXT_BYTES];
	TRY(ask(db, "PRAGMA quick_check(1)", text, diag));
	if (strcmp(text, "ok") != 0) {
		/* It says in words, too, when it could not look: out of memory, a bad disk. */
		const char *code = strstr(text, "error code=");
		int rc = code ? result_of((int)strtol(strchr(code, '=') + 1, NULL, 10),
					cause(db, errno))
			      : E_DAMAGED;
		return place_fault(db->place.path, rc, diag, text);
	}
	return check_counter(db, counter_is_sound, diag);
}

static int migrate(struct sqlite_db *db, int64_t version, struct diag *diag)
{
	if (version == SCHEMA_VERSION) {
		return 0;
	}
	int rc = sqlite_db_run(db, "BEGIN IMMEDIATE", diag);
	for (int64_t next = version; rc == 0 && next < SCHEMA_VERSION; next++) {
		rc = sqlite_db_run(db, migrations[next], diag);
	}
	if (rc == 0) {
		rc = sqlite_db_run(db, "COMMIT", diag);
	}
	if (rc < 0 && !sqlite3_get_autocommit(db->handle)) {
		/* rc says what is wrong */
		(void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	}
	return rc;
}

/*
 * Only after the schema is there: in an empty file, WAL mode would write a first page of its own,
 * and a process killed at that moment would leave a database that belongs to nobody.
 */
static int use_wal(struct sqlite_db *db, struct diag *diag)
{
	char text[TEXT_BYTES];
	TRY(ask(db, "PRAGMA journal_mode = WAL", text, diag));
	if (strcmp(text, "wal") != 0) {
		return place_fault(db->place.path, -EOPNOTSUPP, diag,
			"its file system can't share memory; use one on a local disk");
	}
	return 0;
}

/* That a file may be written is known when it was: WAL first, then the file itself. */
static int prove_writable(struct sqlite_db *db, struct diag *diag)
{
	TRY(sqlite_db_run(db, "UPDATE state SET opened = opened + 1", diag));
	return sqlite_db_checkpoint(db, diag);
}

static int bring_up(struct sqlite_db *db, struct diag *diag)
{
	int64_t version = 0;
	TRY(connect(db, diag));
	TRY(identify(db, &version, diag));
	if (version > 0) {
		TRY(check(db, diag));
	}
	TRY(migrate(db, version, diag));
	TRY(check_counter(db, secrets_are_sound, diag));
	TRY(use_wal(db, diag));
	TRY(prove_writable(db, diag));
	place_tighten(&db->place);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return 0;
}

int sqlite_db_init(struct sqlite_db *db, struct str path, struct diag *diag)
{
	*db = (struct sqlite_db){0};
	TRY(place_init(&db->place, path, diag));
	int rc = bring_up(db, diag);
	if (rc < 0) {
		(void)sqlite3_close(db->handle); /* every statement is finalized */
		db->handle = NULL;
		place_discard(&db->place);
		sqlite_db_done(db);
	}
	return rc;
}

void sqlite_db_done(struct sqlite_db *db)
{
	if (!db) {
		return;
	}
	(void)sqlite3_close(db->handle); /* as above; a failed checkpoint is the next opener's */
	place_done(&db->place);
	*db = (struct sqlite_db){0};
}
