#include "base/json.h"
#include "cli/args.h"
#include "cli/output.h"

int cli_identity_certificate(const struct args *args)
{
	CLEANUP(json_done) json_t *reply = NULL;
	int code = command_call(args, "GetIdentityCertificate", json_object(), &reply);
	if (code != COMMAND_DONE) {
		return code;
	}
	if (args_has(args, ARGS_JSON)) {
		return output_json(reply);
	}
	const char *pem = json_string_value(json_object_get(reply, "certificate"));
	if (!pem) {
		return output_fail(COMMAND_FAILED, "the daemon's reply has no certificate");
	}
	return output_text(str_of(pem));
}
