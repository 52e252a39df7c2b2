#include "base/json.h"
#include "cli/args.h"
#include "cli/output.h"

static const struct column {
	const char *heading;
	const char *member;
} columns[] = {
	{"HOST", "name"},
	{"VERSION", "version"},
	{"INSTANCES", "instances"},
	{"REVISION", "revision"},
	{"APPLIED", "applied"},
	{"LAG", "lag"},
};
#define COLUMNS (sizeof columns / sizeof columns[0])

/* "12 s", "3 min", "2 h", "5 d"; "stopped 12 s" */
static void add_ago(struct table *table, const json_t *host)
{
	static const struct {
		double most_s, unit_s;
		const char *unit;
	} units[] = {{120, 1, "s"}, {7200, 60, "min"}, {172800, 3600, "h"}, {1e15, 86400, "d"}};
	char text[48];
	bool stopped = json_is_true(json_object_get(host, "stopped"));
	double ago_s = json_number_value(json_object_get(host, "lastContactSeconds"));
	size_t i = 0;
	while (i < 3 && ago_s >= units[i].most_s) {
		i++;
	}
	(void)snprintf(text, sizeof text, "%s%.0f %s", stopped ? "stopped " : "",
		ago_s / units[i].unit_s, units[i].unit);
	table_add(table, str_of(text));
}

static int print_hosts(const json_t *hosts)
{
	CLEANUP(table_done) struct table table = {.columns = COLUMNS + 1};
	for (size_t c = 0; c < COLUMNS; c++) {
		table_add(&table, str_of(columns[c].heading));
	}
	table_add(&table, STR("CONTACT"));
	for (size_t i = 0; i < json_array_size(hosts); i++) {
		const json_t *host = json_array_get(hosts, i);
		for (size_t c = 0; c < COLUMNS; c++) {
			table_add_member(&table, host, columns[c].member);
		}
		add_ago(&table, host);
	}
	return table_print(&table);
}

static int forget(const struct args *args, const char *host)
{
	CLEANUP(json_done) json_t *reply = NULL;
	int code = command_call(args, "ForgetHost", json_pack("{s:s}", "host", host), &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (args_has(args, ARGS_JSON)) {
		return output_json(reply);
	}
	CLEANUP(buf_done) struct buf line = BUF_EMPTY;
	buf_add_f(&line, "%s: forgotten\n", host);
	return output_text(buf_str(&line));
}

int cli_fleet(const struct args *args)
{
	CLEANUP(json_done) json_t *reply = NULL;
	if (args_has(args, ARGS_FORGET)) {
		return forget(args, args->value[ARGS_FORGET]);
	}
	int code = command_call(args, "GetFleet", json_object(), &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (args_has(args, ARGS_JSON)) {
		return output_json(reply);
	}
	const json_t *hosts = json_object_get(reply, "hosts");
	if (!json_object_get(json_array_get(hosts, 0), "name")) {
		return output_text(
			STR("This daemon is on its own: its store is not PostgreSQL.\n"));
	}
	return print_hosts(hosts);
}
