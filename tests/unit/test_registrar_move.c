/* From one host of a fleet to another: never served by both, unless somebody insists. */
#include "tests/unit/fleet_help.h"

/* Which hosts have it: "a", "ab", "". */
static const char *served(struct fleet_test *f, const char *name)
{
	static char text[FLEET_HOSTS + 1];
	size_t n = 0;
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		if (fleet_instance(&f->hosts[i], name)) {
			text[n++] = f->hosts[i].name[0];
		}
	}
	text[n] = '\0';
	return text;
}

static void put(struct fleet_test *f, struct host *h, const char *text)
{
	if (fleet_put(f, h, text) != 0) {
		fail_msg("%s", f->diag.text);
	}
}

static void move(struct fleet_test *f, struct host *h, const char *name, const char *to)
{
	if (fleet_move(f, h, NULL, name, to, false) != 0) {
		fail_msg("%s", f->diag.text);
	}
}

/* --- in order ---------------------------------------------------------------------------------- */

/* Whoever it is asked of: the source, the target, or a third one. */
static void one_stops_before_the_other_starts(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		struct deed deed = fleet_deed("MoveInstance");
		put(f, a, "name: xx\n");
		fleet_busy(a);
		assert_int_equal(fleet_move(f, &f->hosts[i], &deed, "xx", "b", false), 0);
		assert_string_equal(served(f, "xx"), i == 0 ? "" : "a");
		assert_string_equal(fleet_status(f, b, &deed), "Started");
		fleet_catch_up(f, b);
		assert_string_equal(served(f, "xx"), i == 0 ? "" : "a");
		fleet_catch_up(f, a);
		assert_string_equal(served(f, "xx"), "");
		/* One of a's workers may still have it. */
		assert_true(registrar_acknowledge(a->registrar));
		fleet_catch_up(f, b);
		assert_string_equal(served(f, "xx"), "");
		assert_string_equal(fleet_status(f, b, &deed), "Started");
		fleet_busy(a);
		(void)registrar_acknowledge(a->registrar);
		assert_string_equal(served(f, "xx"), "");
		fleet_busy(b);
		fleet_catch_up(f, b);
		assert_string_equal(served(f, "xx"), "b");
		fleet_idle(b);
		(void)registrar_acknowledge(b->registrar);
		assert_string_equal(fleet_shown(f, a, "xx"), "b applied");
		assert_string_equal(fleet_status(f, a, &deed), "Succeeded");
		fleet_assert_in_step(f, a);
		fleet_assert_in_step(f, b);
		assert_int_equal(fleet_delete(f, b, NULL, "xx"), 0);
		fleet_settle(f);
		json_decref(deed.operations);
	}
}

static void keeps_all_that_it_is(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "name: xx\ntags: {k: v}\nmetadataOptions: {httpTokens: required}\n");
	const struct instance *before = fleet_instance(a, "xx");
	char id[64];
	(void)snprintf(id, sizeof id, "%s", before->id);
	struct instance_record record = before->record;
	control_clock_s += 100;
	move(f, a, "xx", "b");
	fleet_settle(f);
	const struct instance *after = fleet_instance(b, "xx");
	assert_non_null(after);
	assert_string_equal(after->id, id);
	assert_true(after->options.tokens_required);
	assert_int_equal(after->record.token_epoch, record.token_epoch);
	assert_true(after->record.created_s == record.created_s);
	assert_true(after->record.launched_s == record.launched_s);
	assert_true(after->record.changed_s == record.changed_s);
	assert_true(fleet_has(after, "\"k\":\"v\""));
}

static void waits_while_its_host_is_away(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "name: xx\n");
	fleet_lose(a);
	move(f, b, "xx", "b");
	for (unsigned i = 0; i < 3; i++) {
		fleet_catch_up(f, b);
		(void)registrar_acknowledge(b->registrar);
		(void)registrar_acknowledge(a->registrar);
		assert_string_equal(served(f, "xx"), "a");
	}
	/* Also over its restart: the copy still has it. */
	fleet_restart(f, a);
	assert_string_equal(served(f, "xx"), "a");
	fleet_busy(a);
	fleet_find(f, a);
	assert_string_equal(served(f, "xx"), "");
	(void)registrar_acknowledge(a->registrar);
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "b");
}

