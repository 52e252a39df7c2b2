/*
 * role - credentials of an instance's IAM role, and the documents that carry them.
 *
 * Layer:   metadata (pure)
 * Threads: immutable after role_parse(); share freely
 * Memory:  heap; role_free()
 * Secrets: key and session token; wiped when freed
 * Limits:  ROLE_TEXT_BYTES for each member
 * Spec:    docs/protocol.md#iam; the IMDS's security-credentials document and what an AWS CLI
 *          credential_process prints (Version 1)
 */
#ifndef TELLTALE_METADATA_ROLE_H
#define TELLTALE_METADATA_ROLE_H

#include <jansson.h>

#include "base/buf.h"

#define ROLE_TEXT_BYTES 4096

/* How long given-in-place credentials say they last; renewed every hour. */
#define ROLE_LIFETIME_S 21600
#define ROLE_RENEWAL_S  3600

struct role_credentials {
	struct str access_key_id;
	struct str secret_access_key;
	struct str token;
	int64_t updated_s;    /* 0: rolling, from the time of the request */
	int64_t expiration_s; /* 0: rolling */
	bool failed;          /* no credentials could be had: the document says so */
	struct str file;      /* where they come from; p NULL: given in place */
	uint64_t stamp;       /* tells versions of that file apart; whoever reads it sets it */
};

/*
 * Read a security-credentials document or the output of a credential_process.
 * Returns 0, -ENOMEM or E_SYNTAX with diag.
 */
MUST_CHECK int role_parse(struct str text, struct role_credentials **ret_role, struct diag *diag);

/* Credentials that say "could not be had". NULL when out of memory. */
struct role_credentials *role_failed(void);

/* A copy; NULL when out of memory or when role is NULL. */
struct role_credentials *role_clone(const struct role_credentials *role);
void role_free(struct role_credentials *role);

/* The document at iam/security-credentials/NAME, in the IMDS's JSON style. */
void role_document(const struct role_credentials *role, int64_t now_s, struct buf *out);

#endif
