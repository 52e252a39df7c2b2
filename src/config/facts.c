#include "config/facts.h"

#include <errno.h>

#include "base/crypto.h"
#include "config/check.h"
#include "config/override.h"
#include "config/source.h"
#include "metadata/instance.h"

#define BASE64_BYTES  ((size_t)INSTANCE_USER_DATA_BYTES * 2) /* leaves room for line ends */
#define PATH_TEXT_MAX 4095
#define NETWORK_MAX   64
#define GROUP_MAX     255
#define WORD_MAX      64

/* --- blueprint and bundle ---------------------------------------------------------------------- */

static int fail_id(const struct field_origin *origin, const struct field *field,
	const struct node *node, const struct near *near, struct str usual)
{
	return node_fail(node, origin->file, origin->diag, E_RANGE,
		"%.*s: there is no \"%.*s\"; %s \"%.*s\"?", STR_FMT(field->name),
		STR_FMT(node_excerpt(node->text)), near->best.n ? "did you mean" : "how about",
		STR_FMT(near->best.n ? near->best : usual));
}

static int read_blueprint(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	if (blueprint_find(text)) {
		return field_string(text, ret_value);
	}
	size_t n;
	const struct blueprint *all = blueprint_all(&n);
	struct near near = near_to(text);
	for (size_t i = 0; i < n; i++) {
		near_try(&near, all[i].id);
	}
	return fail_id(origin, field, node, &near, STR(BLUEPRINT_DEFAULT_ID));
}

static int read_bundle(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	if (bundle_find(text)) {
		return field_string(text, ret_value);
	}
	size_t n;
	const struct bundle *all = bundle_all(&n);
	struct near near = near_to(text);
	for (size_t i = 0; i < n; i++) {
		near_try(&near, all[i].id);
	}
	return fail_id(origin, field, node, &near, STR(BUNDLE_DEFAULT_ID));
}

/* --- metadataOptions --------------------------------------------------------------------------- */

/* What the values may be is for options_apply() to say. */
static int read_option(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	return field_string(node_excerpt(text), ret_value);
}

static int read_hop_limit(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	uint64_t number;
	if (node->kind == NODE_SCALAR && node->plain && str_to_u64(node->text, &number) == 0 &&
		number <= UINT32_MAX) {
		*ret_value = json_integer((json_int_t)number);
		return *ret_value ? 0 : -ENOMEM;
	}
	return read_option(origin, field, node, ret_value);
}

/* Which of the members it is that options_apply() refuses, and where that one stands. */
static int fail_options(
	const struct field_origin *origin, const struct node *node, const json_t *object)
{
	for (const struct node *member = node->first; member; member = member->next) {
		struct metadata_options scratch = options_default;
		struct diag why = {{0}};
		json_t *value = json_object_getn(object, member->key.p, member->key.n);
		CLEANUP(field_json_done) json_t *single = json_object();
		if (!single || field_set(single, member->key, json_incref(value)) < 0) {
			return -ENOMEM;
		}
		int rc = options_apply(&scratch, single, &why);
		if (rc < 0) {
			return node_fail(member, origin->file, origin->diag, rc, "%s", why.text);
		}
	}
	return node_fail(node, origin->file, origin->diag, E_SYNTAX, "not metadata options");
}

static int check_options(
	const struct field_origin *origin, const struct node *node, const json_t *object)
{
	struct metadata_options scratch = options_default;
	return options_apply(&scratch, object, NULL) == 0 ? 0 : fail_options(origin, node, object);
}

static const struct field option_fields[] = {
	{.name = STR_INIT("httpTokens"), .read = read_option},
	{.name = STR_INIT("httpPutResponseHopLimit"), .read = read_hop_limit},
	{.name = STR_INIT("httpEndpoint"), .read = read_option},
	{.name = STR_INIT("httpProtocolIpv6"), .read = read_option},
	{.name = STR_INIT("instanceMetadataTags"), .read = read_option},
	FIELD_END,
};

/* --- tags and public keys ---------------------------------------------------------------------- */

