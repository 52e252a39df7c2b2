#include "config/spec.h"

#include <errno.h>

#include "base/buf.h"
#include "config/facts.h"
#include "config/source.h"
#include "platform/file.h"

int spec_each_name(int (*on_name)(void *ctx, struct str name), void *ctx)
{
	return field_each_name(facts_row.of, STR_EMPTY, on_name, ctx);
}

int spec_from_node(const struct node *node, const char *file, json_t **ret_spec, struct diag *diag)
{
	const struct field_origin origin = {.file = file, .diag = diag};
	if (node->kind != NODE_MAP) {
		return node_fail(node, file, diag, E_SYNTAX, "an instance must be a map");
	}
	int rc = field_map(&origin, &facts_row, node, ret_spec);
	return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
}

/* --- many of them ------------------------------------------------------------------------------ */

void spec_set_done(struct spec_set *set)
{
	json_decref(set->specs);
	json_decref(set->seen_);
}

int spec_set_init(struct spec_set *set, const char *file, struct diag *diag)
{
	*set = (struct spec_set){
		.specs = json_array(), .seen_ = json_object(), .file = file, .diag = diag};
	return set->specs && set->seen_ ? 0 : -ENOMEM;
}

/* The name is taken from now on. E_EXISTS when it was. */
static int claim_name(struct spec_set *set, const struct node *node)
{
	const struct node *name = node_get(node, STR("name"));
	const char *file = set->file;
	CLEANUP(buf_done) struct buf where = BUF_EMPTY;
	json_t *value;
	const json_t *first = json_object_getn(set->seen_, name->text.p, name->text.n);
	if (first) {
		return node_fail(name, file, set->diag, E_EXISTS,
			"name: there is a \"%.*s\" already, at %s",
			STR_FMT(node_excerpt(name->text)), json_string_value(first));
	}
	buf_add_f(&where, "%s%s%u:%u", file ? file : "", file ? ":" : "", name->line, name->column);
	TRY(buf_status(&where));
	TRY(field_string(buf_str(&where), &value));
	return field_set(set->seen_, name->text, value);
}

int spec_set_add(void *ctx, const struct node *node)
{
	struct spec_set *set = ctx;
	CLEANUP(field_json_done) json_t *spec = NULL;
	TRY(spec_from_node(node, set->file, &spec, set->diag));
	TRY(claim_name(set, node));
	if (set->files) {
		TRY(files_add_name(set->files, node_get(node, STR("name"))->text));
	}
	return json_array_append(set->specs, spec) == 0 ? 0 : -ENOMEM;
}

/* A map at the top: one instance, or `instances:` whose items have been handed over. */
static int collect_map(struct spec_set *set, const struct node *root)
{
	const struct node *instances = node_get(root, STR("instances"));
	if (!instances) {
		return spec_set_add(set, root);
	}
	const struct node *other = instances == root->first ? instances->next : root->first;
	if (other) {
		return node_fail_key(other, set->file, set->diag, E_SYNTAX,
			"\"%.*s\" can't stand beside instances in a file of instances",
			STR_FMT(node_excerpt(other->key)));
	}
	if (instances->kind != NODE_LIST && !node_is_empty(instances)) {
		return node_fail(
			instances, set->file, set->diag, E_SYNTAX, "instances: must be a list");
	}
	return 0;
}

static int collect_text(struct spec_set *set, struct str text)
{
	CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
	const struct node_items items = {
		.key = STR("instances"), .top = true, .on_item = spec_set_add, .ctx = set};
	struct node *root;
	TRY(node_parse_items(&arena, set->file, text, &items, &root, set->diag));
	return root->kind == NODE_LIST ? 0 : collect_map(set, root);
}

/* What comes from a pipe can be read once; in a folder nothing may be waited for. */
static int collect_file(struct spec_set *set, const char *path, bool regular)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	set->file = path;
	if (set->files) {
		TRY(files_add(set->files, path, file_stamp(path), 0));
	}
	TRY(regular ? file_read(path, SPEC_FILE_BYTES, &text, set->diag)
		    : source_read(path, SPEC_FILE_BYTES, &text, set->diag));
	return collect_text(set, buf_str(&text));
}

static int collect_path(struct spec_set *set, const char *path)
{
	CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
	const char **files;
	size_t n;
	int rc = set->files ? files_add_root(set->files, path) : 0;
	if (rc < 0) {
		return rc == E_LIMIT ? diag_set(set->diag, rc, "more than %d paths of instances",
					       FILES_ROOTS_MAX)
				     : rc;
	}
	if (!source_is_folder(path)) {
		return collect_file(set, path, false);
	}
	TRY(source_list(&arena, path, &files, &n, set->diag));
	for (size_t i = 0; i < n; i++) {
		TRY(collect_file(set, files[i], true));
	}
	return 0;
}

/* The result of a set, whose failures have not all said that memory ran out. */
static int take(struct spec_set *set, int rc, json_t **ret_specs)
{
	if (rc == -ENOMEM) {
		return diag_set(set->diag, rc, "out of memory");
	}
	TRY(rc);
	*ret_specs = json_incref(set->specs);
	return 0;
}

int spec_from_text(struct str text, const char *file, json_t **ret_specs, struct diag *diag)
{
	CLEANUP(spec_set_done) struct spec_set set;
	int rc = spec_set_init(&set, file, diag);
	if (rc == 0) {
		rc = collect_text(&set, text);
	}
	return take(&set, rc, ret_specs);
}

int spec_from_paths(const char *const *paths, size_t n, struct files *files, json_t **ret_specs,
	struct diag *diag)
{
	CLEANUP(spec_set_done) struct spec_set set;
	int rc = spec_set_init(&set, NULL, diag);
	set.files = files;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = collect_path(&set, paths[i]);
	}
	return take(&set, rc, ret_specs);
}

int spec_from_path(const char *path, json_t **ret_specs, struct diag *diag)
{
	return spec_from_paths(&path, 1, NULL, ret_specs, diag);
}

int spec_from_file(const char *path, json_t **ret_specs, json_t **ret_places, struct diag *diag)
{
	CLEANUP(spec_set_done) struct spec_set set;
	int rc = spec_set_init(&set, NULL, diag);
	if (rc == 0) {
		rc = collect_file(&set, path, true);
	}
	TRY(take(&set, rc, ret_specs));
	*ret_places = json_incref(set.seen_);
	return 0;
}
