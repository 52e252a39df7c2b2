/* Runs the cases of tests/vectors/http1/ through http/http1.h. */
#include "tests/unit/http1_help.h"

#include <glob.h>
#include <stdio.h>

#define VECTORS      TEST_SOURCE_ROOT "/tests/vectors/http1/"
#define CONTENT_MAX  16
#define METHOD_NAMES 7

struct vector {
	const char *file;
	int line; /* of its name */
	struct buf bytes;
	struct str result;
};

static struct str next_until(struct str *rest, char c)
{
	size_t end = str_find(*rest, c);
	struct str part = {rest->p, end};
	*rest = end < rest->n ? str_from(*rest, end + 1) : STR_EMPTY;
	return part;
}

static int nibble(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static void unescape(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '\\') {
			buf_add_char(out, text.p[i]);
			continue;
		}
		assert_true(++i < text.n);
		switch (text.p[i]) {
		case 'r':
			buf_add_char(out, '\r');
			break;
		case 'n':
			buf_add_char(out, '\n');
			break;
		case 't':
			buf_add_char(out, '\t');
			break;
		case '\\':
			buf_add_char(out, '\\');
			break;
		case 'x':
			assert_true(i + 2 < text.n);
			buf_add_char(
				out, (char)(nibble(text.p[i + 1]) << 4 | nibble(text.p[i + 2])));
			i += 2;
			break;
		default:
			fail_msg("\\%c means nothing", text.p[i]);
		}
	}
	assert_int_equal(buf_status(out), 0);
}

