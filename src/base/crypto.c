#include "base/crypto.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define EQUAL_AT_ONCE     16
#define SIGNER_BITS       2048
#define CERTIFICATE_DAYS  (30 * 365)
#define BASE64_LINE_CHARS 64
#define SERIAL_BITS       127

int secret_init(struct secret *secret, size_t n)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t unit = page > 0 ? (size_t)page : 4096;
	size_t bytes = (n / unit + 1) * unit;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		return -ENOMEM;
	}
	(void)madvise(p, bytes, MADV_DONTDUMP); /* a kernel without it still serves */
	(void)mlock(p, bytes);                  /* nor does a small RLIMIT_MEMLOCK stop us */
	*secret = (struct secret){.p = p, .n = n, .mapped_ = bytes};
	return 0;
}

void secret_done(struct secret *secret)
{
	if (secret && secret->p) {
		crypto_wipe(secret->p, secret->mapped_);
		munmap(secret->p, secret->mapped_);
		*secret = (struct secret){0};
	}
}

void crypto_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

void crypto_wipe_buf(struct buf *buf)
{
	if (buf->p) {
		crypto_wipe(buf->p, buf->cap_);
	}
	buf_done(buf);
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
	const unsigned char *one = a, *other = b;
	int differs = 0;
	/* libcrypto takes sixteen bytes as two words, and any other number of them one by one. */
	for (; n >= EQUAL_AT_ONCE; n -= EQUAL_AT_ONCE) {
		differs |= CRYPTO_memcmp(one, other, EQUAL_AT_ONCE);
		one += EQUAL_AT_ONCE;
		other += EQUAL_AT_ONCE;
	}
	return (differs | CRYPTO_memcmp(one, other, n)) == 0;
}

int crypto_random(void *ret_bytes, size_t n)
{
	return n <= INT32_MAX && RAND_bytes(ret_bytes, (int)n) == 1 ? 0 : E_CRYPTO;
}

void crypto_uuid_text(const unsigned char bytes[16], char ret_text[CRYPTO_UUID_BYTES])
{
	static const unsigned char dash_before[] = {4, 6, 8, 10};
	static const char digits[] = "0123456789abcdef";
	unsigned char b[16];
	memcpy(b, bytes, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* of the variant that has versions */
	char *at = ret_text;
	for (unsigned i = 0; i < sizeof b; i++) {
		if (memchr(dash_before, (int)i, sizeof dash_before)) {
			*at++ = '-';
		}
		*at++ = digits[b[i] >> 4];
		*at++ = digits[b[i] & 0x0f];
	}
	*at = '\0';
}

int crypto_uuid(char ret_text[CRYPTO_UUID_BYTES])
{
	unsigned char bytes[16];
	TRY(crypto_random(bytes, sizeof bytes));
	crypto_uuid_text(bytes, ret_text);
	return 0;
}

int crypto_rng_draw(struct crypto_rng *rng, void *ret_bytes, size_t n)
{
	if (n > sizeof rng->pool_) {
		return E_LIMIT;
	}
	if (rng->left_ < n) {
		TRY(crypto_random(rng->pool_, sizeof rng->pool_));
		rng->left_ = sizeof rng->pool_;
	}
	rng->left_ -= n;
	memcpy(ret_bytes, rng->pool_ + rng->left_, n);
	crypto_wipe(rng->pool_ + rng->left_, n);
	return 0;
}

/* Fetched once: EVP_sha256() alone makes every digest look the algorithm up again. */
static EVP_MD *sha256;

static void fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

int crypto_sha256(struct str data, unsigned char ret_digest[CRYPTO_SHA256_BYTES])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, fetch_sha256);
	return sha256 && EVP_Digest(data.p ? data.p : "", data.n, ret_digest, NULL, sha256, NULL) ==
				       1
		       ? 0
		       : E_CRYPTO;
}

struct crypto_hmac {
	EVP_MAC *mac;
	EVP_MAC_CTX *ctx;
};

struct crypto_hmac *crypto_hmac_new(const struct secret *key)
{
	struct crypto_hmac *hmac = calloc(1, sizeof *hmac);
	if (!hmac) {
		return NULL;
	}
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	hmac->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	hmac->ctx = hmac->mac ? EVP_MAC_CTX_new(hmac->mac) : NULL;
	if (!hmac->ctx || EVP_MAC_init(hmac->ctx, key->p, key->n, params) != 1) {
		crypto_hmac_free(hmac);
		return NULL;
	}
	return hmac;
}

