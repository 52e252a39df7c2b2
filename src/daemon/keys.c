#include "daemon/keys.h"

#include "metadata/token.h"

#define TOKEN_SECRET "token-secret"
#define SIGNING_KEY  "signing-key"
#define CERTIFICATE  "signing-certificate"
#define COMMON_NAME  "telltale instance identity"

static struct str str_of_secret(const struct secret *secret)
{
	return (struct str){(const char *)secret->p, secret->n};
}

static int put(struct store *store, const char *name, struct str value, struct diag *diag)
{
	return store->ops->secret_put(store, str_of(name), value, diag);
}

static int make_token_secret(struct store *store, struct diag *diag)
{
	CLEANUP(secret_done) struct secret secret = {0};
	TRY(secret_init(&secret, TOKEN_KEY_BYTES));
	TRY(crypto_random(secret.p, secret.n));
	return put(store, TOKEN_SECRET, str_of_secret(&secret), diag);
}

static int make_signing_key(struct store *store, int64_t now_s, struct diag *diag)
{
	CLEANUP(secret_done) struct secret key = {0};
	CLEANUP(buf_done) struct buf certificate = BUF_EMPTY;
	TRY(crypto_signer_generate(STR(COMMON_NAME), now_s, &key, &certificate));
	TRY(put(store, SIGNING_KEY, str_of_secret(&key), diag));
	return put(store, CERTIFICATE, buf_str(&certificate), diag);
}

static bool is_there(struct store *store, const char *name)
{
	CLEANUP(secret_done) struct secret value = {0};
	return store->ops->secret_get(store, str_of(name), &value, NULL) != E_NOTFOUND;
}

/* Made together, in one transaction; what is there is never replaced. */
static int make_missing(struct store *store, int64_t now_s, struct diag *diag)
{
	bool token = is_there(store, TOKEN_SECRET), key = is_there(store, SIGNING_KEY);
	if (token && key) {
		return 0;
	}
	TRY(store->ops->begin(store, diag));
	int rc = token ? 0 : make_token_secret(store, diag);
	if (rc == 0 && !key) {
		rc = make_signing_key(store, now_s, diag);
	}
	if (rc < 0) {
		store->ops->rollback(store);
		return rc;
	}
	return store->ops->commit(store, diag);
}

int keys_load(struct keys *keys, struct store *store, int64_t now_s, struct diag *diag)
{
	CLEANUP(secret_done) struct secret key = {0};
	*keys = (struct keys){0};
	diag_write(diag, "the keys could not be made"); /* until somebody knows better */
	TRY(make_missing(store, now_s, diag));
	TRY(store->ops->secret_get(store, STR(TOKEN_SECRET), &keys->token_secret, diag));
	TRY(store->ops->secret_get(store, STR(SIGNING_KEY), &key, diag));
	TRY(store->ops->secret_get(store, STR(CERTIFICATE), &keys->certificate, diag));
	if (keys->token_secret.n != TOKEN_KEY_BYTES) {
		return diag_set(diag, E_DAMAGED, "the store's token secret is damaged");
	}
	int rc = crypto_signer_new(&key, str_of_secret(&keys->certificate), &keys->signer);
	return rc < 0 ? diag_set(diag, rc, "the store's signing key is damaged") : 0;
}

void keys_done(struct keys *keys)
{
	secret_done(&keys->token_secret);
	secret_done(&keys->certificate);
	crypto_signer_free(keys->signer);
	*keys = (struct keys){0};
}
