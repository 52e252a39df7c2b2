/*
 * http1_help - parse bytes whole and in part, in memory that ends where they do.
 *
 * Layer:   tests
 * Threads: the test's own thread alone
 * Memory:  requests point into http1_help_copy(), which the next call frees
 * Secrets: none
 * Limits:  HELP_LIMITS
 * Spec:    none
 *
 * Included once in a program.
 */
#ifndef TELLTALE_UNIT_HTTP1_HELP_H
#define TELLTALE_UNIT_HTTP1_HELP_H

#include "tests/unit/cases.h"

#include <stdlib.h>

#include "http/http1.h"

#define HELP_HEAD_BYTES   8192
#define HELP_TARGET_BYTES 2048
#define HELP_LIMITS             \
	((struct http1_limits){ \
		.head_bytes = HELP_HEAD_BYTES, .target_bytes = HELP_TARGET_BYTES, .fields = 64})

/* A copy that a sanitizer sees the end of. */
static inline struct str exact_copy(struct str bytes)
{
	static char *last;
	free(last);
	last = malloc(bytes.n ? bytes.n : 1);
	assert_non_null(last);
	if (bytes.n) {
		memcpy(last, bytes.p, bytes.n);
	}
	return (struct str){last, bytes.n};
}

struct parsed {
	int rc;
	struct http1_req req;
	size_t head_bytes;
};

static inline struct parsed parse(struct str bytes, const struct http1_limits *limits)
{
	struct parsed out = {.head_bytes = 4711};
	out.rc = http1_parse(exact_copy(bytes), limits, &out.req, &out.head_bytes);
	return out;
}

/*
 * What the parts of a request may be: as long as bytes are missing E_AGAIN, or the refusal that
 * comes in the end and from then on at every length; and success from the head's last byte on.
 */
static inline void check_prefixes(
	int line, struct str bytes, const struct http1_limits *limits, const struct parsed *whole)
{
	bool refused = false;
	for (size_t n = 0; n < bytes.n; n++) {
		struct parsed part = parse((struct str){bytes.p, n}, limits);
		if (whole->rc == 0 && n >= whole->head_bytes) {
			HOLDS(line, part.rc == 0 && part.head_bytes == whole->head_bytes);
			continue;
		}
		HOLDS(line, part.head_bytes == 4711);
		if (part.rc != E_AGAIN || refused) {
			HOLDS(line, whole->rc > 0 && part.rc == whole->rc);
			refused = true;
		}
	}
}

#endif
