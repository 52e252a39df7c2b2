#include "control/plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/json.h"
#include "base/log.h"
#include "config/check.h"
#include "control/difference.h"
#include "metadata/role.h"
#include "metadata/tree.h"
#include "platform/file.h"

#define ROLE_FILE_BYTES ((size_t)65536)
#define LONG_SPEC_BYTES ((size_t)16384)

static void change_done(struct change *change)
{
	free(change->name);
	free(change->spec);
	free(change->file_spec);
	free(change->host);
	free(change->next_host);
	instance_free(change->instance);
	instance_free(change->before);
	json_decref(change->operation);
	free(change->what);
}

void plan_done(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		change_done(&plan->v[i]);
	}
	free(plan->v);
	*plan = PLAN_OF(plan->site);
}

void plan_drop(struct plan *plan, size_t i)
{
	struct change *one = plan->v + i;
	change_done(one);
	plan->n--;
	memmove(one, one + 1, (plan->n - i) * sizeof *one);
}

/* One more, at its place. NULL when out of memory. */
static struct change *add(struct plan *plan, const struct plan_place *place, struct diag *diag)
{
	struct change *v = array_room(plan->v, plan->n, &plan->cap, sizeof *v);
	if (!v) {
		diag_write(diag, "out of memory");
		return NULL;
	}
	plan->v = v;
	struct change *change = &plan->v[plan->n++];
	*change = (struct change){.base = place->base, .elsewhere = place->elsewhere};
	change->moves = place->before && !str_eq(str_of(place->before->host), place->host);
	change->host = str_dup(place->host);
	change->next_host = str_dup(place->next_host);
	if (!change->host || !change->next_host) {
		diag_write(diag, "out of memory");
		return NULL;
	}
	/* What it was need not make an instance: it can go, or be put right, all the same. */
	int rc = place->before ? row_instance(place->before, plan->site, &change->before, diag) : 0;
	return rc == -ENOMEM ? NULL : change;
}

/* --- roles ----------------------------------------------------------------------------------- */

static int parse_role(const char *path, struct role_credentials **ret_role, struct diag *diag)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	int rc = file_read(path, ROLE_FILE_BYTES, &text, diag);
	if (rc == 0) {
		rc = role_parse(buf_str(&text), ret_role, diag);
		if (rc < 0) {
			rc = diag_prefix(diag, rc, "%s", path);
		}
	}
	if (text.p) {
		crypto_wipe(text.p, text.n);
	}
	return rc;
}

/* The same with the file's name and version written down. Takes the role. */
static struct role_credentials *stamped(
	struct role_credentials *role, struct str file, uint64_t stamp)
{
	struct role_credentials with = role ? *role : (struct role_credentials){.failed = true};
	with.file = file;
	with.stamp = stamp;
	struct role_credentials *copy = role_clone(&with);
	role_free(role);
	return copy;
}

struct role_credentials *plan_read_role(struct str file, struct str instance_name)
{
	char path[PATH_MAX];
	struct diag diag = {{0}};
	struct role_credentials *role = NULL;
	if (file.n >= sizeof path) {
		return stamped(NULL, file, 0);
	}
	memcpy(path, file.p, file.n);
	path[file.n] = '\0';
	/* Taken before reading: a write in between is seen at the next look. */
	uint64_t stamp = file_stamp(path);
	if (parse_role(path, &role, &diag) < 0) {
		LOG(LOG_WARN, "control", "the credentials of a role can't be read",
			LOG_STR("instance", instance_name), LOG_TEXT("error", diag.text));
	}
	return stamped(role, file, stamp);
}

int plan_role(const json_t *spec, struct role_credentials **ret_role)
{
	const json_t *file = json_object_get(
		json_object_get(json_object_get(spec, "role"), "credentials"), "file");
	*ret_role = NULL;
	if (json_is_string(file)) {
		*ret_role = plan_read_role(str_of(json_string_value(file)),
			str_of(json_string_value(json_object_get(spec, "name"))));
		return *ret_role ? 0 : -ENOMEM;
	}
	return 0;
}

/* --- planning -------------------------------------------------------------------------------- */

