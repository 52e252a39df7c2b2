#include "fake/alloc.h"

#include <malloc.h>
#include <stdatomic.h>

static _Atomic unsigned left;
static _Atomic bool failed;
static _Atomic unsigned seen;
static _Atomic(const char *) watched;
static _Atomic size_t watched_bytes;

/* Weak: a test may have functions of its own in their place. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n) __attribute__((weak));
void *__wrap_calloc(size_t n, size_t size) __attribute__((weak));
void *__wrap_realloc(void *p, size_t n) __attribute__((weak));
void __wrap_free(void *p) __attribute__((weak));

bool alloc_fail_at(unsigned n)
{
	bool was = atomic_exchange(&failed, false);
	atomic_store(&left, n);
	return was;
}

unsigned alloc_watch(struct str text)
{
	atomic_store(&watched, NULL);
	unsigned was = atomic_exchange(&seen, 0);
	atomic_store(&watched_bytes, text.n);
	atomic_store(&watched, text.n ? text.p : NULL);
	return was;
}

static bool may_allocate(void)
{
	unsigned n = atomic_load(&left);
	while (n && !atomic_compare_exchange_weak(&left, &n, n - 1)) {
	}
	if (n == 1) {
		atomic_store(&failed, true);
	}
	return n != 1;
}

static void look_at(void *p)
{
	const char *text = atomic_load(&watched);
	if (p && text &&
		memmem(p, malloc_usable_size(p), text, atomic_load(&watched_bytes)) != NULL) {
		atomic_fetch_add(&seen, 1);
	}
}

void *__wrap_malloc(size_t n)
{
	return may_allocate() ? __real_malloc(n) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t n)
{
	if (!may_allocate()) {
		return NULL;
	}
	look_at(p); /* it may be copied, and then is given back as it is */
	return __real_realloc(p, n);
}

void __wrap_free(void *p)
{
	look_at(p);
	__real_free(p);
}
