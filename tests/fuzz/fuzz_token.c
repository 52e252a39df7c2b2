/*
 * Must reach: token_verify (to its end: a genuine token), token_mint, token_keys_init.
 *
 * The text is a token of the owner below, or it is refused. With its first bytes a token is minted;
 * that one is accepted, and with any other character in it it is not.
 */
#include <stdlib.h>

#include "metadata/token.h"

#define NS_PER_S INT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first of tests/vectors/token/golden.txt has this key, 32 zeros, and this owner. */
static const struct token_owner owner = {STR_INIT("i-00000000000000000"), 0};
static struct token_keys keys;
static struct token_keys minter; /* another worker's: it knows what it minted */

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void make_keys(void)
{
	struct secret secret;
	must(secret_init(&secret, TOKEN_KEY_BYTES) == 0);
	must(token_keys_init(&keys, &secret, 1) == 0);
	must(token_keys_init(&minter, &secret, 1) == 0);
	secret_done(&secret);
}

/* What is accepted has the one form that a token has, and ends in time. */
static void try_text(struct str text)
{
	uint32_t left_s = 0;
	int rc = token_verify(&keys, &owner, text, 0, &left_s);
	must(rc == 0 || rc == E_SYNTAX || rc == E_AUTH);
	if (rc < 0) {
		return;
	}
	must(text.n == TOKEN_CHARS && str_starts(text, STR("AQAEA")) && str_ends(text, STR("==")));
	must(token_verify(&keys, &owner, text, (int64_t)left_s * NS_PER_S, &left_s) == E_AUTH);
	const struct token_owner other = {STR("i-00000000000000001"), 0};
	must(token_verify(&keys, &other, text, 0, &left_s) == E_AUTH);
}

/* data  TTL (2), time of minting (4), which character (1), what it becomes (1) */
static void try_minted(const uint8_t *data)
{
	static struct crypto_rng rng;
	char text[TOKEN_CHARS];
	const struct str token = {text, TOKEN_CHARS};
	uint32_t ttl_s = (uint32_t)(data[0] << 8 | data[1]) % TOKEN_TTL_MAX_S + TOKEN_TTL_MIN_S;
	int64_t now_ns = (int64_t)((uint32_t)data[2] << 23 | (uint32_t)data[3] << 15 |
				   (uint32_t)data[4] << 7 | data[5]) *
			 1234567891;
	uint32_t left_s = 0;
	must(token_mint(&minter, &owner, &rng, now_ns, ttl_s, text) == 0);
	must(token_verify(&keys, &owner, token, now_ns, &left_s) == 0 && left_s == ttl_s);
	int64_t end_ns = now_ns + (int64_t)ttl_s * NS_PER_S;
	must(token_verify(&keys, &owner, token, end_ns - 1, &left_s) == 0 && left_s <= 1);
	must(token_verify(&keys, &owner, token, end_ns + NS_PER_S - 1, &left_s) == E_AUTH);
	char *at = &text[data[6] % TOKEN_CHARS];
	if ((uint8_t)*at != data[7]) {
		*at = (char)data[7];
		must(token_verify(&keys, &owner, token, now_ns, &left_s) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (keys.n_ == 0) {
		make_keys();
	}
	try_text((struct str){(const char *)data, size});
	if (size >= 8) {
		try_minted(data);
	}
	return 0;
}
