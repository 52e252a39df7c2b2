/*
 * tls_help - certificates with keys, made on the spot, and clients that speak TLS by OpenSSL.
 *
 * Layer:   tests
 * Threads: the test's own thread
 * Memory:  tls_pair_done(); clients are the caller's to SSL_free()
 * Secrets: none that matter
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_TLS_HELP_H
#define TELLTALE_UNIT_TLS_HELP_H

#include "tests/unit/cases.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "platform/tls.h"

struct tls_pair {
	struct buf certificate, key; /* PEM */
	X509 *x509;
};

static inline void pem_of(BIO *bio, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	buf_add(out, (struct str){p, (size_t)n});
	assert_int_equal(buf_status(out), 0);
	BIO_free(bio);
}

/* Self-signed, for a key on the curve P-256. */
static inline struct tls_pair tls_pair_make(const char *name)
{
	struct tls_pair pair = {.x509 = X509_new()};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = pair.x509;
	assert_true(x && key && X509_set_version(x, 2) == 1 && X509_set_pubkey(x, key) == 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
	X509_NAME *subject = X509_get_subject_name(x);
	assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				 (const unsigned char *)name, -1, -1, 0),
		1);
	assert_int_equal(X509_set_issuer_name(x, subject), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	pem_of(bio, &pair.certificate);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	pem_of(bio, &pair.key);
	EVP_PKEY_free(key);
	return pair;
}

static inline void tls_pair_done(struct tls_pair *pair)
{
	buf_done(&pair->certificate);
	buf_done(&pair->key);
	X509_free(pair->x509);
	*pair = (struct tls_pair){.x509 = NULL};
}

static inline struct tls_context *tls_pair_context(const struct tls_pair *pair)
{
	struct tls_context *context = NULL;
	assert_int_equal(tls_context_new(&context), 0);
	assert_int_equal(tls_context_certify(context, buf_str(&pair->certificate), NULL), 0);
	assert_int_equal(tls_context_set_key(context, buf_str(&pair->key), NULL), 0);
	return context;
}

/* A client on a connected socket, which it leaves open; the handshake is the first call's. */
static inline SSL *tls_client(int fd, const struct tls_pair *trusted)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	assert_non_null(context);
	/* That the end was not said is no error to tests that look for the end alone. */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (trusted) {
		assert_int_equal(
			X509_STORE_add_cert(SSL_CTX_get_cert_store(context), trusted->x509), 1);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	}
	SSL *ssl = SSL_new(context);
	SSL_CTX_free(context);
	assert_non_null(ssl);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	SSL_set_connect_state(ssl);
	return ssl;
}

#endif
