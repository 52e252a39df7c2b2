/* Instances that come from files. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "config/spec.h"
#include "control/plan.h"
#include "control/registrar_state.h"
#include "control/row.h"

#define GONE_LINES 100
#define ASKED_MOST 100 /* names that are asked for one by one */

struct applying {
	struct registrar *registrar;
	struct plan *plan;
	const json_t *specs;
	const json_t *gone; /* NULL: whatever the files do not name */
	json_t *wished;     /* name: specification, those not yet seen in the store */
	json_t *hidden;     /* name: revision of its row, of those in `wished` that have one */
	size_t changed;
	size_t left; /* instances of other hosts */
	struct diag *diag;
	int rc;
};

static char *dump(const json_t *spec)
{
	return json_dumps(spec, JSON_COMPACT);
}

/* A file's instance that the store has: merge what the file has changed. */
static int apply_known(
	struct applying *apply, const struct store_instance *row, const json_t *now, char *text)
{
	CLEANUP(json_done) json_t *before = row->file_spec.p ? row_parse(row->file_spec) : NULL;
	CLEANUP(json_done) json_t *effective = row_parse(row->spec);
	CLEANUP(json_done) json_t *old = effective ? json_deep_copy(effective) : NULL;
	struct instance_record record = row_record(row);
	bool changed = false;
	if (!old || (row->file_spec.p && !before)) {
		return diag_set(apply->diag, E_DAMAGED,
			"what the store has of instance '%.*s' is damaged", STR_FMT(row->name));
	}
	TRY(spec_merge(effective, before, now, &changed));
	TRY(registrar_enforce(apply->registrar, effective));
	if (changed) {
		row_note_change(&record, old, effective, apply->registrar->now_s());
	}
	const struct plan_place place = {.base = row->revision, .host = row->host};
	return plan_put(apply->plan, effective, str_of(text), &record, &place, apply->diag);
}

/* What the row of one that is made anew must be still. */
static int note_hidden(struct applying *apply, const struct store_instance *row)
{
	return json_object_setn_new(apply->hidden, row->name.p, row->name.n,
		       json_integer((json_int_t)row->revision)) < 0
		       ? -ENOMEM
		       : 0;
}

/* Whoever moved it there knew better than the file; and of two files that name it, the first has it. */
static int leave_alone(struct applying *apply, const struct store_instance *row)
{
	if (!json_object_getn(apply->wished, row->name.p, row->name.n)) {
		return 0;
	}
	if (row_is_hidden(row)) {
		return note_hidden(apply, row);
	}
	if (apply->left++ < GONE_LINES) {
		bool leaves = str_eq(row->host, apply->registrar->host);
		LOG(LOG_WARN, "control",
			"a file's instance is another host's, and is left as it is there",
			LOG_STR("instance", row->name),
			LOG_STR("host", leaves ? row->next_host : row->host));
	}
	json_object_deln(apply->wished, row->name.p, row->name.n);
	return 0;
}

static int apply_elsewhere(void *ctx, const struct store_instance *row)
{
	struct applying *apply = ctx;
	bool own = str_eq(row->host, apply->registrar->host);
	apply->rc = own ? 0 : leave_alone(apply, row);
	return apply->rc;
}

static int apply_row(void *ctx, const struct store_instance *row)
{
	struct applying *apply = ctx;
	if (!str_eq(row->host, apply->registrar->host) || row->next_host.n) {
		apply->rc = leave_alone(apply, row);
		return apply->rc;
	}
	json_t *now = json_object_getn(apply->wished, row->name.p, row->name.n);
	if (!now) {
		/* It left the files; one that never was in them stays. */
		const struct plan_place place = {.base = row->revision, .host = row->host};
		apply->rc = row->file_spec.p
				    ? plan_delete(apply->plan, row->name, &place, apply->diag)
				    : 0;
		return apply->rc;
	}
	char *text = dump(now);
	bool same = text && row->file_spec.p && str_eq(row->file_spec, str_of(text));
	if (!text) {
		apply->rc = -ENOMEM;
	} else if (!same) {
		apply->rc = row_is_hidden(row) ? note_hidden(apply, row)
					       : apply_known(apply, row, now, text);
	}
	/* A hidden one of which the file says something new is a new one. */
	if (same || !row_is_hidden(row)) {
		json_object_deln(apply->wished, row->name.p, row->name.n);
	}
	free(text);
	return apply->rc;
}

static int apply_new(struct applying *apply)
{
	const char *name;
	json_t *spec;
	json_object_foreach (apply->wished, name, spec) {
		const json_t *hidden = json_object_get(apply->hidden, name);
		const struct plan_place place = {
			.base = hidden ? (uint64_t)json_integer_value(hidden) : STORE_NEW,
			.host = apply->registrar->host};
		struct instance_record record;
		TRY(row_new_record(apply->registrar->now_s(), &record));
		char *text = dump(spec);
		CLEANUP(json_done)
		json_t *with = row_with_options(spec, registrar_preferred(apply->registrar));
		int rc = text && with ? registrar_enforce(apply->registrar, with) : -ENOMEM;
		if (rc == 0) {
			rc = plan_put(
				apply->plan, with, str_of(text), &record, &place, apply->diag);
		}
		free(text);
		TRY(rc);
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

static int apply_named(struct applying *apply, const json_t *name)
{
	struct store *store = apply->registrar->store;
	struct str text = str_of(json_string_value(name));
	int rc = store->ops->instance_get(store, text, apply_row, apply, apply->diag);
	return rc == E_NOTFOUND ? 0 : rc;
}

/* Those that are new here may be another host's. */
static int look_elsewhere(struct applying *apply)
{
	struct store *store = apply->registrar->store;
	const char *name;
	void *next;
	json_t *spec;
	if (json_object_size(apply->wished) > ASKED_MOST) {
		return store->ops->instance_each(store, (struct str){NULL, 0}, STR_EMPTY,
			apply_elsewhere, apply, apply->diag);
	}
	json_object_foreach_safe (apply->wished, next, name, spec) {
		int rc = store->ops->instance_get(
			store, str_of(name), apply_elsewhere, apply, apply->diag);
		TRY(rc == E_NOTFOUND ? 0 : rc);
	}
	return 0;
}

/* The rows that there may be something to do with. */
static int apply_rows(struct applying *apply)
{
	struct store *store = apply->registrar->store;
	json_t *item;
	size_t i;
	if (!apply->gone) {
		TRY(store->ops->instance_each(
			store, apply->registrar->host, STR_EMPTY, apply_row, apply, apply->diag));
		return apply->registrar->fleet ? look_elsewhere(apply) : 0;
	}
	/* While `wished` is whole: what is in it has gone from one file into another. */
	json_array_foreach (apply->gone, i, item) {
		bool wished = json_object_get(apply->wished, json_string_value(item)) != NULL;
		TRY(wished ? 0 : apply_named(apply, item));
	}
	json_array_foreach (apply->specs, i, item) {
		TRY(apply_named(apply, json_object_get(item, "name")));
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
	apply->left = 0;
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
