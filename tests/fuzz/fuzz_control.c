/*
 * Must reach: api_by_socket with every operation, spec_from_text, registrar_put,
 * registrar_options, registrar_delete, registrar_revoke, registrar_list, plan_commit, view_instance.
 *
 * Each line is one call: the operation's name, a space, the body. They work on two instances in an
 * in-memory store. What is there after each call must make sense: store and registry say the same.
 * At the end every instance that was accepted has a tree.
 */
#include "base/log.h"
#include "control/api.h"
#include "tests/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *settings(void *ctx)
{
	(void)ctx;
	return json_object();
}

static void call_line(const struct world *world, struct str line)
{
	CLEANUP(buf_done) struct buf target = BUF_EMPTY;
	const struct api api = {.registrar = world->registrar,
		.site = &world_site,
		.now_ms = now_ms,
		.certificate = STR("PEM"),
		.settings = settings};
	struct api_reply reply;
	size_t space = str_find(line, ' ');
	struct http1_req req = {.method = HTTP1_POST, .n_fields = 1};
	req.body = str_from(line, space < line.n ? space + 1 : line.n);
	buf_add(&target, STR("Telltale_20261124."));
	buf_add(&target, (struct str){line.p, space});
	req.fields[0] = (struct http1_field){STR("X-Amz-Target"), buf_str(&target)};
	api_by_socket(&api, &req, STR("uid 0"), &reply);
	must(!reply.failed);
	must_be_reply(reply.status, buf_str(&reply.body), true);
	api_reply_done(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = make_world();
	log_set_level(LOG_ERROR);
	call_lines(&world, (struct str){(const char *)data, size}, call_line);
	free_world(&world);
	return 0;
}
