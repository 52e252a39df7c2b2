/*
 * sigv4 - verify AWS Signature Version 4 of a request, in its Authorization field or its query.
 *
 * Layer:   control (pure: no fds, no clock, no log)
 * Threads: no state
 * Memory:  a claim points into the request and into itself: it is neither copied nor kept longer
 * Secrets: the secret access key is borrowed; what is derived from it is wiped
 * Limits:  SIGV4_QUERY_PAIRS, SIGV4_SIGNED_FIELDS, SIGV4_TEXT_BYTES, SIGV4_SECRET_BYTES
 * Spec:    AWS General Reference, "Signature Version 4 signing process"; the path is encoded twice, as
 *          every service but S3 has it
 *
 * First sigv4_parse() says who claims to ask; with that one's secret sigv4_verify() says whether it is
 * so. Nothing of a claim may be believed before.
 */
#ifndef TELLTALE_CONTROL_SIGV4_H
#define TELLTALE_CONTROL_SIGV4_H

#include "base/crypto.h"
#include "http/http1.h"

#define SIGV4_SKEW_S        300
#define SIGV4_EXPIRES_MAX_S 604800
#define SIGV4_QUERY_PAIRS   512
#define SIGV4_SIGNED_FIELDS HTTP1_FIELDS_MAX
#define SIGV4_TEXT_BYTES    8192
#define SIGV4_SECRET_BYTES  128

struct sigv4_claim {
	struct str access_key_id;
	struct str session_token; /* p NULL: none */
	bool presigned;
	struct str date_; /* of the scope */
	struct str region_;
	struct str service_;
	struct str signed_fields_; /* "host;x-amz-date" */
	struct str signature_;
	char time_[sizeof "20231002T112233Z"];
	int64_t time_s_;
	int64_t expires_s_; /* presigned: from time_s_ on */
	char memory_[SIGV4_TEXT_BYTES];
	size_t used_;
};

/* What a signature must be made for. */
struct sigv4_scope {
	struct str region;
	struct str service;
};

/*
 * Read who has signed.
 *
 * Returns 0, or
 *   E_NOTFOUND  there is no signature
 *   E_SYNTAX    something that belongs to one is missing, is there twice, or can't be read
 */
MUST_CHECK int sigv4_parse(const struct http1_req *req, struct sigv4_claim *ret_claim);

/*
 * Verify it. The body must be whole.
 *
 * secret  the secret access key; it must be the one of claim->access_key_id.
 *
 * Returns 0, or
 *   E_AUTH    the signature is not one of this request, made with this secret for this scope; or not
 *             all is signed that must be: host, every x-amz-* field. Callers can't tell which.
 *   E_RANGE   it is genuine, but too old or from the future: only who knows the secret learns that
 *   -ENOMEM, E_CRYPTO
 * Takes time independent of where the signature differs.
 */
MUST_CHECK int sigv4_verify(const struct http1_req *req, const struct sigv4_claim *claim,
	const struct sigv4_scope *scope, const struct secret *secret, int64_t now_s);

/*
 * For the operator's log, not for the caller: what a claim that is E_AUTH names differently,
 * "another region" or "another service"; else "signature".
 */
const char *sigv4_mismatch(const struct sigv4_claim *claim, const struct sigv4_scope *scope);

#endif
