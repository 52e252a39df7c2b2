#include "control/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "control/cloudwatch.h"
#include "control/ec2.h"
#include "control/lightsail.h"
#include "control/protocol.h"
#include "control/query.h"
#include "control/request.h"
#include "control/telltale.h"

#define SHOWN_CHARS   100 /* of what was sent, in a message */
#define RETRY_AFTER_S 5   /* what can't be done now may be done then */
#define OF_NO_API     "of no API that is known here; there are Lightsail's, EC2's and CloudWatch's"

static const struct call_service *const services[] = {
	&lightsail_service,
	&ec2_service,
	&cloudwatch_service,
};
#define SERVICES (sizeof services / sizeof services[0])

/* What a request asks for, as far as that is known before anybody believes it. */
struct asked {
	const struct call_service *service;
	const struct call_protocol *protocol;
	const struct call_operation *operation; /* NULL: there is none of that name */
	struct str name;                        /* of the operation */
	json_t *form;                           /* a Query request; NULL: JSON */
};

/* Who asks, and where the answer goes. */
struct asking {
	const struct api *api;
	const struct http1_req *req;
	struct api_reply *reply;
	struct asked asked;
	struct deed deed;
	char request_id[CRYPTO_UUID_BYTES];
};

int call_set(struct call *call, const char *member, json_t *value)
{
	return json_object_set_new(call->reply, member, value) < 0 ? -ENOMEM : 0;
}

void api_reply_done(struct api_reply *reply)
{
	buf_done(&reply->fields);
	buf_done(&reply->body);
}

/* --- what is asked for ----------------------------------------------------------------------- */

static const struct call_operation *find(const struct call_service *service, struct str name)
{
	for (size_t i = 0; i < service->n_operations; i++) {
		if (str_eq(name, service->operations[i].name)) {
			return &service->operations[i];
		}
	}
	return NULL;
}

/* By X-Amz-Target. One that is not known is told so as the first service would, in JSON 1.1. */
static int ask_json(struct asked *asked, struct str target, struct diag *diag)
{
	bool known = false;
	asked->service = services[0];
	asked->name = target;
	for (size_t i = 0; i < SERVICES; i++) {
		const struct call_service *service = services[i];
		if (service->target.n && str_starts(target, service->target)) {
			asked->service = service;
			asked->name = str_from(target, service->target.n);
			asked->operation = find(service, asked->name);
			known = true;
		}
	}
	asked->protocol = asked->service->json;
	return known ? 0
		     : diag_set(diag, E_NOTFOUND, "'%.*s' is " OF_NO_API,
			       (int)(target.n < SHOWN_CHARS ? target.n : SHOWN_CHARS), target.p);
}

/* By Action and Version, in the body or in the target's query. Versions name their services. */
static int ask_query(struct asked *asked, const struct http1_req *req, struct diag *diag)
{
	size_t at = str_find(req->target, '?');
	struct str form = req->method == HTTP1_POST ? req->body : str_from(req->target, at + 1);
	asked->service = &ec2_service;
	asked->protocol = &protocol_ec2;
	TRY(query_parse(form, &asked->form, diag));
	struct str version = json_str_member(asked->form, "Version");
	asked->name = json_str_member(asked->form, "Action");
	for (size_t i = 0; i < SERVICES; i++) {
		const struct call_service *service = services[i];
		if (service->version.n && str_eq(version, service->version)) {
			asked->service = service;
			asked->protocol = service->query;
			asked->operation = find(service, asked->name);
			return 0;
		}
	}
	return diag_set(diag, E_NOTFOUND, "Version '%.*s' is " OF_NO_API,
		(int)(version.n < SHOWN_CHARS ? version.n : SHOWN_CHARS),
		version.p ? version.p : "");
}

/* --- errors ---------------------------------------------------------------------------------- */

static void fail(struct asking *asking, unsigned status, const char *code, const char *message)
{
	asking->reply->status = status;
	asking->asked.protocol->fail(
		asking->reply, asking->asked.service, asking->deed.request_id, code, message);
}

static void fail_row(struct asking *asking, const struct call_failure *row, const char *message)
{
	fail(asking, row->status, row->code, row->message ? row->message : message);
}

static void fail_unknown(struct asking *asking)
{
	const struct call_protocol *protocol = asking->asked.protocol;
	struct str name = asking->asked.name;
	struct diag diag;
	diag_write(&diag, "%.*s is not an operation that is known here; see docs/control.md",
		(int)(name.n < SHOWN_CHARS ? name.n : SHOWN_CHARS), name.p ? name.p : "");
	fail(asking, protocol->unknown_status, protocol->unknown_operation, diag.text);
}

/* --- records --------------------------------------------------------------------------------- */

/*
 * What a request is about, for the record of what was not done: a name. EC2's requests have ids where
 * records have names, as far as there is such an instance; then it is in scratch.
 */
