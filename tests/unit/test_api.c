/* Every row of every service asks for its own action before anything else, in each of its protocols. */
#include "tests/unit/control_help.h"

#include "tests/unit/cases.h"

#include "control/api.h"
#include "platform/file.h"

#define FORM_BYTES 256

struct asked {
	int rc; /* what is answered */
	struct str service;
	struct str action;
	unsigned n;
};

static int on_authorize(void *ctx, const struct http1_req *req, struct str service,
	struct str action, struct access_who *ret_who)
{
	struct asked *asked = ctx;
	(void)req;
	memcpy(ret_who->access_key_id, "AKID", sizeof "AKID");
	asked->service = service;
	asked->action = action;
	asked->n++;
	return asked->rc;
}

static int64_t now_ms(void)
{
	return control_clock_s * 1000;
}

/* Whatever the protocol, a request's name is in the reply's fields, once: there all SDKs look. */
static void assert_named(const struct api_reply *reply)
{
	const struct str name = STR("x-amzn-RequestId: ");
	struct str fields = buf_str(&reply->fields);
	size_t n = 0;
	for (size_t at = 0; at < fields.n; at++) {
		n += str_starts(str_from(fields, at), name);
	}
	assert_int_equal(n, 1);
}

/* The status; the reply's text, and the fields before it, in out. */
static unsigned ask(
	struct control *c, struct asked *asked, const struct http1_req *req, struct buf *out)
{
	struct api_reply reply;
	const struct api api = {.registrar = c->registrar,
		.site = &help_site,
		.now_ms = now_ms,
		.authorize = on_authorize,
		.ctx = asked};
	api_by_address(&api, req, STR("127.0.0.1"), &reply);
	assert_false(reply.failed);
	assert_named(&reply);
	buf_reset(out);
	buf_add(out, buf_str(&reply.fields));
	buf_add(out, buf_str(&reply.body));
	buf_add_char(out, '\0');
	assert_int_equal(buf_status(out), 0);
	api_reply_done(&reply);
	return reply.status;
}

static unsigned ask_json(struct control *c, struct asked *asked, const char *target,
	const char *body, struct buf *out)
{
	struct http1_req req = {
		.method = HTTP1_POST, .target = STR("/"), .n_fields = 1, .body = str_of(body)};
	req.fields[0] = (struct http1_field){STR_INIT("X-Amz-Target"), str_of(target)};
	return ask(c, asked, &req, out);
}

static unsigned ask_form(struct control *c, struct asked *asked, const char *form, struct buf *out)
{
	struct http1_req req = {.method = HTTP1_POST, .target = STR("/"), .body = str_of(form)};
	return ask(c, asked, &req, out);
}

struct refusal {
	int rc;
	unsigned status;
	const char *code;
};

static const struct refusal json_refusals[] = {
	{-ENXIO, 400, "UnrecognizedClientException"},
	{-ENOKEY, 400, "UnrecognizedClientException"},
	{E_NOTFOUND, 400, "MissingAuthenticationTokenException"},
	{E_SYNTAX, 400, "IncompleteSignatureException"},
	{E_AUTH, 400, "InvalidSignatureException"},
	{E_RANGE, 400, "InvalidSignatureException"},
	{E_DENIED, 400, "AccessDeniedException"},
	{-ENOMEM, 500, "ServiceException"},
};

static const struct refusal ec2_refusals[] = {
	{-ENXIO, 401, "AuthFailure"},
	{-ENOKEY, 401, "AuthFailure"},
	{E_NOTFOUND, 403, "MissingAuthenticationToken"},
	{E_SYNTAX, 400, "IncompleteSignature"},
	{E_AUTH, 401, "AuthFailure"},
	{E_RANGE, 400, "RequestExpired"},
	{E_DENIED, 403, "UnauthorizedOperation"},
	{-ENOMEM, 500, "InternalError"},
};

static const struct refusal query_refusals[] = {
	{-ENXIO, 403, "InvalidClientTokenId"},
	{-ENOKEY, 403, "InvalidClientTokenId"},
	{E_NOTFOUND, 403, "MissingAuthenticationToken"},
	{E_SYNTAX, 400, "IncompleteSignature"},
	{E_AUTH, 403, "SignatureDoesNotMatch"},
	{E_RANGE, 400, "RequestExpired"},
	{E_DENIED, 403, "AccessDenied"},
	{-ENOMEM, 500, "InternalFailure"},
};