/* Tags that are to be shown must be names that a path can have. */
static int check_tags(const struct instance *instance, const json_t *spec, struct diag *diag)
{
	const char *key;
	json_t *value;
	if (!instance->options.tags) {
		return 0;
	}
	json_object_foreach (json_object_get(spec, "tags"), key, value) {
		if (!check_shown_tag(str_of(key))) {
			return diag_set(diag, E_RANGE,
				"instanceMetadataTags: the tag '%s' can't be shown in metadata",
				key);
		}
	}
	return 0;
}

/*
 * Its tree is built when it is first asked. One that can't be is refused here: only overrides, or
 * very long texts, go beyond the tree's limits.
 */
static int check_tree(const struct instance *instance, const json_t *spec, struct diag *diag)
{
	struct tree *tree = NULL;
	if (!json_object_get(spec, "metadata") && instance->spec.n < LONG_SPEC_BYTES) {
		return 0;
	}
	TRY(tree_compile(instance, &tree, diag));
	tree_free(tree);
	return 0;
}

int plan_put(struct plan *plan, const json_t *spec, struct str file_spec,
	const struct instance_record *record, const struct plan_place *place, struct diag *diag)
{
	struct role_credentials *role = NULL;
	struct change *change = add(plan, place, diag);
	if (!change) {
		return -ENOMEM;
	}
	/* The file of one that is elsewhere is there, too. */
	if (!place->elsewhere && plan_role(spec, &role) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	change->record = *record;
	TRY(instance_new(spec, record, plan->site, role, &change->instance, diag));
	TRY(check_tags(change->instance, spec, diag));
	TRY(check_tree(change->instance, spec, diag));
	change->name = str_dup(change->instance->name);
	change->spec = str_dup(change->instance->spec);
	change->file_spec = file_spec.p ? str_dup(file_spec) : NULL;
	if (!change->name || !change->spec || (file_spec.p && !change->file_spec)) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	return 0;
}

int plan_delete(
	struct plan *plan, struct str name, const struct plan_place *place, struct diag *diag)
{
	struct change *change = add(plan, place, diag);
	if (change) {
		change->name = str_dup(name);
	}
	return change && change->name ? 0 : diag_set(diag, -ENOMEM, "out of memory");
}

int plan_hide(struct plan *plan, struct str name, struct str file_spec,
	const struct plan_place *place, struct diag *diag)
{
	TRY(plan_delete(plan, name, place, diag));
	struct change *change = &plan->v[plan->n - 1];
	change->file_spec = str_dup(file_spec);
	return change->file_spec ? 0 : diag_set(diag, -ENOMEM, "out of memory");
}

/* --- checking -------------------------------------------------------------------------------- */

/* Whether there is something to publish here. */
static bool is_here(const struct change *change)
{
	return change->instance && !change->elsewhere;
}

struct gathering {
	struct instance **v;
	size_t n;
	const json_t *changed; /* names as keys */
};

static int gather(void *ctx, struct entry *entry)
{
	struct gathering *all = ctx;
	/* Under the registrar's lock the snapshot stays; nobody changes it through this pointer. */
	struct instance *instance = (struct instance *)(uintptr_t)entry_instance(entry);
	if (!json_object_getn(all->changed, instance->name.p, instance->name.n)) {
		all->v[all->n++] = instance;
	}
	return 0;
}

/* What would be there after the change, checked as a whole. */
static int check_all(const struct plan *plan, const struct registry *registry, struct diag *diag)
{
	int rc = -ENOMEM;
	json_t *changed = json_object();
	struct gathering all = {
		.v = calloc(registry_count(registry) + plan->n, sizeof *all.v), .changed = changed};
	for (size_t i = 0; i < plan->n && changed; i++) {
		if (json_object_set_new(changed, plan->v[i].name, json_true()) < 0) {
			goto out;
		}
	}
	if (all.v && changed) {
		(void)registry_each(registry, gather, &all); /* gather() never stops it */
		for (size_t i = 0; i < plan->n; i++) {
			if (is_here(&plan->v[i])) {
				all.v[all.n++] = plan->v[i].instance;
			}
		}
		rc = registry_check(all.v, all.n, diag);
	}
out:
	if (rc == -ENOMEM) {
		diag_write(diag, "out of memory");
	}
	json_decref(changed);
	free(all.v);
	return rc;
}

/* One change is checked in the time of a look-up, however many instances there are. */
int plan_check(const struct plan *plan, const struct registry *registry, struct diag *diag)
{
	if (plan->n != 1) {
		return check_all(plan, registry, diag);
	}
	return is_here(&plan->v[0]) ? registry_can_put(registry, plan->v[0].instance, diag) : 0;
}

/* --- carrying out ---------------------------------------------------------------------------- */

static int store_change(struct store *store, const struct change *change, struct diag *diag)
{
	if (!change->spec && !change->file_spec) {
		return store->ops->instance_delete(store, str_of(change->name), change->base, diag);
	}
	struct store_instance row = {
		.name = str_of(change->name),
		.spec = change->spec ? str_of(change->spec) : STR(ROW_HIDDEN),
		.file_spec = str_of(change->file_spec),
		.id = change->instance ? str_of(change->instance->id) : STR(""),
		.host = str_of(change->host),
		.next_host = str_of(change->next_host),
		.token_epoch = change->record.token_epoch,
		.created_s = change->record.created_s,
		.launched_s = change->record.launched_s,
		.changed_s = change->record.changed_s,
	};
	return store->ops->instance_put(store, &row, change->base, diag);
}

static int store_trail(
	const struct plan *plan, struct store *store, const struct deed *deed, struct diag *diag)
{
	const struct str ok = STR("ok");
	if (!deed) {
		return 0;
	}
	if (plan->n > PLAN_AUDITS) {
		char many[32];
		(void)snprintf(many, sizeof many, "%zu instances", plan->n); /* fits */
		const struct trail_record all = {.resource = str_of(many), .result = ok};
		return trail_write(store, deed, &all, diag);
	}
	for (size_t i = 0; i < plan->n; i++) {
		const struct change *change = &plan->v[i];
		const struct trail_record one = {.resource = str_of(change->name),
			.change = str_of(change->what),
			.result = ok,
			.operation = change->operation,
			.host = str_of(change->next_host[0] ? change->next_host : change->host)};
		TRY(trail_write(store, deed, &one, diag));
	}
	return 0;
}

static int store_all(
	const struct plan *plan, struct store *store, const struct deed *deed, struct diag *diag)
{
	int rc = store->ops->begin(store, diag);
	TRY(rc);
	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		rc = store_change(store, &plan->v[i], diag);
	}
	if (rc == 0) {
		rc = store_trail(plan, store, deed, diag);
	}
	return store_end(store, rc, diag);
}

