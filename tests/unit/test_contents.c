/*
 * What an instance says: every category with its value, byte for byte, and nothing else; then what
 * its owner has put in its place.
 */
#include "tests/unit/metadata_help.h"

#include "metadata/contents.h"
#include "metadata/tree.h"

#define MACS "meta-data/network/interfaces/macs/"

/* --- crawling, as a client does ---------------------------------------------------------------- */

/* What stands at a path of the latest version, as text; STR_EMPTY when there is nothing. */
static struct str at(const struct tree *tree, const char *path)
{
	struct tree_hit hit;
	if (tree_find(tree, TREE_LATEST, str_of(path), &hit) < 0) {
		return STR_EMPTY;
	}
	return hit.value.p ? hit.value : STR("");
}

static void list(const struct tree *tree, const char *path, struct buf *out)
{
	struct tree_hit hit;
	assert_int_equal(tree_find(tree, TREE_LATEST, str_of(path), &hit), 0);
	assert_int_equal(hit.kind, TREE_DIRECTORY);
	tree_list(tree, TREE_LATEST, hit.node, out);
	assert_int_equal(buf_status(out), 0);
}

static void assert_list(int line, const struct tree *tree, const char *path, const char *want)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	list(tree, path, &out);
	case_text(line, buf_str(&out), want);
}

/* Every leaf below a path, one line each. */
static void crawl(const struct tree *tree, const char *path, struct buf *out)
{
	CLEANUP(buf_done) struct buf names = BUF_EMPTY;
	list(tree, path, &names);
	struct str rest = buf_str(&names);
	while (rest.n) {
		struct str line = {rest.p, str_find(rest, '\n')};
		struct str name = {line.p, str_find(line, '=')};
		char below[512];
		struct tree_hit hit;
		rest = str_from(rest, line.n < rest.n ? line.n + 1 : line.n);
		name.n -= name.n && name.p[name.n - 1] == '/';
		(void)snprintf(
			below, sizeof below, "%s%s%.*s", path, *path ? "/" : "", STR_FMT(name));
		if (tree_find(tree, TREE_LATEST, str_of(below), &hit) < 0) {
			continue; /* user-data that is not there */
		}
		if (hit.kind == TREE_DIRECTORY) {
			crawl(tree, below, out);
		} else {
			buf_add_f(out, "%s\n", below);
		}
	}
}

struct expected {
	int line;
	const char *path;
	const char *value;
};

/* The table has every leaf that there is, and each has its value. */
static void assert_leaves(const struct tree *tree, const struct expected *rows, size_t n)
{
	CLEANUP(buf_done) struct buf leaves = BUF_EMPTY;
	for (size_t i = 0; i < n; i++) {
		struct str value = at(tree, rows[i].path);
		if (!value.p) {
			fail_msg("case of line %d: there is no %s", rows[i].line, rows[i].path);
		}
		case_text(rows[i].line, value, rows[i].value);
	}
	crawl(tree, "", &leaves);
	struct str rest = buf_str(&leaves);
	size_t found = 0;
	while (rest.n) {
		struct str leaf = {rest.p, str_find(rest, '\n')};
		size_t i = 0;
		while (i < n && !str_eq(str_of(rows[i].path), leaf)) {
			i++;
		}
		if (i == n) {
			fail_msg("nobody expects %.*s", STR_FMT(leaf));
		}
		found++;
		rest = str_from(rest, leaf.n + 1);
	}
	assert_int_equal(found, n);
}

/* --- an instance with everything --------------------------------------------------------------- */

#define FULL                                                                                      \
	"{'name': 'full-1', 'instanceId': 'i-0123456789abcdef0', 'imageId': 'ami-0a1b2c3d',"      \
	" 'instanceType': 't4g.medium', 'architecture': 'arm64', 'instanceLifeCycle': 'spot',"    \
	" 'monitoring': 'enabled',"                                                               \
	" 'match': {'addresses': ['10.1.2.3'], 'mac': '02:AA:BB:CC:DD:01'},"                      \
	" 'location': {'availabilityZone': 'eu-north-1b', 'regionName': 'eu-north-1'},"           \
	" 'metadataOptions': {'instanceMetadataTags': 'enabled'},"                                \
	" 'publicKeys': {'ops': 'ssh-rsa AAAA ops', 'dev@home': 'ssh-ed25519 BBBB dev'},"         \
	" 'tags': {'Name': 'full-1', 'empty': '', 'a:b': 'c d'},"                                 \
	" 'role': {'name': 'app-role', 'credentials': {'accessKeyId': 'ASIAX',"                   \
	" 'secretAccessKey': 's', 'token': 't'}},"                                                \
	" 'privateIpAddress': '172.26.2.10', 'publicIpAddress': '192.0.2.10',"                    \
	" 'ipv6Addresses': ['2600:1f16:67f:f201::10', '2600:1f16:67f:f201::11',"                  \
	" '2600:1f16:67f:f202::12'],"                                                             \
	" 'securityGroups': ['web', 'default'], 'userDataBase64': 'aGkK',"                        \
	" 'events': {'maintenance': {'scheduled': [{'NotBefore': '21 Jan 2019 09:00:43 GMT',"     \
	" 'Code': 'system-reboot', 'Description': 'scheduled reboot',"                            \
	" 'EventId': 'instance-event-0d59937288b749b32', 'NotAfter': '21 Jan 2019 09:17:23 GMT'," \
	" 'State': 'active'}], 'history': [{'NotBefore': 'a', 'Code': 'b', 'Description':"        \
	" '[Canceled] c', 'EventId': 'd', 'NotAfter': 'e', 'State': 'canceled'},"                 \
	" {'NotBefore': 'f', 'Code': 'g', 'Description': '[Completed] h', 'EventId': 'i',"        \
	" 'NotAfter': 'j', 'State': 'completed'}]},"                                              \
	" 'recommendations': {'rebalance': {'noticeTime': '2020-11-05T08:22:00Z'}}},"             \
	" 'spot': {'instanceAction': {'action': 'stop', 'time': '2017-09-18T08:22:00Z'},"         \
	" 'terminationTime': '2015-01-05T18:02:00Z'},"                                            \
	" 'hibernation': {'configured': false},"                                                  \
	" 'autoscaling': {'targetLifecycleState': 'InService'},"                                  \
	" 'productCodes': ['3iplms73etrdhxdepv72l6ywj', 'x']}"

