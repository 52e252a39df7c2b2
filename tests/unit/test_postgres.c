/*
 * What PostgreSQL's back end owes beyond the promises that test_store*.c ask of all: many daemons at
 * once, other people's tables, users that may not, and memory that runs out.
 */
#include "tests/unit/postgres_help.h"

#include <signal.h>
#include <sys/wait.h>

#include "store/postgres.h"
#include "store/postgres_listen.h"
#include "tests/fake/alloc.h"

#define AT_ONCE    10
#define WRITERS    8
#define WRITES     60
#define PAGES_ROWS 2500
#define MERGE_US   100000

/* --- tables ---------------------------------------------------------------------------------- */

static void open_and_change(const char *url, int nth)
{
	struct store *store = NULL;
	struct diag diag = {{0}};
	char name[16];
	(void)snprintf(name, sizeof name, "n%d", nth);
	if (store_open(str_of(url), &store, &diag) < 0 || change(store, name, name) < 0) {
		(void)fprintf(stderr, "%s\n", diag.text);
		_exit(1);
	}
	_exit(0);
}

static void test_ten_start_at_once(void **state)
{
	struct fixture *f = *state;
	char url[128];
	pid_t pids[AT_ONCE];
	pg_server_database(pg_server_shared(), url); /* an empty one */
	for (int i = 0; i < AT_ONCE; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			open_and_change(url, i);
		}
	}
	for (int i = 0; i < AT_ONCE; i++) {
		int status = -1;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	(void)snprintf(f->url, sizeof f->url, "%s", url);
	reopen(f);
	assert_names(f, "n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 ");
}

#define FREE_MS 1500 /* a lock would cost 2 s at least */

/* Who finds the tables waits for nobody, and changes nothing. */
static void test_tables_that_are_there_are_not_locked(void **state)
{
	struct fixture *f = *state;
	struct postgres_target target;
	struct postgres_conn conn = {0};
	struct store *store = NULL;
	assert_int_equal(postgres_target_init(&target, str_of(f->url), &f->diag), 0);
	postgres_conn_within(&conn, POSTGRES_CALL_MS);
	assert_int_equal(postgres_conn_open(&conn, &target, &f->diag), 0);
	assert_int_equal(postgres_conn_run(&conn,
				 "BEGIN; SELECT pg_advisory_xact_lock(1414807884);"
				 "SELECT FROM telltale FOR UPDATE",
				 &f->diag),
		0);
	ASSERT_WITHIN(FREE_MS, store_open(str_of(f->url), &store, &f->diag), 0);
	store_free(store);
	postgres_conn_close(&conn);
	postgres_target_done(&target);
}

static void test_newer_schema_is_refused(void **state)
{
	struct fixture *f = *state;
	(void)sql(f, "UPDATE telltale SET version = 99");
	assert_int_equal(open_refused(f, f->url), E_VERSION);
	assert_non_null(strstr(f->diag.text, "schema 99, this one knows 1"));
	assert_string_equal(sql(f, "SELECT version FROM telltale"), "99");
	/* Under a daemon that runs: when it opens it anew. */
	(void)sql(f, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
		     " WHERE application_name = 'telltale'");
	while (change(f->store, "a", "") != E_AWAY) { /* until that has come */
	}
	assert_int_equal(change(f->store, "a", ""), E_AWAY);
	assert_int_equal(open_refused(f, f->url), E_VERSION);
}

