#include "control/ec2_select.h"

#include <errno.h>

#include "control/ec2_request.h"
#include "control/view_ec2.h"

/* --- filters --------------------------------------------------------------------------------- */

static bool by_id(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return ec2_filter_matches(filter, str_of(view->instance->id));
}

static bool by_state_name(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return ec2_filter_matches(
		filter, view->instance->running ? STR("running") : STR("stopped"));
}

static bool matches_number(const struct ec2_filter *filter, unsigned number)
{
	char memory[16];
	struct buf text = buf_fixed(memory, sizeof memory);
	buf_add_u64(&text, number);
	return ec2_filter_matches(filter, buf_str(&text));
}

static bool by_state_code(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return matches_number(
		filter, view->instance->running ? VIEW_EC2_CODE_RUNNING : VIEW_EC2_CODE_STOPPED);
}

static bool by_tokens(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return ec2_filter_matches(filter,
		view->instance->options.tokens_required ? STR("required") : STR("optional"));
}

static bool matches_switch(const struct ec2_filter *filter, bool enabled)
{
	return ec2_filter_matches(filter, enabled ? STR("enabled") : STR("disabled"));
}

static bool by_endpoint(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return matches_switch(filter, view->instance->options.endpoint);
}

static bool by_ipv6_option(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return matches_switch(filter, view->instance->options.ipv6);
}

static bool by_tags_option(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return matches_switch(filter, view->instance->options.tags);
}

static bool by_hop_limit(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return matches_number(filter, view->instance->options.hop_limit);
}

static bool by_owner(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return ec2_filter_matches(filter, view->instance->site->account_id);
}

/* As the checks of a status are; there are no others to be. */
static bool by_status(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return ec2_filter_matches(
		filter, view->instance->running ? STR("ok") : STR("not-applicable"));
}

static bool by_reachability(const struct ec2_filter *filter, void *subject)
{
	const struct view_ec2 *view = subject;
	return view->instance->running && ec2_filter_matches(filter, STR("passed"));
}

static bool by_fact(const struct ec2_filter *filter, void *subject)
{
	return ec2_filter_matches(filter, view_ec2_fact(subject, filter->row->fact));
}

static bool by_key_name(const struct ec2_filter *filter, void *subject)
{
	return ec2_filter_matches(filter, view_ec2_key_name(subject));
}

static bool by_tag(const struct ec2_filter *filter, void *subject)
{
	return ec2_filter_matches(filter, view_ec2_tag(subject, filter->key));
}

static bool by_tag_key(const struct ec2_filter *filter, void *subject)
{
	json_t *tags = view_ec2_tags(subject), *tag;
	bool found = false;
	size_t i;
	json_array_foreach (tags, i, tag) {
		struct str key = str_of(json_string_value(json_object_get(tag, "key")));
		found = found || ec2_filter_matches(filter, key);
	}
	json_decref(tags);
	return found;
}

#define CHEAP(name_, accepts_)                                 \
	{                                                      \
		.name = STR_INIT(name_), .accepts = (accepts_) \
	}
#define FACT(name_, fact_)                                                                   \
	{                                                                                    \
		.name = STR_INIT(name_), .accepts = by_fact, .fact = (fact_), .costly = true \
	}
#define OTHER(name_, accepts_)                                                 \
	{                                                                      \
		.name = STR_INIT(name_), .accepts = (accepts_), .costly = true \
	}

