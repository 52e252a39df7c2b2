#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "config/spec.h"
#include "control/lightsail_operations.h"
#include "control/request.h"

/* "us-west-2a" in us-west-2. */
static int check_zone(const struct call *call, struct str zone, struct diag *diag)
{
	struct str region = call->api->site->region;
	char last = zone.n ? zone.p[zone.n - 1] : '\0';
	if (zone.n != region.n + 1 || !str_starts(zone, region) || last < LIGHTSAIL_FIRST_ZONE ||
		last > LIGHTSAIL_LAST_ZONE) {
		return diag_set(diag, E_RANGE,
			"availabilityZone: %.*s is not one of %.*s%c to %.*s%c", STR_FMT(zone),
			STR_FMT(region), LIGHTSAIL_FIRST_ZONE, STR_FMT(region),
			LIGHTSAIL_LAST_ZONE);
	}
	return 0;
}

static int set(json_t *spec, const char *member, json_t *value)
{
	return json_object_set_new(spec, member, value) < 0 ? -ENOMEM : 0;
}

static int add_key(struct call *call, json_t *spec)
{
	struct str name;
	TRY(request_text_if(call->request, "keyPairName", &name, &call->diag));
	if (!name.p) {
		return 0;
	}
	CLEANUP(json_done) json_t *keys = NULL;
	TRY(registrar_keys(call->api->registrar, &keys, &call->diag));
	json_t *key = json_object_get(keys, name.p);
	if (!key) {
		return diag_set(&call->diag, E_NOTFOUND,
			"there is no key pair '%.*s' among the instances' publicKeys",
			STR_FMT(name));
	}
	return set(spec, "publicKeys", json_pack("{s:O}", name.p, key));
}

static int add_tags(struct call *call, json_t *spec)
{
	const json_t *tags = json_object_get(call->request, "tags");
	json_t *as_map = json_object();
	int rc = as_map ? 0 : -ENOMEM;
	if (rc == 0 && tags) {
		rc = lightsail_read_tags(tags, as_map, &call->diag);
	}
	if (rc < 0) {
		json_decref(as_map);
		return rc;
	}
	return set(spec, "tags", as_map);
}

static int check_kind(struct call *call)
{
	static const struct str kinds[] = {
		STR_INIT("dualstack"), STR_INIT("ipv4"), STR_INIT("ipv6")};
	struct str kind;
	TRY(request_text_if(call->request, "ipAddressType", &kind, &call->diag));
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (!kind.p || str_eq(kind, kinds[i])) {
			return 0;
		}
	}
	return diag_set(&call->diag, E_RANGE, "ipAddressType must be dualstack, ipv4 or ipv6");
}

/* What all of them have in common: everything but the name. */
static int common_spec(struct call *call, json_t *spec)
{
	struct str zone, blueprint, bundle, user_data;
	TRY(request_text(call->request, "availabilityZone", &zone, &call->diag));
	TRY(request_text(call->request, "blueprintId", &blueprint, &call->diag));
	TRY(request_text(call->request, "bundleId", &bundle, &call->diag));
	TRY(request_text_if(call->request, "userData", &user_data, &call->diag));
	TRY(check_zone(call, zone, &call->diag));
	TRY(check_kind(call));
	if (json_array_size(json_object_get(call->request, "addOns"))) {
		return diag_set(&call->diag, E_RANGE, "addOns: there are none here");
	}
	TRY(set(spec, "location", json_pack("{s:o}", "availabilityZone", json_from_str(zone))));
	TRY(set(spec, "blueprintId", json_from_str(blueprint)));
	TRY(set(spec, "bundleId", json_from_str(bundle)));
	if (user_data.n) {
		TRY(set(spec, "userData", json_from_str(user_data)));
	}
	TRY(add_tags(call, spec));
	return add_key(call, spec);
}

/* One specification for each name. */
static int all_specs(struct call *call, json_t *common, json_t *ret_specs)
{
	const json_t *names = json_object_get(call->request, "instanceNames"), *name;
	size_t i;
	if (!json_is_array(names) || json_array_size(names) == 0) {
		return diag_set(&call->diag, E_SYNTAX, "instanceNames must be a list of names");
	}
	if (json_array_size(names) > REGISTRAR_PAGE) {
		return diag_set(&call->diag, E_LIMIT, "instanceNames: at most %d", REGISTRAR_PAGE);
	}
	json_array_foreach (names, i, name) {
		json_t *spec = json_copy(common);
		if (!json_is_string(name)) {
			json_decref(spec);
			return diag_set(&call->diag, E_SYNTAX, "instanceNames must be texts");
		}
		if (set(spec, "name", json_from_str(str_of(json_string_value(name)))) < 0 ||
			json_array_append_new(ret_specs, spec) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* As a file's would be checked. */
static int checked(struct call *call, const json_t *specs, json_t **ret_specs)
{
	char *text = json_dumps(specs, JSON_COMPACT);
	int rc = text ? spec_from_text(str_of(text), NULL, ret_specs, &call->diag) : -ENOMEM;
	if (rc < 0) {
		request_drop_place(&call->diag);
	}
	free(text);
	return rc;
}

int lightsail_create_instances(struct call *call)
{
	CLEANUP(json_done) json_t *common = json_object();
	CLEANUP(json_done) json_t *raw = json_array();
	CLEANUP(json_done) json_t *specs = NULL;
	if (!common || !raw) {
		return -ENOMEM;
	}
	TRY(common_spec(call, common));
	TRY(all_specs(call, common, raw));
	TRY(checked(call, raw, &specs));
	TRY(registrar_create(call->api->registrar, &call->deed, specs, &call->diag));
	return call_set(call, "operations", json_incref(call->deed.operations));
}
