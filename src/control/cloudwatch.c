#include "control/cloudwatch.h"

#include "control/cloudwatch_operations.h"
#include "control/protocol.h"

#define ROW(name_)  .name = STR_INIT(name_), .action = STR_INIT("cloudwatch:" name_)
#define READ(name_) ROW(name_), .write = false

static const struct call_operation operations[] = {
	{READ("GetMetricData"),
		.members = {"MetricDataQueries", "StartTime", "EndTime", "NextToken", "ScanBy",
			"MaxDatapoints", "LabelOptions"},
		.run = cloudwatch_get_metric_data},
	{READ("GetMetricStatistics"),
		.members = {"Namespace", "MetricName", "Dimensions", "StartTime", "EndTime",
			"Period", "Statistics", "ExtendedStatistics", "Unit"},
		.run = cloudwatch_get_metric_statistics},
	{READ("ListMetrics"),
		.members = {"Namespace", "MetricName", "Dimensions", "NextToken", "RecentlyActive",
			"IncludeLinkedAccounts", "OwningAccount"},
		.run = cloudwatch_list_metrics},
};

static const struct call_failure failures[] = {
	{E_SYNTAX, 400, "InvalidParameterValue", NULL},
	{E_RANGE, 400, "InvalidParameterValue", NULL},
	{E_LIMIT, 400, "InvalidParameterCombination", NULL},
	{0, 500, "InternalServiceError", NULL},
};

const struct call_service cloudwatch_service = {
	.name = STR_INIT("monitoring"),
	.target = STR_INIT("GraniteServiceVersion20100801."),
	.version = STR_INIT("2010-08-01"),
	.json = &protocol_json_1_0,
	.query = &protocol_query,
	.operations = operations,
	.n_operations = sizeof operations / sizeof operations[0],
	.failures = failures,
	.unknown_member = "InvalidParameterValue",
};
