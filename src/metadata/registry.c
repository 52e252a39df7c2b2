#include "metadata/registry.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "metadata/index.h"
#include "metadata/reclaim.h"
#include "metadata/tree.h"

/* --- private structures ---------------------------------------------------------------------- */

/* One address of one instance. Lifetime: snapshot (retired when taken out). */
struct binding {
	struct entry *entry;
	_Atomic bool vacant; /* its entry is detached: the address is nobody's until one takes it */
	struct str network;
	struct str interface; /* CLAIM: some have the address, each at an interface of its own */
	struct ipprefix prefix;
	uint32_t claims; /* of CLAIM: by how many; the writer's */
	char text[];
};

/* Where an interface's name belongs, and what can't be one. */
#define CLAIM STR("/")

/* Open addressing; read without locks while the writer adds and takes out. */
struct match_table {
	size_t cap;  /* a power of two */
	size_t used; /* slots that are not NULL, tombstones too; the writer's */
	_Atomic(struct binding *) slots[];
};

#define MATCH_FIRST_SLOTS 64

static struct binding tombstone_;
#define TOMBSTONE (&tombstone_)

#define NEVER UINT64_MAX /* a mark that is not passed */

struct registry {
	unsigned workers;
	_Atomic uint32_t generation;
	_Atomic size_t count; /* of names, for whoever does not hold the writer's lock */
	_Atomic(struct match_table *) matches;
	_Atomic(struct signed_document *) replaced; /* by the signer; to be retired */
	_Atomic uint64_t lengths[3]; /* which prefix lengths are in use: bit 128 - length */
	uint32_t length_counts[129];
	struct index names; /* every entry; the writer's alone, as are ids */
	struct index ids;   /* those that are not detached */
	size_t n_detached;
	struct entry *dead; /* removed, but a connection may hold them */
	struct reclaim reclaim;
};

_Static_assert(REGISTRY_WORKERS_MAX <= RECLAIM_READERS_MAX, "each worker is a reader");

/* --- freeing --------------------------------------------------------------------------------- */

static void free_instance(void *instance)
{
	instance_free(instance);
}

static void free_entry(struct entry *entry, unsigned workers)
{
	instance_free(atomic_load_explicit(&entry->current, memory_order_relaxed));
	free(atomic_load_explicit(&entry->signed_document, memory_order_relaxed));
	for (unsigned i = 0; i < workers; i++) {
		free(atomic_load_explicit(&entry->stats[i], memory_order_relaxed));
	}
	free(entry);
}

/* Returns how many still wait. */
static size_t reclaim_dead(struct registry *registry)
{
	size_t kept = 0;
	for (struct entry **link = &registry->dead; *link;) {
		struct entry *entry = *link;
		/*
		 * In this order: a worker that found the entry in its last turn may hold it until
		 * that turn ends. Only when none can any more does a zero stay one.
		 */
		if (reclaim_passed(&registry->reclaim, entry->dead_epoch) &&
			atomic_load_explicit(&entry->holds, memory_order_acquire) == 0) {
			*link = entry->next_dead;
			free_entry(entry, registry->workers);
		} else {
			link = &entry->next_dead;
			kept++;
		}
	}
	return kept;
}

/* Take over what the signer has replaced. */
static void retire_replaced(struct registry *registry)
{
	struct signed_document *one =
		atomic_exchange_explicit(&registry->replaced, NULL, memory_order_acquire);
	while (one) {
		struct signed_document *next = one->next_;
		reclaim_retire(&registry->reclaim, one, free);
		one = next;
	}
}

size_t registry_reclaim(struct registry *registry)
{
	retire_replaced(registry);
	size_t waiting = reclaim_run(&registry->reclaim);
	return waiting + reclaim_dead(registry);
}

/* --- keys ------------------------------------------------------------------------------------ */

/* The snapshot for the writer, which no other thread changes. */
static struct instance *current(const struct entry *entry)
{
	return atomic_load_explicit(&entry->current, memory_order_relaxed);
}

