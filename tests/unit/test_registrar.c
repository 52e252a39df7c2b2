/*
 * Changes of instances by request: what is stored and published, and that a failed one has done
 * neither.
 */
#include <pthread.h>

#include "tests/unit/control_help.h"

/* --- put --------------------------------------------------------------------------------------- */

static void a_new_instance(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: web-1, match: {addresses: [10.0.0.1]}}"), 0);
	const struct instance *instance = control_instance(c, "web-1");
	assert_non_null(instance);
	assert_int_equal(instance->record.created_s, CONTROL_NOW_S);
	assert_int_equal(instance->record.launched_s, CONTROL_NOW_S);
	assert_int_equal(instance->record.changed_s, CONTROL_NOW_S);
	assert_ptr_equal(instance->site, &help_site);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "web-1");
	/* The store has the same. */
	char *dump = control_dump(c);
	char expected[256];
	(void)snprintf(expected, sizeof expected,
		"web-1|{\"name\":\"web-1\",\"match\":{\"addresses\":[\"10.0.0.1\"]}}||%u|1800000000|"
		"1800000000|1800000000\n--\n",
		instance->record.token_epoch);
	assert_true(str_starts(str_of(dump), str_of(expected)));
	free(dump);
}

static void a_new_specification(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: web-1, tags: {a: b}}"), 0);
	uint32_t epoch = control_instance(c, "web-1")->record.token_epoch;
	control_clock_s += 100;
	/* It replaces: what is not there any more goes. */
	assert_int_equal(control_put(c, "{name: web-1, bundleId: micro_3_0}"), 0);
	const struct instance *instance = control_instance(c, "web-1");
	json_t *spec = instance_spec(instance);
	assert_null(json_object_get(spec, "tags"));
	json_decref(spec);
	assert_int_equal(instance->record.token_epoch, epoch);
	assert_int_equal(instance->record.created_s, CONTROL_NOW_S);
	assert_int_equal(instance->record.launched_s, CONTROL_NOW_S);
	assert_int_equal(instance->record.changed_s, CONTROL_NOW_S + 100);
	/* A stop is no launch, the start after it is. */
	control_clock_s += 100;
	assert_int_equal(control_put(c, "{name: web-1, state: stopped}"), 0);
	assert_int_equal(control_instance(c, "web-1")->record.launched_s, CONTROL_NOW_S);
	control_clock_s += 100;
	assert_int_equal(control_put(c, "{name: web-1, state: stopped, bundleId: nano_3_0}"), 0);
	assert_int_equal(control_instance(c, "web-1")->record.launched_s, CONTROL_NOW_S);
	control_clock_s += 100;
	assert_int_equal(control_put(c, "{name: web-1, state: running}"), 0);
	assert_int_equal(control_instance(c, "web-1")->record.launched_s, CONTROL_NOW_S + 400);
	assert_int_equal(control_instance(c, "web-1")->record.created_s, CONTROL_NOW_S);
}

static void all_or_none(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: old, match: {addresses: [10.0.0.9]}}"), 0);
	char *before = control_dump(c);
	static const struct {
		int line;
		const char *specs;
		const char *says;
	} cases[] = {
		{__LINE__,
			"[{name: n1, match: {addresses: [10.0.0.1]}},"
			" {name: n2, match: {addresses: [10.0.0.9]}}]",
			"instances 'old' and 'n2' both have the address 10.0.0.9"},
		{__LINE__,
			"[{name: n1, match: {addresses: [10.0.0.1]}},"
			" {name: n2, match: {addresses: [10.0.0.1]}}]",
			"instances 'n1' and 'n2' both have the address 10.0.0.1"},
		{__LINE__, "{name: n1, match: {addresses: [10.0.0.1, 10.0.0.9]}}",
			"instances 'old' and 'n1' both have the address 10.0.0.9"},
		{__LINE__,
			"[{name: n1, instanceId: i-00000001}, {name: n2, instanceId: i-00000001}]",
			"instances 'n1' and 'n2' both have the instance id i-00000001"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		case_int(cases[i].line, control_put(c, cases[i].specs), E_EXISTS);
		case_text(cases[i].line, str_of(c->diag.text), cases[i].says);
		char *after = control_dump(c);
		case_text(cases[i].line, str_of(after), before);
		free(after);
	}
	free(before);
	assert_int_equal(control_put(c, "[]"), 0);
}

