#include "control/ec2.h"

#include <errno.h>

#include "control/protocol.h"

#define ROW(name_)  .name = STR_INIT(name_), .action = STR_INIT("ec2:" name_)
#define READ(name_) ROW(name_), .write = false

/* There is one: the configured. */
static int on_describe_regions(struct call *call)
{
	struct str name = call->api->site->region;
	return call_set(call, "regionInfo",
		json_pack("[{s:o, s:o, s:s}]", "regionName", call_text(name), "regionEndpoint",
			json_sprintf("ec2.%.*s.amazonaws.com", STR_FMT(name)), "optInStatus",
			"opt-in-not-required"));
}

static const struct call_operation operations[] = {
	{READ("DescribeRegions"), .members = {"RegionName", "AllRegions", "Filter", "DryRun"},
		.run = on_describe_regions},
};

static const struct call_failure failures[] = {
	{E_SYNTAX, 400, "InvalidParameterValue", NULL},
	{E_RANGE, 400, "InvalidParameterValue", NULL},
	{E_LIMIT, 400, "InvalidParameterValue", NULL},
	{E_EXISTS, 400, "IncorrectInstanceState", NULL},
	{E_DENIED, 400, "OperationNotPermitted", NULL},
	{E_NOTFOUND, 400, "InvalidInstanceID.NotFound", NULL},
	{0, 500, "InternalError", NULL},
};

const struct call_service ec2_service = {
	.name = STR_INIT("ec2"),
	.version = STR_INIT("2016-11-15"),
	.query = &protocol_ec2,
	.operations = operations,
	.n_operations = sizeof operations / sizeof operations[0],
	.failures = failures,
	.unknown_member = "UnknownParameter",
};
