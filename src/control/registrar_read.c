#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/registrar_elsewhere.h"

int registrar_show(
	struct registrar *registrar, struct str name, json_t **ret_view, struct diag *diag)
{
	CLEANUP(glimpse_done) struct glimpse glimpse = {0};
	json_t *view = NULL;
	pthread_mutex_lock(&registrar->lock);
	int rc = glimpse_by_name(registrar, name, &glimpse, diag);
	if (rc == 0) {
		view = elsewhere_view(registrar, NULL, &glimpse);
		rc = view ? 0 : diag_set(diag, -ENOMEM, "out of memory");
	}
	pthread_mutex_unlock(&registrar->lock);
	if (rc == 0) {
		*ret_view = view;
	}
	return rc;
}

static int add_view(const struct registrar *registrar, const struct registrar_query *query,
	const struct glimpse *glimpse, json_t *views)
{
	return json_array_append_new(views, elsewhere_view(registrar, query, glimpse)) < 0 ? -ENOMEM
											   : 0;
}

/* What is here. */
static int list_page(struct registrar *registrar, const struct registrar_query *query,
	json_t *views, bool *ret_more)
{
	struct page page;
	page_fill(&page, registrar->registry, query->after, query->most, &query->select);
	for (size_t i = 0; i < page.n; i++) {
		const struct glimpse glimpse = {.entry = page.v[i], .host = registrar->host};
		TRY(add_view(registrar, query, &glimpse, views));
	}
	*ret_more = page.more;
	if (page.more && page.n && query->ret_after) {
		buf_add(query->ret_after, entry_instance(page.v[page.n - 1])->name);
	}
	return 0;
}

static int order_by_name(const void *a, const void *b)
{
	const struct glimpse *left = a, *right = b;
	return str_cmp(entry_instance(left->entry)->name, entry_instance(right->entry)->name);
}

/* Those that there are and that are selected; ret_glimpses has room for all. */
static int find_ids(struct registrar *registrar, const struct registrar_query *query,
	struct glimpse *ret_glimpses, size_t *ret_n, struct diag *diag)
{
	const struct page_select *select = &query->select;
	const json_t *id;
	size_t i;
	json_array_foreach (query->ids, i, id) {
		struct glimpse *glimpse = &ret_glimpses[*ret_n];
		int rc = glimpse_by_id(registrar, json_str(id), glimpse, diag);
		if (rc == E_NOTFOUND || *ret_n == PAGE_MOST) {
			glimpse_done(glimpse);
			continue;
		}
		TRY(rc);
		if (select->accepts &&
			!select->accepts(select->ctx, entry_instance(glimpse->entry))) {
			glimpse_done(glimpse);
			continue;
		}
		++*ret_n;
	}
	return 0;
}

static int list_ids(struct registrar *registrar, const struct registrar_query *query, json_t *views,
	struct diag *diag)
{
	size_t n = 0;
	struct glimpse *glimpses = calloc(json_array_size(query->ids) + 1, sizeof *glimpses);
	int rc = glimpses ? find_ids(registrar, query, glimpses, &n, diag)
			  : diag_set(diag, -ENOMEM, "out of memory");
	if (rc == 0) {
		qsort(glimpses, n, sizeof *glimpses, order_by_name);
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = add_view(registrar, query, &glimpses[i], views);
	}
	for (size_t i = 0; i < n; i++) {
		glimpse_done(&glimpses[i]);
	}
	free(glimpses);
	return rc;
}