static struct str name_key(const struct entry *entry)
{
	return current(entry)->name;
}

static struct str id_key(const struct entry *entry)
{
	return str_of(current(entry)->id);
}

/* --- matches --------------------------------------------------------------------------------- */

static size_t match_slot(const struct match_table *table, struct str network, struct str interface,
	const struct ipprefix *prefix)
{
	uint64_t h = hash_bytes(HASH_START, prefix->addr.b, sizeof prefix->addr.b);
	h = hash_bytes(h, &prefix->bits, 1);
	h = hash_str(h, network);
	h = hash_str(h, interface);
	return hash_slot(h, table->cap);
}

static bool binding_is(const struct binding *binding, struct str network, struct str interface,
	const struct ipprefix *prefix)
{
	return binding->prefix.bits == prefix->bits &&
	       ipaddr_eq(&binding->prefix.addr, &prefix->addr) &&
	       str_eq(binding->network, network) && str_eq(binding->interface, interface);
}

static bool is_vacant(const struct binding *binding)
{
	return atomic_load_explicit(&binding->vacant, memory_order_acquire);
}

static struct match_table *matches_of(const struct registry *registry)
{
	return atomic_load_explicit(&registry->matches, memory_order_seq_cst);
}

/* The slot's binding, for the writer. */
static struct binding *slot_at(const struct match_table *table, size_t at)
{
	return atomic_load_explicit(&table->slots[at], memory_order_relaxed);
}

/* The slot that holds it, or table->cap. */
static size_t match_find(const struct match_table *table, struct str network, struct str interface,
	const struct ipprefix *prefix)
{
	size_t at = match_slot(table, network, interface, prefix);
	for (;;) {
		struct binding *binding =
			atomic_load_explicit(&table->slots[at], memory_order_seq_cst);
		if (!binding) {
			return table->cap;
		}
		if (binding != TOMBSTONE && binding_is(binding, network, interface, prefix)) {
			return at;
		}
		at = (at + 1) & (table->cap - 1);
	}
}

static struct match_table *match_table_new(size_t cap)
{
	struct match_table *table = calloc(1, sizeof *table + cap * sizeof table->slots[0]);
	if (table) {
		table->cap = cap;
	}
	return table;
}

static void match_insert(struct match_table *table, struct binding *binding)
{
	size_t at = match_slot(table, binding->network, binding->interface, &binding->prefix);
	while (slot_at(table, at)) {
		at = (at + 1) & (table->cap - 1);
	}
	atomic_store_explicit(&table->slots[at], binding, memory_order_seq_cst);
	table->used++;
}

/* Room for n more; the table is replaced by a larger one (or one without tombstones). */
static int matches_reserve(struct registry *registry, size_t n)
{
	struct match_table *table = matches_of(registry);
	if ((table->used + n) * 2 <= table->cap) {
		return 0;
	}
	size_t live = 0;
	for (size_t i = 0; i < table->cap; i++) {
		struct binding *binding = slot_at(table, i);
		live += binding && binding != TOMBSTONE;
	}
	size_t cap = MATCH_FIRST_SLOTS;
	while (cap < (live + n) * 3) {
		cap *= 2;
	}
	struct match_table *bigger = match_table_new(cap);
	if (!bigger) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < table->cap; i++) {
		struct binding *binding = slot_at(table, i);
		if (binding && binding != TOMBSTONE) {
			match_insert(bigger, binding);
		}
	}
	atomic_store_explicit(&registry->matches, bigger, memory_order_seq_cst);
	reclaim_retire(&registry->reclaim, table, free);
	return 0;
}

