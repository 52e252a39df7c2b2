/* Lightsail's rows: each asks for its own action before anything else; integration tests do the rest. */
#include "tests/unit/control_help.h"

#include "tests/unit/cases.h"

#include "control/lightsail.h"

struct asked {
	int rc; /* what is answered */
	struct str action;
	unsigned n;
};

static int on_authorize(void *ctx, const struct http1_req *req, struct str service,
	struct str action, struct access_who *ret_who)
{
	struct asked *asked = ctx;
	(void)req;
	assert_true(str_eq(service, STR("lightsail")));
	memcpy(ret_who->access_key_id, "AKID", sizeof "AKID");
	asked->action = action;
	asked->n++;
	return asked->rc;
}

/* The status; the reply's text in out. */
static unsigned call(struct control *c, struct asked *asked, const char *operation,
	const char *body, struct buf *out)
{
	char target[128], id[LIGHTSAIL_REQUEST_BYTES];
	const struct lightsail lightsail = {.registrar = c->registrar,
		.site = &help_site,
		.now_s = control_now_s,
		.authorize = on_authorize,
		.ctx = asked};
	(void)snprintf(target, sizeof target, LIGHTSAIL_TARGET "%s", operation);
	struct http1_req req = {.method = HTTP1_POST, .n_fields = 1, .body = str_of(body)};
	req.fields[0] = (struct http1_field){STR_INIT("X-Amz-Target"), str_of(target)};
	buf_reset(out);
	unsigned status = lightsail_call(&lightsail, &req, STR("127.0.0.1"), id, out);
	assert_int_equal(strlen(id), sizeof id - 1);
	buf_add_char(out, '\0');
	return status;
}

static const struct {
	int rc;
	unsigned status;
	const char *code;
} refusals[] = {
	{-ENXIO, 403, "UnrecognizedClientException"},
	{-ENOKEY, 403, "UnrecognizedClientException"},
	{E_NOTFOUND, 403, "MissingAuthenticationTokenException"},
	{E_SYNTAX, 403, "IncompleteSignatureException"},
	{E_AUTH, 403, "InvalidSignatureException"},
	{E_RANGE, 403, "InvalidSignatureException"},
	{E_DENIED, 403, "AccessDeniedException"},
	{-ENOMEM, 500, "ServiceException"},
};

static void every_row_asks_first(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	assert_int_equal(control_put(c, "name: web-1\n"), 0);
	char *before = control_dump(c);
	size_t rows = 0;
	for (; lightsail_action(rows).n; rows++) {
		struct str action = lightsail_action(rows);
		const char *operation = action.p + sizeof "lightsail:" - 1;
		for (size_t i = 0; i < COUNT(refusals); i++) {
			struct asked asked = {.rc = refusals[i].rc};
			assert_int_equal(
				call(c, &asked, operation, "{\"instanceName\": \"web-1\"}", &out),
				refusals[i].status);
			assert_non_null(strstr(out.p, refusals[i].code));
			assert_int_equal(asked.n, 1);
			assert_true(str_eq(asked.action, action));
		}
	}
	assert_true(rows >= 13);
	char *after = control_dump(c);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* Who has not signed does not learn what there is. */
static void unknown_ones_ask_too(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct asked asked = {.rc = E_NOTFOUND};
	assert_int_equal(call(c, &asked, "CreateDisk", "{}", &out), 403);
	asked.rc = 0;
	assert_int_equal(call(c, &asked, "CreateDisk", "{}", &out), 404);
	assert_non_null(strstr(out.p, "CreateDisk"));
	assert_int_equal(asked.action.n, 0);
	assert_int_equal(call(c, &asked, "GetInstance", "{\"instanceName\": \"x\"}", &out), 400);
	assert_non_null(strstr(out.p, "NotFoundException"));
	assert_int_equal(call(c, &asked, "GetInstances", "", &out), 200);
	assert_string_equal(out.p, "{\"instances\":[]}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_row_asks_first),
		TEST(unknown_ones_ask_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
