#include <errno.h>

#include "base/array.h"
#include "base/json.h"
#include "control/registrar_elsewhere.h"

#define MS_PER_S 1000

/* --- operations that wait for the workers ------------------------------------------------------ */

/* Without memory for the list its operation ends at the next start. */
void registrar_await_one(struct registrar *registrar, json_t *operation, json_t *why)
{
	uint64_t mark = registry_mark(registrar->registry);
	struct waiting *more = array_room(
		registrar->waiting, registrar->n_waiting, &registrar->cap_waiting, sizeof *more);
	if (!more) {
		return;
	}
	registrar->waiting = more;
	/* The reply that shows how it began has it too, so it is a copy that ends. */
	json_t *copy = json_deep_copy(operation);
	if (copy) {
		registrar->waiting[registrar->n_waiting++] =
			(struct waiting){copy, json_incref(why), mark};
	}
}

void registrar_await(struct registrar *registrar, const struct deed *deed)
{
	json_t *operation;
	size_t i;
	json_array_foreach (deed ? deed->operations : NULL, i, operation) {
		registrar_await_one(registrar, operation, NULL);
	}
}

/* why: it has failed (a text); NULL: it succeeds. */
static int end(struct registrar *registrar, json_t *operation, const json_t *why)
{
	int64_t now_ms = registrar->now_s() * MS_PER_S;
	/* A second is as exact as this clock is: no operation ends before it has begun. */
	double began_s = json_number_value(json_object_get(operation, "createdAt"));
	if (began_s * MS_PER_S > (double)now_ms) {
		now_ms = (int64_t)(began_s * MS_PER_S);
	}
	TRY(trail_end(
		operation, why ? TRAIL_FAILED : TRAIL_SUCCEEDED, json_string_value(why), now_ms));
	return trail_put(registrar->store, operation, registrar->host, NULL);
}

/* Those first in the list: they began first, so none behind one that must wait can be ready. */
static size_t count_ready(const struct registrar *registrar)
{
	size_t n = 0;
	while (n < registrar->n_waiting &&
		registry_passed(registrar->registry, registrar->waiting[n].mark)) {
		n++;
	}
	return n;
}

/* When the store fails they stay as they are, and are tried again. */
void registrar_settle(struct registrar *registrar)
{
	struct store *store = registrar->store;
	size_t n = count_ready(registrar);
	int rc = n ? store->ops->begin(store, NULL) : E_AGAIN;
	if (rc < 0) {
		return;
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct waiting *one = &registrar->waiting[i];
		rc = end(registrar, one->operation, one->why);
	}
	if (store_end(store, rc, NULL) < 0) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		json_decref(registrar->waiting[i].operation);
		json_decref(registrar->waiting[i].why);
	}
	registrar->n_waiting -= n;
	memmove(registrar->waiting, registrar->waiting + n,
		registrar->n_waiting * sizeof *registrar->waiting);
}

/* --- what the store has ------------------------------------------------------------------------ */

struct reading {
	json_t *list;
	size_t most;
	uint64_t last; /* the number of the last one in the list */
	bool more;
};

static json_t *parse(struct str text)
{
	return json_loadb(text.p ? text.p : "", text.n, 0, NULL);
}

/* Takes the item. Returns what a callback of the store returns: E_AGAIN ends it. */
static int keep(struct reading *reading, uint64_t number, json_t *item)
{
	if (json_array_size(reading->list) == reading->most) {
		json_decref(item);
		reading->more = true;
		return E_AGAIN;
	}
	reading->last = number;
	return json_array_append_new(reading->list, item) < 0 ? -ENOMEM : 0;
}

static int on_operation(void *ctx, const struct store_operation *row)
{
	json_t *operation = parse(row->body);
	return operation ? keep(ctx, row->number, operation) : E_DAMAGED;
}

