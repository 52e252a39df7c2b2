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
	memory_free_text(&item->row.id);
	memory_free_text(&item->row.host);
	memory_free_text(&item->row.next_host);
}

static int item_copy(const struct memory_item *from, struct memory_item *ret_item)
{
	struct memory_item item = *from;
	item.row.name = item.row.spec = item.row.file_spec = STR_EMPTY;
	item.row.id = item.row.host = item.row.next_host = STR_EMPTY;
	if (memory_copy_text(from->row.name, &item.row.name) < 0 ||
		memory_copy_text(from->row.spec, &item.row.spec) < 0 ||
		memory_copy_text(from->row.file_spec, &item.row.file_spec) < 0 ||
		memory_copy_text(memory_filled(from->row.id), &item.row.id) < 0 ||
		memory_copy_text(memory_filled(from->row.host), &item.row.host) < 0 ||
		memory_copy_text(memory_filled(from->row.next_host), &item.row.next_host) < 0) {
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
	memory_hosts_done(&table->hosts);
	memory_trail_done(&table->trail);
	memory_points_done(&table->points);
	*table = (struct memory_table){0};
}

static int table_copy(const struct memory_table *from, struct memory_table *ret_table)
{
	struct memory_table table = {
		.cap = from->n + 8, .revision = from->revision, .secrets = from->secrets};
	table.items = calloc(table.cap, sizeof *table.items);
	if (!table.items || memory_hosts_copy(&from->hosts, &table.hosts) < 0 ||
		memory_trail_copy(&from->trail, &table.trail) < 0 ||
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

/* Of one kind there is one of a name; of what is gone, one a host. */
static int order_of(const struct memory_item *a, const struct memory_item *b)
{
	if (a->kind != b->kind) {
		return a->kind < b->kind ? -1 : 1;
	}
	int order = a->kind == MEMORY_GONE ? str_cmp(a->row.host, b->row.host) : 0;
	return order ? order : str_cmp(a->row.name, b->row.name);
}

/* Where the item is, or where it would be. */
static size_t table_at(
	const struct memory_table *table, const struct memory_item *key, bool *ret_there)
{
	size_t low = 0;
	size_t high = table->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = order_of(&table->items[middle], key);
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
	size_t at = table_at(table, item, &there);
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
	const struct memory_table *table, enum memory_kind kind, struct str name)
{
	struct memory_item key = {.row.name = name, .kind = kind};
	bool there;
	size_t at = table_at(table, &key, &there);
	return there ? &table->items[at] : NULL;
}

static void table_remove(struct memory_table *table, const struct memory_item *key)
{
	bool there;
	size_t at = table_at(table, key, &there);
	if (there) {
		struct memory_item *place = table->items + at;
		item_done(place);
		table->n--;
		memmove(place, place + 1, (table->n - at) * sizeof *place);
	}
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

/* It gets the next revision. */
static int put(struct memory_store *m, const struct store_instance *row, enum memory_kind kind,
	struct diag *diag)
{
	struct memory_item item = {.row = *row, .kind = kind};
	struct memory_item copy;
	item.row.revision = m->work.revision + 1;
	if (item_copy(&item, &copy) < 0 || table_put(&m->work, &copy) < 0) {
		return memory_lose(m, diag);
	}
	m->work.revision++;
	return 0;
}

static int stale(struct str name, struct diag *diag)
{
	return diag_set(diag, E_STALE, "instance \"%.*s\" has changed since", STR_FMT(name));
}

/* The host of the old row does not have it any more. */
static int put_gone(struct memory_store *m, const struct store_instance *old, struct diag *diag)
{
	struct store_instance row = {.name = old->name, .host = old->host};
	return put(m, &row, MEMORY_GONE, diag);
}

static int instance_put(
	struct store *store, const struct store_instance *row, uint64_t base, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_change_call(m, diag));
	struct memory_item kept = {.row = *row, .kind = MEMORY_GONE};
	kept.row.name = memory_filled(row->name);
	kept.row.spec = memory_filled(row->spec);
	kept.row.host = memory_filled(row->host);
	const struct memory_item *old = table_find(&m->work, MEMORY_INSTANCE, kept.row.name);
	if (!store_base_fits(base, old ? old->row.revision : 0)) {
		return stale(kept.row.name, diag);
	}
	if (old && !str_eq(old->row.host, kept.row.host)) {
		TRY(put_gone(m, &old->row, diag));
	}
	table_remove(&m->work, &kept);
	return put(m, &kept.row, MEMORY_INSTANCE, diag);
}

static const struct memory_item *find_instance(
	struct memory_store *m, struct str name, struct diag *diag)
{
	const struct memory_item *item = table_find(memory_readable(m), MEMORY_INSTANCE, name);
	if (!item) {
		(void)diag_set(diag, E_NOTFOUND, "no instance \"%.*s\"", STR_FMT(name));
	}
	return item;
}

static int instance_delete(struct store *store, struct str name, uint64_t base, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_change_call(m, diag));
	const struct memory_item *old = find_instance(m, name, diag);
	if (!old) {
		return E_NOTFOUND;
	}
	if (!store_base_fits(base, old->row.revision)) {
		return stale(name, diag);
	}
	TRY(put_gone(m, &old->row, diag));
	struct memory_item key = {.row.name = memory_filled(name), .kind = MEMORY_INSTANCE};
	table_remove(&m->work, &key);
	return 0;
}

static int say_damaged(struct str name, struct diag *diag)
{
	return diag_set(diag, E_DAMAGED, "store memory: \"%.*s\" is damaged", STR_FMT(name));
}

static int instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_item *item = find_instance(memory_of(store), name, diag);
	if (!item) {
		return E_NOTFOUND;
	}
	int rc = item->damaged ? say_damaged(name, diag) : on_row(ctx, &item->row);
	return rc < 0 ? rc : 0;
}

static int instance_find(struct store *store, struct str id,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_table *table = memory_readable(memory_of(store));
	for (size_t i = 0; i < table->n && id.n > 0; i++) {
		const struct memory_item *item = &table->items[i];
		if (item->kind == MEMORY_INSTANCE && str_eq(item->row.id, id)) {
			int rc = item->damaged ? say_damaged(item->row.name, diag)
					       : on_row(ctx, &item->row);
			return rc < 0 ? rc : 0;
		}
	}
	return diag_set(diag, E_NOTFOUND, "no instance with the id \"%.*s\"", STR_FMT(id));
}

/* The others are handed on before E_PARTIAL comes. */
static int hand_on(const struct memory_item *item,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, int *rc,
	struct diag *diag)
{
	if (!item->damaged) {
		return on_row(ctx, &item->row);
	}
	(void)say_damaged(item->row.name, *rc < 0 ? NULL : diag);
	*rc = E_PARTIAL;
	return 0;
}

static int instance_each(struct store *store, struct str host, struct str after,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_table *table = memory_readable(memory_of(store));
	int rc = 0;
	for (size_t i = 0; i < table->n; i++) {
		const struct memory_item *item = &table->items[i];
		if (item->kind == MEMORY_INSTANCE && (!host.p || str_eq(item->row.host, host)) &&
			(after.n == 0 || str_cmp(item->row.name, after) > 0)) {
			TRY(hand_on(item, on_row, ctx, &rc, diag));
		}
	}
	return rc;
}

static bool is_change_of(const struct memory_item *item, struct str host)
{
	return (item->kind == MEMORY_INSTANCE || item->kind == MEMORY_GONE) &&
	       str_eq(item->row.host, host);
}

static int changed_since(struct store *store, struct str host, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_table *table = memory_readable(memory_of(store));
	int rc = 0;
	for (;;) { /* the next higher one each time: slow, and short */
		const struct memory_item *next = NULL;
		for (size_t i = 0; i < table->n; i++) {
			const struct memory_item *item = &table->items[i];
			if (is_change_of(item, host) && item->row.revision > revision &&
				(!next || item->row.revision < next->row.revision)) {
				next = item;
			}
		}
		if (!next) {
			return rc;
		}
		revision = next->row.revision;
		TRY(hand_on(next, on_row, ctx, &rc, diag));
	}
}

uint64_t memory_host_revision(const struct memory_table *table, struct str host)
{
	uint64_t last = host.n == 0 ? table->secrets : 0;
	for (size_t i = 0; i < table->n; i++) {
		const struct memory_item *item = &table->items[i];
		if (is_change_of(item, host) && item->row.revision > last) {
			last = item->row.revision;
		}
	}
	return last;
}

static int revision_get(
	struct store *store, struct str host, uint64_t *ret_revision, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	*ret_revision = memory_host_revision(memory_readable(memory_of(store)), host);
	return 0;
}

static int put_secret(struct memory_store *m, struct str name, struct str value, struct diag *diag)
{
	struct store_instance row = {.name = memory_filled(name), .spec = memory_filled(value)};
	TRY(put(m, &row, MEMORY_SECRET, diag));
	m->work.secrets = m->work.revision;
	return 0;
}

static int secret_put(struct store *store, struct str name, struct str value, struct diag *diag)
{
	TRY(memory_change_call(memory_of(store), diag));
	return put_secret(memory_of(store), name, value, diag);
}

static int secret_add(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_change_call(m, diag));
	if (table_find(&m->work, MEMORY_SECRET, name)) {
		return diag_set(
			diag, E_EXISTS, "there is a secret \"%.*s\" already", STR_FMT(name));
	}
	return put_secret(m, name, value, diag);
}

