#include "base/str.h"

#include <stdlib.h>

static inline unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;
	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n) {
		return false;
	}
	for (size_t i = 0; i < a.n; i++) {
		if (lower(a.p[i]) != lower(b.p[i])) {
			return false;
		}
	}
	return true;
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

bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

struct str str_trim(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s = str_from(s, 1);
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
		s.n--;
	}
	return s;
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
