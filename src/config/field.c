#include "config/field.h"

#include <errno.h>

#include "base/buf.h"
#include "config/check.h"

void field_json_done(json_t **value)
{
	json_decref(*value);
}

int field_string(struct str text, json_t **ret_value)
{
	/* libyaml and check_line() have seen to it that it is UTF-8. */
	*ret_value = json_stringn_nocheck(text.p ? text.p : "", text.n);
	return *ret_value ? 0 : -ENOMEM;
}

int field_set(json_t *object, struct str name, json_t *value)
{
	return json_object_setn_new_nocheck(object, name.p, name.n, value) == 0 ? 0 : -ENOMEM;
}

int field_fail(const struct field_origin *origin, const struct field *field,
	const struct node *node, int rc, const char *must)
{
	if (field->secret) {
		return node_fail(node, origin->file, origin->diag, rc, "%.*s: must be %s",
			STR_FMT(field->name), must);
	}
	return node_fail(node, origin->file, origin->diag, rc, "%.*s: must be %s, not \"%.*s\"",
		STR_FMT(field->name), must, STR_FMT(node_excerpt(node->text)));
}

int field_scalar(const struct field_origin *origin, const struct field *field,
	const struct node *node, struct str *ret_text)
{
	if (node->kind != NODE_SCALAR) {
		return node_fail(node, origin->file, origin->diag, E_SYNTAX,
			"%.*s: must be text, not a %s", STR_FMT(field->name),
			node->kind == NODE_LIST ? "list" : "map");
	}
	if (node_is_null(node)) {
		return node_fail(node, origin->file, origin->diag, E_SYNTAX, "%.*s: needs a value",
			STR_FMT(field->name));
	}
	*ret_text = node->text;
	return 0;
}

int field_text(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct str text;
	size_t max = field->max ? field->max : FIELD_TEXT_BYTES;
	TRY(field_scalar(origin, field, node, &text));
	if (text.n > max) {
		return node_fail(node, origin->file, origin->diag, E_LIMIT,
			"%.*s: longer than %zu bytes", STR_FMT(field->name), max);
	}
	if (field->fits && !field->fits(text)) {
		return field_fail(origin, field, node, E_SYNTAX, field->must);
	}
	if (text.n == 0 || !check_line(text)) {
		return field_fail(origin, field, node, E_SYNTAX,
			"one line of text without control characters");
	}
	return field_string(text, ret_value);
}

/* "this|that|other" as "this, that or other". */
static void format_choices(const char *words, char ret_text[FIELD_TEXT_BYTES])
{
	struct buf out = buf_fixed(ret_text, FIELD_TEXT_BYTES - 1);
	const char *last = strrchr(words, '|');
	for (const char *c = words; *c; c++) {
		if (*c != '|') {
			buf_add_char(&out, *c);
		} else {
			buf_add(&out, c == last ? STR(" or ") : STR(", "));
		}
	}
	ret_text[out.n] = '\0';
}

int field_choice(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	if (check_choice(text, field->must)) {
		return field_string(text, ret_value);
	}
	char choices[FIELD_TEXT_BYTES];
	format_choices(field->must, choices);
	return field_fail(origin, field, node, E_RANGE, choices);
}

int field_flag(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	bool yes = str_eq(text, STR("true"));
	if (!node->plain || (!yes && !str_eq(text, STR("false")))) {
		return field_fail(origin, field, node, E_SYNTAX, "true or false");
	}
	*ret_value = json_boolean(yes);
	return 0;
}

int field_list(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	size_t max = field->max ? field->max : FIELD_LIST_ITEMS, n = 0;
	if (node->kind != NODE_LIST && !node_is_empty(node)) {
		return node_fail(node, origin->file, origin->diag, E_SYNTAX, "%.*s: must be a list",
			STR_FMT(field->name));
	}
	CLEANUP(field_json_done) json_t *list = json_array();
	if (!list) {
		return -ENOMEM;
	}
	for (const struct node *item = node->first; item; item = item->next) {
		json_t *value = NULL;
		if (++n > max) {
			return node_fail(item, origin->file, origin->diag, E_LIMIT,
				"%.*s: more than %zu items", STR_FMT(field->name), max);
		}
		TRY(field->of->read(origin, field->of, item, &value));
		if (json_array_append_new(list, value) != 0) {
			return -ENOMEM;
		}
	}
	*ret_value = json_incref(list);
	return 0;
}

int field_want_map(
	const struct field_origin *origin, const struct field *field, const struct node *node)
{
	if (node->kind == NODE_MAP || node_is_empty(node)) {
		return 0;
	}
	return node_fail(node, origin->file, origin->diag, E_SYNTAX, "%.*s: must be a map",
		STR_FMT(field->name));
}

static const struct field *find_row(const struct field *table, struct str key)
{
	for (const struct field *row = table; row->name.n; row++) {
		if (str_eq(row->name, key)) {
			return row;
		}
	}
	return NULL;
}

static int fail_unknown(
	const struct field_origin *origin, const struct field *table, const struct node *member)
{
	struct near near = near_to(member->key);
	for (const struct field *row = table; row->name.n; row++) {
		near_try(&near, row->name);
	}
	return node_fail_unknown(member, origin->file, origin->diag, &near);
}

static int read_member(const struct field_origin *origin, const struct field *table,
	const struct node *member, json_t *object)
{
	const struct field *row = find_row(table, member->key);
	json_t *value = NULL;
	if (!row) {
		return fail_unknown(origin, table, member);
	}
	TRY(row->read(origin, row, member, &value));
	if (!value) {
		return 0;
	}
	struct str name = row->as.n ? row->as : row->name;
	if (row->as.n && json_object_getn(object, name.p, name.n)) {
		json_decref(value);
		return node_fail_key(member, origin->file, origin->diag, E_SYNTAX,
			"%.*s: says the same as another key here", STR_FMT(row->name));
	}
	return field_set(object, name, value);
}

int field_map(const struct field_origin *origin, const struct field *field, const struct node *node,
	json_t **ret_value)
{
	TRY(field_want_map(origin, field, node));
	CLEANUP(field_json_done) json_t *object = json_object();
	if (!object) {
		return -ENOMEM;
	}
	for (const struct node *member = node->first; member; member = member->next) {
		TRY(read_member(origin, field->of, member, object));
	}
	for (const struct field *row = field->of; row->name.n; row++) {
		if (row->required && !json_object_getn(object, row->name.p, row->name.n)) {
			return node_fail(node, origin->file, origin->diag, E_SYNTAX,
				"%.*s: %.*s is missing", STR_FMT(field->name), STR_FMT(row->name));
		}
	}
	if (field->check) {
		TRY(field->check(origin, node, object));
	}
	*ret_value = json_incref(object);
	return 0;
}

int field_each_name(const struct field *table, struct str prefix,
	int (*on_name)(void *ctx, struct str name), void *ctx)
{
	for (const struct field *row = table; row->name.n; row++) {
		char memory[FIELD_TEXT_BYTES];
		struct buf name = buf_fixed(memory, sizeof memory);
		buf_add(&name, prefix);
		buf_add(&name, row->name);
		TRY(buf_status(&name));
		TRY(on_name(ctx, buf_str(&name)));
		const struct field *of = row->of;
		if (row->read == field_list && of->read == field_map) {
			of = of->of;
		} else if (row->read != field_map) {
			continue;
		}
		buf_add_char(&name, '.');
		TRY(buf_status(&name));
		TRY(field_each_name(of, buf_str(&name), on_name, ctx));
	}
	return 0;
}
