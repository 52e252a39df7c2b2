#include "config/node.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define EXCERPT_BYTES 64

/* Maps up to this size are checked for duplicate keys pair by pair, larger ones sorted. */
#define PAIRWISE_MAX 32

/* The memory of items that are gone is given back after so many. */
#define ITEMS_PER_ARENA 64

/* A list or map that is open. */
struct frame {
	struct node *node;
	struct node **tail;
	size_t members;
	bool items;     /* the list whose items are handed over one by one */
	struct str key; /* p NULL: the next scalar is a key */
	uint32_t key_line;
	uint32_t key_column;
};

struct builder {
	struct arena *arena;
	const char *file;
	struct diag *diag;
	struct node *root;
	const struct node_items *items; /* NULL: none are handed over */
	struct arena items_arena;
	size_t n_items;
	size_t depth;
	bool ended;
	struct frame stack[NODE_DEPTH_MAX];
};

/* --- where and what ---------------------------------------------------------------------------- */

/* The longest start of s that does not end within a UTF-8 character. */
static struct str whole_characters(struct str s)
{
	size_t at = s.n;
	while (at && s.n - at < 4) {
		unsigned char c = (unsigned char)s.p[--at];
		if (c < 0x80) {
			return s;
		}
		if (c >= 0xc0) {
			size_t bytes = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
			return bytes <= s.n - at ? s : (struct str){s.p, at};
		}
	}
	return s;
}

struct str node_excerpt(struct str text)
{
	if (text.n <= EXCERPT_BYTES) {
		return text;
	}
	return whole_characters((struct str){text.p, EXCERPT_BYTES});
}

/* Arguments may hold what the file held: one line, nothing that moves a terminal's cursor. */
static void make_printable(struct diag *diag)
{
	size_t n = strlen(diag->text);
	if (n == sizeof diag->text - 1) {
		diag->text[whole_characters((struct str){diag->text, n}).n] = '\0';
	}
	for (char *c = diag->text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f) {
			*c = '?';
		}
	}
}

static void say_at(const char *file, uint32_t line, uint32_t column, struct diag *diag,
	const char *format, va_list ap) PRINTF_LIKE(5, 0);

static void say_at(const char *file, uint32_t line, uint32_t column, struct diag *diag,
	const char *format, va_list ap)
{
	if (diag) {
		char what[DIAG_TEXT_BYTES];
		(void)vsnprintf(what, sizeof what, format, ap); /* cut is fine */
		diag_write(diag, "%s%s%u:%u: %s", file ? file : "", file ? ":" : "", line, column,
			what);
		make_printable(diag);
	}
}

void node_say(const struct node *node, const char *file, struct diag *diag, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	say_at(file, node->line, node->column, diag, format, ap);
	va_end(ap);
}

void node_say_key(
	const struct node *node, const char *file, struct diag *diag, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	say_at(file, node->key_line, node->key_column, diag, format, ap);
	va_end(ap);
}

int node_fail_unknown(
	const struct node *node, const char *file, struct diag *diag, const struct near *near)
{
	struct str key = node_excerpt(node->key);
	if (near->best.n) {
		return node_fail_key(node, file, diag, E_SYNTAX,
			"unknown key \"%.*s\"; did you mean \"%.*s\"?", STR_FMT(key),
			STR_FMT(near->best));
	}
	return node_fail_key(node, file, diag, E_SYNTAX, "unknown key \"%.*s\"", STR_FMT(key));
}

static int event_fail(const struct builder *b, const yaml_event_t *event, int rc, const char *what)
{
	struct node at = {.line = (uint32_t)event->start_mark.line + 1,
		.column = (uint32_t)event->start_mark.column + 1};
	return node_fail(&at, b->file, b->diag, rc, "%s", what);
}

/* --- reading a tree ---------------------------------------------------------------------------- */

const struct node *node_get(const struct node *map, struct str key)
{
	if (!map || map->kind != NODE_MAP) {
		return NULL;
	}
	for (const struct node *member = map->first; member; member = member->next) {
		if (str_eq(member->key, key)) {
			return member;
		}
	}
	return NULL;
}

bool node_is_empty(const struct node *node)
{
	return node->kind == NODE_SCALAR && node->plain && node->text.n == 0;
}

bool node_is_null(const struct node *node)
{
	static const struct str words[] = {
		STR_INIT("~"), STR_INIT("null"), STR_INIT("Null"), STR_INIT("NULL")};
	if (node->kind != NODE_SCALAR || !node->plain) {
		return false;
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (str_eq(node->text, words[i])) {
			return true;
		}
	}
	return node->text.n == 0;
}

/* --- duplicate keys ---------------------------------------------------------------------------- */

static bool stands_before(const struct node *a, const struct node *b)
{
	return a->key_line != b->key_line ? a->key_line < b->key_line
					  : a->key_column < b->key_column;
}

