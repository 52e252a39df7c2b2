/* Unit tests of http/http1.h: limits at the cap and one beyond, every byte, bodies, replies. */
#include "tests/unit/http1_help.h"

#include <errno.h>
#include <stdio.h>

#include "fake/alloc.h"

#define EXTRA_MAX 1024 /* docs/protocol.md: what is skipped of a chunked body */
#define LARGE     20000

static struct buf text;

static struct str built(void)
{
	assert_int_equal(buf_status(&text), 0);
	return buf_str(&text);
}

static void begin(const char *start)
{
	buf_reset(&text);
	buf_add(&text, str_of(start));
}

static void fill(char c, size_t n)
{
	char *room = buf_room(&text, n);
	assert_non_null(room);
	memset(room, c, n);
	text.n += n;
}

/* Fill up so that there are n bytes with the ending. */
static void fill_up(char c, size_t n, const char *ending)
{
	size_t end = strlen(ending);
	assert_true(text.n + end <= n);
	fill(c, n - end - text.n);
	buf_add(&text, str_of(ending));
}

static int end_text(void **state)
{
	(void)state;
	buf_done(&text);
	(void)exact_copy(STR_EMPTY);
	return 0;
}

/* The result, and that no part of the bytes says otherwise. */
static int result(int line, const struct http1_limits *limits)
{
	struct parsed whole = parse(built(), limits);
	check_prefixes(line, built(), limits, &whole);
	return whole.rc;
}

/* --- limits ------------------------------------------------------------------------------------ */

