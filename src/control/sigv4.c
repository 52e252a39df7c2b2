#include "control/sigv4.h"

#include <stdlib.h>

#include "base/timefmt.h"

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define TERMINATOR    "aws4_request"
#define HEX_CHARS     ((size_t)2 * CRYPTO_SHA256_BYTES)
#define KEY_ID_MAX    128
#define DATE_CHARS    8
#define TIME_CHARS    16
#define SCOPE_WORDS   5
#define EXTENDED_TIME "2023-10-02T11:22:33Z"

/* --- text ------------------------------------------------------------------------------------ */

static struct str cut(struct str *rest, char c)
{
	size_t end = str_find(*rest, c);
	struct str part = {rest->p, end};
	*rest = end < rest->n ? str_from(*rest, end + 1) : STR_EMPTY;
	return part;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

static bool is_key_id(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!is_unreserved(text.p[i])) {
			return false;
		}
	}
	return text.n > 0 && text.n <= KEY_ID_MAX;
}

static int nibble(char c)
{
	return is_digit(c)              ? c - '0'
	       : (c >= 'a' && c <= 'f') ? c - 'a' + 10
	       : (c >= 'A' && c <= 'F') ? c - 'A' + 10
					: -1;
}

/* Also whether it is all there: two digits, any case. */
static int unescape(struct str text, size_t at, char *ret_byte)
{
	int high = text.n - at > 2 ? nibble(text.p[at + 1]) : -1;
	int low = high >= 0 ? nibble(text.p[at + 2]) : -1;
	if (low < 0) {
		return E_SYNTAX;
	}
	*ret_byte = (char)(high << 4 | low);
	return 0;
}

static void add_escaped(struct buf *out, char c)
{
	static const char digits[] = "0123456789ABCDEF";
	if (is_unreserved(c)) {
		buf_add_char(out, c);
		return;
	}
	buf_add_char(out, '%');
	buf_add_char(out, digits[(unsigned char)c >> 4]);
	buf_add_char(out, digits[(unsigned char)c & 15]);
}

/*
 * A name or value of the query, decoded. A '+' is refused: one would be signed as itself and
 * understood as a space.
 */
static int decode(struct str text, void (*add)(struct buf *out, char c), struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '+') {
			return E_SYNTAX;
		}
		if (c == '%') {
			TRY(unescape(text, i, &c));
			i += 2;
		}
		add(out, c);
	}
	return 0;
}

static void hex(const unsigned char digest[CRYPTO_SHA256_BYTES], char ret_text[HEX_CHARS])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < CRYPTO_SHA256_BYTES; i++) {
		ret_text[2 * i] = digits[digest[i] >> 4];
		ret_text[2 * i + 1] = digits[digest[i] & 15];
	}
}

static int sha256_hex(struct str data, char ret_text[HEX_CHARS])
{
	unsigned char digest[CRYPTO_SHA256_BYTES];
	TRY(crypto_sha256(data, digest));
	hex(digest, ret_text);
	return 0;
}

static struct str path_of(const struct http1_req *req)
{
	return (struct str){req->target.p, str_find(req->target, '?')};
}

static struct str query_of(const struct http1_req *req)
{
	struct str rest = req->target;
	(void)cut(&rest, '?'); /* the path */
	return rest;
}

/* --- times ----------------------------------------------------------------------------------- */

/* 20231002T112233Z */
static int take_basic_time(struct sigv4_claim *claim, struct str text)
{
	char extended[sizeof EXTENDED_TIME] = EXTENDED_TIME;
	static const unsigned char places[] = {0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18};
	size_t from = 0;
	if (text.n != TIME_CHARS || text.p[DATE_CHARS] != 'T' || text.p[TIME_CHARS - 1] != 'Z') {
		return E_SYNTAX;
	}
	for (size_t i = 0; i < sizeof places; i++, from++) {
		if (from != DATE_CHARS && !is_digit(text.p[from])) {
			return E_SYNTAX;
		}
		extended[places[i]] = text.p[from];
	}
	TRY(timefmt_parse_iso(str_of(extended), &claim->time_s_));
	memcpy(claim->time_, text.p, TIME_CHARS);
	return 0;
}