#define FULL_MAC        MACS "02:aa:bb:cc:dd:01/"
#define FULL_DNS        "ip-172-26-2-10.eu-north-1.compute.internal"
#define FULL_PUBLIC_DNS "ec2-192-0-2-10.eu-north-1.compute.amazonaws.com"

/* The derived ids are sha256(name NUL label), made by another program. */
static const struct expected full[] = {
	{__LINE__, "dynamic/fws/instance-monitoring", "enabled"},
	{__LINE__, "dynamic/instance-identity/document",
		"{\n"
		"  \"accountId\" : \"123456789012\",\n"
		"  \"architecture\" : \"arm64\",\n"
		"  \"availabilityZone\" : \"eu-north-1b\",\n"
		"  \"billingProducts\" : null,\n"
		"  \"devpayProductCodes\" : null,\n"
		"  \"marketplaceProductCodes\" : [ \"3iplms73etrdhxdepv72l6ywj\", \"x\" ],\n"
		"  \"imageId\" : \"ami-0a1b2c3d\",\n"
		"  \"instanceId\" : \"i-0123456789abcdef0\",\n"
		"  \"instanceType\" : \"t4g.medium\",\n"
		"  \"kernelId\" : null,\n"
		"  \"pendingTime\" : \"2023-11-14T22:14:20Z\",\n"
		"  \"privateIp\" : \"172.26.2.10\",\n"
		"  \"ramdiskId\" : null,\n"
		"  \"region\" : \"eu-north-1\",\n"
		"  \"version\" : \"2017-09-30\"\n"
		"}"},
	{__LINE__, "dynamic/instance-identity/pkcs7", ""},
	{__LINE__, "dynamic/instance-identity/rsa2048", ""},
	{__LINE__, "dynamic/instance-identity/signature", ""},
	{__LINE__, "meta-data/ami-id", "ami-0a1b2c3d"},
	{__LINE__, "meta-data/ami-launch-index", "0"},
	{__LINE__, "meta-data/ami-manifest-path", "(unknown)"},
	{__LINE__, "meta-data/autoscaling/target-lifecycle-state", "InService"},
	{__LINE__, "meta-data/block-device-mapping/ami", "xvda"},
	{__LINE__, "meta-data/block-device-mapping/root", "/dev/xvda"},
	{__LINE__, "meta-data/events/maintenance/history",
		"[ \n"
		"  {\n"
		"    \"NotBefore\" : \"a\",\n"
		"    \"Code\" : \"b\",\n"
		"    \"Description\" : \"[Canceled] c\",\n"
		"    \"EventId\" : \"d\",\n"
		"    \"NotAfter\" : \"e\",\n"
		"    \"State\" : \"canceled\"\n"
		"  }, \n"
		"  {\n"
		"    \"NotBefore\" : \"f\",\n"
		"    \"Code\" : \"g\",\n"
		"    \"Description\" : \"[Completed] h\",\n"
		"    \"EventId\" : \"i\",\n"
		"    \"NotAfter\" : \"j\",\n"
		"    \"State\" : \"completed\"\n"
		"  } \n"
		"]"},
	{__LINE__, "meta-data/events/maintenance/scheduled",
		"[ \n"
		"  {\n"
		"    \"NotBefore\" : \"21 Jan 2019 09:00:43 GMT\",\n"
		"    \"Code\" : \"system-reboot\",\n"
		"    \"Description\" : \"scheduled reboot\",\n"
		"    \"EventId\" : \"instance-event-0d59937288b749b32\",\n"
		"    \"NotAfter\" : \"21 Jan 2019 09:17:23 GMT\",\n"
		"    \"State\" : \"active\"\n"
		"  } \n"
		"]"},
	{__LINE__, "meta-data/events/recommendations/rebalance",
		"{\"noticeTime\": \"2020-11-05T08:22:00Z\"}"},
	{__LINE__, "meta-data/hibernation/configured", "false"},
	{__LINE__, "meta-data/hostname", FULL_DNS},
	{__LINE__, "meta-data/iam/info",
		"{\n"
		"  \"Code\" : \"Success\",\n"
		"  \"LastUpdated\" : \"2023-11-14T23:13:20Z\",\n"
		"  \"InstanceProfileArn\" : "
		"\"arn:aws:iam::123456789012:instance-profile/app-role\",\n"
		"  \"InstanceProfileId\" : \"AIPAKDSYOBXJBGO2R6WNL\"\n"
		"}"},
	{__LINE__, "meta-data/iam/security-credentials/app-role", ""},
	{__LINE__, "meta-data/identity-credentials/ec2/info",
		"{\n"
		"  \"Code\" : \"Success\",\n"
		"  \"LastUpdated\" : \"2023-11-14T23:13:20Z\",\n"
		"  \"AccountId\" : \"123456789012\"\n"
		"}"},
	{__LINE__, "meta-data/identity-credentials/ec2/security-credentials/ec2-instance", ""},
	{__LINE__, "meta-data/instance-action", "none"},
	{__LINE__, "meta-data/instance-id", "i-0123456789abcdef0"},
	{__LINE__, "meta-data/instance-life-cycle", "spot"},
	{__LINE__, "meta-data/instance-type", "t4g.medium"},
	{__LINE__, "meta-data/ipv6", "2600:1f16:67f:f201::10"},
	{__LINE__, "meta-data/local-hostname", FULL_DNS},
	{__LINE__, "meta-data/local-ipv4", "172.26.2.10"},
	{__LINE__, "meta-data/mac", "02:aa:bb:cc:dd:01"},
	{__LINE__, "meta-data/metrics/vhostmd", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"},
	{__LINE__, FULL_MAC "device-number", "0"},
	{__LINE__, FULL_MAC "interface-id", "eni-0121008ed154a8aac"},
	{__LINE__, FULL_MAC "ipv4-associations/192.0.2.10", "172.26.2.10"},
	{__LINE__, FULL_MAC "ipv6s",
		"2600:1f16:67f:f201::10\n2600:1f16:67f:f201::11\n2600:1f16:67f:f202::12"},
	{__LINE__, FULL_MAC "local-hostname", FULL_DNS},
	{__LINE__, FULL_MAC "local-ipv4s", "172.26.2.10"},
	{__LINE__, FULL_MAC "mac", "02:aa:bb:cc:dd:01"},
	{__LINE__, FULL_MAC "owner-id", "123456789012"},
	{__LINE__, FULL_MAC "public-hostname", FULL_PUBLIC_DNS},
	{__LINE__, FULL_MAC "public-ipv4s", "192.0.2.10"},
	{__LINE__, FULL_MAC "security-group-ids", "sg-0526ded080555bf34"},
	{__LINE__, FULL_MAC "security-groups", "web\ndefault"},
	{__LINE__, FULL_MAC "subnet-id", "subnet-0a5d4cb8b4219b1d8"},
	{__LINE__, FULL_MAC "subnet-ipv4-cidr-block", "172.26.0.0/20"},
	{__LINE__, FULL_MAC "subnet-ipv6-cidr-blocks",
		"2600:1f16:67f:f201:0:0:0:0/64\n2600:1f16:67f:f202:0:0:0:0/64"},
	{__LINE__, FULL_MAC "vpc-id", "vpc-0499426fdd4b2d446"},
	{__LINE__, FULL_MAC "vpc-ipv4-cidr-block", "172.26.0.0/16"},
	{__LINE__, FULL_MAC "vpc-ipv4-cidr-blocks", "172.26.0.0/16"},
	{__LINE__, FULL_MAC "vpc-ipv6-cidr-blocks", "2600:1f16:67f:f200:0:0:0:0/56"},
	{__LINE__, "meta-data/placement/availability-zone", "eu-north-1b"},
	{__LINE__, "meta-data/placement/availability-zone-id", "eun1-az2"},
	{__LINE__, "meta-data/placement/region", "eu-north-1"},
	{__LINE__, "meta-data/product-codes", "3iplms73etrdhxdepv72l6ywj\nx"},
	{__LINE__, "meta-data/profile", "default-hvm"},
	{__LINE__, "meta-data/public-hostname", FULL_PUBLIC_DNS},
	{__LINE__, "meta-data/public-ipv4", "192.0.2.10"},
	{__LINE__, "meta-data/public-keys/0/openssh-key", "ssh-rsa AAAA ops\n"},
	{__LINE__, "meta-data/public-keys/1/openssh-key", "ssh-ed25519 BBBB dev\n"},
	{__LINE__, "meta-data/reservation-id", "r-0e52fac27a40dcbaa"},
	{__LINE__, "meta-data/security-groups", "web\ndefault"},
	{__LINE__, "meta-data/services/domain", "amazonaws.com"},
	{__LINE__, "meta-data/services/partition", "aws"},
	{__LINE__, "meta-data/spot/instance-action",
		"{\"action\": \"stop\", \"time\": \"2017-09-18T08:22:00Z\"}"},
	{__LINE__, "meta-data/spot/termination-time", "2015-01-05T18:02:00Z"},
	{__LINE__, "meta-data/system", "nitro"},
	{__LINE__, "meta-data/tags/instance/Name", "full-1"},
	{__LINE__, "meta-data/tags/instance/a:b", "c d"},
	{__LINE__, "meta-data/tags/instance/empty", ""},
	{__LINE__, "user-data", "hi\n"},
};

static void everything(void **state)
{
	(void)state;
	struct tree *tree = help_tree(FULL);
	assert_leaves(tree, full, sizeof full / sizeof full[0]);
	tree_free(tree);
}

static void listings_of_everything(void **state)
{
	(void)state;
	struct tree *tree = help_tree(FULL);
	static const struct expected lists[] = {
		{__LINE__, "", "dynamic\nmeta-data\nuser-data"},
		{__LINE__, "dynamic", "fws/\ninstance-identity/"},
		{__LINE__, "dynamic/instance-identity", "document\npkcs7\nrsa2048\nsignature"},
		{__LINE__, "meta-data",
			"ami-id\nami-launch-index\nami-manifest-path\nautoscaling/\n"
			"block-device-mapping/\nevents/\nhibernation/\nhostname\niam/\n"
			"identity-credentials/\ninstance-action\ninstance-id\ninstance-life-cycle\n"
			"instance-type\nipv6\nlocal-hostname\nlocal-ipv4\nmac\nmetrics/\nnetwork/\n"
			"placement/\nproduct-codes\nprofile\npublic-hostname\npublic-ipv4\n"
			"public-keys/\nreservation-id\nsecurity-groups\nservices/\nspot/\nsystem\n"
			"tags/"},
		{__LINE__, "meta-data/events", "maintenance/\nrecommendations/"},
		{__LINE__, "meta-data/iam", "info\nsecurity-credentials/"},
		{__LINE__, "meta-data/iam/security-credentials", "app-role"},
		{__LINE__, "meta-data/identity-credentials/ec2", "info\nsecurity-credentials/"},
		{__LINE__, "meta-data/network/interfaces/macs", "02:aa:bb:cc:dd:01/"},
		{__LINE__, MACS "02:aa:bb:cc:dd:01",
			"device-number\ninterface-id\nipv4-associations/\nipv6s\nlocal-hostname\n"
			"local-ipv4s\nmac\nowner-id\npublic-hostname\npublic-ipv4s\n"
			"security-group-ids\nsecurity-groups\nsubnet-id\nsubnet-ipv4-cidr-block\n"
			"subnet-ipv6-cidr-blocks\nvpc-id\nvpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks\n"
			"vpc-ipv6-cidr-blocks"},
		{__LINE__, MACS "02:aa:bb:cc:dd:01/ipv4-associations", "192.0.2.10"},
		{__LINE__, "meta-data/placement",
			"availability-zone\navailability-zone-id\nregion"},
		{__LINE__, "meta-data/public-keys", "0=ops\n1=dev@home"},
		{__LINE__, "meta-data/public-keys/0", "openssh-key"},
		{__LINE__, "meta-data/public-keys/1", "openssh-key"},
		{__LINE__, "meta-data/services", "domain\npartition"},
		{__LINE__, "meta-data/spot", "instance-action\ntermination-time"},
		{__LINE__, "meta-data/tags", "instance/"},
		{__LINE__, "meta-data/tags/instance", "Name\na:b\nempty"},
	};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		assert_list(lists[i].line, tree, lists[i].path, lists[i].value);
	}
	tree_free(tree);
}