static void test_head_bytes(void **state)
{
	(void)state;
	/* Wherever the bytes are. A request line that is too long is one as long as its target fits. */
	const struct http1_limits usual = HELP_LIMITS;
	const struct http1_limits long_target = {
		.head_bytes = HELP_HEAD_BYTES, .target_bytes = 2 * HELP_HEAD_BYTES, .fields = 64};
	static const struct {
		int line;
		const char *start;
		char c;
		const char *ending;
		bool long_target;
	} cases[] = {
		{__LINE__, "GET / HTTP/1.1\r\nA: ", 'x', "\r\n\r\n", false},
		{__LINE__, "GET / HTTP/1.1\r\nA:", ' ', "\r\n\r\n", false},
		{__LINE__, "GET / HTTP/1.1\r\nA", 'x', ": a\r\n\r\n", false},
		{__LINE__, "GET / HTTP/1.1\r\nA: b\r\nC: d\r\nE: ", 'x', "\r\n\r\n", false},
		{__LINE__, "", 'M', " / HTTP/1.1\r\n\r\n", false},
		{__LINE__, "\r\nGET / HTTP/1.1\r\nA: ", 'x', "\r\n\r\n", false},
		{__LINE__, "GET /", 'x', " HTTP/1.1\r\n\r\n", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct http1_limits *limits = cases[i].long_target ? &long_target : &usual;
		for (size_t n = HELP_HEAD_BYTES - 1; n <= HELP_HEAD_BYTES + 1; n++) {
			begin(cases[i].start);
			fill_up(cases[i].c, n, cases[i].ending);
			HOLDS(cases[i].line,
				result(cases[i].line, limits) == (n <= HELP_HEAD_BYTES ? 0 : 431));
			/* What is behind it changes nothing. */
			fill('G', 3);
			HOLDS(cases[i].line,
				parse(built(), limits).rc == (n <= HELP_HEAD_BYTES ? 0 : 431));
		}
		begin(cases[i].start);
		fill(cases[i].c, LARGE);
		HOLDS(cases[i].line, parse(built(), limits).rc == 431);
	}
	/* A fault that comes before the cap is one. */
	begin("GET / HTTP/1.1\r\nA b\r\nC: ");
	fill('x', LARGE);
	assert_int_equal(parse(built(), &usual).rc, 400);
	begin("GET / HTTP/1.1\r\nA: ");
	fill('x', HELP_HEAD_BYTES);
	buf_add(&text, STR("\r\nA b\r\n\r\n"));
	assert_int_equal(parse(built(), &usual).rc, 431);
}

static void add_fields(unsigned n)
{
	begin("GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < n; i++) {
		buf_add_f(&text, "F%u: %u\r\n", i, i * i);
	}
	buf_add(&text, STR("\r\n"));
}

static void test_field_count(void **state)
{
	(void)state;
	static const unsigned caps[] = {0, 1, 3, 63, HTTP1_FIELDS_MAX};
	for (size_t i = 0; i < COUNT(caps); i++) {
		struct http1_limits limits = HELP_LIMITS;
		limits.fields = caps[i];
		add_fields(caps[i]);
		assert_int_equal(result(__LINE__, &limits), 0);
		struct parsed whole = parse(built(), &limits);
		assert_int_equal(whole.req.n_fields, caps[i]);
		for (unsigned f = 0; f < caps[i]; f++) {
			char name[16], value[16];
			(void)snprintf(name, sizeof name, "f%u", f);
			(void)snprintf(value, sizeof value, "%u", f * f);
			assert_true(str_eq(http1_field(&whole.req, str_of(name)), str_of(value)));
		}
		add_fields(caps[i] + 1);
		assert_int_equal(result(__LINE__, &limits), 431);
		/* It is refused without looking further. */
		text.n -= 2;
		buf_add(&text, STR("A b\r\n\r\n"));
		assert_int_equal(parse(built(), &limits).rc, 431);
		/* Nor at itself: with its first byte, whatever it may become. */
		add_fields(caps[i]);
		text.n -= 2;
		assert_int_equal(parse(built(), &limits).rc, E_AGAIN);
		buf_add(&text, STR("A"));
		assert_int_equal(parse(built(), &limits).rc, 431);
		buf_add(&text, STR(" b\r\n\r\n"));
		assert_int_equal(result(__LINE__, &limits), 431);
	}
}

static void test_target_bytes(void **state)
{
	(void)state;
	const struct http1_limits limits = HELP_LIMITS;
	static const struct {
		int line;
		const char *start;
	} cases[] = {
		{__LINE__, "GET /"},
		{__LINE__, "GET http://host/"}, /* what is taken off counts, too */
		{__LINE__, "PUT /?"},
		{__LINE__, "\r\nGET /"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t before = (size_t)(strrchr(cases[i].start, ' ') + 1 - cases[i].start);
		for (size_t n = HELP_TARGET_BYTES - 1; n <= HELP_TARGET_BYTES + 1; n++) {
			begin(cases[i].start);
			fill_up('x', before + n, "");
			buf_add(&text, STR(" HTTP/1.1\r\n\r\n"));
			HOLDS(cases[i].line, result(cases[i].line, &limits) ==
						     (n <= HELP_TARGET_BYTES ? 0 : 414));
		}
		/* Without end: refused with its first byte too many. */
		begin(cases[i].start);
		fill_up('x', before + HELP_TARGET_BYTES, "");
		HOLDS(cases[i].line, parse(built(), &limits).rc == E_AGAIN);
		fill('x', 1);
		HOLDS(cases[i].line, parse(built(), &limits).rc == 414);
		fill('x', LARGE);
		HOLDS(cases[i].line, parse(built(), &limits).rc == 414);
	}
}

/* --- every byte -------------------------------------------------------------------------------- */

/* RFC 9110 5.6.2: tchar */
static bool is_token(unsigned c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && c < 0x80 && strchr("!#$%&'*+-.^_`|~", (int)c));
}

/* RFC 3986 2.2 and 2.3: reserved, unreserved and "%", less "#" */
static bool is_target(unsigned c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && c < 0x80 && strchr("-._~:/?[]@!$&'()*+,;=%", (int)c));
}

