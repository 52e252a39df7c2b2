#include "config/check.h"

#include "base/ipaddr.h"
#include "base/timefmt.h"

#define REGION_MAX    64
#define ROLE_NAME_MAX 64
#define INTERFACE_MAX 15
#define SEGMENT_MAX   255

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define HEX     DIGITS "abcdef"

static bool only(struct str text, const char *set)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\0' || !strchr(set, text.p[i])) {
			return false;
		}
	}
	return true;
}

/* --- text -------------------------------------------------------------------------------------- */

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	       c == 0xfffe || c == 0xffff;
}

static bool all_fit(struct str text, bool lines)
{
	while (text.n) {
		uint32_t c = str_take_character(&text);
		bool line_end = c == '\n' || c == '\t';
		if (c == UINT32_MAX || (is_control(c) && !(lines && line_end))) {
			return false;
		}
	}
	return true;
}

bool check_line(struct str text)
{
	return all_fit(text, false);
}

bool check_lines(struct str text)
{
	return all_fit(text, true);
}

size_t check_characters(struct str text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	}
	return n;
}

bool check_choice(struct str text, const char *words)
{
	struct str rest = str_of(words);
	for (;;) {
		size_t bar = str_find(rest, '|');
		if (str_eq(text, (struct str){rest.p, bar})) {
			return true;
		}
		if (bar == rest.n) {
			return false;
		}
		rest = str_from(rest, bar + 1);
	}
}

bool check_word(struct str text)
{
	return text.n && check_line(text) && str_find(text, ' ') == text.n;
}

/* --- addresses and times ----------------------------------------------------------------------- */

bool check_ipv4(struct str text)
{
	struct ipaddr addr;
	return ipaddr_parse(text, &addr) == 0 && str_find(text, ':') == text.n;
}

bool check_ipv6(struct str text)
{
	struct ipaddr addr;
	return ipaddr_parse(text, &addr) == 0 && !ipaddr_is_v4(&addr);
}

bool check_prefix(struct str text)
{
	struct ipprefix prefix;
	return ipprefix_parse(text, &prefix) == 0;
}

bool check_mac(struct str text)
{
	uint8_t mac[6];
	return macaddr_parse(text, mac) == 0;
}

bool check_time(struct str text)
{
	int64_t unix_s;
	return timefmt_parse_iso(text, &unix_s) == 0;
}

/* --- names and ids ----------------------------------------------------------------------------- */

static bool is_id(struct str text, struct str prefix, size_t *ret_digits)
{
	*ret_digits = text.n - prefix.n;
	return str_starts(text, prefix) && only(str_from(text, prefix.n), HEX);
}

bool check_instance_id(struct str text)
{
	size_t digits;
	return is_id(text, STR("i-"), &digits) && (digits == 8 || digits == 17);
}

bool check_image_id(struct str text)
{
	size_t digits;
	return is_id(text, STR("ami-"), &digits) && digits >= 8 && digits <= 17;
}

bool check_account(struct str text)
{
	return text.n == 12 && only(text, DIGITS);
}

bool check_region(struct str text)
{
	return text.n && text.n <= REGION_MAX && only((struct str){text.p, 1}, LETTERS) &&
	       only(text, LETTERS DIGITS "-_");
}

bool check_role_name(struct str text)
{
	return text.n && text.n <= ROLE_NAME_MAX && only(text, LETTERS DIGITS "+=,.@_-") &&
	       !str_eq(text, STR(".")) && !str_eq(text, STR(".."));
}

bool check_interface(struct str text)
{
	return check_word(text) && text.n <= INTERFACE_MAX && str_find(text, '/') == text.n &&
	       !str_eq(text, STR(".")) && !str_eq(text, STR(".."));
}

/* The base64 of a key starts with its type's length, four bytes of which the first three are 0. */
bool check_public_key(struct str text)
{
	size_t type = str_find(text, ' ');
	if (!check_line(text) || type == text.n) {
		return false;
	}
	struct str rest = str_trim(str_from(text, type));
	struct str blob = {rest.p, str_find(rest, ' ')};
	while (blob.n && blob.p[blob.n - 1] == '=') {
		blob.n--;
	}
	text.n = type;
	return (str_starts(text, STR("ssh-")) || str_starts(text, STR("ecdsa-")) ||
		       str_starts(text, STR("sk-"))) &&
	       only(text, LETTERS DIGITS "-@.") && str_starts(blob, STR("AAAA")) &&
	       only(blob, LETTERS DIGITS "+/");
}

bool check_shown_tag(struct str key)
{
	return key.n && only(key, LETTERS DIGITS "+-=.,_:@") && !str_eq(key, STR(".")) &&
	       !str_eq(key, STR("..")) && !str_eq(key, STR("_index"));
}

bool check_path_segment(struct str name)
{
	return name.n && name.n <= SEGMENT_MAX && check_line(name) &&
	       str_find(name, '/') == name.n && !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}
