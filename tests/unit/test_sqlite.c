/*
 * What SQLite's back end owes beyond the promises that test_store.c asks of all: names and modes,
 * other people's files, damage, second openers, memory that runs out.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/unit/scratch.h"

#define DAMAGES      200
#define HEADER_BYTES 100
#define MALLOCS_MOST 20000

/* Of tests/vectors/store/schema-*.sql */
#define OLD_ROWS                                        \
	"web-1{\"name\":\"web-1\"}{} 4000000000 -1 1\n" \
	"web-2 0 1700003600 2\n"

/* By another program, so to speak. */
static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	char *error = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
		fail_msg("%s: %s", sql, error);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void remove_beside(struct scratch *f)
{
	static const char *const endings[] = {"-wal", "-shm", "-journal"};
	for (size_t i = 0; i < 3; i++) {
		char name[160];
		(void)snprintf(name, sizeof name, "%s%s", f->path, endings[i]);
		(void)unlink(name);
	}
}

/* --- making and naming ----------------------------------------------------------------------- */

static void assert_mode(const char *path, const char *ending, mode_t expected)
{
	char name[160];
	struct stat st;
	(void)snprintf(name, sizeof name, "%s%s", path, ending);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, expected);
}

static void test_modes_whatever_the_umask(void **state)
{
	struct scratch *f = *state;
	static const mode_t masks[] = {0, 022, 0777};
	for (size_t i = 0; i < 3; i++) {
		char folder[80];
		(void)snprintf(folder, sizeof folder, "%s/%zu", f->folder, i);
		(void)snprintf(f->path, sizeof f->path, "%s/deep/t.db", folder);
		(void)snprintf(f->url, sizeof f->url, "sqlite://%s", f->path);
		mode_t old = umask(masks[i]);
		struct store *store = scratch_open(f);
		umask(old);
		assert_non_null(store);
		assert_mode(folder, "", 0700);
		assert_mode(folder, "/deep", 0700);
		assert_mode(f->path, "", 0600);
		assert_mode(f->path, "-wal", 0600);
		assert_mode(f->path, "-shm", 0600);
		assert_mode(f->path, "-lock", 0600);
		store_free(store);
	}
}

static void test_loose_modes_are_tightened(void **state)
{
	struct scratch *f = *state;
	assert_int_equal(scratch_try(f), 0);
	assert_int_equal(chmod(f->path, 0666), 0);
	assert_int_equal(scratch_try(f), 0);
	assert_mode(f->path, "", 0600);
	assert_mode(f->folder, "", 0700);
	char other[96]; /* what is not ours is left alone */
	(void)snprintf(other, sizeof other, "%s/other.db", f->folder);
	scratch_write(other, STR("some text"));
	assert_int_equal(chmod(other, 0666), 0);
	(void)snprintf(f->url, sizeof f->url, "sqlite:%s", other);
	assert_int_equal(scratch_try(f), E_DAMAGED);
	assert_mode(other, "", 0666);
}

static void test_urls(void **state)
{
	struct scratch *f = *state;
	static const struct {
		const char *url;
		const char *made;
		int line;
		int rc;
	} rows[] = {
		{"sqlite:a.db", "a.db", __LINE__, 0},
		{"sqlite://b.db", "b.db", __LINE__, 0},
		{"sqlite:new/c.db", "new/c.db", __LINE__, 0},
		{"sqlite:./d.db", "d.db", __LINE__, 0},
		{"sqlite::memory:", ":memory:", __LINE__, 0},
		{"sqlite:file:e?mode=memory", "file:e?mode=memory", __LINE__, 0},
		{"sqlite:a.db/f.db", NULL, __LINE__, -ENOTDIR},
		{"", NULL, __LINE__, E_SYNTAX},
		{"sqlite", NULL, __LINE__, E_SYNTAX},
		{"sqlite:", NULL, __LINE__, E_SYNTAX},
		{"sqlite://", NULL, __LINE__, E_SYNTAX},
		{"sqlite:///", NULL, __LINE__, E_SYNTAX},
		{"sqlite:///tmp/", NULL, __LINE__, E_SYNTAX},
		{"sqlite:..", NULL, __LINE__, E_SYNTAX},
		{"sqlite:a/.", NULL, __LINE__, E_SYNTAX},
		{"/tmp/telltale.db", NULL, __LINE__, E_SYNTAX},
		{"mysql://user:hidden@host/x", NULL, __LINE__, E_SYNTAX},
	};
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(chdir(f->folder), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		(void)snprintf(f->url, sizeof f->url, "%s", rows[i].url);
		int rc = scratch_try(f);
		if (rc != rows[i].rc || (rc < 0) != (f->diag.text[0] != '\0') ||
			(rows[i].made && scratch_size(rows[i].made, "") < 4096)) {
			fail_msg("line %d: %s: %s", rows[i].line, result_name(rc), f->diag.text);
		}
		assert_null(strstr(f->diag.text, "hidden"));
	}
	struct str nul = STR("sqlite:a\0b");
	struct store *store = NULL;
	assert_int_equal(store_open(nul, &store, NULL), E_SYNTAX);
	assert_int_equal(fchdir(here), 0);
	(void)close(here);
}

