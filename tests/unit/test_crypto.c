/* Unit tests of base/crypto.h: published vectors, and OpenSSL's own API as the other side. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/crypto.h"
#include "fake/alloc.h"

#define NOW_S           INT64_C(1700000000)
#define CERTIFICATE_S   (INT64_C(30) * 365 * 86400)
#define MILLION         ((size_t)1000000)
#define BASE64_LINE_MAX 64

static void unhex(const char *hex, unsigned char *out, size_t n)
{
	assert_int_equal(strlen(hex), 2 * n);
	for (size_t i = 0; i < n; i++) {
		unsigned byte;
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (unsigned char)byte;
	}
}

/* --- secrets ----------------------------------------------------------------------------------- */

static void test_secret(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 32, 4095, 4096, 4097, 100000};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct secret secret = {0};
		assert_int_equal(secret_init(&secret, sizes[i]), 0);
		assert_non_null(secret.p);
		assert_int_equal(secret.n, sizes[i]);
		for (size_t at = 0; at < sizes[i]; at++) {
			assert_int_equal(secret.p[at], 0);
			secret.p[at] = 0xff;
		}
		secret_done(&secret);
		assert_null(secret.p);
		assert_int_equal(secret.n, 0);
		secret_done(&secret);
	}
	secret_done(NULL);
	struct secret untouched = {.n = 4711};
	assert_int_equal(secret_init(&untouched, SIZE_MAX), -ENOMEM);
	assert_int_equal(untouched.n, 4711);
	assert_null(untouched.p);
}

/* The kernel says of the pages that no core dump has them: "dd" among their flags. */
static void test_secret_is_not_dumped(void **state)
{
	(void)state;
	struct secret secret = {0};
	char line[512], start[32];
	bool found = false, inside = false;
	assert_int_equal(secret_init(&secret, 32), 0);
	FILE *maps = fopen("/proc/self/smaps", "re");
	assert_non_null(maps);
	while (fgets(line, sizeof line, maps)) {
		unsigned long from, to;
		if (sscanf(line, "%lx-%lx %31s", &from, &to, start) == 3) {
			inside = (uintptr_t)secret.p >= from && (uintptr_t)secret.p < to;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			found = true;
			assert_non_null(strstr(line, " dd"));
		}
	}
	(void)fclose(maps);
	assert_true(found);
	secret_done(&secret);
}

static void test_wipe_buf(void **state)
{
	(void)state;
	static const char zeros[8];
	char memory[8];
	struct buf fixed = buf_fixed(memory, sizeof memory), heap = BUF_EMPTY, empty = BUF_EMPTY;
	buf_add(&fixed, STR("geheim"));
	fixed.n = 2; /* what was there before goes, too */
	crypto_wipe_buf(&fixed);
	assert_memory_equal(memory, zeros, sizeof memory);
	buf_add(&heap, STR("geheim"));
	crypto_wipe_buf(&heap);
	assert_true(heap.p == NULL && heap.n == 0);
	crypto_wipe_buf(&empty);
}

static void test_wipe_and_equal(void **state)
{
	(void)state;
	unsigned char a[64], b[64], zeros[64] = {0};
	for (size_t i = 0; i < sizeof a; i++) {
		a[i] = b[i] = (unsigned char)(i + 1);
	}
	assert_true(crypto_equal(a, b, sizeof a));
	for (size_t i = 0; i < sizeof a; i++) {
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			b[i] ^= (unsigned char)bit;
			assert_false(crypto_equal(a, b, sizeof a));
			assert_true(crypto_equal(a, b, i));
			b[i] ^= (unsigned char)bit;
		}
	}
	assert_true(crypto_equal(a, zeros, 0));
	crypto_wipe(a + 1, sizeof a - 2);
	assert_int_equal(a[0], 1);
	assert_int_equal(a[sizeof a - 1], sizeof a);
	assert_memory_equal(a + 1, zeros, sizeof a - 2);
}

/* --- random bytes ------------------------------------------------------------------------------ */

