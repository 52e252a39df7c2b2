/*
 * Must reach: operations_call with every operation, spec_from_text, registrar_put,
 * registrar_options, registrar_delete, registrar_revoke, registrar_list, plan_commit, view_instance.
 *
 * Each line is one call: the operation's name, a space, the body. They work on two instances in an
 * in-memory store. What is there after each call must make sense: store and registry say the same.
 * At the end every instance that was accepted has a tree.
 */
#include "base/log.h"
#include "control/operations.h"
#include "tests/fuzz/world.h"

#define CALLS_MOST 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *settings(void *ctx)
{
	(void)ctx;
	return json_object();
}

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
	must_be_reply(status, buf_str(&out), true);
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
