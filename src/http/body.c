#include "http/body.h"

int body_gather(struct str rest, size_t max_bytes, struct conn *conn, struct buf *into,
	struct http1_req *req, size_t *ret_used, bool *ret_close)
{
	int rc = 0;
	*ret_used = 0;
	if (req->chunked) {
		struct http1_chunks none = {0};
		struct http1_chunks *so_far = conn->in_body ? &conn->bytes->chunks : &none;
		buf_reset(into);
		rc = http1_unchunk(rest, max_bytes, so_far, into, ret_used);
		if (rc == 0) {
			req->body = buf_str(into);
			rc = buf_status(into) < 0 ? 503 : 0;
		}
	} else if (req->content_length > max_bytes) {
		rc = 413;
	} else if (rest.n < req->content_length) {
		rc = E_AGAIN;
	} else {
		*ret_used = (size_t)req->content_length;
		req->body = (struct str){rest.p, *ret_used};
	}
	/*
	 * RFC 9110 10.1.1 lets a server answer an expectation with the final status; where no body is
	 * accepted that is what we do, and close, since a body may follow or not.
	 */
	if (rc == E_AGAIN && max_bytes == 0 && http1_field(req, STR("Expect")).p) {
		*ret_close = true;
		return 0;
	}
	return rc;
}
