/*
 * Must reach: sigv4_parse, by field and by query, and sigv4_verify to its end: a genuine signature.
 *
 * The text is a request as in tests/vectors/sigv4/. It is verified with the vectors' secret; with
 * another one it is refused, whatever it is.
 */
#include <stdlib.h>

#include "control/sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S INT64_C(1795523696)

static struct secret right, wrong;

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void make_secrets(void)
{
	struct str text = STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
	must(secret_init(&right, text.n) == 0 && secret_init(&wrong, text.n) == 0);
	memcpy(right.p, text.p, text.n);
	memcpy(wrong.p, text.p, text.n);
	wrong.p[0] ^= 1;
}

/* The scope that the request claims, so that its signature is what decides. */
static void try_claim(const struct http1_req *req, const struct sigv4_claim *claim)
{
	const struct sigv4_scope scope = {claim->region_, claim->service_};
	const struct sigv4_scope other = {STR("nowhere-1"), claim->service_};
	must(claim->access_key_id.n > 0);
	int rc = sigv4_verify(req, claim, &scope, &right, NOW_S);
	must(rc == 0 || rc == E_AUTH || rc == E_RANGE);
	rc = sigv4_verify(req, claim, &scope, &wrong, NOW_S);
	must(rc == E_AUTH);
	if (!str_eq(claim->region_, other.region)) {
		must(sigv4_verify(req, claim, &other, &right, NOW_S) == E_AUTH);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http1_limits limits = {.head_bytes = 16384,
		.target_bytes = 8192,
		.fields = HTTP1_FIELDS_MAX,
		.body_bytes = 65536};
	struct str bytes = {(const char *)data, size};
	struct http1_req req;
	struct sigv4_claim claim;
	size_t head;
	if (!right.p) {
		make_secrets();
	}
	if (http1_parse(bytes, &limits, &req, &head) != 0) {
		return 0;
	}
	req.body = str_from(bytes, head);
	int rc = sigv4_parse(&req, &claim);
	must(rc == 0 || rc == E_NOTFOUND || rc == E_SYNTAX);
	if (rc == 0) {
		try_claim(&req, &claim);
	}
	return 0;
}
