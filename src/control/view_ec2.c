#include "control/view_ec2.h"

#include <errno.h>

#include "base/json.h"
#include "base/timefmt.h"
#include "control/view.h"
#include "metadata/derive.h"

/* --- parts ----------------------------------------------------------------------------------- */

/* Like json_object_set_new(), but what is not there is left out. */
static void set(json_t *object, const char *member, struct str value)
{
	if (value.p) {
		json_object_set_new(object, member, json_from_str(value));
	}
}

/* The same, but what is not there is empty, as EC2 has it. */
static void set_always(json_t *object, const char *member, struct str value)
{
	json_object_set_new(object, member, json_from_str(value));
}

/* "2023-10-02T11:22:33.000Z" */
static json_t *moment(int64_t unix_s)
{
	char iso[TIMEFMT_ISO_BYTES];
	timefmt_iso(unix_s, iso);
	return json_sprintf("%.*s.000Z", TIMEFMT_ISO_BYTES - 2, iso);
}

json_t *view_ec2_state(const struct instance *instance)
{
	return json_pack("{s:i, s:s}", "code",
		instance->running ? VIEW_EC2_CODE_RUNNING : VIEW_EC2_CODE_STOPPED, "name",
		instance->running ? "running" : "stopped");
}

/* In the order in which EC2 has them. */
static json_t *options_of(const struct instance *instance, const char *state)
{
	json_t *all = options_to_json(&instance->options);
	json_t *options = json_pack("{s:s, s:O, s:O, s:O, s:O, s:O}", "state", state, "httpTokens",
		json_object_get(all, "httpTokens"), "httpPutResponseHopLimit",
		json_object_get(all, "httpPutResponseHopLimit"), "httpEndpoint",
		json_object_get(all, "httpEndpoint"), "httpProtocolIpv6",
		json_object_get(all, "httpProtocolIpv6"), "instanceMetadataTags",
		json_object_get(all, "instanceMetadataTags"));
	json_decref(all);
	return options;
}

/* The next line of what has LF between its lines; p NULL: no more. */
static struct str next_line(struct str *lines)
{
	size_t end = lines->p ? str_find(*lines, '\n') : 0;
	struct str line = {lines->p, end};
	*lines = lines->p && end < lines->n ? str_from(*lines, end + 1) : STR_EMPTY;
	return line;
}

static json_t *groups_of(struct view_ec2 *view)
{
	json_t *list = json_array();
	struct str names = view_ec2_fact(view, VIEW_EC2_GROUPS);
	struct str ids = view_ec2_fact(view, VIEW_EC2_GROUP_IDS);
	while (names.p || ids.p) {
		json_t *group = json_object();
		set(group, "groupId", next_line(&ids));
		set(group, "groupName", next_line(&names));
		json_array_append_new(list, group);
	}
	return list;
}

static json_t *products_of(struct view_ec2 *view)
{
	json_t *list = json_array();
	struct str codes = view_ec2_fact(view, VIEW_EC2_PRODUCT_CODES);
	while (codes.p) {
		json_array_append_new(
			list, json_pack("{s:o, s:s}", "productCode",
				      json_from_str(next_line(&codes)), "type", "marketplace"));
	}
	return list;
}

/* Its instance profile; NULL: none. */
static json_t *profile_of(struct view_ec2 *view)
{
	struct str info = view_ec2_fact(view, VIEW_EC2_PROFILE);
	json_t *parsed = info.p ? json_loadb(info.p, info.n, 0, NULL) : NULL;
	struct str arn = json_str_member(parsed, "InstanceProfileArn");
	struct str id = json_str_member(parsed, "InstanceProfileId");
	json_t *profile = arn.p && id.p ? json_pack("{s:o, s:o}", "arn", json_from_str(arn), "id",
						  json_from_str(id))
					: NULL;
	json_decref(parsed);
	return profile;
}

/* --- the network interface ------------------------------------------------------------------- */

/* Its public address; NULL: none. */
static json_t *association_of(struct view_ec2 *view)
{
	struct str address = view_ec2_fact(view, VIEW_EC2_PUBLIC_ADDRESS);
	if (!address.p) {
		return NULL;
	}
	return json_pack("{s:o, s:o, s:s}", "publicIp", json_from_str(address), "publicDnsName",
		json_from_str(view_ec2_fact(view, VIEW_EC2_PUBLIC_DNS)), "ipOwnerId", "amazon");
}

static json_t *attachment_of(struct view_ec2 *view)
{
	CLEANUP(buf_done) struct buf id = BUF_EMPTY;
	uint64_t index;
	struct str number = view_ec2_fact(view, VIEW_EC2_DEVICE_NUMBER);
	derive_id(&id, "eni-attach-", view->instance->name);
	if (str_to_u64(number, &index) < 0 || index > INT32_MAX) {
		index = 0;
	}
	return json_pack("{s:o, s:I, s:s, s:o, s:b, s:i}", "attachmentId",
		json_from_str(buf_str(&id)), "deviceIndex", (json_int_t)index, "status", "attached",
		"attachTime", moment(view->instance->record.created_s), "deleteOnTermination", 1,
		"networkCardIndex", 0);
}

