/* The hosts of the store in memory. */
#include "tests/fake/store_memory_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_ms(const struct memory_store *m)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* can't fail for this clock */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + m->waited_ms;
}

static void host_done(struct store_host *host)
{
	memory_free_text(&host->name);
	memory_free_text(&host->version);
}

static int host_copy(const struct store_host *from, struct store_host *ret_copy)
{
	struct store_host copy = *from;
	copy.name = copy.version = STR_EMPTY;
	if (memory_copy_text(memory_filled(from->name), &copy.name) < 0 ||
		memory_copy_text(memory_filled(from->version), &copy.version) < 0) {
		host_done(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

int memory_hosts_copy(const struct memory_hosts *from, struct memory_hosts *ret_hosts)
{
	struct memory_hosts hosts = {.v = calloc(from->n + 1, sizeof *hosts.v)};
	if (!hosts.v) {
		return -ENOMEM;
	}
	for (; hosts.n < from->n; hosts.n++) {
		if (host_copy(&from->v[hosts.n], &hosts.v[hosts.n]) < 0) {
			memory_hosts_done(&hosts);
			return -ENOMEM;
		}
	}
	*ret_hosts = hosts;
	return 0;
}

void memory_hosts_done(struct memory_hosts *hosts)
{
	for (size_t i = 0; i < hosts->n; i++) {
		host_done(&hosts->v[i]);
	}
	free(hosts->v);
	*hosts = (struct memory_hosts){0};
}

/* Where it is, or where it would be. */
static size_t find(const struct memory_hosts *hosts, struct str name, bool *ret_there)
{
	size_t at = 0;
	while (at < hosts->n && str_cmp(hosts->v[at].name, name) < 0) {
		at++;
	}
	*ret_there = at < hosts->n && str_eq(hosts->v[at].name, name);
	return at;
}

/* Takes the host, whatever it returns. */
static int put(struct memory_hosts *hosts, struct store_host *host)
{
	bool there;
	size_t at = find(hosts, host->name, &there);
	if (there) {
		host_done(&hosts->v[at]);
		hosts->v[at] = *host;
		return 0;
	}
	void *grown = realloc(hosts->v, (hosts->n + 1) * sizeof *hosts->v);
	if (!grown) {
		host_done(host);
		return -ENOMEM;
	}
	hosts->v = grown;
	struct store_host *place = hosts->v + at;
	memmove(place + 1, place, (hosts->n - at) * sizeof *place);
	*place = *host;
	hosts->n++;
	return 0;
}

/* --- the contract ---------------------------------------------------------------------------- */

int memory_host_put(struct store *store, const struct store_host *host, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_change_call(m, diag));
	struct store_host copy;
	if (host_copy(host, &copy) < 0) {
		return memory_lose(m, diag);
	}
	copy.quiet_ms = now_ms(m);
	return put(&m->work.hosts, &copy) < 0 ? memory_lose(m, diag) : 0;
}

static int not_found(struct str name, struct diag *diag)
{
	return diag_set(diag, E_NOTFOUND, "no host \"%.*s\"", STR_FMT(name));
}

int memory_host_delete(struct store *store, struct str name, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_change_call(m, diag));
	struct memory_hosts *hosts = &m->work.hosts;
	bool there;
	size_t at = find(hosts, name, &there);
	if (!there) {
		return not_found(name, diag);
	}
	struct store_host *place = hosts->v + at;
	host_done(place);
	hosts->n--;
	memmove(place, place + 1, (hosts->n - at) * sizeof *place);
	return 0;
}

static int hand_on(struct memory_store *m, const struct store_host *kept,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx)
{
	struct store_host host = *kept;
	host.revision = memory_host_revision(memory_readable(m), kept->name);
	host.quiet_ms = now_ms(m) - kept->quiet_ms;
	int rc = on_host(ctx, &host);
	return rc < 0 ? rc : 0;
}

int memory_host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_call(m, diag));
	const struct memory_hosts *hosts = &memory_readable(m)->hosts;
	bool there;
	size_t at = find(hosts, name, &there);
	return there ? hand_on(m, &hosts->v[at], on_host, ctx) : not_found(name, diag);
}

int memory_host_each(struct store *store, int (*on_host)(void *ctx, const struct store_host *host),
	void *ctx, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_call(m, diag));
	const struct memory_hosts *hosts = &memory_readable(m)->hosts;
	for (size_t i = 0; i < hosts->n; i++) {
		TRY(hand_on(m, &hosts->v[i], on_host, ctx));
	}
	return 0;
}