/* "Mon, 02 Oct 2023 11:22:33 GMT", of which only what tells the time is looked at. */
static int take_http_time(struct sigv4_claim *claim, struct str text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	enum { DAY = 5, MONTH = 8, YEAR = 12, CLOCK = 17, ZONE = 26 };
	char basic[TIME_CHARS + 1] = "        T      Z";
	unsigned month = 0;
	if (text.n < ZONE || text.p[DAY - 1] != ' ' || text.p[CLOCK + 2] != ':' ||
		text.p[CLOCK + 5] != ':' || text.p[CLOCK + 8] != ' ') {
		return E_SYNTAX;
	}
	struct str zone = str_from(text, ZONE);
	if (!str_eq(zone, STR("GMT")) && !str_eq(zone, STR("+0000")) &&
		!str_eq(zone, STR("-0000"))) {
		return E_SYNTAX;
	}
	while (month < 12 && memcmp(months + (size_t)3 * month, text.p + MONTH, 3) != 0) {
		month++;
	}
	memcpy(basic, text.p + YEAR, 4);
	basic[4] = (char)('0' + (month + 1) / 10);
	basic[5] = (char)('0' + (month + 1) % 10);
	memcpy(basic + 6, text.p + DAY, 2);
	memcpy(basic + 9, text.p + CLOCK, 2);
	memcpy(basic + 11, text.p + CLOCK + 3, 2);
	memcpy(basic + 13, text.p + CLOCK + 6, 2);
	return take_basic_time(claim, (struct str){basic, TIME_CHARS});
}

static int take_time(struct sigv4_claim *claim, const struct http1_req *req)
{
	struct str text;
	TRY(http1_field_once(req, STR("X-Amz-Date"), &text));
	if (text.p) {
		return take_basic_time(claim, text);
	}
	TRY(http1_field_once(req, STR("Date"), &text));
	if (!text.p) {
		return E_SYNTAX;
	}
	return text.n == TIME_CHARS ? take_basic_time(claim, text) : take_http_time(claim, text);
}

/* --- the parts of a signature ---------------------------------------------------------------- */

/* KEYID/DATE/REGION/SERVICE/aws4_request */
static int take_credential(struct sigv4_claim *claim, struct str text)
{
	struct str words[SCOPE_WORDS];
	for (size_t i = 0; i < SCOPE_WORDS; i++) {
		words[i] = cut(&text, '/');
		if (words[i].n == 0) {
			return E_SYNTAX;
		}
	}
	if (text.n || !is_key_id(words[0]) || !str_eq(words[4], STR(TERMINATOR))) {
		return E_SYNTAX;
	}
	claim->access_key_id = words[0];
	claim->date_ = words[1];
	claim->region_ = words[2];
	claim->service_ = words[3];
	return 0;
}

static int take_signature(struct sigv4_claim *claim, struct str text)
{
	claim->signature_ = text;
	return text.n == HEX_CHARS ? 0 : E_SYNTAX;
}

static int take_signed_fields(struct sigv4_claim *claim, struct str text)
{
	claim->signed_fields_ = text;
	return text.n ? 0 : E_SYNTAX;
}

static int take_algorithm(struct sigv4_claim *claim, struct str text)
{
	(void)claim;
	return str_eq(text, STR(ALGORITHM)) ? 0 : E_SYNTAX;
}

static int take_expires(struct sigv4_claim *claim, struct str text)
{
	uint64_t seconds;
	TRY(str_to_u64(text, &seconds));
	if (seconds < 1 || seconds > SIGV4_EXPIRES_MAX_S) {
		return E_SYNTAX;
	}
	claim->expires_s_ = (int64_t)seconds;
	return 0;
}

