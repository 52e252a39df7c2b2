/* What others have changed of this host's instances: read, planned, copied and published. */
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/json.h"
#include "control/registrar_state.h"
#include "control/row.h"

/* --- what has changed ------------------------------------------------------------------------ */

enum fate { STAYS, GOES, LEAVES };

struct item {
	char *name;
	uint64_t revision;
	enum fate fate;
	struct row row; /* of one that stays */
};

struct news {
	struct registrar *registrar;
	struct item *v;
	size_t n;
	size_t cap;
	uint64_t revision; /* the greatest */
	json_t *seen;      /* names, where all are looked at */
	json_t *refused;   /* see struct fleet: unpublished */
};

static void drop_items(struct news *news)
{
	for (size_t i = 0; i < news->n; i++) {
		free(news->v[i].name);
		row_done(&news->v[i].row);
	}
	news->n = 0;
}

static void news_done(struct news *news)
{
	drop_items(news);
	free(news->v);
	json_decref(news->seen);
	json_decref(news->refused);
}

/* One that can't be published: it stays as it was. Told and counted once. */
static int refuse(struct news *news, struct item *item, const char *why)
{
	struct fleet *fleet = news->registrar->fleet;
	const json_t *known = json_object_get(news->refused, item->name);
	known = known ? known : json_object_get(fleet->unpublished, item->name);
	json_int_t revision = (json_int_t)item->revision;
	if (!known || json_integer_value(json_object_get(known, "revision")) != revision) {
		fleet->refused++;
		LOG(LOG_ERROR, "control",
			"an instance's change can't be published, it stays as it was",
			LOG_TEXT("instance", item->name), LOG_TEXT("error", why));
	}
	json_t *text = json_string(why);
	text = text ? text : json_string("it can't be published");
	return json_object_set_new(news->refused, item->name,
		json_pack("{s:I, s:o}", "revision", revision, "why", text));
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
	const struct entry *entry = registry_find(news->registrar->registry, row->name);
	news->revision = row->revision > news->revision ? row->revision : news->revision;
	if (!row->spec.p && news->seen && json_object_getn(news->seen, row->name.p, row->name.n)) {
		return 0; /* it has come back, whatever the database remembers */
	}
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
		return 0;
	}
	TRY(add_item(news, row->name, row->revision, STAYS));
	struct item *item = &news->v[news->n - 1];
	int rc = row_take(&item->row, row);
	return rc == E_DAMAGED ? refuse(news, item, "its row makes no sense") : rc;
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

static int read_changes(struct news *news, uint64_t since, struct diag *diag)
{
	struct registrar *registrar = news->registrar;
	struct store *store = registrar->store;
	return store->ops->changed_since(store, registrar->host, since, on_row, news, diag);
}

static int read_all(struct news *news, struct diag *diag)
{
	struct registrar *registrar = news->registrar;
	struct store *store = registrar->store;
	uint64_t revision;
	news->seen = json_object();
	TRY(news->seen ? 0 : -ENOMEM);
	/* Before the rows: what changes while they are read is looked at once more. */
	TRY(store->ops->revision_get(store, registrar->host, &revision, diag));
	int rc = store->ops->instance_each(store, registrar->host, STR_EMPTY, on_row, news, diag);
	if (rc == 0) {
		rc = add_strays(news);
	} else if (rc == E_PARTIAL) {
		/* One that is here may be among what can't be read: only what is known to have gone goes. */
		drop_items(news);
		rc = read_changes(news, 0, diag);
		rc = rc == 0 ? E_PARTIAL : rc;
	}
	news->revision = revision;
	return rc;
}

/* What is damaged stays here as it was, and all others are looked after. Told and counted once. */
static void tell_damage(struct fleet *fleet, const struct diag *diag)
{
	if (!fleet->damaged) {
		fleet->refused++;
		LOG(LOG_ERROR, "control", "a row is damaged, its instance stays as it was",
			LOG_TEXT("error", diag->text));
	}
	fleet->damaged = true;
}

