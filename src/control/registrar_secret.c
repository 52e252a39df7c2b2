/* The secret by which tokens are made. */

#include "control/registrar_state.h"
#include "control/secret_names.h"
#include "control/token_secrets.h"

static unsigned after_s(const struct registrar *registrar)
{
	return registrar->fleet ? TOKEN_SECRETS_FLEET_S : TOKEN_SECRETS_ALONE_S;
}

/* In a transaction, so that of two who do it at once one waits for the other. */
static int rotate(struct registrar *registrar, const struct deed *deed, struct diag *diag)
{
	CLEANUP(secret_done) struct secret value = {0}, next = {0};
	CLEANUP(token_secrets_done) struct token_secrets secrets = {0};
	struct store *store = registrar->store;
	const struct trail_record record = {.resource = STR("account"),
		.change = STR("a new token secret"),
		.result = STR("ok")};
	TRY(store->ops->secret_get(store, STR(SECRET_TOKEN), &value, diag));
	int rc = token_secrets_read(&secrets, &value);
	TRY(rc < 0 ? diag_set(diag, rc, "the store's token secret is damaged") : 0);
	TRY(token_secrets_rotate(&secrets, registrar->now_s(), after_s(registrar), diag));
	TRY(token_secrets_write(&secrets, &next));
	TRY(store->ops->secret_put(store, STR(SECRET_TOKEN), secret_str(&next), diag));
	return deed ? trail_write(store, deed, &record, diag) : 0;
}

static int rotate_once(struct registrar *registrar, const struct deed *deed, struct diag *diag)
{
	struct store *store = registrar->store;
	TRY(store->ops->begin(store, diag));
	return store_end(store, rotate(registrar, deed, diag), diag);
}

int registrar_rotate_secret(struct registrar *registrar, const struct deed *deed,
	unsigned *ret_after_s, struct diag *diag)
{
	pthread_mutex_lock(&registrar->lock);
	int rc = rotate_once(registrar, deed, diag);
	for (unsigned n = 1; registrar_tries_again(registrar, rc, n); n++) {
		rc = rotate_once(registrar, deed, diag);
	}
	pthread_mutex_unlock(&registrar->lock);
	if (rc == 0) {
		*ret_after_s = after_s(registrar);
	}
	return rc;
}
