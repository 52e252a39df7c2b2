#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "config/spec.h"
#include "control/plan.h"
#include "control/registrar_state.h"
#include "control/request.h"
#include "metadata/derive.h"

#define GONE_LINES        100
#define PRIVATE_ADDRESSES (256 * 251) /* of 172.26.0.0/16 */

struct registrar *registrar_new(struct registry *registry, struct store *store,
	const struct site *site, int64_t (*now_s)(void))
{
	struct registrar *registrar = calloc(1, sizeof *registrar);
	if (registrar) {
		*registrar = (struct registrar){
			.registry = registry, .store = store, .site = site, .now_s = now_s};
		registrar->counted_minute = now_s() / 60;
		pthread_mutex_init(&registrar->lock, NULL);
	}
	return registrar;
}

void registrar_free(struct registrar *registrar)
{
	if (registrar) {
		for (size_t i = 0; i < registrar->n_waiting; i++) {
			json_decref(registrar->waiting[i].operation);
		}
		free(registrar->waiting);
		json_decref(registrar->defaults);
		json_decref(registrar->preferred);
		pthread_mutex_destroy(&registrar->lock);
		free(registrar);
	}
}

static int commit(
	struct registrar *registrar, struct plan *plan, const struct deed *deed, struct diag *diag)
{
	TRY(registrar_check_enforced(registrar, plan, diag));
	TRY(registrar_record_leaving(registrar, plan, diag));
	registrar->may_have_roles = true;
	int rc = plan_commit(plan, registrar->registry, registrar->store, deed, diag);
	if (rc == 0) {
		registrar_await(registrar, deed);
	}
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	return rc;
}

/* --- rows ------------------------------------------------------------------------------------ */

/* A row of the store that outlives the callback. */
struct row {
	json_t *spec;
	char *file_spec;
	struct instance_record record;
};

static void row_done(struct row *row)
{
	json_decref(row->spec);
	free(row->file_spec);
}

static struct instance_record record_of(const struct store_instance *from)
{
	return (struct instance_record){
		.token_epoch = from->token_epoch,
		.created_s = from->created_s,
		.launched_s = from->launched_s,
		.changed_s = from->changed_s,
	};
}

/* A hidden row's specification is JSON's null. */
static json_t *parse(struct str text)
{
	return json_loadb(text.p ? text.p : "", text.n, JSON_DECODE_ANY, NULL);
}

static bool is_hidden(const struct store_instance *row)
{
	return str_eq(row->spec, STR(PLAN_HIDDEN));
}

static int keep_row(void *ctx, const struct store_instance *from)
{
	struct row *row = ctx;
	row->spec = parse(from->spec);
	row->file_spec = from->file_spec.p ? str_dup(from->file_spec) : NULL;
	row->record = record_of(from);
	return row->spec && (row->file_spec || !from->file_spec.p) ? 0 : E_DAMAGED;
}

static int get_row(
	struct registrar *registrar, struct str name, struct row *ret_row, struct diag *diag)
{
	struct store *store = registrar->store;
	*ret_row = (struct row){0};
	int rc = store->ops->instance_get(store, name, keep_row, ret_row, diag);
	if (rc == E_NOTFOUND || (rc == 0 && json_is_null(ret_row->spec))) {
		return diag_set(diag, E_NOTFOUND, "there is no instance '%.*s'", STR_FMT(name));
	}
	if (rc == E_DAMAGED) {
		return diag_set(diag, rc, "what the store has of instance '%.*s' is damaged",
			STR_FMT(name));
	}
	return rc;
}

static int new_record(int64_t now_s, struct instance_record *ret_record)
{
	/*
	 * Random, so that the tokens of an instance that was deleted are not those of a new one
	 * that has its name.
	 */
	uint32_t epoch;
	TRY(crypto_random(&epoch, sizeof epoch));
	*ret_record = (struct instance_record){
		.token_epoch = epoch, .created_s = now_s, .launched_s = now_s, .changed_s = now_s};
	return 0;
}

/* A start after a stop is a launch. */
static void note_change(
	struct instance_record *record, const json_t *before, const json_t *after, int64_t now_s)
{
	const char *was = json_string_value(json_object_get(before, "state"));
	const char *is = json_string_value(json_object_get(after, "state"));
	record->changed_s = now_s;
	if (was && strcmp(was, "stopped") == 0 && !(is && strcmp(is, "stopped") == 0)) {
		record->launched_s = now_s;
	}
}