static int secret_get(
	struct store *store, struct str name, struct secret *ret_value, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_item *item =
		table_find(memory_readable(memory_of(store)), MEMORY_SECRET, name);
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
	.instance_find = instance_find,
	.instance_each = instance_each,
	.changed_since = changed_since,
	.revision_get = revision_get,
	.host_put = memory_host_put,
	.host_delete = memory_host_delete,
	.host_get = memory_host_get,
	.host_each = memory_host_each,
	.secret_put = secret_put,
	.secret_add = secret_add,
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

void store_memory_wait(struct store *store, int64_t ms)
{
	memory_of(store)->waited_ms += ms;
}

/* The kept instance; a test that names another is wrong. */
static struct memory_item *kept_instance(struct store *store, struct str name)
{
	struct memory_table *table = &memory_of(store)->kept;
	struct memory_item key = {.row.name = name, .kind = MEMORY_INSTANCE};
	bool there;
	size_t at = table_at(table, &key, &there);
	if (!there) {
		abort();
	}
	return &table->items[at];
}

void store_memory_damage(struct store *store, struct str name, bool damaged)
{
	kept_instance(store, name)->damaged = damaged;
}

void store_memory_drop(struct store *store, struct str name)
{
	const struct memory_item key = {.row.name = name, .kind = MEMORY_INSTANCE};
	(void)kept_instance(store, name);
	table_remove(&memory_of(store)->kept, &key);
}

void store_memory_remember(struct store *store, struct str name, uint64_t revision)
{
	struct memory_item item = {.row = kept_instance(store, name)->row, .kind = MEMORY_GONE};
	struct memory_item copy;
	item.row.spec = item.row.file_spec = STR_EMPTY;
	item.row.revision = revision;
	if (item_copy(&item, &copy) < 0 || table_put(&memory_of(store)->kept, &copy) < 0) {
		abort();
	}
}