static void test_tables_of_others_are_left_alone(void **state)
{
	struct fixture *f = *state;
	char url[160];
	static const struct {
		const char *sql;
		const char *text;
	} rows[] = {
		{"CREATE TABLE customer (name text)", "\"customer\""},
		{"CREATE VIEW seen AS SELECT 1", "\"seen\""},
		{"CREATE TABLE telltale (heart text)", "of another program"},
		{"CREATE TABLE telltale (application_id int8, version int8)", "of another program"},
		{"DROP SCHEMA public", "search_path"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		pg_server_database(pg_server_shared(), f->url);
		(void)sql(f, rows[i].sql);
		int rc = open_refused(f, f->url);
		assert_int_equal(rc, i == 4 ? -ENOENT : E_EXISTS);
		assert_non_null(strstr(f->diag.text, rows[i].text));
		assert_string_equal(
			sql(f, "SELECT count(*) FROM pg_class WHERE relname = 'instance'"), "0");
	}
	/* A schema of its own beside them. */
	(void)sql(f, "CREATE SCHEMA public; CREATE TABLE customer (name text); CREATE SCHEMA ours");
	(void)snprintf(url, sizeof url, "%s&options=-csearch_path%%3Dours", f->url);
	struct store *store = NULL;
	assert_int_equal(store_open(str_of(url), &store, &f->diag), 0);
	assert_int_equal(change(store, "a", ""), 0);
	store_free(store);
	assert_string_equal(sql(f, "SELECT name FROM ours.readable_instance"), "a");
}

static void test_damaged_rows_are_named(void **state)
{
	struct fixture *f = *state;
	struct buf lines = BUF_EMPTY;
	const struct store_ops *ops = f->store->ops;
	assert_int_equal(change(f->store, "web-1", "x"), 0);
	(void)sql(f, "UPDATE instance SET spec = 'other'");
	assert_int_equal(
		ops->changed_since(f->store, STR("x"), 0, add_name, &lines, &f->diag), E_PARTIAL);
	assert_non_null(strstr(f->diag.text, "\"web-1\""));
	assert_int_equal(change(f->store, "web-1", "x"), 0); /* put anew, it is whole again */
	assert_names(f, "web-1 ");
	(void)sql(f, "DROP TABLE host");
	struct store_host host = {.name = STR("x")};
	begin(f);
	assert_int_equal(ops->host_put(f->store, &host, &f->diag), E_DAMAGED);
	assert_int_equal(ops->commit(f->store, &f->diag), E_DAMAGED);
}

struct walk {
	struct buf last;     /* name */
	uint64_t revision;   /* the last */
	struct store *other; /* by which two rows change while the first page is read; NULL: none */
	unsigned rows;
	unsigned deletions;
	bool wrong;
	unsigned seen[PAGES_ROWS];
};

static void note(struct walk *walk, const struct store_instance *row)
{
	char name[16];
	(void)snprintf(name, sizeof name, "%.*s", STR_FMT(row->name));
	unsigned i = (unsigned)strtoul(name + 1, NULL, 10);
	if (walk->other && walk->rows + walk->deletions == 0) {
		assert_int_equal(change(walk->other, "n1", "x"), 0);
		assert_int_equal(change(walk->other, "n7", "x"), 0);
	}
	walk->rows += row->spec.p != NULL;
	walk->deletions += row->spec.p == NULL;
	walk->seen[i < PAGES_ROWS ? i : 0]++;
}

static int walk_by_name(void *ctx, const struct store_instance *row)
{
	struct walk *walk = ctx;
	walk->wrong = walk->wrong || str_cmp(row->name, buf_str(&walk->last)) <= 0;
	buf_reset(&walk->last);
	buf_add(&walk->last, row->name);
	note(walk, row);
	return 0;
}

static int walk_by_revision(void *ctx, const struct store_instance *row)
{
	struct walk *walk = ctx;
	walk->wrong = walk->wrong || row->revision <= walk->revision;
	walk->revision = row->revision;
	note(walk, row);
	return 0;
}

/* In order, and each once, but those that were seen and then changed: they come again. */
static void assert_walked(struct walk *walk, unsigned rows, unsigned deletions, unsigned again)
{
	unsigned n = 0;
	assert_false(walk->wrong);
	assert_int_equal(walk->rows, rows + again);
	assert_int_equal(walk->deletions, deletions);
	for (unsigned i = 0; i < PAGES_ROWS; i++) {
		n += walk->seen[i] > 0;
	}
	assert_int_equal(n, rows + deletions);
	buf_done(&walk->last);
	*walk = (struct walk){.other = walk->other};
}

static int refuse_last(void *ctx, const struct store_instance *row)
{
	(void)ctx;
	return str_eq(row->name, STR("e")) ? -77 : 0;
}

/* Two rows and a deletion are damaged: all others come, then the first of these is named. */
static void test_damaged_rows_stop_no_others(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct buf lines = BUF_EMPTY;
	for (const char *name = "abcdeg"; *name; name++) {
		const char text[] = {*name, '\0'};
		assert_int_equal(change(f->store, text, "x"), 0);
	}
	begin(f);
	assert_int_equal(ops->instance_delete(f->store, STR("g"), STORE_ANY, &f->diag), 0);
	commit(f);
	(void)sql(f, "UPDATE instance SET spec = 'other' WHERE name IN ('b', 'd');"
		     "UPDATE deleted SET sum = 0");
	assert_int_equal(
		ops->changed_since(f->store, STR("x"), 0, add_name, &lines, &f->diag), E_PARTIAL);
	assert_lines(&lines, "a c e ");
	assert_non_null(strstr(f->diag.text, "\"b\""));
	f->diag.text[0] = '\0';
	assert_int_equal(
		ops->instance_each(f->store, STR_EMPTY, STR(""), add_name, &lines, &f->diag),
		E_PARTIAL);
	assert_lines(&lines, "a c e ");
	assert_non_null(strstr(f->diag.text, "\"b\""));
	assert_int_equal(
		ops->instance_each(f->store, STR("x"), STR("b"), add_name, &lines, &f->diag),
		E_PARTIAL);
	assert_lines(&lines, "c e ");
	assert_non_null(strstr(f->diag.text, "\"d\""));
	/* Who ends it has the say. */
	f->diag.text[0] = '\0';
	assert_int_equal(
		ops->instance_each(f->store, STR_EMPTY, STR(""), refuse_last, NULL, &f->diag), -77);
	assert_int_equal(
		ops->changed_since(f->store, STR("x"), 0, refuse_last, NULL, &f->diag), -77);
	assert_string_equal(f->diag.text, "");
	assert_int_equal(
		ops->instance_get(f->store, STR("b"), add_name, &lines, &f->diag), E_DAMAGED);
}

static int add_operation(void *ctx, const struct store_operation *operation)
{
	buf_add_f(ctx, "%.*s ", STR_FMT(operation->id));
	return 0;
}

/* A younger one ends all the same. */
static void test_damaged_operation_holds_up_no_other(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct buf lines = BUF_EMPTY;
	struct store_operation operation = {
		.resource = STR("a"), .host = STR("x"), .body = STR("{}"), .open = true};
	begin(f);
	for (const char *id = "abc"; *id; id++) {
		operation.id = (struct str){id, 1};
		assert_int_equal(ops->operation_put(f->store, &operation, &f->diag), 0);
	}
	commit(f);
	(void)sql(f, "UPDATE operation SET sum = 0 WHERE id = 'b'");
	assert_int_equal(ops->operation_open(f->store, STR("x"), add_operation, &lines, &f->diag),
		E_PARTIAL);
	assert_lines(&lines, "a c ");
	assert_non_null(strstr(f->diag.text, "\"b\""));
}

/* The last of a page is one of them, and the only one of the last page. */
static void test_damaged_rows_between_pages(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct walk *walk = calloc(1, sizeof *walk);
	begin(f);
	for (unsigned i = 0; i < POSTGRES_PAGE_ROWS + 1; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "n%u", i + 1000);
		assert_int_equal(put_on(f->store, name, "x"), 0);
	}
	commit(f);
	(void)sql(f, "UPDATE instance SET sum = 0 WHERE name IN ('n1999', 'n2000')");
	assert_int_equal(
		ops->instance_each(f->store, STR("x"), STR(""), walk_by_name, walk, &f->diag),
		E_PARTIAL);
	assert_non_null(strstr(f->diag.text, "\"n1999\""));
	assert_walked(walk, POSTGRES_PAGE_ROWS - 1, 0, 0);
	assert_int_equal(
		ops->changed_since(f->store, STR("x"), 0, walk_by_revision, walk, &f->diag),
		E_PARTIAL);
	assert_walked(walk, POSTGRES_PAGE_ROWS - 1, 0, 0);
	free(walk);
}

