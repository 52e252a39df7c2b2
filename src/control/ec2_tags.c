#include <errno.h>

#include "base/json.h"
#include "config/check.h"
#include "config/facts.h"
#include "control/ec2_operations.h"
#include "control/ec2_request.h"
#include "control/ec2_select.h"
#include "control/view_ec2.h"

/* --- reading --------------------------------------------------------------------------------- */

/* Only instances have tags here. */
static int read_resources(struct call *call, json_t **ret_ids)
{
	CLEANUP(json_done) json_t *list = NULL;
	json_t *id;
	size_t i;
	TRY(ec2_read_list(call, "ResourceId", &list));
	if (json_array_size(list) == 0) {
		return ec2_fail(call, "MissingParameter",
			"The request must contain the parameter ResourceId");
	}
	json_array_foreach (list, i, id) {
		if (!str_starts(json_str(id), STR("i-"))) {
			return ec2_fail(call, "InvalidID", "The ID '%s' is not valid",
				json_string_value(id));
		}
	}
	return ec2_read_ids(call, "ResourceId", ret_ids);
}

static int check_key(struct call *call, struct str key)
{
	if (key.n == 0) {
		return ec2_fail(call, "InvalidParameterValue", "Tag key must not be empty.");
	}
	if (check_characters(key) > FACTS_TAG_KEY_CHARACTERS) {
		return ec2_fail(call, "InvalidParameterValue",
			"Tag key exceeds the maximum length of %d characters",
			FACTS_TAG_KEY_CHARACTERS);
	}
	if (str_starts(key, STR("aws:"))) {
		return ec2_fail(call, "InvalidParameterValue",
			"Tag keys starting with 'aws:' are reserved for internal use");
	}
	return 0;
}

static int check_value(struct call *call, struct str value)
{
	if (check_characters(value) > FACTS_TAG_TEXT_CHARACTERS) {
		return ec2_fail(call, "InvalidParameterValue",
			"Tag value exceeds the maximum length of %d characters",
			FACTS_TAG_TEXT_CHARACTERS);
	}
	return 0;
}

static int check_members(struct call *call, json_t *tag)
{
	const char *name;
	json_t *value;
	json_object_foreach (tag, name, value) {
		if (strcmp(name, "Key") != 0 && strcmp(name, "Value") != 0) {
			return ec2_fail(call, "UnknownParameter",
				"The parameter %s is not recognized", name);
		}
		if (!json_is_string(value)) {
			return ec2_fail(call, "InvalidParameterValue",
				"The parameter Tag.%s is one text", name);
		}
	}
	return json_is_object(tag)
		       ? 0
		       : ec2_fail(call, "InvalidParameterValue", "A tag has a Key and a Value.");
}

/* otherwise: what a tag without a value has. */
static int read_tag(struct call *call, json_t *tag, json_t *otherwise, json_t *ret_tags)
{
	TRY(check_members(call, tag));
	json_t *value = json_object_get(tag, "Value");
	struct str key = json_str_member(tag, "Key");
	TRY(check_key(call, key));
	TRY(check_value(call, json_str(value)));
	if (json_object_get(ret_tags, key.p)) {
		return ec2_fail(call, "InvalidParameterValue",
			"Duplicate tag key '%.*s' specified.", STR_FMT(key));
	}
	return json_object_set(ret_tags, key.p, value ? value : otherwise) < 0 ? -ENOMEM : 0;
}

/* The Tag member as an object of texts. */
static int read_tags(struct call *call, json_t *otherwise, json_t *ret_tags)
{
	const json_t *list = json_object_get(call->request, "Tag");
	json_t *tag;
	size_t i;
	bool empty = json_is_string(list) && json_string_length(list) == 0;
	if (list && !empty && !json_is_array(list)) {
		return ec2_fail(call, "InvalidParameterValue", "Tag must be a list: Tag.1.Key");
	}
	json_array_foreach (list, i, tag) {
		TRY(read_tag(call, tag, otherwise, ret_tags));
	}
	return 0;
}

/* --- changing -------------------------------------------------------------------------------- */

