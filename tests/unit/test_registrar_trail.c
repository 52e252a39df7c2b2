/* What the registrar remembers of changes: operations and their ends, audit records. */
#include "tests/unit/control_help.h"

#include "metadata/derive.h"
#include "tests/unit/cases.h"

#define AT_MS (CONTROL_NOW_S * 1000 + 250)

/* A deed whose operations are kept. */
static struct deed new_deed(const char *type)
{
	return (struct deed){.at_ms = AT_MS,
		.who = STR("AKID"),
		.from = STR("192.0.2.1"),
		.action = STR("lightsail:Something"),
		.request_id = STR("r-1"),
		.operation_type = type,
		.operations = json_array()};
}

static const char *id_of(const struct deed *deed)
{
	return json_string_value(json_object_get(json_array_get(deed->operations, 0), "id"));
}

static json_t *operation(struct control *c, const char *id)
{
	json_t *found = NULL;
	assert_int_equal(registrar_operation(c->registrar, str_of(id), &found, &c->diag), 0);
	return found;
}

static void assert_status(struct control *c, const char *id, const char *status)
{
	json_t *found = operation(c, id);
	assert_string_equal(json_string_value(json_object_get(found, "status")), status);
	assert_int_equal(
		json_is_true(json_object_get(found, "isTerminal")), strcmp(status, "Started") != 0);
	json_decref(found);
}

static void assert_state(struct control *c, const char *state)
{
	json_t *view;
	assert_int_equal(registrar_show(c->registrar, STR("aa"), &view, &c->diag), 0);
	const json_t *options = json_object_get(view, "metadataOptions");
	assert_string_equal(json_string_value(json_object_get(options, "state")), state);
	json_decref(view);
}

/* Make tokens required as one deed; the caller ends it. */
static struct deed require_tokens(struct control *c)
{
	struct deed deed = new_deed("UpdateInstanceMetadataOptions");
	json_t *changes = help_json("{'httpTokens': 'required'}");
	assert_int_equal(registrar_options(c->registrar, &deed, STR("aa"), changes, &c->diag), 0);
	json_decref(changes);
	return deed;
}

/* --- operations -------------------------------------------------------------------------------- */

/* A worker that was reading when the change came has it at its next turn, not before. */
static void ends_when_every_worker_has_it(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: aa\n"), 0);
	registry_turn(c->registry, 1);
	struct deed deed = require_tokens(c);
	const char *id = id_of(&deed);
	assert_state(c, "pending");
	assert_status(c, id, "Started");
	registry_turn(c->registry, 0);
	registrar_tick(c->registrar);
	assert_status(c, id, "Started");
	registry_turn(c->registry, 1);
	assert_state(c, "applied");
	control_clock_s += 2;
	registrar_tick(c->registrar);
	assert_status(c, id, "Succeeded");
	json_t *ended = operation(c, id);
	json_t *begun = json_array_get(deed.operations, 0);
	assert_string_equal(json_string_value(json_object_get(begun, "status")), "Started");
	assert_true(json_real_value(json_object_get(ended, "createdAt")) == AT_MS / 1000.0);
	assert_true(json_real_value(json_object_get(ended, "statusChangedAt")) ==
		    (double)control_clock_s);
	json_decref(ended);
	json_decref(deed.operations);
}

/* The clock of ends is coarser than that of beginnings. */
static void does_not_end_before_it_began(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: aa\n"), 0);
	struct deed deed = require_tokens(c);
	json_t *ended = operation(c, id_of(&deed));
	assert_true(json_real_value(json_object_get(ended, "statusChangedAt")) == AT_MS / 1000.0);
	json_decref(ended);
	json_decref(deed.operations);
}

static void ends_later_when_the_store_fails(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: aa\n"), 0);
	registry_turn(c->registry, 0);
	struct deed deed = require_tokens(c);
	registry_idle(c->registry, 0);
	for (unsigned nth = 1; nth <= 3; nth++) { /* begin, put, commit */
		store_memory_fail(c->store, nth, E_FULL);
		registrar_tick(c->registrar);
		store_memory_fail(c->store, 0, 0);
		registry_turn(c->registry, 0);
	}
	assert_status(c, id_of(&deed), "Succeeded");
	json_decref(deed.operations);
}

