#include "tests/fake/store_shared.h"

#include <stdlib.h>

struct shared {
	struct store store;
	struct store *memory;
	bool begun;
	bool away;
	unsigned away_at; /* 0: never */
	unsigned doubt_at;
	unsigned calls;
	void (*before)(void *ctx);
	void *before_ctx;
};

static struct shared *of(struct store *store)
{
	return (struct shared *)store;
}

static void rollback(struct store *store)
{
	struct shared *s = of(store);
	if (s->begun) {
		s->memory->ops->rollback(s->memory);
		s->begun = false;
	}
}

static int go_away(struct shared *s, struct diag *diag)
{
	s->away = true;
	rollback(&s->store);
	return diag_set(diag, E_AWAY, "store shared: made to be away");
}

/* Counts a call; 0 or E_AWAY. */
static int reach(struct shared *s, struct diag *diag)
{
	s->calls++;
	if (s->away || (s->away_at > 0 && --s->away_at == 0)) {
		return go_away(s, diag);
	}
	return 0;
}

static int begin(struct store *store, struct diag *diag)
{
	struct shared *s = of(store);
	if (s->before) {
		void (*run)(void *ctx) = s->before;
		s->before = NULL;
		run(s->before_ctx);
	}
	TRY(reach(s, diag));
	TRY(s->memory->ops->begin(s->memory, diag));
	s->begun = true;
	return 0;
}

static int commit(struct store *store, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	s->begun = false;
	TRY(s->memory->ops->commit(s->memory, diag));
	return s->doubt_at > 0 && --s->doubt_at == 0 ? go_away(s, diag) : 0;
}

static int instance_put(
	struct store *store, const struct store_instance *row, uint64_t base, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->instance_put(s->memory, row, base, diag);
}

static int instance_delete(struct store *store, struct str name, uint64_t base, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->instance_delete(s->memory, name, base, diag);
}

static int instance_get(struct store *store, struct str name,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->instance_get(s->memory, name, on_row, ctx, diag);
}

static int instance_find(struct store *store, struct str id,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->instance_find(s->memory, id, on_row, ctx, diag);
}

static int instance_each(struct store *store, struct str host, struct str after,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->instance_each(s->memory, host, after, on_row, ctx, diag);
}

static int changed_since(struct store *store, struct str host, uint64_t revision,
	int (*on_row)(void *ctx, const struct store_instance *row), void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->changed_since(s->memory, host, revision, on_row, ctx, diag);
}

static int revision_get(
	struct store *store, struct str host, uint64_t *ret_revision, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->revision_get(s->memory, host, ret_revision, diag);
}

static int host_put(struct store *store, const struct store_host *host, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->host_put(s->memory, host, diag);
}

static int host_delete(struct store *store, struct str name, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->host_delete(s->memory, name, diag);
}

static int host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->host_get(s->memory, name, on_host, ctx, diag);
}

static int host_each(struct store *store, int (*on_host)(void *ctx, const struct store_host *host),
	void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->host_each(s->memory, on_host, ctx, diag);
}

static int secret_put(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->secret_put(s->memory, name, value, diag);
}

static int secret_add(struct store *store, struct str name, struct str value, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->secret_add(s->memory, name, value, diag);
}

static int secret_get(
	struct store *store, struct str name, struct secret *ret_value, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->secret_get(s->memory, name, ret_value, diag);
}

static int operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->operation_put(s->memory, operation, diag);
}

static int operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->operation_get(s->memory, id, on_operation, ctx, diag);
}

static int operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->operation_each(s->memory, resource, before, on_operation, ctx, diag);
}

static int operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->operation_open(s->memory, host, on_operation, ctx, diag);
}

static int audit_add(struct store *store, const struct store_audit *audit, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->audit_add(s->memory, audit, diag);
}

static int audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->audit_each(s->memory, resource, before, on_audit, ctx, diag);
}

static int trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->trim(s->memory, keep_operations, keep_audits, diag);
}

static int points_put(struct store *store, const struct store_points *points, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->points_put(s->memory, points, diag);
}

static int points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->points_get(
		s->memory, instance_id, period_s, start_s, on_points, ctx, diag);
}

static int points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->points_each(
		s->memory, instance_id, period_s, from_s, until_s, on_points, ctx, diag);
}

static int points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->points_before(s->memory, period_s, until_s, on_points, ctx, diag);
}

static int points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->points_delete(s->memory, instance_id, period_s, start_s, diag);
}

static int points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag)
{
	struct shared *s = of(store);
	TRY(reach(s, diag));
	return s->memory->ops->points_instances(s->memory, on_instance, ctx, diag);
}

static void shared_free(struct store *store)
{
	rollback(store);
	free(store);
}

static const struct store_ops ops = {
	.free = shared_free,
	.rollback = rollback,
	.begin = begin,
	.commit = commit,
	.instance_put = instance_put,
	.instance_delete = instance_delete,
	.instance_get = instance_get,
	.instance_find = instance_find,
	.instance_each = instance_each,
	.changed_since = changed_since,
	.revision_get = revision_get,
	.host_put = host_put,
	.host_delete = host_delete,
	.host_get = host_get,
	.host_each = host_each,
	.secret_put = secret_put,
	.secret_add = secret_add,
	.secret_get = secret_get,
	.operation_put = operation_put,
	.operation_get = operation_get,
	.operation_each = operation_each,
	.operation_open = operation_open,
	.audit_add = audit_add,
	.audit_each = audit_each,
	.trim = trim,
	.points_put = points_put,
	.points_get = points_get,
	.points_each = points_each,
	.points_before = points_before,
	.points_delete = points_delete,
	.points_instances = points_instances,
};

struct store *store_shared_new(struct store *memory)
{
	struct shared *s = calloc(1, sizeof *s);
	if (!s) {
		return NULL;
	}
	*s = (struct shared){.store = {.ops = &ops}, .memory = memory};
	return &s->store;
}

void store_shared_away(struct store *store, unsigned nth)
{
	of(store)->away = false;
	of(store)->away_at = nth;
}

void store_shared_doubt(struct store *store, unsigned nth)
{
	of(store)->doubt_at = nth;
}

void store_shared_before(struct store *store, void (*run)(void *ctx), void *ctx)
{
	of(store)->before = run;
	of(store)->before_ctx = ctx;
}

unsigned store_shared_calls(const struct store *store)
{
	return ((const struct shared *)store)->calls;
}