/* The real service's listing of an instance with a role and a public address, and without a key. */
static void listing_as_captured(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct tree *tree = help_tree("{'name': 'web-1', 'publicIpAddress': '192.0.2.10',"
				      " 'role': {'name': 'AmazonLightsailInstanceRole'}}");
	list(tree, "meta-data", &out);
	case_text(__LINE__, buf_str(&out),
		"ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\nhostname\n"
		"iam/\nidentity-credentials/\ninstance-action\ninstance-id\ninstance-life-cycle\n"
		"instance-type\nlocal-hostname\nlocal-ipv4\nmac\nmetrics/\nnetwork/\nplacement/\n"
		"profile\npublic-hostname\npublic-ipv4\nreservation-id\nsecurity-groups\nservices/\n"
		"system");
	assert_int_equal(out.n, 312);
	buf_reset(&out);
	list(tree, MACS "02:f4:22:c1:a7:d7", &out);
	case_text(__LINE__, buf_str(&out),
		"device-number\ninterface-id\nipv4-associations/\nlocal-hostname\nlocal-ipv4s\nmac\n"
		"owner-id\npublic-hostname\npublic-ipv4s\nsecurity-group-ids\nsecurity-groups\n"
		"subnet-id\nsubnet-ipv4-cidr-block\nvpc-id\nvpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks");
	tree_free(tree);
}