static json_t *private_addresses_of(struct view_ec2 *view)
{
	json_t *one = json_pack("{s:b}", "primary", 1);
	set(one, "privateIpAddress", view_ec2_fact(view, VIEW_EC2_PRIVATE_ADDRESS));
	set(one, "privateDnsName", view_ec2_fact(view, VIEW_EC2_PRIVATE_DNS));
	json_object_set_new(one, "association", association_of(view));
	return json_pack("[o]", one);
}

static json_t *ipv6_addresses_of(struct view_ec2 *view)
{
	json_t *list = json_array();
	struct str addresses = view_ec2_fact(view, VIEW_EC2_IPV6S);
	while (addresses.p) {
		json_array_append_new(list,
			json_pack("{s:o}", "ipv6Address", json_from_str(next_line(&addresses))));
	}
	return list;
}

static json_t *interfaces_of(struct view_ec2 *view)
{
	json_t *one = json_object();
	set(one, "networkInterfaceId", view_ec2_fact(view, VIEW_EC2_INTERFACE_ID));
	set(one, "subnetId", view_ec2_fact(view, VIEW_EC2_SUBNET_ID));
	set(one, "vpcId", view_ec2_fact(view, VIEW_EC2_VPC_ID));
	set_always(one, "description", STR_EMPTY);
	set(one, "ownerId", view_ec2_fact(view, VIEW_EC2_OWNER_ID));
	set_always(one, "status", STR("in-use"));
	set(one, "macAddress", view_ec2_fact(view, VIEW_EC2_MAC));
	set(one, "privateIpAddress", view_ec2_fact(view, VIEW_EC2_PRIVATE_ADDRESS));
	set(one, "privateDnsName", view_ec2_fact(view, VIEW_EC2_PRIVATE_DNS));
	json_object_set_new(one, "sourceDestCheck", json_true());
	json_object_set_new(one, "groupSet", groups_of(view));
	json_object_set_new(one, "attachment", attachment_of(view));
	json_object_set_new(one, "association", association_of(view));
	json_object_set_new(one, "privateIpAddressesSet", private_addresses_of(view));
	json_object_set_new(one, "ipv6AddressesSet", ipv6_addresses_of(view));
	set_always(one, "interfaceType", STR("interface"));
	return json_pack("[o]", one);
}

/* --- the instance ---------------------------------------------------------------------------- */

static json_t *placement_of(struct view_ec2 *view)
{
	json_t *placement = json_object();
	set(placement, "availabilityZone", view_ec2_fact(view, VIEW_EC2_ZONE));
	set_always(placement, "groupName", view_ec2_fact(view, VIEW_EC2_GROUP_NAME));
	set_always(placement, "tenancy", STR("default"));
	return placement;
}

static json_t *launch_index_of(struct view_ec2 *view)
{
	uint64_t index;
	struct str number = view_ec2_fact(view, VIEW_EC2_LAUNCH_INDEX);
	bool good = str_to_u64(number, &index) == 0 && index <= INT32_MAX;
	return good ? json_integer((json_int_t)index) : NULL;
}

static void add_identity(json_t *one, struct view_ec2 *view)
{
	const struct instance *instance = view->instance;
	set(one, "instanceId", str_of(instance->id));
	set(one, "imageId", view_ec2_fact(view, VIEW_EC2_IMAGE_ID));
	json_object_set_new(one, "instanceState", view_ec2_state(instance));
	set_always(one, "privateDnsName", view_ec2_fact(view, VIEW_EC2_PRIVATE_DNS));
	set_always(one, "dnsName", view_ec2_fact(view, VIEW_EC2_PUBLIC_DNS));
	set_always(one, "reason", STR_EMPTY);
	set(one, "keyName", view_ec2_key_name(view));
	json_object_set_new(one, "amiLaunchIndex", launch_index_of(view));
	json_object_set_new(one, "productCodes", products_of(view));
	set(one, "instanceType", view_ec2_fact(view, VIEW_EC2_INSTANCE_TYPE));
	json_object_set_new(one, "launchTime", moment(instance->record.launched_s));
	json_object_set_new(one, "placement", placement_of(view));
	if (instance->blueprint->windows) {
		set(one, "platform", STR("windows"));
	}
	json_object_set_new(one, "monitoring",
		json_pack(
			"{s:o}", "state", json_from_str(view_ec2_fact(view, VIEW_EC2_MONITORING))));
}

static void add_network(json_t *one, struct view_ec2 *view)
{
	set(one, "subnetId", view_ec2_fact(view, VIEW_EC2_SUBNET_ID));
	set(one, "vpcId", view_ec2_fact(view, VIEW_EC2_VPC_ID));
	set(one, "privateIpAddress", view_ec2_fact(view, VIEW_EC2_PRIVATE_ADDRESS));
	set(one, "ipAddress", view_ec2_fact(view, VIEW_EC2_PUBLIC_ADDRESS));
	set(one, "ipv6Address", view_ec2_fact(view, VIEW_EC2_IPV6));
	json_object_set_new(one, "sourceDestCheck", json_true());
	json_object_set_new(one, "groupSet", groups_of(view));
	json_object_set_new(one, "networkInterfaceSet", interfaces_of(view));
}

