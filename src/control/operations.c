#include "control/operations.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/spec.h"
#include "control/request.h"

#define TARGET_PREFIX "Telltale_20261124."

/* One call: what was asked, and what is answered. */
struct call {
	const struct operations *operations;
	const json_t *request;
	json_t *reply; /* an object to fill */
	struct diag diag;
};

static int reply_set(struct call *call, const char *member, json_t *value)
{
	return json_object_set_new(call->reply, member, value) < 0 ? -ENOMEM : 0;
}

/* A request that is a name and nothing else. */
static int need_name(struct call *call, struct str *ret_name)
{
	static const char *const members[] = {"instanceName", NULL};
	TRY(request_only(call->request, members, &call->diag));
	return request_text(call->request, "instanceName", ret_name, &call->diag);
}

static int need_nothing(struct call *call)
{
	static const char *const members[] = {NULL};
	return request_only(call->request, members, &call->diag);
}

/* --- operations ------------------------------------------------------------------------------ */

static int on_get_instance(struct call *call)
{
	struct str name;
	json_t *view;
	TRY(need_name(call, &name));
	TRY(registrar_show(call->operations->registrar, name, &view, &call->diag));
	return reply_set(call, "instance", view);
}

/* A page's token is the name of its predecessor's last instance. */
static int on_get_instances(struct call *call)
{
	static const char *const members[] = {"pageToken", NULL};
	struct str after;
	json_t *views;
	bool more;
	TRY(request_only(call->request, members, &call->diag));
	TRY(request_text_if(call->request, "pageToken", &after, &call->diag));
	TRY(registrar_list(call->operations->registrar, after, &views, &more, &call->diag));
	if (more) {
		const json_t *last = json_array_get(views, json_array_size(views) - 1);
		TRY(reply_set(call, "nextPageToken", json_incref(json_object_get(last, "name"))));
	}
	return reply_set(call, "instances", views);
}

/* Which were put: their names, since there may be very many. */
static int reply_names(struct call *call, const json_t *specs)
{
	json_t *names = json_array();
	for (size_t i = 0; names && i < json_array_size(specs); i++) {
		json_t *name = json_object_get(json_array_get(specs, i), "name");
		json_array_append(names, name);
	}
	return names ? reply_set(call, "instanceNames", names) : -ENOMEM;
}

static int on_put_instances(struct call *call)
{
	static const char *const members[] = {"text", "file", NULL};
	struct str text, file; /* no file: then the text may name none either */
	json_t *specs;
	TRY(request_only(call->request, members, &call->diag));
	TRY(request_text(call->request, "text", &text, &call->diag));
	TRY(request_text_if(call->request, "file", &file, &call->diag));
	if (file.p && !str_starts(file, STR("/"))) {
		return diag_set(&call->diag, E_SYNTAX, "file: expected an absolute path");
	}
	TRY(spec_from_text(text, file.p, &specs, &call->diag));
	int rc = registrar_put(call->operations->registrar, specs, &call->diag);
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
	return registrar_delete(call->operations->registrar, name, &call->diag);
}

static int on_revoke_tokens(struct call *call)
{
	struct str name;
	TRY(need_name(call, &name));
	return registrar_revoke(call->operations->registrar, name, &call->diag);
}

static int on_update_options(struct call *call)
{
	struct registrar *registrar = call->operations->registrar;
	struct str name;
	json_t *view;
	TRY(request_options(registrar, call->request, &name, &call->diag));
	TRY(registrar_show(registrar, name, &view, &call->diag));
	return reply_set(call, "instance", view);
}

static int on_get_certificate(struct call *call)
{
	TRY(need_nothing(call));
	struct str pem = call->operations->certificate;
	return reply_set(call, "certificate", json_stringn(pem.p, pem.n));
}

static int on_get_configuration(struct call *call)
{
	TRY(need_nothing(call));
	json_t *settings = call->operations->settings(call->operations->ctx);
	if (!settings) {
		return -ENOMEM;
	}
	json_decref(call->reply);
	call->reply = settings;
	return 0;
}

