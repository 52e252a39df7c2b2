/*
 * contents - what an instance has to say: from its specification to the leaves of its tree.
 *
 * Layer:   metadata (pure)
 * Threads: no state
 * Memory:  borrows; everything kept is copied into the builder
 * Secrets: none are put into the builder; role credentials are rendered when asked
 * Limits:  those of builder.h
 * Spec:    docs/protocol.md#tree
 */
#ifndef TELLTALE_METADATA_CONTENTS_H
#define TELLTALE_METADATA_CONTENTS_H

#include "metadata/builder.h"

/* What an instance is called, and what is derived from that; all texts are in one buffer. */
struct contents_facts {
	struct str name;
	struct str instance_id;
	struct str image_id;
	struct str instance_type;
	struct str architecture;
	struct str region;
	struct str zone;
	struct str account_id;
	struct str private_address;
	struct str private_dns;
	struct str public_address; /* p NULL: none */
	struct str public_dns;     /* p NULL: none */
	struct str mac;            /* lower case */
	struct ipaddr address;     /* private_address */
};

/*
 * Everything below meta-data and dynamic, overrides applied last.
 * Returns 0, or E_SYNTAX with diag for a specification that makes no sense; failures of the builder
 * are kept there.
 */
MUST_CHECK int contents_build(struct builder *builder, const struct instance *instance,
	const json_t *spec, struct diag *diag);

/*
 * The facts alone; text holds what they point to and must not be written to afterwards.
 * Returns 0 or -ENOMEM.
 */
MUST_CHECK int contents_facts(const struct instance *instance, const json_t *spec, struct buf *text,
	struct contents_facts *ret_facts);

#endif
