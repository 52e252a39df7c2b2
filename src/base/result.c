#include "base/result.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	"again",
	"syntax",
	"auth",
	"range",
	"limit",
	"notfound",
	"exists",
	"damaged",
	"readonly",
	"full",
	"busy",
	"version",
	"crypto",
	"denied",
	"stale",
	"away",
	"partial",
};

const char *result_name(int rc)
{
	if (rc >= 0) {
		return "ok";
	}
	size_t own = (size_t)(E_AGAIN - rc);
	if (rc <= E_AGAIN && own < sizeof names / sizeof names[0]) {
		return names[own];
	}
	const char *text = rc > E_AGAIN ? strerrordesc_np(-rc) : NULL;
	return text ? text : "unknown error";
}

void diag_write(struct diag *diag, const char *format, ...)
{
	if (diag) {
		va_list ap;
		va_start(ap, format);
		(void)vsnprintf(diag->text, sizeof diag->text, format, ap); /* cut is fine */
		va_end(ap);
	}
}

void diag_write_before(struct diag *diag, const char *format, ...)
{
	if (diag) {
		char old[DIAG_TEXT_BYTES];
		memcpy(old, diag->text, sizeof old);
		va_list ap;
		va_start(ap, format);
		int n = vsnprintf(diag->text, sizeof diag->text, format, ap);
		va_end(ap);
		size_t used = n < 0 ? 0 : (size_t)n;
		/* ": " and what was there, as far as it goes. */
		for (size_t i = 0; used + 1 < sizeof diag->text; i++) {
			char next = i == 0 ? ':' : i == 1 ? ' ' : old[i - 2];
			diag->text[used] = next;
			if (next == '\0') {
				break;
			}
			used++;
		}
		diag->text[sizeof diag->text - 1] = '\0';
	}
}
