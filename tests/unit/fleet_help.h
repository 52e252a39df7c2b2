/*
 * fleet_help - what the tests of a fleet share: three hosts over one database in memory, each with a
 *              registry, a copy that survives it, and a connection of its own.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  fleet_setup() gives, fleet_teardown() takes
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_FLEET_HELP_H
#define TELLTALE_UNIT_FLEET_HELP_H

#include "tests/unit/control_help.h"

#include "base/json.h"
#include "control/registrar_state.h"
#include "store/fleet_store.h"
#include "tests/fake/store_shared.h"

#define FLEET_HOSTS 3
#define QUIET_MS    (REGISTRAR_QUIET_MS + 1)

struct host {
	const char *name;
	struct registry *registry;
	struct store *copy; /* in memory; the fleet_store has a connection to it */
	struct store *copied;
	struct store *store;
	struct store *connection; /* to the database; NULL: it was never attached */
	struct registrar *registrar;
};

struct fleet_test {
	struct store *database;
	struct host hosts[FLEET_HOSTS];
	struct diag diag;
};

/* --- the fixture ------------------------------------------------------------------------------- */

static inline int fleet_start(struct fleet_test *f, struct host *h)
{
	h->registry = registry_new(1);
	h->copied = store_shared_new(h->copy);
	h->store = fleet_store_new(h->copied);
	h->connection = NULL;
	h->registrar = registrar_new(h->registry, h->store, &help_site, control_now_s);
	TRY(registrar_join(h->registrar, str_of(h->name), "1.2"));
	return registrar_load(h->registrar, &f->diag);
}

static inline void fleet_stop(struct host *h)
{
	registrar_free(h->registrar);
	registry_free(h->registry);
	store_free(h->store);
}

static inline int fleet_attach(struct fleet_test *f, struct host *h)
{
	h->connection = store_shared_new(f->database);
	return registrar_attach(h->registrar, h->connection, &f->diag);
}

/* As the first daemon of a fleet makes it. */
static inline int fleet_make_secret(struct fleet_test *f)
{
	const struct store_ops *ops = f->database->ops;
	TRY(ops->begin(f->database, &f->diag));
	TRY(ops->secret_put(f->database, STR("token-secret"),
		STR("0123456789abcdef0123456789abcdef"), &f->diag));
	return ops->commit(f->database, &f->diag);
}

static inline int fleet_setup(void **state)
{
	static const char *const names[FLEET_HOSTS] = {"a", "b", "c"};
	struct fleet_test *f = calloc(1, sizeof *f);
	*state = f;
	control_clock_s = CONTROL_NOW_S;
	f->database = store_memory_new();
	if (fleet_make_secret(f) < 0) {
		return -1;
	}
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		struct host *h = &f->hosts[i];
		h->name = names[i];
		h->copy = store_memory_new();
		if (fleet_start(f, h) < 0 || fleet_attach(f, h) < 0) {
			print_error("%s\n", f->diag.text);
			return -1;
		}
		(void)registrar_acknowledge(h->registrar);
	}
	return 0;
}

static inline int fleet_teardown(void **state)
{
	struct fleet_test *f = *state;
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		fleet_stop(&f->hosts[i]);
		store_free(f->hosts[i].copy);
	}
	store_free(f->database);
	free(f);
	return 0;
}

/* Its daemon ends and starts anew, with the copy that it had; nothing is attached. */
static inline void fleet_restart(struct fleet_test *f, struct host *h)
{
	fleet_stop(h);
	if (fleet_start(f, h) < 0) {
		fail_msg("%s: %s", h->name, f->diag.text);
	}
}

/* --- being away -------------------------------------------------------------------------------- */

static inline void fleet_lose(struct host *h)
{
	store_shared_away(h->connection, 1);
}

static inline void fleet_find(struct fleet_test *f, struct host *h)
{
	if (fleet_attach(f, h) < 0) {
		fail_msg("%s: %s", h->name, f->diag.text);
	}
}

/* --- one after the other ----------------------------------------------------------------------- */

static inline void fleet_catch_up(struct fleet_test *f, struct host *h)
{
	if (registrar_catch_up(h->registrar, true, &f->diag) < 0) {
		fail_msg("%s: %s", h->name, f->diag.text);
	}
}

/* No worker holds anything: whatever was published is in force. */
static inline void fleet_idle(struct host *h)
{
	registry_idle(h->registry, 0);
}

