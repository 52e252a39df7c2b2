/* The daemons that share a store. */
#include "store/postgres_store.h"

#include "store/row_sum.h"

#define FIRST_ROWS 16 /* who looks for the leader stops soon */

/* Of the server's clock, so that all daemons' are measured by one. put_ms is negative of a host that has stopped. */
#define NOW_MS "(extract(epoch FROM clock_timestamp()) * 1000)::int8"

#define HOST_READ                                                                                \
	"SELECT name, version, applied, instances, recorded, sum,"                               \
	" coalesce(revision, 0), greatest(" NOW_MS " - abs(put_ms), 0), (put_ms < 0)::int::int8" \
	" FROM host LEFT JOIN counter ON counter.host = host.name"

const char *const postgres_hosts_sql[POSTGRES_STATEMENTS] = {
	[HOST_PUT] =
		("INSERT INTO host (name, version, applied, instances, recorded, sum, put_ms)"
		 " VALUES ($1, $2, $3, $4, $5, $6, $7 * " NOW_MS ") ON CONFLICT (name) DO UPDATE"
		 " SET version = $2, applied = $3, instances = $4, recorded = $5, sum = $6,"
		 " put_ms = excluded.put_ms"),
	[HOST_DELETE] = "DELETE FROM host WHERE name = $1",
	[HOST_GET] = HOST_READ " WHERE name = $1",
	[HOST_LOCK] = HOST_READ " WHERE name = $1 FOR UPDATE OF host",
	/* After the last of the page before; $2: there is none. */
	[HOST_EACH] =
		HOST_READ " WHERE name >= $1 AND (name > $1 OR $2 = 1) ORDER BY name LIMIT $3",
};

enum host_column { NAME, VERSION, APPLIED, INSTANCES, RECORDED, SUM, REVISION, QUIET_MS, STOPPED };

int postgres_host_put(struct store *store, const struct store_host *host, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	TRY(postgres_change_call(s, diag));
	struct store_host kept = *host;
	kept.name = not_null(host->name);
	kept.version = not_null(host->version);
	postgres_add_name(&params, kept.name);
	postgres_add(&params, kept.version);
	postgres_add_number(&params, kept.applied);
	postgres_add_number(&params, kept.instances);
	postgres_add_number(&params, kept.recorded);
	postgres_add_number(&params, row_sum_host(&kept, 0));
	postgres_add_number(&params, kept.stopped ? (uint64_t)-1 : 1);
	return postgres_change(s, HOST_PUT, &params, NULL, diag);
}

static int not_found(struct str name, struct diag *diag)
{
	return diag_set(diag, E_NOTFOUND, "no host \"%.*s\"", STR_FMT(name));
}

int postgres_host_delete(struct store *store, struct str name, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	uint64_t rows = 0;
	TRY(postgres_change_call(s, diag));
	postgres_add(&params, not_null(name));
	TRY(postgres_change(s, HOST_DELETE, &params, &rows, diag));
	return rows == 0 ? not_found(name, diag) : 0;
}

struct reader {
	int (*on_host)(void *ctx, const struct store_host *host);
	void *ctx;
	unsigned most;   /* of this page */
	unsigned n;      /* of this page */
	struct buf name; /* of the last row of a full one */
};

static void reader_done(struct reader *reader)
{
	buf_done(&reader->name);
}

static int on_step(struct postgres_store *s, const PGresult *row, void *ctx, struct diag *diag)
{
	struct reader *reader = ctx;
	struct store_host host = {
		.name = row_text(row, NAME),
		.version = row_text(row, VERSION),
		.revision = row_number(row, REVISION),
		.applied = row_number(row, APPLIED),
		.instances = row_number(row, INSTANCES),
		.recorded = row_number(row, RECORDED),
		.quiet_ms = (int64_t)row_number(row, QUIET_MS),
		.stopped = row_number(row, STOPPED) != 0,
	};
	if (++reader->n == reader->most) {
		TRY(postgres_keep(&reader->name, host.name, diag));
	}
	if (row_sum_host(&host, 0) != row_number(row, SUM)) {
		return postgres_damaged(s, host.name, diag);
	}
	int rc = reader->on_host(reader->ctx, &host);
	return rc < 0 ? rc : 0;
}

int postgres_host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	struct postgres_params params = {0};
	struct reader reader = {.on_host = on_host, .ctx = ctx};
	TRY(postgres_read_call(s, diag));
	postgres_add(&params, not_null(name));
	TRY(postgres_each(s, s->begun ? HOST_LOCK : HOST_GET, &params, on_step, &reader, diag));
	return reader.n > 0 ? 0 : not_found(name, diag);
}

int postgres_host_each(struct store *store,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag)
{
	struct postgres_store *s = postgres_of(store);
	CLEANUP(reader_done)
	struct reader reader = {.on_host = on_host, .ctx = ctx, .most = FIRST_ROWS};
	TRY(postgres_read_call(s, diag));
	bool first = true;
	for (;;) {
		struct postgres_params params = {0};
		postgres_add(&params, not_null(buf_str(&reader.name)));
		postgres_add_number(&params, first);
		postgres_add_number(&params, reader.most);
		reader.n = 0;
		TRY(postgres_each(s, HOST_EACH, &params, on_step, &reader, diag));
		if (reader.n < reader.most) {
			return 0;
		}
		reader.most = POSTGRES_PAGE_ROWS;
		first = false;
	}
}
