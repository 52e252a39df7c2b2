#include "metadata/options.h"

#include <errno.h>

#include "base/json.h"

const struct metadata_options options_default = {
	.tokens_required = false,
	.endpoint = true,
	.ipv6 = false,
	.tags = false,
	.hop_limit = 1,
};

/* The switches: a member with two words, of which one means true. */
static const struct option_switch {
	const char *member;
	const char *yes;
	const char *no;
	size_t at;
} switches[] = {
	{"httpTokens", "required", "optional", offsetof(struct metadata_options, tokens_required)},
	{"httpEndpoint", "enabled", "disabled", offsetof(struct metadata_options, endpoint)},
	{"httpProtocolIpv6", "enabled", "disabled", offsetof(struct metadata_options, ipv6)},
	{"instanceMetadataTags", "enabled", "disabled", offsetof(struct metadata_options, tags)},
};

#define SWITCHES (sizeof switches / sizeof switches[0])

static bool *switch_of(struct metadata_options *options, const struct option_switch *row)
{
	return (bool *)(void *)((char *)options + row->at);
}

static int apply_switch(struct metadata_options *options, const struct option_switch *row,
	const json_t *value, struct diag *diag)
{
	const char *word = json_string_value(value);
	bool yes = word && strcmp(word, row->yes) == 0;
	if (!yes && !(word && strcmp(word, row->no) == 0)) {
		return diag_set(diag, E_RANGE, "%s: %s%s%s, expected %s or %s", row->member,
			word ? "'" : "", word ? word : "not a text", word ? "'" : "", row->no,
			row->yes);
	}
	*switch_of(options, row) = yes;
	return 0;
}

static int apply_hop_limit(struct metadata_options *options, const json_t *value, struct diag *diag)
{
	json_int_t limit = json_integer_value(value);
	if (!json_is_integer(value) || limit < OPTIONS_HOP_LIMIT_MIN ||
		limit > OPTIONS_HOP_LIMIT_MAX) {
		return diag_set(diag, E_RANGE,
			"httpPutResponseHopLimit: expected a number from %d to %d",
			OPTIONS_HOP_LIMIT_MIN, OPTIONS_HOP_LIMIT_MAX);
	}
	options->hop_limit = (uint8_t)limit;
	return 0;
}

static int apply_member(struct metadata_options *options, const char *member, const json_t *value,
	struct diag *diag)
{
	if (strcmp(member, "httpPutResponseHopLimit") == 0) {
		return apply_hop_limit(options, value, diag);
	}
	for (size_t i = 0; i < SWITCHES; i++) {
		if (strcmp(member, switches[i].member) == 0) {
			return apply_switch(options, &switches[i], value, diag);
		}
	}
	return diag_set(diag, E_SYNTAX, "unknown option '%s'", member);
}

int options_apply(struct metadata_options *options, const json_t *object, struct diag *diag)
{
	struct metadata_options next = *options;
	const char *member;
	json_t *value;
	if (!json_is_object(object)) {
		return diag_set(diag, E_SYNTAX, "metadataOptions: expected a map of options");
	}
	json_object_foreach (json_loose(object), member, value) {
		TRY(apply_member(&next, member, value, diag));
	}
	*options = next;
	return 0;
}

json_t *options_to_json(const struct metadata_options *options)
{
	struct metadata_options copy = *options;
	json_t *object = json_object();
	for (size_t i = 0; i < SWITCHES; i++) {
		const char *word =
			*switch_of(&copy, &switches[i]) ? switches[i].yes : switches[i].no;
		if (json_object_set_new(object, switches[i].member, json_string(word)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	if (json_object_set_new(object, "httpPutResponseHopLimit", json_integer(copy.hop_limit)) <
		0) {
		json_decref(object);
		return NULL;
	}
	return object;
}
