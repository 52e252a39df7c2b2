#include "tests/unit/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

int scratch_setup(void **state)
{
	struct scratch *f = calloc(1, sizeof *f);
	(void)snprintf(f->folder, sizeof f->folder, "%s/telltale-sqlite-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(f->folder)) {
		return -1;
	}
	(void)snprintf(f->path, sizeof f->path, "%s/telltale.db", f->folder);
	(void)snprintf(f->url, sizeof f->url, "sqlite://%s", f->path);
	*state = f;
	return 0;
}

int scratch_teardown(void **state)
{
	char command[96];
	struct scratch *f = *state;
	(void)snprintf(command, sizeof command, "rm -rf %s", f->folder);
	free(f);
	return system(command) == 0 ? 0 : -1;
}

/* --- small helpers --------------------------------------------------------------------------- */

struct store *scratch_open(struct scratch *f)
{
	struct store *store = NULL;
	int rc = store_open(str_of(f->url), &store, &f->diag);
	if (rc < 0) {
		(void)fprintf(stderr, "%s: %s\n", result_name(rc), f->diag.text);
	}
	return store;
}

int scratch_try(struct scratch *f)
{
	struct store *store = NULL;
	f->diag.text[0] = '\0';
	int rc = store_open(str_of(f->url), &store, &f->diag);
	store_free(store);
	return rc;
}

/* Refused with this code, in one line that names the file. */
void scratch_assert_refused(struct scratch *f, int expected, const char *text)
{
	assert_int_equal(scratch_try(f), expected);
	assert_non_null(strstr(f->diag.text, f->path));
	assert_null(strchr(f->diag.text, '\n'));
	if (!strstr(f->diag.text, text)) {
		fail_msg("\"%s\" is not in: %s", text, f->diag.text);
	}
}

/* What goes with web-NUMBER into every other table. 0 or an error. */
static int put_trail(struct store *store, struct str name, unsigned number)
{
	char bytes[64];
	(void)snprintf(bytes, sizeof bytes, "%s@%u", name.p, number);
	struct store_operation operation = {
		.id = name, .resource = name, .body = str_of(bytes), .open = number % 2 == 0};
	struct store_audit audit = {.at_ms = number, .who = STR("files"), .resource = name};
	struct store_points points = {name, 60, number, str_of(bytes)};
	TRY(store->ops->operation_put(store, &operation, NULL));
	TRY(store->ops->audit_add(store, &audit, NULL));
	return store->ops->points_put(store, &points, NULL);
}

/* name and a specification that is known by the number. 0 or an error. */
int scratch_put(struct store *store, unsigned number)
{
	char name[32];
	char spec[SCRATCH_SPEC_BYTES];
	(void)snprintf(name, sizeof name, "web-%06u", number);
	memset(spec, 'a' + (int)(number % 26), sizeof spec);
	struct store_instance row = {.name = str_of(name), .spec = {spec, sizeof spec}};
	TRY(store->ops->instance_put(store, &row, STORE_ANY, NULL));
	return put_trail(store, row.name, number);
}

int scratch_commit(struct store *store, unsigned number)
{
	int rc = store->ops->begin(store, NULL);
	rc = rc < 0 ? rc : scratch_put(store, number);
	rc = rc < 0 ? rc : store->ops->commit(store, NULL);
	store->ops->rollback(store);
	return rc;
}

/* Rows are web-000000, web-000001 … without a gap. */
static int count_row(void *ctx, const struct store_instance *row)
{
	unsigned *count = ctx;
	char name[32];
	(void)snprintf(name, sizeof name, "web-%06u", *count);
	if (!str_eq(row->name, str_of(name)) || row->spec.n != SCRATCH_SPEC_BYTES ||
		row->spec.p[SCRATCH_SPEC_BYTES - 1] != (char)('a' + *count % 26)) {
		return -EBADMSG;
	}
	++*count;
	return 0;
}

static int count_operation(void *ctx, const struct store_operation *operation)
{
	unsigned *left = ctx;
	char name[32];
	(void)snprintf(name, sizeof name, "web-%06u", *left - 1);
	if (operation->number != *left || !str_eq(operation->id, str_of(name))) {
		return -EBADMSG;
	}
	--*left;
	return 0;
}

static int count_audit(void *ctx, const struct store_audit *audit)
{
	unsigned *left = ctx;
	if (audit->number != *left || audit->at_ms != (int64_t)*left - 1) {
		return -EBADMSG;
	}
	--*left;
	return 0;
}

/* They carry a check of their own, as the store has none. */
static int check_points(const struct store_points *points)
{
	char bytes[64];
	(void)snprintf(bytes, sizeof bytes, "%.*s@%lld", STR_FMT(points->instance_id),
		(long long)points->start_s);
	return str_eq(points->bytes, str_of(bytes)) ? 0 : E_DAMAGED;
}

static int count_points(void *ctx, const struct store_points *points)
{
	unsigned *count = ctx;
	if (check_points(points) < 0 || points->start_s != *count) {
		return -EBADMSG;
	}
	++*count;
	return 0;
}

