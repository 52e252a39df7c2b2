#include "control/query.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"

#define PREFIX "member"

/* A key is kept as its parts, each with a NUL behind it: those that nest compare equal up to a part's end. */
struct pair {
	struct str key;
	struct str value;
};

struct query {
	struct buf
		memory; /* the keys and values, decoded; never grown, so that pairs can point into it */
	struct pair *pairs;
	size_t n;
};

static void query_done(struct query *query)
{
	buf_done(&query->memory);
	free(query->pairs);
}

static struct str cut(struct str *rest, char c)
{
	size_t end = str_find(*rest, c);
	struct str part = {rest->p, end};
	*rest = end < rest->n ? str_from(*rest, end + 1) : STR_EMPTY;
	return part;
}

/* --- text ------------------------------------------------------------------------------------ */

static int nibble(char c)
{
	char lower = (char)(c | 0x20);
	return c >= '0' && c <= '9'             ? c - '0'
	       : (lower >= 'a' && lower <= 'f') ? lower - 'a' + 10
						: -1;
}

/* The byte that "%41" at the start of text stands for, or -1. */
static int escaped(struct str text)
{
	int high = text.n > 2 ? nibble(text.p[1]) : -1;
	int low = high >= 0 ? nibble(text.p[2]) : -1;
	return low < 0 ? -1 : high << 4 | low;
}

/* Once, so that "%2541" is "%41". */
static int decode_bytes(struct str text, struct buf *out, struct diag *diag)
{
	for (size_t i = 0; i < text.n; i++) {
		int c = text.p[i] == '+' ? ' ' : (unsigned char)text.p[i];
		if (c == '%') {
			c = escaped(str_from(text, i));
			i += 2;
		}
		if (c < 0) {
			return diag_set(diag, E_SYNTAX, "a '%%' is not followed by two hex digits");
		}
		if (c == '\0') {
			return diag_set(diag, E_SYNTAX, "a NUL is not allowed");
		}
		buf_add_char(out, (char)c);
	}
	return 0;
}

static int decode(struct str text, struct buf *out, struct str *ret_text, struct diag *diag)
{
	size_t start = out->n;
	TRY(decode_bytes(text, out, diag));
	struct str decoded = {out->p + start, out->n - start};
	for (struct str rest = decoded; rest.n;) {
		if (str_take_character(&rest) == UINT32_MAX) {
			return diag_set(diag, E_SYNTAX, "not UTF-8");
		}
	}
	*ret_text = decoded;
	return 0;
}

/* --- keys ------------------------------------------------------------------------------------ */

static bool is_index(struct str part)
{
	for (size_t i = 0; i < part.n; i++) {
		if (part.p[i] < '0' || part.p[i] > '9') {
			return false;
		}
	}
	return part.n > 0;
}

static int check_index(struct str part, struct diag *diag)
{
	uint64_t index;
	if (str_to_u64(part, &index) < 0 || index < 1 || index > QUERY_INDEX_MAX) {
		return diag_set(
			diag, E_LIMIT, "an index is not from 1 to %d", (int)QUERY_INDEX_MAX);
	}
	/* So that one element has one name. */
	return part.p[0] == '0' ? diag_set(diag, E_SYNTAX, "an index begins with 0") : 0;
}

/* What a message names must not break its line. */
static int check_name(struct str part, struct diag *diag)
{
	if (part.n == 0) {
		return diag_set(diag, E_SYNTAX, "a part of the name is empty");
	}
	while (part.n) {
		uint32_t c = str_take_character(&part);
		if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			return diag_set(diag, E_SYNTAX, "a control character in the name");
		}
	}
	return 0;
}

/* The part of a key that ends at the next dot. */
static struct str part_of(struct str rest)
{
	return (struct str){rest.p, str_find(rest, '.')};
}