static int take_session_token(struct sigv4_claim *claim, struct str text)
{
	claim->session_token = text;
	return text.n ? 0 : E_SYNTAX;
}

struct part {
	struct str name;
	int (*take)(struct sigv4_claim *claim, struct str text);
	bool optional;
};

static const struct part in_field[] = {
	{STR_INIT("Credential"), take_credential, false},
	{STR_INIT("SignedHeaders"), take_signed_fields, false},
	{STR_INIT("Signature"), take_signature, false},
};

static const struct part in_query[] = {
	{STR_INIT("X-Amz-Algorithm"), take_algorithm, false},
	{STR_INIT("X-Amz-Credential"), take_credential, false},
	{STR_INIT("X-Amz-Date"), take_basic_time, false},
	{STR_INIT("X-Amz-Expires"), take_expires, false},
	{STR_INIT("X-Amz-SignedHeaders"), take_signed_fields, false},
	{STR_INIT("X-Amz-Signature"), take_signature, false},
	{STR_INIT("X-Amz-Security-Token"), take_session_token, true},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Take a part that has not been there yet; *seen has a bit for each. E_NOTFOUND: not one of them. */
static int take_part(const struct part *parts, size_t n, struct sigv4_claim *claim, struct str name,
	struct str value, unsigned *seen)
{
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(parts[i].name, name)) {
			continue;
		}
		if (*seen & 1U << i) {
			return E_SYNTAX;
		}
		*seen |= 1U << i;
		return parts[i].take(claim, value);
	}
	return E_NOTFOUND;
}

static int all_there(const struct part *parts, size_t n, unsigned seen)
{
	for (size_t i = 0; i < n; i++) {
		if (!parts[i].optional && !(seen & 1U << i)) {
			return E_SYNTAX;
		}
	}
	return 0;
}

static int parse_field(struct sigv4_claim *claim, const struct http1_req *req, struct str text)
{
	unsigned seen = 0;
	struct str token;
	if (!str_eq(cut(&text, ' '), STR(ALGORITHM))) {
		return E_SYNTAX;
	}
	while (text.n) {
		struct str value = str_trim(cut(&text, ','));
		struct str name = cut(&value, '=');
		if (take_part(in_field, COUNT_OF(in_field), claim, name, value, &seen) < 0) {
			return E_SYNTAX;
		}
	}
	TRY(all_there(in_field, COUNT_OF(in_field), seen));
	TRY(http1_field_once(req, STR("X-Amz-Security-Token"), &token));
	if (token.p) {
		TRY(take_session_token(claim, token));
	}
	return take_time(claim, req);
}

/* Decoded, into the claim's own memory. */
static int keep_decoded(struct sigv4_claim *claim, struct str text, struct str *ret_text)
{
	struct buf out =
		buf_fixed(claim->memory_ + claim->used_, sizeof claim->memory_ - claim->used_);
	TRY(decode(text, buf_add_char, &out));
	if (buf_status(&out) < 0) {
		return E_SYNTAX;
	}
	claim->used_ += out.n;
	*ret_text = buf_str(&out);
	return 0;
}

static int parse_query(struct sigv4_claim *claim, struct str query)
{
	unsigned seen = 0;
	while (query.n) {
		struct str raw = cut(&query, '&'), value;
		struct str name = cut(&raw, '=');
		if (!str_starts(name, STR("X-Amz-"))) {
			continue;
		}
		TRY(keep_decoded(claim, raw, &value));
		int rc = take_part(in_query, COUNT_OF(in_query), claim, name, value, &seen);
		if (rc < 0 && rc != E_NOTFOUND) {
			return E_SYNTAX;
		}
	}
	return all_there(in_query, COUNT_OF(in_query), seen);
}

static bool is_presigned(struct str query)
{
	while (query.n) {
		struct str raw = cut(&query, '&');
		struct str name = cut(&raw, '=');
		if (str_eq(name, STR("X-Amz-Signature")) || str_eq(name, STR("X-Amz-Algorithm"))) {
			return true;
		}
	}
	return false;
}

