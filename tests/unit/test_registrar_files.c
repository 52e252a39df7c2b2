/*
 * What wins when files, requests and the store say different things; what a restart brings back; and
 * credentials of roles, which come from files of their own.
 */
#include "tests/unit/control_help.h"

#define KEYS(id) "{\"AccessKeyId\": \"" id "\", \"SecretAccessKey\": \"s\", \"Token\": \"t\"}"

/* --- files and store --------------------------------------------------------------------------- */

static void files_are_the_wish(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_apply(c, "[{name: n1}, {name: n2, tags: {a: b}}]"), 2);
	assert_int_equal(registry_count(c->registry), 2);
	/* The same again: nothing to do, nothing written. */
	char *before = control_dump(c);
	control_clock_s += 100;
	unsigned calls = store_memory_calls(c->store);
	assert_int_equal(control_apply(c, "[{name: n1}, {name: n2, tags: {a: b}}]"), 0);
	assert_int_equal(store_memory_calls(c->store), calls + 1); /* it was read */
	char *after = control_dump(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	/* One changes, one goes, one comes. */
	assert_int_equal(control_apply(c, "[{name: n2, tags: {a: c}}, {name: n3}]"), 3);
	assert_null(control_instance(c, "n1"));
	assert_non_null(control_instance(c, "n3"));
	assert_int_equal(control_instance(c, "n2")->record.changed_s, CONTROL_NOW_S + 100);
	assert_int_equal(control_instance(c, "n2")->record.created_s, CONTROL_NOW_S);
	assert_int_equal(control_instance(c, "n3")->record.created_s, CONTROL_NOW_S + 100);
	assert_int_equal(control_apply(c, ""), 2);
	assert_int_equal(registry_count(c->registry), 0);
}

static void the_store_is_the_truth(void **state)
{
	struct control *c = *state;
	assert_int_equal(
		control_apply(c, "{name: n1, metadataOptions: {httpTokens: optional}}"), 1);
	assert_int_equal(control_options(c, "n1",
				 "{'httpTokens': 'required', 'httpPutResponseHopLimit': 3}"),
		0);
	/* What the file has not changed keeps its live value, … */
	assert_int_equal(
		control_apply(c, "{name: n1, metadataOptions: {httpTokens: optional}}"), 0);
	assert_true(control_instance(c, "n1")->options.tokens_required);
	assert_int_equal(
		control_apply(
			c, "{name: n1, tags: {a: b}, metadataOptions: {httpTokens: optional}}"),
		1);
	assert_true(control_instance(c, "n1")->options.tokens_required);
	assert_int_equal(control_instance(c, "n1")->options.hop_limit, 3);
	/* … what it changes or drops wins. */
	assert_int_equal(
		control_apply(c, "{name: n1, metadataOptions: {httpPutResponseHopLimit: 9}}"), 1);
	assert_int_equal(control_instance(c, "n1")->options.hop_limit, 9);
	assert_false(control_instance(c, "n1")->options.tokens_required);
}

static void instances_of_requests(void **state)
{
	struct control *c = *state;
	/* Files have nothing to say about an instance that never was in them. */
	assert_int_equal(
		control_put(c, "{name: mine, match: {addresses: [10.0.0.1]}, tags: {a: b}}"), 0);
	assert_int_equal(control_apply(c, "{name: n1, match: {addresses: [10.0.0.2]}}"), 1);
	assert_int_equal(control_apply(c, ""), 1);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "mine");
	/* One that comes into a file becomes the file's, … */
	assert_int_equal(control_apply(c, "{name: mine, match: {addresses: [10.0.0.3]}}"), 1);
	case_text(__LINE__, control_who(c, "10.0.0.3"), "mine");
	json_t *spec = instance_spec(control_instance(c, "mine"));
	assert_non_null(json_object_get(spec, "tags"));
	json_decref(spec);
	/* … and goes with it. */
	assert_int_equal(control_apply(c, ""), 1);
	assert_null(control_instance(c, "mine"));
}

static void a_file_s_instance_that_is_replaced(void **state)
{
	struct control *c = *state;
	const char *file = "{name: n1, match: {addresses: [10.0.0.1]}}";
	assert_int_equal(control_apply(c, file), 1);
	assert_int_equal(control_put(c, "{name: n1, match: {addresses: [10.0.0.2]}}"), 0);
	/* The file says what it said: the request's value stays. */
	assert_int_equal(control_apply(c, file), 0);
	case_text(__LINE__, control_who(c, "10.0.0.2"), "n1");
	/* It still is the file's, and goes with it. */
	assert_int_equal(control_apply(c, ""), 1);
	assert_null(control_instance(c, "n1"));
}

