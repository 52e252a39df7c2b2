#include "control/token_secrets.h"

#include <endian.h>

#define TIME_BYTES  sizeof(uint64_t)
#define ENTRY_BYTES (TIME_BYTES + TOKEN_KEY_BYTES)

void token_secrets_done(struct token_secrets *secrets)
{
	for (size_t i = 0; i < secrets->n; i++) {
		secret_done(&secrets->v[i]);
	}
	*secrets = (struct token_secrets){0};
}

static int add(struct token_secrets *secrets, const uint8_t *key, int64_t from_s)
{
	struct secret *secret = &secrets->v[secrets->n];
	TRY(secret_init(secret, TOKEN_KEY_BYTES));
	memcpy(secret->p, key, TOKEN_KEY_BYTES);
	secrets->from_s[secrets->n++] = from_s;
	return 0;
}

int token_secrets_read(struct token_secrets *ret_secrets, const struct secret *value)
{
	struct token_secrets *secrets = ret_secrets;
	const uint8_t *bytes = value->p;
	*secrets = (struct token_secrets){0};
	if (value->n == TOKEN_KEY_BYTES) {
		return add(secrets, bytes, 0);
	}
	size_t n = value->n / ENTRY_BYTES;
	if (n == 0 || n > TOKEN_KEYS_MAX || value->n % ENTRY_BYTES != 0) {
		return E_DAMAGED;
	}
	for (size_t i = 0; i < n; i++, bytes += ENTRY_BYTES) {
		uint64_t from_s;
		memcpy(&from_s, bytes, TIME_BYTES);
		int rc = add(secrets, bytes + TIME_BYTES, (int64_t)be64toh(from_s));
		if (rc == 0 && i > 0 && secrets->from_s[i] <= secrets->from_s[i - 1]) {
			rc = E_DAMAGED;
		}
		if (rc < 0) {
			token_secrets_done(secrets);
			return rc;
		}
	}
	return 0;
}

bool token_secrets_same(const struct token_secrets *a, const struct token_secrets *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++) {
		same = a->from_s[i] == b->from_s[i] &&
		       crypto_equal(a->v[i].p, b->v[i].p, TOKEN_KEY_BYTES);
	}
	return same;
}

int token_secrets_write(const struct token_secrets *secrets, struct secret *ret_value)
{
	TRY(secret_init(ret_value, secrets->n * ENTRY_BYTES));
	uint8_t *bytes = ret_value->p;
	for (size_t i = 0; i < secrets->n; i++, bytes += ENTRY_BYTES) {
		uint64_t from_s = htobe64((uint64_t)secrets->from_s[i]);
		memcpy(bytes, &from_s, TIME_BYTES);
		memcpy(bytes + TIME_BYTES, secrets->v[i].p, TOKEN_KEY_BYTES);
	}
	return 0;
}

size_t token_secrets_current(const struct token_secrets *secrets, int64_t now_s)
{
	size_t current = 0;
	for (size_t i = 1; i < secrets->n; i++) {
		current = secrets->from_s[i] <= now_s ? i : current;
	}
	return current;
}

/* Clocks differ, and a host may hear of the next one late: as long again as it takes to be told. */
bool token_secrets_verifies(const struct token_secrets *secrets, size_t i, int64_t now_s)
{
	return i + 1 == secrets->n ||
	       now_s < secrets->from_s[i + 1] + TOKEN_TTL_MAX_S + TOKEN_SECRETS_FLEET_S;
}

static void drop_old(struct token_secrets *secrets, int64_t now_s)
{
	size_t old = 0;
	while (!token_secrets_verifies(secrets, old, now_s)) {
		secret_done(&secrets->v[old++]);
	}
	secrets->n -= old;
	memmove(secrets->v, secrets->v + old, secrets->n * sizeof secrets->v[0]);
	memmove(secrets->from_s, secrets->from_s + old, secrets->n * sizeof secrets->from_s[0]);
}

int token_secrets_rotate(
	struct token_secrets *secrets, int64_t now_s, unsigned after_s, struct diag *diag)
{
	uint8_t key[TOKEN_KEY_BYTES];
	if (secrets->from_s[secrets->n - 1] > now_s) {
		return diag_set(diag, E_EXISTS,
			"there is a new secret already; tokens are made by it in %lld s",
			(long long)(secrets->from_s[secrets->n - 1] - now_s));
	}
	drop_old(secrets, now_s);
	if (secrets->n == TOKEN_KEYS_MAX) {
		return diag_set(diag, E_LIMIT,
			"tokens made by %d secrets may still be in use; the oldest expire in %lld s",
			TOKEN_KEYS_MAX,
			(long long)(secrets->from_s[1] + TOKEN_TTL_MAX_S + TOKEN_SECRETS_FLEET_S -
				    now_s));
	}
	int rc = crypto_random(key, sizeof key);
	if (rc == 0) {
		rc = add(secrets, key, now_s + after_s);
	}
	crypto_wipe(key, sizeof key);
	return rc < 0 ? diag_set(diag, rc, "can't make a secret: %s", result_name(rc)) : 0;
}