static void two_change_places(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "[{name: n1, match: {addresses: [10.0.0.1]}},"
					" {name: n2, match: {addresses: [10.0.0.2]}}]"),
		0);
	assert_int_equal(control_put(c, "[{name: n1, match: {addresses: [10.0.0.2]}},"
					" {name: n2, match: {addresses: [10.0.0.1]}}]"),
		0);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "n2");
	case_text(__LINE__, control_who(c, "10.0.0.2"), "n1");
	/* One alone can't. */
	assert_int_equal(control_put(c, "{name: n1, match: {addresses: [10.0.0.1]}}"), E_EXISTS);
	/* Three in a ring, and ids with them. */
	assert_int_equal(
		control_put(c,
			"[{name: n1, instanceId: i-00000001, match: {addresses: [10.0.0.1]}},"
			" {name: n2, instanceId: i-00000002, match: {addresses: [10.0.0.2]}},"
			" {name: n3, instanceId: i-00000003, match: {addresses: [10.0.0.3]}}]"),
		0);
	assert_int_equal(
		control_put(c,
			"[{name: n1, instanceId: i-00000002, match: {addresses: [10.0.0.2]}},"
			" {name: n2, instanceId: i-00000003, match: {addresses: [10.0.0.3]}},"
			" {name: n3, instanceId: i-00000001, match: {addresses: [10.0.0.1]}}]"),
		0);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "n3");
	case_text(__LINE__, control_who(c, "10.0.0.2"), "n1");
	case_text(__LINE__, control_who(c, "10.0.0.3"), "n2");
	assert_string_equal(control_instance(c, "n1")->id, "i-00000002");
}

/* What would answer with 503 for ever is refused at once. */
static void metadata_that_make_no_tree(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	buf_add(&text, STR("name: web-1\nmetadata:\n"));
	for (int i = 0; i < 1000; i++) { /* each path has five names of its own */
		buf_add_f(&text, "  a%d/b/c/d/e: x\n", i);
	}
	buf_add_char(&text, '\0');
	assert_int_equal(control_put(c, text.p), E_LIMIT);
	assert_non_null(strstr(c->diag.text, "web-1"));
	assert_null(control_instance(c, "web-1"));
	/* A long path of names that are all good. */
	buf_reset(&text);
	buf_add(&text, STR("name: web-1\nmetadata: "));
	for (int i = 0; i < 12; i++) {
		buf_add_char(&text, '{');
		for (int k = 0; k < 200; k++) {
			buf_add_char(&text, 'x');
		}
		buf_add(&text, STR(": "));
	}
	buf_add(&text, STR("y}}}}}}}}}}}}\n"));
	buf_add_char(&text, '\0');
	assert_int_equal(control_put(c, text.p), E_LIMIT);
	/* Events whose document would be too large. */
	buf_reset(&text);
	buf_add(&text, STR("name: web-1\nevents: {maintenance: {scheduled: [\n"));
	for (int i = 0; i < 64; i++) {
		buf_add(&text,
			STR("{Code: a, EventId: b, NotAfter: c, NotBefore: d, State: e, Description: "));
		for (int k = 0; k < 1000; k++) {
			buf_add_char(&text, 'x');
		}
		buf_add(&text, STR("},\n"));
	}
	buf_add(&text, STR("]}}\n"));
	buf_add_char(&text, '\0');
	assert_int_equal(control_put(c, text.p), E_LIMIT);
	assert_null(control_instance(c, "web-1"));
}

/* --- delete, revoke, options ------------------------------------------------------------------- */

static void deleted(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: web-1, match: {addresses: [10.0.0.1]}}"), 0);
	uint32_t epoch = control_instance(c, "web-1")->record.token_epoch;
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("web-2"), &c->diag), E_NOTFOUND);
	assert_string_equal(c->diag.text, "there is no instance 'web-2'");
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("web-1"), &c->diag), 0);
	case_text(__LINE__, control_who(c, "10.0.0.1"), "");
	char *dump = control_dump(c);
	assert_string_equal(dump, "--\n");
	free(dump);
	assert_int_equal(registrar_delete(c->registrar, NULL, STR("web-1"), &c->diag), E_NOTFOUND);
	/* The tokens of the one before are not those of a new one of its name. */
	assert_int_equal(control_put(c, "{name: web-1, match: {addresses: [10.0.0.1]}}"), 0);
	assert_int_not_equal(control_instance(c, "web-1")->record.token_epoch, epoch);
}

