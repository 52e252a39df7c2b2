#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/output.h"
#include "config/source.h"

/* The table of several instances. */
static const struct column {
	const char *heading;
	const char *path;
} columns[] = {
	{"NAME", "name"},
	{"INSTANCE-ID", "instanceId"},
	{"STATE", "state.name"},
	{"ADDRESS", "privateIpAddress"},
	{"TOKENS", "metadataOptions.httpTokens"},
	{"ENDPOINT", "metadataOptions.httpEndpoint"},
	{"HOP-LIMIT", "metadataOptions.httpPutResponseHopLimit"},
	{"IPV6", "metadataOptions.httpProtocolIpv6"},
	{"TAGS", "metadataOptions.instanceMetadataTags"},
};

/* One instance, line by line. */
static const struct line {
	const char *label;
	const char *path;
	bool is_time;
} lines[] = {
	{"name", "name", false},
	{"instance id", "instanceId", false},
	{"arn", "arn", false},
	{"state", "state.name", false},
	{"host", "host", false},
	{"next host", "nextHost", false},
	{"created", "createdAt", true},
	{"zone", "location.availabilityZone", false},
	{"blueprint", "blueprintId", false},
	{"bundle", "bundleId", false},
	{"private address", "privateIpAddress", false},
	{"public address", "publicIpAddress", false},
	{"ipv6 addresses", "ipv6Addresses", false},
	{"match", "match", false},
	{"key", "sshKeyName", false},
	{"tags", "tags", false},
	{"http-tokens", "metadataOptions.httpTokens", false},
	{"http-endpoint", "metadataOptions.httpEndpoint", false},
	{"http-put-response-hop-limit", "metadataOptions.httpPutResponseHopLimit", false},
	{"http-protocol-ipv6", "metadataOptions.httpProtocolIpv6", false},
	{"instance-metadata-tags", "metadataOptions.instanceMetadataTags", false},
	{"requests without token", "counters.metadataNoToken", false},
	{"rejected without token", "counters.metadataNoTokenRejected", false},
	{"tokens issued", "counters.tokensIssued", false},
	{"throttled", "counters.throttled", false},
	{"connections", "counters.connections", false},
};

static int print_instances(const json_t *instances)
{
	const size_t n_columns = sizeof columns / sizeof columns[0];
	CLEANUP(table_done) struct table table = {.columns = n_columns};
	for (size_t c = 0; c < n_columns; c++) {
		table_add(&table, str_of(columns[c].heading));
	}
	for (size_t i = 0; i < json_array_size(instances); i++) {
		for (size_t c = 0; c < n_columns; c++) {
			table_add_member(&table, json_array_get(instances, i), columns[c].path);
		}
	}
	return table_print(&table);
}

static int print_instance(const json_t *instance)
{
	CLEANUP(table_done) struct table table = {.columns = 2};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		table_add(&table, str_of(lines[i].label));
		if (lines[i].is_time) {
			table_add_time(&table, instance, lines[i].path);
		} else {
			table_add_member(&table, instance, lines[i].path);
		}
	}
	return table_print(&table);
}

/* All instances, page by page, in one reply. */
static int list_all(const struct args *args, json_t *instances)
{
	json_t *token = NULL;
	do {
		CLEANUP(json_done) json_t *reply = NULL;
		json_t *request = token ? json_pack("{s:o}", "pageToken", token) : json_object();
		int code = command_call(args, "GetInstances", request, &reply);
		if (code != COMMAND_DONE) {
			return code;
		}
		if (json_array_extend(instances, json_object_get(reply, "instances")) < 0) {
			return output_fail(
				COMMAND_FAILED, "out of memory, or a reply without instances");
		}
		token = json_incref(json_object_get(reply, "nextPageToken"));
	} while (token);
	return COMMAND_DONE;
}

int cli_instance_list(const struct args *args)
{
	CLEANUP(json_done) json_t *all = json_pack("{s:[]}", "instances");
	json_t *instances = json_object_get(all, "instances");
	int code = list_all(args, instances);
	if (code != COMMAND_DONE) {
		return code;
	}
	return args_has(args, ARGS_JSON) ? output_json(all) : print_instances(instances);
}