static struct str resource_of(
	struct registrar *registrar, const json_t *request, struct buf *scratch)
{
	static const struct {
		const char *member;
		bool id;
	} all[] = {{"instanceName", false}, {"resourceName", false}, {"InstanceId", true},
		{"instanceNames", false}, {"ResourceId", true}};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const json_t *value = json_object_get(request, all[i].member);
		value = json_is_array(value) ? json_array_get(value, 0) : value;
		if (json_is_string(value)) {
			bool found = all[i].id && registrar_name_of(registrar, json_str(value),
							  scratch, NULL) == 0;
			return found ? buf_str(scratch) : json_str(value);
		}
	}
	return STR("");
}

/* A change that was made has its record already. */
static void audit(struct asking *asking, const json_t *request, const char *result)
{
	CLEANUP(buf_done) struct buf scratch = BUF_EMPTY;
	const struct call_operation *operation = asking->asked.operation;
	if (!operation || !operation->write) {
		return;
	}
	struct str resource = resource_of(asking->api->registrar, request, &scratch);
	if (strcmp(result, "ok") != 0) {
		registrar_tell(asking->api->registrar, &asking->deed, resource, str_of(result));
	}
	LOG(LOG_INFO, "control", "audit", LOG_STR("who", asking->deed.who),
		LOG_STR("from", asking->deed.from), LOG_STR("operation", asking->deed.action),
		LOG_STR("instance", resource), LOG_TEXT("result", result),
		LOG_STR("request", asking->deed.request_id));
}

/* Who may not is told as well, but not more often than a log can bear. */
static void tell_refusal(const struct asking *asking, const struct access_who *who, int rc)
{
	static struct log_limit limit;
	uint32_t held;
	if (log_limit_pass(&limit, asking->api->now_ms() / 1000, &held)) {
		LOG(LOG_WARN, "control", "refused", LOG_STR("from", asking->deed.from),
			LOG_STR("operation", asking->deed.action),
			LOG_TEXT("reason", who->why ? who->why : result_name(rc)),
			LOG_INT("more", held));
	}
}

/* --- calling --------------------------------------------------------------------------------- */

/* What every form has, and the signature of a presigned one, are no members of its operation. */
static void strip_form(json_t *form)
{
	const char *name;
	json_t *value;
	void *next;
	json_object_foreach_safe (form, next, name, value) {
		if (strcmp(name, "Action") == 0 || strcmp(name, "Version") == 0 ||
			strncmp(name, "X-Amz-", 6) == 0) {
			(void)json_object_del(form, name); /* it is there */
		}
	}
}

/* The request's members; the caller's reference. NULL: it can't be read. */
static json_t *read_request(struct asking *asking)
{
	struct str body = asking->req->body;
	json_t *form = asking->asked.form;
	if (!form) {
		return body.n ? json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL)
			      : json_object();
	}
	strip_form(form);
	return json_incref(form);
}

static int run_operation(struct call *call, const struct call_service *service)
{
	const struct call_operation *operation = call->operation;
	const char *unknown = request_unknown(call->request, operation->members);
	if (unknown) {
		call->code = service->unknown_member;
		if (service->json) {
			return diag_set(&call->diag, E_SYNTAX, "unknown member '%s'", unknown);
		}
		return diag_set(
			&call->diag, E_SYNTAX, "The parameter %s is not recognized", unknown);
	}
	return service->run ? service->run(call) : operation->run(call);
}

static void answer(struct asking *asking, const struct call *call, int rc)
{
	const struct call_service *service = asking->asked.service;
	if (rc == 0) {
		asking->reply->status = 200;
		asking->asked.protocol->succeed(asking->reply, call, service);
		return;
	}
	const char *message = call->diag.text[0] ? call->diag.text : result_name(rc);
	if (rc == E_AWAY || rc == E_BUSY || rc == E_STALE) {
		buf_add_f(&asking->reply->fields, "Retry-After: %d\r\n", RETRY_AFTER_S);
	}
	if (call->code) {
		fail(asking, call->status ? call->status : 400, call->code, message);
	} else {
		fail_row(asking, protocol_failure(service->failures, rc), message);
	}
}

static void run(struct asking *asking)
{
	const struct call_operation *operation = asking->asked.operation;
	json_t *request = read_request(asking);
	if (!json_is_object(request)) {
		json_decref(request);
		fail(asking, 400, asking->asked.protocol->malformed,
			"the body is not a JSON object");
		return;
	}
	struct call call = {.api = asking->api,
		.operation = operation,
		.request = request,
		.form = asking->asked.form != NULL,
		.reply = json_object(),
		.deed = asking->deed};
	call.deed.operation_type = operation->type;
	call.deed.operations = operation->recorded ? json_array() : NULL;
	const struct call_service *service = asking->asked.service;
	int rc = run_operation(&call, service);
	const char *code = call.code ? call.code : protocol_failure(service->failures, rc)->code;
	audit(asking, request, rc == 0 ? "ok" : code);
	answer(asking, &call, rc);
	json_decref(call.deed.operations);
	json_decref(call.reply);
	json_decref(request);
}

