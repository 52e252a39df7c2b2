/*
 * str - borrowed views of bytes, and the small parsers that work on them.
 *
 * Layer:   base
 * Threads: no state
 * Memory:  a struct str owns nothing and need not end in NUL.
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_BASE_STR_H
#define TELLTALE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/result.h"

struct str {
	const char *p;
	size_t n;
};

#define STR_EMPTY    ((struct str){NULL, 0})
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)                       \
	{                                       \
		"" literal, sizeof(literal) - 1 \
	}

/* For printf's "%.*s". */
#define STR_FMT(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct str str_of(const char *text)
{
	return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline struct str str_from(struct str s, size_t at)
{
	return (struct str){s.p + at, s.n - at};
}

/* For two of the same length that are not spelled alike. */
bool str_eq_nocase_slow(struct str a, struct str b);

/* ASCII only; locale plays no part. */
static inline bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n || b.n == 0) {
		return a.n == b.n;
	}
	/* Most are spelled alike, or differ in their first letter. */
	return memcmp(a.p, b.p, b.n) == 0 ||
	       (((a.p[0] ^ b.p[0]) & ~0x20) == 0 && str_eq_nocase_slow(a, b));
}

/* Bytewise order, as in listings; a prefix comes first. */
int str_cmp(struct str a, struct str b);

/* Where byte c first is, or s.n. */
size_t str_find(struct str s, char c);

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

static inline bool str_is_blank(char c)
{
	/* Most are neither, which the first comparison tells. */
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\t');
}

/* Without spaces and tabs at both ends. */
static inline struct str str_trim(struct str s)
{
	while (s.n && str_is_blank(s.p[0])) {
		s = str_from(s, 1);
	}
	while (s.n && str_is_blank(s.p[s.n - 1])) {
		s.n--;
	}
	return s;
}

/*
 * A decimal number of digits only: no sign, no space, at least one digit. Leading zeros are fine.
 * Returns 0, E_SYNTAX, or E_RANGE when it does not fit.
 */
MUST_CHECK int str_to_u64(struct str s, uint64_t *ret_value);

/*
 * The next character of a text that is not empty, cut off from it. UINT32_MAX, and nothing is cut off,
 * when that is not UTF-8: not the shortest form, a surrogate, or beyond Unicode.
 */
uint32_t str_take_character(struct str *text);

/* A heap copy with NUL at its end; NULL when out of memory. */
char *str_dup(struct str s);

#endif