static int by_key_and_place(const void *a, const void *b)
{
	const struct node *const *left = a, *const *right = b;
	int order = str_cmp((*left)->key, (*right)->key);
	return order ? order : stands_before(*left, *right) ? -1 : 1;
}

/* The first member in the file whose key was there before; ret_first is that earlier one. */
static const struct node *duplicate_pairwise(const struct node *map, const struct node **ret_first)
{
	for (const struct node *later = map->first; later; later = later->next) {
		for (const struct node *first = map->first; first != later; first = first->next) {
			if (str_eq(first->key, later->key)) {
				*ret_first = first;
				return later;
			}
		}
	}
	return NULL;
}

static const struct node *duplicate_sorted(
	const struct node **members, size_t n, const struct node **ret_first)
{
	const struct node *found = NULL;
	qsort(members, n, sizeof *members, by_key_and_place);
	for (size_t i = 1; i < n; i++) {
		if (str_eq(members[i - 1]->key, members[i]->key) &&
			(!found || stands_before(members[i], found))) {
			*ret_first = members[i - 1];
			found = members[i];
		}
	}
	return found;
}

static int refuse_duplicates(const struct builder *b, const struct frame *frame)
{
	const struct node *first = NULL, *later;
	if (frame->members <= PAIRWISE_MAX) {
		later = duplicate_pairwise(frame->node, &first);
	} else {
		const struct node **members = calloc(frame->members, sizeof *members);
		if (!members) {
			return -ENOMEM;
		}
		size_t n = 0;
		for (const struct node *m = frame->node->first; m; m = m->next) {
			members[n++] = m;
		}
		later = duplicate_sorted(members, n, &first);
		free(members);
	}
	if (!later) {
		return 0;
	}
	struct str key = node_excerpt(later->key);
	return node_fail_key(later, b->file, b->diag, E_SYNTAX,
		"\"%.*s\" is there twice; first in line %u", STR_FMT(key), first->key_line);
}

/* --- building ---------------------------------------------------------------------------------- */

/* In a list of items, memory is for one item. */
static struct arena *arena_of(struct builder *b)
{
	for (size_t i = 0; i < 2 && i < b->depth; i++) {
		if (b->stack[i].items) {
			return &b->items_arena;
		}
	}
	return b->arena;
}

static void link_node(struct frame *top, struct node *node)
{
	node->key = top->key;
	node->key_line = top->key_line;
	node->key_column = top->key_column;
	top->key = STR_EMPTY;
	top->members++;
	if (!top->items) {
		*top->tail = node;
		top->tail = &node->next;
	}
}

static int add_node(
	struct builder *b, const yaml_event_t *event, enum node_kind kind, struct node **ret_node)
{
	struct node *node = arena_alloc(arena_of(b), sizeof *node);
	if (!node) {
		return -ENOMEM;
	}
	node->kind = kind;
	node->line = (uint32_t)event->start_mark.line + 1;
	node->column = (uint32_t)event->start_mark.column + 1;
	if (b->depth) {
		link_node(&b->stack[b->depth - 1], node);
	} else {
		b->root = node;
	}
	*ret_node = node;
	return 0;
}

/* A node is complete. */
static int hand_over(struct builder *b, const struct node *node)
{
	if (b->depth == 0 || !b->stack[b->depth - 1].items) {
		return 0;
	}
	TRY(b->items->on_item(b->items->ctx, node));
	if (++b->n_items % ITEMS_PER_ARENA == 0) {
		arena_done(&b->items_arena);
	}
	return 0;
}

/* Whether the list that opens is the one of items. */
static bool has_items(const struct builder *b, const struct node *list)
{
	if (!b->items || list->kind != NODE_LIST) {
		return false;
	}
	if (b->depth == 0) {
		return b->items->top;
	}
	return b->depth == 1 && b->root->kind == NODE_MAP && b->items->key.n &&
	       str_eq(list->key, b->items->key);
}

static bool wants_key(const struct builder *b)
{
	const struct frame *top = b->depth ? &b->stack[b->depth - 1] : NULL;
	return top && top->node->kind == NODE_MAP && !top->key.p;
}

static int refuse_extras(const struct builder *b, const yaml_event_t *event,
	const yaml_char_t *anchor, const yaml_char_t *tag, bool *ret_text)
{
	if (anchor) {
		return event_fail(b, event, E_SYNTAX, "anchors are not allowed");
	}
	*ret_text = tag && (strcmp((const char *)tag, YAML_STR_TAG) == 0 ||
				   strcmp((const char *)tag, "!") == 0);
	if (tag && !*ret_text) {
		return event_fail(b, event, E_SYNTAX, "tags other than !!str are not allowed");
	}
	return 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	bool tagged_text = false;
	TRY(refuse_extras(
		b, event, event->data.scalar.anchor, event->data.scalar.tag, &tagged_text));
	struct str text = arena_str(arena_of(b),
		(struct str){(const char *)event->data.scalar.value, event->data.scalar.length});
	if (!text.p) {
		return -ENOMEM;
	}
	if (wants_key(b)) {
		struct frame *top = &b->stack[b->depth - 1];
		top->key = text;
		top->key_line = (uint32_t)event->start_mark.line + 1;
		top->key_column = (uint32_t)event->start_mark.column + 1;
		return 0;
	}
	struct node *node;
	TRY(add_node(b, event, NODE_SCALAR, &node));
	node->text = text;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tagged_text;
	return hand_over(b, node);
}

