/* A role's credentials: both forms of the file, the document, times that roll, texts that are none. */
#include "tests/unit/metadata_help.h"

#include "metadata/role.h"

/* Where is a member wrong, and what is then said. */
struct bad {
	int line;
	const char *text; /* ' stands for " */
	int rc;
	const char *says;
};

static char *quoted(const char *text)
{
	char *copy = str_dup(str_of(text));
	assert_non_null(copy);
	for (char *c = copy; *c; c++) {
		*c = (char)(*c == '\'' ? '"' : *c);
	}
	return copy;
}

static struct role_credentials *parse(const char *text)
{
	struct role_credentials *role = NULL;
	struct diag diag = {{0}};
	char *copy = quoted(text);
	if (role_parse(str_of(copy), &role, &diag) < 0) {
		fail_msg("%s: %s", text, diag.text);
	}
	free(copy);
	return role;
}

static void metadata_document(void **state)
{
	(void)state;
	struct role_credentials *role = parse(
		"{'Code': 'Success', 'LastUpdated': '2023-10-02T11:22:33Z', 'Type': 'AWS-HMAC',"
		" 'AccessKeyId': 'ASIAIOSFODNN7EXAMPLE', 'SecretAccessKey': 'wJalr/K7+EXAMPLE',"
		" 'Token': 'IQoJ//8=', 'Expiration': '2023-10-02T17:45:00Z'}");
	case_text(__LINE__, role->access_key_id, "ASIAIOSFODNN7EXAMPLE");
	case_text(__LINE__, role->secret_access_key, "wJalr/K7+EXAMPLE");
	case_text(__LINE__, role->token, "IQoJ//8=");
	assert_int_equal(role->updated_s, 1696245753);
	assert_int_equal(role->expiration_s, 1696268700);
	assert_false(role->failed);
	assert_null(role->file.p);
	role_free(role);
}

static void credential_process(void **state)
{
	(void)state;
	struct role_credentials *role =
		parse("{'Version': 1, 'AccessKeyId': 'AKIA', 'SecretAccessKey': 's',"
		      " 'SessionToken': 't', 'Expiration': '2030-01-02T03:04:05+00:00'}");
	case_text(__LINE__, role->access_key_id, "AKIA");
	case_text(__LINE__, role->secret_access_key, "s");
	case_text(__LINE__, role->token, "t");
	assert_int_equal(role->updated_s, 0);
	assert_int_equal(role->expiration_s, 1893553445);
	role_free(role);
	/* A user's own keys have neither. */
	role = parse("{'Version': 1, 'AccessKeyId': 'AKIA', 'SecretAccessKey': 's'}");
	assert_int_equal(role->token.n, 0);
	assert_int_equal(role->expiration_s, 0);
	role_free(role);
	/* Token goes before SessionToken. */
	role = parse(
		"{'AccessKeyId': 'A', 'SecretAccessKey': 's', 'SessionToken': 'b', 'Token': 'a'}");
	case_text(__LINE__, role->token, "a");
	role_free(role);
}

static const struct bad bads[] = {
	{__LINE__, "", E_SYNTAX, "not JSON"},
	{__LINE__, " ", E_SYNTAX, "not JSON"},
	{__LINE__, "{", E_SYNTAX, "not JSON"},
	{__LINE__, "not json", E_SYNTAX, "line 1"},
	{__LINE__, "{'AccessKeyId': 'A', 'SecretAccessKey': 's'} x", E_SYNTAX, "not JSON"},
	{__LINE__, "{'AccessKeyId': 'A', 'AccessKeyId': 'B', 'SecretAccessKey': 's'}", E_SYNTAX,
		"not JSON"},
	{__LINE__, "{'AccessKeyId': 'A\\u0000', 'SecretAccessKey': 's'}", E_SYNTAX, "not JSON"},
	{__LINE__, "{'AccessKeyId': 'A\xff', 'SecretAccessKey': 's'}", E_SYNTAX, "not JSON"},
	{__LINE__, "[]", E_SYNTAX, "AccessKeyId"},
	{__LINE__, "['AccessKeyId']", E_SYNTAX, "AccessKeyId"},
	{__LINE__, "{}", E_SYNTAX, "no AccessKeyId"},
	{__LINE__, "{'SecretAccessKey': 's'}", E_SYNTAX, "no AccessKeyId"},
	{__LINE__, "{'AccessKeyId': 'A'}", E_SYNTAX, "no SecretAccessKey"},
	{__LINE__, "{'AccessKeyId': '', 'SecretAccessKey': 's'}", E_SYNTAX, "no AccessKeyId"},
	{__LINE__, "{'AccessKeyId': 'A', 'SecretAccessKey': ''}", E_SYNTAX, "no SecretAccessKey"},
	{__LINE__, "{'AccessKeyId': 1, 'SecretAccessKey': 's'}", E_SYNTAX, "no AccessKeyId"},
	{__LINE__, "{'AccessKeyId': null, 'SecretAccessKey': 's'}", E_SYNTAX, "no AccessKeyId"},
	{__LINE__, "{'accesskeyid': 'A', 'secretaccesskey': 's'}", E_SYNTAX, "no AccessKeyId"},
	{__LINE__, "{'Credentials': {'AccessKeyId': 'A', 'SecretAccessKey': 's'}}", E_SYNTAX,
		"no AccessKeyId"},
	{__LINE__, "{'Code': 'AssumeRoleUnauthorizedAccess', 'Message': 'no'}", E_SYNTAX,
		"no AccessKeyId"},
	{__LINE__, "{'AccessKeyId': 'A', 'SecretAccessKey': 's', 'Expiration': 'soon'}", E_SYNTAX,
		"Expiration"},
	{__LINE__, "{'AccessKeyId': 'A', 'SecretAccessKey': 's', 'Expiration': ''}", E_SYNTAX,
		"Expiration"},
	{__LINE__,
		"{'AccessKeyId': 'A', 'SecretAccessKey': 's', 'LastUpdated': '2030-13-01T00:00:00Z'}",
		E_SYNTAX, "LastUpdated"},
};