/* RFC 9110 5.5: field-vchar, SP and HTAB */
static bool is_value(unsigned c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static void check_byte(const char *start, unsigned c, const char *ending, bool fine)
{
	const struct http1_limits limits = HELP_LIMITS;
	begin(start);
	buf_add_char(&text, (char)c);
	buf_add(&text, str_of(ending));
	int rc = result(__LINE__, &limits);
	if (rc != (fine ? 0 : 400)) {
		fail_msg("byte 0x%02x behind \"%s\": %d", c, start, rc);
	}
}

static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		check_byte("G", c, "T / HTTP/1.1\r\n\r\n", is_token(c));
		check_byte("GET /a", c, "b HTTP/1.1\r\n\r\n", is_target(c));
		check_byte("GET / HTTP/1.", c, "\r\n\r\n", c >= '0' && c <= '9');
		check_byte("GET / HTTP/1.1", c, "\n\r\n", c == '\r');
		check_byte("GET / HTTP/1.1\r", c, "\r\n", c == '\n');
		check_byte("GET / HTTP/1.1\r\nA", c, "B: c\r\n\r\n", is_token(c) || c == ':');
		check_byte("GET / HTTP/1.1\r\nA: b", c, "c\r\n\r\n", is_value(c));
		check_byte("GET / HTTP/1.1\r\nA:", c, "\r\n\r\n", is_value(c));
		check_byte("GET / HTTP/1.1\r\nA: b\r", c, "\r\n", c == '\n');
		check_byte("GET / HTTP/1.1\r\n\r", c, "", c == '\n');
		check_byte("GET / HTTP/1.1\r\nContent-Length: 1", c, "\r\n\r\n",
			(c >= '0' && c <= '9') || c == ' ' || c == '\t');
		check_byte("GET / HTTP/1.1\r\nTransfer-Encoding: chunked", c, "\r\n\r\n",
			c == ' ' || c == '\t');
	}
	/* Nothing but the target's start is a path. */
	for (unsigned c = 0; c < 256; c++) {
		check_byte("GET ", c, " HTTP/1.1\r\n\r\n", c == '/');
	}
}

/* The same wherever the byte stands in a text that is looked at in blocks. */
static void test_every_byte_anywhere(void **state)
{
	(void)state;
	const struct http1_limits limits = HELP_LIMITS;
	static const struct {
		const char *start;
		const char *ending;
		bool (*fits)(unsigned c);
	} texts[] = {
		{"GET /", " HTTP/1.1\r\nHost: a\r\n\r\n", is_target},
		{"GET / HTTP/1.1\r\nA", ": b\r\nHost: a\r\n\r\n", is_token},
		{"GET / HTTP/1.1\r\nA: b", "c\r\nHost: a\r\n\r\n", is_value},
		{"GET / HTTP/1.1\r\nA: b", "c\r\n\r\n", is_value}, /* near the end of all */
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		for (unsigned c = 0; c < 256; c++) {
			/* A space ends a target, and a colon a name: then it is another request. */
			if ((i == 0 && c == ' ') || (i == 1 && c == ':')) {
				continue;
			}
			for (size_t at = 0; at < 40; at++) {
				begin(texts[i].start);
				fill('x', at);
				buf_add_char(&text, (char)c);
				fill('x', 39 - at);
				buf_add(&text, str_of(texts[i].ending));
				struct parsed whole = parse(built(), &limits);
				assert_int_equal(whole.rc, texts[i].fits(c) ? 0 : 400);
			}
		}
	}
}

static void test_methods(void **state)
{
	(void)state;
	const struct http1_limits limits = HELP_LIMITS;
	static const char *const names[] = {[HTTP1_GET] = "GET",
		[HTTP1_HEAD] = "HEAD",
		[HTTP1_PUT] = "PUT",
		[HTTP1_POST] = "POST",
		[HTTP1_DELETE] = "DELETE",
		[HTTP1_OPTIONS] = "OPTIONS"};
	for (size_t i = 0; i < COUNT(names); i++) {
		begin(names[i]);
		buf_add(&text, STR(" / HTTP/1.1\r\n\r\n"));
		struct parsed whole = parse(built(), &limits);
		assert_int_equal(whole.rc, 0);
		assert_int_equal(whole.req.method, i);
	}
}

