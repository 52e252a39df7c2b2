/* CloudWatch's operations over a history that is made here: orders, pages, percentiles, faults. */
#include "tests/unit/control_help.h"

#include "tests/unit/cases.h"

#include "control/api.h"
#include "control/points.h"

#define ID      "i-0123456789abcdef0"
#define ID_2    "i-0123456789abcdef1"
#define DAY_S   INT64_C(86400)
#define VERSION "&Version=2010-08-01"

static int on_authorize(void *ctx, const struct http1_req *req, struct str service,
	struct str action, struct access_who *ret_who)
{
	(void)ctx;
	(void)req;
	assert_true(str_eq(service, STR("monitoring")));
	assert_true(str_starts(action, STR("cloudwatch:")));
	memcpy(ret_who->access_key_id, "AKID", sizeof "AKID");
	return 0;
}

static int64_t now_ms(void)
{
	return control_clock_s * 1000;
}

static void send_to(struct control *c, const struct http1_req *req, unsigned fail_at,
	struct api_reply *ret_reply)
{
	const struct api api = {.registrar = c->registrar,
		.site = &help_site,
		.now_ms = now_ms,
		.authorize = on_authorize};
	alloc_fail_at(fail_at);
	api_by_address(&api, req, STR("127.0.0.1"), ret_reply);
}

static struct http1_req json_request(const char *operation, const char *body, char target[64])
{
	struct http1_req req = {
		.method = HTTP1_POST, .target = STR("/"), .n_fields = 1, .body = str_of(body)};
	(void)snprintf(target, 64, "GraniteServiceVersion20100801.%s", operation);
	req.fields[0] = (struct http1_field){STR_INIT("X-Amz-Target"), str_of(target)};
	return req;
}

/* ' stands for ". The reply, which has this status. */
static json_t *ask(struct control *c, unsigned status, const char *operation, const char *body)
{
	struct api_reply reply;
	char target[64];
	char *quoted = str_dup(str_of(body));
	assert_non_null(quoted);
	for (char *p = quoted; *p; p++) {
		*p = (char)(*p == '\'' ? '"' : *p);
	}
	const struct http1_req req = json_request(operation, quoted, target);
	send_to(c, &req, 0, &reply);
	free(quoted);
	assert_false(reply.failed);
	json_t *answer = json_loadb(reply.body.p, reply.body.n, 0, NULL);
	if (reply.status != status || !json_is_object(answer)) {
		fail_msg("%s: %u %.*s", body, reply.status, STR_FMT(buf_str(&reply.body)));
	}
	api_reply_done(&reply);
	return answer;
}

/* The reply as text, in static memory. */
static const char *ask_form(struct control *c, unsigned status, const char *form)
{
	static char text[8192];
	struct api_reply reply;
	const struct http1_req req = {
		.method = HTTP1_POST, .target = STR("/"), .body = str_of(form)};
	send_to(c, &req, 0, &reply);
	assert_false(reply.failed);
	(void)snprintf(text, sizeof text, "%.*s", STR_FMT(buf_str(&reply.body)));
	case_int(__LINE__, reply.status, status);
	api_reply_done(&reply);
	return text;
}