static const struct ec2_filter_row instance_rows[] = {
	CHEAP("instance-id", by_id),
	CHEAP("instance-state-code", by_state_code),
	CHEAP("instance-state-name", by_state_name),
	CHEAP("metadata-options.http-endpoint", by_endpoint),
	CHEAP("metadata-options.http-protocol-ipv6", by_ipv6_option),
	CHEAP("metadata-options.http-put-response-hop-limit", by_hop_limit),
	CHEAP("metadata-options.http-tokens", by_tokens),
	CHEAP("metadata-options.instance-metadata-tags", by_tags_option),
	CHEAP("owner-id", by_owner),
	FACT("architecture", VIEW_EC2_ARCHITECTURE),
	FACT("availability-zone", VIEW_EC2_ZONE),
	FACT("dns-name", VIEW_EC2_PUBLIC_DNS),
	FACT("image-id", VIEW_EC2_IMAGE_ID),
	FACT("instance-type", VIEW_EC2_INSTANCE_TYPE),
	FACT("ip-address", VIEW_EC2_PUBLIC_ADDRESS),
	FACT("private-dns-name", VIEW_EC2_PRIVATE_DNS),
	FACT("private-ip-address", VIEW_EC2_PRIVATE_ADDRESS),
	FACT("reservation-id", VIEW_EC2_RESERVATION_ID),
	FACT("subnet-id", VIEW_EC2_SUBNET_ID),
	FACT("vpc-id", VIEW_EC2_VPC_ID),
	OTHER("key-name", by_key_name),
	OTHER("tag-key", by_tag_key),
	OTHER("tag:", by_tag),
};

static const struct ec2_filter_row status_rows[] = {
	CHEAP("instance-state-code", by_state_code),
	CHEAP("instance-state-name", by_state_name),
	CHEAP("instance-status.reachability", by_reachability),
	CHEAP("instance-status.status", by_status),
	CHEAP("system-status.reachability", by_reachability),
	CHEAP("system-status.status", by_status),
	FACT("availability-zone", VIEW_EC2_ZONE),
};

const struct ec2_filter_set ec2_instance_filters = {
	instance_rows, sizeof instance_rows / sizeof instance_rows[0]};
const struct ec2_filter_set ec2_status_filters = {
	status_rows, sizeof status_rows / sizeof status_rows[0]};

/* --- selecting ------------------------------------------------------------------------------- */

static bool accepts(void *ctx, const struct instance *instance)
{
	struct ec2_select *select = ctx;
	CLEANUP(view_ec2_done) struct view_ec2 view = view_ec2_of(instance);
	if (select->running_only && !instance->running) {
		return false;
	}
	bool accepted = ec2_filters_accept(&select->filters, &view);
	select->failed_ = select->failed_ || view.status < 0;
	return accepted;
}

void ec2_select_done(struct ec2_select *select)
{
	json_decref(select->ids);
	ec2_filters_done(&select->filters);
	buf_done(&select->after);
}

static int read_page(struct call *call, struct ec2_select *select)
{
	bool ids = select->ids != NULL;
	const char *both = json_object_get(call->request, "MaxResults")  ? "maxResults"
			   : json_object_get(call->request, "NextToken") ? "nextToken"
									 : NULL;
	if (ids && both) {
		return ec2_fail(call, "InvalidParameterCombination",
			"The parameter instancesSet cannot be used with the parameter %s", both);
	}
	TRY(ec2_read_most(call, &select->most));
	return ec2_read_token(call, &select->after);
}

int ec2_select_read(
	struct call *call, const struct ec2_filter_set *set, struct ec2_select *ret_select)
{
	*ret_select = (struct ec2_select){0};
	TRY(ec2_read_ids(call, "InstanceId", &ret_select->ids));
	TRY(ec2_read_filters(call, set->rows, set->n, &ret_select->filters));
	TRY(read_page(call, ret_select));
	return ret_select->ids ? ec2_need_ids(call, ret_select->ids) : 0;
}

int ec2_select_list(struct call *call, struct ec2_select *select,
	json_t *(*view)(const struct registry *registry, const struct entry *entry),
	json_t **ret_views)
{
	CLEANUP(buf_done) struct buf after = BUF_EMPTY;
	const struct registrar_query query = {.after = buf_str(&select->after),
		.ret_after = &after,
		.most = select->most,
		.select = {accepts, select},
		.ids = select->ids,
		.view = view};
	json_t *views, *one;
	bool more;
	size_t i;
	TRY(registrar_list(call->api->registrar, &query, &views, &more, &call->diag));
	int rc = select->failed_ ? -ENOMEM : more ? ec2_set_token(call, buf_str(&after)) : 0;
	if (rc < 0) {
		json_decref(views);
		return rc;
	}
	json_array_foreach (views, i, one) {
		(void)json_object_del(one, "name"); /* it is there */
	}
	*ret_views = views;
	return 0;
}
