#include "base/str.h"

#include <stdlib.h>

static inline unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;
	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_eq_nocase_slow(struct str a, struct str b)
{
	unsigned differs = 0;
	/* No early end, so that the compiler can look at many bytes at once. */
	for (size_t i = 0; i < a.n; i++) {
		differs |= (unsigned)(lower(a.p[i]) ^ lower(b.p[i]));
	}
	return !differs;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;
	if (order != 0) {
		return order;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

size_t str_find(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : s.n;
}

int str_to_u64(struct str s, uint64_t *ret_value)
{
	uint64_t value = 0;
	if (s.n == 0) {
		return E_SYNTAX;
	}
	bool fits = true;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9') {
			return E_SYNTAX;
		}
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, digit, &value)) {
			fits = false;
		}
	}
	if (!fits) {
		return E_RANGE;
	}
	*ret_value = value;
	return 0;
}

uint32_t str_take_character(struct str *text)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)text->p;
	size_t bytes = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = bytes == 1 ? p[0] : p[0] & (0x7fU >> bytes);
	if (bytes > text->n || (p[0] >= 0x80 && p[0] < 0xc0) || p[0] > 0xf4) {
		return UINT32_MAX;
	}
	for (size_t i = 1; i < bytes; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return UINT32_MAX;
		}
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < smallest[bytes] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
		return UINT32_MAX;
	}
	*text = str_from(*text, bytes);
	return c;
}

char *str_dup(struct str s)
{
	char *copy = malloc(s.n + 1);
	if (copy) {
		if (s.n) {
			memcpy(copy, s.p, s.n);
		}
		copy[s.n] = '\0';
	}
	return copy;
}
