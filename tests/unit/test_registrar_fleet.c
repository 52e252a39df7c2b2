/* Several hosts over one database: each serves its own, and each can change any. */
#include "tests/unit/fleet_help.h"

#include "control/registrar_elsewhere.h"
#include "metadata/stats.h"

/* --- what others see --------------------------------------------------------------------------- */

static void an_instance_is_shown_with_its_host(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	assert_non_null(fleet_instance(a, "xx"));
	assert_null(fleet_instance(b, "xx"));
	assert_string_equal(fleet_shown(f, b, "xx"), "a pending");
	(void)registrar_acknowledge(a->registrar);
	assert_string_equal(fleet_shown(f, a, "xx"), "a applied");
	assert_string_equal(fleet_shown(f, b, "xx"), "a applied");
	assert_string_equal(fleet_shown(f, b, "yy"), "notfound");
	fleet_assert_in_step(f, a);
	fleet_assert_in_step(f, b);
}

/* Pending as long as one worker of its host may show what was. */
static void a_change_is_pending_until_its_host_has_it(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	fleet_settle(f);
	fleet_busy(a);
	assert_int_equal(fleet_options(f, b, &deed, "xx", "{'httpTokens': 'required'}"), 0);
	assert_string_equal(fleet_shown(f, b, "xx"), "a pending");
	assert_false(fleet_instance(a, "xx")->options.tokens_required);
	fleet_catch_up(f, b); /* it is not b's to do */
	assert_false(registrar_acknowledge(b->registrar));
	assert_string_equal(fleet_status(f, b, &deed), "Started");
	fleet_catch_up(f, a);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	assert_true(registrar_acknowledge(a->registrar));
	assert_string_equal(fleet_shown(f, a, "xx"), "a pending");
	assert_string_equal(fleet_shown(f, b, "xx"), "a pending");
	assert_string_equal(fleet_status(f, b, &deed), "Started");
	fleet_busy(a); /* the worker turns */
	assert_false(registrar_acknowledge(a->registrar));
	assert_string_equal(fleet_shown(f, a, "xx"), "a applied");
	assert_string_equal(fleet_shown(f, b, "xx"), "a applied");
	assert_string_equal(fleet_status(f, b, &deed), "Succeeded");
	assert_string_equal(fleet_status(f, a, &deed), "Succeeded");
	json_decref(deed.operations);
}

static void an_own_change_ends_as_well(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	fleet_busy(a);
	assert_int_equal(fleet_options(f, a, &deed, "xx", "{'httpTokens': 'required'}"), 0);
	assert_true(fleet_instance(a, "xx")->options.tokens_required);
	assert_true(registrar_acknowledge(a->registrar));
	assert_string_equal(fleet_status(f, a, &deed), "Started");
	fleet_busy(a);
	registrar_tick(a->registrar);
	assert_string_equal(fleet_status(f, a, &deed), "Succeeded");
	json_decref(deed.operations);
}

/* --- every kind of change of another host's instance ------------------------------------------- */

static void any_host_changes_any_instance(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "name: xx\ntags: {keep: '1', go: '2'}\n"), 0);
	uint32_t epoch = fleet_instance(a, "xx")->record.token_epoch;
	assert_int_equal(registrar_revoke(b->registrar, NULL, STR("xx"), &f->diag), 0);
	assert_int_equal(registrar_state(b->registrar, NULL, STR("xx"), false, &f->diag), 0);
	json_t *set = help_json("{'new': '3'}"), *drop = help_json("['go']");
	assert_int_equal(registrar_tags(b->registrar, NULL, STR("xx"), set, drop, &f->diag), 0);
	fleet_catch_up(f, a);
	const struct instance *x = fleet_instance(a, "xx");
	assert_int_equal(x->record.token_epoch, epoch + 1);
	assert_false(x->running);
	assert_true(fleet_has(x, "\"tags\":{\"keep\":\"1\",\"new\":\"3\"}"));
	assert_int_equal(fleet_put(f, b, "name: xx\ntags: {said: hello}\n"), 0);
	fleet_catch_up(f, a);
	x = fleet_instance(a, "xx");
	assert_true(fleet_has(x, "hello"));
	assert_int_equal(registrar_reboot(b->registrar, NULL, STR("xx"), &f->diag), 0);
	fleet_assert_in_step(f, a);
	assert_null(fleet_instance(b, "xx"));
	json_decref(set);
	json_decref(drop);
}

