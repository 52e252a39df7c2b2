/* What is derived from a name: always the same, as another program has it, and of the right form. */
#include "tests/unit/metadata_help.h"

#include "metadata/derive.h"

static char longest[256]; /* 255 times x */

/* sha256(name NUL label) of Python's hashlib. */
static void same_on_every_host(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	char address[IPADDR_TEXT_BYTES];
	memset(longest, 'x', 255);
	const struct {
		int line;
		const char *name;
		const char *id, *eni, *mac, *address, *uuid;
	} cases[] = {
		{__LINE__, "web-1", "i-008987bdaf21e9c54", "eni-09a37252048750fbf",
			"02:f4:22:c1:a7:d7", "172.26.132.190",
			"758d973c-758c-4680-b82b-adef33d87b1d"},
		{__LINE__, "plain", "i-048aa991debca0cc2", "eni-06a057aa6ea9d9d4a",
			"02:ec:2a:e1:e5:a8", "172.26.151.135",
			"c4e6b346-72ff-4328-a5bc-e09b68e70f9b"},
		{__LINE__, longest, "i-0170a8c6ac752217d", "eni-0c0ee3034b3433584",
			"02:5e:8d:cc:c4:52", "172.26.251.134",
			"2e03664e-62ae-4251-a6b9-4bb0bcd1bb17"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str name = str_of(cases[i].name);
		derive_id(&out, "i-", name);
		case_text(cases[i].line, buf_str(&out), cases[i].id);
		buf_reset(&out);
		derive_id(&out, "eni-", name);
		case_text(cases[i].line, buf_str(&out), cases[i].eni);
		buf_reset(&out);
		derive_mac(&out, name);
		case_text(cases[i].line, buf_str(&out), cases[i].mac);
		buf_reset(&out);
		derive_uuid(&out, "lightsail arn", name);
		case_text(cases[i].line, buf_str(&out), cases[i].uuid);
		buf_reset(&out);
		struct ipaddr addr = derive_private_address(name);
		ipaddr_format(&addr, address);
		case_text(cases[i].line, str_of(address), cases[i].address);
	}
	derive_key_text(&out, "instance profile", STR("app-role"), 17);
	case_text(__LINE__, buf_str(&out), "KDSYOBXJBGO2R6WNL");
	buf_reset(&out);
	derive_key_text(&out, "identity secret key", STR("i-0123456789abcdef0"), 32);
	case_text(__LINE__, buf_str(&out), "D7E2RTKTRTJ3PTIP226CPNSGPXWYXAWI");
}

static void forms(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	for (int i = 0; i < 2000; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "n%d", i);
		buf_reset(&out);
		derive_id(&out, "vpc-", str_of(name));
		assert_int_equal(out.n, 4 + DERIVE_ID_HEX);
		assert_true(str_starts(buf_str(&out), STR("vpc-0")));
		buf_reset(&out);
		derive_mac(&out, str_of(name));
		uint8_t mac[6];
		assert_int_equal(macaddr_parse(buf_str(&out), mac), 0);
		assert_int_equal(mac[0], 0x02); /* local and unicast */
		struct ipaddr addr = derive_private_address(str_of(name));
		assert_true(ipaddr_is_v4(&addr));
		assert_int_equal(addr.b[12], 172);
		assert_int_equal(addr.b[13], 26);
		assert_in_range(addr.b[15], 4, 254);
		buf_reset(&out);
		derive_uuid(&out, "x", str_of(name));
		assert_int_equal(out.n, 36);
		assert_int_equal(out.p[14], '4');
		assert_non_null(memchr("89ab", out.p[19], 4));
	}
}

static void labels_and_names_do_not_mix(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf one = BUF_EMPTY, two = BUF_EMPTY;
	derive_id(&one, "i-", STR("a"));
	derive_id(&two, "r-", STR("a"));
	assert_memory_not_equal(one.p + 2, two.p + 2, DERIVE_ID_HEX);
	buf_reset(&one);
	buf_reset(&two);
	derive_uuid(&one, "bc", STR("a"));
	derive_uuid(&two, "c", STR("ab"));
	assert_memory_not_equal(one.p, two.p, 36);
}

