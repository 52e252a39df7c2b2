/* Operations and audit records of the store in memory. */
#include "tests/fake/store_memory_parts.h"

#include <errno.h>
#include <stdlib.h>

#define AUDIT_TEXTS 7

/* --- rows ------------------------------------------------------------------------------------ */

static void operation_done(struct store_operation *operation)
{
	memory_free_text(&operation->id);
	memory_free_text(&operation->resource);
	memory_free_text(&operation->host);
	memory_free_text(&operation->body);
}

static int operation_copy(const struct store_operation *from, struct store_operation *ret_copy)
{
	struct store_operation copy = {.open = from->open, .number = from->number};
	if (memory_copy_text(memory_filled(from->id), &copy.id) < 0 ||
		memory_copy_text(memory_filled(from->resource), &copy.resource) < 0 ||
		memory_copy_text(memory_filled(from->host), &copy.host) < 0 ||
		memory_copy_text(memory_filled(from->body), &copy.body) < 0) {
		operation_done(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

static void audit_texts(struct store_audit *audit, struct str *ret_texts[AUDIT_TEXTS])
{
	struct str *texts[AUDIT_TEXTS] = {&audit->who, &audit->from, &audit->action,
		&audit->resource, &audit->change, &audit->result, &audit->request_id};
	memcpy(ret_texts, texts, sizeof texts);
}

static void audit_done(struct store_audit *audit)
{
	struct str *texts[AUDIT_TEXTS];
	audit_texts(audit, texts);
	for (size_t i = 0; i < AUDIT_TEXTS; i++) {
		memory_free_text(texts[i]);
	}
}

static int audit_copy(const struct store_audit *from, struct store_audit *ret_copy)
{
	struct store_audit old = *from;
	struct store_audit copy = {.at_ms = from->at_ms, .number = from->number};
	struct str *old_texts[AUDIT_TEXTS];
	struct str *texts[AUDIT_TEXTS];
	audit_texts(&old, old_texts);
	audit_texts(&copy, texts);
	for (size_t i = 0; i < AUDIT_TEXTS; i++) {
		if (memory_copy_text(memory_filled(*old_texts[i]), texts[i]) < 0) {
			audit_done(&copy);
			return -ENOMEM;
		}
	}
	*ret_copy = copy;
	return 0;
}

/* --- tables ---------------------------------------------------------------------------------- */

static int add_operation(struct memory_trail *trail, const struct store_operation *operation)
{
	size_t n = trail->operations_n;
	void *grown = realloc(trail->operations, (n + 1) * sizeof *trail->operations);
	if (!grown) {
		return -ENOMEM;
	}
	trail->operations = grown;
	TRY(operation_copy(operation, &trail->operations[n]));
	trail->operations_n++;
	return 0;
}

static int add_audit(struct memory_trail *trail, const struct store_audit *audit)
{
	size_t n = trail->audits_n;
	void *grown = realloc(trail->audits, (n + 1) * sizeof *trail->audits);
	if (!grown) {
		return -ENOMEM;
	}
	trail->audits = grown;
	TRY(audit_copy(audit, &trail->audits[n]));
	trail->audits_n++;
	return 0;
}

int memory_trail_copy(const struct memory_trail *from, struct memory_trail *ret_trail)
{
	struct memory_trail trail = {
		.last_operation = from->last_operation, .last_audit = from->last_audit};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < from->operations_n; i++) {
		rc = add_operation(&trail, &from->operations[i]);
	}
	for (size_t i = 0; rc == 0 && i < from->audits_n; i++) {
		rc = add_audit(&trail, &from->audits[i]);
	}
	if (rc < 0) {
		memory_trail_done(&trail);
		return rc;
	}
	*ret_trail = trail;
	return 0;
}

void memory_trail_done(struct memory_trail *trail)
{
	for (size_t i = 0; i < trail->operations_n; i++) {
		operation_done(&trail->operations[i]);
	}
	for (size_t i = 0; i < trail->audits_n; i++) {
		audit_done(&trail->audits[i]);
	}
	free(trail->operations);
	free(trail->audits);
	*trail = (struct memory_trail){0};
}

static struct store_operation *find(const struct memory_trail *trail, struct str id)
{
	for (size_t i = 0; i < trail->operations_n; i++) {
		if (str_eq(trail->operations[i].id, id)) {
			return &trail->operations[i];
		}
	}
	return NULL;
}

/* --- the contract ---------------------------------------------------------------------------- */

int memory_operation_put(
	struct store *store, const struct store_operation *operation, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_change_call(m, diag));
	struct memory_trail *trail = &m->work.trail;
	struct store_operation kept = *operation;
	struct store_operation *old = find(trail, operation->id);
	if (!old) {
		kept.number = trail->last_operation + 1;
		if (add_operation(trail, &kept) < 0) {
			return memory_lose(m, diag);
		}
		trail->last_operation++;
		return 0;
	}
	struct store_operation copy;
	kept.number = old->number;
	kept.resource = old->resource;
	kept.host = old->host;
	if (operation_copy(&kept, &copy) < 0) {
		return memory_lose(m, diag);
	}
	operation_done(old);
	*old = copy;
	return 0;
}

int memory_operation_get(struct store *store, struct str id,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct store_operation *operation =
		find(&memory_readable(memory_of(store))->trail, id);
	if (!operation) {
		return diag_set(diag, E_NOTFOUND, "no operation \"%.*s\"", STR_FMT(id));
	}
	int rc = on_operation(ctx, operation);
	return rc < 0 ? rc : 0;
}

static bool is_asked(struct str have, uint64_t number, struct str resource, uint64_t before)
{
	return (!resource.p || str_eq(have, resource)) && (before == 0 || number < before);
}

int memory_operation_each(struct store *store, struct str resource, uint64_t before,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_trail *trail = &memory_readable(memory_of(store))->trail;
	for (size_t i = trail->operations_n; i-- > 0;) {
		const struct store_operation *operation = &trail->operations[i];
		if (is_asked(operation->resource, operation->number, resource, before)) {
			TRY(on_operation(ctx, operation));
		}
	}
	return 0;
}

int memory_operation_open(struct store *store, struct str host,
	int (*on_operation)(void *ctx, const struct store_operation *operation), void *ctx,
	struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_trail *trail = &memory_readable(memory_of(store))->trail;
	for (size_t i = 0; i < trail->operations_n; i++) {
		const struct store_operation *operation = &trail->operations[i];
		if (operation->open && str_eq(operation->host, host)) {
			TRY(on_operation(ctx, operation));
		}
	}
	return 0;
}

int memory_audit_add(struct store *store, const struct store_audit *audit, struct diag *diag)
{
	struct memory_store *m = memory_of(store);
	TRY(memory_change_call(m, diag));
	struct store_audit kept = *audit;
	kept.number = m->work.trail.last_audit + 1;
	if (add_audit(&m->work.trail, &kept) < 0) {
		return memory_lose(m, diag);
	}
	m->work.trail.last_audit++;
	return 0;
}

int memory_audit_each(struct store *store, struct str resource, uint64_t before,
	int (*on_audit)(void *ctx, const struct store_audit *audit), void *ctx, struct diag *diag)
{
	TRY(memory_call(memory_of(store), diag));
	const struct memory_trail *trail = &memory_readable(memory_of(store))->trail;
	for (size_t i = trail->audits_n; i-- > 0;) {
		const struct store_audit *audit = &trail->audits[i];
		if (is_asked(audit->resource, audit->number, resource, before)) {
			TRY(on_audit(ctx, audit));
		}
	}
	return 0;
}

static void trim_operations(struct memory_trail *trail, uint64_t keep)
{
	size_t ended = 0;
	for (size_t i = 0; i < trail->operations_n; i++) {
		ended += !trail->operations[i].open;
	}
	size_t kept = 0;
	for (size_t i = 0; i < trail->operations_n; i++) {
		struct store_operation *operation = &trail->operations[i];
		if (!operation->open && ended > keep) {
			operation_done(operation);
			ended--;
		} else {
			trail->operations[kept++] = *operation;
		}
	}
	trail->operations_n = kept;
}

static void trim_audits(struct memory_trail *trail, uint64_t keep)
{
	if (trail->audits_n <= keep) {
		return;
	}
	size_t gone = trail->audits_n - (size_t)keep;
	for (size_t i = 0; i < gone; i++) {
		audit_done(&trail->audits[i]);
	}
	trail->audits_n -= gone;
	memmove(trail->audits, trail->audits + gone, trail->audits_n * sizeof *trail->audits);
}

int memory_trim(
	struct store *store, uint64_t keep_operations, uint64_t keep_audits, struct diag *diag)
{
	TRY(memory_change_call(memory_of(store), diag));
	trim_operations(&memory_of(store)->work.trail, keep_operations);
	trim_audits(&memory_of(store)->work.trail, keep_audits);
	return 0;
}
