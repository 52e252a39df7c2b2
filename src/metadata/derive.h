/*
 * derive - what an instance's owner left out, always the same way from its name.
 *
 * Layer:   metadata (pure)
 * Threads: no state
 * Memory:  appends to buffers
 * Secrets: none; nothing derived here is secret or grants anything
 * Limits:  none
 * Spec:    docs/protocol.md#derived-values. All of it is SHA-256 over name, NUL and a label, so two
 *          runs, and two hosts, give the same answers.
 */
#ifndef TELLTALE_METADATA_DERIVE_H
#define TELLTALE_METADATA_DERIVE_H

#include "base/buf.h"
#include "base/ipaddr.h"

#define DERIVE_ID_HEX 17

/* prefix and 17 hex digits: "i-", "eni-", "vpc-". */
void derive_id(struct buf *out, const char *prefix, struct str name);

/* 02 and five bytes: locally administered, unicast. Text "02:aa:bb:cc:dd:01". */
void derive_mac(struct buf *out, struct str name);

/* An address of 172.26.0.0/16, where Lightsail's private network is. */
struct ipaddr derive_private_address(struct str name);

/* The one behind it there, and behind the last the first; none that ends in 0 to 3 or 255. */
void derive_next_private_address(struct ipaddr *addr);

/* n upper-case base-32 characters, as in access key ids. */
void derive_key_text(struct buf *out, const char *label, struct str name, size_t n);

/* A UUID in its usual form, version 4's bits set. */
void derive_uuid(struct buf *out, const char *label, struct str name);

/* "use1-az1" for us-east-1a. */
void derive_zone_id(struct buf *out, struct str region, struct str zone);

/* "aws", "aws-cn", "aws-us-gov" and the domain that goes with it. */
struct str derive_partition(struct str region);
struct str derive_domain(struct str region);

/* "ip-172-26-2-10.us-west-2.compute.internal"; us-east-1's is ec2.internal. */
void derive_private_dns(struct buf *out, struct str private_address, struct str region);
void derive_public_dns(struct buf *out, struct str public_address, struct str region);

#endif