/* A worker that is at work: it does not see what comes until it turns again. */
static inline void fleet_busy(struct host *h)
{
	registry_turn(h->registry, 0);
}

/* All hosts do what they can, until there is nothing left to do. */
static inline void fleet_settle(struct fleet_test *f)
{
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < FLEET_HOSTS; i++) {
			struct host *h = &f->hosts[i];
			fleet_idle(h);
			if (registrar_is_attached(h->registrar)) {
				fleet_catch_up(f, h);
				(void)registrar_acknowledge(h->registrar);
			}
		}
	}
}

/* --- changes ----------------------------------------------------------------------------------- */

static inline struct deed fleet_deed(const char *type)
{
	return (struct deed){.at_ms = CONTROL_NOW_S * 1000,
		.who = STR("AKID"),
		.from = STR("192.0.2.1"),
		.action = STR("lightsail:Something"),
		.request_id = STR("r-1"),
		.operation_type = type,
		.operations = json_array()};
}

static inline int fleet_put(struct fleet_test *f, struct host *h, const char *text)
{
	json_t *specs = control_specs(text);
	f->diag.text[0] = '\0';
	int rc = registrar_put(h->registrar, NULL, specs, &f->diag);
	json_decref(specs);
	return rc;
}

static inline int fleet_apply(struct fleet_test *f, struct host *h, const char *text)
{
	json_t *specs = *text ? control_specs(text) : json_array();
	size_t changed = 0;
	f->diag.text[0] = '\0';
	int rc = registrar_apply_files(h->registrar, NULL, specs, &changed, &f->diag);
	json_decref(specs);
	return rc < 0 ? rc : (int)changed;
}

static inline int fleet_options(
	struct fleet_test *f, struct host *h, struct deed *deed, const char *name, const char *what)
{
	json_t *changes = help_json(what);
	int rc = registrar_options(h->registrar, deed, str_of(name), changes, &f->diag);
	json_decref(changes);
	return rc;
}

static inline int fleet_delete(
	struct fleet_test *f, struct host *h, struct deed *deed, const char *name)
{
	return registrar_delete(h->registrar, deed, str_of(name), &f->diag);
}

static inline int fleet_move(struct fleet_test *f, struct host *h, struct deed *deed,
	const char *name, const char *to, bool force)
{
	return registrar_move(h->registrar, deed, str_of(name), str_of(to), force, &f->diag);
}

/* --- what is seen ------------------------------------------------------------------------------ */

static inline const struct instance *fleet_instance(struct host *h, const char *name)
{
	struct entry *entry = registry_find(h->registry, str_of(name));
	return entry ? entry_instance(entry) : NULL;
}

struct fleet_looking {
	struct registrar *registrar;
	struct registrar_fleet fleet;
};

static inline void fleet_run(void *ctx)
{
	struct fleet_looking *looking = ctx;
	registrar_fleet(looking->registrar, &looking->fleet);
}

/* As the metrics look at it. */
static inline struct registrar_fleet fleet_numbers(struct registrar *registrar)
{
	struct fleet_looking looking = {.registrar = registrar};
	registrar_run(registrar, fleet_run, &looking);
	return looking.fleet;
}

/* Whether a text is in its specification. */
static inline bool fleet_has(const struct instance *instance, const char *text)
{
	return memmem(instance->spec.p, instance->spec.n, text, strlen(text)) != NULL;
}

/* Its host and the state of its options, as a host shows it: "a pending"; or the error's name. */
static inline const char *fleet_shown(struct fleet_test *f, struct host *h, const char *name)
{
	static char text[64];
	json_t *view;
	int rc = registrar_show(h->registrar, str_of(name), &view, &f->diag);
	if (rc < 0) {
		return result_name(rc);
	}
	const json_t *options = json_object_get(view, "metadataOptions");
	(void)snprintf(text, sizeof text, "%s %s", json_string_value(json_object_get(view, "host")),
		json_string_value(json_object_get(options, "state")));
	json_decref(view);
	return text;
}

static inline const char *fleet_first_id(const struct deed *deed)
{
	return json_string_value(json_object_get(json_array_get(deed->operations, 0), "id"));
}