/* Each parse starts anew, whatever the struct was. */
static void test_nothing_is_left_over(void **state)
{
	(void)state;
	const struct http1_limits limits = HELP_LIMITS;
	struct http1_req req;
	size_t head;
	memset(&req, 0xa5, sizeof req);
	assert_int_equal(http1_parse(STR("POST / HTTP/1.0\r\nContent-Length: 5\r\nA: b\r\n\r\n"),
				 &limits, &req, &head),
		0);
	assert_int_equal(req.content_length, 5);
	assert_int_equal(req.n_fields, 2);
	assert_null(req.body.p);
	req.body = STR("hello");
	assert_int_equal(http1_parse(STR("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
				 &limits, &req, &head),
		0);
	assert_int_equal(req.content_length, 0);
	assert_true(req.chunked);
	assert_null(req.body.p);
	assert_int_equal(http1_parse(STR("GET / HTTP/1.1\r\n\r\n"), &limits, &req, &head), 0);
	assert_false(req.chunked);
	assert_int_equal(req.n_fields, 0);
	assert_null(http1_field(&req, STR("A")).p);
	assert_int_equal(head, 18);
}

/* --- chunked bodies ---------------------------------------------------------------------------- */

static int unchunk(size_t max, struct buf *out, size_t *ret_used)
{
	struct http1_chunks none = {0};
	return http1_unchunk(exact_copy(built()), max, &none, out, ret_used);
}

static int unchunk_result(size_t max)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	size_t used = 4711;
	int rc = unchunk(max, &out, &used);
	assert_int_equal(used, rc == 0 ? text.n : 4711);
	assert_true(rc == 0 ? out.n <= max : out.n == 0);
	return rc;
}

/* Of all parts that begin the text; true when one is refused. */
static bool some_part_is_refused(size_t max)
{
	size_t n = text.n;
	bool refused = false;
	for (text.n = 0; text.n < n; text.n++) {
		refused |= unchunk_result(max) == 400;
	}
	return refused;
}

static void test_content_cap(void **state)
{
	(void)state;
	static const size_t caps[] = {0, 1, 15, 16, 17, 4096};
	for (size_t i = 0; i < COUNT(caps); i++) {
		for (size_t n = caps[i] ? caps[i] - 1 : 0; n <= caps[i] + 1; n++) {
			int expected = n <= caps[i] ? 0 : 413;
			begin("");
			if (n) {
				buf_add_f(&text, "%zx\r\n", n);
				fill('x', n);
				buf_add(&text, STR("\r\n"));
			}
			buf_add(&text, STR("0\r\n\r\n"));
			assert_int_equal(unchunk_result(caps[i]), expected);
			begin("");
			for (size_t at = 0; at < n; at++) {
				buf_add(&text, STR("1\r\nx\r\n")); /* the same in bytes */
			}
			buf_add(&text, STR("0\r\n\r\n"));
			assert_int_equal(unchunk_result(caps[i]), expected);
		}
	}
	begin("ffffffff\r\n");
	assert_int_equal(unchunk_result(SIZE_MAX), E_AGAIN);
	assert_int_equal(unchunk_result(0xffffffff), E_AGAIN);
	assert_int_equal(unchunk_result(0xfffffffe), 413);
}

/*
 * What is skipped has a cap for the whole body: one extension or many, fields behind the last chunk.
 * Otherwise a body without content could be of any length.
 */
static void test_skipped_bytes_cap(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		int expected = more ? 400 : 0;
		begin("0;");
		fill_up('x', 1 + EXTRA_MAX + more, "");
		buf_add(&text, STR("\r\n\r\n"));
		assert_int_equal(unchunk_result(0), expected);
		assert_int_equal(some_part_is_refused(0), more);

		begin("");
		for (int i = 0; i < 4; i++) {
			buf_add(&text, STR("1;"));
			fill('x', EXTRA_MAX / 4 - 1 + (i == 3 ? more : 0));
			buf_add(&text, STR("\r\nx\r\n"));
		}
		buf_add(&text, STR("0\r\n\r\n"));
		assert_int_equal(unchunk_result(4), expected);
		assert_int_equal(some_part_is_refused(4), more);

		begin("0\r\nA: ");
		fill_up('x', 3 + EXTRA_MAX + more, "\r\n");
		buf_add(&text, STR("\r\n"));
		assert_int_equal(unchunk_result(0), expected);
		assert_int_equal(some_part_is_refused(0), more);
	}
	static const struct {
		int line;
		const char *start, *over_and_over;
	} endless[] = {
		{__LINE__, "0;", "x"},
		{__LINE__, "0\r\nA", "x"},
		{__LINE__, "0\r\nA: ", "x"},
		{__LINE__, "0\r\nA: ", " "},
		{__LINE__, "0\r\n", "A: b\r\n"},
		{__LINE__, "", "1;xxxxxxxxxxxxxxxxx\r\nx\r\n"},
	};
	for (size_t i = 0; i < COUNT(endless); i++) {
		begin(endless[i].start);
		while (text.n < 4 * EXTRA_MAX) {
			buf_add(&text, str_of(endless[i].over_and_over));
		}
		HOLDS(endless[i].line, unchunk_result(SIZE_MAX) == 400);
	}
}

