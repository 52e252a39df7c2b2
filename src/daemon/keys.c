#include "daemon/keys.h"

#include "metadata/token.h"

#define SIGNING_KEY "signing-key"
#define CERTIFICATE "signing-certificate"
#define COMMON_NAME "telltale instance identity"

/* Many hosts may start at once: the first one's is everybody's. */
static int add(struct store *store, const char *name, struct str value, struct diag *diag)
{
	int rc = store->ops->secret_add(store, str_of(name), value, diag);
	return rc == E_EXISTS ? 0 : rc;
}

static int make_token_secret(struct store *store, struct diag *diag)
{
	CLEANUP(secret_done) struct secret secret = {0};
	TRY(secret_init(&secret, TOKEN_KEY_BYTES));
	TRY(crypto_random(secret.p, secret.n));
	return add(store, TOKEN_SECRETS_NAME, secret_str(&secret), diag);
}

static int make_signing_key(struct store *store, int64_t now_s, struct diag *diag)
{
	CLEANUP(secret_done) struct secret key = {0};
	CLEANUP(buf_done) struct buf certificate = BUF_EMPTY;
	TRY(crypto_signer_generate(STR(COMMON_NAME), now_s, &key, &certificate));
	TRY(add(store, SIGNING_KEY, secret_str(&key), diag));
	return add(store, CERTIFICATE, buf_str(&certificate), diag);
}

static bool is_there(struct store *store, const char *name)
{
	CLEANUP(secret_done) struct secret value = {0};
	return store->ops->secret_get(store, str_of(name), &value, NULL) != E_NOTFOUND;
}

/* Made together, in one transaction; what is there is never replaced. */
static int make_missing(struct store *store, int64_t now_s, struct diag *diag)
{
	bool token = is_there(store, TOKEN_SECRETS_NAME), key = is_there(store, SIGNING_KEY);
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

int keys_reload(struct keys *keys, struct store *store, struct diag *diag)
{
	CLEANUP(secret_done) struct secret value = {0};
	struct token_secrets tokens;
	TRY(store->ops->secret_get(store, STR(TOKEN_SECRETS_NAME), &value, diag));
	int rc = token_secrets_read(&tokens, &value);
	if (rc < 0) {
		return diag_set(diag, rc, "the store's token secret is damaged");
	}
	if (token_secrets_same(&tokens, &keys->tokens)) {
		token_secrets_done(&tokens);
		return 0;
	}
	token_secrets_done(&keys->tokens);
	keys->tokens = tokens;
	keys->generation++;
	return 0;
}

void keys_in_use(const struct keys *keys, int64_t now_s, struct keys_use *ret_use)
{
	const struct token_secrets *tokens = &keys->tokens;
	struct keys_use use = {
		.current_ = token_secrets_current(tokens, now_s), .generation_ = keys->generation};
	use.secrets[use.n++] = tokens->v[use.current_];
	/* The newest first: it may be in use elsewhere already. */
	for (size_t i = tokens->n; i-- > 0;) {
		if (i != use.current_ && token_secrets_verifies(tokens, i, now_s)) {
			use.secrets[use.n++] = tokens->v[i];
		}
	}
	*ret_use = use;
}

int keys_load(struct keys *keys, struct store *store, int64_t now_s, struct diag *diag)
{
	CLEANUP(secret_done) struct secret key = {0};
	*keys = (struct keys){0};
	diag_write(diag, "the keys could not be made"); /* until somebody knows better */
	TRY(make_missing(store, now_s, diag));
	TRY(keys_reload(keys, store, diag));
	TRY(store->ops->secret_get(store, STR(SIGNING_KEY), &key, diag));
	TRY(store->ops->secret_get(store, STR(CERTIFICATE), &keys->certificate, diag));
	int rc = crypto_signer_new(&key, secret_str(&keys->certificate), &keys->signer);
	return rc < 0 ? diag_set(diag, rc, "the store's signing key is damaged") : 0;
}

void keys_done(struct keys *keys)
{
	token_secrets_done(&keys->tokens);
	secret_done(&keys->certificate);
	crypto_signer_free(keys->signer);
	*keys = (struct keys){0};
}
