#include "control/host_row.h"

#include <errno.h>
#include <stdlib.h>

struct kept {
	struct store_host row;
	char *version;
};

static int keep(void *ctx, const struct store_host *host)
{
	struct kept *kept = ctx;
	kept->row = *host;
	kept->version = str_dup(host->version);
	return kept->version ? 0 : -ENOMEM;
}

int host_row_change(struct store *store, struct str name,
	void (*change)(struct store_host *host, const void *ctx), const void *ctx,
	struct diag *diag)
{
	struct kept kept = {0};
	int rc = store->ops->host_get(store, name, keep, &kept, diag);
	if (rc == 0 || rc == E_NOTFOUND) {
		kept.row.name = name;
		kept.row.version = kept.version ? str_of(kept.version) : STR("");
		change(&kept.row, ctx);
		rc = store->ops->host_put(store, &kept.row, diag);
	}
	free(kept.version);
	return rc;
}

struct numbers {
	uint64_t recorded;
	uint64_t applied;
};

static int take(void *ctx, const struct store_host *host)
{
	*(struct numbers *)ctx = (struct numbers){host->recorded, host->applied};
	return 0;
}

static int numbers_of(
	struct store *store, struct str name, struct numbers *ret_numbers, struct diag *diag)
{
	*ret_numbers = (struct numbers){0};
	int rc = store->ops->host_get(store, name, take, ret_numbers, diag);
	return rc == E_NOTFOUND ? 0 : rc;
}

int host_row_recorded(
	struct store *store, struct str name, uint64_t *ret_recorded, struct diag *diag)
{
	struct numbers numbers;
	TRY(numbers_of(store, name, &numbers, diag));
	*ret_recorded = numbers.recorded;
	return 0;
}

int host_row_applied(struct store *store, struct str name, uint64_t *ret_applied, struct diag *diag)
{
	struct numbers numbers;
	TRY(numbers_of(store, name, &numbers, diag));
	*ret_applied = numbers.applied;
	return 0;
}