static void hostile_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
		struct role_credentials *role = NULL;
		struct diag diag = {{0}};
		char *copy = quoted(bads[i].text);
		case_int(bads[i].line, role_parse(str_of(copy), &role, &diag), bads[i].rc);
		case_int(bads[i].line, role == NULL, true);
		if (!strstr(diag.text, bads[i].says)) {
			fail_msg("case of line %d: \"%s\"", bads[i].line, diag.text);
		}
		case_int(bads[i].line, role_parse(str_of(copy), &role, NULL), bads[i].rc);
		free(copy);
	}
	struct role_credentials *role = NULL;
	assert_int_equal(role_parse(STR_EMPTY, &role, NULL), E_SYNTAX);
}

/* What is wrong is said without the credentials themselves. */
static void secrets_are_not_told(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{'AccessKeyId': '', 'SecretAccessKey': 'hush', 'Token': 'hush'}",
		"{'AccessKeyId': 'A', 'SecretAccessKey': 'hush', 'Expiration': 'hush'}",
		"{'SecretAccessKey': 'hush' 'Token': 'hush'}",
		"hush",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct role_credentials *role = NULL;
		struct diag diag = {{0}};
		char *copy = quoted(texts[i]);
		assert_int_equal(role_parse(str_of(copy), &role, &diag), E_SYNTAX);
		assert_null(strstr(diag.text, "hush"));
		free(copy);
	}
}

static void lengths(void **state)
{
	(void)state;
	static const char *const members[] = {"AccessKeyId", "SecretAccessKey", "Token"};
	for (size_t m = 0; m < 3; m++) {
		for (size_t n = ROLE_TEXT_BYTES; n <= ROLE_TEXT_BYTES + 1; n++) {
			struct role_credentials *role = NULL;
			json_t *object = json_object();
			char *text;
			for (size_t k = 0; k < 3; k++) {
				char *value = malloc(n + 1);
				assert_non_null(value);
				memset(value, 'x', n);
				value[k == m ? n : 1] = '\0';
				json_object_set_new(object, members[k], json_string(value));
				free(value);
			}
			text = json_dumps(object, 0);
			json_decref(object);
			assert_int_equal(role_parse(str_of(text), &role, NULL),
				n == ROLE_TEXT_BYTES ? 0 : E_LIMIT);
			free(text);
			role_free(role);
		}
	}
}

/* Cut anywhere, a document is none; and nothing is read behind its end. */
static void every_beginning(void **state)
{
	(void)state;
	char *text = quoted("{'AccessKeyId': 'A', 'SecretAccessKey': 's', 'Token': 't'}");
	size_t whole = strlen(text);
	for (size_t n = 0; n <= whole; n++) {
		struct role_credentials *role = NULL;
		char *exact = malloc(n ? n : 1);
		assert_non_null(exact);
		memcpy(exact, text, n);
		assert_int_equal(
			role_parse((struct str){exact, n}, &role, NULL), n == whole ? 0 : E_SYNTAX);
		free(exact);
		role_free(role);
	}
	free(text);
}

/* --- the document ------------------------------------------------------------------------------ */

