#include "metadata/path.h"

#include "base/block.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	char l = (char)(c | 0x20);
	return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* Bytes that a clean path can't have as they are, and what ends it. */
static inline block are_odd(block bytes)
{
	return (block)(bytes <= ' ') | (block)(bytes == 0x7f) | (block)(bytes == '%') |
	       (block)(bytes == '?');
}

static inline bool is_pair(char c, char next)
{
	return c == '/' && (next == '/' || next == '.');
}

/* The same of each byte of a block and of the one behind it. */
static inline bool have_pair(const char *at)
{
	block bytes = block_at(at), next = block_at(at + 1);
	return block_bits((block)(bytes == '/') & ((block)(next == '/') | (block)(next == '.')));
}

/* Whether a slash is doubled, or a segment begins with a dot. */
static bool has_pair(struct str path)
{
	size_t pairs = path.n ? path.n - 1 : 0, at = 0;
	for (; pairs - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
		if (have_pair(path.p + at)) {
			return true;
		}
	}
	if (pairs >= BLOCK_BYTES) {
		return at < pairs && have_pair(path.p + pairs - BLOCK_BYTES);
	}
	while (at < pairs && !is_pair(path.p[at], path.p[at + 1])) {
		at++;
	}
	return at < pairs;
}

/*
 * How long the path is if it is clean as it stands: no escape, no doubled slash, no segment that begins
 * with a dot (and so no ".."); otherwise 0. It ends before the query.
 */
static size_t plain_length(struct str target)
{
	const char *end = target.p + target.n;
	const char *at = block_find(target.p, target.p, end, are_odd);
	struct str path = {target.p, (size_t)(at - target.p)};
	return (at < end && *at != '?') || has_pair(path) ? 0 : path.n;
}

/* One byte of the path, decoded; *at is moved on. Returns it or E_SYNTAX. */
static int next_byte(struct str path, size_t *at)
{
	int c = (unsigned char)path.p[(*at)++];
	if (c == '%') {
		if (*at + 2 > path.n) {
			return E_SYNTAX;
		}
		int high = hex_value(path.p[*at]), low = hex_value(path.p[*at + 1]);
		if (high < 0 || low < 0) {
			return E_SYNTAX;
		}
		*at += 2;
		c = high << 4 | low;
	}
	return c < ' ' || c == 0x7f ? E_SYNTAX : c;
}

/* Decode and collapse into memory, as a path with a slash at its start. */
static int decode(struct str path, char memory[PATH_BYTES], struct str *ret_path)
{
	size_t n = 0;
	for (size_t at = 0; at < path.n;) {
		int c = next_byte(path, &at);
		if (c < 0) {
			return c;
		}
		if (c == '/' && n > 0 && memory[n - 1] == '/') {
			continue;
		}
		if (n == PATH_BYTES) {
			return E_LIMIT;
		}
		memory[n++] = (char)c;
	}
	*ret_path = (struct str){memory, n};
	return 0;
}

static bool has_dot_dot(struct str path)
{
	while (path.n) {
		struct str segment = path_next(&path);
		if (str_eq(segment, STR(".."))) {
			return true;
		}
	}
	return false;
}

int path_clean(
	struct str target, char memory[PATH_BYTES], struct str *ret_path, bool *ret_slash_at_end)
{
	if (target.n == 0 || target.p[0] != '/') {
		return E_SYNTAX;
	}
	struct str path = {target.p, plain_length(target)};
	if (path.n == 0) {
		path.n = str_find(target, '?');
		TRY(decode(path, memory, &path));
		if (has_dot_dot(path)) {
			return E_SYNTAX;
		}
	}
	path = str_from(path, 1);
	bool slash = path.n && path.p[path.n - 1] == '/';
	if (slash) {
		path.n--;
	}
	*ret_path = path;
	*ret_slash_at_end = slash;
	return 0;
}

struct str path_next(struct str *path)
{
	size_t slash = str_find(*path, '/');
	struct str segment = {path->p, slash};
	*path = slash < path->n ? str_from(*path, slash + 1) : (struct str){path->p + path->n, 0};
	return segment;
}
