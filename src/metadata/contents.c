#include "metadata/contents.h"

#include <errno.h>

#include "base/json.h"
#include "metadata/derive.h"
#include "metadata/document.h"
#include "metadata/path.h"

#define META       "meta-data"
#define DYNAMIC    "dynamic"
#define IDENTITY   DYNAMIC "/instance-identity"
#define SUBNET_LEN 20
#define VPC_LEN    16

static struct str or_else(struct str value, struct str other)
{
	return value.p ? value : other;
}

/* --- facts ----------------------------------------------------------------------------------- */

/*
 * The facts are written into one growing buffer, whose memory moves: while it grows they hold
 * offsets (p is NULL, n the length), and are pointed at their texts at the end.
 */
struct placed {
	struct str *fact;
	size_t at;
};

#define FACTS_MAX 16

struct placing {
	struct buf *text;
	struct placed rows[FACTS_MAX];
	size_t n;
	size_t from;
};

static void place_begin(struct placing *placing)
{
	placing->from = placing->text->n;
}

static void place_end(struct placing *placing, struct str *fact)
{
	fact->n = placing->text->n - placing->from;
	placing->rows[placing->n++] = (struct placed){fact, placing->from};
}

static void place(struct placing *placing, struct str *fact, struct str value)
{
	place_begin(placing);
	buf_add(placing->text, value);
	place_end(placing, fact);
}

static int place_finish(struct placing *placing)
{
	TRY(buf_status(placing->text));
	for (size_t i = 0; i < placing->n; i++) {
		placing->rows[i].fact->p = placing->text->p + placing->rows[i].at;
	}
	return 0;
}

/* Given, or the first address of its match that could be one, or derived. */
static struct ipaddr private_address(const struct instance *instance, const json_t *spec)
{
	struct ipaddr given;
	struct str text = json_str_member(spec, "privateIpAddress");
	if (text.p && ipaddr_parse(text, &given) == 0) {
		return given;
	}
	for (size_t i = 0; i < instance->n_addresses; i++) {
		const struct ipprefix *one = &instance->addresses[i];
		if (one->bits == 128 && ipaddr_is_v4(&one->addr) && one->addr.b[12] != 127) {
			return one->addr;
		}
	}
	return derive_private_address(instance->name);
}

static void place_addresses(struct placing *placing, const struct instance *instance,
	const json_t *spec, struct contents_facts *facts)
{
	char text[IPADDR_TEXT_BYTES];
	struct str public_address = json_str_member(spec, "publicIpAddress");
	facts->address = private_address(instance, spec);
	ipaddr_format(&facts->address, text);
	place(placing, &facts->private_address, str_of(text));
	place_begin(placing);
	derive_private_dns(placing->text, str_of(text), facts->region);
	place_end(placing, &facts->private_dns);
	if (public_address.p) {
		place(placing, &facts->public_address, public_address);
		place_begin(placing);
		derive_public_dns(placing->text, public_address, facts->region);
		place_end(placing, &facts->public_dns);
	}
}

static void place_mac(struct placing *placing, const struct instance *instance, const json_t *spec,
	struct contents_facts *facts)
{
	struct str given = json_str_member(json_object_get(spec, "match"), "mac");
	place_begin(placing);
	if (given.p) {
		for (size_t i = 0; i < given.n; i++) {
			char c = given.p[i];
			buf_add_char(placing->text, c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c);
		}
	} else {
		derive_mac(placing->text, instance->name);
	}
	place_end(placing, &facts->mac);
}

static void place_zone(struct placing *placing, const struct instance *instance, const json_t *spec,
	struct contents_facts *facts)
{
	const json_t *location = json_object_get(spec, "location");
	struct str zone = json_str_member(location, "availabilityZone");
	/* Not placed: it lives as long as the instance, and others are derived from it. */
	facts->region = or_else(json_str_member(location, "regionName"), instance->site->region);
	if (zone.n > 1 && !json_str_member(location, "regionName").p) {
		facts->region = (struct str){zone.p, zone.n - 1};
	}
	place_begin(placing);
	if (zone.p) {
		buf_add(placing->text, zone);
	} else {
		buf_add(placing->text, facts->region);
		buf_add_char(placing->text, 'a');
	}
	place_end(placing, &facts->zone);
}