static void tags_by_id_of_all_hosts_together(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	assert_int_equal(fleet_put(f, b, "name: yy\n"), 0);
	json_t *ids = json_pack("[s, s]", fleet_instance(a, "xx")->id, fleet_instance(b, "yy")->id);
	json_t *set = help_json("{'k': 'v'}"), *drop = json_object();
	assert_int_equal(registrar_tags_by_id(c->registrar, NULL, ids, set, drop, &f->diag), 0);
	fleet_settle(f);
	assert_true(fleet_has(fleet_instance(a, "xx"), "\"k\":\"v\""));
	assert_true(fleet_has(fleet_instance(b, "yy"), "\"k\":\"v\""));
	assert_int_equal(json_array_append_new(ids, json_string("i-none")), 0);
	assert_int_equal(
		registrar_tags_by_id(c->registrar, NULL, ids, set, drop, &f->diag), E_NOTFOUND);
	json_t *unknown;
	assert_int_equal(registrar_unknown_ids(c->registrar, ids, &unknown, &f->diag), 0);
	assert_int_equal(json_array_size(unknown), 1);
	assert_string_equal(json_string_value(json_array_get(unknown, 0)), "i-none");
	struct buf name = BUF_EMPTY, id = BUF_EMPTY;
	assert_int_equal(registrar_name_of(c->registrar, json_str_at(ids, 1), &name, &f->diag), 0);
	assert_true(str_eq(buf_str(&name), STR("yy")));
	assert_int_equal(registrar_id_of(c->registrar, STR("xx"), &id, &f->diag), 0);
	assert_true(str_eq(buf_str(&id), json_str_at(ids, 0)));
	buf_done(&name);
	buf_done(&id);
	json_decref(unknown);
	json_decref(ids);
	json_decref(set);
	json_decref(drop);
}

static void is_deleted_from_anywhere(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct deed deed = fleet_deed("DeleteInstance");
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	fleet_busy(a);
	assert_int_equal(fleet_delete(f, b, &deed, "xx"), 0);
	assert_string_equal(fleet_shown(f, b, "xx"), "notfound");
	assert_non_null(fleet_instance(a, "xx"));
	fleet_catch_up(f, a);
	assert_null(fleet_instance(a, "xx"));
	assert_true(registrar_acknowledge(a->registrar));
	assert_string_equal(fleet_status(f, b, &deed), "Started");
	fleet_idle(a);
	assert_false(registrar_acknowledge(a->registrar));
	assert_string_equal(fleet_status(f, b, &deed), "Succeeded");
	assert_int_equal(fleet_delete(f, b, NULL, "xx"), E_NOTFOUND);
	fleet_assert_in_step(f, a);
	json_decref(deed.operations);
}

/* Its owner has not heard of it yet, and is told to take it away again. */
static void is_deleted_before_its_host_knew_it(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct deed deed = fleet_deed("DeleteInstance");
	assert_int_equal(fleet_put(f, b, "name: xx\n"), 0);
	assert_int_equal(fleet_move(f, b, NULL, "xx", "a", true), 0);
	if (fleet_delete(f, a, &deed, "xx") != 0) {
		fail_msg("%s", f->diag.text);
	}
	fleet_settle(f);
	fleet_assert_none_open(f);
	fleet_assert_in_step(f, a);
	json_decref(deed.operations);
}

static void a_name_is_one_fleets(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	json_t *specs = control_specs("name: xx\n");
	assert_int_equal(registrar_create(a->registrar, NULL, specs, &f->diag), 0);
	assert_int_equal(registrar_create(b->registrar, NULL, specs, &f->diag), E_EXISTS);
	json_decref(specs);
	/* Another address of one that is elsewhere must be free there, not here. */
	assert_int_equal(fleet_put(f, a, "name: zz\nmatch: {addresses: [10.0.0.9]}\n"), 0);
	assert_int_equal(fleet_put(f, b, "name: yy\nmatch: {addresses: [10.0.0.9]}\n"), 0);
	assert_int_equal(fleet_put(f, b, "name: xx\nmatch: {addresses: [10.0.0.9]}\n"), E_EXISTS);
	assert_non_null(strstr(f->diag.text, "'zz'"));
}

static void a_rehearsal_changes_nothing(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct deed deed = fleet_deed(NULL);
	deed.rehearsal = true;
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	assert_int_equal(fleet_delete(f, b, &deed, "xx"), 0);
	assert_int_equal(fleet_move(f, b, &deed, "xx", "b", false), 0);
	assert_int_equal(fleet_options(f, b, &deed, "xx", "{'httpTokens': 'required'}"), 0);
	assert_int_equal(json_array_size(deed.operations), 0);
	fleet_settle(f);
	assert_false(fleet_instance(a, "xx")->options.tokens_required);
	json_decref(deed.operations);
}

