/*
 * timefmt - times as text, and back.
 *
 * Layer:   base
 * Threads: no state
 * Memory:  writes to the caller's arrays
 * Secrets: none
 * Limits:  years 1970 to 9999; earlier and later seconds are clamped
 * Spec:    RFC 9110 5.6.7 (IMF-fixdate); ISO 8601 as botocore parses it: YYYY-MM-DDTHH:MM:SSZ
 */
#ifndef TELLTALE_BASE_TIMEFMT_H
#define TELLTALE_BASE_TIMEFMT_H

#include "base/str.h"

#define TIMEFMT_HTTP_CHARS 29
#define TIMEFMT_HTTP_BYTES (TIMEFMT_HTTP_CHARS + 1)
#define TIMEFMT_ISO_BYTES  21

/* "Mon, 02 Oct 2023 11:22:33 GMT", NUL at its end. Seconds since the epoch, always UTC. */
void timefmt_http(int64_t unix_s, char ret_text[TIMEFMT_HTTP_BYTES]);

/* The same time is asked for again and again: its text is kept. Zeroed before use; one thread's. */
struct timefmt_memo {
	int64_t unix_s_;
	char text_[TIMEFMT_HTTP_BYTES];
};

/* As timefmt_http(); good until the next call. */
static inline struct str timefmt_http_memo(struct timefmt_memo *memo, int64_t unix_s)
{
	if (memo->unix_s_ != unix_s || !memo->text_[0]) {
		memo->unix_s_ = unix_s;
		timefmt_http(unix_s, memo->text_);
	}
	return (struct str){memo->text_, TIMEFMT_HTTP_CHARS};
}

/* "2023-10-02T11:22:33Z", NUL at its end. */
void timefmt_iso(int64_t unix_s, char ret_text[TIMEFMT_ISO_BYTES]);

/*
 * Read YYYY-MM-DDTHH:MM:SS, then an optional fraction, then Z or +HH:MM or -HH:MM.
 * Returns 0 or E_SYNTAX.
 */
MUST_CHECK int timefmt_parse_iso(struct str text, int64_t *ret_unix_s);

#endif
