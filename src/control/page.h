/*
 * page - one page of the instances in order of their names.
 *
 * Layer:   control
 * Threads: under the registrar's lock
 * Memory:  the caller's; entries are borrowed
 * Secrets: none
 * Limits:  PAGE_MOST
 * Spec:    none
 */
#ifndef TELLTALE_CONTROL_PAGE_H
#define TELLTALE_CONTROL_PAGE_H

#include "metadata/registry.h"

#define PAGE_MOST 1000

/* Which instances are looked for; accepts NULL: all. */
struct page_select {
	bool (*accepts)(void *ctx, const struct instance *instance);
	void *ctx;
};

/* A heap while it is filled, whose top is the last name; in order after page_fill(). */
struct page {
	size_t n;
	bool more; /* there are further ones behind these */
	const struct entry *v[PAGE_MOST];
	struct str after_;
	size_t most_;
	struct page_select select_;
};

/*
 * The first `most` (up to PAGE_MOST) names behind `after` (empty: from the first). One look at every
 * instance and no sorting of all.
 * select  NULL: all instances
 */
void page_fill(struct page *page, const struct registry *registry, struct str after, size_t most,
	const struct page_select *select);

#endif
