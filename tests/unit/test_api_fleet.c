/* The control APIs of a fleet's host: what it answers, also while the database is away. */
#include "tests/unit/fleet_help.h"

#include "control/api.h"
#include "control/points.h"
#include "tests/unit/cases.h"

static int on_authorize(void *ctx, const struct http1_req *req, struct str service,
	struct str action, struct access_who *ret_who)
{
	(void)ctx;
	(void)req;
	(void)service;
	(void)action;
	memcpy(ret_who->access_key_id, "AKID", sizeof "AKID");
	return 0;
}

static int64_t now_ms(void)
{
	return control_clock_s * 1000;
}

/* The reply: its status, its fields and its body as text, in static memory. */
static const char *ask(struct registrar *registrar, const char *target, const char *body)
{
	static char text[8192];
	const struct api api = {.registrar = registrar,
		.site = &help_site,
		.now_ms = now_ms,
		.authorize = on_authorize};
	struct http1_req req = {.method = HTTP1_POST, .target = STR("/"), .body = str_of(body)};
	struct api_reply reply;
	if (*target) {
		req.n_fields = 1;
		req.fields[0] = (struct http1_field){STR_INIT("X-Amz-Target"), str_of(target)};
	}
	api_by_address(&api, &req, STR("127.0.0.1"), &reply);
	assert_false(reply.failed);
	(void)snprintf(text, sizeof text, "%u\n%.*s%.*s", reply.status,
		STR_FMT(buf_str(&reply.fields)), STR_FMT(buf_str(&reply.body)));
	api_reply_done(&reply);
	return text;
}

static void assert_has(const char *answer, const char *text)
{
	assert_non_null(answer);
	if (!strstr(answer, text)) {
		fail_msg("no %s in %s", text, answer);
	}
}

#define OPTIONS_EC2 \
	"Action=ModifyInstanceMetadataOptions&Version=2016-11-15&HttpTokens=required&InstanceId="
#define OPTIONS_LIGHTSAIL "Lightsail_20161128.UpdateInstanceMetadataOptions"
#define METRICS           "GraniteServiceVersion20100801.ListMetrics"

/* In each API's own words, and with the word that it is worth to try again. */
static void what_needs_the_database_is_refused_while_it_is_away(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	char by_id[256];
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	assert_int_equal(fleet_put(f, b, "name: yy\n"), 0);
	(void)snprintf(by_id, sizeof by_id, "%s%s", OPTIONS_EC2, fleet_instance(a, "xx")->id);
	fleet_lose(a);
	const struct {
		int line;
		const char *target, *body, *code;
	} rows[] = {
		{__LINE__, OPTIONS_LIGHTSAIL,
			"{\"instanceName\": \"xx\", \"httpTokens\": \"required\"}",
			"ServiceException"},
		{__LINE__, OPTIONS_LIGHTSAIL,
			"{\"instanceName\": \"yy\", \"httpTokens\": \"required\"}",
			"ServiceException"},
		{__LINE__, "Lightsail_20161128.GetInstance", "{\"instanceName\": \"yy\"}",
			"ServiceException"},
		{__LINE__, "", by_id, "<Code>InternalError</Code>"},
		{__LINE__, METRICS,
			"{\"Dimensions\": [{\"Name\": \"InstanceId\", \"Value\": \"i-00000000\"},"
			"{\"Name\": \"InstanceName\", \"Value\": \"yy\"}]}",
			NULL},
		{__LINE__, METRICS,
			"{\"Dimensions\": [{\"Name\": \"InstanceName\", \"Value\": \"yy\"}]}",
			"InternalService"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *answer = ask(a->registrar, rows[i].target, rows[i].body);
		const char *want = rows[i].code ? rows[i].code : "\"Metrics\"";
		if (!strstr(answer, want) ||
			strncmp(answer, rows[i].code ? "500" : "200", 3) != 0 ||
			!strstr(answer, "\nRetry-After: ") != !rows[i].code) {
			fail_msg("line %d: no %s: %s", rows[i].line, want, answer);
		}
	}
	assert_false(fleet_instance(a, "xx")->options.tokens_required);
}

static void put_points(struct store *copy, const char *id)
{
	struct points_run run;
	struct buf bytes = BUF_EMPTY;
	int64_t start_s = points_start(POINTS_60_S, CONTROL_NOW_S);
	const struct points_set one = {.n = 1, .sum = 7, .min = 7, .max = 7};
	points_init(&run, POINTS_60_S, start_s);
	points_add(&run, start_s, HISTORY_NO_TOKEN, &one);
	assert_int_equal(points_encode(&run, &bytes), 0);
	const struct store_points points = {.instance_id = str_of(id),
		.period_s = 60,
		.start_s = start_s,
		.bytes = buf_str(&bytes)};
	assert_int_equal(copy->ops->begin(copy, NULL), 0);
	assert_int_equal(copy->ops->points_put(copy, &points, NULL), 0);
	assert_int_equal(copy->ops->commit(copy, NULL), 0);
	buf_done(&bytes);
}

/* Of one that has gone elsewhere its host has counts still: they are listed by id, its name is not known. */
static void counts_of_one_that_left_are_listed_while_the_database_is_away(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	put_points(a->copy, "i-0123456789abcdef0");
	put_points(a->copy, fleet_instance(a, "xx")->id);
	fleet_lose(a);
	registrar_detach(a->registrar);
	const char *answer = ask(a->registrar, METRICS, "{}");
	assert_has(answer, "200\n");
	assert_has(answer, "\"Value\":\"i-0123456789abcdef0\"");
	assert_has(answer, "\"Value\":\"xx\"");
}

static void a_hosts_own_keys_are_shown(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "name: xx\npublicKeys: {of-a: ssh-ed25519 AAAA}\n"), 0);
	assert_int_equal(fleet_put(f, b, "name: yy\npublicKeys: {of-b: ssh-ed25519 AAAA}\n"), 0);
	fleet_settle(f);
	const char *answer = ask(a->registrar, "Lightsail_20161128.GetKeyPairs", "{}");
	assert_has(answer, "of-a");
	assert_null(strstr(answer, "of-b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLEET_TEST(what_needs_the_database_is_refused_while_it_is_away),
		FLEET_TEST(counts_of_one_that_left_are_listed_while_the_database_is_away),
		FLEET_TEST(a_hosts_own_keys_are_shown),
	};
	return cmocka_run_group_tests_name("api in a fleet", tests, NULL, NULL);
}