static const struct operation {
	struct str name;
	bool write; /* told in the log */
	int (*run)(struct call *call);
} table[] = {
	{STR_INIT("GetInstance"), false, on_get_instance},
	{STR_INIT("GetInstances"), false, on_get_instances},
	{STR_INIT("PutInstances"), true, on_put_instances},
	{STR_INIT("DeleteInstance"), true, on_delete_instance},
	{STR_INIT("RevokeTokens"), true, on_revoke_tokens},
	{STR_INIT("UpdateInstanceMetadataOptions"), true, on_update_options},
	{STR_INIT("GetIdentityCertificate"), false, on_get_certificate},
	{STR_INIT("GetConfiguration"), false, on_get_configuration},
};

/* --- calling --------------------------------------------------------------------------------- */

static const struct failure {
	int rc;
	unsigned status;
	const char *code;
} failures[] = {
	{E_SYNTAX, 400, "InvalidInputException"},
	{E_RANGE, 400, "InvalidInputException"},
	{E_LIMIT, 400, "InvalidInputException"},
	{-ENOENT, 400, "InvalidInputException"},
	{-EACCES, 400, "InvalidInputException"},
	{-ENOTDIR, 400, "InvalidInputException"},
	{-ENAMETOOLONG, 400, "InvalidInputException"},
	{-ELOOP, 400, "InvalidInputException"},
	{E_EXISTS, 400, "OperationFailureException"},
	{E_NOTFOUND, 400, "NotFoundException"},
};

/*
 * One line, though a message may quote what was sent, and may have been cut in the middle of a
 * character: then it is cut before it.
 */
static json_t *message_json(const char *message)
{
	char line[DIAG_TEXT_BYTES];
	struct buf out = buf_fixed(line, sizeof line);
	for (const char *c = message; *c; c++) {
		buf_add_char(&out, (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
	}
	for (size_t cut = 0; cut < 4 && cut <= out.n; cut++) {
		json_t *text = json_stringn(line, out.n - cut);
		if (text) {
			return text;
		}
	}
	return json_string("what was wrong can't be told: it is not UTF-8");
}

static unsigned add_failure(struct buf *out, unsigned status, const char *code, const char *message)
{
	json_t *reply = json_pack(
		"{s:s, s:s, s:o}", "__type", code, "code", code, "message", message_json(message));
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
	/* Without memory what happened is said all the same. */
	buf_add(out, text ? str_of(text) : STR("{\"__type\":\"ServiceException\"}"));
	free(text);
	json_decref(reply);
	return status;
}

static unsigned fail(struct buf *out, int rc, const struct diag *diag)
{
	const char *message = diag->text[0] ? diag->text : result_name(rc);
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
		if (failures[i].rc == rc) {
			return add_failure(out, failures[i].status, failures[i].code, message);
		}
	}
	return add_failure(out, 500, "ServiceException", message);
}

static const struct operation *find(struct str target)
{
	struct str prefix = STR(TARGET_PREFIX);
	if (!str_starts(target, prefix)) {
		return NULL;
	}
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (str_eq(str_from(target, prefix.n), table[i].name)) {
			return &table[i];
		}
	}
	return NULL;
}

static void tell(const struct operation *operation, const struct call *call, int rc)
{
	const char *name = json_string_value(json_object_get(call->request, "instanceName"));
	if (operation->write) {
		LOG(LOG_INFO, "control", "change", LOG_STR("operation", operation->name),
			LOG_STR("instance", str_of(name)), LOG_TEXT("result", result_name(rc)));
	}
}

static unsigned run(struct call *call, const struct operation *operation, struct buf *out)
{
	int rc = operation->run(call);
	tell(operation, call, rc);
	char *text = rc == 0 ? json_dumps(call->reply, JSON_COMPACT) : NULL;
	if (!text) {
		return fail(out, rc < 0 ? rc : -ENOMEM, &call->diag);
	}
	buf_add(out, str_of(text));
	free(text);
	return 200;
}

unsigned operations_call(
	const struct operations *operations, struct str target, struct str body, struct buf *out)
{
	json_error_t error;
	const struct operation *operation = find(target);
	if (!operation) {
		return add_failure(out, 404, "UnknownOperationException",
			"this operation is not known here; see docs/control.md");
	}
	struct call call = {.operations = operations, .reply = json_object()};
	json_t *request = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, &error);
	unsigned status;
	if (!json_is_object(request)) {
		status = add_failure(
			out, 400, "SerializationException", "the body is not a JSON object");
	} else {
		call.request = request;
		status = run(&call, operation, out);
	}
	json_decref(request);
	json_decref(call.reply);
	return status;
}
