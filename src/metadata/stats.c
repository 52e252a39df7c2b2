#include "metadata/stats.h"

static const uint16_t numbers[STATS_STATUSES] = {
	[STATS_200] = 200,
	[STATS_400] = 400,
	[STATS_401] = 401,
	[STATS_403] = 403,
	[STATS_404] = 404,
	[STATS_405] = 405,
	[STATS_413] = 413,
	[STATS_414] = 414,
	[STATS_431] = 431,
	[STATS_503] = 503,
};

enum stats_status stats_status_of(unsigned status)
{
	for (int i = 0; i < STATS_STATUSES; i++) {
		if (numbers[i] == status) {
			return (enum stats_status)i;
		}
	}
	return STATS_400;
}

unsigned stats_status_number(enum stats_status status)
{
	return numbers[status];
}