/* --- an instance with nothing ------------------------------------------------------------------ */

#define PLAIN_MAC MACS "02:ec:2a:e1:e5:a8/"
#define PLAIN_DNS "ip-172-26-151-135.us-west-2.compute.internal"

static const struct expected plain[] = {
	{__LINE__, "dynamic/fws/instance-monitoring", "disabled"},
	{__LINE__, "dynamic/instance-identity/document",
		"{\n"
		"  \"accountId\" : \"123456789012\",\n"
		"  \"architecture\" : \"x86_64\",\n"
		"  \"availabilityZone\" : \"us-west-2a\",\n"
		"  \"billingProducts\" : null,\n"
		"  \"devpayProductCodes\" : null,\n"
		"  \"marketplaceProductCodes\" : null,\n"
		"  \"imageId\" : \"ami-0c2c1ccad4412c2e8\",\n"
		"  \"instanceId\" : \"i-048aa991debca0cc2\",\n"
		"  \"instanceType\" : \"t3.nano\",\n"
		"  \"kernelId\" : null,\n"
		"  \"pendingTime\" : \"2023-11-14T22:14:20Z\",\n"
		"  \"privateIp\" : \"172.26.151.135\",\n"
		"  \"ramdiskId\" : null,\n"
		"  \"region\" : \"us-west-2\",\n"
		"  \"version\" : \"2017-09-30\"\n"
		"}"},
	{__LINE__, "dynamic/instance-identity/pkcs7", ""},
	{__LINE__, "dynamic/instance-identity/rsa2048", ""},
	{__LINE__, "dynamic/instance-identity/signature", ""},
	{__LINE__, "meta-data/ami-id", "ami-0c2c1ccad4412c2e8"},
	{__LINE__, "meta-data/ami-launch-index", "0"},
	{__LINE__, "meta-data/ami-manifest-path", "(unknown)"},
	{__LINE__, "meta-data/block-device-mapping/ami", "xvda"},
	{__LINE__, "meta-data/block-device-mapping/root", "/dev/xvda"},
	{__LINE__, "meta-data/events/maintenance/history", "[]"},
	{__LINE__, "meta-data/events/maintenance/scheduled", "[]"},
	{__LINE__, "meta-data/hostname", PLAIN_DNS},
	{__LINE__, "meta-data/identity-credentials/ec2/info",
		"{\n"
		"  \"Code\" : \"Success\",\n"
		"  \"LastUpdated\" : \"2023-11-14T23:13:20Z\",\n"
		"  \"AccountId\" : \"123456789012\"\n"
		"}"},
	{__LINE__, "meta-data/identity-credentials/ec2/security-credentials/ec2-instance", ""},
	{__LINE__, "meta-data/instance-action", "none"},
	{__LINE__, "meta-data/instance-id", "i-048aa991debca0cc2"},
	{__LINE__, "meta-data/instance-life-cycle", "on-demand"},
	{__LINE__, "meta-data/instance-type", "t3.nano"},
	{__LINE__, "meta-data/local-hostname", PLAIN_DNS},
	{__LINE__, "meta-data/local-ipv4", "172.26.151.135"},
	{__LINE__, "meta-data/mac", "02:ec:2a:e1:e5:a8"},
	{__LINE__, "meta-data/metrics/vhostmd", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"},
	{__LINE__, PLAIN_MAC "device-number", "0"},
	{__LINE__, PLAIN_MAC "interface-id", "eni-06a057aa6ea9d9d4a"},
	{__LINE__, PLAIN_MAC "local-hostname", PLAIN_DNS},
	{__LINE__, PLAIN_MAC "local-ipv4s", "172.26.151.135"},
	{__LINE__, PLAIN_MAC "mac", "02:ec:2a:e1:e5:a8"},
	{__LINE__, PLAIN_MAC "owner-id", "123456789012"},
	{__LINE__, PLAIN_MAC "security-group-ids", "sg-09664894ca6384a25"},
	{__LINE__, PLAIN_MAC "security-groups", "default"},
	{__LINE__, PLAIN_MAC "subnet-id", "subnet-0128f83e371a04241"},
	{__LINE__, PLAIN_MAC "subnet-ipv4-cidr-block", "172.26.144.0/20"},
	{__LINE__, PLAIN_MAC "vpc-id", "vpc-0f8b66a9646eea96c"},
	{__LINE__, PLAIN_MAC "vpc-ipv4-cidr-block", "172.26.0.0/16"},
	{__LINE__, PLAIN_MAC "vpc-ipv4-cidr-blocks", "172.26.0.0/16"},
	{__LINE__, "meta-data/placement/availability-zone", "us-west-2a"},
	{__LINE__, "meta-data/placement/availability-zone-id", "usw2-az1"},
	{__LINE__, "meta-data/placement/region", "us-west-2"},
	{__LINE__, "meta-data/profile", "default-hvm"},
	{__LINE__, "meta-data/reservation-id", "r-0df2acf7e440ac526"},
	{__LINE__, "meta-data/security-groups", "default"},
	{__LINE__, "meta-data/services/domain", "amazonaws.com"},
	{__LINE__, "meta-data/services/partition", "aws"},
	{__LINE__, "meta-data/system", "nitro"},
};

static void nothing_given(void **state)
{
	(void)state;
	struct tree *tree = help_tree("{'name': 'plain'}");
	assert_leaves(tree, plain, sizeof plain / sizeof plain[0]);
	/* Listed all the same; asking for it is a 404. */
	assert_list(__LINE__, tree, "", "dynamic\nmeta-data\nuser-data");
	assert_null(at(tree, "user-data").p);
	static const char *const absent[] = {"meta-data/iam", "meta-data/iam/info",
		"meta-data/ipv6", "meta-data/public-ipv4", "meta-data/public-hostname",
		"meta-data/public-keys", "meta-data/spot", "meta-data/tags",
		"meta-data/tags/instance", "meta-data/events/recommendations",
		"meta-data/hibernation", "meta-data/autoscaling", "meta-data/product-codes",
		PLAIN_MAC "ipv4-associations", PLAIN_MAC "ipv6s", PLAIN_MAC "network-card",
		"meta-data/kernel-id", "meta-data/x", "x"};
	for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
		assert_null(at(tree, absent[i]).p);
	}
	tree_free(tree);
}

