#include <errno.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/output.h"

#define TOKEN_BYTES_MAX 1024 /* EC2's have 56; a client should not care */

static int get_endpoint(const struct args *args, struct endpoint *ret_endpoint, struct diag *diag)
{
	const char *from = "--endpoint";
	const char *url = args->value[ARGS_ENDPOINT];
	if (!url) {
		from = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
		url = getenv(from);
	}
	if (!url || !*url) {
		url = ENDPOINT_DEFAULT;
	}
	int rc = endpoint_parse(str_of(url), ret_endpoint, diag);
	return rc < 0 ? diag_prefix(diag, rc, "%s", from) : 0;
}

/* A token goes into a field of the next request: only visible characters may be in it. */
static bool is_token(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] > '~') {
			return false;
		}
	}
	return text.n > 0 && text.n <= TOKEN_BYTES_MAX;
}

/* Why no token: there is no way around it, because asking without one is what v2 ended. */
static const char *refusal_text(int status)
{
	switch (status) {
	case 403:
		return "is the endpoint disabled, or a proxy in between?";
	case 404:
		return "either no IMDSv2 is spoken there, or this caller is no instance of it";
	case 405:
		return "no IMDSv2 is spoken there";
	default:
		return "no token was issued";
	}
}

static int get_token(const struct endpoint *endpoint, const char *who, struct reply *ret_reply)
{
	struct diag diag = {""};
	struct str head = STR("PUT /latest/api/token HTTP/1.1\r\n"
			      "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n"
			      "Content-Length: 0\r\n"
			      "Accept: */*\r\n");
	int rc = client_fetch(endpoint, head, ret_reply, &diag);
	if (rc == -ETIMEDOUT) {
		return output_fail(COMMAND_FAILED,
			"token: %s (behind a bridge or in a container the hop limit must be larger)",
			diag.text);
	}
	if (rc < 0) {
		return output_fail(COMMAND_FAILED, "token: %s", diag.text);
	}
	if (ret_reply->status != 200) {
		return output_fail(COMMAND_FAILED,
			"token: PUT http://%s/latest/api/token answered %d %s; %s", who,
			ret_reply->status, ret_reply->reason, refusal_text(ret_reply->status));
	}
	if (!is_token(buf_str(&ret_reply->body))) {
		return output_fail(
			COMMAND_FAILED, "token: what http://%s answered is no token", who);
	}
	return COMMAND_DONE;
}

static int get_value(const struct endpoint *endpoint, const char *who, const char *path,
	struct str token, struct reply *ret_reply)
{
	CLEANUP(buf_done) struct buf head = BUF_EMPTY;
	struct diag diag = {""};
	buf_add_f(&head,
		"GET %s HTTP/1.1\r\n"
		"X-aws-ec2-metadata-token: %.*s\r\n"
		"Accept: */*\r\n",
		path, STR_FMT(token));
	int rc = buf_status(&head);
	if (rc < 0) {
		return output_fail(COMMAND_FAILED, "out of memory");
	}
	rc = client_fetch(endpoint, buf_str(&head), ret_reply, &diag);
	crypto_wipe(head.p, head.n);
	if (rc < 0) {
		return output_fail(COMMAND_FAILED, "%s", diag.text);
	}
	if (ret_reply->status >= 300) {
		return output_fail(COMMAND_FAILED, "GET http://%s%s answered %d %s", who, path,
			ret_reply->status, ret_reply->reason);
	}
	output_raw(buf_str(&ret_reply->body));
	return COMMAND_DONE;
}

int cli_get(const struct args *args)
{
	struct endpoint endpoint;
	struct diag diag = {""};
	char path[ENDPOINT_PATH_BYTES];
	char who[ENDPOINT_URL_BYTES];
	if (endpoint_path(str_of(args->operand), path, &diag) < 0 ||
		get_endpoint(args, &endpoint, &diag) < 0) {
		return output_fail(COMMAND_USAGE, "%s", diag.text);
	}
	endpoint_authority(&endpoint, who);
	CLEANUP(reply_done) struct reply token;
	CLEANUP(reply_done) struct reply value;
	reply_init(&token, CLIENT_FETCH_BODY_BYTES);
	reply_init(&value, CLIENT_FETCH_BODY_BYTES);
	int code = get_token(&endpoint, who, &token);
	if (code != COMMAND_DONE) {
		return code;
	}
	return get_value(&endpoint, who, path, buf_str(&token.body), &value);
}
