/*
 * Must reach: http1_parse (request line, fields, framing, limits), http1_unchunk (sizes, extensions,
 * trailer), http1_field, http1_field_once.
 */
#include <stdlib.h>

#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assertion that is there in every build. */
#define HOLDS(condition)            \
	do {                        \
		if (!(condition)) { \
			abort();    \
		}                   \
	} while (0)

static const struct http1_limits limits = {
	.head_bytes = 1024, .target_bytes = 256, .fields = 16, .body_bytes = 512};

#define UNTOUCHED SIZE_MAX

/* At most 6 bytes for each of content, and what is skipped, and the last chunk. */
#define CHUNKED_BYTES_MAX ((size_t)512 * 14 + 1024 + 32)

static bool is_within(struct str part, struct str whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_request(const struct http1_req *req, struct str bytes, size_t head_bytes)
{
	struct str head = {bytes.p, head_bytes};
	struct str value;
	HOLDS(head_bytes > 0 && head_bytes <= bytes.n && head_bytes <= limits.head_bytes);
	HOLDS(req->n_fields <= limits.fields && req->target.n <= limits.target_bytes);
	HOLDS(req->target.n > 0 && req->target.p[0] == '/' && is_within(req->target, head));
	HOLDS(!(req->chunked && req->content_length));
	for (unsigned i = 0; i < req->n_fields; i++) {
		HOLDS(is_within(req->fields[i].name, head) &&
			is_within(req->fields[i].value, head));
		HOLDS(http1_field(req, req->fields[i].name).p != NULL);
		if (http1_field_once(req, req->fields[i].name, &value) == 0) {
			HOLDS(str_eq(value, req->fields[i].value));
		}
	}
}

static void check_body(struct str rest)
{
	CLEANUP(buf_done) struct buf body = BUF_EMPTY;
	CLEANUP(buf_done) struct buf parts = BUF_EMPTY;
	struct http1_chunks none = {0}, so_far = {0};
	size_t used = UNTOUCHED, end = UNTOUCHED;
	int rc = http1_unchunk(rest, limits.body_bytes, &none, &body, &used);
	HOLDS(rc == 0 || rc == E_AGAIN || rc == 400 || rc == 413);
	HOLDS(rc == 0 ? used > body.n && used <= rest.n : used == UNTOUCHED && body.n == 0);
	HOLDS(body.n <= limits.body_bytes);
	/* Nothing without content is waited for without a limit. */
	HOLDS(rc != E_AGAIN || rest.n < CHUNKED_BYTES_MAX);
	/* In parts, going on where it was: no other answer, only none yet. */
	for (size_t n = 0, step = 1; n < rest.n; n += step, step = step * 2 % 251) {
		int now = http1_unchunk(
			(struct str){rest.p, n}, limits.body_bytes, &so_far, &parts, &end);
		HOLDS(now == E_AGAIN || now == rc);
		if (now != E_AGAIN) {
			HOLDS(end == used && str_eq(buf_str(&parts), buf_str(&body)));
			return;
		}
	}
	HOLDS(http1_unchunk(rest, limits.body_bytes, &so_far, &parts, &end) == rc);
	HOLDS(end == used && str_eq(buf_str(&parts), buf_str(&body)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = {size ? (const char *)data : "", size};
	struct http1_req req, early;
	size_t head_bytes = UNTOUCHED, early_bytes = UNTOUCHED;
	int rc = http1_parse(bytes, &limits, &req, &head_bytes);
	HOLDS(rc == 0 || rc == E_AGAIN || rc == 400 || rc == 414 || rc == 431);
	if (rc == 0) {
		check_request(&req, bytes, head_bytes);
		check_body(str_from(bytes, head_bytes));
	} else {
		HOLDS(head_bytes == UNTOUCHED);
		HOLDS(rc != E_AGAIN || size <= limits.head_bytes);
	}
	check_body(bytes);
	/* Fewer bytes never give another answer, only none yet. */
	bool decided = false;
	for (size_t n = 0; n < size && n < 2 * limits.head_bytes; n++) {
		int now = http1_parse((struct str){bytes.p, n}, &limits, &early, &early_bytes);
		HOLDS(now == rc || (now == E_AGAIN && !decided));
		HOLDS(now == 0 ? early_bytes == head_bytes : early_bytes == UNTOUCHED);
		decided |= now != E_AGAIN;
	}
	return 0;
}