int sigv4_parse(const struct http1_req *req, struct sigv4_claim *ret_claim)
{
	struct str authorization;
	ret_claim->access_key_id = STR_EMPTY;
	ret_claim->session_token = STR_EMPTY;
	ret_claim->used_ = 0;
	ret_claim->presigned = is_presigned(query_of(req));
	TRY(http1_field_once(req, STR("Authorization"), &authorization));
	if (!authorization.p && !ret_claim->presigned) {
		return E_NOTFOUND;
	}
	if (authorization.p && ret_claim->presigned) {
		return E_SYNTAX;
	}
	/* What a reader of a part may have said, it is the form that is wrong. */
	int rc = ret_claim->presigned ? parse_query(ret_claim, query_of(req))
				      : parse_field(ret_claim, req, authorization);
	return rc < 0 ? E_SYNTAX : 0;
}

/* --- the canonical request ------------------------------------------------------------------- */

static int add_method(const struct http1_req *req, struct buf *out)
{
	static const struct str names[] = {
		[HTTP1_GET] = STR_INIT("GET"),
		[HTTP1_HEAD] = STR_INIT("HEAD"),
		[HTTP1_PUT] = STR_INIT("PUT"),
		[HTTP1_POST] = STR_INIT("POST"),
		[HTTP1_DELETE] = STR_INIT("DELETE"),
		[HTTP1_OPTIONS] = STR_INIT("OPTIONS"),
	};
	if (req->method >= HTTP1_OTHER) {
		return E_AUTH;
	}
	buf_add(out, names[req->method]);
	buf_add_char(out, '\n');
	return 0;
}

/* Cut the last segment off, but nothing before `start`. */
static void drop_segment(struct buf *out, size_t start)
{
	while (out->n > start && out->p[--out->n] != '/') {
	}
}

/* "." and "" go, ".." takes one away, and what is left is encoded once more. */
static void add_path(struct str path, struct buf *out)
{
	bool slash = path.n && path.p[path.n - 1] == '/';
	size_t start = out->n;
	while (path.n) {
		struct str segment = cut(&path, '/');
		if (str_eq(segment, STR(".."))) {
			drop_segment(out, start);
		} else if (segment.n && !str_eq(segment, STR("."))) {
			buf_add_char(out, '/');
			for (size_t i = 0; i < segment.n; i++) {
				add_escaped(out, segment.p[i]);
			}
		}
	}
	if (slash || out->n == start) {
		buf_add_char(out, '/');
	}
	buf_add_char(out, '\n');
}

struct pair {
	struct str name;
	struct str value;
};

static int by_name_and_value(const void *a, const void *b)
{
	const struct pair *left = a, *right = b;
	int order = str_cmp(left->name, right->name);
	return order ? order : str_cmp(left->value, right->value);
}

static int encode(struct str text, struct buf *memory, struct str *ret_text)
{
	size_t at = memory->n;
	TRY(decode(text, add_escaped, memory));
	TRY(buf_status(memory));
	*ret_text = (struct str){memory->p + at, memory->n - at};
	return 0;
}

/* All but the signature itself. memory: fixed and large enough, so that nothing moves. */
static int read_pairs(struct str query, struct buf *memory, struct pair *pairs, size_t *ret_n)
{
	size_t n = 0;
	while (query.n) {
		struct str value = cut(&query, '&');
		struct str name = cut(&value, '=');
		if (str_eq(name, STR("X-Amz-Signature"))) {
			continue;
		}
		if (n == SIGV4_QUERY_PAIRS) {
			return E_AUTH;
		}
		TRY(encode(name, memory, &pairs[n].name));
		TRY(encode(value, memory, &pairs[n].value));
		n++;
	}
	*ret_n = n;
	return 0;
}

