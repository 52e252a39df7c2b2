/* Files of one host of a fleet: what they name, and what others have made of it. */
#include "tests/unit/fleet_help.h"

#define FILE_X     "name: xx\ntags: {k: '1'}\n"
#define FILE_X_NEW "name: xx\ntags: {k: '2'}\n"

static void applied(struct fleet_test *f, struct host *h, const char *text, int want)
{
	int rc = fleet_apply(f, h, text);
	if (rc != want) {
		fail_msg("%d instead of %d: %s", rc, want, f->diag.text);
	}
}

/* A look at one file: what it says, and what has left it. */
static int apply_some(struct fleet_test *f, struct host *h, const char *text, const char *gone)
{
	json_t *specs = *text ? control_specs(text) : json_array(), *names = help_json(gone);
	size_t changed = 0;
	int rc = registrar_apply_some(h->registrar, NULL, specs, names, &changed, &f->diag);
	json_decref(specs);
	json_decref(names);
	return rc < 0 ? rc : (int)changed;
}

static void move(struct fleet_test *f, const char *to, bool force)
{
	if (fleet_move(f, &f->hosts[2], NULL, "xx", to, force) != 0) {
		fail_msg("%s", f->diag.text);
	}
	fleet_settle(f);
}

static void files_touch_only_their_host(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	applied(f, a, FILE_X, 1);
	applied(f, b, "name: yy\n", 1);
	applied(f, a, FILE_X, 0);
	applied(f, b, "name: zz\n", 2);
	assert_non_null(fleet_instance(a, "xx"));
	assert_null(fleet_instance(b, "yy"));
	applied(f, b, "", 1);
	assert_int_equal(fleet_put(f, b, "name: api\n"), 0);
	applied(f, b, "", 0);
	fleet_settle(f);
	assert_non_null(fleet_instance(a, "xx"));
	assert_non_null(fleet_instance(b, "api"));
	/* What a file has lost is nobody else's to take away. */
	assert_int_equal(apply_some(f, b, "", "['xx']"), 0);
	fleet_settle(f);
	assert_non_null(fleet_instance(a, "xx"));
	assert_int_equal(apply_some(f, a, "", "['xx']"), 1);
	assert_null(fleet_instance(a, "xx"));
}

static void a_change_by_another_host_is_kept(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	applied(f, a, FILE_X, 1);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	applied(f, a, FILE_X, 0);
	applied(f, a, FILE_X_NEW, 1);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	assert_true(fleet_has(fleet_instance(a, "xx"), "\"k\":\"2\""));
	/* Deleted while its file has it: it stays away. */
	assert_int_equal(fleet_delete(f, b, NULL, "xx"), 0);
	applied(f, a, FILE_X_NEW, 0);
	assert_null(fleet_instance(a, "xx"));
	applied(f, a, FILE_X, 1);
	assert_non_null(fleet_instance(a, "xx"));
}

static void another_hosts_name_is_taken(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, b, "name: xx\n"), 0);
	applied(f, a, FILE_X, E_EXISTS);
	assert_non_null(strstr(f->diag.text, "'xx'"));
	assert_non_null(strstr(f->diag.text, "'b'"));
	assert_int_equal(apply_some(f, a, FILE_X, "[]"), E_EXISTS);
	applied(f, b, "name: yy\n", 1);
	applied(f, a, "name: yy\n", E_EXISTS); /* of a file there */
	fleet_settle(f);
	assert_null(fleet_instance(a, "xx"));
	assert_non_null(fleet_instance(b, "xx"));
	fleet_assert_in_step(f, b);
}

struct faster {
	struct fleet_test *f;
	struct host *h;
};

static void create_it(void *ctx)
{
	struct faster *faster = ctx;
	assert_int_equal(fleet_put(faster->f, faster->h, "name: xx\n"), 0);
}

static void a_name_that_was_taken_just_now(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct faster faster = {f, b};
	store_shared_before(a->connection, create_it, &faster);
	applied(f, a, FILE_X, E_EXISTS);
	fleet_settle(f);
	assert_non_null(fleet_instance(b, "xx"));
	assert_null(fleet_instance(a, "xx"));
}

/* --- moved away -------------------------------------------------------------------------------- */

static void one_that_was_moved_stays_where_it_is(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	for (unsigned force = 0; force < 2; force++) {
		applied(f, a, FILE_X, 1);
		move(f, "b", force);
		assert_non_null(fleet_instance(b, "xx"));
		applied(f, a, FILE_X, 0);
		applied(f, a, FILE_X_NEW, 0);
		assert_int_equal(apply_some(f, a, FILE_X, "[]"), 0);
		assert_int_equal(apply_some(f, a, "", "['xx']"), 0);
		applied(f, a, "", 0);
		/* And its new host's files, that do not have it, take nothing away. */
		applied(f, b, "", 0);
		applied(f, b, "name: other\n", 1);
		applied(f, b, "", 1);
		fleet_settle(f);
		assert_non_null(fleet_instance(b, "xx"));
		assert_true(fleet_has(fleet_instance(b, "xx"), "\"k\":\"1\""));
		assert_null(fleet_instance(a, "xx"));
		/* Nor are they made to name it again. */
		move(f, "a", force);
		applied(f, a, FILE_X, 0);
		applied(f, a, FILE_X_NEW, 1);
		assert_true(fleet_has(fleet_instance(a, "xx"), "\"k\":\"2\""));
		applied(f, a, "", 1);
	}
}