/* A reload may lower the cap while a body is on its way. */
static void test_cap_goes_down(void **state)
{
	(void)state;
	struct http1_chunks so_far = {0};
	struct buf out = BUF_EMPTY;
	size_t used = 4711;
	begin("5\r\nhello\r\n");
	assert_int_equal(http1_unchunk(built(), 10, &so_far, &out, &used), E_AGAIN);
	buf_add(&text, STR("1\r\n"));
	assert_int_equal(http1_unchunk(built(), 4, &so_far, &out, &used), 413);
	assert_int_equal(http1_unchunk(built(), 5, &so_far, &out, &used), 413);
	assert_int_equal(http1_unchunk(built(), 6, &so_far, &out, &used), E_AGAIN);
	assert_null(out.p);
	assert_int_equal(used, 4711);
}

static void test_content_that_has_no_room(void **state)
{
	(void)state;
	size_t used;
	begin("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
	char memory[5];
	struct buf fixed = buf_fixed(memory, sizeof memory);
	assert_int_equal(unchunk(100, &fixed, &used), 0);
	assert_int_equal(buf_status(&fixed), E_LIMIT);
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct str bytes = exact_copy(built());
	struct http1_chunks none = {0};
	(void)alloc_fail_at(1);
	assert_int_equal(http1_unchunk(bytes, 100, &none, &out, &used), 0);
	assert_true(alloc_fail_at(0));
	assert_int_equal(buf_status(&out), -ENOMEM);
	buf_reset(&out);
	buf_add(&out, STR("before "));
	assert_int_equal(unchunk(100, &out, &used), 0);
	assert_true(str_eq(buf_str(&out), STR("before abcdef")));
}

/* --- fields and replies ------------------------------------------------------------------------ */

static void test_field_once(void **state)
{
	(void)state;
	const struct http1_limits limits = HELP_LIMITS;
	begin("GET / HTTP/1.1\r\na: 1\r\nA: 1\r\nb: 1\r\nB: 2\r\nc:\r\nC:\r\nd:\r\nD: 1\r\ne: 1\r\n"
	      "E:\r\nf: x\r\ng: x\r\nG: X\r\nh: 1\r\nH: 1\r\nh: 2\r\n\r\n");
	struct parsed whole = parse(built(), &limits);
	assert_int_equal(whole.rc, 0);
	static const struct {
		int line;
		struct str name;
		int rc;
		struct str value; /* p NULL: not there */
	} cases[] = {
		{__LINE__, STR_INIT("A"), 0, STR_INIT("1")},
		{__LINE__, STR_INIT("B"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("C"), 0, STR_INIT("")},
		{__LINE__, STR_INIT("D"), E_SYNTAX, {NULL, 0}}, /* empty and something differ */
		{__LINE__, STR_INIT("E"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("F"), 0, STR_INIT("x")},
		{__LINE__, STR_INIT("G"), E_SYNTAX, {NULL, 0}}, /* values have their case */
		{__LINE__, STR_INIT("H"), E_SYNTAX, {NULL, 0}}, /* the third counts, too */
		{__LINE__, STR_INIT("I"), 0, {NULL, 0}},
		{__LINE__, STR_INIT(""), 0, {NULL, 0}},
		{__LINE__, STR_INIT("AA"), 0, {NULL, 0}},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str value = STR("untouched");
		HOLDS(cases[i].line,
			http1_field_once(&whole.req, cases[i].name, &value) == cases[i].rc);
		if (cases[i].rc < 0) {
			HOLDS(cases[i].line, str_eq(value, STR("untouched")));
		} else {
			HOLDS(cases[i].line, !value.p == !cases[i].value.p);
			HOLDS(cases[i].line, str_eq(value, cases[i].value));
			struct str first = http1_field(&whole.req, cases[i].name);
			HOLDS(cases[i].line, !first.p == !value.p && str_eq(first, value));
		}
	}
	assert_true(str_eq(http1_field(&whole.req, STR("b")), STR("1")));
}

static void test_reply(void **state)
{
	(void)state;
	static const struct {
		int line;
		unsigned status;
		struct str type, body;
		bool close, head_only;
		struct str reply;
	} cases[] = {
		{__LINE__, 200, STR_INIT("text/plain"), STR_INIT("hello"), false, false,
			STR_INIT(
				"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
				"\r\nhello")},
		{__LINE__, 200, STR_INIT("text/plain"), STR_INIT("hello"), false, true,
			STR_INIT(
				"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
				"\r\n")},
		{__LINE__, 400, STR_INIT("text/html"), STR_INIT("a\0b"), true, false,
			STR_INIT("HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n"
				 "Content-Length: 3\r\nConnection: close\r\n\r\na\0b")},
		{__LINE__, 404, STR_INIT("a/b"), {NULL, 0}, true, true,
			STR_INIT("HTTP/1.1 404 Not Found\r\nContent-Type: a/b\r\n"
				 "Content-Length: 0\r\nConnection: close\r\n\r\n")},
		{__LINE__, 999, STR_INIT("a/b"), STR_INIT(""), false, false,
			STR_INIT("HTTP/1.1 500 Internal Server Error\r\nContent-Type: a/b\r\n"
				 "Content-Length: 0\r\n\r\n")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		http1_reply(&out, cases[i].status, cases[i].type, cases[i].body, cases[i].close,
			cases[i].head_only);
		HOLDS(cases[i].line, buf_status(&out) == 0);
		HOLDS(cases[i].line, str_eq(buf_str(&out), cases[i].reply));
	}
}

static void test_reply_with_fields(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	http1_reply_with(&out, 200, STR("a/b"), STR("X: y\r\nZ: 1\r\n"), STR("hi"), true, false);
	http1_reply_with(&out, 404, STR("a/b"), STR_EMPTY, STR("no"), false, true);
	assert_int_equal(buf_status(&out), 0);
	assert_true(str_eq(buf_str(&out),
		STR("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 2\r\nX: y\r\nZ: 1\r\n"
		    "Connection: close\r\n\r\nhi"
		    "HTTP/1.1 404 Not Found\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\n")));
}

static void test_status_text(void **state)
{
	(void)state;
	/* Those that this layer and its handlers give; each text begins with its number. */
	static const unsigned known[] = {200, 400, 403, 404, 405, 413, 414, 415, 431, 500, 503};
	for (size_t i = 0; i < COUNT(known); i++) {
		uint64_t number = 0;
		struct str status = http1_status_text(known[i]);
		assert_true(status.n > 5 && status.p[3] == ' ');
		assert_int_equal(str_to_u64((struct str){status.p, 3}, &number), 0);
		assert_int_equal(number, known[i]);
	}
	assert_true(str_eq(http1_status_text(0), STR("500 Internal Server Error")));
	assert_true(str_eq(http1_status_text(2000), STR("500 Internal Server Error")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_bytes),
		cmocka_unit_test(test_field_count),
		cmocka_unit_test(test_target_bytes),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_every_byte_anywhere),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_nothing_is_left_over),
		cmocka_unit_test(test_content_cap),
		cmocka_unit_test(test_skipped_bytes_cap),
		cmocka_unit_test(test_cap_goes_down),
		cmocka_unit_test(test_content_that_has_no_room),
		cmocka_unit_test(test_field_once),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_reply_with_fields),
		cmocka_unit_test(test_status_text),
	};
	return cmocka_run_group_tests(tests, NULL, end_text);
}
