#include "base/json.h"
#include "control/view_ec2.h"

#include <errno.h>
#include <stdlib.h>

#include "metadata/derive.h"
#include "metadata/path.h"

#define META      "meta-data/"
#define INTERFACE "meta-data/network/interfaces/macs/"
#define NAME      "Name"
#define NO_FACT   SIZE_MAX
#define KEY_BYTES 1024 /* room for all keys that a tag may have */
#define FACT(f)   offsetof(struct contents_facts, f)

/*
 * Where it stands: at a path, or in the directory of the interface. Which fact it is when nothing
 * overrides it; or with a prefix, what is derived from that fact, as metadata/contents.c does.
 */
static const struct {
	const char *path; /* NULL: it is not in the tree by itself */
	bool interface;
	const char *prefix;
	size_t fact;
} rows[VIEW_EC2_FACTS] = {
	[VIEW_EC2_ARCHITECTURE] = {NULL, false, NULL, FACT(architecture)},
	[VIEW_EC2_IMAGE_ID] = {META "ami-id", false, NULL, FACT(image_id)},
	[VIEW_EC2_INSTANCE_TYPE] = {META "instance-type", false, NULL, FACT(instance_type)},
	[VIEW_EC2_PRIVATE_ADDRESS] = {META "local-ipv4", false, NULL, FACT(private_address)},
	[VIEW_EC2_PRIVATE_DNS] = {META "local-hostname", false, NULL, FACT(private_dns)},
	[VIEW_EC2_PUBLIC_ADDRESS] = {META "public-ipv4", false, NULL, FACT(public_address)},
	[VIEW_EC2_PUBLIC_DNS] = {META "public-hostname", false, NULL, FACT(public_dns)},
	[VIEW_EC2_ZONE] = {META "placement/availability-zone", false, NULL, FACT(zone)},
	[VIEW_EC2_RESERVATION_ID] = {META "reservation-id", false, "r-", FACT(name)},
	[VIEW_EC2_SUBNET_ID] = {"subnet-id", true, "subnet-", FACT(zone)},
	[VIEW_EC2_VPC_ID] = {"vpc-id", true, "vpc-", FACT(region)},
	[VIEW_EC2_DEVICE_NUMBER] = {"device-number", true, NULL, NO_FACT},
	[VIEW_EC2_GROUP_IDS] = {"security-group-ids", true, NULL, NO_FACT},
	[VIEW_EC2_GROUP_NAME] = {META "placement/group-name", false, NULL, NO_FACT},
	[VIEW_EC2_GROUPS] = {META "security-groups", false, NULL, NO_FACT},
	[VIEW_EC2_HIBERNATION] = {META "hibernation/configured", false, NULL, NO_FACT},
	[VIEW_EC2_INTERFACE_ID] = {"interface-id", true, NULL, NO_FACT},
	[VIEW_EC2_IPV6] = {META "ipv6", false, NULL, NO_FACT},
	[VIEW_EC2_IPV6S] = {"ipv6s", true, NULL, NO_FACT},
	[VIEW_EC2_LAUNCH_INDEX] = {META "ami-launch-index", false, NULL, NO_FACT},
	[VIEW_EC2_LIFE_CYCLE] = {META "instance-life-cycle", false, NULL, NO_FACT},
	[VIEW_EC2_MAC] = {"mac", true, NULL, NO_FACT},
	[VIEW_EC2_MONITORING] = {"dynamic/fws/instance-monitoring", false, NULL, NO_FACT},
	[VIEW_EC2_OWNER_ID] = {"owner-id", true, NULL, NO_FACT},
	[VIEW_EC2_PRODUCT_CODES] = {META "product-codes", false, NULL, NO_FACT},
	[VIEW_EC2_PROFILE] = {META "iam/info", false, NULL, NO_FACT},
	[VIEW_EC2_ROOT_DEVICE] = {META "block-device-mapping/root", false, NULL, NO_FACT},
};

/* --- what it takes --------------------------------------------------------------------------- */

void view_ec2_done(struct view_ec2 *view)
{
	json_decref(view->spec_);
	buf_done(&view->text_);
	tree_free(view->own_);
}

/* Whether the specification's text has that member anywhere: much faster than reading it. */
static bool may_have(const struct instance *instance, struct str member)
{
	return memmem(instance->spec.p, instance->spec.n, member.p, member.n) != NULL;
}

static bool read_spec(struct view_ec2 *view)
{
	if (!view->spec_ && view->status == 0) {
		view->spec_ = instance_spec(view->instance);
		view->status = view->spec_ ? 0 : -ENOMEM;
	}
	return view->status == 0;
}

static bool read_facts(struct view_ec2 *view)
{
	if (read_spec(view) && view->text_.n == 0) {
		view->status =
			contents_facts(view->instance, view->spec_, &view->text_, &view->facts_);
	}
	return view->status == 0;
}

/*
 * The one that a worker has made already, or one for this look: it is not kept for those not asked.
 * An instance that can't have one, and so answers nothing, is shown by its facts.
 */
