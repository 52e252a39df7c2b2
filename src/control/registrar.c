#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/plan.h"
#include "control/registrar_elsewhere.h"
#include "control/row.h"

struct registrar *registrar_new(struct registry *registry, struct store *store,
	const struct site *site, int64_t (*now_s)(void))
{
	struct registrar *registrar = calloc(1, sizeof *registrar);
	if (registrar) {
		*registrar = (struct registrar){.registry = registry,
			.store = store,
			.points = store,
			.site = site,
			.host = STR(""),
			.now_s = now_s};
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
			json_decref(registrar->waiting[i].why);
		}
		free(registrar->waiting);
		registrar_leave(registrar);
		json_decref(registrar->defaults);
		json_decref(registrar->preferred);
		pthread_mutex_destroy(&registrar->lock);
		free(registrar);
	}
}

/* --- changes --------------------------------------------------------------------------------- */

/* Publish what is planned, and then nobody needs to look at it once more. */
static int commit_alone(
	struct registrar *registrar, struct plan *plan, const struct deed *deed, struct diag *diag)
{
	TRY(registrar_record_leaving(registrar, plan, diag));
	registrar->may_have_roles = true;
	int rc = plan_commit(plan, registrar->registry, registrar->store, deed, diag);
	if (rc == 0) {
		registrar_await(registrar, deed);
	}
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	return rc;
}

/*
 * What is stored is published as everything is that others change: from the database, in its order. If
 * that fails now, it is looked at later, and its operations are under way until then.
 */
static int commit_in_fleet(
	struct registrar *registrar, struct plan *plan, const struct deed *deed, struct diag *diag)
{
	TRY(registrar_check_elsewhere(registrar, plan, diag));
	TRY(plan_store(plan, registrar->registry, registrar->store, deed, diag));
	if (!deed || !deed->rehearsal) {
		(void)!registrar_bring_up(registrar, false, NULL);
	}
	return 0;
}

static int try_once(struct registrar *registrar, struct plan *plan, const struct deed *deed,
	const struct registrar_planner *planner, struct diag *diag)
{
	TRY(planner->plan(registrar, plan, planner->ctx, diag));
	TRY(registrar_check_enforced(registrar, plan, diag));
	return registrar->fleet ? commit_in_fleet(registrar, plan, deed, diag)
				: commit_alone(registrar, plan, deed, diag);
}

/* Operations of a change that was not made. */
static void drop_operations(const struct deed *deed, size_t had)
{
	while (deed && json_array_size(deed->operations) > had) {
		(void)json_array_remove(deed->operations, had); /* it is there */
	}
}

/* What is known of this host is looked at first: a change fits what others have made of it. */
static int try_in_fleet(struct registrar *registrar, struct plan *plan, const struct deed *deed,
	const struct registrar_planner *planner, struct diag *diag)
{
	if (!elsewhere_reached(registrar)) {
		return diag_set(diag, E_AWAY, "the fleet's database can't be reached now");
	}
	TRY(registrar_bring_up(registrar, false, diag));
	return try_once(registrar, plan, deed, planner, diag);
}

static int carry_out_in_fleet(struct registrar *registrar, struct plan *plan,
	const struct deed *deed, const struct registrar_planner *planner, struct diag *diag)
{
	size_t had = deed ? json_array_size(deed->operations) : 0;
	int rc = try_in_fleet(registrar, plan, deed, planner, diag);
	for (unsigned n = 1; registrar_tries_again(registrar, rc, n); n++) {
		plan_done(plan);
		drop_operations(deed, had);
		rc = try_in_fleet(registrar, plan, deed, planner, diag);
	}
	return rc;
}

int registrar_carry_out(struct registrar *registrar, const struct deed *deed,
	const struct registrar_planner *planner, struct diag *diag)
{
	CLEANUP(plan_done) struct plan plan = PLAN_OF(registrar->site);
	pthread_mutex_lock(&registrar->lock);
	int rc = registrar->fleet ? carry_out_in_fleet(registrar, &plan, deed, planner, diag)
				  : try_once(registrar, &plan, deed, planner, diag);
	if (rc == 0 && planner->done) {
		planner->done(&plan, planner->ctx);
	}
	pthread_mutex_unlock(&registrar->lock);
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
		rc = diag_prefix(loading->diag, rc == -ENOMEM ? rc : E_DAMAGED,
			"the store's instance '%.*s'", STR_FMT(row->name));
	}
	if (rc == E_DAMAGED && registrar->fleet) {
		/* All others are served; the database, once it is there, has this one too. */
		LOG(LOG_ERROR, "control", "the copy has an instance that can't be published",
			LOG_TEXT("error", loading->diag->text));
		registrar->fleet->copy_behind = true;
		rc = 0;
	}
	loading->rc = rc;
	return rc;
}

int registrar_load(struct registrar *registrar, struct diag *diag)
{
	struct loading loading = {.registrar = registrar, .diag = diag};
	pthread_mutex_lock(&registrar->lock);
	registrar->may_have_roles = true;
	int rc = registrar->store->ops->instance_each(
		registrar->store, registrar->host, STR_EMPTY, load_row, &loading, diag);
	rc = loading.rc < 0 ? loading.rc : rc;
	if (rc == 0) {
		rc = registrar_load_defaults(registrar, diag);
	}
	if (rc == 0 && !registrar->fleet) {
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
