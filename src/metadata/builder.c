#include "metadata/builder.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/crypto.h"
#include "base/hash.h"
#include "metadata/path.h"
#include "metadata/tree_layout.h"
#include "metadata/versions.h"

#define LONGEST_PATH_BYTES ((size_t)TREE_DEPTH_MAX * (UINT8_MAX + 1))

void builder_done(struct builder *builder)
{
	free(builder->nodes);
	if (builder->text.p) {
		crypto_wipe(builder->text.p, builder->text.n);
	}
	buf_done(&builder->text);
	*builder = BUILDER_EMPTY;
}

static void fail(struct builder *builder, int rc)
{
	if (builder->status == 0) {
		builder->status = rc;
	}
}

/* Keep a text; where it is in builder->text. */
static uint32_t keep(struct builder *builder, struct str text)
{
	size_t at = builder->text.n;
	buf_add(&builder->text, text);
	if (buf_status(&builder->text) < 0) {
		fail(builder, -ENOMEM);
	} else if (builder->text.n > UINT32_MAX / 2) {
		fail(builder, E_LIMIT);
	}
	return (uint32_t)at;
}

static struct str text_at(const struct builder *builder, uint32_t at, uint32_t n)
{
	return (struct str){builder->text.p + at, n};
}

static uint16_t add_node(struct builder *builder, uint16_t parent, struct str name)
{
	if (builder->n == TREE_NODES_MAX) {
		fail(builder, E_LIMIT);
		return BUILDER_NONE;
	}
	struct builder_node *nodes =
		array_room(builder->nodes, builder->n, &builder->cap, sizeof *nodes);
	if (!nodes) {
		fail(builder, -ENOMEM);
		return BUILDER_NONE;
	}
	builder->nodes = nodes;
	uint16_t index = (uint16_t)builder->n++;
	builder->nodes[index] = (struct builder_node){
		.name_at = keep(builder, name),
		.name_n = (uint32_t)name.n,
		.parent = parent,
		.first_child = BUILDER_NONE,
		.next = BUILDER_NONE,
		.kind = TREE_DIRECTORY,
		.listed = TREE_LATEST,
		.answered = TREE_LATEST,
	};
	if (parent != BUILDER_NONE) {
		builder->nodes[index].next = builder->nodes[parent].first_child;
		builder->nodes[parent].first_child = index;
	}
	return index;
}

static uint16_t child_of(const struct builder *builder, uint16_t parent, struct str name)
{
	uint16_t child = builder->nodes[parent].first_child;
	while (child != BUILDER_NONE) {
		const struct builder_node *node = &builder->nodes[child];
		if (str_eq(text_at(builder, node->name_at, node->name_n), name)) {
			return child;
		}
		child = node->next;
	}
	return BUILDER_NONE;
}

/* The node at path, with all directories above it, made where they are not there. */
static uint16_t reach(struct builder *builder, struct str path)
{
	if (builder->n == 0) {
		(void)add_node(builder, BUILDER_NONE, STR_EMPTY); /* a failure is kept */
	}
	uint16_t at = 0;
	for (unsigned depth = 0; path.n && builder->status == 0; depth++) {
		struct str name = path_next(&path);
		if (depth == TREE_DEPTH_MAX || name.n > UINT8_MAX) {
			fail(builder, E_LIMIT);
			break;
		}
		uint16_t child = child_of(builder, at, name);
		if (child == BUILDER_NONE) {
			child = add_node(builder, at, name);
		}
		if (child == BUILDER_NONE) {
			break;
		}
		if (builder->nodes[at].kind != TREE_DIRECTORY) {
			/* An override puts a map at a leaf: what stood there is no label. */
			builder->nodes[at].kind = TREE_DIRECTORY;
			builder->nodes[at].value_n = 0;
			builder->nodes[at].listed = TREE_LATEST;
			builder->nodes[at].answered = TREE_LATEST;
		}
		at = child;
	}
	return at;
}

static void set_since(struct builder_node *node, struct str path)
{
	struct versions_since since = versions_since(path);
	node->listed = since.listed;
	node->answered = since.answered;
}

