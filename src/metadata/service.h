/*
 * service - may it, and what: from a request to a reply.
 *
 * Layer:   metadata (pure: time, randomness and the caller are arguments)
 * Threads: struct service is shared and constant; a struct service_worker belongs to one worker
 * Memory:  a reply points into the snapshot and into the worker's scratch: valid until the worker's
 *          next request or registry_turn()
 * Secrets: the worker's token keys
 * Limits:  SERVICE_SCRATCH_BYTES for what is rendered when asked
 * Spec:    docs/protocol.md#order-of-checks and #tokens
 */
#ifndef TELLTALE_METADATA_SERVICE_H
#define TELLTALE_METADATA_SERVICE_H

#include "base/crypto.h"
#include "base/timefmt.h"
#include "metadata/path.h"
#include "metadata/registry.h"
#include "metadata/token.h"
#include "metadata/tree.h"

#define SERVICE_SCRATCH_BYTES 65536

enum service_method {
	SERVICE_GET,
	SERVICE_HEAD,
	SERVICE_PUT,
	SERVICE_OPTIONS,
	SERVICE_OTHER,
};

struct service_request {
	enum service_method method;
	struct str target;
	struct str token; /* X-aws-ec2-metadata-token */
	struct str ttl;   /* X-aws-ec2-metadata-token-ttl-seconds */
	bool has_token;
	bool has_ttl;
	bool forwarded; /* X-Forwarded-For is there, whatever its value */
	bool ipv6;      /* came over an IPv6 listener from an IPv6 address */
	int64_t now_ns; /* wall clock */
};

enum service_body {
	SERVICE_EMPTY, /* no body; Content-Type: text/plain comes last */
	SERVICE_PAGE,  /* the XHTML page of the status */
	SERVICE_VALUE, /* text/plain with Last-Modified */
	SERVICE_BYTES, /* application/octet-stream with Last-Modified */
	SERVICE_TOKEN, /* a minted token */
};

enum service_allow { SERVICE_ALLOW_NONE, SERVICE_ALLOW_GET_HEAD, SERVICE_ALLOW_OPTIONS_PUT };

struct service_reply {
	uint16_t status;
	enum service_body body;
	enum service_allow allow;
	bool has_ttl;
	bool head;         /* send no body */
	bool throttled;    /* it is a 503 because of the throttle */
	uint8_t hop_limit; /* not 0: set before the reply is written, never raised again */
	uint32_t ttl_s;    /* remaining, or granted */
	struct str value;
	int64_t modified_s;
};

/* What all workers share. */
struct service {
	struct registry *registry;
	struct entry *nobody; /* unknown callers share its throttle and its cap on connections */
	/* Asked for a signature that is not there yet; must not block. */
	void (*want_signature)(void *ctx, struct entry *entry, struct str document);
	void *ctx;
};

/* Requests per second and burst of one instance; 0: not limited. */
struct service_throttle {
	uint32_t per_second;
	uint32_t burst;
};

/* Both numbers in one, so that a reload changes them together. */
typedef _Atomic uint64_t service_throttle_now;

struct service_worker {
	unsigned index;
	struct token_keys keys;
	struct crypto_rng rng;
	service_throttle_now throttle; /* service_limit() */
	struct stats stats;            /* all instances and unknown callers */
	_Atomic uint64_t unknown;      /* requests of unknown callers */
	_Atomic uint64_t
		mismatches; /* connections that have somebody's address, but not the rest */
	char token[TOKEN_CHARS];
	char path[PATH_BYTES];
	char scratch[SERVICE_SCRATCH_BYTES];
};

/*
 * Answer one request. entry is who calls, NULL when nobody is known.
 * Returns 0, or E_AGAIN when the answer waits for a signature: ask again, nothing was counted.
 */
MUST_CHECK int service_answer(const struct service *service, struct service_worker *worker,
	struct entry *entry, const struct service_request *request,
	struct service_reply *ret_reply);

/* Set the worker's throttle; any thread. */
static inline void service_limit(struct service_worker *worker, struct service_throttle throttle)
{
	atomic_store_explicit(&worker->throttle,
		(uint64_t)throttle.per_second << 32 | throttle.burst, memory_order_relaxed);
}

/*
 * The throttle of who asked nothing yet: whether a request would be refused by it; and take a request's worth, for a
 * connection that was made in vain or whose bytes can't be read. entry is never NULL here: service.nobody.
 */
bool service_is_throttled(
	const struct service_worker *worker, const struct entry *entry, int64_t now_ns);
void service_charge(const struct service_worker *worker, struct entry *entry, int64_t now_ns);

/*
 * Count a reply that was not made by service_answer(): an unreadable request, a connection over the
 * cap. entry may be NULL.
 */
void service_count(struct service_worker *worker, struct entry *entry, unsigned status);

/* Count what the throttle keeps away: a reply, or a connection that was cut off. entry may be NULL. */
void service_count_throttled(struct service_worker *worker, struct entry *entry);

/* Texts that are needed again and again: one worker's; zeroed before use. */
struct service_dates {
	struct timefmt_memo now;
	struct timefmt_memo modified;
};

/* Put the reply's head and body into out. now_s: of the Date field. */
void service_render(const struct service_reply *reply, struct service_dates *dates, int64_t now_s,
	bool close, struct buf *out);

#endif
