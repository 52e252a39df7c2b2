/*
 * tree - everything one instance answers, compiled for look-up.
 *
 * Layer:   metadata (pure)
 * Threads: immutable after tree_compile(); share freely
 * Memory:  one heap block, plus user-data; tree_free() takes NULL
 * Secrets: a role's credentials given in place; wiped when freed
 * Limits:  TREE_NODES_MAX, TREE_DEPTH_MAX, TREE_VALUE_BYTES
 * Spec:    docs/protocol.md#tree and #versions
 */
#ifndef TELLTALE_METADATA_TREE_H
#define TELLTALE_METADATA_TREE_H

#include "base/buf.h"
#include "metadata/instance.h"

#define TREE_NODES_MAX   4096
#define TREE_DEPTH_MAX   16
#define TREE_VALUE_BYTES 65536

/* Index into the list of versions; TREE_LATEST sees everything. */
typedef uint8_t tree_version;
#define TREE_LATEST ((tree_version)254)
#define TREE_NEVER  ((tree_version)255) /* no version sees it */

/* What stands at a path. */
enum tree_kind {
	TREE_DIRECTORY,
	TREE_TEXT,          /* text/plain, as it is */
	TREE_USER_DATA,     /* application/octet-stream */
	TREE_ROLE,          /* the role's document, rendered when asked */
	TREE_INSTANCE_ROLE, /* the same for identity-credentials/ec2 */
	TREE_SIGNATURE,     /* signed on demand: over the document */
	TREE_PKCS7,
};

struct tree_node;

struct tree_hit {
	enum tree_kind kind;
	struct str value; /* TREE_TEXT, TREE_USER_DATA */
	uint16_t node;    /* for tree_list() */
};

/*
 * Compile all that the instance answers.
 * Returns 0, -ENOMEM, E_LIMIT, or E_SYNTAX with diag when its specification makes no tree.
 */
MUST_CHECK int tree_compile(
	const struct instance *instance, struct tree **ret_tree, struct diag *diag);
void tree_free(struct tree *tree);

/* "2009-04-04", "latest". Returns 0 or E_NOTFOUND. */
MUST_CHECK int tree_version_find(struct str name, tree_version *ret_version);

/* The list at "/": one version a line, latest last. */
struct str tree_versions(void);

/*
 * What stands at path ("meta-data/placement/region"; "" is the version's own listing), as seen by
 * a version. Returns 0 or E_NOTFOUND.
 */
MUST_CHECK int tree_find(
	const struct tree *tree, tree_version version, struct str path, struct tree_hit *ret_hit);

/* Names below a directory, as a version sees them: LF between, none at the end, bytewise order. */
void tree_list(const struct tree *tree, tree_version version, uint16_t node, struct buf *out);

/* The identity document (what is signed). */
struct str tree_document(const struct tree *tree);

/* The credentials behind TREE_ROLE and TREE_INSTANCE_ROLE. */
const struct role_credentials *tree_role(const struct tree *tree, enum tree_kind kind);

/* Heap bytes, user-data and credentials apart. */
size_t tree_bytes(const struct tree *tree);

#endif