static int read_news(struct news *news, bool all, struct diag *diag)
{
	struct registrar *registrar = news->registrar;
	struct fleet *fleet = registrar->fleet;
	int rc = all ? 0 : read_changes(news, fleet->applied, diag);
	if (rc == E_PARTIAL) {
		tell_damage(fleet, diag);
		drop_items(news);
		all = true; /* and past what can't be read */
	}
	if (all) {
		rc = read_all(news, diag);
		if (rc == E_PARTIAL) {
			tell_damage(fleet, diag);
		} else if (rc == 0) {
			fleet->damaged = false;
		}
		fleet->damaged_s = registrar->now_s();
	}
	rc = rc == E_PARTIAL ? 0 : rc;
	return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
}

/* --- planning it ----------------------------------------------------------------------------- */

static int plan_item(
	struct registrar *registrar, const struct item *item, struct plan *plan, struct diag *diag)
{
	const struct plan_place place = {.host = registrar->host};
	return item->fate == STAYS
		       ? plan_put(plan, item->row.spec, STR_EMPTY, &item->row.record, &place, diag)
		       : plan_delete(plan, str_of(item->name), &place, diag);
}

static int plan_news(struct news *news, struct plan *plan, struct diag *diag)
{
	struct registrar *registrar = news->registrar;
	for (size_t i = 0; i < news->n; i++) {
		struct item *item = &news->v[i];
		bool due = item->fate == STAYS
				   ? !json_object_get(news->refused, item->name)
				   : registry_find(registrar->registry, str_of(item->name)) != NULL;
		int rc = due ? plan_item(registrar, item, plan, diag) : 0;
		if (rc < 0 && rc != -ENOMEM) {
			plan_drop(plan, plan->n - 1);
			rc = refuse(news, item, diag->text);
		}
		TRY(rc);
	}
	return 0;
}

/* --- leaving out what can't be ----------------------------------------------------------------- */

struct sifting {
	struct news *news;
	struct plan *plan;
	const json_t *planned; /* names as keys */
	struct instance **v;   /* those that stay, and behind them what is planned */
	size_t n;
	json_t *taken; /* name: why */
};

static int on_here(void *ctx, struct entry *entry)
{
	struct sifting *sifting = ctx;
	/* Under the registrar's lock the snapshot stays; nobody changes it through this pointer. */
	struct instance *instance = (struct instance *)(uintptr_t)entry_instance(entry);
	if (!json_object_getn(sifting->planned, instance->name.p, instance->name.n)) {
		sifting->v[sifting->n++] = instance;
	}
	return 0;
}

static int on_taken(void *ctx, size_t i, const char *why)
{
	struct sifting *sifting = ctx;
	struct str name = sifting->v[i]->name;
	return json_object_setn_new_nocheck(sifting->taken, name.p, name.n, json_string(why)) < 0
		       ? -ENOMEM
		       : 0;
}

static struct item *item_of(struct news *news, const char *name)
{
	for (size_t i = 0; i < news->n; i++) {
		if (strcmp(news->v[i].name, name) == 0) {
			return &news->v[i];
		}
	}
	return NULL;
}

static int drop_taken(struct sifting *sifting)
{
	struct plan *plan = sifting->plan;
	for (size_t i = plan->n; i-- > 0;) {
		const char *name = plan->v[i].name;
		const json_t *why = json_object_get(sifting->taken, name);
		if (why && plan->v[i].spec) {
			TRY(refuse(sifting->news, item_of(sifting->news, name),
				json_string_value(why)));
			plan_drop(plan, i);
		}
	}
	return 0;
}

/* Leave out those that stand in another's way: in the way of one that is not planned, or comes first. */
static int sift_once(struct sifting *sifting, json_t *planned, struct diag *diag)
{
	const struct registry *registry = sifting->news->registrar->registry;
	struct plan *plan = sifting->plan;
	for (size_t i = 0; i < plan->n; i++) {
		TRY(json_object_set_new_nocheck(planned, plan->v[i].name, json_true()));
	}
	sifting->v = calloc(registry_count(registry) + plan->n + 1, sizeof *sifting->v);
	if (!sifting->v) {
		return -ENOMEM;
	}
	(void)registry_each(registry, on_here, sifting); /* never stopped */
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->v[i].instance) {
			sifting->v[sifting->n++] = plan->v[i].instance;
		}
	}
	TRY(registry_sift(sifting->v, sifting->n, on_taken, sifting, diag));
	return drop_taken(sifting);
}