static int fail_member(const struct field_origin *origin, const struct field *field,
	const struct node *member, int rc, const char *what)
{
	return node_fail_key(member, origin->file, origin->diag, rc, "%.*s: \"%.*s\" %s",
		STR_FMT(field->name), STR_FMT(node_excerpt(member->key)), what);
}

/* A map of names that the operator chooses. */
static int read_named(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value,
	int (*read)(const struct field_origin *origin, const struct field *field,
		const struct node *member, struct str *ret_text))
{
	size_t n = 0;
	TRY(field_want_map(origin, field, node));
	CLEANUP(field_json_done) json_t *object = json_object();
	if (!object) {
		return -ENOMEM;
	}
	for (const struct node *member = node->first; member; member = member->next) {
		struct str text = STR_EMPTY;
		json_t *value;
		if (++n > field->max) {
			return fail_member(origin, field, member, E_LIMIT, "is one too many");
		}
		TRY(read(origin, field, member, &text));
		TRY(field_string(text, &value));
		TRY(field_set(object, member->key, value));
	}
	*ret_value = json_incref(object);
	return 0;
}

static int read_tag(const struct field_origin *origin, const struct field *field,
	const struct node *member, struct str *ret_text)
{
	size_t n = check_characters(member->key);
	if (n == 0 || n > FACTS_TAG_KEY_CHARACTERS || !check_line(member->key)) {
		return fail_member(origin, field, member, E_SYNTAX,
			"is no tag: 1 to 128 characters, no control characters");
	}
	if (member->kind != NODE_SCALAR) {
		return fail_member(origin, field, member, E_SYNTAX, "must be text");
	}
	/* "null" and numbers are their text; a tag may be empty. */
	if (check_characters(member->text) > FACTS_TAG_TEXT_CHARACTERS) {
		return fail_member(origin, field, member, E_LIMIT, "is longer than 256 characters");
	}
	if (!check_line(member->text)) {
		return fail_member(origin, field, member, E_SYNTAX,
			"must be one line without control characters");
	}
	*ret_text = member->text;
	return 0;
}

static int read_tags(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	return read_named(origin, field, node, ret_value, read_tag);
}

static int read_key(const struct field_origin *origin, const struct field *field,
	const struct node *member, struct str *ret_text)
{
	struct str text = member->text;
	if (!check_path_segment(member->key)) {
		return fail_member(origin, field, member, E_SYNTAX, "is no name for a key");
	}
	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' ')) {
		text.n--; /* a block scalar ends in LF */
	}
	if (member->kind != NODE_SCALAR || text.n > FACTS_KEY_BYTES || !check_public_key(text)) {
		return node_fail(member, origin->file, origin->diag, E_SYNTAX,
			"%.*s: \"%.*s\" must be one OpenSSH public key (\"ssh-ed25519 AAAA... me\")",
			STR_FMT(field->name), STR_FMT(node_excerpt(member->key)));
	}
	*ret_text = text;
	return 0;
}

static int read_keys(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	return read_named(origin, field, node, ret_value, read_key);
}

/* --- user data --------------------------------------------------------------------------------- */

static int keep_user_data(const struct field_origin *origin, const struct field *field,
	const struct node *node, struct str data, json_t **ret_value)
{
	CLEANUP(buf_done) struct buf base64 = BUF_EMPTY;
	if (data.n > INSTANCE_USER_DATA_BYTES) {
		return node_fail(node, origin->file, origin->diag, E_LIMIT,
			"%.*s: user data is longer than %d bytes", STR_FMT(field->name),
			INSTANCE_USER_DATA_BYTES);
	}
	if (data.n == 0) {
		return 0;
	}
	TRY(base64_encode(data, &base64));
	return field_string(buf_str(&base64), ret_value);
}

static int read_user_data(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	return keep_user_data(origin, field, node, text, ret_value);
}

static int read_user_data_base64(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	CLEANUP(buf_done) struct buf data = BUF_EMPTY;
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	int rc = text.n > BASE64_BYTES ? E_LIMIT : base64_decode(text, &data);
	if (rc == E_SYNTAX) {
		return node_fail(node, origin->file, origin->diag, rc, "%.*s: is not base64",
			STR_FMT(field->name));
	}
	if (rc == E_LIMIT) {
		return node_fail(node, origin->file, origin->diag, rc,
			"%.*s: user data is longer than %d bytes", STR_FMT(field->name),
			INSTANCE_USER_DATA_BYTES);
	}
	TRY(rc);
	return keep_user_data(origin, field, node, buf_str(&data), ret_value);
}

