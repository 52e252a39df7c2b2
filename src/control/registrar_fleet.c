/* One host of a fleet: what others have changed, and what they are told. */
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/json.h"
#include "control/host_row.h"
#include "control/outbox.h"
#include "control/registrar_elsewhere.h"
#include "control/row.h"
#include "store/fleet_store.h"

#define SEND_MOST   100 /* runs at once: the lock is held meanwhile */
#define SEND_ROUNDS 10
#define KEPT_S      HISTORY_60_S_AGE_S /* what can't be sent for so long is forgotten */

/* --- what has changed ------------------------------------------------------------------------ */

enum fate { STAYS, GOES, LEAVES };

struct item {
	char *name;
	uint64_t revision;
	enum fate fate;
	bool planned;
	struct row row; /* of one that stays */
};

struct news {
	struct registrar *registrar;
	struct item *v;
	size_t n;
	size_t cap;
	uint64_t revision; /* the greatest */
	json_t *seen;      /* names, where all are looked at */
};

static void news_done(struct news *news)
{
	for (size_t i = 0; i < news->n; i++) {
		free(news->v[i].name);
		row_done(&news->v[i].row);
	}
	free(news->v);
	json_decref(news->seen);
}

static int add_item(struct news *news, struct str name, uint64_t revision, enum fate fate)
{
	struct item *v = array_room(news->v, news->n, &news->cap, sizeof *v);
	if (!v) {
		return -ENOMEM;
	}
	news->v = v;
	struct item *item = &news->v[news->n++];
	*item = (struct item){.name = str_dup(name), .revision = revision, .fate = fate};
	return item->name ? 0 : -ENOMEM;
}

/* Whether a row is what is here already. */
static bool is_same(const struct entry *entry, const struct store_instance *row)
{
	const struct instance *instance = entry_instance(entry);
	const struct instance_record *record = &instance->record;
	return str_eq(instance->spec, row->spec) && record->token_epoch == row->token_epoch &&
	       record->created_s == row->created_s && record->launched_s == row->launched_s &&
	       record->changed_s == row->changed_s;
}

static int on_row(void *ctx, const struct store_instance *row)
{
	struct news *news = ctx;
	struct entry *entry = registry_find(news->registrar->registry, row->name);
	news->revision = row->revision > news->revision ? row->revision : news->revision;
	if (!row->spec.p || row_is_hidden(row)) {
		return entry ? add_item(news, row->name, row->revision, GOES) : 0;
	}
	if (row->next_host.n) {
		return add_item(news, row->name, row->revision, LEAVES);
	}
	if (news->seen && json_object_setn_new_nocheck(
				  news->seen, row->name.p, row->name.n, json_true()) < 0) {
		return -ENOMEM;
	}
	if (entry && is_same(entry, row)) {
		entry->revision = row->revision;
		return 0;
	}
	TRY(add_item(news, row->name, row->revision, STAYS));
	int rc = row_take(&news->v[news->n - 1].row, row);
	if (rc == E_DAMAGED) {
		LOG(LOG_ERROR, "control", "the database's row of an instance makes no sense",
			LOG_STR("instance", row->name));
		news->registrar->fleet->refused++;
		rc = 0;
	}
	return rc;
}

static int on_entry(void *ctx, struct entry *entry)
{
	struct news *news = ctx;
	struct str name = entry_instance(entry)->name;
	return json_object_getn(news->seen, name.p, name.n) ? 0 : add_item(news, name, 0, GOES);
}

/* Those that are here and not among all that the database has. */
static int add_strays(struct news *news)
{
	for (size_t i = 0; i < news->n; i++) {
		const struct item *item = &news->v[i];
		if (item->fate != STAYS &&
			json_object_set_new_nocheck(news->seen, item->name, json_true()) < 0) {
			return -ENOMEM;
		}
	}
	return registry_each(news->registrar->registry, on_entry, news);
}

