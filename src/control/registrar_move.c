/* From one host of a fleet to another. */
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "control/registrar_elsewhere.h"
#include "control/row.h"

/* --- what would stand in its way there ------------------------------------------------------- */

struct neighbours {
	const struct registrar *registrar;
	const struct plan *plan;
	struct str host;
	struct instance **v;
	size_t n, cap;
	size_t n_own; /* those that were made here */
};

static bool is_planned(const struct plan *plan, struct str name)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (str_eq(str_of(plan->v[i].name), name)) {
			return true;
		}
	}
	return false;
}

static int add(struct neighbours *all, struct instance *instance)
{
	struct instance **v = array_room(all->v, all->n, &all->cap, sizeof(struct instance *));
	if (!v) {
		return -ENOMEM;
	}
	all->v = v;
	all->v[all->n++] = instance;
	return 0;
}

static int on_row(void *ctx, const struct store_instance *from)
{
	struct neighbours *all = ctx;
	struct instance *instance = NULL;
	CLEANUP(row_done) struct row row = {0};
	bool there = str_eq(from->host, all->host) || str_eq(from->next_host, all->host);
	if (!there || row_is_hidden(from) || is_planned(all->plan, from->name)) {
		return 0;
	}
	int rc = row_take(&row, from);
	if (rc == 0) {
		rc = row_instance(&row, all->registrar->site, &instance, NULL);
	}
	if (rc == 0) {
		rc = add(all, instance);
	}
	if (rc == 0) {
		all->n_own = all->n;
		return 0;
	}
	instance_free(instance);
	return rc == -ENOMEM ? rc : 0; /* what makes no sense stands in nobody's way */
}

static const char *goal(const struct change *change)
{
	return change->next_host[0] ? change->next_host : change->host;
}

/* Of those that are on their way there, too: a look at all rows, for what is done seldom. */
static int check_host(
	struct registrar *registrar, const struct plan *plan, const char *host, struct diag *diag)
{
	struct store *store = registrar->store;
	struct neighbours all = {.registrar = registrar, .plan = plan, .host = str_of(host)};
	int rc = store->ops->instance_each(
		store, (struct str){NULL, 0}, STR_EMPTY, on_row, &all, diag);
	rc = rc == E_PARTIAL ? 0 : rc; /* what can't be read stands in nobody's way */
	for (size_t i = 0; rc == 0 && i < plan->n; i++) {
		const struct change *change = &plan->v[i];
		if (change->instance && strcmp(goal(change), host) == 0) {
			rc = add(&all, change->instance);
		}
	}
	if (rc == 0) {
		rc = registry_check(all.v, all.n, diag);
	}
	for (size_t i = 0; i < all.n_own; i++) {
		instance_free(all.v[i]);
	}
	free(all.v);
	return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
}

/* Whether nobody here can tell if it has a place where it is to be. */
static bool is_foreign(const struct registrar *registrar, const struct change *change)
{
	bool here = !change->elsewhere && str_eq(str_of(goal(change)), registrar->host);
	if (!change->instance || here) {
		return false;
	}
	bool stays = change->elsewhere && !change->next_host[0] && !change->moves && change->before;
	return !stays || strcmp(change->before->id, change->instance->id) != 0 ||
	       !instance_same_match(change->before, change->instance);
}

static bool is_checked(const struct registrar *registrar, const struct plan *plan, size_t until)
{
	for (size_t i = 0; i < until; i++) {
		if (is_foreign(registrar, &plan->v[i]) &&
			strcmp(goal(&plan->v[i]), goal(&plan->v[until])) == 0) {
			return true;
		}
	}
	return false;
}

int registrar_check_elsewhere(
	struct registrar *registrar, const struct plan *plan, struct diag *diag)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (is_foreign(registrar, &plan->v[i]) && !is_checked(registrar, plan, i)) {
			TRY(check_host(registrar, plan, goal(&plan->v[i]), diag));
		}
	}
	return 0;
}

/* --- moving ---------------------------------------------------------------------------------- */

struct move {
	struct str name;
	struct str host;
	bool force;
};

static int on_host(void *ctx, const struct store_host *host)
{
	*(struct store_host *)ctx = *host;
	return 0;
}

static int find_host(struct registrar *registrar, struct str name, struct store_host *ret_host,
	struct diag *diag)
{
	struct store *store = registrar->store;
	int rc = store->ops->host_get(store, name, on_host, ret_host, diag);
	if (rc == E_NOTFOUND) {
		return diag_set(diag, rc, "there is no host '%.*s' in the fleet", STR_FMT(name));
	}
	return rc;
}

