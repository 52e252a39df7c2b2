#include "control/protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "control/xml.h"

#define NO_CREDENTIALS \
	"No credentials are configured for the control address. Use the control socket."
#define UNKNOWN_KEY "The security token included in the request is invalid."
#define NO_TOKEN    "Missing Authentication Token"
#define INCOMPLETE \
	"The request's signature is not complete, or not of the form of Signature Version 4."
#define NO_MATCH                                                                                     \
	"The request signature we calculated does not match the signature you provided. Check your " \
	"AWS Secret Access Key, signing method and region."
#define EXPIRED       "Signature expired, or not yet current: the clocks differ by more than 5 minutes."
#define NOT_VALIDATED "The provided access credentials could not be validated."
#define NOT_NOW       "The signature can't be verified now."

static const struct call_failure json_refusals[] = {
	{-ENXIO, 400, "UnrecognizedClientException", NO_CREDENTIALS},
	{-ENOKEY, 400, "UnrecognizedClientException", UNKNOWN_KEY},
	{E_NOTFOUND, 400, "MissingAuthenticationTokenException", NO_TOKEN},
	{E_SYNTAX, 400, "IncompleteSignatureException", INCOMPLETE},
	{E_AUTH, 400, "InvalidSignatureException", NO_MATCH},
	{E_RANGE, 400, "InvalidSignatureException", EXPIRED},
	{E_DENIED, 400, "AccessDeniedException", NULL},
	{0, 500, "ServiceException", NOT_NOW},
};

static const struct call_failure query_refusals[] = {
	{-ENXIO, 403, "InvalidClientTokenId", NO_CREDENTIALS},
	{-ENOKEY, 403, "InvalidClientTokenId", UNKNOWN_KEY},
	{E_NOTFOUND, 403, "MissingAuthenticationToken", NO_TOKEN},
	{E_SYNTAX, 400, "IncompleteSignature", INCOMPLETE},
	{E_AUTH, 403, "SignatureDoesNotMatch", NO_MATCH},
	{E_RANGE, 400, "RequestExpired", EXPIRED},
	{E_DENIED, 403, "AccessDenied", NULL},
	{0, 500, "InternalFailure", NOT_NOW},
};

static const struct call_failure ec2_refusals[] = {
	{-ENXIO, 401, "AuthFailure", NO_CREDENTIALS},
	{-ENOKEY, 401, "AuthFailure", NOT_VALIDATED},
	{E_NOTFOUND, 403, "MissingAuthenticationToken", NO_TOKEN},
	{E_SYNTAX, 400, "IncompleteSignature", INCOMPLETE},
	{E_AUTH, 401, "AuthFailure", NOT_VALIDATED},
	{E_RANGE, 400, "RequestExpired", EXPIRED},
	{E_DENIED, 403, "UnauthorizedOperation", NULL},
	{0, 500, "InternalError", NOT_NOW},
};

const struct call_failure *protocol_failure(const struct call_failure *rows, int rc)
{
	while (rows->rc && rows->rc != rc) {
		rows++;
	}
	return rows;
}

/*
 * One line, though a message may quote what was sent, and may have been cut in the middle of a
 * character: then it is cut before it.
 */
