/* An instance as it is shown: every member, and no secret. */
#include "tests/unit/control_help.h"

#include "control/view.h"

/* The view of the one instance that a text specifies. */
static json_t *view_of(struct control *c, const char *text)
{
	assert_int_equal(control_put(c, text), 0);
	json_t *specs = control_specs(text);
	const char *name = json_string_value(json_object_get(json_array_get(specs, 0), "name"));
	struct entry *entry = registry_find(c->registry, str_of(name));
	assert_non_null(entry);
	json_decref(specs);
	json_t *view = view_instance(c->registry, entry);
	assert_non_null(view);
	return view;
}

static void assert_view(int line, const json_t *view, const char *want)
{
	json_t *expected = help_json(want);
	if (!json_equal(view, expected)) {
		char *have = json_dumps(view, JSON_SORT_KEYS | JSON_INDENT(1));
		char *wish = json_dumps(expected, JSON_SORT_KEYS | JSON_INDENT(1));
		fail_msg("case of line %d: %s\n   instead of %s", line, have, wish);
	}
	json_decref(expected);
}

static void a_plain_one(void **state)
{
	struct control *c = *state;
	json_t *view = view_of(c, "{name: plain}");
	assert_view(__LINE__, view,
		"{'name': 'plain', 'resourceType': 'Instance',"
		" 'arn': 'arn:aws:lightsail:us-west-2:123456789012:Instance/"
		"c4e6b346-72ff-4328-a5bc-e09b68e70f9b',"
		" 'supportCode': '123456789012/i-048aa991debca0cc2', 'instanceId': 'i-048aa991debca0cc2',"
		" 'createdAt': 1800000000, 'username': 'admin',"
		" 'location': {'availabilityZone': 'us-west-2a', 'regionName': 'us-west-2'},"
		" 'blueprintId': 'debian_12', 'blueprintName': 'Debian', 'bundleId': 'nano_3_0',"
		" 'hardware': {'cpuCount': 2, 'ramSizeInGb': 0.5, 'disks': [{'sizeInGb': 20,"
		" 'isSystemDisk': true, 'path': '/dev/xvda'}]},"
		" 'state': {'code': 16, 'name': 'running'}, 'isStaticIp': false,"
		" 'privateIpAddress': '172.26.151.135', 'ipv6Addresses': [], 'ipAddressType': 'ipv4',"
		" 'tags': [], 'metadataOptions': {'state': 'applied', 'httpTokens': 'optional',"
		" 'httpEndpoint': 'enabled', 'httpPutResponseHopLimit': 1,"
		" 'httpProtocolIpv6': 'disabled', 'instanceMetadataTags': 'disabled'},"
		" 'match': {'addresses': ['172.26.151.135']},"
		" 'counters': {'metadataNoToken': 0, 'metadataNoTokenRejected': 0, 'tokensIssued': 0,"
		" 'throttled': 0, 'connections': 0}}");
	json_decref(view);
}

