/*
 * token - what minting and checking a session token takes, as a worker does it: keys and randomness
 * are its own, the text is decoded and its instance compared.
 *
 * Usage: bench_token time BATCHES    one JSON object: nanoseconds a call, of each batch
 *        bench_token mint|check N    nothing but N calls, for counting what else happens
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "metadata/token.h"

#define BATCH  1000
#define NOW_NS (INT64_C(1767225600) * 1000000000)
#define TTL_S  21600

static struct crypto_rng rng;
static const struct token_owner owner = {STR_INIT("i-0123456789abcdef0"), 7};

static void fail(const char *why)
{
	(void)fprintf(stderr, "bench_token: %s\n", why); /* nowhere else to say it */
	exit(EXIT_FAILURE);
}

static void mint(struct token_keys *keys, char text[TOKEN_CHARS], unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		if (token_mint(keys, &owner, &rng, NOW_NS, TTL_S, text) < 0) {
			fail("a token can't be minted");
		}
	}
}

static void check(struct token_keys *keys, char text[TOKEN_CHARS], unsigned long n)
{
	const struct str token = {text, TOKEN_CHARS};
	uint32_t left_s = 0;
	for (unsigned long i = 0; i < n; i++) {
		if (token_verify(keys, &owner, token, NOW_NS, &left_s) < 0 || left_s != TTL_S) {
			fail("a good token was refused");
		}
	}
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void print_times(const char *name,
	void (*run)(struct token_keys *keys, char text[TOKEN_CHARS], unsigned long n),
	struct token_keys *keys, char text[TOKEN_CHARS], unsigned long batches)
{
	printf("\"%s\": [", name);
	for (unsigned long i = 0; i < batches; i++) {
		double begin = now_ns();
		run(keys, text, BATCH);
		printf("%s%.1f", i ? ", " : "", (now_ns() - begin) / BATCH);
	}
	printf("]");
}

int main(int argc, char **argv)
{
	struct secret secret;
	struct token_keys keys;
	char text[TOKEN_CHARS];
	unsigned long n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (argc != 3 || n > 100000000) {
		fail("usage: bench_token time BATCHES | mint N | check N");
	}
	if (secret_init(&secret, TOKEN_KEY_BYTES) < 0 || token_keys_init(&keys, &secret, 1) < 0) {
		fail("out of memory");
	}
	mint(&keys, text, BATCH);
	check(&keys, text, BATCH);
	if (strcmp(argv[1], "time") == 0) {
		printf("{");
		print_times("mint_ns", mint, &keys, text, n);
		printf(", ");
		print_times("check_ns", check, &keys, text, n);
		printf("}\n");
	} else if (strcmp(argv[1], "mint") == 0) {
		mint(&keys, text, n);
	} else if (strcmp(argv[1], "check") == 0) {
		check(&keys, text, n);
	} else {
		fail("usage: bench_token time BATCHES | mint N | check N");
	}
	token_keys_done(&keys);
	secret_done(&secret);
	return EXIT_SUCCESS;
}