/* --- others that are faster -------------------------------------------------------------------- */

struct faster {
	struct fleet_test *f;
	struct host *h;
};

static void require_tokens(void *ctx)
{
	struct faster *faster = ctx;
	assert_int_equal(
		fleet_options(faster->f, faster->h, NULL, "xx", "{'httpTokens': 'required'}"), 0);
}

static void delete_it(void *ctx)
{
	struct faster *faster = ctx;
	assert_int_equal(fleet_delete(faster->f, faster->h, NULL, "xx"), 0);
}

static void create_it(void *ctx)
{
	struct faster *faster = ctx;
	assert_int_equal(fleet_put(faster->f, faster->h, "name: xx\n"), 0);
}

static void both_changes_are_there(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	struct host *const writers[] = {a, b}; /* its own host, and another one */
	for (unsigned i = 0; i < 2; i++) {
		struct faster faster = {f, c};
		struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
		json_t *earlier = json_object();
		assert_int_equal(json_array_append(deed.operations, earlier), 0);
		assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
		store_shared_before(writers[i]->connection, require_tokens, &faster);
		assert_int_equal(
			fleet_options(f, writers[i], &deed, "xx", "{'httpEndpoint': 'disabled'}"),
			0);
		fleet_settle(f);
		assert_true(fleet_instance(a, "xx")->options.tokens_required);
		assert_false(fleet_instance(a, "xx")->options.endpoint);
		/* One operation of it, behind what the deed had before. */
		assert_int_equal(json_array_size(deed.operations), 2);
		assert_ptr_equal(json_array_get(deed.operations, 0), earlier);
		fleet_assert_none_open(f);
		assert_int_equal(fleet_delete(f, a, NULL, "xx"), 0);
		json_decref(earlier);
		json_decref(deed.operations);
	}
}

static void a_change_of_what_has_gone_fails(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	struct faster faster = {f, c};
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	store_shared_before(b->connection, delete_it, &faster);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), E_NOTFOUND);
	store_shared_before(b->connection, create_it, &faster);
	json_t *specs = control_specs("name: xx\n");
	assert_int_equal(registrar_create(b->registrar, NULL, specs, &f->diag), E_EXISTS);
	json_decref(specs);
	fleet_settle(f);
	assert_null(fleet_instance(b, "xx"));
	assert_non_null(fleet_instance(c, "xx"));
}

/* --- lists ------------------------------------------------------------------------------------- */

static bool is_odd(void *ctx, const struct instance *instance)
{
	(void)ctx;
	return (instance->name.p[instance->name.n - 1] - '0') % 2 == 1;
}

/* All names of a list, page by page. */
static void list_all(
	struct fleet_test *f, struct host *h, struct registrar_query *query, struct buf *out)
{
	struct buf after = BUF_EMPTY, next = BUF_EMPTY;
	bool more = true;
	for (unsigned pages = 0; more; pages++) {
		json_t *views;
		size_t i;
		json_t *view;
		assert_true(pages < 100);
		query->after = buf_str(&after);
		query->ret_after = &next;
		assert_int_equal(registrar_list(h->registrar, query, &views, &more, &f->diag), 0);
		assert_true(json_array_size(views) <= query->most);
		json_array_foreach (views, i, view) {
			buf_add_f(out, "%s@%s ", json_string_value(json_object_get(view, "name")),
				json_string_value(json_object_get(view, "host")));
		}
		json_decref(views);
		buf_reset(&after);
		buf_add(&after, buf_str(&next));
		buf_reset(&next);
	}
	buf_done(&after);
	buf_done(&next);
}

static void assert_list(
	struct fleet_test *f, struct host *h, struct registrar_query query, const char *want)
{
	struct buf out = BUF_EMPTY;
	list_all(f, h, &query, &out);
	buf_add_char(&out, '\0');
	assert_string_equal(out.p, want);
	buf_done(&out);
}

static void make_seven(struct fleet_test *f)
{
	for (unsigned i = 0; i < 7; i++) {
		char spec[32];
		(void)snprintf(spec, sizeof spec, "name: n%u\n", i);
		assert_int_equal(fleet_put(f, &f->hosts[i % 2], spec), 0);
	}
}

static void lists_the_whole_fleet_in_pages(void **state)
{
	struct fleet_test *f = *state;
	make_seven(f);
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		struct host *h = &f->hosts[i];
		for (size_t most = 1; most <= 8; most++) {
			assert_list(f, h, (struct registrar_query){.most = most},
				"n0@a n1@b n2@a n3@b n4@a n5@b n6@a ");
			assert_list(f, h,
				(struct registrar_query){.most = most, .select = {is_odd, NULL}},
				"n1@b n3@b n5@b ");
		}
	}
}

