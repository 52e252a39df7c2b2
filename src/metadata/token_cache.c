#include "metadata/token_cache.h"

#include <string.h>

#define ID_BYTES   24
#define RANDOM_AT  24 /* of the text: characters of the MAC, which nobody can choose */
#define GOLDEN     UINT64_C(0x9E3779B97F4A7C15)
#define SLOT_SHIFT 55 /* so many bits are left for TOKEN_CACHE_SLOTS */

_Static_assert(TOKEN_CHARS % 8 == 0, "a text is whole words");
_Static_assert(TOKEN_CACHE_SLOTS == UINT64_C(1) << (64 - SLOT_SHIFT), "one slot a hash");

struct slot {
	char text[TOKEN_CHARS]; /* zero: vacant; no token's is */
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

static uint64_t word_at(const char *text, size_t at)
{
	uint64_t word;
	memcpy(&word, text + at, sizeof word);
	return word;
}

static struct slot *slot_of(const struct token_cache *cache, const char *text)
{
	struct slot *slots = (void *)cache->slots_.p;
	return &slots[(word_at(text, RANDOM_AT) * GOLDEN) >> SLOT_SHIFT];
}

/* No branch until all is looked at. */
static bool same_text(const char *a, const char *b)
{
	uint64_t differs = 0;
	for (size_t at = 0; at < TOKEN_CHARS; at += sizeof differs) {
		differs |= word_at(a, at) ^ word_at(b, at);
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
	if (text.n != TOKEN_CHARS) {
		return false;
	}
	const struct slot *slot = slot_of(cache, text.p);
	if (!is_owner(slot, owner) || !same_text(slot->text, text.p)) {
		return false;
	}
	*ret_expiry_s = slot->expiry_s;
	return true;
}

void token_cache_keep(struct token_cache *cache, const struct token_owner *owner, struct str text,
	uint32_t expiry_s)
{
	struct str id = owner->instance_id;
	if (id.n >= ID_BYTES) {
		return; /* ids that are given may be as long as they like */
	}
	struct slot *slot = slot_of(cache, text.p);
	memcpy(slot->text, text.p, sizeof slot->text);
	memset(slot->instance_id, 0, sizeof slot->instance_id);
	memcpy(slot->instance_id, id.p, id.n);
	slot->epoch = owner->epoch;
	slot->expiry_s = expiry_s;
}