static int on_audit(void *ctx, const struct store_audit *row)
{
	json_t *record = json_pack("{s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "number",
		(json_int_t)row->number, "at", (double)row->at_ms / MS_PER_S, "who",
		json_from_str(row->who), "from", json_from_str(row->from), "action",
		json_from_str(row->action), "resource", json_from_str(row->resource), "change",
		json_from_str(row->change), "result", json_from_str(row->result), "requestId",
		json_from_str(row->request_id));
	return record ? keep(ctx, row->number, record) : -ENOMEM;
}

static int finish(
	struct reading *reading, int rc, json_t **ret_list, uint64_t *ret_before, struct diag *diag)
{
	if (rc < 0 && rc != E_AGAIN) {
		json_decref(reading->list);
		if (rc == -ENOMEM) {
			diag_write(diag, "out of memory");
		}
		return rc;
	}
	*ret_list = reading->list;
	*ret_before = reading->more ? reading->last : 0;
	return 0;
}

int registrar_operations(struct registrar *registrar, const struct registrar_trail *query,
	json_t **ret_list, uint64_t *ret_before, struct diag *diag)
{
	struct store *store = registrar->store;
	struct reading reading = {.list = json_array(), .most = query->most};
	pthread_mutex_lock(&registrar->lock);
	registrar_settle(registrar);
	int rc = reading.list ? store->ops->operation_each(store, query->resource, query->before,
					on_operation, &reading, diag)
			      : -ENOMEM;
	pthread_mutex_unlock(&registrar->lock);
	return finish(&reading, rc, ret_list, ret_before, diag);
}

static int read_audits(struct registrar *registrar, const struct registrar_trail *query,
	struct reading *reading, struct diag *diag)
{
	struct store *store;
	int rc;
	do {
		store = registrar_reader(registrar);
		(void)json_array_clear(reading->list); /* it is an array */
		reading->more = false;
		rc = store->ops->audit_each(
			store, query->resource, query->before, on_audit, reading, diag);
	} while (registrar_read_again(registrar, store, rc));
	return rc;
}

int registrar_audits(struct registrar *registrar, const struct registrar_trail *query,
	json_t **ret_list, uint64_t *ret_before, struct diag *diag)
{
	struct reading reading = {.list = json_array(), .most = query->most};
	pthread_mutex_lock(&registrar->lock);
	int rc = reading.list ? read_audits(registrar, query, &reading, diag) : -ENOMEM;
	pthread_mutex_unlock(&registrar->lock);
	return finish(&reading, rc, ret_list, ret_before, diag);
}

int registrar_operation(
	struct registrar *registrar, struct str id, json_t **ret_operation, struct diag *diag)
{
	struct store *store = registrar->store;
	CLEANUP(json_done) json_t *list = json_array();
	struct reading reading = {.list = list, .most = 1};
	pthread_mutex_lock(&registrar->lock);
	registrar_settle(registrar);
	int rc =
		list ? store->ops->operation_get(store, id, on_operation, &reading, diag) : -ENOMEM;
	pthread_mutex_unlock(&registrar->lock);
	if (rc == E_NOTFOUND) {
		return diag_set(diag, rc, "there is no operation '%.*s'", STR_FMT(id));
	}
	TRY(rc);
	*ret_operation = json_incref(json_array_get(list, 0));
	return 0;
}

static bool is_waiting(const struct registrar *registrar, struct str id)
{
	for (size_t i = 0; i < registrar->n_waiting; i++) {
		if (str_eq(json_str_member(registrar->waiting[i].operation, "id"), id)) {
			return true;
		}
	}
	return false;
}

int registrar_open_operations(struct registrar *registrar, json_t *list, struct diag *diag)
{
	struct store *store = registrar->store;
	struct reading reading = {.list = list, .most = SIZE_MAX};
	int rc = store->ops->operation_open(store, registrar->host, on_operation, &reading, diag);
	uint32_t held;
	if (rc == E_PARTIAL &&
		log_limit_pass(&registrar->fleet->damage_limit, registrar->now_s(), &held)) {
		LOG(LOG_ERROR, "control", "a record of an operation is damaged, it does not end",
			LOG_TEXT("error", diag->text), LOG_INT("more", held));
	}
	TRY(rc == E_PARTIAL ? 0 : rc); /* no other waits for it */
	for (size_t i = json_array_size(list); i-- > 0;) {
		struct str id = json_str_member(json_array_get(list, i), "id");
		if (is_waiting(registrar, id)) {
			(void)json_array_remove(list, i); /* it is there */
		}
	}
	return 0;
}

