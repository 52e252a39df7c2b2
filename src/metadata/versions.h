/*
 * versions - the dated versions of the metadata, and since when each category exists.
 *
 * Layer:   metadata (pure)
 * Threads: constant tables
 * Memory:  static
 * Secrets: none
 * Limits:  fewer than TREE_LATEST versions
 * Spec:    docs/protocol.md#versions
 */
#ifndef TELLTALE_METADATA_VERSIONS_H
#define TELLTALE_METADATA_VERSIONS_H

#include "metadata/tree.h"

/* Since when a category is listed, and since when it is there when asked for. */
struct versions_since {
	tree_version listed;
	tree_version answered;
};

/*
 * Since when what stands at path is there ("meta-data/placement/region"): as the nearest category
 * above it; the first version when none is known.
 */
struct versions_since versions_since(struct str path);

#endif