static void test_random(void **state)
{
	(void)state;
	unsigned char a[32] = {0}, b[32] = {0}, ors[32] = {0}, ands[32];
	memset(ands, 0xff, sizeof ands);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(crypto_random(a, sizeof a), 0);
		assert_memory_not_equal(a, b, sizeof a);
		for (size_t at = 0; at < sizeof a; at++) {
			ors[at] |= a[at];
			ands[at] &= a[at];
		}
		memcpy(b, a, sizeof a);
	}
	for (size_t at = 0; at < sizeof a; at++) {
		assert_int_equal(ors[at], 0xff); /* each bit was set once, and was not once */
		assert_int_equal(ands[at], 0);
	}
	assert_int_equal(crypto_random(a, (size_t)INT32_MAX + 1), E_CRYPTO);
	assert_int_equal(crypto_random(a, 0), 0);
}

/* Nothing comes twice, nothing is written beyond, and what was handed out is gone from the pool. */
static void test_rng(void **state)
{
	(void)state;
	static const unsigned char zeros[CRYPTO_RNG_POOL_BYTES];
	static struct crypto_rng rng;
	static unsigned char drawn[4000][8];
	for (size_t i = 0; i < COUNT(drawn); i++) {
		assert_int_equal(crypto_rng_draw(&rng, drawn[i], sizeof drawn[i]), 0);
		assert_memory_equal(rng.pool_ + rng.left_, zeros, sizeof rng.pool_ - rng.left_);
	}
	for (size_t i = 0; i < COUNT(drawn); i++) {
		for (size_t j = 0; j < i; j++) {
			assert_true(memcmp(drawn[i], drawn[j], sizeof drawn[i]) != 0);
		}
	}
	unsigned char most[CRYPTO_RNG_POOL_BYTES + 1] = {0};
	most[CRYPTO_RNG_POOL_BYTES] = '#';
	assert_int_equal(crypto_rng_draw(&rng, most, CRYPTO_RNG_POOL_BYTES), 0);
	assert_int_equal(most[CRYPTO_RNG_POOL_BYTES], '#');
	assert_memory_not_equal(most, zeros, CRYPTO_RNG_POOL_BYTES);
	assert_memory_equal(rng.pool_, zeros, sizeof rng.pool_);
	memset(most, 'u', sizeof most);
	assert_int_equal(crypto_rng_draw(&rng, most, CRYPTO_RNG_POOL_BYTES + 1), E_LIMIT);
	assert_int_equal(most[0], 'u');
	assert_int_equal(crypto_rng_draw(&rng, most, 0), 0);
	/* Odd sizes, so that draws meet the pool's end. */
	for (size_t n = 1; n <= CRYPTO_RNG_POOL_BYTES; n = n * 2 + 1) {
		assert_int_equal(crypto_rng_draw(&rng, most, n), 0);
	}
}

/* --- digests ----------------------------------------------------------------------------------- */

