#include "control/trail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "control/view.h"

#define MS_PER_S 1000.0

static json_t *seconds(int64_t at_ms)
{
	return json_real((double)at_ms / MS_PER_S);
}

json_t *trail_operation(const struct deed *deed, struct str name, const struct instance *instance)
{
	char id[CRYPTO_UUID_BYTES];
	if (crypto_uuid(id) < 0) {
		return NULL;
	}
	json_t *operation = json_pack("{s:s, s:o, s:s, s:o, s:o, s:b, s:s, s:s, s:o}", "id", id,
		"resourceName", json_from_str(name), "resourceType", "Instance", "createdAt",
		seconds(deed->at_ms), "location",
		instance ? view_location(instance) : json_object(), "isTerminal", 0,
		"operationDetails", "", "status", "Started", "statusChangedAt",
		seconds(deed->at_ms));
	const char *type = deed->operation_type;
	if (operation && type &&
		json_object_set_new(operation, "operationType", json_string(type)) < 0) {
		json_decref(operation);
		return NULL;
	}
	return operation;
}

int trail_end(json_t *operation, enum trail_end end, const char *details, int64_t at_ms)
{
	bool failed = end == TRAIL_FAILED;
	json_t *more = json_pack("{s:b, s:s, s:o}", "isTerminal", 1, "status",
		failed ? "Failed" : "Succeeded", "statusChangedAt", seconds(at_ms));
	int rc = more ? 0 : -ENOMEM;
	if (rc == 0 && failed) {
		rc = json_object_set_new(more, "errorCode", json_string("ServiceException"));
		rc |= json_object_set_new(more, "errorDetails", json_string(details));
	}
	if (rc == 0) {
		rc = json_object_update(operation, more);
	}
	json_decref(more);
	return rc < 0 ? -ENOMEM : 0;
}

int trail_put(struct store *store, const json_t *operation, struct str host, struct diag *diag)
{
	char *body = json_dumps(operation, JSON_COMPACT);
	struct store_operation row = {
		.id = json_str_member(operation, "id"),
		.resource = json_str_member(operation, "resourceName"),
		.host = host,
		.open = !json_is_true(json_object_get(operation, "isTerminal")),
	};
	if (!body) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	row.body = str_of(body);
	int rc = store->ops->operation_put(store, &row, diag);
	free(body);
	return rc;
}

int trail_write(struct store *store, const struct deed *deed, const struct trail_record *record,
	struct diag *diag)
{
	const struct store_audit audit = {
		.at_ms = deed->at_ms,
		.who = deed->who,
		.from = deed->from,
		.action = deed->action,
		.resource = record->resource,
		.change = record->change,
		.result = record->result,
		.request_id = deed->request_id,
	};
	TRY(store->ops->audit_add(store, &audit, diag));
	return record->operation ? trail_put(store, record->operation, record->host, diag) : 0;
}
