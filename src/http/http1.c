#include "http/http1.h"

#include "base/block.h"

#define VERSION_CHARS 8 /* HTTP/1.1 */

/* Classes of bytes. */
enum {
	IS_TOKEN = 1,  /* RFC 9110 5.6.2 tchar */
	IS_VALUE = 2,  /* field values: HTAB, SP, VCHAR, obs-text */
	IS_TARGET = 4, /* visible ASCII but '#', '"', '<', '>', '\', '^', '`', '{', '|', '}' */
};

/* The combinations that occur; one letter a byte keeps the table readable. */
#define A (IS_TOKEN | IS_VALUE | IS_TARGET)
#define N (IS_TOKEN | IS_VALUE)
#define G (IS_VALUE | IS_TARGET)
#define V IS_VALUE

/* clang-format off */
static const uint8_t classes[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	V, A, V, N, A, A, A, A, G, G, A, A, G, A, A, G,
	A, A, A, A, A, A, A, A, A, A, G, G, V, G, V, G,
	G, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
	A, A, A, A, A, A, A, A, A, A, A, G, V, G, N, A,
	N, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
	A, A, A, A, A, A, A, A, A, A, A, V, N, V, A, 0,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
/* clang-format on */

#undef A
#undef N
#undef G
#undef V

/* Where the first byte outside the class is. */
static inline const char *skip(const char *at, const char *end, uint8_t class)
{
	while (at < end && classes[(unsigned char)*at] & class) {
		at++;
	}
	return at;
}

/* What names of fields and paths are not made of, nearly all of them: letters, and from '-' to '9'. */
static inline block are_rare(block bytes)
{
	return ~((block)((bytes | 0x20) - 'a' <= 'z' - 'a') | (block)(bytes - '-' <= '9' - '-'));
}

static inline block are_rare_in_names(block bytes)
{
	return are_rare(bytes) | (block)(bytes == '/');
}

static inline block are_control(block bytes)
{
	return (block)(bytes < ' ') | (block)(bytes == 0x7f);
}

/* The same as skip() for field names, targets and field values; `from` is that of block_find(). */
static inline const char *skip_name(const char *at, const char *end)
{
	at = block_find(at, at, end, are_rare_in_names);
	return at < end && *at != ':' ? skip(at, end, IS_TOKEN) : at;
}

static inline const char *skip_target(const char *from, const char *at, const char *end)
{
	at = block_find(from, at, end, are_rare);
	return at < end && *at != ' ' ? skip(at, end, IS_TARGET) : at;
}

static inline const char *skip_value(const char *from, const char *at, const char *end)
{
	for (;; at++) {
		at = block_find(from, at, end, are_control);
		if (at == end || *at != '\t') {
			return at;
		}
	}
}

static enum http1_method method_of(struct str name)
{
	static const struct str names[] = {
		[HTTP1_GET] = STR_INIT("GET"),
		[HTTP1_HEAD] = STR_INIT("HEAD"),
		[HTTP1_PUT] = STR_INIT("PUT"),
		[HTTP1_POST] = STR_INIT("POST"),
		[HTTP1_DELETE] = STR_INIT("DELETE"),
		[HTTP1_OPTIONS] = STR_INIT("OPTIONS"),
	};
	for (int i = HTTP1_GET; i < HTTP1_OTHER; i++) {
		if (str_eq(name, names[i])) {
			return (enum http1_method)i;
		}
	}
	return HTTP1_OTHER;
}

/*
 * RFC 9112 3.2.2: "a server MUST accept the absolute-form in requests". Only its path counts here:
 * the service is the same by whatever name it is called.
 */
static int normalise_target(struct str *target)
{
	if (target->n && target->p[0] == '/') {
		return 0;
	}
	struct str scheme = STR("http://");
	if (target->n <= scheme.n || !str_eq_nocase((struct str){target->p, scheme.n}, scheme)) {
		return 400;
	}
	struct str rest = str_from(*target, scheme.n);
	size_t slash = str_find(rest, '/');
	if (slash == 0 || slash == rest.n || str_find(rest, '?') < slash) {
		return 400; /* no host, or no path */
	}
	*target = str_from(rest, slash);
	return 0;
}

/* HTTP/1.0 or HTTP/1.x; the version's minor number, or -1. */
static int parse_version(struct str text)
{
	if (text.n != VERSION_CHARS || !str_starts(text, STR("HTTP/1.")) || text.p[7] < '0' ||
		text.p[7] > '9') {
		return -1;
	}
	return text.p[7] - '0';
}

/*
 * The line METHOD SP TARGET SP HTTP/1.x CRLF. *at is put behind it.
 * E_AGAIN comes only when everything so far could begin such a line.
 */
static int parse_request_line(const char **at, const char *end, const struct http1_limits *limits,
	struct http1_req *req, int *ret_minor)
{
	const char *method = *at;
	const char *p = skip(method, end, IS_TOKEN);
	struct str name = {method, (size_t)(p - method)};
	if (p == end) {
		return E_AGAIN;
	}
	if (name.n == 0 || *p != ' ') {
		return 400;
	}
	const char *target = ++p;
	p = skip_target(method, target, end);
	req->target = (struct str){target, (size_t)(p - target)};
	if (req->target.n > limits->target_bytes) {
		return 414;
	}
	if (p == end) {
		return E_AGAIN;
	}
	if (*p != ' ') {
		return 400;
	}
	const char *version = ++p;
	if (end - version > VERSION_CHARS && version[VERSION_CHARS] == '\r') {
		p += VERSION_CHARS; /* nearly always */
	}
	while (p < end && *p != '\r' && *p != '\n' && p - version <= VERSION_CHARS) {
		p++;
	}
	if (p == end) {
		return E_AGAIN;
	}
	*ret_minor = parse_version((struct str){version, (size_t)(p - version)});
	if (*ret_minor < 0 || *p != '\r') {
		return 400;
	}
	if (p + 1 == end) {
		return E_AGAIN;
	}
	if (p[1] != '\n') {
		return 400;
	}
	req->method = method_of(name);
	*at = p + 2;
	return normalise_target(&req->target);
}

/* NAME ":" OWS VALUE OWS CRLF. RFC 9112 5.1: no white space before the colon; 5.2: no folding. */
static inline int parse_field(const char **at, const char *end, struct http1_field *field)
{
	const char *name = *at;
	const char *p = skip_name(name, end);
	if (p == end) {
		return E_AGAIN;
	}
	if (p == name || *p != ':') {
		return 400;
	}
	field->name = (struct str){name, (size_t)(p - name)};
	const char *value = ++p;
	p = skip_value(name, value, end);
	if (p == end || (*p == '\r' && p + 1 == end)) {
		return E_AGAIN;
	}
	if (*p != '\r' || p[1] != '\n') {
		return 400;
	}
	field->value = str_trim((struct str){value, (size_t)(p - value)});
	*at = p + 2;
	return 0;
}

/* "close" or "keep-alive" somewhere in a comma-separated list. */
static bool list_has(struct str list, struct str word)
{
	while (list.n) {
		size_t comma = str_find(list, ',');
		if (str_eq_nocase(str_trim((struct str){list.p, comma}), word)) {
			return true;
		}
		list = comma < list.n ? str_from(list, comma + 1) : STR_EMPTY;
	}
	return false;
}

/* What the fields say about where the body ends and what happens to the connection. */
struct framing {
	bool host;
	bool length;
	bool encoding;
	bool close;
	bool keep_alive;
};

static int on_length(struct http1_req *req, struct framing *framing, struct str value)
{
	uint64_t length;
	if (str_to_u64(value, &length) < 0) {
		return 400; /* also the list form "0, 0" */
	}
	if (framing->length && length != req->content_length) {
		return 400;
	}
	framing->length = true;
	req->content_length = length;
	return 0;
}

/* Only the fields of these lengths can matter; most fields end at the first test. */
static int frame_field(struct http1_req *req, struct framing *framing, const struct http1_field *f)
{
	switch (f->name.n) {
	case 4:
		if (str_eq_nocase(f->name, STR("Host"))) {
			int rc = framing->host ? 400 : 0;
			framing->host = true;
			return rc;
		}
		return 0;
	case 10:
		if (str_eq_nocase(f->name, STR("Connection"))) {
			framing->close |= list_has(f->value, STR("close"));
			framing->keep_alive |= list_has(f->value, STR("keep-alive"));
		}
		return 0;
	case 14:
		return str_eq_nocase(f->name, STR("Content-Length"))
			       ? on_length(req, framing, f->value)
			       : 0;
	case 17:
		if (str_eq_nocase(f->name, STR("Transfer-Encoding"))) {
			if (framing->encoding || !str_eq_nocase(f->value, STR("chunked"))) {
				return 400;
			}
			framing->encoding = true;
		}
		return 0;
	default:
		return 0;
	}
}

static int finish_framing(struct http1_req *req, const struct framing *framing, int minor)
{
	/*
	 * RFC 9112 6.1: a Transfer-Encoding with a Content-Length, or in HTTP/1.0, "ought to be
	 * handled as an error".
	 */
	if (framing->encoding && (framing->length || minor == 0)) {
		return 400;
	}
	req->chunked = framing->encoding;
	req->keep_alive = !framing->close && (minor > 0 || framing->keep_alive);
	return 0;
}

static int parse_fields(const char **at, const char *end, const struct http1_limits *limits,
	struct http1_req *req, int minor)
{
	struct framing framing = {0};
	const char *p = *at;
	for (;;) {
		if (p == end || (*p == '\r' && p + 1 == end)) {
			return E_AGAIN;
		}
		if (*p == '\r') {
			if (p[1] != '\n') {
				return 400;
			}
			break;
		}
		if (req->n_fields == limits->fields) {
			return 431; /* whatever it is */
		}
		struct http1_field *one = &req->fields[req->n_fields];
		int rc = parse_field(&p, end, one);
		if (rc != 0) {
			return rc;
		}
		rc = frame_field(req, &framing, one);
		if (rc != 0) {
			return rc;
		}
		req->n_fields++;
	}
	*at = p + 2;
	return finish_framing(req, &framing, minor);
}

int http1_parse(struct str bytes, const struct http1_limits *limits, struct http1_req *req,
	size_t *ret_head_bytes)
{
	bool cut = bytes.n > limits->head_bytes;
	const char *at = bytes.p;
	const char *end = bytes.p + (cut ? limits->head_bytes : bytes.n);
	int minor = 0;

	req->content_length = 0;
	req->n_fields = 0;
	req->body = STR_EMPTY;
	/* RFC 9112 2.2: "ignore at least one empty line (CRLF) received prior to the request-line" */
	if (end - at >= 2 && at[0] == '\r' && at[1] == '\n') {
		at += 2;
	} else if (end - at == 1 && at[0] == '\r') {
		return E_AGAIN;
	}
	int rc = parse_request_line(&at, end, limits, req, &minor);
	if (rc == 0) {
		rc = parse_fields(&at, end, limits, req, minor);
	}
	if (rc == E_AGAIN && cut) {
		return 431;
	}
	if (rc == 0) {
		*ret_head_bytes = (size_t)(at - bytes.p);
	}
	return rc;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	char l = (char)(c | 0x20);
	return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* Chunk sizes have at most this many digits: far above any cap, far below an overflow. */
#define CHUNK_DIGITS_MAX 8
/* Bytes of extensions and of trailer fields that are skipped in one body. */
#define CHUNK_EXTRA_MAX 1024

/* SIZE [;EXTENSION] CRLF. *extra: bytes skipped so far, added to. Returns 0, E_AGAIN or 400. */
static int chunk_size(struct str bytes, size_t *extra, size_t *ret_size, size_t *ret_used)
{
	size_t i = 0, size = 0;
	while (i < bytes.n && hex_value(bytes.p[i]) >= 0) {
		if (i == CHUNK_DIGITS_MAX) {
			return 400;
		}
		size = size << 4 | (size_t)hex_value(bytes.p[i]);
		i++;
	}
	if (i == bytes.n) {
		return E_AGAIN;
	}
	if (i == 0 || (bytes.p[i] != '\r' && bytes.p[i] != ';')) {
		return 400;
	}
	const char *end = bytes.p + bytes.n;
	const char *p = skip(bytes.p + i, end, IS_VALUE);
	size_t more = (size_t)(p - bytes.p) - i;
	if (more > CHUNK_EXTRA_MAX - *extra) {
		return 400;
	}
	if (p == end || (*p == '\r' && p + 1 == end)) {
		return E_AGAIN;
	}
	if (*p != '\r' || p[1] != '\n') {
		return 400;
	}
	*extra += more;
	*ret_size = size;
	*ret_used = (size_t)(p + 2 - bytes.p);
	return 0;
}

/* Trailer fields up to the empty line; they are read and thrown away. */
static int skip_trailer(struct str bytes, size_t at, size_t extra_left, size_t *ret_used)
{
	const char *start = bytes.p + at, *p = start, *end = bytes.p + bytes.n;
	for (;;) {
		struct http1_field field;
		if ((size_t)(p - start) > extra_left) {
			return 400;
		}
		if (p == end || (*p == '\r' && p + 1 == end)) {
			return E_AGAIN;
		}
		if (*p == '\r') {
			if (p[1] != '\n') {
				return 400;
			}
			*ret_used = (size_t)(p + 2 - bytes.p);
			return 0;
		}
		int rc = parse_field(&p, end, &field);
		/* A field without an end must not be waited for, either. */
		if (rc == E_AGAIN && (size_t)(end - start) > extra_left) {
			return 400;
		}
		if (rc != 0) {
			return rc;
		}
	}
}

/* The content of chunks that are known to be whole. */
static void add_content(struct str bytes, size_t end, struct buf *out)
{
	size_t at = 0, extra = 0, size, used;
	while (at < end && chunk_size(str_from(bytes, at), &extra, &size, &used) == 0) {
		buf_add(out, (struct str){bytes.p + at + used, size});
		at += used + size + 2;
	}
}

int http1_unchunk(struct str bytes, size_t max, struct http1_chunks *so_far, struct buf *out,
	size_t *ret_used)
{
	for (;;) {
		size_t size, used, extra = so_far->extra_;
		int rc = chunk_size(str_from(bytes, so_far->at_), &extra, &size, &used);
		if (rc != 0) {
			return rc;
		}
		size_t at = so_far->at_ + used;
		if (size == 0) {
			rc = skip_trailer(bytes, at, CHUNK_EXTRA_MAX - extra, ret_used);
			if (rc == 0) {
				add_content(bytes, so_far->at_, out);
			}
			return rc;
		}
		/* The cap may be another one than before. */
		if (so_far->content_ > max || size > max - so_far->content_) {
			return 413;
		}
		if (bytes.n - at < size + 2) {
			return E_AGAIN;
		}
		if (bytes.p[at + size] != '\r' || bytes.p[at + size + 1] != '\n') {
			return 400;
		}
		so_far->at_ = at + size + 2;
		so_far->content_ += size;
		so_far->extra_ = extra;
	}
}

struct str http1_field(const struct http1_req *req, struct str name)
{
	for (unsigned i = 0; i < req->n_fields; i++) {
		if (str_eq_nocase(req->fields[i].name, name)) {
			return req->fields[i].value;
		}
	}
	return STR_EMPTY;
}

int http1_field_once(const struct http1_req *req, struct str name, struct str *ret_value)
{
	struct str value = STR_EMPTY;
	for (unsigned i = 0; i < req->n_fields; i++) {
		if (!str_eq_nocase(req->fields[i].name, name)) {
			continue;
		}
		if (value.p && !str_eq(value, req->fields[i].value)) {
			return E_SYNTAX;
		}
		value = req->fields[i].value;
	}
	*ret_value = value;
	return 0;
}

struct str http1_status_text(unsigned status)
{
	static const struct {
		unsigned status;
		struct str text;
	} rows[] = {
		{200, STR_INIT("200 OK")},
		{400, STR_INIT("400 Bad Request")},
		{401, STR_INIT("401 Unauthorized")},
		{403, STR_INIT("403 Forbidden")},
		{404, STR_INIT("404 Not Found")},
		{405, STR_INIT("405 Method Not Allowed")},
		{412, STR_INIT("412 Precondition Failed")},
		{413, STR_INIT("413 Content Too Large")},
		{414, STR_INIT("414 URI Too Long")},
		{415, STR_INIT("415 Unsupported Media Type")},
		{431, STR_INIT("431 Request Header Fields Too Large")},
		{503, STR_INIT("503 Service Unavailable")},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].status == status) {
			return rows[i].text;
		}
	}
	return STR("500 Internal Server Error");
}

void http1_reply(struct buf *out, unsigned status, struct str content_type, struct str body,
	bool close, bool head_only)
{
	http1_reply_with(out, status, content_type, STR_EMPTY, body, close, head_only);
}

void http1_reply_with(struct buf *out, unsigned status, struct str content_type, struct str fields,
	struct str body, bool close, bool head_only)
{
	buf_add(out, STR("HTTP/1.1 "));
	buf_add(out, http1_status_text(status));
	buf_add(out, STR("\r\nContent-Type: "));
	buf_add(out, content_type);
	buf_add(out, STR("\r\nContent-Length: "));
	buf_add_u64(out, body.n);
	buf_add(out, STR("\r\n"));
	buf_add(out, fields);
	buf_add(out, close ? STR("Connection: close\r\n\r\n") : STR("\r\n"));
	if (!head_only) {
		buf_add(out, body);
	}
}