int contents_facts(const struct instance *instance, const json_t *spec, struct buf *text,
	struct contents_facts *ret_facts)
{
	struct contents_facts facts = {
		.name = instance->name,
		.account_id = instance->site->account_id,
		.instance_id = str_of(instance->id),
		.instance_type = or_else(
			json_str_member(spec, "instanceType"), instance->bundle->instance_type),
		.architecture = or_else(json_str_member(spec, "architecture"), STR("x86_64")),
	};
	struct placing placing = {.text = text};
	place_zone(&placing, instance, spec, &facts);
	place_begin(&placing);
	if (json_str_member(spec, "imageId").p) {
		buf_add(text, json_str_member(spec, "imageId"));
	} else {
		derive_id(text, "ami-", instance->blueprint->id);
	}
	place_end(&placing, &facts.image_id);
	place_addresses(&placing, instance, spec, &facts);
	place_mac(&placing, instance, spec, &facts);
	TRY(place_finish(&placing));
	*ret_facts = facts;
	return 0;
}

/* --- categories ------------------------------------------------------------------------------ */

/* A text that is put together and then stands at DIRECTORY/NAME. */
static void put_built(
	struct builder *builder, const char *directory, const char *name, struct buf *value)
{
	if (buf_status(value) == 0) {
		builder_text(
			builder, directory, name, (struct str){value->p ? value->p : "", value->n});
	} else if (builder->status == 0) {
		builder->status = buf_status(value);
	}
	buf_reset(value);
}

static void put_simple(struct builder *builder, const struct instance *instance,
	const struct contents_facts *facts, const json_t *spec, struct buf *scratch)
{
	builder_text(builder, META, "ami-id", facts->image_id);
	builder_text(builder, META, "ami-launch-index", STR("0"));
	builder_text(builder, META, "ami-manifest-path", STR("(unknown)"));
	builder_text(builder, META, "hostname", facts->private_dns);
	builder_text(builder, META, "instance-action", STR("none"));
	builder_text(builder, META, "instance-id", facts->instance_id);
	builder_text(builder, META, "instance-life-cycle",
		or_else(json_str_member(spec, "instanceLifeCycle"), STR("on-demand")));
	builder_text(builder, META, "instance-type", facts->instance_type);
	builder_text(builder, META, "local-hostname", facts->private_dns);
	builder_text(builder, META, "local-ipv4", facts->private_address);
	builder_text(builder, META, "mac", facts->mac);
	builder_text(builder, META "/metrics", "vhostmd",
		STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"));
	builder_text(builder, META, "profile", STR("default-hvm"));
	builder_text(builder, META, "public-hostname", facts->public_dns);
	builder_text(builder, META, "public-ipv4", facts->public_address);
	builder_text(builder, META "/services", "domain", derive_domain(facts->region));
	builder_text(builder, META "/services", "partition", derive_partition(facts->region));
	builder_text(builder, META, "system", STR("nitro"));
	builder_text(builder, META "/block-device-mapping", "ami", STR("xvda"));
	builder_text(builder, META "/block-device-mapping", "root", STR("/dev/xvda"));
	builder_text(builder, META "/placement", "availability-zone", facts->zone);
	builder_text(builder, META "/placement", "region", facts->region);
	derive_zone_id(scratch, facts->region, facts->zone);
	put_built(builder, META "/placement", "availability-zone-id", scratch);
	derive_id(scratch, "r-", instance->name);
	put_built(builder, META, "reservation-id", scratch);
	builder_text(builder, DYNAMIC "/fws", "instance-monitoring",
		or_else(json_str_member(spec, "monitoring"), STR("disabled")));
}

/* The members of a JSON array, LF between. */
static void join_lines(struct buf *out, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (i) {
			buf_add_char(out, '\n');
		}
		buf_add(out, json_str_at(list, i));
	}
}