static void test_too_long_a_path(void **state)
{
	struct scratch *f = *state;
	struct buf url = BUF_EMPTY;
	buf_add_f(&url, "sqlite:%s", f->folder);
	for (int i = 0; i < 6; i++) {
		buf_add_f(&url, "/%0100d", 0);
	}
	struct store *store = NULL;
	assert_int_equal(store_open(buf_str(&url), &store, &f->diag), -ENAMETOOLONG);
	assert_null(store);
	buf_done(&url);
}

static void test_empty_file_is_new(void **state)
{
	struct scratch *f = *state;
	scratch_write(f->path, STR(""));
	struct store *store = scratch_open(f);
	assert_non_null(store);
	assert_int_equal(scratch_commit(store, 0), 0);
	store_free(store);
	assert_int_equal(scratch_size(f->path, "-wal"), -1);
	store = scratch_open(f);
	assert_int_equal(scratch_count(store), 1);
	store_free(store);
}

/* --- what is not ours, or not any more ------------------------------------------------------- */

static void test_other_files_are_refused(void **state)
{
	struct scratch *f = *state;
	static const char zeros[8192];
	scratch_write(f->path, STR("These are notes, and there are some of them.\n"));
	scratch_assert_kept(f, E_DAMAGED, "not an SQLite database");
	scratch_write(f->path, STR("\n"));
	scratch_assert_kept(f, E_DAMAGED, "not an SQLite database");
	scratch_write(f->path, STR("SQLite format 3\0"));
	scratch_assert_kept(f, E_DAMAGED, "not an SQLite database");
	scratch_write(f->path, (struct str){zeros, sizeof zeros});
	scratch_assert_kept(f, E_DAMAGED, "not an SQLite database");
	assert_int_equal(unlink(f->path), 0);
	run_sql(f->path, "CREATE TABLE instance (name TEXT); INSERT INTO instance VALUES ('a');");
	scratch_assert_kept(f, E_DAMAGED, "of another program");
	run_sql(f->path, "PRAGMA application_id = 1414807884;");
	scratch_assert_kept(f, E_DAMAGED, "of another program");
	run_sql(f->path, "PRAGMA user_version = 1;");
	scratch_assert_kept(f, E_DAMAGED, "no such table");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	scratch_assert_refused(f, E_DAMAGED, "not a regular file");
	assert_int_equal(rmdir(f->path), 0);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	scratch_assert_refused(f, E_DAMAGED, "not a regular file");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(symlink("nowhere", f->path), 0);
	scratch_assert_refused(f, -ENOENT, "it can't be found");
}

static void test_newer_schema_is_refused(void **state)
{
	struct scratch *f = *state;
	assert_int_equal(scratch_try(f), 0);
	run_sql(f->path, "PRAGMA user_version = 4;");
	scratch_assert_kept(f, E_VERSION, "schema 4, this one knows 3");
	run_sql(f->path, "PRAGMA user_version = 3;");
	assert_int_equal(scratch_try(f), 0);
}

static void assert_brought_forward(struct scratch *f, const char *path, const char *trail)
{
	struct buf sql = scratch_read(path);
	buf_add_char(&sql, '\0');
	run_sql(f->path, sql.p);
	buf_done(&sql);
	for (unsigned i = 0; i < 2; i++) { /* and what was brought forward is read again */
		struct store *store = scratch_open(f);
		struct buf text = BUF_EMPTY;
		assert_non_null(store);
		assert_int_equal(scratch_dump(store, &text), 0);
		buf_add_char(&text, '\0');
		assert_non_null(strstr(text.p, OLD_ROWS));
		assert_non_null(strstr(text.p, OLD_ROWS "web-3 0 0 4\n")); /* changed_since() */
		assert_non_null(strstr(text.p, trail));
		assert_non_null(strstr(text.p, "0123456789"));
		assert_int_equal(i == 0 ? scratch_commit(store, 0) : 0, 0);
		buf_done(&text);
		store_free(store);
	}
}

