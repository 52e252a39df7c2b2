/* Changes made together or not at all: what a plan takes, refuses, stores and publishes. */
#include "tests/unit/control_help.h"

#include "control/plan.h"

static const struct plan_place anywhere = {.base = STORE_ANY};

/* Plan an instance from a short text; what plan_put() says. */
static int put(struct control *c, struct plan *plan, const char *spec_text)
{
	json_t *spec = help_json(spec_text);
	int rc = plan_put(plan, spec, STR_EMPTY, &help_record, &anywhere, &c->diag);
	json_decref(spec);
	return rc;
}

static int commit(struct control *c, struct plan *plan)
{
	return plan_commit(plan, c->registry, c->store, NULL, &c->diag);
}

static void nothing_to_do(void **state)
{
	struct control *c = *state;
	CLEANUP(plan_done) struct plan plan = PLAN_OF(&help_site);
	unsigned calls = store_memory_calls(c->store);
	assert_int_equal(commit(c, &plan), 0);
	assert_int_equal(store_memory_calls(c->store), calls);
	plan_done(&plan);
}

static void put_and_delete(void **state)
{
	struct control *c = *state;
	CLEANUP(plan_done) struct plan plan = PLAN_OF(&help_site);
	assert_int_equal(put(c, &plan, "{'name': 'n2', 'privateIpAddress': '10.0.0.2'}"), 0);
	assert_int_equal(put(c, &plan, "{'name': 'n1', 'privateIpAddress': '10.0.0.1'}"), 0);
	assert_int_equal(commit(c, &plan), 0);
	char *dump = control_dump(c);
	assert_true(str_starts(str_of(dump),
		STR("n1|{\"name\":\"n1\",\"privateIpAddress\":\"10.0.0.1\"}||7|1700000000|1700000060|"
		    "1700003600\nn2|")));
	free(dump);
	plan_done(&plan);
	/* The place of one that goes, in either order. */
	static const char *const names[] = {"n0", "n3"};
	for (size_t i = 0; i < 2; i++) {
		char spec[128];
		const char *goes = i ? names[0] : "n1";
		(void)snprintf(spec, sizeof spec, "{'name': '%s', 'privateIpAddress': '10.0.0.1'}",
			names[i]);
		assert_int_equal(put(c, &plan, spec), 0);
		assert_int_equal(plan_delete(&plan, str_of(goes), &anywhere, &c->diag), 0);
		assert_int_equal(commit(c, &plan), 0);
		case_text(__LINE__, control_who(c, "10.0.0.1"), names[i]);
		assert_null(control_instance(c, goes));
		plan_done(&plan);
	}
}

static void hidden(void **state)
{
	struct control *c = *state;
	CLEANUP(plan_done) struct plan plan = PLAN_OF(&help_site);
	assert_int_equal(put(c, &plan, "{'name': 'n1'}"), 0);
	assert_int_equal(commit(c, &plan), 0);
	plan_done(&plan);
	assert_int_equal(
		plan_hide(&plan, STR("n1"), STR("{\"name\":\"n1\"}"), &anywhere, &c->diag), 0);
	assert_int_equal(commit(c, &plan), 0);
	char *dump = control_dump(c);
	assert_string_equal(dump, "n1|null|{\"name\":\"n1\"}|0|0|0|0\n--\n");
	free(dump);
}

/* Those that stay where they are keep their callers, whoever else changes places. */
static void others_are_not_disturbed(void **state)
{
	struct control *c = *state;
	CLEANUP(plan_done) struct plan plan = PLAN_OF(&help_site);
	assert_int_equal(put(c, &plan, "{'name': 'n1', 'privateIpAddress': '10.0.0.1'}"), 0);
	assert_int_equal(put(c, &plan, "{'name': 'n2', 'privateIpAddress': '10.0.0.2'}"), 0);
	assert_int_equal(put(c, &plan, "{'name': 'n3', 'privateIpAddress': '10.0.0.3'}"), 0);
	assert_int_equal(commit(c, &plan), 0);
	plan_done(&plan);
	/* A chain, of which the last has room. */
	assert_int_equal(put(c, &plan, "{'name': 'n1', 'privateIpAddress': '10.0.0.2'}"), 0);
	assert_int_equal(put(c, &plan, "{'name': 'n2', 'privateIpAddress': '10.0.0.3'}"), 0);
	assert_int_equal(put(c, &plan, "{'name': 'n3', 'privateIpAddress': '10.0.0.4'}"), 0);
	assert_int_equal(commit(c, &plan), 0);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "");
	case_text(__LINE__, control_who(c, "10.0.0.2"), "n1");
	case_text(__LINE__, control_who(c, "10.0.0.3"), "n2");
	case_text(__LINE__, control_who(c, "10.0.0.4"), "n3");
	plan_done(&plan);
	/* A ring of many, and more of them than two passes can place. */
	enum { MANY = 20 };
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < MANY; i++) {
			char spec[128];
			(void)snprintf(spec, sizeof spec,
				"{'name': 'r%02d', 'privateIpAddress': '10.1.0.%d'}", i,
				(i + turn) % MANY);
			assert_int_equal(put(c, &plan, spec), 0);
		}
		assert_int_equal(commit(c, &plan), 0);
		plan_done(&plan);
		for (int i = 0; i < MANY; i++) {
			char name[16], address[16];
			(void)snprintf(name, sizeof name, "r%02d", i);
			(void)snprintf(address, sizeof address, "10.1.0.%d", (i + turn) % MANY);
			case_text(__LINE__, control_who(c, address), name);
		}
	}
}

