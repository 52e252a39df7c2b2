/* Replies as bytes: header blocks in their order, pages, and the Connection line. */
#include "tests/unit/metadata_help.h"

#include "metadata/service.h"

#define DATE       "Tue, 14 Nov 2023 22:13:20 GMT"
#define NOW_S      INT64_C(1700000000)
#define CHANGED_S  INT64_C(1696245753)
#define CHANGED    "Mon, 02 Oct 2023 11:22:33 GMT"
#define CLOSE      "Connection: close\r\n"
#define DATE_LINES "Date: " DATE "\r\nServer: EC2ws\r\n"

#define PAGE(indent, title)                                                           \
	"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n"                           \
	"<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n" indent   \
	"\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n"              \
	"<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n" \
	" <head>\n  <title>" title "</title>\n </head>\n"                             \
	" <body>\n  <h1>" title "</h1>\n </body>\n</html>\n"

struct rendering {
	int line;
	struct service_reply reply;
	bool close;
	const char *bytes;
};

static const struct rendering renderings[] = {
	{__LINE__,
		{.status = 200,
			.body = SERVICE_VALUE,
			.has_ttl = true,
			.ttl_s = 21518,
			.value = STR_INIT("ip-172-26-2-10.eu-north-1."),
			.modified_s = CHANGED_S},
		true,
		"HTTP/1.1 200 OK\r\n"
		"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21518\r\n"
		"Content-Type: text/plain\r\n"
		"Accept-Ranges: none\r\n"
		"Last-Modified: " CHANGED "\r\n"
		"Content-Length: 26\r\n" DATE_LINES CLOSE "\r\n"
		"ip-172-26-2-10.eu-north-1."},
	/* Without a token the same but for the first line; kept open, without the last. */
	{__LINE__,
		{.status = 200,
			.body = SERVICE_VALUE,
			.value = STR_INIT("x"),
			.modified_s = CHANGED_S},
		false,
		"HTTP/1.1 200 OK\r\n"
		"Content-Type: text/plain\r\n"
		"Accept-Ranges: none\r\n"
		"Last-Modified: " CHANGED "\r\n"
		"Content-Length: 1\r\n" DATE_LINES "\r\n"
		"x"},
	/* HEAD: the length of what is not sent. */
	{__LINE__,
		{.status = 200,
			.body = SERVICE_VALUE,
			.value = STR_INIT("i-0123456789ab"),
			.head = true,
			.modified_s = 0},
		false,
		"HTTP/1.1 200 OK\r\n"
		"Content-Type: text/plain\r\n"
		"Accept-Ranges: none\r\n"
		"Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
		"Content-Length: 14\r\n" DATE_LINES "\r\n"},
	{__LINE__,
		{.status = 200,
			.body = SERVICE_VALUE,
			.value = STR_INIT(""),
			.has_ttl = true,
			.ttl_s = 0,
			.modified_s = CHANGED_S},
		false,
		"HTTP/1.1 200 OK\r\n"
		"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 0\r\n"
		"Content-Type: text/plain\r\n"
		"Accept-Ranges: none\r\n"
		"Last-Modified: " CHANGED "\r\n"
		"Content-Length: 0\r\n" DATE_LINES "\r\n"},
	{__LINE__,
		{.status = 200,
			.body = SERVICE_BYTES,
			.value = STR_INIT("#!/bin/sh\n"),
			.modified_s = CHANGED_S},
		false,
		"HTTP/1.1 200 OK\r\n"
		"Content-Type: application/octet-stream\r\n"
		"Accept-Ranges: none\r\n"
		"Last-Modified: " CHANGED "\r\n"
		"Content-Length: 10\r\n" DATE_LINES "\r\n"
		"#!/bin/sh\n"},
	/* A token. */
	{__LINE__,
		{.status = 200,
			.body = SERVICE_TOKEN,
			.has_ttl = true,
			.ttl_s = 21600,
			.hop_limit = 1,
			.value = STR_INIT(
				"AQAEAGVT8QBG73tu3kwJYJEZjc9vvKLQMYHDn2Ta6Oj1WiRo9ER8YQ==")},
		true,
		"HTTP/1.1 200 OK\r\n"
		"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n"
		"Content-Length: 56\r\n" DATE_LINES CLOSE "Content-Type: text/plain\r\n"
		"\r\n"
		"AQAEAGVT8QBG73tu3kwJYJEZjc9vvKLQMYHDn2Ta6Oj1WiRo9ER8YQ=="},
	/* Errors without a body. */
	{__LINE__, {.status = 401, .body = SERVICE_EMPTY}, true,
		"HTTP/1.1 401 Unauthorized\r\n"
		"Content-Length: 0\r\n" DATE_LINES CLOSE "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 401, .body = SERVICE_EMPTY, .head = true}, false,
		"HTTP/1.1 401 Unauthorized\r\n"
		"Content-Length: 0\r\n" DATE_LINES "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 403, .body = SERVICE_EMPTY}, false,
		"HTTP/1.1 403 Forbidden\r\n"
		"Content-Length: 0\r\n" DATE_LINES "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 405, .body = SERVICE_EMPTY, .allow = SERVICE_ALLOW_OPTIONS_PUT}, true,
		"HTTP/1.1 405 Not Allowed\r\n"
		"Allow: OPTIONS, PUT\r\n"
		"Content-Length: 0\r\n" DATE_LINES CLOSE "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 405, .body = SERVICE_EMPTY, .allow = SERVICE_ALLOW_GET_HEAD}, false,
		"HTTP/1.1 405 Not Allowed\r\n"
		"Allow: GET, HEAD\r\n"
		"Content-Length: 0\r\n" DATE_LINES "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 200, .body = SERVICE_EMPTY, .allow = SERVICE_ALLOW_OPTIONS_PUT},
		false,
		"HTTP/1.1 200 OK\r\n"
		"Allow: OPTIONS, PUT\r\n"
		"Content-Length: 0\r\n" DATE_LINES "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 413, .body = SERVICE_EMPTY}, true,
		"HTTP/1.1 413 Request Entity Too Large\r\n"
		"Content-Length: 0\r\n" DATE_LINES CLOSE "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 414, .body = SERVICE_EMPTY}, true,
		"HTTP/1.1 414 Request-URI Too Long\r\n"
		"Content-Length: 0\r\n" DATE_LINES CLOSE "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 431, .body = SERVICE_EMPTY}, true,
		"HTTP/1.1 431 Request Header Fields Too Large\r\n"
		"Content-Length: 0\r\n" DATE_LINES CLOSE "Content-Type: text/plain\r\n"
		"\r\n"},
	{__LINE__, {.status = 503, .body = SERVICE_EMPTY}, false,
		"HTTP/1.1 503 Service Unavailable\r\n"
		"Retry-After: 1\r\n"
		"Content-Length: 0\r\n" DATE_LINES "Content-Type: text/plain\r\n"
		"\r\n"},
	/* Pages: of 339, 337 and 343 bytes. */
	{__LINE__, {.status = 404, .body = SERVICE_PAGE}, true,
		"HTTP/1.1 404 Not Found\r\n"
		"Content-Type: text/html\r\n"
		"Content-Length: 339\r\n" DATE_LINES CLOSE "\r\n" PAGE("\t\t ", "404 - Not Found")},
	{__LINE__, {.status = 404, .body = SERVICE_PAGE, .head = true}, false,
		"HTTP/1.1 404 Not Found\r\n"
		"Content-Type: text/html\r\n"
		"Content-Length: 339\r\n" DATE_LINES "\r\n"},
	{__LINE__, {.status = 403, .body = SERVICE_PAGE}, false,
		"HTTP/1.1 403 Forbidden\r\n"
		"Content-Type: text/html\r\n"
		"Content-Length: 337\r\n" DATE_LINES "\r\n" PAGE("\t", "403 - Forbidden")},
	{__LINE__, {.status = 400, .body = SERVICE_PAGE}, true,
		"HTTP/1.1 400 Bad Request\r\n"
		"Content-Type: text/html\r\n"
		"Content-Length: 343\r\n" DATE_LINES CLOSE
		"\r\n" PAGE("\t\t ", "400 - Bad Request")},
};

