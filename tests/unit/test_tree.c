/* The compiled tree: finding and listing, by version; what it is made of, how large it may be and is. */
#include "tests/unit/metadata_help.h"

#include "metadata/builder.h"
#include "metadata/derive.h"
#include "metadata/versions.h"

#define MOST_BYTES ((size_t)8 * 1024) /* of a realistic instance's tree */

static int find(const struct tree *tree, const char *path, struct tree_hit *ret_hit)
{
	return tree_find(tree, TREE_LATEST, str_of(path), ret_hit);
}

static tree_version version_of(const char *name)
{
	tree_version version;
	assert_int_equal(tree_version_find(str_of(name), &version), 0);
	return version;
}

/* --- finding ----------------------------------------------------------------------------------- */

static void by_whole_paths_alone(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *path;
		bool there;
	} cases[] = {
		{__LINE__, "", true},
		{__LINE__, "meta-data", true},
		{__LINE__, "meta-data/placement", true},
		{__LINE__, "meta-data/placement/region", true},
		{__LINE__, "user-data", true},
		{__LINE__, "meta-dat", false},
		{__LINE__, "meta-dataa", false},
		{__LINE__, "meta-data/", false},
		{__LINE__, "/meta-data", false},
		{__LINE__, "/", false},
		{__LINE__, "meta-data//placement", false},
		{__LINE__, "placement", false},
		{__LINE__, "placement/region", false},
		{__LINE__, "region", false},
		{__LINE__, "ta/placement/region", false},
		{__LINE__, "meta-data/region", false},
		{__LINE__, "x/placement/region", false},
		{__LINE__, "meta-data/x/region", false},
		{__LINE__, "meta-data/placement/regio", false},
		{__LINE__, "meta-data/placement/regionx", false},
		{__LINE__, "meta-data/placement/region/x", false},
		{__LINE__, "meta-data/placement/region/region", false},
		{__LINE__, "meta-data/instance-id/instance-id", false},
		{__LINE__, "META-DATA", false},
		{__LINE__, "meta-data/Instance-id", false},
		{__LINE__, "meta-data/public-keys/0", true},
		{__LINE__, "meta-data/public-keys/0=ops", false},
		{__LINE__, "meta-data/public-keys/1", false},
		{__LINE__, "latest/meta-data", false},
	};
	struct tree *tree = help_tree(HELP_REALISTIC);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tree_hit hit;
		case_int(cases[i].line, find(tree, cases[i].path, &hit),
			cases[i].there ? 0 : E_NOTFOUND);
	}
	tree_free(tree);
}

static void kinds(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *path;
		enum tree_kind kind;
	} cases[] = {
		{__LINE__, "", TREE_DIRECTORY},
		{__LINE__, "dynamic", TREE_DIRECTORY},
		{__LINE__, "user-data", TREE_USER_DATA},
		{__LINE__, "meta-data/mac", TREE_TEXT},
		{__LINE__, "meta-data/iam/security-credentials/AmazonLightsailInstanceRole",
			TREE_ROLE},
		{__LINE__, "meta-data/identity-credentials/ec2/security-credentials/ec2-instance",
			TREE_INSTANCE_ROLE},
		{__LINE__, "dynamic/instance-identity/document", TREE_TEXT},
		{__LINE__, "dynamic/instance-identity/signature", TREE_SIGNATURE},
		{__LINE__, "dynamic/instance-identity/pkcs7", TREE_PKCS7},
		{__LINE__, "dynamic/instance-identity/rsa2048", TREE_PKCS7},
	};
	struct tree *tree = help_tree(HELP_REALISTIC);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tree_hit hit;
		case_int(cases[i].line, find(tree, cases[i].path, &hit), 0);
		case_int(cases[i].line, hit.kind, cases[i].kind);
	}
	struct tree_hit document;
	assert_int_equal(find(tree, "dynamic/instance-identity/document", &document), 0);
	case_str(__LINE__, tree_document(tree), document.value);
	assert_true(str_starts(tree_document(tree), STR("{\n  \"accountId\" : \"123456789012\"")));
	tree_free(tree);
}

