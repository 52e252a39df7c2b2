/* What EC2's operations need of the registrar: rehearsals, and instances by their ids. */
#include "tests/unit/control_help.h"

#include "control/view_ec2.h"
#include "tests/unit/cases.h"

#define FLEET                                                                   \
	"[{name: aa, instanceId: i-0000000a, tags: {env: prod, empty: ''}},"    \
	" {name: bb, instanceId: i-0000000b, state: stopped, metadataOptions: " \
	"{instanceMetadataTags: enabled}}, {name: cc, instanceId: i-0000000c, tags: {Name: x}}]"

/* Everything that there is, with the audit records; the caller frees. */
static int count_audit(void *ctx, const struct store_audit *audit)
{
	buf_add_f(ctx, "%.*s %.*s %.*s\n", STR_FMT(audit->action), STR_FMT(audit->resource),
		STR_FMT(audit->result));
	return 0;
}

static char *audits(struct control *c)
{
	struct buf out = BUF_EMPTY;
	buf_add(&out, STR(""));
	assert_int_equal(
		c->store->ops->audit_each(c->store, STR_EMPTY, 0, count_audit, &out, NULL), 0);
	char *text = buf_take(&out);
	assert_non_null(text);
	return text;
}

static const struct deed real = {.who = STR_INIT("AKID"), .action = STR_INIT("ec2:Something")};
static const struct deed rehearsal = {
	.who = STR_INIT("AKID"), .action = STR_INIT("ec2:Something"), .rehearsal = true};

/* --- rehearsals -------------------------------------------------------------------------------- */

typedef int (*attempt)(struct control *c, const struct deed *deed, const json_t *with);

static int try_options(struct control *c, const struct deed *deed, const json_t *with)
{
	return registrar_options(c->registrar, deed, STR("aa"), with, &c->diag);
}

static int try_defaults(struct control *c, const struct deed *deed, const json_t *with)
{
	return registrar_defaults(c->registrar, deed, with, &c->diag);
}

static int try_put(struct control *c, const struct deed *deed, const json_t *with)
{
	return registrar_put(c->registrar, deed, with, &c->diag);
}

static int try_delete(struct control *c, const struct deed *deed, const json_t *with)
{
	return registrar_delete(c->registrar, deed, str_of(json_string_value(with)), &c->diag);
}

static int try_reboot(struct control *c, const struct deed *deed, const json_t *with)
{
	return registrar_reboot(c->registrar, deed, str_of(json_string_value(with)), &c->diag);
}

static int try_tags(struct control *c, const struct deed *deed, const json_t *with)
{
	json_t *none = json_object();
	int rc = registrar_tags_by_id(c->registrar, deed, json_object_get(with, "ids"),
		json_object_get(with, "set"), none, &c->diag);
	json_decref(none);
	return rc;
}

static const struct {
	int line;
	attempt attempt;
	const char *with;
	int rc;
} attempts[] = {
	{__LINE__, try_options, "{'httpTokens':'required'}", 0},
	{__LINE__, try_options, "{'httpTokens':'maybe'}", E_RANGE},
	{__LINE__, try_put, "[{'name':'aa','instanceId':'i-0000000a','state':'running'}]", 0},
	{__LINE__, try_put, "[{'name':'dd','instanceId':'i-0000000a'}]", E_EXISTS},
	{__LINE__, try_tags, "{'ids':['i-0000000a','i-0000000b'],'set':{'a':'b'}}", 0},
	{__LINE__, try_tags, "{'ids':['i-0000000a','i-0000000f'],'set':{'a':'b'}}", E_NOTFOUND},
	{__LINE__, try_tags, "{'ids':['i-0000000a','i-0000000b'],'set':{'a/b':'c'}}", E_SYNTAX},
	{__LINE__, try_reboot, "'aa'", 0},
	{__LINE__, try_reboot, "'bb'", E_EXISTS},
	{__LINE__, try_delete, "'aa'", 0},
	{__LINE__, try_delete, "'dd'", E_NOTFOUND},
	{__LINE__, try_defaults, "{'httpTokens':'required','httpTokensEnforced':'enabled'}", 0},
	{__LINE__, try_defaults, "{'httpTokens':'maybe'}", E_RANGE},
};

/* It ends as the change itself, which comes behind it, and nothing has changed before that. */
static void rehearsed_first(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, FLEET), 0);
	for (size_t i = 0; i < COUNT(attempts); i++) {
		int line = attempts[i].line;
		json_t *with = help_json(attempts[i].with), *defaults, *after;
		char *before = control_dump(c), *records = audits(c);
		assert_int_equal(registrar_show_defaults(c->registrar, &defaults, &c->diag), 0);
		HOLDS(line, attempts[i].attempt(c, &rehearsal, with) == attempts[i].rc);
		char *now = control_dump(c), *records_now = audits(c);
		assert_int_equal(registrar_show_defaults(c->registrar, &after, &c->diag), 0);
		HOLDS(line, strcmp(before, now) == 0);
		HOLDS(line, strcmp(records, records_now) == 0);
		HOLDS(line, json_equal(defaults, after));
		HOLDS(line, attempts[i].attempt(c, &real, with) == attempts[i].rc);
		json_decref(with);
		json_decref(defaults);
		json_decref(after);
		free(before);
		free(now);
		free(records_now);
		records_now = audits(c);
		HOLDS(line, (strcmp(records, records_now) != 0) == (attempts[i].rc == 0));
		free(records);
		free(records_now);
	}
}