/* Killed between the change and the operation's end. */
static void is_ended_by_the_next_start(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: aa\n"), 0);
	registry_turn(c->registry, 0);
	struct deed deed = require_tokens(c);
	control_restart(c);
	assert_status(c, id_of(&deed), "Succeeded");
	assert_true(control_instance(c, "aa")->options.tokens_required);
	json_decref(deed.operations);
}

static int find_row(void *ctx, const struct store_instance *row)
{
	(void)ctx;
	(void)row;
	return 0;
}

/* The only failure behind the store's commit is a lack of memory; then the operation says so. */
static void fails_when_it_can_not_be_published(void **state)
{
	struct control *c = *state;
	json_t *specs = control_specs("name: aa\n");
	bool seen = false;
	int rc = -ENOMEM;
	for (unsigned n = 1; rc != 0; n++) {
		struct deed deed = new_deed("CreateInstance");
		alloc_fail_at(n);
		rc = registrar_put(c->registrar, &deed, specs, &c->diag);
		alloc_fail_at(0);
		bool stored =
			c->store->ops->instance_get(c->store, STR("aa"), find_row, NULL, NULL) == 0;
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_int_equal(rc == 0, control_instance(c, "aa") != NULL);
		if (rc < 0 && stored) {
			json_t *shown = json_array_get(deed.operations, 0);
			assert_string_equal(
				json_string_value(json_object_get(shown, "errorDetails")),
				"out of memory");
			assert_status(c, id_of(&deed), "Failed");
			seen = true;
		}
		json_decref(deed.operations);
		/* Anew, so that every run takes as many allocations as the one before. */
		assert_int_equal(control_teardown(state), 0);
		assert_int_equal(control_setup(state), 0);
		c = *state;
	}
	assert_true(seen);
	json_decref(specs);
}

/* --- records ----------------------------------------------------------------------------------- */

static int add_audit(void *ctx, const struct store_audit *audit)
{
	buf_add_f(ctx, "%.*s %.*s %.*s %.*s [%.*s] %.*s\n", STR_FMT(audit->who),
		STR_FMT(audit->from), STR_FMT(audit->action), STR_FMT(audit->resource),
		STR_FMT(audit->change), STR_FMT(audit->result));
	return 0;
}

static void assert_audits(struct control *c, const char *expected)
{
	struct buf out = BUF_EMPTY;
	assert_int_equal(
		c->store->ops->audit_each(c->store, STR_EMPTY, 0, add_audit, &out, NULL), 0);
	buf_add_char(&out, '\0');
	assert_string_equal(out.p, expected);
	buf_done(&out);
}

/* What fails leaves no record by itself: whoever asked tells how it ended. */
static void a_record_is_as_true_as_its_change(void **state)
{
	struct control *c = *state;
	struct deed deed = new_deed(NULL);
	assert_int_equal(control_put(c, "name: aa\n"), 0);
	uint32_t epoch = control_instance(c, "aa")->record.token_epoch;
	for (unsigned nth = 2; nth <= 6; nth++) {
		store_memory_fail(c->store, nth, E_FULL); /* begin, put, audit, operation, commit */
		assert_int_equal(
			registrar_revoke(c->registrar, &deed, STR("aa"), &c->diag), E_FULL);
		assert_int_equal(control_instance(c, "aa")->record.token_epoch, epoch);
	}
	assert_audits(c, "");
	assert_int_equal(registrar_delete(c->registrar, &deed, STR("aa"), &c->diag), 0);
	registrar_tell(c->registrar, &deed, STR("bb"), STR("not found"));
	assert_audits(c, "AKID 192.0.2.1 lightsail:Something bb [] not found\n"
			 "AKID 192.0.2.1 lightsail:Something aa [deleted] ok\n");
	json_decref(deed.operations);
}