/* Many names, so that each slot of the hash has some: all are found, none that is not there. */
static void many_names(void **state)
{
	(void)state;
	CLEANUP(builder_done) struct builder builder = BUILDER_EMPTY;
	struct tree *tree = NULL;
	enum { DIRECTORIES = 40, LEAVES = 50 };
	char path[64], value[16];
	for (int d = 0; d < DIRECTORIES; d++) {
		for (int l = 0; l < LEAVES; l++) {
			(void)snprintf(path, sizeof path, "d%d/l%d", d, l);
			(void)snprintf(value, sizeof value, "%d", d * LEAVES + l);
			builder_put(&builder, str_of(path), TREE_TEXT, str_of(value));
		}
	}
	assert_int_equal(builder_finish(&builder, &tree), 0);
	for (int d = 0; d < DIRECTORIES + 3; d++) {
		for (int l = 0; l < LEAVES + 3; l++) {
			struct tree_hit hit;
			bool there = d < DIRECTORIES && l < LEAVES;
			(void)snprintf(path, sizeof path, "d%d/l%d", d, l);
			assert_int_equal(find(tree, path, &hit), there ? 0 : E_NOTFOUND);
			if (there) {
				(void)snprintf(value, sizeof value, "%d", d * LEAVES + l);
				case_text(__LINE__, hit.value, value);
			}
		}
	}
	tree_free(tree);
}

/* A path that ends like one that is there is another, whatever slot of the hash it falls into. */
static void ends_alike(void **state)
{
	(void)state;
	struct tree *tree = help_tree(HELP_REALISTIC);
	static const char *const paths[] = {
		"meta-data", "meta-data/instance-id", "meta-data/placement/region", "user-data"};
	for (int i = 0; i < 3000; i++) {
		for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++) {
			char path[64];
			struct tree_hit hit;
			(void)snprintf(path, sizeof path, "%d/%s", i, paths[k]);
			assert_int_equal(find(tree, path, &hit), E_NOTFOUND);
			(void)snprintf(path, sizeof path, "%d%s", i, paths[k]);
			assert_int_equal(find(tree, path, &hit), E_NOTFOUND);
		}
	}
	tree_free(tree);
}

/* --- listing ----------------------------------------------------------------------------------- */

static void bytewise_order(void **state)
{
	(void)state;
	CLEANUP(builder_done) struct builder builder = BUILDER_EMPTY;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct tree *tree = NULL;
	struct tree_hit hit;
	static const char *const names[] = {"b", "a", "ab", "B", "a-b", "a.b", "a/x", "a0", "_",
		"Z", "\xc3\xa9", "~", "10", "9", "a"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[32];
		(void)snprintf(path, sizeof path, "m/%s", names[i]);
		builder_put(&builder, str_of(path), TREE_TEXT, STR("v"));
	}
	builder_directory(&builder, STR("m/c"), STR("0=c"));
	builder_directory(&builder, STR("m/d"), STR_EMPTY);
	builder_put(&builder, STR("m/d/x"), TREE_TEXT, STR("v"));
	assert_int_equal(builder_finish(&builder, &tree), 0);
	assert_int_equal(find(tree, "m", &hit), 0);
	tree_list(tree, TREE_LATEST, hit.node, &out);
	/* By names without their slashes, so "a" is before "a-b" whatever "a" is. */
	case_text(__LINE__, buf_str(&out),
		"10\n9\nB\nZ\n_\na\na-b\na.b\na0\nab\nb\n0=c\nd/\n~\n\xc3\xa9");
	tree_free(tree);
}

/* A listing that does not fit says so; it is not cut. */
static void listing_without_room(void **state)
{
	(void)state;
	struct tree *tree = help_tree(HELP_REALISTIC);
	struct tree_hit hit;
	char memory[64];
	struct buf out = buf_fixed(memory, sizeof memory);
	assert_int_equal(find(tree, "meta-data", &hit), 0);
	tree_list(tree, TREE_LATEST, hit.node, &out);
	assert_int_equal(buf_status(&out), E_LIMIT);
	tree_free(tree);
}