/* Files of the schemas before, their rows with their sums as they wrote them. */
static void test_older_schemas_are_brought_forward(void **state)
{
	struct scratch *f = *state;
	assert_brought_forward(f, TEST_SOURCE_ROOT "/tests/vectors/store/schema-1.sql", "");
	assert_int_equal(unlink(f->path), 0);
	assert_brought_forward(f, TEST_SOURCE_ROOT "/tests/vectors/store/schema-2.sql",
		"op-2web-2{\"done\":true} 0 2\nop-1web-1{} 1 1\n");
	uint64_t revision = 0;
	struct store *store = scratch_open(f);
	assert_int_equal(store->ops->revision_get(store, STR(""), &revision, NULL), 0);
	assert_int_equal(revision, 6); /* of what was put after it was brought forward */
	assert_int_equal(store->ops->revision_get(store, STR("host"), &revision, NULL), 0);
	assert_int_equal(revision, 0);
	store_free(store);
}

static void test_odd_contents_are_refused(void **state)
{
	struct scratch *f = *state;
	static const struct {
		const char *sql;
		const char *text;
	} rows[] = {
		{"DELETE FROM state", "revision counter"},
		{"UPDATE state SET revision = 1", "revision counter"},
		{"ALTER TABLE instance RENAME COLUMN spec TO specs", "no column named spec"},
		{"UPDATE state SET secrets = revision + 1", "revision counter"},
		{"DROP TABLE secret", "no such table"},
		{"DROP TABLE host", "no such table"},
		{"DROP TABLE points", "no such table"},
		{"DROP INDEX points_of; ALTER TABLE audit RENAME who TO whom",
			"no column named who"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		(void)unlink(f->path);
		struct store *store = scratch_open(f);
		assert_int_equal(scratch_commit(store, 0), 0);
		assert_int_equal(scratch_commit(store, 1), 0);
		store_free(store);
		run_sql(f->path, rows[i].sql);
		scratch_assert_refused(f, E_DAMAGED, rows[i].text);
	}
}

/* Refused and left alone, or all that can be read is what was written. */
static void check_damaged(struct scratch *f, struct str file, struct str text, size_t offset)
{
	struct store *store = NULL;
	int rc = store_open(str_of(f->url), &store, &f->diag);
	if (rc < 0) {
		struct buf after = scratch_read(f->path);
		if ((rc != E_DAMAGED && rc != E_VERSION) || !str_eq(file, buf_str(&after))) {
			fail_msg("offset %zu: %s: %s", offset, result_name(rc), f->diag.text);
		}
		buf_done(&after);
	} else {
		struct buf now = BUF_EMPTY;
		rc = scratch_dump(store, &now);
		if (rc != E_DAMAGED && (rc != 0 || !str_eq(text, buf_str(&now)))) {
			fail_msg("offset %zu: %s, and other text", offset, result_name(rc));
		}
		buf_done(&now);
		store_free(store);
	}
	remove_beside(f);
}

static void test_damaged_bytes(void **state)
{
	struct scratch *f = *state;
	struct buf text = scratch_sample(f, 60);
	struct buf file = scratch_read(f->path);
	uint32_t dice = 1;
	for (size_t i = 0; i < HEADER_BYTES + DAMAGES; i++) {
		dice = dice * 1664525 + 1013904223;
		size_t offset = i < HEADER_BYTES ? i : (dice >> 4) % file.n;
		char old = file.p[offset];
		file.p[offset] = (char)(old ^ (i % 2 ? 0xff : 1 << (dice >> 28 & 7)));
		scratch_write(f->path, buf_str(&file));
		check_damaged(f, buf_str(&file), buf_str(&text), offset);
		file.p[offset] = old;
	}
	buf_done(&text);
	buf_done(&file);
}

static void test_truncated(void **state)
{
	struct scratch *f = *state;
	struct buf text = scratch_sample(f, 60);
	struct buf file = scratch_read(f->path);
	for (size_t n = 1; n < file.n; n = n < 4096 ? n * 2 : n + 3072) {
		scratch_write(f->path, (struct str){file.p, n});
		scratch_assert_kept(f, E_DAMAGED, "");
		remove_beside(f);
	}
	scratch_write(f->path, buf_str(&file)); /* the copy is restored */
	assert_int_equal(scratch_try(f), 0);
	buf_done(&text);
	buf_done(&file);
}

static void test_damaged_rows_are_named(void **state)
{
	struct scratch *f = *state;
	struct buf text = scratch_sample(f, 60);
	buf_reset(&text);
	run_sql(f->path,
		"UPDATE instance SET spec = 'other' WHERE name = 'web-000003';"
		"UPDATE secret SET value = x'00'; UPDATE deleted SET name = 'web-000008';");
	struct store *store = scratch_open(f);
	assert_non_null(store);
	const struct store_ops *ops = store->ops;
	assert_int_equal(
		ops->instance_each(store, STR_EMPTY, STR_EMPTY, scratch_add_row, &text, &f->diag),
		E_DAMAGED);
	assert_non_null(strstr(f->diag.text, "web-000003"));
	assert_int_equal(
		ops->instance_get(store, STR("web-000003"), scratch_add_row, &text, &f->diag),
		E_DAMAGED);
	assert_int_equal(
		ops->instance_get(store, STR("web-000004"), scratch_add_row, &text, NULL), 0);
	assert_int_equal(ops->changed_since(store, STR_EMPTY, 61, scratch_add_row, &text, &f->diag),
		E_DAMAGED);
	struct secret key = {0};
	assert_int_equal(ops->secret_get(store, STR("key"), &key, &f->diag), E_DAMAGED);
	assert_null(key.p);
	assert_int_equal(scratch_commit(store, 3), 0); /* put anew, it is whole again */
	assert_int_equal(
		ops->instance_get(store, STR("web-000003"), scratch_add_row, &text, NULL), 0);
	store_free(store);
	buf_done(&text);
}

static int forget_operation(void *ctx, const struct store_operation *operation)
{
	(void)ctx;
	(void)operation;
	return 0;
}

static int forget_audit(void *ctx, const struct store_audit *audit)
{
	(void)ctx;
	(void)audit;
	return 0;
}

static int forget_points(void *ctx, const struct store_points *points)
{
	(void)ctx;
	(void)points;
	return 0;
}

static int forget_id(void *ctx, struct str instance_id)
{
	(void)ctx;
	(void)instance_id;
	return 0;
}

/* The rows of scratch_sample(), changed by another program. */
static struct store *open_changed(struct scratch *f, const char *sql)
{
	struct buf text = scratch_sample(f, 8);
	buf_done(&text);
	run_sql(f->path, sql);
	struct store *store = scratch_open(f);
	assert_non_null(store);
	return store;
}

static void assert_damaged(struct scratch *f, int rc, const char *name)
{
	assert_int_equal(rc, E_DAMAGED);
	assert_non_null(strstr(f->diag.text, name));
}

static void test_damaged_operations_are_named(void **state)
{
	static const char *const changes[] = {
		"UPDATE operation SET number = 30 WHERE number = 3",
		"UPDATE operation SET resource = 'web' WHERE number = 3",
		"UPDATE operation SET body = '' WHERE number = 3",
		"UPDATE operation SET open = 0 WHERE number = 3",
		"UPDATE operation SET open = 3 WHERE number = 3",
		"UPDATE operation SET sum = sum + 1 WHERE number = 3",
		"UPDATE operation SET host = 'x' WHERE number = 3",
		"UPDATE operation SET open = 2 WHERE number = 4", /* one that has ended */
	};
	struct scratch *f = *state;
	for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		unsigned number = i < 7 ? 2 : 3;
		char id[32];
		(void)snprintf(id, sizeof id, "web-%06u", number);
		(void)unlink(f->path);
		struct store *store = open_changed(f, changes[i]);
		const struct store_ops *ops = store->ops;
		assert_damaged(f,
			ops->operation_each(store, STR_EMPTY, 0, forget_operation, NULL, &f->diag),
			id);
		assert_damaged(f,
			ops->operation_get(store, str_of(id), forget_operation, NULL, &f->diag),
			id);
		assert_int_equal(scratch_commit(store, number), 0); /* put anew, it is whole */
		assert_int_equal(
			ops->operation_get(store, str_of(id), forget_operation, NULL, NULL), 0);
		assert_int_equal(
			ops->operation_each(store, STR_EMPTY, 0, forget_operation, NULL, NULL), 0);
		store_free(store);
	}
}

