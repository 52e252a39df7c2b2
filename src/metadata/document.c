#include "metadata/document.h"

#include "base/timefmt.h"

struct document document_begin(struct buf *out, unsigned indent)
{
	buf_add_char(out, '{');
	return (struct document){.out = out, .indent = indent};
}

static void spaces(struct buf *out, unsigned n)
{
	while (n--) {
		buf_add_char(out, ' ');
	}
}

void document_string(struct buf *out, struct str value)
{
	static const char hex[] = "0123456789abcdef";
	buf_add_char(out, '"');
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (c == '"' || c == '\\') {
			buf_add_char(out, '\\');
			buf_add_char(out, (char)c);
		} else if (c < ' ') {
			buf_add(out, STR("\\u00"));
			buf_add_char(out, hex[c >> 4]);
			buf_add_char(out, hex[c & 15]);
		} else {
			buf_add_char(out, (char)c);
		}
	}
	buf_add_char(out, '"');
}

void document_raw(struct document *document, const char *name, struct str value)
{
	buf_add(document->out, document->begun ? STR(",\n") : STR("\n"));
	document->begun = true;
	spaces(document->out, document->indent);
	buf_add_char(document->out, '"');
	buf_add(document->out, str_of(name));
	buf_add(document->out, STR("\" : "));
	buf_add(document->out, value);
}

void document_text(struct document *document, const char *name, struct str value)
{
	document_raw(document, name, STR_EMPTY);
	document_string(document->out, value);
}

void document_text_or_null(struct document *document, const char *name, struct str value)
{
	if (value.p) {
		document_text(document, name, value);
	} else {
		document_raw(document, name, STR("null"));
	}
}

void document_time(struct document *document, const char *name, int64_t unix_s)
{
	char text[TIMEFMT_ISO_BYTES];
	timefmt_iso(unix_s, text);
	document_text(document, name, str_of(text));
}

void document_end(struct document *document)
{
	buf_add_char(document->out, '\n');
	spaces(document->out, document->indent - 2);
	buf_add_char(document->out, '}');
}
