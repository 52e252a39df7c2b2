/* Changes of single instances, and of some together. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "config/spec.h"
#include "control/plan.h"
#include "control/registrar_state.h"
#include "control/request.h"
#include "control/row.h"
#include "metadata/derive.h"

#define PRIVATE_ADDRESSES (256 * 251) /* of 172.26.0.0/16 */

/* Plan one instance's new specification; what it was before decides over its record. */
static int plan_spec(
	struct registrar *registrar, struct plan *plan, const json_t *spec, struct diag *diag)
{
	struct str name = str_of(json_string_value(json_object_get(spec, "name")));
	struct row before;
	struct instance_record record;
	int rc = row_get(registrar->store, name, &before, diag);
	if (rc < 0 && rc != E_NOTFOUND) {
		row_done(&before);
		return rc;
	}
	if (rc == E_NOTFOUND) {
		rc = row_new_record(registrar->now_s(), &record);
	} else {
		record = before.record;
		row_note_change(&record, before.spec, spec, registrar->now_s());
		rc = 0;
	}
	const json_t *live = before.spec ? json_object_get(before.spec, "metadataOptions")
					 : registrar_preferred(registrar);
	CLEANUP(json_done) json_t *merged = rc == 0 ? row_with_options(spec, live) : NULL;
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
		rc = registrar_commit(registrar, &plan, deed, diag);
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
		rc = registrar_commit(registrar, &plan, deed, diag);
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
	int rc = row_get(registrar->store, name, &row, diag);
	if (rc == 0) {
		rc = row.file_spec ? plan_hide(&plan, name, str_of(row.file_spec))
				   : plan_delete(&plan, name);
	}
	if (rc == 0) {
		rc = registrar_commit(registrar, &plan, deed, diag);
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
	int rc = row_get(registrar->store, name, &row, diag);
	if (rc == 0) {
		rc = change(&row, ctx, registrar->now_s(), diag);
	}
	if (rc == 0) {
		rc = plan_row(registrar, &plan, &row, diag);
	}
	if (rc == 0) {
		rc = registrar_commit(registrar, &plan, deed, diag);
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
	row_note_change(&row->record, before, row->spec, now_s);
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
	char *text = probe ? json_dumps(probe, JSON_COMPACT) : NULL;
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
	TRY(row_get(registrar->store, entry_instance(entry)->name, &row, diag));
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
		rc = registrar_commit(registrar, &plan, deed, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}