static void test_damaged_audits_are_named(void **state)
{
	static const char *const changes[] = {
		"UPDATE audit SET number = 30 WHERE number = 3",
		"UPDATE audit SET at_ms = 0 WHERE number = 3",
		"UPDATE audit SET who = '' WHERE number = 3",
		"UPDATE audit SET came_from = 'x' WHERE number = 3",
		"UPDATE audit SET action = who, who = action WHERE number = 3",
		"UPDATE audit SET resource = 'web-000002x' WHERE number = 3",
		"UPDATE audit SET result = 'ok' WHERE number = 3",
		"UPDATE audit SET request_id = x'00' || '' WHERE number = 3",
	};
	struct scratch *f = *state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		(void)unlink(f->path);
		struct store *store = open_changed(f, changes[i]);
		assert_damaged(f,
			store->ops->audit_each(store, STR_EMPTY, 0, forget_audit, NULL, &f->diag),
			"web-000002");
		store_free(store);
	}
}

static int forget_row(void *ctx, const struct store_instance *row)
{
	(void)ctx;
	(void)row;
	return 0;
}

static void test_damaged_moves_are_named(void **state)
{
	static const char *const changes[] = {
		"UPDATE instance SET host = 'x' WHERE name = 'web-000002'",
		"UPDATE instance SET next_host = 'x', host = 'x' WHERE name = 'web-000002'",
		"UPDATE instance SET id = 'i-1', host = 'x' WHERE name = 'web-000002'",
		"UPDATE deleted SET host = 'x' WHERE name = 'web-000007'",
	};
	struct scratch *f = *state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		(void)unlink(f->path);
		struct store *store = open_changed(f, changes[i]);
		assert_damaged(f,
			store->ops->changed_since(store, STR("x"), 0, forget_row, NULL, &f->diag),
			i < 3 ? "web-000002" : "web-000007");
		store_free(store);
	}
}