/* --- where it stands --------------------------------------------------------------------------- */

static void location(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *spec;
		const char *path;
		const char *value;
	} cases[] = {
		/* The zone alone says the region; the region alone has a zone a. */
		{__LINE__, "'location': {'availabilityZone': 'eu-west-1c'}", "placement/region",
			"eu-west-1"},
		{__LINE__, "'location': {'availabilityZone': 'eu-west-1c'}",
			"placement/availability-zone", "eu-west-1c"},
		{__LINE__, "'location': {'regionName': 'eu-west-1'}", "placement/availability-zone",
			"eu-west-1a"},
		{__LINE__, "'location': {'regionName': 'eu-west-1'}",
			"placement/availability-zone-id", "euw1-az1"},
		/* Names and domains of regions that differ. */
		{__LINE__,
			"'location': {'regionName': 'us-east-1'}, 'privateIpAddress': '172.26.1.9'",
			"local-hostname", "ip-172-26-1-9.ec2.internal"},
		{__LINE__,
			"'location': {'regionName': 'us-east-1'}, 'publicIpAddress': '192.0.2.9'",
			"public-hostname", "ec2-192-0-2-9.compute-1.amazonaws.com"},
		{__LINE__,
			"'location': {'regionName': 'cn-north-1'}, 'publicIpAddress': '192.0.2.9'",
			"public-hostname", "ec2-192-0-2-9.cn-north-1.compute.amazonaws.com.cn"},
		{__LINE__, "'location': {'regionName': 'cn-north-1'}", "services/domain",
			"amazonaws.com.cn"},
		{__LINE__, "'location': {'regionName': 'cn-north-1'}", "services/partition",
			"aws-cn"},
		{__LINE__, "'location': {'regionName': 'us-gov-west-1'}", "services/partition",
			"aws-us-gov"},
		/* The private address: given, or the match's first that can be one, or derived. */
		{__LINE__, "'privateIpAddress': '10.9.8.7', 'match': {'addresses': ['10.1.1.1']}",
			"local-ipv4", "10.9.8.7"},
		{__LINE__, "'match': {'addresses': ['10.1.1.1', '10.1.1.2']}", "local-ipv4",
			"10.1.1.1"},
		{__LINE__, "'match': {'addresses': ['fd00::1', '10.1.1.0/24', '10.1.2.2']}",
			"local-ipv4", "10.1.2.2"},
		{__LINE__, "'match': {'addresses': ['127.0.0.1', '10.1.1.2']}", "local-ipv4",
			"10.1.1.2"},
		{__LINE__, "'match': {'addresses': ['127.0.0.1']}", "local-ipv4", "172.26.151.135"},
		{__LINE__, "'match': {'addresses': ['fd00::1']}", "local-ipv4", "172.26.151.135"},
		{__LINE__, "'match': {'addresses': ['10.1.0.0/16']}", "local-ipv4",
			"172.26.151.135"},
		/* Of blueprint and bundle. */
		{__LINE__, "'blueprintId': 'amazon_linux_2023'", "ami-id", "ami-05c8534d30108a7ee"},
		{__LINE__, "'bundleId': 'large_2_0'", "instance-type", "t2.large"},
		/* IPv6 alone, one address. */
		{__LINE__, "'ipv6Addresses': ['2001:db8::1']",
			"network/interfaces/macs/02:ec:2a:e1:e5:a8/vpc-ipv6-cidr-blocks",
			"2001:db8:0:0:0:0:0:0/56"},
		{__LINE__, "'hibernation': {'configured': true}", "hibernation/configured", "true"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char spec[512], path[256];
		(void)snprintf(spec, sizeof spec, "{'name': 'plain', %s}", cases[i].spec);
		(void)snprintf(path, sizeof path, "meta-data/%s", cases[i].path);
		struct tree *tree = help_tree(spec);
		case_text(cases[i].line, at(tree, path), cases[i].value);
		tree_free(tree);
	}
}

