/* The daemons that share a store. */
#include "store/sqlite_store.h"

#include <time.h>

#include "store/row_sum.h"

#define HOST_COLUMNS "name, version, applied, instances, recorded, put_ms, sum"
#define HOST_READ    "SELECT " HOST_COLUMNS ", " SQLITE_HOST_REVISION("host.name") " FROM host"

const char *const sqlite_hosts_sql[SQLITE_STATEMENTS] = {
	[HOST_PUT] = ("INSERT OR REPLACE INTO host (" HOST_COLUMNS ")"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
	[HOST_DELETE] = "DELETE FROM host WHERE name = ?1",
	[HOST_GET] = HOST_READ " WHERE name = ?1",
	[HOST_EACH] = HOST_READ " ORDER BY name",
};

enum host_column { NAME, VERSION, APPLIED, INSTANCES, RECORDED, PUT_MS, SUM, REVISION };

/* Quiet is what has passed on the clock on the wall: it goes on while the host is off. */
static int64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_REALTIME, &ts); /* can't fail for this clock */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int sqlite_host_put(struct store *store, const struct store_host *host, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	struct store_host kept = *host;
	kept.name = not_null(host->name);
	kept.version = not_null(host->version);
	int64_t put_ms = host->stopped ? -now_ms() : now_ms(); /* the sign says which */
	sqlite3_stmt *stmt = s->stmts[HOST_PUT];
	int code = stmt_bind_text(stmt, NAME + 1, kept.name);
	code |= stmt_bind_text(stmt, VERSION + 1, kept.version);
	stmt_bind_number(stmt, APPLIED + 1, kept.applied);
	stmt_bind_number(stmt, INSTANCES + 1, kept.instances);
	stmt_bind_number(stmt, RECORDED + 1, kept.recorded);
	stmt_bind_number(stmt, PUT_MS + 1, (uint64_t)put_ms);
	stmt_bind_number(stmt, SUM + 1, row_sum_host(&kept, put_ms));
	return sqlite_change(s, HOST_PUT, code, diag);
}

static int not_found(struct str name, struct diag *diag)
{
	return diag_set(diag, E_NOTFOUND, "no host \"%.*s\"", STR_FMT(name));
}

int sqlite_host_delete(struct store *store, struct str name, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	TRY(sqlite_may_change(s, diag));
	int code = stmt_bind_text(s->stmts[HOST_DELETE], 1, not_null(name));
	TRY(sqlite_change(s, HOST_DELETE, code, diag));
	return sqlite3_changes(s->db.handle) == 0 ? not_found(name, diag) : 0;
}

struct reader {
	int (*on_host)(void *ctx, const struct store_host *host);
	void *ctx;
	bool any;
};

static int on_step(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag)
{
	struct reader *reader = ctx;
	int64_t put_ms = sqlite3_column_int64(stmt, PUT_MS);
	struct store_host host = {
		.name = stmt_text(stmt, NAME),
		.version = stmt_text(stmt, VERSION),
		.revision = stmt_number(stmt, REVISION),
		.applied = stmt_number(stmt, APPLIED),
		.instances = stmt_number(stmt, INSTANCES),
		.recorded = stmt_number(stmt, RECORDED),
	};
	reader->any = true;
	TRY(sqlite_columns_status(s, diag));
	if (row_sum_host(&host, put_ms) != stmt_number(stmt, SUM)) {
		return sqlite_damaged(s, host.name, diag);
	}
	int64_t quiet_ms = now_ms() - (put_ms < 0 ? -put_ms : put_ms);
	host.stopped = put_ms < 0;
	host.quiet_ms = quiet_ms > 0 ? quiet_ms : 0; /* the clock may have been set */
	int rc = reader->on_host(reader->ctx, &host);
	return rc < 0 ? rc : 0;
}

int sqlite_host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	struct reader reader = {on_host, ctx, false};
	(void)stmt_bind_text(
		s->stmts[HOST_GET], 1, not_null(name)); /* what is too big is not there */
	TRY(sqlite_each(s, HOST_GET, on_step, &reader, diag));
	return reader.any ? 0 : not_found(name, diag);
}

int sqlite_host_each(struct store *store, int (*on_host)(void *ctx, const struct store_host *host),
	void *ctx, struct diag *diag)
{
	struct reader reader = {on_host, ctx, false};
	return sqlite_each((struct sqlite_store *)store, HOST_EACH, on_step, &reader, diag);
}
