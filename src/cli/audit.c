#include "base/json.h"
#include "cli/args.h"
#include "cli/output.h"

static const struct column {
	const char *heading;
	const char *member;
} columns[] = {
	{"TIME", "at"},
	{"WHO", "who"},
	{"FROM", "from"},
	{"ACTION", "action"},
	{"RESOURCE", "resource"},
	{"CHANGE", "change"},
	{"RESULT", "result"},
};
#define COLUMNS (sizeof columns / sizeof columns[0])

static int print_records(const json_t *records)
{
	CLEANUP(table_done) struct table table = {.columns = COLUMNS};
	for (size_t c = 0; c < COLUMNS; c++) {
		table_add(&table, str_of(columns[c].heading));
	}
	for (size_t i = 0; i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);
		table_add_time(&table, record, columns[0].member);
		for (size_t c = 1; c < COLUMNS; c++) {
			table_add_member(&table, record, columns[c].member);
		}
	}
	return table_print(&table);
}

/* A page of records is added to the list; ret_token: of the next, NULL: this was the last. */
static int add_page(const struct args *args, json_t *token, json_t *records, json_t **ret_token)
{
	CLEANUP(json_done) json_t *reply = NULL;
	json_t *request =
		json_pack("{s:o*, s:s*}", "pageToken", token, "instanceName", args->operand);
	int code = command_call(args, "GetAuditRecords", request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (json_array_extend(records, json_object_get(reply, "auditRecords")) < 0) {
		return output_fail(COMMAND_FAILED, "out of memory, or a reply without records");
	}
	*ret_token = json_incref(json_object_get(reply, "nextPageToken"));
	return COMMAND_DONE;
}

int cli_audit(const struct args *args)
{
	CLEANUP(json_done) json_t *all = json_pack("{s:[]}", "auditRecords");
	json_t *records = json_object_get(all, "auditRecords"), *token = NULL;
	do {
		int code = add_page(args, token, records, &token);
		if (code != COMMAND_DONE) {
			return code;
		}
	} while (token);
	return args_has(args, ARGS_JSON) ? output_json(all) : print_records(records);
}