/* --- versions ---------------------------------------------------------------------------------- */

static const struct {
	int line;
	const char *version;
	const char *path;
	const char *listing; /* NULL: 404 */
} sets[] = {
	{__LINE__, "1.0", "", "meta-data\nuser-data"},
	{__LINE__, "1.0", "meta-data",
		"ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\n"
		"public-keys/\nreservation-id\nsecurity-groups"},
	{__LINE__, "1.0", "dynamic", NULL},
	{__LINE__, "1.0", "meta-data/placement", NULL},
	{__LINE__, "1.0", "meta-data/public-keys", "0=ops"},
	{__LINE__, "2007-01-19", "meta-data",
		"ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-hostname\n"
		"local-ipv4\npublic-hostname\npublic-ipv4\npublic-keys/\nreservation-id\n"
		"security-groups"},
	{__LINE__, "2008-02-01", "", "meta-data\nuser-data"},
	{__LINE__, "2008-02-01", "meta-data/placement", "availability-zone"},
	{__LINE__, "2009-04-04", "", "dynamic\nmeta-data\nuser-data"},
	{__LINE__, "2009-04-04", "dynamic", "fws/\ninstance-identity/"},
	{__LINE__, "2009-04-04", "meta-data",
		"ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\n"
		"instance-action\ninstance-id\ninstance-type\nlocal-hostname\nlocal-ipv4\nplacement/\n"
		"profile\npublic-hostname\npublic-ipv4\npublic-keys/\nreservation-id\n"
		"security-groups"},
	{__LINE__, "2009-04-04", "meta-data/network", NULL},
	{__LINE__, "2011-01-01", "meta-data/network/interfaces/macs/02:aa:bb:cc:dd:01",
		"device-number\ninterface-id\nipv4-associations/\nlocal-hostname\nlocal-ipv4s\nmac\n"
		"owner-id\npublic-hostname\npublic-ipv4s\nsecurity-group-ids\nsecurity-groups\n"
		"subnet-id\nsubnet-ipv4-cidr-block\nvpc-id\nvpc-ipv4-cidr-block"},
	{__LINE__, "2016-06-30", "meta-data/network/interfaces/macs/02:aa:bb:cc:dd:01",
		"device-number\ninterface-id\nipv4-associations/\nipv6s\nlocal-hostname\nlocal-ipv4s\n"
		"mac\nowner-id\npublic-hostname\npublic-ipv4s\nsecurity-group-ids\nsecurity-groups\n"
		"subnet-id\nsubnet-ipv4-cidr-block\nsubnet-ipv6-cidr-blocks\nvpc-id\n"
		"vpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks\nvpc-ipv6-cidr-blocks"},
	{__LINE__, "2011-05-01", "meta-data/iam", NULL},
	{__LINE__, "2012-01-12", "meta-data/iam", "info\nsecurity-credentials/"},
	{__LINE__, "2014-02-25", "meta-data/services", "domain"},
	{__LINE__, "2015-10-20", "meta-data/services", "domain\npartition"},
	{__LINE__, "2018-03-28", "meta-data/identity-credentials", NULL},
	{__LINE__, "2018-08-17", "meta-data/identity-credentials", "ec2/"},
	{__LINE__, "2018-08-17", "meta-data/events", "maintenance/"},
	{__LINE__, "2019-10-01", "meta-data/placement", "availability-zone\navailability-zone-id"},
	{__LINE__, "2020-10-27", "meta-data/placement",
		"availability-zone\navailability-zone-id\nregion"},
	{__LINE__, "2021-01-03", "meta-data/tags", NULL},
	{__LINE__, "2021-03-23", "meta-data/tags/instance", "Name\nenvironment\nteam"},
	{__LINE__, "2021-07-15", "meta-data",
		"ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\n"
		"hostname\niam/\nidentity-credentials/\ninstance-action\ninstance-id\n"
		"instance-life-cycle\ninstance-type\nipv6\nlocal-hostname\nlocal-ipv4\nmac\nmetrics/\n"
		"network/\nplacement/\nprofile\npublic-hostname\npublic-ipv4\npublic-keys/\n"
		"reservation-id\nsecurity-groups\nservices/\ntags/"},
	{__LINE__, "2022-09-24", "meta-data",
		"ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\n"
		"hostname\niam/\nidentity-credentials/\ninstance-action\ninstance-id\n"
		"instance-life-cycle\ninstance-type\nipv6\nlocal-hostname\nlocal-ipv4\nmac\nmetrics/\n"
		"network/\nplacement/\nprofile\npublic-hostname\npublic-ipv4\npublic-keys/\n"
		"reservation-id\nsecurity-groups\nservices/\nsystem\ntags/"},
};