static void zone_ids(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *region, *zone, *id;
	} cases[] = {
		{__LINE__, "us-east-1", "us-east-1a", "use1-az1"},
		{__LINE__, "us-east-1", "us-east-1f", "use1-az6"},
		{__LINE__, "us-west-2", "us-west-2c", "usw2-az3"},
		{__LINE__, "eu-central-1", "eu-central-1b", "euc1-az2"},
		{__LINE__, "eu-north-1", "eu-north-1a", "eun1-az1"},
		{__LINE__, "ap-southeast-2", "ap-southeast-2a", "apse2-az1"},
		{__LINE__, "ap-northeast-1", "ap-northeast-1d", "apne1-az4"},
		{__LINE__, "ap-south-1", "ap-south-1a", "aps1-az1"},
		{__LINE__, "ca-central-1", "ca-central-1a", "cac1-az1"},
		{__LINE__, "ca-west-1", "ca-west-1a", "caw1-az1"},
		{__LINE__, "sa-east-1", "sa-east-1a", "sae1-az1"},
		{__LINE__, "us-gov-west-1", "us-gov-west-1a", "usgw1-az1"},
		{__LINE__, "cn-northwest-1", "cn-northwest-1a", "cnnw1-az1"},
		/* Not of that form: something, and no crash. */
		{__LINE__, "lab", "lab", "lab-az2"},
		{__LINE__, "lab", "lab1", "lab-az1"},
		{__LINE__, "lab", "", "lab-az1"},
		{__LINE__, "", "", "-az1"},
		{__LINE__, "a--1", "a--1a", "a1-az1"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		derive_zone_id(&out, str_of(cases[i].region), str_of(cases[i].zone));
		case_text(cases[i].line, buf_str(&out), cases[i].id);
	}
}

static void partitions_domains_names(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *region, *partition, *domain, *private_dns, *public_dns;
	} cases[] = {
		{__LINE__, "us-east-1", "aws", "amazonaws.com", "ip-172-26-2-10.ec2.internal",
			"ec2-172-26-2-10.compute-1.amazonaws.com"},
		{__LINE__, "us-west-2", "aws", "amazonaws.com",
			"ip-172-26-2-10.us-west-2.compute.internal",
			"ec2-172-26-2-10.us-west-2.compute.amazonaws.com"},
		{__LINE__, "cn-north-1", "aws-cn", "amazonaws.com.cn",
			"ip-172-26-2-10.cn-north-1.compute.internal",
			"ec2-172-26-2-10.cn-north-1.compute.amazonaws.com.cn"},
		{__LINE__, "us-gov-east-1", "aws-us-gov", "amazonaws.com",
			"ip-172-26-2-10.us-gov-east-1.compute.internal",
			"ec2-172-26-2-10.us-gov-east-1.compute.amazonaws.com"},
		{__LINE__, "cnx", "aws", "amazonaws.com", "ip-172-26-2-10.cnx.compute.internal",
			"ec2-172-26-2-10.cnx.compute.amazonaws.com"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		struct str region = str_of(cases[i].region);
		case_text(cases[i].line, derive_partition(region), cases[i].partition);
		case_text(cases[i].line, derive_domain(region), cases[i].domain);
		derive_private_dns(&out, STR("172.26.2.10"), region);
		case_text(cases[i].line, buf_str(&out), cases[i].private_dns);
		buf_reset(&out);
		derive_public_dns(&out, STR("172.26.2.10"), region);
		case_text(cases[i].line, buf_str(&out), cases[i].public_dns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_on_every_host),
		cmocka_unit_test(forms),
		cmocka_unit_test(labels_and_names_do_not_mix),
		cmocka_unit_test(zone_ids),
		cmocka_unit_test(partitions_domains_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
