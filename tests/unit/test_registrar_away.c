/* A host whose database is away, came back, or is another one than before; and its copy. */
#include "tests/unit/fleet_help.h"

static void put(struct fleet_test *f, struct host *h, const char *text)
{
	if (fleet_put(f, h, text) != 0) {
		fail_msg("%s", f->diag.text);
	}
}

/* --- the database is away ---------------------------------------------------------------------- */

static void own_instances_are_read(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "name: xx\n");
	put(f, b, "name: yy\n");
	(void)registrar_acknowledge(a->registrar);
	fleet_lose(a);
	assert_string_equal(fleet_shown(f, a, "xx"), "a applied");
	assert_true(registrar_is_attached(a->registrar)); /* nobody has asked it */
	assert_string_equal(fleet_shown(f, a, "yy"), "away");
	assert_false(registrar_is_attached(a->registrar));
	assert_string_equal(fleet_shown(f, a, "xx"), "a applied");
	assert_string_equal(fleet_shown(f, a, "yy"), "away"); /* it may be elsewhere */
	json_t *ids = json_pack("[s]", fleet_instance(a, "xx")->id), *views, *unknown;
	const struct registrar_query query = {.most = 10, .ids = ids};
	bool more;
	assert_int_equal(registrar_list(a->registrar, &query, &views, &more, &f->diag), 0);
	assert_int_equal(json_array_size(views), 1);
	assert_int_equal(registrar_unknown_ids(a->registrar, ids, &unknown, &f->diag), 0);
	assert_int_equal(json_array_size(unknown), 0);
	json_decref(unknown);
	assert_int_equal(json_array_append_new(ids, json_string("i-elsewhere")), 0);
	assert_int_equal(registrar_unknown_ids(a->registrar, ids, &unknown, &f->diag), E_AWAY);
	json_decref(views);
	json_decref(ids);
}

static int create(struct fleet_test *f, struct host *h, const char *text)
{
	json_t *specs = control_specs(text);
	int rc = registrar_create(h->registrar, NULL, specs, &f->diag);
	json_decref(specs);
	return rc;
}

static int defaults(struct fleet_test *f, struct host *h, const char *text)
{
	json_t *changes = help_json(text);
	int rc = registrar_defaults(h->registrar, NULL, changes, &f->diag);
	json_decref(changes);
	return rc;
}

static void assert_nothing_changes(struct fleet_test *f, struct host *h)
{
	struct deed deed = fleet_deed("Something");
	json_t *hosts;
	assert_int_equal(fleet_options(f, h, NULL, "xx", "{'httpTokens': 'required'}"), E_AWAY);
	assert_int_equal(fleet_options(f, h, NULL, "yy", "{'httpTokens': 'required'}"), E_AWAY);
	assert_int_equal(fleet_delete(f, h, &deed, "xx"), E_AWAY);
	assert_int_equal(fleet_delete(f, h, &deed, "none"), E_AWAY);
	assert_int_equal(fleet_put(f, h, "name: xx\ntags: {a: b}\n"), E_AWAY);
	assert_int_equal(create(f, h, "name: new\n"), E_AWAY);
	assert_int_equal(fleet_apply(f, h, "name: new\n"), E_AWAY);
	assert_int_equal(fleet_move(f, h, NULL, "xx", "b", true), E_AWAY);
	assert_int_equal(defaults(f, h, "{'httpTokens': 'required'}"), E_AWAY);
	assert_int_equal(registrar_hosts(h->registrar, &hosts, &f->diag), E_AWAY);
	assert_int_equal(registrar_forget_host(h->registrar, NULL, STR("b"), &f->diag), E_AWAY);
	assert_int_equal(registrar_reboot(h->registrar, &deed, STR("xx"), &f->diag), E_AWAY);
	assert_int_equal(registrar_catch_up(h->registrar, true, &f->diag), E_AWAY);
	assert_false(registrar_acknowledge(h->registrar));
	assert_false(fleet_instance(h, "xx")->options.tokens_required);
	json_decref(deed.operations);
}

static void nothing_is_changed(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	put(f, a, "name: xx\n");
	registrar_detach(a->registrar);
	assert_nothing_changes(f, a);
	fleet_find(f, a);
	fleet_assert_in_step(f, a);
	fleet_restart(f, a); /* and nothing of it was attached */
	assert_nothing_changes(f, a);
}