/* Returns false when there is not even a name for the request. */
static bool begin(struct asking *asking, const struct api *api, const struct http1_req *req,
	struct api_reply *reply)
{
	*asking = (struct asking){.api = api, .req = req, .reply = reply};
	*reply = (struct api_reply){.status = 503};
	if (crypto_uuid(asking->request_id) < 0) {
		reply->failed = true;
		return false;
	}
	asking->deed =
		(struct deed){.at_ms = api->now_ms(), .request_id = str_of(asking->request_id)};
	return true;
}

static void finish(struct asking *asking)
{
	struct api_reply *reply = asking->reply;
	reply->content_type = asking->asked.protocol->content_type;
	/* In the body as well where the protocol says so, but there not every SDK looks for it. */
	buf_add_f(&reply->fields, "x-amzn-RequestId: %s\r\n", asking->request_id);
	reply->failed |= buf_status(&reply->fields) < 0 || buf_status(&reply->body) < 0;
	json_decref(asking->asked.form);
}

/* --- by the address -------------------------------------------------------------------------- */

static void refuse(struct asking *asking, const struct access_who *who, int rc)
{
	struct diag diag;
	diag_write(&diag, "%.*s is not allowed to use %.*s", STR_FMT(asking->deed.who),
		STR_FMT(asking->deed.action));
	tell_refusal(asking, who, rc);
	if (rc == E_DENIED) {
		json_t *request = read_request(asking);
		audit(asking, request, "AccessDenied");
		json_decref(request);
	}
	fail_row(asking, protocol_failure(asking->asked.protocol->refusals, rc), diag.text);
}

/* Of no API, or not to be read: there is nothing that a signature could be for. */
static void fail_to_ask(struct asking *asking, int rc, bool json, const char *message)
{
	const struct call_protocol *protocol = asking->asked.protocol;
	if (json) {
		fail(asking, protocol->unknown_status, protocol->unknown_operation, message);
	} else {
		fail(asking, 400, rc == E_NOTFOUND ? "NoSuchVersion" : protocol->malformed,
			message);
	}
}

void api_by_address(const struct api *api, const struct http1_req *req, struct str from,
	struct api_reply *ret_reply)
{
	struct asking asking;
	struct access_who who = {.why = NULL};
	struct diag diag = {{0}};
	struct asked *asked = &asking.asked;
	if (!begin(&asking, api, req, ret_reply)) {
		return;
	}
	struct str target = http1_field(req, STR("X-Amz-Target"));
	asking.deed.from = from;
	bool json = target.p && req->method == HTTP1_POST;
	int rc = json ? ask_json(asked, target, &diag) : ask_query(asked, req, &diag);
	if (rc < 0) {
		fail_to_ask(&asking, rc, json, diag.text);
		finish(&asking);
		return;
	}
	asking.deed.action = asked->operation ? asked->operation->action : STR_EMPTY;
	rc = api->authorize(api->ctx, req, asked->service->name, asking.deed.action, &who);
	asking.deed.who = str_of(who.access_key_id);
	if (rc < 0) {
		refuse(&asking, &who, rc);
	} else if (!asked->operation) {
		fail_unknown(&asking);
	} else {
		run(&asking);
	}
	finish(&asking);
}

bool api_row(size_t i, struct api_row *ret_row)
{
	for (size_t s = 0; s < SERVICES; s++) {
		const struct call_service *service = services[s];
		if (i < service->n_operations) {
			*ret_row = (struct api_row){.service = service->name,
				.target = service->target,
				.version = service->version,
				.name = service->operations[i].name,
				.action = service->operations[i].action,
				.write = service->operations[i].write};
			return true;
		}
		i -= service->n_operations;
	}
	return false;
}

/* --- by the socket --------------------------------------------------------------------------- */

void api_by_socket(const struct api *api, const struct http1_req *req, struct str who,
	struct api_reply *ret_reply)
{
	struct asking asking;
	struct asked *asked = &asking.asked;
	struct str target = http1_field(req, STR("X-Amz-Target"));
	if (!begin(&asking, api, req, ret_reply)) {
		return;
	}
	asking.deed.from = STR("socket");
	asking.deed.who = who;
	*asked = (struct asked){.service = &telltale_service, .protocol = telltale_service.json};
	asked->name = target;
	if (str_starts(target, telltale_service.target)) {
		asked->name = str_from(target, telltale_service.target.n);
		asked->operation = find(&telltale_service, asked->name);
	}
	if (asked->operation) {
		asking.deed.action = asked->operation->action;
		run(&asking);
	} else {
		fail_unknown(&asking);
	}
	finish(&asking);
}
