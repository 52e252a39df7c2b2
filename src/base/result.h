/*
 * result - the one error convention: 0 or more is success, negative is an error.
 *
 * Layer:   base
 * Threads: none
 * Memory:  struct diag is the caller's; it holds a copy of its text.
 * Secrets: none
 * Limits:  DIAG_TEXT_BYTES
 * Spec:    none
 */
#ifndef TELLTALE_BASE_RESULT_H
#define TELLTALE_BASE_RESULT_H

#include <stdarg.h>
#include <stddef.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Run fn(&variable) when the variable goes out of scope. Every x_done accepts a zeroed object. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Return early with the error of expr; the one macro that hides control flow. */
#define TRY(expr)                       \
	do {                            \
		int try_rc_ = (expr);   \
		if (try_rc_ < 0) {      \
			return try_rc_; \
		}                       \
	} while (0)

/* Own codes start below every -errno. */
enum result {
	E_AGAIN = -1000,    /* not all bytes are here yet */
	E_SYNTAX = -1001,   /* not of the form that is expected */
	E_AUTH = -1002,     /* not genuine; callers cannot tell why */
	E_RANGE = -1003,    /* well formed, but outside what is allowed */
	E_LIMIT = -1004,    /* larger than a cap */
	E_NOTFOUND = -1005, /* no such thing */
	E_EXISTS = -1006,   /* there is one already, or two claim the same */
	E_DAMAGED = -1007,  /* stored data does not make sense */
	E_READONLY = -1008, /* the store can't be written */
	E_FULL = -1009,     /* no space left */
	E_BUSY = -1010,     /* held by another process */
	E_VERSION = -1011,  /* made by a newer release */
	E_CRYPTO = -1012,   /* the crypto library refused */
	E_DENIED = -1013,   /* not allowed */
	E_STALE = -1014,    /* made from what has changed since */
	E_AWAY = -1015,     /* a server can't be reached now */
	E_PARTIAL = -1016,  /* all was handed on but what is damaged */
};

/* A short name for logs: "syntax", or strerror's text for -errno. Never NULL. */
const char *result_name(int rc);

#define DIAG_TEXT_BYTES 512

/*
 * One clear line for a person: what is wrong and where. Functions that take a struct diag fill it
 * whenever they fail; NULL is allowed and means that nobody will read it.
 */
struct diag {
	char text[DIAG_TEXT_BYTES];
};

/* Set the text, cut at the limit. */
void diag_write(struct diag *diag, const char *format, ...) PRINTF_LIKE(2, 3);

/* Put "WHERE: " before the text that is there. */
void diag_write_before(struct diag *diag, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * The same, with the value rc, so that a caller can write `return diag_set(diag, E_RANGE, …)`. Macros,
 * so that whoever reads the caller, analysers too, sees which error it is.
 */
#define diag_set(diag, rc, ...)    (diag_write((diag), __VA_ARGS__), (rc))
#define diag_prefix(diag, rc, ...) (diag_write_before((diag), __VA_ARGS__), (rc))

#endif
