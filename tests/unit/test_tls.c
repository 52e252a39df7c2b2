/* Unit tests of platform/tls.h: certificates and keys, and sessions over a pair of sockets. */
#include "tests/unit/tls_help.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/alloc.h"

#define BIG_BYTES ((size_t)4 * 1024 * 1024)
#define STEPS_MAX 100000

static struct tls_pair ours, theirs;

static int make_pairs(void **state)
{
	(void)state;
	ours = tls_pair_make("ours");
	theirs = tls_pair_make("theirs");
	return 0;
}

static int end_pairs(void **state)
{
	(void)state;
	tls_pair_done(&ours);
	tls_pair_done(&theirs);
	return 0;
}

/* --- certificates and keys --------------------------------------------------------------------- */

static int put_together(struct str certificate, struct str key, struct diag *diag)
{
	struct tls_context *context = NULL;
	TRY(tls_context_new(&context));
	int rc = tls_context_certify(context, certificate, diag);
	if (rc == 0) {
		rc = tls_context_set_key(context, key, diag);
	}
	tls_context_free(context);
	assert_int_equal(ERR_peek_error(), 0);
	return rc;
}

/* A key in another form: RSA of too few bits, or with a passphrase. */
static void other_key(EVP_PKEY *key, const EVP_CIPHER *cipher, struct buf *out)
{
	static unsigned char word[] = "geheim";
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(
		PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? (char *)word : NULL,
			cipher ? (int)sizeof word - 1 : 0, NULL, NULL),
		1);
	pem_of(bio, out);
}

