#include "control/page.h"

#include <stdlib.h>

static struct str name_at(const struct page *page, size_t i)
{
	return entry_instance(page->v[i])->name;
}

static void sink(struct page *page)
{
	for (size_t at = 0;;) {
		size_t largest = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < page->n; child++) {
			if (str_cmp(name_at(page, child), name_at(page, largest)) > 0) {
				largest = child;
			}
		}
		if (largest == at) {
			return;
		}
		const struct entry *moved = page->v[at];
		page->v[at] = page->v[largest];
		page->v[largest] = moved;
		at = largest;
	}
}

static void rise(struct page *page)
{
	for (size_t at = page->n - 1; at > 0;) {
		size_t parent = (at - 1) / 2;
		if (str_cmp(name_at(page, at), name_at(page, parent)) <= 0) {
			return;
		}
		const struct entry *moved = page->v[at];
		page->v[at] = page->v[parent];
		page->v[parent] = moved;
		at = parent;
	}
}

static int page_entry(void *ctx, struct entry *entry)
{
	struct page *page = ctx;
	const struct instance *instance = entry_instance(entry);
	struct str name = instance->name;
	if (page->after_.n && str_cmp(name, page->after_) <= 0) {
		return 0;
	}
	if (page->select_.accepts && !page->select_.accepts(page->select_.ctx, instance)) {
		return 0;
	}
	if (page->n < page->most_) {
		page->v[page->n++] = entry;
		rise(page);
		return 0;
	}
	page->more = true;
	if (str_cmp(name, name_at(page, 0)) < 0) {
		page->v[0] = entry;
		sink(page);
	}
	return 0;
}

static int order_by_name(const void *a, const void *b)
{
	const struct entry *const *left = a, *const *right = b;
	return str_cmp(entry_instance(*left)->name, entry_instance(*right)->name);
}

void page_fill(struct page *page, const struct registry *registry, struct str after, size_t most,
	const struct page_select *select)
{
	page->n = 0;
	page->more = false;
	page->after_ = after;
	page->most_ = most < PAGE_MOST ? most : PAGE_MOST;
	page->select_ = select ? *select : (struct page_select){0};
	(void)registry_each(registry, page_entry, page); /* never stopped */
	qsort(page->v, page->n, sizeof *page->v, order_by_name);
}
