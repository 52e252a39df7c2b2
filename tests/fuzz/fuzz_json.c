/*
 * Must reach: api_by_address with every operation of Lightsail, request_unknown, request_text, request_text_if,
 * request_options: the JSON bodies of AWS's clients.
 *
 * Each line is one call: the operation's name, a space, the body. All are allowed. They work on two
 * instances in an in-memory store; what is there after each call must make sense: store and registry say
 * the same. At the end every instance has a tree.
 */
#include "base/log.h"
#include "control/api.h"
#include "tests/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_authorize(void *ctx, const struct http1_req *req, struct str service,
	struct str action, struct access_who *ret_who)
{
	(void)ctx, (void)req;
	must(str_eq(service, STR("lightsail")));
	must(action.n == 0 || str_starts(action, STR("lightsail:")));
	memcpy(ret_who->access_key_id, "AKID", sizeof "AKID");
	return 0;
}

static void call_line(const struct world *world, struct str line)
{
	CLEANUP(buf_done) struct buf target = BUF_EMPTY;
	const struct api api = {.registrar = world->registrar,
		.site = &world_site,
		.now_ms = now_ms,
		.authorize = on_authorize};
	struct api_reply reply;
	size_t space = str_find(line, ' ');
	struct http1_req req = {.method = HTTP1_POST, .n_fields = 1};
	req.body = str_from(line, space < line.n ? space + 1 : line.n);
	buf_add(&target, STR("Lightsail_20161128."));
	buf_add(&target, (struct str){line.p, space});
	req.fields[0] = (struct http1_field){STR("X-Amz-Target"), buf_str(&target)};
	api_by_address(&api, &req, STR("127.0.0.1"), &reply);
	must(!reply.failed);
	must_be_reply(reply.status, buf_str(&reply.body), false);
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