/* Whichever call hears of it: the change is made, or it is not. */
static void a_change_is_whole_wherever_it_breaks_off(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	int rc = E_AWAY;
	unsigned breaks = 0;
	put(f, a, "name: xx\n");
	for (unsigned nth = 1; rc != 0; nth++, breaks++) {
		struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
		store_shared_away(a->connection, nth);
		rc = fleet_options(f, a, &deed, "xx", "{'httpTokens': 'required'}");
		assert_true(rc == 0 || rc == E_AWAY);
		assert_true(rc == 0 || !fleet_instance(a, "xx")->options.tokens_required);
		fleet_find(f, a);
		assert_int_equal(fleet_instance(a, "xx")->options.tokens_required, rc == 0);
		fleet_settle(f);
		fleet_assert_in_step(f, a);
		fleet_assert_none_open(f);
		json_decref(deed.operations);
	}
	assert_true(breaks > 5);
}

/* It was made, and who asked was told that nobody knows. */
static void a_doubtful_change_is_found_later(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
	put(f, a, "name: xx\n");
	store_shared_doubt(a->connection, 1);
	assert_int_equal(fleet_options(f, a, &deed, "xx", "{'httpTokens': 'required'}"), E_AWAY);
	assert_false(fleet_instance(a, "xx")->options.tokens_required);
	fleet_find(f, a);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	fleet_settle(f);
	fleet_assert_none_open(f);
	json_decref(deed.operations);
}

/* --- a start without it ------------------------------------------------------------------------ */

static void the_copy_serves_the_same(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "[{name: xx, metadataOptions: {httpTokens: required}}, {name: yy}, {name: zz}]");
	assert_int_equal(fleet_delete(f, b, NULL, "zz"), 0);
	assert_int_equal(registrar_revoke(b->registrar, NULL, STR("yy"), &f->diag), 0);
	fleet_catch_up(f, a);
	struct buf before = BUF_EMPTY, after = BUF_EMPTY;
	fleet_dump_registry(a, &before);
	assert_true(registrar_has_copy(a->registrar));
	fleet_restart(f, a);
	assert_true(registrar_has_copy(a->registrar));
	fleet_dump_registry(a, &after);
	fleet_assert_same(a, "its registry", &after, &before);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	/* What came meanwhile, and what went. */
	assert_int_equal(fleet_delete(f, b, NULL, "xx"), 0);
	assert_int_equal(fleet_options(f, b, NULL, "yy", "{'httpEndpoint': 'disabled'}"), 0);
	put(f, b, "name: new\n");
	assert_int_equal(fleet_move(f, b, NULL, "new", "a", true), 0);
	assert_non_null(fleet_instance(a, "xx"));
	fleet_find(f, a);
	assert_null(fleet_instance(a, "xx"));
	assert_false(fleet_instance(a, "yy")->options.endpoint);
	assert_non_null(fleet_instance(a, "new"));
	fleet_assert_in_step(f, a);
	buf_done(&before);
}

static void a_host_without_a_copy_says_so(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	fleet_stop(a);
	store_free(a->copy);
	a->copy = store_memory_new();
	assert_int_equal(fleet_start(f, a), 0);
	assert_false(registrar_has_copy(a->registrar));
	fleet_find(f, a);
	assert_true(registrar_has_copy(a->registrar)); /* of no instances, but of a database */
}

static int drop_all(void *ctx, const struct store_instance *row)
{
	return json_array_append_new(ctx, json_from_str(row->name));
}

