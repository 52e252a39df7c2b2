#include "config/config.h"
#include "base/json.h"
#include "config/conflict.h"

#include "cli/args.h"
#include "cli/output.h"

int cli_config_check(const struct args *args)
{
	const struct config_flags flags = {.file = args->operand};
	struct config *config = NULL;
	struct diag diag = {""};
	if (config_new(&flags, &config, &diag) < 0) {
		return output_fail(COMMAND_FAILED, "%s", diag.text);
	}
	if (conflict_check(config->instances, &diag) < 0) {
		config_free(config);
		return output_fail(COMMAND_FAILED, "%s: %s", args->operand, diag.text);
	}
	CLEANUP(buf_done) struct buf line = BUF_EMPTY;
	size_t n = json_array_size(config->instances);
	buf_add_f(&line, "%s: ok (%zu %s)\n", args->operand, n, n == 1 ? "instance" : "instances");
	config_free(config);
	return output_text(buf_str(&line));
}

/* When a change takes effect, and the value that waits for that: "restart (eu-west-1 waits)". */
static void add_change(struct table *table, const json_t *setting)
{
	CLEANUP(buf_done) struct buf change = BUF_EMPTY;
	json_t *pending = output_member(setting, "pending");
	output_value(&change, output_member(setting, "change"));
	if (pending) {
		size_t empty = change.n + 2;
		buf_add(&change, STR(" ("));
		output_value(&change, pending);
		buf_add(&change, change.n == empty ? STR("none waits)") : STR(" waits)"));
	}
	table_add(table, buf_str(&change));
}

int cli_config_show(const struct args *args)
{
	CLEANUP(json_done) json_t *reply = NULL;
	int code = command_call(args, "GetConfiguration", json_object(), &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (args_has(args, ARGS_JSON)) {
		return output_json(reply);
	}
	CLEANUP(table_done) struct table table = {.columns = 5};
	table_add(&table, STR("NAME"));
	table_add(&table, STR("VALUE"));
	table_add(&table, STR("SOURCE"));
	table_add(&table, STR("CHANGE"));
	table_add(&table, STR("HELP"));
	const json_t *list = json_object_get(reply, "settings");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *setting = json_array_get(list, i);
		table_add_member(&table, setting, "name");
		table_add_member(&table, setting, "value");
		table_add_member(&table, setting, "source");
		add_change(&table, setting);
		table_add_member(&table, setting, "help");
	}
	return table_print(&table);
}