/* They were on their way when a daemon ended. All that the store holds is in force now. */
int registrar_settle_left(struct registrar *registrar, struct diag *diag)
{
	struct store *store = registrar->store;
	CLEANUP(json_done) json_t *list = json_array();
	struct reading reading = {.list = list, .most = SIZE_MAX};
	json_t *operation;
	size_t i;
	if (!list) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	TRY(store->ops->operation_open(store, registrar->host, on_operation, &reading, diag));
	if (json_array_size(list) == 0) {
		return 0;
	}
	int rc = store->ops->begin(store, diag);
	json_array_foreach (list, i, operation) {
		rc = rc == 0 ? end(registrar, operation, NULL) : rc;
	}
	return store_end(store, rc, diag);
}

/* --- records without a change ------------------------------------------------------------------ */

/* One transaction for a deed that changes nothing here. */
static int record(struct registrar *registrar, const struct deed *deed, struct str resource,
	struct str result, const json_t *operation, struct diag *diag)
{
	struct store *store = registrar->store;
	TRY(store->ops->begin(store, diag));
	const struct trail_record one = {.resource = resource,
		.result = result,
		.operation = operation,
		.host = registrar->host};
	int rc = trail_write(store, deed, &one, diag);
	return store_end(store, rc, diag);
}

void registrar_tell(struct registrar *registrar, const struct deed *deed, struct str resource,
	struct str result)
{
	pthread_mutex_lock(&registrar->lock);
	/* The log has it too, so what can't be written is not lost. */
	(void)!record(registrar, deed, resource, result, NULL, NULL);
	pthread_mutex_unlock(&registrar->lock);
}

static int reboot(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag)
{
	CLEANUP(glimpse_done) struct glimpse glimpse = {0};
	TRY(glimpse_by_name(registrar, name, &glimpse, diag));
	const struct instance *instance = entry_instance(glimpse.entry);
	if (!instance->running) {
		return diag_set(diag, E_EXISTS, "instance '%.*s' is not running", STR_FMT(name));
	}
	if (!deed || deed->rehearsal) {
		return 0;
	}
	CLEANUP(json_done)
	json_t *operation = deed->operations ? trail_operation(deed, name, instance) : NULL;
	if (deed->operations && json_array_append(deed->operations, operation) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	TRY(record(registrar, deed, name, STR("ok"), operation, diag));
	registrar_await(registrar, deed);
	return 0;
}

int registrar_reboot(
	struct registrar *registrar, const struct deed *deed, struct str name, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	int rc = reboot(registrar, deed, name, diag);
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

/* --- once a second ----------------------------------------------------------------------------- */

static int trim(struct registrar *registrar)
{
	struct store *store = registrar->store;
	TRY(store->ops->begin(store, NULL));
	int rc = store->ops->trim(store, TRAIL_OPERATIONS_KEPT, TRAIL_AUDITS_KEPT, NULL);
	return store_end(store, rc, NULL);
}

void registrar_tick(struct registrar *registrar)
{
	pthread_mutex_lock(&registrar->lock);
	if (!registrar->fleet) { /* there registrar_acknowledge() does it */
		registrar_settle(registrar);
	}
	int64_t hour = registrar->now_s() / 3600;
	if (hour != registrar->trimmed_hour && registrar_leads(registrar) && trim(registrar) == 0) {
		registrar->trimmed_hour = hour;
	}
	registrar_record(registrar);
	registrar_send_points(registrar);
	registrar_age(registrar);
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	pthread_mutex_unlock(&registrar->lock);
}