/* One that makes no instance, or none beside another, keeps no other from being served. */
static void a_copy_with_nonsense_serves_the_rest(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	const struct store_instance rows[] = {
		{.name = STR("bad"), .spec = STR("{{"), .host = STR("a")},
		{.name = STR("zz"),
			.spec = STR("{\"name\":\"zz\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}"),
			.host = STR("a")},
	};
	put(f, a, "name: xx\nmatch: {addresses: [10.0.0.1]}\n");
	assert_int_equal(a->copy->ops->begin(a->copy, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(a->copy->ops->instance_put(a->copy, &rows[i], STORE_ANY, NULL), 0);
	}
	assert_int_equal(a->copy->ops->commit(a->copy, NULL), 0);
	fleet_restart(f, a);
	assert_non_null(fleet_instance(a, "xx"));
	assert_null(fleet_instance(a, "zz"));
	fleet_find(f, a);
	fleet_assert_in_step(f, a); /* the copy as well */
}

/* --- another database than before -------------------------------------------------------------- */

/* From a backup: revisions went back, what came later is gone, what went is there. */
static void an_older_database_is_followed(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	put(f, a, "[{name: xx}, {name: yy}]");
	assert_int_equal(fleet_options(f, a, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	fleet_settle(f);
	struct store *older = store_memory_new(), *newer = f->database;
	f->database = older;
	for (unsigned i = 1; i < FLEET_HOSTS; i++) {
		fleet_find(f, &f->hosts[i]);
	}
	put(f, &f->hosts[1], "[{name: xx}, {name: zz}]");
	fleet_find(f, a);
	assert_null(fleet_instance(a, "xx")); /* it is b's there */
	assert_null(fleet_instance(a, "yy"));
	(void)registrar_acknowledge(a->registrar);
	put(f, a, "name: new\n");
	fleet_settle(f);
	assert_string_equal(fleet_shown(f, &f->hosts[1], "new"), "a applied");
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		fleet_assert_in_step(f, &f->hosts[i]);
	}
	store_free(newer);
}

static int copy_row(void *ctx, const struct store_instance *row)
{
	return ((struct store *)ctx)->ops->instance_put(ctx, row, STORE_ANY, NULL);
}

/* The same rows with smaller numbers: nothing is to be done, and what comes is heard of. */
static void a_restored_database_is_gone_on_from(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "[{name: xx}, {name: yy}]");
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(registrar_revoke(a->registrar, NULL, STR("xx"), &f->diag), 0);
	}
	fleet_settle(f);
	struct store *restored = store_memory_new(), *before = f->database;
	assert_int_equal(restored->ops->begin(restored, NULL), 0);
	assert_int_equal(before->ops->instance_each(before, (struct str){NULL, 0}, STR_EMPTY,
				 copy_row, restored, NULL),
		0);
	assert_int_equal(restored->ops->commit(restored, NULL), 0);
	f->database = restored;
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		fleet_find(f, &f->hosts[i]);
	}
	fleet_settle(f);
	assert_string_equal(fleet_shown(f, b, "xx"), "a applied");
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	assert_string_equal(fleet_shown(f, b, "xx"), "a pending");
	fleet_settle(f);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	fleet_assert_in_step(f, a);
	store_free(before);
}

/* --- the copy can't be written ----------------------------------------------------------------- */

static void guests_are_served_without_a_copy(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "[{name: xx}, {name: yy}]");
	fleet_lose(a);
	registrar_detach(a->registrar);
	store_shared_away(a->copied, 1); /* as good as a disk that is full */
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	assert_int_equal(fleet_delete(f, b, NULL, "yy"), 0);
	assert_int_equal(defaults(f, b, "{'httpPutResponseHopLimit': 5}"), 0);
	fleet_find(f, a); /* the copy's troubles are not the database's */
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	assert_null(fleet_instance(a, "yy"));
	put(f, b, "name: zz\n");
	assert_int_equal(fleet_move(f, b, NULL, "zz", "a", true), 0);
	fleet_catch_up(f, a);
	assert_non_null(fleet_instance(a, "zz"));
	assert_false(registrar_acknowledge(a->registrar)); /* it is in force, and told */
	/* It can be written again: with the next look, though nothing has changed. */
	store_shared_away(a->copied, 0);
	assert_int_equal(registrar_catch_up(a->registrar, false, &f->diag), 0);
	fleet_assert_in_step(f, a);
	fleet_restart(f, a);
	json_t *prefers;
	assert_int_equal(registrar_show_defaults(a->registrar, &prefers, &f->diag), 0);
	assert_int_equal(json_object_size(prefers), 1);
	json_decref(prefers);
}

/* Each of its calls in turn. */
static void the_copy_is_right_again_after_any_failure(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	for (unsigned nth = 1; nth <= 12; nth++) {
		put(f, a, "[{name: xx}, {name: yy}]");
		fleet_settle(f);
		assert_int_equal(fleet_delete(f, b, NULL, "yy"), 0);
		assert_int_equal(registrar_revoke(b->registrar, NULL, STR("xx"), &f->diag), 0);
		put(f, b, "name: zz\n");
		assert_int_equal(fleet_move(f, b, NULL, "zz", "a", true), 0);
		store_memory_fail(a->copy, nth, E_FULL);
		fleet_catch_up(f, a);
		store_memory_fail(a->copy, 0, 0);
		assert_null(fleet_instance(a, "yy"));
		assert_non_null(fleet_instance(a, "zz"));
		fleet_catch_up(f, a);
		fleet_assert_in_step(f, a);
		assert_int_equal(fleet_delete(f, b, NULL, "zz"), 0);
		fleet_settle(f);
	}
}

