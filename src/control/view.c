#include "control/view.h"

#include "base/json.h"
#include "metadata/contents.h"
#include "metadata/derive.h"

/* Lightsail's InstanceState: EC2's codes and names. */
#define CODE_RUNNING 16
#define CODE_STOPPED 80

static json_t *tags_of(const json_t *spec)
{
	json_t *list = json_array();
	const char *key;
	json_t *value;
	json_object_foreach (json_object_get(spec, "tags"), key, value) {
		json_array_append_new(list, json_pack("{s:s, s:O}", "key", key, "value", value));
	}
	return list;
}

static json_t *hardware_of(const struct bundle *bundle)
{
	return json_pack("{s:i, s:[{s:i, s:b, s:s}], s:f}", "cpuCount", (int)bundle->cpu_count,
		"disks", "sizeInGb", (int)bundle->disk_gib, "isSystemDisk", 1, "path", "/dev/xvda",
		"ramSizeInGb", (double)bundle->ram_mib / 1024);
}

static json_t *options_of(const struct registry *registry, const struct entry *entry)
{
	json_t *options = options_to_json(&entry_instance(entry)->options);
	bool applied = registry_passed(registry, entry->mark);
	json_object_set_new(options, "state", json_string(applied ? "applied" : "pending"));
	return options;
}

static json_t *match_of(const struct instance *instance)
{
	json_t *match = json_object(), *addresses = json_array();
	for (size_t i = 0; i < instance->n_addresses; i++) {
		const struct ipprefix *prefix = &instance->addresses[i];
		char address[IPADDR_TEXT_BYTES];
		bool v4 = ipaddr_is_v4(&prefix->addr) && prefix->bits >= 96;
		ipaddr_format(&prefix->addr, address);
		json_array_append_new(addresses,
			prefix->bits == 128 ? json_string(address)
					    : json_sprintf("%s/%d", address,
						      v4 ? prefix->bits - 96 : prefix->bits));
	}
	json_object_set_new(match, "addresses", addresses);
	if (instance->network.n) {
		json_object_set_new(match, "network", json_from_str(instance->network));
	}
	if (instance->interface.n) {
		json_object_set_new(match, "interface", json_from_str(instance->interface));
	}
	if (instance->has_mac) {
		const uint8_t *m = instance->mac;
		json_object_set_new(match, "mac",
			json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
				m[5]));
	}
	return match;
}

static json_t *counters_of(const struct registry *registry, const struct entry *entry)
{
	static const struct {
		const char *name;
		unsigned counter;
	} rows[] = {
		{"metadataNoToken", STATS_NO_TOKEN},
		{"metadataNoTokenRejected", STATS_NO_TOKEN_REJECTED},
		{"tokensIssued", STATS_TOKENS_ISSUED},
		{"throttled", STATS_THROTTLED},
	};
	json_t *counters = json_object();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t n = entry_counter(registry, entry, rows[i].counter);
		json_object_set_new(counters, rows[i].name, json_integer((json_int_t)n));
	}
	json_object_set_new(counters, "connections",
		json_integer(atomic_load_explicit(&entry->holds, memory_order_relaxed)));
	return counters;
}

static void add_names(json_t *view, const struct instance *instance, const json_t *spec,
	const struct contents_facts *facts)
{
	CLEANUP(buf_done) struct buf uuid = BUF_EMPTY;
	const char *key =
		json_object_iter_key(json_object_iter(json_object_get(spec, "publicKeys")));
	derive_uuid(&uuid, "lightsail arn", instance->name);
	json_object_set_new(view, "name", json_from_str(facts->name));
	json_object_set_new(view, "arn",
		json_sprintf("arn:%.*s:lightsail:%.*s:%.*s:Instance/%.*s",
			STR_FMT(derive_partition(facts->region)), STR_FMT(facts->region),
			STR_FMT(facts->account_id), STR_FMT(buf_str(&uuid))));
	json_object_set_new(view, "supportCode",
		json_sprintf("%.*s/%s", STR_FMT(facts->account_id), instance->id));
	json_object_set_new(view, "instanceId", json_from_str(facts->instance_id));
	json_object_set_new(view, "createdAt", json_integer(instance->record.created_s));
	json_object_set_new(view, "resourceType", json_string("Instance"));
	json_object_set_new(view, "username", json_from_str(instance->blueprint->username));
	if (key) {
		json_object_set_new(view, "sshKeyName", json_string(key));
	}
}

static void add_addresses(json_t *view, const json_t *spec, const struct contents_facts *facts)
{
	json_t *ipv6 = json_object_get(spec, "ipv6Addresses");
	json_object_set_new(view, "isStaticIp", json_false());
	json_object_set_new(view, "privateIpAddress", json_from_str(facts->private_address));
	if (facts->public_address.p) {
		json_object_set_new(view, "publicIpAddress", json_from_str(facts->public_address));
	}
	json_object_set_new(view, "ipv6Addresses", ipv6 ? json_incref(ipv6) : json_array());
	json_object_set_new(
		view, "ipAddressType", json_string(json_array_size(ipv6) ? "dualstack" : "ipv4"));
}

static json_t *location_of(const struct contents_facts *facts)
{
	return json_pack("{s:o, s:o}", "availabilityZone", json_from_str(facts->zone), "regionName",
		json_from_str(facts->region));
}

static void add_kind(
	json_t *view, const struct instance *instance, const struct contents_facts *facts)
{
	json_object_set_new(view, "location", location_of(facts));
	json_object_set_new(view, "blueprintId", json_from_str(instance->blueprint->id));
	json_object_set_new(view, "blueprintName", json_from_str(instance->blueprint->name));
	json_object_set_new(view, "bundleId", json_from_str(instance->bundle->id));
	json_object_set_new(view, "hardware", hardware_of(instance->bundle));
	json_object_set_new(view, "state",
		json_pack("{s:i, s:s}", "code", instance->running ? CODE_RUNNING : CODE_STOPPED,
			"name", instance->running ? "running" : "stopped"));
}

json_t *view_instance(const struct registry *registry, const struct entry *entry)
{
	CLEANUP(buf_done) struct buf facts_text = BUF_EMPTY;
	const struct instance *instance = entry_instance(entry);
	struct contents_facts facts;
	json_t *spec = instance_spec(instance);
	json_t *view = spec ? json_object() : NULL;
	if (!view || contents_facts(instance, spec, &facts_text, &facts) < 0) {
		json_decref(spec);
		json_decref(view);
		return NULL;
	}
	add_names(view, instance, spec, &facts);
	add_kind(view, instance, &facts);
	add_addresses(view, spec, &facts);
	json_object_set_new(view, "tags", tags_of(spec));
	json_object_set_new(view, "metadataOptions", options_of(registry, entry));
	json_object_set_new(view, "match", match_of(instance));
	json_object_set_new(view, "counters", counters_of(registry, entry));
	json_decref(spec);
	return view;
}

json_t *view_location(const struct instance *instance)
{
	CLEANUP(buf_done) struct buf facts_text = BUF_EMPTY;
	struct contents_facts facts;
	json_t *spec = instance_spec(instance), *location = NULL;
	if (spec && contents_facts(instance, spec, &facts_text, &facts) == 0) {
		location = location_of(&facts);
	}
	json_decref(spec);
	return location;
}