void crypto_hmac_free(struct crypto_hmac *hmac)
{
	if (hmac) {
		EVP_MAC_CTX_free(hmac->ctx);
		EVP_MAC_free(hmac->mac);
		free(hmac);
	}
}

int crypto_hmac_run(struct crypto_hmac *hmac, const struct str *parts, size_t n,
	unsigned char ret_mac[CRYPTO_SHA256_BYTES])
{
	size_t out = 0;
	/* No key: the context goes back to the state after keying, a fifth of the cost. */
	if (EVP_MAC_init(hmac->ctx, NULL, 0, NULL) != 1) {
		return E_CRYPTO;
	}
	for (size_t i = 0; i < n; i++) {
		if (EVP_MAC_update(hmac->ctx, (const unsigned char *)parts[i].p, parts[i].n) != 1) {
			return E_CRYPTO;
		}
	}
	if (EVP_MAC_final(hmac->ctx, ret_mac, &out, CRYPTO_SHA256_BYTES) != 1 ||
		out != CRYPTO_SHA256_BYTES) {
		return E_CRYPTO;
	}
	return 0;
}

int crypto_hmac_once(struct str key, struct str data, unsigned char ret_mac[CRYPTO_SHA256_BYTES])
{
	unsigned char mac[CRYPTO_SHA256_BYTES];
	const unsigned char *bytes = (const unsigned char *)(data.p ? data.p : "");
	size_t n = 0;
	if (key.n > INT32_MAX || !EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.p ? key.p : "",
					 key.n, bytes, data.n, mac, sizeof mac, &n)) {
		return E_CRYPTO;
	}
	if (n != sizeof mac) {
		return E_CRYPTO;
	}
	memcpy(ret_mac, mac, sizeof mac);
	crypto_wipe(mac, sizeof mac); /* it may be the next key */
	return 0;
}

struct crypto_signer {
	EVP_PKEY *key;
	X509 *certificate;
};

static void on_pkey(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void on_x509(X509 **certificate)
{
	X509_free(*certificate);
}

static void on_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void on_pkcs7(PKCS7 **p7)
{
	PKCS7_free(*p7);
}

static void on_md_ctx(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static void on_openssl(unsigned char **p)
{
	OPENSSL_free(*p);
}

static bool certificate_serial(X509 *certificate)
{
	BIGNUM *number = BN_new();
	bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
		  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return ok;
}

static bool certificate_fill(X509 *certificate, EVP_PKEY *key, struct str name, int64_t now_s)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	time_t now = (time_t)now_s;
	return X509_set_version(certificate, 2) && certificate_serial(certificate) &&
	       X509_time_adj_ex(X509_getm_notBefore(certificate), 0, 0, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), CERTIFICATE_DAYS, 0, &now) &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		       (const unsigned char *)name.p, (int)name.n, -1, 0) &&
	       X509_set_issuer_name(certificate, subject) && X509_set_pubkey(certificate, key) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* What a memory BIO holds, added to buf. */
static int take_bio(BIO *bio, struct buf *buf)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);
	if (n < 0) {
		return E_CRYPTO;
	}
	buf_add(buf, (struct str){p, (size_t)n});
	return buf_status(buf);
}

static int key_to_der(EVP_PKEY *key, struct secret *ret_key_der)
{
	CLEANUP(on_bio) BIO *bio = BIO_new(BIO_s_secmem());
	if (!bio || i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		return E_CRYPTO;
	}
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);
	if (n <= 0) {
		return E_CRYPTO;
	}
	TRY(secret_init(ret_key_der, (size_t)n));
	memcpy(ret_key_der->p, p, (size_t)n);
	return 0;
}

int crypto_signer_generate(struct str common_name, int64_t now_s, struct secret *ret_key_der,
	struct buf *ret_certificate_pem)
{
	CLEANUP(on_pkey) EVP_PKEY *key = EVP_RSA_gen(SIGNER_BITS);
	CLEANUP(on_x509) X509 *certificate = X509_new();
	CLEANUP(on_bio) BIO *bio = BIO_new(BIO_s_mem());
	if (!key || !certificate || !bio ||
		!certificate_fill(certificate, key, common_name, now_s) ||
		!PEM_write_bio_X509(bio, certificate)) {
		return E_CRYPTO;
	}
	TRY(take_bio(bio, ret_certificate_pem));
	return key_to_der(key, ret_key_der);
}

