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

static void add_ttl(struct buf *out, const struct service_reply *reply)
{
	if (reply->has_ttl) {
		buf_add(out, STR("X-Aws-Ec2-Metadata-Token-Ttl-Seconds: "));
		buf_add_u64(out, reply->ttl_s);
		buf_add(out, STR("\r\n"));
	}
}

static void add_length(struct buf *out, size_t length)
{
	buf_add(out, STR("Content-Length: "));
	buf_add_u64(out, length);
	buf_add(out, STR("\r\n"));
}

static void add_date_server(struct buf *out, struct str date, bool close)
{
	buf_add(out, STR("Date: "));
	buf_add(out, date);
	buf_add(out, close ? STR("\r\nServer: EC2ws\r\nConnection: close\r\n")
			   : STR("\r\nServer: EC2ws\r\n"));
}

/* 200 with metadata or user-data. */
static void add_value_head(struct buf *out, const struct service_reply *reply, struct str date,
	struct str modified, bool close)
{
	add_ttl(out, reply);
	buf_add(out, reply->body == SERVICE_BYTES ? STR("Content-Type: application/octet-stream\r\n"
							"Accept-Ranges: none\r\nLast-Modified: ")
						  : STR("Content-Type: text/plain\r\n"
							"Accept-Ranges: none\r\nLast-Modified: "));
	buf_add(out, modified);
	buf_add(out, STR("\r\n"));
	add_length(out, reply->value.n);
	add_date_server(out, date, close);
	buf_add(out, STR("\r\n"));
}

static void add_page_head(struct buf *out, size_t length, struct str date, bool close)
{
	buf_add(out, STR("Content-Type: text/html\r\n"));
	add_length(out, length);
	add_date_server(out, date, close);
	buf_add(out, STR("\r\n"));
}

/* Tokens, and everything that has no body. */
static void add_plain_head(
	struct buf *out, const struct service_reply *reply, struct str date, bool close)
{
	if (reply->allow == SERVICE_ALLOW_GET_HEAD) {
		buf_add(out, STR("Allow: GET, HEAD\r\n"));
	} else if (reply->allow == SERVICE_ALLOW_OPTIONS_PUT) {
		buf_add(out, STR("Allow: OPTIONS, PUT\r\n"));
	}
	if (reply->status == 503) {
		buf_add(out, STR("Retry-After: 1\r\n"));
	}
	add_ttl(out, reply);
	add_length(out, reply->value.n);
	add_date_server(out, date, close);
	buf_add(out, STR("Content-Type: text/plain\r\n\r\n"));
}

void service_render(const struct service_reply *reply, struct service_dates *dates, int64_t now_s,
	bool close, struct buf *out)
{
	const struct status *status = status_of(reply->status);
	struct str date = timefmt_http_memo(&dates->now, now_s), modified;
	struct str body = reply->value;
	buf_add(out, STR("HTTP/1.1 "));
	buf_add(out, status->line);
	switch (reply->body) {
	case SERVICE_PAGE:
		body = status->page;
		add_page_head(out, body.n, date, close);
		break;
	case SERVICE_VALUE:
	case SERVICE_BYTES:
		modified = timefmt_http_memo(&dates->modified, reply->modified_s);
		add_value_head(out, reply, date, modified, close);
		break;
	case SERVICE_EMPTY:
	case SERVICE_TOKEN:
		add_plain_head(out, reply, date, close);
		break;
	}
	if (!reply->head) {
		buf_add(out, body);
	}
}
