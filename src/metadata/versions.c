#include "metadata/versions.h"

#include "metadata/path.h"

/* As listed at "/". */
#define VERSIONS(X)     \
	X("1.0")        \
	X("2007-01-19") \
	X("2007-03-01") \
	X("2007-08-29") \
	X("2007-10-10") \
	X("2007-12-15") \
	X("2008-02-01") \
	X("2008-09-01") \
	X("2009-04-04") \
	X("2011-01-01") \
	X("2011-05-01") \
	X("2012-01-12") \
	X("2014-02-25") \
	X("2014-11-05") \
	X("2015-10-20") \
	X("2016-04-19") \
	X("2016-06-30") \
	X("2016-09-02") \
	X("2018-03-28") \
	X("2018-08-17") \
	X("2018-09-24") \
	X("2019-10-01") \
	X("2020-10-27") \
	X("2021-01-03") \
	X("2021-03-23") \
	X("2021-07-15") \
	X("2022-09-24") \
	X("2024-04-11")

#define AS_ROW(text)  STR_INIT(text),
#define AS_LINE(text) text "\n"

static const struct str versions[] = {VERSIONS(AS_ROW)};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct str tree_versions(void)
{
	return STR(VERSIONS(AS_LINE) "latest");
}

int tree_version_find(struct str name, tree_version *ret_version)
{
	if (str_eq(name, STR("latest"))) {
		*ret_version = TREE_LATEST;
		return 0;
	}
	for (size_t i = 0; i < COUNT(versions); i++) {
		if (str_eq(name, versions[i])) {
			*ret_version = (tree_version)i;
			return 0;
		}
	}
	return E_NOTFOUND;
}

/*
 * Categories in bytewise order of their paths. A date that is not in the list (2016-11-15,
 * 2020-08-24, …) means the next one that is. "*" stands for any one segment.
 */