int crypto_signer_new(
	const struct secret *key_der, struct str certificate_pem, struct crypto_signer **ret_signer)
{
	const unsigned char *at = key_der->p;
	if (key_der->n > INT32_MAX || certificate_pem.n > INT32_MAX) {
		return E_DAMAGED;
	}
	struct crypto_signer *signer = calloc(1, sizeof *signer);
	if (!signer) {
		return -ENOMEM;
	}
	CLEANUP(on_bio) BIO *bio = BIO_new_mem_buf(certificate_pem.p, (int)certificate_pem.n);
	signer->key = d2i_AutoPrivateKey(NULL, &at, (long)key_der->n);
	signer->certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (!signer->key || !signer->certificate ||
		X509_check_private_key(signer->certificate, signer->key) != 1) {
		crypto_signer_free(signer);
		return E_DAMAGED;
	}
	*ret_signer = signer;
	return 0;
}

void crypto_signer_free(struct crypto_signer *signer)
{
	if (signer) {
		EVP_PKEY_free(signer->key);
		X509_free(signer->certificate);
		free(signer);
	}
}

/* Base64 in lines, as between PEM's BEGIN and END; no line end behind the last. */
static int add_base64_lines(struct buf *out, const unsigned char *data, size_t n)
{
	CLEANUP(buf_done) struct buf one = BUF_EMPTY;
	TRY(base64_encode((struct str){(const char *)data, n}, &one));
	for (size_t at = 0; at < one.n; at += BASE64_LINE_CHARS) {
		size_t left = one.n - at;
		if (at) {
			buf_add_char(out, '\n');
		}
		buf_add(out, (struct str){one.p + at,
				     left < BASE64_LINE_CHARS ? left : BASE64_LINE_CHARS});
	}
	return buf_status(out);
}

int crypto_sign(struct crypto_signer *signer, struct str data, struct buf *ret_base64)
{
	unsigned char signature[SIGNER_BITS / 8];
	size_t n = sizeof signature;
	CLEANUP(on_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, signer->key) != 1 ||
		EVP_DigestSign(ctx, signature, &n, (const unsigned char *)data.p, data.n) != 1) {
		return E_CRYPTO;
	}
	return add_base64_lines(ret_base64, signature, n);
}

int crypto_sign_pkcs7(struct crypto_signer *signer, struct str data, struct buf *ret_base64)
{
	if (data.n > INT32_MAX) {
		return E_LIMIT;
	}
	CLEANUP(on_bio) BIO *bio = BIO_new_mem_buf(data.p, (int)data.n);
	CLEANUP(on_pkcs7)
	PKCS7 *p7 = bio ? PKCS7_sign(signer->certificate, signer->key, NULL, bio,
				  PKCS7_BINARY | PKCS7_NOSMIMECAP)
			: NULL;
	CLEANUP(on_openssl) unsigned char *der = NULL;
	int n = p7 ? i2d_PKCS7(p7, &der) : -1;
	if (n < 0) {
		return E_CRYPTO;
	}
	return add_base64_lines(ret_base64, der, (size_t)n);
}

int base64_encode(struct str data, struct buf *ret_text)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)data.p;
	if (data.n > SIZE_MAX / 4) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < data.n; i += 3) {
		size_t left = data.n - i;
		unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0);
		char quad[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
			left > 1 ? alphabet[v >> 6 & 63] : '=', left > 2 ? alphabet[v & 63] : '='};
		buf_add(ret_text, (struct str){quad, 4});
	}
	return buf_status(ret_text);
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct str text, struct buf *ret_data)
{
	unsigned group = 0;
	size_t have = 0, pad = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
			continue;
		}
		int value = base64_value(c);
		if (c == '=' && have >= 2 && have + pad < 4) {
			pad++;
			continue;
		}
		if (value < 0 || pad) {
			return E_SYNTAX;
		}
		group = group << 6 | (unsigned)value;
		if (++have == 4) {
			char three[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
			buf_add(ret_data, (struct str){three, 3});
			group = 0;
			have = 0;
		}
	}
	if (have + pad != 0 && have + pad != 4) {
		return E_SYNTAX;
	}
	if (have == 2) {
		buf_add_char(ret_data, (char)(group >> 4));
	} else if (have == 3) {
		buf_add_char(ret_data, (char)(group >> 10));
		buf_add_char(ret_data, (char)(group >> 2));
	}
	return buf_status(ret_data);
}
