/* Where there is no libpq. */
#include "store/postgres.h"
#include "store/postgres_listen.h"

#include <errno.h>

static int none(struct diag *diag)
{
	return diag_set(diag, -EOPNOTSUPP, "store: this build has no PostgreSQL");
}

int postgres_open(struct str url, struct store **ret_store, struct diag *diag)
{
	(void)url;
	(void)ret_store;
	return none(diag);
}

int postgres_open_reader(struct str url, struct store **ret_store, struct diag *diag)
{
	return postgres_open(url, ret_store, diag);
}

int postgres_listen_new(
	struct str url, struct str host, struct postgres_listen **ret_listen, struct diag *diag)
{
	(void)url;
	(void)host;
	(void)ret_listen;
	return none(diag);
}

/* There never is one. */
void postgres_listen_free(struct postgres_listen *listen)
{
	(void)listen;
}

int postgres_listen_fd(const struct postgres_listen *listen)
{
	(void)listen;
	return -1;
}

int postgres_listen_read(struct postgres_listen *listen, unsigned *ret_told, struct diag *diag)
{
	(void)listen;
	*ret_told = 0;
	return none(diag);
}

int postgres_listen_ping(struct postgres_listen *listen, struct diag *diag)
{
	(void)listen;
	return none(diag);
}
