/*
 * tree_layout - how a compiled tree lies in memory; shared by builder.c and tree.c only.
 *
 * Layer:   metadata (pure)
 * Threads: immutable once built
 * Memory:  one block: struct tree, nodes, hash heads, texts
 * Secrets: see tree.h
 * Limits:  see tree.h
 * Spec:    none
 *
 *	| struct tree | node 0 (root) | node 1 … | heads | names and values |
 *
 * A node knows its name and its parent; a path is found by its hash and checked from its end
 * upwards. The children of a node follow each other in bytewise order of names.
 */
#ifndef TELLTALE_METADATA_TREE_LAYOUT_H
#define TELLTALE_METADATA_TREE_LAYOUT_H

#include "metadata/role.h"
#include "metadata/tree.h"

struct tree_node {
	uint32_t name_at;
	uint32_t value_at; /* a directory's: its label */
	uint32_t value_n;
	uint16_t parent;
	uint16_t chain; /* next with the same slot, 0: none */
	uint16_t first_child;
	uint16_t n_children;
	uint8_t name_n;
	uint8_t kind;
	tree_version listed;   /* since when it is in listings */
	tree_version answered; /* since when it is there when asked for */
};

struct tree {
	size_t bytes;
	struct tree_node *nodes;
	uint16_t *heads;
	char *text;
	uint16_t n_nodes;
	uint16_t n_heads;  /* a power of two */
	uint16_t document; /* the identity document's node */
	struct buf user_data;
	struct role_credentials *role;
	struct role_credentials *instance_role; /* identity-credentials/ec2 */
};

#endif