static json_t *message_text(const char *message)
{
	char line[DIAG_TEXT_BYTES];
	struct buf out = buf_fixed(line, sizeof line);
	for (const char *c = message; *c; c++) {
		buf_add_char(&out, (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
	}
	for (size_t cut = 0; cut < 4 && cut <= out.n; cut++) {
		json_t *text = json_from_str((struct str){line, out.n - cut});
		if (text) {
			return text;
		}
	}
	return json_string("what was wrong can't be told: it is not UTF-8");
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void json_succeed(
	struct api_reply *reply, const struct call *call, const struct call_service *service)
{
	char *text = json_dumps(call->reply, JSON_COMPACT);
	(void)service;
	if (text) {
		buf_add(&reply->body, str_of(text));
	} else {
		reply->failed = true;
	}
	free(text);
}

static void add_error(struct buf *out, const char *type, const char *code, const char *message)
{
	json_t *error = json_pack(
		"{s:s, s:s, s:o}", "__type", type, "code", code, "message", message_text(message));
	char *text = error ? json_dumps(error, JSON_COMPACT) : NULL;
	/* Without memory what happened is said all the same. */
	buf_add(out, text ? str_of(text) : STR("{\"__type\":\"ServiceException\"}"));
	free(text);
	json_decref(error);
}

static void json_fail(struct api_reply *reply, const struct call_service *service,
	struct str request_id, const char *code, const char *message)
{
	(void)service;
	(void)request_id;
	add_error(&reply->body, code, code, message);
}

/*
 * Of a service that spoke Query before (the trait awsQueryCompatible): clients that know the Query
 * error codes find them in a field; the shape's name is another one.
 */
static void compatible_fail(struct api_reply *reply, const struct call_service *service,
	struct str request_id, const char *code, const char *message)
{
	static const struct {
		const char *code;
		const char *shape;
	} rows[] = {
		{"InvalidParameterValue", "InvalidParameterValueException"},
		{"InvalidParameterCombination", "InvalidParameterCombinationException"},
		{"MissingParameter", "MissingRequiredParameterException"},
		{"InvalidNextToken", "InvalidNextToken"},
		{"InternalServiceError", "InternalServiceFault"},
	};
	const char *shape = code;
	bool fault = reply->status >= 500;
	(void)service;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		shape = strcmp(code, rows[i].code) == 0 ? rows[i].shape : shape;
	}
	(void)request_id;
	buf_add_f(&reply->fields, "x-amzn-query-error: %s;%s\r\n", code,
		fault ? "Receiver" : "Sender");
	add_error(&reply->body, shape, code, message);
}

/* --- XML ------------------------------------------------------------------------------------- */

/* Takes the content. */
static void add_document(struct api_reply *reply, struct str root, struct str namespace_url,
	json_t *content, struct str item)
{
	if (!content || xml_document(&reply->body, root, namespace_url, content, item) < 0) {
		reply->failed = true;
	}
	json_decref(content);
}

/* "DescribeInstancesResponse"; empty in the buffer when out of memory. */
static void add_root(struct buf *root, const struct call *call)
{
	buf_add(root, call->operation->name);
	buf_add(root, STR("Response"));
}

static void ec2_succeed(
	struct api_reply *reply, const struct call *call, const struct call_service *service)
{
	CLEANUP(buf_done) struct buf root = BUF_EMPTY, url = BUF_EMPTY;
	json_t *content = json_pack("{s:o}", "requestId", json_from_str(call->deed.request_id));
	add_root(&root, call);
	buf_add_f(&url, "http://ec2.amazonaws.com/doc/%.*s/", STR_FMT(service->version));
	if (json_object_update(content, call->reply) < 0) {
		json_decref(content);
		content = NULL;
	}
	add_document(reply, buf_str(&root), buf_str(&url), content, XML_ITEM_EC2);
}

static void ec2_fail(struct api_reply *reply, const struct call_service *service,
	struct str request_id, const char *code, const char *message)
{
	(void)service;
	/* The list of errors has elements of its own name, not `item`. */
	json_t *content = json_pack("{s:{s:{s:s, s:o}}, s:o}", "Errors", "Error", "Code", code,
		"Message", message_text(message), "RequestID", json_from_str(request_id));
	add_document(reply, STR("Response"), STR_EMPTY, content, XML_ITEM_EC2);
}

/* For all but EC2 the namespace is part of the service's model. */
static void add_url(struct buf *url, const struct call_service *service)
{
	buf_add_f(url, "http://%.*s.amazonaws.com/doc/%.*s/", STR_FMT(service->name),
		STR_FMT(service->version));
}

static void query_succeed(
	struct api_reply *reply, const struct call *call, const struct call_service *service)
{
	CLEANUP(buf_done) struct buf root = BUF_EMPTY, url = BUF_EMPTY, result = BUF_EMPTY;
	add_root(&root, call);
	add_url(&url, service);
	buf_add_f(&result, "%.*sResult", STR_FMT(call->operation->name));
	buf_add_char(&result, '\0');
	json_t *content = NULL;
	if (buf_status(&result) == 0) {
		content = json_pack("{s:O, s:{s:o}}", result.p, call->reply, "ResponseMetadata",
			"RequestId", json_from_str(call->deed.request_id));
	}
	add_document(reply, buf_str(&root), buf_str(&url), content, XML_ITEM_QUERY);
}

static void query_fail(struct api_reply *reply, const struct call_service *service,
	struct str request_id, const char *code, const char *message)
{
	CLEANUP(buf_done) struct buf url = BUF_EMPTY;
	add_url(&url, service);
	json_t *content = json_pack("{s:{s:s, s:s, s:o}, s:o}", "Error", "Type",
		reply->status >= 500 ? "Receiver" : "Sender", "Code", code, "Message",
		message_text(message), "RequestId", json_from_str(request_id));
	add_document(reply, STR("ErrorResponse"), buf_str(&url), content, XML_ITEM_QUERY);
}

/* --- the protocols --------------------------------------------------------------------------- */

const struct call_protocol protocol_json_1_0 = {
	.content_type = STR_INIT("application/x-amz-json-1.0"),
	.refusals = json_refusals,
	.unknown_operation = "UnknownOperationException",
	.unknown_status = 404,
	.malformed = "SerializationException",
	.succeed = json_succeed,
	.fail = compatible_fail,
};

const struct call_protocol protocol_json_1_1 = {
	.content_type = STR_INIT("application/x-amz-json-1.1"),
	.refusals = json_refusals,
	.unknown_operation = "UnknownOperationException",
	.unknown_status = 404,
	.malformed = "SerializationException",
	.succeed = json_succeed,
	.fail = json_fail,
};

const struct call_protocol protocol_ec2 = {
	.content_type = STR_INIT("text/xml;charset=UTF-8"),
	.refusals = ec2_refusals,
	.unknown_operation = "InvalidAction",
	.unknown_status = 400,
	.malformed = "MalformedQueryString",
	.succeed = ec2_succeed,
	.fail = ec2_fail,
};

const struct call_protocol protocol_query = {
	.content_type = STR_INIT("text/xml"),
	.refusals = query_refusals,
	.unknown_operation = "InvalidAction",
	.unknown_status = 400,
	.malformed = "MalformedQueryString",
	.succeed = query_succeed,
	.fail = query_fail,
};
