/*
 * Must reach: api_by_address with every operation of CloudWatch in both of its protocols, and all of
 * src/control/cloudwatch*.c and statistics.c.
 *
 * Each line is one call: an operation's name, a space and the JSON body; or, after a '&', a form. All
 * are allowed. There is a history of an instance that is there and of one that is gone. Every answer can
 * be read, and whatever points it has are in the order that was asked for.
 */
#include "base/log.h"
#include "control/api.h"
#include "control/points.h"
#include "tests/fuzz/world.h"

#define GONE "i-0123456789abcdef0"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_authorize(void *ctx, const struct http1_req *req, struct str service,
	struct str action, struct access_who *ret_who)
{
	(void)ctx, (void)req, (void)service, (void)action;
	memcpy(ret_who->access_key_id, "AKID", sizeof "AKID");
	return 0;
}

/* Two minutes of the one that is gone, and what the other has counted just now. */
static void make_history(const struct world *world)
{
	static const struct points_set sets[] = {{1, 3, 3, 3}, {1, 5, 5, 5}};
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	struct store *store = world->store;
	struct points_run run;
	points_init(&run, POINTS_60_S, now_s() - 7200);
	points_add(&run, run.start_s, 0, &sets[0]);
	points_add(&run, run.start_s + 60, 0, &sets[1]);
	must(points_encode(&run, &bytes) == 0);
	const struct store_points points = {STR(GONE), 60, run.start_s, buf_str(&bytes)};
	must(store->ops->begin(store, NULL) == 0);
	must(store->ops->points_put(store, &points, NULL) == 0);
	must(store->ops->commit(store, NULL) == 0);
	stats_add(entry_stats(registry_find(world->registry, STR("aa")), 0), STATS_NO_TOKEN);
}

/* --- answers ----------------------------------------------------------------------------------- */

static void must_be_ordered(const json_t *list, const char *member)
{
	for (size_t i = 1; i < json_array_size(list); i++) {
		const json_t *a = json_array_get(list, i - 1), *b = json_array_get(list, i);
		must(json_number_value(json_object_get(a, member)) <
			json_number_value(json_object_get(b, member)));
	}
}

static void must_be_results(const json_t *results)
{
	json_t *result;
	size_t i;
	json_array_foreach (results, i, result) {
		const json_t *times = json_object_get(result, "Timestamps");
		must(json_string_length(json_object_get(result, "Id")) > 0);
		must(json_array_size(times) == json_array_size(json_object_get(result, "Values")));
	}
}

static void must_be_json(unsigned status, struct str text)
{
	json_t *reply = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	must(json_is_object(reply));
	must(status == 200 || status == 400 || status == 404);
	if (status != 200) {
		must(json_string_length(json_object_get(reply, "__type")) > 0);
		must(json_string_length(json_object_get(reply, "message")) > 0);
	}
	must_be_ordered(json_object_get(reply, "Datapoints"), "Timestamp");
	must_be_results(json_object_get(reply, "MetricDataResults"));
	json_decref(reply);
}

static void must_be_xml(unsigned status, struct str text)
{
	must(status == 200 || status == 400);
	must(str_starts(text, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<")));
	must(str_ends(text, STR("Response>")));
}

/* --- calls ------------------------------------------------------------------------------------- */

static void call_line(const struct world *world, struct str line)
{
	CLEANUP(buf_done) struct buf target = BUF_EMPTY;
	const struct api api = {.registrar = world->registrar,
		.site = &world_site,
		.now_ms = now_ms,
		.authorize = on_authorize};
	struct api_reply reply;
	struct http1_req req = {.method = HTTP1_POST, .target = STR("/")};
	bool form = str_starts(line, STR("&"));
	size_t space = str_find(line, ' ');
	req.body = form ? line : str_from(line, space < line.n ? space + 1 : line.n);
	if (!form) {
		buf_add(&target, STR("GraniteServiceVersion20100801."));
		buf_add(&target, (struct str){line.p, space});
		req.n_fields = 1;
		req.fields[0] = (struct http1_field){STR("X-Amz-Target"), buf_str(&target)};
	}
	api_by_address(&api, &req, STR("127.0.0.1"), &reply);
	must(!reply.failed);
	if (form) {
		must_be_xml(reply.status, buf_str(&reply.body));
	} else {
		must_be_json(reply.status, buf_str(&reply.body));
	}
	api_reply_done(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = make_world();
	log_set_level(LOG_ERROR);
	make_history(&world);
	call_lines(&world, (struct str){(const char *)data, size}, call_line);
	free_world(&world);
	return 0;
}
