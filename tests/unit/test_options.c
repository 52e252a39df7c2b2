/* The metadata options: what each member may be, and that a refused change changes nothing. */
#include "tests/unit/metadata_help.h"

#include "metadata/options.h"

static bool same(const struct metadata_options *a, const struct metadata_options *b)
{
	return a->tokens_required == b->tokens_required && a->endpoint == b->endpoint &&
	       a->ipv6 == b->ipv6 && a->tags == b->tags && a->hop_limit == b->hop_limit;
}

static void defaults(void **state)
{
	(void)state;
	assert_false(options_default.tokens_required);
	assert_true(options_default.endpoint);
	assert_false(options_default.ipv6);
	assert_false(options_default.tags);
	assert_int_equal(options_default.hop_limit, 1);
}

static void good(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text;
		struct metadata_options want;
	} cases[] = {
		{__LINE__, "{}", {false, true, false, false, 1}},
		{__LINE__, "{'httpTokens': 'required'}", {true, true, false, false, 1}},
		{__LINE__, "{'httpTokens': 'optional'}", {false, true, false, false, 1}},
		{__LINE__, "{'httpEndpoint': 'disabled'}", {false, false, false, false, 1}},
		{__LINE__, "{'httpProtocolIpv6': 'enabled'}", {false, true, true, false, 1}},
		{__LINE__, "{'instanceMetadataTags': 'enabled'}", {false, true, false, true, 1}},
		{__LINE__, "{'httpPutResponseHopLimit': 1}", {false, true, false, false, 1}},
		{__LINE__, "{'httpPutResponseHopLimit': 64}", {false, true, false, false, 64}},
		{__LINE__,
			"{'httpTokens': 'required', 'httpEndpoint': 'disabled', 'httpProtocolIpv6':"
			" 'enabled', 'instanceMetadataTags': 'enabled', 'httpPutResponseHopLimit': 2}",
			{true, false, true, true, 2}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct metadata_options options = options_default;
		json_t *object = help_json(cases[i].text);
		case_int(cases[i].line, options_apply(&options, object, NULL), 0);
		case_int(cases[i].line, same(&options, &cases[i].want), true);
		json_decref(object);
	}
}

static void bad(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text;
		int rc;
		const char *says;
	} cases[] = {
		{__LINE__, "{'httpTokens': 'Required'}", E_RANGE,
			"httpTokens: 'Required', expected optional or required"},
		{__LINE__, "{'httpTokens': 'enabled'}", E_RANGE, "httpTokens"},
		{__LINE__, "{'httpTokens': ''}", E_RANGE, "httpTokens"},
		{__LINE__, "{'httpTokens': 'no-preference'}", E_RANGE, "httpTokens"},
		{__LINE__, "{'httpTokens': true}", E_RANGE, "httpTokens: not a text"},
		{__LINE__, "{'httpTokens': null}", E_RANGE, "httpTokens"},
		{__LINE__, "{'httpTokens': ['required']}", E_RANGE, "httpTokens"},
		{__LINE__, "{'httpEndpoint': 'required'}", E_RANGE,
			"httpEndpoint: 'required', expected disabled or enabled"},
		{__LINE__, "{'httpEndpoint': 1}", E_RANGE, "httpEndpoint"},
		{__LINE__, "{'httpProtocolIpv6': 'on'}", E_RANGE, "httpProtocolIpv6"},
		{__LINE__, "{'instanceMetadataTags': 'yes'}", E_RANGE, "instanceMetadataTags"},
		{__LINE__, "{'httpPutResponseHopLimit': 0}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'httpPutResponseHopLimit': 65}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'httpPutResponseHopLimit': -1}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'httpPutResponseHopLimit': 257}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'httpPutResponseHopLimit': 4294967297}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'httpPutResponseHopLimit': 2.0}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'httpPutResponseHopLimit': '2'}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'httpPutResponseHopLimit': null}", E_RANGE, "from 1 to 64"},
		{__LINE__, "{'HttpTokens': 'required'}", E_SYNTAX, "unknown option 'HttpTokens'"},
		{__LINE__, "{'': 'required'}", E_SYNTAX, "unknown option ''"},
		{__LINE__, "{'state': 'applied'}", E_SYNTAX, "unknown option 'state'"},
		{__LINE__, "{'httpTokens': 'required', 'x': 1}", E_SYNTAX, "unknown option 'x'"},
		{__LINE__, "[]", E_SYNTAX, "metadataOptions"},
		{__LINE__, "'required'", E_SYNTAX, "metadataOptions"},
		{__LINE__, "null", E_SYNTAX, "metadataOptions"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct metadata_options options = {true, false, true, true, 33};
		const struct metadata_options before = options;
		struct diag diag = {{0}};
		json_t *object = help_json(cases[i].text);
		case_int(cases[i].line, options_apply(&options, object, &diag), cases[i].rc);
		case_int(cases[i].line, same(&options, &before), true);
		if (!strstr(diag.text, cases[i].says)) {
			fail_msg("case of line %d: \"%s\"", cases[i].line, diag.text);
		}
		case_int(cases[i].line, options_apply(&options, object, NULL), cases[i].rc);
		json_decref(object);
	}
	struct metadata_options options = options_default;
	assert_int_equal(options_apply(&options, NULL, NULL), E_SYNTAX);
}

static void what_is_left_out_keeps_its_value(void **state)
{
	(void)state;
	struct metadata_options options = {true, false, true, true, 33};
	json_t *object = help_json("{'httpPutResponseHopLimit': 5}");
	assert_int_equal(options_apply(&options, object, NULL), 0);
	assert_true(same(&options, &(struct metadata_options){true, false, true, true, 5}));
	json_decref(object);
}

/* All 2^4 * 64 of them. */
static void as_json_and_back(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 16; bits++) {
		for (unsigned hops = OPTIONS_HOP_LIMIT_MIN; hops <= OPTIONS_HOP_LIMIT_MAX; hops++) {
			struct metadata_options options = {
				bits & 1, bits & 2, bits & 4, bits & 8, (uint8_t)hops};
			struct metadata_options again = {
				!(bits & 1), !(bits & 2), !(bits & 4), !(bits & 8), 0};
			json_t *json = options_to_json(&options);
			assert_int_equal(json_object_size(json), 5);
			assert_int_equal(options_apply(&again, json, NULL), 0);
			assert_true(same(&again, &options));
			json_decref(json);
		}
	}
	json_t *json = options_to_json(&options_default);
	json_t *want =
		help_json("{'httpTokens': 'optional', 'httpEndpoint': 'enabled',"
			  " 'httpProtocolIpv6': 'disabled', 'instanceMetadataTags': 'disabled',"
			  " 'httpPutResponseHopLimit': 1}");
	assert_true(json_equal(json, want));
	json_decref(json);
	json_decref(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(what_is_left_out_keeps_its_value),
		cmocka_unit_test(as_json_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