/* The bitmap of lengths goes from the longest, bit 0, to the shortest, bit 128. */
static void count_length(struct registry *registry, uint8_t bits, int by)
{
	unsigned at = 128u - bits;
	registry->length_counts[bits] += (uint32_t)by;
	uint64_t word = atomic_load_explicit(&registry->lengths[at / 64], memory_order_relaxed);
	uint64_t bit = UINT64_C(1) << at % 64;
	word = registry->length_counts[bits] ? word | bit : word & ~bit;
	atomic_store_explicit(&registry->lengths[at / 64], word, memory_order_release);
}

/* Whether a match is there; *ret_entry is its instance, NULL when the address is vacant. */
static bool lookup_in(const struct registry *registry, struct str network, struct str interface,
	const struct ipaddr *addr, struct entry **ret_entry)
{
	const struct match_table *table = matches_of(registry);
	for (unsigned w = 0; w < 3; w++) {
		uint64_t word = atomic_load_explicit(&registry->lengths[w], memory_order_acquire);
		for (; word; word &= word - 1) {
			uint8_t bits = (uint8_t)(128 - (w * 64 + (unsigned)__builtin_ctzll(word)));
			struct ipprefix prefix = {ipaddr_mask(addr, bits), bits};
			size_t at = match_find(table, network, interface, &prefix);
			if (at < table->cap) {
				struct binding *binding = atomic_load_explicit(
					&table->slots[at], memory_order_seq_cst);
				if (binding && binding != TOMBSTONE) {
					*ret_entry = is_vacant(binding) ? NULL : binding->entry;
					return true;
				}
			}
		}
	}
	return false;
}

struct entry *registry_lookup_port(const struct registry *registry, struct str network,
	struct str port, struct str interface, const struct ipaddr *addr)
{
	struct entry *entry = NULL;
	if (port.n && lookup_in(registry, network, port, addr, &entry)) {
		return entry;
	}
	if (interface.n && lookup_in(registry, network, interface, addr, &entry)) {
		return entry;
	}
	(void)lookup_in(registry, network, STR_EMPTY, addr, &entry); /* NULL if there is none */
	return entry;
}

struct entry *registry_lookup(const struct registry *registry, struct str network,
	struct str interface, const struct ipaddr *addr)
{
	return registry_lookup_port(registry, network, STR_EMPTY, interface, addr);
}

bool registry_claimed(
	const struct registry *registry, struct str network, const struct ipaddr *addr)
{
	struct entry *entry;
	return lookup_in(registry, network, CLAIM, addr, &entry);
}

static struct binding *binding_new(struct entry *entry, struct str network, struct str interface,
	const struct ipprefix *prefix)
{
	struct binding *binding = malloc(sizeof *binding + network.n + interface.n);
	if (!binding) {
		return NULL;
	}
	binding->entry = entry;
	atomic_init(&binding->vacant, false);
	binding->prefix = *prefix;
	binding->claims = 0;
	if (network.n) {
		memcpy(binding->text, network.p, network.n);
	}
	if (interface.n) {
		memcpy(binding->text + network.n, interface.p, interface.n);
	}
	binding->network = (struct str){binding->text, network.n};
	binding->interface = (struct str){binding->text + network.n, interface.n};
	return binding;
}

static void take_out(struct registry *registry, struct match_table *table, size_t at)
{
	struct binding *binding = slot_at(table, at);
	atomic_store_explicit(&table->slots[at], TOMBSTONE, memory_order_seq_cst);
	count_length(registry, binding->prefix.bits, -1);
	reclaim_retire(&registry->reclaim, binding, free);
}

static void clear_slot(struct registry *registry, struct match_table *table, size_t at)
{
	const struct binding *binding = slot_at(table, at);
	if (binding->interface.n) {
		/* There is one, since this binding was counted by it. */
		size_t claim = match_find(table, binding->network, CLAIM, &binding->prefix);
		if (--slot_at(table, claim)->claims == 0) {
			take_out(registry, table, claim);
		}
	}
	take_out(registry, table, at);
}

