/*
 * Signatures: botocore's are accepted, for their scope, their secret and their time alone; with any
 * byte changed they are not. The requests in tests/vectors/sigv4/ are made by make.py there.
 */
#include "tests/unit/cases.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/sigv4.h"
#include "fake/alloc.h"
#include "tests/unit/scratch.h"

#define VECTORS  TEST_SOURCE_ROOT "/tests/vectors/sigv4/"
#define NOW_S    INT64_C(1795523696)
#define KEY_ID   "AKIAIOSFODNN7EXAMPLE"
#define SESSION  "IQoJb3JpZ2luX2VjEXAMPLE/+token//////////wEaCXVzLWVhc3QtMSJIMEYCIQ=="
#define FAILURES 200

static const struct http1_limits limits = {
	.head_bytes = 16384, .target_bytes = 8192, .fields = HTTP1_FIELDS_MAX, .body_bytes = 65536};

struct vector {
	struct buf file;
	struct str region, service, bytes;
	int64_t now_s;
	struct secret secret;
};

static struct str next_word(struct str *rest, char c)
{
	size_t end = str_find(*rest, c);
	struct str word = {rest->p, end};
	assert_true(end < rest->n);
	*rest = str_from(*rest, end + 1);
	return word;
}

static struct vector vector_read(const char *path)
{
	struct vector v = {.file = scratch_read(path)};
	struct str rest = buf_str(&v.file);
	uint64_t now_s;
	v.region = next_word(&rest, ' ');
	v.service = next_word(&rest, ' ');
	assert_int_equal(str_to_u64(next_word(&rest, ' '), &now_s), 0);
	struct str secret = next_word(&rest, '\n');
	assert_int_equal(secret_init(&v.secret, secret.n), 0);
	memcpy(v.secret.p, secret.p, secret.n);
	v.now_s = (int64_t)now_s;
	v.bytes = rest;
	return v;
}

static struct vector vector_named(const char *name)
{
	char path[512];
	(void)snprintf(path, sizeof path, VECTORS "%s.txt", name);
	return vector_read(path);
}

static void vector_done(struct vector *v)
{
	buf_done(&v->file);
	secret_done(&v->secret);
}

/* What has been sent, by these bytes; false when it is no request. */
static bool read_request(struct str bytes, struct http1_req *req)
{
	size_t head;
	if (http1_parse(bytes, &limits, req, &head) != 0) {
		return false;
	}
	req->body = str_from(bytes, head);
	return true;
}

static int verify_at(const struct vector *v, struct str bytes, int64_t now_s)
{
	struct http1_req req;
	struct sigv4_claim claim;
	const struct sigv4_scope scope = {v->region, v->service};
	if (!read_request(bytes, &req)) {
		return E_SYNTAX;
	}
	TRY(sigv4_parse(&req, &claim));
	if (!str_eq(claim.access_key_id, STR(KEY_ID))) {
		return E_AUTH; /* it stands for the secret, and there is none for another */
	}
	return sigv4_verify(&req, &claim, &scope, &v->secret, now_s);
}

static int verify(const struct vector *v, struct str bytes)
{
	return verify_at(v, bytes, v->now_s);
}

/* --- what is good ------------------------------------------------------------------------------ */

static void each_vector(void (*run)(const char *name, struct vector *v))
{
	glob_t files;
	assert_int_equal(glob(VECTORS "*.txt", 0, NULL, &files), 0);
	assert_true(files.gl_pathc > 15);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct vector v = vector_read(files.gl_pathv[i]);
		run(strrchr(files.gl_pathv[i], '/') + 1, &v);
		vector_done(&v);
	}
	globfree(&files);
}

static void try_good(const char *name, struct vector *v)
{
	struct http1_req req;
	struct sigv4_claim claim;
	int rc = verify(v, v->bytes);
	if (rc != 0) {
		fail_msg("%s: %s", name, result_name(rc));
	}
	assert_true(read_request(v->bytes, &req));
	assert_int_equal(sigv4_parse(&req, &claim), 0);
	assert_true(str_eq(claim.access_key_id, STR(KEY_ID)));
	bool token = strstr(name, "token") != NULL;
	assert_true(str_eq(claim.session_token, token ? STR(SESSION) : STR_EMPTY));
	assert_int_equal(claim.presigned, strstr(name, "presigned") != NULL);
}

