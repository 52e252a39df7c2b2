#include "metadata/token.h"

#include <errno.h>

#include "metadata/token_cache.h"

#define EXPIRY_AT   4
#define NONCE_AT    8
#define MAC_AT      16
#define MAC_BYTES   (TOKEN_BYTES - MAC_AT)
#define NONCE_BYTES (MAC_AT - NONCE_AT)
#define NS_PER_S    INT64_C(1000000000)

/* What every token of the modern service begins with: "AQAEA…" in base64url. */
static const unsigned char prefix[EXPIRY_AT] = {0x01, 0x00, 0x04, 0x00};

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The value of a base64url character, with VALUE set; 0 for what is none. */
#define VALUE 64
static const uint8_t values[256] = {
	['A'] = VALUE + 0,
	['B'] = VALUE + 1,
	['C'] = VALUE + 2,
	['D'] = VALUE + 3,
	['E'] = VALUE + 4,
	['F'] = VALUE + 5,
	['G'] = VALUE + 6,
	['H'] = VALUE + 7,
	['I'] = VALUE + 8,
	['J'] = VALUE + 9,
	['K'] = VALUE + 10,
	['L'] = VALUE + 11,
	['M'] = VALUE + 12,
	['N'] = VALUE + 13,
	['O'] = VALUE + 14,
	['P'] = VALUE + 15,
	['Q'] = VALUE + 16,
	['R'] = VALUE + 17,
	['S'] = VALUE + 18,
	['T'] = VALUE + 19,
	['U'] = VALUE + 20,
	['V'] = VALUE + 21,
	['W'] = VALUE + 22,
	['X'] = VALUE + 23,
	['Y'] = VALUE + 24,
	['Z'] = VALUE + 25,
	['a'] = VALUE + 26,
	['b'] = VALUE + 27,
	['c'] = VALUE + 28,
	['d'] = VALUE + 29,
	['e'] = VALUE + 30,
	['f'] = VALUE + 31,
	['g'] = VALUE + 32,
	['h'] = VALUE + 33,
	['i'] = VALUE + 34,
	['j'] = VALUE + 35,
	['k'] = VALUE + 36,
	['l'] = VALUE + 37,
	['m'] = VALUE + 38,
	['n'] = VALUE + 39,
	['o'] = VALUE + 40,
	['p'] = VALUE + 41,
	['q'] = VALUE + 42,
	['r'] = VALUE + 43,
	['s'] = VALUE + 44,
	['t'] = VALUE + 45,
	['u'] = VALUE + 46,
	['v'] = VALUE + 47,
	['w'] = VALUE + 48,
	['x'] = VALUE + 49,
	['y'] = VALUE + 50,
	['z'] = VALUE + 51,
	['0'] = VALUE + 52,
	['1'] = VALUE + 53,
	['2'] = VALUE + 54,
	['3'] = VALUE + 55,
	['4'] = VALUE + 56,
	['5'] = VALUE + 57,
	['6'] = VALUE + 58,
	['7'] = VALUE + 59,
	['8'] = VALUE + 60,
	['9'] = VALUE + 61,
	['-'] = VALUE + 62,
	['_'] = VALUE + 63,
};

int token_keys_init(struct token_keys *keys, const struct secret *secrets, size_t n)
{
	*keys = (struct token_keys){0};
	if (n == 0 || n > TOKEN_KEYS_MAX) {
		return E_RANGE;
	}
	TRY(token_cache_init(&keys->cache_));
	for (size_t i = 0; i < n; i++) {
		keys->hmac_[i] = crypto_hmac_new(&secrets[i]);
		keys->n_++;
		if (!keys->hmac_[i]) {
			token_keys_done(keys);
			return -ENOMEM;
		}
	}
	return 0;
}

void token_keys_done(struct token_keys *keys)
{
	for (size_t i = 0; i < keys->n_; i++) {
		crypto_hmac_free(keys->hmac_[i]);
	}
	token_cache_done(&keys->cache_);
	*keys = (struct token_keys){0};
}

static void put_u32(unsigned char *at, uint32_t value)
{
	at[0] = (unsigned char)(value >> 24);
	at[1] = (unsigned char)(value >> 16);
	at[2] = (unsigned char)(value >> 8);
	at[3] = (unsigned char)value;
}

static uint32_t get_u32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void encode(const unsigned char bytes[TOKEN_BYTES], char text[TOKEN_CHARS])
{
	for (size_t i = 0; i < TOKEN_BYTES; i += 3) {
		unsigned v = (unsigned)bytes[i] << 16 |
			     (i + 1 < TOKEN_BYTES ? (unsigned)bytes[i + 1] << 8 : 0) |
			     (i + 2 < TOKEN_BYTES ? bytes[i + 2] : 0);
		*text++ = alphabet[v >> 18];
		*text++ = alphabet[v >> 12 & 63];
		*text++ = i + 1 < TOKEN_BYTES ? alphabet[v >> 6 & 63] : '=';
		*text++ = i + 2 < TOKEN_BYTES ? alphabet[v & 63] : '=';
	}
}

