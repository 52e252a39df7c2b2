/*
 * crypto - the only user of libcrypto's primitives.
 *
 * Layer:   base
 * Threads: a struct crypto_hmac and a struct crypto_rng belong to one thread; a struct
 *          crypto_signer may be shared, it is not changed by signing.
 * Memory:  x_new gives heap objects, x_free takes NULL
 * Secrets: struct secret, HMAC keys and private keys; all are wiped when freed
 * Limits:  CRYPTO_RNG_POOL_BYTES drawn at once
 * Spec:    FIPS 180-4 (SHA-256), RFC 2104 (HMAC), RFC 8017 (PKCS #1 v1.5), RFC 2315 (PKCS #7)
 */
#ifndef TELLTALE_BASE_CRYPTO_H
#define TELLTALE_BASE_CRYPTO_H

#include "base/buf.h"

#define CRYPTO_SHA256_BYTES   32
#define CRYPTO_RNG_POOL_BYTES 1024

/* Bytes that are wiped when freed and left out of core dumps. Zeroed is empty. */
struct secret {
	unsigned char *p;
	size_t n;
	size_t mapped_;
};

/* Room for n bytes, zeroed. Returns 0 or -ENOMEM. */
MUST_CHECK int secret_init(struct secret *secret, size_t n);
void secret_done(struct secret *secret);

static inline struct str secret_str(const struct secret *secret)
{
	return (struct str){(const char *)secret->p, secret->n};
}

/* Overwrite, in a way that the compiler keeps. */
void crypto_wipe(void *p, size_t n);

/* buf_done() of a buffer whose bytes are nobody's business: all that it had room for. */
void crypto_wipe_buf(struct buf *buf);

/* Equal or not, in time that depends on n alone. */
bool crypto_equal(const void *a, const void *b, size_t n);

/* Random bytes from the system. Returns 0 or E_CRYPTO. */
MUST_CHECK int crypto_random(void *ret_bytes, size_t n);

/* A UUID (RFC 9562, version 4) of 16 bytes that are random, or look so: as text, NUL at its end. */
#define CRYPTO_UUID_BYTES 37
void crypto_uuid_text(const unsigned char bytes[16], char ret_text[CRYPTO_UUID_BYTES]);

/* A random one. Returns 0 or E_CRYPTO. */
MUST_CHECK int crypto_uuid(char ret_text[CRYPTO_UUID_BYTES]);

/* Random bytes drawn in batches, for one thread. Zeroed before use. */
struct crypto_rng {
	unsigned char pool_[CRYPTO_RNG_POOL_BYTES];
	size_t left_;
};

/* n up to CRYPTO_RNG_POOL_BYTES. Used bytes are wiped. Returns 0 or E_CRYPTO. */
MUST_CHECK int crypto_rng_draw(struct crypto_rng *rng, void *ret_bytes, size_t n);

MUST_CHECK int crypto_sha256(struct str data, unsigned char ret_digest[CRYPTO_SHA256_BYTES]);

/* HMAC-SHA256 keyed once and used often. */
struct crypto_hmac;

struct crypto_hmac *crypto_hmac_new(const struct secret *key);
void crypto_hmac_free(struct crypto_hmac *hmac);

/* The MAC of the parts in their order. Returns 0 or E_CRYPTO. */
MUST_CHECK int crypto_hmac_run(struct crypto_hmac *hmac, const struct str *parts, size_t n,
	unsigned char ret_mac[CRYPTO_SHA256_BYTES]);

/* The MAC of one text under a key that is used once; both up to INT32_MAX. Returns 0 or E_CRYPTO. */
MUST_CHECK int crypto_hmac_once(
	struct str key, struct str data, unsigned char ret_mac[CRYPTO_SHA256_BYTES]);

/* RSA-2048 key and self-signed certificate. */
struct crypto_signer;

/*
 * Make a key and a certificate for it, valid from now_s for 30 years.
 * ret_key_der  PKCS #8, unencrypted: the caller keeps it secret and ends it with secret_done().
 * ret_certificate_pem  appended to.
 * Returns 0, -ENOMEM or E_CRYPTO.
 */
MUST_CHECK int crypto_signer_generate(struct str common_name, int64_t now_s,
	struct secret *ret_key_der, struct buf *ret_certificate_pem);

/* Returns 0, or E_DAMAGED when key or certificate can't be read or don't belong together. */
MUST_CHECK int crypto_signer_new(const struct secret *key_der, struct str certificate_pem,
	struct crypto_signer **ret_signer);
void crypto_signer_free(struct crypto_signer *signer);

/* RSA PKCS #1 v1.5 with SHA-256, as base64 lines of 64 characters. Returns 0 or E_CRYPTO. */
MUST_CHECK int crypto_sign(struct crypto_signer *signer, struct str data, struct buf *ret_base64);

/* PKCS #7 signed data with the content in it, as above; no BEGIN and END lines. */
MUST_CHECK int crypto_sign_pkcs7(
	struct crypto_signer *signer, struct str data, struct buf *ret_base64);

/* Standard base64, one line with padding. Returns 0 or -ENOMEM. */
MUST_CHECK int base64_encode(struct str data, struct buf *ret_text);

/* Standard base64 with padding; spaces and line ends are skipped. Returns 0, -ENOMEM, E_SYNTAX. */
MUST_CHECK int base64_decode(struct str text, struct buf *ret_data);

#endif
