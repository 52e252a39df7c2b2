/* Rows of the fleet's database that can't be read: whoever is not of them does not notice. */
#include "tests/unit/fleet_help.h"

/* All names of a list, each with a space behind it. */
static const char *names_of(struct fleet_test *f, struct host *h)
{
	static char text[64];
	const struct registrar_query query = {.most = 10};
	json_t *views, *view;
	bool more;
	size_t i;
	assert_int_equal(registrar_list(h->registrar, &query, &views, &more, &f->diag), 0);
	text[0] = '\0';
	json_array_foreach (views, i, view) {
		size_t n = strlen(text);
		(void)snprintf(text + n, sizeof text - n, "%s ",
			json_string_value(json_object_get(view, "name")));
	}
	json_decref(views);
	return text;
}

/* What can't be read stays as it was where it is served, and holds up nothing else. */
static void a_damaged_row_holds_up_no_other(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "[{name: bad}, {name: old}, {name: xx}]\n"), 0);
	fleet_settle(f);
	store_memory_damage(f->database, STR("bad"), true);
	assert_int_equal(fleet_delete(f, b, NULL, "old"), 0);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	fleet_restart(f, a); /* it looks at all rows */
	fleet_find(f, a);
	assert_non_null(fleet_instance(a, "bad"));
	assert_null(fleet_instance(a, "old"));
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'optional'}"), 0);
	fleet_catch_up(f, a);
	assert_false(fleet_instance(a, "xx")->options.tokens_required);
	assert_string_equal(fleet_shown(f, b, "bad"), "damaged");
	assert_string_equal(names_of(f, a), "xx ");
	assert_string_equal(names_of(f, b), "xx ");
	assert_int_equal(fleet_move(f, b, NULL, "xx", "c", false), 0);
	fleet_settle(f);
	assert_non_null(fleet_instance(&f->hosts[2], "xx"));
	assert_int_equal(fleet_numbers(a->registrar).refused, 1);
}

/* That of one that was never here, too; and a file's other instances. */
static void files_are_applied_beside_a_damaged_row(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	assert_int_equal(fleet_apply(f, a, "[{name: bad}, {name: xx}]\n"), 2);
	store_memory_damage(f->database, STR("bad"), true);
	assert_int_equal(fleet_apply(f, a, "[{name: bad, tags: {k: v}}, {name: yy}]\n"), 2);
	assert_non_null(fleet_instance(a, "bad"));
	assert_false(fleet_has(fleet_instance(a, "bad"), "\"k\""));
	assert_null(fleet_instance(a, "xx"));
	assert_non_null(fleet_instance(a, "yy"));
}

/* By hand, so that nobody is told: a look at all rows finds it, and there is one as long as it is damaged. */
static void a_damaged_row_that_is_mended_is_found(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	assert_int_equal(fleet_put(f, a, "[{name: bad}, {name: worse}, {name: xx}]\n"), 0);
	fleet_settle(f);
	store_memory_damage(f->database, STR("bad"), true);
	store_memory_damage(f->database, STR("worse"), true);
	fleet_restart(f, a);
	fleet_find(f, a);
	store_memory_drop(f->database, STR("worse"));
	store_memory_damage(f->database, STR("bad"), false);
	fleet_catch_up(f, a);
	assert_non_null(fleet_instance(a, "worse"));
	control_clock_s += REGISTRAR_BEAT_S;
	fleet_catch_up(f, a);
	assert_null(fleet_instance(a, "worse"));
	assert_non_null(fleet_instance(a, "bad"));
	fleet_assert_in_step(f, a);
	assert_false(a->registrar->fleet->damaged);
}