static void test_sha256(void **state)
{
	(void)state;
	char *million = malloc(MILLION);
	assert_non_null(million);
	memset(million, 'a', MILLION);
	const struct {
		int line;
		struct str data;
		const char *digest;
	} cases[] = {
		/* FIPS 180-4's examples, and those of NIST's CAVP with few bytes */
		{__LINE__, STR("abc"),
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{__LINE__, STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
		{__LINE__, {million, MILLION},
			"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
		{__LINE__, STR(""),
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{__LINE__, STR_EMPTY,
			"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{__LINE__, STR("\xd3"),
			"28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char expected[CRYPTO_SHA256_BYTES], digest[CRYPTO_SHA256_BYTES];
		unhex(cases[i].digest, expected, sizeof expected);
		HOLDS(cases[i].line, crypto_sha256(cases[i].data, digest) == 0);
		HOLDS(cases[i].line, memcmp(digest, expected, sizeof digest) == 0);
	}
	free(million);
}

/* RFC 4231; n of the repeated byte, or the text itself. */
struct hmac_case {
	int line;
	int key_byte, key_n;
	const char *key;
	int data_byte, data_n;
	const char *data;
	const char *mac;
};

static const struct hmac_case hmac_cases[] = {
	{__LINE__, 0x0b, 20, NULL, 0, 0, "Hi There",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{__LINE__, 0, 0, "Jefe", 0, 0, "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{__LINE__, 0xaa, 20, NULL, 0xdd, 50, NULL,
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{__LINE__, 0, 0,
		"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11"
		"\x12\x13\x14\x15\x16\x17\x18\x19",
		0xcd, 50, NULL, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	{__LINE__, 0x0c, 20, NULL, 0, 0, "Test With Truncation",
		"a3b6167473100ee06e0c796c2955552b"}, /* given for 128 bits */
	{__LINE__, 0xaa, 131, NULL, 0, 0, "Test Using Larger Than Block-Size Key - Hash Key First",
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{__LINE__, 0xaa, 131, NULL, 0, 0,
		"This is a test using a larger than block-size key and a larger than block-size "
		"data. The key needs to be hashed before being used by the HMAC algorithm.",
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static struct str expand(int byte, int n, const char *text, char *memory)
{
	if (text) {
		return str_of(text);
	}
	memset(memory, byte, (size_t)n);
	return (struct str){memory, (size_t)n};
}

static void test_hmac(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hmac_cases); i++) {
		const struct hmac_case *c = &hmac_cases[i];
		char key_memory[256], data_memory[256];
		unsigned char expected[CRYPTO_SHA256_BYTES], mac[CRYPTO_SHA256_BYTES];
		struct str key = expand(c->key_byte, c->key_n, c->key, key_memory);
		struct str data = expand(c->data_byte, c->data_n, c->data, data_memory);
		size_t n = strlen(c->mac) / 2;
		struct secret secret = {0};
		unhex(c->mac, expected, n);
		assert_int_equal(secret_init(&secret, key.n), 0);
		memcpy(secret.p, key.p, key.n);
		HOLDS(c->line, crypto_hmac_once(key, data, mac) == 0);
		HOLDS(c->line, memcmp(mac, expected, n) == 0);
		struct crypto_hmac *hmac = crypto_hmac_new(&secret);
		secret_done(&secret); /* the key was copied */
		HOLDS(c->line, hmac != NULL);
		/* Often, and in two and three parts: always the same. */
		for (size_t cut = 0; cut <= data.n; cut++) {
			const struct str parts[] = {
				{data.p, cut}, STR_INIT(""), str_from(data, cut)};
			memset(mac, 0, sizeof mac);
			HOLDS(c->line, crypto_hmac_run(hmac, parts, COUNT(parts), mac) == 0);
			HOLDS(c->line, memcmp(mac, expected, n) == 0);
			HOLDS(c->line, crypto_hmac_run(hmac, &data, 1, mac) == 0);
			HOLDS(c->line, memcmp(mac, expected, n) == 0);
		}
		crypto_hmac_free(hmac);
	}
	crypto_hmac_free(NULL);
}

static void test_hmac_out_of_memory(void **state)
{
	(void)state;
	struct secret key = {0};
	assert_int_equal(secret_init(&key, 32), 0);
	(void)alloc_fail_at(1);
	assert_null(crypto_hmac_new(&key));
	assert_true(alloc_fail_at(0));
	secret_done(&key);
}

/* --- the signer -------------------------------------------------------------------------------- */

struct pair {
	struct secret key;
	struct buf pem;
	struct crypto_signer *signer;
	X509 *certificate;
};

static struct pair one, other;

static void make_pair(struct pair *pair, struct str name)
{
	assert_int_equal(crypto_signer_generate(name, NOW_S, &pair->key, &pair->pem), 0);
	assert_int_equal(crypto_signer_new(&pair->key, buf_str(&pair->pem), &pair->signer), 0);
	BIO *bio = BIO_new_mem_buf(pair->pem.p, (int)pair->pem.n);
	pair->certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(pair->certificate);
}

static int make_pairs(void **state)
{
	(void)state;
	make_pair(&one, STR("telltale test"));
	make_pair(&other, STR("another"));
	return 0;
}

static void end_pair(struct pair *pair)
{
	secret_done(&pair->key);
	buf_done(&pair->pem);
	crypto_signer_free(pair->signer);
	X509_free(pair->certificate);
}

static int end_pairs(void **state)
{
	(void)state;
	end_pair(&one);
	end_pair(&other);
	crypto_signer_free(NULL);
	return 0;
}

static void test_certificate(void **state)
{
	(void)state;
	X509 *x = one.certificate;
	char name[64];
	time_t start = NOW_S, end = NOW_S + CERTIFICATE_S;
	EVP_PKEY *key = X509_get0_pubkey(x);
	assert_int_equal(X509_get_version(x), 2);
	assert_true(X509_NAME_get_text_by_NID(
			    X509_get_subject_name(x), NID_commonName, name, sizeof name) > 0);
	assert_string_equal(name, "telltale test");
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)), 0);
	assert_int_equal(X509_cmp_time(X509_get0_notBefore(x), &start), -1);
	start--;
	assert_int_equal(X509_cmp_time(X509_get0_notBefore(x), &start), 1);
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &end), -1);
	end--;
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(x), &end), 1);
	assert_int_equal(EVP_PKEY_get_id(key), EVP_PKEY_RSA);
	assert_int_equal(EVP_PKEY_get_bits(key), 2048);
	assert_int_equal(X509_verify(x, key), 1);
	assert_int_equal(X509_verify(x, X509_get0_pubkey(other.certificate)), 0);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get_serialNumber(x),
				     X509_get_serialNumber(other.certificate)),
		0);
	/* RFC 5280 4.1.2.2: positive, of 20 bytes at most */
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get_serialNumber(x), NULL);
	assert_true(!BN_is_negative(serial) && BN_num_bits(serial) > 64);
	assert_true(BN_num_bytes(serial) <= 20);
	BN_free(serial);
	assert_true(str_starts(buf_str(&one.pem), STR("-----BEGIN CERTIFICATE-----\n")));
	assert_true(str_ends(buf_str(&one.pem), STR("-----END CERTIFICATE-----\n")));
}