/* Of the deed's first operation, as a host shows it. */
static inline const char *fleet_status(
	struct fleet_test *f, struct host *h, const struct deed *deed)
{
	static char text[32];
	json_t *found;
	int rc = registrar_operation(h->registrar, str_of(fleet_first_id(deed)), &found, &f->diag);
	if (rc < 0) {
		return result_name(rc);
	}
	(void)snprintf(
		text, sizeof text, "%s", json_string_value(json_object_get(found, "status")));
	json_decref(found);
	return text;
}

/* Names of which nothing is told: they are refused. */
static const json_t *fleet_except;

static inline int fleet_add_row(void *ctx, const struct store_instance *row)
{
	if (json_object_getn(fleet_except, row->name.p, row->name.n)) {
		return 0;
	}
	buf_add_f(ctx, "%.*s|%.*s|%.*s|%u|%lld|%lld|%lld\n", STR_FMT(row->name), STR_FMT(row->host),
		STR_FMT(row->spec), row->token_epoch, (long long)row->created_s,
		(long long)row->launched_s, (long long)row->changed_s);
	return 0;
}

/* Rows of a host that are to be in force there, as text; the caller frees. */
static inline int fleet_add_own(void *ctx, const struct store_instance *row)
{
	return row_is_hidden(row) || row->next_host.n ? 0 : fleet_add_row(ctx, row);
}

struct fleet_names {
	struct str v[256];
	size_t n;
};

static inline int fleet_add_name(void *ctx, struct entry *entry)
{
	struct fleet_names *names = ctx;
	assert_true(names->n < 256);
	names->v[names->n++] = entry_instance(entry)->name;
	return 0;
}

static inline int fleet_by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* As fleet_add_own(), of what is published. */
static inline void fleet_dump_registry(struct host *h, struct buf *out)
{
	struct fleet_names names = {.n = 0};
	assert_int_equal(registry_each(h->registry, fleet_add_name, &names), 0);
	qsort(names.v, names.n, sizeof names.v[0], fleet_by_name);
	for (size_t i = 0; i < names.n; i++) {
		const struct instance *one = entry_instance(registry_find(h->registry, names.v[i]));
		const struct store_instance row = {.name = one->name,
			.spec = one->spec,
			.host = str_of(h->name),
			.token_epoch = one->record.token_epoch,
			.created_s = one->record.created_s,
			.launched_s = one->record.launched_s,
			.changed_s = one->record.changed_s};
		assert_int_equal(fleet_add_row(out, &row), 0);
	}
}

static inline void fleet_assert_same(
	const struct host *h, const char *what, struct buf *have, struct buf *want)
{
	if (!str_eq(buf_str(have), buf_str(want))) {
		fail_msg("host %s: %s has\n%.*sinstead of\n%.*s", h->name, what,
			STR_FMT(buf_str(have)), STR_FMT(buf_str(want)));
	}
	buf_done(have);
}

/* The registry, and the copy, have what the database has of this host, but for what it has refused. */
static inline void fleet_assert_in_step(struct fleet_test *f, struct host *h)
{
	struct buf want = BUF_EMPTY, published = BUF_EMPTY, copied = BUF_EMPTY;
	fleet_except = h->registrar->fleet->unpublished;
	assert_int_equal(f->database->ops->instance_each(f->database, str_of(h->name), STR_EMPTY,
				 fleet_add_own, &want, NULL),
		0);
	assert_int_equal(h->copy->ops->instance_each(h->copy, (struct str){NULL, 0}, STR_EMPTY,
				 fleet_add_row, &copied, NULL),
		0);
	fleet_dump_registry(h, &published);
	fleet_assert_same(h, "its registry", &published, &want);
	fleet_assert_same(h, "its copy", &copied, &want);
	fleet_except = NULL;
	buf_done(&want);
}

static inline int fleet_on_open(void *ctx, const struct store_operation *operation)
{
	if (operation->open) {
		fail_msg("an operation is open: %.*s", STR_FMT(operation->body));
	}
	++*(unsigned *)ctx;
	return 0;
}

static inline void fleet_assert_none_open(struct fleet_test *f)
{
	unsigned n = 0;
	assert_int_equal(f->database->ops->operation_each(
				 f->database, STR_EMPTY, 0, fleet_on_open, &n, NULL),
		0);
}

#define FLEET_TEST(test) cmocka_unit_test_setup_teardown(test, fleet_setup, fleet_teardown)

#endif