/* What a change changes is told, but no values that could be secret. */
static void a_record_says_what_has_changed(void **state)
{
	struct control *c = *state;
	struct deed deed = new_deed(NULL);
	static const char *const steps[] = {"{name: aa, metadataOptions: {httpTokens: optional}}",
		"{name: aa, metadataOptions: {httpTokens: required, httpPutResponseHopLimit: 2}}",
		"{name: aa, tags: {a: b}, userData: secret, state: stopped}", "{name: aa}"};
	for (size_t i = 0; i < COUNT(steps); i++) {
		json_t *specs = control_specs(steps[i]);
		assert_int_equal(registrar_put(c->registrar, &deed, specs, &c->diag), 0);
		json_decref(specs);
	}
	assert_int_equal(registrar_revoke(c->registrar, &deed, STR("aa"), &c->diag), 0);
#define LINE(change) "AKID 192.0.2.1 lightsail:Something aa [" change "] ok\n"
	assert_audits(c, LINE("all tokens ended") LINE("tags, userData, state stopped -> running")
				 LINE("tags, userData, state running -> stopped")
					 LINE("httpTokens optional -> required, "
					      "httpPutResponseHopLimit default -> 2") LINE("made"));
	json_decref(deed.operations);
}

static uint64_t trimmed[2];
static unsigned trims;

static int on_trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag)
{
	(void)store, (void)diag;
	trimmed[0] = keep_operations;
	trimmed[1] = keep_audits;
	trims++;
	return 0;
}

/* Once an hour; what the store then forgets is its own test. */
static void old_records_are_forgotten(void **state)
{
	struct control *c = *state;
	const struct store_ops *own = c->store->ops;
	struct store_ops ops = *own;
	ops.trim = on_trim;
	c->store->ops = &ops;
	trims = 0;
	registrar_tick(c->registrar);
	registrar_tick(c->registrar);
	assert_int_equal(trims, 1);
	assert_int_equal(trimmed[0], TRAIL_OPERATIONS_KEPT);
	assert_int_equal(trimmed[1], TRAIL_AUDITS_KEPT);
	control_clock_s += 3600;
	registrar_tick(c->registrar);
	assert_int_equal(trims, 2);
	c->store->ops = own;
}

/* --- what the account prefers ------------------------------------------------------------------ */

static int prefer(struct control *c, const char *changes)
{
	json_t *object = help_json(changes);
	struct deed deed = new_deed(NULL);
	int rc = registrar_defaults(c->registrar, &deed, object, &c->diag);
	json_decref(deed.operations);
	json_decref(object);
	return rc;
}

static void assert_preferred(struct control *c, const char *expected)
{
	json_t *defaults, *want = help_json(expected);
	assert_int_equal(registrar_show_defaults(c->registrar, &defaults, &c->diag), 0);
	assert_true(json_equal(defaults, want));
	json_decref(defaults);
	json_decref(want);
}

/* Request over account over blueprint over what is usual; and only for new instances. */
static void preferences_are_of_new_instances(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: aa\n"), 0);
	assert_preferred(c, "{}");
	assert_int_equal(prefer(c, "{'httpTokens': 'required', 'httpPutResponseHopLimit': 3}"), 0);
	assert_int_equal(control_put(c, "[{name: aa}, {name: bb}, {name: cc, metadataOptions: "
					"{httpTokens: optional}}]"),
		0);
	assert_int_equal(control_apply(c, "- {name: dd}\n"), 1);
	control_restart(c);
	assert_preferred(c, "{'httpTokens': 'required', 'httpPutResponseHopLimit': 3}");
	assert_false(control_instance(c, "aa")->options.tokens_required);
	assert_true(control_instance(c, "bb")->options.tokens_required);
	assert_int_equal(control_instance(c, "bb")->options.hop_limit, 3);
	assert_false(control_instance(c, "cc")->options.tokens_required);
	assert_int_equal(control_instance(c, "cc")->options.hop_limit, 3);
	assert_true(control_instance(c, "dd")->options.tokens_required);
	assert_int_equal(
		prefer(c, "{'httpTokens': 'optional', 'httpPutResponseHopLimit': null}"), 0);
	assert_int_equal(control_put(c, "{name: ee, blueprintId: amazon_linux_2023}"), 0);
	assert_false(control_instance(c, "ee")->options.tokens_required);
	assert_int_equal(control_instance(c, "ee")->options.hop_limit, 1);
	assert_audits(c, "AKID 192.0.2.1 lightsail:Something account [httpTokens required -> "
			 "optional, httpPutResponseHopLimit 3 -> default] ok\n"
			 "AKID 192.0.2.1 lightsail:Something account [httpTokens default -> "
			 "required, httpPutResponseHopLimit default -> 3] ok\n");
}

