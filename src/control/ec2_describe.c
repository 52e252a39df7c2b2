#include <errno.h>

#include "base/json.h"
#include "control/ec2_operations.h"
#include "control/ec2_request.h"
#include "control/ec2_select.h"
#include "control/view_ec2.h"
#include "metadata/derive.h"

#define OPT_IN "opt-in-not-required" /* all regions' status, as there is only one */

/* --- instances ------------------------------------------------------------------------------- */

int ec2_describe_instances(struct call *call)
{
	CLEANUP(ec2_select_done) struct ec2_select select = {0};
	json_t *reservations;
	bool managed; /* by a service: none is */
	TRY(ec2_read_flag(call, "IncludeManagedResources", &managed));
	TRY(ec2_select_read(call, &ec2_instance_filters, &select));
	TRY(ec2_select_list(call, &select, view_ec2_reservation, &reservations));
	return call_set(call, "reservationSet", reservations);
}

int ec2_describe_instance_status(struct call *call)
{
	CLEANUP(ec2_select_done) struct ec2_select select = {0};
	json_t *statuses;
	bool all, managed;
	TRY(ec2_read_flag(call, "IncludeManagedResources", &managed));
	TRY(ec2_read_flag(call, "IncludeAllInstances", &all));
	TRY(ec2_select_read(call, &ec2_status_filters, &select));
	select.running_only = !all;
	TRY(ec2_select_list(call, &select, view_ec2_status, &statuses));
	return call_set(call, "instanceStatusSet", statuses);
}

/* --- regions --------------------------------------------------------------------------------- */

struct region {
	struct str name;
	struct str endpoint;
};

static bool by_region_name(const struct ec2_filter *filter, void *subject)
{
	const struct region *region = subject;
	return ec2_filter_matches(filter, region->name);
}

static bool by_region_endpoint(const struct ec2_filter *filter, void *subject)
{
	const struct region *region = subject;
	return ec2_filter_matches(filter, region->endpoint);
}

static bool by_opt_in(const struct ec2_filter *filter, void *subject)
{
	(void)subject;
	return ec2_filter_matches(filter, STR(OPT_IN));
}

static const struct ec2_filter_row region_rows[] = {
	{.name = STR_INIT("endpoint"), .accepts = by_region_endpoint},
	{.name = STR_INIT("opt-in-status"), .accepts = by_opt_in},
	{.name = STR_INIT("region-name"), .accepts = by_region_name},
};

/* All that are named are the one that there is. */
static int check_names(struct call *call)
{
	CLEANUP(json_done) json_t *names = NULL;
	json_t *name;
	size_t i;
	TRY(ec2_read_list(call, "RegionName", &names));
	json_array_foreach (names, i, name) {
		if (!str_eq(str_of(json_string_value(name)), call->api->site->region)) {
			return ec2_fail(call, "InvalidParameterValue", "Invalid region name: '%s'",
				json_string_value(name));
		}
	}
	return 0;
}

static int reply_region(struct call *call, struct region *region)
{
	CLEANUP(ec2_filters_done) struct ec2_filters filters = {.n = 0};
	TRY(ec2_read_filters(
		call, region_rows, sizeof region_rows / sizeof region_rows[0], &filters));
	if (!ec2_filters_accept(&filters, region)) {
		return call_set(call, "regionInfo", json_array());
	}
	return call_set(call, "regionInfo",
		json_pack("[{s:o, s:o, s:s}]", "regionName", json_from_str(region->name),
			"regionEndpoint", json_from_str(region->endpoint), "optInStatus", OPT_IN));
}

/* There is one: the configured. */
int ec2_describe_regions(struct call *call)
{
	CLEANUP(buf_done) struct buf endpoint = BUF_EMPTY;
	struct str name = call->api->site->region;
	bool all;
	TRY(ec2_read_flag(call, "AllRegions", &all));
	TRY(check_names(call));
	buf_add_f(&endpoint, "ec2.%.*s.%.*s", STR_FMT(name), STR_FMT(derive_domain(name)));
	TRY(buf_status(&endpoint));
	struct region region = {name, buf_str(&endpoint)};
	return reply_region(call, &region);
}
