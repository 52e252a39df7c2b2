/*
 * blueprint - the images and sizes that instances are made of, as Lightsail calls them.
 *
 * Layer:   metadata (pure)
 * Threads: constant tables
 * Memory:  static
 * Secrets: none
 * Limits:  none
 * Spec:    docs/protocol.md#blueprints; a blueprint is an AMI with its defaults, a bundle an
 *          instance type
 */
#ifndef TELLTALE_METADATA_BLUEPRINT_H
#define TELLTALE_METADATA_BLUEPRINT_H

#include "base/str.h"

struct blueprint {
	struct str id;   /* amazon_linux_2023 */
	struct str name; /* Amazon Linux 2023 */
	struct str group;
	struct str version;
	struct str username;
	bool windows;
	bool tokens_required; /* its instances start with httpTokens: required */
};

struct bundle {
	struct str id;            /* nano_3_0 */
	struct str name;          /* Nano */
	struct str instance_type; /* t3.nano: what the guest sees */
	unsigned cpu_count;
	unsigned ram_mib;
	unsigned disk_gib;
	unsigned transfer_gib;
	unsigned power;
	unsigned price_cents;
};

#define BLUEPRINT_DEFAULT_ID "debian_12"
#define BUNDLE_DEFAULT_ID    "nano_3_0"

/* NULL when there is none of that id. */
const struct blueprint *blueprint_find(struct str id);
const struct bundle *bundle_find(struct str id);

/* All of them, for listings; ret_n is their number. */
const struct blueprint *blueprint_all(size_t *ret_n);
const struct bundle *bundle_all(size_t *ret_n);

#endif