static int change_tags(struct call *call, const json_t *ids, const json_t *set, const json_t *drop)
{
	int rc = registrar_tags_by_id(
		call->api->registrar, &call->deed, ids, set, drop, &call->diag);
	if (rc == E_LIMIT) {
		call->code = "TagLimitExceeded";
		diag_write(&call->diag, "The maximum number of tags for a resource is %d.",
			FACTS_TAGS_MAX);
	}
	TRY(rc);
	return call_set(call, "return", json_true());
}

int ec2_create_tags(struct call *call)
{
	CLEANUP(json_done) json_t *ids = NULL;
	CLEANUP(json_done) json_t *set = json_object();
	CLEANUP(json_done) json_t *none = json_object();
	CLEANUP(json_done) json_t *empty = json_string("");
	if (!set || !none || !empty) {
		return -ENOMEM;
	}
	TRY(read_resources(call, &ids));
	TRY(read_tags(call, empty, set));
	if (json_object_size(set) == 0) {
		return ec2_fail(
			call, "MissingParameter", "The request must contain the parameter Tag");
	}
	TRY(ec2_need_ids(call, ids));
	return change_tags(call, ids, set, none);
}

/*
 * "If you specify a tag key without a tag value, we delete any tag with this key regardless of its
 * value. If you specify a tag key with an empty string as the tag value, we delete the tag only if its
 * value is an empty string. If you omit this parameter, we delete all user-defined tags."
 */
int ec2_delete_tags(struct call *call)
{
	CLEANUP(json_done) json_t *ids = NULL;
	CLEANUP(json_done) json_t *drop = json_object();
	CLEANUP(json_done) json_t *none = json_object();
	if (!drop || !none) {
		return -ENOMEM;
	}
	TRY(read_resources(call, &ids));
	TRY(read_tags(call, json_null(), drop));
	TRY(ec2_need_ids(call, ids));
	return change_tags(call, ids, none, json_object_size(drop) ? drop : json_true());
}

/* --- describing ------------------------------------------------------------------------------ */

struct tag {
	struct str id;
	struct str key; /* p NULL: any of the instance's */
	struct str value;
};

static bool by_id(const struct ec2_filter *filter, void *subject)
{
	const struct tag *tag = subject;
	return ec2_filter_matches(filter, tag->id);
}

static bool by_type(const struct ec2_filter *filter, void *subject)
{
	(void)subject;
	return ec2_filter_matches(filter, STR("instance"));
}

static bool by_key(const struct ec2_filter *filter, void *subject)
{
	const struct tag *tag = subject;
	return ec2_filter_matches(filter, tag->key);
}

static bool by_value(const struct ec2_filter *filter, void *subject)
{
	const struct tag *tag = subject;
	return ec2_filter_matches(filter, tag->value);
}

static bool by_tag(const struct ec2_filter *filter, void *subject)
{
	const struct tag *tag = subject;
	return str_eq(tag->key, filter->key) && ec2_filter_matches(filter, tag->value);
}

static const struct ec2_filter_row tag_rows[] = {
	{.name = STR_INIT("resource-id"), .accepts = by_id},
	{.name = STR_INIT("resource-type"), .accepts = by_type},
	{.name = STR_INIT("key"), .accepts = by_key, .costly = true},
	{.name = STR_INIT("value"), .accepts = by_value, .costly = true},
	{.name = STR_INIT("tag:"), .accepts = by_tag, .costly = true},
};

/* Where a page ended: behind an instance, and behind a key of a later one if that is not empty. */
struct place {
	struct str after;
	struct str name;
	struct str key;
};

struct listing {
	struct ec2_filters filters;
	struct place from; /* where the page before ended */
	struct place place;
	size_t most;
	json_t *tags; /* of the reply */
	bool failed;  /* a look at an instance: out of memory */
	bool more;
};

static bool accepts_tag(const struct listing *listing, struct str id, const json_t *one)
{
	struct tag tag = {id, json_str_member(one, "key"), json_str_member(one, "value")};
	return ec2_filters_accept(&listing->filters, &tag);
}