static void test_names_have_a_cap(void **state)
{
	struct fixture *f = *state;
	char name[1002];
	memset(name, 'x', sizeof name);
	struct str most = {name, 1000};
	struct store_instance row = {.name = most, .id = most, .host = most, .next_host = most};
	for (size_t i = 0; i < sizeof name; i++) {
		name[i] = (char)(i * 2654435761U >> 13); /* can't be made shorter */
	}
	begin(f);
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_NEW, &f->diag), 0);
	assert_int_equal(f->store->ops->instance_delete(f->store, most, STORE_ANY, &f->diag), 0);
	commit(f);
	row.name.n = 1001;
	begin(f);
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_NEW, &f->diag), E_LIMIT);
	assert_int_equal(f->store->ops->commit(f->store, &f->diag), E_LIMIT);
	/* What anybody may have sent is kept however long it is. */
	struct buf text = BUF_EMPTY;
	for (unsigned i = 0; i < 20000; i++) {
		buf_add_u64(&text, i * 2654435761U);
	}
	struct store_audit audit = {.resource = buf_str(&text)};
	begin(f);
	assert_int_equal(f->store->ops->audit_add(f->store, &audit, &f->diag), 0);
	commit(f);
	buf_done(&text);
}

static int count_points(void *ctx, const struct store_points *points)
{
	(void)points;
	++*(unsigned *)ctx;
	return 0;
}