static int forget_host(void *ctx, const struct store_host *host)
{
	(void)ctx;
	(void)host;
	return 0;
}

static void test_damaged_hosts_are_named(void **state)
{
	static const char *const changes[] = {
		"UPDATE host SET version = '1'",
		"UPDATE host SET applied = applied + 1",
		"UPDATE host SET instances = 0",
		"UPDATE host SET recorded = 0",
		"UPDATE host SET put_ms = 0",
	};
	struct scratch *f = *state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		(void)unlink(f->path);
		struct store *store = scratch_open(f);
		struct store_host host = {
			.name = STR("host-1"), .applied = 1, .instances = 2, .recorded = 3};
		assert_int_equal(store->ops->begin(store, NULL), 0);
		assert_int_equal(store->ops->host_put(store, &host, NULL), 0);
		assert_int_equal(store->ops->commit(store, NULL), 0);
		store_free(store);
		run_sql(f->path, changes[i]);
		store = scratch_open(f);
		assert_damaged(
			f, store->ops->host_each(store, forget_host, NULL, &f->diag), "host-1");
		store_free(store);
	}
}

/* Of points it is the caller who knows whether they are whole; whose they are, the store. */
static void test_damaged_series_are_named(void **state)
{
	static const char *const changes[] = {
		"UPDATE series SET instance_id = 'web' WHERE number = 3",
		"UPDATE series SET number = 30 WHERE number = 3",
		"UPDATE series SET sum = 1 WHERE number = 3",
		"DELETE FROM series WHERE number = 3",
	};
	struct scratch *f = *state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		(void)unlink(f->path);
		struct store *store = open_changed(f, changes[i]);
		const struct store_ops *ops = store->ops;
		struct str id = i == 0 ? STR("web") : STR("web-000002");
		struct store_points points = {id, 60, 0, STR("")};
		bool is_deleted = i == 3;
		assert_damaged(
			f, ops->points_before(store, 60, 9, forget_points, NULL, &f->diag), "");
		if (!is_deleted) {
			assert_damaged(
				f, ops->points_instances(store, forget_id, NULL, &f->diag), id.p);
			assert_int_equal(ops->begin(store, NULL), 0);
			assert_damaged(f, ops->points_put(store, &points, &f->diag), id.p);
			assert_int_equal(ops->commit(store, NULL), E_DAMAGED);
			assert_int_equal(ops->begin(store, NULL), 0);
			assert_damaged(f, ops->points_delete(store, id, 60, 2, &f->diag), id.p);
			ops->rollback(store);
		}
		store_free(store);
	}
}