static bool read_tree(struct view_ec2 *view)
{
	if (!view->tree_ && !view->treeless_ && view->status == 0) {
		view->tree_ = atomic_load_explicit(&view->instance->tree, memory_order_acquire);
		int rc = view->tree_ ? 0 : tree_compile(view->instance, &view->own_, NULL);
		view->tree_ = view->tree_ ? view->tree_ : view->own_;
		view->treeless_ = rc < 0;
		view->status = rc == -ENOMEM ? rc : 0;
	}
	return view->tree_ != NULL;
}

static struct str leaf(const struct tree *tree, struct str path)
{
	struct tree_hit hit;
	bool there = tree_find(tree, TREE_LATEST, path, &hit) == 0 && hit.kind == TREE_TEXT;
	return there ? hit.value : STR_EMPTY;
}

static struct str interface_leaf(const struct view_ec2 *view, const char *name)
{
	char memory[PATH_BYTES];
	struct buf path = buf_fixed(memory, sizeof memory);
	buf_add(&path, STR(INTERFACE));
	buf_add(&path, view->facts_.mac);
	buf_add_char(&path, '/');
	buf_add(&path, str_of(name));
	return buf_status(&path) == 0 ? leaf(view->tree_, buf_str(&path)) : STR_EMPTY;
}

/* What the row says when nothing overrides it. */
static struct str plain_fact(struct view_ec2 *view, enum view_ec2_fact fact)
{
	const char *facts = (const char *)&view->facts_;
	struct str value = *(const struct str *)(const void *)(facts + rows[fact].fact);
	if (!rows[fact].prefix) {
		return value;
	}
	char *memory = view->derived_[fact - VIEW_EC2_RESERVATION_ID];
	struct buf id = buf_fixed(memory, VIEW_EC2_ID_BYTES);
	derive_id(&id, rows[fact].prefix, value);
	return buf_str(&id);
}

struct str view_ec2_fact(struct view_ec2 *view, enum view_ec2_fact fact)
{
	const char *path = rows[fact].path;
	bool overridden = path && may_have(view->instance, STR("\"metadata\":"));
	if (!read_facts(view)) {
		return STR_EMPTY;
	}
	if (rows[fact].fact != NO_FACT && (!overridden || !read_tree(view))) {
		return plain_fact(view, fact);
	}
	if (!read_tree(view)) {
		return STR_EMPTY;
	}
	return rows[fact].interface ? interface_leaf(view, path) : leaf(view->tree_, str_of(path));
}

/* --- tags and keys --------------------------------------------------------------------------- */

static const json_t *tags_of(struct view_ec2 *view)
{
	bool any = may_have(view->instance, STR("\"tags\":"));
	return any && read_spec(view) ? json_object_get(view->spec_, "tags") : NULL;
}

/* Whether the specification may have a tag of that key, by a look at its text. */
static bool may_have_key(const struct instance *instance, struct str key)
{
	char memory[KEY_BYTES];
	struct buf member = buf_fixed(memory, sizeof memory);
	if (str_find(key, '"') < key.n || str_find(key, '\\') < key.n) {
		return true; /* it is written in another way there */
	}
	buf_add_char(&member, '"');
	buf_add(&member, key);
	buf_add(&member, STR("\":"));
	return buf_status(&member) < 0 || may_have(instance, buf_str(&member));
}

struct str view_ec2_tag(struct view_ec2 *view, struct str key)
{
	const json_t *tags = may_have_key(view->instance, key) ? tags_of(view) : NULL;
	const json_t *tag = json_object_getn(tags, key.p ? key.p : "", key.n);
	return !tag && str_eq(key, STR(NAME)) ? view->instance->name : json_str(tag);
}

struct str view_ec2_key_name(struct view_ec2 *view)
{
	if (!may_have(view->instance, STR("\"publicKeys\":")) || !read_spec(view)) {
		return STR_EMPTY;
	}
	json_t *keys = json_object_get(view->spec_, "publicKeys");
	return str_of(json_object_iter_key(json_object_iter(keys)));
}

struct tag {
	struct str key;
	struct str value;
};

static int by_key(const void *a, const void *b)
{
	const struct tag *left = a, *right = b;
	return str_cmp(left->key, right->key);
}

static json_t *list_tags(const struct tag *tags, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		const struct tag *tag = &tags[i];
		json_array_append_new(list, json_pack("{s:s%, s:s%}", "key", tag->key.p, tag->key.n,
						    "value", tag->value.p, tag->value.n));
	}
	return list;
}

json_t *view_ec2_tags(struct view_ec2 *view)
{
	const json_t *given = tags_of(view);
	const char *key;
	json_t *value;
	struct tag *tags = calloc(json_object_size(given) + 1, sizeof *tags);
	size_t n = 0;
	if (!tags) {
		view->status = -ENOMEM;
		return NULL;
	}
	/* Jansson takes a non-const object but does not change it. */
	json_object_foreach (json_loose(given), key, value) {
		tags[n++] = (struct tag){str_of(key), json_str(value)};
	}
	if (!json_object_get(given, NAME)) {
		tags[n++] = (struct tag){STR(NAME), view->instance->name};
	}
	qsort(tags, n, sizeof *tags, by_key);
	json_t *list = list_tags(tags, n);
	free(tags);
	return list;
}
