/* Instances that come from files. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "config/spec.h"
#include "control/plan.h"
#include "control/registrar_state.h"
#include "control/row.h"

#define GONE_LINES 100

struct applying {
	struct registrar *registrar;
	struct plan *plan;
	const json_t *specs;
	const json_t *gone; /* NULL: whatever the files do not name */
	json_t *wished;     /* name: specification, those not yet seen in the store */
	json_t *hidden;     /* name: revision, of those of them that were deleted */
	size_t changed;
	bool partial; /* a row of this host can't be read */
	struct diag *diag;
	int rc;
};

static char *dump(const json_t *spec)
{
	return json_dumps(spec, JSON_COMPACT);
}

static int say_damaged(const struct applying *apply, const struct store_instance *row)
{
	return diag_set(apply->diag, E_DAMAGED, "what the store has of instance '%.*s' is damaged",
		STR_FMT(row->name));
}

/* A file's instance that the store has: merge what the file has changed. */
static int apply_known(struct applying *apply, const struct store_instance *row,
	const struct row_file *before, const json_t *now, char *text)
{
	CLEANUP(row_done) struct row old = {0};
	bool changed = false;
	int rc = row_take(&old, row);
	TRY(rc == E_DAMAGED ? say_damaged(apply, row) : rc);
	CLEANUP(json_done) json_t *effective = json_deep_copy(old.spec);
	TRY(effective ? spec_merge(effective, before->said, now, &changed) : -ENOMEM);
	TRY(registrar_enforce(apply->registrar, old.spec, effective));
	struct instance_record record = old.record;
	if (changed) {
		row_note_change(&record, old.spec, effective, apply->registrar->now_s());
	}
	const struct plan_place place = registrar_place(apply->registrar, &old);
	return plan_put(apply->plan, effective, str_of(text), &record, &place, apply->diag);
}

/* It has left the files; one that never was in them stays, and one that has come from another host. */
static int apply_gone(
	struct applying *apply, const struct store_instance *row, const struct row_file *before)
{
	const struct plan_place place = {.base = row->revision, .host = row->host};
	bool ours = before->said && str_eq(str_of(before->host), row->host);
	return ours ? plan_delete(apply->plan, row->name, &place, apply->diag) : 0;
}

static void drop_wish(struct applying *apply, struct str name)
{
	(void)json_object_deln(apply->wished, name.p, name.n); /* it is there */
}

/* A hidden one of which the file says something new is a new one. */
static int apply_hidden(struct applying *apply, const struct store_instance *row, bool same)
{
	if (same) {
		drop_wish(apply, row->name);
		return 0;
	}
	json_t *revision = json_integer((json_int_t)row->revision);
	return json_object_setn_new_nocheck(apply->hidden, row->name.p, row->name.n, revision);
}

static int apply_here(struct applying *apply, const struct store_instance *row,
	const struct row_file *before, const json_t *now, char *text)
{
	bool same = str_eq(row->file_spec, str_of(text));
	if (row_is_hidden(row)) {
		return apply_hidden(apply, row, same);
	}
	int rc = same ? 0 : apply_known(apply, row, before, now, text);
	drop_wish(apply, row->name);
	return rc;
}

/* One that was moved from here stays where it is, as it is. What is another host's is not this file's. */
static int apply_there(struct applying *apply, const struct store_instance *row,
	const struct row_file *before, const char *text)
{
	if (!before->said || !str_eq(str_of(before->host), apply->registrar->host)) {
		return diag_set(apply->diag, E_EXISTS,
			"instance '%.*s' of a file is host '%.*s''s, and not from a file of this "
			"host",
			STR_FMT(row->name), STR_FMT(row->host));
	}
	if (row_is_hidden(row)) {
		return apply_hidden(apply, row, strcmp(before->text, text) == 0);
	}
	drop_wish(apply, row->name);
	return 0;
}

static int apply_one(struct applying *apply, const struct store_instance *row)
{
	CLEANUP(row_file_done) struct row_file before = {0};
	json_t *now = json_object_getn(apply->wished, row->name.p, row->name.n);
	bool here = str_eq(row->host, apply->registrar->host);
	if (!now && (!here || !row->file_spec.p)) {
		return 0;
	}
	char *text = now ? dump(now) : NULL;
	int rc = row_file_read(row->file_spec, row->host, &before);
	if (rc == E_DAMAGED) {
		rc = say_damaged(apply, row);
	} else if (rc == 0 && !now) {
		rc = apply_gone(apply, row, &before);
	} else if (rc == 0) {
		rc = !text  ? -ENOMEM
		     : here ? apply_here(apply, row, &before, now, text)
			    : apply_there(apply, row, &before, text);
	}
	free(text);
	return rc;
}

static int apply_row(void *ctx, const struct store_instance *row)
{
	struct applying *apply = ctx;
	apply->rc = apply_one(apply, row);
	return apply->rc;
}

static int apply_first(struct applying *apply, const char *name, const json_t *spec)
{
	struct registrar *registrar = apply->registrar;
	const json_t *hidden = json_object_get(apply->hidden, name);
	const struct plan_place place = {.host = registrar->host,
		.base = hidden ? (uint64_t)json_integer_value(hidden) : STORE_NEW};
	struct instance_record record;
	TRY(row_new_record(registrar->now_s(), &record));
	char *text = dump(spec);
	CLEANUP(json_done) json_t *with = row_with_options(spec, registrar_preferred(registrar));
	int rc = text && with ? registrar_enforce(registrar, NULL, with) : -ENOMEM;
	if (rc == 0) {
		rc = plan_put(apply->plan, with, str_of(text), &record, &place, apply->diag);
	}
	free(text);
	return rc;
}

