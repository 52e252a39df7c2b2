/*
 * Must reach: operations_call with every operation, spec_from_text, registrar_put,
 * registrar_options, registrar_delete, registrar_revoke, registrar_list, plan_commit, view_instance.
 *
 * Each line is one call: the operation's name, a space, the body. They work on two instances in an
 * in-memory store. What is there after each call must make sense: store and registry say the same.
 * At the end every instance that was accepted has a tree.
 */
#include <stdlib.h>

#include "base/log.h"
#include "config/spec.h"
#include "control/operations.h"
#include "metadata/tree.h"
#include "tests/fake/store_memory.c" /* NOLINT(bugprone-suspicious-include): fakes are in no library */

#define NOW_S      INT64_C(1700000000)
#define CALLS_MOST 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static int64_t now_s(void)
{
	return NOW_S;
}

static json_t *settings(void *ctx)
{
	(void)ctx;
	return json_object();
}

struct world {
	struct registry *registry;
	struct store *store;
	struct registrar *registrar;
};

static struct world make_world(void)
{
	static const struct site site = {STR_INIT("us-west-2"), STR_INIT("123456789012")};
	struct world world = {.registry = registry_new(1), .store = store_memory_new()};
	json_t *specs = NULL;
	must(world.registry && world.store);
	world.registrar = registrar_new(world.registry, world.store, &site, now_s);
	must(world.registrar);
	must(spec_from_text(STR("[{name: aa, match: {addresses: [10.0.0.1]}, tags: {a: b}},"
				" {name: bb, metadataOptions: {httpTokens: required}}]"),
		     NULL, &specs, NULL) == 0);
	must(registrar_put(world.registrar, specs, NULL) == 0);
	json_decref(specs);
	return world;
}

static void free_world(struct world *world)
{
	registrar_free(world->registrar);
	registry_free(world->registry);
	store_free(world->store);
}

/* --- what must hold ---------------------------------------------------------------------------- */

static void must_be_reply(unsigned status, struct str text)
{
	json_t *reply = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(reply));
	must(status == 200 || status == 400 || status == 404);
	if (status != 200) {
		const char *message = json_string_value(json_object_get(reply, "message"));
		must(json_is_string(json_object_get(reply, "__type")));
		must(json_equal(json_object_get(reply, "__type"), json_object_get(reply, "code")));
		must(message && message[0] && !strchr(message, '\n'));
	}
	json_decref(reply);
}

static int must_have_tree(void *ctx, struct entry *entry)
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

static int must_be_published(void *ctx, const struct store_instance *row)
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

static void must_make_sense(const struct world *world)
{
	struct comparing comparing = {.world = world};
	must(world->store->ops->instance_each(world->store, must_be_published, &comparing, NULL) ==
		0);
	must(comparing.rows == registry_count(world->registry));
}

/* --- calling ----------------------------------------------------------------------------------- */

static void call_line(const struct world *world, struct str line)
{
	CLEANUP(buf_done) struct buf target = BUF_EMPTY, out = BUF_EMPTY;
	const struct operations operations = {
		.registrar = world->registrar, .certificate = STR("PEM"), .settings = settings};
	size_t space = str_find(line, ' ');
	struct str body = str_from(line, space < line.n ? space + 1 : line.n);
	buf_add(&target, STR("Telltale_20261124."));
	buf_add(&target, (struct str){line.p, space});
	unsigned status = operations_call(&operations, buf_str(&target), body, &out);
	must_be_reply(status, buf_str(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size};
	struct world world = make_world();
	log_set_level(LOG_ERROR);
	for (unsigned i = 0; rest.n && i < CALLS_MOST; i++) {
		struct str line = {rest.p, str_find(rest, '\n')};
		rest = str_from(rest, line.n < rest.n ? line.n + 1 : line.n);
		call_line(&world, line);
		must_make_sense(&world);
	}
	must(registry_each(world.registry, must_have_tree, NULL) == 0);
	free_world(&world);
	return 0;
}