static int count_audit(void *ctx, const struct store_audit *audit)
{
	uint64_t *next = ctx;
	assert_true(audit->number == *next);
	--*next;
	return 0;
}

static void test_audits_in_pages(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_audit audit = {.resource = STR("x")};
	uint64_t next = PAGES_ROWS;
	begin(f);
	for (unsigned i = 0; i < PAGES_ROWS; i++) {
		assert_int_equal(ops->audit_add(f->store, &audit, &f->diag), 0);
	}
	commit(f);
	assert_int_equal(ops->audit_each(f->store, STR_EMPTY, 0, count_audit, &next, &f->diag), 0);
	assert_int_equal(next, 0);
	next = PAGES_ROWS - 1;
	assert_int_equal(
		ops->audit_each(f->store, STR("x"), PAGES_ROWS, count_audit, &next, &f->diag), 0);
	assert_int_equal(next, 0);
}

/* PAGES_ROWS of them; of every third host x only remembers that it had it. */
static void put_pages(struct fixture *f)
{
	char name[16];
	begin(f);
	for (unsigned i = 0; i < PAGES_ROWS; i++) {
		(void)snprintf(name, sizeof name, "n%u", i * 7 % PAGES_ROWS); /* in no order */
		assert_int_equal(put_on(f->store, name, "x"), 0);
	}
	for (unsigned i = 0; i < PAGES_ROWS; i += 3) {
		(void)snprintf(name, sizeof name, "n%u", i);
		assert_int_equal(i % 2 ? put_on(f->store, name, "y")
				       : f->store->ops->instance_delete(
						 f->store, str_of(name), STORE_ANY, &f->diag),
			0);
	}
	commit(f);
}

static void test_instances_in_pages(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct walk *walk = calloc(1, sizeof *walk);
	const unsigned gone = (PAGES_ROWS + 2) / 3;
	const unsigned moved = gone / 2;
	put_pages(f);
	assert_int_equal(
		ops->instance_each(f->store, STR("x"), STR(""), walk_by_name, walk, &f->diag), 0);
	assert_walked(walk, PAGES_ROWS - gone, 0, 0);
	assert_int_equal(
		ops->instance_each(f->store, STR_EMPTY, STR(""), walk_by_name, walk, &f->diag), 0);
	assert_walked(walk, PAGES_ROWS - gone + moved, 0, 0);
	assert_int_equal(
		ops->changed_since(f->store, STR("x"), 0, walk_by_revision, walk, &f->diag), 0);
	assert_walked(walk, PAGES_ROWS - gone, gone, 0);
	/* One that the first page has and one that it has not. */
	assert_int_equal(store_open(str_of(f->url), &walk->other, &f->diag), 0);
	assert_int_equal(
		ops->changed_since(f->store, STR("x"), 0, walk_by_revision, walk, &f->diag), 0);
	assert_walked(walk, PAGES_ROWS - gone, gone, 1);
	assert_int_equal(
		ops->instance_each(f->store, STR("x"), STR(""), walk_by_name, walk, &f->diag), 0);
	assert_walked(walk, PAGES_ROWS - gone, 0, 0);
	store_free(walk->other);
	free(walk);
}

static int walk_hosts(void *ctx, const struct store_host *host)
{
	struct walk *walk = ctx;
	walk->wrong = walk->wrong || str_cmp(host->name, buf_str(&walk->last)) <= 0;
	buf_reset(&walk->last);
	buf_add(&walk->last, host->name);
	walk->rows++;
	return 0;
}

static int first_host(void *ctx, const struct store_host *host)
{
	(void)ctx;
	(void)host;
	return E_AGAIN;
}

static long read_of_hosts(struct fixture *f)
{
	return strtol(sql(f, "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables"
			     " WHERE relname = 'host'"),
		NULL, 10);
}

static void test_hosts_in_pages(void **state)
{
	struct fixture *f = *state;
	struct walk *walk = calloc(1, sizeof *walk);
	begin(f);
	for (unsigned i = 0; i < PAGES_ROWS; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "h%u", i * 7 % PAGES_ROWS);
		struct store_host host = {.name = str_of(name)};
		assert_int_equal(f->store->ops->host_put(f->store, &host, &f->diag), 0);
	}
	commit(f);
	assert_int_equal(f->store->ops->host_each(f->store, walk_hosts, walk, &f->diag), 0);
	assert_false(walk->wrong);
	assert_int_equal(walk->rows, PAGES_ROWS);
	buf_done(&walk->last);
	free(walk);
	/* Who stops at the first does not have all of them read. */
	(void)sql(f, "ANALYZE");
	reopen(f); /* what a session has read is told at its end */
	int64_t end_ms = postgres_now_ms() + 5000;
	long before = 0;
	while ((before = read_of_hosts(f)) < PAGES_ROWS && postgres_now_ms() < end_ms) {
	}
	assert_int_equal(f->store->ops->host_each(f->store, first_host, NULL, &f->diag), E_AGAIN);
	reopen(f);
	long after = 0;
	while ((after = read_of_hosts(f)) == before && postgres_now_ms() < end_ms) {
	}
	assert_in_range(after - before, 1, 100);
}

