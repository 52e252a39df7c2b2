/* JSON in the service's style, byte for byte, and nothing that a value holds breaks out of it. */
#include "tests/unit/metadata_help.h"

#include "metadata/document.h"

static void style(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct document d = document_begin(&out, 2);
	document_text(&d, "Code", STR("Success"));
	document_time(&d, "LastUpdated", 1696245753);
	document_raw(&d, "kernelId", STR("null"));
	document_text_or_null(&d, "a", STR("b"));
	document_text_or_null(&d, "c", STR(""));
	document_text_or_null(&d, "d", STR_EMPTY);
	document_end(&d);
	case_text(__LINE__, buf_str(&out),
		"{\n"
		"  \"Code\" : \"Success\",\n"
		"  \"LastUpdated\" : \"2023-10-02T11:22:33Z\",\n"
		"  \"kernelId\" : null,\n"
		"  \"a\" : \"b\",\n"
		"  \"c\" : \"\",\n"
		"  \"d\" : null\n"
		"}");
}

static void nested(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	buf_add(&out, STR("  "));
	struct document d = document_begin(&out, 4);
	document_text(&d, "Code", STR("x"));
	document_end(&d);
	case_text(__LINE__, buf_str(&out), "  {\n    \"Code\" : \"x\"\n  }");
}

static void without_members(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	struct document d = document_begin(&out, 2);
	document_end(&d);
	case_text(__LINE__, buf_str(&out), "{\n}");
}

static void strings(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		const char *quoted;
	} cases[] = {
		{__LINE__, STR_INIT(""), "\"\""},
		{__LINE__, STR_INIT("plain / text"), "\"plain / text\""},
		{__LINE__, STR_INIT("\""), "\"\\\"\""},
		{__LINE__, STR_INIT("\\"), "\"\\\\\""},
		{__LINE__, STR_INIT("\", \"x\" : \""), "\"\\\", \\\"x\\\" : \\\"\""},
		{__LINE__, STR_INIT("a\nb\tc\rd"), "\"a\\u000ab\\u0009c\\u000dd\""},
		{__LINE__, STR_INIT("\0\x1f"), "\"\\u0000\\u001f\""},
		{__LINE__, STR_INIT("\x7f\xc3\xa9"), "\"\x7f\xc3\xa9\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		document_string(&out, cases[i].text);
		case_text(cases[i].line, buf_str(&out), cases[i].quoted);
		json_t *json = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(json);
		case_str(cases[i].line,
			(struct str){json_string_value(json), json_string_length(json)},
			cases[i].text);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(style),
		cmocka_unit_test(nested),
		cmocka_unit_test(without_members),
		cmocka_unit_test(strings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
