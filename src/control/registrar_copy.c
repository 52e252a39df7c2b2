/* What a host of a fleet needs to start and serve while the database is away. */
#include <errno.h>

#include "base/json.h"
#include "control/registrar_state.h"
#include "control/secret_names.h"
#include "store/fleet_store.h"

/* --- the copy -------------------------------------------------------------------------------- */

static int copy_instance(
	struct registrar *registrar, const struct instance *instance, struct diag *diag)
{
	struct store *copy = fleet_store_copy(registrar->store);
	const struct store_instance row = {.name = instance->name,
		.spec = instance->spec,
		.host = registrar->host,
		.token_epoch = instance->record.token_epoch,
		.created_s = instance->record.created_s,
		.launched_s = instance->record.launched_s,
		.changed_s = instance->record.changed_s};
	return copy->ops->instance_put(copy, &row, STORE_ANY, diag);
}

/* Before it is published: it has its instance still. */
static int copy_change(struct registrar *registrar, const struct change *change, struct diag *diag)
{
	struct store *copy = fleet_store_copy(registrar->store);
	if (change->instance) {
		return copy_instance(registrar, change->instance, diag);
	}
	int rc = copy->ops->instance_delete(copy, str_of(change->name), STORE_ANY, diag);
	return rc == E_NOTFOUND ? 0 : rc;
}

static int copy_changes(struct registrar *registrar, const struct plan *plan, struct diag *diag)
{
	struct store *copy = fleet_store_copy(registrar->store);
	int rc = 0;
	TRY(copy->ops->begin(copy, diag));
	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		rc = copy_change(registrar, &plan->v[i], diag);
	}
	return store_end(copy, rc, diag);
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
	return copy_instance(rewriting->registrar, entry_instance(entry), rewriting->diag);
}

static int rewrite(struct rewriting *rewriting, struct diag *diag)
{
	struct registrar *registrar = rewriting->registrar;
	struct store *copy = fleet_store_copy(registrar->store);
	TRY(copy->ops->instance_each(copy, registrar->host, STR_EMPTY, on_copied, rewriting, diag));
	TRY(copy->ops->begin(copy, diag));
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < json_array_size(rewriting->gone); i++) {
		rc = copy->ops->instance_delete(
			copy, json_str_at(rewriting->gone, i), STORE_ANY, diag);
	}
	if (rc == 0) {
		rc = registry_each(registrar->registry, rewrite_entry, rewriting);
	}
	return store_end(copy, rc, diag);
}

/* The whole copy anew, after it could not be written once. */
static int copy_all(struct registrar *registrar, struct diag *diag)
{
	CLEANUP(json_done) json_t *gone = json_array();
	struct rewriting rewriting = {registrar, gone, diag};
	return gone ? rewrite(&rewriting, diag) : diag_set(diag, -ENOMEM, "out of memory");
}

static void note(bool *behind, int rc, const struct diag *diag)
{
	if (rc < 0 && !*behind) {
		LOG(LOG_ERROR, "control", "the local copy can't be written",
			LOG_TEXT("error", diag->text));
	}
	*behind = rc < 0;
}

void registrar_copy(struct registrar *registrar, const struct plan *plan)
{
	struct diag diag = {{0}};
	int rc = plan ? copy_changes(registrar, plan, &diag) : copy_all(registrar, &diag);
	note(&registrar->fleet->copy_behind, rc, &diag);
}

/* --- secrets --------------------------------------------------------------------------------- */

static const char *const secrets[] = {
	SECRET_TOKEN, SECRET_SIGNING_KEY, SECRET_CERTIFICATE, SECRET_DEFAULTS};

/* 1 when the copy has another value, or none. */
static int is_other(
	struct store *copy, struct str name, const struct secret *value, struct diag *diag)
{
	CLEANUP(secret_done) struct secret have = {0};
	int rc = copy->ops->secret_get(copy, name, &have, diag);
	bool same = rc == 0 && have.n == value->n && crypto_equal(have.p, value->p, value->n);
	return rc < 0 && rc != E_NOTFOUND ? rc : !same;
}

static int keep_secret(
	struct store *copy, struct str name, const struct secret *value, struct diag *diag)
{
	int rc = is_other(copy, name, value, diag);
	if (rc <= 0) {
		return rc;
	}
	TRY(copy->ops->begin(copy, diag));
	rc = copy->ops->secret_put(copy, name, secret_str(value), diag);
	return store_end(copy, rc, diag);
}

int registrar_copy_secrets(struct registrar *registrar, struct diag *diag)
{
	struct store *store = registrar->store;
	struct diag why = {{0}};
	int kept = 0;
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		CLEANUP(secret_done) struct secret value = {0};
		struct str name = str_of(secrets[i]);
		int rc = store->ops->secret_get(store, name, &value, diag);
		TRY(rc == E_NOTFOUND ? 0 : rc);
		if (rc == 0 && kept == 0) {
			kept = keep_secret(fleet_store_copy(store), name, &value, &why);
		}
	}
	note(&registrar->fleet->secrets_behind, kept, &why);
	return 0;
}