static void test_good(void **state)
{
	(void)state;
	each_vector(try_good);
}

/* --- what is changed --------------------------------------------------------------------------- */

/* Bytes that no signature covers: the version, and fields that the vectors leave unsigned. */
static bool is_covered(struct str bytes, size_t at)
{
	static const struct str free[] = {STR_INIT("User-Agent:"), STR_INIT("Content-Length:")};
	size_t start = at, end = at;
	while (start > 0 && bytes.p[start - 1] != '\n') {
		start--;
	}
	while (end < bytes.n && bytes.p[end] != '\n') {
		end++;
	}
	struct str line = {bytes.p + start, end - start};
	for (size_t i = 0; i < COUNT(free); i++) {
		if (str_starts(line, free[i])) {
			return false;
		}
	}
	return start > 0 || at < str_find(bytes, '\n') - sizeof "HTTP/1.1";
}

static void try_changed(const char *name, struct vector *v)
{
	char *copy = str_dup(v->bytes);
	struct str bytes = {copy, v->bytes.n};
	/* Of those with dots in their path many are the same path. */
	bool dots = strstr(name, "path-") != NULL;
	for (size_t i = dots ? str_find(bytes, '\n') : 0; i < bytes.n; i++) {
		if (!is_covered(v->bytes, i)) {
			continue;
		}
		for (unsigned bit = 0; bit < 8; bit++) {
			char changed = (char)(copy[i] ^ 1 << bit);
			bool letter = (unsigned char)((copy[i] | 32) - 'a') < 26;
			/* Names of fields are of any case, and so is hex in a query. */
			if (bit == 5 && letter) {
				continue;
			}
			copy[i] = changed;
			if (verify(v, bytes) >= 0) {
				fail_msg("%s: byte %zu changed to '%c' is accepted", name, i,
					changed);
			}
			copy[i] = v->bytes.p[i];
		}
	}
	assert_int_equal(verify(v, bytes), 0);
	free(copy);
}

static void test_every_byte(void **state)
{
	(void)state;
	each_vector(try_changed);
}

static void try_cut_and_longer(const char *name, struct vector *v)
{
	struct buf longer = BUF_EMPTY;
	for (size_t n = 0; n < v->bytes.n; n++) {
		if (verify(v, (struct str){v->bytes.p, n}) >= 0) {
			fail_msg("%s: cut at %zu is accepted", name, n);
		}
	}
	buf_add(&longer, v->bytes);
	buf_add_char(&longer, ' ');
	assert_int_equal(verify(v, buf_str(&longer)), E_AUTH);
	buf_done(&longer);
}

static void test_cut_and_longer(void **state)
{
	(void)state;
	each_vector(try_cut_and_longer);
}

/* What one finds in the bytes replaced by something else. */
static int verify_with(const struct vector *v, const char *what, const char *with)
{
	CLEANUP(buf_done) struct buf bytes = BUF_EMPTY;
	const char *at = memmem(v->bytes.p, v->bytes.n, what, strlen(what));
	assert_non_null(at);
	size_t before = (size_t)(at - v->bytes.p);
	buf_add(&bytes, (struct str){v->bytes.p, before});
	buf_add(&bytes, str_of(with));
	buf_add(&bytes, str_from(v->bytes, before + strlen(what)));
	return verify(v, buf_str(&bytes));
}

