#include <stdlib.h>

#include "base/json.h"
#include "control/plan.h"
#include "control/registrar_state.h"
#include "metadata/role.h"
#include "platform/file.h"

struct refreshing {
	struct registrar *registrar;
	struct instance **fresh;
	size_t n;
	size_t cap;
	bool any; /* there are such instances at all */
};

static bool has_changed(const struct role_credentials *role)
{
	char *path = str_dup(role->file);
	bool changed = path && file_stamp(path) != role->stamp;
	free(path);
	return changed;
}

/*
 * A new snapshot with the file's new content. A file that is gone or wrong leaves the credentials
 * that were read last in force.
 */
static int refresh(void *ctx, struct entry *entry)
{
	struct refreshing *refreshing = ctx;
	const struct instance *old = entry_instance(entry);
	refreshing->any |= old->role != NULL;
	if (!old->role || !has_changed(old->role)) {
		return 0;
	}
	struct role_credentials *role = plan_read_role(old->role->file, old->name);
	if (role && role->failed) {
		struct role_credentials keep = *old->role;
		keep.stamp = role->stamp;
		role_free(role);
		role = role_clone(&keep);
	}
	CLEANUP(json_done) json_t *spec = instance_spec(old);
	struct instance *instance = NULL;
	if (!role || !spec || refreshing->n == refreshing->cap) {
		role_free(role);
		return 0; /* the next look tries again */
	}
	if (instance_new(spec, &old->record, old->site, role, &instance, NULL) == 0) {
		refreshing->fresh[refreshing->n++] = instance;
	}
	return 0;
}

size_t registrar_refresh_roles(struct registrar *registrar)
{
	struct instance *fresh[64];
	struct refreshing refreshing = {
		.registrar = registrar, .fresh = fresh, .cap = sizeof fresh / sizeof fresh[0]};
	pthread_mutex_lock(&registrar->lock);
	if (registrar->may_have_roles) {
		(void)registry_each(registrar->registry, refresh, &refreshing); /* never stopped */
		registrar->may_have_roles = refreshing.any;
	}
	for (size_t i = 0; i < refreshing.n; i++) {
		(void)!registry_put(
			registrar->registry, fresh[i], NULL); /* same place: no conflict */
	}
	(void)registry_reclaim(registrar->registry); /* what still waits is freed later */
	pthread_mutex_unlock(&registrar->lock);
	return refreshing.n;
}
