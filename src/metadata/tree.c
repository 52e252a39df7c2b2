#include "metadata/tree.h"

#include <errno.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/timefmt.h"
#include "metadata/builder.h"
#include "metadata/contents.h"
#include "metadata/derive.h"
#include "metadata/role.h"
#include "metadata/tree_layout.h"

/* Lengths of the made-up credentials at identity-credentials/ec2, as the real ones have them. */
#define ACCESS_KEY_REST_CHARS 16
#define SECRET_KEY_CHARS      32

static struct str value_of(const struct tree *tree, const struct tree_node *node)
{
	return (struct str){tree->text + node->value_at, node->value_n};
}

static struct str name_of(const struct tree *tree, const struct tree_node *node)
{
	return (struct str){tree->text + node->name_at, node->name_n};
}

/* Whether path is that of the node: names are compared from the end upwards. */
static bool is_at(const struct tree *tree, const struct tree_node *node, struct str path)
{
	for (;;) {
		struct str name = name_of(tree, node);
		if (!str_ends(path, name)) {
			return false;
		}
		path.n -= name.n;
		if (node->parent == 0) {
			return path.n == 0;
		}
		if (path.n == 0 || path.p[path.n - 1] != '/') {
			return false;
		}
		path.n--;
		node = &tree->nodes[node->parent];
	}
}

static uint16_t node_at(const struct tree *tree, struct str path)
{
	if (path.n == 0) {
		return 0;
	}
	uint16_t at = tree->heads[hash_slot(hash_str(HASH_START, path), tree->n_heads)];
	while (at && !is_at(tree, &tree->nodes[at], path)) {
		at = tree->nodes[at].chain;
	}
	return at;
}

int tree_find(
	const struct tree *tree, tree_version version, struct str path, struct tree_hit *ret_hit)
{
	uint16_t at = node_at(tree, path);
	const struct tree_node *node = &tree->nodes[at];
	if ((at == 0 && path.n) || node->answered > version) {
		return E_NOTFOUND;
	}
	ret_hit->kind = (enum tree_kind)node->kind;
	ret_hit->node = at;
	ret_hit->value =
		node->kind == TREE_USER_DATA ? buf_str(&tree->user_data) : value_of(tree, node);
	return 0;
}

/*
 * The names below a version itself stand without slash; all other directories' names end in one,
 * unless they are listed by a label.
 */
void tree_list(const struct tree *tree, tree_version version, uint16_t node, struct buf *out)
{
	const struct tree_node *directory = &tree->nodes[node];
	bool first = true;
	for (uint16_t i = 0; i < directory->n_children; i++) {
		const struct tree_node *child = &tree->nodes[directory->first_child + i];
		if (child->listed > version) {
			continue;
		}
		if (!first) {
			buf_add_char(out, '\n');
		}
		first = false;
		if (child->kind == TREE_DIRECTORY && child->value_n) {
			buf_add(out, value_of(tree, child));
			continue;
		}
		buf_add(out, name_of(tree, child));
		if (child->kind == TREE_DIRECTORY && node != 0) {
			buf_add_char(out, '/');
		}
	}
}

struct str tree_document(const struct tree *tree)
{
	return value_of(tree, &tree->nodes[tree->document]);
}

const struct role_credentials *tree_role(const struct tree *tree, enum tree_kind kind)
{
	return kind == TREE_ROLE ? tree->role : tree->instance_role;
}

size_t tree_bytes(const struct tree *tree)
{
	return tree->bytes;
}

void tree_free(struct tree *tree)
{
	if (tree) {
		role_free(tree->role);
		role_free(tree->instance_role);
		if (tree->user_data.p) {
			crypto_wipe(tree->user_data.p, tree->user_data.n);
		}
		buf_done(&tree->user_data);
		free(tree);
	}
}