/* Who is left out stays where it was, and may stand in the way of others there: until all have a place. */
static int sift(struct news *news, struct plan *plan, struct diag *diag)
{
	int rc;
	size_t n;
	do {
		CLEANUP(json_done) json_t *planned = json_object();
		CLEANUP(json_done) json_t *taken = json_object();
		struct sifting sifting = {
			.news = news, .plan = plan, .planned = planned, .taken = taken};
		n = plan->n;
		rc = planned && taken ? sift_once(&sifting, planned, diag) : -ENOMEM;
		free(sifting.v);
	} while (rc == 0 && plan->n < n);
	return rc < 0 ? diag_set(diag, -ENOMEM, "out of memory") : 0;
}

/* --- those that go to other hosts -------------------------------------------------------------- */

static struct leaving *leaving_of(struct fleet *fleet, const char *name)
{
	for (size_t i = 0; i < fleet->n_leaving; i++) {
		if (strcmp(fleet->leaving[i].name, name) == 0) {
			return &fleet->leaving[i];
		}
	}
	struct leaving *v =
		array_room(fleet->leaving, fleet->n_leaving, &fleet->cap_leaving, sizeof *v);
	char *copy = v ? str_dup(str_of(name)) : NULL;
	fleet->leaving = v ? v : fleet->leaving;
	if (!copy) {
		return NULL;
	}
	fleet->leaving[fleet->n_leaving] = (struct leaving){.name = copy};
	return &fleet->leaving[fleet->n_leaving++];
}

/* One that had come back in between is only now seen by nobody any more. */
static int note_leaving(const struct news *news)
{
	struct registrar *registrar = news->registrar;
	for (size_t i = 0; i < news->n; i++) {
		const struct item *item = &news->v[i];
		struct leaving *one =
			item->fate == LEAVES ? leaving_of(registrar->fleet, item->name) : NULL;
		if (item->fate == LEAVES && !one) {
			return -ENOMEM;
		}
		if (one) {
			one->revision = item->revision;
			one->mark = registry_mark(registrar->registry);
		}
	}
	return 0;
}

/* --- the operations that are about it ---------------------------------------------------------- */

enum whereabouts { NOWHERE, HERE, COMING, ELSEWHERE };

struct asking {
	struct str host;
	enum whereabouts where;
};

static int on_whereabouts(void *ctx, const struct store_instance *row)
{
	struct asking *asking = ctx;
	bool own = str_eq(row->host, asking->host);
	asking->where = row_is_hidden(row)                     ? NOWHERE
			: str_eq(row->next_host, asking->host) ? COMING
			: own && row->next_host.n == 0         ? COMING
							       : ELSEWHERE;
	return 0;
}

/* Of one that is not among the news of this host. */
static int look_for(struct registrar *registrar, struct str name, enum whereabouts *ret_where,
	struct diag *diag)
{
	struct store *store = registrar->store;
	struct asking asking = {.host = registrar->host, .where = NOWHERE};
	bool here = registry_find(registrar->registry, name) != NULL;
	/* Then one that is here may not be what it should be. */
	bool damaged = registrar->fleet->damaged;
	int rc = 0;
	if (!here || damaged) {
		rc = store->ops->instance_get(store, name, on_whereabouts, &asking, diag);
	}
	if (damaged && rc == E_DAMAGED) {
		*ret_where = COMING; /* for all that can be known */
		return 0;
	}
	TRY(rc == E_NOTFOUND ? 0 : rc);
	*ret_where = here ? HERE : asking.where;
	return 0;
}

/* It ends where the instance is served, and not before. */
static int await_operation(struct registrar *registrar, json_t *operation, struct diag *diag)
{
	struct str name = json_str_member(operation, "resourceName");
	const json_t *refused =
		json_object_getn(registrar->fleet->unpublished, name.p ? name.p : "", name.n);
	enum whereabouts where;
	if (refused) {
		registrar_await_one(registrar, operation, json_object_get(refused, "why"));
		return 0;
	}
	TRY(look_for(registrar, name, &where, diag));
	bool moves = str_eq(json_str_member(operation, "operationType"), STR("MoveInstance"));
	CLEANUP(json_done)
	json_t *why = moves && where != HERE ? json_string("the instance did not come here") : NULL;
	if (where != COMING) {
		registrar_await_one(registrar, operation, why);
	}
	return 0;
}