#define CHECK_VECTOR(v, condition)                                               \
	do {                                                                     \
		if (!(condition)) {                                              \
			fail_msg("%s:%d: %s", (v)->file, (v)->line, #condition); \
		}                                                                \
	} while (0)

/* A status or "again"; 0 for "ok". */
static int result_code(const struct vector *v, struct str word)
{
	uint64_t status = 0;
	if (str_eq(word, STR("again"))) {
		return E_AGAIN;
	}
	CHECK_VECTOR(v, str_eq(word, STR("ok")) || str_to_u64(word, &status) == 0);
	return (int)status;
}

static struct str method_name(enum http1_method method)
{
	static const char *const names[METHOD_NAMES] = {
		"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "OTHER"};
	assert_in_range(method, 0, METHOD_NAMES - 1);
	return str_of(names[method]);
}

struct expected {
	uint64_t length;
	uint64_t rest;
	bool chunked;
	bool fields_given;
	uint64_t fields;
};

/* "length=7": the number, when the word begins so. */
static bool number_after(struct str word, struct str name, uint64_t *ret_value)
{
	return str_starts(word, name) && str_to_u64(str_from(word, name.n), ret_value) == 0;
}

static void check_field(const struct vector *v, const struct http1_req *req, struct str word)
{
	/* A name may have any token character, so the last '=' before the value counts: the first
	 * that is no part of one. */
	size_t eq = str_find(word, '=');
	CLEANUP(buf_done) struct buf value = BUF_EMPTY;
	struct str name = {word.p, eq}, once, found = http1_field(req, name);
	if (eq == word.n) {
		CHECK_VECTOR(v, !found.p);
		CHECK_VECTOR(v, http1_field_once(req, name, &once) == 0 && !once.p);
		return;
	}
	unescape(str_from(word, eq + 1), &value);
	CHECK_VECTOR(v, found.p && str_eq(found, buf_str(&value)));
}

static void check_request(const struct vector *v, const struct parsed *whole, struct str rest)
{
	const struct http1_req *req = &whole->req;
	struct expected expected = {0};
	CHECK_VECTOR(v, str_eq(next_until(&rest, ' '), method_name(req->method)));
	CHECK_VECTOR(v, str_eq(next_until(&rest, ' '), req->target));
	CHECK_VECTOR(
		v, str_eq(next_until(&rest, ' '), req->keep_alive ? STR("keep") : STR("close")));
	while (rest.n) {
		struct str word = next_until(&rest, ' ');
		if (str_eq(word, STR("chunked"))) {
			expected.chunked = true;
		} else if (number_after(word, STR("fields="), &expected.fields)) {
			expected.fields_given = true;
		} else if (!number_after(word, STR("length="), &expected.length) &&
			   !number_after(word, STR("rest="), &expected.rest)) {
			check_field(v, req, word);
		}
	}
	CHECK_VECTOR(v, req->chunked == expected.chunked);
	CHECK_VECTOR(v, req->content_length == expected.length);
	CHECK_VECTOR(v, v->bytes.n - whole->head_bytes == expected.rest);
	CHECK_VECTOR(v, !expected.fields_given || req->n_fields == expected.fields);
	CHECK_VECTOR(v, !req->body.p);
}

static void run_request(const struct vector *v)
{
	const struct http1_limits limits = HELP_LIMITS;
	struct str rest = v->result;
	int expected = result_code(v, next_until(&rest, ' '));
	struct parsed whole = parse(buf_str(&v->bytes), &limits);
	CHECK_VECTOR(v, whole.rc == expected);
	if (whole.rc == 0) {
		check_request(v, &whole, rest);
	}
	check_prefixes(v->line, buf_str(&v->bytes), &limits, &whole);
}

static void run_chunked(const struct vector *v)
{
	CLEANUP(buf_done) struct buf expected = BUF_EMPTY;
	struct str rest = v->result;
	uint64_t left = 0;
	int code = result_code(v, next_until(&rest, ' '));
	struct str content = next_until(&rest, ' ');
	if (!str_eq(content, STR("-"))) {
		unescape(content, &expected);
	}
	CHECK_VECTOR(v, !rest.n || number_after(rest, STR("rest="), &left));
	bool refused = false;
	struct http1_chunks so_far = {0};
	for (size_t n = 0; n <= v->bytes.n; n++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		CLEANUP(buf_done) struct buf again = BUF_EMPTY;
		struct http1_chunks none = {0};
		size_t used = 4711, used_again = 4711, end = v->bytes.n - left;
		struct str part = exact_copy((struct str){v->bytes.p, n});
		int rc = http1_unchunk(part, CONTENT_MAX, &none, &out, &used);
		/* It is all one whether it goes on or starts anew. */
		CHECK_VECTOR(
			v, http1_unchunk(part, CONTENT_MAX, &so_far, &again, &used_again) == rc);
		CHECK_VECTOR(v, used_again == used && str_eq(buf_str(&again), buf_str(&out)));
		if (code == 0 && n >= end) {
			CHECK_VECTOR(v, rc == 0 && used == end);
			CHECK_VECTOR(v, str_eq(buf_str(&out), buf_str(&expected)));
			continue;
		}
		CHECK_VECTOR(v, used == 4711);
		CHECK_VECTOR(v, out.n == 0);
		if (rc != E_AGAIN || refused || (n == v->bytes.n && code != E_AGAIN)) {
			CHECK_VECTOR(v, code > 0 && rc == code);
			refused = true;
		}
	}
}

static unsigned run_file(const char *path, void (*run)(const struct vector *))
{
	static char text[256 * 1024];
	FILE *file = fopen(path, "rbe");
	assert_non_null(file);
	struct str rest = {text, fread(text, 1, sizeof text, file)};
	assert_true(feof(file));
	(void)fclose(file);
	struct vector v = {.file = path};
	bool inside = false;
	unsigned cases = 0;
	for (int line = 1; rest.n; line++) {
		struct str one = next_until(&rest, '\n');
		if (str_starts(one, STR("== "))) {
			assert_false(inside);
			inside = true;
			v.line = line;
			buf_reset(&v.bytes);
		} else if (inside && str_starts(one, STR("-> "))) {
			v.result = str_from(one, 3);
			run(&v);
			inside = false;
			cases++;
		} else if (inside) {
			unescape(one, &v.bytes);
		} else if (one.n && one.p[0] != '#') {
			fail_msg("%s:%d: outside of a case", path, line);
		}
	}
	assert_false(inside);
	buf_done(&v.bytes);
	return cases;
}

static void run_files(const char *pattern, void (*run)(const struct vector *))
{
	glob_t files;
	assert_int_equal(glob(pattern, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		assert_true(run_file(files.gl_pathv[i], run) > 0);
	}
	globfree(&files);
}

static void test_requests(void **state)
{
	(void)state;
	run_files(VECTORS "request-*.txt", run_request);
}

static void test_chunked(void **state)
{
	(void)state;
	run_files(VECTORS "chunked-*.txt", run_chunked);
}

/* What real clients send, as kept for the replay against the daemon: all of it is read. */
static unsigned replayed;

static void replay_line(struct buf *request, struct str line)
{
	const struct http1_limits limits = HELP_LIMITS;
	if (!str_starts(line, STR("-- "))) {
		if (line.n && line.p[0] != '#') {
			unescape(line, request);
		}
		return;
	}
	if (request->n) {
		struct parsed whole = parse(buf_str(request), &limits);
		assert_int_equal(whole.rc, 0);
		check_prefixes(__LINE__, buf_str(request), &limits, &whole);
		replayed++;
	}
	buf_reset(request);
}

static void test_replayed_requests(void **state)
{
	(void)state;
	glob_t files;
	char line[4096];
	struct buf request = BUF_EMPTY;
	assert_int_equal(
		glob(TEST_SOURCE_ROOT "/tests/vectors/http1-replay/*.txt", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FILE *file = fopen(files.gl_pathv[i], "rbe");
		assert_non_null(file);
		while (fgets(line, sizeof line, file)) {
			replay_line(&request, (struct str){line, strcspn(line, "\n")});
		}
		(void)fclose(file);
		replay_line(&request, STR("-- end"));
	}
	globfree(&files);
	buf_done(&request);
	assert_true(replayed > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_replayed_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
