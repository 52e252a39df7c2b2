/*
 * node - a YAML (or JSON) document as a tree in which every value knows where it stands.
 *
 * Layer:   config (reads no files: text is an argument)
 * Threads: one owner at a time
 * Memory:  all nodes live in the caller's arena
 * Secrets: none of its own
 * Limits:  NODE_DEPTH_MAX; aliases and anchors are refused (they make small files large)
 * Spec:    YAML 1.1 as libyaml reads it, in UTF-8; tags other than !!str are refused
 */
#ifndef TELLTALE_CONFIG_NODE_H
#define TELLTALE_CONFIG_NODE_H

#include "base/arena.h"
#include "config/near.h"

#define NODE_DEPTH_MAX 32

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	bool plain;        /* a scalar without quotes: may be a number, true, null */
	uint32_t line;     /* from 1 */
	uint32_t column;   /* from 1, in characters */
	struct str text;   /* a scalar's; ends in NUL, may hold others */
	struct str key;    /* when this is a member of a map; as text */
	uint32_t key_line; /* where the key stands */
	uint32_t key_column;
	struct node *first; /* of a list or map */
	struct node *next;  /* sibling */
};

/*
 * Parse one document. file is the name for diag ("FILE:LINE:COLUMN: what is wrong"; NULL: without).
 * Duplicate keys are errors. An empty document is an empty map.
 * Returns 0, -ENOMEM, E_SYNTAX or E_LIMIT.
 */
MUST_CHECK int node_parse(struct arena *arena, const char *file, struct str text,
	struct node **ret_root, struct diag *diag);

/*
 * Where a document has a list of very many items, they can be had one by one: on_item() is called
 * when one is complete, and the item is gone afterwards, so the list is empty in the tree. That is
 * the list which is the document, or the one that the document's map has under a key.
 */
struct node_items {
	struct str key; /* empty: no member of the map */
	bool top;       /* the document may be the list */
	/* A result < 0 ends the parsing with it; diag is the callback's to set. */
	int (*on_item)(void *ctx, const struct node *item);
	void *ctx;
};

MUST_CHECK int node_parse_items(struct arena *arena, const char *file, struct str text,
	const struct node_items *items, struct node **ret_root, struct diag *diag);

/* The member of a map; NULL when there is none. */
const struct node *node_get(const struct node *map, struct str key);

/* A scalar without quotes that is nothing, "~" or "null". */
bool node_is_null(const struct node *node);

/* Nothing stands there at all ("tags:" and then the next key). */
bool node_is_empty(const struct node *node);

/* What a person may see of a text: the start of a long one, ending between two characters. */
struct str node_excerpt(struct str text);

/*
 * "FILE:LINE:COLUMN: …" into diag, on one line and as whole UTF-8 characters whatever the arguments
 * hold. node_say_key() says where the key of the member stands.
 */
void node_say(const struct node *node, const char *file, struct diag *diag, const char *format, ...)
	PRINTF_LIKE(4, 5);
void node_say_key(const struct node *node, const char *file, struct diag *diag, const char *format,
	...) PRINTF_LIKE(4, 5);

/* The same, with the value rc; macros as diag_set() is. */
#define node_fail(node, file, diag, rc, ...) (node_say((node), (file), (diag), __VA_ARGS__), (rc))
#define node_fail_key(node, file, diag, rc, ...) \
	(node_say_key((node), (file), (diag), __VA_ARGS__), (rc))

/* E_SYNTAX for a member whose key is not known, and which is near. */
int node_fail_unknown(
	const struct node *node, const char *file, struct diag *diag, const struct near *near);

#endif