static void lists_what_is_here_while_the_database_is_away(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	make_seven(f);
	fleet_lose(a); /* the list is the first to hear of it */
	assert_list(f, a, (struct registrar_query){.most = 2}, "n0@a n2@a n4@a n6@a ");
	assert_false(registrar_is_attached(a->registrar));
	assert_list(f, a, (struct registrar_query){.most = 2}, "n0@a n2@a n4@a n6@a ");
}

static void lists_by_ids_of_any_host(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	make_seven(f);
	json_t *ids = json_pack("[s, s, s, s]", fleet_instance(b, "n5")->id, "i-none",
		fleet_instance(a, "n4")->id, fleet_instance(a, "n0")->id);
	const struct registrar_query query = {.most = 10, .ids = ids};
	assert_list(f, c, query, "n0@a n4@a n5@b ");
	assert_list(f, a, query, "n0@a n4@a n5@b ");
	const struct registrar_query odd = {.most = 10, .ids = ids, .select = {is_odd, NULL}};
	assert_list(f, a, odd, "n5@b ");
	json_decref(ids);
}

/* More than are read from the store at once. */
static void lists_more_than_a_slice(void **state)
{
	struct fleet_test *f = *state;
	struct buf specs = BUF_EMPTY, out = BUF_EMPTY;
	for (unsigned i = 0; i < 1100; i++) {
		buf_add_f(&specs, "- name: n%04u\n  match: {addresses: [10.1.%u.%u]}\n", i, i / 250,
			i % 250 + 1);
	}
	buf_add_char(&specs, '\0');
	assert_int_equal(fleet_put(f, &f->hosts[0], specs.p), 0);
	struct registrar_query query = {.most = 300};
	list_all(f, &f->hosts[1], &query, &out);
	assert_int_equal(out.n, 1100 * strlen("n0000@a "));
	buf_reset(&out);
	query = (struct registrar_query){.most = 1000};
	list_all(f, &f->hosts[0], &query, &out);
	assert_int_equal(out.n, 1100 * strlen("n0000@a "));
	buf_done(&out);
	buf_done(&specs);
}

static bool is_last(void *ctx, const struct instance *instance)
{
	return str_eq(instance->name, str_of(ctx));
}

/* What one answer looks at has an end; one beyond it is on the next page. */
static void a_list_ends_at_its_limit_and_can_be_gone_on_with(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	assert_int_equal(f->database->ops->begin(f->database, NULL), 0);
	for (unsigned i = 1; i <= ELSEWHERE_SCAN + 1; i++) {
		char name[16], spec[64];
		(void)snprintf(name, sizeof name, "n%05u", i);
		(void)snprintf(spec, sizeof spec, "{\"name\":\"%s\"}", name);
		const struct store_instance row = {
			.name = str_of(name), .spec = str_of(spec), .host = STR("far")};
		assert_int_equal(
			f->database->ops->instance_put(f->database, &row, STORE_ANY, NULL), 0);
	}
	assert_int_equal(f->database->ops->commit(f->database, NULL), 0);
	static char at_limit[] = "n10000", beyond[] = "n10001";
	const struct {
		char *name;
		size_t found;
	} rows[] = {{at_limit, 1}, {beyond, 0}};
	for (unsigned i = 0; i < 2; i++) {
		struct buf next = BUF_EMPTY;
		struct registrar_query query = {
			.most = 10, .select = {is_last, rows[i].name}, .ret_after = &next};
		json_t *views;
		bool more = false;
		assert_int_equal(registrar_list(a->registrar, &query, &views, &more, &f->diag), 0);
		assert_int_equal(json_array_size(views), rows[i].found);
		assert_true(more);
		json_decref(views);
		struct buf rest = BUF_EMPTY;
		query.after = buf_str(&next);
		query.ret_after = &rest;
		assert_int_equal(registrar_list(a->registrar, &query, &views, &more, &f->diag), 0);
		assert_int_equal(json_array_size(views), 1 - rows[i].found);
		assert_false(more);
		json_decref(views);
		buf_done(&rest);
		buf_done(&next);
	}
}

/* --- rows that make no sense here -------------------------------------------------------------- */

static void put_row(struct fleet_test *f, const char *name, const char *host, const char *spec)
{
	const struct store_instance row = {.name = str_of(name),
		.spec = str_of(spec),
		.id = str_of(name),
		.host = str_of(host)};
	assert_int_equal(f->database->ops->begin(f->database, NULL), 0);
	assert_int_equal(f->database->ops->instance_put(f->database, &row, STORE_ANY, NULL), 0);
	assert_int_equal(f->database->ops->commit(f->database, NULL), 0);
}