static int await_operations(struct registrar *registrar, json_t *operations, struct diag *diag)
{
	json_t *operation;
	size_t i;
	json_array_foreach (operations, i, operation) {
		TRY(await_operation(registrar, operation, diag));
	}
	return 0;
}

/* --- catching up ----------------------------------------------------------------------------- */

/* What was counted is kept if it can be: it does not hold up what the instance's owner wants. */
static int record_leaving(struct registrar *registrar, const struct plan *plan, struct diag *diag)
{
	int rc = registrar_record_leaving(registrar, plan, diag);
	if (rc < 0 && rc != -ENOMEM) {
		LOG(LOG_WARN, "control", "the last counts of instances that go are lost",
			LOG_TEXT("error", diag->text));
		rc = 0;
	}
	return rc;
}

static int note_refused(struct news *news)
{
	struct fleet *fleet = news->registrar->fleet;
	if (news->seen || !fleet->unpublished) {
		json_decref(fleet->unpublished);
		fleet->unpublished = json_incref(news->refused);
		return 0;
	}
	return json_object_update(fleet->unpublished, news->refused);
}

static int take_news(struct news *news, struct diag *diag)
{
	struct registrar *registrar = news->registrar;
	struct fleet *fleet = registrar->fleet;
	CLEANUP(plan_done) struct plan plan = PLAN_OF(registrar->site);
	TRY(plan_news(news, &plan, diag));
	int rc = plan_check(&plan, registrar->registry, diag);
	TRY(rc == E_EXISTS ? sift(news, &plan, diag) : rc);
	TRY(record_leaving(registrar, &plan, diag));
	registrar->may_have_roles = true;
	/* First the copy: what guests have seen survives a restart. */
	bool behind = fleet->copy_behind;
	if (!behind) {
		registrar_copy(registrar, &plan);
	}
	TRY(plan_publish(&plan, registrar->registry, diag));
	if (behind) {
		registrar_copy(registrar, NULL);
	}
	if (note_leaving(news) < 0 || note_refused(news) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	fleet->applied = news->revision;
	fleet->mark = registry_mark(registrar->registry);
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	return 0;
}

/* Whether there can be nothing to do: most often nobody has changed anything. */
static bool is_in_step(const struct news *news)
{
	const struct fleet *fleet = news->registrar->fleet;
	return !news->seen && news->n == 0 && news->revision == fleet->applied &&
	       !fleet->copy_behind;
}

/* What could not be published has perhaps got its place by what changed behind it. */
static int must_look_at_all(struct registrar *registrar, bool *ret_all, struct diag *diag)
{
	struct store *store = registrar->store;
	const struct fleet *fleet = registrar->fleet;
	uint64_t revision;
	int64_t since_s = registrar->now_s() - fleet->damaged_s;
	if (fleet->damaged && (since_s >= REGISTRAR_BEAT_S || since_s < 0)) {
		*ret_all = true; /* it has perhaps been mended, which nothing else shows */
	}
	if (*ret_all || json_object_size(fleet->unpublished) == 0) {
		return 0;
	}
	TRY(store->ops->revision_get(store, registrar->host, &revision, diag));
	*ret_all = revision != fleet->applied;
	return 0;
}

int registrar_bring_up(struct registrar *registrar, bool all, struct diag *diag)
{
	struct diag own = {{0}};
	CLEANUP(json_done) json_t *operations = json_array();
	CLEANUP(news_done)
	struct news news = {.registrar = registrar,
		.revision = registrar->fleet->applied,
		.refused = json_object()};
	diag = diag ? diag : &own; /* what it says is logged */
	if (!operations || !news.refused) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	/* Before the changes that they are about. */
	TRY(registrar_open_operations(registrar, operations, diag));
	TRY(must_look_at_all(registrar, &all, diag));
	TRY(read_news(&news, all, diag));
	TRY(is_in_step(&news) ? 0 : take_news(&news, diag));
	return await_operations(registrar, operations, diag);
}
