#include "base/ipaddr.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int ipaddr_parse(struct str text, struct ipaddr *ret_addr)
{
	char copy[IPADDR_TEXT_BYTES];
	struct ipaddr addr;
	if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, '\0', text.n)) {
		return E_SYNTAX;
	}
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (strchr(copy, ':')) {
		if (inet_pton(AF_INET6, copy, addr.b) != 1) {
			return E_SYNTAX;
		}
	} else {
		memcpy(addr.b, mapped, sizeof mapped);
		if (inet_pton(AF_INET, copy, addr.b + 12) != 1) {
			return E_SYNTAX;
		}
	}
	*ret_addr = addr;
	return 0;
}

int ipprefix_parse(struct str text, struct ipprefix *ret_prefix)
{
	size_t slash = str_find(text, '/');
	struct ipprefix prefix = {.bits = 128};
	TRY(ipaddr_parse((struct str){text.p, slash}, &prefix.addr));
	if (slash < text.n) {
		bool v4 = memchr(text.p, ':', slash) == NULL;
		uint64_t bits;
		if (str_to_u64(str_from(text, slash + 1), &bits) < 0) {
			return E_SYNTAX;
		}
		if (bits > (v4 ? 32 : 128)) {
			return E_RANGE;
		}
		prefix.bits = (uint8_t)(v4 ? 96 + bits : bits);
	}
	struct ipaddr base = ipaddr_mask(&prefix.addr, prefix.bits);
	if (!ipaddr_eq(&base, &prefix.addr)) {
		return E_RANGE;
	}
	*ret_prefix = prefix;
	return 0;
}

void ipaddr_format(const struct ipaddr *addr, char ret_text[IPADDR_TEXT_BYTES])
{
	/* The buffer is large enough for both families, so neither call can fail. */
	if (ipaddr_is_v4(addr)) {
		(void)inet_ntop(AF_INET, addr->b + 12, ret_text, IPADDR_TEXT_BYTES);
	} else {
		(void)inet_ntop(AF_INET6, addr->b, ret_text, IPADDR_TEXT_BYTES);
	}
}

void ipaddr_format_long(const struct ipaddr *addr, char ret_text[IPADDR_TEXT_BYTES])
{
	size_t at = 0;
	for (size_t i = 0; i < 16; i += 2) {
		unsigned group = (unsigned)addr->b[i] << 8 | addr->b[i + 1];
		int n = snprintf(
			ret_text + at, IPADDR_TEXT_BYTES - at, "%s%x", i ? ":" : "", group);
		at += n > 0 ? (size_t)n : 0;
	}
}

bool ipaddr_is_v4(const struct ipaddr *addr)
{
	return memcmp(addr->b, mapped, sizeof mapped) == 0;
}

bool ipaddr_is_any(const struct ipaddr *addr)
{
	static const struct ipaddr any = {{0}}, any_v4 = {{[10] = 0xff, 0xff}};
	return ipaddr_eq(addr, &any) || ipaddr_eq(addr, &any_v4);
}

bool ipaddr_is_loopback(const struct ipaddr *addr)
{
	static const struct ipaddr six = {.b = {[15] = 1}};
	return ipaddr_is_v4(addr) ? addr->b[12] == 127 : ipaddr_eq(addr, &six);
}

struct ipaddr ipaddr_mask(const struct ipaddr *addr, uint8_t bits)
{
	struct ipaddr out = {{0}};
	size_t whole = bits / 8;
	memcpy(out.b, addr->b, whole);
	if (bits % 8) {
		out.b[whole] = (uint8_t)(addr->b[whole] & (0xff << (8 - bits % 8)));
	}
	return out;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

int macaddr_parse(struct str text, uint8_t ret_mac[6])
{
	uint8_t mac[6];
	if (text.n != 17) {
		return E_SYNTAX;
	}
	for (size_t i = 0; i < 6; i++) {
		int high = nibble(text.p[i * 3]), low = nibble(text.p[i * 3 + 1]);
		if (high < 0 || low < 0 || (i < 5 && text.p[i * 3 + 2] != ':')) {
			return E_SYNTAX;
		}
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_mac, mac, sizeof mac);
	return 0;
}
