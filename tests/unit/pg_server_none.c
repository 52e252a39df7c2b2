/* Where there is no libpq. */
#include "tests/unit/pg_server.h"

#include <stddef.h>

bool pg_server_can(void)
{
	return false;
}

struct pg_server *pg_server_shared(void)
{
	return NULL;
}

void pg_server_database(struct pg_server *server, char ret_url[128])
{
	(void)server;
	ret_url[0] = '\0';
}
