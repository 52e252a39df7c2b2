#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/lightsail_operations.h"
#include "control/request.h"

static int show(struct call *call, struct str name, json_t **ret_view)
{
	return registrar_show(call->api->registrar, name, ret_view, &call->diag);
}

/* An instance as Lightsail shows it: without what is telltale's own. */
static void strip(json_t *view)
{
	static const char *const own[] = {"instanceId", "match", "counters", "host", "nextHost"};
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		(void)json_object_del(view, own[i]); /* those that are there */
	}
	(void)json_object_del(json_object_get(view, "metadataOptions"), "instanceMetadataTags");
}

/* --- reading --------------------------------------------------------------------------------- */

int lightsail_get_instance(struct call *call)
{
	struct str name;
	json_t *view;
	TRY(request_text(call->request, "instanceName", &name, &call->diag));
	TRY(show(call, name, &view));
	strip(view);
	return call_set(call, "instance", view);
}

int lightsail_get_instance_state(struct call *call)
{
	struct str name;
	json_t *view;
	TRY(request_text(call->request, "instanceName", &name, &call->diag));
	TRY(show(call, name, &view));
	int rc = call_set(call, "state", json_incref(json_object_get(view, "state")));
	json_decref(view);
	return rc;
}

/* A page's token is the name of its predecessor's last instance. */
int lightsail_get_instances(struct call *call)
{
	CLEANUP(buf_done) struct buf after = BUF_EMPTY;
	struct registrar_query query = {.most = REGISTRAR_PAGE, .ret_after = &after};
	json_t *views, *view;
	size_t i;
	bool more;
	TRY(request_text_if(call->request, "pageToken", &query.after, &call->diag));
	TRY(registrar_list(call->api->registrar, &query, &views, &more, &call->diag));
	json_array_foreach (views, i, view) {
		strip(view);
	}
	TRY(call_set(call, "instances", views));
	return more ? call_set(call, "nextPageToken", json_from_str(buf_str(&after))) : 0;
}

/* How to get in: who and where. The private key is its owner's, and never was here. */
int lightsail_get_access_details(struct call *call)
{
	struct str name, protocol;
	CLEANUP(json_done) json_t *view = NULL;
	TRY(request_text(call->request, "instanceName", &name, &call->diag));
	TRY(request_text_if(call->request, "protocol", &protocol, &call->diag));
	TRY(show(call, name, &view));
	if (protocol.p && !str_eq(protocol, STR("ssh"))) {
		return diag_set(&call->diag, E_RANGE, "protocol must be 'ssh'");
	}
	json_t *address = json_object_get(view, "publicIpAddress");
	address = address ? address : json_object_get(view, "privateIpAddress");
	return call_set(call, "accessDetails",
		json_pack("{s:O, s:O, s:s, s:O}", "instanceName", json_object_get(view, "name"),
			"ipAddress", address, "protocol", "ssh", "username",
			json_object_get(view, "username")));
}

/* --- changing -------------------------------------------------------------------------------- */

static int reply_operations(struct call *call)
{
	return call_set(call, "operations", json_incref(call->deed.operations));
}

/* The instance that a member names. */
static int need_name(struct call *call, const char *member, struct str *ret_name)
{
	return request_text(call->request, member, ret_name, &call->diag);
}

int lightsail_delete_instance(struct call *call)
{
	struct str name;
	TRY(need_name(call, "instanceName", &name));
	TRY(registrar_delete(call->api->registrar, &call->deed, name, &call->diag));
	return reply_operations(call);
}

static int set_state(struct call *call, bool running)
{
	struct str name;
	TRY(need_name(call, "instanceName", &name));
	TRY(registrar_state(call->api->registrar, &call->deed, name, running, &call->diag));
	return reply_operations(call);
}

int lightsail_start_instance(struct call *call)
{
	return set_state(call, true);
}

int lightsail_stop_instance(struct call *call)
{
	return set_state(call, false);
}

int lightsail_reboot_instance(struct call *call)
{
	struct str name;
	TRY(need_name(call, "instanceName", &name));
	TRY(registrar_reboot(call->api->registrar, &call->deed, name, &call->diag));
	return reply_operations(call);
}

int lightsail_update_options(struct call *call)
{
	struct str name;
	TRY(request_options(call->api->registrar, &call->deed, call->request, &name, &call->diag));
	return call_set(call, "operation", json_incref(json_array_get(call->deed.operations, 0)));
}

/* --- tags ------------------------------------------------------------------------------------ */

/* An empty value is a tag that has only its key. */
int lightsail_read_tags(const json_t *tags, json_t *ret_set, struct diag *diag)
{
	const json_t *tag;
	size_t i;
	if (!json_is_array(tags)) {
		return diag_set(diag, E_SYNTAX, "tags must be a list");
	}
	json_array_foreach (tags, i, tag) {
		const char *key = json_string_value(json_object_get(tag, "key"));
		json_t *value = json_object_get(tag, "value");
		if (!key || (value && !json_is_string(value))) {
			return diag_set(diag, E_SYNTAX, "a tag has a key and a value");
		}
		value = value ? json_incref(value) : json_string("");
		if (json_object_set_new(ret_set, key, value) < 0) {
			return diag_set(diag, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

static int change_tags(struct call *call, const json_t *set, const json_t *drop)
{
	struct str name;
	TRY(need_name(call, "resourceName", &name));
	TRY(registrar_tags(call->api->registrar, &call->deed, name, set, drop, &call->diag));
	return reply_operations(call);
}

int lightsail_tag_resource(struct call *call)
{
	CLEANUP(json_done) json_t *set = json_object();
	CLEANUP(json_done) json_t *drop = json_array();
	if (!set || !drop) {
		return -ENOMEM;
	}
	TRY(lightsail_read_tags(json_object_get(call->request, "tags"), set, &call->diag));
	return change_tags(call, set, drop);
}

int lightsail_untag_resource(struct call *call)
{
	const json_t *keys = json_object_get(call->request, "tagKeys"), *key;
	CLEANUP(json_done) json_t *set = json_object();
	size_t i;
	if (!json_is_array(keys)) {
		return diag_set(&call->diag, E_SYNTAX, "tagKeys must be a list");
	}
	json_array_foreach (keys, i, key) {
		if (!json_is_string(key)) {
			return diag_set(&call->diag, E_SYNTAX, "tagKeys must be texts");
		}
	}
	return set ? change_tags(call, set, keys) : -ENOMEM;
}

/* --- operations ------------------------------------------------------------------------------ */

int lightsail_get_operation(struct call *call)
{
	struct str id;
	json_t *operation;
	TRY(request_text(call->request, "operationId", &id, &call->diag));
	TRY(registrar_operation(call->api->registrar, id, &operation, &call->diag));
	return call_set(call, "operation", operation);
}

/* A page's token is the number of its predecessor's last operation. */
static int list_operations(struct call *call, struct str resource)
{
	struct registrar_trail query = {.resource = resource, .most = LIGHTSAIL_PAGE};
	uint64_t before;
	json_t *list;
	TRY(request_page(call->request, &query.before, &call->diag));
	TRY(registrar_operations(call->api->registrar, &query, &list, &before, &call->diag));
	TRY(call_set(call, "operations", list));
	return before ? call_set(call, "nextPageToken",
				json_sprintf("%llu", (unsigned long long)before))
		      : 0;
}

int lightsail_get_operations(struct call *call)
{
	return list_operations(call, STR_EMPTY);
}

int lightsail_get_operations_for_resource(struct call *call)
{
	struct str name;
	TRY(need_name(call, "resourceName", &name));
	return list_operations(call, name);
}
