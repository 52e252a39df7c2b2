/*
 * Tokens: what was minted verifies, for its time and its owner alone; nothing else does. The golden
 * tokens of tests/vectors/token/ are another program's.
 */
#include "tests/unit/metadata_help.h"

#include "metadata/token_cache.h"

#define NS_PER_S INT64_C(1000000000)
#define NOW_S    INT64_C(1700000000)

#define EXPIRY_AT 4
#define NONCE_AT  8
#define MAC_AT    16

static const struct token_owner owner = {STR_INIT("i-0123456789abcdef0"), 7};

struct fixture {
	struct secret secrets[TOKEN_KEYS_MAX + 1];
	struct token_keys keys;   /* of secrets[0] */
	struct token_keys minter; /* the same, of the worker that mints: it knows what it minted */
	struct crypto_rng rng;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	if (!f) {
		return -1;
	}
	*state = f;
	for (size_t i = 0; i < TOKEN_KEYS_MAX + 1; i++) {
		if (secret_init(&f->secrets[i], TOKEN_KEY_BYTES) < 0 ||
			crypto_random(f->secrets[i].p, TOKEN_KEY_BYTES) < 0) {
			return -1;
		}
	}
	return token_keys_init(&f->keys, f->secrets, 1) |
	       token_keys_init(&f->minter, f->secrets, 1);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	token_keys_done(&f->keys);
	token_keys_done(&f->minter);
	for (size_t i = 0; i < TOKEN_KEYS_MAX + 1; i++) {
		secret_done(&f->secrets[i]);
	}
	free(f);
	return 0;
}

/* The remaining seconds, or the error; what is told is untouched on failure. */
static int64_t verify_by(
	struct token_keys *keys, const struct token_owner *who, struct str text, int64_t now_ns)
{
	uint32_t left_s = 12345678;
	int rc = token_verify(keys, who, text, now_ns, &left_s);
	if (rc < 0) {
		assert_int_equal(left_s, 12345678);
		return rc;
	}
	return left_s;
}

/* It is the same whoever minted it. */
static int64_t verify(
	struct fixture *f, const struct token_owner *who, struct str text, int64_t now_ns)
{
	int64_t left_s = verify_by(&f->keys, who, text, now_ns);
	assert_int_equal(verify_by(&f->minter, who, text, now_ns), left_s);
	return left_s;
}

static struct str mint(struct fixture *f, int64_t now_ns, uint32_t ttl_s, char text[TOKEN_CHARS])
{
	assert_int_equal(token_mint(&f->minter, &owner, &f->rng, now_ns, ttl_s, text), 0);
	return (struct str){text, TOKEN_CHARS};
}

/* --- its bytes --------------------------------------------------------------------------------- */

/* base64url by way of the other decoder. */
static void decode(struct str text, unsigned char bytes[TOKEN_BYTES])
{
	CLEANUP(buf_done) struct buf data = BUF_EMPTY;
	char plain[TOKEN_CHARS];
	assert_int_equal(text.n, TOKEN_CHARS);
	for (size_t i = 0; i < text.n; i++) {
		plain[i] = text.p[i] == '-' ? '+' : text.p[i] == '_' ? '/' : text.p[i];
	}
	assert_int_equal(base64_decode((struct str){plain, TOKEN_CHARS}, &data), 0);
	assert_int_equal(data.n, TOKEN_BYTES);
	memcpy(bytes, data.p, TOKEN_BYTES);
}

static uint32_t expiry_of(const unsigned char bytes[TOKEN_BYTES])
{
	const unsigned char *at = bytes + EXPIRY_AT;
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void has_the_form_that_is_documented(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS];
	unsigned char bytes[TOKEN_BYTES], mac[CRYPTO_SHA256_BYTES];
	struct crypto_hmac *hmac = crypto_hmac_new(&f->secrets[0]);
	for (unsigned i = 0; i < 200; i++) {
		struct str token = mint(f, NOW_S * NS_PER_S, 300, text);
		assert_true(str_starts(token, STR("AQAEA")));
		assert_true(str_ends(token, STR("==")));
		decode(token, bytes);
		assert_int_equal(expiry_of(bytes), NOW_S + 300);
		const struct str parts[] = {
			{(char *)bytes, MAC_AT}, {"\0\0\0\7", 4}, owner.instance_id};
		assert_int_equal(crypto_hmac_run(hmac, parts, 3, mac), 0);
		assert_memory_equal(mac, bytes + MAC_AT, TOKEN_BYTES - MAC_AT);
	}
	crypto_hmac_free(hmac);
}

