/*
 * access - who asks on the control address, and whether they may.
 *
 * Layer:   control
 * Threads: no state
 * Memory:  credentials are borrowed for the call
 * Secrets: the credentials' secrets are used, never copied
 * Limits:  those of control/sigv4.h
 * Spec:    docs/control.md#the-control-address
 */
#ifndef TELLTALE_CONTROL_ACCESS_H
#define TELLTALE_CONTROL_ACCESS_H

#include "config/credential.h"
#include "control/sigv4.h"

/* For records: the key that a request was signed with, and why it was not taken. */
struct access_who {
	char access_key_id[132];
	const char *why; /* a word for the log, static; NULL: the result says it all */
};

struct access {
	const struct credential *list;
	size_t n;
	const struct credential *more; /* one that is in no configuration; NULL: none */
	struct sigv4_scope scope;
};

/*
 * Verify the signature, and that its owner may use the action ("lightsail:GetInstance"; empty: only
 * the signature).
 *
 * ret_who  the key on success and on E_DENIED; why on the other errors. The caller zeroes it.
 *
 * Returns 0, or
 *   -ENXIO      there are no credentials at all
 *   -ENOKEY     nobody has this key
 *   E_NOTFOUND, E_SYNTAX, E_AUTH, E_RANGE, -ENOMEM, E_CRYPTO   as control/sigv4.h says
 *   E_DENIED    genuine, but not allowed
 */
MUST_CHECK int access_check(const struct access *access, const struct http1_req *req,
	struct str action, int64_t now_s, struct access_who *ret_who);

#endif
