/* Unit tests of base/ipaddr.h. */
#include "tests/unit/cases.h"

#include "base/ipaddr.h"

static struct ipaddr parsed(const char *text)
{
	struct ipaddr addr;
	assert_int_equal(ipaddr_parse(str_of(text), &addr), 0);
	return addr;
}

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text, *plain, *longer;
		bool v4;
	} cases[] = {
		{__LINE__, "0.0.0.0", "0.0.0.0", "0:0:0:0:0:ffff:0:0", true},
		{__LINE__, "127.0.0.1", "127.0.0.1", "0:0:0:0:0:ffff:7f00:1", true},
		{__LINE__, "255.255.255.255", "255.255.255.255", "0:0:0:0:0:ffff:ffff:ffff", true},
		{__LINE__, "169.254.169.254", "169.254.169.254", "0:0:0:0:0:ffff:a9fe:a9fe", true},
		/* The same caller, however its socket spells it. */
		{__LINE__, "::ffff:10.1.2.3", "10.1.2.3", "0:0:0:0:0:ffff:a01:203", true},
		{__LINE__, "::FFFF:a01:203", "10.1.2.3", "0:0:0:0:0:ffff:a01:203", true},
		{__LINE__, "::", "::", "0:0:0:0:0:0:0:0", false},
		{__LINE__, "::1", "::1", "0:0:0:0:0:0:0:1", false},
		{__LINE__, "fd00:ec2::254", "fd00:ec2::254", "fd00:ec2:0:0:0:0:0:254", false},
		{__LINE__, "FD00:0EC2:0:0:0:0:0:0254", "fd00:ec2::254", "fd00:ec2:0:0:0:0:0:254",
			false},
		/* RFC 5952 4.2.3: the longest run of zeros, the first of equal ones. */
		{__LINE__, "2001:0:0:1:0:0:0:1", "2001:0:0:1::1", "2001:0:0:1:0:0:0:1", false},
		{__LINE__, "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "2001:db8:0:0:1:0:0:1",
			false},
		/* 4.2.2: not for a single one. */
		{__LINE__, "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1",
			false},
		{__LINE__, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
		/* The longest text there is: 45 characters. */
		{__LINE__, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
		{__LINE__, "64:ff9b::1.2.3.4", "64:ff9b::102:304", "64:ff9b:0:0:0:0:102:304",
			false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ipaddr addr, again;
		char text[IPADDR_TEXT_BYTES];
		HOLDS(cases[i].line, ipaddr_parse(str_of(cases[i].text), &addr) == 0);
		HOLDS(cases[i].line, ipaddr_is_v4(&addr) == cases[i].v4);
		ipaddr_format(&addr, text);
		HOLDS(cases[i].line, strcmp(text, cases[i].plain) == 0);
		HOLDS(cases[i].line, ipaddr_parse(str_of(text), &again) == 0);
		HOLDS(cases[i].line, ipaddr_eq(&addr, &again));
		ipaddr_format_long(&addr, text);
		HOLDS(cases[i].line, strcmp(text, cases[i].longer) == 0);
		HOLDS(cases[i].line, ipaddr_parse(str_of(text), &again) == 0);
		HOLDS(cases[i].line, ipaddr_eq(&addr, &again));
	}
}

static void test_loopback(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text;
		bool loopback;
	} cases[] = {
		{__LINE__, "127.0.0.1", true},
		{__LINE__, "127.0.0.0", true},
		{__LINE__, "127.255.255.255", true},
		{__LINE__, "::ffff:127.0.0.9", true},
		{__LINE__, "::1", true},
		{__LINE__, "126.255.255.255", false},
		{__LINE__, "128.0.0.0", false},
		{__LINE__, "0.0.0.0", false},
		{__LINE__, "1.0.0.127", false},
		{__LINE__, "::", false},
		{__LINE__, "::2", false},
		{__LINE__, "::127.0.0.1", false},
		{__LINE__, "1::1", false},
		{__LINE__, "fe80::1", false},
		{__LINE__, "::ffff:0.0.0.1", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ipaddr addr;
		HOLDS(cases[i].line, ipaddr_parse(str_of(cases[i].text), &addr) == 0);
		HOLDS(cases[i].line, ipaddr_is_loopback(&addr) == cases[i].loopback);
	}
}

static void test_any(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text;
		bool any;
	} cases[] = {
		{__LINE__, "0.0.0.0", true},
		{__LINE__, "::", true},
		{__LINE__, "::ffff:0.0.0.0", true},
		{__LINE__, "0.0.0.1", false},
		{__LINE__, "::1", false},
		{__LINE__, "128.0.0.0", false},
		{__LINE__, "8000::", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ipaddr addr;
		HOLDS(cases[i].line, ipaddr_parse(str_of(cases[i].text), &addr) == 0);
		HOLDS(cases[i].line, ipaddr_is_any(&addr) == cases[i].any);
	}
}

static void test_parse_refuses(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
	} cases[] = {
		{__LINE__, {NULL, 0}},
		{__LINE__, STR_INIT("")},
		{__LINE__, STR_INIT(" 1.2.3.4")},
		{__LINE__, STR_INIT("1.2.3.4 ")},
		{__LINE__, STR_INIT("1.2.3.4\n")},
		{__LINE__, STR_INIT("1.2.3.4\0")},
		{__LINE__, STR_INIT("1.2.3.4\0.5")},
		{__LINE__, STR_INIT("1.2.3")},
		{__LINE__, STR_INIT("1.2.3.4.5")},
		{__LINE__, STR_INIT("1.2.3.256")},
		{__LINE__, STR_INIT("1.2.3.-4")},
		{__LINE__, STR_INIT("1..3.4")},
		{__LINE__, STR_INIT("01.2.3.4")}, /* octal to some */
		{__LINE__, STR_INIT("0x1.2.3.4")},
		{__LINE__, STR_INIT("16909060")},
		{__LINE__, STR_INIT("localhost")},
		{__LINE__, STR_INIT(":")},
		{__LINE__, STR_INIT(":::")},
		{__LINE__, STR_INIT("::1::")},
		{__LINE__, STR_INIT("1:2:3:4:5:6:7")},
		{__LINE__, STR_INIT("1:2:3:4:5:6:7:8:9")},
		{__LINE__, STR_INIT("12345::")},
		{__LINE__, STR_INIT("g::")},
		{__LINE__, STR_INIT("::1.2.3")},
		{__LINE__, STR_INIT("fe80::1%lo")},
		{__LINE__, STR_INIT("[::1]")},
		{__LINE__, STR_INIT("1.2.3.4/32")},
		{__LINE__, STR_INIT("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555")},
		{__LINE__, STR_INIT("0000000000000000000000000000000000000000000001.2.3.4")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ipaddr addr, before;
		memset(&addr, 0xa5, sizeof addr);
		before = addr;
		HOLDS(cases[i].line, ipaddr_parse(cases[i].text, &addr) == E_SYNTAX);
		HOLDS(cases[i].line, ipaddr_eq(&addr, &before));
	}
}

static void test_prefix(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text;
		int rc;
		const char *addr;
		unsigned bits;
	} cases[] = {
		{__LINE__, "10.1.2.3", 0, "10.1.2.3", 128},
		{__LINE__, "10.1.2.3/32", 0, "10.1.2.3", 128},
		{__LINE__, "10.0.0.0/8", 0, "10.0.0.0", 104},
		{__LINE__, "10.128.0.0/9", 0, "10.128.0.0", 105},
		{__LINE__, "0.0.0.0/0", 0, "0.0.0.0", 96},
		{__LINE__, "10.1.2.3/032", 0, "10.1.2.3", 128},
		{__LINE__, "2001:db8::", 0, "2001:db8::", 128},
		{__LINE__, "2001:db8::/32", 0, "2001:db8::", 32},
		{__LINE__, "2001:db8::/128", 0, "2001:db8::", 128},
		{__LINE__, "2001:db8::8000:0:0:0/65", 0, "2001:db8:0:0:8000::", 65},
		{__LINE__, "::/0", 0, "::", 0},
		{__LINE__, "::ffff:10.0.0.0/104", 0, "10.0.0.0", 104},
		/* Bits of the host, and lengths that are none. */
		{__LINE__, "10.0.0.1/8", E_RANGE, NULL, 0},
		{__LINE__, "10.64.0.0/9", E_RANGE, NULL, 0},
		{__LINE__, "0.0.0.1/0", E_RANGE, NULL, 0},
		{__LINE__, "2001:db8::1/32", E_RANGE, NULL, 0},
		{__LINE__, "::1/0", E_RANGE, NULL, 0},
		{__LINE__, "10.0.0.0/33", E_RANGE, NULL, 0},
		{__LINE__, "10.0.0.0/104", E_RANGE, NULL, 0},
		{__LINE__, "::/129", E_RANGE, NULL, 0},
		{__LINE__, "::/256", E_RANGE, NULL, 0},
		{__LINE__, "::/4294967296", E_RANGE, NULL, 0},
		{__LINE__, "10.0.0.0/99999999999999999999", E_SYNTAX, NULL, 0},
		{__LINE__, "10.0.0.0/", E_SYNTAX, NULL, 0},
		{__LINE__, "10.0.0.0/-1", E_SYNTAX, NULL, 0},
		{__LINE__, "10.0.0.0/+8", E_SYNTAX, NULL, 0},
		{__LINE__, "10.0.0.0/8/8", E_SYNTAX, NULL, 0},
		{__LINE__, "10.0.0.0/255.0.0.0", E_SYNTAX, NULL, 0},
		{__LINE__, "10.0.0.0 /8", E_SYNTAX, NULL, 0},
		{__LINE__, "10/8", E_SYNTAX, NULL, 0},
		{__LINE__, "/8", E_SYNTAX, NULL, 0},
		{__LINE__, "", E_SYNTAX, NULL, 0},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ipprefix prefix = {.bits = 77};
		int rc = ipprefix_parse(str_of(cases[i].text), &prefix);
		HOLDS(cases[i].line, rc == cases[i].rc);
		HOLDS(cases[i].line, prefix.bits == (rc == 0 ? cases[i].bits : 77));
		struct ipaddr expected = rc == 0 ? parsed(cases[i].addr) : (struct ipaddr){{0}};
		HOLDS(cases[i].line, ipaddr_eq(&prefix.addr, &expected));
	}
}

static void test_mask(void **state)
{
	(void)state;
	struct ipaddr addr;
	for (size_t i = 0; i < 16; i++) {
		addr.b[i] = (uint8_t)(0xff - i * 37 % 64);
	}
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct ipaddr masked = ipaddr_mask(&addr, (uint8_t)bits);
		for (unsigned bit = 0; bit < 128; bit++) {
			unsigned was = addr.b[bit / 8] >> (7 - bit % 8) & 1;
			unsigned is = masked.b[bit / 8] >> (7 - bit % 8) & 1;
			assert_int_equal(is, bit < bits ? was : 0);
		}
	}
}