/* What the answer has, with every time counted from the start of the test; in static memory. */
static const char *shown(json_t *answer, const char *member)
{
	static char text[4096];
	char *dumped = json_dumps(
		json_object_get(answer, member), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	struct buf out = buf_fixed(text, sizeof text);
	assert_non_null(dumped);
	for (const char *p = dumped; *p;) {
		char *end;
		long long number = *p == '1' ? strtoll(p, &end, 10) : 0;
		if (number > CONTROL_NOW_S - 30 * DAY_S) {
			buf_add_f(&out, "@%lld", number - CONTROL_NOW_S);
			p = end;
		} else if (*p == '"') {
			p++;
		} else {
			buf_add_f(&out, "%c", *p++);
		}
	}
	free(dumped);
	json_decref(answer);
	return text;
}

/* --- a history --------------------------------------------------------------------------------- */

static void tick_at(struct control *c, int64_t at_s)
{
	control_clock_s = CONTROL_NOW_S + at_s;
	registrar_tick(c->registrar);
}

/* Count so many in the minute of a time, which is later than those before. */
static void count(struct control *c, const char *name, int64_t at_s, unsigned n)
{
	tick_at(c, at_s);
	struct entry *entry = registry_find(c->registry, str_of(name));
	assert_non_null(entry);
	while (n--) {
		stats_add(entry_stats(entry, n % CONTROL_WORKERS), STATS_NO_TOKEN);
	}
}

/* web-1: 3 in the first minute, 5 in the second, 2 in the sixth and 4 in the seventh. web-2: 9 and 1. */
static void make_history(struct control *c)
{
	assert_int_equal(control_put(c, "[{name: web-1, instanceId: " ID "}, "
					"{name: web-2, instanceId: " ID_2 "}]"),
		0);
	count(c, "web-1", 0, 3);
	count(c, "web-1", 60, 5);
	count(c, "web-2", 60, 9);
	count(c, "web-1", 300, 2);
	count(c, "web-2", 310, 1);
	count(c, "web-1", 360, 4); /* the minute under way */
}

#define WHICH                                                   \
	"'Namespace':'AWS/EC2','MetricName':'MetadataNoToken'," \
	"'Dimensions':[{'Name':'InstanceId','Value':'" ID "'}]"
#define TIMES "'StartTime':1800000000,'EndTime':1800000420"

static const char *statistics(struct control *c, const char *more)
{
	char body[512];
	(void)snprintf(body, sizeof body, "{" WHICH "," TIMES ",%s}", more);
	return shown(ask(c, 200, "GetMetricStatistics", body), "Datapoints");
}

static void points_in_order(void **state)
{
	struct control *c = *state;
	make_history(c);
	assert_string_equal(statistics(c, "'Period':60,'Statistics':['Sum']"),
		"[{Sum:3.0,Timestamp:@0,Unit:Count},{Sum:5.0,Timestamp:@60,Unit:Count},"
		"{Sum:2.0,Timestamp:@300,Unit:Count},{Sum:4.0,Timestamp:@360,Unit:Count}]");
	assert_string_equal(
		statistics(c, "'Period':300,'Statistics':['Minimum','Maximum','Sum','Average',"
			      "'SampleCount']"),
		"[{Average:4.0,Maximum:5.0,Minimum:3.0,SampleCount:2.0,Sum:8.0,Timestamp:@0,Unit:Count},"
		"{Average:3.0,Maximum:4.0,Minimum:2.0,SampleCount:2.0,Sum:6.0,Timestamp:@300,Unit:"
		"Count}]");
	/* Texts are taken as well. */
	assert_string_equal(statistics(c, "'Period':'420','Statistics':['Sum'],'Unit':null"),
		"[{Sum:14.0,Timestamp:@0,Unit:Count}]");
	/* Parts of seconds do not count. The start is rounded down to the minute; the end is not in it. */
	assert_string_equal(
		shown(ask(c, 200, "GetMetricStatistics",
			      "{" WHICH ",'StartTime':'2027-01-15T08:00:59.5Z',"
			      "'EndTime':1800000061.75,'Period':60,'Statistics':['Sum']}"),
			"Datapoints"),
		"[{Sum:3.0,Timestamp:@0,Unit:Count},{Sum:5.0,Timestamp:@60,Unit:Count}]");
}

static void forms_tell_iso_times(void **state)
{
	struct control *c = *state;
	make_history(c);
	const char *text = ask_form(c, 200,
		"Action=GetMetricStatistics" VERSION "&Namespace=AWS/EC2&MetricName=MetadataNoToken"
		"&Dimensions.member.1.Name=InstanceId&Dimensions.member.1.Value=" ID
		"&StartTime=1800000000&EndTime=2027-01-15T08:07:00Z&Period=300"
		"&Statistics.member.1=Sum");
	assert_non_null(strstr(text, "<GetMetricStatisticsResult><Label>MetadataNoToken</Label>"
				     "<Datapoints><member>"
				     "<Timestamp>2027-01-15T08:00:00Z</Timestamp>"));
	assert_non_null(strstr(text, "<Timestamp>2027-01-15T08:05:00Z</Timestamp><Unit>Count</Unit>"
				     "<Sum>6.0</Sum></member></Datapoints>"));
	text = ask_form(c, 200,
		"Action=GetMetricStatistics" VERSION "&Namespace=AWS/EC2&MetricName=MetadataNoToken"
		"&Dimensions.member.1.Name=InstanceId&Dimensions.member.1.Value=" ID
		"&StartTime=1800000000&EndTime=1800000420&Period=300"
		"&ExtendedStatistics.member.1=p50&ExtendedStatistics.member.2=p99"
		"&ExtendedStatistics.member.3=p50");
	assert_non_null(strstr(text, "<ExtendedStatistics><entry><key>p50</key><value>3.0</value>"
				     "</entry><entry><key>p99</key><value>5.0</value></entry>"
				     "</ExtendedStatistics>"));
	text = ask_form(c, 400, "Action=GetMetricStatistics" VERSION);
	assert_non_null(strstr(text, "<Code>MissingParameter</Code>"
				     "<Message>The parameter Namespace is required.</Message>"));
}

/* --- pages ------------------------------------------------------------------------------------- */

#define QUERY(id, stat, period) \
	"{'Id':'" id "','MetricStat':{'Metric':{" WHICH "},'Stat':'" stat "','Period':" period "}}"
#define OTHER                                                                                   \
	"{'Id':'o','Label':'other','MetricStat':{'Metric':{'Namespace':'AWS/Lightsail',"        \
	"'MetricName':'MetadataNoToken','Dimensions':[{'Name':'InstanceName','Value':'web-2'}]" \
	"},'Stat':'Sum','Period':60}}"

static void orders(void **state)
{
	struct control *c = *state;
	make_history(c);
	const char *newest = "[{Id:a,Label:MetadataNoToken,StatusCode:Complete,"
			     "Timestamps:[@360,@300,@60,@0],Values:[4.0,2.0,5.0,3.0]}]";
	assert_string_equal(
		shown(ask(c, 200, "GetMetricData",
			      "{'MetricDataQueries':[" QUERY("a", "Sum", "60") "]," TIMES "}"),
			"MetricDataResults"),
		newest);
	assert_string_equal(
		shown(ask(c, 200, "GetMetricData",
			      "{'MetricDataQueries':[" QUERY("a", "Sum",
				      "60") "]," TIMES ",'ScanBy':'TimestampDescending'}"),
			"MetricDataResults"),
		newest);
	assert_string_equal(
		shown(ask(c, 200, "GetMetricData",
			      "{'MetricDataQueries':[" QUERY("a", "Sum",
				      "60") "," OTHER "]," TIMES ",'ScanBy':'TimestampAscending'}"),
			"MetricDataResults"),
		"[{Id:a,Label:MetadataNoToken,StatusCode:Complete,"
		"Timestamps:[@0,@60,@300,@360],Values:[3.0,5.0,2.0,4.0]},"
		"{Id:o,Label:other,StatusCode:Complete,Timestamps:[@60,@300],Values:[9.0,1.0]}]");
}

/* All pages of both metrics, each page's points in order: "a:4.0,2.0*|…", * where it goes on. */
static void take_pages(struct control *c, unsigned most, bool ascending, struct buf *out)
{
	char body[1600], token[128] = "";
	for (unsigned pages = 0; pages < 20; pages++) {
		(void)snprintf(body, sizeof body,
			"{'MetricDataQueries':[" QUERY("a", "Sum",
				"60") "," OTHER "]," TIMES
				      ",'MaxDatapoints':%u,'ScanBy':'Timestamp%s'%s%s%s}",
			most, ascending ? "Ascending" : "Descending",
			token[0] ? ",'NextToken':'" : "", token, token[0] ? "'" : "");
		json_t *answer = ask(c, 200, "GetMetricData", body), *result, *value;
		size_t i, k;
		json_array_foreach (json_object_get(answer, "MetricDataResults"), i, result) {
			const char *status =
				json_string_value(json_object_get(result, "StatusCode"));
			buf_add_f(out, "%s:", json_string_value(json_object_get(result, "Id")));
			json_array_foreach (json_object_get(result, "Values"), k, value) {
				buf_add_f(out, "%.0f", json_number_value(value));
			}
			buf_add_f(out, "%s", strcmp(status, "PartialData") == 0 ? "* " : " ");
		}
		const char *next = json_string_value(json_object_get(answer, "NextToken"));
		(void)snprintf(token, sizeof token, "%s", next ? next : "");
		json_decref(answer);
		if (!token[0]) {
			return;
		}
		buf_add(out, STR("| "));
	}
	fail_msg("pages without an end: %.*s", STR_FMT(buf_str(out)));
}

static void pages(void **state)
{
	static const struct {
		int line;
		unsigned most;
		bool ascending;
		const char *want;
	} rows[] = {
		{__LINE__, 1, false, "a:4* | a:2* | a:5* | a:3 | o:1* | o:9 "},
		{__LINE__, 2, false, "a:42* | a:53 | o:19 "},
		{__LINE__, 3, false, "a:425* | a:3 o:19 "}, /* the rest of the page is used */
		{__LINE__, 4, false, "a:4253 | o:19 "},
		{__LINE__, 5, false, "a:4253 o:1* | o:9 "},
		{__LINE__, 6, false, "a:4253 o:19 "},
		{__LINE__, 100800, false, "a:4253 o:19 "},
		{__LINE__, 1, true, "a:3* | a:5* | a:2* | a:4 | o:9* | o:1 "},
		{__LINE__, 3, true, "a:352* | a:4 o:91 "},
	};
	struct control *c = *state;
	make_history(c);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[256];
		struct buf out = buf_fixed(text, sizeof text);
		take_pages(c, rows[i].most, rows[i].ascending, &out);
		case_str(rows[i].line, buf_str(&out), str_of(rows[i].want));
	}
}