/* --- two at a time --------------------------------------------------------------------------- */

static void test_second_opener(void **state)
{
	struct scratch *f = *state;
	struct store *store = scratch_open(f);
	assert_non_null(store);
	char text[64];
	(void)snprintf(text, sizeof text, "in use by process %ld;", (long)getpid());
	scratch_assert_refused(f, E_BUSY, text);
	char link_path[96];
	(void)snprintf(link_path, sizeof link_path, "%s/link.db", f->folder);
	assert_int_equal(symlink(f->path, link_path), 0);
	(void)snprintf(f->url, sizeof f->url, "sqlite:%s", link_path);
	scratch_assert_refused(f, E_BUSY, text);       /* by another name, the same */
	assert_int_equal(scratch_commit(store, 0), 0); /* the first goes on */
	store_free(store);
	assert_int_equal(scratch_try(f), 0);
}

static void test_other_programs_may_look(void **state)
{
	struct scratch *f = *state;
	struct store *store = scratch_open(f);
	assert_int_equal(scratch_commit(store, 0), 0);
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "BEGIN; SELECT * FROM instance", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(scratch_commit(store, 1), 0);
	store_free(store);
	store = scratch_open(f); /* the checkpoint can't end while it looks */
	assert_non_null(store);
	assert_int_equal(scratch_count(store), 2);
	assert_int_equal(sqlite3_exec(db, "COMMIT; BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(scratch_commit(store, 2), E_BUSY);
	assert_int_equal(scratch_count(store), 2);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(scratch_commit(store, 2), 0);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	store_free(store);
}

/* --- out of memory --------------------------------------------------------------------------- */

static sqlite3_mem_methods real_memory;
static unsigned fail_malloc_at; /* 0: never */

static bool malloc_fails(void)
{
	return fail_malloc_at > 0 && --fail_malloc_at == 0;
}

static void *failing_malloc(int n)
{
	return malloc_fails() ? NULL : real_memory.xMalloc(n);
}

static void *failing_realloc(void *p, int n)
{
	return malloc_fails() ? NULL : real_memory.xRealloc(p, n);
}

static int use_store(struct scratch *f)
{
	struct store *store = NULL;
	struct buf text = BUF_EMPTY;
	int rc = store_open(str_of(f->url), &store, &f->diag);
	if (rc == 0) {
		rc = scratch_commit(store, 0);
		int read_rc = scratch_dump(store, &text);
		rc = rc < 0 ? rc : read_rc;
	}
	buf_done(&text);
	store_free(store);
	return rc;
}

static void test_every_allocation_fails_once(void **state)
{
	struct scratch *f = *state;
	struct buf text = scratch_sample(f, 8);
	unsigned nth = 1;
	for (; nth < MALLOCS_MOST; nth++) {
		fail_malloc_at = nth;
		int rc = use_store(f);
		bool reached = fail_malloc_at == 0;
		fail_malloc_at = 0;
		if (rc != 0 && rc != -ENOMEM) {
			fail_msg("allocation %u: %s: %s", nth, result_name(rc), f->diag.text);
		}
		if (!reached) {
			break;
		}
	}
	assert_in_range(nth, 100, MALLOCS_MOST - 1);
	assert_int_equal(use_store(f), 0);
	buf_done(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK) {
		return 1;
	}
	sqlite3_mem_methods failing = real_memory;
	failing.xMalloc = failing_malloc;
	failing.xRealloc = failing_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		TEST(test_modes_whatever_the_umask),
		TEST(test_loose_modes_are_tightened),
		TEST(test_urls),
		TEST(test_too_long_a_path),
		TEST(test_empty_file_is_new),
		TEST(test_other_files_are_refused),
		TEST(test_newer_schema_is_refused),
		TEST(test_older_schemas_are_brought_forward),
		TEST(test_odd_contents_are_refused),
		TEST(test_damaged_bytes),
		TEST(test_truncated),
		TEST(test_damaged_rows_are_named),
		TEST(test_damaged_operations_are_named),
		TEST(test_damaged_audits_are_named),
		TEST(test_damaged_moves_are_named),
		TEST(test_damaged_hosts_are_named),
		TEST(test_damaged_series_are_named),
		TEST(test_second_opener),
		TEST(test_other_programs_may_look),
		TEST(test_every_allocation_fails_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
