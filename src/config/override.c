#include "config/override.h"

#include <errno.h>

#include "config/check.h"

struct walk {
	const struct field_origin *origin;
	const struct field *field;
	size_t paths;
};

/* A map that is being walked. */
struct level {
	const struct node *next; /* member */
	json_t *into;
	size_t depth;
};

static int fail_key(const struct walk *walk, const struct node *member, int rc, const char *what)
{
	return node_fail_key(member, walk->origin->file, walk->origin->diag, rc,
		"%.*s: \"%.*s\" %s", STR_FMT(walk->field->name), STR_FMT(node_excerpt(member->key)),
		what);
}

/* The directory of that name in `into`, made if it is not there; NULL when out of memory. */
static json_t *directory(json_t *into, struct str name)
{
	json_t *there = json_object_getn(into, name.p, name.n);
	if (there) {
		return there;
	}
	json_t *made = json_object();
	return field_set(into, name, made) == 0 ? made : NULL;
}

static int set_value(struct walk *walk, const struct node *member, json_t *into, struct str name)
{
	if (json_object_getn(into, name.p, name.n)) {
		return fail_key(walk, member, E_SYNTAX, "is there twice");
	}
	if (++walk->paths > OVERRIDE_PATHS_MAX) {
		return fail_key(walk, member, E_LIMIT, "is one path too many");
	}
	if (node_is_null(member)) {
		return field_set(into, name, json_null());
	}
	if (member->text.n > TREE_VALUE_BYTES) {
		return fail_key(walk, member, E_LIMIT, "is too long");
	}
	if (!check_lines(member->text)) {
		return fail_key(walk, member, E_SYNTAX, "has control characters in its text");
	}
	json_t *text;
	TRY(field_string(member->text, &text));
	return field_set(into, name, text);
}

/*
 * Put one member in place. ret_below is the directory in which the members of a map go, and NULL
 * after a value; *depth becomes that directory's.
 */
static int place(struct walk *walk, const struct node *member, json_t *into, size_t *depth,
	json_t **ret_below)
{
	struct str rest = member->key;
	for (;;) {
		struct str name = {rest.p, str_find(rest, '/')};
		if (!check_path_segment(name)) {
			return fail_key(walk, member, E_SYNTAX, "is not a name or path of names");
		}
		if (++*depth > OVERRIDE_DEPTH_MAX) {
			return fail_key(walk, member, E_LIMIT, "is nested too deeply");
		}
		if (name.n == rest.n && member->kind == NODE_SCALAR) {
			*ret_below = NULL;
			return set_value(walk, member, into, name);
		}
		into = directory(into, name);
		if (!into) {
			return -ENOMEM;
		}
		if (!json_is_object(into)) {
			return fail_key(walk, member, E_SYNTAX,
				"is below a path that has a value of its own");
		}
		if (name.n == rest.n) {
			*ret_below = into;
			return 0;
		}
		rest = str_from(rest, name.n + 1);
	}
}

static int enter(struct walk *walk, const struct node *member, struct level *levels, size_t *n)
{
	struct level *level = &levels[*n - 1];
	size_t depth = level->depth;
	json_t *below = NULL;
	if (member->kind == NODE_LIST || (member->kind == NODE_MAP && !member->first)) {
		return fail_key(walk, member, E_SYNTAX, "must be text, null or a map of those");
	}
	level->next = member->next;
	TRY(place(walk, member, level->into, &depth, &below));
	if (below) {
		/* Every level is at least one name deeper, so the array is long enough. */
		levels[(*n)++] = (struct level){member->first, below, depth};
	}
	return 0;
}

int override_read(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct walk walk = {.origin = origin, .field = field};
	struct level levels[OVERRIDE_DEPTH_MAX + 1];
	size_t n = 1;
	TRY(field_want_map(origin, field, node));
	CLEANUP(field_json_done) json_t *object = json_object();
	if (!object) {
		return -ENOMEM;
	}
	levels[0] = (struct level){.next = node->first, .into = object};
	while (n) {
		const struct node *member = levels[n - 1].next;
		if (member) {
			TRY(enter(&walk, member, levels, &n));
		} else {
			n--;
		}
	}
	*ret_value = json_incref(object);
	return 0;
}