static void revoked(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "[{name: web-1}, {name: web-2}]"), 0);
	uint32_t epoch = control_instance(c, "web-1")->record.token_epoch;
	uint32_t other = control_instance(c, "web-2")->record.token_epoch;
	control_clock_s += 100;
	assert_int_equal(registrar_revoke(c->registrar, NULL, STR("web-1"), &c->diag), 0);
	assert_int_equal(control_instance(c, "web-1")->record.token_epoch, (uint32_t)(epoch + 1));
	assert_int_equal(control_instance(c, "web-2")->record.token_epoch, other);
	/* Its data have not changed. */
	assert_int_equal(control_instance(c, "web-1")->record.changed_s, CONTROL_NOW_S);
	assert_int_equal(registrar_revoke(c->registrar, NULL, STR("web-3"), &c->diag), E_NOTFOUND);
	assert_string_equal(c->diag.text, "there is no instance 'web-3'");
	/* It is in the store, so that a restart does not bring them back. */
	control_restart(c);
	assert_int_equal(control_instance(c, "web-1")->record.token_epoch, (uint32_t)(epoch + 1));
}

static void options(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "{name: web-1, blueprintId: amazon_linux_2023}"), 0);
	assert_int_equal(control_options(c, "web-1", "{'httpPutResponseHopLimit': 2}"), 0);
	const struct instance *instance = control_instance(c, "web-1");
	assert_int_equal(instance->options.hop_limit, 2);
	assert_true(instance->options.tokens_required); /* the blueprint's */
	assert_int_equal(control_options(c, "web-1",
				 "{'httpTokens': 'optional', 'httpEndpoint': 'disabled'}"),
		0);
	instance = control_instance(c, "web-1");
	assert_false(instance->options.tokens_required);
	assert_false(instance->options.endpoint);
	assert_int_equal(instance->options.hop_limit, 2);
	char *before = control_dump(c);
	assert_int_equal(control_options(c, "web-1", "{'httpTokens': 'maybe'}"), E_RANGE);
	assert_int_equal(
		control_options(c, "web-1", "{'httpEndpoint': 'enabled', 'x': 'y'}"), E_SYNTAX);
	assert_int_equal(control_options(c, "web-2", "{'httpTokens': 'optional'}"), E_NOTFOUND);
	char *after = control_dump(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	assert_int_equal(control_options(c, "web-1", "{}"), 0);
}

/* Tags that can't be names in the tree can't be shown, whoever asks for it. */
static void tags_that_can_not_be_shown(void **state)
{
	struct control *c = *state;
	static const char *const specs[] = {"{name: web-1, tags: {a/b: c}}",
		"{name: web-1, tags: {a b: c}}", "{name: web-1, tags: {..: c}}",
		"{name: web-1, tags: {good: a, _index: c}}"};
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		assert_int_equal(control_put(c, specs[i]), 0);
		assert_int_equal(control_options(c, "web-1", "{'instanceMetadataTags': 'enabled'}"),
			E_RANGE);
		assert_non_null(strstr(c->diag.text, "instanceMetadataTags"));
		assert_false(control_instance(c, "web-1")->options.tags);
	}
	assert_int_equal(control_put(c, "{name: web-1, tags: {a: c, 'b:@=': d}}"), 0);
	assert_int_equal(control_options(c, "web-1", "{'instanceMetadataTags': 'enabled'}"), 0);
	/* Enabled by request, and then the file brings such a tag. */
	assert_int_equal(control_apply(c, "{name: web-2, tags: {a: b}}"), 1);
	assert_int_equal(control_options(c, "web-2", "{'instanceMetadataTags': 'enabled'}"), 0);
	assert_int_equal(control_apply(c, "{name: web-2, tags: {a/b: c}}"), E_RANGE);
	assert_non_null(strstr(c->diag.text, "a/b"));
}

/* --- what fails has changed nothing ------------------------------------------------------------ */