/* It has stopped, and goes away before it can say so. */
static void waits_for_one_that_stopped_and_left(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "name: xx\n");
	move(f, a, "xx", "b");
	assert_string_equal(served(f, "xx"), "");
	fleet_restart(f, a);
	assert_string_equal(served(f, "xx"), "");
	fleet_catch_up(f, b);
	assert_string_equal(served(f, "xx"), "");
	fleet_find(f, a);
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "b");
}

static void a_doubtful_commit_gives_it_away_once(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	put(f, a, "name: xx\n");
	move(f, a, "xx", "b");
	store_shared_doubt(a->connection, 1);
	(void)registrar_acknowledge(a->registrar);
	assert_false(registrar_is_attached(a->registrar));
	fleet_find(f, a);
	assert_string_equal(served(f, "xx"), "");
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "b");
	struct registrar_fleet fleet = fleet_numbers(a->registrar);
	assert_int_equal(fleet.moving, 0);
}

/* --- by force ---------------------------------------------------------------------------------- */

static void force_waits_for_nobody(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct deed deed = fleet_deed("MoveInstance");
	put(f, a, "name: xx\n");
	fleet_lose(a);
	assert_int_equal(fleet_move(f, b, &deed, "xx", "b", true), 0);
	assert_string_equal(served(f, "xx"), "ab");
	(void)registrar_acknowledge(b->registrar);
	assert_string_equal(fleet_status(f, b, &deed), "Succeeded");
	assert_string_equal(fleet_shown(f, a, "xx"), "a applied"); /* as far as it knows */
	fleet_find(f, a);
	assert_string_equal(served(f, "xx"), "b");
	fleet_assert_in_step(f, a);
	json_decref(deed.operations);
}

#define SLACK_MS 20000 /* that database's clock goes on by itself, too */

/* It would be served nowhere; calling it off is no such move. */
static void nothing_is_moved_to_a_host_that_may_be_gone(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "[{name: xx}, {name: yy}]\n");
	fleet_settle(f);
	fleet_busy(a);
	move(f, a, "yy", "b");
	store_memory_wait(f->database, REGISTRAR_LATE_MS - SLACK_MS);
	assert_int_equal(fleet_move(f, b, NULL, "xx", "c", false), 0);
	assert_int_equal(fleet_move(f, b, NULL, "xx", "a", false), 0); /* called off */
	store_memory_wait(f->database, SLACK_MS);
	assert_int_equal(fleet_move(f, b, NULL, "xx", "c", false), E_DENIED);
	assert_non_null(strstr(f->diag.text, "host 'c' may be gone"));
	assert_string_equal(served(f, "xx"), "a");
	assert_int_equal(fleet_move(f, b, NULL, "yy", "a", false), 0); /* called off */
	assert_int_equal(fleet_move(f, b, NULL, "xx", "c", true), 0);
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "c");
	assert_string_equal(served(f, "yy"), "a");
}

/* One that is on its way already and whose host never comes back. */
static void force_ends_a_move_that_waits(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "name: xx\n");
	fleet_lose(a);
	move(f, b, "xx", "b");
	assert_int_equal(fleet_move(f, b, NULL, "xx", "b", true), 0);
	assert_true(strchr(served(f, "xx"), 'b') != NULL);
	fleet_find(f, a);
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "b");
}

/* --- taken back -------------------------------------------------------------------------------- */

static void is_taken_back_before_it_was_given_away(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *c = &f->hosts[2];
	struct deed there = fleet_deed("MoveInstance"), back = fleet_deed("MoveInstance");
	put(f, a, "name: xx\n");
	fleet_busy(a);
	assert_int_equal(fleet_move(f, c, &there, "xx", "b", false), 0);
	fleet_catch_up(f, a);
	assert_string_equal(served(f, "xx"), "");
	assert_int_equal(fleet_move(f, c, &back, "xx", "a", false), 0);
	fleet_catch_up(f, a);
	assert_string_equal(served(f, "xx"), "a");
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "a");
	assert_string_equal(fleet_status(f, c, &back), "Succeeded");
	assert_string_equal(fleet_status(f, c, &there), "Failed");
	fleet_assert_none_open(f);
	json_decref(there.operations);
	json_decref(back.operations);
}