static int count_id(void *ctx, struct str instance_id)
{
	(void)instance_id;
	++*(unsigned *)ctx;
	return 0;
}

static void test_points_in_pages(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	unsigned before = 0;
	unsigned ids = 0;
	begin(f);
	for (unsigned i = 0; i < PAGES_ROWS; i++) {
		char id[16];
		(void)snprintf(id, sizeof id, "%u", i);
		struct store_points points = {str_of(id), 60, i / 700, STR("bytes")};
		assert_int_equal(ops->points_put(f->store, &points, &f->diag), 0);
	}
	/* What was sent ahead is seen in its transaction. */
	assert_int_equal(
		ops->points_before(f->store, 60, INT64_MAX, count_points, &before, &f->diag), 0);
	assert_int_equal(before, PAGES_ROWS);
	commit(f);
	assert_int_equal(ops->points_instances(f->store, count_id, &ids, &f->diag), 0);
	assert_int_equal(ids, PAGES_ROWS);
	begin(f);
	struct store_points points = {STR("a"), 60, 0, STR("bytes")};
	(void)sql(f, "ALTER TABLE points RENAME TO other");
	assert_int_equal(ops->points_put(f->store, &points, &f->diag), 0); /* sent ahead */
	assert_int_equal(ops->commit(f->store, &f->diag), E_DAMAGED);
}

/* --- URLs ------------------------------------------------------------------------------------ */

static void test_urls(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		int rc;
		const char *url;
		const char *text;
	} rows[] = {
		{__LINE__, E_AWAY, "postgresql://u:hidden@127.0.0.1:1/x", "127.0.0.1:1: "},
		{__LINE__, E_AWAY, "postgres://u:hidden@127.0.0.1:1/x", "127.0.0.1:1: "},
		{__LINE__, E_AWAY, "postgresql://u:hidden@127.0.0.1:1,127.0.0.1:2/x", "127.0.0.1"},
		{__LINE__, E_AWAY, "postgresql:///x?host=/nowhere&password=hidden", "/nowhere"},
		{__LINE__, E_SYNTAX, "postgresql://u:hid%zz@h/hidden", "URL"},
		{__LINE__, E_SYNTAX, "postgresql://u:hidden@h/x?hidden", "URL"},
		{__LINE__, E_SYNTAX, "postgresql://u:hidden@h/x?hidden=1", "URL"},
		{__LINE__, E_SYNTAX, "postgresql://u:hid@den@h/x", "%40"},
		{__LINE__, E_SYNTAX, "postgresql:hidden", "URL"},
		{__LINE__, E_SYNTAX, "postgresql://a:hidden@[::1/x", "URL"},
		{__LINE__, E_SYNTAX, "postgresql://a,b,c/x?hostaddr=127.0.0.1,127.0.0.2",
			"as many"},
		{__LINE__, E_SYNTAX, "postgresql://a:hidden@a:1,b:2,c/x?port=1,2", "as many"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct store *store = NULL;
		int rc = store_open(str_of(rows[i].url), &store, &f->diag);
		if (rc != rows[i].rc || !strstr(f->diag.text, rows[i].text) ||
			strstr(f->diag.text, "hid") || strchr(f->diag.text, '\n')) {
			fail_msg("line %d: %s: %s", rows[i].line, result_name(rc), f->diag.text);
		}
	}
	struct str nul = STR("postgresql://a/b\0c");
	struct store *store = NULL;
	assert_int_equal(store_open(nul, &store, NULL), E_SYNTAX);
	char url[160];
	(void)snprintf(url, sizeof url, "postgresql://telltale:hidden@127.0.0.1:%d/none",
		pg_server_shared()->port);
	assert_int_equal(open_refused(f, url), E_AWAY);
	assert_non_null(strstr(f->diag.text, "\"none\""));
	assert_null(strstr(f->diag.text, "hidden"));
	(void)snprintf(url, sizeof url, "postgresql://telltale@127.0.0.1:1,127.0.0.1:%d/%s",
		pg_server_shared()->port, database_of(f));
	assert_int_equal(store_open(str_of(url), &store, &f->diag), 0);
	store_free(store);
}

