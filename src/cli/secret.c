#include "base/json.h"
#include "cli/args.h"
#include "cli/output.h"

int cli_secret_rotate(const struct args *args)
{
	CLEANUP(json_done) json_t *reply = NULL;
	int code = command_call(args, "RotateTokenSecret", json_object(), &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (args_has(args, ARGS_JSON)) {
		return output_json(reply);
	}
	CLEANUP(buf_done) struct buf line = BUF_EMPTY;
	buf_add_f(&line,
		"New tokens are made by a new secret in %lld s; those in use stay valid until they "
		"expire.\n",
		(long long)json_integer_value(json_object_get(reply, "usedAfterSeconds")));
	return output_text(buf_str(&line));
}
