#include "cli/command.h"

#include <stdio.h>

#include "base/json.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/output.h"
#include "version.h"

#define LINE_CHARS   78
#define USAGE_INDENT 6

#define DATA_FLAGS (ARGS_BIT(ARGS_JSON) | ARGS_BIT(ARGS_SOCKET))
#define OPTION_FLAGS                                                                            \
	(ARGS_BIT(ARGS_HTTP_TOKENS) | ARGS_BIT(ARGS_HTTP_ENDPOINT) | ARGS_BIT(ARGS_HOP_LIMIT) | \
		ARGS_BIT(ARGS_HTTP_IPV6) | ARGS_BIT(ARGS_METADATA_TAGS))
#define SERVE_FLAGS                                                                     \
	(ARGS_BIT(ARGS_CONFIG) | ARGS_BIT(ARGS_LISTEN) | ARGS_BIT(ARGS_INSTANCES) |     \
		ARGS_BIT(ARGS_CONTROL) | ARGS_BIT(ARGS_SOCKET) | ARGS_BIT(ARGS_STORE) | \
		ARGS_BIT(ARGS_WORKERS) | ARGS_BIT(ARGS_LOG_LEVEL))

/* Rows of one word stand together. */
static const struct command commands[] = {
	{"serve", NULL, NULL, SERVE_FLAGS, cli_serve, "run the service",
		"Without flags it serves a sample instance on 127.0.0.1:1338 and [::1]:1338, with\n"
		"the control API on 127.0.0.1:1339. ADDR may be an IPv6 address in brackets.\n"},
	{"instance", "list", NULL, DATA_FLAGS, cli_instance_list, "list all instances", NULL},
	{"instance", "show", "NAME", DATA_FLAGS, cli_instance_show, "show one instance", NULL},
	{"instance", "put", "FILE", DATA_FLAGS, cli_instance_put,
		"create or replace instances from a file",
		"FILE is YAML or JSON of one instance, a list of them, or a map with `instances:`;\n"
		"\"-\" is standard input.\n"},
	{"instance", "delete", "NAME", DATA_FLAGS, cli_instance_delete, "delete an instance", NULL},
	{"instance", "revoke", "NAME", DATA_FLAGS, cli_instance_revoke,
		"end all session tokens of an instance", NULL},
	{"instance", "move", "NAME", DATA_FLAGS | ARGS_BIT(ARGS_TO) | ARGS_BIT(ARGS_FORCE),
		cli_instance_move, "have another host of the fleet serve an instance",
		"The old host stops serving it before the new one starts; while the old one is away\n"
		"the move waits, and nothing is moved to one that was stopped, or of which the database\n"
		"has not heard for a minute. With --force neither counts: if the old host is still there,\n"
		"but cut off from the database, both serve the instance until it hears of the move.\n"},
	{"options", NULL, "NAME", DATA_FLAGS | OPTION_FLAGS, cli_options,
		"show or change an instance's metadata options",
		"Without an option it shows them. A change takes effect at once.\n"},
	{"metrics", NULL, "NAME", DATA_FLAGS | ARGS_BIT(ARGS_SINCE) | ARGS_BIT(ARGS_PERIOD),
		cli_metrics, "show how often an instance is called without a token",
		"NO-TOKEN is MetadataNoToken: calls without a token that were answered. REJECTED is\n"
		"MetadataNoTokenRejected: those that were refused, as tokens are required.\n"},
	{"identity", "certificate", NULL, DATA_FLAGS, cli_identity_certificate,
		"print the certificate that verifies identity documents", NULL},
	{"fleet", NULL, NULL, DATA_FLAGS | ARGS_BIT(ARGS_FORGET), cli_fleet,
		"show the hosts of the fleet and how far each is",
		"LAG is how many changes a host does not have in force yet, CONTACT how long ago the\n"
		"database heard of it.\n"},
	{"secret", "rotate", NULL, DATA_FLAGS, cli_secret_rotate,
		"have new session tokens made by a new secret",
		"Tokens that are in use stay valid until they expire.\n"},
	{"audit", NULL, "[NAME]", DATA_FLAGS, cli_audit, "show who changed what, the newest first",
		"NAME is an instance's; without it every change is shown.\n"},
	{"get", NULL, "PATH", ARGS_BIT(ARGS_ENDPOINT), cli_get,
		"ask a metadata service, with a session token",
		"PATH is meta-data/instance-id or the like, below /latest/, or starts with \"/\".\n"
		"The endpoint is --endpoint, else AWS_EC2_METADATA_SERVICE_ENDPOINT, else\n"
		"http://169.254.169.254.\n"},
	{"config", "check", "FILE", 0, cli_config_check, "say what is wrong in a configuration",
		NULL},
	{"config", "show", NULL, DATA_FLAGS, cli_config_show,
		"show the settings in force, and where each comes from", NULL},
	{0},
};

int command_call(
	const struct args *args, const char *operation, json_t *request, json_t **ret_reply)
{
	CLEANUP(json_done) json_t *taken = request;
	CLEANUP(buf_done) struct buf path = BUF_EMPTY;
	struct diag diag = {""};
	if (!taken) {
		CLEANUP(json_done)
		json_t *name = json_string(args->operand ? args->operand : "");
		return name ? output_fail(COMMAND_FAILED, "out of memory")
			    : output_fail(COMMAND_USAGE, "'%s' is not UTF-8", args->operand);
	}
	if (client_socket_path(args->value[ARGS_SOCKET], &path, &diag) < 0 ||
		client_call(path.p, operation, taken, ret_reply, &diag) < 0) {
		return output_fail(COMMAND_FAILED, "%s", diag.text);
	}
	return COMMAND_DONE;
}