/* Told again and again, as a worker does. */
static struct service_dates dates;

static void byte_for_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof renderings / sizeof renderings[0]; i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		service_render(&renderings[i].reply, &dates, NOW_S, renderings[i].close, &out);
		case_text(renderings[i].line, buf_str(&out), renderings[i].bytes);
	}
}

/* The body of a page is as long as is said. */
static void lengths_are_true(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof renderings / sizeof renderings[0]; i++) {
		const char *body = strstr(renderings[i].bytes, "\r\n\r\n") + 4;
		const char *length = strstr(renderings[i].bytes, "Content-Length: ") + 16;
		size_t said = strtoul(length, NULL, 10);
		case_int(renderings[i].line, (long long)strlen(body),
			renderings[i].reply.head ? 0 : (long long)said);
	}
}

/* Values are bytes; what is there before stays. */
static void appended(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct service_reply reply = {.status = 200,
		.body = SERVICE_BYTES,
		.value = STR("\0\r\n\r\n\xff"),
		.modified_s = CHANGED_S};
	buf_add(&out, STR("before"));
	service_render(&reply, &dates, NOW_S, false, &out);
	assert_true(str_starts(buf_str(&out), STR("beforeHTTP/1.1 200 OK\r\n")));
	assert_true(str_ends(buf_str(&out), STR("\r\n\r\n\0\r\n\r\n\xff")));
	assert_non_null(memmem(out.p, out.n, "Content-Length: 6\r\n", 19));
	/* No room is told by the buffer. */
	char memory[64];
	struct buf small = buf_fixed(memory, sizeof memory);
	service_render(&reply, &dates, NOW_S, false, &small);
	assert_int_equal(buf_status(&small), E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(byte_for_byte),
		cmocka_unit_test(lengths_are_true),
		cmocka_unit_test(appended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