/* It stays away, through restarts too, until its file says something else. */
static void a_file_s_instance_that_is_deleted(void **state)
{
	struct control *c = *state;
	const char *file = "{name: n1, match: {addresses: [10.0.0.1]}}";
	assert_int_equal(control_apply(c, file), 1);
	uint32_t epoch = control_instance(c, "n1")->record.token_epoch;
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("n1"), &c->diag), 0);
	for (int i = 0; i < 2; i++) {
		assert_null(control_instance(c, "n1"));
		case_text(__LINE__, control_who(c, "10.0.0.1"), "");
		assert_int_equal(control_apply(c, file), 0);
		assert_null(control_instance(c, "n1"));
		assert_int_equal(
			registrar_delete(c->registrar, NULL, STR("n1"), &c->diag), E_NOTFOUND);
		assert_int_equal(
			registrar_revoke(c->registrar, NULL, STR("n1"), &c->diag), E_NOTFOUND);
		assert_int_equal(control_options(c, "n1", "{}"), E_NOTFOUND);
		control_restart(c);
	}
	/* Its address is free. */
	assert_int_equal(control_put(c, "{name: n2, match: {addresses: [10.0.0.1]}}"), 0);
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("n2"), &c->diag), 0);
	control_clock_s += 100;
	assert_int_equal(control_apply(c, "{name: n1, match: {addresses: [10.0.0.2]}}"), 1);
	case_text(__LINE__, control_who(c, "10.0.0.2"), "n1");
	/* That is a new one. */
	assert_int_not_equal(control_instance(c, "n1")->record.token_epoch, epoch);
	assert_int_equal(control_instance(c, "n1")->record.created_s, CONTROL_NOW_S + 100);
}

static void a_deleted_one_comes_back_by_request_or_goes_from_the_file(void **state)
{
	struct control *c = *state;
	const char *file = "{name: n1, match: {addresses: [10.0.0.1]}}";
	assert_int_equal(control_apply(c, file), 1);
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("n1"), &c->diag), 0);
	assert_int_equal(control_put(c, "{name: n1, match: {addresses: [10.0.0.3]}}"), 0);
	case_text(__LINE__, control_who(c, "10.0.0.3"), "n1");
	assert_int_equal(control_apply(c, file), 0);
	case_text(__LINE__, control_who(c, "10.0.0.3"), "n1");
	/* Out of the file and in again: nothing is remembered. */
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("n1"), &c->diag), 0);
	(void)control_apply(c, "");
	char *dump = control_dump(c);
	assert_string_equal(dump, "--\n");
	free(dump);
	assert_int_equal(control_apply(c, file), 1);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "n1");
}

/* --- some of the files ------------------------------------------------------------------------- */

/* gone: JSON in which ' stands for ". */
static int apply_some(struct control *c, const char *text, const char *gone)
{
	json_t *specs = *text ? control_specs(text) : json_array(), *names = help_json(gone);
	size_t changed = 99999;
	c->diag.text[0] = '\0';
	alloc_fail_at(control_fail_at);
	int rc = registrar_apply_some(c->registrar, NULL, specs, names, &changed, &c->diag);
	json_decref(specs);
	json_decref(names);
	return rc < 0 ? rc : (int)changed;
}

static void some_of_the_files(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: mine, match: {addresses: [10.0.0.1]}}"), 0);
	assert_int_equal(control_apply(c, "[{name: n1}, {name: n2}, {name: n3}]"), 3);
	assert_int_equal(control_options(c, "n1", "{'httpPutResponseHopLimit': 3}"), 0);
	/* Others stay, one that was made by request too, whatever is said of it. */
	assert_int_equal(
		apply_some(c, "[{name: n1, tags: {a: b}}, {name: n4}]", "['n2', 'mine', 'nobody']"),
		3);
	assert_null(control_instance(c, "n2"));
	assert_non_null(control_instance(c, "mine"));
	assert_non_null(control_instance(c, "n3"));
	assert_non_null(control_instance(c, "n4"));
	assert_int_equal(control_instance(c, "n1")->options.hop_limit, 3);
	/* The same again is no change. */
	assert_int_equal(apply_some(c, "[{name: n1, tags: {a: b}}, {name: n4}]", "['n2']"), 0);
	/* From one file into another: it is not gone, and is not made anew. */
	uint32_t epoch = control_instance(c, "n1")->record.token_epoch;
	assert_int_equal(apply_some(c, "{name: n1, tags: {a: c}}", "['n1']"), 1);
	assert_int_equal(control_instance(c, "n1")->record.token_epoch, epoch);
	assert_int_equal(control_instance(c, "n1")->options.hop_limit, 3);
	/* One that was deleted by request and leaves its file is forgotten. */
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("n3"), &c->diag), 0);
	assert_int_equal(apply_some(c, "{name: n3}", "[]"), 0);
	assert_int_equal(apply_some(c, "", "['n3']"), 1);
	assert_int_equal(apply_some(c, "{name: n3}", "[]"), 1);
	control_restart(c);
	assert_int_equal(registry_count(c->registry), 4);
}