static void sets_of_versions(void **state)
{
	(void)state;
	struct tree *tree = help_tree(HELP_REALISTIC);
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		tree_version version = version_of(sets[i].version);
		struct tree_hit hit;
		int rc = tree_find(tree, version, str_of(sets[i].path), &hit);
		case_int(sets[i].line, rc, sets[i].listing ? 0 : E_NOTFOUND);
		if (rc == 0) {
			tree_list(tree, version, hit.node, &out);
			case_text(sets[i].line, buf_str(&out), sets[i].listing);
		}
	}
	tree_free(tree);
}

/* How many leaves below a directory a version lists, and how many it answers. */
struct seen {
	unsigned listed;
	unsigned answered;
};

/* A version sees what its tables say; a directory is there when something below it is. */
static struct seen check_below(const struct tree *tree, tree_version version, const char *path)
{
	CLEANUP(buf_done) struct buf latest = BUF_EMPTY, listed = BUF_EMPTY, expected = BUF_EMPTY;
	struct tree_hit all, now;
	struct seen seen = {0, 0};
	assert_int_equal(find(tree, path, &all), 0);
	tree_list(tree, TREE_LATEST, all.node, &latest);
	struct str rest = buf_str(&latest);
	while (rest.n) {
		struct str line = {rest.p, str_find(rest, '\n')};
		struct str name = {line.p, str_find(line, '=')};
		char below[512];
		struct tree_hit hit;
		rest = str_from(rest, line.n < rest.n ? line.n + 1 : line.n);
		name.n -= name.p[name.n - 1] == '/';
		(void)snprintf(
			below, sizeof below, "%s%s%.*s", path, *path ? "/" : "", STR_FMT(name));
		assert_int_equal(find(tree, below, &hit), 0);
		struct versions_since since = versions_since(str_of(below));
		struct seen here = {since.listed <= version, since.answered <= version};
		if (hit.kind == TREE_DIRECTORY) {
			here = check_below(tree, version, below);
		}
		assert_int_equal(tree_find(tree, version, str_of(below), &hit),
			here.answered ? 0 : E_NOTFOUND);
		if (here.listed) {
			buf_add_f(&expected, "%s%.*s", expected.n ? "\n" : "", STR_FMT(line));
		}
		seen.listed += here.listed;
		seen.answered += here.answered;
	}
	if (tree_find(tree, version, str_of(path), &now) == 0) {
		tree_list(tree, version, now.node, &listed);
	}
	case_str(__LINE__, buf_str(&listed), buf_str(&expected));
	return seen;
}

static void versions_only_grow(void **state)
{
	(void)state;
	struct tree *tree = help_tree(HELP_REALISTIC);
	struct str rest = tree_versions();
	struct seen before = {0, 0};
	while (rest.n) {
		char name[16];
		struct str line = {rest.p, str_find(rest, '\n')};
		rest = str_from(rest, line.n < rest.n ? line.n + 1 : line.n);
		(void)snprintf(name, sizeof name, "%.*s", STR_FMT(line));
		struct seen seen = check_below(tree, version_of(name), "");
		assert_true(seen.listed >= before.listed && seen.answered >= before.answered);
		before = seen;
	}
	assert_int_equal(before.listed, before.answered);
	assert_true(before.listed > 50);
	tree_free(tree);
}

