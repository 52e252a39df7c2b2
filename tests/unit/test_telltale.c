/* The operations of the control socket: every row, good and bad, and what is said of failures. */
#include "tests/unit/control_help.h"

#include "control/api.h"

#define PREFIX "Telltale_20261124."

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static json_t *settings(void *ctx)
{
	return ctx ? json_pack("{s:[{s:s, s:s}]}", "settings", "name", "store.url", "value", ctx)
		   : NULL;
}

static int64_t now_ms(void)
{
	return control_clock_s * 1000;
}

static struct api api_of(struct control *c)
{
	static char url[] = "sqlite:///x";
	return (struct api){.registrar = c->registrar,
		.site = &help_site,
		.now_ms = now_ms,
		.certificate = STR("-----BEGIN CERTIFICATE-----\n"),
		.settings = settings,
		.ctx = url};
}

/* ' stands for ". Returns the reply, an object. */
static json_t *call(struct control *c, const char *target, const char *body, unsigned *ret_status)
{
	struct api api = api_of(c);
	struct api_reply answer;
	json_error_t error;
	char *quoted = str_dup(str_of(body));
	assert_non_null(quoted);
	for (char *p = quoted; *p; p++) {
		*p = (char)(*p == '\'' ? '"' : *p);
	}
	struct http1_req req = {.method = HTTP1_POST, .n_fields = 1, .body = str_of(quoted)};
	req.fields[0] = (struct http1_field){STR_INIT("X-Amz-Target"), str_of(target)};
	api_by_socket(&api, &req, STR("uid 0"), &answer);
	free(quoted);
	assert_false(answer.failed);
	*ret_status = answer.status;
	json_t *reply = json_loadb(answer.body.p, answer.body.n, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(reply)) {
		fail_msg("%s %s: \"%.*s\"", target, body, STR_FMT(buf_str(&answer.body)));
	}
	api_reply_done(&answer);
	return reply;
}

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

/* A failure has its code twice and one line for a person. */
static void assert_failure(int line, const json_t *reply, const char *code, const char *says)
{
	case_int(line, (long long)json_object_size(reply), 3);
	case_text(line, str_of(text_at(reply, "__type")), code);
	case_text(line, str_of(text_at(reply, "code")), code);
	const char *message = text_at(reply, "message");
	case_int(line, message[0] != '\0' && !strchr(message, '\n'), true);
	if (!strstr(message, says)) {
		fail_msg("case of line %d: \"%s\"", line, message);
	}
}

#define INPUT       "InvalidInputException"
#define NOT_FOUND   "NotFoundException"
#define TAKEN       "OperationFailureException"
#define SERIALIZED  "SerializationException"
#define UNKNOWN     "UnknownOperationException"
#define INSTANCES   "[{name: aa, match: {addresses: [10.0.0.1]}}, {name: bb, tags: {a b: c}}]"
#define CERTIFICATE "-----BEGIN CERTIFICATE-----\n"