static void some_of_the_files_without_memory(void **state)
{
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		assert_int_equal(control_teardown(state), 0);
		assert_int_equal(control_setup(state), 0);
		struct control *c = *state;
		assert_int_equal(control_apply(c, "[{name: n1}, {name: n2}, {name: n3}]"), 3);
		control_fail_at = n;
		int rc = apply_some(c, "[{name: n1, tags: {a: b}}, {name: n4}]", "['n2']");
		control_fail_at = 0;
		failed = alloc_fail_at(0);
		if (rc < 0) {
			assert_int_equal(rc, -ENOMEM);
			rc = apply_some(c, "[{name: n1, tags: {a: b}}, {name: n4}]", "['n2']");
		}
		assert_true(rc == 3 || rc == 0); /* 0: all but the publishing was done */
		control_restart(c);
		assert_null(control_instance(c, "n2"));
		assert_non_null(control_instance(c, "n4"));
	}
}

static void files_that_contradict(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: mine, match: {addresses: [10.0.0.1]}}"), 0);
	assert_int_equal(control_apply(c, "{name: n1, match: {addresses: [10.0.0.2]}}"), 1);
	char *before = control_dump(c);
	assert_int_equal(control_apply(c, "[{name: n1, match: {addresses: [10.0.0.3]}},"
					  " {name: n2, match: {addresses: [10.0.0.1]}}]"),
		E_EXISTS);
	assert_string_equal(
		c->diag.text, "instances 'mine' and 'n2' both have the address 10.0.0.1");
	char *after = control_dump(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	/* The place of one that goes is free for one that comes. */
	assert_int_equal(control_apply(c, "{name: n2, match: {addresses: [10.0.0.2]}}"), 2);
	case_text(__LINE__, control_who(c, "10.0.0.2"), "n2");
}

static void stop_and_start_by_file(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_apply(c, "{name: n1, state: stopped}"), 1);
	control_clock_s += 100;
	assert_int_equal(control_apply(c, "{name: n1}"), 1);
	assert_true(control_instance(c, "n1")->running);
	assert_int_equal(control_instance(c, "n1")->record.launched_s, CONTROL_NOW_S + 100);
}

/* --- loading ----------------------------------------------------------------------------------- */

static void store_row(struct control *c, const char *name, const char *spec, const char *file_spec)
{
	struct store_instance row = {.name = str_of(name),
		.spec = str_of(spec),
		.file_spec = str_of(file_spec),
		.token_epoch = 5,
		.created_s = 10,
		.launched_s = 20,
		.changed_s = 30};
	assert_int_equal(c->store->ops->begin(c->store, NULL), 0);
	assert_int_equal(c->store->ops->instance_put(c->store, &row, STORE_ANY, NULL), 0);
	assert_int_equal(c->store->ops->commit(c->store, NULL), 0);
}

static void loaded(void **state)
{
	struct control *c = *state;
	assert_int_equal(registrar_load(c->registrar, &c->diag), 0);
	assert_int_equal(registry_count(c->registry), 0);
	store_row(c, "n1", "{\"name\":\"n1\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}", NULL);
	store_row(c, "n2", "{\"name\":\"n2\",\"state\":\"stopped\"}", "{\"name\":\"n2\"}");
	assert_int_equal(registrar_load(c->registrar, &c->diag), 0);
	assert_int_equal(registry_count(c->registry), 2);
	const struct instance *instance = control_instance(c, "n1");
	assert_int_equal(instance->record.token_epoch, 5);
	assert_int_equal(instance->record.created_s, 10);
	assert_int_equal(instance->record.launched_s, 20);
	assert_int_equal(instance->record.changed_s, 30);
	assert_false(control_instance(c, "n2")->running);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "n1");
}

