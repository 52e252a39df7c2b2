#include <errno.h>

#include "base/json.h"
#include "control/registrar_state.h"
#include "control/view.h"

int registrar_show(
	struct registrar *registrar, struct str name, json_t **ret_view, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	const struct entry *entry = registry_find(registrar->registry, name);
	json_t *view = entry ? view_instance(registrar->registry, entry) : NULL;
	pthread_mutex_unlock(&registrar->lock);
	if (!entry) {
		return diag_set(diag, E_NOTFOUND, "there is no instance '%.*s'", STR_FMT(name));
	}
	if (!view) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	*ret_view = view;
	return 0;
}

static json_t *views_of(const struct registry *registry, const struct page *page,
	json_t *(*view)(const struct registry *registry, const struct entry *entry))
{
	json_t *views = json_array();
	for (size_t i = 0; views && i < page->n; i++) {
		if (json_array_append_new(views, view(registry, page->v[i])) < 0) {
			json_decref(views);
			views = NULL;
		}
	}
	return views;
}

int registrar_list(struct registrar *registrar, const struct registrar_query *query,
	json_t **ret_views, bool *ret_more, struct diag *diag)
{
	struct page page;
	pthread_mutex_lock(&registrar->lock);
	if (query->ids) {
		page_of_ids(&page, registrar->registry, query->ids, &query->select);
	} else {
		page_fill(&page, registrar->registry, query->after, query->most, &query->select);
	}
	json_t *views =
		views_of(registrar->registry, &page, query->view ? query->view : view_instance);
	pthread_mutex_unlock(&registrar->lock);
	if (!views) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	*ret_views = views;
	*ret_more = page.more;
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
	pthread_mutex_lock(&registrar->lock);
	const struct entry *entry = registry_find(registrar->registry, name);
	if (entry) {
		buf_add(ret_id, str_of(entry_instance(entry)->id));
	}
	pthread_mutex_unlock(&registrar->lock);
	if (!entry) {
		return diag_set(diag, E_NOTFOUND, "there is no instance '%.*s'", STR_FMT(name));
	}
	return buf_status(ret_id);
}

int registrar_name_of(
	struct registrar *registrar, struct str id, struct buf *ret_name, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	const struct entry *entry = registry_find_id(registrar->registry, id);
	if (entry) {
		buf_add(ret_name, entry_instance(entry)->name);
	}
	pthread_mutex_unlock(&registrar->lock);
	if (!entry) {
		return diag_set(diag, E_NOTFOUND, "there is no instance of id '%.*s'", STR_FMT(id));
	}
	return buf_status(ret_name);
}

int registrar_unknown_ids(
	struct registrar *registrar, const json_t *ids, json_t **ret_unknown, struct diag *diag)
{
	json_t *unknown = json_array(), *id;
	size_t i;
	int rc = unknown ? 0 : -1;
	pthread_mutex_lock(&registrar->lock);
	json_array_foreach (ids, i, id) {
		struct str text = json_str(id);
		if (rc == 0 && !registry_find_id(registrar->registry, text)) {
			rc = json_array_append(unknown, id);
		}
	}
	pthread_mutex_unlock(&registrar->lock);
	if (rc < 0) {
		json_decref(unknown);
		return diag_set(diag, -ENOMEM, "out of memory");
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