static void tags_only_when_enabled(void **state)
{
	(void)state;
	struct tree *tree = help_tree("{'name': 'plain', 'tags': {'Name': 'x'}}");
	assert_null(at(tree, "meta-data/tags").p);
	tree_free(tree);
	tree = help_tree(
		"{'name': 'plain', 'metadataOptions': {'instanceMetadataTags': 'enabled'}}");
	assert_list(__LINE__, tree, "meta-data/tags", "instance/");
	assert_list(__LINE__, tree, "meta-data/tags/instance", "");
	tree_free(tree);
}

static void more_than_ten_keys(void **state)
{
	(void)state;
	struct tree *tree = help_tree(
		"{'name': 'plain', 'publicKeys': {'a': 'A', 'b': 'B', 'c': 'C', 'd': 'D', 'e': 'E',"
		" 'f': 'F', 'g': 'G', 'h': 'H', 'i': 'I', 'j': 'J', 'k': 'K', 'l=m': 'L'}}");
	/* Bytewise, as everything. */
	assert_list(__LINE__, tree, "meta-data/public-keys",
		"0=a\n1=b\n10=k\n11=l=m\n2=c\n3=d\n4=e\n5=f\n6=g\n7=h\n8=i\n9=j");
	case_text(__LINE__, at(tree, "meta-data/public-keys/10/openssh-key"), "K\n");
	case_text(__LINE__, at(tree, "meta-data/public-keys/11/openssh-key"), "L\n");
	tree_free(tree);
}

