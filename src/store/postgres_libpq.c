#include "store/postgres_libpq.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libpq.so.5"

static const struct {
	const char *name;
	size_t at;
} functions[] = {
#define ROW(name) {#name, offsetof(struct postgres_libpq, name)},
	POSTGRES_LIBPQ(ROW)
#undef ROW
};

struct postgres_libpq libpq;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct diag why; /* it could not be loaded; empty: it was */

static void load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		diag_write(&why, "%s", dlerror());
		return;
	}
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		/* A function's address comes as that of an object. */
		void *address = dlsym(library, functions[i].name);
		if (!address) {
			diag_write(&why, "%s", dlerror());
			return;
		}
		memcpy((char *)&libpq + functions[i].at, &address, sizeof address);
	}
}

int postgres_libpq_load(struct diag *diag)
{
	(void)pthread_once(&once, load); /* it can't fail */
	return why.text[0] ? diag_set(diag, -ENOENT, "store: PostgreSQL needs " LIBRARY ": %s",
				     why.text)
			   : 0;
}