static int read_news(struct news *news, bool all, struct diag *diag)
{
	struct registrar *registrar = news->registrar;
	struct store *store = registrar->store;
	int rc;
	if (!all) {
		rc = store->ops->changed_since(
			store, registrar->host, registrar->fleet->applied, on_row, news, diag);
		return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
	}
	news->seen = json_object();
	/* Before the rows: what changes while they are read is looked at once more. */
	TRY(store->ops->revision_get(store, registrar->host, &news->revision, diag));
	uint64_t revision = news->revision;
	rc = store->ops->instance_each(store, registrar->host, STR_EMPTY, on_row, news, diag);
	news->revision = revision;
	rc = rc == 0 ? add_strays(news) : rc;
	return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
}

/* --- planning and publishing it -------------------------------------------------------------- */

static void refuse(struct registrar *registrar, const char *name, const char *why)
{
	registrar->fleet->refused++;
	LOG(LOG_ERROR, "control", "an instance's change can't be published, it stays as it was",
		LOG_TEXT("instance", name), LOG_TEXT("error", why));
}

static int plan_news(struct news *news, struct plan *plan, struct diag *diag)
{
	struct registrar *registrar = news->registrar;
	const struct plan_place place = {.host = registrar->host};
	for (size_t i = 0; i < news->n; i++) {
		struct item *item = &news->v[i];
		struct str name = str_of(item->name);
		int rc = 0;
		if (item->fate != STAYS) {
			item->planned = registry_find(registrar->registry, name) != NULL;
			rc = item->planned ? plan_delete(plan, name, &place, diag) : 0;
		} else if (item->row.spec) {
			item->planned = true;
			rc = plan_put(
				plan, item->row.spec, STR_EMPTY, &item->row.record, &place, diag);
		}
		if (rc < 0 && rc != -ENOMEM) {
			plan_drop(plan);
			item->planned = false;
			refuse(registrar, item->name, diag->text);
			rc = 0;
		}
		TRY(rc);
	}
	return 0;
}

/* One after the other, so that one which can't be does not stop the others. */
static int publish_singly(struct registrar *registrar, struct plan *plan, struct diag *diag)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct plan one = {.site = plan->site, .v = &plan->v[i], .n = 1};
		const char *name = plan->v[i].name;
		int rc = plan_check(&one, registrar->registry, diag);
		if (rc == E_EXISTS) {
			refuse(registrar, name, diag->text);
			continue;
		}
		TRY(rc);
		TRY(plan_publish(&one, registrar->registry, diag));
	}
	return 0;
}

static int publish(struct registrar *registrar, struct plan *plan, struct diag *diag)
{
	int rc = plan_check(plan, registrar->registry, diag);
	if (rc == E_EXISTS) {
		return publish_singly(registrar, plan, diag);
	}
	return rc < 0 ? rc : plan_publish(plan, registrar->registry, diag);
}

static void note_revisions(struct news *news)
{
	for (size_t i = 0; i < news->n; i++) {
		const struct item *item = &news->v[i];
		struct entry *entry = registry_find(news->registrar->registry, str_of(item->name));
		if (entry && item->planned) {
			entry->revision = item->revision;
		}
	}
}

/* --- the copy -------------------------------------------------------------------------------- */

static void set_applied(struct store_host *host, const void *ctx)
{
	host->applied = *(const uint64_t *)ctx;
}

static int copy_change(struct registrar *registrar, const struct change *change, struct diag *diag)
{
	struct store *copy = fleet_store_copy(registrar->store);
	struct str name = str_of(change->name);
	if (!change->spec) {
		int rc = copy->ops->instance_delete(copy, name, STORE_ANY, diag);
		return rc == E_NOTFOUND ? 0 : rc;
	}
	const struct store_instance row = {.name = name,
		.spec = str_of(change->spec),
		.host = registrar->host,
		.token_epoch = change->record.token_epoch,
		.created_s = change->record.created_s,
		.launched_s = change->record.launched_s,
		.changed_s = change->record.changed_s};
	return copy->ops->instance_put(copy, &row, STORE_ANY, diag);
}