/* Whoever is refused, by whatever way, was asked about the row's own action and changes nothing. */
static void assert_refused(
	struct control *c, const struct api_row *row, bool json, const struct refusal *refusal)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct asked asked = {.rc = refusal->rc};
	char text[FORM_BYTES];
	unsigned status;
	if (json) {
		(void)snprintf(
			text, sizeof text, "%.*s%.*s", STR_FMT(row->target), STR_FMT(row->name));
		status = ask_json(c, &asked, text, "{\"instanceName\": \"web-1\"}", &out);
	} else {
		(void)snprintf(text, sizeof text, "Action=%.*s&Version=%.*s", STR_FMT(row->name),
			STR_FMT(row->version));
		status = ask_form(c, &asked, text, &out);
	}
	if (status != refusal->status || !strstr(out.p, refusal->code)) {
		fail_msg("%s: %u %s, not %s", text, status, out.p, refusal->code);
	}
	assert_int_equal(asked.n, 1);
	assert_true(str_eq(asked.service, row->service));
	assert_true(str_eq(asked.action, row->action));
}

static int count_denied(void *ctx, const struct store_audit *audit)
{
	size_t *n = ctx;
	assert_true(str_eq(audit->result, STR("AccessDenied")));
	assert_true(str_eq(audit->who, STR("AKID")));
	assert_true(str_eq(audit->from, STR("127.0.0.1")));
	++*n;
	return 0;
}

static void every_row_asks_first(void **state)
{
	struct control *c = *state;
	struct api_row row;
	size_t rows = 0, writes = 0, denied = 0;
	assert_int_equal(control_put(c, "name: web-1\n"), 0);
	char *before = control_dump(c);
	for (; api_row(rows, &row); rows++) {
		bool ec2 = str_eq(row.service, STR("ec2"));
		assert_true(row.target.n || row.version.n);
		for (size_t i = 0; i < COUNT(json_refusals); i++) {
			if (row.target.n) {
				assert_refused(c, &row, true, &json_refusals[i]);
			}
			if (row.version.n) {
				assert_refused(c, &row, false,
					ec2 ? &ec2_refusals[i] : &query_refusals[i]);
			}
		}
		writes += row.write && row.target.n;
		writes += row.write && row.version.n;
	}
	assert_true(rows >= 20);
	char *after = control_dump(c);
	assert_string_equal(before, after);
	free(before);
	free(after);
	/* Attempts at a change by somebody who is known, and nothing else, are recorded. */
	assert_int_equal(
		c->store->ops->audit_each(c->store, STR_EMPTY, 0, count_denied, &denied, NULL), 0);
	assert_int_equal(denied, writes);
}

static int add_denied(void *ctx, const struct store_audit *audit)
{
	buf_add_f(ctx, "%.*s %.*s\n", STR_FMT(audit->action), STR_FMT(audit->resource));
	return 0;
}

/* One API's name may look like the other's id: an attempt is recorded of the instance that is meant. */
static void who_is_meant_is_recorded(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY, records = BUF_EMPTY;
	struct asked asked = {.rc = E_DENIED};
	assert_int_equal(control_put(c, "- {name: web-1, instanceId: i-00000001}\n"
					"- {name: i-00000001, instanceId: i-00000002}\n"),
		0);
	assert_int_equal(ask_json(c, &asked, "Lightsail_20161128.StopInstance",
				 "{\"instanceName\": \"i-00000001\"}", &out),
		400);
	assert_int_equal(ask_form(c, &asked,
				 "Action=ModifyInstanceMetadataOptions&Version=2016-11-15"
				 "&InstanceId=i-00000001",
				 &out),
		403);
	assert_int_equal(ask_form(c, &asked,
				 "Action=ModifyInstanceMetadataOptions&Version=2016-11-15"
				 "&InstanceId=i-00000009",
				 &out),
		403);
	assert_int_equal(
		c->store->ops->audit_each(c->store, STR_EMPTY, 0, add_denied, &records, NULL), 0);
	buf_add_char(&records, '\0');
	assert_string_equal(records.p, "ec2:ModifyInstanceMetadataOptions i-00000009\n"
				       "ec2:ModifyInstanceMetadataOptions web-1\n"
				       "lightsail:StopInstance i-00000001\n");
}

