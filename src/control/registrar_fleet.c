/* One host of a fleet: what others have changed, and what they are told. */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/host_row.h"
#include "control/outbox.h"
#include "control/registrar_elsewhere.h"
#include "control/row.h"
#include "control/secret_names.h"
#include "store/fleet_store.h"

#define SEND_MOST   100 /* runs at once: the lock is held meanwhile */
#define SEND_ROUNDS 10
#define KEPT_S      HISTORY_60_S_AGE_S /* what can't be sent for so long is forgotten */

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
		json_decref(fleet->unpublished);
		free(fleet);
	}
}

/* The secrets are copied after the instances. */
bool registrar_has_copy(struct registrar *registrar)
{
	CLEANUP(secret_done) struct secret value = {0};
	struct store *copy = registrar->points;
	pthread_mutex_lock(&registrar->lock);
	int rc = copy->ops->secret_get(copy, STR(SECRET_TOKEN), &value, NULL);
	pthread_mutex_unlock(&registrar->lock);
	return rc == 0;
}

/* Most often nobody has changed any: that is one question, and not one for each. */
static int refresh_secrets(struct registrar *registrar, bool all, struct diag *diag)
{
	struct store *store = registrar->store;
	struct fleet *fleet = registrar->fleet;
	uint64_t revision;
	/* Before they are read: what changes meanwhile is looked at once more. */
	TRY(store->ops->revision_get(store, STR(""), &revision, diag));
	if (!all && revision == fleet->secrets_seen && !fleet->secrets_behind) {
		return 0;
	}
	TRY(registrar_load_defaults(registrar, diag));
	TRY(registrar_copy_secrets(registrar, diag));
	fleet->secrets_seen = revision;
	return 0;
}

