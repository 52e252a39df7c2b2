/*
 * buf - a growing byte buffer that remembers its first failure.
 *
 * Layer:   base
 * Threads: one owner at a time
 * Memory:  BUF_EMPTY owns heap memory once written to; buf_done() frees it. A buffer made with
 *          buf_fixed() writes to the caller's memory and never allocates.
 * Secrets: keys live in struct secret. A buffer that grows leaves no copy behind, so a caller who wipes
 *          cap_ bytes before buf_done() has wiped all of it
 * Limits:  a fixed buffer holds its memory's size; E_LIMIT beyond
 * Spec:    none
 *
 * The add functions return nothing: the first failure is kept and every later add does nothing, so
 * a builder checks once, with buf_status(), before the bytes are used.
 */
#ifndef TELLTALE_BASE_BUF_H
#define TELLTALE_BASE_BUF_H

#include "base/str.h"

struct buf {
	char *p;
	size_t n;    /* bytes used */
	size_t cap_; /* bytes there */
	int status_; /* 0, -ENOMEM or E_LIMIT */
	bool fixed_;
};

#define BUF_EMPTY ((struct buf){0})

static inline struct buf buf_fixed(void *memory, size_t bytes)
{
	return (struct buf){.p = memory, .cap_ = bytes, .fixed_ = true};
}

void buf_done(struct buf *buf);

/* Forget the content and the failure; the memory stays. */
static inline void buf_reset(struct buf *buf)
{
	buf->n = 0;
	buf->status_ = 0;
}

/* Room for more bytes at p + n, or NULL when there is none (the failure is kept). */
char *buf_room_slow(struct buf *buf, size_t more);

static inline char *buf_room(struct buf *buf, size_t more)
{
	if (buf->status_ == 0 && buf->p && buf->cap_ - buf->n >= more) {
		return buf->p + buf->n;
	}
	return buf_room_slow(buf, more);
}

static inline void buf_add(struct buf *buf, struct str s)
{
	if (s.n == 0) {
		return;
	}
	char *at = buf_room(buf, s.n);
	if (at) {
		memcpy(at, s.p, s.n);
		buf->n += s.n;
	}
}

static inline void buf_add_char(struct buf *buf, char c)
{
	char *at = buf_room(buf, 1);
	if (at) {
		*at = c;
		buf->n++;
	}
}

void buf_add_u64(struct buf *buf, uint64_t value);
void buf_add_f(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

static inline struct str buf_str(const struct buf *buf)
{
	return (struct str){buf->p, buf->n};
}

/* 0, or why an add failed. */
MUST_CHECK static inline int buf_status(const struct buf *buf)
{
	return buf->status_;
}

/* Take the bytes out, with a NUL behind them (not counted); the caller frees. NULL on failure. */
char *buf_take(struct buf *buf);

#endif