static void refused(void **state)
{
	struct control *c = *state;
	static const struct {
		int line;
		const char *spec;
		int rc;
		const char *says;
	} cases[] = {
		{__LINE__, "{'name': '-'}", E_SYNTAX, "name"},
		{__LINE__, "{'name': 'n1', 'blueprintId': 'x'}", E_RANGE, "blueprintId"},
		{__LINE__,
			"{'name': 'n1', 'tags': {'a/b': 'c'},"
			" 'metadataOptions': {'instanceMetadataTags': 'enabled'}}",
			E_RANGE, "a/b"},
		{__LINE__, "{'name': 'n1', 'metadata': {'x': 1}}", E_SYNTAX, "metadata"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(plan_done) struct plan plan = PLAN_OF(&help_site);
		assert_int_equal(put(c, &plan, "{'name': 'good'}"), 0);
		case_int(cases[i].line, put(c, &plan, cases[i].spec), cases[i].rc);
		if (!strstr(c->diag.text, cases[i].says)) {
			fail_msg("case of line %d: \"%s\"", cases[i].line, c->diag.text);
		}
	}
}

static void contradictions(void **state)
{
	struct control *c = *state;
	CLEANUP(plan_done) struct plan plan = PLAN_OF(&help_site);
	assert_int_equal(put(c, &plan, "{'name': 'n1', 'privateIpAddress': '10.0.0.1'}"), 0);
	assert_int_equal(put(c, &plan, "{'name': 'n1', 'privateIpAddress': '10.0.0.2'}"), 0);
	assert_int_equal(commit(c, &plan), E_EXISTS);
	assert_string_equal(c->diag.text, "two instances have the name 'n1'");
	assert_int_equal(registry_count(c->registry), 0);
	plan_done(&plan);
	/* What the store does not have can't be deleted. */
	assert_int_equal(plan_delete(&plan, STR("n9"), &anywhere, &c->diag), 0);
	assert_int_equal(commit(c, &plan), E_NOTFOUND);
}

/* --- roles ------------------------------------------------------------------------------------- */

static struct role_credentials *role_of(const char *file)
{
	struct role_credentials *role = NULL;
	json_t *spec = json_pack("{s:s, s:{s:s, s:{s:s}}}", "name", "n1", "role", "name", "app",
		"credentials", "file", file);
	assert_int_equal(plan_role(spec, &role), 0);
	json_decref(spec);
	assert_non_null(role);
	case_text(__LINE__, role->file, file);
	return role;
}

static void roles(void **state)
{
	struct control *c = *state;
	static const char *const without[] = {"{'name': 'n1'}",
		"{'name': 'n1', 'role': {'name': 'a'}}",
		"{'name': 'n1', 'role': {'name': 'a', 'credentials': {'accessKeyId': 'A'}}}"};
	for (size_t i = 0; i < 3; i++) {
		struct role_credentials other, *role = &other;
		json_t *spec = help_json(without[i]);
		assert_int_equal(plan_role(spec, &role), 0);
		assert_null(role);
		json_decref(spec);
	}
	struct role_credentials *role = role_of(control_path(c, "nothing.json"));
	assert_true(role->failed);
	assert_int_equal(role->stamp, 0);
	role_free(role);
	role = role_of(control_file(c, "bad.json", "{}"));
	assert_true(role->failed);
	assert_int_not_equal(role->stamp, 0);
	role_free(role);
	role = role_of(control_file(
		c, "good.json", "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"s\"}"));
	assert_false(role->failed);
	assert_int_not_equal(role->stamp, 0);
	case_text(__LINE__, role->access_key_id, "A");
	role_free(role);
	/* What is no file, or too much of one. */
	role = role_of(c->folder);
	assert_true(role->failed);
	role_free(role);
	role = role_of("/dev/zero");
	assert_true(role->failed);
	role_free(role);
	char *much = malloc(65536 + 2);
	assert_non_null(much);
	memset(much, ' ', 65537);
	memcpy(much, "{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"s\"}", 44);
	much[65537] = '\0';
	role = role_of(control_file(c, "much.json", much));
	assert_true(role->failed);
	role_free(role);
	much[65536] = '\0';
	role = role_of(control_file(c, "much.json", much));
	assert_false(role->failed);
	role_free(role);
	/* A path that is longer than any. */
	memset(much, '/', 65536);
	role = role_of(much);
	assert_true(role->failed);
	role_free(role);
	free(much);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_to_do),
		TEST(put_and_delete),
		TEST(hidden),
		TEST(others_are_not_disturbed),
		TEST(refused),
		TEST(contradictions),
		TEST(roles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
