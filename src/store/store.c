#include "store/store.h"

#include "store/postgres.h"
#include "store/sqlite.h"

struct back_end {
	struct str scheme; /* with the colon */
	int (*open)(struct str url, struct store **ret_store, struct diag *diag);
};

static int open_sqlite(struct str url, struct store **ret_store, struct diag *diag)
{
	struct str rest = str_from(url, STR("sqlite:").n);
	struct str path = str_starts(rest, STR("//")) ? str_from(rest, 2) : rest;
	return sqlite_open(path, ret_store, diag);
}

static const struct back_end back_ends[] = {
	{STR_INIT("sqlite:"), open_sqlite},
	{STR_INIT("postgresql:"), postgres_open},
	{STR_INIT("postgres:"), postgres_open},
};

int store_open(struct str url, struct store **ret_store, struct diag *diag)
{
	for (size_t i = 0; i < sizeof back_ends / sizeof back_ends[0]; i++) {
		struct str scheme = back_ends[i].scheme;
		if (str_starts(url, scheme)) {
			return back_ends[i].open(url, ret_store, diag);
		}
	}
	/* No more of it than the scheme: there may be a password in the rest. */
	struct str scheme = {url.p, str_find(url, ':')};
	return diag_set(diag, E_SYNTAX,
		"store: \"%.*s\" is no kind of store; use sqlite:///PATH, or postgresql://USER@HOST/DATABASE",
		STR_FMT(scheme));
}
