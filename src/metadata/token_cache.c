#include "metadata/token_cache.h"

#include <string.h>

#define ID_BYTES   24
#define WORDS      (TOKEN_CHARS / 8)
#define RANDOM_AT  24 /* of the text: characters of the MAC, which nobody can choose */
#define GOLDEN     UINT64_C(0x9E3779B97F4A7C15)
#define SLOT_SHIFT 55 /* so many bits are left for TOKEN_CACHE_SLOTS */

_Static_assert(TOKEN_CHARS % 8 == 0, "a text is whole words");
_Static_assert(TOKEN_CACHE_SLOTS == UINT64_C(1) << (64 - SLOT_SHIFT), "one slot a hash");

struct slot {
	uint64_t text[WORDS]; /* zero: vacant; no token's is */
	char instance_id[ID_BYTES];
	uint32_t epoch;
	uint32_t expiry_s;
};

int token_cache_init(struct token_cache *cache)
{
	return secret_init(&cache->slots_, TOKEN_CACHE_SLOTS * sizeof(struct slot));
}

void token_cache_done(struct token_cache *cache)
{
	secret_done(&cache->slots_);
}

static struct slot *slot_of(const struct token_cache *cache, const uint64_t text[WORDS])
{
	struct slot *slots = (void *)cache->slots_.p;
	return &slots[(text[RANDOM_AT / 8] * GOLDEN) >> SLOT_SHIFT];
}

/* No branch until all is looked at. */
static bool same_text(const uint64_t a[WORDS], const uint64_t b[WORDS])
{
	uint64_t differs = 0;
	for (size_t i = 0; i < WORDS; i++) {
		differs |= a[i] ^ b[i];
		__asm__("" : "+r"(differs)); /* nor may the compiler end early */
	}
	return differs == 0;
}

static bool is_owner(const struct slot *slot, const struct token_owner *owner)
{
	struct str id = owner->instance_id;
	return slot->epoch == owner->epoch && id.n < ID_BYTES &&
	       memcmp(slot->instance_id, id.p, id.n) == 0 && slot->instance_id[id.n] == '\0';
}

bool token_cache_find(const struct token_cache *cache, const struct token_owner *owner,
	struct str text, uint32_t *ret_expiry_s)
{
	uint64_t words[WORDS];
	if (text.n != TOKEN_CHARS) {
		return false;
	}
	memcpy(words, text.p, sizeof words);
	const struct slot *slot = slot_of(cache, words);
	if (!is_owner(slot, owner) || !same_text(slot->text, words)) {
		return false;
	}
	*ret_expiry_s = slot->expiry_s;
	return true;
}

void token_cache_keep(struct token_cache *cache, const struct token_owner *owner, struct str text,
	uint32_t expiry_s)
{
	uint64_t words[WORDS];
	struct str id = owner->instance_id;
	if (id.n >= ID_BYTES) {
		return; /* ids that are given may be as long as they like */
	}
	memcpy(words, text.p, sizeof words);
	struct slot *slot = slot_of(cache, words);
	memcpy(slot->text, words, sizeof words);
	memset(slot->instance_id, 0, sizeof slot->instance_id);
	memcpy(slot->instance_id, id.p, id.n);
	slot->epoch = owner->epoch;
	slot->expiry_s = expiry_s;
}