#define BEFORE                                                       \
	"[{name: n1, match: {addresses: [10.0.0.1]}, tags: {a: b}}," \
	" {name: n2, match: {addresses: [10.0.0.2]}}, {name: n3, match: {addresses: [10.0.0.3]}}]"

static int put_two(struct control *c)
{
	return control_put(c, "[{name: n1, match: {addresses: [10.0.0.2]}},"
			      " {name: n2, match: {addresses: [10.0.0.1]}}]");
}

static int put_new(struct control *c)
{
	return control_put(c, "{name: n4, match: {addresses: [10.0.0.4]}}");
}

static int delete_one(struct control *c)
{
	alloc_fail_at(control_fail_at);
	return registrar_delete(c->registrar, NULL, STR("n1"), &c->diag);
}

static int revoke_one(struct control *c)
{
	alloc_fail_at(control_fail_at);
	return registrar_revoke(c->registrar, NULL, STR("n1"), &c->diag);
}

static int change_options(struct control *c)
{
	return control_options(c, "n1", "{'httpTokens': 'required'}");
}

static int apply_some(struct control *c)
{
	int rc = control_apply(c, "[{name: n1, match: {addresses: [10.0.0.5]}},"
				  " {name: n5, match: {addresses: [10.0.0.1]}}]");
	return rc < 0 ? rc : 0;
}

static const struct {
	int line;
	const char *what;
	int (*call)(struct control *c);
} changes[] = {
	{__LINE__, "put two", put_two},
	{__LINE__, "put new", put_new},
	{__LINE__, "delete", delete_one},
	{__LINE__, "revoke", revoke_one},
	{__LINE__, "options", change_options},
	{__LINE__, "apply files", apply_some},
};

/* Each call of the store fails once; then the change is made as if nothing had been. */
static void failing_store(void **state)
{
	static const int codes[] = {E_FULL, E_BUSY, E_READONLY, E_DAMAGED, -ENOMEM, -EIO};
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		assert_int_equal(control_setup(state), 0);
		struct control *c = *state;
		assert_int_equal(control_apply(c, BEFORE), 3);
		char *before = control_dump(c);
		uint32_t generation = registry_generation(c->registry);
		unsigned nth = 0;
		for (;;) {
			unsigned calls = store_memory_calls(c->store);
			nth++;
			store_memory_fail(c->store, nth, codes[nth % 6]);
			int rc = changes[i].call(c);
			calls = store_memory_calls(c->store) - calls;
			store_memory_fail(c->store, 0, 0);
			if (rc == 0 && calls < nth) {
				break; /* it needs no more calls than have failed */
			}
			case_int(changes[i].line, rc, codes[nth % 6]);
			case_int(changes[i].line, c->diag.text[0] != '\0', true);
			char *after = control_dump(c);
			case_text(changes[i].line, str_of(after), before);
			free(after);
			case_int(changes[i].line, registry_generation(c->registry), generation);
		}
		case_int(changes[i].line, nth > 3, true);
		char *after = control_dump(c);
		case_int(changes[i].line, strcmp(after, before) != 0, true);
		free(before);
		free(after);
		assert_int_equal(control_teardown(state), 0);
	}
	assert_int_equal(control_setup(state), 0);
}

/*
 * Each allocation of a change fails once. It is told; what is published is as before, or the change is
 * made; and the same change can be made again.
 */
static void memory_runs_out(void **state)
{
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		bool failed = true;
		for (unsigned n = 1; failed; n++) {
			assert_int_equal(control_setup(state), 0);
			struct control *c = *state;
			assert_int_equal(control_apply(c, BEFORE), 3);
			control_fail_at = n;
			int rc = changes[i].call(c);
			control_fail_at = 0;
			failed = alloc_fail_at(0);
			if (rc < 0) {
				case_int(changes[i].line, failed, true);
				case_int(changes[i].line, c->diag.text[0] != '\0', true);
				rc = changes[i].call(c);
			}
			case_int(changes[i].line, rc, 0);
			assert_int_equal(control_teardown(state), 0);
		}
	}
	assert_int_equal(control_setup(state), 0);
}

static const struct registrar_query all = {.most = REGISTRAR_PAGE};

/* --- reading ----------------------------------------------------------------------------------- */

