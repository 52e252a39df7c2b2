/*
 * registry - all instances, found by who calls, published one by one.
 *
 * Layer:   metadata (pure)
 * Threads: one writer at a time (the registrar's lock); workers read without locks. A worker may use
 *          what it found until it calls registry_turn() or registry_idle().
 * Memory:  entries and snapshots are freed after every worker has passed a loop turn, and entries
 *          not before their last connection is gone
 * Secrets: none of its own
 * Limits:  REGISTRY_WORKERS_MAX
 * Spec:    docs/architecture.md#publication (QSBR: quiescent-state-based reclamation)
 *
 * What a reader has seen, and every pointer that is published and later freed, are read and written
 * in one total order (memory_order_seq_cst): either the writer sees that a reader is there, or the
 * reader sees the new pointer. Reading costs no more than an acquire on the machines we know.
 */
#ifndef TELLTALE_METADATA_REGISTRY_H
#define TELLTALE_METADATA_REGISTRY_H

#include "metadata/instance.h"
#include "metadata/stats.h"

#define REGISTRY_WORKERS_MAX 64

struct registry;

/* A signed identity document. Lifetime: snapshot; published once by the signer. */
struct signed_document {
	struct signed_document *next_; /* while it waits to be freed */
	struct str document;           /* what was signed */
	struct str signature;
	struct str pkcs7;
};

/*
 * One instance for as long as it exists; its snapshot changes below. Lifetime: while it is in the
 * registry or a connection holds it.
 */
struct entry {
	_Atomic(struct instance *) current; /* NULL once removed */
	_Atomic uint32_t holds;             /* connections, and the signer */
	_Atomic int64_t throttle_ns;        /* when the token bucket is full again */
	_Atomic(struct signed_document *) signed_document;
	_Atomic bool signing;    /* the signer has it */
	struct entry *next_dead; /* of those that were removed; the writer's */
	uint64_t dead_epoch;     /* when it was removed; the writer's */
	uint64_t mark;           /* of its last change: registry_passed(); the writer's */
	uint64_t reported[2];    /* of the first two counters: what is recorded; the writer's */
	bool detached;           /* by registry_detach(); the writer's */
	_Atomic(struct stats *) stats[]; /* one a worker, NULL until first needed */
};

/* workers  how many read; NULL when out of memory. */
struct registry *registry_new(unsigned workers);
void registry_free(struct registry *registry);

/* --- readers: worker threads ---------------------------------------------------------------- */

/* The worker has come out of its wait and may read. */
void registry_turn(struct registry *registry, unsigned worker);

/* The worker holds nothing from the registry and may wait for long. */
void registry_idle(struct registry *registry, unsigned worker);

/* Raised whenever an address may have come to belong to another instance. */
uint32_t registry_generation(const struct registry *registry);

/*
 * Who calls: the most specific match of network, interface and address (a match that names the
 * interface before one that does not, a longer prefix before a shorter). NULL: unknown.
 */
struct entry *registry_lookup(const struct registry *registry, struct str network,
	struct str interface, const struct ipaddr *addr);

/* The same behind a port of a bridge: a match that names the port goes before all others. */
struct entry *registry_lookup_port(const struct registry *registry, struct str network,
	struct str port, struct str interface, const struct ipaddr *addr);

/* Whether some instance has the address at an interface, whichever that is. */
bool registry_claimed(
	const struct registry *registry, struct str network, const struct ipaddr *addr);

/* The current snapshot; NULL once removed. */
static inline const struct instance *entry_instance(const struct entry *entry)
{
	return atomic_load_explicit(&entry->current, memory_order_seq_cst);
}

/* The worker's counters for the entry, made when first needed; NULL when out of memory. */
struct stats *entry_stats(struct entry *entry, unsigned worker);

/* --- the writer ------------------------------------------------------------------------------ */

/*
 * Publish a snapshot: a new instance, or a new state of the one that has its name.
 * Takes the instance, also on failure.
 * Returns 0, -ENOMEM, or E_EXISTS when another instance has one of its addresses or its id; diag
 * names both.
 */
MUST_CHECK int registry_put(
	struct registry *registry, struct instance *instance, struct diag *diag);

/*
 * Take an instance's addresses and id out of the way of others, until it is put again: so that two
 * instances can change places. Its callers are unknown meanwhile: they are not taken for whoever has
 * a shorter prefix around them, until nobody is detached any more.
 */
void registry_detach(struct registry *registry, struct str name);

/* Returns 0 or E_NOTFOUND. */
MUST_CHECK int registry_remove(struct registry *registry, struct str name);

/* What registry_put() would say of it, without putting it: 0 or E_EXISTS. */
MUST_CHECK int registry_can_put(
	const struct registry *registry, const struct instance *instance, struct diag *diag);

/*
 * Would these snapshots stand side by side? Returns 0, -ENOMEM, or E_EXISTS with diag naming two
 * that claim the same name, id or address.
 */
MUST_CHECK int registry_check(struct instance *const *instances, size_t n, struct diag *diag);

/*
 * The same, leaving out those that would not stand beside the ones before them. on_taken() hears of each
 * of them, and ends it by returning < 0. Returns 0, -ENOMEM, or what it returned.
 */
MUST_CHECK int registry_sift(struct instance *const *instances, size_t n,
	int (*on_taken)(void *ctx, size_t i, const char *why), void *ctx, struct diag *diag);

/* By name, and by id; NULL: none. */
struct entry *registry_find(const struct registry *registry, struct str name);
struct entry *registry_find_id(const struct registry *registry, struct str id);

/*
 * An entry that nobody can find, to look at an instance that is elsewhere as at one that is here. Takes
 * the instance, also on failure.
 * in_force  what registry_passed() says of its mark
 * NULL when out of memory.
 */
struct entry *registry_lone(
	const struct registry *registry, struct instance *instance, bool in_force);
void registry_lone_free(struct entry *entry);

/* How many there are; any thread may ask. */
size_t registry_count(const struct registry *registry);

/* Every entry, in no order; the callback must not change the registry. Ends when it returns < 0. */
int registry_each(const struct registry *registry, int (*on_entry)(void *ctx, struct entry *entry),
	void *ctx);

/* A counter over all workers. */
uint64_t entry_counter(
	const struct registry *registry, const struct entry *entry, unsigned counter);

/* Put the signer's result in place (takes it). One signer; it needs no lock. */
void registry_signed(
	struct registry *registry, struct entry *entry, struct signed_document *document);

/* Free what no worker can see any more; cheap when nothing waits. Returns how much still waits. */
size_t registry_reclaim(struct registry *registry);

/*
 * Wait marks: registry_mark() after a change; the change is in force for every request that any
 * worker starts once registry_passed() says so.
 */
uint64_t registry_mark(const struct registry *registry);
bool registry_passed(const struct registry *registry, uint64_t mark);

#endif
