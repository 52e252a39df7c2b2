#include "base/json.h"
#include "cli/args.h"
#include "cli/output.h"

#include <stdlib.h>

/* The options in the order in which they are shown. args.c has checked the values. */
static const struct option {
	enum args_flag flag;
	const char *member;
} options[] = {
	{ARGS_HTTP_TOKENS, "httpTokens"},
	{ARGS_HTTP_ENDPOINT, "httpEndpoint"},
	{ARGS_HOP_LIMIT, "httpPutResponseHopLimit"},
	{ARGS_HTTP_IPV6, "httpProtocolIpv6"},
	{ARGS_METADATA_TAGS, "instanceMetadataTags"},
};

#define N_OPTIONS (sizeof options / sizeof options[0])

/* Put the options that are given into the request. Returns false when out of memory. */
static bool add_changes(const struct args *args, json_t *request, bool *ret_any)
{
	bool any = false;
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const char *text = args->value[options[i].flag];
		if (!text) {
			continue;
		}
		json_t *value = args_flags[options[i].flag].max
					? json_integer((json_int_t)strtoul(text, NULL, 10))
					: json_string(text);
		if (json_object_set_new(request, options[i].member, value) < 0) {
			return false;
		}
		any = true;
	}
	*ret_any = any;
	return true;
}

static int print_options(const json_t *now)
{
	CLEANUP(table_done) struct table table = {.columns = 2};
	for (size_t i = 0; i < N_OPTIONS; i++) {
		table_add(&table, str_of(args_flags[options[i].flag].name));
		table_add_member(&table, now, options[i].member);
	}
	table_add(&table, STR("state"));
	table_add_member(&table, now, "state");
	return table_print(&table);
}

int cli_options(const struct args *args)
{
	CLEANUP(json_done) json_t *reply = NULL;
	bool change = false;
	json_t *request = json_pack("{s:s}", "instanceName", args->operand);
	if (request && !add_changes(args, request, &change)) {
		json_decref(request);
		request = NULL;
	}
	const char *operation = change ? "UpdateInstanceMetadataOptions" : "GetInstance";
	int code = command_call(args, operation, request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	json_t *now = output_member(reply, "instance.metadataOptions");
	if (!now) {
		return output_fail(COMMAND_FAILED, "the daemon's reply has no metadataOptions");
	}
	if (!args_has(args, ARGS_JSON)) {
		return print_options(now);
	}
	CLEANUP(json_done) json_t *shown = json_pack("{s:O}", "metadataOptions", now);
	return output_json(shown);
}