static int copy_changes(
	struct registrar *registrar, const struct plan *plan, uint64_t revision, struct diag *diag)
{
	struct store *copy = fleet_store_copy(registrar->store);
	TRY(copy->ops->begin(copy, diag));
	int rc = host_row_change(copy, registrar->host, set_applied, &revision, diag);
	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		rc = copy_change(registrar, &plan->v[i], diag);
	}
	if (rc < 0) {
		copy->ops->rollback(copy);
		return rc;
	}
	return copy->ops->commit(copy, diag);
}

struct rewriting {
	struct registrar *registrar;
	json_t *gone; /* names that the copy has and that are not here */
	struct diag *diag;
};

static int on_copied(void *ctx, const struct store_instance *row)
{
	struct rewriting *rewriting = ctx;
	bool here = registry_find(rewriting->registrar->registry, row->name) != NULL;
	return here || json_array_append_new(rewriting->gone, json_from_str(row->name)) == 0
		       ? 0
		       : -ENOMEM;
}

static int rewrite_entry(void *ctx, struct entry *entry)
{
	struct rewriting *rewriting = ctx;
	struct registrar *registrar = rewriting->registrar;
	struct store *copy = fleet_store_copy(registrar->store);
	const struct instance *instance = entry_instance(entry);
	const struct store_instance row = {.name = instance->name,
		.spec = instance->spec,
		.host = registrar->host,
		.token_epoch = instance->record.token_epoch,
		.created_s = instance->record.created_s,
		.launched_s = instance->record.launched_s,
		.changed_s = instance->record.changed_s};
	return copy->ops->instance_put(copy, &row, STORE_ANY, rewriting->diag);
}

static int rewrite(struct rewriting *rewriting, uint64_t revision, struct diag *diag)
{
	struct registrar *registrar = rewriting->registrar;
	struct store *copy = fleet_store_copy(registrar->store);
	TRY(copy->ops->instance_each(copy, registrar->host, STR_EMPTY, on_copied, rewriting, diag));
	TRY(copy->ops->begin(copy, diag));
	int rc = host_row_change(copy, registrar->host, set_applied, &revision, diag);
	for (size_t i = 0; rc == 0 && i < json_array_size(rewriting->gone); i++) {
		rc = copy->ops->instance_delete(
			copy, json_str_at(rewriting->gone, i), STORE_ANY, diag);
	}
	if (rc == 0) {
		rc = registry_each(registrar->registry, rewrite_entry, rewriting);
	}
	if (rc < 0) {
		copy->ops->rollback(copy);
		return rc;
	}
	return copy->ops->commit(copy, diag);
}

/* The whole copy anew, after it could not be written once. */
static int copy_all(struct registrar *registrar, uint64_t revision, struct diag *diag)
{
	CLEANUP(json_done) json_t *gone = json_array();
	struct rewriting rewriting = {registrar, gone, diag};
	return gone ? rewrite(&rewriting, revision, diag)
		    : diag_set(diag, -ENOMEM, "out of memory");
}

/*
 * Guests go on being served when the copy can't be written: it only is needed when the daemon starts
 * while the database is away.
 */
static void note_copy(struct registrar *registrar, int rc, const struct diag *diag)
{
	if (rc < 0 && !registrar->fleet->copy_behind) {
		LOG(LOG_ERROR, "control", "the local copy can't be written",
			LOG_TEXT("error", diag->text));
	}
	registrar->fleet->copy_behind = rc < 0;
}

/* --- catching up ----------------------------------------------------------------------------- */

