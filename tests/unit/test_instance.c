/* A snapshot: what its specification says, what it defaults to, what is refused; how large it is. */
#include "tests/unit/metadata_help.h"

#define MOST_BYTES ((size_t)2 * 1024) /* of a realistic instance that was never asked */

/* --- names ------------------------------------------------------------------------------------- */

static void names(void **state)
{
	(void)state;
	static char most[INSTANCE_NAME_MAX + 1];
	memset(most, 'n', sizeof most);
	const struct {
		int line;
		struct str name;
		bool valid;
	} cases[] = {
		{__LINE__, STR("ab"), true},
		{__LINE__, STR("web-1"), true},
		{__LINE__, STR("A_b-C_9"), true},
		{__LINE__, STR("00"), true},
		{__LINE__, STR("__"), true},
		{__LINE__, STR("a--b"), true},
		{__LINE__, {most, INSTANCE_NAME_MAX}, true},
		{__LINE__, {most, INSTANCE_NAME_MAX + 1}, false},
		{__LINE__, STR(""), false},
		{__LINE__, STR_EMPTY, false},
		{__LINE__, STR("a"), false},
		{__LINE__, STR("-a"), false},
		{__LINE__, STR("a-"), false},
		{__LINE__, STR("--"), false},
		{__LINE__, STR("a b"), false},
		{__LINE__, STR("a.b"), false},
		{__LINE__, STR("a/b"), false},
		{__LINE__, STR("a\nb"), false},
		{__LINE__, STR("ab\n"), false},
		{__LINE__, STR("a\0b"), false},
		{__LINE__, STR("a@b"), false},
		{__LINE__, STR("a[b"), false},
		{__LINE__, STR("a`b"), false},
		{__LINE__, STR("a{b"), false},
		{__LINE__, STR("a:b"), false},
		{__LINE__, STR("\xc3\xa9\xc3\xa9"), false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		case_int(cases[i].line, instance_name_valid(cases[i].name), cases[i].valid);
	}
}

/* --- what a specification says ----------------------------------------------------------------- */

static void assert_address(int line, const struct ipprefix *have, const char *want)
{
	struct ipprefix prefix;
	assert_int_equal(ipprefix_parse(str_of(want), &prefix), 0);
	case_int(line, have->bits, prefix.bits);
	case_int(line, ipaddr_eq(&have->addr, &prefix.addr), true);
}

static void a_realistic_one(void **state)
{
	(void)state;
	struct instance *instance = help_instance(HELP_REALISTIC);
	case_text(__LINE__, instance->name, "web-1");
	assert_string_equal(instance->id, "i-008987bdaf21e9c54");
	assert_true(instance->running);
	assert_true(instance->options.tokens_required);
	assert_true(instance->options.tags);
	assert_int_equal(instance->options.hop_limit, 2);
	case_text(__LINE__, instance->blueprint->id, "amazon_linux_2023");
	case_text(__LINE__, instance->bundle->instance_type, "t3.small");
	assert_ptr_equal(instance->site, &help_site);
	assert_null(instance->role);
	assert_null(atomic_load(&instance->tree));
	assert_int_equal(instance->network.n, 0);
	assert_int_equal(instance->interface.n, 0);
	assert_true(instance->has_mac);
	assert_memory_equal(instance->mac, "\x02\xaa\xbb\xcc\xdd\x01", 6);
	assert_int_equal(instance->n_addresses, 1);
	assert_address(__LINE__, &instance->addresses[0], "172.26.2.10");
	assert_memory_equal(&instance->record, &help_record, sizeof help_record);
	instance_free(instance);
}

static void defaults(void **state)
{
	(void)state;
	struct instance *instance = help_instance("{'name': 'plain'}");
	assert_string_equal(instance->id, "i-048aa991debca0cc2");
	assert_true(instance->running);
	assert_false(instance->options.tokens_required);
	assert_true(instance->options.endpoint);
	assert_int_equal(instance->options.hop_limit, 1);
	case_text(__LINE__, instance->blueprint->id, BLUEPRINT_DEFAULT_ID);
	case_text(__LINE__, instance->bundle->id, BUNDLE_DEFAULT_ID);
	assert_false(instance->has_mac);
	/* Known by its private address, which is derived. */
	assert_int_equal(instance->n_addresses, 1);
	assert_address(__LINE__, &instance->addresses[0], "172.26.151.135");
	instance_free(instance);
}

static void match(void **state)
{
	(void)state;
	struct instance *instance = help_instance(
		"{'name': 'plain', 'privateIpAddress': '172.26.9.9', 'match': {'network': 'lab',"
		" 'interface': 'tap7', 'addresses': ['10.0.0.1', 'fd00::/64', '10.1.0.0/16']}}");
	case_text(__LINE__, instance->network, "lab");
	case_text(__LINE__, instance->interface, "tap7");
	assert_int_equal(instance->n_addresses, 3);
	assert_address(__LINE__, &instance->addresses[0], "10.0.0.1");
	assert_address(__LINE__, &instance->addresses[1], "fd00::/64");
	assert_address(__LINE__, &instance->addresses[2], "10.1.0.0/16");
	instance_free(instance);
	/* Without addresses in the match: the private one that is given. */
	instance = help_instance("{'name': 'plain', 'privateIpAddress': '172.26.9.9',"
				 " 'match': {'interface': 'tap7'}}");
	assert_int_equal(instance->n_addresses, 1);
	assert_address(__LINE__, &instance->addresses[0], "172.26.9.9");
	instance_free(instance);
}

static void options_of_blueprints(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *spec;
		bool required;
	} cases[] = {
		{__LINE__, "{'name': 'plain', 'blueprintId': 'amazon_linux_2023'}", true},
		{__LINE__, "{'name': 'plain', 'blueprintId': 'debian_12'}", false},
		{__LINE__,
			"{'name': 'plain', 'blueprintId': 'amazon_linux_2023',"
			" 'metadataOptions': {'httpTokens': 'optional'}}",
			false},
		{__LINE__,
			"{'name': 'plain', 'blueprintId': 'amazon_linux_2023',"
			" 'metadataOptions': {'httpPutResponseHopLimit': 2}}",
			true},
		{__LINE__, "{'name': 'plain', 'metadataOptions': {'httpTokens': 'required'}}",
			true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct instance *instance = help_instance(cases[i].spec);
		case_int(cases[i].line, instance->options.tokens_required, cases[i].required);
		instance_free(instance);
	}
}

static void states(void **state)
{
	(void)state;
	struct instance *instance = help_instance("{'name': 'plain', 'state': 'stopped'}");
	assert_false(instance->running);
	instance_free(instance);
	instance = help_instance("{'name': 'plain', 'state': 'running'}");
	assert_true(instance->running);
	instance_free(instance);
}

static void specification_is_kept(void **state)
{
	(void)state;
	struct instance *instance = help_instance(HELP_REALISTIC);
	json_t *spec = help_json(HELP_REALISTIC), *again = instance_spec(instance);
	assert_true(json_equal(spec, again));
	json_decref(spec);
	json_decref(again);
	instance_free(instance);
}

/* --- what is refused --------------------------------------------------------------------------- */

static void refused(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *spec;
		int rc;
		const char *says;
	} cases[] = {
		{__LINE__, "{}", E_SYNTAX, "name"},
		{__LINE__, "[]", E_SYNTAX, "name"},
		{__LINE__, "{'name': 1}", E_SYNTAX, "name"},
		{__LINE__, "{'name': 'a'}", E_SYNTAX, "'a'"},
		{__LINE__, "{'name': '-ab'}", E_SYNTAX, "'-ab'"},
		{__LINE__, "{'name': 'ab', 'blueprintId': 'dos_6'}", E_RANGE, "dos_6"},
		{__LINE__, "{'name': 'ab', 'bundleId': 'tera'}", E_RANGE, "tera"},
		{__LINE__, "{'name': 'ab', 'instanceId': 'i-0123456789abcdef01'}", E_RANGE,
			"instanceId"},
		{__LINE__, "{'name': 'ab', 'metadataOptions': {'httpTokens': 'x'}}", E_RANGE,
			"httpTokens"},
		{__LINE__, "{'name': 'ab', 'metadataOptions': {'x': 'y'}}", E_SYNTAX, "'x'"},
		{__LINE__, "{'name': 'ab', 'metadataOptions': 'required'}", E_SYNTAX,
			"metadataOptions"},
		{__LINE__, "{'name': 'ab', 'match': {'mac': '02:aa'}}", E_SYNTAX, "02:aa"},
		{__LINE__, "{'name': 'ab', 'match': {'addresses': ['10.0.0.256']}}", E_SYNTAX,
			"10.0.0.256"},
		{__LINE__, "{'name': 'ab', 'match': {'addresses': ['10.0.0.1/8']}}", E_SYNTAX,
			"10.0.0.1/8"},
		{__LINE__, "{'name': 'ab', 'match': {'addresses': [1]}}", E_SYNTAX, "address"},
		{__LINE__, "{'name': 'ab', 'privateIpAddress': 'x'}", E_SYNTAX, "privateIpAddress"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct instance *instance = NULL;
		struct diag diag = {{0}};
		case_int(cases[i].line, help_instance_rc(cases[i].spec, &instance, &diag),
			cases[i].rc);
		case_int(cases[i].line, instance == NULL, true);
		if (!strstr(diag.text, cases[i].says)) {
			fail_msg("case of line %d: \"%s\"", cases[i].line, diag.text);
		}
		case_int(cases[i].line, help_instance_rc(cases[i].spec, &instance, NULL),
			cases[i].rc);
	}
}

static void number_of_addresses(void **state)
{
	(void)state;
	for (int n = INSTANCE_ADDRESSES_MAX; n <= INSTANCE_ADDRESSES_MAX + 1; n++) {
		CLEANUP(buf_done) struct buf text = BUF_EMPTY;
		struct instance *instance = NULL;
		buf_add(&text, STR("{'name': 'ab', 'match': {'addresses': ["));
		for (int i = 0; i < n; i++) {
			buf_add_f(&text, "%s'10.0.0.%d'", i ? ", " : "", i);
		}
		buf_add(&text, STR("]}}"));
		char *spec = buf_take(&text);
		assert_int_equal(help_instance_rc(spec, &instance, NULL),
			n == INSTANCE_ADDRESSES_MAX ? 0 : E_LIMIT);
		if (instance) {
			assert_int_equal(instance->n_addresses, n);
			assert_address(__LINE__, &instance->addresses[n - 1], "10.0.0.63");
		}
		instance_free(instance);
		free(spec);
	}
}

/* A role is taken, also when the rest is refused. */
static void role_is_taken(void **state)
{
	(void)state;
	json_t *good = help_json("{'name': 'ab'}"), *bad = help_json("{'name': 'a'}");
	struct instance *instance = NULL;
	assert_int_equal(
		instance_new(bad, &help_record, &help_site, role_failed(), &instance, NULL),
		E_SYNTAX);
	assert_int_equal(
		instance_new(good, &help_record, &help_site, role_failed(), &instance, NULL), 0);
	assert_true(instance->role->failed);
	instance_free(instance);
	instance_free(NULL);
	json_decref(good);
	json_decref(bad);
}

/* --- memory that runs out, and secrets --------------------------------------------------------- */

static int make_realistic(void *ctx)
{
	struct instance *instance = NULL;
	struct diag diag = {{0}};
	struct role_credentials role = {.secret_access_key = STR("hush-from-a-file")};
	struct role_credentials *copy = role_clone(&role);
	if (!copy) {
		return -ENOMEM;
	}
	int rc = instance_new(ctx, &help_record, &help_site, copy, &instance, &diag);
	assert_int_equal(rc == 0, instance != NULL);
	assert_int_equal(rc < 0, diag.text[0] != '\0');
	instance_free(instance);
	return rc;
}

static void memory_runs_out(void **state)
{
	(void)state;
	json_t *spec = help_json(HELP_REALISTIC);
	assert_true(help_each_allocation_fails(make_realistic, spec) >= 2);
	json_decref(spec);
}

static void secrets_are_wiped(void **state)
{
	(void)state;
	json_t *spec =
		help_json("{'name': 'ab', 'role': {'name': 'r', 'credentials': {'accessKeyId': 'A',"
			  " 'secretAccessKey': 'hush-in-place', 'token': 't'}}}");
	alloc_watch(STR("hush-"));
	assert_int_equal(make_realistic(spec), 0);
	assert_int_equal(alloc_watch(STR_EMPTY), 0);
	/* The watch sees what is not wiped. */
	alloc_watch(STR("hush-"));
	free(str_dup(STR("hush-hush")));
	assert_int_equal(alloc_watch(STR_EMPTY), 1);
	json_decref(spec);
}

/* --- memory ------------------------------------------------------------------------------------ */

static void memory(void **state)
{
	(void)state;
	struct instance *instance = help_instance(HELP_REALISTIC);
	print_message(
		"a realistic instance that was never asked: %zu bytes, %zu of them its text\n",
		instance->bytes_, instance->spec.n);
	assert_true(instance->bytes_ <= MOST_BYTES);
	assert_true(instance->bytes_ > instance->spec.n);
	instance_free(instance);
	instance = help_instance("{'name': 'plain'}");
	print_message("a plain one: %zu bytes\n", instance->bytes_);
	instance_free(instance);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(a_realistic_one),
		cmocka_unit_test(defaults),
		cmocka_unit_test(match),
		cmocka_unit_test(options_of_blueprints),
		cmocka_unit_test(states),
		cmocka_unit_test(specification_is_kept),
		cmocka_unit_test(refused),
		cmocka_unit_test(number_of_addresses),
		cmocka_unit_test(role_is_taken),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(secrets_are_wiped),
		cmocka_unit_test(memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
