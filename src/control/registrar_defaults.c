#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/difference.h"
#include "control/plan.h"
#include "control/registrar_state.h"
#include "control/secret_names.h"
#include "metadata/blueprint.h"

#define ENFORCED "httpTokensEnforced"

/* A preference that is no option of an instance. */
static bool is_enforced(const json_t *defaults)
{
	const char *value = json_string_value(json_object_get(defaults, ENFORCED));
	return value && strcmp(value, "enabled") == 0;
}

const json_t *registrar_preferred(const struct registrar *registrar)
{
	return registrar->preferred;
}

/* Takes defaults, an object. */
static int use(struct registrar *registrar, json_t *defaults)
{
	json_t *preferred = json_copy(defaults);
	if (!preferred) {
		json_decref(defaults);
		return -ENOMEM;
	}
	(void)json_object_del(preferred, ENFORCED); /* it need not be there */
	json_decref(registrar->defaults);
	json_decref(registrar->preferred);
	registrar->defaults = defaults;
	registrar->preferred = preferred;
	return 0;
}

int registrar_load_defaults(struct registrar *registrar, struct diag *diag)
{
	struct store *store = registrar->store;
	struct secret kept;
	int rc = store->ops->secret_get(store, STR(SECRET_DEFAULTS), &kept, diag);
	if (rc == E_NOTFOUND) {
		json_decref(registrar->defaults);
		json_decref(registrar->preferred);
		registrar->defaults = registrar->preferred = NULL;
		return 0;
	}
	TRY(rc);
	json_t *defaults = json_loadb((const char *)kept.p, kept.n, 0, NULL);
	secret_done(&kept);
	if (!json_is_object(defaults)) {
		json_decref(defaults);
		return diag_set(
			diag, E_DAMAGED, "what the store has of '" SECRET_DEFAULTS "' is damaged");
	}
	return use(registrar, defaults);
}

/* What instances can't have, the account can't prefer. */
static int check(const json_t *defaults, struct diag *diag)
{
	struct metadata_options probe = options_default;
	const json_t *enforced = json_object_get(defaults, ENFORCED);
	const char *value = json_string_value(enforced);
	json_t *options = json_copy(json_loose(defaults));
	if (!options) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	(void)json_object_del(options, ENFORCED);
	int rc = options_apply(&probe, options, diag);
	json_decref(options);
	if (rc == 0 && enforced &&
		(!value || (strcmp(value, "enabled") != 0 && strcmp(value, "disabled") != 0))) {
		return diag_set(diag, E_RANGE, ENFORCED " must be 'enabled' or 'disabled'");
	}
	return rc;
}