static uint64_t refused(struct host *h)
{
	struct registrar_fleet fleet = fleet_numbers(h->registrar);
	return fleet.refused;
}

static void rows_that_can_not_be_published_stop_no_others(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "name: old\nmatch: {addresses: [10.0.0.1]}\n"), 0);
	put_row(f, "b1", "a", "{\"name\":\"b1\"}");
	put_row(f, "b2", "a", "{\"name\":\"b2\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}");
	put_row(f, "b3", "a", "{\"name\":\"b3\",\"match\":{\"addresses\":[\"no\"]}}");
	put_row(f, "b4", "a", "{{{");
	put_row(f, "b5", "a", "{\"name\":\"b5\"}");
	fleet_catch_up(f, a);
	assert_non_null(fleet_instance(a, "b1"));
	assert_null(fleet_instance(a, "b2"));
	assert_null(fleet_instance(a, "b3"));
	assert_null(fleet_instance(a, "b4"));
	assert_non_null(fleet_instance(a, "b5"));
	assert_non_null(fleet_instance(a, "old"));
	assert_int_equal(refused(a), 3);
	/* Nobody's list fails for them. */
	assert_list(f, a, (struct registrar_query){.most = 10}, "b1@a b2@a b5@a old@a ");
	assert_list(f, b, (struct registrar_query){.most = 10}, "b1@a b2@a b5@a old@a ");
	/* A start from the copy has what there was. */
	fleet_restart(f, a);
	assert_non_null(fleet_instance(a, "b1"));
	assert_null(fleet_instance(a, "b2"));
	assert_non_null(fleet_instance(a, "old"));
}

/* What stood in its way goes: then it is published, though its row is as it was. */
static void a_refused_row_gets_its_place_later(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(fleet_put(f, a, "name: old\nmatch: {addresses: [10.0.0.1]}\n"), 0);
	put_row(f, "new", "a", "{\"name\":\"new\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}");
	fleet_catch_up(f, a);
	assert_null(fleet_instance(a, "new"));
	assert_int_equal(fleet_delete(f, b, NULL, "old"), 0);
	fleet_catch_up(f, a);
	assert_null(fleet_instance(a, "old"));
	assert_non_null(fleet_instance(a, "new"));
	assert_int_equal(refused(a), 1);
}

/* Two change places while a third one is in the way of somebody. */
static void others_change_places_beside_a_refused_row(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0];
	assert_int_equal(fleet_put(f, a, "name: pp\nmatch: {addresses: [10.0.0.1]}\n"), 0);
	assert_int_equal(fleet_put(f, a, "name: qq\nmatch: {addresses: [10.0.0.2]}\n"), 0);
	assert_int_equal(fleet_put(f, a, "name: rr\nmatch: {addresses: [10.0.0.3]}\n"), 0);
	put_row(f, "pp", "a", "{\"name\":\"pp\",\"match\":{\"addresses\":[\"10.0.0.2\"]}}");
	put_row(f, "qq", "a", "{\"name\":\"qq\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}");
	put_row(f, "ss", "a", "{\"name\":\"ss\",\"match\":{\"addresses\":[\"10.0.0.3\"]}}");
	fleet_catch_up(f, a);
	assert_null(fleet_instance(a, "ss"));
	assert_non_null(memmem(
		fleet_instance(a, "pp")->spec.p, fleet_instance(a, "pp")->spec.n, "10.0.0.2", 8));
	assert_non_null(memmem(
		fleet_instance(a, "qq")->spec.p, fleet_instance(a, "qq")->spec.n, "10.0.0.1", 8));
	assert_int_equal(refused(a), 1);
}

/* What was asked for is not in force, and does not say so. */
static void an_operation_of_a_refused_row_fails(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
	put_row(f, "old", "a", "{\"name\":\"old\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}");
	fleet_catch_up(f, a);
	put_row(f, "new", "a", "{\"name\":\"new\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}");
	assert_int_equal(fleet_options(f, b, &deed, "new", "{'httpTokens': 'required'}"), 0);
	fleet_settle(f);
	assert_string_equal(fleet_status(f, b, &deed), "Failed");
	json_decref(deed.operations);
}

/* --- the account's defaults -------------------------------------------------------------------- */

static int set_defaults(struct fleet_test *f, struct host *h, const char *text)
{
	json_t *changes = help_json(text);
	int rc = registrar_defaults(h->registrar, NULL, changes, &f->diag);
	json_decref(changes);
	return rc;
}