static void shown_and_listed(void **state)
{
	struct control *c = *state;
	json_t *view = NULL, *views = NULL;
	bool more = true;
	assert_int_equal(registrar_list(c->registrar, &all, &views, &more, &c->diag), 0);
	assert_int_equal(json_array_size(views), 0);
	assert_false(more);
	json_decref(views);
	assert_int_equal(control_put(c, "[{name: bb}, {name: aa}, {name: b-1}, {name: BB}]"), 0);
	assert_int_equal(registrar_list(c->registrar, &all, &views, &more, &c->diag), 0);
	static const char *const order[] = {"BB", "aa", "b-1", "bb"};
	assert_int_equal(json_array_size(views), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(views, i), "name")),
			order[i]);
	}
	json_decref(views);
	assert_int_equal(registrar_show(c->registrar, STR("aa"), &view, &c->diag), 0);
	assert_string_equal(json_string_value(json_object_get(view, "name")), "aa");
	json_decref(view);
	assert_int_equal(registrar_show(c->registrar, STR("a"), &view, &c->diag), E_NOTFOUND);
	assert_string_equal(c->diag.text, "there is no instance 'a'");
}

static void listed_page_by_page(void **state)
{
	struct control *c = *state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	enum { MANY = 2 * REGISTRAR_PAGE + 5 };
	for (int i = 0; i < MANY; i++) {
		/* Not in their order. */
		int n = i * 7919 % MANY;
		buf_add_f(&text, "- {name: n%05d, match: {addresses: [10.0.%d.%d]}}\n", n, n / 256,
			n % 256);
	}
	buf_add_char(&text, '\0');
	assert_int_equal(control_put(c, text.p), 0);
	char after[16] = "";
	bool more = true;
	int n = 0;
	struct registrar_query query = all;
	while (more) {
		json_t *views = NULL;
		query.after = str_of(after);
		assert_int_equal(registrar_list(c->registrar, &query, &views, &more, &c->diag), 0);
		assert_int_equal(json_array_size(views), more ? REGISTRAR_PAGE : 5);
		for (size_t i = 0; i < json_array_size(views); i++) {
			(void)snprintf(after, sizeof after, "n%05d", n++);
			assert_string_equal(after, json_string_value(json_object_get(
							   json_array_get(views, i), "name")));
		}
		json_decref(views);
	}
	assert_int_equal(n, MANY);
	json_t *views = NULL;
	query.after = STR("n99999");
	assert_int_equal(registrar_list(c->registrar, &query, &views, &more, &c->diag), 0);
	assert_int_equal(json_array_size(views), 0);
	json_decref(views);
}

static void count_run(void *ctx)
{
	++*(int *)ctx;
}

static void run_under_the_lock(void **state)
{
	struct control *c = *state;
	int n = 0;
	registrar_run(c->registrar, count_run, &n);
	assert_int_equal(n, 1);
	registrar_reclaim(c->registrar);
	registrar_free(NULL);
}

/* --- threads ----------------------------------------------------------------------------------- */

struct caller {
	struct control *c;
	int number;
	_Atomic int *faults;
};

static void *call_all(void *ctx)
{
	const struct caller *caller = ctx;
	struct registrar *registrar = caller->c->registrar;
	char name[16];
	(void)snprintf(name, sizeof name, "n-%d", caller->number % 3);
	for (int i = 0; i < 60; i++) {
		struct diag diag = {{0}};
		json_t *view = NULL, *views = NULL;
		bool more;
		json_t *specs = json_pack("[{s:s, s:{s:i}}]", "name", name, "metadataOptions",
			"httpPutResponseHopLimit", 1 + i);
		int rc = registrar_put(registrar, NULL, specs, &diag);
		atomic_fetch_add(caller->faults, rc != 0);
		json_decref(specs);
		rc = registrar_list(registrar, &all, &views, &more, &diag);
		atomic_fetch_add(caller->faults, rc != 0);
		json_decref(views);
		rc = registrar_show(registrar, str_of(name), &view, &diag);
		atomic_fetch_add(caller->faults, rc != 0 && rc != E_NOTFOUND);
		json_decref(view);
		rc = registrar_revoke(registrar, NULL, str_of(name), &diag);
		atomic_fetch_add(caller->faults, rc != 0 && rc != E_NOTFOUND);
		if (i % 8 == 7) {
			rc = registrar_delete(registrar, NULL, str_of(name), &diag);
			atomic_fetch_add(caller->faults, rc != 0 && rc != E_NOTFOUND);
		}
		(void)registrar_refresh_roles(registrar);
	}
	return NULL;
}