/* Whether the first part of rest says nothing: CloudWatch's "member" before an index. */
static bool is_prefix(struct str rest)
{
	struct str part = part_of(rest);
	return str_eq(part, STR(PREFIX)) && part.n < rest.n &&
	       is_index(part_of(str_from(rest, part.n + 1)));
}

/*
 * Write the key's parts over it, each with a NUL in place of its dot, without prefixes. There is one
 * byte more than key->n.
 */
static int split(char *memory, struct str *key, struct diag *diag)
{
	size_t used = 0, depth = 0;
	for (size_t at = 0; at <= key->n;) {
		struct str rest = {memory + at, key->n - at}, part = part_of(rest);
		at += part.n + 1;
		if (depth > 0 && is_prefix(rest)) {
			continue;
		}
		if (depth == 0 && is_index(part)) {
			return diag_set(diag, E_SYNTAX, "the name begins with a number");
		}
		if (++depth > QUERY_DEPTH_MAX) {
			return diag_set(diag, E_LIMIT, "the name has more than %d parts",
				(int)QUERY_DEPTH_MAX);
		}
		TRY(is_index(part) ? check_index(part, diag) : check_name(part, diag));
		memmove(memory + used, part.p, part.n);
		memory[used + part.n] = '\0';
		used += part.n + 1;
	}
	*key = (struct str){memory, used};
	return 0;
}

/* The part that begins at `at`. */
static struct str part_at(const struct pair *pair, size_t at)
{
	struct str rest = str_from(pair->key, at);
	return (struct str){rest.p, str_find(rest, '\0')};
}

/* Indexes by their number, and before names. */
static int part_cmp(struct str a, struct str b)
{
	bool index = is_index(a);
	if (index != is_index(b)) {
		return index ? -1 : 1;
	}
	if (index && a.n != b.n) {
		return a.n < b.n ? -1 : 1;
	}
	return str_cmp(a, b);
}

/* Part by part; a key that others go on from comes before them. */
static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	for (size_t at = 0; at < x->key.n && at < y->key.n;) {
		struct str part = part_at(x, at);
		int order = part_cmp(part, part_at(y, at));
		if (order != 0) {
			return order;
		}
		at += part.n + 1;
	}
	return x->key.n < y->key.n ? -1 : x->key.n > y->key.n;
}

/* --- pairs ----------------------------------------------------------------------------------- */

/* The first n bytes of a key, as one would write it; returns rc with the message. */
static int fail_at(const struct pair *pair, size_t n, int rc, const char *what, struct diag *diag)
{
	char name[QUERY_KEY_MAX + 1];
	memcpy(name, pair->key.p, n);
	for (size_t i = 0; i + 1 < n; i++) {
		name[i] = name[i] ? name[i] : '.';
	}
	return diag_set(diag, rc, "%s: %s", name, what);
}

static int read_pair(struct query *query, struct str text, struct diag *diag)
{
	struct buf *memory = &query->memory;
	struct pair pair;
	struct diag said = {{0}};
	struct str name = cut(&text, '=');
	size_t start = memory->n;
	int rc = decode(name, memory, &pair.key, &said);
	buf_add_char(memory, '\0');
	if (rc == 0 && pair.key.n > QUERY_KEY_MAX) {
		rc = diag_set(
			&said, E_LIMIT, "the name is longer than %d bytes", (int)QUERY_KEY_MAX);
	}
	if (rc == 0) {
		rc = split(memory->p + start, &pair.key, &said);
	}
	if (rc < 0) {
		return diag_set(diag, rc, "parameter %zu: %s", query->n + 1, said.text);
	}
	rc = decode(text, memory, &pair.value, &said);
	if (rc < 0) {
		return fail_at(&pair, pair.key.n, rc, said.text, diag);
	}
	query->pairs[query->n++] = pair;
	return 0;
}

static size_t count_pairs(struct str text)
{
	size_t n = 0;
	while (text.n) {
		n += cut(&text, '&').n > 0;
	}
	return n;
}