/* Its host has nothing of it to publish or to give away. */
static void is_taken_back_before_its_host_knew(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *c = &f->hosts[2];
	put(f, a, "name: xx\n");
	move(f, c, "xx", "b");
	move(f, c, "xx", "a");
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "a");
	fleet_assert_in_step(f, a);
}

/* Its workers must pass once more: they have it again. */
static void is_waited_for_once_more_after_it_came_back(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	put(f, a, "name: xx\n");
	fleet_busy(a);
	move(f, c, "xx", "b");
	fleet_catch_up(f, a);
	move(f, c, "xx", "a");
	fleet_catch_up(f, a);
	fleet_busy(a); /* this worker has passed the first time, and has it again */
	move(f, c, "xx", "b");
	fleet_catch_up(f, a);
	assert_true(registrar_acknowledge(a->registrar));
	fleet_catch_up(f, b);
	assert_string_equal(served(f, "xx"), "");
	fleet_idle(a);
	(void)registrar_acknowledge(a->registrar);
	fleet_catch_up(f, b);
	assert_string_equal(served(f, "xx"), "b");
}

static void another_target_is_chosen_on_the_way(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	struct deed first = fleet_deed("MoveInstance"), second = fleet_deed("MoveInstance");
	put(f, a, "name: xx\n");
	assert_int_equal(fleet_move(f, a, &first, "xx", "b", false), 0);
	assert_int_equal(fleet_move(f, a, &second, "xx", "c", false), 0);
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "c");
	assert_string_equal(fleet_status(f, a, &second), "Succeeded");
	assert_string_equal(fleet_status(f, a, &first), "Failed");
	json_decref(first.operations);
	json_decref(second.operations);
}

/* --- other changes on the way ------------------------------------------------------------------ */

static void is_changed_on_its_way(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
	put(f, a, "name: xx\n");
	fleet_busy(a);
	move(f, c, "xx", "b");
	fleet_catch_up(f, a);
	assert_int_equal(fleet_options(f, c, &deed, "xx", "{'httpTokens': 'required'}"), 0);
	assert_int_equal(fleet_options(f, a, NULL, "xx", "{'httpEndpoint': 'disabled'}"), 0);
	fleet_catch_up(f, b);
	(void)registrar_acknowledge(b->registrar);
	assert_string_equal(fleet_status(f, c, &deed), "Started"); /* nobody serves it */
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "b");
	assert_true(fleet_instance(b, "xx")->options.tokens_required);
	assert_false(fleet_instance(b, "xx")->options.endpoint);
	assert_string_equal(fleet_status(f, c, &deed), "Succeeded");
	json_decref(deed.operations);
}

static void is_deleted_on_its_way(void **state)
{
	struct fleet_test *f = *state;
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		struct host *a = &f->hosts[0];
		struct deed there = fleet_deed("MoveInstance");
		struct deed gone = fleet_deed("DeleteInstance");
		put(f, a, "name: xx\n");
		assert_int_equal(fleet_move(f, a, &there, "xx", "b", false), 0);
		if (fleet_delete(f, &f->hosts[i], &gone, "xx") != 0) {
			fail_msg("%s", f->diag.text);
		}
		fleet_settle(f);
		assert_string_equal(served(f, "xx"), "");
		assert_string_equal(fleet_shown(f, a, "xx"), "notfound");
		assert_string_equal(fleet_status(f, a, &gone), "Succeeded");
		assert_string_equal(fleet_status(f, a, &there), "Failed");
		json_decref(there.operations);
		json_decref(gone.operations);
	}
}

