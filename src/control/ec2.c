#include "control/ec2.h"

#include <errno.h>

#include "control/ec2_operations.h"
#include "control/ec2_request.h"
#include "control/protocol.h"

#define ROW(name_)   .name = STR_INIT(name_), .action = STR_INIT("ec2:" name_)
#define READ(name_)  ROW(name_), .write = false
#define WRITE(name_) ROW(name_), .write = true

static const struct call_operation operations[] = {
	{READ("DescribeInstances"),
		.members = {"InstanceId", "Filter", "MaxResults", "NextToken", "DryRun",
			"IncludeManagedResources"},
		.run = ec2_describe_instances},
	{READ("DescribeInstanceStatus"),
		.members = {"InstanceId", "Filter", "MaxResults", "NextToken", "DryRun",
			"IncludeAllInstances", "IncludeManagedResources"},
		.run = ec2_describe_instance_status},
	{READ("DescribeRegions"), .members = {"RegionName", "AllRegions", "Filter", "DryRun"},
		.run = ec2_describe_regions},
	{READ("DescribeTags"), .members = {"Filter", "MaxResults", "NextToken", "DryRun"},
		.run = ec2_describe_tags},
	{READ("GetInstanceMetadataDefaults"), .members = {"DryRun"}, .run = ec2_get_defaults},
	{WRITE("ModifyInstanceMetadataOptions"),
		.members = {"InstanceId", "HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint",
			"HttpProtocolIpv6", "InstanceMetadataTags", "DryRun"},
		.run = ec2_modify_options},
	{WRITE("ModifyInstanceMetadataDefaults"),
		.members = {"HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint",
			"InstanceMetadataTags", "HttpTokensEnforced", "DryRun"},
		.run = ec2_modify_defaults},
	{WRITE("CreateTags"), .members = {"ResourceId", "Tag", "DryRun"}, .run = ec2_create_tags},
	{WRITE("DeleteTags"), .members = {"ResourceId", "Tag", "DryRun"}, .run = ec2_delete_tags},
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

/*
 * "DryRun: Checks whether you have the required permissions for the action, without actually making
 * the request, and provides an error response." Here it checks all there is to check: the deed is a
 * rehearsal, which the registrar stops before anything changes.
 */
static int run(struct call *call)
{
	TRY(ec2_read_flag(call, "DryRun", &call->deed.rehearsal));
	TRY(call->operation->run(call));
	if (!call->deed.rehearsal) {
		return 0;
	}
	call->status = 412;
	return ec2_fail(
		call, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
}

const struct call_service ec2_service = {
	.name = STR_INIT("ec2"),
	.version = STR_INIT("2016-11-15"),
	.query = &protocol_ec2,
	.operations = operations,
	.n_operations = sizeof operations / sizeof operations[0],
	.run = run,
	.failures = failures,
	.unknown_member = "UnknownParameter",
};