/* The absolute path that a scalar names. */
static int read_path(const struct field_origin *origin, const struct field *field,
	const struct node *node, struct buf *ret_path)
{
	struct str text;
	TRY(field_scalar(origin, field, node, &text));
	if (text.n == 0 || text.n > PATH_TEXT_MAX || !check_line(text)) {
		return field_fail(origin, field, node, E_SYNTAX, "a path");
	}
	if (!origin->file && text.p[0] != '/') {
		return field_fail(origin, field, node, E_SYNTAX, "an absolute path");
	}
	int rc = source_resolve(origin->file, text, ret_path);
	if (rc < 0) {
		return node_fail(node, origin->file, origin->diag, rc, "%.*s: working folder: %s",
			STR_FMT(field->name), result_name(rc));
	}
	if (!check_line(buf_str(ret_path))) {
		return node_fail(node, origin->file, origin->diag, E_SYNTAX,
			"%.*s: the folder's name is not UTF-8", STR_FMT(field->name));
	}
	return 0;
}

static int read_user_data_file(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	CLEANUP(buf_done) struct buf path = BUF_EMPTY, data = BUF_EMPTY;
	if (!origin->file) {
		return node_fail_key(node, origin->file, origin->diag, E_SYNTAX,
			"%.*s: only a file may name a file", STR_FMT(field->name));
	}
	TRY(read_path(origin, field, node, &path));
	buf_add_char(&path, '\0');
	TRY(buf_status(&path));
	struct diag why = {{0}};
	int rc = source_read(path.p, INSTANCE_USER_DATA_BYTES, &data, &why);
	if (rc < 0) {
		return node_fail(node, origin->file, origin->diag, rc, "%.*s: %s",
			STR_FMT(field->name), why.text);
	}
	return keep_user_data(origin, field, node, buf_str(&data), ret_value);
}

/* --- role -------------------------------------------------------------------------------------- */

static int read_credentials_file(const struct field_origin *origin, const struct field *field,
	const struct node *node, json_t **ret_value)
{
	CLEANUP(buf_done) struct buf path = BUF_EMPTY;
	TRY(read_path(origin, field, node, &path));
	return field_string(buf_str(&path), ret_value);
}

static int check_credentials(
	const struct field_origin *origin, const struct node *node, const json_t *object)
{
	bool keys = json_object_get(object, "accessKeyId") &&
		    json_object_get(object, "secretAccessKey") && json_object_get(object, "token");
	bool file = json_object_get(object, "file") != NULL;
	if (file ? json_object_size(object) == 1 : keys) {
		return 0;
	}
	return node_fail(node, origin->file, origin->diag, E_SYNTAX,
		"credentials: must be either file, or accessKeyId, secretAccessKey and token");
}

static const struct field credential_fields[] = {
	{.name = STR_INIT("accessKeyId"),
		.read = field_text,
		.fits = check_word,
		.must = "a key id",
		.secret = true},
	{.name = STR_INIT("secretAccessKey"),
		.read = field_text,
		.fits = check_word,
		.must = "a secret key",
		.secret = true},
	{.name = STR_INIT("token"),
		.read = field_text,
		.fits = check_word,
		.must = "a session token",
		.max = FACTS_TOKEN_BYTES,
		.secret = true},
	{.name = STR_INIT("expiration"),
		.read = field_text,
		.fits = check_time,
		.must = "a time such as 2030-01-02T03:04:05Z"},
	{.name = STR_INIT("file"), .read = read_credentials_file},
	FIELD_END,
};

static const struct field role_fields[] = {
	{.name = STR_INIT("name"),
		.read = field_text,
		.fits = check_role_name,
		.must = "up to 64 letters, digits and + = , . @ _ -",
		.required = true},
	{.name = STR_INIT("credentials"),
		.read = field_map,
		.of = credential_fields,
		.check = check_credentials},
	FIELD_END,
};

/* --- the rest of the tables -------------------------------------------------------------------- */

