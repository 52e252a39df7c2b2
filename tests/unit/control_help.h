/*
 * control_help - what the tests of src/control/ share: a registrar over an in-memory store, with a
 *                clock that stands still.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  control_setup() gives, control_teardown() takes
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_CONTROL_HELP_H
#define TELLTALE_UNIT_CONTROL_HELP_H

#include <unistd.h>

#include "tests/fake/store_memory.h"
#include "tests/unit/metadata_help.h"

#include "config/spec.h"
#include "control/registrar.h"

#define CONTROL_WORKERS 2
#define CONTROL_NOW_S   INT64_C(1800000000)

static int64_t control_clock_s;

/* Which allocation fails in the next call of the registrar; 0: none. */
static unsigned control_fail_at;

static inline int64_t control_now_s(void)
{
	return control_clock_s;
}

struct control {
	struct registry *registry;
	struct store *store;
	struct registrar *registrar;
	struct diag diag;
	char folder[64]; /* made by control_file() */
};

static inline int control_setup(void **state)
{
	struct control *c = calloc(1, sizeof *c);
	if (!c) {
		return -1;
	}
	*state = c;
	control_clock_s = CONTROL_NOW_S;
	c->registry = registry_new(CONTROL_WORKERS);
	c->store = store_memory_new();
	c->registrar = registrar_new(c->registry, c->store, &help_site, control_now_s);
	return c->registry && c->store && c->registrar ? 0 : -1;
}

static inline int control_teardown(void **state)
{
	struct control *c = *state;
	registrar_free(c->registrar);
	registry_free(c->registry);
	store_free(c->store);
	if (c->folder[0]) {
		char command[96];
		(void)snprintf(command, sizeof command, "rm -rf %s", c->folder);
		if (system(command) != 0) {
			return -1;
		}
	}
	free(c);
	return 0;
}

/* As after a restart of the daemon: what the store holds is published anew. */
static inline void control_restart(struct control *c)
{
	registrar_free(c->registrar);
	registry_free(c->registry);
	c->registry = registry_new(CONTROL_WORKERS);
	c->registrar = registrar_new(c->registry, c->store, &help_site, control_now_s);
	assert_int_equal(registrar_load(c->registrar, &c->diag), 0);
}

/* --- specifications ---------------------------------------------------------------------------- */

/* YAML, as config accepts it. */
static inline json_t *control_specs(const char *text)
{
	struct diag diag = {{0}};
	json_t *specs = NULL;
	if (spec_from_text(str_of(text), NULL, &specs, &diag) < 0) {
		fail_msg("%s\n%s", text, diag.text);
	}
	return specs;
}

static inline int control_put(struct control *c, const char *text)
{
	json_t *specs = control_specs(text);
	c->diag.text[0] = '\0';
	alloc_fail_at(control_fail_at);
	int rc = registrar_put(c->registrar, NULL, specs, &c->diag);
	json_decref(specs);
	return rc;
}

/* "" is no instances at all. Returns how many changed, or the error. */
static inline int control_apply(struct control *c, const char *text)
{
	json_t *specs = *text ? control_specs(text) : json_array();
	size_t changed = 99999;
	c->diag.text[0] = '\0';
	alloc_fail_at(control_fail_at);
	int rc = registrar_apply_files(c->registrar, NULL, specs, &changed, &c->diag);
	json_decref(specs);
	return rc < 0 ? rc : (int)changed;
}

static inline int control_options(struct control *c, const char *name, const char *changes)
{
	json_t *object = help_json(changes);
	c->diag.text[0] = '\0';
	alloc_fail_at(control_fail_at);
	int rc = registrar_options(c->registrar, NULL, str_of(name), object, &c->diag);
	json_decref(object);
	return rc;
}

/* --- what is there ----------------------------------------------------------------------------- */

static inline const struct instance *control_instance(struct control *c, const char *name)
{
	struct entry *entry = registry_find(c->registry, str_of(name));
	return entry ? entry_instance(entry) : NULL;
}

/* The instance that calls from an IPv4 address; "" for nobody. */
static inline struct str control_who(struct control *c, const char *address)
{
	struct ipaddr addr;
	assert_int_equal(ipaddr_parse(str_of(address), &addr), 0);
	struct entry *entry = registry_lookup(c->registry, STR_EMPTY, STR_EMPTY, &addr);
	return entry ? entry_instance(entry)->name : STR("");
}

static inline int control_add_row(void *ctx, const struct store_instance *row)
{
	buf_add_f(ctx, "%.*s|%.*s|%.*s|%u|%lld|%lld|%lld\n", STR_FMT(row->name), STR_FMT(row->spec),
		STR_FMT(row->file_spec), row->token_epoch, (long long)row->created_s,
		(long long)row->launched_s, (long long)row->changed_s);
	return 0;
}

static inline int control_add_entry(void *ctx, struct entry *entry)
{
	const struct instance *i = entry_instance(entry);
	char first[IPADDR_TEXT_BYTES];
	ipaddr_format(&i->addresses[0].addr, first);
	buf_add_f(ctx, "%.*s|%.*s|%s|%s|%u|%lld|%lld|%lld|%s|%d\n", STR_FMT(i->name),
		STR_FMT(i->spec), i->id, first, i->record.token_epoch,
		(long long)i->record.created_s, (long long)i->record.launched_s,
		(long long)i->record.changed_s,
		i->role ? i->role->failed ? "failed" : "role" : "none", entry->detached);
	return 0;
}

/* All that the store holds and all that is published, as text; the caller frees. */
static inline char *control_dump(struct control *c)
{
	struct buf out = BUF_EMPTY;
	assert_int_equal(c->store->ops->instance_each(
				 c->store, STR_EMPTY, STR_EMPTY, control_add_row, &out, NULL),
		0);
	buf_add(&out, STR("--\n"));
	assert_int_equal(registry_each(c->registry, control_add_entry, &out), 0);
	char *text = buf_take(&out);
	assert_non_null(text);
	return text;
}

/* --- files ------------------------------------------------------------------------------------- */

/* A path in a folder of the test's own, in static memory. */
static inline const char *control_path(struct control *c, const char *name)
{
	static char path[128];
	if (!c->folder[0]) {
		(void)snprintf(c->folder, sizeof c->folder, "/tmp/telltale-control-XXXXXX");
		assert_non_null(mkdtemp(c->folder));
	}
	(void)snprintf(path, sizeof path, "%s/%s", c->folder, name);
	return path;
}

/* Replaced as a careful writer does it, so that its stamp is another one. */
static inline const char *control_file(struct control *c, const char *name, const char *text)
{
	char temporary[160];
	const char *path = control_path(c, name);
	(void)snprintf(temporary, sizeof temporary, "%s.new", path);
	FILE *file = fopen(temporary, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(temporary, path), 0);
	return path;
}

#endif
