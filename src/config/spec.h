/*
 * spec - the specification of an instance: from a file or a request to checked JSON.
 *
 * Layer:   config
 * Threads: no state
 * Memory:  json_t by reference count; the caller owns what it is given
 * Secrets: a role's secret key may be in a specification; never put in diag
 * Limits:  those of config/facts.h; SPEC_FILE_BYTES
 * Spec:    telltale.yaml(5), section INSTANCES
 *
 * The result has the keys of the file with these differences: userData and userDataFile have become
 * userDataBase64, a role's credentials file has an absolute path, and `metadata` has one object a
 * directory (config/override.h). A specification, written as JSON and read again, is the same.
 *
 * Where a function takes the name of the file that a text came from, NULL means that it came from
 * no file, and then it may name none: userDataFile and relative paths are refused, nothing is
 * opened.
 */
#ifndef TELLTALE_CONFIG_SPEC_H
#define TELLTALE_CONFIG_SPEC_H

#include <jansson.h>

#include "config/files.h"
#include "config/node.h"

#define SPEC_FILE_BYTES ((size_t)256 * 1024 * 1024)

/*
 * Check one instance and turn it into JSON.
 * file  its name, for diag and for relative paths (relative to its folder); files that the
 *       specification names are read here.
 * Returns 0, -ENOMEM, -errno of a file, E_SYNTAX, E_RANGE or E_LIMIT.
 */
MUST_CHECK int spec_from_node(
	const struct node *node, const char *file, json_t **ret_spec, struct diag *diag);

/* Specifications of which no two have the same name, as they come. */
struct spec_set {
	json_t *specs;       /* array */
	json_t *seen_;       /* name: where it stands */
	const char *file;    /* of the next ones, borrowed; NULL: none */
	struct files *files; /* where to note which file they are in, borrowed; NULL: nowhere */
	struct diag *diag;   /* borrowed; what has failed, but for -ENOMEM */
};

MUST_CHECK int spec_set_init(struct spec_set *set, const char *file, struct diag *diag);
void spec_set_done(struct spec_set *set);

/* Add one, set being a struct spec_set (fits node_items.on_item). As spec_from_node(); E_EXISTS. */
MUST_CHECK int spec_set_add(void *set, const struct node *node);

/*
 * The specifications in a text: one instance, a list of them, or a map with `instances:` alone. A
 * text with nothing in it is refused: a file that lost its content is no wish to have no instances.
 * ret_specs is a JSON array. Two of the same name are E_EXISTS.
 */
MUST_CHECK int spec_from_text(
	struct str text, const char *file, json_t **ret_specs, struct diag *diag);

/* The same from a file, or from every .yaml, .yml and .json file of a folder, in bytewise order. */
MUST_CHECK int spec_from_path(const char *path, json_t **ret_specs, struct diag *diag);

/*
 * The same from several files and folders; a name may be there once in all of them.
 * files  gets a root for each path, and the files that were read; NULL: nobody wants to know
 */
MUST_CHECK int spec_from_paths(const char *const *paths, size_t n, struct files *files,
	json_t **ret_specs, struct diag *diag);

/*
 * The same from a regular file.
 * ret_places  an object: by name, where the instance stands, as "FILE:LINE:COLUMN"
 */
MUST_CHECK int spec_from_file(
	const char *path, json_t **ret_specs, json_t **ret_places, struct diag *diag);

/*
 * The file is the wish, the store the truth: change `effective` by what is different between
 * `before` (what the file said when it was last read, NULL at first) and `now`. A member that the
 * file has changed, added or dropped is set, set or dropped; all others keep their live value.
 * Objects are compared member by member, everything else whole, and so are a role's credentials:
 * half of one key and half of another are no credentials. An object that has lost its last member
 * goes as well.
 * ret_changed  whether effective is different now.
 * Returns 0 or -ENOMEM; effective is of no use then.
 */
MUST_CHECK int spec_merge(
	json_t *effective, const json_t *before, const json_t *now, bool *ret_changed);

/* Every key of an instance, as "role.credentials.token". Ends early when the callback returns < 0. */
int spec_each_name(int (*on_name)(void *ctx, struct str name), void *ctx);

#endif