static void a_full_one(void **state)
{
	struct control *c = *state;
	json_t *view = view_of(c,
		"{name: web-1, instanceId: i-0123456789abcdef0, blueprintId: amazon_linux_2023,"
		" bundleId: large_2_0, state: stopped, publicIpAddress: 192.0.2.10,"
		" privateIpAddress: 172.26.2.10, ipv6Addresses: ['2001:db8::1'],"
		" location: {regionName: cn-north-1, availabilityZone: cn-north-1b},"
		" publicKeys: {ops: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA}, tags: {b: '2', a: '1'},"
		" metadataOptions: {instanceMetadataTags: enabled, httpPutResponseHopLimit: 2},"
		" match: {network: lab, interface: tap0, mac: '02:AA:bb:cc:dd:01',"
		" addresses: [10.0.0.1, 10.1.0.0/16, 'fd00::1', 'fd00::/64', 0.0.0.0/0, '::/0']}}");
	assert_view(__LINE__, view,
		"{'name': 'web-1', 'resourceType': 'Instance',"
		" 'arn': 'arn:aws-cn:lightsail:cn-north-1:123456789012:Instance/"
		"758d973c-758c-4680-b82b-adef33d87b1d',"
		" 'supportCode': '123456789012/i-0123456789abcdef0', 'instanceId': 'i-0123456789abcdef0',"
		" 'createdAt': 1800000000, 'username': 'ec2-user', 'sshKeyName': 'ops',"
		" 'location': {'availabilityZone': 'cn-north-1b', 'regionName': 'cn-north-1'},"
		" 'blueprintId': 'amazon_linux_2023', 'blueprintName': 'Amazon Linux 2023',"
		" 'bundleId': 'large_2_0',"
		" 'hardware': {'cpuCount': 2, 'ramSizeInGb': 8.0, 'disks': [{'sizeInGb': 160,"
		" 'isSystemDisk': true, 'path': '/dev/xvda'}]},"
		" 'state': {'code': 80, 'name': 'stopped'}, 'isStaticIp': false,"
		" 'privateIpAddress': '172.26.2.10', 'publicIpAddress': '192.0.2.10',"
		" 'ipv6Addresses': ['2001:db8::1'], 'ipAddressType': 'dualstack',"
		" 'tags': [{'key': 'b', 'value': '2'}, {'key': 'a', 'value': '1'}],"
		" 'metadataOptions': {'state': 'applied', 'httpTokens': 'required',"
		" 'httpEndpoint': 'enabled', 'httpPutResponseHopLimit': 2,"
		" 'httpProtocolIpv6': 'disabled', 'instanceMetadataTags': 'enabled'},"
		" 'match': {'network': 'lab', 'interface': 'tap0', 'mac': '02:aa:bb:cc:dd:01',"
		" 'addresses': ['10.0.0.1', '10.1.0.0/16', 'fd00::1', 'fd00::/64', '0.0.0.0/0', '::/0']},"
		" 'counters': {'metadataNoToken': 0, 'metadataNoTokenRejected': 0, 'tokensIssued': 0,"
		" 'throttled': 0, 'connections': 0}}");
	json_decref(view);
}

static void counters(void **state)
{
	struct control *c = *state;
	json_t *view = view_of(c, "{name: web-1}");
	json_decref(view);
	struct entry *entry = registry_find(c->registry, STR("web-1"));
	for (unsigned worker = 0; worker < CONTROL_WORKERS; worker++) {
		struct stats *stats = entry_stats(entry, worker);
		stats_add(stats, STATS_NO_TOKEN);
		stats_add(stats, STATS_TOKENS_ISSUED);
	}
	stats_add(entry_stats(entry, 0), STATS_NO_TOKEN_REJECTED);
	stats_add(entry_stats(entry, 1), STATS_THROTTLED);
	stats_add(entry_stats(entry, 1), STATS_THROTTLED);
	stats_add(entry_stats(entry, 1), STATS_THROTTLED);
	atomic_store(&entry->holds, 5);
	view = view_instance(c->registry, entry);
	assert_view(__LINE__, json_object_get(view, "counters"),
		"{'metadataNoToken': 2, 'metadataNoTokenRejected': 1, 'tokensIssued': 2, 'throttled': 3,"
		" 'connections': 5}");
	atomic_store(&entry->holds, 0);
	json_decref(view);
}

static void no_secret_is_shown(void **state)
{
	struct control *c = *state;
	json_t *view = view_of(c,
		"{name: web-1, userData: hush-user-data, metadata: {x: hush-metadata},"
		" role: {name: hush-role, credentials: {accessKeyId: ASIAhush, secretAccessKey: hush-key,"
		" token: hush-token}}}");
	char *text = json_dumps(view, 0);
	assert_null(strstr(text, "hush"));
	assert_null(strstr(text, "aHVzaC"));
	free(text);
	json_decref(view);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, control_setup, control_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_plain_one),
		TEST(a_full_one),
		TEST(counters),
		TEST(no_secret_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