/* 40 bytes are 13 groups of three and one byte: 53 1/3 characters, of which the last has unused bits. */
static int decode(struct str text, unsigned char bytes[TOKEN_BYTES])
{
	const unsigned char *p = (const unsigned char *)text.p;
	if (text.n != TOKEN_CHARS || p[TOKEN_CHARS - 1] != '=' || p[TOKEN_CHARS - 2] != '=') {
		return E_SYNTAX;
	}
	unsigned char *out = bytes;
	unsigned all = VALUE;
	for (size_t i = 0; i + 4 < TOKEN_CHARS; i += 4, out += 3) {
		unsigned a = values[p[i]], b = values[p[i + 1]], c = values[p[i + 2]],
			 d = values[p[i + 3]];
		all &= a & b & c & d;
		unsigned v = (a << 18) + (b << 12) + (c << 6) + d - VALUE * 0x41041U;
		put_u32(out, v << 8); /* the fourth byte is the next group's */
	}
	unsigned a = values[p[TOKEN_CHARS - 4]], b = values[p[TOKEN_CHARS - 3]];
	all &= a & b;
	*out = (unsigned char)(a << 2 | (b & 63) >> 4);
	/* Canonical: the four bits that stand for nothing are zero. */
	return all && (b & 15) == 0 ? 0 : E_SYNTAX;
}

static int mac_of(struct crypto_hmac *hmac, const struct token_owner *owner,
	const unsigned char bytes[TOKEN_BYTES], unsigned char ret_mac[CRYPTO_SHA256_BYTES])
{
	/* One part after the other in one block: a single update is cheaper than three. */
	unsigned char message[MAC_AT + 4 + 64];
	if (owner->instance_id.n > sizeof message - MAC_AT - 4) {
		return E_LIMIT;
	}
	memcpy(message, bytes, MAC_AT);
	put_u32(message + MAC_AT, owner->epoch);
	memcpy(message + MAC_AT + 4, owner->instance_id.p, owner->instance_id.n);
	struct str part = {(const char *)message, MAC_AT + 4 + owner->instance_id.n};
	return crypto_hmac_run(hmac, &part, 1, ret_mac);
}

int token_mint(struct token_keys *keys, const struct token_owner *owner, struct crypto_rng *rng,
	int64_t now_ns, uint32_t ttl_s, char ret_text[TOKEN_CHARS])
{
	unsigned char bytes[TOKEN_BYTES], mac[CRYPTO_SHA256_BYTES];
	if (ttl_s < TOKEN_TTL_MIN_S || ttl_s > TOKEN_TTL_MAX_S) {
		return E_RANGE;
	}
	/* The next whole second, so that it lasts at least its TTL and less than a second more. */
	int64_t from_s = (now_ns + NS_PER_S - 1) / NS_PER_S;
	uint32_t expiry_s = (uint32_t)(from_s + ttl_s);
	memcpy(bytes, prefix, sizeof prefix);
	put_u32(bytes + EXPIRY_AT, expiry_s);
	TRY(crypto_rng_draw(rng, bytes + NONCE_AT, NONCE_BYTES));
	TRY(mac_of(keys->hmac_[0], owner, bytes, mac));
	memcpy(bytes + MAC_AT, mac, MAC_BYTES);
	encode(bytes, ret_text);
	/* Who is given one asks with it at once. */
	token_cache_keep(&keys->cache_, owner, (struct str){ret_text, TOKEN_CHARS}, expiry_s);
	return 0;
}

/* The MAC of a text that is not known yet. */
static int verify_mac(struct token_keys *keys, const struct token_owner *owner, struct str text,
	uint32_t *ret_expiry_s)
{
	unsigned char bytes[TOKEN_BYTES], mac[CRYPTO_SHA256_BYTES];
	TRY(decode(text, bytes));
	if (memcmp(bytes, prefix, sizeof prefix) != 0) {
		return E_SYNTAX;
	}
	bool genuine = false;
	for (size_t i = 0; i < keys->n_ && !genuine; i++) {
		TRY(mac_of(keys->hmac_[i], owner, bytes, mac));
		genuine = crypto_equal(mac, bytes + MAC_AT, MAC_BYTES);
	}
	if (!genuine) {
		return E_AUTH;
	}
	*ret_expiry_s = get_u32(bytes + EXPIRY_AT);
	token_cache_keep(&keys->cache_, owner, text, *ret_expiry_s);
	return 0;
}

int token_verify(struct token_keys *keys, const struct token_owner *owner, struct str text,
	int64_t now_ns, uint32_t *ret_left_s)
{
	uint32_t expiry_s;
	if (!token_cache_find(&keys->cache_, owner, text, &expiry_s)) {
		TRY(verify_mac(keys, owner, text, &expiry_s));
	}
	int64_t left_ns = (int64_t)expiry_s * NS_PER_S - now_ns;
	if (left_ns <= 0) {
		return E_AUTH;
	}
	*ret_left_s = (uint32_t)(left_ns / NS_PER_S);
	return 0;
}
