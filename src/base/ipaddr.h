/*
 * ipaddr - IPv4 and IPv6 addresses and prefixes in one form.
 *
 * Layer:   base
 * Threads: no state
 * Memory:  values
 * Secrets: none
 * Limits:  IPADDR_TEXT_BYTES
 * Spec:    RFC 4291 2.5.5.2 (IPv4-mapped), RFC 5952 (text)
 *
 * IPv4 is held IPv4-mapped (::ffff:a.b.c.d), so a caller on a dual-stack socket is the same caller.
 */
#ifndef TELLTALE_BASE_IPADDR_H
#define TELLTALE_BASE_IPADDR_H

#include "base/str.h"

#define IPADDR_TEXT_BYTES 46

struct ipaddr {
	uint8_t b[16];
};

/* The first `bits` of 128 are fixed; a single address has 128. */
struct ipprefix {
	struct ipaddr addr;
	uint8_t bits;
};

/* Dotted IPv4 or IPv6 text without zone. Returns 0 or E_SYNTAX. */
MUST_CHECK int ipaddr_parse(struct str text, struct ipaddr *ret_addr);

/* An address, or ADDRESS/LENGTH whose host bits are zero. Returns 0, E_SYNTAX or E_RANGE. */
MUST_CHECK int ipprefix_parse(struct str text, struct ipprefix *ret_prefix);

void ipaddr_format(const struct ipaddr *addr, char ret_text[IPADDR_TEXT_BYTES]);

/* All eight groups without "::", as instance metadata prints IPv6 CIDRs. */
void ipaddr_format_long(const struct ipaddr *addr, char ret_text[IPADDR_TEXT_BYTES]);

bool ipaddr_is_v4(const struct ipaddr *addr);

/* 127.0.0.0/8 or ::1: from there nobody else is reached. */
bool ipaddr_is_loopback(const struct ipaddr *addr);

/* 0.0.0.0 or ::, which stand for every address of a host. */
bool ipaddr_is_any(const struct ipaddr *addr);

static inline bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* addr with all bits after the first `bits` zeroed. */
struct ipaddr ipaddr_mask(const struct ipaddr *addr, uint8_t bits);

/* Six bytes from "02:aa:bb:cc:dd:01", any case. Returns 0 or E_SYNTAX. */
MUST_CHECK int macaddr_parse(struct str text, uint8_t ret_mac[6]);

#endif