static void add_security_groups(struct buf *out, const json_t *spec)
{
	const json_t *groups = json_object_get(spec, "securityGroups");
	if (json_array_size(groups)) {
		join_lines(out, groups);
	} else {
		buf_add(out, STR("default"));
	}
}

static void add_cidr4(struct buf *out, const struct ipaddr *address, unsigned length)
{
	char text[IPADDR_TEXT_BYTES];
	struct ipaddr base = ipaddr_mask(address, (uint8_t)(96 + length));
	ipaddr_format(&base, text);
	buf_add(out, str_of(text));
	buf_add_char(out, '/');
	buf_add_u64(out, length);
}

/* The networks of the IPv6 addresses, uncompressed, each once. */
static void add_cidr6(struct buf *out, const json_t *addresses, uint8_t length)
{
	struct ipaddr before = {{0}};
	for (size_t i = 0; i < json_array_size(addresses); i++) {
		char text[IPADDR_TEXT_BYTES];
		struct ipaddr one;
		if (ipaddr_parse(json_str_at(addresses, i), &one) < 0) {
			continue;
		}
		one = ipaddr_mask(&one, length);
		if (out->n && ipaddr_eq(&one, &before)) {
			continue;
		}
		before = one;
		ipaddr_format_long(&one, text);
		if (out->n) {
			buf_add_char(out, '\n');
		}
		buf_add(out, str_of(text));
		buf_add_char(out, '/');
		buf_add_u64(out, length);
	}
}

static void put_interface_ipv6(struct builder *builder, const char *directory,
	const json_t *addresses, struct buf *scratch)
{
	if (json_array_size(addresses) == 0) {
		return;
	}
	builder_text(builder, META, "ipv6", json_str_at(addresses, 0));
	join_lines(scratch, addresses);
	put_built(builder, directory, "ipv6s", scratch);
	add_cidr6(scratch, addresses, 64);
	put_built(builder, directory, "subnet-ipv6-cidr-blocks", scratch);
	add_cidr6(scratch, addresses, 56);
	put_built(builder, directory, "vpc-ipv6-cidr-blocks", scratch);
}

static void put_interface_ipv4(struct builder *builder, const char *directory,
	const struct contents_facts *facts, struct buf *scratch)
{
	builder_text(builder, directory, "local-hostname", facts->private_dns);
	builder_text(builder, directory, "local-ipv4s", facts->private_address);
	builder_text(builder, directory, "public-hostname", facts->public_dns);
	builder_text(builder, directory, "public-ipv4s", facts->public_address);
	add_cidr4(scratch, &facts->address, SUBNET_LEN);
	put_built(builder, directory, "subnet-ipv4-cidr-block", scratch);
	add_cidr4(scratch, &facts->address, VPC_LEN);
	put_built(builder, directory, "vpc-ipv4-cidr-block", scratch);
	add_cidr4(scratch, &facts->address, VPC_LEN);
	put_built(builder, directory, "vpc-ipv4-cidr-blocks", scratch);
	if (facts->public_address.p) {
		char path[PATH_BYTES];
		struct buf associations = buf_fixed(path, sizeof path - 1);
		buf_add(&associations, str_of(directory));
		buf_add(&associations, STR("/ipv4-associations"));
		path[associations.n] = '\0';
		buf_add(scratch, facts->public_address);
		buf_add_char(scratch, '\0');
		if (buf_status(scratch) == 0) {
			builder_text(builder, path, scratch->p, facts->private_address);
		}
		buf_reset(scratch);
	}
}