static int on_open(struct builder *b, const yaml_event_t *event)
{
	bool map = event->type == YAML_MAPPING_START_EVENT, tagged_text = false;
	TRY(refuse_extras(b, event,
		map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
		map ? event->data.mapping_start.tag : event->data.sequence_start.tag,
		&tagged_text));
	if (tagged_text) {
		return event_fail(b, event, E_SYNTAX, "!!str is for text, not for a list or map");
	}
	if (wants_key(b)) {
		return event_fail(b, event, E_SYNTAX, "a key must be text, not a list or map");
	}
	if (b->depth == NODE_DEPTH_MAX) {
		return event_fail(b, event, E_LIMIT, "lists and maps are nested too deeply");
	}
	struct node *node;
	TRY(add_node(b, event, map ? NODE_MAP : NODE_LIST, &node));
	b->stack[b->depth] =
		(struct frame){.node = node, .tail = &node->first, .items = has_items(b, node)};
	b->depth++;
	return 0;
}

static int on_close(struct builder *b)
{
	assert(b->depth > 0 && b->stack[b->depth - 1].node); /* libyaml ends only what has begun */
	const struct frame *top = &b->stack[--b->depth];
	if (top->node->kind == NODE_MAP) {
		TRY(refuse_duplicates(b, top));
	}
	return hand_over(b, top->node);
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return on_open(b, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(b);
	case YAML_ALIAS_EVENT:
		return event_fail(b, event, E_SYNTAX, "aliases are not allowed");
	case YAML_DOCUMENT_START_EVENT:
		return b->root ? event_fail(b, event, E_SYNTAX, "more than one document") : 0;
	case YAML_STREAM_END_EVENT:
		b->ended = true;
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

/* --- libyaml ----------------------------------------------------------------------------------- */

/* The reader knows only the byte at which it stopped. */
static struct node place_of_byte(struct str text, size_t offset)
{
	struct node at = {.line = 1, .column = 1};
	for (size_t i = 0; text.p && i < offset && i < text.n; i++) {
		if (text.p[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

static int parser_fail(const struct builder *b, const yaml_parser_t *parser, struct str text)
{
	const char *problem = parser->problem ? parser->problem : "not YAML";
	if (parser->error == YAML_MEMORY_ERROR) {
		return -ENOMEM;
	}
	if (parser->error == YAML_READER_ERROR) {
		struct node at = place_of_byte(text, parser->problem_offset);
		return node_fail(&at, b->file, b->diag, E_SYNTAX, "%s", problem);
	}
	struct node at = {.line = (uint32_t)parser->problem_mark.line + 1,
		.column = (uint32_t)parser->problem_mark.column + 1};
	if (parser->context) {
		return node_fail(&at, b->file, b->diag, E_SYNTAX, "%s %s from line %zu on", problem,
			parser->context, parser->context_mark.line + 1);
	}
	return node_fail(&at, b->file, b->diag, E_SYNTAX, "%s", problem);
}

static int run_parser(struct builder *b, yaml_parser_t *parser, struct str text)
{
	while (!b->ended) {
		yaml_event_t event;
		if (!yaml_parser_parse(parser, &event)) {
			return parser_fail(b, parser, text);
		}
		int rc = on_event(b, &event);
		yaml_event_delete(&event);
		TRY(rc);
	}
	return 0;
}

int node_parse_items(struct arena *arena, const char *file, struct str text,
	const struct node_items *items, struct node **ret_root, struct diag *diag)
{
	struct builder b = {.arena = arena, .file = file, .diag = diag, .items = items};
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser)) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	/* Set, or a byte order mark would make it UTF-16. */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
	int rc = run_parser(&b, &parser, text);
	yaml_parser_delete(&parser);
	arena_done(&b.items_arena);
	if (rc == 0 && (!b.root || node_is_empty(b.root))) {
		b.root = arena_alloc(arena, sizeof *b.root);
		if (b.root) {
			*b.root = (struct node){.kind = NODE_MAP, .line = 1, .column = 1};
		} else {
			rc = -ENOMEM;
		}
	}
	if (rc == -ENOMEM) {
		return diag_set(diag, rc, "out of memory");
	}
	TRY(rc);
	*ret_root = b.root;
	return 0;
}

int node_parse(struct arena *arena, const char *file, struct str text, struct node **ret_root,
	struct diag *diag)
{
	return node_parse_items(arena, file, text, NULL, ret_root, diag);
}