/* Who may come in but not make tables; then who may not come in. */
static void test_users_that_may_not(void **state)
{
	struct fixture *f = *state;
	struct pg_server *server = pg_server_shared();
	char hba[256];
	char url[160];
	(void)sql(f, "CREATE ROLE guest LOGIN PASSWORD 'right'");
	pg_server_database(server, f->url);
	(void)sql(f,
		"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO guest");
	(void)snprintf(url, sizeof url, "postgresql://guest:hidden@127.0.0.1:%d/%s", server->port,
		database_of(f));
	assert_int_equal(open_refused(f, url), -EACCES);
	assert_non_null(strstr(f->diag.text, "permission denied for schema public"));
	assert_string_equal(
		sql(f, "SELECT count(*) FROM pg_class WHERE relname = 'telltale'"), "0");
	reopen(f); /* others may */
	(void)sql(f, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest");
	assert_int_equal(open_refused(f, url), -EACCES);
	assert_non_null(strstr(f->diag.text, "this user may not change"));
	(void)sql(f, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest;"
		     "REVOKE UPDATE ON audit FROM guest;" /* what is recorded stays so */
		     "GRANT UPDATE ON ALL SEQUENCES IN SCHEMA public TO guest");
	struct store *store = NULL;
	assert_int_equal(store_open(str_of(url), &store, &f->diag), 0);
	store_free(store);
	(void)snprintf(hba, sizeof hba,
		"COPY (VALUES ('host all guest 127.0.0.1/32 scram-sha-256'), ('local all all trust'),"
		" ('host all all 127.0.0.1/32 trust')) TO '%s/data/pg_hba.conf'",
		server->folder);
	(void)sql(f, hba);
	(void)sql(f, "SELECT pg_reload_conf()");
	int64_t end_ms = postgres_now_ms() + 5000;
	int rc;
	while ((rc = open_refused(f, url)) == -EACCES && postgres_now_ms() < end_ms) {
	}
	assert_int_equal(rc, E_AWAY);
	assert_non_null(strstr(f->diag.text, "password authentication failed"));
	assert_null(strstr(f->diag.text, "hidden"));
}

/* --- at once --------------------------------------------------------------------------------- */

/* Two transactions, each with one host, then each wants the other's. */
static void test_crosswise(void **state)
{
	struct fixture *f = *state;
	int status = -1;
	pid_t pid = fork();
	if (pid == 0) {
		struct store *store = NULL;
		CHECK(store_open(str_of(f->url), &store, NULL) == 0);
		CHECK(store->ops->begin(store, NULL) == 0);
		CHECK(put_on(store, "a", "x") == 0);
		CHECK(raise(SIGSTOP) == 0);
		int rc = put_on(store, "b", "y");
		rc = rc < 0 ? rc : store->ops->commit(store, NULL);
		CHECK(rc == 0 || rc == E_BUSY);
		_exit(rc == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	begin(f);
	assert_int_equal(put_on(f->store, "c", "y"), 0);
	(void)kill(pid, SIGCONT);
	int rc;
	ASSERT_WITHIN(DEADLINE_MS, (rc = put_on(f->store, "d", "x"), rc == 0 || rc == E_BUSY), 1);
	int commit_rc = f->store->ops->commit(f->store, &f->diag);
	assert_int_equal(commit_rc, rc);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true((rc == 0) + (WEXITSTATUS(status) == 0) == 1);
	assert_int_equal(change(f->store, "e", "x"), 0); /* and on it goes */
}

static void test_one_name_from_many(void **state)
{
	struct fixture *f = *state;
	struct store_instance row = {.name = STR("a"), .spec = STR("{}"), .host = STR("x")};
	begin(f);
	assert_int_equal(f->store->ops->instance_put(f->store, &row, STORE_NEW, NULL), 0);
	row.host = STR("y"); /* another counter, so that it does not wait for that */
	pid_t pid = fork();
	if (pid == 0) {
		struct store *store = NULL;
		CHECK(store_open(str_of(f->url), &store, NULL) == 0);
		CHECK(store->ops->begin(store, NULL) == 0);
		CHECK(store->ops->instance_put(store, &row, STORE_NEW, NULL) == E_STALE);
		CHECK(put_on(store, "b", "y") == 0); /* nothing is lost */
		CHECK(store->ops->commit(store, NULL) == 0);
		_exit(0);
	}
	(void)usleep(200000); /* it waits, or has not come so far: both must end well */
	commit(f);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_names(f, "a b ");
}

/* One that is put where there was none; meanwhile it comes and goes: what is left of that goes as well. */
static void test_one_that_came_and_went(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf lines = BUF_EMPTY;
	begin(f);
	assert_int_equal(put_on(f->store, "other", "x"), 0); /* who changes x waits */
	pid_t pid = fork();
	if (pid == 0) {
		struct store *store = NULL;
		CHECK(store_open(str_of(f->url), &store, NULL) == 0);
		CHECK(change(store, "a", "x") == 0);
		_exit(0);
	}
	int64_t end_ms = postgres_now_ms() + 4000; /* a transaction may be idle for five seconds */
	while (strcmp(sql(f, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"),
		       "1") != 0) {
		assert_true(postgres_now_ms() < end_ms);
	}
	assert_int_equal(put_on(f->store, "a", "x"), 0);
	assert_int_equal(
		f->store->ops->instance_delete(f->store, STR("a"), STORE_ANY, &f->diag), 0);
	commit(f);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(
		f->store->ops->changed_since(f->store, STR("x"), 0, add_name, &lines, &f->diag), 0);
	assert_lines(&lines, "other a ");
}

struct seen {
	uint64_t last;
	unsigned n;
	bool wrong;
};

static int see(void *ctx, const struct store_instance *row)
{
	struct seen *seen = ctx;
	seen->wrong = seen->wrong || row->revision <= seen->last;
	seen->last = row->revision;
	seen->n++;
	return 0;
}

/* Rows that nobody changes again; a fifth is taken back; all take their time before the end. */
static void write_many(const char *url, int writer)
{
	struct store *store = NULL;
	unsigned dice = (unsigned)writer;
	int committed = 0;
	CHECK(store_open(str_of(url), &store, NULL) == 0);
	for (int i = 0; i < WRITES; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "w%d-%d", writer, i);
		int rc = store->ops->begin(store, NULL);
		rc = rc < 0 ? rc : put_on(store, name, "x");
		(void)usleep((unsigned)rand_r(&dice) % 4000);
		if (rc == 0 && rand_r(&dice) % 5 != 0) {
			rc = store->ops->commit(store, NULL);
			committed += rc == 0;
		}
		CHECK(rc == 0 || rc == E_BUSY);
		store->ops->rollback(store);
	}
	store_free(store);
	_exit(committed);
}

/*
 * Who reads on from what was seen misses nothing. With a sequence in place of the counter this fails: a
 * transaction that was committed late is below what was seen already.
 */
static void test_who_reads_on_misses_nothing(void **state)
{
	struct fixture *f = *state;
	pid_t pids[WRITERS];
	struct seen seen = {0};
	unsigned committed = 0;
	unsigned reads = 0;
	unsigned left = WRITERS;
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			write_many(f->url, i);
		}
	}
	do { /* once more after the last of them */
		int status;
		while (left > 0 && waitpid(-1, &status, WNOHANG) > 0) {
			assert_true(WIFEXITED(status));
			committed += (unsigned)WEXITSTATUS(status);
			left--;
		}
		assert_int_equal(f->store->ops->changed_since(
					 f->store, STR("x"), seen.last, see, &seen, &f->diag),
			0);
		reads++;
	} while (left > 0);
	assert_int_equal(
		f->store->ops->changed_since(f->store, STR("x"), seen.last, see, &seen, &f->diag),
		0);
	assert_false(seen.wrong);
	assert_true(committed > WRITERS * WRITES / 2);
	assert_int_equal(seen.n, committed);
	print_message("%u changes, %u reads\n", committed, reads);
}

static int append(void *ctx, const struct store_points *points)
{
	buf_add(ctx, points->bytes);
	return 0;
}

/* What is there, and a letter more, as control/outbox.c does. */
static int add_letter(struct store *store)
{
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	int rc = store->ops->begin(store, NULL);
	rc = rc < 0 ? rc : store->ops->points_get(store, STR("i"), 60, 0, append, &bytes, NULL);
	rc = rc == E_NOTFOUND ? 0 : rc;
	(void)usleep(MERGE_US);
	buf_add(&bytes, STR("x"));
	struct store_points points = {STR("i"), 60, 0, buf_str(&bytes)};
	rc = rc < 0 ? rc : store->ops->points_put(store, &points, NULL);
	rc = rc < 0 ? rc : store->ops->commit(store, NULL);
	store->ops->rollback(store);
	return rc;
}

static void four_at_once(struct fixture *f, int (*run)(struct store *store))
{
	pid_t pids[4];
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct store *store = NULL;
			CHECK(store_open(str_of(f->url), &store, NULL) == 0);
			CHECK(run(store) == 0);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status = -1;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

/* The first makes the run, the others find it: in both cases they wait for each other. */
static void test_points_are_merged_one_by_one(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	four_at_once(f, add_letter);
	four_at_once(f, add_letter);
	assert_int_equal(
		f->store->ops->points_get(f->store, STR("i"), 60, 0, append, &bytes, &f->diag), 0);
	assert_int_equal(bytes.n, 8);
}

static int take_recorded(void *ctx, const struct store_host *host)
{
	*(uint64_t *)ctx = host->recorded;
	return 0;
}

/* As control/host_row.c does. */
static int record_one(struct store *store)
{
	struct store_host host = {.name = STR("x")};
	int rc = store->ops->begin(store, NULL);
	rc = rc < 0 ? rc
		    : store->ops->host_get(store, host.name, take_recorded, &host.recorded, NULL);
	(void)usleep(MERGE_US);
	host.recorded++;
	rc = rc < 0 ? rc : store->ops->host_put(store, &host, NULL);
	rc = rc < 0 ? rc : store->ops->commit(store, NULL);
	store->ops->rollback(store);
	return rc;
}

static void test_host_is_changed_one_by_one(void **state)
{
	struct fixture *f = *state;
	const struct store_ops *ops = f->store->ops;
	struct store_host host = {.name = STR("x")};
	begin(f);
	assert_int_equal(ops->host_put(f->store, &host, &f->diag), 0);
	commit(f);
	four_at_once(f, record_one);
	assert_int_equal(
		ops->host_get(f->store, host.name, take_recorded, &host.recorded, &f->diag), 0);
	assert_int_equal(host.recorded, 4);
}

/* --- out of memory --------------------------------------------------------------------------- */

static int use_all(struct fixture *f, struct str host)
{
	struct store *store = NULL;
	struct postgres_listen *listen = NULL;
	struct secret key = {0};
	TRY(store_open(str_of(f->url), &store, &f->diag));
	const struct store_ops *ops = store->ops;
	struct store_operation operation = {.id = STR("o"), .resource = STR("a"), .host = STR("x")};
	int rc = ops->begin(store, NULL);
	rc = rc < 0 ? rc : put_on(store, "a", "x");
	rc = rc < 0 ? rc : put_on(store, "a", "y");
	rc = rc < 0 ? rc : ops->secret_put(store, STR("key"), STR("1"), NULL);
	rc = rc < 0 ? rc : ops->operation_put(store, &operation, NULL);
	rc = rc < 0 ? rc : ops->commit(store, NULL);
	rc = rc < 0 ? rc : ops->secret_get(store, STR("key"), &key, NULL);
	ops->rollback(store);
	store_free(store);
	secret_done(&key);
	rc = rc < 0 ? rc : postgres_listen_new(str_of(f->url), host, &listen, &f->diag);
	postgres_listen_free(listen);
	return rc;
}

/* Of our own allocations; libpq's are not ours to fail. */
static void test_every_allocation_fails_once(void **state)
{
	struct fixture *f = *state;
	unsigned nth = 1;
	for (;; nth++) {
		char host[16];
		(void)snprintf(host, sizeof host, "h%u", nth); /* the last one may still be there */
		(void)alloc_fail_at(nth);
		int rc = use_all(f, str_of(host));
		bool failed = alloc_fail_at(0);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		if (!failed) {
			break;
		}
	}
	assert_in_range(nth, 8, 200);
	assert_names(f, "a ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ten_start_at_once),
		TEST(test_tables_that_are_there_are_not_locked),
		TEST(test_newer_schema_is_refused),
		TEST(test_tables_of_others_are_left_alone),
		TEST(test_damaged_rows_are_named),
		TEST(test_damaged_rows_stop_no_others),
		TEST(test_damaged_operation_holds_up_no_other),
		TEST(test_damaged_rows_between_pages),
		TEST(test_names_have_a_cap),
		TEST(test_audits_in_pages),
		TEST(test_instances_in_pages),
		TEST(test_hosts_in_pages),
		TEST(test_points_in_pages),
		TEST(test_urls),
		TEST(test_users_that_may_not),
		TEST(test_crosswise),
		TEST(test_one_name_from_many),
		TEST(test_one_that_came_and_went),
		TEST(test_who_reads_on_misses_nothing),
		TEST(test_points_are_merged_one_by_one),
		TEST(test_host_is_changed_one_by_one),
		TEST(test_every_allocation_fails_once),
	};
	return RUN_TESTS(tests);
}