int registrar_attach(struct registrar *registrar, struct store *database, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	fleet_store_attach(registrar->store, database);
	int rc = registrar_bring_up(registrar, true, diag);
	if (rc == 0) {
		rc = refresh_secrets(registrar, true, diag);
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

void registrar_attach_reader(struct registrar *registrar, struct store *reader)
{
	pthread_mutex_lock(&registrar->lock);
	fleet_store_attach_reader(registrar->store, reader);
	pthread_mutex_unlock(&registrar->lock);
}

bool registrar_has_reader(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	bool has = fleet_store_has_reader(registrar->store);
	pthread_mutex_unlock(&registrar->lock);
	return has;
}

struct store *registrar_reader(struct registrar *registrar)
{
	return registrar->fleet ? fleet_store_reader(registrar->store) : registrar->store;
}

bool registrar_read_again(struct registrar *registrar, const struct store *reader, int rc)
{
	if (rc != E_AWAY || reader == registrar->store) {
		return false;
	}
	fleet_store_attach_reader(registrar->store, NULL);
	return true;
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
	if (rc == 0 && (secrets_too || registrar->fleet->secrets_behind)) {
		rc = refresh_secrets(registrar, false, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

/* --- telling --------------------------------------------------------------------------------- */

struct contact {
	struct str version;
	uint64_t applied;
	uint64_t instances;
	bool stopped;
};

static void set_contact(struct store_host *host, const void *ctx)
{
	const struct contact *contact = ctx;
	host->version = contact->version;
	host->applied = contact->applied;
	host->instances = contact->instances;
	host->stopped = contact->stopped;
}

/* That this host is there, and how far it is; or that it will not be there any more. */
static int tell(struct registrar *registrar, bool stopped)
{
	struct store *store = registrar->store;
	struct fleet *fleet = registrar->fleet;
	const struct contact contact = {.version = str_of(fleet->version),
		.applied = fleet->applied,
		.instances = registry_count(registrar->registry),
		.stopped = stopped};
	TRY(store->ops->begin(store, NULL));
	int rc = host_row_change(store, registrar->host, set_contact, &contact, NULL);
	TRY(store_end(store, rc, NULL));
	fleet->told = contact.applied;
	fleet->beat_s = registrar->now_s();
	return 0;
}

/* A row as it is, also one of which nobody here can make sense. */
struct raw {
	struct store_instance row;
	char *spec, *file_spec, *id, *next_host;
};

static void raw_done(struct raw *raw)
{
	free(raw->spec);
	free(raw->file_spec);
	free(raw->id);
	free(raw->next_host);
}

static int on_raw(void *ctx, const struct store_instance *from)
{
	struct raw *raw = ctx;
	*raw = (struct raw){.row = *from,
		.spec = str_dup(from->spec),
		.file_spec = str_dup(from->file_spec),
		.id = str_dup(from->id),
		.next_host = str_dup(from->next_host)};
	raw->row.spec.p = raw->spec;
	raw->row.file_spec.p = from->file_spec.p ? raw->file_spec : NULL;
	raw->row.id.p = raw->id;
	raw->row.next_host = STR("");
	return raw->spec && raw->file_spec && raw->id && raw->next_host ? 0 : -ENOMEM;
}

/* To where it goes. */
static int rehost(const struct registrar *registrar, struct raw *raw)
{
	char *file_spec = NULL;
	raw->row.host = str_of(raw->next_host);
	TRY(row_file_moved(raw->row.file_spec, registrar->host, raw->row.host, &file_spec));
	free(raw->file_spec);
	raw->file_spec = file_spec;
	raw->row.file_spec = str_of(file_spec);
	return 0;
}

/*
 * Nobody is served here any more: the other host may begin. E_STALE and E_NOTFOUND: it is not to go
 * any more, which the next look at what has changed knows better.
 */
static int give_away(struct registrar *registrar, const struct leaving *one)
{
	struct store *store = registrar->store;
	CLEANUP(raw_done) struct raw raw = {0};
	struct str name = str_of(one->name);
	TRY(store->ops->begin(store, NULL));
	int rc = store->ops->instance_get(store, name, on_raw, &raw, NULL);
	if (rc == 0 && raw.row.revision != one->revision) {
		rc = E_STALE;
	}
	if (rc == 0) {
		rc = rehost(registrar, &raw);
	}
	if (rc == 0) {
		raw.row.name = name;
		rc = store->ops->instance_put(store, &raw.row, one->revision, NULL);
	}
	return store_end(store, rc, NULL);
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
		bool done = !due || (passed && tell(registrar, false) == 0);
		waits = !done || fleet->n_leaving > 0 || registrar->n_waiting > 0;
	}
	pthread_mutex_unlock(&registrar->lock);
	return waits;
}

void registrar_sign_off(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	if (fleet_store_is_attached(registrar->store)) {
		/* If it does not get there nothing more does, which says the same a minute later. */
		(void)tell(registrar, true);
	}
	pthread_mutex_unlock(&registrar->lock);
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
	if (registrar_host_is_gone(host, REGISTRAR_QUIET_MS)) {
		return 0;
	}
	leader->is_own = str_eq(host->name, leader->own);
	return E_AGAIN;
}

static bool is_first(const struct registrar *registrar)
{
	struct store *store = registrar->store;
	struct leader leader = {.own = registrar->host};
	int rc = store->ops->host_each(store, on_candidate, &leader, NULL);
	return rc == E_AGAIN && leader.is_own;
}

bool registrar_leads(struct registrar *registrar)
{
	struct fleet *fleet = registrar->fleet;
	int64_t minute = registrar->now_s() / 60;
	if (fleet && fleet->asked_minute != minute) {
		fleet->leads = is_first(registrar);
		fleet->asked_minute = minute;
	}
	return !fleet || fleet->leads;
}

static int on_host(void *ctx, const struct store_host *host)
{
	uint64_t lag = host->revision > host->applied ? host->revision - host->applied : 0;
	json_t *view = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:f, s:b}", "name",
		json_from_str(host->name), "version", json_from_str(host->version), "instances",
		(json_int_t)host->instances, "revision", (json_int_t)host->revision, "applied",
		(json_int_t)host->applied, "lag", (json_int_t)lag, "lastContactSeconds",
		(double)host->quiet_ms / 1000, "stopped", host->stopped);
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