static int order_of_nonces(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static void no_two_are_the_same(void **state)
{
	struct fixture *f = *state;
	enum { MANY = 2000 };
	static unsigned char nonces[MANY][8];
	char text[TOKEN_CHARS];
	unsigned char bytes[TOKEN_BYTES];
	for (unsigned i = 0; i < MANY; i++) {
		decode(mint(f, NOW_S * NS_PER_S, 300, text), bytes);
		memcpy(nonces[i], bytes + NONCE_AT, 8);
	}
	qsort(nonces, MANY, sizeof nonces[0], order_of_nonces);
	for (unsigned i = 1; i < MANY; i++) {
		assert_memory_not_equal(nonces[i - 1], nonces[i], 8);
	}
}

/* --- time -------------------------------------------------------------------------------------- */

static void lasts_its_ttl_and_less_than_a_second_more(void **state)
{
	struct fixture *f = *state;
	static const int64_t fractions[] = {0, 1, 2, 999, 1000000, 499999999, 500000000, 500000001,
		999000000, 999999998, 999999999};
	static const uint32_t ttls[] = {1, 2, 59, 300, TOKEN_TTL_MAX_S - 1, TOKEN_TTL_MAX_S};
	char text[TOKEN_CHARS];
	for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
		for (size_t k = 0; k < sizeof ttls / sizeof ttls[0]; k++) {
			int64_t now_ns = NOW_S * NS_PER_S + fractions[i];
			int64_t life_ns = (int64_t)ttls[k] * NS_PER_S;
			struct str token = mint(f, now_ns, ttls[k], text);
			/* What is left is never more than was granted. */
			assert_int_equal(verify(f, &owner, token, now_ns), ttls[k]);
			assert_int_equal(verify(f, &owner, token, now_ns + 1),
				fractions[i] == 0 ? ttls[k] - 1 : ttls[k]);
			assert_true(verify(f, &owner, token, now_ns + life_ns - 1) >= 0);
			assert_int_equal(
				verify(f, &owner, token, now_ns + life_ns + NS_PER_S - 1), E_AUTH);
			assert_int_equal(
				verify(f, &owner, token, now_ns + 2 * life_ns + NS_PER_S), E_AUTH);
		}
	}
}

static void ends_at_a_whole_second(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS];
	for (int64_t fraction = 0; fraction < NS_PER_S; fraction += 1234567) {
		int64_t now_ns = NOW_S * NS_PER_S + fraction;
		int64_t end_ns = (NOW_S + 5 + (fraction > 0)) * NS_PER_S;
		struct str token = mint(f, now_ns, 5, text);
		assert_int_equal(verify(f, &owner, token, end_ns - 1), 0);
		assert_int_equal(verify(f, &owner, token, end_ns), E_AUTH);
	}
}

static void ttl_has_bounds(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		uint32_t ttl_s;
		int rc;
	} cases[] = {
		{__LINE__, 0, E_RANGE},
		{__LINE__, 1, 0},
		{__LINE__, TOKEN_TTL_MAX_S, 0},
		{__LINE__, TOKEN_TTL_MAX_S + 1, E_RANGE},
		{__LINE__, UINT32_MAX, E_RANGE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[TOKEN_CHARS] = "untouched";
		case_int(cases[i].line,
			token_mint(
				&f->keys, &owner, &f->rng, NOW_S * NS_PER_S, cases[i].ttl_s, text),
			cases[i].rc);
		case_int(cases[i].line, memcmp(text, "untouched", 9) == 0, cases[i].rc < 0);
	}
}

/* --- owners and keys --------------------------------------------------------------------------- */

static void is_of_no_use_to_others(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		struct token_owner who;
		int64_t left;
	} cases[] = {
		{__LINE__, {STR_INIT("i-0123456789abcdef0"), 7}, 300},
		{__LINE__, {STR_INIT("i-0123456789abcdef1"), 7}, E_AUTH},
		{__LINE__, {STR_INIT("i-0123456789abcdef"), 7}, E_AUTH},
		{__LINE__, {STR_INIT("i-0123456789abcdef00"), 7}, E_AUTH},
		{__LINE__, {STR_INIT(""), 7}, E_AUTH},
		{__LINE__, {STR_INIT("i-0123456789abcdef0"), 6}, E_AUTH},
		{__LINE__, {STR_INIT("i-0123456789abcdef0"), 8}, E_AUTH},
		{__LINE__, {STR_INIT("i-0123456789abcdef0"), 7 + (1u << 16)}, E_AUTH},
		{__LINE__, {STR_INIT("i-0123456789abcdef0"), 7 + (1u << 31)}, E_AUTH},
	};
	char text[TOKEN_CHARS];
	struct str token = mint(f, NOW_S * NS_PER_S, 300, text);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		case_int(cases[i].line, verify(f, &cases[i].who, token, NOW_S * NS_PER_S),
			cases[i].left);
	}
}