/* Credentials given in place, or those that the daemon read from a file. */
static int take_role(
	struct tree *tree, const struct instance *instance, const json_t *spec, struct diag *diag)
{
	const json_t *given = json_object_get(json_object_get(spec, "role"), "credentials");
	if (!json_object_get(spec, "role")) {
		return 0;
	}
	if (instance->role) {
		tree->role = role_clone(instance->role);
	} else if (json_str_member(given, "accessKeyId").p) {
		struct role_credentials role = {
			.access_key_id = json_str_member(given, "accessKeyId"),
			.secret_access_key = json_str_member(given, "secretAccessKey"),
			.token = json_str_member(given, "token"),
		};
		struct str end = json_str_member(given, "expiration");
		if (end.p && timefmt_parse_iso(end, &role.expiration_s) < 0) {
			return diag_set(diag, E_SYNTAX, "role.credentials.expiration: not a time");
		}
		tree->role = role_clone(&role);
	} else {
		tree->role = role_failed();
	}
	return tree->role ? 0 : -ENOMEM;
}

/*
 * The service's own credentials of the instance, which only its agents use. Nobody accepts the ones
 * that are derived here: they are there so that a crawl finds what it finds elsewhere.
 */
static int make_instance_role(struct tree *tree, const struct instance *instance)
{
	char memory[256];
	struct buf text = buf_fixed(memory, sizeof memory);
	struct str id = str_of(instance->id);
	buf_add(&text, STR("ASIA"));
	derive_key_text(&text, "identity access key", id, ACCESS_KEY_REST_CHARS);
	struct role_credentials role = {.access_key_id = buf_str(&text)};
	size_t secret_at = text.n;
	derive_key_text(&text, "identity secret key", id, SECRET_KEY_CHARS);
	role.secret_access_key = str_from(buf_str(&text), secret_at);
	size_t token_at = text.n;
	derive_key_text(&text, "identity token", id, SECRET_KEY_CHARS);
	role.token = str_from(buf_str(&text), token_at);
	tree->instance_role = role_clone(&role);
	return tree->instance_role ? 0 : -ENOMEM;
}

static int take_user_data(struct tree *tree, const json_t *spec, struct diag *diag)
{
	struct str text = json_str_member(spec, "userDataBase64");
	int rc = text.p ? base64_decode(text, &tree->user_data) : 0;
	if (rc < 0) {
		return diag_set(
			diag, rc, rc == -ENOMEM ? "out of memory" : "userDataBase64: not base64");
	}
	return 0;
}

static int fail_finish(const struct instance *instance, int rc, struct diag *diag)
{
	if (rc == -ENOMEM) {
		return diag_set(diag, rc, "out of memory");
	}
	return diag_set(diag, rc,
		"%.*s: more than %d names in its metadata, deeper than %d, or more than %d bytes at one",
		STR_FMT(instance->name), TREE_NODES_MAX, TREE_DEPTH_MAX, TREE_VALUE_BYTES);
}

static int compile(const struct instance *instance, const json_t *spec, struct builder *builder,
	struct tree **ret_tree, struct diag *diag)
{
	struct tree *tree = NULL;
	if (json_object_get(spec, "userDataBase64")) {
		builder_put(builder, STR("user-data"), TREE_USER_DATA, STR_EMPTY);
	}
	TRY(contents_build(builder, instance, spec, diag));
	int rc = builder_finish(builder, &tree);
	if (rc < 0) {
		return fail_finish(instance, rc, diag);
	}
	tree->document = node_at(tree, STR("dynamic/instance-identity/document"));
	rc = take_role(tree, instance, spec, diag);
	if (rc == 0) {
		rc = make_instance_role(tree, instance);
	}
	if (rc == 0) {
		rc = take_user_data(tree, spec, diag);
	}
	if (rc < 0) {
		tree_free(tree);
		return rc;
	}
	*ret_tree = tree;
	return 0;
}

int tree_compile(const struct instance *instance, struct tree **ret_tree, struct diag *diag)
{
	json_t *spec = instance_spec(instance);
	if (!spec) {
		return diag_set(diag, E_SYNTAX, "%.*s: its specification is not JSON",
			STR_FMT(instance->name));
	}
	CLEANUP(builder_done) struct builder builder = BUILDER_EMPTY;
	int rc = compile(instance, spec, &builder, ret_tree, diag);
	json_decref(spec);
	return rc;
}
