#include "daemon/keys.h"

#include "control/secret_names.h"

#define COMMON_NAME "telltale instance identity"

/* Many hosts may start at once: the first one's is everybody's. */
static int add(struct store *store, const char *name, struct str value, struct diag *diag)
{
	int rc = store->ops->secret_add(store, str_of(name), value, diag);
	return rc == E_EXISTS ? 0 : rc;
}

struct fresh {
	struct secret token; /* n 0: there is one */
	struct secret key;   /* likewise */
	struct buf certificate;
};

static void fresh_done(struct fresh *fresh)
{
	secret_done(&fresh->token);
	secret_done(&fresh->key);
	buf_done(&fresh->certificate);
}

static int make_token_secret(struct secret *ret_secret)
{
	TRY(secret_init(ret_secret, TOKEN_KEY_BYTES));
	return crypto_random(ret_secret->p, ret_secret->n);
}

static bool is_there(struct store *store, const char *name)
{
	CLEANUP(secret_done) struct secret value = {0};
	return store->ops->secret_get(store, str_of(name), &value, NULL) != E_NOTFOUND;
}

static int add_fresh(struct store *store, const struct fresh *fresh, struct diag *diag)
{
	if (fresh->token.n) {
		TRY(add(store, SECRET_TOKEN, secret_str(&fresh->token), diag));
	}
	if (fresh->key.n) {
		TRY(add(store, SECRET_SIGNING_KEY, secret_str(&fresh->key), diag));
		TRY(add(store, SECRET_CERTIFICATE, buf_str(&fresh->certificate), diag));
	}
	return 0;
}

/*
 * In one transaction; what is there is never replaced. A key pair takes long to make, and whoever is in the
 * transaction holds up all others.
 */
static int make_missing(struct store *store, int64_t now_s, struct diag *diag)
{
	CLEANUP(fresh_done) struct fresh fresh = {.certificate = BUF_EMPTY};
	if (!is_there(store, SECRET_TOKEN)) {
		TRY(make_token_secret(&fresh.token));
	}
	if (!is_there(store, SECRET_SIGNING_KEY)) {
		TRY(crypto_signer_generate(
			STR(COMMON_NAME), now_s, &fresh.key, &fresh.certificate));
	}
	if (!fresh.token.n && !fresh.key.n) {
		return 0;
	}
	TRY(store->ops->begin(store, diag));
	int rc = add_fresh(store, &fresh, diag);
	return store_end(store, rc, diag);
}

int keys_reload(struct keys *keys, struct store *store, struct diag *diag)
{
	CLEANUP(secret_done) struct secret value = {0};
	struct token_secrets tokens;
	TRY(store->ops->secret_get(store, STR(SECRET_TOKEN), &value, diag));
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
	TRY(store->ops->secret_get(store, STR(SECRET_SIGNING_KEY), &key, diag));
	TRY(store->ops->secret_get(store, STR(SECRET_CERTIFICATE), &keys->certificate, diag));
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
