#include <errno.h>

#include "base/json.h"
#include "control/lightsail_operations.h"
#include "control/request.h"
#include "metadata/blueprint.h"
#include "metadata/derive.h"

#define CENTS 100.0

int lightsail_get_blueprints(struct call *call)
{
	size_t n;
	const struct blueprint *all = blueprint_all(&n);
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_pack(
			"{s:o, s:o, s:o, s:s, s:o, s:b, s:i, s:o, s:s, s:s, s:s, s:s}",
			"blueprintId", json_from_str(all[i].id), "name", json_from_str(all[i].name),
			"group", json_from_str(all[i].group), "type", "os", "description",
			json_from_str(all[i].name), "isActive", 1, "minPower", 0, "version",
			json_from_str(all[i].version), "versionCode", "1", "productUrl", "",
			"licenseUrl", "", "platform", all[i].windows ? "WINDOWS" : "LINUX_UNIX");
		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	return call_set(call, "blueprints", list);
}

int lightsail_get_bundles(struct call *call)
{
	size_t n;
	const struct bundle *all = bundle_all(&n);
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_pack("{s:f, s:i, s:i, s:o, s:o, s:b, s:o, s:i, s:f, s:i, s:[s]}",
			"price", all[i].price_cents / CENTS, "cpuCount", (int)all[i].cpu_count,
			"diskSizeInGb", (int)all[i].disk_gib, "bundleId", json_from_str(all[i].id),
			"instanceType", json_from_str(all[i].name), "isActive", 1, "name",
			json_from_str(all[i].name), "power", (int)all[i].power, "ramSizeInGb",
			all[i].ram_mib / 1024.0, "transferPerMonthInGb", (int)all[i].transfer_gib,
			"supportedPlatforms", "LINUX_UNIX");
		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	return call_set(call, "bundles", list);
}

static const char *continent_of(struct str region)
{
	static const struct {
		struct str prefix;
		const char *code;
	} rows[] = {
		{STR_INIT("eu-"), "EU"},
		{STR_INIT("ap-southeast-2"), "OC"},
		{STR_INIT("ap-southeast-4"), "OC"},
		{STR_INIT("ap-"), "AS"},
		{STR_INIT("cn-"), "AS"},
		{STR_INIT("me-"), "AS"},
		{STR_INIT("il-"), "AS"},
		{STR_INIT("sa-"), "SA"},
		{STR_INIT("af-"), "AF"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (str_starts(region, rows[i].prefix)) {
			return rows[i].code;
		}
	}
	return "NA";
}

/* There is one: the configured. */
int lightsail_get_regions(struct call *call)
{
	struct str name = call->api->site->region;
	json_t *zones = json_array();
	if (json_is_true(json_object_get(call->request, "includeAvailabilityZones"))) {
		for (int c = LIGHTSAIL_FIRST_ZONE; c <= LIGHTSAIL_LAST_ZONE; c++) {
			json_array_append_new(
				zones, json_pack("{s:o, s:s}", "zoneName",
					       json_sprintf("%.*s%c", STR_FMT(name), c), "state",
					       "available"));
		}
	}
	return call_set(call, "regions",
		json_pack("[{s:s, s:o, s:o, s:o, s:o, s:[]}]", "continentCode", continent_of(name),
			"description", json_from_str(name), "displayName", json_from_str(name),
			"name", json_from_str(name), "availabilityZones", zones,
			"relationalDatabaseAvailabilityZones"));
}

/* Those that instances were given: telltale has public halves, and no others. */
static json_t *key_pair(const struct site *site, const char *name)
{
	CLEANUP(buf_done) struct buf uuid = BUF_EMPTY;
	struct str region = site->region;
	derive_uuid(&uuid, "key pair", str_of(name));
	return json_pack("{s:s, s:o, s:o, s:s, s:{s:s, s:o}, s:[]}", "name", name, "arn",
		json_sprintf("arn:%.*s:lightsail:%.*s:%.*s:KeyPair/%.*s",
			STR_FMT(derive_partition(region)), STR_FMT(region),
			STR_FMT(site->account_id), STR_FMT(buf_str(&uuid))),
		"supportCode",
		json_sprintf("%.*s/%.*s", STR_FMT(site->account_id), STR_FMT(buf_str(&uuid))),
		"resourceType", "KeyPair", "location", "availabilityZone", "all", "regionName",
		json_from_str(region), "tags");
}

int lightsail_get_key_pairs(struct call *call)
{
	json_t *keys, *value, *list = json_array();
	const char *name;
	int rc = registrar_keys(call->api->registrar, &keys, &call->diag);
	if (rc < 0) {
		json_decref(list);
		return rc;
	}
	json_object_foreach (keys, name, value) {
		if (json_array_append_new(list, key_pair(call->api->site, name)) < 0) {
			rc = -ENOMEM;
		}
	}
	json_decref(keys);
	if (rc < 0) {
		json_decref(list);
		return rc;
	}
	return call_set(call, "keyPairs", list);
}