static int tell_defaults(struct registrar *registrar, const struct deed *deed,
	const json_t *defaults, struct diag *diag)
{
	CLEANUP(buf_done) struct buf change = BUF_EMPTY;
	if (!deed) {
		return 0;
	}
	difference_add_values(&change, registrar->defaults, defaults);
	if (buf_status(&change) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	const struct trail_record record = {
		.resource = STR("account"), .change = buf_str(&change), .result = STR("ok")};
	return trail_write(registrar->store, deed, &record, diag);
}

static json_t *merged(const json_t *old, const json_t *changes)
{
	json_t *defaults = old ? json_copy(json_loose(old)) : json_object();
	const char *name;
	json_t *value;
	json_object_foreach (json_loose(changes), name, value) {
		if (json_is_null(value)) {
			(void)json_object_del(defaults, name); /* it need not be there */
		} else if (json_object_set(defaults, name, value) < 0) {
			json_decref(defaults);
			return NULL;
		}
	}
	return defaults;
}

static int put_defaults(struct registrar *registrar, const struct deed *deed,
	const json_t *defaults, struct diag *diag)
{
	struct store *store = registrar->store;
	char *text = json_dumps(defaults, JSON_COMPACT);
	int rc = text ? store->ops->secret_put(store, STR(SECRET_DEFAULTS), str_of(text), diag)
		      : diag_set(diag, -ENOMEM, "out of memory");
	free(text);
	return rc < 0 ? rc : tell_defaults(registrar, deed, defaults, diag);
}

/* In a transaction: from what is there, which another host may have changed. */
static int change_defaults(struct registrar *registrar, const struct deed *deed,
	const json_t *changes, json_t **ret_defaults, struct diag *diag)
{
	if (registrar->fleet) {
		TRY(registrar_load_defaults(registrar, diag));
	}
	json_t *defaults = merged(registrar->defaults, changes);
	int rc = defaults ? check(defaults, diag) : diag_set(diag, -ENOMEM, "out of memory");
	if (rc == 0) {
		rc = put_defaults(registrar, deed, defaults, diag);
	}
	if (rc < 0) {
		json_decref(defaults);
		return rc;
	}
	*ret_defaults = defaults;
	return 0;
}

static int defaults_once(struct registrar *registrar, const struct deed *deed,
	const json_t *changes, struct diag *diag)
{
	struct store *store = registrar->store;
	json_t *defaults = NULL;
	TRY(store->ops->begin(store, diag));
	int rc = change_defaults(registrar, deed, changes, &defaults, diag);
	if (rc < 0 || (deed && deed->rehearsal)) {
		store->ops->rollback(store);
		json_decref(defaults);
		return rc;
	}
	rc = store->ops->commit(store, diag);
	if (rc < 0) {
		json_decref(defaults);
		return rc;
	}
	return use(registrar, defaults);
}

int registrar_defaults(struct registrar *registrar, const struct deed *deed, const json_t *changes,
	struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	int rc = defaults_once(registrar, deed, changes, diag);
	for (unsigned n = 1; registrar_tries_again(registrar, rc, n); n++) {
		rc = defaults_once(registrar, deed, changes, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	return rc;
}

int registrar_show_defaults(struct registrar *registrar, json_t **ret_defaults, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	json_t *defaults = registrar->defaults ? json_copy(registrar->defaults) : json_object();
	pthread_mutex_unlock(&registrar->lock);
	if (!defaults) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	*ret_defaults = defaults;
	return 0;
}

static bool has_optional_tokens(const struct instance *instance)
{
	return instance && !instance->options.tokens_required;
}

/* One that has them already keeps them until they are required. */
int registrar_check_enforced(
	const struct registrar *registrar, const struct plan *plan, struct diag *diag)
{
	for (size_t i = 0; i < plan->n && is_enforced(registrar->defaults); i++) {
		const struct instance *instance = plan->v[i].instance;
		bool had = has_optional_tokens(plan_before(&plan->v[i], registrar->registry));
		if (has_optional_tokens(instance) && !had) {
			return diag_set(diag, E_DENIED,
				"httpTokens of instance '%.*s' must be required: the account "
				"enforces it",
				STR_FMT(instance->name));
		}
	}
	return 0;
}

/* As metadata/instance.h will have it. */
static bool is_optional(const json_t *spec)
{
	const json_t *options = json_object_get(spec, "metadataOptions");
	const char *tokens = json_string_value(json_object_get(options, "httpTokens"));
	const char *id = json_string_value(json_object_get(spec, "blueprintId"));
	const struct blueprint *blueprint = blueprint_find(str_of(id ? id : BLUEPRINT_DEFAULT_ID));
	return tokens ? strcmp(tokens, "optional") == 0 : !blueprint || !blueprint->tokens_required;
}

int registrar_enforce(const struct registrar *registrar, const json_t *before, json_t *spec)
{
	if (!is_enforced(registrar->defaults) || !is_optional(spec) ||
		(before && is_optional(before))) {
		return 0;
	}
	json_t *options = json_object_get(spec, "metadataOptions");
	options = options ? json_copy(options) : json_object();
	if (!options || json_object_set_new(options, "httpTokens", json_string("required")) < 0 ||
		json_object_set(spec, "metadataOptions", options) < 0) {
		json_decref(options);
		return -ENOMEM;
	}
	json_decref(options);
	LOG(LOG_WARN, "control", "the account enforces tokens: they stay required",
		LOG_STR("instance", json_str_member(spec, "name")));
	return 0;
}