/* Count a binding that names an interface; takes `claim`. */
static void add_claim(struct registry *registry, struct match_table *table, struct binding *claim)
{
	size_t at = match_find(table, claim->network, CLAIM, &claim->prefix);
	if (at < table->cap) {
		slot_at(table, at)->claims++;
		free(claim);
		return;
	}
	claim->claims = 1;
	match_insert(table, claim);
	count_length(registry, claim->prefix.bits, 1);
}

static bool has_match(const struct instance *instance, struct str network, struct str interface,
	const struct ipprefix *prefix)
{
	if (!str_eq(instance->network, network) || !str_eq(instance->interface, interface)) {
		return false;
	}
	for (size_t i = 0; i < instance->n_addresses; i++) {
		if (memcmp(&instance->addresses[i], prefix, sizeof *prefix) == 0) {
			return true;
		}
	}
	return false;
}

/* Take out what the entry has by `instance`, but for what it has by `keep` (NULL: nothing) too. */
static void unbind(struct registry *registry, const struct entry *entry,
	const struct instance *instance, const struct instance *keep)
{
	struct match_table *table = matches_of(registry);
	for (size_t i = 0; i < instance->n_addresses; i++) {
		const struct ipprefix *prefix = &instance->addresses[i];
		if (keep && has_match(keep, instance->network, instance->interface, prefix)) {
			continue;
		}
		size_t at = match_find(table, instance->network, instance->interface, prefix);
		/* Not there: named twice in one match. Another's: it was vacant, and was taken. */
		if (at < table->cap && slot_at(table, at)->entry == entry) {
			clear_slot(registry, table, at);
		}
	}
}

/*
 * Put a binding where it belongs. What is vacant there goes in the same moment, so that nobody with
 * a shorter prefix is found in between. Takes the binding and its claim (NULL: it needs none).
 */
static void bind(struct registry *registry, struct match_table *table, struct binding *binding,
	struct binding *claim)
{
	size_t at = match_find(table, binding->network, binding->interface, &binding->prefix);
	if (at == table->cap) {
		if (claim) {
			add_claim(registry, table, claim);
		}
		match_insert(table, binding);
		count_length(registry, binding->prefix.bits, 1);
		return;
	}
	free(claim); /* whoever has the binding now is counted */
	struct binding *there = slot_at(table, at);
	if (!is_vacant(there)) {
		free(binding); /* the entry has it already, or its match names it twice */
		return;
	}
	atomic_store_explicit(&table->slots[at], binding, memory_order_seq_cst);
	reclaim_retire(&registry->reclaim, there, free);
}

/* All bindings of an instance, or none; those that the entry has already stay. */
static int bind_all(struct registry *registry, struct entry *entry, const struct instance *instance)
{
	struct binding *made[INSTANCE_ADDRESSES_MAX], *claims[INSTANCE_ADDRESSES_MAX] = {NULL};
	struct str network = instance->network;
	bool ok = true;
	size_t n = instance->n_addresses;
	TRY(matches_reserve(registry, instance->interface.n ? 2 * n : n));
	for (size_t i = 0; i < n; i++) {
		const struct ipprefix *prefix = &instance->addresses[i];
		made[i] = binding_new(entry, network, instance->interface, prefix);
		claims[i] =
			instance->interface.n ? binding_new(NULL, network, CLAIM, prefix) : NULL;
		ok &= made[i] && (claims[i] || !instance->interface.n);
	}
	struct match_table *table = matches_of(registry);
	for (size_t i = 0; i < n; i++) {
		if (ok) {
			bind(registry, table, made[i], claims[i]);
		} else {
			free(made[i]);
			free(claims[i]);
		}
	}
	return ok ? 0 : -ENOMEM;
}

/* One detached entry less. After the last, what is still vacant goes. */
static void settle_detached(struct registry *registry)
{
	struct match_table *table = matches_of(registry);
	if (--registry->n_detached > 0) {
		return;
	}
	for (size_t i = 0; i < table->cap; i++) {
		const struct binding *binding = slot_at(table, i);
		if (binding && binding != TOMBSTONE && is_vacant(binding)) {
			clear_slot(registry, table, i);
		}
	}
}

