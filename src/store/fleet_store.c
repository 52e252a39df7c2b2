#include "store/fleet_store.h"

#include <stdlib.h>

struct fleet_store {
	struct store store;
	struct store *database; /* NULL: none has been attached */
	struct store *copy;
	struct store *reader; /* NULL: none */
	bool away;            /* the database has said so */
};

static struct fleet_store *of(const struct store *store)
{
	return (struct fleet_store *)(uintptr_t)store;
}

static bool is_attached(const struct fleet_store *f)
{
	return f->database && !f->away;
}

static int reach(const struct fleet_store *f, struct diag *diag)
{
	return is_attached(f) ? 0
			      : diag_set(diag, E_AWAY, "the fleet's database can't be reached now");
}

/* For what the copy knows as well. */
static struct store *either(const struct fleet_store *f)
{
	return is_attached(f) ? f->database : f->copy;
}

/* What the database has said. */
static int said(struct fleet_store *f, int rc)
{
	f->away = f->away || rc == E_AWAY;
	return rc;
}

/* --- what only the database can do ----------------------------------------------------------- */

static void rollback(struct store *store)
{
	struct fleet_store *f = of(store);
	if (f->database) {
		f->database->ops->rollback(f->database);
	}
}

static int begin(struct store *store, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->begin(f->database, diag));
}

static int commit(struct store *store, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->commit(f->database, diag));
}

static int instance_put(
	struct store *store, const struct store_instance *row, uint64_t base, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->instance_put(f->database, row, base, diag));
}

static int instance_delete(struct store *store, struct str name, uint64_t base, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->instance_delete(f->database, name, base, diag));
}

static int changed_since(struct store *store, struct str host, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(
		f, f->database->ops->changed_since(f->database, host, revision, on_row, ctx, diag));
}

static int revision_get(
	struct store *store, struct str host, uint64_t *ret_revision, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->revision_get(f->database, host, ret_revision, diag));
}

static int host_put(struct store *store, const struct store_host *host, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->host_put(f->database, host, diag));
}

static int host_delete(struct store *store, struct str name, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->host_delete(f->database, name, diag));
}

static int host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->host_get(f->database, name, on_host, ctx, diag));
}

static int host_each(struct store *store, int (*on_host)(void *ctx, const struct store_host *host),
	void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->host_each(f->database, on_host, ctx, diag));
}

static int secret_put(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->secret_put(f->database, name, value, diag));
}

static int secret_add(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->secret_add(f->database, name, value, diag));
}

static int operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->operation_put(f->database, operation, diag));
}

static int operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->operation_get(f->database, id, on_operation, ctx, diag));
}

static int operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->operation_each(
			       f->database, resource, before, on_operation, ctx, diag));
}

static int operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(
		f, f->database->ops->operation_open(f->database, host, on_operation, ctx, diag));
}

static int audit_add(struct store *store, const struct store_audit *audit, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->audit_add(f->database, audit, diag));
}

static int audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f,
		f->database->ops->audit_each(f->database, resource, before, on_audit, ctx, diag));
}

static int trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->trim(f->database, keep_operations, keep_audits, diag));
}

static int points_put(struct store *store, const struct store_points *points, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->points_put(f->database, points, diag));
}

static int points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f, f->database->ops->points_before(
			       f->database, period_s, until_s, on_points, ctx, diag));
}

static int points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag)
{
	struct fleet_store *f = of(store);
	TRY(reach(f, diag));
	return said(f,
		f->database->ops->points_delete(f->database, instance_id, period_s, start_s, diag));
}

/* --- what the copy knows as well --------------------------------------------------------------- */

static int instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	struct store *from = either(f);
	return said(f, from->ops->instance_get(from, name, on_row, ctx, diag));
}

static int instance_find(struct store *store, struct str id,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	struct store *from = either(f);
	return said(f, from->ops->instance_find(from, id, on_row, ctx, diag));
}

static int instance_each(struct store *store, struct str host, struct str after,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	struct store *from = either(f);
	return said(f, from->ops->instance_each(from, host, after, on_row, ctx, diag));
}

static int secret_get(
	struct store *store, struct str name, struct secret *ret_value, struct diag *diag)
{
	struct fleet_store *f = of(store);
	struct store *from = either(f);
	return said(f, from->ops->secret_get(from, name, ret_value, diag));
}

static int points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct fleet_store *f = of(store);
	struct store *from = either(f);
	return said(f,
		from->ops->points_get(from, instance_id, period_s, start_s, on_points, ctx, diag));
}

static int points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct fleet_store *f = of(store);
	struct store *from = either(f);
	return said(f, from->ops->points_each(
			       from, instance_id, period_s, from_s, until_s, on_points, ctx, diag));
}

static int points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag)
{
	struct fleet_store *f = of(store);
	struct store *from = either(f);
	return said(f, from->ops->points_instances(from, on_instance, ctx, diag));
}

/* --- life ------------------------------------------------------------------------------------ */

static void fleet_free(struct store *store)
{
	struct fleet_store *f = of(store);
	store_free(f->database);
	store_free(f->reader);
	store_free(f->copy);
	free(f);
}

static const struct store_ops ops = {
	.free = fleet_free,
	.rollback = rollback,
	.begin = begin,
	.commit = commit,
	.instance_put = instance_put,
	.instance_delete = instance_delete,
	.changed_since = changed_since,
	.revision_get = revision_get,
	.host_put = host_put,
	.host_delete = host_delete,
	.host_get = host_get,
	.host_each = host_each,
	.secret_put = secret_put,
	.secret_add = secret_add,
	.operation_put = operation_put,
	.operation_get = operation_get,
	.operation_each = operation_each,
	.operation_open = operation_open,
	.audit_add = audit_add,
	.audit_each = audit_each,
	.trim = trim,
	.points_put = points_put,
	.points_before = points_before,
	.points_delete = points_delete,
	.instance_get = instance_get,
	.instance_find = instance_find,
	.instance_each = instance_each,
	.secret_get = secret_get,
	.points_get = points_get,
	.points_each = points_each,
	.points_instances = points_instances,
};

struct store *fleet_store_new(struct store *copy)
{
	struct fleet_store *f = calloc(1, sizeof *f);
	if (!f) {
		return NULL;
	}
	*f = (struct fleet_store){.store = {.ops = &ops}, .copy = copy};
	return &f->store;
}

void fleet_store_attach(struct store *store, struct store *database)
{
	struct fleet_store *f = of(store);
	store_free(f->database);
	f->database = database;
	f->away = false;
}

void fleet_store_detach(struct store *store)
{
	fleet_store_attach(store, NULL);
}

void fleet_store_attach_reader(struct store *store, struct store *reader)
{
	struct fleet_store *f = of(store);
	store_free(f->reader);
	f->reader = reader;
}

struct store *fleet_store_reader(struct store *store)
{
	const struct fleet_store *f = of(store);
	return f->reader && is_attached(f) ? f->reader : store;
}

bool fleet_store_has_reader(const struct store *store)
{
	return of(store)->reader != NULL;
}

bool fleet_store_is_attached(const struct store *store)
{
	return is_attached(of(store));
}

struct store *fleet_store_copy(const struct store *store)
{
	return of(store)->copy;
}
