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

/*
 * Since when what stands at path is there ("meta-data/placement/region"): the version of the
 * nearest category above it, 0 when none is known.
 */
tree_version versions_since(struct str path);

#endif