int scratch_count(struct store *store)
{
	unsigned count = 0;
	TRY(store->ops->instance_each(store, STR_EMPTY, STR_EMPTY, count_row, &count, NULL));
	unsigned operations = count;
	unsigned audits = count;
	unsigned points = 0;
	TRY(store->ops->operation_each(store, STR_EMPTY, 0, count_operation, &operations, NULL));
	TRY(store->ops->audit_each(store, STR_EMPTY, 0, count_audit, &audits, NULL));
	TRY(store->ops->points_before(store, 60, INT64_MAX, count_points, &points, NULL));
	return operations == 0 && audits == 0 && points == count ? (int)count : -EBADMSG;
}

struct buf scratch_read(const char *path)
{
	struct buf bytes = BUF_EMPTY;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	while (fd >= 0 && (n = read(fd, buf_room(&bytes, 65536), 65536)) > 0) {
		bytes.n += (size_t)n;
	}
	assert_true(fd >= 0 && n == 0);
	(void)close(fd);
	return bytes;
}

void scratch_write(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	(void)close(fd);
}

long long scratch_size(const char *path, const char *ending)
{
	char name[160];
	struct stat st;
	(void)snprintf(name, sizeof name, "%s%s", path, ending);
	return stat(name, &st) < 0 ? -1 : (long long)st.st_size;
}

void scratch_assert_kept(struct scratch *f, int expected, const char *text)
{
	struct buf before = scratch_read(f->path);
	scratch_assert_refused(f, expected, text);
	struct buf after = scratch_read(f->path);
	assert_true(str_eq(buf_str(&before), buf_str(&after)));
	buf_done(&before);
	buf_done(&after);
}

int scratch_add_row(void *ctx, const struct store_instance *row)
{
	buf_add(ctx, row->name);
	buf_add(ctx, row->spec);
	buf_add(ctx, row->file_spec);
	buf_add_f(ctx, " %u %lld %llu\n", row->token_epoch, (long long)row->changed_s,
		(unsigned long long)row->revision);
	return 0;
}

static int add_operation(void *ctx, const struct store_operation *operation)
{
	buf_add(ctx, operation->id);
	buf_add(ctx, operation->resource);
	buf_add(ctx, operation->body);
	buf_add_f(ctx, " %d %llu\n", operation->open, (unsigned long long)operation->number);
	return 0;
}

static int add_audit(void *ctx, const struct store_audit *audit)
{
	buf_add(ctx, audit->who);
	buf_add(ctx, audit->resource);
	buf_add_f(ctx, " %lld %llu\n", (long long)audit->at_ms, (unsigned long long)audit->number);
	return 0;
}

static int add_points(void *ctx, const struct store_points *points)
{
	TRY(check_points(points));
	buf_add(ctx, points->bytes);
	buf_add_char(ctx, '\n');
	return 0;
}

static int add_id(void *ctx, struct str instance_id)
{
	buf_add(ctx, instance_id);
	return 0;
}

static int dump_trail(struct store *store, struct buf *ret_text)
{
	const struct store_ops *ops = store->ops;
	TRY(ops->operation_each(store, STR_EMPTY, 0, add_operation, ret_text, NULL));
	TRY(ops->operation_open(store, STR_EMPTY, add_operation, ret_text, NULL));
	TRY(ops->operation_each(store, STR("web-000003"), 0, add_operation, ret_text, NULL));
	TRY(ops->audit_each(store, STR_EMPTY, 0, add_audit, ret_text, NULL));
	TRY(ops->points_before(store, 60, INT64_MAX, add_points, ret_text, NULL));
	TRY(ops->points_instances(store, add_id, ret_text, NULL));
	return ops->points_each(store, STR("web-000003"), 60, 0, 9, add_points, ret_text, NULL);
}

/* All that can be read. 0 or the first error. */
int scratch_dump(struct store *store, struct buf *ret_text)
{
	struct secret key = {0};
	TRY(store->ops->instance_each(
		store, STR_EMPTY, STR_EMPTY, scratch_add_row, ret_text, NULL));
	TRY(store->ops->changed_since(store, STR_EMPTY, 0, scratch_add_row, ret_text, NULL));
	TRY(dump_trail(store, ret_text));
	TRY(store->ops->secret_get(store, STR("key"), &key, NULL));
	buf_add(ret_text, (struct str){(const char *)key.p, key.n});
	secret_done(&key);
	return 0;
}

struct buf scratch_sample(struct scratch *f, unsigned rows)
{
	static char big[10000];
	memset(big, 'x', sizeof big);
	struct store *store = scratch_open(f);
	assert_int_equal(store->ops->begin(store, NULL), 0);
	for (unsigned i = 0; i < rows; i++) {
		assert_int_equal(scratch_put(store, i), 0);
	}
	struct store_instance row = {.name = STR("big"), .spec = {big, sizeof big}};
	assert_int_equal(store->ops->instance_put(store, &row, STORE_ANY, NULL), 0);
	assert_int_equal(store->ops->instance_delete(store, STR("web-000007"), STORE_ANY, NULL), 0);
	assert_int_equal(store->ops->secret_put(store, STR("key"), STR("0123456789"), NULL), 0);
	assert_int_equal(store->ops->commit(store, NULL), 0);
	struct buf text = BUF_EMPTY;
	assert_int_equal(scratch_dump(store, &text), 0);
	store_free(store);
	return text;
}
