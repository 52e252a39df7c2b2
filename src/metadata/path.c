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

/* Bytes that a clean path can't have as they are, what ends it, and the slash, behind which not all may stand. */
static inline block are_special(block bytes)
{
	return (block)(bytes <= ' ') | (block)(bytes == 0x7f) | (block)(bytes == '%') |
	       (block)(bytes == '?') | (block)(bytes == '/');
}

/*
 * How long the path is if it is clean as it stands: no escape, no doubled slash, no segment that begins
 * with a dot (and so no ".."); otherwise 0. It ends before the query.
 */
static size_t plain_length(struct str target)
{
	const char *at = target.p, *end = target.p + target.n;
	for (;;) {
		at = block_find(target.p, at, end, are_special);
		if (at == end || *at == '?') {
			return (size_t)(at - target.p);
		}
		at++;
		if (at[-1] != '/' || (at < end && (*at == '/' || *at == '.'))) {
			return 0;
		}
	}
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
