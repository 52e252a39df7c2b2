#include "tests/fake/store_memory.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/fake/store_memory_parts.h"

/* --- tables ---------------------------------------------------------------------------------- */

void memory_free_text(struct str *text)
{
	if (text->p) {
		char *p;
		memcpy(&p, &text->p, sizeof p); /* it was made by memory_copy_text() */
		crypto_wipe(p, text->n);
		free(p);
	}
	*text = STR_EMPTY;
}

int memory_copy_text(struct str text, struct str *ret_copy)
{
	char *p = text.p ? str_dup(text) : NULL;
	if (text.p && !p) {
		return -ENOMEM;
	}
	*ret_copy = (struct str){p, text.n};
	return 0;
}

static void item_done(struct memory_item *item)
{
	memory_free_text(&item->row.name);
	memory_free_text(&item->row.spec);
	memory_free_text(&item->row.file_spec);
}

static int item_copy(const struct memory_item *from, struct memory_item *ret_item)
{
	struct memory_item item = *from;
	item.row.name = item.row.spec = item.row.file_spec = STR_EMPTY;
	if (memory_copy_text(from->row.name, &item.row.name) < 0 ||
		memory_copy_text(from->row.spec, &item.row.spec) < 0 ||
		memory_copy_text(from->row.file_spec, &item.row.file_spec) < 0) {
		item_done(&item);
		return -ENOMEM;
	}
	*ret_item = item;
	return 0;
}

static void table_done(struct memory_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		item_done(&table->items[i]);
	}
	free(table->items);
	memory_trail_done(&table->trail);
	memory_points_done(&table->points);
	*table = (struct memory_table){0};
}

static int table_copy(const struct memory_table *from, struct memory_table *ret_table)
{
	struct memory_table table = {.cap = from->n + 8, .revision = from->revision};
	table.items = calloc(table.cap, sizeof *table.items);
	if (!table.items || memory_trail_copy(&from->trail, &table.trail) < 0 ||
		memory_points_copy(&from->points, &table.points) < 0) {
		table_done(&table);
		return -ENOMEM;
	}
	for (; table.n < from->n; table.n++) {
		if (item_copy(&from->items[table.n], &table.items[table.n]) < 0) {
			table_done(&table);
			return -ENOMEM;
		}
	}
	*ret_table = table;
	return 0;
}

/* Where the item is, or where it would be. */
static size_t table_at(
	const struct memory_table *table, bool is_secret, struct str name, bool *ret_there)
{
	size_t low = 0;
	size_t high = table->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct memory_item *item = &table->items[middle];
		int order = item->is_secret == is_secret ? str_cmp(item->row.name, name)
							 : (item->is_secret ? 1 : -1);
		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*ret_there = false;
	return low;
}

/* Takes the item. */
static int table_put(struct memory_table *table, struct memory_item *item)
{
	bool there;
	size_t at = table_at(table, item->is_secret, item->row.name, &there);
	if (there) {
		item_done(&table->items[at]);
		table->items[at] = *item;
		return 0;
	}
	if (table->n == table->cap) {
		size_t cap = 2 * table->cap + 8;
		struct memory_item *items = realloc(table->items, cap * sizeof *items);
		if (!items) {
			item_done(item);
			return -ENOMEM;
		}
		table->items = items;
		table->cap = cap;
	}
	struct memory_item *place = table->items + at;
	memmove(place + 1, place, (table->n - at) * sizeof *place);
	*place = *item;
	table->n++;
	return 0;
}

static const struct memory_item *table_find(
	const struct memory_table *table, bool is_secret, struct str name)
{
	bool there;
	size_t at = table_at(table, is_secret, name, &there);
	return there ? &table->items[at] : NULL;
}

/* --- the contract ---------------------------------------------------------------------------- */

struct memory_store *memory_of(struct store *store)
{
	return (struct memory_store *)store;
}

const struct memory_table *memory_readable(const struct memory_store *m)
{
	return m->begun && m->failed == 0 ? &m->work : &m->kept;
}

int memory_call(struct memory_store *m, struct diag *diag)
{
	m->calls++;
	if (m->fail_at > 0 && --m->fail_at == 0) {
		return diag_set(diag, m->fail_rc, "store memory: made to fail: %s",
			result_name(m->fail_rc));
	}
	return 0;
}

static int out_of_memory(struct diag *diag)
{
	return diag_set(diag, -ENOMEM, "store memory: out of memory");
}

int memory_lose(struct memory_store *m, struct diag *diag)
{
	m->failed = -ENOMEM;
	return out_of_memory(diag);
}

static void rollback(struct store *store)
{
	struct memory_store *m = memory_of(store);
	table_done(&m->work);
	m->begun = false;
	m->failed = 0;
}

static int begin(struct store *store, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_call(m, diag));
	if (m->begun) {
		return diag_set(diag, -EINVAL, "store memory: a transaction has begun already");
	}
	if (table_copy(&m->kept, &m->work) < 0) {
		return out_of_memory(diag);
	}
	m->begun = true;
	return 0;
}

int memory_change_call(struct memory_store *m, struct diag *diag)
{
	int rc = memory_call(m, diag);
	if (!m->begun) {
		return diag_set(diag, -EINVAL, "store memory: no transaction has begun");
	}
	if (m->failed < 0) {
		return diag_set(diag, m->failed, "store memory: the transaction has failed before");
	}
	m->failed = rc;
	return rc;
}