/* --- the writer ------------------------------------------------------------------------------ */

static int taken(struct diag *diag, const struct instance *instance, const struct entry *other,
	const char *what, const char *value)
{
	return diag_set(diag, E_EXISTS, "instances '%.*s' and '%.*s' both have %s %s",
		STR_FMT(current(other)->name), STR_FMT(instance->name), what, value);
}

/* Whether another instance than `own` has its id or one of its addresses. */
static int check_taken(const struct registry *registry, const struct instance *instance,
	const struct entry *own, struct diag *diag)
{
	const struct entry *other = index_find(&registry->ids, str_of(instance->id));
	const struct match_table *table = matches_of(registry);
	if (other && other != own) {
		return taken(diag, instance, other, "the instance id", instance->id);
	}
	for (size_t i = 0; i < instance->n_addresses; i++) {
		size_t at = match_find(
			table, instance->network, instance->interface, &instance->addresses[i]);
		if (at == table->cap) {
			continue;
		}
		other = slot_at(table, at)->entry;
		if (other != own && !is_vacant(slot_at(table, at))) {
			char text[IPADDR_TEXT_BYTES];
			ipaddr_format(&instance->addresses[i].addr, text);
			return taken(diag, instance, other, "the address", text);
		}
	}
	return 0;
}

static int add_entry(struct registry *registry, struct instance *instance, struct diag *diag)
{
	struct entry *entry = calloc(1, sizeof *entry + registry->workers * sizeof entry->stats[0]);
	size_t n = registry->names.n + 1; /* ids too: those of detached entries come back */
	if (!entry || index_reserve(&registry->names, n) < 0 ||
		index_reserve(&registry->ids, n) < 0 || bind_all(registry, entry, instance) < 0) {
		free(entry);
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	/* Found by address from now on: until the next line that means "gone", which is harmless. */
	atomic_store_explicit(&entry->current, instance, memory_order_seq_cst);
	index_add(&registry->names, entry);
	index_add(&registry->ids, entry);
	atomic_store_explicit(&registry->count, registry->names.n, memory_order_relaxed);
	atomic_fetch_add_explicit(&registry->generation, 1, memory_order_release);
	return 0;
}

/*
 * The new addresses are there before the old ones go, and those that stay are never gone: the
 * instance's callers are known all the time.
 */
static int replace(struct registry *registry, struct entry *entry, struct instance *instance,
	struct diag *diag)
{
	struct instance *old = current(entry);
	bool moved = entry->detached || !instance_same_match(old, instance);
	bool renumbered = entry->detached || strcmp(old->id, instance->id) != 0;
	if (moved && bind_all(registry, entry, instance) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	if (renumbered && !entry->detached) {
		index_remove(&registry->ids, str_of(old->id));
	}
	/* The index of names finds it as before: its key is the same text in the new snapshot. */
	atomic_store_explicit(&entry->current, instance, memory_order_seq_cst);
	if (renumbered) {
		index_add(&registry->ids, entry);
	}
	if (entry->detached) {
		entry->detached = false;
		settle_detached(registry);
	} else if (moved) {
		unbind(registry, entry, old, instance);
	}
	if (moved) {
		atomic_fetch_add_explicit(&registry->generation, 1, memory_order_release);
	}
	reclaim_retire(&registry->reclaim, old, free_instance);
	return 0;
}

struct entry *registry_lone(
	const struct registry *registry, struct instance *instance, bool in_force)
{
	struct entry *entry = calloc(1, sizeof *entry + registry->workers * sizeof entry->stats[0]);
	if (!entry) {
		instance_free(instance);
		return NULL;
	}
	atomic_store_explicit(&entry->current, instance, memory_order_seq_cst);
	entry->mark = in_force ? 0 : NEVER;
	return entry;
}

void registry_lone_free(struct entry *entry)
{
	if (entry) {
		instance_free(current(entry));
		free(entry);
	}
}

int registry_can_put(
	const struct registry *registry, const struct instance *instance, struct diag *diag)
{
	return check_taken(registry, instance, registry_find(registry, instance->name), diag);
}

int registry_put(struct registry *registry, struct instance *instance, struct diag *diag)
{
	struct entry *entry = registry_find(registry, instance->name);
	int rc = check_taken(registry, instance, entry, diag);
	if (rc == 0) {
		rc = entry ? replace(registry, entry, instance, diag)
			   : add_entry(registry, instance, diag);
	}
	if (rc < 0) {
		instance_free(instance);
		return rc;
	}
	registry_find(registry, instance->name)->mark = registry_mark(registry);
	return 0;
}

void registry_detach(struct registry *registry, struct str name)
{
	struct entry *entry = registry_find(registry, name);
	const struct match_table *table = matches_of(registry);
	if (!entry || entry->detached) {
		return;
	}
	const struct instance *instance = current(entry);
	for (size_t i = 0; i < instance->n_addresses; i++) {
		size_t at = match_find(
			table, instance->network, instance->interface, &instance->addresses[i]);
		atomic_store_explicit(&slot_at(table, at)->vacant, true, memory_order_release);
	}
	index_remove(&registry->ids, str_of(instance->id));
	entry->detached = true;
	registry->n_detached++;
}

int registry_remove(struct registry *registry, struct str name)
{
	struct entry *entry = registry_find(registry, name);
	if (!entry) {
		return E_NOTFOUND;
	}
	struct instance *old = current(entry);
	if (!entry->detached) {
		index_remove(&registry->ids, str_of(old->id));
	}
	index_remove(&registry->names, old->name);
	atomic_store_explicit(&registry->count, registry->names.n, memory_order_relaxed);
	unbind(registry, entry, old, NULL);
	if (entry->detached) {
		settle_detached(registry);
	}
	atomic_store_explicit(&entry->current, NULL, memory_order_seq_cst);
	atomic_fetch_add_explicit(&registry->generation, 1, memory_order_release);
	entry->dead_epoch = reclaim_advance(&registry->reclaim);
	reclaim_retire(&registry->reclaim, old, free_instance);
	entry->next_dead = registry->dead;
	registry->dead = entry;
	return 0;
}

/* A snapshot that is only lent. */
static int add_lent(struct registry *probe, struct instance *instance, struct diag *diag)
{
	if (registry_find(probe, instance->name)) {
		return diag_set(diag, E_EXISTS, "two instances have the name '%.*s'",
			STR_FMT(instance->name));
	}
	TRY(check_taken(probe, instance, NULL, diag));
	return add_entry(probe, instance, diag);
}

int registry_check(struct instance *const *instances, size_t n, struct diag *diag)
{
	return registry_sift(instances, n, NULL, NULL, diag);
}

int registry_sift(struct instance *const *instances, size_t n,
	int (*on_taken)(void *ctx, size_t i, const char *why), void *ctx, struct diag *diag)
{
	struct registry *probe = registry_new(0);
	int rc = probe ? 0 : diag_set(diag, -ENOMEM, "out of memory");
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = add_lent(probe, instances[i], diag);
		if (rc == E_EXISTS && on_taken) {
			rc = on_taken(ctx, i, diag->text);
		}
	}
	/* The snapshots were only lent. */
	struct entry *entry;
	for (size_t at = 0; probe && (entry = index_next(&probe->names, &at)) != NULL;) {
		atomic_store_explicit(&entry->current, NULL, memory_order_relaxed);
	}
	registry_free(probe);
	return rc;
}

struct entry *registry_find(const struct registry *registry, struct str name)
{
	return index_find(&registry->names, name);
}

struct entry *registry_find_id(const struct registry *registry, struct str id)
{
	return index_find(&registry->ids, id);
}

size_t registry_count(const struct registry *registry)
{
	return atomic_load_explicit(&registry->count, memory_order_relaxed);
}

int registry_each(
	const struct registry *registry, int (*on_entry)(void *ctx, struct entry *entry), void *ctx)
{
	struct entry *entry;
	for (size_t at = 0; (entry = index_next(&registry->names, &at)) != NULL;) {
		TRY(on_entry(ctx, entry));
	}
	return 0;
}

uint64_t entry_counter(const struct registry *registry, const struct entry *entry, unsigned counter)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < registry->workers; i++) {
		const struct stats *stats =
			atomic_load_explicit(&entry->stats[i], memory_order_acquire);
		sum += stats ? stats_get(stats, counter) : 0;
	}
	return sum;
}

