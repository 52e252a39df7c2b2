#include "control/telltale.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "config/spec.h"
#include "control/lightsail_operations.h"
#include "control/protocol.h"
#include "control/request.h"

static int need_name(struct call *call, struct str *ret_name)
{
	return request_text(call->request, "instanceName", ret_name, &call->diag);
}

/* --- operations ------------------------------------------------------------------------------ */

static int on_get_instance(struct call *call)
{
	struct str name;
	json_t *view;
	TRY(need_name(call, &name));
	TRY(registrar_show(call->api->registrar, name, &view, &call->diag));
	return call_set(call, "instance", view);
}

/* A page's token is the name of its predecessor's last instance. */
static int on_get_instances(struct call *call)
{
	CLEANUP(buf_done) struct buf after = BUF_EMPTY;
	struct registrar_query query = {.most = REGISTRAR_PAGE, .ret_after = &after};
	json_t *views;
	bool more;
	TRY(request_text_if(call->request, "pageToken", &query.after, &call->diag));
	TRY(registrar_list(call->api->registrar, &query, &views, &more, &call->diag));
	TRY(call_set(call, "instances", views));
	return more ? call_set(call, "nextPageToken", json_from_str(buf_str(&after))) : 0;
}

/* Which were put: their names, since there may be very many. */
static int reply_names(struct call *call, const json_t *specs)
{
	json_t *names = json_array();
	for (size_t i = 0; names && i < json_array_size(specs); i++) {
		json_t *name = json_object_get(json_array_get(specs, i), "name");
		json_array_append(names, name);
	}
	return names ? call_set(call, "instanceNames", names) : -ENOMEM;
}

static int on_put_instances(struct call *call)
{
	struct str text, file; /* no file: then the text may name none either */
	json_t *specs;
	TRY(request_text(call->request, "text", &text, &call->diag));
	TRY(request_text_if(call->request, "file", &file, &call->diag));
	if (file.p && !str_starts(file, STR("/"))) {
		return diag_set(&call->diag, E_SYNTAX, "file: expected an absolute path");
	}
	TRY(spec_from_text(text, file.p, &specs, &call->diag));
	int rc = registrar_put(call->api->registrar, &call->deed, specs, &call->diag);
	if (rc == 0) {
		rc = reply_names(call, specs);
	}
	json_decref(specs);
	return rc;
}

static int on_delete_instance(struct call *call)
{
	struct str name;
	TRY(need_name(call, &name));
	return registrar_delete(call->api->registrar, &call->deed, name, &call->diag);
}

static int on_revoke_tokens(struct call *call)
{
	struct str name;
	TRY(need_name(call, &name));
	return registrar_revoke(call->api->registrar, &call->deed, name, &call->diag);
}

static int on_update_options(struct call *call)
{
	struct registrar *registrar = call->api->registrar;
	struct str name;
	json_t *view;
	TRY(request_options(registrar, &call->deed, call->request, &name, &call->diag));
	TRY(registrar_show(registrar, name, &view, &call->diag));
	return call_set(call, "instance", view);
}

static int on_get_certificate(struct call *call)
{
	struct str pem = call->api->certificate;
	return call_set(call, "certificate", json_from_str(pem));
}

static int on_get_configuration(struct call *call)
{
	json_t *settings = call->api->settings(call->api->ctx);
	if (!settings) {
		return -ENOMEM;
	}
	json_decref(call->reply);
	call->reply = settings;
	return 0;
}

/* --- in a fleet ------------------------------------------------------------------------------ */

static int on_get_fleet(struct call *call)
{
	json_t *hosts;
	TRY(registrar_hosts(call->api->registrar, &hosts, &call->diag));
	return call_set(call, "hosts", hosts);
}

/* The instance's operation ends when the other host serves it. */
static int on_move_instance(struct call *call)
{
	struct str name, host;
	const json_t *force = json_object_get(call->request, "force");
	TRY(need_name(call, &name));
	TRY(request_text(call->request, "host", &host, &call->diag));
	if (force && !json_is_boolean(force)) {
		return diag_set(&call->diag, E_SYNTAX, "force must be true or false");
	}
	TRY(registrar_move(
		call->api->registrar, &call->deed, name, host, json_is_true(force), &call->diag));
	return call_set(call, "operations", json_incref(call->deed.operations));
}