static void the_accounts_defaults_are_the_fleets(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	assert_int_equal(set_defaults(f, a, "{'httpPutResponseHopLimit': 5}"), 0);
	assert_int_equal(registrar_catch_up(b->registrar, false, &f->diag), 0);
	assert_int_equal(fleet_put(f, b, "name: xx\n"), 0);
	assert_int_equal(fleet_instance(b, "xx")->options.hop_limit, 1);
	fleet_catch_up(f, b);
	assert_int_equal(fleet_put(f, b, "name: yy\n"), 0);
	assert_int_equal(fleet_instance(b, "yy")->options.hop_limit, 5);
	/* And from the copy. */
	fleet_restart(f, b);
	json_t *defaults;
	assert_int_equal(registrar_show_defaults(b->registrar, &defaults, &f->diag), 0);
	assert_int_equal(
		json_integer_value(json_object_get(defaults, "httpPutResponseHopLimit")), 5);
	json_decref(defaults);
}

/* Ten thousand hosts do it all the time: what is open, what has changed, and whether secrets have. */
static void a_look_for_news_asks_little(void **state)
{
	struct fleet_test *f = *state;
	struct host *b = &f->hosts[1];
	fleet_catch_up(f, b);
	unsigned before = store_shared_calls(b->connection);
	fleet_catch_up(f, b);
	assert_int_equal(store_shared_calls(b->connection) - before, 3);
}

static void set_endpoint(void *ctx)
{
	struct faster *faster = ctx;
	assert_int_equal(set_defaults(faster->f, faster->h, "{'httpEndpoint': 'disabled'}"), 0);
}

/* Nobody's is lost: not of one who has not caught up, nor of one who is faster. */
static void defaults_of_two_hosts_are_all_there(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	struct faster faster = {f, a};
	assert_int_equal(set_defaults(f, a, "{'httpPutResponseHopLimit': 5}"), 0);
	store_shared_before(b->connection, set_endpoint, &faster);
	assert_int_equal(set_defaults(f, b, "{'instanceMetadataTags': 'enabled'}"), 0);
	json_t *defaults;
	assert_int_equal(registrar_show_defaults(b->registrar, &defaults, &f->diag), 0);
	assert_int_equal(json_object_size(defaults), 3);
	json_decref(defaults);
}

/* --- hosts ------------------------------------------------------------------------------------- */

static const json_t *host_in(const json_t *hosts, size_t i, const char *name)
{
	const json_t *host = json_array_get(hosts, i);
	assert_string_equal(json_string_value(json_object_get(host, "name")), name);
	return host;
}

