/*
 * builder - a tree while it is put together.
 *
 * Layer:   metadata (pure)
 * Threads: one owner at a time
 * Memory:  heap; builder_done(). builder_finish() makes the tree that tree.h looks things up in
 * Secrets: values may be secret; wiped
 * Limits:  TREE_NODES_MAX, TREE_DEPTH_MAX, TREE_VALUE_BYTES
 * Spec:    none
 *
 * The first failure is kept; later calls do nothing; builder_finish() returns it.
 */
#ifndef TELLTALE_METADATA_BUILDER_H
#define TELLTALE_METADATA_BUILDER_H

#include "metadata/tree.h"

#define BUILDER_NONE UINT16_MAX

struct builder_node {
	uint32_t name_at;
	uint32_t name_n;
	uint32_t value_at;
	uint32_t value_n;
	uint16_t parent;
	uint16_t first_child; /* BUILDER_NONE: none */
	uint16_t next;        /* sibling */
	uint16_t final;       /* its number in the finished tree */
	uint8_t kind;
	tree_version listed;
	tree_version answered; /* TREE_NEVER: listed, but 404, as user-data that was not given */
};

struct builder {
	struct builder_node *nodes;
	size_t n;
	size_t cap;
	struct buf text;
	int status;
};

#define BUILDER_EMPTY ((struct builder){0})

void builder_done(struct builder *builder);

/* What stands at path ("meta-data/placement/region"); what was there before, and below, goes. */
void builder_put(struct builder *builder, struct str path, enum tree_kind kind, struct str value);

/* TREE_TEXT at DIRECTORY/NAME; nothing when value.p is NULL. */
void builder_text(
	struct builder *builder, const char *directory, const char *name, struct str value);

/* A directory that may stay empty; label is how it is listed ("0=my-key"), p NULL: by its name. */
void builder_directory(struct builder *builder, struct str path, struct str label);

/* Listed, though asking for it is a 404. */
void builder_missing(struct builder *builder, struct str path);

void builder_remove(struct builder *builder, struct str path);

/* The finished tree. Returns 0, -ENOMEM or E_LIMIT. */
MUST_CHECK int builder_finish(struct builder *builder, struct tree **ret_tree);

#endif
