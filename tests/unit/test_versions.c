/*
 * The list of versions, and since when each category is there. The tables are read as the source has
 * them, so that a row in the wrong place is found.
 */
#include "tests/unit/metadata_help.h"

#include "metadata/versions.c" /* NOLINT(bugprone-suspicious-include): its tables are static */

static struct str name_of(tree_version version)
{
	return version < COUNT(versions) ? versions[version] : STR("none");
}

static void versions_are_in_order(void **state)
{
	(void)state;
	assert_int_equal(COUNT(versions), 28);
	for (size_t i = 1; i < COUNT(versions); i++) {
		assert_true(str_cmp(versions[i - 1], versions[i]) < 0);
	}
	assert_true(COUNT(versions) < TREE_LATEST);
}

static void list_at_the_root(void **state)
{
	(void)state;
	assert_true(str_eq(tree_versions(),
		STR("1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n"
		    "2008-02-01\n2008-09-01\n2009-04-04\n2011-01-01\n2011-05-01\n2012-01-12\n"
		    "2014-02-25\n2014-11-05\n2015-10-20\n2016-04-19\n2016-06-30\n2016-09-02\n"
		    "2018-03-28\n2018-08-17\n2018-09-24\n2019-10-01\n2020-10-27\n2021-01-03\n"
		    "2021-03-23\n2021-07-15\n2022-09-24\n2024-04-11\nlatest")));
}

static void find_by_name(void **state)
{
	(void)state;
	struct str rest = tree_versions();
	tree_version expected = 0;
	while (rest.n) {
		struct str name = {rest.p, str_find(rest, '\n')};
		tree_version version = 99;
		assert_int_equal(tree_version_find(name, &version), 0);
		assert_int_equal(version, str_eq(name, STR("latest")) ? TREE_LATEST : expected++);
		rest = str_from(rest, name.n < rest.n ? name.n + 1 : name.n);
	}
	static const char *const others[] = {"", "1", "1.0 ", "Latest", "latest/", "2009-04-05",
		"2016-11-15", "2009-04-0", "2009-04-044", "9999-99-99"};
	for (size_t i = 0; i < COUNT(others); i++) {
		tree_version version = 99;
		assert_int_equal(tree_version_find(str_of(others[i]), &version), E_NOTFOUND);
		assert_int_equal(version, 99);
	}
}

/* Every row is where the search looks for it. */
static void categories_are_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct since *row = &table[i];
		if (i > 0 && compare(table[i - 1].path, row->path) >= 0) {
			fail_msg("%.*s stands before %.*s", STR_FMT(table[i - 1].path),
				STR_FMT(row->path));
		}
		assert_ptr_equal(find(row->path), row);
		/* A date in the form of a version, so that text order is order in time. */
		assert_true(row->date.n == 10 || str_eq(row->date, STR("1.0")));
		/* Nothing is in a list that is not there when asked for. */
		assert_true(!row->answered.p || str_cmp(row->answered, row->date) < 0);
	}
}

