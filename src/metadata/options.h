/*
 * options - the metadata options of one instance.
 *
 * Layer:   metadata (pure)
 * Threads: values
 * Memory:  values
 * Secrets: none
 * Limits:  OPTIONS_HOP_LIMIT_MIN to OPTIONS_HOP_LIMIT_MAX
 * Spec:    docs/protocol.md#options; names as in Lightsail's InstanceMetadataOptions and EC2's
 *          ModifyInstanceMetadataOptions (instanceMetadataTags is EC2's alone)
 */
#ifndef TELLTALE_METADATA_OPTIONS_H
#define TELLTALE_METADATA_OPTIONS_H

#include <jansson.h>

#include "base/str.h"

#define OPTIONS_HOP_LIMIT_MIN 1
#define OPTIONS_HOP_LIMIT_MAX 64

struct metadata_options {
	bool tokens_required; /* httpTokens: required */
	bool endpoint;        /* httpEndpoint: enabled */
	bool ipv6;            /* httpProtocolIpv6: enabled */
	bool tags;            /* instanceMetadataTags: enabled */
	uint8_t hop_limit;    /* httpPutResponseHopLimit */
};

/* optional, enabled, IPv6 and tags disabled, hop limit 1. */
extern const struct metadata_options options_default;

/*
 * Set what the JSON object names; what it leaves out keeps its value. Unknown members are E_SYNTAX.
 * Returns 0, E_SYNTAX or E_RANGE; diag then names the member and what is allowed, and *options is
 * untouched.
 */
MUST_CHECK int options_apply(
	struct metadata_options *options, const json_t *object, struct diag *diag);

/* All five members; NULL when out of memory. */
json_t *options_to_json(const struct metadata_options *options);

#endif
