/*
 * http1 - parse HTTP/1.0 and HTTP/1.1 requests, strictly.
 *
 * Layer:   http (pure: no fds, no clock, no log, no allocation)
 * Threads: no state
 * Memory:  a parsed request points into the bytes it was parsed from
 * Secrets: field values may be tokens; nothing here keeps or prints them
 * Limits:  struct http1_limits, HTTP1_FIELDS_MAX
 * Spec:    RFC 9110, RFC 9112; docs/protocol.md#framing. What could be read in two ways is refused.
 */
#ifndef TELLTALE_HTTP_HTTP1_H
#define TELLTALE_HTTP_HTTP1_H

#include "base/buf.h"

#define HTTP1_FIELDS_MAX 64

enum http1_method {
	HTTP1_GET,
	HTTP1_HEAD,
	HTTP1_PUT,
	HTTP1_POST,
	HTTP1_DELETE,
	HTTP1_OPTIONS,
	HTTP1_OTHER,
};

struct http1_limits {
	size_t head_bytes; /* request line, fields and the empty line */
	size_t target_bytes;
	unsigned fields; /* up to HTTP1_FIELDS_MAX */
	size_t body_bytes;
};

struct http1_field {
	struct str name;
	struct str value; /* without white space around it */
};

struct http1_req {
	enum http1_method method;
	struct str target; /* as sent, but for absolute-form: then from its path on */
	bool keep_alive;   /* what the client wants of the connection after this request */
	bool chunked;
	uint64_t content_length; /* 0 when there is no field */
	unsigned n_fields;
	struct http1_field fields[HTTP1_FIELDS_MAX];
	struct str body; /* set by the connection once it is whole */
};

/*
 * Parse a request head from the bytes that have come so far.
 *
 * ret_head_bytes  length of the head; the body starts there.
 *
 * Returns 0; E_AGAIN when the head is not complete; or the status to answer with before closing:
 * 400, 414, 431. On 400 and above *req is undefined.
 */
MUST_CHECK int http1_parse(struct str bytes, const struct http1_limits *limits,
	struct http1_req *req, size_t *ret_head_bytes);

/* How far a chunked body has been looked at; zeroed before its first byte. */
struct http1_chunks {
	size_t at_;      /* up to here chunks are whole */
	size_t content_; /* bytes in them */
	size_t extra_;   /* bytes of extensions */
};

/*
 * Take a chunked body apart, once it is whole.
 *
 * so_far          where to go on, with the same bytes and more: otherwise a body in many small parts
 *                 would be read from its start with each of them
 * max             more content than this is 413
 * out             the content is appended; its failure is kept there
 * ret_used        bytes of the chunked form
 *
 * Returns 0, E_AGAIN, 400 or 413.
 */
MUST_CHECK int http1_unchunk(struct str bytes, size_t max, struct http1_chunks *so_far,
	struct buf *out, size_t *ret_used);

/* The value of the first field of that name (any case); p is NULL when there is none. */
struct str http1_field(const struct http1_req *req, struct str name);

/*
 * As above for a field that must not be there twice with different values.
 * Returns 0 (also when there is none) or E_SYNTAX.
 */
MUST_CHECK int http1_field_once(
	const struct http1_req *req, struct str name, struct str *ret_value);

/* "200 OK"; "500 Internal Server Error" for what is not known. */
struct str http1_status_text(unsigned status);

/* A whole reply in the order status, Content-Type, Content-Length, Connection, then the body. */
void http1_reply(struct buf *out, unsigned status, struct str content_type, struct str body,
	bool close, bool head_only);

/* The same with further fields, each ended by CRLF, before Connection. */
void http1_reply_with(struct buf *out, unsigned status, struct str content_type, struct str fields,
	struct str body, bool close, bool head_only);

#endif