#define A_TIME .read = field_text, .fits = check_time, .must = "a time such as 2030-01-02T03:04:05Z"
#define A_WORD .read = field_text, .fits = check_word, .must = "a word without spaces"

static const struct field address_item = {.name = STR_INIT("addresses"),
	.read = field_text,
	.fits = check_prefix,
	.must = "an address, or a prefix without host bits"};

static const struct field match_fields[] = {
	{.name = STR_INIT("addresses"),
		.read = field_list,
		.of = &address_item,
		.max = INSTANCE_ADDRESSES_MAX},
	{.name = STR_INIT("mac"),
		.read = field_text,
		.fits = check_mac,
		.must = "an address such as 02:aa:bb:cc:dd:01"},
	{.name = STR_INIT("interface"),
		.read = field_text,
		.fits = check_interface,
		.must = "the name of an interface"},
	{.name = STR_INIT("network"), A_WORD, .max = NETWORK_MAX},
	FIELD_END,
};

static const struct field location_fields[] = {
	{.name = STR_INIT("availabilityZone"),
		.read = field_text,
		.fits = check_region,
		.must = "a zone such as us-east-1a"},
	{.name = STR_INIT("regionName"),
		.read = field_text,
		.fits = check_region,
		.must = "a region such as us-east-1"},
	FIELD_END,
};

static const struct field ipv6_item = {.name = STR_INIT("ipv6Addresses"),
	.read = field_text,
	.fits = check_ipv6,
	.must = "an IPv6 address"};

static const struct field group_item = {
	.name = STR_INIT("securityGroups"), .read = field_text, .max = GROUP_MAX};

static const struct field product_item = {
	.name = STR_INIT("productCodes"), A_WORD, .max = WORD_MAX};

static const struct field maintenance_fields[] = {
	{.name = STR_INIT("NotBefore"), .read = field_text, .required = true},
	{.name = STR_INIT("Code"), .read = field_text, .required = true},
	{.name = STR_INIT("Description"), .read = field_text, .required = true},
	{.name = STR_INIT("EventId"), .read = field_text, .required = true},
	{.name = STR_INIT("NotAfter"), .read = field_text, .required = true},
	{.name = STR_INIT("State"), .read = field_text, .required = true},
	FIELD_END,
};

static const struct field maintenance_item = {
	.name = STR_INIT("event"), .read = field_map, .of = maintenance_fields};

static const struct field maintenance_lists[] = {
	{.name = STR_INIT("scheduled"), .read = field_list, .of = &maintenance_item},
	{.name = STR_INIT("history"), .read = field_list, .of = &maintenance_item},
	FIELD_END,
};

static const struct field rebalance_fields[] = {
	{.name = STR_INIT("noticeTime"), A_TIME, .required = true},
	FIELD_END,
};

static const struct field recommendation_fields[] = {
	{.name = STR_INIT("rebalance"), .read = field_map, .of = rebalance_fields},
	FIELD_END,
};

static const struct field event_fields[] = {
	{.name = STR_INIT("maintenance"), .read = field_map, .of = maintenance_lists},
	{.name = STR_INIT("recommendations"), .read = field_map, .of = recommendation_fields},
	FIELD_END,
};

static const struct field action_fields[] = {
	{.name = STR_INIT("action"),
		.read = field_choice,
		.must = "stop|terminate|hibernate",
		.required = true},
	{.name = STR_INIT("time"), A_TIME, .required = true},
	FIELD_END,
};

static const struct field spot_fields[] = {
	{.name = STR_INIT("instanceAction"), .read = field_map, .of = action_fields},
	{.name = STR_INIT("terminationTime"), A_TIME},
	FIELD_END,
};

static const struct field hibernation_fields[] = {
	{.name = STR_INIT("configured"), .read = field_flag, .required = true},
	FIELD_END,
};

static const struct field autoscaling_fields[] = {
	{.name = STR_INIT("targetLifecycleState"),
		.read = field_choice,
		.must = "InService|Standby|Detached|Terminated|Warmed:Running|Warmed:Stopped|"
			"Warmed:Hibernated|Warmed:Terminated",
		.required = true},
	FIELD_END,
};