/* The specification with those options that it does not name. NULL when out of memory. */
static json_t *with_options(const json_t *spec, const json_t *live)
{
	json_t *named = json_object_get(spec, "metadataOptions");
	/* Jansson takes non-const objects; it counts references in them and changes nothing else. */
	json_t *same = json_loose(spec);
	if (!live) {
		return json_incref(same);
	}
	json_t *merged = json_copy(same), *options = json_deep_copy(live);
	if (!merged || !options || (named && json_object_update(options, named) < 0) ||
		json_object_set(merged, "metadataOptions", options) < 0) {
		json_decref(merged);
		merged = NULL;
	}
	json_decref(options);
	return merged;
}

/* --- loading --------------------------------------------------------------------------------- */

struct loading {
	struct registrar *registrar;
	struct diag *diag;
	int rc;
};

static int load_row(void *ctx, const struct store_instance *row)
{
	struct loading *loading = ctx;
	struct registrar *registrar = loading->registrar;
	struct instance_record record = record_of(row);
	struct instance *instance = NULL;
	struct role_credentials *role = NULL;
	if (is_hidden(row)) {
		return 0;
	}
	CLEANUP(json_done) json_t *spec = parse(row->spec);
	int rc = spec ? plan_role(spec, &role) : diag_set(loading->diag, E_DAMAGED, "not JSON");
	if (rc == 0) {
		rc = instance_new(spec, &record, registrar->site, role, &instance, loading->diag);
	}
	if (rc == 0) {
		rc = registry_put(registrar->registry, instance, loading->diag);
	}
	if (rc < 0) {
		loading->rc = diag_prefix(loading->diag, rc == -ENOMEM ? rc : E_DAMAGED,
			"the store's instance '%.*s'", STR_FMT(row->name));
	}
	return loading->rc;
}