static void test_pairs(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf chain = BUF_EMPTY, cut = BUF_EMPTY, locked = BUF_EMPTY;
	CLEANUP(buf_done) struct buf both = BUF_EMPTY, rsa = BUF_EMPTY, large = BUF_EMPTY;
	EVP_PKEY *key = EVP_RSA_gen(2048);
	struct str certificate = buf_str(&ours.certificate), private_key = buf_str(&ours.key);
	buf_add(&chain, certificate);
	buf_add(&chain, STR("and the next one:\n"));
	buf_add(&chain, buf_str(&theirs.certificate));
	buf_add(&cut, certificate);
	buf_add(&cut, (struct str){certificate.p, certificate.n / 2});
	buf_add(&both, private_key);
	buf_add(&both, certificate);
	other_key(key, EVP_aes_128_cbc(), &locked);
	other_key(key, NULL, &rsa);
	EVP_PKEY_free(key);
	char *room = buf_room(&large, TLS_FILE_BYTES + 1);
	assert_non_null(room);
	memset(room, '\n', TLS_FILE_BYTES + 1);
	memcpy(room, certificate.p, certificate.n);
	large.n = TLS_FILE_BYTES;
	struct str cap = buf_str(&large), beyond = {large.p, TLS_FILE_BYTES + 1};
	const struct {
		int line;
		struct str certificate, key;
		int rc;
		const char *diag;
	} cases[] = {
		{__LINE__, certificate, private_key, 0, ""},
		{__LINE__, buf_str(&chain), private_key, 0, ""},
		{__LINE__, buf_str(&both), buf_str(&both), 0, ""},
		{__LINE__, cap, private_key, 0, ""},
		{__LINE__, beyond, private_key, E_LIMIT, "too large"},
		{__LINE__, certificate, beyond, E_LIMIT, "too large"},
		{__LINE__, certificate, buf_str(&theirs.key), E_CRYPTO,
			"not the private key of the certificate"},
		{__LINE__, certificate, buf_str(&rsa), E_CRYPTO,
			"not the private key of the certificate"},
		{__LINE__, certificate, buf_str(&locked), E_SYNTAX,
			"the private key has a passphrase"},
		{__LINE__, certificate, certificate, E_SYNTAX,
			"no private key in PEM form, or a broken one"},
		{__LINE__, certificate, STR_EMPTY, E_SYNTAX,
			"no private key in PEM form, or a broken one"},
		{__LINE__, STR_EMPTY, private_key, E_SYNTAX,
			"no certificate in PEM form, or a broken one"},
		{__LINE__, private_key, private_key, E_SYNTAX,
			"no certificate in PEM form, or a broken one"},
		{__LINE__, STR("garbage\n"), private_key, E_SYNTAX,
			"no certificate in PEM form, or a broken one"},
		{__LINE__, buf_str(&cut), private_key, E_SYNTAX,
			"no certificate in PEM form, or a broken one"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct diag diag = {{0}};
		int rc = put_together(cases[i].certificate, cases[i].key, &diag);
		if (rc != cases[i].rc || strcmp(diag.text, cases[i].diag) != 0) {
			fail_msg("line %d: %d \"%s\"", cases[i].line, rc, diag.text);
		}
	}
}

/* What OpenSSL itself refuses is told in its words. */
static void test_weak_certificate(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf pem = BUF_EMPTY;
	struct diag diag = {{0}};
	EVP_PKEY *key = EVP_RSA_gen(512);
	X509 *x = X509_dup(ours.x509);
	BIO *bio = BIO_new(BIO_s_mem());
	assert_true(key && x && bio && X509_set_pubkey(x, key) == 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	pem_of(bio, &pem);
	X509_free(x);
	EVP_PKEY_free(key);
	assert_int_equal(put_together(buf_str(&pem), STR_EMPTY, &diag), E_CRYPTO);
	assert_string_equal(diag.text, "OpenSSL does not take the certificate: ee key too small");
}

static void test_out_of_memory(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (unsigned n = 1;; n++) {
		struct tls_context *context = NULL;
		struct tls_session *session = NULL;
		(void)alloc_fail_at(n);
		int rc = tls_context_new(&context);
		if (rc == 0) {
			rc = tls_session_new(context, fds[0], &session);
		}
		bool failed = alloc_fail_at(0);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		assert_true(!failed == (session != NULL));
		tls_session_free(session);
		tls_context_free(context);
		if (!failed) {
			break;
		}
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
	tls_session_free(NULL);
	tls_context_free(NULL);
	assert_null(tls_context_hold(NULL));
}

/* --- sessions ---------------------------------------------------------------------------------- */

/* A session of ours and its peer, both on this thread and never waiting. */
struct duo {
	int fds[2]; /* ours, the peer's */
	struct tls_session *session;
	SSL *peer;
};

static struct duo duo_make(const struct tls_pair *pair, const struct tls_pair *trusted)
{
	struct duo duo;
	struct tls_context *context = tls_pair_context(pair);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, duo.fds), 0);
	assert_int_equal(tls_session_new(context, duo.fds[0], &duo.session), 0);
	tls_context_free(context); /* the session goes on all the same */
	duo.peer = tls_client(duo.fds[1], trusted);
	return duo;
}

static void duo_done(struct duo *duo)
{
	tls_session_free(duo->session);
	SSL_free(duo->peer);
	(void)close(duo->fds[0]);
	(void)(duo->fds[1] < 0 || close(duo->fds[1]));
	ERR_clear_error(); /* the peer's */
}

/* Both in turns until one is through: what our side's last call said, and whether the peer is. */
static ssize_t shake(struct duo *duo, bool *ret_done)
{
	char byte;
	for (int step = 0; step < STEPS_MAX; step++) {
		int rc = SSL_do_handshake(duo->peer);
		int want = rc == 1 ? 0 : SSL_get_error(duo->peer, rc);
		ssize_t n = tls_session_read(duo->session, &byte, 1);
		*ret_done = rc == 1;
		if (n != -EAGAIN || rc == 1 ||
			(want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)) {
			return n;
		}
	}
	fail_msg("no end of it");
	return 0;
}

static void expect_handshake(struct duo *duo)
{
	bool done = false;
	assert_int_equal(shake(duo, &done), -EAGAIN);
	assert_true(done);
	assert_false(tls_session_wants_write(duo->session));
}

static void peer_says(struct duo *duo, struct str text)
{
	size_t n = 0;
	assert_int_equal(SSL_write_ex(duo->peer, text.p, text.n, &n), 1);
	assert_int_equal(n, text.n);
}

static void expect_read(struct duo *duo, struct str want)
{
	char room[TLS_RECORD_BYTES];
	ssize_t n = tls_session_read(duo->session, room, sizeof room);
	assert_int_equal(n, want.n);
	assert_memory_equal(room, want.p, want.n);
}

static void test_words_both_ways(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	char room[64];
	size_t n;
	expect_handshake(&duo);
	assert_string_equal(SSL_get_version(duo.peer), "TLSv1.3");
	peer_says(&duo, STR("hello"));
	peer_says(&duo, STR("again"));
	expect_read(&duo, STR("hello"));
	expect_read(&duo, STR("again"));
	assert_int_equal(tls_session_read(duo.session, room, sizeof room), -EAGAIN);
	assert_int_equal(tls_session_write(duo.session, "bye", 3), 3);
	assert_int_equal(tls_session_write(duo.session, "", 0), 0);
	assert_int_equal(SSL_read_ex(duo.peer, room, sizeof room, &n), 1);
	assert_memory_equal(room, "bye", n);
	/* The end is said by both, and twice is once. */
	tls_session_finish(duo.session);
	tls_session_finish(duo.session);
	assert_int_equal(SSL_read_ex(duo.peer, room, sizeof room, &n), 0);
	assert_int_equal(SSL_get_error(duo.peer, 0), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(SSL_shutdown(duo.peer), 1);
	assert_int_equal(tls_session_read(duo.session, room, sizeof room), 0);
	assert_null(tls_session_fault(duo.session));
	duo_done(&duo);
}

/* A record of any length is out of the session with one read: readiness of the socket tells all. */
static void test_nothing_stays_inside(void **state)
{
	(void)state;
	static char text[TLS_RECORD_BYTES], room[TLS_RECORD_BYTES];
	struct duo duo = duo_make(&ours, &ours);
	expect_handshake(&duo);
	for (size_t n = 1; n <= sizeof text; n = n < 64 ? n * 2 : n + 4080) {
		size_t sent = 0;
		memset(text, 'a' + (int)(n % 26), n);
		assert_int_equal(SSL_write_ex(duo.peer, text, n, &sent), 1);
		peer_says(&duo, STR("x"));
		assert_int_equal(tls_session_read(duo.session, room, sizeof room), sent);
		assert_memory_equal(room, text, n);
		assert_int_equal(tls_session_read(duo.session, room, sizeof room), 1);
		assert_int_equal(recv(duo.fds[0], room, 1, MSG_PEEK), -1);
		assert_int_equal(tls_session_read(duo.session, room, sizeof room), -EAGAIN);
	}
	duo_done(&duo);
}

/* More than the socket takes: in parts, the rest from another place in memory, and in order. */
static void test_parts(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	CLEANUP(buf_done) struct buf all = BUF_EMPTY, copy = BUF_EMPTY, got = BUF_EMPTY;
	char *at = buf_room(&all, BIG_BYTES);
	unsigned waits = 0;
	size_t sent = 0;
	for (size_t i = 0; at && i < BIG_BYTES; i++) {
		at[i] = (char)(i * i % 251);
	}
	all.n = BIG_BYTES;
	expect_handshake(&duo);
	for (int step = 0; got.n < BIG_BYTES && step < STEPS_MAX; step++) {
		buf_reset(&copy);
		buf_add(&copy, str_from(buf_str(&all), sent));
		ssize_t n = tls_session_write(duo.session, copy.n ? copy.p : "", copy.n);
		assert_true(n >= 0 || n == -EAGAIN);
		assert_true(n >= 0 || tls_session_wants_write(duo.session));
		waits += n == -EAGAIN;
		sent += n > 0 ? (size_t)n : 0;
		memset(copy.p, 0, copy.cap_);
		size_t one = 0;
		char *room = buf_room(&got, TLS_RECORD_BYTES);
		assert_non_null(room);
		if (step % 3 == 0 && SSL_read_ex(duo.peer, room, TLS_RECORD_BYTES, &one) == 1) {
			got.n += one;
		}
	}
	assert_true(waits > 10);
	assert_int_equal(got.n, BIG_BYTES);
	assert_memory_equal(got.p, all.p, BIG_BYTES);
	duo_done(&duo);
}

/* Half a record is out: a goodbye in its midst would be garbage. */
static void test_finish_in_the_midst(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	CLEANUP(buf_done) struct buf all = BUF_EMPTY;
	size_t sent = 0, n = 0;
	char room[TLS_RECORD_BYTES];
	memset(buf_room(&all, BIG_BYTES), 'a', BIG_BYTES);
	expect_handshake(&duo);
	sent = (size_t)tls_session_write(duo.session, all.p, BIG_BYTES);
	assert_in_range(sent, 1, BIG_BYTES - 1);
	tls_session_finish(duo.session);
	for (size_t got = 0; got < sent; got += n) {
		assert_int_equal(SSL_read_ex(duo.peer, room, sizeof room, &n), 1);
	}
	(void)SSL_read_ex(duo.peer, room, sizeof room, &n);
	assert_int_equal(SSL_get_shutdown(duo.peer), 0);
	assert_int_equal(tls_session_write(duo.session, all.p, 100000), 100000);
	duo_done(&duo);
}

/* --- peers that are not as they should be ------------------------------------------------------ */

static void test_garbage(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str bytes;
		const char *fault; /* NULL: it waits for more; empty: OpenSSL's releases differ */
	} cases[] = {
		{__LINE__, STR_INIT("GET / HTTP/1.1\r\n\r\n"), "http request"},
		{__LINE__, STR_INIT("SSH-2.0-OpenSSH_9.2\r\n"), "wrong version number"},
		{__LINE__, STR_INIT("\x16\x03\x01\xff\xff\x01\x00\x00\x00"), ""},
		{__LINE__, STR_INIT("\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff"), ""},
		{__LINE__, STR_INIT("\x16\x03\x01\x00\x05\x02\x00\x00\x01\xff"), ""},
		{__LINE__, STR_INIT("\x15\x03\x01\x00\x02\x02\x28"), ""},
		{__LINE__, STR_INIT("\x17\x03\x03\x00\x01x"), ""},
		{__LINE__, STR_INIT("\x16\x03\x01\x02"), NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct duo duo = duo_make(&ours, NULL), other = duo_make(&ours, &ours);
		char room[TLS_RECORD_BYTES];
		assert_int_equal(
			write(duo.fds[1], cases[i].bytes.p, cases[i].bytes.n), cases[i].bytes.n);
		ssize_t n = tls_session_read(duo.session, room, sizeof room);
		const char *fault = tls_session_fault(duo.session);
		if (n != (cases[i].fault ? -EPROTO : -EAGAIN) ||
			(fault != NULL) != (cases[i].fault != NULL) ||
			(fault && cases[i].fault[0] && strcmp(fault, cases[i].fault) != 0)) {
			fail_msg("line %d: %zd %s", cases[i].line, n, fault ? fault : "-");
		}
		if (cases[i].fault) {
			assert_int_equal(ERR_peek_error(), 0);
			assert_int_equal(tls_session_read(duo.session, room, sizeof room), -EPROTO);
			assert_int_equal(tls_session_write(duo.session, "x", 1), -EPIPE);
		}
		/* Whoever is beside notices nothing. */
		expect_handshake(&other);
		duo_done(&duo);
		duo_done(&other);
	}
}

/* The request that comes with the last word of the handshake is not left for another turn. */
static void test_request_behind_the_handshake(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	char byte;
	assert_int_equal(SSL_do_handshake(duo.peer), -1);
	assert_int_equal(tls_session_read(duo.session, &byte, 1), -EAGAIN);
	assert_int_equal(SSL_do_handshake(duo.peer), 1);
	peer_says(&duo, STR("hello"));
	expect_read(&duo, STR("hello"));
	duo_done(&duo);
}

/* What was left in the thread's queue of errors is not this session's. */
static void test_errors_of_others(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	char room[64];
	expect_handshake(&duo);
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
	assert_int_equal(tls_session_read(duo.session, room, sizeof room), -EAGAIN);
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
	assert_int_equal(tls_session_write(duo.session, "x", 1), 1);
	peer_says(&duo, STR("still here"));
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
	expect_read(&duo, STR("still here"));
	duo_done(&duo);
}

static void test_old_versions(void **state)
{
	(void)state;
	static const struct {
		int line, version;
		bool taken;
	} cases[] = {
		{__LINE__, TLS1_VERSION, false},
		{__LINE__, TLS1_1_VERSION, false},
		{__LINE__, TLS1_2_VERSION, true},
		{__LINE__, TLS1_3_VERSION, true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct duo duo = duo_make(&ours, &ours);
		bool done = false;
		SSL_set_security_level(duo.peer, 0);
		assert_int_equal(SSL_set_min_proto_version(duo.peer, cases[i].version), 1);
		assert_int_equal(SSL_set_max_proto_version(duo.peer, cases[i].version), 1);
		ssize_t n = shake(&duo, &done);
		HOLDS(cases[i].line, done == cases[i].taken);
		HOLDS(cases[i].line, n == (cases[i].taken ? -EAGAIN : -EPROTO));
		HOLDS(cases[i].line, cases[i].taken == (tls_session_fault(duo.session) == NULL));
		if (cases[i].version == TLS1_2_VERSION) {
			/* Forward secrecy, and nothing to resume. */
			assert_true(strncmp(SSL_get_cipher(duo.peer), "ECDHE-", 6) == 0);
			assert_false(SSL_SESSION_is_resumable(SSL_get_session(duo.peer)));
		}
		duo_done(&duo);
	}
}

/* Ciphers that keep no secret for later, or whose padding is an oracle. */
static void test_weak_ciphers(void **state)
{
	(void)state;
	static const char *const lists[] = {"kRSA", "ECDHE+AES+SHA256:!AESGCM", "ECDHE+SHA1"};
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct duo duo = duo_make(&ours, &ours);
		bool done = false;
		assert_int_equal(SSL_set_max_proto_version(duo.peer, TLS1_2_VERSION), 1);
		assert_int_equal(SSL_set_cipher_list(duo.peer, lists[i]), 1);
		assert_int_equal(shake(&duo, &done), -EPROTO);
		assert_false(done);
		assert_string_equal(tls_session_fault(duo.session), "no shared cipher");
		duo_done(&duo);
	}
}

static void test_renegotiation(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	char room[64];
	size_t n;
	assert_int_equal(SSL_set_max_proto_version(duo.peer, TLS1_2_VERSION), 1);
	expect_handshake(&duo);
	assert_int_equal(SSL_renegotiate(duo.peer), 1);
	(void)SSL_do_handshake(duo.peer);
	for (int i = 0; i < 10; i++) { /* it is told no, and that is all */
		ssize_t rc = tls_session_read(duo.session, room, sizeof room);
		assert_true(rc == -EAGAIN || rc == -EPROTO || rc == 0);
		assert_int_equal(SSL_read_ex(duo.peer, room, sizeof room, &n), 0);
	}
	assert_int_equal(SSL_num_renegotiations(duo.peer), 1); /* asked for, never done */
	assert_false(SSL_is_init_finished(duo.peer) && SSL_get_shutdown(duo.peer) == 0);
	duo_done(&duo);
}

/* However many key updates are sent, a read returns after a few and has its turn again. */
static void test_key_updates(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	char room[64];
	expect_handshake(&duo);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(SSL_key_update(duo.peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(duo.peer), 1);
	}
	peer_says(&duo, STR("x"));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(tls_session_read(duo.session, room, sizeof room), -EAGAIN);
		assert_false(tls_session_wants_write(duo.session));
	}
	expect_read(&duo, STR("x"));
	duo_done(&duo);
}

/* An end that was not said is an end; writing to it is an error and no signal. */
static void test_peer_goes_away(void **state)
{
	(void)state;
	for (int shaken = 0; shaken < 2; shaken++) {
		struct duo duo = duo_make(&ours, &ours);
		char room[64];
		if (shaken) {
			expect_handshake(&duo);
		}
		(void)close(duo.fds[1]);
		duo.fds[1] = -1;
		if (shaken) {
			assert_int_equal(tls_session_write(duo.session, "x", 1), -EPIPE);
		} else {
			assert_int_equal(tls_session_read(duo.session, room, sizeof room), 0);
		}
		assert_null(tls_session_fault(duo.session));
		duo_done(&duo);
	}
}

/* Nothing may be said before the peer is heard. */
static void test_write_before_the_handshake(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &ours);
	assert_int_equal(tls_session_write(duo.session, "x", 1), -EPROTO);
	assert_int_equal(tls_session_write(duo.session, "x", 1), -EPIPE);
	tls_session_finish(duo.session);
	char byte;
	assert_int_equal(recv(duo.fds[1], &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	duo_done(&duo);
}

/* A client that trusts another certificate says so, and the fault has its words. */
static void test_not_trusted(void **state)
{
	(void)state;
	struct duo duo = duo_make(&ours, &theirs);
	bool done = false;
	char room[64];
	(void)shake(&duo, &done);
	assert_false(done);
	assert_int_equal(tls_session_read(duo.session, room, sizeof room), -EPROTO);
	assert_string_equal(tls_session_fault(duo.session), "tlsv1 alert unknown ca");
	duo_done(&duo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_weak_certificate),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_words_both_ways),
		cmocka_unit_test(test_nothing_stays_inside),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_finish_in_the_midst),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_request_behind_the_handshake),
		cmocka_unit_test(test_errors_of_others),
		cmocka_unit_test(test_old_versions),
		cmocka_unit_test(test_weak_ciphers),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_key_updates),
		cmocka_unit_test(test_peer_goes_away),
		cmocka_unit_test(test_write_before_the_handshake),
		cmocka_unit_test(test_not_trusted),
	};
	return cmocka_run_group_tests(tests, make_pairs, end_pairs);
}