/* ec2metadata asks for it below 2009-04-04, though that version does not list it. */
static void answered_before_it_is_listed(void **state)
{
	(void)state;
	struct tree *tree = help_tree(HELP_REALISTIC);
	struct tree_hit hit;
	assert_int_equal(tree_find(tree, version_of("2009-04-04"), STR("meta-data/mac"), &hit), 0);
	case_text(__LINE__, hit.value, "02:aa:bb:cc:dd:01");
	assert_int_equal(
		tree_find(tree, version_of("2008-09-01"), STR("meta-data/mac"), &hit), E_NOTFOUND);
	tree_free(tree);
}

/* --- user-data --------------------------------------------------------------------------------- */

static void user_data_is_bytes(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *base64;
		struct str bytes;
	} cases[] = {
		{__LINE__, "AAECAwA=", STR_INIT("\0\1\2\3\0")},
		{__LINE__, "H4sIAAAAAAAA/w==", STR_INIT("\x1f\x8b\x08\0\0\0\0\0\0\xff")},
		{__LINE__, "aGk=", STR_INIT("hi")},
		{__LINE__, "", STR_INIT("")},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char spec[128];
		struct tree_hit hit;
		(void)snprintf(spec, sizeof spec, "{'name': 'plain', 'userDataBase64': '%s'}",
			cases[i].base64);
		struct tree *tree = help_tree(spec);
		case_int(cases[i].line, find(tree, "user-data", &hit), 0);
		case_int(cases[i].line, hit.kind, TREE_USER_DATA);
		case_str(cases[i].line, hit.value, cases[i].bytes);
		case_int(cases[i].line, tree_find(tree, 0, STR("user-data"), &hit), 0);
		tree_free(tree);
	}
}

/* --- roles ------------------------------------------------------------------------------------- */

static void role_given_in_place(void **state)
{
	(void)state;
	struct tree *tree = help_tree(
		"{'name': 'plain', 'role': {'name': 'r', 'credentials':"
		" {'accessKeyId': 'ASIAX', 'secretAccessKey': 'secret', 'token': 'tok'}}}");
	const struct role_credentials *role = tree_role(tree, TREE_ROLE);
	case_text(__LINE__, role->access_key_id, "ASIAX");
	case_text(__LINE__, role->secret_access_key, "secret");
	case_text(__LINE__, role->token, "tok");
	assert_int_equal(role->expiration_s, 0);
	assert_false(role->failed);
	tree_free(tree);
}

static void role_given_with_its_end(void **state)
{
	(void)state;
	struct tree *tree = help_tree(
		"{'name': 'plain', 'role': {'name': 'r', 'credentials': {'accessKeyId': 'ASIAX',"
		" 'secretAccessKey': 's', 'token': 't', 'expiration': '2030-01-02T03:04:05Z'}}}");
	assert_int_equal(tree_role(tree, TREE_ROLE)->expiration_s, 1893553445);
	assert_int_equal(tree_role(tree, TREE_ROLE)->updated_s, 0);
	tree_free(tree);
}

static void role_from_a_file(void **state)
{
	(void)state;
	struct role_credentials *role = NULL;
	struct instance *instance = NULL;
	struct tree *tree = NULL;
	json_t *spec = help_json("{'name': 'plain', 'role': {'name': 'r', 'credentials':"
				 " {'file': '/x'}}}");
	assert_int_equal(role_parse(STR("{\"AccessKeyId\": \"ASIAF\", \"SecretAccessKey\": \"s\","
					"\"Token\": \"t\"}"),
				 &role, NULL),
		0);
	assert_int_equal(instance_new(spec, &help_record, &help_site, role, &instance, NULL), 0);
	assert_int_equal(tree_compile(instance, &tree, NULL), 0);
	/* A copy: the tree may outlive nothing, but it owns what it wipes. */
	assert_ptr_not_equal(tree_role(tree, TREE_ROLE), instance->role);
	case_text(__LINE__, tree_role(tree, TREE_ROLE)->access_key_id, "ASIAF");
	json_decref(spec);
	instance_free(instance);
	tree_free(tree);
}

