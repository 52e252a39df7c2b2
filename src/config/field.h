/*
 * field - one row of a table that says what a map may hold: reads it, checks it, makes JSON of it.
 *
 * Layer:   config
 * Threads: rows are constant
 * Memory:  the JSON belongs to the caller
 * Secrets: values of a row that is secret are never put in diag
 * Limits:  FIELD_TEXT_BYTES, FIELD_LIST_ITEMS where a row says nothing else
 * Spec:    telltale.yaml(5); a plain scalar where text belongs is its text, as it is written
 *
 * A table ends with a row that has no name. field_map() walks a map by such a table; the other
 * read functions are what the rows name, and modules add their own.
 */
#ifndef TELLTALE_CONFIG_FIELD_H
#define TELLTALE_CONFIG_FIELD_H

#include <jansson.h>

#include "config/node.h"

#define FIELD_TEXT_BYTES 1024
#define FIELD_LIST_ITEMS 64

/* Where the nodes come from. */
struct field_origin {
	const char *file; /* NULL: not a file; such a text may name no files */
	struct diag *diag;
};

struct field {
	struct str name;

	/*
	 * ret_value NULL after success: there is nothing to keep.
	 * Returns 0, -ENOMEM, -errno of a file, E_SYNTAX, E_RANGE or E_LIMIT.
	 */
	int (*read)(const struct field_origin *origin, const struct field *field,
		const struct node *node, json_t **ret_value);

	struct str as;          /* the member that it becomes; empty: of the same name */
	const struct field *of; /* of a map: its table; of a list: the row of each item */
	bool (*fits)(struct str text);
	const char *must; /* "an IPv4 address"; for field_choice "this|that" */
	size_t max;       /* bytes of a text, items of a list */
	bool required;
	bool secret; /* messages don't show it */

	/* The members of a map taken together. */
	int (*check)(
		const struct field_origin *origin, const struct node *node, const json_t *object);
};

#define FIELD_END                   \
	{                           \
		.name = { NULL, 0 } \
	}

MUST_CHECK int field_map(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value);
MUST_CHECK int field_list(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value);
MUST_CHECK int field_text(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value);
MUST_CHECK int field_choice(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value);
MUST_CHECK int field_flag(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value);

/* "NAME: must be MUST, not "VALUE"" into diag; returns rc. */
int field_fail(const struct field_origin *origin, const struct field *field,
	const struct node *node, int rc, const char *must);

/* The text of a scalar that says something; not checked further. */
MUST_CHECK int field_scalar(const struct field_origin *origin, const struct field *field,
	const struct node *node, struct str *ret_text);

/* E_SYNTAX unless the node is a map (or nothing at all, which is an empty one). */
MUST_CHECK int field_want_map(
	const struct field_origin *origin, const struct field *field, const struct node *node);

/* A JSON string; the text must be UTF-8. */
MUST_CHECK int field_string(struct str text, json_t **ret_value);

/* Set a member; takes value, also on failure. NULL is out of memory. */
MUST_CHECK int field_set(json_t *object, struct str name, json_t *value);

/* For CLEANUP. */
void field_json_done(json_t **value);

/* Every key that a table knows, with "." before those of a map or of the maps in a list. */
int field_each_name(const struct field *table, struct str prefix,
	int (*on_name)(void *ctx, struct str name), void *ctx);

#endif
