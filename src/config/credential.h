/*
 * credential - who may use the AWS protocols: key pairs, each with the actions that it may use.
 *
 * Layer:   config
 * Threads: immutable once read
 * Memory:  texts are in the caller's arena; secrets are ended by credential_done()
 * Secrets: struct secret; neither messages nor credential_json() have them
 * Limits:  CREDENTIALS_MAX, CREDENTIAL_SECRET_BYTES, CREDENTIAL_ACTIONS
 * Spec:    telltale.yaml(5)
 */
#ifndef TELLTALE_CONFIG_CREDENTIAL_H
#define TELLTALE_CONFIG_CREDENTIAL_H

#include "base/arena.h"
#include "base/crypto.h"
#include "config/field.h"

#define CREDENTIALS_MAX         64
#define CREDENTIAL_SECRET_BYTES 128
#define CREDENTIAL_ACTIONS      64

struct credential {
	struct str access_key_id;
	struct secret secret;
	struct str secret_file; /* path, absolute, ends in NUL; empty: it is in no file */
	struct str *allow;      /* "lightsail:*", "ec2:Describe*", "*" */
	size_t n_allow;
};

/*
 * Read a list of them; the secrets that are in files are read, too. *ret_n are to be ended with
 * credential_done() after a failure as well.
 * file  relative paths are relative to it; NULL: no secret may be in a file.
 * Returns 0, -ENOMEM, -errno of a file, E_SYNTAX, E_LIMIT or E_EXISTS.
 */
MUST_CHECK int credential_list(struct arena *arena, const char *file, const struct node *node,
	struct credential **ret_list, size_t *ret_n, struct diag *diag);
void credential_done(struct credential *credential);

/* NULL: nobody has this key. */
const struct credential *credential_find(
	const struct credential *list, size_t n, struct str access_key_id);

/* An action such as "lightsail:GetInstance"; '*' in a pattern is any text, case does not count. */
bool credential_allows(const struct credential *credential, struct str action);

/* [{"accessKeyId": …, "allow": […]}]; NULL when out of memory. */
json_t *credential_json(const struct credential *list, size_t n);

/* Every key that a credential may have. */
int credential_each_name(int (*on_name)(void *ctx, struct str name), void *ctx);

#endif