static void role_without_credentials(void **state)
{
	(void)state;
	static const char *const specs[] = {
		"{'name': 'plain', 'role': {'name': 'r'}}",
		"{'name': 'plain', 'role': {'name': 'r', 'credentials': {'file': '/not/read/yet'}}}",
	};
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		struct tree *tree = help_tree(specs[i]);
		assert_true(tree_role(tree, TREE_ROLE)->failed);
		tree_free(tree);
	}
	struct tree *tree = help_tree("{'name': 'plain'}");
	assert_null(tree_role(tree, TREE_ROLE));
	tree_free(tree);
}

/* sha256(id NUL label), made by another program. */
static void role_of_the_instance_itself(void **state)
{
	(void)state;
	struct tree *tree = help_tree("{'name': 'plain', 'instanceId': 'i-0123456789abcdef0'}");
	const struct role_credentials *role = tree_role(tree, TREE_INSTANCE_ROLE);
	case_text(__LINE__, role->access_key_id, "ASIAB64YKO6GZQ62PDEA");
	case_text(__LINE__, role->secret_access_key, "D7E2RTKTRTJ3PTIP226CPNSGPXWYXAWI");
	case_text(__LINE__, role->token, "ZHD4VPGP3QIEYBYTWAUQON4VG6K265ZB");
	tree_free(tree);
}

/* --- limits ------------------------------------------------------------------------------------ */

static int finish(struct builder *builder)
{
	struct tree *tree = NULL;
	int rc = builder_finish(builder, &tree);
	assert_int_equal(rc == 0, tree != NULL);
	tree_free(tree);
	builder_done(builder);
	return rc;
}

static void number_of_nodes(void **state)
{
	(void)state;
	/* The root, m, and leaves. */
	for (int leaves = TREE_NODES_MAX - 2; leaves <= TREE_NODES_MAX - 1; leaves++) {
		struct builder builder = BUILDER_EMPTY;
		for (int i = 0; i < leaves; i++) {
			char path[32];
			(void)snprintf(path, sizeof path, "m/%x", i);
			builder_put(&builder, str_of(path), TREE_TEXT, STR("v"));
		}
		assert_int_equal(finish(&builder), leaves == TREE_NODES_MAX - 2 ? 0 : E_LIMIT);
	}
}

static void depth(void **state)
{
	(void)state;
	for (size_t names = TREE_DEPTH_MAX; names <= TREE_DEPTH_MAX + 1; names++) {
		struct builder builder = BUILDER_EMPTY;
		char path[2 * (TREE_DEPTH_MAX + 1)];
		for (size_t i = 0; i < names; i++) {
			path[2 * i] = 'a';
			path[2 * i + 1] = '/';
		}
		builder_put(&builder, (struct str){path, 2 * names - 1}, TREE_TEXT, STR("v"));
		assert_int_equal(finish(&builder), names == TREE_DEPTH_MAX ? 0 : E_LIMIT);
	}
}

/* As deep as can be, each name as long as can be. */
static void longest_path(void **state)
{
	(void)state;
	static char path[TREE_DEPTH_MAX * 256];
	struct builder builder = BUILDER_EMPTY;
	struct tree *tree = NULL;
	struct tree_hit hit;
	const struct str whole = {path, sizeof path - 1};
	memset(path, 'x', sizeof path);
	for (size_t i = 255; i < sizeof path; i += 256) {
		path[i] = '/';
	}
	builder_put(&builder, whole, TREE_TEXT, STR("v"));
	assert_int_equal(builder_finish(&builder, &tree), 0);
	builder_done(&builder);
	assert_int_equal(tree_find(tree, TREE_LATEST, whole, &hit), 0);
	assert_true(str_eq(hit.value, STR("v")));
	assert_int_equal(tree_find(tree, TREE_LATEST, (struct str){path, sizeof path - 2}, &hit),
		E_NOTFOUND);
	tree_free(tree);
}

