/*
 * Must reach: path_clean (plain and decoded), path_next, tree_version_find, tree_find, tree_list.
 *
 * The text is a request's target, asked of an instance's tree as the service does it.
 */
#include <stdlib.h>

#include "metadata/path.h"
#include "metadata/tree.h"

#define LIST_BYTES 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tree *tree;

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void make_tree(void)
{
	static const struct site site = {STR_INIT("us-west-2"), STR_INIT("123456789012")};
	static const struct instance_record record = {
		.created_s = 1, .launched_s = 2, .changed_s = 3};
	static const char text[] =
		"{\"name\": \"web-1\", \"publicKeys\": {\"ops\": \"ssh-ed25519 AAAA\"},"
		" \"tags\": {\"Name\": \"web-1\"}, \"role\": {\"name\": \"app\"},"
		" \"metadataOptions\": {\"instanceMetadataTags\": \"enabled\"},"
		" \"publicIpAddress\": \"192.0.2.10\", \"ipv6Addresses\": [\"2001:db8::1\"],"
		" \"userDataBase64\": \"aGkK\", \"metadata\": {\"a b\": {\"c%d\": \"e\"}}}";
	struct instance *instance = NULL;
	json_t *spec = json_loads(text, 0, NULL);
	must(spec && instance_new(spec, &record, &site, NULL, &instance, NULL) == 0);
	must(tree_compile(instance, &tree, NULL) == 0);
	json_decref(spec);
	instance_free(instance);
}

/* What a client makes of a listing's line: the name up to "=", without the slash at its end. */
static struct str name_of(struct str line)
{
	struct str name = {line.p, str_find(line, '=')};
	name.n -= name.n > 0 && name.p[name.n - 1] == '/';
	return name;
}

/* Each name of a listing can be asked for; only user-data may be listed and not be there. */
static void try_listing(tree_version version, struct str path, uint16_t node)
{
	static char memory[LIST_BYTES], below[PATH_BYTES + 256];
	struct buf list = buf_fixed(memory, sizeof memory);
	tree_list(tree, version, node, &list);
	must(buf_status(&list) == 0);
	struct str rest = buf_str(&list);
	while (rest.n) {
		struct str line = {rest.p, str_find(rest, '\n')};
		struct str name = name_of(line);
		struct buf whole = buf_fixed(below, sizeof below);
		struct tree_hit hit;
		must(name.n > 0);
		rest = str_from(rest, line.n < rest.n ? line.n + 1 : line.n);
		buf_add(&whole, path);
		buf_add(&whole, path.n ? STR("/") : STR_EMPTY);
		buf_add(&whole, name);
		must(tree_find(tree, version, buf_str(&whole), &hit) == 0);
	}
}

static void must_be_clean(struct str path)
{
	for (size_t i = 0; i < path.n; i++) {
		must((unsigned char)path.p[i] >= ' ' && path.p[i] != 0x7f);
	}
	for (struct str rest = path; rest.n;) {
		struct str segment = path_next(&rest);
		must(segment.n > 0 && !str_eq(segment, STR("..")));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char memory[PATH_BYTES];
	struct str path;
	bool slash;
	tree_version version;
	struct tree_hit hit;
	if (!tree) {
		make_tree();
	}
	int rc = path_clean((struct str){(const char *)data, size}, memory, &path, &slash);
	if (rc < 0) {
		must(rc == E_SYNTAX || rc == E_LIMIT);
		return 0;
	}
	must_be_clean(path);
	if (path.n == 0 || tree_version_find(path_next(&path), &version) < 0) {
		return 0;
	}
	rc = tree_find(tree, version, path, &hit);
	must(rc == 0 || rc == E_NOTFOUND);
	if (rc == 0) {
		/* What an old version has, the latest has too. */
		struct tree_hit latest;
		must(tree_find(tree, TREE_LATEST, path, &latest) == 0 && latest.node == hit.node);
		if (hit.kind == TREE_DIRECTORY) {
			try_listing(version, path, hit.node);
		}
	}
	return 0;
}