/* Who has not signed does not learn what there is. */
static void unknown_ones_ask_too(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct asked asked = {.rc = E_NOTFOUND};
	const char *target = "Lightsail_20161128.CreateDisk";
	assert_int_equal(ask_json(c, &asked, target, "{}", &out), 400);
	assert_null(strstr(out.p, "CreateDisk"));
	assert_int_equal(ask_form(c, &asked, "Action=RunInstances&Version=2016-11-15", &out), 403);
	asked.rc = 0;
	assert_int_equal(ask_json(c, &asked, target, "{}", &out), 404);
	assert_non_null(strstr(out.p, "CreateDisk is not an operation"));
	assert_int_equal(asked.action.n, 0);
	assert_int_equal(ask_form(c, &asked, "Action=RunInstances&Version=2016-11-15", &out), 400);
	assert_non_null(strstr(out.p, "<Code>InvalidAction</Code><Message>RunInstances is not"));
	assert_int_equal(ask_form(c, &asked, "Action=RunInstances&Version=1999-01-01", &out), 400);
	assert_non_null(strstr(out.p, "<Code>NoSuchVersion</Code>"));
	assert_int_equal(ask_form(c, &asked, "", &out), 400);
	assert_int_equal(ask_form(c, &asked, "Action=A&Action=B", &out), 400);
	assert_non_null(strstr(out.p, "<Code>MalformedQueryString</Code>"));
	assert_int_equal(ask_json(c, &asked, "Lightsail_20161128.GetInstance",
				 "{\"instanceName\": \"x\"}", &out),
		400);
	assert_non_null(strstr(out.p, "NotFoundException"));
	assert_int_equal(ask_json(c, &asked, "Lightsail_20161128.GetInstances", "", &out), 200);
	assert_non_null(strstr(out.p, "{\"instances\":[]}"));
}

/* What a link is signed with is not its operation's. */
static void presigned_links(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct asked asked = {.rc = 0};
	struct http1_req req = {.method = HTTP1_GET,
		.target = STR("/?Action=DescribeRegions&Version=2016-11-15&X-Amz-Date=1"
			      "&X-Amz-Credential=AKID%2F2&X-Amz-Signature=0")};
	assert_int_equal(ask(c, &asked, &req, &out), 200);
	assert_non_null(strstr(out.p, "<regionName>" HELP_REGION));
	req.target = STR("/?Action=DescribeRegions&Version=2016-11-15&X-Amzn=1");
	assert_int_equal(ask(c, &asked, &req, &out), 400);
	assert_non_null(strstr(out.p, "X-Amzn"));
}

/* --- what the manual says --------------------------------------------------------------------- */

#define MANUAL       TEST_SOURCE_ROOT "/docs/control.md"
#define MANUAL_BYTES ((size_t)256 * 1024)

/* The actions in the first column of a table of operations, " ec2:CreateTags ec2:DeleteTags …". */
static void add_actions(struct buf *out, const char *prefix, struct str cell)
{
	while (cell.n) {
		struct str name = {cell.p, str_find(cell, ',')};
		cell = str_from(cell, name.n < cell.n ? name.n + 1 : name.n);
		buf_add_f(out, "%s:%.*s ", prefix, STR_FMT(str_trim(name)));
	}
}

static void add_documented(struct buf *out, const char *prefix, struct str text, const char *title)
{
	char heading[64];
	(void)snprintf(heading, sizeof heading, "\n## %s\n", title);
	const char *at = strstr(text.p, heading);
	at = at ? strstr(at, "\n| operation | |\n| --- | --- |\n") : NULL;
	assert_non_null(at);
	struct str rest = str_of(at + strlen("\n| operation | |\n| --- | --- |\n"));
	while (str_starts(rest, STR("| "))) {
		struct str cells = str_from(rest, 2);
		add_actions(out, prefix, (struct str){cells.p, str_find(cells, '|')});
		rest = str_from(rest, str_find(rest, '\n') + 1);
	}
}

static void the_manual_has_every_operation(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf manual = BUF_EMPTY, documented = BUF_EMPTY;
	struct diag diag;
	struct api_row row;
	size_t rows = 0, n = 0;
	assert_int_equal(file_read(MANUAL, MANUAL_BYTES, &manual, &diag), 0);
	buf_add_char(&manual, '\0');
	buf_add_char(&documented, ' ');
	add_documented(&documented, "lightsail", buf_str(&manual), "Lightsail");
	add_documented(&documented, "ec2", buf_str(&manual), "EC2");
	add_documented(&documented, "cloudwatch", buf_str(&manual), "CloudWatch");
	buf_add_char(&documented, '\0');
	assert_int_equal(buf_status(&documented), 0);
	for (; api_row(rows, &row); rows++) {
		char action[96];
		(void)snprintf(action, sizeof action, " %.*s ", STR_FMT(row.action));
		if (!strstr(documented.p, action)) {
			fail_msg("docs/control.md does not have%s", action);
		}
	}
	for (const char *at = documented.p; (at = strchr(at, ':')); at++) {
		n++;
	}
	assert_int_equal(n, rows); /* and nothing that is not there */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_row_asks_first),
		TEST(who_is_meant_is_recorded),
		TEST(unknown_ones_ask_too),
		TEST(presigned_links),
		TEST(the_manual_has_every_operation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