static void many_product_codes(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	enum { MANY = 50 };
	buf_add(&text, STR("{'name': 'plain', 'productCodes': ["));
	for (int i = 0; i < MANY; i++) {
		buf_add_f(&text, "%s'a-code-that-is-rather-long-%d'", i ? ", " : "", i);
	}
	buf_add(&text, STR("]}"));
	char *spec = buf_take(&text);
	struct tree *tree = help_tree(spec);
	struct str document = at(tree, "dynamic/instance-identity/document");
	json_t *json = json_loadb(document.p, document.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	const json_t *codes = json_object_get(json, "marketplaceProductCodes");
	assert_int_equal(json_array_size(codes), MANY);
	assert_string_equal(json_string_value(json_array_get(codes, MANY - 1)),
		"a-code-that-is-rather-long-49");
	json_decref(json);
	tree_free(tree);
	free(spec);
}

/* --- hostile values ---------------------------------------------------------------------------- */

/* What stands in a document is escaped, so that it stays one. */
static void documents_stay_documents(void **state)
{
	(void)state;
	struct tree *tree = help_tree(
		"{'name': 'plain', 'instanceType': 'a\\\"b\\\\c\\nd', 'role': {'name': 'r\\\"x'},"
		" 'spot': {'instanceAction': {'action': 'st\\\"op', 'time': '\\u0001'}},"
		" 'events': {'maintenance': {'scheduled': [{'Code': '\\\",\\\"x'}]}}}");
	static const char *const documents[] = {"dynamic/instance-identity/document",
		"meta-data/iam/info", "meta-data/spot/instance-action",
		"meta-data/events/maintenance/scheduled"};
	for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
		struct str text = at(tree, documents[i]);
		json_t *json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
		if (!json) {
			fail_msg("%s: %.*s", documents[i], STR_FMT(text));
		}
		json_decref(json);
	}
	struct str text = at(tree, documents[0]);
	json_t *json = json_loadb(text.p, text.n, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json, "instanceType")), "a\"b\\c\nd");
	json_decref(json);
	tree_free(tree);
}

/* --- overrides --------------------------------------------------------------------------------- */

struct override {
	int line;
	const char *metadata;
	const char *path; /* below meta-data */
	const char *value;
	const char *listing; /* a list instead of a value; both NULL: 404 */
};

static const struct override overrides[] = {
	/* set: a new leaf, a new directory, one that was there */
	{__LINE__, "{'of-my-own': 'x'}", "of-my-own", "x", NULL},
	{__LINE__, "{'of': {'my': {'own': 'x'}}}", "of/my/own", "x", NULL},
	{__LINE__, "{'of': {'my': {'own': 'x'}}}", "of", NULL, "my/"},
	{__LINE__, "{'of': {'my': {'own': 'x'}}}", "of/my", NULL, "own"},
	{__LINE__, "{'instance-type': 'm7i.metal'}", "instance-type", "m7i.metal", NULL},
	{__LINE__, "{'instance-type': ''}", "instance-type", "", NULL},
	{__LINE__, "{'placement': {'group-name': 'blue'}}", "placement/group-name", "blue", NULL},
	{__LINE__, "{'placement': {'group-name': 'blue'}}", "placement", NULL,
		"availability-zone\navailability-zone-id\ngroup-name\nregion"},
	{__LINE__, "{'placement': {'region': 'mars'}}", "placement/region", "mars", NULL},
	{__LINE__, "{'placement': {'region': 'mars'}}", "placement/availability-zone", "us-west-2a",
		NULL},
	{__LINE__, "{'a': 'b\\nc\\n'}", "a", "b\nc\n", NULL},
	/* a leaf becomes a map */
	{__LINE__, "{'system': {'kind': 'x'}}", "system", NULL, "kind"},
	{__LINE__, "{'system': {'kind': 'x'}}", "system/kind", "x", NULL},
	{__LINE__, "{'services': {'domain': {'a': '1', 'b': '2'}}}", "services", NULL,
		"domain/\npartition"},
	{__LINE__, "{'services': {'domain': {'a': '1', 'b': '2'}}}", "services/domain", NULL,
		"a\nb"},
	/* a map becomes a leaf, and what was below it goes */
	{__LINE__, "{'services': 'none'}", "services", "none", NULL},
	{__LINE__, "{'services': 'none'}", "services/domain", NULL, NULL},
	{__LINE__, "{'network': 'x'}", "network/interfaces/macs", NULL, NULL},
	{__LINE__, "{'public-keys': 'x'}", "public-keys", "x", NULL},
	{__LINE__, "{'public-keys': 'x'}", "public-keys/0/openssh-key", NULL, NULL},
	{__LINE__, "{'public-keys': {'0': 'x'}}", "public-keys/0", "x", NULL},
	{__LINE__, "{'public-keys': {'0': 'x'}}", "public-keys", NULL, "0"},
	/* null removes, whatever it is, and does not mind what is not there */
	{__LINE__, "{'system': null}", "system", NULL, NULL},
	{__LINE__, "{'services': null}", "services", NULL, NULL},
	{__LINE__, "{'services': null}", "services/domain", NULL, NULL},
	{__LINE__, "{'services': {'domain': null}}", "services", NULL, "partition"},
	{__LINE__, "{'services': {'domain': null}}", "services/domain", NULL, NULL},
	{__LINE__, "{'services': {'domain': null, 'partition': null}}", "services", NULL, ""},
	{__LINE__, "{'public-keys': {'0': null}}", "public-keys", NULL, ""},
	{__LINE__, "{'of-my-own': null}", "of-my-own", NULL, NULL},
	{__LINE__, "{'of': {'my': null}}", "of", NULL, NULL},
	{__LINE__, "{'system': {'x': null}}", "system", "nitro", NULL},
	/* part of a directory that has a label: the label stays */
	{__LINE__, "{'public-keys': {'0': {'openssh-key': 'other'}}}", "public-keys/0/openssh-key",
		"other", NULL},
	{__LINE__, "{'public-keys': {'0': {'openssh-key': 'other'}}}", "public-keys", NULL,
		"0=ops"},
	{__LINE__, "{'public-keys': {'0': {'x': 'y'}}}", "public-keys/0", NULL, "openssh-key\nx"},
	/* what is answered by the role, or is signed */
	{__LINE__, "{'iam': {'security-credentials': {'app': 'mine'}}}",
		"iam/security-credentials/app", "mine", NULL},
	{__LINE__, "{'iam': {'security-credentials': null}}", "iam", NULL, "info"},
	{__LINE__, "{'iam': {'security-credentials': {'app': {'x': 'y'}}}}",
		"iam/security-credentials", NULL, "app/"},
	/* one after the other, in their order */
	{__LINE__, "{'a': null, 'b': 'x'}", "b", "x", NULL},
	{__LINE__, "{'system': null, 'systems': 'x'}", "systems", "x", NULL},
};

