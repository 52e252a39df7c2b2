#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_BYTES 256

void buf_done(struct buf *buf)
{
	if (!buf) {
		return;
	}
	if (!buf->fixed_) {
		free(buf->p);
	}
	*buf = BUF_EMPTY;
}

char *buf_room_slow(struct buf *buf, size_t more)
{
	if (buf->status_ != 0) {
		return NULL;
	}
	if (buf->fixed_) {
		buf->status_ = E_LIMIT;
		return NULL;
	}
	size_t need;
	if (__builtin_add_overflow(buf->n, more, &need) || need > SIZE_MAX / 2) {
		buf->status_ = -ENOMEM;
		return NULL;
	}
	size_t cap = buf->cap_ ? buf->cap_ : BUF_FIRST_BYTES;
	while (cap < need) {
		cap *= 2;
	}
	char *p = malloc(cap);
	if (!p) {
		buf->status_ = -ENOMEM;
		return NULL;
	}
	/* Not realloc(3), which would leave a copy behind, and with it what the bytes tell. */
	if (buf->p) {
		memcpy(p, buf->p, buf->n);
		explicit_bzero(buf->p, buf->cap_);
		free(buf->p);
	}
	buf->p = p;
	buf->cap_ = cap;
	return p + buf->n;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_add(buf, (struct str){digits + at, sizeof digits - at});
}

void buf_add_f(struct buf *buf, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n >= 0) {
		/* One byte more: vsnprintf writes a NUL that is not counted. */
		char *at = buf_room(buf, (size_t)n + 1);
		if (at) {
			(void)vsnprintf(at, (size_t)n + 1, format, again); /* n is known to fit */
			buf->n += (size_t)n;
		}
	}
	va_end(again);
}

char *buf_take(struct buf *buf)
{
	if (buf->status_ != 0 || buf->fixed_) {
		return NULL;
	}
	char *at = buf_room(buf, 1);
	if (!at) {
		return NULL;
	}
	*at = '\0';
	char *p = buf->p;
	*buf = BUF_EMPTY;
	return p;
}