/* One that is noticed while it changes, and one whose record of an operation can't be read. */
static void damage_among_changes_holds_up_none(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "[{name: bad}, {name: xx}]\n"), 0);
	fleet_settle(f);
	assert_int_equal(fleet_options(f, b, NULL, "bad", "{'httpTokens': 'required'}"), 0);
	store_memory_damage(f->database, STR("bad"), true);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	store_memory_fail(f->database, 1, E_PARTIAL);
	fleet_catch_up(f, a);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	assert_false(fleet_instance(a, "bad")->options.tokens_required);
	assert_true(a->registrar->fleet->damaged);
	assert_int_equal(fleet_put(f, a, "name: bad\ntags: {new: '1'}\n"), E_DAMAGED);
	assert_int_equal(fleet_numbers(a->registrar).refused, 1);
}

/* What is to be in force can't be read, and what was is: nobody says that it is done. */
static void a_change_that_is_damaged_does_not_end(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	fleet_settle(f);
	assert_int_equal(fleet_options(f, b, &deed, "xx", "{'httpTokens': 'required'}"), 0);
	store_memory_damage(f->database, STR("xx"), true);
	fleet_settle(f);
	assert_false(fleet_instance(a, "xx")->options.tokens_required);
	assert_string_equal(fleet_status(f, b, &deed), "Started");
	store_memory_damage(f->database, STR("xx"), false);
	control_clock_s += REGISTRAR_BEAT_S;
	fleet_settle(f);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	assert_string_equal(fleet_status(f, b, &deed), "Succeeded");
	json_decref(deed.operations);
}

/* A database that does not answer as it should has handed on nothing: that is no damaged row. */
static void what_could_not_be_read_is_not_applied(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	fleet_settle(f);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	uint64_t applied = a->registrar->fleet->applied;
	store_memory_fail(f->database, 2, E_DAMAGED);
	assert_int_equal(registrar_catch_up(a->registrar, false, &f->diag), E_DAMAGED);
	assert_int_equal(a->registrar->fleet->applied, applied);
	assert_false(a->registrar->fleet->damaged);
	fleet_catch_up(f, a);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
}

/* What is remembered of one that has come back does not take it away. */
static void one_that_is_there_has_not_gone(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	assert_int_equal(fleet_put(f, a, "name: other\n"), 0);
	assert_int_equal(fleet_put(f, a, "[{name: bad}, {name: xx}]\n"), 0);
	fleet_settle(f);
	store_memory_remember(f->database, STR("xx"), 1);
	store_memory_damage(f->database, STR("bad"), true);
	fleet_restart(f, a);
	fleet_find(f, a);
	assert_non_null(fleet_instance(a, "xx"));
	control_clock_s += REGISTRAR_BEAT_S;
	fleet_catch_up(f, a);
	assert_non_null(fleet_instance(a, "xx"));
}

/* On its way: the operation goes on once it can be read. */
static void one_that_is_damaged_on_its_way_is_awaited(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *c = &f->hosts[2];
	struct deed deed = fleet_deed("MoveInstance");
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	fleet_settle(f);
	assert_int_equal(fleet_move(f, a, &deed, "xx", "c", false), 0);
	fleet_idle(a);
	(void)registrar_acknowledge(a->registrar); /* it is c's now */
	store_memory_damage(f->database, STR("xx"), true);
	fleet_settle(f);
	assert_null(fleet_instance(c, "xx"));
	assert_string_equal(fleet_status(f, c, &deed), "Started");
	store_memory_damage(f->database, STR("xx"), false);
	control_clock_s += REGISTRAR_BEAT_S;
	fleet_settle(f);
	assert_non_null(fleet_instance(c, "xx"));
	assert_string_equal(fleet_status(f, c, &deed), "Succeeded");
	json_decref(deed.operations);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLEET_TEST(a_damaged_row_holds_up_no_other),
		FLEET_TEST(files_are_applied_beside_a_damaged_row),
		FLEET_TEST(a_damaged_row_that_is_mended_is_found),
		FLEET_TEST(damage_among_changes_holds_up_none),
		FLEET_TEST(a_change_that_is_damaged_does_not_end),
		FLEET_TEST(what_could_not_be_read_is_not_applied),
		FLEET_TEST(one_that_is_there_has_not_gone),
		FLEET_TEST(one_that_is_damaged_on_its_way_is_awaited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