/* A role's file that can't be read now leaves the credentials that were read last in force. */
static int keep_role(const struct registry *registry, struct instance *instance)
{
	const struct entry *entry = registry_find(registry, instance->name);
	const struct role_credentials *old = entry ? entry_instance(entry)->role : NULL;
	const struct role_credentials *new = instance->role;
	if (!old || old->failed || !new || !new->failed || !str_eq(old->file, new->file)) {
		return 0;
	}
	struct role_credentials keep = *old;
	keep.stamp = new->stamp;
	struct role_credentials *copy = role_clone(&keep);
	if (!copy) {
		return -ENOMEM;
	}
	role_free(instance->role);
	instance->role = copy;
	return 0;
}

static int keep_roles(const struct plan *plan, const struct registry *registry, struct diag *diag)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (is_here(&plan->v[i]) && keep_role(registry, plan->v[i].instance) < 0) {
			return diag_set(diag, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

static int put(struct change *change, struct registry *registry, struct diag *diag)
{
	struct instance *instance = change->instance;
	change->instance = NULL;
	return instance ? registry_put(registry, instance, diag) : 0;
}

/* Those whose place is free, or becomes free as others are put. */
static int put_where_free(struct plan *plan, struct registry *registry, struct diag *diag)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct change *change = &plan->v[i];
		if (is_here(change) && registry_can_put(registry, change->instance, NULL) == 0) {
			TRY(put(change, registry, diag));
		}
	}
	return 0;
}

/*
 * Instances may change places. Those that go make room first; the callers of those that stand in
 * each other's way are unknown until all of them are put. After the check only a lack of memory can
 * stop this.
 */