static void keys_of_a_rotation(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS];
	uint32_t left_s;
	struct token_keys rotated, other;
	/* The token is of secrets[0], which is the older of two now. */
	struct str token = mint(f, NOW_S * NS_PER_S, 300, text);
	struct secret order[2] = {f->secrets[1], f->secrets[0]};
	assert_int_equal(token_keys_init(&rotated, order, 2), 0);
	assert_int_equal(token_verify(&rotated, &owner, token, NOW_S * NS_PER_S, &left_s), 0);
	assert_int_equal(left_s, 300);
	assert_int_equal(
		token_verify(&rotated, &owner, token, (NOW_S + 300) * NS_PER_S, &left_s), E_AUTH);
	/* New ones are of the newer. */
	assert_int_equal(token_mint(&rotated, &owner, &f->rng, NOW_S * NS_PER_S, 300, text), 0);
	assert_int_equal(verify(f, &owner, token, NOW_S * NS_PER_S), E_AUTH);
	assert_int_equal(token_keys_init(&other, &f->secrets[1], 1), 0);
	assert_int_equal(token_verify(&other, &owner, token, NOW_S * NS_PER_S, &left_s), 0);
	token_keys_done(&other);
	/* And nobody else's. */
	assert_int_equal(token_keys_init(&other, &f->secrets[2], 1), 0);
	assert_int_equal(token_verify(&other, &owner, token, NOW_S * NS_PER_S, &left_s), E_AUTH);
	token_keys_done(&other);
	token_keys_done(&rotated);
}

static void number_of_keys(void **state)
{
	struct fixture *f = *state;
	struct token_keys keys;
	assert_int_equal(token_keys_init(&keys, f->secrets, 0), E_RANGE);
	assert_int_equal(token_keys_init(&keys, f->secrets, TOKEN_KEYS_MAX + 1), E_RANGE);
	assert_int_equal(token_keys_init(&keys, f->secrets, TOKEN_KEYS_MAX), 0);
	token_keys_done(&keys);
	token_keys_done(&keys);
}

static int init_keys(void *ctx)
{
	struct fixture *f = ctx;
	struct token_keys keys;
	int rc = token_keys_init(&keys, f->secrets, TOKEN_KEYS_MAX);
	if (rc < 0) {
		assert_int_equal(keys.n_, 0);
	}
	token_keys_done(&keys);
	return rc;
}

static void memory_runs_out(void **state)
{
	assert_true(help_each_allocation_fails(init_keys, *state) >= TOKEN_KEYS_MAX);
}

/* --- other texts ------------------------------------------------------------------------------- */

static void every_change_of_a_character_is_refused(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS];
	struct str token = mint(f, NOW_S * NS_PER_S, 300, text);
	for (size_t at = 0; at < TOKEN_CHARS; at++) {
		char was = text[at];
		for (int c = 0; c < 256; c++) {
			text[at] = (char)c;
			int64_t left = verify(f, &owner, token, NOW_S * NS_PER_S);
			if ((text[at] == was) != (left == 300)) {
				fail_msg("character %zu, 0x%02x for 0x%02x: %lld", at, c,
					(unsigned char)was, (long long)left);
			}
		}
		text[at] = was;
	}
}

static void is_canonical(void **state)
{
	struct fixture *f = *state;
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[TOKEN_CHARS];
	struct str token = mint(f, NOW_S * NS_PER_S, 300, text);
	/* The character before the padding stands for two bits; the other four are zero. */
	char *last = &text[TOKEN_CHARS - 3];
	const char *is = strchr(alphabet, *last);
	assert_non_null(is);
	assert_int_equal((is - alphabet) % 16, 0);
	for (int unused = 1; unused < 16; unused++) {
		*last = is[unused];
		assert_int_equal(verify(f, &owner, token, NOW_S * NS_PER_S), E_SYNTAX);
	}
	*last = *is;
	assert_int_equal(verify(f, &owner, token, NOW_S * NS_PER_S), 300);
	/* Standard base64's two characters mean nothing here. */
	for (size_t at = 0; at < TOKEN_CHARS; at++) {
		char was = text[at];
		text[at] = '+';
		assert_int_equal(verify(f, &owner, token, NOW_S * NS_PER_S), E_SYNTAX);
		text[at] = '/';
		assert_int_equal(verify(f, &owner, token, NOW_S * NS_PER_S), E_SYNTAX);
		text[at] = was;
	}
}