static void test_mac(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		int rc;
		uint8_t mac[6];
	} cases[] = {
		{__LINE__, STR_INIT("02:aa:bb:cc:dd:01"), 0, {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01}},
		{__LINE__, STR_INIT("0F:FF:a0:09:9A:f0"), 0, {0x0f, 0xff, 0xa0, 0x09, 0x9a, 0xf0}},
		{__LINE__, STR_INIT("00:00:00:00:00:00"), 0, {0}},
		{__LINE__, {NULL, 0}, E_SYNTAX, {0}},
		{__LINE__, STR_INIT(""), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("02:aa:bb:cc:dd:0"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("02:aa:bb:cc:dd:011"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("02:aa:bb:cc:dd:01:"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("02-aa-bb-cc-dd-01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("02:aa:bb:cc:dd 01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("2:aa:bb:cc:dd:001"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("0g:aa:bb:cc:dd:01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("g0:aa:bb:cc:dd:01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("@@:aa:bb:cc:dd:01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("``:aa:bb:cc:dd:01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("//:aa:bb:cc:dd:01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT(":::aa:bb:cc:dd:01"), E_SYNTAX, {0}},
		{__LINE__, STR_INIT("02aa:bb:cc:dd:010"), E_SYNTAX, {0}},
		{__LINE__,
			STR_INIT("02:aa:bb:cc:dd:\0"
				 "1"),
			E_SYNTAX, {0}},
	};
	static const uint8_t untouched[6] = {9, 8, 7, 6, 5, 4};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t mac[6];
		memcpy(mac, untouched, sizeof mac);
		int rc = macaddr_parse(cases[i].text, mac);
		HOLDS(cases[i].line, rc == cases[i].rc);
		HOLDS(cases[i].line,
			memcmp(mac, rc == 0 ? cases[i].mac : untouched, sizeof mac) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_mac),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
