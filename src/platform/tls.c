#include "platform/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

/* Of TLS 1.2: forward secrecy and authenticated encryption. Those of 1.3 are all of that kind. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* As many of TLS's own messages are taken before a read returns; the first request is behind some. */
#define MESSAGES_A_READ 4

struct tls_context {
	_Atomic unsigned holders;
	SSL_CTX *ssl;
};

struct tls_session {
	SSL *ssl;
	int fd;
	int error;         /* of the last call to the socket; 0: none, or the end */
	bool wants_write;  /* the last -EAGAIN was for writing */
	bool unsent;       /* a record is half sent: nothing may come between */
	bool broken;       /* no more may be asked of OpenSSL */
	const char *fault; /* OpenSSL's words, static */
};

/* What OpenSSL said first, as it is the cause. The queue is this thread's, not a session's: empty it. */
static const char *take_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	ERR_clear_error();
	return reason ? reason : "no reason given";
}

/* --- a certificate and its key ----------------------------------------------------------------- */

static bool set_up(SSL_CTX *ssl)
{
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	/* Else whoever sends nothing but key updates keeps SSL_read() from returning; see MESSAGES_A_READ. */
	SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ssl, 0) == 1 && SSL_CTX_set_cipher_list(ssl, CIPHERS) == 1;
}

int tls_context_new(struct tls_context **ret_context)
{
	struct tls_context *context = calloc(1, sizeof *context);
	if (!context) {
		return -ENOMEM;
	}
	atomic_init(&context->holders, 1);
	context->ssl = SSL_CTX_new(TLS_server_method());
	if (!context->ssl || !set_up(context->ssl)) {
		ERR_clear_error();
		tls_context_free(context);
		return E_CRYPTO;
	}
	*ret_context = context;
	return 0;
}

static BIO *open_text(struct str pem)
{
	return pem.n <= TLS_FILE_BYTES ? BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n) : NULL;
}

/* All certificates in the text: the first is ours. Returns how many, or an error. */
static int take_certificates(SSL_CTX *ssl, BIO *bio)
{
	int n = 0;
	X509 *one;
	while ((one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		bool taken = n == 0 ? SSL_CTX_use_certificate(ssl, one) == 1
				    : SSL_CTX_add1_chain_cert(ssl, one) == 1;
		X509_free(one);
		if (!taken) {
			return E_CRYPTO;
		}
		n++;
	}
	/* That there is no further one is an error to OpenSSL, and any other is one to us. */
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? n : E_SYNTAX;
}

int tls_context_certify(struct tls_context *context, struct str pem, struct diag *diag)
{
	BIO *bio = open_text(pem);
	if (!bio) {
		ERR_clear_error();
		return pem.n > TLS_FILE_BYTES ? diag_set(diag, E_LIMIT, "too large") : -ENOMEM;
	}
	ERR_clear_error();
	int n = take_certificates(context->ssl, bio);
	BIO_free(bio);
	const char *reason = take_reason();
	if (n == E_CRYPTO) {
		return diag_set(diag, n, "OpenSSL does not take the certificate: %s", reason);
	}
	return n > 0 ? 0 : diag_set(diag, E_SYNTAX, "no certificate in PEM form, or a broken one");
}

/* There is nobody to ask for a passphrase. */
static int on_passphrase(char *ret_text, int size, int writing, void *ctx)
{
	bool *asked = ctx;
	(void)ret_text;
	(void)size;
	(void)writing;
	*asked = true;
	return -1;
}

int tls_context_set_key(struct tls_context *context, struct str pem, struct diag *diag)
{
	bool asked = false;
	BIO *bio = open_text(pem);
	if (!bio) {
		ERR_clear_error();
		return pem.n > TLS_FILE_BYTES ? diag_set(diag, E_LIMIT, "too large") : -ENOMEM;
	}
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &asked);
	bool fits = key && SSL_CTX_use_PrivateKey(context->ssl, key) == 1 &&
		    SSL_CTX_check_private_key(context->ssl) == 1;
	bool read = key != NULL;
	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	if (!read) {
		return diag_set(diag, E_SYNTAX,
			asked ? "the private key has a passphrase"
			      : "no private key in PEM form, or a broken one");
	}
	return fits ? 0 : diag_set(diag, E_CRYPTO, "not the private key of the certificate");
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
	if (context) {
		atomic_fetch_add_explicit(&context->holders, 1, memory_order_relaxed);
	}
	return context;
}

void tls_context_free(struct tls_context *context)
{
	if (!context || atomic_fetch_sub_explicit(&context->holders, 1, memory_order_acq_rel) > 1) {
		return;
	}
	SSL_CTX_free(context->ssl); /* sessions hold it, too */
	free(context);
}

/* --- the socket under a session ---------------------------------------------------------------- */

