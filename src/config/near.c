#include "config/near.h"

struct near near_to(struct str word)
{
	return (struct near){.word = word, .distance = word.n / 3 + 1};
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours. Both words have room in a row. */
static size_t distance(struct str a, struct str b)
{
	size_t rows[3][NEAR_WORD_BYTES + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b.n; j++) {
		before[j] = above[j] = j;
	}
	for (size_t i = 1; i <= a.n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			char x = lower(a.p[i - 1]), y = lower(b.p[j - 1]);
			row[j] = least(above[j - 1] + (x != y), least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == lower(b.p[j - 2]) && lower(a.p[i - 2]) == y) {
				row[j] = least(row[j], before[j - 2] + 1);
			}
		}
		size_t *spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b.n];
}

void near_try(struct near *near, struct str candidate)
{
	if (near->word.n == 0 || near->word.n > NEAR_WORD_BYTES || candidate.n > NEAR_WORD_BYTES) {
		return;
	}
	size_t d = distance(near->word, candidate);
	if (d < near->distance) {
		near->distance = d;
		near->best = candidate;
	}
}
