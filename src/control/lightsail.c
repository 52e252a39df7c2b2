#include "control/lightsail.h"

#include <errno.h>

#include "control/lightsail_operations.h"
#include "control/protocol.h"

#define ROW(name_)  .name = STR_INIT(name_), .action = STR_INIT("lightsail:" name_)
#define READ(name_) ROW(name_), .write = false
/* Changes something, and answers with what becomes of it. */
#define WRITE(name_) ROW(name_), .write = true, .recorded = true

static const struct call_operation operations[] = {
	{READ("GetInstance"), .members = {"instanceName"}, .run = lightsail_get_instance},
	{READ("GetInstances"), .members = {"pageToken"}, .run = lightsail_get_instances},
	{READ("GetInstanceState"), .members = {"instanceName"},
		.run = lightsail_get_instance_state},
	{READ("GetInstanceMetricData"),
		.members = {"instanceName", "metricName", "period", "startTime", "endTime", "unit",
			"statistics"},
		.run = lightsail_get_metric_data},
	{READ("GetInstanceAccessDetails"), .members = {"instanceName", "protocol"},
		.run = lightsail_get_access_details},
	{WRITE("CreateInstances"), .type = "CreateInstance",
		.members = {"instanceNames", "availabilityZone", "customImageName", "blueprintId",
			"bundleId", "userData", "keyPairName", "tags", "addOns", "ipAddressType"},
		.run = lightsail_create_instances},
	{WRITE("DeleteInstance"), .type = "DeleteInstance",
		.members = {"instanceName", "forceDeleteAddOns"}, .run = lightsail_delete_instance},
	{WRITE("StartInstance"), .type = "StartInstance", .members = {"instanceName"},
		.run = lightsail_start_instance},
	{WRITE("StopInstance"), .type = "StopInstance", .members = {"instanceName", "force"},
		.run = lightsail_stop_instance},
	{WRITE("RebootInstance"), .type = "RebootInstance", .members = {"instanceName"},
		.run = lightsail_reboot_instance},
	{WRITE("UpdateInstanceMetadataOptions"), .type = "UpdateInstanceMetadataOptions",
		.members = {"instanceName", "httpTokens", "httpEndpoint", "httpPutResponseHopLimit",
			"httpProtocolIpv6"},
		.run = lightsail_update_options},
	{WRITE("TagResource"), .members = {"resourceName", "resourceArn", "tags"},
		.run = lightsail_tag_resource},
	{WRITE("UntagResource"), .members = {"resourceName", "resourceArn", "tagKeys"},
		.run = lightsail_untag_resource},
	{READ("GetOperation"), .members = {"operationId"}, .run = lightsail_get_operation},
	{READ("GetOperations"), .members = {"pageToken"}, .run = lightsail_get_operations},
	{READ("GetOperationsForResource"), .members = {"resourceName", "pageToken"},
		.run = lightsail_get_operations_for_resource},
	{READ("GetBlueprints"), .members = {"includeInactive", "pageToken", "appCategory"},
		.run = lightsail_get_blueprints},
	{READ("GetBundles"), .members = {"includeInactive", "pageToken", "appCategory"},
		.run = lightsail_get_bundles},
	{READ("GetRegions"),
		.members = {"includeAvailabilityZones",
			"includeRelationalDatabaseAvailabilityZones"},
		.run = lightsail_get_regions},
	{READ("GetKeyPairs"), .members = {"pageToken", "includeDefaultKeyPair"},
		.run = lightsail_get_key_pairs},
};

const struct call_failure lightsail_failures[] = {
	{E_SYNTAX, 400, "InvalidInputException", NULL},
	{E_RANGE, 400, "InvalidInputException", NULL},
	{E_LIMIT, 400, "InvalidInputException", NULL},
	{E_EXISTS, 400, "OperationFailureException", NULL},
	{E_DENIED, 400, "OperationFailureException", NULL},
	{E_NOTFOUND, 400, "NotFoundException", NULL},
	{0, 500, "ServiceException", NULL},
};

const struct call_service lightsail_service = {
	.name = STR_INIT("lightsail"),
	.target = STR_INIT("Lightsail_20161128."),
	.json = &protocol_json_1_1,
	.operations = operations,
	.n_operations = sizeof operations / sizeof operations[0],
	.failures = lightsail_failures,
	.unknown_member = "InvalidInputException",
};