static int commit(struct store *store, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	int rc = memory_change_call(m, diag);
	if (rc < 0) {
		rollback(store);
		return rc;
	}
	table_done(&m->kept);
	m->kept = m->work;
	m->work = (struct memory_table){0};
	m->begun = false;
	return 0;
}

static int put(
	struct memory_store *m, const struct store_instance *row, bool is_secret, struct diag *diag)
{
	struct memory_item item = {.row = *row, .is_secret = is_secret};
	struct memory_item copy;
	item.row.revision = m->work.revision + 1;
	if (item_copy(&item, &copy) < 0 || table_put(&m->work, &copy) < 0) {
		return memory_lose(m, diag);
	}
	m->work.revision++;
	return 0;
}

static int instance_put(struct store *store, const struct store_instance *row, struct diag *diag)
{
	TRY(memory_change_call(memory_of(store), diag));
	struct store_instance kept = *row;
	kept.name = row->name.p ? row->name : STR("");
	kept.spec = row->spec.p ? row->spec : STR("");
	return put(memory_of(store), &kept, false, diag);
}

static const struct memory_item *find_instance(
	struct memory_store *m, struct str name, struct diag *diag)
{
	const struct memory_item *item = table_find(memory_readable(m), false, name);
	if (!item || !item->row.spec.p) {
		(void)diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
		return NULL;
	}
	return item;
}

static int instance_delete(struct store *store, struct str name, struct diag *diag)
{
	TRY(memory_change_call(memory_of(store), diag));
	if (!find_instance(memory_of(store), name, diag)) {
		return E_NOTFOUND;
	}
	struct store_instance row = {.name = name.p ? name : STR("")};
	return put(memory_of(store), &row, false, diag);
}

static int instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_item *item = find_instance(memory_of(store), name, diag);
	if (!item) {
		return E_NOTFOUND;
	}
	int rc = on_row(ctx, &item->row);
	return rc < 0 ? rc : 0;
}

static int instance_each(struct store *store,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_table *table = memory_readable(memory_of(store));
	for (size_t i = 0; i < table->n; i++) {
		if (!table->items[i].is_secret && table->items[i].row.spec.p) {
			TRY(on_row(ctx, &table->items[i].row));
		}
	}
	return 0;
}

static int changed_since(struct store *store, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_table *table = memory_readable(memory_of(store));
	for (;;) { /* the next higher one each time: slow, and short */
		const struct memory_item *next = NULL;
		for (size_t i = 0; i < table->n; i++) {
			const struct memory_item *item = &table->items[i];
			if (!item->is_secret && item->row.revision > revision &&
				(!next || item->row.revision < next->row.revision)) {
				next = item;
			}
		}
		if (!next) {
			return 0;
		}
		revision = next->row.revision;
		TRY(on_row(ctx, &next->row));
	}
}

static int secret_put(struct store *store, struct str name, struct str value, struct diag *diag)
{
	TRY(memory_change_call(memory_of(store), diag));
	struct store_instance row = {
		.name = name.p ? name : STR(""), .spec = value.p ? value : STR("")};
	return put(memory_of(store), &row, true, diag);
}

static int secret_get(
	struct store *store, struct str name, struct secret *ret_value, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_item *item = table_find(memory_readable(memory_of(store)), true, name);
	if (!item) {
		return diag_set(diag, E_NOTFOUND, "no secret \"%.*s\"", STR_FMT(name));
	}
	struct secret secret;
	if (secret_init(&secret, item->row.spec.n) < 0) {
		return out_of_memory(diag);
	}
	memcpy(secret.p, item->row.spec.p, item->row.spec.n);
	*ret_value = secret;
	return 0;
}

static void memory_free(struct store *store)
{
	rollback(store);
	table_done(&memory_of(store)->kept);
	free(store);
}

static const struct store_ops ops = {
	.free = memory_free,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.instance_put = instance_put,
	.instance_delete = instance_delete,
	.instance_get = instance_get,
	.instance_each = instance_each,
	.changed_since = changed_since,
	.secret_put = secret_put,
	.secret_get = secret_get,
	.operation_put = memory_operation_put,
	.operation_get = memory_operation_get,
	.operation_each = memory_operation_each,
	.operation_open = memory_operation_open,
	.audit_add = memory_audit_add,
	.audit_each = memory_audit_each,
	.trim = memory_trim,
	.points_put = memory_points_put,
	.points_get = memory_points_get,
	.points_each = memory_points_each,
	.points_before = memory_points_before,
	.points_delete = memory_points_delete,
	.points_instances = memory_points_instances,
};

struct store *store_memory_new(void)
{
	struct memory_store *m = calloc(1, sizeof *m);
	if (!m) {
		return NULL;
	}
	m->store.ops = &ops;
	return &m->store;
}

void store_memory_fail(struct store *store, unsigned nth, int rc)
{
	memory_of(store)->fail_at = nth;
	memory_of(store)->fail_rc = rc;
}

unsigned store_memory_calls(const struct store *store)
{
	return ((const struct memory_store *)store)->calls;
}