/* "telltale instance show NAME" */
static void add_name(struct buf *out, const struct command *c)
{
	buf_add_f(out, "telltale %s", c->word);
	if (c->subcommand) {
		buf_add_f(out, " %s", c->subcommand);
	}
	if (c->operand) {
		buf_add_f(out, " %s", c->operand);
	}
}

/* The usage, broken between flags where it grows long. */
static void add_usage(struct buf *out, const struct command *c)
{
	size_t line = out->n;
	buf_add(out, STR("usage: "));
	add_name(out, c);
	for (size_t i = ARGS_CONFIG; i < ARGS_FLAGS; i++) {
		const struct args_flag_row *row = &args_flags[i];
		if (!(c->flags & ARGS_BIT(i))) {
			continue;
		}
		char piece[80];
		const char *value = args_value_text(row);
		const char dashes[] = {'-', row->letter ? '\0' : '-', '\0'};
		const char letter[] = {row->letter, '\0'};
		int n = snprintf(piece, sizeof piece, " [%s%s%s%s]%s", dashes,
			row->letter ? letter : row->name, value ? " " : "", value ? value : "",
			row->repeats ? "..." : "");
		if (out->n - line + (size_t)n > LINE_CHARS) {
			line = out->n;
			buf_add_f(out, "\n%*s", USAGE_INDENT, "");
		}
		buf_add(out, str_of(piece));
	}
	buf_add_char(out, '\n');
}

MUST_CHECK static int add_flags(struct buf *out, uint32_t flags)
{
	CLEANUP(table_done) struct table table = {.columns = 2};
	for (size_t i = 0; i < ARGS_FLAGS; i++) {
		const struct args_flag_row *row = &args_flags[i];
		if (!(flags & ARGS_BIT(i))) {
			continue;
		}
		char left[80];
		const char letter[] = {' ', ' ', row->letter ? '-' : ' ',
			row->letter ? row->letter : ' ', row->letter ? ',' : ' ', '\0'};
		(void)snprintf(left, sizeof left, "%s --%s%s%s", letter, row->name,
			row->value ? " " : "", row->value ? row->value : ""); /* rows are short */
		table_add(&table, str_of(left));
		table_add(&table, str_of(row->help));
	}
	buf_add(out, STR("\nflags:\n"));
	return table_format(&table, out);
}

MUST_CHECK static int add_commands(struct buf *out, const char *word)
{
	CLEANUP(table_done) struct table table = {.columns = 2};
	for (const struct command *c = commands; c->word; c++) {
		if (word && strcmp(c->word, word) != 0) {
			continue;
		}
		CLEANUP(buf_done) struct buf left = BUF_EMPTY;
		buf_add(&left, STR("  "));
		add_name(&left, c);
		table_add(&table, buf_str(&left));
		table_add(&table, str_of(c->summary));
	}
	return table_format(&table, out);
}

MUST_CHECK static int add_general_help(struct buf *out)
{
	buf_add(out, STR("An instance metadata service for one machine or many.\n"
			 "\n"
			 "usage: telltale COMMAND [FLAG]...\n"
			 "\n"));
	TRY(add_commands(out, NULL));
	buf_add(out,
		STR("\n"
		    "telltale help COMMAND tells more. telltale --version prints the version.\n"
		    "Commands other than serve, get and config check ask the running daemon at\n"
		    "its control socket: --socket, else TELLTALE_CONTROL_SOCKET, else the default\n"
		    "place. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.\n"));
	return buf_status(out);
}

MUST_CHECK static int add_help(struct buf *out, const struct args *args)
{
	const struct command *c = args->command;
	if (!args->word) {
		return add_general_help(out);
	}
	if (!c) {
		buf_add_f(out, "usage: telltale %s SUBCOMMAND [FLAG]...\n\n", args->word);
		return add_commands(out, args->word);
	}
	add_usage(out, c);
	buf_add_f(out, "\n%c%s.\n%s", (char)(c->summary[0] - 'a' + 'A'), c->summary + 1,
		c->help ? c->help : "");
	return add_flags(out, c->flags | ARGS_BIT(ARGS_HELP));
}

static int print_help(const struct args *args)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	if (add_help(&text, args) < 0) {
		return output_fail(COMMAND_FAILED, "out of memory");
	}
	output_raw(buf_str(&text));
	return COMMAND_DONE;
}

int command_main(int argc, char **argv)
{
	CLEANUP(args_done) struct args args;
	struct diag diag = {""};
	int rc = args_init(&args, commands, argc, argv, &diag);
	if (rc < 0) {
		return output_fail(
			rc == E_SYNTAX ? COMMAND_USAGE : COMMAND_FAILED, "%s", diag.text);
	}
	if (args_has(&args, ARGS_HELP)) {
		return output_finish(print_help(&args));
	}
	if (args_has(&args, ARGS_VERSION)) {
		output_raw(STR("telltale " TELLTALE_VERSION "\n"));
		return output_finish(COMMAND_DONE);
	}
	return output_finish(args.command->run(&args));
}