static int add_leaving(struct registrar *registrar, const struct item *item)
{
	struct fleet *fleet = registrar->fleet;
	for (size_t i = 0; i < fleet->n_leaving; i++) {
		struct leaving *one = &fleet->leaving[i];
		if (strcmp(one->name, item->name) == 0) {
			one->revision = item->revision;
			return 0;
		}
	}
	struct leaving *v =
		array_room(fleet->leaving, fleet->n_leaving, &fleet->cap_leaving, sizeof *v);
	if (!v) {
		return -ENOMEM;
	}
	fleet->leaving = v;
	fleet->leaving[fleet->n_leaving] = (struct leaving){
		str_dup(str_of(item->name)), item->revision, registry_mark(registrar->registry)};
	return fleet->leaving[fleet->n_leaving++].name ? 0 : -ENOMEM;
}

/* A move ends where the instance is served, not before. */
static void drop_moves(const struct registrar *registrar, json_t *operations)
{
	for (size_t i = json_array_size(operations); i-- > 0;) {
		const json_t *one = json_array_get(operations, i);
		struct str type = json_str_member(one, "operationType");
		struct str name = json_str_member(one, "resourceName");
		if (str_eq(type, STR("MoveInstance")) &&
			!registry_find(registrar->registry, name)) {
			(void)json_array_remove(operations, i); /* it is there */
		}
	}
}

static int take_news(
	struct registrar *registrar, struct news *news, json_t *operations, struct diag *diag)
{
	CLEANUP(plan_done) struct plan plan = PLAN_OF(registrar->site);
	struct fleet *fleet = registrar->fleet;
	struct diag copy_diag = {{0}};
	TRY(plan_news(news, &plan, diag));
	TRY(registrar_record_leaving(registrar, &plan, diag));
	registrar->may_have_roles = true;
	/* First the copy: what guests have seen survives a restart. */
	bool behind = fleet->copy_behind;
	uint64_t refused = fleet->refused;
	if (!behind) {
		note_copy(registrar, copy_changes(registrar, &plan, news->revision, &copy_diag),
			&copy_diag);
	}
	TRY(publish(registrar, &plan, diag));
	note_revisions(news);
	/* It may not have what was refused, or a start by it would be refused as well. */
	if (behind || fleet->refused != refused) {
		note_copy(registrar, copy_all(registrar, news->revision, &copy_diag), &copy_diag);
	}
	for (size_t i = 0; i < news->n; i++) {
		if (news->v[i].fate == LEAVES && add_leaving(registrar, &news->v[i]) < 0) {
			return diag_set(diag, -ENOMEM, "out of memory");
		}
	}
	fleet->applied = news->revision;
	fleet->mark = registry_mark(registrar->registry);
	drop_moves(registrar, operations);
	registrar_await_all(registrar, operations);
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	return 0;
}

int registrar_bring_up(struct registrar *registrar, bool all, struct diag *diag)
{
	struct diag own = {{0}};
	CLEANUP(news_done)
	struct news news = {.registrar = registrar, .revision = registrar->fleet->applied};
	CLEANUP(json_done) json_t *operations = json_array();
	diag = diag ? diag : &own; /* what it says is logged */
	if (!operations) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	/* Before the changes that they are about. */
	TRY(registrar_open_operations(registrar, operations, diag));
	TRY(read_news(&news, all, diag));
	return take_news(registrar, &news, operations, diag);
}

/* --- secrets --------------------------------------------------------------------------------- */

static const char *const secrets[] = {
	"token-secret", "signing-key", "signing-certificate", "metadata-defaults"};

/* 1 when the copy has another value, or none. */
static int is_other(struct store *copy, struct str name, const struct secret *value)
{
	CLEANUP(secret_done) struct secret have = {0};
	int rc = copy->ops->secret_get(copy, name, &have, NULL);
	bool same = rc == 0 && have.n == value->n && memcmp(have.p, value->p, value->n) == 0;
	return rc < 0 && rc != E_NOTFOUND ? rc : !same;
}

