#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/plan.h"
#include "control/registrar_state.h"
#include "control/row.h"

struct registrar *registrar_new(struct registry *registry, struct store *store,
	const struct site *site, int64_t (*now_s)(void))
{
	struct registrar *registrar = calloc(1, sizeof *registrar);
	if (registrar) {
		*registrar = (struct registrar){
			.registry = registry, .store = store, .site = site, .now_s = now_s};
		registrar->counted_minute = now_s() / 60;
		pthread_mutex_init(&registrar->lock, NULL);
	}
	return registrar;
}

void registrar_free(struct registrar *registrar)
{
	if (registrar) {
		for (size_t i = 0; i < registrar->n_waiting; i++) {
			json_decref(registrar->waiting[i].operation);
		}
		free(registrar->waiting);
		json_decref(registrar->defaults);
		json_decref(registrar->preferred);
		pthread_mutex_destroy(&registrar->lock);
		free(registrar);
	}
}

int registrar_commit(
	struct registrar *registrar, struct plan *plan, const struct deed *deed, struct diag *diag)
{
	TRY(registrar_check_enforced(registrar, plan, diag));
	TRY(registrar_record_leaving(registrar, plan, diag));
	registrar->may_have_roles = true;
	int rc = plan_commit(plan, registrar->registry, registrar->store, deed, diag);
	if (rc == 0) {
		registrar_await(registrar, deed);
	}
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	return rc;
}

/* --- loading --------------------------------------------------------------------------------- */

struct loading {
	struct registrar *registrar;
	struct diag *diag;
	int rc;
};

static int load_row(void *ctx, const struct store_instance *row)
{
	struct loading *loading = ctx;
	struct registrar *registrar = loading->registrar;
	struct instance_record record = row_record(row);
	struct instance *instance = NULL;
	struct role_credentials *role = NULL;
	if (row_is_hidden(row)) {
		return 0;
	}
	CLEANUP(json_done) json_t *spec = row_parse(row->spec);
	int rc = spec ? plan_role(spec, &role) : diag_set(loading->diag, E_DAMAGED, "not JSON");
	if (rc == 0) {
		rc = instance_new(spec, &record, registrar->site, role, &instance, loading->diag);
	}
	if (rc == 0) {
		rc = registry_put(registrar->registry, instance, loading->diag);
	}
	if (rc < 0) {
		loading->rc = diag_prefix(loading->diag, rc == -ENOMEM ? rc : E_DAMAGED,
			"the store's instance '%.*s'", STR_FMT(row->name));
	}
	return loading->rc;
}

int registrar_load(struct registrar *registrar, struct diag *diag)
{
	struct loading loading = {.registrar = registrar, .diag = diag};
	pthread_mutex_lock(&registrar->lock);
	registrar->may_have_roles = true;
	int rc = registrar->store->ops->instance_each(
		registrar->store, (struct str){NULL, 0}, STR_EMPTY, load_row, &loading, diag);
	rc = loading.rc < 0 ? loading.rc : rc;
	if (rc == 0) {
		rc = registrar_load_defaults(registrar, diag);
	}
	if (rc == 0) {
		rc = registrar_settle_left(registrar, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}
void registrar_reclaim(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	pthread_mutex_unlock(&registrar->lock);
}
