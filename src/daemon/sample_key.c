#include "daemon/sample_key.h"

#include <errno.h>
#include <stdlib.h>

#define ID_RANDOM_CHARS 16
#define SECRET_CHARS    40

static const struct str prefix = STR_INIT("AKIA");

/* Random characters of an alphabet whose size is a power of two. */
static int draw(const char *alphabet, size_t size, char *ret_text, size_t n)
{
	unsigned char bytes[SECRET_CHARS];
	TRY(crypto_random(bytes, n));
	for (size_t i = 0; i < n; i++) {
		ret_text[i] = alphabet[bytes[i] & (size - 1)];
	}
	crypto_wipe(bytes, sizeof bytes);
	return 0;
}

static int fill(struct credential *key, char *id)
{
	static struct str everything[] = {STR_INIT("*")};
	memcpy(id, prefix.p, prefix.n);
	key->access_key_id = (struct str){id, prefix.n + ID_RANDOM_CHARS};
	key->allow = everything;
	key->n_allow = 1;
	TRY(draw("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 32, id + prefix.n, ID_RANDOM_CHARS));
	TRY(secret_init(&key->secret, SECRET_CHARS));
	return draw("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 64,
		(char *)key->secret.p, SECRET_CHARS);
}

int sample_key_make(struct credential *ret_key)
{
	char *id = calloc(1, prefix.n + ID_RANDOM_CHARS + 1);
	struct credential key = {0};
	int rc = id ? fill(&key, id) : -ENOMEM;
	if (rc < 0) {
		secret_done(&key.secret);
		free(id);
		return rc;
	}
	*ret_key = key;
	return 0;
}

void sample_key_done(struct credential *key)
{
	if (key->n_allow) {
		secret_done(&key->secret);
		free((void *)(uintptr_t)key->access_key_id.p);
		*key = (struct credential){0};
	}
}