void builder_put(struct builder *builder, struct str path, enum tree_kind kind, struct str value)
{
	uint16_t at = reach(builder, path);
	if (value.n > TREE_VALUE_BYTES) {
		fail(builder, E_LIMIT);
	}
	if (builder->status < 0) {
		return;
	}
	struct builder_node *node = &builder->nodes[at];
	node->kind = (uint8_t)kind;
	node->first_child = BUILDER_NONE;
	set_since(node, path);
	node->value_at = keep(builder, value);
	node->value_n = (uint32_t)value.n;
}

void builder_text(
	struct builder *builder, const char *directory, const char *name, struct str value)
{
	char memory[PATH_BYTES];
	struct buf path = buf_fixed(memory, sizeof memory);
	if (!value.p) {
		return;
	}
	buf_add(&path, str_of(directory));
	buf_add_char(&path, '/');
	buf_add(&path, str_of(name));
	if (buf_status(&path) < 0) {
		fail(builder, E_LIMIT);
		return;
	}
	builder_put(builder, buf_str(&path), TREE_TEXT, value);
}

void builder_directory(struct builder *builder, struct str path, struct str label)
{
	uint16_t at = reach(builder, path);
	if (builder->status < 0) {
		return;
	}
	builder->nodes[at].kind = TREE_DIRECTORY;
	set_since(&builder->nodes[at], path);
	builder->nodes[at].value_at = keep(builder, label);
	builder->nodes[at].value_n = (uint32_t)label.n;
}

void builder_missing(struct builder *builder, struct str path)
{
	builder_put(builder, path, TREE_TEXT, STR_EMPTY);
	uint16_t at = reach(builder, path);
	if (builder->status == 0) {
		builder->nodes[at].answered = TREE_NEVER;
	}
}

void builder_remove(struct builder *builder, struct str path)
{
	if (builder->n == 0 || path.n == 0) {
		return;
	}
	uint16_t at = 0;
	while (path.n && at != BUILDER_NONE) {
		at = child_of(builder, at, path_next(&path));
	}
	if (at == BUILDER_NONE) {
		return;
	}
	uint16_t *link = &builder->nodes[builder->nodes[at].parent].first_child;
	while (*link != at) {
		link = &builder->nodes[*link].next;
	}
	*link = builder->nodes[at].next;
}

/* --- finishing ------------------------------------------------------------------------------- */

/* What qsort needs to compare names. */
struct sorted {
	struct str name;
	uint16_t node;
};

static int by_name(const void *a, const void *b)
{
	const struct sorted *left = a, *right = b;
	return str_cmp(left->name, right->name);
}

/* The children of a node in bytewise order of their names. */
static size_t sort_children(const struct builder *builder, uint16_t node, struct sorted *out)
{
	size_t n = 0;
	for (uint16_t child = builder->nodes[node].first_child; child != BUILDER_NONE;
		child = builder->nodes[child].next) {
		const struct builder_node *one = &builder->nodes[child];
		out[n].name = text_at(builder, one->name_at, one->name_n);
		out[n++].node = child;
	}
	qsort(out, n, sizeof *out, by_name);
	return n;
}

/*
 * Number all nodes that can be reached, the root 0, so that the children of one node follow each
 * other in their order. order[number] is the builder's index. Returns how many.
 */
static size_t number_nodes(struct builder *builder, uint16_t *order, struct sorted *scratch)
{
	size_t n = 1;
	order[0] = 0;
	for (size_t i = 0; i < n; i++) {
		size_t children = sort_children(builder, order[i], scratch);
		for (size_t c = 0; c < children; c++) {
			builder->nodes[scratch[c].node].final = (uint16_t)n;
			order[n++] = scratch[c].node;
		}
	}
	return n;
}

/* A directory is as old as its oldest child; children stand behind their parents. */
static void age_directories(struct builder *builder, const uint16_t *order, size_t n)
{
	for (size_t i = n; i-- > 1;) {
		struct builder_node *node = &builder->nodes[order[i]];
		struct builder_node *parent = &builder->nodes[node->parent];
		if (node->listed < parent->listed) {
			parent->listed = node->listed;
		}
		if (node->answered < parent->answered) {
			parent->answered = node->answered;
		}
	}
}

static uint16_t hash_slots(size_t nodes)
{
	uint16_t slots = 16;
	while (slots < nodes) {
		slots = (uint16_t)(slots * 2);
	}
	return slots;
}