static void put_interface(struct builder *builder, const struct contents_facts *facts,
	const json_t *spec, struct buf *scratch)
{
	char directory[PATH_BYTES];
	struct buf path = buf_fixed(directory, sizeof directory - 1);
	buf_add(&path, STR(META "/network/interfaces/macs/"));
	buf_add(&path, facts->mac);
	directory[path.n] = '\0';

	builder_text(builder, directory, "device-number", STR("0"));
	builder_text(builder, directory, "mac", facts->mac);
	builder_text(builder, directory, "owner-id", facts->account_id);
	derive_id(scratch, "eni-", facts->name);
	put_built(builder, directory, "interface-id", scratch);
	/* One network a zone and one a region, whoever the instance is. */
	derive_id(scratch, "subnet-", facts->zone);
	put_built(builder, directory, "subnet-id", scratch);
	derive_id(scratch, "vpc-", facts->region);
	put_built(builder, directory, "vpc-id", scratch);
	derive_id(scratch, "sg-", facts->region);
	put_built(builder, directory, "security-group-ids", scratch);
	add_security_groups(scratch, spec);
	put_built(builder, directory, "security-groups", scratch);
	add_security_groups(scratch, spec);
	put_built(builder, META, "security-groups", scratch);
	put_interface_ipv4(builder, directory, facts, scratch);
	put_interface_ipv6(builder, directory, json_object_get(spec, "ipv6Addresses"), scratch);
}

/* public-keys lists "0=name", and public-keys/0 "openssh-key". */
static void put_public_keys(struct builder *builder, const json_t *spec, struct buf *scratch)
{
	const char *name;
	json_t *value;
	unsigned index = 0;
	json_object_foreach (json_object_get(spec, "publicKeys"), name, value) {
		char memory[64];
		struct buf path = buf_fixed(memory, sizeof memory - 1);
		buf_add(&path, STR(META "/public-keys/"));
		buf_add_u64(&path, index);
		memory[path.n] = '\0';
		buf_add_u64(scratch, index++);
		buf_add_char(scratch, '=');
		buf_add(scratch, str_of(name));
		builder_directory(builder, buf_str(&path), buf_str(scratch));
		buf_reset(scratch);
		buf_add(scratch, json_str(value));
		buf_add_char(scratch, '\n');
		put_built(builder, memory, "openssh-key", scratch);
	}
}

static void put_tags(struct builder *builder, const struct instance *instance, const json_t *spec)
{
	const char *key;
	json_t *value;
	if (!instance->options.tags) {
		return;
	}
	builder_directory(builder, STR(META "/tags/instance"), STR_EMPTY);
	json_object_foreach (json_object_get(spec, "tags"), key, value) {
		builder_text(builder, META "/tags/instance", key, json_str(value));
	}
}

/* --- IAM and identity ------------------------------------------------------------------------ */

static void put_role(struct builder *builder, const struct instance *instance,
	const struct contents_facts *facts, const json_t *spec, struct buf *scratch)
{
	struct str role = json_str_member(json_object_get(spec, "role"), "name");
	if (!role.p) {
		return;
	}
	char memory[512];
	struct buf arn = buf_fixed(memory, sizeof memory);
	buf_add(&arn, STR("arn:"));
	buf_add(&arn, derive_partition(facts->region));
	buf_add(&arn, STR(":iam::"));
	buf_add(&arn, facts->account_id);
	buf_add(&arn, STR(":instance-profile/"));
	buf_add(&arn, role);

	struct document info = document_begin(scratch, 2);
	document_text(&info, "Code", STR("Success"));
	document_time(&info, "LastUpdated", instance->record.changed_s);
	document_text(&info, "InstanceProfileArn", buf_str(&arn));
	buf_reset(&arn);
	buf_add(&arn, STR("AIPA"));
	derive_key_text(&arn, "instance profile", role, 17);
	document_text(&info, "InstanceProfileId", buf_str(&arn));
	document_end(&info);
	put_built(builder, META "/iam", "info", scratch);

	buf_reset(&arn);
	buf_add(&arn, STR(META "/iam/security-credentials/"));
	buf_add(&arn, role);
	builder_put(builder, buf_str(&arn), TREE_ROLE, STR_EMPTY);
}

static void put_instance_identity_role(struct builder *builder, const struct instance *instance,
	const struct contents_facts *facts, struct buf *scratch)
{
	struct document info = document_begin(scratch, 2);
	document_text(&info, "Code", STR("Success"));
	document_time(&info, "LastUpdated", instance->record.changed_s);
	document_text(&info, "AccountId", facts->account_id);
	document_end(&info);
	put_built(builder, META "/identity-credentials/ec2", "info", scratch);
	builder_put(builder,
		STR(META "/identity-credentials/ec2/security-credentials/ec2-instance"),
		TREE_INSTANCE_ROLE, STR_EMPTY);
}