static void rows_that_are_no_instances(void **state)
{
	static const struct {
		int line;
		const char *name, *spec;
		const char *says;
	} cases[] = {
		{__LINE__, "n2", "", "the store's instance 'n2': "},
		{__LINE__, "n2", "{", "the store's instance 'n2': "},
		{__LINE__, "n2", "[]", "the store's instance 'n2': name"},
		{__LINE__, "n2", "{\"name\":\"-\"}", "the store's instance 'n2': name"},
		{__LINE__, "n2", "{\"name\":\"n2\",\"blueprintId\":\"x\"}", "'n2': blueprintId"},
		{__LINE__, "n2", "{\"name\":\"n2\",\"privateIpAddress\":\"10.0.0.1\"}",
			"'n2': instances 'n1' and 'n2' both have the address 10.0.0.1"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(control_setup(state), 0);
		struct control *c = *state;
		store_row(c, "n1", "{\"name\":\"n1\",\"privateIpAddress\":\"10.0.0.1\"}", NULL);
		store_row(c, cases[i].name, cases[i].spec, NULL);
		case_int(cases[i].line, registrar_load(c->registrar, &c->diag), E_DAMAGED);
		if (!strstr(c->diag.text, cases[i].says)) {
			fail_msg("case of line %d: \"%s\"", cases[i].line, c->diag.text);
		}
		assert_int_equal(control_teardown(state), 0);
	}
	assert_int_equal(control_setup(state), 0);
}

static void damaged_rows_stay(void **state)
{
	struct control *c = *state;
	store_row(c, "n1", "{", NULL);
	store_row(c, "n2", "{\"name\":\"n2\"}", "{");
	char *before = control_dump(c);
	assert_int_equal(control_apply(c, "{name: n1}"), E_DAMAGED);
	assert_non_null(strstr(c->diag.text, "'n1'"));
	assert_int_equal(control_apply(c, "[{name: n2, tags: {a: b}}]"), E_DAMAGED);
	assert_non_null(strstr(c->diag.text, "'n2'"));
	assert_int_equal(registrar_revoke(c->registrar, NULL, STR("n1"), &c->diag), E_DAMAGED);
	assert_int_equal(control_put(c, "{name: n1}"), E_DAMAGED);
	char *after = control_dump(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void store_that_can_not_be_read(void **state)
{
	struct control *c = *state;
	store_memory_fail(c->store, 1, -EIO);
	assert_int_equal(registrar_load(c->registrar, &c->diag), -EIO);
	store_memory_fail(c->store, 1, -EIO);
	assert_int_equal(control_apply(c, "{name: n1}"), -EIO);
	assert_int_equal(registry_count(c->registry), 0);
}

/* --- roles from files -------------------------------------------------------------------------- */

static void put_with_role(struct control *c, const char *name, const char *path)
{
	char spec[256];
	(void)snprintf(spec, sizeof spec, "{name: %s, role: {name: app, credentials: {file: %s}}}",
		name, path);
	assert_int_equal(control_put(c, spec), 0);
}

/* The key id that an instance hands out; "failed" when none could be read. */
static struct str key_of(struct control *c, const char *name)
{
	const struct role_credentials *role = control_instance(c, name)->role;
	assert_non_null(role);
	return role->failed ? STR("failed") : role->access_key_id;
}

static void role_files_are_read_again(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: other}"), 0);
	assert_int_equal(registrar_refresh_roles(c->registrar), 0);
	put_with_role(c, "web-1", control_file(c, "role.json", KEYS("ASIA1")));
	case_text(__LINE__, key_of(c, "web-1"), "ASIA1");
	assert_int_equal(registrar_refresh_roles(c->registrar), 0);
	struct entry *entry = registry_find(c->registry, STR("web-1"));
	uint32_t generation = registry_generation(c->registry);
	char *before = control_dump(c);
	(void)control_file(c, "role.json", KEYS("ASIA2"));
	assert_int_equal(registrar_refresh_roles(c->registrar), 1);
	case_text(__LINE__, key_of(c, "web-1"), "ASIA2");
	assert_int_equal(registrar_refresh_roles(c->registrar), 0);
	/* Nothing else has changed, and nothing was stored. */
	char *after = control_dump(c);
	assert_string_equal(after, before);
	assert_ptr_equal(registry_find(c->registry, STR("web-1")), entry);
	assert_int_equal(registry_generation(c->registry), generation);
	free(before);
	free(after);
}

static void role_file_that_comes_later(void **state)
{
	struct control *c = *state;
	put_with_role(c, "web-1", control_path(c, "role.json"));
	case_text(__LINE__, key_of(c, "web-1"), "failed");
	assert_int_equal(registrar_refresh_roles(c->registrar), 0);
	(void)control_file(c, "role.json", "not yet JSON");
	assert_int_equal(registrar_refresh_roles(c->registrar), 1);
	case_text(__LINE__, key_of(c, "web-1"), "failed");
	(void)control_file(c, "role.json", KEYS("ASIA1"));
	assert_int_equal(registrar_refresh_roles(c->registrar), 1);
	case_text(__LINE__, key_of(c, "web-1"), "ASIA1");
}

static void role_file_that_vanishes(void **state)
{
	struct control *c = *state;
	put_with_role(c, "web-1", control_file(c, "role.json", KEYS("ASIA1")));
	assert_int_equal(unlink(control_path(c, "role.json")), 0);
	/* What was read last stays; the file is not missed again and again. */
	(void)registrar_refresh_roles(c->registrar);
	case_text(__LINE__, key_of(c, "web-1"), "ASIA1");
	assert_int_equal(registrar_refresh_roles(c->registrar), 0);
	/* Nor does a change of the instance lose it. */
	assert_int_equal(control_options(c, "web-1", "{'httpTokens': 'required'}"), 0);
	case_text(__LINE__, key_of(c, "web-1"), "ASIA1");
	assert_int_equal(registrar_revoke(c->registrar, NULL, STR("web-1"), &c->diag), 0);
	case_text(__LINE__, key_of(c, "web-1"), "ASIA1");
	assert_int_equal(registrar_refresh_roles(c->registrar), 0);
	(void)control_file(c, "role.json", "{\"half\": ");
	(void)registrar_refresh_roles(c->registrar);
	case_text(__LINE__, key_of(c, "web-1"), "ASIA1");
	assert_int_equal(registrar_refresh_roles(c->registrar), 0);
	(void)control_file(c, "role.json", KEYS("ASIA2"));
	assert_int_equal(registrar_refresh_roles(c->registrar), 1);
	case_text(__LINE__, key_of(c, "web-1"), "ASIA2");
	/* Another file is another matter: its credentials are not those of the first. */
	put_with_role(c, "web-1", control_path(c, "nothing.json"));
	case_text(__LINE__, key_of(c, "web-1"), "failed");
}

static void many_role_files(void **state)
{
	struct control *c = *state;
	enum { MANY = 150 };
	(void)control_file(c, "role.json", KEYS("ASIA1"));
	for (int i = 0; i < MANY; i++) {
		char spec[256];
		(void)snprintf(spec, sizeof spec,
			"{name: web-%d, match: {addresses: [10.0.0.%d]},"
			" role: {name: app, credentials: {file: %s}}}",
			i, i, control_path(c, "role.json"));
		assert_int_equal(control_put(c, spec), 0);
	}
	(void)control_file(c, "role.json", KEYS("ASIA2"));
	size_t changed = 0, n;
	while ((n = registrar_refresh_roles(c->registrar)) > 0) {
		changed += n;
	}
	assert_int_equal(changed, MANY);
	case_text(__LINE__, key_of(c, "web-0"), "ASIA2");
	case_text(__LINE__, key_of(c, "web-149"), "ASIA2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(files_are_the_wish),
		TEST(the_store_is_the_truth),
		TEST(instances_of_requests),
		TEST(a_file_s_instance_that_is_replaced),
		TEST(a_file_s_instance_that_is_deleted),
		TEST(a_deleted_one_comes_back_by_request_or_goes_from_the_file),
		TEST(some_of_the_files),
		TEST(some_of_the_files_without_memory),
		TEST(files_that_contradict),
		TEST(stop_and_start_by_file),
		TEST(loaded),
		cmocka_unit_test_teardown(rows_that_are_no_instances, control_teardown),
		TEST(damaged_rows_stay),
		TEST(store_that_can_not_be_read),
		TEST(role_files_are_read_again),
		TEST(role_file_that_comes_later),
		TEST(role_file_that_vanishes),
		TEST(many_role_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
