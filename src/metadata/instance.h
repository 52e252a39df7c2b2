/*
 * instance - one instance as it is now: an immutable snapshot.
 *
 * Layer:   metadata (pure)
 * Threads: immutable after instance_new(), but for the compiled tree, which is published once by
 *          whichever worker needs it first; share freely
 * Memory:  one heap block and the tree; lifetime "snapshot": freed after every worker has passed a
 *          loop turn (registry.h)
 * Secrets: the specification may hold a role's secret key; it is wiped when freed and never logged
 * Limits:  names 2 to 255 characters, INSTANCE_USER_DATA_BYTES, INSTANCE_ADDRESSES_MAX
 * Spec:    docs/protocol.md#instances
 *
 * An instance that was never asked is only its facts: its specification, a JSON object with the
 * keys of the configuration file (docs/configuration in telltale.yaml(5)), and the few things that
 * are needed to find it. Everything else is derived from these when its tree is compiled.
 */
#ifndef TELLTALE_METADATA_INSTANCE_H
#define TELLTALE_METADATA_INSTANCE_H

#include <jansson.h>
#include <stdatomic.h>

#include "base/ipaddr.h"
#include "metadata/blueprint.h"
#include "metadata/options.h"

#define INSTANCE_NAME_MIN        2
#define INSTANCE_NAME_MAX        255
#define INSTANCE_USER_DATA_BYTES 16384
#define INSTANCE_ADDRESSES_MAX   64
#define INSTANCE_ID_CHARS        19 /* i- and 17 hex digits */

struct tree;

/* Where the service stands; the same for all instances. Lifetime: process. */
struct site {
	struct str region;     /* us-east-1 */
	struct str account_id; /* twelve digits */
};

/* Credentials of a role as read from a file. Lifetime: snapshot. */
struct role_credentials;

/* What is kept beside the specification. */
struct instance_record {
	uint32_t token_epoch; /* raised to end all tokens */
	int64_t created_s;    /* seconds since the epoch */
	int64_t launched_s;   /* last start; pendingTime of the identity document */
	int64_t changed_s;    /* when its data last changed; Last-Modified */
};

struct instance {
	struct str name; /* points into text_ */
	struct str spec; /* JSON text, points into text_ */
	char id[INSTANCE_ID_CHARS + 1];
	uint8_t id_n; /* its characters */
	bool running;
	struct metadata_options options;
	struct instance_record record;
	const struct blueprint *blueprint;
	const struct bundle *bundle;
	const struct site *site;
	struct role_credentials *role; /* from a file; NULL otherwise; owned */
	_Atomic(struct tree *) tree;   /* NULL until first asked; owned */

	/* match: who is this instance */
	struct str network;   /* empty: the default network */
	struct str interface; /* empty: any */
	uint8_t mac[6];
	bool has_mac;
	uint8_t n_addresses;
	struct ipprefix *addresses; /* into this block */
	size_t bytes_;
};

/* \w[\w\-]*\w, 2 to 255 characters, as Lightsail has it. */
bool instance_name_valid(struct str name);

/*
 * Make a snapshot from a specification that config/spec.h has accepted (or that comes from the
 * store, where such a one was put).
 *
 * spec  borrowed; site must outlive the snapshot; role is taken, also on failure.
 * Returns 0, -ENOMEM, or E_SYNTAX, E_RANGE with diag saying what is wrong.
 */
MUST_CHECK int instance_new(const json_t *spec, const struct instance_record *record,
	const struct site *site, struct role_credentials *role, struct instance **ret_instance,
	struct diag *diag);

void instance_free(struct instance *instance);

/* Whether both are found by the same callers: network, interface and addresses. */
bool instance_same_match(const struct instance *a, const struct instance *b);

/* The specification again as JSON; NULL when out of memory. */
json_t *instance_spec(const struct instance *instance);

#endif
