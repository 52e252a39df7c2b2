/*
 * document - JSON in the style of the instance metadata service.
 *
 * Layer:   metadata (pure)
 * Threads: no state
 * Memory:  appends to a buffer
 * Secrets: none of its own
 * Limits:  none
 * Spec:    docs/protocol.md#json-style: two spaces of indent, "Key" : "value" with a space before
 *          the colon, nothing behind the last brace
 */
#ifndef TELLTALE_METADATA_DOCUMENT_H
#define TELLTALE_METADATA_DOCUMENT_H

#include "base/buf.h"

struct document {
	struct buf *out;
	unsigned indent; /* spaces before members */
	bool begun;      /* a member is there */
};

/* "{" and members indented by `indent` spaces more than the brace. */
struct document document_begin(struct buf *out, unsigned indent);

void document_text(struct document *document, const char *name, struct str value);
/* p NULL gives null. */
void document_text_or_null(struct document *document, const char *name, struct str value);
void document_time(struct document *document, const char *name, int64_t unix_s);
/* As it is: null, a number, a list. */
void document_raw(struct document *document, const char *name, struct str value);

/* "}" on a line of its own, indented by two spaces less than the members. */
void document_end(struct document *document);

/* A quoted and escaped JSON string. */
void document_string(struct buf *out, struct str value);

#endif