/* In their order, on the same instances. member: what a good reply has; it may be the only one. */
static const struct row {
	int line;
	const char *operation;
	const char *body;
	unsigned status;
	const char *code; /* of a failure; NULL: none */
	const char *says; /* of a failure; else the member that a good reply has */
} rows[] = {
	{__LINE__, "GetInstance", "{'instanceName': 'aa'}", 200, NULL, "instance"},
	{__LINE__, "GetInstance", "{'instanceName': 'a'}", 400, NOT_FOUND, "'a'"},
	{__LINE__, "GetInstance", "{'instanceName': ''}", 400, NOT_FOUND, "''"},
	{__LINE__, "GetInstance", "{}", 400, INPUT, "instanceName is missing"},
	{__LINE__, "GetInstance", "{'instanceName': 7}", 400, INPUT, "instanceName: expected text"},
	{__LINE__, "GetInstance", "{'instanceName': null}", 400, INPUT, "instanceName"},
	{__LINE__, "GetInstance", "{'instanceName': 'aa', 'x': 1}", 400, INPUT,
		"unknown member 'x'"},
	{__LINE__, "GetInstance", "{'instancename': 'aa'}", 400, INPUT, "instancename"},

	{__LINE__, "GetInstances", "{}", 200, NULL, "instances"},
	{__LINE__, "GetInstances", "{'pageToken': 'aa'}", 200, NULL, "instances"},
	{__LINE__, "GetInstances", "{'pageToken': 1}", 400, INPUT, "pageToken"},
	{__LINE__, "GetInstances", "{'instanceName': 'aa'}", 400, INPUT, "instanceName"},

	{__LINE__, "PutInstances", "{'text': '{name: cc}'}", 200, NULL, "instanceNames"},
	{__LINE__, "PutInstances", "{'text': '{name: cc}', 'file': '/x/y.yaml'}", 200, NULL,
		"instanceNames"},
	{__LINE__, "PutInstances", "{'text': '[]'}", 200, NULL, "instanceNames"},
	{__LINE__, "PutInstances", "{'text': ''}", 400, INPUT, ""},
	{__LINE__, "PutInstances", "{'text': '{name: -}'}", 400, INPUT, "name"},
	{__LINE__, "PutInstances", "{'text': '{name: dd', 'file': '/x/y.yaml'}", 400, INPUT,
		"/x/y.yaml"},
	{__LINE__, "PutInstances", "{'text': '{name: dd}', 'file': 'y.yaml'}", 400, INPUT,
		"absolute"},
	{__LINE__, "PutInstances", "{'text': '{name: dd}', 'file': ''}", 400, INPUT, "absolute"},
	{__LINE__, "PutInstances", "{'text': '{name: dd}', 'file': 1}", 400, INPUT, "file"},
	{__LINE__, "PutInstances", "{'text': {'name': 'dd'}}", 400, INPUT, "text: expected text"},
	{__LINE__, "PutInstances", "{}", 400, INPUT, "text is missing"},
	{__LINE__, "PutInstances", "{'instances': []}", 400, INPUT, "instances"},
	{__LINE__, "PutInstances", "{'text': '{name: dd, match: {addresses: [10.0.0.1]}}'}", 400,
		TAKEN, "10.0.0.1"},
	{__LINE__, "PutInstances", "{'text': '[{name: dd}, {name: dd}]'}", 400, TAKEN, "dd"},
	/* No file: none may be named, and none is opened. */
	{__LINE__, "PutInstances", "{'text': '{name: dd, userDataFile: /etc/passwd}'}", 400, INPUT,
		"userDataFile"},
	{__LINE__, "PutInstances",
		"{'text': '{name: dd, role: {name: r, credentials: {file: r.json}}}'}", 400, INPUT,
		"absolute"},
	{__LINE__, "PutInstances",
		"{'text': '{name: dd, userDataFile: nothing}', 'file': '/no/such/folder/x.yaml'}",
		400, INPUT, "userDataFile"},
	{__LINE__, "PutInstances",
		"{'text': '{name: dd, userDataFile: passwd/x}', 'file': '/etc/x.yaml'}", 400, INPUT,
		"userDataFile"},

	{__LINE__, "UpdateInstanceMetadataOptions",
		"{'instanceName': 'aa', 'httpTokens': 'required', 'httpPutResponseHopLimit': 2}",
		200, NULL, "instance"},
	{__LINE__, "UpdateInstanceMetadataOptions", "{'instanceName': 'aa'}", 200, NULL,
		"instance"},
	{__LINE__, "UpdateInstanceMetadataOptions",
		"{'instanceName': 'a', 'httpTokens': 'required'}", 400, NOT_FOUND, "'a'"},
	{__LINE__, "UpdateInstanceMetadataOptions", "{'httpTokens': 'required'}", 400, INPUT,
		"instanceName is missing"},
	{__LINE__, "UpdateInstanceMetadataOptions", "{'instanceName': 'aa', 'httpTokens': 'on'}",
		400, INPUT, "httpTokens"},
	{__LINE__, "UpdateInstanceMetadataOptions",
		"{'instanceName': 'aa', 'httpPutResponseHopLimit': 65}", 400, INPUT,
		"httpPutResponseHopLimit"},
	{__LINE__, "UpdateInstanceMetadataOptions", "{'instanceName': 'aa', 'tags': {}}", 400,
		INPUT, "tags"},
	{__LINE__, "UpdateInstanceMetadataOptions",
		"{'instanceName': 'bb', 'instanceMetadataTags': 'enabled'}", 400, INPUT, "'a b'"},

	{__LINE__, "RevokeTokens", "{'instanceName': 'aa'}", 200, NULL, NULL},
	{__LINE__, "RevokeTokens", "{'instanceName': 'a'}", 400, NOT_FOUND, "'a'"},
	{__LINE__, "RevokeTokens", "{}", 400, INPUT, "instanceName is missing"},
	{__LINE__, "RevokeTokens", "{'instanceName': 'aa', 'all': true}", 400, INPUT, "all"},

	{__LINE__, "GetIdentityCertificate", "{}", 200, NULL, "certificate"},
	{__LINE__, "GetIdentityCertificate", "{'x': 1}", 400, INPUT, "'x'"},
	{__LINE__, "GetConfiguration", "{}", 200, NULL, "settings"},
	{__LINE__, "GetConfiguration", "{'x': 1}", 400, INPUT, "'x'"},

	{__LINE__, "DeleteInstance", "{'instanceName': 'a'}", 400, NOT_FOUND, "'a'"},
	{__LINE__, "DeleteInstance", "{}", 400, INPUT, "instanceName is missing"},
	{__LINE__, "DeleteInstance", "{'instanceName': 'aa', 'force': true}", 400, INPUT, "force"},
	{__LINE__, "DeleteInstance", "{'instanceName': 'aa'}", 200, NULL, NULL},
	{__LINE__, "DeleteInstance", "{'instanceName': 'aa'}", 400, NOT_FOUND, "'aa'"},
	{__LINE__, "GetInstance", "{'instanceName': 'aa'}", 400, NOT_FOUND, "'aa'"},
};

