/*
 * endpoint - where a metadata service is: http://HOST[:PORT].
 *
 * Layer:   cli (pure)
 * Threads: no state
 * Memory:  values
 * Secrets: none
 * Limits:  ENDPOINT_HOST_BYTES
 * Spec:    RFC 3986 3.2. HOST is an IPv4 address, an IPv6 address in brackets, or a name of
 *          letters, digits, "-", "_" and ".". No user, path, query or zone.
 */
#ifndef TELLTALE_CLI_ENDPOINT_H
#define TELLTALE_CLI_ENDPOINT_H

#include "base/str.h"

#define ENDPOINT_DEFAULT    "http://169.254.169.254"
#define ENDPOINT_HOST_BYTES 254
#define ENDPOINT_URL_BYTES  (ENDPOINT_HOST_BYTES + 16) /* http://[HOST]:65535 */
#define ENDPOINT_PATH_BYTES 2048

struct endpoint {
	char host[ENDPOINT_HOST_BYTES]; /* without brackets */
	uint16_t port;
	bool is_ipv6;
};

/* A "/" at the end is allowed. Returns 0, or E_SYNTAX with diag. */
MUST_CHECK int endpoint_parse(struct str url, struct endpoint *ret_endpoint, struct diag *diag);

/* HOST[:PORT] as the Host field has it, brackets around IPv6, no port 80. */
void endpoint_authority(const struct endpoint *endpoint, char ret_text[ENDPOINT_URL_BYTES]);

/*
 * What to request: a path that starts with "/" as it is, any other below /latest/.
 * Returns 0, E_SYNTAX (empty, or not visible ASCII) or E_LIMIT, with diag.
 */
MUST_CHECK int endpoint_path(
	struct str path, char ret_path[ENDPOINT_PATH_BYTES], struct diag *diag);

#endif