static const struct {
	int line;
	const char *vector, *what, *with;
	int rc;
} replaced[] = {
	/* Nothing that counts. */
	{__LINE__, "json", "host;", "host;", 0},
	{__LINE__, "json", "User-Agent: telltale-test", "User-Agent: another", 0},
	{__LINE__, "json", "Host:", "HOST:  ", 0},
	{__LINE__, "json", "aws4_request, Signed", "aws4_request,Signed", 0},
	{__LINE__, "query-order", "b=2&a=%20&b=1", "b=1&a=%20&b=2", 0},
	{__LINE__, "query-order", "%7B", "%7b", 0},
	/* No signature, and half ones. */
	{__LINE__, "json", "Authorization:", "Authorisation:", E_NOTFOUND},
	{__LINE__, "json", "AWS4-HMAC-SHA256 ", "Bearer ", E_SYNTAX},
	{__LINE__, "json", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 ", E_SYNTAX},
	{__LINE__, "json", "SignedHeaders=", "Signed=", E_SYNTAX},
	{__LINE__, "json", "Signature=", "Signature=0", E_SYNTAX},
	{__LINE__, "json", "Signature=", "Signature=,Signature=", E_SYNTAX},
	{__LINE__, "json", "aws4_request", "aws3_request", E_SYNTAX},
	{__LINE__, "json", "/us-east-1/", "/", E_SYNTAX},
	{__LINE__, "json", "/us-east-1/", "//", E_SYNTAX},
	{__LINE__, "json", "Credential=AKIA", "Credential=", E_AUTH},
	{__LINE__, "json", "X-Amz-Date", "X-Amz-Late", E_SYNTAX},
	{__LINE__, "json", "X-Amz-Date: 20261124T123456Z", "X-Amz-Date: 20261324T123456Z",
		E_SYNTAX},
	{__LINE__, "json", "X-Amz-Date: 20261124T123456Z", "X-Amz-Date: 20261124 123456Z",
		E_SYNTAX},
	{__LINE__, "json",
		"X-Amz-Date: ", "X-Amz-Date: 20261124T123455Z\r\nX-Amz-Date: ", E_SYNTAX},
	{__LINE__, "json", "Authorization: ", "Authorization: x\r\nAuthorization: ", E_SYNTAX},
	{__LINE__, "presigned", "X-Amz-Expires=60", "X-Amz-Expires=0", E_SYNTAX},
	{__LINE__, "presigned", "X-Amz-Expires=60", "X-Amz-Expires=604801", E_SYNTAX},
	{__LINE__, "presigned", "X-Amz-Expires=60", "X-Amz-Expires=-1", E_SYNTAX},
	{__LINE__, "presigned", "X-Amz-Expires=60&", "", E_SYNTAX},
	{__LINE__, "presigned", "X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60", E_SYNTAX},
	{__LINE__, "presigned", "User-Agent:", "Authorization:", E_SYNTAX},
	{__LINE__, "presigned", "us-east-1", "us-east-%31%", E_SYNTAX},
	/* Not all is signed that must be. */
	{__LINE__, "json", "host;", "", E_AUTH},
	{__LINE__, "json", ";x-amz-date", "", E_AUTH},
	{__LINE__, "json", ";x-amz-target", "", E_AUTH},
	{__LINE__, "json", "User-Agent: telltale-test", "X-Amz-Other: 1", E_AUTH},
	{__LINE__, "json", "User-Agent: telltale-test", "x-amz-security-token: x", E_AUTH},
	{__LINE__, "presigned", "User-Agent: telltale-test", "X-AMZ-TARGET: 1", E_AUTH},
	{__LINE__, "json", "host;", "Host;", E_AUTH},
	{__LINE__, "json", "host;", "host;host;", E_AUTH},
	{__LINE__, "json", "host;", "host;missing;", E_AUTH},
	{__LINE__, "json", "content-type;host;", "host;content-type;", E_AUTH},
	/* Another body's hash, and none. */
	{__LINE__, "json", "Host:", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nHost:", E_AUTH},
	/* Another scope, another request. */
	{__LINE__, "json", "/20261124/", "/20261123/", E_AUTH},
	{__LINE__, "json", "/us-east-1/", "/us-east-2/", E_AUTH},
	{__LINE__, "json", "/lightsail/", "/ec2/", E_AUTH},
	{__LINE__, "json", "POST", "BREW", E_AUTH},
	{__LINE__, "query", "Empty=", "Empty=&More=", E_AUTH},
	{__LINE__, "query", "Empty=", "Empty=+", E_AUTH},
	{__LINE__, "query", "Empty=", "Empty=%", E_AUTH},
	{__LINE__, "query", "Empty=", "Empty=%4", E_AUTH},
	{__LINE__, "path-dots", "/a/./b", "/a/../b", E_AUTH},
};

static void test_replaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replaced); i++) {
		struct vector v = vector_named(replaced[i].vector);
		int rc = verify_with(&v, replaced[i].what, replaced[i].with);
		HOLDS(replaced[i].line, rc == replaced[i].rc);
		vector_done(&v);
	}
}

