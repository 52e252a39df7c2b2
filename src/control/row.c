#include "control/row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void row_done(struct row *row)
{
	json_decref(row->spec);
	free(row->file_spec);
	free(row->host);
	free(row->next_host);
}

struct instance_record row_record(const struct store_instance *from)
{
	return (struct instance_record){
		.token_epoch = from->token_epoch,
		.created_s = from->created_s,
		.launched_s = from->launched_s,
		.changed_s = from->changed_s,
	};
}

/* A hidden row's specification is JSON's null. */
json_t *row_parse(struct str text)
{
	return json_loadb(text.p ? text.p : "", text.n, JSON_DECODE_ANY, NULL);
}

bool row_is_hidden(const struct store_instance *row)
{
	return str_eq(row->spec, STR(ROW_HIDDEN));
}

int row_take(struct row *ret_row, const struct store_instance *from)
{
	struct row *row = ret_row;
	*row = (struct row){.revision = from->revision, .record = row_record(from)};
	row->spec = row_parse(from->spec);
	row->file_spec = from->file_spec.p ? str_dup(from->file_spec) : NULL;
	row->host = str_dup(from->host);
	row->next_host = str_dup(from->next_host);
	bool complete = (row->file_spec || !from->file_spec.p) && row->host && row->next_host;
	return !complete ? -ENOMEM : row->spec ? 0 : E_DAMAGED;
}

static int keep_row(void *ctx, const struct store_instance *from)
{
	return row_take(ctx, from);
}

int row_instance(const struct row *row, const struct site *site, struct instance **ret_instance,
	struct diag *diag)
{
	return instance_new(row->spec, &row->record, site, NULL, ret_instance, diag);
}

/* by: " of id ", or " " for a name. */
static int told(int rc, const struct row *row, const char *by, struct str key, struct diag *diag)
{
	if (rc == E_NOTFOUND || (rc == 0 && json_is_null(row->spec))) {
		return diag_set(diag, E_NOTFOUND, "there is no instance%s'%.*s'", by, STR_FMT(key));
	}
	if (rc == E_DAMAGED) {
		return diag_set(diag, rc, "what the store has of instance%s'%.*s' is damaged", by,
			STR_FMT(key));
	}
	return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
}

int row_get(struct store *store, struct str name, struct row *ret_row, struct diag *diag)
{
	*ret_row = (struct row){0};
	int rc = store->ops->instance_get(store, name, keep_row, ret_row, diag);
	return told(rc, ret_row, " ", name, diag);
}

int row_find(struct store *store, struct str id, struct row *ret_row, struct diag *diag)
{
	*ret_row = (struct row){0};
	int rc = id.n ? store->ops->instance_find(store, id, keep_row, ret_row, diag) : E_NOTFOUND;
	return told(rc, ret_row, " of id ", id, diag);
}

int row_new_record(int64_t now_s, struct instance_record *ret_record)
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
void row_note_change(
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
json_t *row_with_options(const json_t *spec, const json_t *live)
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

/* --- whose file said it ---------------------------------------------------------------------- */

/* Beside what the file said, which has no such member. Only of a row that was moved. */
#define FILE_HOST "fileHost"

void row_file_done(struct row_file *file)
{
	json_decref(file->said);
	free(file->text);
	free(file->host);
}

int row_file_read(struct str file_spec, struct str host, struct row_file *ret_file)
{
	*ret_file = (struct row_file){0};
	if (!file_spec.p) {
		return 0;
	}
	json_t *said = ret_file->said = row_parse(file_spec);
	struct str moved_from = json_str_member(said, FILE_HOST);
	ret_file->host = str_dup(moved_from.p ? moved_from : host);
	if (!said) {
		return E_DAMAGED;
	}
	if (moved_from.p) {
		(void)json_object_del(said, FILE_HOST); /* it is there */
		ret_file->text = json_dumps(said, JSON_COMPACT);
	} else {
		ret_file->text = str_dup(file_spec);
	}
	return ret_file->text && ret_file->host ? 0 : -ENOMEM;
}

int row_file_moved(struct str file_spec, struct str from, struct str to, char **ret_text)
{
	CLEANUP(row_file_done) struct row_file file = {0};
	int rc = row_file_read(file_spec, from, &file);
	char *text = NULL;
	if (rc == E_DAMAGED) {
		text = str_dup(file_spec); /* whoever reads it is told */
	} else if (rc == 0 && file.said) {
		bool home = str_eq(str_of(file.host), to);
		json_t *host = home ? NULL : json_string(file.host);
		bool whole = home || json_object_set_new(file.said, FILE_HOST, host) == 0;
		text = whole ? json_dumps(file.said, JSON_COMPACT) : NULL;
	}
	if (rc == -ENOMEM || (file_spec.p && !text)) {
		return -ENOMEM;
	}
	*ret_text = text;
	return 0;
}