/* New counts between two pages neither repeat nor hide what was there. */
static void pages_while_it_counts(void **state)
{
	struct control *c = *state;
	make_history(c);
	const char *first =
		"{'MetricDataQueries':[" QUERY("a", "Sum", "60") "]," TIMES ",'MaxDatapoints':2";
	char body[1024];
	(void)snprintf(body, sizeof body, "%s}", first);
	json_t *answer = ask(c, 200, "GetMetricData", body);
	(void)snprintf(body, sizeof body, "%s,'NextToken':'%s'}", first,
		json_string_value(json_object_get(answer, "NextToken")));
	json_decref(answer);
	count(c, "web-1", 380, 7);
	assert_string_equal(shown(ask(c, 200, "GetMetricData", body), "MetricDataResults"),
		"[{Id:a,Label:MetadataNoToken,StatusCode:Complete,Timestamps:[@60,@0],"
		"Values:[5.0,3.0]}]");
	/* Its page is of that question only, and as it was made. */
	for (char *p = strstr(body, "NextToken':'") + 12; *p != '\''; p++) {
		char kept = *p;
		*p = kept == '1' ? '2' : '1';
		json_decref(ask(c, 400, "GetMetricData", body));
		*p = kept;
	}
	char *stat = strstr(body, "'Sum'");
	memcpy(stat, "'p50'", 5);
	assert_string_equal(
		shown(ask(c, 400, "GetMetricData", body), "__type"), "InvalidNextToken");
}