static json_int_t number_in(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void hosts_are_told_of(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	json_t *hosts;
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	assert_int_equal(fleet_put(f, a, "name: yy\n"), 0);
	(void)registrar_acknowledge(a->registrar);
	assert_int_equal(fleet_options(f, b, NULL, "xx", "{'httpTokens': 'required'}"), 0);
	assert_int_equal(registrar_hosts(b->registrar, &hosts, &f->diag), 0);
	assert_int_equal(json_array_size(hosts), 3);
	const json_t *one = host_in(hosts, 0, "a");
	assert_string_equal(json_string_value(json_object_get(one, "version")), "1.2");
	assert_int_equal(number_in(one, "instances"), 2);
	assert_true(number_in(one, "lag") > 0);
	assert_int_equal(
		number_in(one, "lag"), number_in(one, "revision") - number_in(one, "applied"));
	assert_int_equal(number_in(host_in(hosts, 1, "b"), "lag"), 0);
	json_decref(hosts);
	fleet_settle(f);
	assert_int_equal(registrar_hosts(b->registrar, &hosts, &f->diag), 0);
	assert_int_equal(number_in(host_in(hosts, 0, "a"), "lag"), 0);
	json_decref(hosts);
}

/* Asked once a minute, however often somebody wants to know. */
static bool leads(struct host *h)
{
	control_clock_s += 60;
	bool does = registrar_leads(h->registrar);
	unsigned calls = store_shared_calls(h->connection);
	assert_int_equal(registrar_leads(h->registrar), does);
	assert_int_equal(store_shared_calls(h->connection), calls);
	return does;
}

/* Heard of from time to time, also when nothing changes. */
static void the_first_that_is_there_leads(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	assert_true(leads(a));
	assert_false(leads(b));
	assert_false(registrar_acknowledge(b->registrar));
	store_memory_wait(f->database, QUIET_MS);
	assert_false(leads(a)); /* the database has not heard of it */
	assert_false(registrar_acknowledge(b->registrar));
	control_clock_s += REGISTRAR_BEAT_S - 1;
	store_memory_wait(f->database, QUIET_MS);
	assert_false(registrar_acknowledge(b->registrar)); /* it is not due */
	control_clock_s += 1;
	assert_false(registrar_acknowledge(b->registrar));
	assert_false(registrar_acknowledge(c->registrar));
	assert_true(leads(b));
	assert_false(leads(c));
	fleet_lose(b);
	assert_false(leads(b));
}

static void a_host_is_forgotten_when_it_is_gone(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1], *c = &f->hosts[2];
	assert_int_equal(registrar_forget_host(a->registrar, NULL, STR("d"), &f->diag), E_NOTFOUND);
	assert_int_equal(registrar_forget_host(a->registrar, NULL, STR("c"), &f->diag), E_EXISTS);
	assert_non_null(strstr(f->diag.text, "may be there"));
	assert_int_equal(fleet_apply(f, c, "name: xx\n"), 1);
	/* On its way to it, from a host that does not let it go yet. */
	assert_int_equal(fleet_put(f, a, "name: yy\n"), 0);
	fleet_busy(a);
	assert_int_equal(fleet_move(f, a, NULL, "yy", "c", false), 0);
	fleet_stop(c);
	store_memory_wait(f->database, QUIET_MS);
	control_clock_s += REGISTRAR_BEAT_S;
	assert_false(registrar_acknowledge(b->registrar)); /* it is there */
	assert_int_equal(registrar_forget_host(a->registrar, NULL, STR("c"), &f->diag), E_EXISTS);
	assert_non_null(strstr(f->diag.text, "has instances"));
	assert_int_equal(fleet_delete(f, a, NULL, "xx"), 0); /* hidden: its file has it still */
	assert_int_equal(registrar_forget_host(a->registrar, NULL, STR("c"), &f->diag), E_EXISTS);
	assert_non_null(strstr(f->diag.text, "on their way"));
	assert_int_equal(fleet_move(f, a, NULL, "yy", "b", false), 0);
	assert_int_equal(registrar_forget_host(a->registrar, NULL, STR("c"), &f->diag), 0);
	json_t *hosts;
	assert_int_equal(registrar_hosts(a->registrar, &hosts, &f->diag), 0);
	assert_int_equal(json_array_size(hosts), 2);
	json_decref(hosts);
	assert_int_equal(fleet_start(f, c), 0); /* for the teardown */
}

/* Others know at once. */
static void a_host_that_stops_says_so(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	json_t *hosts;
	assert_int_equal(fleet_put(f, b, "name: xx\n"), 0);
	assert_true(leads(a));
	registrar_sign_off(a->registrar);
	assert_true(leads(b));
	assert_int_equal(fleet_move(f, b, NULL, "xx", "a", false), E_DENIED);
	assert_non_null(strstr(f->diag.text, "host 'a' was stopped 0 seconds ago"));
	assert_int_equal(registrar_hosts(b->registrar, &hosts, &f->diag), 0);
	assert_true(json_is_true(json_object_get(host_in(hosts, 0, "a"), "stopped")));
	assert_true(json_is_false(json_object_get(host_in(hosts, 1, "b"), "stopped")));
	json_decref(hosts);
	/* It comes back. */
	control_clock_s += REGISTRAR_BEAT_S;
	assert_false(registrar_acknowledge(a->registrar));
	assert_true(leads(a));
	registrar_sign_off(a->registrar);
	assert_int_equal(registrar_forget_host(b->registrar, NULL, STR("a"), &f->diag), 0);
	/* Without its database it says nothing, and that is all. */
	fleet_lose(b);
	unsigned calls = store_shared_calls(b->connection);
	registrar_sign_off(b->registrar);
	assert_int_equal(store_shared_calls(b->connection), calls + 1);
}

/* --- what was counted -------------------------------------------------------------------------- */

static void count(struct host *h, const char *name, uint64_t n)
{
	struct entry *entry = registry_find(h->registry, str_of(name));
	struct stats *stats = entry_stats(entry, 0);
	assert_non_null(stats);
	atomic_store(&stats->v[STATS_NO_TOKEN], stats_get(stats, STATS_NO_TOKEN) + n);
}

static int on_point(void *ctx, int64_t at_s, const struct history_stats *stats)
{
	(void)at_s;
	*(uint64_t *)ctx += stats->sum;
	return 0;
}

static uint64_t counted(struct fleet_test *f, struct host *h, const char *id)
{
	uint64_t sum = 0;
	const struct history_query query = {.instance_id = str_of(id),
		.start_s = CONTROL_NOW_S - 3600,
		.end_s = CONTROL_NOW_S + 86400,
		.period_s = 60};
	assert_int_equal(registrar_history(h->registrar, &query, on_point, &sum, &f->diag), 0);
	return sum;
}