static int on_forget_host(struct call *call)
{
	struct str host;
	TRY(request_text(call->request, "host", &host, &call->diag));
	return registrar_forget_host(call->api->registrar, &call->deed, host, &call->diag);
}

static int on_rotate_token_secret(struct call *call)
{
	unsigned after_s;
	TRY(registrar_rotate_secret(call->api->registrar, &call->deed, &after_s, &call->diag));
	call->api->secrets_changed(call->api->ctx);
	return call_set(call, "usedAfterSeconds", json_integer(after_s));
}

/* --- records --------------------------------------------------------------------------------- */

static int on_get_audit_records(struct call *call)
{
	struct registrar_trail query = {.most = LIGHTSAIL_PAGE};
	uint64_t before;
	json_t *list;
	TRY(request_text_if(call->request, "instanceName", &query.resource, &call->diag));
	TRY(request_page(call->request, &query.before, &call->diag));
	TRY(registrar_audits(call->api->registrar, &query, &list, &before, &call->diag));
	TRY(call_set(call, "auditRecords", list));
	return before ? call_set(call, "nextPageToken",
				json_sprintf("%llu", (unsigned long long)before))
		      : 0;
}

/* --- the rows -------------------------------------------------------------------------------- */

#define ROW(name_)   .name = STR_INIT(name_), .action = STR_INIT("telltale:" name_)
#define READ(name_)  ROW(name_), .write = false
#define WRITE(name_) ROW(name_), .write = true

static const struct call_operation operations[] = {
	{READ("GetInstance"), .members = {"instanceName"}, .run = on_get_instance},
	{READ("GetInstances"), .members = {"pageToken"}, .run = on_get_instances},
	{WRITE("PutInstances"), .members = {"text", "file"}, .run = on_put_instances},
	{WRITE("DeleteInstance"), .members = {"instanceName"}, .run = on_delete_instance},
	{WRITE("RevokeTokens"), .members = {"instanceName"}, .run = on_revoke_tokens},
	{WRITE("UpdateInstanceMetadataOptions"),
		.members = {"instanceName", "httpTokens", "httpEndpoint", "httpPutResponseHopLimit",
			"httpProtocolIpv6", "instanceMetadataTags"},
		.run = on_update_options},
	{READ("GetFleet"), .members = {NULL}, .run = on_get_fleet},
	{WRITE("MoveInstance"), .type = "MoveInstance", .recorded = true,
		.members = {"instanceName", "host", "force"}, .run = on_move_instance},
	{WRITE("ForgetHost"), .members = {"host"}, .run = on_forget_host},
	{WRITE("RotateTokenSecret"), .members = {NULL}, .run = on_rotate_token_secret},
	{READ("GetInstanceMetricData"),
		.members = {"instanceName", "metricName", "period", "startTime", "endTime", "unit",
			"statistics"},
		.run = lightsail_get_metric_data},
	{READ("GetAuditRecords"), .members = {"instanceName", "pageToken"},
		.run = on_get_audit_records},
	{READ("GetIdentityCertificate"), .members = {NULL}, .run = on_get_certificate},
	{READ("GetConfiguration"), .members = {NULL}, .run = on_get_configuration},
};

static const struct call_failure failures[] = {
	{E_SYNTAX, 400, "InvalidInputException", NULL},
	{E_RANGE, 400, "InvalidInputException", NULL},
	{E_LIMIT, 400, "InvalidInputException", NULL},
	{-ENOENT, 400, "InvalidInputException", NULL},
	{-EACCES, 400, "InvalidInputException", NULL},
	{-ENOTDIR, 400, "InvalidInputException", NULL},
	{-ENAMETOOLONG, 400, "InvalidInputException", NULL},
	{-ELOOP, 400, "InvalidInputException", NULL},
	{E_EXISTS, 400, "OperationFailureException", NULL},
	{E_DENIED, 400, "OperationFailureException", NULL},
	{E_NOTFOUND, 400, "NotFoundException", NULL},
	{0, 500, "ServiceException", NULL},
};

const struct call_service telltale_service = {
	.name = STR_INIT("telltale"),
	.target = STR_INIT("Telltale_20261124."),
	.json = &protocol_json_1_1,
	.operations = operations,
	.n_operations = sizeof operations / sizeof operations[0],
	.failures = failures,
	.unknown_member = "InvalidInputException",
};