static void preferences_that_can_not_be(void **state)
{
	struct control *c = *state;
	static const char *const wrong[] = {"{'httpTokens': 'perhaps'}",
		"{'httpPutResponseHopLimit': 65}", "{'httpPutResponseHopLimit': '3'}",
		"{'httpTokensEnforced': 'yes'}", "{'httpTokensEnforced': true}", "{'state': 'x'}"};
	assert_int_equal(prefer(c, "{'httpEndpoint': 'enabled'}"), 0);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		int rc = prefer(c, wrong[i]);
		assert_true(rc == E_SYNTAX || rc == E_RANGE);
		assert_preferred(c, "{'httpEndpoint': 'enabled'}");
	}
	store_memory_fail(c->store, 2, E_FULL);
	assert_int_equal(prefer(c, "{'httpEndpoint': 'disabled'}"), E_FULL);
	assert_preferred(c, "{'httpEndpoint': 'enabled'}");
}

static void tokens_are_enforced(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "[{name: old}, {name: new, metadataOptions: "
					"{httpTokens: required}}]"),
		0);
	assert_int_equal(prefer(c, "{'httpTokensEnforced': 'enabled'}"), 0);
	assert_int_equal(control_put(c, "name: another\n"), E_DENIED);
	assert_non_null(strstr(c->diag.text, "another"));
	assert_int_equal(control_options(c, "new", "{'httpTokens': 'optional'}"), E_DENIED);
	assert_int_equal(control_options(c, "new", "{'httpPutResponseHopLimit': 2}"), 0);
	/* One that has them already may keep them, but there is no way back. */
	assert_int_equal(control_options(c, "old", "{'httpPutResponseHopLimit': 2}"), 0);
	assert_int_equal(control_options(c, "old", "{'httpTokens': 'required'}"), 0);
	assert_int_equal(control_options(c, "old", "{'httpTokens': 'optional'}"), E_DENIED);
	/* A file that says otherwise holds up neither a start nor what else it says. */
	assert_int_equal(
		control_apply(c, "[{name: f1, metadataOptions: {httpTokens: required}}]"), 1);
	assert_int_equal(
		control_apply(c, "[{name: f1, metadataOptions: {httpTokens: optional}, tags: "
				 "{a: b}}, {name: f2}]"),
		2);
	assert_true(control_instance(c, "f1")->options.tokens_required);
	assert_true(control_instance(c, "f2")->options.tokens_required);
	assert_non_null(memmem(control_instance(c, "f1")->spec.p, control_instance(c, "f1")->spec.n,
		"\"a\":\"b\"", 7));
	assert_int_equal(prefer(c, "{'httpTokensEnforced': null}"), 0);
	assert_int_equal(control_options(c, "old", "{'httpTokens': 'optional'}"), 0);
}

/* --- making ------------------------------------------------------------------------------------ */

static int create(struct control *c, const char *text)
{
	json_t *specs = control_specs(text);
	int rc = registrar_create(c->registrar, NULL, specs, &c->diag);
	json_decref(specs);
	return rc;
}

static void new_ones_get_free_addresses(void **state)
{
	struct control *c = *state;
	char text[128], private[IPADDR_TEXT_BYTES];
	struct ipaddr own = derive_private_address(STR("bb"));
	ipaddr_format(&own, private);
	(void)snprintf(text, sizeof text, "{name: aa, privateIpAddress: %s}", private);
	assert_int_equal(control_put(c, text), 0);
	assert_int_equal(control_put(c, "name: bb\n"), E_EXISTS);
	assert_int_equal(create(c, "name: bb\n"), 0);
	derive_next_private_address(&own);
	assert_memory_equal(&control_instance(c, "bb")->addresses[0].addr, &own, sizeof own);
	assert_int_equal(create(c, "[{name: cc}, {name: aa}]"), E_EXISTS);
	assert_non_null(strstr(c->diag.text, "'aa' already"));
	assert_null(control_instance(c, "cc"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(ends_when_every_worker_has_it),
		TEST(does_not_end_before_it_began),
		TEST(ends_later_when_the_store_fails),
		TEST(is_ended_by_the_next_start),
		TEST(fails_when_it_can_not_be_published),
		TEST(a_record_is_as_true_as_its_change),
		TEST(a_record_says_what_has_changed),
		TEST(old_records_are_forgotten),
		TEST(preferences_are_of_new_instances),
		TEST(preferences_that_can_not_be),
		TEST(tokens_are_enforced),
		TEST(new_ones_get_free_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
