/* Where there is no libpq. */
#include "store/postgres.h"

#include <errno.h>

int postgres_open(struct str url, struct store **ret_store, struct diag *diag)
{
	(void)url;
	(void)ret_store;
	return diag_set(diag, -EOPNOTSUPP, "store: this build has no PostgreSQL");
}