/* --- percentiles ------------------------------------------------------------------------------- */

#define LATER "{" WHICH ",'StartTime':1800000000,'EndTime':1800000900,'Period':300"

static void percentiles(void **state)
{
	struct control *c = *state;
	make_history(c);
	assert_string_equal(statistics(c, "'Period':300,'ExtendedStatistics':['p0','p50','p50.1']"),
		"[{ExtendedStatistics:{p0:3.0,p50:3.0,p50.1:5.0},Timestamp:@0,Unit:Count},"
		"{ExtendedStatistics:{p0:2.0,p50:2.0,p50.1:4.0},Timestamp:@300,Unit:Count}]");
	assert_string_equal(statistics(c, "'Period':60,'ExtendedStatistics':['p99']"),
		"[{ExtendedStatistics:{p99:3.0},Timestamp:@0,Unit:Count},"
		"{ExtendedStatistics:{p99:5.0},Timestamp:@60,Unit:Count},"
		"{ExtendedStatistics:{p99:2.0},Timestamp:@300,Unit:Count},"
		"{ExtendedStatistics:{p99:4.0},Timestamp:@360,Unit:Count}]");
	assert_string_equal(
		shown(ask(c, 200, "GetMetricData",
			      "{'MetricDataQueries':[" QUERY("a", "p75", "420") "]," TIMES "}"),
			"MetricDataResults"),
		"[{Id:a,Label:MetadataNoToken,StatusCode:Complete,Timestamps:[@0],Values:[4.0]}]");
	/* Once minutes are summarised, only where all in a summary are alike. */
	count(c, "web-1", 480, 4); /* beside the 4 and the 2 of before */
	count(c, "web-1", 600, 6);
	count(c, "web-1", 660, 6);
	for (int i = 0; i < 3; i++) {
		tick_at(c, 16 * DAY_S + i * 3600);
	}
	assert_string_equal(
		shown(ask(c, 200, "GetMetricStatistics", LATER ",'ExtendedStatistics':['p50']}"),
			"Datapoints"),
		"[{ExtendedStatistics:{p50:6.0},Timestamp:@600,Unit:Count}]");
	assert_string_equal(
		shown(ask(c, 200, "GetMetricStatistics", LATER ",'Statistics':['Sum']}"),
			"Datapoints"),
		"[{Sum:8.0,Timestamp:@0,Unit:Count},{Sum:10.0,Timestamp:@300,Unit:Count},"
		"{Sum:12.0,Timestamp:@600,Unit:Count}]");
}