/* Put the node with its texts into the tree's block. */
static void place_node(struct tree *tree, const struct builder *builder,
	const struct builder_node *from, uint16_t number, struct buf *text)
{
	struct tree_node *to = &tree->nodes[number];
	to->name_at = (uint32_t)text->n;
	to->name_n = (uint8_t)from->name_n;
	buf_add(text, text_at(builder, from->name_at, from->name_n));
	to->value_at = (uint32_t)text->n;
	to->value_n = from->value_n;
	buf_add(text, text_at(builder, from->value_at, from->value_n));
	to->parent = builder->nodes[number ? from->parent : 0].final;
	to->kind = from->kind;
	to->listed = from->listed;
	to->answered = from->answered;
}

static void link_children(struct tree *tree)
{
	for (uint16_t i = tree->n_nodes; i-- > 1;) {
		struct tree_node *parent = &tree->nodes[tree->nodes[i].parent];
		parent->first_child = i;
		parent->n_children++;
	}
}

/* Where the node is, from the end of memory on upwards: names with slashes between. */
static struct str path_of(const struct tree *tree, uint16_t i, char memory[LONGEST_PATH_BYTES])
{
	size_t at = LONGEST_PATH_BYTES;
	for (const struct tree_node *node = &tree->nodes[i];; node = &tree->nodes[node->parent]) {
		at -= node->name_n;
		memcpy(memory + at, tree->text + node->name_at, node->name_n);
		if (node->parent == 0) {
			return (struct str){memory + at, LONGEST_PATH_BYTES - at};
		}
		memory[--at] = '/';
	}
}

static void fill_hash(struct tree *tree)
{
	char memory[LONGEST_PATH_BYTES];
	memset(tree->heads, 0, tree->n_heads * sizeof *tree->heads);
	for (uint16_t i = 1; i < tree->n_nodes; i++) {
		struct tree_node *node = &tree->nodes[i];
		uint64_t h = hash_str(HASH_START, path_of(tree, i, memory));
		uint16_t *head = &tree->heads[hash_slot(h, tree->n_heads)];
		node->chain = *head; /* 0, the root, ends a chain */
		*head = i;
	}
}

static struct tree *new_tree(size_t n, size_t text_bytes)
{
	uint16_t heads = hash_slots(n);
	size_t bytes = sizeof(struct tree) + n * sizeof(struct tree_node) +
		       heads * sizeof(uint16_t) + text_bytes;
	struct tree *tree = calloc(1, bytes);
	if (tree) {
		tree->bytes = bytes;
		tree->n_nodes = (uint16_t)n;
		tree->n_heads = heads;
		tree->nodes = (struct tree_node *)(void *)(tree + 1);
		tree->heads = (uint16_t *)(void *)(tree->nodes + n);
		tree->text = (char *)(tree->heads + heads);
	}
	return tree;
}

static size_t text_bytes(const struct builder *builder, const uint16_t *order, size_t n)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++) {
		bytes += builder->nodes[order[i]].name_n + builder->nodes[order[i]].value_n;
	}
	return bytes;
}

/* memory  for order and scratch. */
static struct tree *assemble(struct builder *builder, void *memory)
{
	struct sorted *scratch = memory;
	uint16_t *order = (uint16_t *)(void *)(scratch + builder->n);
	size_t n = number_nodes(builder, order, scratch);
	age_directories(builder, order, n);
	size_t bytes = text_bytes(builder, order, n);
	struct tree *tree = new_tree(n, bytes);
	if (!tree) {
		return NULL;
	}
	struct buf text = buf_fixed(tree->text, bytes);
	for (size_t i = 0; i < n; i++) {
		place_node(tree, builder, &builder->nodes[order[i]], (uint16_t)i, &text);
	}
	link_children(tree);
	fill_hash(tree);
	return tree;
}

int builder_finish(struct builder *builder, struct tree **ret_tree)
{
	if (builder->status < 0) {
		return builder->status;
	}
	if (builder->n == 0) {
		return E_NOTFOUND;
	}
	void *memory = calloc(builder->n, sizeof(struct sorted) + sizeof(uint16_t));
	if (!memory) {
		return -ENOMEM;
	}
	struct tree *tree = assemble(builder, memory);
	free(memory);
	if (!tree) {
		return -ENOMEM;
	}
	*ret_tree = tree;
	return 0;
}