void registry_signed(
	struct registry *registry, struct entry *entry, struct signed_document *document)
{
	struct signed_document *old =
		atomic_exchange_explicit(&entry->signed_document, document, memory_order_seq_cst);
	atomic_store_explicit(&entry->signing, false, memory_order_release);
	if (old) {
		/* Only the writer keeps the list of what is retired: hand it over. */
		old->next_ = atomic_load_explicit(&registry->replaced, memory_order_relaxed);
		while (!atomic_compare_exchange_weak_explicit(&registry->replaced, &old->next_, old,
			memory_order_release, memory_order_relaxed)) {
		}
	}
}

uint64_t registry_mark(const struct registry *registry)
{
	return reclaim_mark(&registry->reclaim);
}

bool registry_passed(const struct registry *registry, uint64_t mark)
{
	return mark != NEVER && reclaim_passed(&registry->reclaim, mark);
}

/* --- readers --------------------------------------------------------------------------------- */

void registry_turn(struct registry *registry, unsigned worker)
{
	reclaim_turn(&registry->reclaim, worker);
}

void registry_idle(struct registry *registry, unsigned worker)
{
	reclaim_idle(&registry->reclaim, worker);
}

uint32_t registry_generation(const struct registry *registry)
{
	return atomic_load_explicit(&registry->generation, memory_order_acquire);
}