static int apply_new(struct applying *apply)
{
	const char *name;
	json_t *spec;
	json_object_foreach (apply->wished, name, spec) {
		TRY(apply_first(apply, name, spec));
	}
	return 0;
}

static int by_name(const json_t *specs, json_t **ret_map)
{
	json_t *map = json_object();
	for (size_t i = 0; i < json_array_size(specs); i++) {
		json_t *spec = json_array_get(specs, i);
		const char *name = json_string_value(json_object_get(spec, "name"));
		if (!map || json_object_set(map, name, spec) < 0) {
			json_decref(map);
			return -ENOMEM;
		}
	}
	*ret_map = map;
	return map ? 0 : -ENOMEM;
}

/* Where somebody looks for what became of a guest. */
static void tell_gone(const struct plan *plan)
{
	size_t n = 0;
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->v[i].spec) {
			continue;
		}
		if (n++ < GONE_LINES) {
			LOG(LOG_INFO, "control", "an instance has left its file and is gone",
				LOG_TEXT("instance", plan->v[i].name));
		}
	}
	if (n > GONE_LINES) {
		LOG(LOG_INFO, "control", "more instances have left their files and are gone",
			LOG_INT("more", n - GONE_LINES));
	}
}

/* One whose row can't be read, which is known already, stays as it is, and holds up no other. */
static bool is_let_be(const struct applying *apply, int rc)
{
	const struct fleet *fleet = apply->registrar->fleet;
	bool known = apply->partial || (fleet && fleet->damaged);
	return rc == E_DAMAGED && known && apply->rc == 0;
}

static int apply_named(struct applying *apply, struct str name)
{
	struct store *store = apply->registrar->store;
	int rc = store->ops->instance_get(store, name, apply_row, apply, apply->diag);
	if (is_let_be(apply, rc)) {
		LOG(LOG_ERROR, "control", "what a file says can't be applied, the rest is",
			LOG_STR("instance", name), LOG_TEXT("error", apply->diag->text));
		drop_wish(apply, name);
		return 0;
	}
	return rc == E_NOTFOUND ? 0 : rc;
}

/* Of a host all rows, and those elsewhere that the files name. */
static int apply_all(struct applying *apply)
{
	struct registrar *registrar = apply->registrar;
	struct store *store = registrar->store;
	const char *name;
	json_t *spec;
	void *next;
	int rc = store->ops->instance_each(
		store, registrar->host, STR_EMPTY, apply_row, apply, apply->diag);
	apply->partial = rc == E_PARTIAL;
	TRY(apply->partial ? 0 : rc);
	json_object_foreach_safe (apply->wished, next, name, spec) {
		bool known = !registrar->fleet || json_object_get(apply->hidden, name);
		TRY(known ? 0 : apply_named(apply, str_of(name)));
	}
	return 0;
}

/* The rows that there may be something to do with. */
static int apply_rows(struct applying *apply)
{
	json_t *item;
	size_t i;
	if (!apply->gone) {
		return apply_all(apply);
	}
	/* While `wished` is whole: what is in it has gone from one file into another. */
	json_array_foreach (apply->gone, i, item) {
		bool wished = json_object_get(apply->wished, json_string_value(item)) != NULL;
		TRY(wished ? 0 : apply_named(apply, json_str(item)));
	}
	json_array_foreach (apply->specs, i, item) {
		TRY(apply_named(apply, json_str_member(item, "name")));
	}
	return 0;
}

static int plan_files(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag)
{
	struct applying *apply = ctx;
	(void)registrar;
	json_decref(apply->wished);
	json_decref(apply->hidden);
	apply->wished = NULL;
	apply->hidden = json_object();
	apply->plan = plan;
	apply->diag = diag;
	apply->rc = 0;
	diag_write(diag, "out of memory"); /* until somebody knows better */
	TRY(apply->hidden ? 0 : -ENOMEM);
	TRY(by_name(apply->specs, &apply->wished));
	TRY(apply_rows(apply));
	TRY(apply->rc);
	return apply_new(apply);
}

static void files_applied(const struct plan *plan, void *ctx)
{
	struct applying *apply = ctx;
	tell_gone(plan);
	apply->changed = plan->n;
}

static int apply_specs(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	const json_t *gone, size_t *ret_changed, struct diag *diag)
{
	struct applying apply = {.registrar = registrar, .specs = specs, .gone = gone};
	const struct registrar_planner planner = {plan_files, files_applied, &apply};
	int rc = registrar_carry_out(registrar, deed, &planner, diag);
	json_decref(apply.wished);
	json_decref(apply.hidden);
	if (rc == 0) {
		*ret_changed = apply.changed;
	}
	return rc;
}

int registrar_apply_files(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	size_t *ret_changed, struct diag *diag)
{
	return apply_specs(registrar, deed, specs, NULL, ret_changed, diag);
}

int registrar_apply_some(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	const json_t *gone, size_t *ret_changed, struct diag *diag)
{
	return apply_specs(registrar, deed, specs, gone, ret_changed, diag);
}