static int add_query(struct str query, struct buf *out)
{
	struct pair pairs[SIGV4_QUERY_PAIRS];
	size_t n = 0, room = 3 * query.n + 1; /* every byte escaped */
	CLEANUP(buf_done) struct buf memory = BUF_EMPTY;
	if (!buf_room(&memory, room)) {
		return buf_status(&memory);
	}
	TRY(read_pairs(query, &memory, pairs, &n));
	if (n) {
		qsort(pairs, n, sizeof pairs[0], by_name_and_value);
	}
	for (size_t i = 0; i < n; i++) {
		buf_add(out, i ? STR("&") : STR_EMPTY);
		buf_add(out, pairs[i].name);
		buf_add_char(out, '=');
		buf_add(out, pairs[i].value);
	}
	buf_add_char(out, '\n');
	return 0;
}

/* White space inside becomes one space; the parser has taken away what was around. */
static void add_value(struct str value, struct buf *out)
{
	bool space = false;
	for (size_t i = 0; i < value.n; i++) {
		bool here = value.p[i] == ' ' || value.p[i] == '\t';
		if (!here || !space) {
			buf_add_char(out, here ? ' ' : value.p[i]);
		}
		space = here;
	}
}

static int add_field(const struct http1_req *req, struct str name, struct buf *out)
{
	unsigned n = 0;
	buf_add(out, name);
	buf_add_char(out, ':');
	for (unsigned i = 0; i < req->n_fields; i++) {
		if (str_eq_nocase(req->fields[i].name, name)) {
			buf_add(out, n++ ? STR(",") : STR_EMPTY);
			add_value(req->fields[i].value, out);
		}
	}
	buf_add_char(out, '\n');
	return n ? 0 : E_AUTH;
}

static bool is_lower(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] >= 'A' && name.p[i] <= 'Z') {
			return false;
		}
	}
	return name.n > 0;
}

/* In lower case, in order, none twice. */
static int add_fields(const struct http1_req *req, struct str signed_fields, struct buf *out)
{
	struct str rest = signed_fields, last = STR_EMPTY;
	while (rest.n) {
		struct str name = cut(&rest, ';');
		if (!is_lower(name) || str_cmp(last, name) >= 0) {
			return E_AUTH;
		}
		TRY(add_field(req, name, out));
		last = name;
	}
	buf_add_char(out, '\n');
	buf_add(out, signed_fields);
	buf_add_char(out, '\n');
	return 0;
}

static bool is_signed(struct str signed_fields, struct str name)
{
	while (signed_fields.n) {
		if (str_eq_nocase(cut(&signed_fields, ';'), name)) {
			return true;
		}
	}
	return false;
}

/* host, and every x-amz-* that is there. */
static int check_signed(const struct http1_req *req, struct str signed_fields)
{
	struct str prefix = STR("x-amz-");
	if (!is_signed(signed_fields, STR("host"))) {
		return E_AUTH;
	}
	for (unsigned i = 0; i < req->n_fields; i++) {
		struct str name = req->fields[i].name;
		if (name.n >= prefix.n && str_eq_nocase((struct str){name.p, prefix.n}, prefix) &&
			!is_signed(signed_fields, name)) {
			return E_AUTH;
		}
	}
	return 0;
}

/* The hash that a client may send along must be the body's; UNSIGNED-PAYLOAD is none. */
static int add_payload(const struct http1_req *req, struct buf *out)
{
	char digest[HEX_CHARS];
	struct str said;
	TRY(sha256_hex(req->body, digest));
	if (http1_field_once(req, STR("X-Amz-Content-Sha256"), &said) < 0 ||
		(said.p && !str_eq(said, (struct str){digest, sizeof digest}))) {
		return E_AUTH;
	}
	buf_add(out, (struct str){digest, sizeof digest});
	return 0;
}