static void other_lengths(void **state)
{
	struct fixture *f = *state;
	char text[3 * TOKEN_CHARS];
	(void)mint(f, NOW_S * NS_PER_S, 300, text);
	memcpy(text + TOKEN_CHARS, text, TOKEN_CHARS);
	memset(text + 2 * TOKEN_CHARS, '=', TOKEN_CHARS);
	for (size_t n = 0; n <= sizeof text; n++) {
		struct str one = {text, n};
		assert_int_equal(verify(f, &owner, one, NOW_S * NS_PER_S),
			n == TOKEN_CHARS ? 300 : E_SYNTAX);
	}
	assert_int_equal(verify(f, &owner, STR_EMPTY, NOW_S * NS_PER_S), E_SYNTAX);
	/* Without padding, with a space at either end, with a line end. */
	static const struct {
		int line;
		int cut, before;
		const char *after;
	} cases[] = {
		{__LINE__, 2, 0, ""},
		{__LINE__, 1, 0, ""},
		{__LINE__, 0, 1, ""},
		{__LINE__, 1, 1, ""},
		{__LINE__, 0, 0, " "},
		{__LINE__, 0, 0, "\n"},
		{__LINE__, 2, 0, "\r\n"},
		{__LINE__, 2, 0, "%3"},
		{__LINE__, 0, 0, "="},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char other[TOKEN_CHARS + 8];
		int n = snprintf(other, sizeof other, "%*s%.*s%s", cases[i].before, "",
			TOKEN_CHARS - cases[i].cut, text, cases[i].after);
		case_int(cases[i].line,
			verify(f, &owner, (struct str){other, (size_t)n}, NOW_S * NS_PER_S),
			E_SYNTAX);
	}
}

/* --- golden tokens ----------------------------------------------------------------------------- */

static void from_hex(const char *text, unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char two[3] = {text[2 * i], text[2 * i + 1], '\0'};
		bytes[i] = (unsigned char)strtoul(two, NULL, 16);
	}
}

static void check_golden(int line, const char *key, const char *id, uint32_t epoch,
	uint32_t expiry_s, struct str text)
{
	struct secret secret;
	struct token_keys keys;
	struct token_owner who = {str_of(id), epoch};
	uint32_t left_s = 0;
	int64_t end_ns = (int64_t)expiry_s * NS_PER_S;
	assert_int_equal(secret_init(&secret, TOKEN_KEY_BYTES), 0);
	from_hex(key, secret.p, TOKEN_KEY_BYTES);
	assert_int_equal(token_keys_init(&keys, &secret, 1), 0);
	case_int(line, token_verify(&keys, &who, text, end_ns - 1, &left_s), 0);
	case_int(line, left_s, 0);
	case_int(line, token_verify(&keys, &who, text, end_ns - NS_PER_S, &left_s), 0);
	case_int(line, left_s, 1);
	case_int(line, token_verify(&keys, &who, text, end_ns, &left_s), E_AUTH);
	who.epoch++;
	case_int(line, token_verify(&keys, &who, text, end_ns - 1, &left_s), E_AUTH);
	token_keys_done(&keys);
	secret_done(&secret);
}

static void golden_tokens_verify(void **state)
{
	(void)state;
	FILE *file = fopen(TEST_SOURCE_ROOT "/tests/vectors/token/golden.txt", "r");
	char line[512];
	int number = 0, checked = 0;
	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		char key[65], id[32], nonce[17], text[TOKEN_CHARS + 1];
		unsigned epoch, expiry_s;
		unsigned char bytes[TOKEN_BYTES], wanted[8];
		number++;
		if (line[0] == '#') {
			continue;
		}
		case_int(number,
			sscanf(line, "%64s %31s %u %u %16s %56s", key, id, &epoch, &expiry_s, nonce,
				text),
			6);
		check_golden(number, key, id, epoch, expiry_s, str_of(text));
		/* The file says what it says: the nonce is where it belongs. */
		decode(str_of(text), bytes);
		from_hex(nonce, wanted, sizeof wanted);
		case_int(number, memcmp(bytes + NONCE_AT, wanted, sizeof wanted), 0);
		checked++;
	}
	fclose(file);
	assert_int_equal(checked, 16);
}

/* --- those that were verified before ----------------------------------------------------------- */