static void length_of_names_and_values(void **state)
{
	(void)state;
	static char many[TREE_VALUE_BYTES + 1];
	memset(many, 'x', sizeof many);
	for (size_t n = TREE_VALUE_BYTES; n <= TREE_VALUE_BYTES + 1; n++) {
		struct builder builder = BUILDER_EMPTY;
		builder_put(&builder, STR("a"), TREE_TEXT, (struct str){many, n});
		assert_int_equal(finish(&builder), n == TREE_VALUE_BYTES ? 0 : E_LIMIT);
	}
	for (size_t n = 255; n <= 256; n++) {
		struct builder builder = BUILDER_EMPTY;
		struct tree *tree = NULL;
		builder_put(&builder, (struct str){many, n}, TREE_TEXT, STR("v"));
		if (n == 255) {
			struct tree_hit hit;
			assert_int_equal(builder_finish(&builder, &tree), 0);
			assert_int_equal(
				tree_find(tree, TREE_LATEST, (struct str){many, n}, &hit), 0);
			assert_int_equal(
				tree_find(tree, TREE_LATEST, (struct str){many, n - 1}, &hit),
				E_NOTFOUND);
			tree_free(tree);
		}
		assert_int_equal(finish(&builder), n == 255 ? 0 : E_LIMIT);
	}
}

/* The first failure is kept, and nothing is written after it. */
static void first_failure_is_kept(void **state)
{
	(void)state;
	struct builder builder = BUILDER_EMPTY;
	static char many[TREE_VALUE_BYTES + 1];
	builder_put(&builder, STR("a"), TREE_TEXT, (struct str){many, sizeof many});
	builder_put(&builder, STR("b"), TREE_TEXT, STR("v"));
	builder_remove(&builder, STR("a"));
	builder_directory(&builder, STR("c"), STR_EMPTY);
	builder_missing(&builder, STR("d"));
	assert_int_equal(finish(&builder), E_LIMIT);
	assert_int_equal(finish(&builder), E_NOTFOUND); /* nothing was ever put */
}

/* A specification whose tree would be too large is refused, and says so. */
static void too_large_an_instance(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	struct diag diag = {{0}};
	struct tree *tree = NULL;
	buf_add(&text, STR("{'name': 'plain', 'metadata': {"));
	for (int i = 0; i < TREE_NODES_MAX; i++) {
		buf_add_f(&text, "%s'n%d': 'v'", i ? ", " : "", i);
	}
	buf_add(&text, STR("}}"));
	char *spec = buf_take(&text);
	struct instance *instance = help_instance(spec);
	assert_int_equal(tree_compile(instance, &tree, &diag), E_LIMIT);
	assert_null(tree);
	assert_non_null(strstr(diag.text, "plain"));
	instance_free(instance);
	free(spec);
}

/* --- a leaf and a directory change places ------------------------------------------------------ */

static void leaf_and_directory_change_places(void **state)
{
	(void)state;
	CLEANUP(builder_done) struct builder builder = BUILDER_EMPTY;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct tree *tree = NULL;
	struct tree_hit hit;
	builder_put(&builder, STR("m/leaf"), TREE_TEXT, STR("text"));
	builder_put(&builder, STR("m/leaf/below"), TREE_TEXT, STR("v"));
	builder_put(&builder, STR("m/directory/below"), TREE_TEXT, STR("v"));
	builder_put(&builder, STR("m/directory"), TREE_TEXT, STR("text"));
	builder_missing(&builder, STR("m/missing"));
	builder_put(&builder, STR("m/missing/below"), TREE_TEXT, STR("v"));
	assert_int_equal(builder_finish(&builder, &tree), 0);
	assert_int_equal(find(tree, "m", &hit), 0);
	tree_list(tree, TREE_LATEST, hit.node, &out);
	case_text(__LINE__, buf_str(&out), "directory\nleaf/\nmissing/");
	assert_int_equal(find(tree, "m/leaf/below", &hit), 0);
	assert_int_equal(find(tree, "m/missing/below", &hit), 0);
	assert_int_equal(find(tree, "m/directory/below", &hit), E_NOTFOUND);
	assert_int_equal(find(tree, "m/missing", &hit), 0);
	assert_int_equal(hit.kind, TREE_DIRECTORY);
	tree_free(tree);
}