static int canonical(const struct http1_req *req, struct str signed_fields, struct buf *out)
{
	TRY(add_method(req, out));
	add_path(path_of(req), out);
	TRY(buf_status(out));
	TRY(add_query(query_of(req), out));
	TRY(add_fields(req, signed_fields, out));
	TRY(add_payload(req, out));
	return buf_status(out);
}

/* --- the signature --------------------------------------------------------------------------- */

/* kDate = HMAC("AWS4" + secret, date), kRegion = HMAC(kDate, region), … */
static int sign(const struct sigv4_claim *claim, const struct secret *secret, struct str text,
	char ret_signature[HEX_CHARS])
{
	char memory[sizeof "AWS4" + SIGV4_SECRET_BYTES];
	unsigned char mac[CRYPTO_SHA256_BYTES];
	struct buf first = buf_fixed(memory, sizeof memory);
	const struct str steps[] = {
		claim->date_, claim->region_, claim->service_, STR_INIT(TERMINATOR), text};
	buf_add(&first, STR("AWS4"));
	buf_add(&first, (struct str){(const char *)secret->p, secret->n});
	int rc = buf_status(&first);
	struct str key = buf_str(&first);
	for (size_t i = 0; rc == 0 && i < COUNT_OF(steps); i++) {
		rc = crypto_hmac_once(key, steps[i], mac);
		key = (struct str){(const char *)mac, sizeof mac};
	}
	if (rc == 0) {
		hex(mac, ret_signature);
	}
	crypto_wipe(memory, sizeof memory);
	crypto_wipe(mac, sizeof mac);
	return rc;
}

static int text_to_sign(
	const struct http1_req *req, const struct sigv4_claim *claim, struct buf *out)
{
	char digest[HEX_CHARS];
	CLEANUP(buf_done) struct buf request = BUF_EMPTY;
	TRY(canonical(req, claim->signed_fields_, &request));
	TRY(sha256_hex(buf_str(&request), digest));
	buf_add_f(out, ALGORITHM "\n%.*s\n%.*s/%.*s/%.*s/" TERMINATOR "\n", TIME_CHARS,
		claim->time_, STR_FMT(claim->date_), STR_FMT(claim->region_),
		STR_FMT(claim->service_));
	buf_add(out, (struct str){digest, sizeof digest});
	return buf_status(out);
}

static int check_scope(const struct sigv4_claim *claim, const struct sigv4_scope *scope)
{
	return str_eq(claim->date_, (struct str){claim->time_, DATE_CHARS}) &&
			       str_eq(claim->region_, scope->region) &&
			       str_eq(claim->service_, scope->service)
		       ? 0
		       : E_AUTH;
}

static int check_time(const struct sigv4_claim *claim, int64_t now_s)
{
	int64_t lasts_s = claim->presigned ? claim->expires_s_ : SIGV4_SKEW_S;
	return now_s >= claim->time_s_ - SIGV4_SKEW_S && now_s <= claim->time_s_ + lasts_s
		       ? 0
		       : E_RANGE;
}

int sigv4_verify(const struct http1_req *req, const struct sigv4_claim *claim,
	const struct sigv4_scope *scope, const struct secret *secret, int64_t now_s)
{
	char signature[HEX_CHARS];
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	TRY(check_scope(claim, scope));
	TRY(check_signed(req, claim->signed_fields_));
	int rc = text_to_sign(req, claim, &text);
	if (rc == E_SYNTAX || rc == E_LIMIT) {
		return E_AUTH; /* a query that can't be read was not signed */
	}
	TRY(rc);
	TRY(sign(claim, secret, buf_str(&text), signature));
	if (!crypto_equal(signature, claim->signature_.p, sizeof signature)) {
		return E_AUTH;
	}
	return check_time(claim, now_s);
}

const char *sigv4_mismatch(const struct sigv4_claim *claim, const struct sigv4_scope *scope)
{
	if (!str_eq(claim->region_, scope->region)) {
		return "another region";
	}
	return str_eq(claim->service_, scope->service) ? "signature" : "another service";
}