/* Where nobody may be nobody would answer its guest. */
static int check_there(const struct move *move, const struct store_host *host, struct diag *diag)
{
	const char *what = host->stopped ? "was stopped" : "may be gone: the database heard of it";
	return !registrar_host_is_gone(host, REGISTRAR_LATE_MS)
		       ? 0
		       : diag_set(diag, E_DENIED,
				 "host '%.*s' %s %lld seconds ago; --force moves instance '%.*s' "
				 "all the same",
				 STR_FMT(move->host), what, (long long)(host->quiet_ms / 1000),
				 STR_FMT(move->name));
}

static int plan_move(struct registrar *registrar, struct plan *plan, void *ctx, struct diag *diag)
{
	const struct move *move = ctx;
	struct store_host host;
	CLEANUP(row_done) struct row row = {0};
	TRY(row_get(registrar->store, move->name, &row, diag));
	TRY(find_host(registrar, move->host, &host, diag));
	struct plan_place place = registrar_place(registrar, &row);
	bool is_there = str_eq(place.host, move->host);
	if (is_there && place.next_host.n == 0) {
		return diag_set(diag, E_EXISTS, "host '%.*s' serves instance '%.*s' already",
			STR_FMT(move->host), STR_FMT(move->name));
	}
	TRY(move->force || is_there ? 0 : check_there(move, &host, diag));
	place.next_host = move->force || is_there ? STR("") : move->host;
	place.host = move->force ? move->host : place.host;
	char *file_spec = NULL;
	if (row_file_moved(str_of(row.file_spec), str_of(row.host), place.host, &file_spec) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	int rc = plan_put(plan, row.spec, str_of(file_spec), &row.record, &place, diag);
	free(file_spec);
	return rc;
}

int registrar_move(struct registrar *registrar, const struct deed *deed, struct str name,
	struct str host, bool force, struct diag *diag)
{
	struct move move = {name, host, force};
	if (!registrar->fleet) {
		return diag_set(diag, E_NOTFOUND,
			"this daemon is no host of a fleet: its store is not PostgreSQL");
	}
	return registrar_change(registrar, deed, plan_move, &move, diag);
}

/* --- forgetting ------------------------------------------------------------------------------ */

/* Whom a host that goes leaves behind: what it has, and what is on its way there. */
struct left {
	struct str host;
	bool any;
};

/* A hidden one only remembers what a file said. */
static int on_any(void *ctx, const struct store_instance *row)
{
	struct left *left = ctx;
	bool there = str_eq(row->host, left->host) || str_eq(row->next_host, left->host);
	if (row_is_hidden(row) || !there) {
		return 0;
	}
	left->any = true;
	return E_AGAIN;
}

static int check_forgettable(struct registrar *registrar, struct str name, struct diag *diag)
{
	struct store *store = registrar->store;
	struct store_host host;
	struct left left = {.host = name};
	TRY(find_host(registrar, name, &host, diag));
	if (!registrar_host_is_gone(&host, REGISTRAR_QUIET_MS)) {
		return diag_set(diag, E_EXISTS,
			"host '%.*s' may be there: the database heard of it %lld seconds ago; it "
			"can be forgotten after %lld",
			STR_FMT(name), (long long)(host.quiet_ms / 1000),
			(long long)(REGISTRAR_QUIET_MS / 1000));
	}
	int rc = store->ops->instance_each(
		store, (struct str){NULL, 0}, STR_EMPTY, on_any, &left, diag);
	TRY(rc == E_AGAIN ? 0 : rc);
	return left.any ? diag_set(diag, E_EXISTS,
				  "host '%.*s' has instances, or some are on their way to it; move "
				  "them with --force, or delete them",
				  STR_FMT(name))
			: 0;
}

static int forget_host(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag)
{
	struct store *store = registrar->store;
	TRY(store->ops->begin(store, diag));
	int rc = check_forgettable(registrar, name, diag);
	if (rc == 0) {
		rc = store->ops->host_delete(store, name, diag);
	}
	if (rc == 0 && deed) {
		const struct trail_record record = {.resource = name, .result = STR("ok")};
		rc = trail_write(store, deed, &record, diag);
	}
	return store_end(store, rc, diag);
}

int registrar_forget_host(
	struct registrar *registrar, const struct deed *deed, struct str host, struct diag *diag)
{
	if (!registrar->fleet) {
		return diag_set(diag, E_NOTFOUND, "this daemon is no host of a fleet");
	}
	pthread_mutex_lock(&registrar->lock);
	int rc = forget_host(registrar, deed, host, diag);
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}
