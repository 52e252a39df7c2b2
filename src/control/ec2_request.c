#include "control/ec2_request.h"

#include <errno.h>

#include "base/json.h"
#include "config/check.h"
#include "control/ec2_select.h"

int ec2_read_text_if(struct call *call, const char *member, struct str *ret_text)
{
	const json_t *value = json_object_get(call->request, member);
	if (value && !json_is_string(value)) {
		return ec2_fail(
			call, "InvalidParameterValue", "The parameter %s is one text", member);
	}
	*ret_text = json_str(value);
	return 0;
}

int ec2_read_text(struct call *call, const char *member, struct str *ret_text)
{
	struct str text;
	TRY(ec2_read_text_if(call, member, &text));
	if (!text.p) {
		return ec2_fail(call, "MissingParameter",
			"The request must contain the parameter %s", member);
	}
	*ret_text = text;
	return 0;
}

int ec2_read_flag(struct call *call, const char *member, bool *ret_flag)
{
	struct str text;
	TRY(ec2_read_text_if(call, member, &text));
	bool yes = str_eq_nocase(text, STR("true"));
	if (text.p && !yes && !str_eq_nocase(text, STR("false"))) {
		return ec2_fail(call, "InvalidParameterValue",
			"Value ( %.*s ) for parameter %s is invalid. Expecting true or false.",
			STR_FMT(text), member);
	}
	*ret_flag = yes;
	return 0;
}

int ec2_read_list(struct call *call, const char *member, json_t **ret_list)
{
	json_t *list = json_object_get(call->request, member), *item;
	size_t i;
	if (json_is_string(list) && json_string_length(list) == 0) {
		list = NULL; /* how an empty list is sent */
	}
	if (list && !json_is_array(list)) {
		return ec2_fail(call, "InvalidParameterValue", "The parameter %s is a list: %s.1",
			member, member);
	}
	json_array_foreach (list, i, item) {
		if (!json_is_string(item)) {
			return ec2_fail(call, "InvalidParameterValue",
				"The parameter %s is a list of texts", member);
		}
	}
	*ret_list = json_incref(list);
	return 0;
}

/* --- ids ------------------------------------------------------------------------------------- */

int ec2_check_id(struct call *call, struct str id)
{
	return check_instance_id(id) ? 0
				     : ec2_fail(call, "InvalidInstanceID.Malformed",
					       "Invalid id: \"%.*s\"", STR_FMT(id));
}

/* Each once. */
static int add_ids(struct call *call, const json_t *list, json_t *seen, json_t *ids)
{
	json_t *id;
	size_t i;
	json_array_foreach (list, i, id) {
		TRY(ec2_check_id(call, json_str(id)));
		if (json_object_get(seen, json_string_value(id))) {
			continue;
		}
		if (json_object_set(seen, json_string_value(id), id) < 0 ||
			json_array_append(ids, id) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

int ec2_read_ids(struct call *call, const char *member, json_t **ret_ids)
{
	CLEANUP(json_done) json_t *list = NULL;
	CLEANUP(json_done) json_t *seen = json_object();
	CLEANUP(json_done) json_t *ids = json_array();
	TRY(ec2_read_list(call, member, &list));
	TRY(seen && ids ? add_ids(call, list, seen, ids) : -ENOMEM);
	*ret_ids = list ? json_incref(ids) : NULL;
	return 0;
}

int ec2_need_ids(struct call *call, const json_t *ids)
{
	CLEANUP(json_done) json_t *unknown = NULL;
	CLEANUP(buf_done) struct buf names = BUF_EMPTY;
	json_t *id;
	size_t i;
	TRY(registrar_unknown_ids(call->api->registrar, ids, &unknown, &call->diag));
	size_t n = json_array_size(unknown);
	json_array_foreach (unknown, i, id) {
		buf_add(&names, i ? STR(", ") : STR_EMPTY);
		buf_add(&names, json_str(id));
	}
	TRY(buf_status(&names));
	if (n == 0) {
		return 0;
	}
	return ec2_fail(call, "InvalidInstanceID.NotFound",
		"The instance ID%s '%.*s' do%s not exist", n > 1 ? "s" : "",
		STR_FMT(buf_str(&names)), n > 1 ? "" : "es");
}

/* --- filters and pages ----------------------------------------------------------------------- */

int ec2_read_filters(struct call *call, const struct ec2_filter_row *rows, size_t n,
	struct ec2_filters *ret_filters)
{
	const json_t *list = json_object_get(call->request, "Filter");
	int rc = ec2_filters_read(list, rows, n, ret_filters, &call->diag);
	if (rc == E_LIMIT) {
		call->code = "FilterLimitExceeded";
	} else if (rc == E_NOTFOUND) {
		call->code = "UnknownParameter";
	}
	return rc;
}

int ec2_read_most(struct call *call, size_t *ret_most)
{
	struct str text;
	uint64_t most = EC2_PAGE_MAX;
	TRY(ec2_read_text_if(call, "MaxResults", &text));
	bool number = !text.p || str_to_u64(text, &most) == 0;
	if (number && most >= EC2_PAGE_MIN && most <= EC2_PAGE_MAX) {
		*ret_most = (size_t)most;
		return 0;
	}
	bool small = !number || most < EC2_PAGE_MIN;
	return ec2_fail(call, "InvalidParameterValue",
		"Value ( %.*s ) for parameter maxResults is invalid. Expecting a value %s than %d.",
		STR_FMT(text), small ? "greater" : "less", small ? EC2_PAGE_MIN : EC2_PAGE_MAX);
}

/* Where the page before ended: opaque, and of no use but for this. */
int ec2_read_token(struct call *call, struct buf *ret_place)
{
	struct str text;
	TRY(ec2_read_text_if(call, "NextToken", &text));
	int rc = text.p ? base64_decode(text, ret_place) : 0;
	struct str place = buf_str(ret_place);
	if (rc == E_SYNTAX || (rc == 0 && text.p && (place.n == 0 || !check_lines(place)))) {
		return ec2_fail(call, "InvalidNextToken", "The specified NextToken is not valid");
	}
	return rc;
}

int ec2_set_token(struct call *call, struct str place)
{
	CLEANUP(buf_done) struct buf token = BUF_EMPTY;
	TRY(base64_encode(place, &token));
	return call_set(call, "nextToken", json_from_str(buf_str(&token)));
}