/* To be known changes nothing but the time it takes. */
static void known_ones(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS], other[TOKEN_CHARS];
	const struct token_owner revoked = {owner.instance_id, owner.epoch + 1};
	const struct token_owner neighbour = {STR("i-0123456789abcdef1"), owner.epoch};
	const struct token_owner shorter = {STR("i-0123456789abcdef"), owner.epoch};
	struct str token = mint(f, NOW_S * NS_PER_S, 60, text);
	for (int n = 0; n < 3; n++) {
		assert_int_equal(verify(f, &owner, token, NOW_S * NS_PER_S), 60);
		assert_int_equal(verify(f, &revoked, token, NOW_S * NS_PER_S), E_AUTH);
		assert_int_equal(verify(f, &neighbour, token, NOW_S * NS_PER_S), E_AUTH);
		assert_int_equal(verify(f, &shorter, token, NOW_S * NS_PER_S), E_AUTH);
		assert_int_equal(verify(f, &owner, token, (NOW_S + 59) * NS_PER_S), 1);
		assert_int_equal(verify(f, &owner, token, (NOW_S + 60) * NS_PER_S), E_AUTH);
	}
	for (size_t i = 0; i < TOKEN_CHARS; i++) {
		memcpy(other, text, sizeof other);
		other[i] = (char)(other[i] == 'A' ? 'B' : 'A');
		int64_t rc = verify(f, &owner, (struct str){other, TOKEN_CHARS}, NOW_S * NS_PER_S);
		assert_true(rc == E_AUTH || rc == E_SYNTAX);
	}
	assert_int_equal(verify(f, &owner, (struct str){text, TOKEN_CHARS - 1}, 0), E_SYNTAX);
}

/* Who is given one asks with it at once, so it is known from the start, to who minted it. */
static void minted_ones_are_known(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS];
	uint32_t expiry_s = 0;
	struct str token = mint(f, NOW_S * NS_PER_S + 1, 60, text);
	assert_true(token_cache_find(&f->minter.cache_, &owner, token, &expiry_s));
	assert_int_equal(expiry_s, NOW_S + 61);
	assert_false(token_cache_find(&f->keys.cache_, &owner, token, &expiry_s));
}

/* More than are remembered, and of two owners in turn. */
static void more_than_are_known(void **state)
{
	enum { MANY = 3 * TOKEN_CACHE_SLOTS };
	struct fixture *f = *state;
	static char texts[MANY][TOKEN_CHARS];
	const struct token_owner neighbour = {STR("i-0123456789abcdef1"), owner.epoch};
	for (size_t i = 0; i < MANY; i++) {
		(void)mint(f, NOW_S * NS_PER_S, (uint32_t)(60 + i), texts[i]);
	}
	for (int n = 0; n < 2; n++) {
		for (size_t i = 0; i < MANY; i++) {
			struct str token = {texts[i], TOKEN_CHARS};
			assert_int_equal(verify(f, &neighbour, token, NOW_S * NS_PER_S), E_AUTH);
			assert_int_equal(verify(f, &owner, token, NOW_S * NS_PER_S), 60 + i);
		}
	}
}

/* An id that is given may be longer than those that are remembered. */
static void long_ids(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS];
	const struct token_owner who = {STR("i-0123456789abcdef0123456789"), 1};
	const struct token_owner near = {STR("i-0123456789abcdef0123456780"), 1};
	assert_int_equal(token_mint(&f->minter, &who, &f->rng, NOW_S * NS_PER_S, 60, text), 0);
	for (int n = 0; n < 2; n++) {
		struct str token = {text, TOKEN_CHARS};
		assert_int_equal(verify(f, &who, token, NOW_S * NS_PER_S), 60);
		assert_int_equal(verify(f, &near, token, NOW_S * NS_PER_S), E_AUTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(has_the_form_that_is_documented, setup, teardown),
		cmocka_unit_test_setup_teardown(no_two_are_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(
			lasts_its_ttl_and_less_than_a_second_more, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_at_a_whole_second, setup, teardown),
		cmocka_unit_test_setup_teardown(ttl_has_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(is_of_no_use_to_others, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_of_a_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(number_of_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_runs_out, setup, teardown),
		cmocka_unit_test_setup_teardown(
			every_change_of_a_character_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(is_canonical, setup, teardown),
		cmocka_unit_test_setup_teardown(other_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(known_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(minted_ones_are_known, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_are_known, setup, teardown),
		cmocka_unit_test_setup_teardown(long_ids, setup, teardown),
		cmocka_unit_test(golden_tokens_verify),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