/* What EC2's newer machines all are, and what `profile` and `system` of the metadata say. */
static void add_machine(json_t *one, struct view_ec2 *view)
{
	struct str life_cycle = view_ec2_fact(view, VIEW_EC2_LIFE_CYCLE);
	set(one, "architecture", view_ec2_fact(view, VIEW_EC2_ARCHITECTURE));
	set_always(one, "rootDeviceType", STR("ebs"));
	set(one, "rootDeviceName", view_ec2_fact(view, VIEW_EC2_ROOT_DEVICE));
	json_object_set_new(one, "blockDeviceMapping", json_array());
	set_always(one, "virtualizationType", STR("hvm"));
	set_always(one, "clientToken", STR_EMPTY);
	set_always(one, "hypervisor", STR("xen"));
	json_object_set_new(one, "ebsOptimized", json_false());
	json_object_set_new(one, "enaSupport", json_true());
	json_object_set_new(one, "iamInstanceProfile", profile_of(view));
	if (!str_eq(life_cycle, STR("on-demand"))) {
		set(one, "instanceLifecycle", life_cycle);
	}
	bool hibernates = str_eq(view_ec2_fact(view, VIEW_EC2_HIBERNATION), STR("true"));
	json_object_set_new(
		one, "hibernationOptions", json_pack("{s:b}", "configured", (int)hibernates));
	set_always(one, "platformDetails",
		view->instance->blueprint->windows ? STR("Windows") : STR("Linux/UNIX"));
}

static const char *state_of(const struct registry *registry, const struct entry *entry)
{
	return registry_passed(registry, entry->mark) ? "applied" : "pending";
}

/* Takes what was made of a look; NULL when something was missing. */
static json_t *finish(const struct view_ec2 *view, json_t *made)
{
	if (view->status < 0) {
		json_decref(made);
		return NULL;
	}
	return made;
}

json_t *view_ec2_reservation(const struct registry *registry, const struct entry *entry)
{
	CLEANUP(view_ec2_done) struct view_ec2 view = view_ec2_of(entry_instance(entry));
	json_t *one = json_object();
	add_identity(one, &view);
	add_network(one, &view);
	add_machine(one, &view);
	json_object_set_new(one, "tagSet", view_ec2_tags(&view));
	json_object_set_new(
		one, "metadataOptions", options_of(view.instance, state_of(registry, entry)));
	json_t *reservation = json_pack("{s:o, s:o, s:o, s:[], s:[o]}", "name",
		json_from_str(view.instance->name), "reservationId",
		json_from_str(view_ec2_fact(&view, VIEW_EC2_RESERVATION_ID)), "ownerId",
		json_from_str(view.instance->site->account_id), "groupSet", "instancesSet", one);
	return finish(&view, reservation);
}

/* Both checks say the same: whoever asks is told no more than whether it runs. */
static json_t *check_of(const struct instance *instance)
{
	return instance->running ? json_pack("{s:s, s:[{s:s, s:s}]}", "status", "ok", "details",
					   "name", "reachability", "status", "passed")
				 : json_pack("{s:s}", "status", "not-applicable");
}

json_t *view_ec2_status(const struct registry *registry, const struct entry *entry)
{
	CLEANUP(view_ec2_done) struct view_ec2 view = view_ec2_of(entry_instance(entry));
	const struct instance *instance = view.instance;
	(void)registry;
	json_t *status = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "name",
		json_from_str(instance->name), "instanceId", instance->id, "availabilityZone",
		json_from_str(view_ec2_fact(&view, VIEW_EC2_ZONE)), "instanceState",
		view_ec2_state(instance), "systemStatus", check_of(instance), "instanceStatus",
		check_of(instance));
	return finish(&view, status);
}

json_t *view_ec2_descriptions(const struct registry *registry, const struct entry *entry)
{
	CLEANUP(view_ec2_done) struct view_ec2 view = view_ec2_of(entry_instance(entry));
	json_t *tags = view_ec2_tags(&view), *tag, *list = json_array();
	size_t i;
	(void)registry;
	json_array_foreach (tags, i, tag) {
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:O, s:O}", "resourceId", view.instance->id,
				"resourceType", "instance", "key", json_object_get(tag, "key"),
				"value", json_object_get(tag, "value")));
	}
	json_decref(tags);
	return finish(&view,
		json_pack("{s:o, s:o}", "name", json_from_str(view.instance->name), "tags", list));
}

/* EC2 says that a change is pending, whoever has it already. */
json_t *view_ec2_options(const struct registry *registry, const struct entry *entry)
{
	const struct instance *instance = entry_instance(entry);
	(void)registry;
	return json_pack("{s:o, s:s, s:o}", "name", json_from_str(instance->name), "instanceId",
		instance->id, "instanceMetadataOptions", options_of(instance, "pending"));
}
