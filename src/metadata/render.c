/* render - a reply as bytes: the header blocks of docs/protocol.md#replies, in their order. */
#include "metadata/service.h"

#define PAGE_START                                          \
	"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n" \
	"<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n"
#define PAGE_DTD                                                         \
	"\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n" \
	"<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n"
#define PAGE(indent, title)                                                                   \
	STR_INIT(PAGE_START indent PAGE_DTD " <head>\n  <title>" title "</title>\n </head>\n" \
					    " <body>\n  <h1>" title "</h1>\n </body>\n</html>\n")

/* The service's two indents of the second DOCTYPE line. */
#define TWO_TABS "\t\t "
#define ONE_TAB  "\t"

static const struct status {
	uint16_t status;
	struct str line; /* behind "HTTP/1.1 " */
	struct str page;
} statuses[] = {
	{200, STR_INIT("200 OK\r\n"), {NULL, 0}},
	{400, STR_INIT("400 Bad Request\r\n"), PAGE(TWO_TABS, "400 - Bad Request")},
	{401, STR_INIT("401 Unauthorized\r\n"), {NULL, 0}},
	{403, STR_INIT("403 Forbidden\r\n"), PAGE(ONE_TAB, "403 - Forbidden")},
	{404, STR_INIT("404 Not Found\r\n"), PAGE(TWO_TABS, "404 - Not Found")},
	{405, STR_INIT("405 Not Allowed\r\n"), {NULL, 0}},
	{413, STR_INIT("413 Request Entity Too Large\r\n"), {NULL, 0}},
	{414, STR_INIT("414 Request-URI Too Long\r\n"), {NULL, 0}},
	{431, STR_INIT("431 Request Header Fields Too Large\r\n"), {NULL, 0}},
	{503, STR_INIT("503 Service Unavailable\r\n"), {NULL, 0}},
};

static const struct status *status_of(unsigned status)
{
	size_t n = sizeof statuses / sizeof statuses[0];
	for (size_t i = 0; i < n; i++) {
		if (statuses[i].status == status) {
			return &statuses[i];
		}
	}
	return &statuses[n - 1];
}

/* More than any head takes: its fields' names, two dates and two numbers. */
#define HEAD_BYTES   512
#define NUMBER_CHARS 20

/* Into a head, for which there is room. Each returns where to go on. */
static inline char *put(char *at, struct str s)
{
	memcpy(at, s.p, s.n);
	return at + s.n;
}

static inline char *put_number(char *at, uint64_t value)
{
	unsigned n = 1;
	for (uint64_t more = 10; n < NUMBER_CHARS && value >= more; more *= 10) {
		n++;
	}
	for (unsigned i = n; i > 0; value /= 10) {
		at[--i] = (char)('0' + value % 10);
	}
	return at + n;
}

static char *put_date(char *at, struct timefmt_memo *memo, int64_t unix_s)
{
	memcpy(at, timefmt_http_memo(memo, unix_s).p, TIMEFMT_HTTP_CHARS);
	return at + TIMEFMT_HTTP_CHARS;
}

static char *put_ttl(char *at, const struct service_reply *reply)
{
	if (!reply->has_ttl) {
		return at;
	}
	at = put(at, STR("X-Aws-Ec2-Metadata-Token-Ttl-Seconds: "));
	at = put_number(at, reply->ttl_s);
	return put(at, STR("\r\n"));
}

/* What all heads have, behind Content-Type where that does not come last. */
static char *put_common(
	char *at, size_t length, struct timefmt_memo *now, int64_t now_s, bool close)
{
	at = put(at, STR("Content-Length: "));
	at = put_number(at, length);
	at = put(at, STR("\r\nDate: "));
	at = put_date(at, now, now_s);
	at = put(at, STR("\r\nServer: EC2ws\r\n"));
	return close ? put(at, STR("Connection: close\r\n")) : at;
}

/* 200 with metadata or user-data: what comes before Content-Length. */
static char *put_value_fields(
	char *at, const struct service_reply *reply, struct timefmt_memo *modified)
{
	at = put_ttl(at, reply);
	at = reply->body == SERVICE_BYTES
		     ? put(at, STR("Content-Type: application/octet-stream\r\n"))
		     : put(at, STR("Content-Type: text/plain\r\n"));
	at = put(at, STR("Accept-Ranges: none\r\nLast-Modified: "));
	at = put_date(at, modified, reply->modified_s);
	return put(at, STR("\r\n"));
}

/* The same of tokens, and of everything that has no body. */
static char *put_plain_fields(char *at, const struct service_reply *reply)
{
	if (reply->allow == SERVICE_ALLOW_GET_HEAD) {
		at = put(at, STR("Allow: GET, HEAD\r\n"));
	} else if (reply->allow == SERVICE_ALLOW_OPTIONS_PUT) {
		at = put(at, STR("Allow: OPTIONS, PUT\r\n"));
	}
	if (reply->status == 503) {
		at = put(at, STR("Retry-After: 1\r\n"));
	}
	return put_ttl(at, reply);
}

void service_render(const struct service_reply *reply, struct service_dates *dates, int64_t now_s,
	bool close, struct buf *out)
{
	const struct status *status = status_of(reply->status);
	struct str body = reply->body == SERVICE_PAGE ? status->page : reply->value;
	char *head = buf_room(out, HEAD_BYTES + body.n);
	if (!head) {
		return;
	}
	char *at = put(head, STR("HTTP/1.1 "));
	at = put(at, status->line);
	switch (reply->body) {
	case SERVICE_PAGE:
		at = put(at, STR("Content-Type: text/html\r\n"));
		at = put_common(at, body.n, &dates->now, now_s, close);
		break;
	case SERVICE_VALUE:
	case SERVICE_BYTES:
		at = put_value_fields(at, reply, &dates->modified);
		at = put_common(at, body.n, &dates->now, now_s, close);
		break;
	case SERVICE_EMPTY:
	case SERVICE_TOKEN:
		at = put_plain_fields(at, reply);
		at = put_common(at, body.n, &dates->now, now_s, close);
		at = put(at, STR("Content-Type: text/plain\r\n"));
		break;
	}
	at = put(at, STR("\r\n"));
	if (!reply->head && body.n) {
		at = put(at, body);
	}
	out->n += (size_t)(at - head);
}