/* One tag of the instance at least is asked for. Every instance has one. */
static bool accepts(void *ctx, const struct instance *instance)
{
	struct listing *listing = ctx;
	CLEANUP(view_ec2_done) struct view_ec2 view = view_ec2_of(instance);
	struct tag any = {.id = str_of(instance->id)};
	bool accepted = ec2_filters_accept_cheap(&listing->filters, &any);
	if (!accepted || !ec2_filters_costly(&listing->filters)) {
		return accepted;
	}
	accepted = false;
	CLEANUP(json_done) json_t *tags = view_ec2_tags(&view);
	for (size_t i = 0; !accepted && i < json_array_size(tags); i++) {
		accepted = accepts_tag(listing, any.id, json_array_get(tags, i));
	}
	listing->failed = listing->failed || view.status < 0;
	return accepted;
}

/* Those of one instance that are not on a page before, as long as there is room. */
static int add_tags(struct listing *listing, const json_t *instance)
{
	struct str name = json_str_member(instance, "name");
	json_t *one;
	size_t i;
	json_array_foreach (json_object_get(instance, "tags"), i, one) {
		struct str id = json_str_member(one, "resourceId");
		struct str key = json_str_member(one, "key");
		bool before =
			str_eq(name, listing->from.name) && str_cmp(key, listing->from.key) <= 0;
		if (before || !accepts_tag(listing, id, one)) {
			continue;
		}
		if (json_array_size(listing->tags) == listing->most) {
			listing->more = true;
			return 0;
		}
		if (json_array_append(listing->tags, one) < 0) {
			return -ENOMEM;
		}
		listing->place.name = name;
		listing->place.key = key;
	}
	listing->place = (struct place){.after = name};
	return 0;
}

static struct str next_line(struct str *rest)
{
	struct str line = {rest->p, str_find(*rest, '\n')};
	*rest = line.n < rest->n ? str_from(*rest, line.n + 1) : STR_EMPTY;
	return line;
}

/* Neither names nor keys have a line's end in them. */
static int read_place(struct call *call, struct buf *memory, struct place *ret_place)
{
	TRY(ec2_read_token(call, memory));
	struct str rest = buf_str(memory);
	ret_place->after = next_line(&rest);
	ret_place->name = next_line(&rest);
	ret_place->key = next_line(&rest);
	return 0;
}

static int set_place(struct call *call, const struct place *place)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	buf_add_f(&text, "%.*s\n%.*s\n%.*s", STR_FMT(place->after), STR_FMT(place->name),
		STR_FMT(place->key));
	TRY(buf_status(&text));
	return ec2_set_token(call, buf_str(&text));
}

/* Every instance has one that is asked for, so a page of tags needs no larger one of instances. */
static int list_tags(struct call *call, struct listing *listing)
{
	CLEANUP(buf_done) struct buf after = BUF_EMPTY;
	const struct registrar_query query = {.after = listing->from.after,
		.ret_after = &after,
		.most = listing->most,
		.select = {accepts, listing},
		.view = view_ec2_descriptions};
	CLEANUP(json_done) json_t *instances = NULL;
	bool more;
	TRY(registrar_list(call->api->registrar, &query, &instances, &more, &call->diag));
	if (listing->failed) {
		return -ENOMEM;
	}
	for (size_t i = 0; !listing->more && i < json_array_size(instances); i++) {
		TRY(add_tags(listing, json_array_get(instances, i)));
	}
	if (!listing->more && more) {
		listing->place = (struct place){.after = buf_str(&after)};
	}
	if (listing->more || more) {
		TRY(set_place(call, &listing->place));
	}
	return call_set(call, "tagSet", json_incref(listing->tags));
}

int ec2_describe_tags(struct call *call)
{
	CLEANUP(buf_done) struct buf memory = BUF_EMPTY;
	CLEANUP(json_done) json_t *tags = json_array();
	struct listing listing = {.tags = tags};
	if (!tags) {
		return -ENOMEM;
	}
	TRY(ec2_read_most(call, &listing.most));
	TRY(read_place(call, &memory, &listing.from));
	listing.place = listing.from;
	int rc = ec2_read_filters(
		call, tag_rows, sizeof tag_rows / sizeof tag_rows[0], &listing.filters);
	if (rc == 0) {
		rc = list_tags(call, &listing);
	}
	ec2_filters_done(&listing.filters);
	return rc;
}
