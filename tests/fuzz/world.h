/*
 * world - what the fuzz targets of operations share: two instances in an in-memory store, and what must
 *         hold after each call.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  make_world() gives, free_world() takes
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_FUZZ_WORLD_H
#define TELLTALE_FUZZ_WORLD_H

#include <stdlib.h>

#include "config/spec.h"
#include "control/registrar.h"
#include "metadata/tree.h"
#include "tests/fake/store_memory.h"

#define WORLD_NOW_S INT64_C(1700000000)

static const struct site world_site = {STR_INIT("us-west-2"), STR_INIT("123456789012")};

static inline void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static inline int64_t now_s(void)
{
	return WORLD_NOW_S;
}

static inline int64_t now_ms(void)
{
	return now_s() * 1000;
}

struct world {
	struct registry *registry;
	struct store *store;
	struct registrar *registrar;
};

static inline struct world make_world(void)
{
	struct world world = {.registry = registry_new(1), .store = store_memory_new()};
	json_t *specs = NULL;
	must(world.registry && world.store);
	world.registrar = registrar_new(world.registry, world.store, &world_site, now_s);
	must(world.registrar);
	must(spec_from_text(STR("[{name: aa, match: {addresses: [10.0.0.1]}, tags: {a: b}},"
				" {name: bb, metadataOptions: {httpTokens: required}}]"),
		     NULL, &specs, NULL) == 0);
	must(registrar_put(world.registrar, NULL, specs, NULL) == 0);
	json_decref(specs);
	return world;
}

static inline void free_world(struct world *world)
{
	registrar_free(world->registrar);
	registry_free(world->registry);
	store_free(world->store);
}

/* --- what must hold ---------------------------------------------------------------------------- */

static inline void must_be_reply(unsigned status, struct str text, bool one_line)
{
	json_t *reply = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(reply));
	must(status == 200 || status == 400 || status == 404);
	if (status != 200) {
		const char *message = json_string_value(json_object_get(reply, "message"));
		must(json_is_string(json_object_get(reply, "__type")));
		must(json_equal(json_object_get(reply, "__type"), json_object_get(reply, "code")));
		must(message && message[0] && !(one_line && strchr(message, '\n')));
	}
	json_decref(reply);
}

static inline int must_have_tree(void *ctx, struct entry *entry)
{
	struct tree *compiled = NULL;
	(void)ctx;
	must(tree_compile(entry_instance(entry), &compiled, NULL) == 0);
	tree_free(compiled);
	return 0;
}

struct comparing {
	const struct world *world;
	size_t rows;
};

static inline int must_be_published(void *ctx, const struct store_instance *row)
{
	struct comparing *comparing = ctx;
	struct entry *entry = registry_find(comparing->world->registry, row->name);
	must(entry && !entry->detached && str_eq(entry_instance(entry)->spec, row->spec));
	must(entry_instance(entry)->record.token_epoch == row->token_epoch);
	must(registry_lookup(comparing->world->registry, entry_instance(entry)->network,
		     entry_instance(entry)->interface,
		     &entry_instance(entry)->addresses[0].addr) != NULL);
	comparing->rows++;
	return 0;
}

static inline void must_make_sense(const struct world *world)
{
	struct comparing comparing = {.world = world};
	must(world->store->ops->instance_each(
		     world->store, STR_EMPTY, STR_EMPTY, must_be_published, &comparing, NULL) == 0);
	must(comparing.rows == registry_count(world->registry));
}

/* --- calls ------------------------------------------------------------------------------------ */

#define CALLS_MOST 20

/* One call a line; the world must make sense after each, and every instance have a tree at the end. */
static inline void call_lines(const struct world *world, struct str lines,
	void (*call_line)(const struct world *world, struct str line))
{
	for (unsigned i = 0; lines.n && i < CALLS_MOST; i++) {
		struct str line = {lines.p, str_find(lines, '\n')};
		lines = str_from(lines, line.n < lines.n ? line.n + 1 : line.n);
		call_line(world, line);
		must_make_sense(world);
	}
	must(registry_each(world->registry, must_have_tree, NULL) == 0);
}

#endif