/* --- which there are --------------------------------------------------------------------------- */

static size_t count_metrics(struct control *c, const char *body)
{
	json_t *answer = ask(c, 200, "ListMetrics", body);
	size_t n = json_array_size(json_object_get(answer, "Metrics"));
	assert_null(json_object_get(answer, "NextToken"));
	json_decref(answer);
	return n;
}

static void lists(void **state)
{
	struct control *c = *state;
	assert_int_equal(count_metrics(c, "{}"), 0);
	make_history(c);
	assert_string_equal(shown(ask(c, 200, "ListMetrics", "{'Namespace':'AWS/EC2'}"), "Metrics"),
		"[{Dimensions:[{Name:InstanceId,Value:" ID "}],MetricName:MetadataNoToken,"
		"Namespace:AWS/EC2},{Dimensions:[{Name:InstanceId,Value:" ID_2 "}],"
		"MetricName:MetadataNoToken,Namespace:AWS/EC2}]");
	assert_int_equal(count_metrics(c, "{'RecentlyActive':'PT3H'}"), 4);
	tick_at(c, 3 * 3600 + 320); /* web-2's last is older */
	assert_int_equal(count_metrics(c, "{'RecentlyActive':'PT3H','Dimensions':null}"), 2);
	tick_at(c, 3 * 3600 + 361);
	assert_int_equal(count_metrics(c, "{'RecentlyActive':'PT3H'}"), 0);
	assert_int_equal(count_metrics(c, "{}"), 4);
}