/* Lines of 64 characters, no line end behind the last; the bytes. */
static struct buf unline(const struct buf *lines)
{
	struct buf data = BUF_EMPTY;
	struct str rest = buf_str(lines);
	assert_true(rest.n > 0 && rest.p[rest.n - 1] != '\n');
	while (rest.n) {
		size_t end = str_find(rest, '\n');
		assert_in_range(end, 1, BASE64_LINE_MAX);
		assert_true(end == BASE64_LINE_MAX || end == rest.n);
		rest = end < rest.n ? str_from(rest, end + 1) : STR_EMPTY;
	}
	assert_int_equal(base64_decode(buf_str(lines), &data), 0);
	return data;
}

static bool verifies(X509 *certificate, struct str data, struct str signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(
		EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, X509_get0_pubkey(certificate)),
		1);
	int rc = EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
		(const unsigned char *)data.p, data.n);
	EVP_MD_CTX_free(ctx);
	return rc == 1;
}

static const struct str documents[] = {
	STR_INIT(""), STR_INIT("{}"), STR_INIT("{\n  \"a\" : \"b\"\n}"), STR_INIT("a\0b\r\nc")};

static void test_sign(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(documents); i++) {
		struct buf text = BUF_EMPTY;
		assert_int_equal(crypto_sign(one.signer, documents[i], &text), 0);
		struct buf signature = unline(&text);
		assert_int_equal(signature.n, 256);
		assert_true(verifies(one.certificate, documents[i], buf_str(&signature)));
		assert_false(verifies(other.certificate, documents[i], buf_str(&signature)));
		assert_false(verifies(one.certificate, STR("something else"), buf_str(&signature)));
		buf_done(&text);
		buf_done(&signature);
	}
}

/* The content when the signature is the certificate's, else false. */
static bool opens(X509 *certificate, struct str der, struct buf *ret_content)
{
	const unsigned char *at = (const unsigned char *)der.p;
	PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)der.n);
	X509_STORE *store = X509_STORE_new();
	BIO *out = BIO_new(BIO_s_mem());
	char *p = NULL;
	assert_true(p7 && store && out);
	assert_int_equal(X509_STORE_add_cert(store, certificate), 1);
	X509_STORE_set_flags(store, X509_V_FLAG_NO_CHECK_TIME);
	bool ok = PKCS7_verify(p7, NULL, store, NULL, out, PKCS7_BINARY) == 1;
	long n = BIO_get_mem_data(out, &p);
	if (ok && n > 0) {
		buf_add(ret_content, (struct str){p, (size_t)n});
	}
	BIO_free(out);
	X509_STORE_free(store);
	PKCS7_free(p7);
	return ok;
}

