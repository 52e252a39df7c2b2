#include "cli/reply.h"

#include <assert.h>
#include <errno.h>

#include "base/crypto.h"

void reply_init(struct reply *reply, size_t body_cap_bytes)
{
	*reply = (struct reply){.body_cap_ = body_cap_bytes};
}

void reply_done(struct reply *reply)
{
	if (!reply) {
		return;
	}
	if (reply->body.n) {
		crypto_wipe(reply->body.p, reply->body.n);
	}
	buf_done(&reply->body);
	buf_done(&reply->head_);
}

/* RFC 9110 5.6.2: tchar. */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
		if (!alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c))) {
			return false;
		}
	}
	return s.n > 0;
}

/* "VCHAR, SP, HTAB and obs-text": no control byte, so no bare CR or LF either. */
static bool is_clean(struct str line)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ]; some leave the last SP out. */
static int parse_status_line(struct reply *reply, struct str line)
{
	struct str version = STR("HTTP/1.1 ");
	uint64_t status;
	if (!str_starts(line, version) && !str_starts(line, STR("HTTP/1.0 "))) {
		return E_SYNTAX;
	}
	line = str_from(line, version.n);
	if (line.n < 3 || (line.n > 3 && line.p[3] != ' ')) {
		return E_SYNTAX;
	}
	TRY(str_to_u64((struct str){line.p, 3}, &status));
	if (status < 200 || status > 599) {
		return E_SYNTAX;
	}
	reply->status = (int)status;
	struct str reason = line.n > 4 ? str_from(line, 4) : STR_EMPTY;
	size_t n = reason.n < sizeof reply->reason ? reason.n : sizeof reply->reason - 1;
	if (n) {
		memcpy(reply->reason, reason.p, n);
	}
	reply->reason[n] = '\0';
	return 0;
}

static int parse_field(struct reply *reply, struct str line, bool *counted)
{
	size_t colon = str_find(line, ':');
	/* "No whitespace is allowed between the field name and colon"; folded lines start with it. */
	if (colon == line.n || !is_token((struct str){line.p, colon})) {
		return E_SYNTAX;
	}
	struct str name = {line.p, colon};
	struct str value = str_trim(str_from(line, colon + 1));
	if (str_eq_nocase(name, STR("transfer-encoding"))) {
		return -ENOTSUP;
	}
	if (!str_eq_nocase(name, STR("content-length"))) {
		return 0;
	}
	uint64_t length;
	int rc = str_to_u64(value, &length);
	if (*counted || rc == E_SYNTAX) {
		return E_SYNTAX;
	}
	if (rc < 0 || length > reply->body_cap_) {
		return E_LIMIT;
	}
	*counted = true;
	reply->left_ = (size_t)length;
	return 0;
}

static int parse_head(struct reply *reply)
{
	struct str rest = buf_str(&reply->head_);
	bool counted = false;
	bool first = true;
	assert(rest.n >= 4); /* feed_head() saw the end */
	rest.n -= 2;         /* the empty line */
	while (rest.n) {
		size_t end = str_find(rest, '\n');
		/* Every line ends in CR LF: the head does, and a CR elsewhere is not clean. */
		struct str line = {rest.p, end ? end - 1 : 0};
		if (end == 0 || rest.p[end - 1] != '\r' || !is_clean(line)) {
			return E_SYNTAX;
		}
		TRY(first ? parse_status_line(reply, line) : parse_field(reply, line, &counted));
		first = false;
		rest = str_from(rest, end + 1);
	}
	/* "Any response with … 204 (No Content) or 304 (Not Modified) … is always terminated by
	 * the first empty line." */
	if (reply->status == 204 || reply->status == 304) {
		counted = true;
		reply->left_ = 0;
	}
	if (counted && reply->left_) {
		/* All room at once: growing would leave copies of a secret behind. */
		(void)buf_room(&reply->body, reply->left_); /* feed_body() sees a failure */
	}
	reply->state_ = !counted       ? REPLY_UNTIL_CLOSE
			: reply->left_ ? REPLY_COUNTED
				       : REPLY_COMPLETE;
	return 0;
}

/* Take bytes up to the end of the head. Returns 0 once it is whole and parsed. */
static int feed_head(struct reply *reply, struct str *bytes)
{
	struct buf *head = &reply->head_;
	while (bytes->n) {
		if (head->n == REPLY_HEAD_BYTES) {
			return E_LIMIT;
		}
		buf_add_char(head, bytes->p[0]);
		*bytes = str_from(*bytes, 1);
		TRY(buf_status(head));
		if (str_ends(buf_str(head), STR("\r\n\r\n"))) {
			return parse_head(reply);
		}
	}
	return E_AGAIN;
}

static int feed_body(struct reply *reply, struct str bytes)
{
	if (reply->state_ == REPLY_COUNTED && bytes.n > reply->left_) {
		bytes.n = reply->left_;
	}
	if (bytes.n > reply->body_cap_ - reply->body.n) {
		return E_LIMIT;
	}
	buf_add(&reply->body, bytes);
	TRY(buf_status(&reply->body));
	if (reply->state_ == REPLY_COUNTED) {
		reply->left_ -= bytes.n;
		if (reply->left_ == 0) {
			reply->state_ = REPLY_COMPLETE;
		}
	}
	return 0;
}

int reply_feed(struct reply *reply, struct str bytes)
{
	if (reply->state_ == REPLY_HEAD) {
		TRY(feed_head(reply, &bytes));
	}
	if (reply->state_ != REPLY_COMPLETE) {
		TRY(feed_body(reply, bytes));
	}
	return reply->state_ == REPLY_COMPLETE ? 0 : E_AGAIN;
}

int reply_close(struct reply *reply)
{
	if (reply->state_ == REPLY_UNTIL_CLOSE) {
		reply->state_ = REPLY_COMPLETE;
	}
	return reply->state_ == REPLY_COMPLETE ? 0 : E_SYNTAX;
}