static const struct since {
	struct str path;
	struct str date;
	struct str answered; /* p NULL: the same date */
} table[] = {
	{STR_INIT("dynamic"), STR_INIT("2009-04-04"), {NULL, 0}},
	{STR_INIT("meta-data/ami-id"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/ami-launch-index"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/ami-manifest-path"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/ancestor-ami-ids"), STR_INIT("2007-10-10"), {NULL, 0}},
	{STR_INIT("meta-data/autoscaling"), STR_INIT("2021-07-15"), {NULL, 0}},
	{STR_INIT("meta-data/block-device-mapping"), STR_INIT("2007-12-15"), {NULL, 0}},
	{STR_INIT("meta-data/elastic-gpus"), STR_INIT("2016-11-30"), {NULL, 0}},
	{STR_INIT("meta-data/elastic-inference"), STR_INIT("2018-11-29"), {NULL, 0}},
	{STR_INIT("meta-data/events"), STR_INIT("2018-08-17"), {NULL, 0}},
	{STR_INIT("meta-data/events/recommendations"), STR_INIT("2020-10-27"), {NULL, 0}},
	{STR_INIT("meta-data/hibernation"), STR_INIT("2018-11-29"), {NULL, 0}},
	{STR_INIT("meta-data/hostname"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/iam"), STR_INIT("2012-01-12"), {NULL, 0}},
	{STR_INIT("meta-data/identity-credentials"), STR_INIT("2018-05-23"), {NULL, 0}},
	{STR_INIT("meta-data/instance-action"), STR_INIT("2008-09-01"), {NULL, 0}},
	{STR_INIT("meta-data/instance-id"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/instance-life-cycle"), STR_INIT("2019-10-01"), {NULL, 0}},
	{STR_INIT("meta-data/instance-type"), STR_INIT("2007-08-29"), {NULL, 0}},
	{STR_INIT("meta-data/ipv6"), STR_INIT("2021-01-03"), {NULL, 0}},
	{STR_INIT("meta-data/kernel-id"), STR_INIT("2008-02-01"), {NULL, 0}},
	{STR_INIT("meta-data/local-hostname"), STR_INIT("2007-01-19"), {NULL, 0}},
	{STR_INIT("meta-data/local-ipv4"), STR_INIT("1.0"), {NULL, 0}},
	/* ec2metadata asks for it below 2009-04-04, and gets it. */
	{STR_INIT("meta-data/mac"), STR_INIT("2011-01-01"), STR_INIT("2009-04-04")},
	{STR_INIT("meta-data/managed-ssh-keys"), STR_INIT("2018-11-29"), {NULL, 0}},
	{STR_INIT("meta-data/metrics"), STR_INIT("2011-05-01"), {NULL, 0}},
	{STR_INIT("meta-data/network"), STR_INIT("2011-01-01"), {NULL, 0}},
	{STR_INIT("meta-data/network/interfaces/macs/*/ipv6s"), STR_INIT("2016-06-30"), {NULL, 0}},
	{STR_INIT("meta-data/network/interfaces/macs/*/network-card"), STR_INIT("2020-11-01"),
		{NULL, 0}},
	{STR_INIT("meta-data/network/interfaces/macs/*/subnet-ipv6-cidr-blocks"),
		STR_INIT("2016-06-30"), {NULL, 0}},
	{STR_INIT("meta-data/network/interfaces/macs/*/vpc-ipv4-cidr-blocks"),
		STR_INIT("2016-06-30"), {NULL, 0}},
	{STR_INIT("meta-data/network/interfaces/macs/*/vpc-ipv6-cidr-blocks"),
		STR_INIT("2016-06-30"), {NULL, 0}},
	{STR_INIT("meta-data/placement"), STR_INIT("2008-02-01"), {NULL, 0}},
	{STR_INIT("meta-data/placement/availability-zone"), STR_INIT("2008-02-01"), {NULL, 0}},
	{STR_INIT("meta-data/placement/availability-zone-id"), STR_INIT("2019-10-01"), {NULL, 0}},
	{STR_INIT("meta-data/placement/group-name"), STR_INIT("2020-08-24"), {NULL, 0}},
	{STR_INIT("meta-data/placement/host-id"), STR_INIT("2020-08-24"), {NULL, 0}},
	{STR_INIT("meta-data/placement/partition-number"), STR_INIT("2020-08-24"), {NULL, 0}},
	{STR_INIT("meta-data/placement/region"), STR_INIT("2020-08-24"), {NULL, 0}},
	{STR_INIT("meta-data/product-codes"), STR_INIT("2007-03-01"), {NULL, 0}},
	{STR_INIT("meta-data/profile"), STR_INIT("2007-03-01"), {NULL, 0}},
	{STR_INIT("meta-data/public-hostname"), STR_INIT("2007-01-19"), {NULL, 0}},
	{STR_INIT("meta-data/public-ipv4"), STR_INIT("2007-01-19"), {NULL, 0}},
	{STR_INIT("meta-data/public-keys"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/ramdisk-id"), STR_INIT("2007-10-10"), {NULL, 0}},
	{STR_INIT("meta-data/reservation-id"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/security-groups"), STR_INIT("1.0"), {NULL, 0}},
	{STR_INIT("meta-data/services"), STR_INIT("2014-02-25"), {NULL, 0}},
	{STR_INIT("meta-data/services/domain"), STR_INIT("2014-02-25"), {NULL, 0}},
	{STR_INIT("meta-data/services/partition"), STR_INIT("2015-10-20"), {NULL, 0}},
	{STR_INIT("meta-data/spot/instance-action"), STR_INIT("2016-11-15"), {NULL, 0}},
	{STR_INIT("meta-data/spot/termination-time"), STR_INIT("2014-11-05"), {NULL, 0}},
	{STR_INIT("meta-data/system"), STR_INIT("2022-09-24"), {NULL, 0}},
	{STR_INIT("meta-data/tags"), STR_INIT("2021-03-23"), {NULL, 0}},
};

/* The first version of that date or later. */
static tree_version version_from(struct str date)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		if (str_cmp(versions[i], date) >= 0) {
			return (tree_version)i;
		}
	}
	return (tree_version)(COUNT(versions) - 1);
}

/* A row's path against one of the same length in segments; "*" is any segment. */
static int compare(struct str path, struct str row)
{
	while (path.n && row.n) {
		struct str mine = path_next(&path), theirs = path_next(&row);
		int order = str_eq(theirs, STR("*")) ? 0 : str_cmp(mine, theirs);
		if (order) {
			return order;
		}
	}
	return path.n ? 1 : row.n ? -1 : 0;
}

static const struct since *find(struct str path)
{
	size_t low = 0, high = COUNT(table);
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare(path, table[middle].path);
		if (order == 0) {
			return &table[middle];
		}
		if (order < 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return NULL;
}

struct versions_since versions_since(struct str path)
{
	while (path.n) {
		const struct since *row = find(path);
		if (row) {
			return (struct versions_since){version_from(row->date),
				version_from(row->answered.p ? row->answered : row->date)};
		}
		while (path.n && path.p[path.n - 1] != '/') {
			path.n--;
		}
		path.n -= path.n > 0;
	}
	return (struct versions_since){0, 0};
}