struct stats *entry_stats(struct entry *entry, unsigned worker)
{
	struct stats *stats = atomic_load_explicit(&entry->stats[worker], memory_order_relaxed);
	if (!stats) {
		stats = calloc(1, sizeof *stats);
		atomic_store_explicit(&entry->stats[worker], stats, memory_order_release);
	}
	return stats;
}

/* --- life ------------------------------------------------------------------------------------ */

struct registry *registry_new(unsigned workers)
{
	struct registry *registry = aligned_alloc(64, sizeof *registry);
	struct match_table *table = match_table_new(MATCH_FIRST_SLOTS);
	if (!registry || !table || workers > REGISTRY_WORKERS_MAX) {
		free(registry);
		free(table);
		return NULL;
	}
	memset(registry, 0, sizeof *registry);
	registry->workers = workers;
	index_init(&registry->names, name_key);
	index_init(&registry->ids, id_key);
	reclaim_init(&registry->reclaim, workers);
	atomic_store_explicit(&registry->matches, table, memory_order_relaxed);
	return registry;
}

void registry_free(struct registry *registry)
{
	if (!registry) {
		return;
	}
	retire_replaced(registry);
	struct entry *entry;
	for (size_t at = 0; (entry = index_next(&registry->names, &at)) != NULL;) {
		free_entry(entry, registry->workers);
	}
	while ((entry = registry->dead) != NULL) {
		registry->dead = entry->next_dead;
		free_entry(entry, registry->workers);
	}
	reclaim_done(&registry->reclaim);
	struct match_table *table = matches_of(registry);
	for (size_t i = 0; i < table->cap; i++) {
		struct binding *binding = slot_at(table, i);
		if (binding != TOMBSTONE) {
			free(binding);
		}
	}
	free(table);
	index_done(&registry->names);
	index_done(&registry->ids);
	free(registry);
}