static void enforced_in_a_rehearsal(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, FLEET), 0);
	assert_int_equal(control_options(c, "aa", "{'httpTokens': 'required'}"), 0);
	json_t *enforce = help_json("{'httpTokensEnforced':'enabled'}");
	json_t *optional = help_json("{'httpTokens':'optional'}");
	assert_int_equal(registrar_defaults(c->registrar, &real, enforce, &c->diag), 0);
	assert_int_equal(try_options(c, &rehearsal, optional), E_DENIED);
	json_decref(enforce);
	json_decref(optional);
}

/* --- tags by ids ------------------------------------------------------------------------------- */

static int change_tags(struct control *c, const char *ids, const char *set, const char *drop)
{
	json_t *which = help_json(ids), *tags = help_json(set), *others = help_json(drop);
	int rc = registrar_tags_by_id(c->registrar, &real, which, tags, others, &c->diag);
	json_decref(which);
	json_decref(tags);
	json_decref(others);
	return rc;
}

static void assert_tags(struct control *c, const char *name, const char *expected)
{
	json_t *spec = instance_spec(control_instance(c, name)), *tags = help_json(expected);
	if (!json_equal(json_object_get(spec, "tags"), tags)) {
		fail_msg("%s: %s", name, json_dumps(json_object_get(spec, "tags"), 0));
	}
	json_decref(spec);
	json_decref(tags);
}

static void tags_by_id(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, FLEET), 0);
	assert_int_equal(
		change_tags(c, "['i-0000000b','i-0000000a']", "{'env':'test','new':''}", "{}"), 0);
	assert_tags(c, "aa", "{'env':'test','empty':'','new':''}");
	assert_tags(c, "bb", "{'env':'test','new':''}");
	/* Of that value, of any, and what is not there. */
	assert_int_equal(change_tags(c, "['i-0000000a','i-0000000b']", "{}",
				 "{'env':'prod','new':'','empty':null,'none':null}"),
		0);
	assert_tags(c, "aa", "{'env':'test'}");
	assert_tags(c, "bb", "{'env':'test'}");
	assert_int_equal(change_tags(c, "['i-0000000a']", "{}", "{'env':null}"), 0);
	assert_tags(c, "aa", "{}");
	assert_int_equal(change_tags(c, "['i-0000000b','i-0000000c']", "{}", "true"), 0);
	assert_tags(c, "bb", "{}");
	assert_tags(c, "cc", "{}");
	char *records = audits(c);
	assert_string_equal(records,
		"ec2:Something cc ok\nec2:Something bb ok\nec2:Something aa ok\n"
		"ec2:Something bb ok\nec2:Something aa ok\n"
		"ec2:Something bb ok\nec2:Something aa ok\n");
	free(records);
}

/* One that can't have them keeps all others from having them; what is wrong has no position. */
static void tags_of_all_or_none(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, FLEET), 0);
	char *before = control_dump(c);
	assert_int_equal(
		change_tags(c, "['i-0000000a','i-0000000f']", "{'a':'b'}", "{}"), E_NOTFOUND);
	assert_non_null(strstr(c->diag.text, "i-0000000f"));
	assert_int_equal(
		change_tags(c, "['i-0000000a','i-0000000b']", "{'a/b':'c'}", "{}"), E_SYNTAX);
	assert_memory_equal(c->diag.text, "tags: \"a/b\"", 11);
	char *after = control_dump(c), *records = audits(c);
	assert_string_equal(before, after);
	assert_string_equal(records, "");
	free(before);
	free(after);
	free(records);
}

/* --- lists by ids ------------------------------------------------------------------------------ */

static bool is_running(void *ctx, const struct instance *instance)
{
	(void)ctx;
	return instance->running;
}

/* The names in the order of the list. */
static char *names(struct control *c, const char *ids, const struct page_select *select,
	json_t *(*view)(const struct registry *registry, const struct entry *entry))
{
	struct buf out = BUF_EMPTY;
	json_t *which = help_json(ids), *views, *one;
	struct registrar_query query = {.ids = which, .view = view};
	bool more = true;
	size_t i;
	if (select) {
		query.select = *select;
	}
	assert_int_equal(registrar_list(c->registrar, &query, &views, &more, &c->diag), 0);
	assert_false(more);
	json_array_foreach (views, i, one) {
		buf_add_f(&out, "%s ", json_string_value(json_object_get(one, "name")));
	}
	buf_add_char(&out, '.');
	json_decref(which);
	json_decref(views);
	char *text = buf_take(&out);
	assert_non_null(text);
	return text;
}

static void listed_by_id(void **state)
{
	struct control *c = *state;
	const struct page_select running = {.accepts = is_running};
	const struct {
		const char *ids;
		const struct page_select *select;
		const char *names;
	} rows[] = {
		{"[]", NULL, "."},
		{"['i-0000000c','i-0000000a']", NULL, "aa cc ."},
		{"['i-0000000a','i-0000000f']", NULL, "aa ."},
		{"['i-0000000b']", &running, "."},
		{"['i-0000000c','i-0000000b']", &running, "cc ."},
	};
	assert_int_equal(control_put(c, FLEET), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *own = names(c, rows[i].ids, rows[i].select, NULL);
		char *ec2 = names(c, rows[i].ids, rows[i].select, view_ec2_status);
		assert_string_equal(own, rows[i].names);
		assert_string_equal(ec2, rows[i].names);
		free(own);
		free(ec2);
	}
	json_t *ids = help_json("['i-0000000f','i-0000000a','i-00000000']"), *unknown;
	assert_int_equal(registrar_unknown_ids(c->registrar, ids, &unknown, &c->diag), 0);
	json_t *expected = help_json("['i-0000000f','i-00000000']");
	assert_true(json_equal(unknown, expected));
	json_decref(ids);
	json_decref(unknown);
	json_decref(expected);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(rehearsed_first),
		TEST(enforced_in_a_rehearsal),
		TEST(tags_by_id),
		TEST(tags_of_all_or_none),
		TEST(listed_by_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