static void add_codes(struct buf *out, const json_t *codes)
{
	buf_add(out, STR("[ "));
	for (size_t i = 0; i < json_array_size(codes); i++) {
		if (i) {
			buf_add(out, STR(", "));
		}
		document_string(out, json_str_at(codes, i));
	}
	buf_add(out, STR(" ]"));
}

static void put_identity_document(struct builder *builder, const struct instance *instance,
	const struct contents_facts *facts, const json_t *spec, struct buf *scratch)
{
	CLEANUP(buf_done) struct buf codes = BUF_EMPTY;
	const json_t *given = json_object_get(spec, "productCodes");
	if (json_array_size(given)) {
		add_codes(&codes, given);
	} else {
		buf_add(&codes, STR("null"));
	}
	if (buf_status(&codes) < 0) {
		put_built(builder, IDENTITY, "document", &codes); /* keeps the failure */
		return;
	}
	struct document d = document_begin(scratch, 2);
	document_text(&d, "accountId", facts->account_id);
	document_text(&d, "architecture", facts->architecture);
	document_text(&d, "availabilityZone", facts->zone);
	document_raw(&d, "billingProducts", STR("null"));
	document_raw(&d, "devpayProductCodes", STR("null"));
	document_raw(&d, "marketplaceProductCodes", buf_str(&codes));
	document_text(&d, "imageId", facts->image_id);
	document_text(&d, "instanceId", facts->instance_id);
	document_text(&d, "instanceType", facts->instance_type);
	document_raw(&d, "kernelId", STR("null"));
	document_time(&d, "pendingTime", instance->record.launched_s);
	document_text(&d, "privateIp", facts->private_address);
	document_raw(&d, "ramdiskId", STR("null"));
	document_text(&d, "region", facts->region);
	document_text(&d, "version", STR("2017-09-30"));
	document_end(&d);
	put_built(builder, IDENTITY, "document", scratch);
	builder_put(builder, STR(IDENTITY "/signature"), TREE_SIGNATURE, STR_EMPTY);
	builder_put(builder, STR(IDENTITY "/pkcs7"), TREE_PKCS7, STR_EMPTY);
	builder_put(builder, STR(IDENTITY "/rsa2048"), TREE_PKCS7, STR_EMPTY);
}

/* --- events, spot and the like --------------------------------------------------------------- */

static const char *const event_members[] = {
	"NotBefore", "Code", "Description", "EventId", "NotAfter", "State"};

/* The list in the service's own style, odd spaces and all. */
static void add_events(struct buf *out, const json_t *events)
{
	if (json_array_size(events) == 0) {
		buf_add(out, STR("[]"));
		return;
	}
	buf_add(out, STR("[ \n"));
	for (size_t i = 0; i < json_array_size(events); i++) {
		const json_t *event = json_array_get(events, i);
		buf_add(out, i ? STR(", \n  ") : STR("  "));
		struct document d = document_begin(out, 4);
		for (size_t m = 0; m < sizeof event_members / sizeof event_members[0]; m++) {
			struct str value = json_str_member(event, event_members[m]);
			if (value.p) {
				document_text(&d, event_members[m], value);
			}
		}
		document_end(&d);
	}
	buf_add(out, STR(" \n]"));
}

/* {"action": "stop", "time": "…"}: the compact style of spot and rebalance notices. */
static void add_compact(
	struct buf *out, const json_t *object, const char *first, const char *second)
{
	buf_add(out, STR("{\""));
	buf_add(out, str_of(first));
	buf_add(out, STR("\": "));
	document_string(out, json_str_member(object, first));
	if (second) {
		buf_add(out, STR(", \""));
		buf_add(out, str_of(second));
		buf_add(out, STR("\": "));
		document_string(out, json_str_member(object, second));
	}
	buf_add_char(out, '}');
}