static void test_other_scope_and_secret(void **state)
{
	(void)state;
	struct vector v = vector_named("json");
	struct str region = v.region, service = v.service;
	v.region = STR("us-west-2");
	assert_int_equal(verify(&v, v.bytes), E_AUTH);
	v.region = region;
	v.service = STR("ec2");
	assert_int_equal(verify(&v, v.bytes), E_AUTH);
	v.service = service;
	for (size_t i = 0; i < v.secret.n; i++) {
		v.secret.p[i] ^= 1;
		assert_int_equal(verify(&v, v.bytes), E_AUTH);
		v.secret.p[i] ^= 1;
	}
	assert_int_equal(verify(&v, v.bytes), 0);
	struct secret longest = {0};
	assert_int_equal(secret_init(&longest, SIGV4_SECRET_BYTES), 0);
	struct secret right = v.secret;
	v.secret = longest;
	assert_int_equal(verify(&v, v.bytes), E_AUTH);
	v.secret = right;
	secret_done(&longest);
	vector_done(&v);
}

/* --- time -------------------------------------------------------------------------------------- */

static void test_times(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *vector;
		int64_t after_s;
		int rc;
	} cases[] = {
		{__LINE__, "json", -SIGV4_SKEW_S - 1, E_RANGE},
		{__LINE__, "json", -SIGV4_SKEW_S, 0},
		{__LINE__, "json", SIGV4_SKEW_S, 0},
		{__LINE__, "json", SIGV4_SKEW_S + 1, E_RANGE},
		{__LINE__, "json-date", SIGV4_SKEW_S, 0},
		{__LINE__, "json-date", SIGV4_SKEW_S + 1, E_RANGE},
		{__LINE__, "presigned", -SIGV4_SKEW_S - 1, E_RANGE},
		{__LINE__, "presigned", -SIGV4_SKEW_S, 0},
		{__LINE__, "presigned", 60, 0},
		{__LINE__, "presigned", 61, E_RANGE},
		{__LINE__, "presigned-token", SIGV4_EXPIRES_MAX_S, 0},
		{__LINE__, "presigned-token", SIGV4_EXPIRES_MAX_S + 1, E_RANGE},
		{__LINE__, "json", INT64_MAX / 2, E_RANGE},
		{__LINE__, "json", -NOW_S, E_RANGE},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct vector v = vector_named(cases[i].vector);
		HOLDS(cases[i].line, v.now_s == NOW_S);
		int rc = verify_at(&v, v.bytes, NOW_S + cases[i].after_s);
		HOLDS(cases[i].line, rc == cases[i].rc);
		/* Who has not signed does not learn that it is too late. */
		v.secret.p[0] ^= 1;
		rc = verify_at(&v, v.bytes, NOW_S + cases[i].after_s);
		HOLDS(cases[i].line, rc == E_AUTH);
		vector_done(&v);
	}
}

/* --- limits ------------------------------------------------------------------------------------ */

static void test_query_limit(void **state)
{
	(void)state;
	struct vector v = vector_named("presigned");
	for (size_t n = SIGV4_QUERY_PAIRS - 8; n < SIGV4_QUERY_PAIRS + 8; n++) {
		struct buf more = BUF_EMPTY;
		for (size_t i = 0; i < n; i++) {
			buf_add(&more, STR("a=1&"));
		}
		buf_add(&more, STR("X-Amz-Expires=60"));
		char *with = buf_take(&more);
		assert_int_equal(verify_with(&v, "X-Amz-Expires=60", with), E_AUTH);
		free(with);
	}
	vector_done(&v);
}

static void try_out_of_memory(const char *name, struct vector *v)
{
	unsigned n = 1;
	for (;; n++) {
		alloc_fail_at(n);
		int rc = verify(v, v->bytes);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			break;
		}
		if (rc != -ENOMEM) {
			fail_msg("%s: allocation %u fails: %s", name, n, result_name(rc));
		}
		assert_true(n < FAILURES);
	}
	assert_true(n > 1);
}

static void test_out_of_memory(void **state)
{
	(void)state;
	each_vector(try_out_of_memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_cut_and_longer),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_other_scope_and_secret),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_query_limit),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