static void every_operation(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, INSTANCES), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		char target[64];
		unsigned status;
		(void)snprintf(target, sizeof target, PREFIX "%s", row->operation);
		json_t *reply = call(c, target, row->body, &status);
		case_int(row->line, status, row->status);
		if (row->code) {
			assert_failure(row->line, reply, row->code, row->says);
		} else {
			case_int(row->line, (long long)json_object_size(reply), row->says ? 1 : 0);
			case_int(row->line, !row->says || json_object_get(reply, row->says), true);
		}
		json_decref(reply);
	}
	/* Of those that were to be refused none is there. */
	assert_null(control_instance(c, "dd"));
	assert_int_equal(registry_count(c->registry), 2);
}

/* Bodies that are no JSON objects, for every operation. */
static void bodies_that_are_none(void **state)
{
	struct control *c = *state;
	static const char *const operations[] = {"GetInstance", "GetInstances", "PutInstances",
		"DeleteInstance", "RevokeTokens", "UpdateInstanceMetadataOptions",
		"GetIdentityCertificate", "GetConfiguration"};
	static const char *const bodies[] = {" ", "{", "[]", "'aa'", "null", "7", "{} {}",
		"{'a': 1,}", "{'instanceName': 'aa', 'instanceName': 'aa'}",
		"{'instanceName': 'a\\u0000a'}", "{'instanceName': '\xff'}"};
	assert_int_equal(control_put(c, INSTANCES), 0);
	char *before = control_dump(c);
	for (size_t i = 0; i < COUNT(operations); i++) {
		for (size_t k = 0; k < COUNT(bodies); k++) {
			char target[64];
			unsigned status;
			(void)snprintf(target, sizeof target, PREFIX "%s", operations[i]);
			json_t *reply = call(c, target, bodies[k], &status);
			assert_int_equal(status, 400);
			assert_failure(__LINE__, reply, SERIALIZED, "not a JSON object");
			json_decref(reply);
		}
	}
	char *after = control_dump(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void operations_that_are_none(void **state)
{
	struct control *c = *state;
	static const char *const targets[] = {"", "GetInstance", PREFIX, PREFIX "getInstance",
		PREFIX "GetInstancess", PREFIX "GetInstance ", "Telltale_20261125.GetInstance",
		"Lightsail_20161128.GetInstance", PREFIX PREFIX "GetInstance"};
	for (size_t i = 0; i < COUNT(targets); i++) {
		unsigned status;
		json_t *reply = call(c, targets[i], "{'instanceName': 'aa'}", &status);
		assert_int_equal(status, 404);
		assert_failure(__LINE__, reply, UNKNOWN, "docs/control.md");
		json_decref(reply);
	}
}

/* What the good ones say and do. */
static void effects(void **state)
{
	struct control *c = *state;
	unsigned status;
	assert_int_equal(control_put(c, INSTANCES), 0);
	json_t *reply = call(c, PREFIX "GetInstance", "{'instanceName': 'aa'}", &status);
	assert_string_equal(text_at(json_object_get(reply, "instance"), "name"), "aa");
	json_decref(reply);

	reply = call(c, PREFIX "GetInstances", "{}", &status);
	const json_t *list = json_object_get(reply, "instances");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_at(json_array_get(list, 0), "name"), "aa");
	assert_string_equal(text_at(json_array_get(list, 1), "name"), "bb");
	json_decref(reply);

	reply = call(
		c, PREFIX "PutInstances", "{'text': '- {name: dd}\\n- {name: cc}\\n'}", &status);
	list = json_object_get(reply, "instanceNames");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "dd");
	assert_non_null(control_instance(c, "cc"));
	json_decref(reply);

	reply = call(c, PREFIX "UpdateInstanceMetadataOptions",
		"{'instanceName': 'aa', 'httpTokens': 'required'}", &status);
	assert_string_equal(
		text_at(json_object_get(json_object_get(reply, "instance"), "metadataOptions"),
			"httpTokens"),
		"required");
	assert_true(control_instance(c, "aa")->options.tokens_required);
	json_decref(reply);

	uint32_t epoch = control_instance(c, "aa")->record.token_epoch;
	reply = call(c, PREFIX "RevokeTokens", "{'instanceName': 'aa'}", &status);
	assert_int_equal(control_instance(c, "aa")->record.token_epoch, (uint32_t)(epoch + 1));
	json_decref(reply);

	reply = call(c, PREFIX "GetIdentityCertificate", "{}", &status);
	assert_string_equal(text_at(reply, "certificate"), CERTIFICATE);
	json_decref(reply);
	reply = call(c, PREFIX "GetConfiguration", "{}", &status);
	assert_string_equal(text_at(json_array_get(json_object_get(reply, "settings"), 0), "name"),
		"store.url");
	json_decref(reply);
}