static void one_that_was_moved_twice_is_still_its_files(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	applied(f, a, FILE_X, 1);
	move(f, "b", false);
	move(f, "c", false);
	applied(f, a, FILE_X, 0);
	applied(f, b, "", 0);
	applied(f, c, "", 0);
	applied(f, b, FILE_X, E_EXISTS);
	move(f, "a", false);
	applied(f, a, FILE_X, 0);
	applied(f, a, "", 1);
	assert_null(fleet_instance(a, "xx"));
}

/* Its new host's file names it as well: then it is that one's. */
static void its_new_hosts_file_may_take_it(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	applied(f, a, FILE_X, 1);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	move(f, "b", false);
	applied(f, b, FILE_X_NEW, 1);
	assert_true(fleet_has(fleet_instance(b, "xx"), "\"k\":\"2\""));
	assert_true(fleet_instance(b, "xx")->options.tokens_required);
	applied(f, b, FILE_X_NEW, 0);
	applied(f, a, FILE_X, E_EXISTS);
	applied(f, b, "", 1);
	applied(f, a, FILE_X, 1);
}

static void a_file_that_changes_does_not_hold_up_a_move(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	applied(f, a, FILE_X, 1);
	fleet_busy(a);
	assert_int_equal(fleet_move(f, b, NULL, "xx", "b", false), 0);
	fleet_catch_up(f, a);
	applied(f, a, FILE_X_NEW, 1);
	fleet_settle(f);
	assert_null(fleet_instance(a, "xx"));
	assert_true(fleet_has(fleet_instance(b, "xx"), "\"k\":\"2\""));
}

/* On its way it is as it was: one that has optional tokens keeps them. */
static void a_file_that_changes_on_the_way_keeps_optional_tokens(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	applied(f, a, FILE_X, 1);
	json_t *enforce = help_json("{'httpTokensEnforced': 'enabled'}");
	assert_int_equal(registrar_defaults(a->registrar, NULL, enforce, &f->diag), 0);
	json_decref(enforce);
	fleet_busy(a);
	assert_int_equal(fleet_move(f, b, NULL, "xx", "b", false), 0);
	fleet_catch_up(f, a);
	assert_null(fleet_instance(a, "xx"));
	applied(f, a, FILE_X_NEW, 1);
	fleet_settle(f);
	assert_true(fleet_has(fleet_instance(b, "xx"), "\"k\":\"2\""));
	assert_false(fleet_instance(b, "xx")->options.tokens_required);
}

static void one_that_was_moved_and_deleted_stays_away(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	applied(f, a, FILE_X, 1);
	move(f, "b", false);
	assert_int_equal(fleet_delete(f, b, NULL, "xx"), 0);
	fleet_settle(f);
	applied(f, a, FILE_X, 0);
	applied(f, b, "", 0);
	assert_string_equal(fleet_shown(f, a, "xx"), "notfound");
	/* Something new in its file is a new one, of its file's host. */
	applied(f, a, FILE_X_NEW, 1);
	assert_non_null(fleet_instance(a, "xx"));
	fleet_settle(f);
	applied(f, a, FILE_X_NEW, 0);
	/* Made by hand elsewhere, it is not the file's to have. */
	assert_int_equal(fleet_delete(f, b, NULL, "xx"), 0);
	assert_int_equal(fleet_put(f, b, "name: xx\n"), 0);
	applied(f, a, FILE_X_NEW, 0);
	fleet_settle(f);
	assert_non_null(fleet_instance(b, "xx"));
	assert_null(fleet_instance(a, "xx"));
}

static void files_need_the_database(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	applied(f, a, FILE_X, 1);
	fleet_lose(a);
	applied(f, a, FILE_X_NEW, E_AWAY);
	assert_true(fleet_has(fleet_instance(a, "xx"), "\"k\":\"1\""));
	fleet_find(f, a);
	applied(f, a, FILE_X_NEW, 1);
}

static void files_without_memory_change_nothing(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	applied(f, a, FILE_X, 1);
	move(f, "b", false);
	json_t *specs = control_specs("[{name: xx, tags: {k: '3'}}, {name: yy}]");
	size_t changed;
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		alloc_fail_at(n);
		int rc = registrar_apply_files(a->registrar, NULL, specs, &changed, &f->diag);
		failed = alloc_fail_at(0);
		assert_true(rc == 0 || (failed && rc == -ENOMEM));
		fleet_settle(f);
		assert_int_equal(fleet_instance(a, "yy") != NULL, rc == 0);
		assert_null(fleet_instance(a, "xx"));
		assert_non_null(fleet_instance(b, "xx"));
		applied(f, a, FILE_X, rc == 0);
	}
	json_decref(specs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLEET_TEST(files_touch_only_their_host),
		FLEET_TEST(a_change_by_another_host_is_kept),
		FLEET_TEST(another_hosts_name_is_taken),
		FLEET_TEST(a_name_that_was_taken_just_now),
		FLEET_TEST(one_that_was_moved_stays_where_it_is),
		FLEET_TEST(one_that_was_moved_twice_is_still_its_files),
		FLEET_TEST(its_new_hosts_file_may_take_it),
		FLEET_TEST(a_file_that_changes_does_not_hold_up_a_move),
		FLEET_TEST(a_file_that_changes_on_the_way_keeps_optional_tokens),
		FLEET_TEST(one_that_was_moved_and_deleted_stays_away),
		FLEET_TEST(files_need_the_database),
		FLEET_TEST(files_without_memory_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