int cli_instance_show(const struct args *args)
{
	CLEANUP(json_done) json_t *reply = NULL;
	json_t *request = json_pack("{s:s}", "instanceName", args->operand);
	int code = command_call(args, "GetInstance", request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	return args_has(args, ARGS_JSON) ? output_json(reply)
					 : print_instance(json_object_get(reply, "instance"));
}

/* An operation on one name that answers nothing: say what was done. */
static int act(const struct args *args, const char *operation, const char *done)
{
	CLEANUP(json_done) json_t *reply = NULL;
	json_t *request = json_pack("{s:s}", "instanceName", args->operand);
	int code = command_call(args, operation, request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (args_has(args, ARGS_JSON)) {
		return output_json(reply);
	}
	CLEANUP(buf_done) struct buf line = BUF_EMPTY;
	buf_add_f(&line, "%s: %s\n", args->operand, done);
	return output_text(buf_str(&line));
}

int cli_instance_delete(const struct args *args)
{
	return act(args, "DeleteInstance", "deleted");
}

int cli_instance_revoke(const struct args *args)
{
	return act(args, "RevokeTokens", "all tokens are revoked");
}

int cli_instance_move(const struct args *args)
{
	CLEANUP(json_done) json_t *reply = NULL;
	const char *host = args->value[ARGS_TO];
	if (!host) {
		return output_fail(COMMAND_USAGE, "instance move: --to HOST is missing");
	}
	json_t *request = json_pack("{s:s, s:s, s:b}", "instanceName", args->operand, "host", host,
		"force", args_has(args, ARGS_FORCE));
	int code = command_call(args, "MoveInstance", request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (args_has(args, ARGS_JSON)) {
		return output_json(reply);
	}
	CLEANUP(buf_done) struct buf line = BUF_EMPTY;
	buf_add_f(&line, "%s: moves to %s\n", args->operand, host);
	return output_text(buf_str(&line));
}

static void close_input(int *fd)
{
	if (*fd > STDIN_FILENO) {
		(void)close(*fd); /* was only read */
	}
}

/* The whole text, up to a cap: "-" may be a pipe that never ends. */
static int read_input(const char *file, struct buf *ret_text)
{
	bool is_stdin = strcmp(file, "-") == 0;
	CLEANUP(close_input) int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	for (;;) {
		char bytes[16 * 1024];
		ssize_t n = read(fd, bytes, sizeof bytes);
		if (n == 0) {
			return buf_status(ret_text);
		}
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		buf_add(ret_text, (struct str){bytes, n > 0 ? (size_t)n : 0});
		if (ret_text->n > CLIENT_SOCKET_BODY_BYTES) {
			return E_LIMIT;
		}
	}
}

static int print_put(const json_t *names)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		buf_add_f(&text, "%s: put\n", name ? name : "");
	}
	return output_text(buf_str(&text));
}

int cli_instance_put(const struct args *args)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	CLEANUP(buf_done) struct buf name = BUF_EMPTY;
	CLEANUP(json_done) json_t *reply = NULL;
	const char *file = args->operand;
	int rc = read_input(file, &text);
	if (rc == E_LIMIT) {
		return output_fail(COMMAND_FAILED, "%s: larger than %zu MiB", file,
			CLIENT_SOCKET_BODY_BYTES / 1024 / 1024);
	}
	if (rc < 0) {
		return output_fail(COMMAND_FAILED, "can't read %s: %s", file, result_name(rc));
	}
	/* Absolute, because the daemon resolves relative paths in the text against it. */
	rc = source_resolve(NULL, strcmp(file, "-") == 0 ? STR("<stdin>") : str_of(file), &name);
	if (rc < 0) {
		return output_fail(COMMAND_FAILED, "the current folder: %s", result_name(rc));
	}
	/* JSON could carry a NUL, YAML could not. */
	bool has_nul = str_find(buf_str(&text), '\0') < text.n;
	json_t *request = has_nul ? NULL
				  : json_pack("{s:s%, s:s%}", "text", text.p ? text.p : "", text.n,
					    "file", name.p, name.n);
	if (!request) {
		return output_fail(COMMAND_FAILED, "%s: not UTF-8 text", file);
	}
	int code = command_call(args, "PutInstances", request, &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	return args_has(args, ARGS_JSON) ? output_json(reply)
					 : print_put(json_object_get(reply, "instanceNames"));
}