static void pages(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	unsigned status;
	for (int i = 0; i < REGISTRAR_PAGE + 1; i++) {
		buf_add_f(&text, "- {name: n%04d, match: {addresses: [10.0.%d.%d]}}\n", i, i / 256,
			i % 256);
	}
	buf_add_char(&text, '\0');
	assert_int_equal(control_put(c, text.p), 0);
	json_t *reply = call(c, PREFIX "GetInstances", "{}", &status);
	assert_int_equal(json_array_size(json_object_get(reply, "instances")), REGISTRAR_PAGE);
	assert_string_equal(text_at(reply, "nextPageToken"), "n0999");
	json_decref(reply);
	reply = call(c, PREFIX "GetInstances", "{'pageToken': 'n0999'}", &status);
	assert_int_equal(json_array_size(json_object_get(reply, "instances")), 1);
	assert_null(json_object_get(reply, "nextPageToken"));
	json_decref(reply);
}

/* What goes wrong here, and not in the request, is another kind of failure. */
static void failures_of_the_store(void **state)
{
	struct control *c = *state;
	static const struct {
		int line;
		const char *target;
		const char *body;
	} cases[] = {
		{__LINE__, PREFIX "PutInstances", "{'text': '{name: cc}'}"},
		{__LINE__, PREFIX "DeleteInstance", "{'instanceName': 'aa'}"},
		{__LINE__, PREFIX "RevokeTokens", "{'instanceName': 'aa'}"},
		{__LINE__, PREFIX "UpdateInstanceMetadataOptions",
			"{'instanceName': 'aa', 'httpTokens': 'required'}"},
	};
	static const int codes[] = {E_FULL, E_READONLY, E_BUSY, E_DAMAGED, -EIO};
	assert_int_equal(control_put(c, INSTANCES), 0);
	char *before = control_dump(c);
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t k = 0; k < COUNT(codes); k++) {
			unsigned status;
			store_memory_fail(c->store, 2, codes[k]); /* 1 is the reading */
			json_t *reply = call(c, cases[i].target, cases[i].body, &status);
			case_int(cases[i].line, status, 500);
			assert_failure(cases[i].line, reply, "ServiceException", "made to fail");
			json_decref(reply);
		}
	}
	char *after = control_dump(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void settings_that_can_not_be_had(void **state)
{
	struct control *c = *state;
	struct api api = api_of(c);
	struct api_reply answer;
	struct http1_req req = {.method = HTTP1_POST, .n_fields = 1, .body = STR("{}")};
	req.fields[0] =
		(struct http1_field){STR_INIT("X-Amz-Target"), STR(PREFIX "GetConfiguration")};
	api.ctx = NULL;
	api_by_socket(&api, &req, STR("uid 0"), &answer);
	assert_int_equal(answer.status, 500);
	assert_non_null(memmem(answer.body.p, answer.body.n, "ServiceException", 16));
	api_reply_done(&answer);
}

/* A message that quotes what was sent is one line all the same. */
static void quoted_messages(void **state)
{
	struct control *c = *state;
	static const struct {
		int line;
		const char *operation, *body, *says;
	} cases[] = {
		{__LINE__, "GetInstance", "{'a\\nb\\u0007c\\u007fd': 1}",
			"unknown member 'a?b?c?d'"},
		{__LINE__, "GetInstance", "{'instanceName': 'a\\r\\nb'}", "'a??b'"},
		{__LINE__, "UpdateInstanceMetadataOptions", "{'instanceName': 'aa', 'x\\n': 1}",
			"unknown member 'x?'"},
		{__LINE__, "UpdateInstanceMetadataOptions",
			"{'instanceName': 'aa', 'httpTokens': '\\u001b[31m'}", "'?[31m'"},
	};
	assert_int_equal(control_put(c, INSTANCES), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char target[64];
		unsigned status;
		(void)snprintf(target, sizeof target, PREFIX "%s", cases[i].operation);
		json_t *reply = call(c, target, cases[i].body, &status);
		case_int(cases[i].line, status, 400);
		if (!strstr(text_at(reply, "message"), cases[i].says)) {
			fail_msg("case of line %d: \"%s\"", cases[i].line,
				text_at(reply, "message"));
		}
		json_decref(reply);
	}
}

/* A message has a limit; where it ends, a character does. */
static void long_messages(void **state)
{
	struct control *c = *state;
	for (size_t n = DIAG_TEXT_BYTES - 40; n < DIAG_TEXT_BYTES + 40; n++) {
		static const char *const characters[] = {
			"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
		for (size_t k = 0; k < COUNT(characters); k++) {
			CLEANUP(buf_done) struct buf body = BUF_EMPTY;
			unsigned status;
			buf_add(&body, STR("{'"));
			for (size_t i = 0; i < n % 4; i++) {
				buf_add_char(&body, 'x');
			}
			while (body.n < n) {
				buf_add(&body, str_of(characters[k]));
			}
			buf_add(&body, STR("': 1}"));
			buf_add_char(&body, '\0');
			json_t *reply = call(c, PREFIX "GetInstance", body.p, &status);
			assert_int_equal(status, 400);
			assert_failure(__LINE__, reply, INPUT, "unknown member '");
			json_decref(reply);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_operation),
		TEST(bodies_that_are_none),
		TEST(operations_that_are_none),
		TEST(effects),
		TEST(pages),
		TEST(failures_of_the_store),
		TEST(settings_that_can_not_be_had),
		TEST(quoted_messages),
		TEST(long_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