int registrar_list(struct registrar *registrar, const struct registrar_query *query,
	json_t **ret_views, bool *ret_more, struct diag *diag)
{
	int rc;
	json_t *views = json_array();
	*ret_more = false;
	if (!views) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	pthread_mutex_lock(&registrar->lock);
	if (query->ids) {
		rc = list_ids(registrar, query, views, diag);
	} else if (elsewhere_reached(registrar)) {
		rc = elsewhere_list(registrar, query, views, ret_more, diag);
		if (rc == E_AWAY) {
			(void)json_array_clear(views); /* it is an array */
			rc = list_page(registrar, query, views, ret_more);
		}
	} else {
		rc = list_page(registrar, query, views, ret_more);
	}
	pthread_mutex_unlock(&registrar->lock);
	if (rc < 0) {
		json_decref(views);
		return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
	}
	*ret_views = views;
	return 0;
}

static int add_keys(void *ctx, struct entry *entry)
{
	const struct instance *instance = entry_instance(entry);
	struct str wanted = STR("\"publicKeys\"");
	if (!memmem(instance->spec.p, instance->spec.n, wanted.p, wanted.n)) {
		return 0; /* most have none, and reading all of them takes long */
	}
	json_t *spec = instance_spec(instance);
	json_t *keys = json_object_get(spec, "publicKeys");
	int rc = spec && (!keys || json_object_update(ctx, keys) == 0) ? 0 : -ENOMEM;
	json_decref(spec);
	return rc;
}

int registrar_keys(struct registrar *registrar, json_t **ret_keys, struct diag *diag)
{
	json_t *keys = json_object();
	pthread_mutex_lock(&registrar->lock);
	int rc = keys ? registry_each(registrar->registry, add_keys, keys) : -ENOMEM;
	pthread_mutex_unlock(&registrar->lock);
	if (rc < 0) {
		json_decref(keys);
		return diag_set(diag, rc, "out of memory");
	}
	*ret_keys = keys;
	return 0;
}

int registrar_id_of(
	struct registrar *registrar, struct str name, struct buf *ret_id, struct diag *diag)
{
	CLEANUP(glimpse_done) struct glimpse glimpse = {0};
	pthread_mutex_lock(&registrar->lock);
	int rc = glimpse_by_name(registrar, name, &glimpse, diag);
	if (rc == 0) {
		buf_add(ret_id, str_of(entry_instance(glimpse.entry)->id));
		rc = buf_status(ret_id);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

int registrar_find_name(
	struct registrar *registrar, struct str id, struct buf *ret_name, struct diag *diag)
{
	CLEANUP(glimpse_done) struct glimpse glimpse = {0};
	TRY(glimpse_by_id(registrar, id, &glimpse, diag));
	buf_add(ret_name, entry_instance(glimpse.entry)->name);
	return buf_status(ret_name);
}

int registrar_name_of(
	struct registrar *registrar, struct str id, struct buf *ret_name, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	int rc = registrar_find_name(registrar, id, ret_name, diag);
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

/* Whether there is one: 1, 0, or an error. */
static int is_known(struct registrar *registrar, struct str id, struct diag *diag)
{
	CLEANUP(glimpse_done) struct glimpse glimpse = {0};
	int rc = glimpse_by_id(registrar, id, &glimpse, diag);
	return rc == E_NOTFOUND ? 0 : rc < 0 ? rc : 1;
}

int registrar_unknown_ids(
	struct registrar *registrar, const json_t *ids, json_t **ret_unknown, struct diag *diag)
{
	json_t *unknown = json_array(), *id;
	size_t i;
	int rc = unknown ? 0 : -ENOMEM;
	pthread_mutex_lock(&registrar->lock);
	json_array_foreach (ids, i, id) {
		int known = rc < 0 ? rc : is_known(registrar, json_str(id), diag);
		rc = known == 0 && json_array_append(unknown, id) < 0 ? -ENOMEM
		     : known < 0                                      ? known
								      : 0;
	}
	pthread_mutex_unlock(&registrar->lock);
	if (rc < 0) {
		json_decref(unknown);
		return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
	}
	*ret_unknown = unknown;
	return 0;
}

void registrar_run(struct registrar *registrar, void (*run)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&registrar->lock);
	run(ctx);
	pthread_mutex_unlock(&registrar->lock);
}
