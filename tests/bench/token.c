/*
 * token - what minting and checking a session token takes, as a worker does it: keys and randomness
 * are its own, the text is decoded and its instance compared.
 *
 * Usage: bench_token time BATCHES          one JSON object: nanoseconds a call, of each batch
 *        bench_token mint|check|known N    nothing but N calls, for counting what else happens
 *
 * check: of tokens that the worker has not seen lately, with an HMAC for each; known: of one that it
 * has, as nearly all are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "metadata/token_cache.h"

#define BATCH  1000
#define NOW_NS (INT64_C(1767225600) * 1000000000)
#define TTL_S  21600
#define TEXTS  4096 /* many times as many as are remembered */

_Static_assert(TEXTS >= 4 * TOKEN_CACHE_SLOTS, "one is forgotten before its turn comes again");

static struct crypto_rng rng;
static const struct token_owner owner = {STR_INIT("i-0123456789abcdef0"), 7};

static void fail(const char *why)
{
	(void)fprintf(stderr, "bench_token: %s\n", why); /* nowhere else to say it */
	exit(EXIT_FAILURE);
}

static char texts[TEXTS][TOKEN_CHARS];

static void mint(struct token_keys *keys, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		if (token_mint(keys, &owner, &rng, NOW_NS, TTL_S, texts[i % TEXTS]) < 0) {
			fail("a token can't be minted");
		}
	}
}

static void check_one(struct token_keys *keys, unsigned long i)
{
	const struct str token = {texts[i], TOKEN_CHARS};
	uint32_t left_s = 0;
	if (token_verify(keys, &owner, token, NOW_NS, &left_s) < 0 || left_s != TTL_S) {
		fail("a good token was refused");
	}
}

static void check(struct token_keys *keys, unsigned long n)
{
	static unsigned long next;
	for (unsigned long i = 0; i < n; i++) {
		check_one(keys, next++ % TEXTS);
	}
}

static void known(struct token_keys *keys, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		check_one(keys, 0);
	}
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const struct work {
	const char *name;
	void (*run)(struct token_keys *keys, unsigned long n);
} works[] = {{"mint", mint}, {"check", check}, {"known", known}};
#define WORKS (sizeof works / sizeof works[0])

static void print_times(const struct work *work, struct token_keys *keys, unsigned long batches)
{
	printf("\"%s_ns\": [", work->name);
	for (unsigned long i = 0; i < batches; i++) {
		double begin = now_ns();
		work->run(keys, BATCH);
		printf("%s%.1f", i ? ", " : "", (now_ns() - begin) / BATCH);
	}
	printf("]");
}

static void print_all(struct token_keys *keys, unsigned long batches)
{
	printf("{");
	for (size_t i = 0; i < WORKS; i++) {
		printf("%s", i ? ", " : "");
		print_times(&works[i], keys, batches);
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct secret secret;
	struct token_keys keys;
	unsigned long n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (argc != 3 || n > 100000000) {
		fail("usage: bench_token time BATCHES | mint N | check N | known N");
	}
	if (secret_init(&secret, TOKEN_KEY_BYTES) < 0 || token_keys_init(&keys, &secret, 1) < 0) {
		fail("out of memory");
	}
	mint(&keys, TEXTS);
	if (strcmp(argv[1], "time") == 0) {
		print_all(&keys, n);
	}
	for (size_t i = 0; i < WORKS; i++) {
		if (strcmp(argv[1], works[i].name) == 0) {
			works[i].run(&keys, n);
		}
	}
	token_keys_done(&keys);
	secret_done(&secret);
	return EXIT_SUCCESS;
}