int registrar_load(struct registrar *registrar, struct diag *diag)
{
	struct loading loading = {.registrar = registrar, .diag = diag};
	pthread_mutex_lock(&registrar->lock);
	registrar->may_have_roles = true;
	int rc = registrar->store->ops->instance_each(
		registrar->store, STR_EMPTY, STR_EMPTY, load_row, &loading, diag);
	rc = loading.rc < 0 ? loading.rc : rc;
	if (rc == 0) {
		rc = registrar_load_defaults(registrar, diag);
	}
	if (rc == 0) {
		rc = registrar_settle_left(registrar, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

/* --- files ----------------------------------------------------------------------------------- */

struct applying {
	struct registrar *registrar;
	struct plan plan;
	json_t *wished; /* name: specification, those not yet seen in the store */
	int64_t now_s;
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
	CLEANUP(json_done) json_t *before = row->file_spec.p ? parse(row->file_spec) : NULL;
	CLEANUP(json_done) json_t *effective = parse(row->spec);
	CLEANUP(json_done) json_t *old = effective ? json_deep_copy(effective) : NULL;
	struct instance_record record = record_of(row);
	bool changed = false;
	if (!old || (row->file_spec.p && !before)) {
		return diag_set(apply->diag, E_DAMAGED,
			"what the store has of instance '%.*s' is damaged", STR_FMT(row->name));
	}
	TRY(spec_merge(effective, before, now, &changed));
	TRY(registrar_enforce(apply->registrar, effective));
	if (changed) {
		note_change(&record, old, effective, apply->now_s);
	}
	return plan_put(&apply->plan, effective, str_of(text), &record, apply->registrar->site,
		apply->diag);
}

static int apply_row(void *ctx, const struct store_instance *row)
{
	struct applying *apply = ctx;
	json_t *now = json_object_getn(apply->wished, row->name.p, row->name.n);
	if (!now) {
		/* It left the files; one that never was in them stays. */
		apply->rc = row->file_spec.p ? plan_delete(&apply->plan, row->name) : 0;
		return apply->rc;
	}
	char *text = dump(now);
	bool same = text && row->file_spec.p && str_eq(row->file_spec, str_of(text));
	if (!text) {
		apply->rc = -ENOMEM;
	} else if (!same && !is_hidden(row)) {
		apply->rc = apply_known(apply, row, now, text);
	}
	/* A hidden one of which the file says something new is a new one. */
	if (same || !is_hidden(row)) {
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
		struct instance_record record;
		TRY(new_record(apply->now_s, &record));
		char *text = dump(spec);
		CLEANUP(json_done)
		json_t *with = with_options(spec, registrar_preferred(apply->registrar));
		int rc = text && with ? registrar_enforce(apply->registrar, with) : -ENOMEM;
		if (rc == 0) {
			rc = plan_put(&apply->plan, with, str_of(text), &record,
				apply->registrar->site, apply->diag);
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

/* The rows that there may be something to do with. gone is NULL: all of them. */
static int apply_rows(struct applying *apply, const json_t *specs, const json_t *gone)
{
	struct store *store = apply->registrar->store;
	json_t *item;
	size_t i;
	if (!gone) {
		return store->ops->instance_each(
			store, STR_EMPTY, STR_EMPTY, apply_row, apply, apply->diag);
	}
	/* While `wished` is whole: what is in it has gone from one file into another. */
	json_array_foreach (gone, i, item) {
		bool wished = json_object_get(apply->wished, json_string_value(item)) != NULL;
		TRY(wished ? 0 : apply_named(apply, item));
	}
	json_array_foreach (specs, i, item) {
		TRY(apply_named(apply, json_object_get(item, "name")));
	}
	return 0;
}

static int apply_specs(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	const json_t *gone, size_t *ret_changed, struct diag *diag)
{
	struct applying apply = {.registrar = registrar, .now_s = registrar->now_s(), .diag = diag};
	diag_write(diag, "out of memory"); /* until somebody knows better */
	TRY(by_name(specs, &apply.wished));
	pthread_mutex_lock(&registrar->lock);
	int rc = apply_rows(&apply, specs, gone);
	if (rc == 0) {
		rc = apply.rc;
	}
	if (rc == 0) {
		rc = apply_new(&apply);
	}
	if (rc == 0) {
		rc = commit(registrar, &apply.plan, deed, diag);
	}
	if (rc == 0) {
		tell_gone(&apply.plan);
		*ret_changed = apply.plan.n;
	}
	pthread_mutex_unlock(&registrar->lock);
	plan_done(&apply.plan);
	json_decref(apply.wished);
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

/* --- single changes -------------------------------------------------------------------------- */

/* Plan one instance's new specification; what it was before decides over its record. */
static int plan_spec(
	struct registrar *registrar, struct plan *plan, const json_t *spec, struct diag *diag)
{
	struct str name = str_of(json_string_value(json_object_get(spec, "name")));
	struct row before;
	struct instance_record record;
	int rc = get_row(registrar, name, &before, diag);
	if (rc < 0 && rc != E_NOTFOUND) {
		row_done(&before);
		return rc;
	}
	if (rc == E_NOTFOUND) {
		rc = new_record(registrar->now_s(), &record);
	} else {
		record = before.record;
		note_change(&record, before.spec, spec, registrar->now_s());
		rc = 0;
	}
	const json_t *live = before.spec ? json_object_get(before.spec, "metadataOptions")
					 : registrar_preferred(registrar);
	CLEANUP(json_done) json_t *merged = rc == 0 ? with_options(spec, live) : NULL;
	if (rc == 0) {
		struct str file_spec = before.file_spec ? str_of(before.file_spec) : STR_EMPTY;
		rc = merged ? plan_put(plan, merged, file_spec, &record, registrar->site, diag)
			    : diag_set(diag, -ENOMEM, "out of memory");
	}
	row_done(&before);
	return rc;
}

int registrar_put(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	struct diag *diag)
{
	CLEANUP(plan_done) struct plan plan = PLAN_EMPTY;
	int rc = 0;
	pthread_mutex_lock(&registrar->lock);
	for (size_t i = 0; rc == 0 && i < json_array_size(specs); i++) {
		rc = plan_spec(registrar, &plan, json_array_get(specs, i), diag);
	}
	if (rc == 0) {
		rc = commit(registrar, &plan, deed, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

/*
 * The private address that is derived from the name, or the next that is nobody's: only a few
 * hundred instances find their places without that.
 */
static int place(const struct registrar *registrar, json_t *taken, json_t *spec, struct diag *diag)
{
	char text[IPADDR_TEXT_BYTES];
	const char *name = json_string_value(json_object_get(spec, "name"));
	struct ipaddr at = derive_private_address(str_of(name));
	for (unsigned i = 0; i < PRIVATE_ADDRESSES; i++, derive_next_private_address(&at)) {
		ipaddr_format(&at, text);
		if (!registry_lookup(registrar->registry, STR_EMPTY, STR_EMPTY, &at) &&
			!json_object_get(taken, text)) {
			int rc = json_object_set_new(taken, text, json_true());
			rc |= json_object_set_new(spec, "privateIpAddress", json_string(text));
			return rc < 0 ? diag_set(diag, -ENOMEM, "out of memory") : 0;
		}
	}
	return diag_set(diag, E_EXISTS, "there is no private address left for instance '%s'", name);
}

/* Of all or none of them; the specifications get their places. */
static int plan_new(
	struct registrar *registrar, struct plan *plan, const json_t *specs, struct diag *diag)
{
	CLEANUP(json_done) json_t *taken = json_object();
	json_t *spec;
	size_t i;
	json_array_foreach (specs, i, spec) {
		const char *name = json_string_value(json_object_get(spec, "name"));
		if (registry_find(registrar->registry, str_of(name))) {
			return diag_set(diag, E_EXISTS, "there is an instance '%s' already", name);
		}
		TRY(place(registrar, taken, spec, diag));
		TRY(plan_spec(registrar, plan, spec, diag));
	}
	return 0;
}

int registrar_create(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	struct diag *diag)
{
	CLEANUP(plan_done) struct plan plan = PLAN_EMPTY;
	pthread_mutex_lock(&registrar->lock);
	int rc = plan_new(registrar, &plan, specs, diag);
	if (rc == 0) {
		rc = commit(registrar, &plan, deed, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

int registrar_delete(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag)
{
	CLEANUP(plan_done) struct plan plan = PLAN_EMPTY;
	struct row row;
	pthread_mutex_lock(&registrar->lock);
	int rc = get_row(registrar, name, &row, diag);
	if (rc == 0) {
		rc = row.file_spec ? plan_hide(&plan, name, str_of(row.file_spec))
				   : plan_delete(&plan, name);
	}
	if (rc == 0) {
		rc = commit(registrar, &plan, deed, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	row_done(&row);
	return rc;
}

static int plan_row(
	struct registrar *registrar, struct plan *plan, const struct row *row, struct diag *diag)
{
	struct str file_spec = row->file_spec ? str_of(row->file_spec) : STR_EMPTY;
	return plan_put(plan, row->spec, file_spec, &row->record, registrar->site, diag);
}

/* Change a row by a function and commit it. */
static int change_row(struct registrar *registrar, const struct deed *deed, struct str name,
	int (*change)(struct row *row, const json_t *ctx, int64_t now_s, struct diag *diag),
	const json_t *ctx, struct diag *diag)
{
	CLEANUP(plan_done) struct plan plan = PLAN_EMPTY;
	struct row row;
	pthread_mutex_lock(&registrar->lock);
	int rc = get_row(registrar, name, &row, diag);
	if (rc == 0) {
		rc = change(&row, ctx, registrar->now_s(), diag);
	}
	if (rc == 0) {
		rc = plan_row(registrar, &plan, &row, diag);
	}
	if (rc == 0) {
		rc = commit(registrar, &plan, deed, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	row_done(&row);
	return rc;
}

static int raise_epoch(struct row *row, const json_t *ctx, int64_t now_s, struct diag *diag)
{
	(void)ctx;
	(void)now_s;
	(void)diag;
	row->record.token_epoch++;
	return 0;
}

int registrar_revoke(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag)
{
	return change_row(registrar, deed, name, raise_epoch, NULL, diag);
}

static int set_options(struct row *row, const json_t *changes, int64_t now_s, struct diag *diag)
{
	(void)now_s;
	struct metadata_options probe = options_default;
	json_t *options = json_object_get(row->spec, "metadataOptions");
	TRY(options_apply(&probe, changes, diag));
	if (!options) {
		options = json_object();
		if (json_object_set_new(row->spec, "metadataOptions", options) < 0) {
			return diag_set(diag, -ENOMEM, "out of memory");
		}
	}
	/* Jansson takes a non-const object but does not change it. */
	if (json_object_update(options, json_loose(changes)) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	return 0;
}

int registrar_options(struct registrar *registrar, const struct deed *deed, struct str name,
	const json_t *changes, struct diag *diag)
{
	return change_row(registrar, deed, name, set_options, changes, diag);
}

static int set_state(struct row *row, const json_t *state, int64_t now_s, struct diag *diag)
{
	CLEANUP(json_done) json_t *before = json_copy(row->spec);
	/* Jansson counts references in what is otherwise not changed. */
	if (!before || json_object_set(row->spec, "state", json_loose(state)) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	note_change(&row->record, before, row->spec, now_s);
	return 0;
}

int registrar_state(struct registrar *registrar, const struct deed *deed, struct str name,
	bool running, struct diag *diag)
{
	CLEANUP(json_done) json_t *state = json_string(running ? "running" : "stopped");
	return state ? change_row(registrar, deed, name, set_state, state, diag)
		     : diag_set(diag, -ENOMEM, "out of memory");
}

/* The tags as a file's would be checked, with the option that decides over what they may be. */
static int check_tags(const json_t *spec, struct diag *diag)
{
	const json_t *options = json_object_get(spec, "metadataOptions");
	const char *shown = json_string_value(json_object_get(options, "instanceMetadataTags"));
	CLEANUP(json_done)
	json_t *probe = json_pack("{s:O, s:O, s:{s:s}}", "name", json_object_get(spec, "name"),
		"tags", json_object_get(spec, "tags"), "metadataOptions", "instanceMetadataTags",
		shown ? shown : "disabled");
	CLEANUP(json_done) json_t *specs = NULL;
	char *text = probe ? dump(probe) : NULL;
	int rc = text ? spec_from_text(str_of(text), NULL, &specs, diag)
		      : diag_set(diag, -ENOMEM, "out of memory");
	if (rc < 0) {
		request_drop_place(diag);
	}
	free(text);
	return rc;
}

/* See registrar_tags() and registrar_tags_by_id(). What is to go need not be there. */
static void drop_tags(json_t *tags, const json_t *drop)
{
	const char *key;
	json_t *value;
	size_t i;
	if (json_is_true(drop)) {
		(void)json_object_clear(tags);
	}
	json_array_foreach (drop, i, value) {
		(void)json_object_del(tags, json_string_value(value));
	}
	/* Jansson takes a non-const object but does not change it. */
	json_object_foreach (json_loose(drop), key, value) {
		if (json_is_null(value) || json_equal(value, json_object_get(tags, key))) {
			(void)json_object_del(tags, key);
		}
	}
}

static int set_tags(struct row *row, const json_t *change, int64_t now_s, struct diag *diag)
{
	json_t *tags = json_object_get(row->spec, "tags");
	(void)now_s;
	if (!tags) {
		tags = json_object();
		if (json_object_set_new(row->spec, "tags", tags) < 0) {
			return diag_set(diag, -ENOMEM, "out of memory");
		}
	}
	if (json_object_update(tags, json_object_get(change, "set")) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	drop_tags(tags, json_object_get(change, "drop"));
	return check_tags(row->spec, diag);
}

int registrar_tags(struct registrar *registrar, const struct deed *deed, struct str name,
	const json_t *set, const json_t *drop, struct diag *diag)
{
	CLEANUP(json_done) json_t *change = json_pack("{s:O, s:O}", "set", set, "drop", drop);
	return change ? change_row(registrar, deed, name, set_tags, change, diag)
		      : diag_set(diag, -ENOMEM, "out of memory");
}

static int plan_tags(struct registrar *registrar, struct plan *plan, struct str id,
	const json_t *change, struct diag *diag)
{
	CLEANUP(row_done) struct row row = {0};
	const struct entry *entry = registry_find_id(registrar->registry, id);
	if (!entry) {
		return diag_set(diag, E_NOTFOUND, "there is no instance of id '%.*s'", STR_FMT(id));
	}
	TRY(get_row(registrar, entry_instance(entry)->name, &row, diag));
	TRY(set_tags(&row, change, 0, diag));
	return plan_row(registrar, plan, &row, diag);
}

int registrar_tags_by_id(struct registrar *registrar, const struct deed *deed, const json_t *ids,
	const json_t *set, const json_t *drop, struct diag *diag)
{
	CLEANUP(plan_done) struct plan plan = PLAN_EMPTY;
	CLEANUP(json_done) json_t *change = json_pack("{s:O, s:O}", "set", set, "drop", drop);
	const json_t *id;
	size_t i;
	int rc = change ? 0 : diag_set(diag, -ENOMEM, "out of memory");
	pthread_mutex_lock(&registrar->lock);
	json_array_foreach (ids, i, id) {
		struct str text = json_str(id);
		rc = rc == 0 ? plan_tags(registrar, &plan, text, change, diag) : rc;
	}
	if (rc == 0) {
		rc = commit(registrar, &plan, deed, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

void registrar_reclaim(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	pthread_mutex_unlock(&registrar->lock);
}