static int read_pairs(struct query *query, struct str text, struct diag *diag)
{
	size_t bytes, n = count_pairs(text);
	if (n > QUERY_PAIRS_MAX) {
		return diag_set(diag, E_LIMIT, "more than %d parameters", (int)QUERY_PAIRS_MAX);
	}
	if (n == 0) {
		return 0;
	}
	query->pairs = malloc(n * sizeof *query->pairs);
	/* Decoded text is not longer, but each key has a NUL behind it. */
	if (!query->pairs || __builtin_add_overflow(text.n, n, &bytes) ||
		!buf_room(&query->memory, bytes)) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	while (text.n) {
		struct str one = cut(&text, '&');
		if (one.n > 0) {
			TRY(read_pair(query, one, diag));
		}
	}
	qsort(query->pairs, query->n, sizeof *query->pairs, by_key);
	return 0;
}

/* --- the tree -------------------------------------------------------------------------------- */

static int build_text(const struct pair *pairs, size_t n, json_t **ret_value, struct diag *diag)
{
	size_t end = pairs->key.n;
	if (n > 1) {
		return fail_at(pairs, end, E_SYNTAX,
			pairs[1].key.n == end ? "this parameter is there twice"
					      : "this parameter has a value and parts as well",
			diag);
	}
	*ret_value = json_stringn_nocheck(pairs->value.p, pairs->value.n);
	return *ret_value ? 0 : diag_set(diag, -ENOMEM, "out of memory");
}

/* How many pairs from the first on have the same part at `at`. */
static size_t count_run(const struct pair *pairs, size_t n, size_t at)
{
	size_t run = 1;
	while (run < n && str_eq(part_at(&pairs[run], at), part_at(pairs, at))) {
		run++;
	}
	return run;
}

/* Takes the element. */
static int add_element(json_t *parent, struct str part, json_t *element, struct diag *diag)
{
	int rc = json_is_array(parent)
			 ? json_array_append_new(parent, element)
			 : json_object_setn_new_nocheck(parent, part.p, part.n, element);
	return rc == 0 ? 0 : diag_set(diag, -ENOMEM, "out of memory");
}

/*
 * What pairs in their order, whose keys are the same in the `at` bytes at their start, make together.
 * As deep as a key has parts.
 */
static int build(
	const struct pair *pairs, size_t n, size_t at, json_t **ret_value, struct diag *diag)
{
	if (pairs->key.n == at) {
		return build_text(pairs, n, ret_value, diag);
	}
	bool list = is_index(part_at(pairs, at));
	if (list != is_index(part_at(&pairs[n - 1], at))) {
		return fail_at(
			pairs, at, E_SYNTAX, "this parameter has indexes and names as well", diag);
	}
	json_t *value = list ? json_array() : json_object();
	int rc = value ? 0 : diag_set(diag, -ENOMEM, "out of memory");
	for (size_t i = 0; rc == 0 && i < n;) {
		json_t *element = NULL;
		struct str part = part_at(&pairs[i], at);
		size_t run = count_run(&pairs[i], n - i, at);
		rc = build(&pairs[i], run, at + part.n + 1, &element, diag);
		if (rc == 0) {
			rc = add_element(value, part, element, diag);
		}
		i += run;
	}
	if (rc < 0) {
		json_decref(value);
		return rc;
	}
	*ret_value = value;
	return 0;
}

/* The empty text is an object as well. */
static int build_request(const struct query *query, json_t **ret_request, struct diag *diag)
{
	if (query->n > 0) {
		return build(query->pairs, query->n, 0, ret_request, diag);
	}
	json_t *request = json_object();
	if (!request) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	*ret_request = request;
	return 0;
}

int query_parse(struct str text, json_t **ret_request, struct diag *diag)
{
	struct query query = {0};
	int rc = read_pairs(&query, text, diag);
	if (rc == 0) {
		rc = build_request(&query, ret_request, diag);
	}
	query_done(&query);
	return rc;
}