/* --- memory that runs out, and secrets --------------------------------------------------------- */

static int compile(void *ctx)
{
	struct tree *tree = NULL;
	int rc = tree_compile(ctx, &tree, NULL);
	assert_int_equal(rc == 0, tree != NULL);
	tree_free(tree);
	return rc;
}

#define WITH_SECRETS                                                                           \
	"{'name': 'plain', 'publicKeys': {'ops': 'K'}, 'metadata': {'a': {'b': 'hush-hush'}}," \
	" 'role': {'name': 'r', 'credentials': {'accessKeyId': 'A', 'secretAccessKey':"        \
	" 'hush-key', 'token': 'hush-token'}}, 'userDataBase64': 'aHVzaC1kYXRh'}"

static void memory_runs_out(void **state)
{
	(void)state;
	struct instance *instance = help_instance(WITH_SECRETS);
	assert_true(help_each_allocation_fails(compile, instance) > 8);
	instance_free(instance);
}

static void secrets_are_wiped(void **state)
{
	(void)state;
	struct instance *instance = help_instance(WITH_SECRETS);
	alloc_watch(STR("hush-key"));
	assert_int_equal(compile(instance), 0);
	assert_int_equal(alloc_watch(STR("hush-token")), 0);
	assert_int_equal(compile(instance), 0);
	assert_int_equal(alloc_watch(STR("hush-data")), 0);
	assert_int_equal(compile(instance), 0);
	assert_int_equal(alloc_watch(STR_EMPTY), 0);
	instance_free(instance);
}

/* --- memory ------------------------------------------------------------------------------------ */

static void memory(void **state)
{
	(void)state;
	struct tree *tree = help_tree(HELP_REALISTIC);
	print_message("a realistic instance's tree: %zu bytes\n", tree_bytes(tree));
	assert_true(tree_bytes(tree) <= MOST_BYTES);
	assert_true(tree_bytes(tree) > 1024);
	tree_free(tree);
	tree = help_tree("{'name': 'plain'}");
	print_message("a plain instance's tree: %zu bytes\n", tree_bytes(tree));
	assert_true(tree_bytes(tree) <= MOST_BYTES);
	tree_free(tree);
	tree_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_whole_paths_alone),
		cmocka_unit_test(kinds),
		cmocka_unit_test(many_names),
		cmocka_unit_test(ends_alike),
		cmocka_unit_test(bytewise_order),
		cmocka_unit_test(listing_without_room),
		cmocka_unit_test(sets_of_versions),
		cmocka_unit_test(versions_only_grow),
		cmocka_unit_test(answered_before_it_is_listed),
		cmocka_unit_test(user_data_is_bytes),
		cmocka_unit_test(role_given_in_place),
		cmocka_unit_test(role_given_with_its_end),
		cmocka_unit_test(role_from_a_file),
		cmocka_unit_test(role_without_credentials),
		cmocka_unit_test(role_of_the_instance_itself),
		cmocka_unit_test(number_of_nodes),
		cmocka_unit_test(depth),
		cmocka_unit_test(longest_path),
		cmocka_unit_test(length_of_names_and_values),
		cmocka_unit_test(first_failure_is_kept),
		cmocka_unit_test(too_large_an_instance),
		cmocka_unit_test(leaf_and_directory_change_places),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(secrets_are_wiped),
		cmocka_unit_test(memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
