#include <errno.h>

#include "base/json.h"
#include "control/ec2_operations.h"
#include "control/ec2_request.h"
#include "control/view_ec2.h"

#define NO_PREFERENCE "no-preference"
#define HOP_LIMIT     "HttpPutResponseHopLimit"
#define AGAIN         "and try again."

/* A parameter that is one of two words, and the member of an instance's options that it sets. */
struct option {
	const char *parameter;
	const char *member;
	const char *words[2];
};

static const struct option tokens = {"HttpTokens", "httpTokens", {"optional", "required"}};
static const struct option endpoint = {"HttpEndpoint", "httpEndpoint", {"enabled", "disabled"}};
static const struct option ipv6 = {"HttpProtocolIpv6", "httpProtocolIpv6", {"enabled", "disabled"}};
static const struct option tags = {
	"InstanceMetadataTags", "instanceMetadataTags", {"enabled", "disabled"}};
static const struct option enforced = {
	"HttpTokensEnforced", "httpTokensEnforced", {"enabled", "disabled"}};

static const struct option *const instance_options[] = {&tokens, &endpoint, &ipv6, &tags, NULL};
static const struct option *const account_options[] = {&tokens, &endpoint, &tags, &enforced, NULL};

/* --- reading --------------------------------------------------------------------------------- */

static int set(json_t *changes, const char *member, json_t *value)
{
	return json_object_set_new(changes, member, value) < 0 ? -ENOMEM : 0;
}

static int fail_word(struct call *call, const struct option *option, struct str text, bool account)
{
	if (account) {
		return ec2_fail(call, "InvalidParameterValue",
			"A value of '%.*s' is not valid for %s. Specify either '%s', '%s' or '%s' " AGAIN,
			STR_FMT(text), option->parameter, option->words[0], option->words[1],
			NO_PREFERENCE);
	}
	return ec2_fail(call, "InvalidParameterValue",
		"A value of '%.*s' is not valid for %s. Specify either '%s' or '%s' " AGAIN,
		STR_FMT(text), option->parameter, option->words[0], option->words[1]);
}

/* account: it may be no preference, which is null. */
static int read_word(struct call *call, const struct option *option, bool account, json_t *changes)
{
	struct str text;
	TRY(ec2_read_text_if(call, option->parameter, &text));
	if (!text.p) {
		return 0;
	}
	if (account && str_eq(text, STR(NO_PREFERENCE))) {
		return set(changes, option->member, json_null());
	}
	for (size_t i = 0; i < 2; i++) {
		if (str_eq(text, str_of(option->words[i]))) {
			return set(changes, option->member, json_string(option->words[i]));
		}
	}
	return fail_word(call, option, text, account);
}

static int read_hop_limit(struct call *call, bool account, json_t *changes)
{
	struct str text;
	uint64_t limit;
	TRY(ec2_read_text_if(call, HOP_LIMIT, &text));
	if (!text.p) {
		return 0;
	}
	if (account && str_eq(text, STR("-1"))) {
		return set(changes, "httpPutResponseHopLimit", json_null());
	}
	if (str_to_u64(text, &limit) == 0 && limit >= OPTIONS_HOP_LIMIT_MIN &&
		limit <= OPTIONS_HOP_LIMIT_MAX) {
		return set(changes, "httpPutResponseHopLimit", json_integer((json_int_t)limit));
	}
	return ec2_fail(call, "InvalidParameterValue",
		"A value of '%.*s' is not valid for " HOP_LIMIT
		". Specify a value from %d to %d%s " AGAIN,
		STR_FMT(text), OPTIONS_HOP_LIMIT_MIN, OPTIONS_HOP_LIMIT_MAX,
		account ? " or -1" : "");
}

static int read_options(
	struct call *call, const struct option *const *options, bool account, json_t *changes)
{
	TRY(read_hop_limit(call, account, changes));
	while (*options) {
		TRY(read_word(call, *options++, account, changes));
	}
	return 0;
}

/* --- an instance's --------------------------------------------------------------------------- */

static int change(struct call *call, struct str id, const json_t *changes)
{
	CLEANUP(buf_done) struct buf name = BUF_EMPTY;
	struct registrar *registrar = call->api->registrar;
	if (json_object_size(changes) == 0) {
		return 0; /* legal, and a way to ask what they are */
	}
	TRY(registrar_name_of(registrar, id, &name, &call->diag));
	return registrar_options(registrar, &call->deed, buf_str(&name), changes, &call->diag);
}

static int reply_options(struct call *call, const json_t *ids)
{
	CLEANUP(json_done) json_t *views = NULL;
	struct registrar_query query = {.ids = ids, .view = view_ec2_options};
	bool more;
	TRY(registrar_list(call->api->registrar, &query, &views, &more, &call->diag));
	json_t *view = json_array_get(views, 0);
	(void)json_object_del(view, "name");
	return view && json_object_update(call->reply, view) == 0 ? 0 : -ENOMEM;
}

int ec2_modify_options(struct call *call)
{
	struct str id;
	CLEANUP(json_done) json_t *changes = json_object();
	TRY(ec2_read_text(call, "InstanceId", &id));
	CLEANUP(json_done) json_t *ids = json_pack("[s]", id.p);
	if (!changes || !ids) {
		return -ENOMEM;
	}
	TRY(ec2_check_id(call, id));
	TRY(read_options(call, instance_options, false, changes));
	TRY(ec2_need_ids(call, ids));
	TRY(change(call, id, changes));
	return reply_options(call, ids);
}

/* --- the account's --------------------------------------------------------------------------- */

int ec2_modify_defaults(struct call *call)
{
	CLEANUP(json_done) json_t *changes = json_object();
	if (!changes) {
		return -ENOMEM;
	}
	TRY(read_options(call, account_options, true, changes));
	if (json_object_size(changes) > 0) {
		TRY(registrar_defaults(call->api->registrar, &call->deed, changes, &call->diag));
	}
	return call_set(call, "return", json_true());
}

/* What nobody prefers is not there. */
int ec2_get_defaults(struct call *call)
{
	json_t *defaults;
	TRY(registrar_show_defaults(call->api->registrar, &defaults, &call->diag));
	int rc = json_object_set_new(defaults, "managedBy", json_string("account"));
	if (rc < 0) {
		json_decref(defaults);
		return -ENOMEM;
	}
	return call_set(call, "accountLevel", defaults);
}