static const struct {
	int line;
	const char *path;
	const char *since;    /* when it is in listings */
	const char *answered; /* NULL: the same */
} cases[] = {
	{__LINE__, "meta-data/ami-id", "1.0", NULL},
	{__LINE__, "meta-data/ami-launch-index", "1.0", NULL},
	{__LINE__, "meta-data/ami-manifest-path", "1.0", NULL},
	{__LINE__, "meta-data/ancestor-ami-ids", "2007-10-10", NULL},
	{__LINE__, "meta-data/autoscaling/target-lifecycle-state", "2021-07-15", NULL},
	{__LINE__, "meta-data/block-device-mapping/ami", "2007-12-15", NULL},
	{__LINE__, "meta-data/block-device-mapping/root", "2007-12-15", NULL},
	{__LINE__, "meta-data/events/maintenance/history", "2018-08-17", NULL},
	{__LINE__, "meta-data/events/maintenance/scheduled", "2018-08-17", NULL},
	{__LINE__, "meta-data/events/recommendations/rebalance", "2020-10-27", NULL},
	{__LINE__, "meta-data/hostname", "1.0", NULL},
	{__LINE__, "meta-data/iam/info", "2012-01-12", NULL},
	{__LINE__, "meta-data/iam/security-credentials/any-role", "2012-01-12", NULL},
	{__LINE__, "meta-data/instance-action", "2008-09-01", NULL},
	{__LINE__, "meta-data/instance-id", "1.0", NULL},
	{__LINE__, "meta-data/instance-life-cycle", "2019-10-01", NULL},
	{__LINE__, "meta-data/instance-type", "2007-08-29", NULL},
	{__LINE__, "meta-data/ipv6", "2021-01-03", NULL},
	{__LINE__, "meta-data/kernel-id", "2008-02-01", NULL},
	{__LINE__, "meta-data/local-hostname", "2007-01-19", NULL},
	{__LINE__, "meta-data/local-ipv4", "1.0", NULL},
	{__LINE__, "meta-data/mac", "2011-01-01", "2009-04-04"},
	{__LINE__, "meta-data/metrics/vhostmd", "2011-05-01", NULL},
	{__LINE__, "meta-data/network/interfaces/macs/02:aa:bb:cc:dd:01/mac", "2011-01-01", NULL},
	{__LINE__, "meta-data/network/interfaces/macs/02:aa:bb:cc:dd:01/ipv6s", "2016-06-30", NULL},
	{__LINE__, "meta-data/network/interfaces/macs/x/subnet-ipv6-cidr-blocks", "2016-06-30",
		NULL},
	{__LINE__, "meta-data/network/interfaces/macs/x/vpc-ipv4-cidr-blocks", "2016-06-30", NULL},
	{__LINE__, "meta-data/network/interfaces/macs/x/vpc-ipv6-cidr-blocks", "2016-06-30", NULL},
	{__LINE__, "meta-data/network/interfaces/macs/x/vpc-ipv4-cidr-block", "2011-01-01", NULL},
	{__LINE__, "meta-data/network/interfaces/macs/x/ipv4-associations/192.0.2.1", "2011-01-01",
		NULL},
	{__LINE__, "meta-data/placement/availability-zone", "2008-02-01", NULL},
	{__LINE__, "meta-data/placement/availability-zone-id", "2019-10-01", NULL},
	{__LINE__, "meta-data/product-codes", "2007-03-01", NULL},
	{__LINE__, "meta-data/public-hostname", "2007-01-19", NULL},
	{__LINE__, "meta-data/public-ipv4", "2007-01-19", NULL},
	{__LINE__, "meta-data/public-keys/0/openssh-key", "1.0", NULL},
	{__LINE__, "meta-data/ramdisk-id", "2007-10-10", NULL},
	{__LINE__, "meta-data/reservation-id", "1.0", NULL},
	{__LINE__, "meta-data/security-groups", "1.0", NULL},
	{__LINE__, "meta-data/services/domain", "2014-02-25", NULL},
	{__LINE__, "meta-data/services/partition", "2015-10-20", NULL},
	{__LINE__, "meta-data/spot/termination-time", "2014-11-05", NULL},
	{__LINE__, "meta-data/system", "2022-09-24", NULL},
	{__LINE__, "meta-data/tags/instance/Name", "2021-03-23", NULL},
	{__LINE__, "dynamic/fws/instance-monitoring", "2009-04-04", NULL},
	{__LINE__, "dynamic/instance-identity/document", "2009-04-04", NULL},
	{__LINE__, "dynamic/instance-identity/pkcs7", "2009-04-04", NULL},
	{__LINE__, "dynamic/instance-identity/signature", "2009-04-04", NULL},
	/* "released in" a version that is not in the list: in the next one */
	{__LINE__, "meta-data/elastic-gpus/associations/x", "2018-03-28", NULL}, /* 2016-11-30 */
	{__LINE__, "meta-data/elastic-inference/associations/x", "2019-10-01",
		NULL},                                                             /* 2018-11-29 */
	{__LINE__, "meta-data/identity-credentials/ec2/info", "2018-08-17", NULL}, /* 2018-05-23 */
	{__LINE__, "meta-data/placement/group-name", "2020-10-27", NULL},          /* 2020-08-24 */
	{__LINE__, "meta-data/placement/host-id", "2020-10-27", NULL},
	{__LINE__, "meta-data/placement/partition-number", "2020-10-27", NULL},
	{__LINE__, "meta-data/placement/region", "2020-10-27", NULL},
	{__LINE__, "meta-data/spot/instance-action", "2018-03-28", NULL}, /* 2016-11-15 */
	{__LINE__, "meta-data/network/interfaces/macs/x/network-card", "2021-01-03",
		NULL}, /* 2020-11-01 */
	/* nothing known: always there */
	{__LINE__, "", "1.0", NULL},
	{__LINE__, "user-data", "1.0", NULL},
	{__LINE__, "meta-data", "1.0", NULL},
	{__LINE__, "meta-data/of-my-own", "1.0", NULL},
	{__LINE__, "meta-data/of-my-own/network/ipv6s", "1.0", NULL},
	{__LINE__, "meta-data/zzz", "1.0", NULL},
	{__LINE__, "aaa", "1.0", NULL},
	{__LINE__, "zzz/meta-data/tags", "1.0", NULL},
	/* by whole names, not by their beginnings */
	{__LINE__, "meta-data/tagsx", "1.0", NULL},
	{__LINE__, "meta-data/ip", "1.0", NULL},
	{__LINE__, "meta-data/ipv66", "1.0", NULL},
	{__LINE__, "dynamicx/y", "1.0", NULL},
};

static void since_when(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct versions_since since = versions_since(str_of(cases[i].path));
		case_text(cases[i].line, name_of(since.listed), cases[i].since);
		case_text(cases[i].line, name_of(since.answered),
			cases[i].answered ? cases[i].answered : cases[i].since);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_in_order),
		cmocka_unit_test(list_at_the_root),
		cmocka_unit_test(find_by_name),
		cmocka_unit_test(categories_are_in_order),
		cmocka_unit_test(since_when),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