static void counts_are_read_everywhere(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	char id[64];
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	(void)snprintf(id, sizeof id, "%s", fleet_instance(a, "xx")->id);
	count(a, "xx", 7);
	assert_int_equal(counted(f, a, id), 7);
	assert_int_equal(counted(f, b, id), 0); /* not told yet */
	control_clock_s += 60;
	registrar_tick(a->registrar);
	assert_int_equal(counted(f, b, id), 7);
	bool has[HISTORY_METRICS];
	assert_int_equal(registrar_history_has(b->registrar, str_of(id), 0, has, &f->diag), 0);
	assert_true(has[HISTORY_NO_TOKEN]);
	json_t *ids;
	bool more;
	assert_int_equal(
		registrar_history_instances(b->registrar, STR_EMPTY, 10, &ids, &more, &f->diag), 0);
	assert_int_equal(json_array_size(ids), 1);
	json_decref(ids);
	/* On its way from one host to the other nothing is lost or counted twice. */
	count(a, "xx", 10);
	assert_int_equal(fleet_move(f, b, NULL, "xx", "b", false), 0);
	fleet_settle(f);
	count(b, "xx", 100);
	control_clock_s += 60;
	registrar_tick(a->registrar);
	registrar_tick(b->registrar);
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		assert_int_equal(counted(f, &f->hosts[i], id), 117);
	}
}

static void counts_wait_while_the_database_is_away(void **state)
{
	struct fleet_test *f = *state;
	struct host *a = &f->hosts[0], *b = &f->hosts[1];
	char id[64];
	assert_int_equal(fleet_put(f, a, "name: xx\n"), 0);
	(void)snprintf(id, sizeof id, "%s", fleet_instance(a, "xx")->id);
	fleet_lose(a);
	for (unsigned i = 0; i < 3; i++) {
		count(a, "xx", 5);
		control_clock_s += 60;
		registrar_tick(a->registrar);
	}
	assert_int_equal(counted(f, a, id), 15); /* what it has not sent, it has */
	registrar_end(a->registrar);
	fleet_restart(f, a);
	fleet_find(f, a);
	registrar_tick(a->registrar);
	assert_int_equal(counted(f, b, id), 15);
	assert_int_equal(counted(f, a, id), 15);
	/* For too long: the copy may not grow without end. */
	fleet_lose(a);
	count(a, "xx", 5);
	control_clock_s += 60;
	registrar_tick(a->registrar);
	control_clock_s += HISTORY_60_S_AGE_S + 86400;
	registrar_tick(a->registrar);
	struct registrar_fleet fleet = fleet_numbers(a->registrar);
	assert_int_equal(fleet.lost, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLEET_TEST(an_instance_is_shown_with_its_host),
		FLEET_TEST(a_change_is_pending_until_its_host_has_it),
		FLEET_TEST(an_own_change_ends_as_well),
		FLEET_TEST(any_host_changes_any_instance),
		FLEET_TEST(tags_by_id_of_all_hosts_together),
		FLEET_TEST(is_deleted_from_anywhere),
		FLEET_TEST(is_deleted_before_its_host_knew_it),
		FLEET_TEST(a_name_is_one_fleets),
		FLEET_TEST(a_rehearsal_changes_nothing),
		FLEET_TEST(both_changes_are_there),
		FLEET_TEST(a_change_of_what_has_gone_fails),
		FLEET_TEST(lists_the_whole_fleet_in_pages),
		FLEET_TEST(lists_what_is_here_while_the_database_is_away),
		FLEET_TEST(lists_by_ids_of_any_host),
		FLEET_TEST(lists_more_than_a_slice),
		FLEET_TEST(a_list_ends_at_its_limit_and_can_be_gone_on_with),
		FLEET_TEST(rows_that_can_not_be_published_stop_no_others),
		FLEET_TEST(a_refused_row_gets_its_place_later),
		FLEET_TEST(others_change_places_beside_a_refused_row),
		FLEET_TEST(an_operation_of_a_refused_row_fails),
		FLEET_TEST(the_accounts_defaults_are_the_fleets),
		FLEET_TEST(a_look_for_news_asks_little),
		FLEET_TEST(defaults_of_two_hosts_are_all_there),
		FLEET_TEST(hosts_are_told_of),
		FLEET_TEST(the_first_that_is_there_leads),
		FLEET_TEST(a_host_is_forgotten_when_it_is_gone),
		FLEET_TEST(a_host_that_stops_says_so),
		FLEET_TEST(counts_are_read_everywhere),
		FLEET_TEST(counts_wait_while_the_database_is_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
