#include "control/lightsail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "control/request.h"
#include "metadata/blueprint.h"

#define SERVICE     "lightsail"
#define MEMBERS_MAX 8
#define CENTS       100.0

/* One call: what was asked, and what is answered. */
struct call {
	const struct lightsail *lightsail;
	const struct operation *operation;
	const json_t *request;
	json_t *reply; /* an object to fill */
	struct diag diag;
};

struct operation {
	struct str name;
	struct str action; /* that the caller must be allowed */
	bool write;        /* changes something: told in the log */
	const char *type;  /* of the Operation it answers with; NULL: none, or none in the model */
	const char *members[MEMBERS_MAX];
	int (*run)(struct call *call);
};

static int reply_set(struct call *call, const char *member, json_t *value)
{
	return json_object_set_new(call->reply, member, value) < 0 ? -ENOMEM : 0;
}

static json_t *text(struct str s)
{
	return json_stringn(s.p ? s.p : "", s.n);
}

/* --- shapes ---------------------------------------------------------------------------------- */

static int uuid(char ret_text[LIGHTSAIL_REQUEST_BYTES])
{
	unsigned char b[16];
	TRY(crypto_random(b, sizeof b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret_text, LIGHTSAIL_REQUEST_BYTES, /* it is as long as that */
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
	return 0;
}

static int show(struct call *call, struct str name, json_t **ret_view)
{
	return registrar_show(call->lightsail->registrar, name, ret_view, &call->diag);
}

/* An instance as Lightsail shows it: without what is telltale's own. */
static void strip(json_t *view)
{
	static const char *const own[] = {"instanceId", "match", "counters"};
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		(void)json_object_del(view, own[i]); /* it is there */
	}
	(void)json_object_del(json_object_get(view, "metadataOptions"), "instanceMetadataTags");
}

/* A change that has been made: what is asked for is in force when the reply comes. */
static json_t *operation_of(const struct call *call, const json_t *view)
{
	char id[LIGHTSAIL_REQUEST_BYTES];
	json_int_t now_s = call->lightsail->now_s();
	if (uuid(id) < 0) {
		return NULL;
	}
	json_t *operation = json_pack("{s:s, s:O, s:s, s:I, s:O, s:b, s:s, s:s, s:I}", "id", id,
		"resourceName", json_object_get(view, "name"), "resourceType", "Instance",
		"createdAt", now_s, "location", json_object_get(view, "location"), "isTerminal", 1,
		"operationDetails", "", "status", "Succeeded", "statusChangedAt", now_s);
	const char *type = call->operation->type;
	if (type && json_object_set_new(operation, "operationType", json_string(type)) < 0) {
		json_decref(operation);
		return NULL;
	}
	return operation;
}

static int reply_operations(struct call *call, const json_t *view)
{
	return reply_set(call, "operations", json_pack("[o]", operation_of(call, view)));
}

/* --- instances ------------------------------------------------------------------------------- */

static int on_get_instance(struct call *call)
{
	struct str name;
	json_t *view;
	TRY(request_text(call->request, "instanceName", &name, &call->diag));
	TRY(show(call, name, &view));
	strip(view);
	return reply_set(call, "instance", view);
}

static int on_get_instance_state(struct call *call)
{
	struct str name;
	json_t *view;
	TRY(request_text(call->request, "instanceName", &name, &call->diag));
	TRY(show(call, name, &view));
	int rc = reply_set(call, "state", json_incref(json_object_get(view, "state")));
	json_decref(view);
	return rc;
}

/* A page's token is the name of its predecessor's last instance. */
static int on_get_instances(struct call *call)
{
	struct str after;
	json_t *views, *view;
	size_t i;
	bool more;
	TRY(request_text_if(call->request, "pageToken", &after, &call->diag));
	TRY(registrar_list(call->lightsail->registrar, after, &views, &more, &call->diag));
	json_array_foreach (views, i, view) {
		strip(view);
	}
	json_t *last = more ? json_array_get(views, json_array_size(views) - 1) : NULL;
	json_t *token = json_incref(json_object_get(last, "name"));
	TRY(reply_set(call, "instances", views));
	return token ? reply_set(call, "nextPageToken", token) : 0;
}

/* Run a change of the instance that is named by a member, and answer with its operations. */
static int change(struct call *call, const char *member,
	int (*run)(struct call *call, struct str name, const json_t *view))
{
	struct str name;
	json_t *view;
	TRY(request_text(call->request, member, &name, &call->diag));
	TRY(show(call, name, &view));
	int rc = run(call, name, view);
	if (rc == 0) {
		rc = reply_operations(call, view);
	}
	json_decref(view);
	return rc;
}

static int delete (struct call *call, struct str name, const json_t *view)
{
	(void)view;
	return registrar_delete(call->lightsail->registrar, name, &call->diag);
}

static int on_delete_instance(struct call *call)
{
	return change(call, "instanceName", delete);
}

static int start(struct call *call, struct str name, const json_t *view)
{
	(void)view;
	return registrar_state(call->lightsail->registrar, name, true, &call->diag);
}

static int on_start_instance(struct call *call)
{
	return change(call, "instanceName", start);
}

static int stop(struct call *call, struct str name, const json_t *view)
{
	(void)view;
	return registrar_state(call->lightsail->registrar, name, false, &call->diag);
}

static int on_stop_instance(struct call *call)
{
	return change(call, "instanceName", stop);
}

/* The machine is its hypervisor's; here it only must be one that runs. */
static int reboot(struct call *call, struct str name, const json_t *view)
{
	const json_t *state = json_object_get(json_object_get(view, "state"), "name");
	if (strcmp(json_string_value(state), "running") != 0) {
		return diag_set(
			&call->diag, E_EXISTS, "instance '%.*s' is not running", STR_FMT(name));
	}
	return 0;
}

static int on_reboot_instance(struct call *call)
{
	return change(call, "instanceName", reboot);
}

static int on_update_options(struct call *call)
{
	struct str name;
	json_t *view;
	TRY(request_options(call->lightsail->registrar, call->request, &name, &call->diag));
	TRY(show(call, name, &view));
	int rc = reply_set(call, "operation", operation_of(call, view));
	json_decref(view);
	return rc;
}

/* --- tags ------------------------------------------------------------------------------------ */

/* An empty value is a tag that has only its key. */
static int read_tags(struct call *call, json_t *ret_set)
{
	const json_t *tags = json_object_get(call->request, "tags"), *tag;
	size_t i;
	if (!json_is_array(tags)) {
		return diag_set(&call->diag, E_SYNTAX, "tags must be a list");
	}
	json_array_foreach (tags, i, tag) {
		const char *key = json_string_value(json_object_get(tag, "key"));
		json_t *value = json_object_get(tag, "value");
		if (!key || (value && !json_is_string(value))) {
			return diag_set(&call->diag, E_SYNTAX, "a tag has a key and a value");
		}
		value = value ? json_incref(value) : json_string("");
		if (json_object_set_new(ret_set, key, value) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

static int tag(struct call *call, struct str name, const json_t *view)
{
	json_t *set = json_object(), *drop = json_array();
	int rc = set && drop ? read_tags(call, set) : -ENOMEM;
	(void)view;
	if (rc == 0) {
		rc = registrar_tags(call->lightsail->registrar, name, set, drop, &call->diag);
	}
	json_decref(set);
	json_decref(drop);
	return rc;
}

static int on_tag_resource(struct call *call)
{
	return change(call, "resourceName", tag);
}

static int untag(struct call *call, struct str name, const json_t *view)
{
	const json_t *keys = json_object_get(call->request, "tagKeys"), *key;
	size_t i;
	(void)view;
	if (!json_is_array(keys)) {
		return diag_set(&call->diag, E_SYNTAX, "tagKeys must be a list");
	}
	json_array_foreach (keys, i, key) {
		if (!json_is_string(key)) {
			return diag_set(&call->diag, E_SYNTAX, "tagKeys must be texts");
		}
	}
	json_t *set = json_object();
	int rc = set ? registrar_tags(call->lightsail->registrar, name, set, keys, &call->diag)
		     : -ENOMEM;
	json_decref(set);
	return rc;
}

static int on_untag_resource(struct call *call)
{
	return change(call, "resourceName", untag);
}

/* --- what there is to choose from -------------------------------------------------------------- */

static int on_get_blueprints(struct call *call)
{
	size_t n;
	const struct blueprint *all = blueprint_all(&n);
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *one =
			json_pack("{s:o, s:o, s:o, s:s, s:o, s:b, s:i, s:o, s:s, s:s, s:s, s:s}",
				"blueprintId", text(all[i].id), "name", text(all[i].name), "group",
				text(all[i].group), "type", "os", "description", text(all[i].name),
				"isActive", 1, "minPower", 0, "version", text(all[i].version),
				"versionCode", "1", "productUrl", "", "licenseUrl", "", "platform",
				all[i].windows ? "WINDOWS" : "LINUX_UNIX");
		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	return reply_set(call, "blueprints", list);
}

static int on_get_bundles(struct call *call)
{
	size_t n;
	const struct bundle *all = bundle_all(&n);
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *one = json_pack("{s:f, s:i, s:i, s:o, s:o, s:b, s:o, s:i, s:f, s:i, s:[s]}",
			"price", all[i].price_cents / CENTS, "cpuCount", (int)all[i].cpu_count,
			"diskSizeInGb", (int)all[i].disk_gib, "bundleId", text(all[i].id),
			"instanceType", text(all[i].name), "isActive", 1, "name", text(all[i].name),
			"power", (int)all[i].power, "ramSizeInGb", all[i].ram_mib / 1024.0,
			"transferPerMonthInGb", (int)all[i].transfer_gib, "supportedPlatforms",
			"LINUX_UNIX");
		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	}
	return reply_set(call, "bundles", list);
}

static const char *continent_of(struct str region)
{
	static const struct {
		struct str prefix;
		const char *code;
	} rows[] = {
		{STR_INIT("eu-"), "EU"},
		{STR_INIT("ap-southeast-2"), "OC"},
		{STR_INIT("ap-southeast-4"), "OC"},
		{STR_INIT("ap-"), "AS"},
		{STR_INIT("cn-"), "AS"},
		{STR_INIT("me-"), "AS"},
		{STR_INIT("il-"), "AS"},
		{STR_INIT("sa-"), "SA"},
		{STR_INIT("af-"), "AF"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (str_starts(region, rows[i].prefix)) {
			return rows[i].code;
		}
	}
	return "NA";
}

/* There is one: the configured. */
static int on_get_regions(struct call *call)
{
	struct str name = call->lightsail->site->region;
	json_t *zones = json_array();
	if (json_is_true(json_object_get(call->request, "includeAvailabilityZones"))) {
		for (int c = 'a'; c <= 'c'; c++) {
			json_array_append_new(
				zones, json_pack("{s:o, s:s}", "zoneName",
					       json_sprintf("%.*s%c", STR_FMT(name), c), "state",
					       "available"));
		}
	}
	return reply_set(call, "regions",
		json_pack("[{s:s, s:o, s:o, s:o, s:o, s:[]}]", "continentCode", continent_of(name),
			"description", text(name), "displayName", text(name), "name", text(name),
			"availabilityZones", zones, "relationalDatabaseAvailabilityZones"));
}

/* --- the rows -------------------------------------------------------------------------------- */

#define ROW(name_) STR_INIT(name_), STR_INIT(SERVICE ":" name_)

static const struct operation table[] = {
	{ROW("GetInstance"), false, NULL, {"instanceName"}, on_get_instance},
	{ROW("GetInstances"), false, NULL, {"pageToken"}, on_get_instances},
	{ROW("GetInstanceState"), false, NULL, {"instanceName"}, on_get_instance_state},
	{ROW("DeleteInstance"), true, "DeleteInstance", {"instanceName", "forceDeleteAddOns"},
		on_delete_instance},
	{ROW("StartInstance"), true, "StartInstance", {"instanceName"}, on_start_instance},
	{ROW("StopInstance"), true, "StopInstance", {"instanceName", "force"}, on_stop_instance},
	{ROW("RebootInstance"), true, "RebootInstance", {"instanceName"}, on_reboot_instance},
	{ROW("UpdateInstanceMetadataOptions"), true, "UpdateInstanceMetadataOptions",
		{"instanceName", "httpTokens", "httpEndpoint", "httpPutResponseHopLimit",
			"httpProtocolIpv6"},
		on_update_options},
	{ROW("TagResource"), true, NULL, {"resourceName", "resourceArn", "tags"}, on_tag_resource},
	{ROW("UntagResource"), true, NULL, {"resourceName", "resourceArn", "tagKeys"},
		on_untag_resource},
	{ROW("GetBlueprints"), false, NULL, {"includeInactive", "pageToken", "appCategory"},
		on_get_blueprints},
	{ROW("GetBundles"), false, NULL, {"includeInactive", "pageToken", "appCategory"},
		on_get_bundles},
	{ROW("GetRegions"), false, NULL,
		{"includeAvailabilityZones", "includeRelationalDatabaseAvailabilityZones"},
		on_get_regions},
};

#define ROWS (sizeof table / sizeof table[0])

struct str lightsail_action(size_t i)
{
	return i < ROWS ? table[i].action : STR_EMPTY;
}

/* --- calling --------------------------------------------------------------------------------- */

static const struct failure {
	int rc;
	unsigned status;
	const char *code;
	const char *message; /* NULL: what was said */
} failures[] = {
	{E_SYNTAX, 400, "InvalidInputException", NULL},
	{E_RANGE, 400, "InvalidInputException", NULL},
	{E_LIMIT, 400, "InvalidInputException", NULL},
	{E_EXISTS, 400, "OperationFailureException", NULL},
	{E_NOTFOUND, 400, "NotFoundException", NULL},
	{0, 500, "ServiceException", NULL},
};

static const struct failure refusals[] = {
	{-ENXIO, 403, "UnrecognizedClientException",
		"No credentials are configured for the control address. Use the control socket."},
	{-ENOKEY, 403, "UnrecognizedClientException",
		"The security token included in the request is invalid."},
	{E_NOTFOUND, 403, "MissingAuthenticationTokenException", "Missing Authentication Token"},
	{E_SYNTAX, 403, "IncompleteSignatureException",
		"The request's signature is not complete, or not of the form of Signature Version 4."},
	{E_AUTH, 403, "InvalidSignatureException",
		"The request signature we calculated does not match the signature you provided. "
		"Check your AWS Secret Access Key, signing method and region."},
	{E_RANGE, 403, "InvalidSignatureException",
		"Signature expired, or not yet current: the clocks differ by more than 5 minutes."},
	{E_DENIED, 403, "AccessDeniedException", NULL},
	{0, 500, "ServiceException", "The signature can't be verified now."},
};

static unsigned add_failure(struct buf *out, const struct failure *failure, const char *message)
{
	message = failure->message ? failure->message : message;
	/* A message may have been cut in the middle of a character. */
	json_t *said = json_string(message);
	json_t *reply = json_pack("{s:s, s:s, s:o}", "__type", failure->code, "code", failure->code,
		"message", said ? said : json_string("what was wrong can't be told"));
	char *body = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
	/* Without memory what happened is said all the same. */
	buf_add(out, body ? str_of(body) : STR("{\"__type\":\"ServiceException\"}"));
	free(body);
	json_decref(reply);
	return failure->status;
}

/* The last row, of code 0, is for everything else. */
static const struct failure *row_of(const struct failure *row, int rc)
{
	while (row->rc && row->rc != rc) {
		row++;
	}
	return row;
}

static const struct operation *find(struct str name)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (str_eq(name, table[i].name)) {
			return &table[i];
		}
	}
	return NULL;
}

static unsigned fail_unknown(struct buf *out, struct str name)
{
	static const struct failure row = {0, 404, "UnknownOperationException", NULL};
	struct diag diag;
	size_t most = name.n < 100 ? name.n : 100;
	diag_write(&diag, "%.*s is not an operation that is known here; see docs/control.md",
		(int)most, name.p ? name.p : "");
	return add_failure(out, &row, diag.text);
}

/* Changes are told, and so is who may not; the latter not more often than a log can bear. */
static void audit(const struct call *call, const struct access_who *who, struct str from,
	const char *request_id, int rc)
{
	const char *member =
		json_object_get(call->request, "resourceName") ? "resourceName" : "instanceName";
	const char *name = json_string_value(json_object_get(call->request, member));
	if (call->operation->write) {
		LOG(LOG_INFO, "control", "audit", LOG_TEXT("who", who->access_key_id),
			LOG_STR("from", from), LOG_STR("operation", call->operation->action),
			LOG_STR("instance", str_of(name)),
			LOG_TEXT("result", rc == 0 ? "ok" : result_name(rc)),
			LOG_TEXT("request", request_id));
	}
}

static void tell_refusal(
	const struct lightsail *lightsail, struct str action, struct str from, int rc)
{
	static struct log_limit limit;
	uint32_t held;
	if (log_limit_pass(&limit, lightsail->now_s(), &held)) {
		LOG(LOG_WARN, "control", "refused", LOG_STR("from", from),
			LOG_STR("operation", action), LOG_TEXT("reason", result_name(rc)),
			LOG_INT("more", held));
	}
}

static unsigned answer(struct call *call, int rc, struct buf *out)
{
	char *body = rc == 0 ? json_dumps(call->reply, JSON_COMPACT) : NULL;
	if (!body) {
		rc = rc < 0 ? rc : -ENOMEM;
		return add_failure(out, row_of(failures, rc),
			call->diag.text[0] ? call->diag.text : result_name(rc));
	}
	buf_add(out, str_of(body));
	free(body);
	return 200;
}

static unsigned run(struct call *call, const struct access_who *who, const struct http1_req *req,
	struct str from, const char *request_id, struct buf *out)
{
	static const struct failure row = {0, 400, "SerializationException", NULL};
	json_t *request =
		req->body.n ? json_loadb(req->body.p, req->body.n, JSON_REJECT_DUPLICATES, NULL)
			    : json_object();
	if (!json_is_object(request)) {
		json_decref(request);
		return add_failure(out, &row, "the body is not a JSON object");
	}
	call->request = request;
	call->reply = json_object();
	int rc = request_only(call->request, call->operation->members, &call->diag);
	if (rc == 0) {
		rc = call->operation->run(call);
	}
	audit(call, who, from, request_id, rc);
	unsigned status = answer(call, rc, out);
	json_decref(call->reply);
	json_decref(request);
	return status;
}

unsigned lightsail_call(const struct lightsail *lightsail, const struct http1_req *req,
	struct str from, char ret_request_id[LIGHTSAIL_REQUEST_BYTES], struct buf *out)
{
	struct access_who who = {{0}};
	struct str target = http1_field(req, STR("X-Amz-Target")), prefix = STR(LIGHTSAIL_TARGET);
	struct str name = str_starts(target, prefix) ? str_from(target, prefix.n) : target;
	struct call call = {.lightsail = lightsail, .operation = find(name)};
	struct str action = call.operation ? call.operation->action : STR_EMPTY;
	int rc = uuid(ret_request_id);
	if (rc < 0) {
		ret_request_id[0] = '\0';
		return add_failure(out, row_of(failures, rc), result_name(rc));
	}
	rc = lightsail->authorize(lightsail->ctx, req, STR(SERVICE), action, &who);
	if (rc < 0) {
		struct diag diag;
		diag_write(
			&diag, "%s is not allowed to use %.*s", who.access_key_id, STR_FMT(action));
		tell_refusal(lightsail, action, from, rc);
		return add_failure(out, row_of(refusals, rc), diag.text);
	}
	if (!call.operation || name.n == target.n) {
		return fail_unknown(out, name);
	}
	return run(&call, &who, req, from, ret_request_id, out);
}