static void put_events(struct builder *builder, const json_t *spec, struct buf *scratch)
{
	const json_t *events = json_object_get(spec, "events");
	const json_t *maintenance = json_object_get(events, "maintenance");
	const json_t *rebalance =
		json_object_get(json_object_get(events, "recommendations"), "rebalance");
	add_events(scratch, json_object_get(maintenance, "history"));
	put_built(builder, META "/events/maintenance", "history", scratch);
	add_events(scratch, json_object_get(maintenance, "scheduled"));
	put_built(builder, META "/events/maintenance", "scheduled", scratch);
	if (rebalance) {
		add_compact(scratch, rebalance, "noticeTime", NULL);
		put_built(builder, META "/events/recommendations", "rebalance", scratch);
	}
}

static void put_spot(struct builder *builder, const json_t *spec, struct buf *scratch)
{
	const json_t *spot = json_object_get(spec, "spot");
	const json_t *action = json_object_get(spot, "instanceAction");
	if (action) {
		add_compact(scratch, action, "action", "time");
		put_built(builder, META "/spot", "instance-action", scratch);
	}
	builder_text(builder, META "/spot", "termination-time",
		json_str_member(spot, "terminationTime"));
}

static void put_rare(struct builder *builder, const json_t *spec, struct buf *scratch)
{
	const json_t *hibernation = json_object_get(spec, "hibernation");
	const json_t *codes = json_object_get(spec, "productCodes");
	builder_text(builder, META "/autoscaling", "target-lifecycle-state",
		json_str_member(json_object_get(spec, "autoscaling"), "targetLifecycleState"));
	if (hibernation) {
		builder_text(builder, META "/hibernation", "configured",
			json_is_true(json_object_get(hibernation, "configured")) ? STR("true")
										 : STR("false"));
	}
	if (json_array_size(codes)) {
		join_lines(scratch, codes);
		put_built(builder, META, "product-codes", scratch);
	}
}

/* --- overrides ------------------------------------------------------------------------------- */

/* metadata: {placement: {group-name: blue}}: text at a path, a map is a directory, null removes. */
static int put_overrides(
	struct builder *builder, const json_t *map, struct buf *path, struct diag *diag)
{
	const char *name;
	json_t *value;
	size_t base = path->n;
	json_object_foreach (json_loose(map), name, value) {
		buf_add_char(path, '/');
		buf_add(path, str_of(name));
		if (buf_status(path) < 0) {
			return diag_set(diag, E_LIMIT, "metadata: a path is longer than %d bytes",
				PATH_BYTES);
		}
		if (json_is_object(value)) {
			TRY(put_overrides(builder, value, path, diag));
		} else if (json_is_null(value)) {
			builder_remove(builder, buf_str(path));
		} else if (json_is_string(value)) {
			builder_put(builder, buf_str(path), TREE_TEXT, json_str(value));
		} else {
			return diag_set(diag, E_SYNTAX, "metadata: '%s' is not text", name);
		}
		path->n = base;
	}
	return 0;
}

int contents_build(struct builder *builder, const struct instance *instance, const json_t *spec,
	struct diag *diag)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	CLEANUP(buf_done) struct buf scratch = BUF_EMPTY;
	struct contents_facts facts;
	TRY(contents_facts(instance, spec, &text, &facts));
	put_simple(builder, instance, &facts, spec, &scratch);
	put_interface(builder, &facts, spec, &scratch);
	put_public_keys(builder, spec, &scratch);
	put_tags(builder, instance, spec);
	put_role(builder, instance, &facts, spec, &scratch);
	put_instance_identity_role(builder, instance, &facts, &scratch);
	put_identity_document(builder, instance, &facts, spec, &scratch);
	put_events(builder, spec, &scratch);
	put_spot(builder, spec, &scratch);
	put_rare(builder, spec, &scratch);
	if (!json_object_get(spec, "userDataBase64")) {
		builder_missing(builder, STR("user-data"));
	}
	char memory[PATH_BYTES];
	struct buf path = buf_fixed(memory, sizeof memory);
	buf_add(&path, STR(META));
	return put_overrides(builder, json_object_get(spec, "metadata"), &path, diag);
}