int plan_publish(struct plan *plan, struct registry *registry, struct diag *diag)
{
	TRY(keep_roles(plan, registry, diag));
	for (size_t i = 0; i < plan->n; i++) {
		if (!plan->v[i].spec && !plan->v[i].elsewhere) {
			(void)!registry_remove(
				registry, str_of(plan->v[i].name)); /* gone is gone */
		}
	}
	/* Twice, for those that stood in the way of one before them; what is left is detached. */
	TRY(put_where_free(plan, registry, diag));
	TRY(put_where_free(plan, registry, diag));
	for (size_t i = 0; i < plan->n; i++) {
		if (is_here(&plan->v[i])) {
			registry_detach(registry, str_of(plan->v[i].name));
		}
	}
	for (size_t i = 0; i < plan->n; i++) {
		TRY(is_here(&plan->v[i]) ? put(&plan->v[i], registry, diag) : 0);
	}
	return 0;
}

/* --- what is told of it ---------------------------------------------------------------------- */

const struct instance *plan_before(const struct change *change, const struct registry *registry)
{
	if (change->elsewhere || change->before) {
		return change->before;
	}
	const struct entry *entry = registry_find(registry, str_of(change->name));
	return entry ? entry_instance(entry) : NULL;
}

/* The specifications are parsed once more: only for the few changes that are told one by one. */
static int describe(struct change *change, const struct registry *registry)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	const struct instance *old = plan_before(change, registry);
	CLEANUP(json_done) json_t *was = old ? instance_spec(old) : NULL;
	CLEANUP(json_done)
	json_t *is = change->instance ? instance_spec(change->instance) : NULL;
	if ((old && !was) || (change->instance && !is)) {
		return -ENOMEM;
	}
	difference_add(&text, was, is);
	if (old && change->instance && old->record.token_epoch != change->record.token_epoch) {
		buf_add(&text, text.n ? STR(", all tokens ended") : STR("all tokens ended"));
	}
	change->what = buf_take(&text);
	return change->what ? 0 : -ENOMEM;
}

static int describe_all(struct plan *plan, const struct registry *registry, const struct deed *deed)
{
	for (size_t i = 0; deed && plan->n <= PLAN_AUDITS && i < plan->n; i++) {
		TRY(describe(&plan->v[i], registry));
	}
	return 0;
}

/* --- operations ------------------------------------------------------------------------------ */

static int add_operations(
	struct plan *plan, const struct registry *registry, const struct deed *deed)
{
	if (!deed || !deed->operations) {
		return 0;
	}
	for (size_t i = 0; i < plan->n; i++) {
		struct change *change = &plan->v[i];
		const struct instance *instance =
			change->instance ? change->instance : plan_before(change, registry);
		change->operation = trail_operation(deed, str_of(change->name), instance);
		if (json_array_append(deed->operations, change->operation) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* The change is in the store, but not in force. If that can't be written either, the log says it. */
static void fail_operations(
	const struct plan *plan, struct store *store, const struct deed *deed, const char *why)
{
	int rc = store->ops->begin(store, NULL);
	if (rc < 0) {
		return;
	}
	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		json_t *operation = plan->v[i].operation;
		rc = operation ? trail_end(operation, TRAIL_FAILED, why, deed->at_ms) : 0;
		if (rc == 0 && operation) {
			rc = trail_put(store, operation, str_of(plan->v[i].host), NULL);
		}
	}
	(void)!store_end(store, rc, NULL); /* the log says it */
}

static int by_name(const void *a, const void *b)
{
	const struct change *left = a, *right = b;
	return strcmp(left->name, right->name);
}

int plan_store(struct plan *plan, const struct registry *registry, struct store *store,
	const struct deed *deed, struct diag *diag)
{
	if (plan->n == 0) {
		return 0;
	}
	/* In the store's own order, which keeps its file in order too. */
	qsort(plan->v, plan->n, sizeof *plan->v, by_name);
	TRY(plan_check(plan, registry, diag));
	TRY(keep_roles(plan, registry, diag)); /* now, while nothing is stored */
	if (deed && deed->rehearsal) {
		return 0;
	}
	if (describe_all(plan, registry, deed) < 0 || add_operations(plan, registry, deed) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	return store_all(plan, store, deed, diag);
}

int plan_commit(struct plan *plan, struct registry *registry, struct store *store,
	const struct deed *deed, struct diag *diag)
{
	TRY(plan_store(plan, registry, store, deed, diag));
	if (deed && deed->rehearsal) {
		return 0;
	}
	int rc = plan_publish(plan, registry, diag);
	if (rc < 0 && deed) {
		fail_operations(plan, store, deed, "out of memory");
	}
	return rc;
}