/* One answer looks at a thousand instances; what is behind them is on the next page. */
static void lists_go_on_behind_an_empty_page(void **state)
{
	static const struct points_set sets[] = {{1, 1, 1, 1}};
	struct control *c = *state;
	CLEANUP(buf_done) struct buf plain = BUF_EMPTY, rejected = BUF_EMPTY;
	struct points_run run;
	char id[32], body[256];
	points_init(&run, POINTS_60_S, CONTROL_NOW_S);
	points_add(&run, CONTROL_NOW_S, HISTORY_NO_TOKEN, sets);
	assert_int_equal(points_encode(&run, &plain), 0);
	points_add(&run, CONTROL_NOW_S, HISTORY_NO_TOKEN_REJECTED, sets);
	assert_int_equal(points_encode(&run, &rejected), 0);
	assert_int_equal(c->store->ops->begin(c->store, NULL), 0);
	for (unsigned i = 0; i < 1001; i++) {
		(void)snprintf(id, sizeof id, "i-%08x", i);
		const struct store_points points = {
			str_of(id), 60, run.start_s, buf_str(i < 1000 ? &plain : &rejected)};
		assert_int_equal(c->store->ops->points_put(c->store, &points, NULL), 0);
	}
	assert_int_equal(c->store->ops->commit(c->store, NULL), 0);
	json_t *answer = ask(c, 200, "ListMetrics", "{'MetricName':'MetadataNoTokenRejected'}");
	assert_int_equal(json_array_size(json_object_get(answer, "Metrics")), 0);
	(void)snprintf(body, sizeof body,
		"{'MetricName':'MetadataNoTokenRejected','NextToken':'%s'}",
		json_string_value(json_object_get(answer, "NextToken")));
	json_decref(answer);
	assert_int_equal(count_metrics(c, body), 1);
	/* Without a filter it is full before that. */
	answer = ask(c, 200, "ListMetrics", "{}");
	assert_int_equal(json_array_size(json_object_get(answer, "Metrics")), 497);
	assert_non_null(json_object_get(answer, "NextToken"));
	json_decref(answer);
}

/* --- faults ------------------------------------------------------------------------------------ */

static const struct {
	const char *operation;
	const char *body;
} calls[] = {
	{"GetMetricStatistics", "{" WHICH "," TIMES ",'Period':60,'Statistics':['Sum']}"},
	{"GetMetricStatistics",
		"{" WHICH "," TIMES ",'Period':60,'ExtendedStatistics':['p50','p99']}"},
	{"GetMetricData", "{'MetricDataQueries':[" QUERY("a", "p50", "60") "," OTHER "]," TIMES
									   ",'MaxDatapoints':3}"},
	{"ListMetrics", "{'IncludeLinkedAccounts':true}"},
};

static void a_failing_store_is_told(void **state)
{
	struct control *c = *state;
	make_history(c);
	for (size_t i = 0; i < COUNT(calls); i++) {
		unsigned before = store_memory_calls(c->store);
		json_decref(ask(c, 200, calls[i].operation, calls[i].body));
		unsigned n = store_memory_calls(c->store) - before;
		assert_true(n > 0);
		for (unsigned nth = 1; nth <= n; nth++) {
			store_memory_fail(c->store, nth, E_DAMAGED);
			assert_string_equal(
				shown(ask(c, 500, calls[i].operation, calls[i].body), "__type"),
				"InternalServiceFault");
		}
	}
}

/* Any allocation may fail: nothing leaks, and the answer is whole, an error or none. */
static void without_memory(void **state)
{
	struct control *c = *state;
	make_history(c);
	for (size_t i = 0; i < COUNT(calls); i++) {
		char target[64];
		char *body = str_dup(str_of(calls[i].body));
		for (char *p = body; *p; p++) {
			*p = (char)(*p == '\'' ? '"' : *p);
		}
		const struct http1_req req = json_request(calls[i].operation, body, target);
		for (unsigned n = 1;; n++) {
			struct api_reply reply;
			send_to(c, &req, n, &reply);
			bool failed = alloc_fail_at(0);
			assert_true(reply.failed || reply.status == 200 || reply.status == 500);
			assert_true(failed || reply.status == 200);
			api_reply_done(&reply);
			if (!failed) {
				break;
			}
		}
		free(body);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(points_in_order),
		TEST(forms_tell_iso_times),
		TEST(orders),
		TEST(pages),
		TEST(pages_while_it_counts),
		TEST(percentiles),
		TEST(lists),
		TEST(lists_go_on_behind_an_empty_page),
		TEST(a_failing_store_is_told),
		TEST(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
