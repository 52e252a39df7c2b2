/*
 * store_memory_parts - what the files of the store in memory share. Private to
 *                      tests/fake/store_memory*.c.
 *
 * Layer:   tests
 * Threads: as store/store.h
 * Memory:  every table owns its rows and their strings
 * Secrets: wiped when freed
 * Limits:  none
 * Spec:    store/store.h
 */
#ifndef TELLTALE_FAKE_STORE_MEMORY_PARTS_H
#define TELLTALE_FAKE_STORE_MEMORY_PARTS_H

#include "store/store.h"

/* MEMORY_GONE: what a host does not have any more (spec NULL); a secret's value is the spec. */
enum memory_kind { MEMORY_INSTANCE, MEMORY_GONE, MEMORY_SECRET };

struct memory_item {
	struct store_instance row;
	enum memory_kind kind;
	bool damaged;
};

/* Sorted by name. A host's quiet_ms is when it was put, by the store's clock. */
struct memory_hosts {
	struct store_host *v;
	size_t n;
};

/* In order of their numbers. */
struct memory_trail {
	struct store_operation *operations;
	size_t operations_n;
	uint64_t last_operation;
	struct store_audit *audits;
	size_t audits_n;
	uint64_t last_audit;
};

/* Sorted by period, start and instance. */
struct memory_points {
	struct store_points *runs;
	size_t n;
};

/* Sorted by kind, and each kind bytewise: what is gone by host and name, the others by name. */
struct memory_table {
	struct memory_item *items;
	size_t n;
	size_t cap;
	uint64_t revision; /* one for all hosts */
	uint64_t secrets;  /* of the last change of a secret */
	struct memory_hosts hosts;
	struct memory_trail trail;
	struct memory_points points;
};

struct memory_store {
	struct store store;
	struct memory_table kept;
	struct memory_table work; /* in a transaction */
	bool begun;
	int failed;
	unsigned calls;
	unsigned fail_at; /* 0: never */
	int fail_rc;
	int64_t waited_ms; /* that its clock is ahead */
};

struct memory_store *memory_of(struct store *store);
const struct memory_table *memory_readable(const struct memory_store *m);

/* Counts a call; 0 or the fault that was asked for. */
int memory_call(struct memory_store *m, struct diag *diag);

/* As memory_call(), for a change; what fails here loses the transaction. */
int memory_change_call(struct memory_store *m, struct diag *diag);

/* Out of memory in a change; the transaction is lost. */
int memory_lose(struct memory_store *m, struct diag *diag);

static inline struct str memory_filled(struct str text)
{
	return text.p ? text : STR("");
}

/* p NULL stays so. 0 or -ENOMEM. */
int memory_copy_text(struct str text, struct str *ret_copy);
void memory_free_text(struct str *text);

/* Of a host's last change; 0: there was none. */
uint64_t memory_host_revision(const struct memory_table *table, struct str host);

/* 0 or -ENOMEM. */
int memory_hosts_copy(const struct memory_hosts *from, struct memory_hosts *ret_hosts);
void memory_hosts_done(struct memory_hosts *hosts);
int memory_trail_copy(const struct memory_trail *from, struct memory_trail *ret_trail);
void memory_trail_done(struct memory_trail *trail);
int memory_points_copy(const struct memory_points *from, struct memory_points *ret_points);
void memory_points_done(struct memory_points *points);

/* --- the contract's parts; see store/store.h ------------------------------------------------- */

int memory_host_put(struct store *store, const struct store_host *host, struct diag *diag);
int memory_host_delete(struct store *store, struct str name, struct diag *diag);
int memory_host_get(struct store *store, struct str name,
	int (*on_host)(void *ctx, const struct store_host *host), void *ctx, struct diag *diag);
int memory_host_each(struct store *store, int (*on_host)(void *ctx, const struct store_host *host),
	void *ctx, struct diag *diag);

int memory_operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag);
int memory_operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int memory_operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int memory_operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag);
int memory_audit_add(struct store *store, const struct store_audit *audit, struct diag *diag);
int memory_audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag);
int memory_trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag);

int memory_points_put(struct store *store, const struct store_points *points, struct diag *diag);
int memory_points_get(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int memory_points_each(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t from_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int memory_points_before(struct store *store, uint32_t period_s, int64_t until_s,
	int (*on_points)(void *ctx, const struct store_points *points), void *ctx,
	struct diag *diag);
int memory_points_delete(struct store *store, struct str instance_id, uint32_t period_s,
	int64_t start_s, struct diag *diag);
int memory_points_instances(struct store *store,
	int (*on_instance)(void *ctx, struct str instance_id), void *ctx, struct diag *diag);

#endif
