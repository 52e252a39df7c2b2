/*
 * near - which of the known words somebody may have meant.
 *
 * Layer:   config (pure)
 * Threads: no state
 * Memory:  words are borrowed
 * Secrets: none
 * Limits:  NEAR_WORD_BYTES; longer words are near to nothing
 * Spec:    optimal string alignment distance, upper and lower case being the same
 *
 *	struct near near = near_to(key);
 *	for each known word: near_try(&near, word);
 *	if (near.best.n) …
 */
#ifndef TELLTALE_CONFIG_NEAR_H
#define TELLTALE_CONFIG_NEAR_H

#include "base/str.h"

#define NEAR_WORD_BYTES 40

struct near {
	struct str word;
	struct str best; /* empty: none is near */
	size_t distance;
};

/* Nothing farther than a third of the word is near. */
struct near near_to(struct str word);

void near_try(struct near *near, struct str candidate);

#endif