static void test_sign_pkcs7(void **state)
{
	(void)state;
	for (size_t i = 1; i < COUNT(documents); i++) {
		struct buf text = BUF_EMPTY, content = BUF_EMPTY;
		assert_int_equal(crypto_sign_pkcs7(one.signer, documents[i], &text), 0);
		assert_null(memmem(text.p, text.n, "-----", 5));
		struct buf der = unline(&text);
		assert_true(opens(one.certificate, buf_str(&der), &content));
		assert_true(str_eq(buf_str(&content), documents[i]));
		assert_false(opens(other.certificate, buf_str(&der), &content));
		buf_done(&text);
		buf_done(&der);
		buf_done(&content);
	}
}

static void test_signer_refuses(void **state)
{
	(void)state;
	struct secret none = {0}, cut = one.key, longer = {0};
	struct str pem = buf_str(&one.pem);
	EVP_PKEY *ec = EVP_EC_gen("P-256");
	unsigned char *der = NULL;
	int der_n = i2d_PrivateKey(ec, &der);
	assert_true(der_n > 0);
	struct secret ec_key = {.p = der, .n = (size_t)der_n};
	cut.n--;
	assert_int_equal(secret_init(&longer, 3000), 0);
	memset(longer.p, 0x30, longer.n);
	const struct {
		int line;
		const struct secret *key;
		struct str pem;
	} cases[] = {
		{__LINE__, &one.key, buf_str(&other.pem)},
		{__LINE__, &other.key, pem},
		{__LINE__, &none, pem},
		{__LINE__, &cut, pem},
		{__LINE__, &longer, pem},
		{__LINE__, &ec_key, pem},
		{__LINE__, &one.key, STR("")},
		{__LINE__, &one.key, STR("rubbish")},
		{__LINE__, &one.key, {pem.p, pem.n / 2}},
		{__LINE__, &one.key, {pem.p + 1, pem.n - 1}},
		{__LINE__, &one.key,
			STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")},
		{__LINE__, &one.key, {pem.p, (size_t)INT32_MAX + 1}},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct crypto_signer *signer = one.signer;
		HOLDS(cases[i].line,
			crypto_signer_new(cases[i].key, cases[i].pem, &signer) == E_DAMAGED);
		HOLDS(cases[i].line, signer == one.signer);
	}
	(void)alloc_fail_at(1);
	struct crypto_signer *signer = one.signer;
	assert_int_equal(crypto_signer_new(&one.key, pem, &signer), -ENOMEM);
	assert_true(alloc_fail_at(0));
	assert_ptr_equal(signer, one.signer);
	EVP_PKEY_free(ec);
	OPENSSL_free(der);
	secret_done(&longer);
}

static void test_sign_out_of_memory(void **state)
{
	(void)state;
	for (unsigned n = 1;; n++) {
		CLEANUP(buf_done) struct buf text = BUF_EMPTY;
		(void)alloc_fail_at(n);
		int rc = crypto_sign(one.signer, STR("x"), &text);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			assert_true(n > 2);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
	}
	struct buf text = BUF_EMPTY;
	assert_int_equal(
		crypto_sign_pkcs7(one.signer, (struct str){"", (size_t)INT32_MAX + 1}, &text),
		E_LIMIT);
	assert_int_equal(text.n, 0);
}

/* --- base64 ------------------------------------------------------------------------------------ */

static void test_base64(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str data, text;
	} cases[] = {
		/* RFC 4648 10 */
		{__LINE__, STR_INIT(""), STR_INIT("")},
		{__LINE__, STR_INIT("f"), STR_INIT("Zg==")},
		{__LINE__, STR_INIT("fo"), STR_INIT("Zm8=")},
		{__LINE__, STR_INIT("foo"), STR_INIT("Zm9v")},
		{__LINE__, STR_INIT("foob"), STR_INIT("Zm9vYg==")},
		{__LINE__, STR_INIT("fooba"), STR_INIT("Zm9vYmE=")},
		{__LINE__, STR_INIT("foobar"), STR_INIT("Zm9vYmFy")},
		{__LINE__, {NULL, 0}, STR_INIT("")},
		{__LINE__, STR_INIT("\0"), STR_INIT("AA==")},
		{__LINE__, STR_INIT("\xff\xff\xff"), STR_INIT("////")},
		{__LINE__, STR_INIT("\xfb\xef\xbe"), STR_INIT("++++")},
		{__LINE__, STR_INIT("\x14\xfb\x9c\x03\xd9\x7e"), STR_INIT("FPucA9l+")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		CLEANUP(buf_done) struct buf text = BUF_EMPTY;
		CLEANUP(buf_done) struct buf data = BUF_EMPTY;
		HOLDS(cases[i].line, base64_encode(cases[i].data, &text) == 0);
		HOLDS(cases[i].line, str_eq(buf_str(&text), cases[i].text));
		HOLDS(cases[i].line, base64_decode(cases[i].text, &data) == 0);
		HOLDS(cases[i].line, str_eq(buf_str(&data), cases[i].data));
	}
}

/* All pairs of bytes in all places, as OpenSSL writes and reads them. */
static void test_base64_round_trip(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	CLEANUP(buf_done) struct buf data = BUF_EMPTY;
	for (unsigned pair = 0; pair < 65536; pair++) {
		unsigned char bytes[4] = {(unsigned char)(pair * 7), (unsigned char)(pair >> 8),
			(unsigned char)pair, (unsigned char)(pair * 13)};
		for (size_t n = 2; n <= sizeof bytes; n++) {
			unsigned char expected[16];
			buf_reset(&text);
			buf_reset(&data);
			assert_int_equal(
				base64_encode((struct str){(const char *)bytes, n}, &text), 0);
			int chars = EVP_EncodeBlock(expected, bytes, (int)n);
			assert_int_equal(text.n, chars);
			assert_memory_equal(text.p, expected, text.n);
			assert_int_equal(base64_decode(buf_str(&text), &data), 0);
			assert_int_equal(data.n, n);
			assert_memory_equal(data.p, bytes, n);
		}
	}
}

static void test_base64_hostile(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		int rc;
		struct str data;
	} cases[] = {
		{__LINE__, STR_INIT(" Z\tm 9\r\nv\n"), 0, STR_INIT("foo")},
		{__LINE__, STR_INIT("Zg=\n="), 0, STR_INIT("f")},
		{__LINE__, STR_INIT(" \n"), 0, STR_INIT("")},
		{__LINE__, STR_INIT("Z"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zg"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zg="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm8"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm9vY"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("===="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Z==="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zg==="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm8=="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm9v="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm9v===="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("=Zg="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zg=v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zg==Zg=="), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zg==x"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm-v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm_v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm9v\0"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm9\xff"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm9."), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("Zm9\v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("@m9v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("[m9v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("`m9v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT("{m9v"), E_SYNTAX, {NULL, 0}},
		{__LINE__, STR_INIT(":m9v"), E_SYNTAX, {NULL, 0}},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		CLEANUP(buf_done) struct buf data = BUF_EMPTY;
		HOLDS(cases[i].line, base64_decode(cases[i].text, &data) == cases[i].rc);
		HOLDS(cases[i].line, cases[i].rc != 0 || str_eq(buf_str(&data), cases[i].data));
	}
}

static void test_base64_out_of_memory(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		(void)alloc_fail_at(1);
		int rc = which ? base64_encode(STR("foo"), &out) : base64_decode(STR("Zm9v"), &out);
		assert_true(alloc_fail_at(0));
		assert_int_equal(rc, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_secret_is_not_dumped),
		cmocka_unit_test(test_wipe_and_equal),
		cmocka_unit_test(test_wipe_buf),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_rng),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_hmac_out_of_memory),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_sign_pkcs7),
		cmocka_unit_test(test_signer_refuses),
		cmocka_unit_test(test_sign_out_of_memory),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_round_trip),
		cmocka_unit_test(test_base64_hostile),
		cmocka_unit_test(test_base64_out_of_memory),
	};
	return cmocka_run_group_tests(tests, make_pairs, end_pairs);
}