static const struct field instance_fields[] = {
	{.name = STR_INIT("name"),
		.read = field_text,
		.fits = instance_name_valid,
		.must = "2 to 255 letters, digits, - and _, without - at its ends",
		.required = true},
	{.name = STR_INIT("match"), .read = field_map, .of = match_fields},
	{.name = STR_INIT("blueprintId"), .read = read_blueprint},
	{.name = STR_INIT("bundleId"), .read = read_bundle},
	{.name = STR_INIT("location"), .read = field_map, .of = location_fields},
	{.name = STR_INIT("metadataOptions"),
		.read = field_map,
		.of = option_fields,
		.check = check_options},
	{.name = STR_INIT("publicKeys"), .read = read_keys, .max = FACTS_KEYS_MAX},
	{.name = STR_INIT("tags"), .read = read_tags, .max = FACTS_TAGS_MAX},
	{.name = STR_INIT("userData"), .read = read_user_data, .as = STR_INIT("userDataBase64")},
	{.name = STR_INIT("userDataFile"),
		.read = read_user_data_file,
		.as = STR_INIT("userDataBase64")},
	{.name = STR_INIT("userDataBase64"),
		.read = read_user_data_base64,
		.as = STR_INIT("userDataBase64")},
	{.name = STR_INIT("role"), .read = field_map, .of = role_fields},
	{.name = STR_INIT("metadata"), .read = override_read},
	{.name = STR_INIT("privateIpAddress"),
		.read = field_text,
		.fits = check_ipv4,
		.must = "an IPv4 address"},
	{.name = STR_INIT("publicIpAddress"),
		.read = field_text,
		.fits = check_ipv4,
		.must = "an IPv4 address"},
	{.name = STR_INIT("ipv6Addresses"), .read = field_list, .of = &ipv6_item},
	{.name = STR_INIT("instanceId"),
		.read = field_text,
		.fits = check_instance_id,
		.must = "i- and 8 or 17 hex digits"},
	{.name = STR_INIT("instanceType"), A_WORD, .max = WORD_MAX},
	{.name = STR_INIT("imageId"),
		.read = field_text,
		.fits = check_image_id,
		.must = "ami- and 8 to 17 hex digits"},
	{.name = STR_INIT("architecture"), .read = field_choice, .must = "x86_64|arm64"},
	{.name = STR_INIT("instanceLifeCycle"),
		.read = field_choice,
		.must = "on-demand|spot|scheduled|capacity-block"},
	{.name = STR_INIT("monitoring"), .read = field_choice, .must = "enabled|disabled"},
	{.name = STR_INIT("state"), .read = field_choice, .must = "running|stopped"},
	{.name = STR_INIT("securityGroups"), .read = field_list, .of = &group_item},
	{.name = STR_INIT("events"), .read = field_map, .of = event_fields},
	{.name = STR_INIT("spot"), .read = field_map, .of = spot_fields},
	{.name = STR_INIT("hibernation"), .read = field_map, .of = hibernation_fields},
	{.name = STR_INIT("autoscaling"), .read = field_map, .of = autoscaling_fields},
	{.name = STR_INIT("productCodes"), .read = field_list, .of = &product_item},
	FIELD_END,
};

/* Tags that are shown in metadata must be names of the tree. */
static int check_instance(
	const struct field_origin *origin, const struct node *node, const json_t *object)
{
	const char *shown = json_string_value(json_object_get(
		json_object_get(object, "metadataOptions"), "instanceMetadataTags"));
	const struct node *tags = node_get(node, STR("tags"));
	if (!shown || strcmp(shown, "enabled") != 0 || !tags) {
		return 0;
	}
	for (const struct node *tag = tags->first; tag; tag = tag->next) {
		if (!check_shown_tag(tag->key)) {
			return node_fail_key(tag, origin->file, origin->diag, E_SYNTAX,
				"tags: \"%.*s\" can't be shown in metadata (instanceMetadataTags): "
				"only letters, digits and + - = . , _ : @",
				STR_FMT(node_excerpt(tag->key)));
		}
	}
	return 0;
}

const struct field facts_row = {.name = STR_INIT("instance"),
	.read = field_map,
	.of = instance_fields,
	.check = check_instance};