/* OpenSSL's own socket BIO would raise SIGPIPE. */
static int on_send(BIO *bio, const char *bytes, int n)
{
	struct tls_session *session = BIO_get_data(bio);
	ssize_t sent = send(session->fd, bytes, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	BIO_clear_retry_flags(bio);
	session->error = sent < 0 ? errno : 0;
	if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_write(bio);
	}
	return (int)sent;
}

static int on_receive(BIO *bio, char *ret_bytes, int n)
{
	struct tls_session *session = BIO_get_data(bio);
	ssize_t got = recv(session->fd, ret_bytes, (size_t)n, MSG_DONTWAIT);
	BIO_clear_retry_flags(bio);
	session->error = got < 0 ? errno : 0;
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_read(bio);
	}
	return (int)got;
}

static long on_control(BIO *bio, int what, long number, void *p)
{
	(void)bio;
	(void)number;
	(void)p;
	return what == BIO_CTRL_FLUSH; /* nothing is held back */
}

static BIO_METHOD *socket_method; /* as long as the process */

static void make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "telltale");
	if (method && BIO_meth_set_write(method, on_send) == 1 &&
		BIO_meth_set_read(method, on_receive) == 1 &&
		BIO_meth_set_ctrl(method, on_control) == 1) {
		socket_method = method;
	} else {
		BIO_meth_free(method);
	}
}

static BIO *socket_bio(struct tls_session *session)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_method);
	BIO *bio = socket_method ? BIO_new(socket_method) : NULL;
	if (bio) {
		BIO_set_data(bio, session);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/* --- sessions ---------------------------------------------------------------------------------- */

int tls_session_new(struct tls_context *context, int fd, struct tls_session **ret_session)
{
	struct tls_session *session = calloc(1, sizeof *session);
	if (!session) {
		return -ENOMEM;
	}
	session->fd = fd;
	session->ssl = SSL_new(context->ssl);
	BIO *bio = session->ssl ? socket_bio(session) : NULL;
	if (!bio) {
		ERR_clear_error();
		SSL_free(session->ssl);
		free(session);
		return -ENOMEM;
	}
	SSL_set_bio(session->ssl, bio, bio); /* takes it */
	SSL_set_accept_state(session->ssl);
	*ret_session = session;
	return 0;
}

void tls_session_free(struct tls_session *session)
{
	if (session) {
		tls_session_finish(session);
		SSL_free(session->ssl);
		free(session);
	}
}

/* Before a call: what an earlier one has left, perhaps of another session, must not be taken for its. */
static void begin(struct tls_session *session)
{
	ERR_clear_error();
	session->error = 0;
}

/* Why a call has failed: 0 at the end, or -errno. */
static int why(struct tls_session *session, int rc)
{
	switch (SSL_get_error(session->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		session->wants_write = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		session->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		session->broken = true;
		return -session->error;
	default:
		session->broken = true;
		session->fault = take_reason();
		return -EPROTO;
	}
}

ssize_t tls_session_read(struct tls_session *session, void *ret_bytes, size_t n)
{
	int rc = session->broken ? -EPROTO : -EAGAIN;
	for (unsigned i = 0; rc == -EAGAIN && i < MESSAGES_A_READ; i++) {
		size_t got = 0;
		begin(session);
		rc = SSL_read_ex(session->ssl, ret_bytes, n, &got);
		if (rc == 1) {
			return (ssize_t)got;
		}
		rc = why(session, rc);
		if (session->error) {
			break; /* it was the socket that had no more */
		}
	}
	return rc;
}

/* One record; its bytes, or -errno. */
static ssize_t write_one(struct tls_session *session, const char *p, size_t n)
{
	size_t sent = 0;
	begin(session);
	int rc = SSL_write_ex(session->ssl, p, n, &sent);
	if (rc == 1) {
		session->unsent = false;
		return (ssize_t)sent;
	}
	rc = why(session, rc);
	session->unsent = rc == -EAGAIN;
	if (rc == -EAGAIN && !session->wants_write) {
		session->broken = true; /* no handshake is due, so nothing has to be read first */
		return -EPROTO;
	}
	return rc < 0 ? rc : -EPIPE;
}

ssize_t tls_session_write(struct tls_session *session, const void *bytes, size_t n)
{
	size_t sent = 0;
	while (sent < n) {
		ssize_t one = session->broken
				      ? -EPIPE
				      : write_one(session, (const char *)bytes + sent, n - sent);
		if (one < 0) {
			return sent ? (ssize_t)sent : one;
		}
		sent += (size_t)one;
	}
	return (ssize_t)sent;
}

bool tls_session_wants_write(const struct tls_session *session)
{
	return session->wants_write;
}

void tls_session_finish(struct tls_session *session)
{
	if (session->broken || session->unsent || !SSL_is_init_finished(session->ssl) ||
		SSL_get_shutdown(session->ssl) & SSL_SENT_SHUTDOWN) {
		return;
	}
	begin(session);
	(void)SSL_shutdown(session->ssl); /* the peer knows the length of what it was sent */
	ERR_clear_error();
}

const char *tls_session_fault(const struct tls_session *session)
{
	return session->fault;
}