static void override_by_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof overrides / sizeof overrides[0]; i++) {
		const struct override *c = &overrides[i];
		char spec[512], path[128];
		struct tree_hit hit;
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		(void)snprintf(spec, sizeof spec,
			"{'name': 'plain', 'publicKeys': {'ops': 'K'}, 'role': {'name': 'app'},"
			" 'metadata': %s}",
			c->metadata);
		(void)snprintf(path, sizeof path, "meta-data/%s", c->path);
		struct tree *tree = help_tree(spec);
		int rc = tree_find(tree, TREE_LATEST, str_of(path), &hit);
		case_int(c->line, rc, c->value || c->listing ? 0 : E_NOTFOUND);
		if (rc == 0) {
			case_int(c->line, hit.kind, c->value ? TREE_TEXT : TREE_DIRECTORY);
		}
		if (c->value) {
			case_text(c->line, hit.value, c->value);
		}
		if (c->listing) {
			tree_list(tree, TREE_LATEST, hit.node, &out);
			case_text(c->line, buf_str(&out), c->listing);
		}
		tree_free(tree);
	}
}

/* A specification that makes no tree says why. */
static void refused(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *spec;
		int rc;
	} cases[] = {
		{__LINE__, "'metadata': {'x': 1}", E_SYNTAX},
		{__LINE__, "'metadata': {'x': ['a']}", E_SYNTAX},
		{__LINE__, "'metadata': {'x': {'y': true}}", E_SYNTAX},
		{__LINE__, "'userDataBase64': 'not base64!'", E_SYNTAX},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char spec[256];
		struct diag diag = {{0}};
		(void)snprintf(spec, sizeof spec, "{'name': 'plain', %s}", cases[i].spec);
		struct instance *instance = help_instance(spec);
		struct tree *tree = NULL;
		case_int(cases[i].line, tree_compile(instance, &tree, &diag), cases[i].rc);
		case_int(cases[i].line, tree == NULL, true);
		case_int(cases[i].line, diag.text[0] != '\0', true);
		instance_free(instance);
	}
}

/* --- facts ------------------------------------------------------------------------------------- */

static void facts_alone(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	struct instance *instance = help_instance(FULL);
	json_t *spec = instance_spec(instance);
	struct contents_facts facts;
	assert_int_equal(contents_facts(instance, spec, &text, &facts), 0);
	case_text(__LINE__, facts.name, "full-1");
	case_text(__LINE__, facts.instance_id, "i-0123456789abcdef0");
	case_text(__LINE__, facts.image_id, "ami-0a1b2c3d");
	case_text(__LINE__, facts.instance_type, "t4g.medium");
	case_text(__LINE__, facts.architecture, "arm64");
	case_text(__LINE__, facts.region, "eu-north-1");
	case_text(__LINE__, facts.zone, "eu-north-1b");
	case_text(__LINE__, facts.account_id, HELP_ACCOUNT);
	case_text(__LINE__, facts.private_address, "172.26.2.10");
	case_text(__LINE__, facts.private_dns, FULL_DNS);
	case_text(__LINE__, facts.public_address, "192.0.2.10");
	case_text(__LINE__, facts.public_dns, FULL_PUBLIC_DNS);
	case_text(__LINE__, facts.mac, "02:aa:bb:cc:dd:01");
	json_decref(spec);
	instance_free(instance);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything),
		cmocka_unit_test(listings_of_everything),
		cmocka_unit_test(listing_as_captured),
		cmocka_unit_test(nothing_given),
		cmocka_unit_test(location),
		cmocka_unit_test(tags_only_when_enabled),
		cmocka_unit_test(more_than_ten_keys),
		cmocka_unit_test(many_product_codes),
		cmocka_unit_test(documents_stay_documents),
		cmocka_unit_test(override_by_path),
		cmocka_unit_test(refused),
		cmocka_unit_test(facts_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