/* A row that its host could not publish can be moved where it can be. */
static void one_that_was_refused_is_moved(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	const struct store_instance row = {.name = STR("bad"),
		.spec = STR("{\"name\":\"bad\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}"),
		.id = STR("i-1"),
		.host = STR("a")};
	put(f, a, "name: xx\nmatch: {addresses: [10.0.0.1]}\n");
	assert_int_equal(f->database->ops->begin(f->database, NULL), 0);
	assert_int_equal(f->database->ops->instance_put(f->database, &row, STORE_ANY, NULL), 0);
	assert_int_equal(f->database->ops->commit(f->database, NULL), 0);
	fleet_settle(f);
	assert_string_equal(served(f, "bad"), "");
	move(f, &f->hosts[2], "bad", "b");
	fleet_settle(f);
	assert_string_equal(served(f, "bad"), "b");
}

/* --- what is refused --------------------------------------------------------------------------- */

static void must_have_a_place_there(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	put(f, a, "name: xx\nmatch: {addresses: [10.0.0.1]}\n");
	put(f, b, "name: yy\nmatch: {addresses: [10.0.0.1]}\n");
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		struct host *h = &f->hosts[i];
		assert_int_equal(fleet_move(f, h, NULL, "xx", "b", false), E_EXISTS);
		assert_non_null(strstr(f->diag.text, "'yy'"));
		assert_int_equal(fleet_move(f, h, NULL, "xx", "b", true), E_EXISTS);
	}
	/* Nor may two that have one address go to the same place. */
	move(f, a, "xx", "c");
	assert_int_equal(fleet_move(f, a, NULL, "yy", "c", false), E_EXISTS);
	fleet_settle(f);
	assert_string_equal(served(f, "xx"), "c");
	assert_string_equal(served(f, "yy"), "b");
}

static void goes_only_where_it_can(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	put(f, a, "name: xx\n");
	assert_int_equal(fleet_move(f, a, NULL, "xx", "d", false), E_NOTFOUND);
	assert_non_null(strstr(f->diag.text, "no host 'd'"));
	assert_int_equal(fleet_move(f, a, NULL, "xx", "a", false), E_EXISTS);
	assert_non_null(strstr(f->diag.text, "already"));
	assert_int_equal(fleet_move(f, a, NULL, "yy", "b", false), E_NOTFOUND);
	fleet_lose(a);
	assert_int_equal(fleet_move(f, a, NULL, "xx", "b", false), E_AWAY);
	assert_string_equal(served(f, "xx"), "a");
}

static void needs_a_fleet(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: xx\n"), 0);
	assert_int_equal(registrar_move(c->registrar, NULL, STR("xx"), STR("b"), false, &c->diag),
		E_NOTFOUND);
	assert_int_equal(registrar_forget_host(c->registrar, NULL, STR("b"), &c->diag), E_NOTFOUND);
	json_t *hosts;
	assert_int_equal(registrar_hosts(c->registrar, &hosts, &c->diag), 0);
	assert_int_equal(json_array_size(hosts), 1);
	assert_null(json_object_get(json_array_get(hosts, 0), "name"));
	struct registrar_fleet fleet = fleet_numbers(c->registrar);
	assert_false(fleet.joined);
	json_decref(hosts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLEET_TEST(one_stops_before_the_other_starts),
		FLEET_TEST(keeps_all_that_it_is),
		FLEET_TEST(waits_while_its_host_is_away),
		FLEET_TEST(waits_for_one_that_stopped_and_left),
		FLEET_TEST(a_doubtful_commit_gives_it_away_once),
		FLEET_TEST(force_waits_for_nobody),
		FLEET_TEST(nothing_is_moved_to_a_host_that_may_be_gone),
		FLEET_TEST(force_ends_a_move_that_waits),
		FLEET_TEST(is_taken_back_before_it_was_given_away),
		FLEET_TEST(is_taken_back_before_its_host_knew),
		FLEET_TEST(is_waited_for_once_more_after_it_came_back),
		FLEET_TEST(another_target_is_chosen_on_the_way),
		FLEET_TEST(is_changed_on_its_way),
		FLEET_TEST(is_deleted_on_its_way),
		FLEET_TEST(one_that_was_refused_is_moved),
		FLEET_TEST(must_have_a_place_there),
		FLEET_TEST(goes_only_where_it_can),
		cmocka_unit_test_setup_teardown(needs_a_fleet, control_setup, control_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
