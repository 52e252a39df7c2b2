/*
 * override - `metadata:` of an instance: what it answers instead, by path below meta-data.
 *
 * Layer:   config
 * Threads: no state
 * Memory:  the JSON belongs to the caller
 * Secrets: none
 * Limits:  OVERRIDE_DEPTH_MAX names in a path, OVERRIDE_PATHS_MAX, TREE_VALUE_BYTES a value
 * Spec:    telltale.yaml(5), `metadata`
 *
 * A key may be a path: "placement/group-name: blue" is "placement: {group-name: blue}". The result
 * has one object a directory, whose members are strings, null (what is there goes) or objects.
 */
#ifndef TELLTALE_CONFIG_OVERRIDE_H
#define TELLTALE_CONFIG_OVERRIDE_H

#include "config/field.h"
#include "metadata/tree.h"

#define OVERRIDE_DEPTH_MAX (TREE_DEPTH_MAX - 1)
#define OVERRIDE_PATHS_MAX 1024

/* For a row. Returns 0, -ENOMEM, E_SYNTAX or E_LIMIT. */
MUST_CHECK int override_read(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value);

#endif
