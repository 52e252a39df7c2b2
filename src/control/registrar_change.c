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

struct plan_place registrar_place(const struct registrar *registrar, const struct row *before)
{
	struct str name = json_str_member(before->spec, "name");
	bool elsewhere = !str_eq(str_of(before->host), registrar->host);
	bool here = !elsewhere && registry_find(registrar->registry, name);
	return (struct plan_place){
		.base = before->revision,
		.host = str_of(before->host),
		.next_host = str_of(before->next_host),
		.before = here ? NULL : before,
		.elsewhere = elsewhere,
	};
}

/* Where there is none, or a hidden one. */
static struct plan_place new_place(const struct registrar *registrar, const struct row *before)
{
	uint64_t base = before->revision ? before->revision : STORE_NEW;
	return (struct plan_place){.base = base, .host = registrar->host};
}

/* --- specifications -------------------------------------------------------------------------- */

static int plan_first(struct registrar *registrar, struct plan *plan, const struct row *before,
	const json_t *spec, struct diag *diag)
{
	struct instance_record record;
	const struct plan_place place = new_place(registrar, before);
	char *file_spec = NULL; /* of a hidden one, which may be another host's */
	TRY(row_new_record(registrar->now_s(), &record));
	CLEANUP(json_done) json_t *merged = row_with_options(spec, registrar_preferred(registrar));
	if (!merged || row_file_moved(str_of(before->file_spec), str_of(before->host), place.host,
			       &file_spec) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	int rc = plan_put(plan, merged, str_of(file_spec), &record, &place, diag);
	free(file_spec);
	return rc;
}

static int plan_again(struct registrar *registrar, struct plan *plan, const struct row *before,
	const json_t *spec, struct diag *diag)
{
	struct instance_record record = before->record;
	const struct plan_place place = registrar_place(registrar, before);
	row_note_change(&record, before->spec, spec, registrar->now_s());
	CLEANUP(json_done)
	json_t *merged = row_with_options(spec, json_object_get(before->spec, "metadataOptions"));
	return merged ? plan_put(plan, merged, str_of(before->file_spec), &record, &place, diag)
		      : diag_set(diag, -ENOMEM, "out of memory");
}

/* Plan one instance's new specification; what it was before decides over its record. */
static int plan_spec(
	struct registrar *registrar, struct plan *plan, const json_t *spec, struct diag *diag)
{
	CLEANUP(row_done) struct row before = {0};
	struct str name = json_str_member(spec, "name");
	int rc = row_get(registrar->store, name, &before, diag);
	if (rc == E_NOTFOUND) {
		return plan_first(registrar, plan, &before, spec, diag);
	}
	return rc < 0 ? rc : plan_again(registrar, plan, &before, spec, diag);
}

static int plan_specs(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag)
{
	const json_t *specs = ctx;
	for (size_t i = 0; i < json_array_size(specs); i++) {
		TRY(plan_spec(registrar, plan, json_array_get(specs, i), diag));
	}
	return 0;
}

int registrar_put(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	struct diag *diag)
{
	return registrar_change(registrar, deed, plan_specs, json_loose(specs), diag);
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
static int plan_new(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag)
{
	CLEANUP(json_done) json_t *taken = json_object();
	json_t *specs = ctx, *spec;
	size_t i;
	json_array_foreach (specs, i, spec) {
		CLEANUP(row_done) struct row row = {0};
		struct str name = json_str_member(spec, "name");
		int rc = row_get(registrar->store, name, &row, diag);
		if (rc == 0) {
			return diag_set(diag, E_EXISTS, "there is an instance '%.*s' already",
				STR_FMT(name));
		}
		TRY(rc == E_NOTFOUND ? 0 : rc);
		TRY(place(registrar, taken, spec, diag));
		TRY(plan_first(registrar, plan, &row, spec, diag));
	}
	return 0;
}

int registrar_create(struct registrar *registrar, const struct deed *deed, const json_t *specs,
	struct diag *diag)
{
	return registrar_change(registrar, deed, plan_new, json_loose(specs), diag);
}

static int plan_gone(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag)
{
	const struct str *name = ctx;
	CLEANUP(row_done) struct row row = {0};
	TRY(row_get(registrar->store, *name, &row, diag));
	const struct plan_place place = registrar_place(registrar, &row);
	return row.file_spec ? plan_hide(plan, *name, str_of(row.file_spec), &place, diag)
			     : plan_delete(plan, *name, &place, diag);
}

int registrar_delete(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag)
{
	return registrar_change(registrar, deed, plan_gone, &name, diag);
}

/* --- parts of one ---------------------------------------------------------------------------- */

typedef int row_change_fn(struct row *row, const json_t *wish, int64_t now_s, struct diag *diag);

/* Plan what a function makes of a row. */
static int plan_row(struct registrar *registrar, struct plan *plan, struct str name,
	row_change_fn *change, const json_t *wish, struct diag *diag)
{
	CLEANUP(row_done) struct row before = {0};
	TRY(row_get(registrar->store, name, &before, diag));
	CLEANUP(json_done) json_t *spec = json_deep_copy(before.spec);
	struct row after = before;
	after.spec = spec;
	if (!spec) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	TRY(change(&after, wish, registrar->now_s(), diag));
	const struct plan_place place = registrar_place(registrar, &before);
	return plan_put(plan, spec, str_of(before.file_spec), &after.record, &place, diag);
}

struct part {
	struct str name;
	row_change_fn *change;
	const json_t *wish;
};

static int plan_part(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag)
{
	const struct part *part = ctx;
	return plan_row(registrar, plan, part->name, part->change, part->wish, diag);
}

/* Change a row by a function and commit it. */
static int change_row(struct registrar *registrar, const struct deed *deed, struct str name,
	row_change_fn *change, const json_t *wish, struct diag *diag)
{
	struct part part = {name, change, wish};
	return registrar_change(registrar, deed, plan_part, &part, diag);
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

struct tagging {
	const json_t *ids;
	const json_t *change;
};

static int plan_tags(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag)
{
	const struct tagging *tagging = ctx;
	const json_t *id;
	size_t i;
	json_array_foreach (tagging->ids, i, id) {
		CLEANUP(buf_done) struct buf name = BUF_EMPTY;
		TRY(registrar_find_name(registrar, json_str(id), &name, diag));
		TRY(plan_row(registrar, plan, buf_str(&name), set_tags, tagging->change, diag));
	}
	return 0;
}

int registrar_tags_by_id(struct registrar *registrar, const struct deed *deed, const json_t *ids,
	const json_t *set, const json_t *drop, struct diag *diag)
{
	CLEANUP(json_done) json_t *change = json_pack("{s:O, s:O}", "set", set, "drop", drop);
	struct tagging tagging = {ids, change};
	return change ? registrar_change(registrar, deed, plan_tags, &tagging, diag)
		      : diag_set(diag, -ENOMEM, "out of memory");
}
