#include "metadata/blueprint.h"

/* clang-format off */
#define LINUX(id_, name_, group_, version_, user_) \
	{STR_INIT(id_), STR_INIT(name_), STR_INIT(group_), STR_INIT(version_), STR_INIT(user_), false, false}

static const struct blueprint blueprints[] = {
	{STR_INIT("amazon_linux_2023"), STR_INIT("Amazon Linux 2023"), STR_INIT("amazon_linux_2023"),
		STR_INIT("2023.6"), STR_INIT("ec2-user"), false, true},
	LINUX("amazon_linux_2", "Amazon Linux 2", "amazon_linux_2", "2.0", "ec2-user"),
	LINUX("debian_12", "Debian", "debian", "12.8", "admin"),
	LINUX("debian_11", "Debian", "debian_11", "11.4", "admin"),
	LINUX("ubuntu_24_04", "Ubuntu", "ubuntu_24", "24.04 LTS", "ubuntu"),
	LINUX("ubuntu_22_04", "Ubuntu", "ubuntu_22", "22.04 LTS", "ubuntu"),
	LINUX("ubuntu_20_04", "Ubuntu", "ubuntu_20", "20.04 LTS", "ubuntu"),
	LINUX("centos_stream_9", "CentOS Stream 9", "centos_stream_9", "9", "centos"),
	LINUX("alma_linux_9", "AlmaLinux", "alma_linux_9", "9", "ec2-user"),
	LINUX("freebsd_14", "FreeBSD", "freebsd_14", "14.1", "ec2-user"),
	LINUX("opensuse_15", "openSUSE", "opensuse_15", "15.6", "ec2-user"),
	{STR_INIT("windows_server_2022"), STR_INIT("Windows Server 2022"), STR_INIT("windows_2022"),
		STR_INIT("2022"), STR_INIT("Administrator"), true, false},
	{STR_INIT("windows_server_2019"), STR_INIT("Windows Server 2019"), STR_INIT("windows_2019"),
		STR_INIT("2019"), STR_INIT("Administrator"), true, false},
};

#define BUNDLE(id_, name_, type_, cpu_, ram_, disk_, transfer_, power_, price_) \
	{STR_INIT(id_), STR_INIT(name_), STR_INIT(type_), cpu_, ram_, disk_, transfer_, power_, price_}

static const struct bundle bundles[] = {
	BUNDLE("nano_3_0", "Nano", "t3.nano", 2, 512, 20, 1024, 300, 500),
	BUNDLE("micro_3_0", "Micro", "t3.micro", 2, 1024, 40, 2048, 500, 700),
	BUNDLE("small_3_0", "Small", "t3.small", 2, 2048, 60, 3072, 1000, 1200),
	BUNDLE("medium_3_0", "Medium", "t3.medium", 2, 4096, 80, 4096, 2000, 2400),
	BUNDLE("large_3_0", "Large", "t3.large", 2, 8192, 160, 5120, 3000, 4400),
	BUNDLE("xlarge_3_0", "Xlarge", "t3.xlarge", 4, 16384, 320, 6144, 4000, 8400),
	BUNDLE("2xlarge_3_0", "2Xlarge", "t3.2xlarge", 8, 32768, 640, 7168, 5000, 16400),
	BUNDLE("nano_2_0", "Nano", "t2.nano", 1, 512, 20, 1024, 300, 350),
	BUNDLE("micro_2_0", "Micro", "t2.micro", 1, 1024, 40, 2048, 500, 500),
	BUNDLE("small_2_0", "Small", "t2.small", 1, 2048, 60, 3072, 1000, 1000),
	BUNDLE("medium_2_0", "Medium", "t2.medium", 2, 4096, 80, 4096, 2000, 2000),
	BUNDLE("large_2_0", "Large", "t2.large", 2, 8192, 160, 5120, 3000, 4000),
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

const struct blueprint *blueprint_find(struct str id)
{
	for (size_t i = 0; i < COUNT(blueprints); i++) {
		if (str_eq(blueprints[i].id, id)) {
			return &blueprints[i];
		}
	}
	return NULL;
}

const struct bundle *bundle_find(struct str id)
{
	for (size_t i = 0; i < COUNT(bundles); i++) {
		if (str_eq(bundles[i].id, id)) {
			return &bundles[i];
		}
	}
	return NULL;
}

const struct blueprint *blueprint_all(size_t *ret_n)
{
	*ret_n = COUNT(blueprints);
	return blueprints;
}

const struct bundle *bundle_all(size_t *ret_n)
{
	*ret_n = COUNT(bundles);
	return bundles;
}