static void from_several_threads(void **state)
{
	struct control *c = *state;
	_Atomic int faults = 0;
	pthread_t threads[4];
	struct caller callers[4];
	for (int i = 0; i < 4; i++) {
		callers[i] = (struct caller){c, i, &faults};
		assert_int_equal(pthread_create(&threads[i], NULL, call_all, &callers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(atomic_load(&faults), 0);
	/* Store and registry say the same. */
	size_t rows = 0;
	char *dump = control_dump(c);
	for (const char *line = dump; strncmp(line, "--", 2) != 0; line = strchr(line, '\n') + 1) {
		rows++;
	}
	assert_int_equal(rows, registry_count(c->registry));
	free(dump);
}

static int tags_of(struct control *c, const char *set, const char *drop)
{
	json_t *tags = help_json(set), *keys = help_json(drop);
	int rc = registrar_tags(c->registrar, NULL, STR("web-1"), tags, keys, &c->diag);
	json_decref(tags);
	json_decref(keys);
	return rc;
}

static void started_and_stopped(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: web-1\n"), 0);
	control_clock_s += 10;
	assert_int_equal(registrar_state(c->registrar, NULL, STR("web-1"), false, &c->diag), 0);
	assert_false(control_instance(c, "web-1")->running);
	assert_int_equal(control_instance(c, "web-1")->record.launched_s, CONTROL_NOW_S);
	control_clock_s += 10;
	assert_int_equal(registrar_state(c->registrar, NULL, STR("web-1"), true, &c->diag), 0);
	assert_true(control_instance(c, "web-1")->running);
	assert_int_equal(control_instance(c, "web-1")->record.launched_s, CONTROL_NOW_S + 20);
	control_clock_s += 10; /* one that runs is not launched again */
	assert_int_equal(registrar_state(c->registrar, NULL, STR("web-1"), true, &c->diag), 0);
	assert_int_equal(control_instance(c, "web-1")->record.launched_s, CONTROL_NOW_S + 20);
	assert_int_equal(
		registrar_state(c->registrar, NULL, STR("web-2"), true, &c->diag), E_NOTFOUND);
}

static void tags_set_and_dropped(void **state)
{
	struct control *c = *state;
	assert_int_equal(control_put(c, "name: web-1\n"), 0);
	assert_int_equal(tags_of(c, "{\"a\": \"1\", \"b/c\": \"\"}", "[]"), 0);
	assert_int_equal(tags_of(c, "{\"a\": \"2\"}", "[\"b/c\", \"none\"]"), 0);
	assert_non_null(strstr(control_instance(c, "web-1")->spec.p, "{\"a\":\"2\"}"));
	char *before = control_dump(c);
	assert_int_equal(tags_of(c, "{\"\": \"1\"}", "[]"), E_SYNTAX);
	assert_int_equal(tags_of(c, "{\"a\\u0001\": \"1\"}", "[]"), E_SYNTAX);
	char *after = control_dump(c);
	assert_string_equal(before, after);
	free(before);
	free(after);
	assert_int_equal(control_options(c, "web-1", "{\"instanceMetadataTags\": \"enabled\"}"), 0);
	assert_int_equal(tags_of(c, "{\"b/c\": \"\"}", "[]"), E_SYNTAX);
	assert_int_equal(tags_of(c, "{}", "[\"a\"]"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_new_instance),
		TEST(a_new_specification),
		TEST(all_or_none),
		TEST(two_change_places),
		TEST(metadata_that_make_no_tree),
		TEST(deleted),
		TEST(revoked),
		TEST(options),
		TEST(tags_that_can_not_be_shown),
		TEST(started_and_stopped),
		TEST(tags_set_and_dropped),
		cmocka_unit_test_teardown(failing_store, control_teardown),
		cmocka_unit_test_teardown(memory_runs_out, control_teardown),
		TEST(shown_and_listed),
		TEST(listed_page_by_page),
		TEST(run_under_the_lock),
		TEST(from_several_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