static int copy_secret(struct registrar *registrar, struct str name, struct diag *diag)
{
	CLEANUP(secret_done) struct secret value = {0};
	struct store *store = registrar->store, *copy = fleet_store_copy(store);
	int rc = store->ops->secret_get(store, name, &value, diag);
	if (rc == E_NOTFOUND) {
		return 0;
	}
	TRY(rc);
	rc = is_other(copy, name, &value);
	if (rc <= 0) {
		return rc;
	}
	TRY(copy->ops->begin(copy, diag));
	rc = copy->ops->secret_put(copy, name, secret_str(&value), diag);
	if (rc < 0) {
		copy->ops->rollback(copy);
		return rc;
	}
	return copy->ops->commit(copy, diag);
}

static int copy_secrets(struct registrar *registrar, struct diag *diag)
{
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		TRY(copy_secret(registrar, str_of(secrets[i]), diag));
	}
	return 0;
}

/* --- joining, coming and going --------------------------------------------------------------- */

int registrar_join(struct registrar *registrar, struct str host, const char *version)
{
	registrar->fleet = calloc(1, sizeof *registrar->fleet);
	if (!registrar->fleet) {
		return -ENOMEM;
	}
	registrar->fleet->version = version;
	registrar->host = host;
	registrar->points = fleet_store_copy(registrar->store);
	return 0;
}

void registrar_leave(struct registrar *registrar)
{
	struct fleet *fleet = registrar->fleet;
	if (fleet) {
		for (size_t i = 0; i < fleet->n_leaving; i++) {
			free(fleet->leaving[i].name);
		}
		free(fleet->leaving);
		free(fleet);
	}
}

static int on_own_row(void *ctx, const struct store_host *host)
{
	(void)host;
	*(bool *)ctx = true;
	return 0;
}

bool registrar_has_copy(struct registrar *registrar)
{
	bool any = false;
	struct store *copy = registrar->points;
	pthread_mutex_lock(&registrar->lock);
	(void)!copy->ops->host_get(copy, registrar->host, on_own_row, &any, NULL);
	pthread_mutex_unlock(&registrar->lock);
	return any;
}

static int refresh_secrets(struct registrar *registrar, struct diag *diag)
{
	TRY(registrar_load_defaults(registrar, diag));
	return copy_secrets(registrar, diag);
}