static void document(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct role_credentials role = {
		.access_key_id = STR("ASIA"),
		.secret_access_key = STR("a\"b"),
		.token = STR("t"),
		.updated_s = 1696245753,
		.expiration_s = 1696268700,
	};
	role_document(&role, 2000000000, &out);
	case_text(__LINE__, buf_str(&out),
		"{\n"
		"  \"Code\" : \"Success\",\n"
		"  \"LastUpdated\" : \"2023-10-02T11:22:33Z\",\n"
		"  \"Type\" : \"AWS-HMAC\",\n"
		"  \"AccessKeyId\" : \"ASIA\",\n"
		"  \"SecretAccessKey\" : \"a\\\"b\",\n"
		"  \"Token\" : \"t\",\n"
		"  \"Expiration\" : \"2023-10-02T17:45:00Z\"\n"
		"}");
}

static void document_of_a_failure(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct role_credentials *role = role_failed();
	role_document(role, 1696248000 + 59, &out);
	json_t *json = json_loadb(out.p, out.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_object_size(json), 3);
	assert_string_equal(
		json_string_value(json_object_get(json, "Code")), "AssumeRoleUnauthorizedAccess");
	assert_string_equal(
		json_string_value(json_object_get(json, "LastUpdated")), "2023-10-02T12:00:00Z");
	assert_true(json_string_length(json_object_get(json, "Message")) > 0);
	json_decref(json);
	role_free(role);
}

/*
 * Credentials without an end say that they last six hours from the last full hour: new ones are there
 * long before the old ones have ended, and the document is the same within the hour.
 */
static void times_roll(void **state)
{
	(void)state;
	static const struct {
		int line;
		int64_t now_s;
		const char *updated, *expires;
	} cases[] = {
		{__LINE__, 1696244400, "2023-10-02T11:00:00Z", "2023-10-02T17:00:00Z"},
		{__LINE__, 1696244401, "2023-10-02T11:00:00Z", "2023-10-02T17:00:00Z"},
		{__LINE__, 1696247999, "2023-10-02T11:00:00Z", "2023-10-02T17:00:00Z"},
		{__LINE__, 1696248000, "2023-10-02T12:00:00Z", "2023-10-02T18:00:00Z"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		struct role_credentials role = {.access_key_id = STR("A"), .token = STR("t")};
		role_document(&role, cases[i].now_s, &out);
		json_t *json = json_loadb(out.p, out.n, 0, NULL);
		case_text(cases[i].line,
			str_of(json_string_value(json_object_get(json, "LastUpdated"))),
			cases[i].updated);
		case_text(cases[i].line,
			str_of(json_string_value(json_object_get(json, "Expiration"))),
			cases[i].expires);
		json_decref(json);
	}
}

/* --- copies ------------------------------------------------------------------------------------ */

static void copies(void **state)
{
	(void)state;
	struct role_credentials role = {
		.access_key_id = STR("ASIA"),
		.secret_access_key = STR("secret"),
		.token = STR(""),
		.updated_s = 1,
		.expiration_s = 2,
		.file = STR("/etc/role.json"),
		.stamp = 77,
	};
	struct role_credentials *one = role_clone(&role);
	struct role_credentials *two = role_clone(one);
	role_free(one);
	case_text(__LINE__, two->access_key_id, "ASIA");
	case_text(__LINE__, two->secret_access_key, "secret");
	case_text(__LINE__, two->token, "");
	case_text(__LINE__, two->file, "/etc/role.json");
	assert_int_equal(two->updated_s, 1);
	assert_int_equal(two->expiration_s, 2);
	assert_int_equal(two->stamp, 77);
	assert_ptr_not_equal(two->file.p, role.file.p);
	role_free(two);
	assert_null(role_clone(NULL));
	role_free(NULL);
	two = role_failed();
	assert_true(two->failed);
	assert_null(two->file.p);
	role_free(two);
}

static int parse_one(void *ctx)
{
	struct role_credentials *role = NULL;
	int rc = role_parse(str_of(ctx), &role, NULL);
	assert_int_equal(rc == 0, role != NULL);
	role_free(role);
	return rc;
}

static void memory_runs_out(void **state)
{
	(void)state;
	char *text = quoted(
		"{'AccessKeyId': 'A', 'SecretAccessKey': 'hush-key', 'Token': 'hush-token'}");
	assert_int_equal(help_each_allocation_fails(parse_one, text), 1);
	alloc_fail_at(1);
	assert_null(role_failed());
	alloc_fail_at(0);
	alloc_watch(STR("hush-"));
	assert_int_equal(parse_one(text), 0);
	assert_int_equal(alloc_watch(STR_EMPTY), 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_document),
		cmocka_unit_test(credential_process),
		cmocka_unit_test(hostile_texts),
		cmocka_unit_test(secrets_are_not_told),
		cmocka_unit_test(lengths),
		cmocka_unit_test(every_beginning),
		cmocka_unit_test(document),
		cmocka_unit_test(document_of_a_failure),
		cmocka_unit_test(times_roll),
		cmocka_unit_test(copies),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