/* Operations and all. */
static void a_change_without_memory_is_none(void **state)
{
	struct fleet_test *f = *state;
	struct host *b = &f->hosts[1];
	bool failed = true;
	put(f, &f->hosts[0], "name: xx\n");
	for (unsigned n = 1; failed; n++) {
		struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
		json_t *changes = help_json(
			n % 2 ? "{'httpTokens': 'required'}" : "{'httpTokens': 'optional'}");
		alloc_fail_at(n);
		int rc = registrar_options(b->registrar, &deed, STR("xx"), changes, &f->diag);
		failed = alloc_fail_at(0);
		assert_true(rc == 0 || (failed && rc == -ENOMEM));
		bool was = fleet_instance(&f->hosts[0], "xx")->options.tokens_required;
		fleet_settle(f);
		bool is = fleet_instance(&f->hosts[0], "xx")->options.tokens_required;
		assert_int_equal(is, rc == 0 ? n % 2 : was);
		fleet_assert_in_step(f, &f->hosts[0]);
		fleet_assert_none_open(f);
		json_decref(changes);
		json_decref(deed.operations);
	}
}

/* --- without memory ---------------------------------------------------------------------------- */

/* Nothing is half done: a later look does it all. */
static void catching_up_without_memory_is_tried_again(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	for (unsigned n = 1;; n++) {
		struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
		put(f, a, "[{name: xx}, {name: yy}, {name: go}]");
		fleet_settle(f);
		put(f, b, "name: zz\n");
		assert_int_equal(fleet_options(f, b, &deed, "xx", "{'httpTokens': 'required'}"), 0);
		assert_int_equal(fleet_delete(f, b, NULL, "yy"), 0);
		assert_int_equal(fleet_move(f, b, NULL, "zz", "a", true), 0);
		assert_int_equal(fleet_move(f, b, NULL, "go", "b", false), 0);
		alloc_fail_at(n);
		int rc = registrar_catch_up(a->registrar, true, &f->diag);
		bool failed = alloc_fail_at(0);
		assert_true(rc == 0 || (failed && rc == -ENOMEM));
		assert_non_null(fleet_instance(a, "xx"));
		fleet_settle(f);
		for (unsigned i = 0; i < FLEET_HOSTS; i++) {
			fleet_assert_in_step(f, &f->hosts[i]);
		}
		assert_non_null(fleet_instance(b, "go"));
		fleet_assert_none_open(f);
		json_decref(deed.operations);
		if (!failed) {
			assert_true(n > 20);
			break;
		}
		json_t *gone = json_array();
		assert_int_equal(f->database->ops->instance_each(f->database, (struct str){NULL, 0},
					 STR_EMPTY, drop_all, gone, NULL),
			0);
		for (size_t i = 0; i < json_array_size(gone); i++) {
			const char *name = json_string_value(json_array_get(gone, i));
			assert_int_equal(fleet_delete(f, b, NULL, name), 0);
		}
		fleet_settle(f);
		json_decref(gone);
	}
}

static void attaching_without_memory_is_tried_again(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		put(f, a, "[{name: xx}, {name: yy}]");
		registrar_detach(a->registrar);
		assert_int_equal(fleet_delete(f, b, NULL, "yy"), 0);
		assert_int_equal(registrar_revoke(b->registrar, NULL, STR("xx"), &f->diag), 0);
		struct store *connection = store_shared_new(f->database);
		alloc_fail_at(n);
		int rc = registrar_attach(a->registrar, connection, &f->diag);
		failed = alloc_fail_at(0);
		assert_true(rc == 0 || (failed && rc == -ENOMEM));
		assert_int_equal(registrar_is_attached(a->registrar), rc == 0);
		assert_non_null(fleet_instance(a, "xx"));
		fleet_find(f, a);
		fleet_assert_in_step(f, a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLEET_TEST(own_instances_are_read),
		FLEET_TEST(nothing_is_changed),
		FLEET_TEST(a_change_is_whole_wherever_it_breaks_off),
		FLEET_TEST(a_doubtful_change_is_found_later),
		FLEET_TEST(the_copy_serves_the_same),
		FLEET_TEST(a_host_without_a_copy_says_so),
		FLEET_TEST(a_copy_with_nonsense_serves_the_rest),
		FLEET_TEST(an_older_database_is_followed),
		FLEET_TEST(a_restored_database_is_gone_on_from),
		FLEET_TEST(guests_are_served_without_a_copy),
		FLEET_TEST(the_copy_is_right_again_after_any_failure),
		FLEET_TEST(a_change_without_memory_is_none),
		FLEET_TEST(catching_up_without_memory_is_tried_again),
		FLEET_TEST(attaching_without_memory_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