int registrar_attach(struct registrar *registrar, struct store *database, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	fleet_store_attach(registrar->store, database);
	int rc = registrar_bring_up(registrar, true, diag);
	if (rc == 0) {
		rc = refresh_secrets(registrar, diag);
	}
	if (rc < 0) {
		fleet_store_detach(registrar->store);
	} else {
		registrar->fleet->beat_s = 0; /* it is to hear of us */
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

void registrar_detach(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	fleet_store_detach(registrar->store);
	pthread_mutex_unlock(&registrar->lock);
}

bool registrar_is_attached(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	bool attached = fleet_store_is_attached(registrar->store);
	pthread_mutex_unlock(&registrar->lock);
	return attached;
}

int registrar_catch_up(struct registrar *registrar, bool secrets_too, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	int rc = registrar_bring_up(registrar, false, diag);
	if (rc == 0 && secrets_too) {
		rc = refresh_secrets(registrar, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

/* --- telling --------------------------------------------------------------------------------- */

struct contact {
	struct str version;
	uint64_t applied;
	uint64_t instances;
};

static void set_contact(struct store_host *host, const void *ctx)
{
	const struct contact *contact = ctx;
	host->version = contact->version;
	host->applied = contact->applied;
	host->instances = contact->instances;
}

/* That this host is there, and how far it is. */
static int tell(struct registrar *registrar)
{
	struct store *store = registrar->store;
	struct fleet *fleet = registrar->fleet;
	const struct contact contact = {.version = str_of(fleet->version),
		.applied = fleet->applied,
		.instances = registry_count(registrar->registry)};
	TRY(store->ops->begin(store, NULL));
	int rc = host_row_change(store, registrar->host, set_contact, &contact, NULL);
	if (rc < 0) {
		store->ops->rollback(store);
		return rc;
	}
	TRY(store->ops->commit(store, NULL));
	fleet->told = contact.applied;
	fleet->beat_s = registrar->now_s();
	return 0;
}

static int keep_row(void *ctx, const struct store_instance *from)
{
	return row_take(ctx, from);
}

static int put_host(
	struct registrar *registrar, struct str name, const struct row *row, struct diag *diag)
{
	struct store *store = registrar->store;
	struct instance *instance = NULL;
	TRY(row_instance(row, registrar->site, &instance, diag));
	const struct store_instance given = {.name = name,
		.spec = instance->spec,
		.file_spec = row->file_spec ? str_of(row->file_spec) : STR_EMPTY,
		.id = str_of(instance->id),
		.host = str_of(row->next_host),
		.token_epoch = row->record.token_epoch,
		.created_s = row->record.created_s,
		.launched_s = row->record.launched_s,
		.changed_s = row->record.changed_s};
	int rc = store->ops->instance_put(store, &given, row->revision, diag);
	instance_free(instance);
	return rc;
}

/*
 * Nobody is served here any more: the other host may begin. E_STALE and E_NOTFOUND: it is not to go
 * any more, which the next look at what has changed knows better.
 */
static int give_away(struct registrar *registrar, const struct leaving *one)
{
	struct store *store = registrar->store;
	CLEANUP(row_done) struct row row = {0};
	struct str name = str_of(one->name);
	TRY(store->ops->begin(store, NULL));
	int rc = store->ops->instance_get(store, name, keep_row, &row, NULL);
	if (rc == 0 && row.revision != one->revision) {
		rc = E_STALE;
	}
	if (rc == 0) {
		rc = put_host(registrar, name, &row, NULL);
	}
	if (rc < 0) {
		store->ops->rollback(store);
		return rc;
	}
	return store->ops->commit(store, NULL);
}

static void give_away_all(struct registrar *registrar)
{
	struct fleet *fleet = registrar->fleet;
	size_t kept = 0;
	for (size_t i = 0; i < fleet->n_leaving; i++) {
		struct leaving *one = &fleet->leaving[i];
		bool passed = registry_passed(registrar->registry, one->mark);
		int rc = passed ? give_away(registrar, one) : E_AGAIN;
		if (rc == 0 || rc == E_STALE || rc == E_NOTFOUND) {
			free(one->name);
		} else {
			fleet->leaving[kept++] = *one;
		}
	}
	fleet->n_leaving = kept;
}

bool registrar_acknowledge(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	struct fleet *fleet = registrar->fleet;
	bool waits = false;
	if (fleet_store_is_attached(registrar->store)) {
		give_away_all(registrar);
		registrar_settle(registrar);
		bool passed = registry_passed(registrar->registry, fleet->mark);
		bool due = fleet->told != fleet->applied ||
			   registrar->now_s() >= fleet->beat_s + REGISTRAR_BEAT_S;
		bool done = !due || (passed && tell(registrar) == 0);
		waits = !done || fleet->n_leaving > 0 || registrar->n_waiting > 0;
	}
	pthread_mutex_unlock(&registrar->lock);
	return waits;
}

/* --- points ---------------------------------------------------------------------------------- */

static void forget_points(struct registrar *registrar)
{
	struct fleet *fleet = registrar->fleet;
	struct diag diag = {{0}};
	uint64_t lost;
	int64_t now_s = registrar->now_s(), hour = now_s / 3600;
	if (hour == fleet->forgot_hour) {
		return;
	}
	int rc = outbox_forget(registrar->points, now_s - KEPT_S, SEND_MOST, &lost, &diag);
	if (rc < 0 || lost == 0) {
		fleet->forgot_hour = hour;
	}
	if (rc == 0 && lost) {
		fleet->lost += lost;
		LOG(LOG_WARN, "control", "counts that could not be sent for too long are lost",
			LOG_INT("samples", lost));
	}
}

void registrar_send_points(struct registrar *registrar)
{
	struct fleet *fleet = registrar->fleet;
	struct diag diag = {{0}};
	int rc = 1;
	if (!fleet) {
		return;
	}
	for (unsigned i = 0; i < SEND_ROUNDS && fleet_store_is_attached(registrar->store); i++) {
		rc = outbox_send(
			registrar->points, registrar->store, registrar->host, SEND_MOST, &diag);
		if (rc <= 0) {
			break;
		}
	}
	uint32_t held;
	if (rc < 0 && rc != E_AWAY &&
		log_limit_pass(&fleet->send_limit, registrar->now_s(), &held)) {
		LOG(LOG_WARN, "control", "counts can't be sent now, they are kept",
			LOG_TEXT("error", diag.text), LOG_INT("more", held));
	}
	forget_points(registrar);
}

/* --- hosts ----------------------------------------------------------------------------------- */

struct leader {
	struct str own;
	bool is_own;
};

/* The first that is there. */
static int on_candidate(void *ctx, const struct store_host *host)
{
	struct leader *leader = ctx;
	if (host->quiet_ms >= REGISTRAR_QUIET_MS) {
		return 0;
	}
	leader->is_own = str_eq(host->name, leader->own);
	return E_AGAIN;
}

bool registrar_leads(struct registrar *registrar)
{
	struct store *store = registrar->store;
	struct leader leader = {.own = registrar->host};
	if (!registrar->fleet) {
		return true;
	}
	int rc = store->ops->host_each(store, on_candidate, &leader, NULL);
	return rc == E_AGAIN && leader.is_own;
}

static int on_host(void *ctx, const struct store_host *host)
{
	uint64_t lag = host->revision > host->applied ? host->revision - host->applied : 0;
	json_t *view = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:f}", "name",
		json_from_str(host->name), "version", json_from_str(host->version), "instances",
		(json_int_t)host->instances, "revision", (json_int_t)host->revision, "applied",
		(json_int_t)host->applied, "lag", (json_int_t)lag, "lastContactSeconds",
		(double)host->quiet_ms / 1000);
	return json_array_append_new(ctx, view) < 0 ? -ENOMEM : 0;
}

static int add_self(const struct registrar *registrar, json_t *hosts)
{
	json_t *self =
		json_pack("{s:I}", "instances", (json_int_t)registry_count(registrar->registry));
	return json_array_append_new(hosts, self) < 0 ? -ENOMEM : 0;
}

int registrar_hosts(struct registrar *registrar, json_t **ret_hosts, struct diag *diag)
{
	struct store *store = registrar->store;
	json_t *hosts = json_array();
	int rc = -ENOMEM;
	pthread_mutex_lock(&registrar->lock);
	if (hosts) {
		rc = registrar->fleet ? store->ops->host_each(store, on_host, hosts, diag)
				      : add_self(registrar, hosts);
	}
	pthread_mutex_unlock(&registrar->lock);
	if (rc < 0) {
		json_decref(hosts);
		return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
	}
	*ret_hosts = hosts;
	return 0;
}

void registrar_fleet(struct registrar *registrar, struct registrar_fleet *ret_fleet)
{
	const struct fleet *fleet = registrar->fleet;
	*ret_fleet = (struct registrar_fleet){.joined = fleet != NULL};
	if (fleet) {
		ret_fleet->attached = fleet_store_is_attached(registrar->store);
		ret_fleet->revision = fleet->applied;
		ret_fleet->moving = fleet->n_leaving;
		ret_fleet->lost = fleet->lost;
		ret_fleet->refused = fleet->refused;
	}
}
