/* Unit tests of control/xml.h. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/xml.h"
#include "fake/alloc.h"
#include "tests/unit/child.h"

#define PROLOGUE "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static json_t *json_of(const char *text)
{
	char json[4096];
	size_t n = strlen(text);
	assert_true(n < sizeof json);
	for (size_t i = 0; i <= n; i++) {
		json[i] = text[i] == '\'' ? '"' : text[i];
	}
	json_t *value = json_loads(json, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert_non_null(value);
	return value;
}

/* What is between the tags of a root R; takes the content. */
static void try_content(int line, json_t *content, const char *expected)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY, right = BUF_EMPTY;
	HOLDS(line, content != NULL);
	HOLDS(line, xml_document(&out, STR("R"), STR_EMPTY, content, XML_ITEM_EC2) == 0);
	buf_add(&right, STR(PROLOGUE "<R>"));
	buf_add(&right, str_of(expected));
	buf_add(&right, STR("</R>"));
	if (!str_eq(buf_str(&out), buf_str(&right))) {
		fail_msg("case of line %d: %.*s", line, STR_FMT(buf_str(&out)));
	}
	json_decref(content);
}

/* --- trees ------------------------------------------------------------------------------------- */

static const struct {
	int line;
	const char *json;
	const char *xml;
} trees[] = {
	{__LINE__, "{}", ""},
	{__LINE__, "{'b':'1','a':'2'}", "<b>1</b><a>2</a>"},
	{__LINE__, "{'a':{'b':{'c':'x'}}}", "<a><b><c>x</c></b></a>"},
	{__LINE__, "{'a':['x','y']}", "<a><item>x</item><item>y</item></a>"},
	{__LINE__, "{'a':[{'b':'x'},['y']]}",
		"<a><item><b>x</b></item><item><item>y</item></item></a>"},
	{__LINE__, "{'a':true,'b':false}", "<a>true</a><b>false</b>"},
	{__LINE__, "{'a':0,'b':-1,'c':9223372036854775807}",
		"<a>0</a><b>-1</b><c>9223372036854775807</c>"},
	{__LINE__, "{'a':-9223372036854775808}", "<a>-9223372036854775808</a>"},
	/* What is not there, and what is empty. */
	{__LINE__, "{'a':null,'b':'x'}", "<b>x</b>"},
	{__LINE__, "{'a':[],'b':{},'c':''}", "<a/><b/><c/>"},
	{__LINE__, "{'a':[null],'b':{'c':null}}", "<a/><b/>"},
	{__LINE__, "{'a':[null,'x',null]}", "<a><item>x</item></a>"},
	{__LINE__, "{'a':['',[],{}]}", "<a><item/><item/><item/></a>"},
	{__LINE__, "{'a':[{'b':null,'c':0}]}", "<a><item><c>0</c></item></a>"},
	/* A map. */
	{__LINE__, "{'Map':{'entry':[{'key':'a','value':1},{'key':'b','value':2}]}}",
		"<Map><entry><key>a</key><value>1</value></entry>"
		"<entry><key>b</key><value>2</value></entry></Map>"},
	{__LINE__, "{'Map':{'entry':[]},'entry':['x',null],'c':{'entry':'y'}}",
		"<Map></Map><entry>x</entry><c><entry>y</entry></c>"},
	/* Names. */
	{__LINE__, "{'A-b.C_9':'x','_':'y'}", "<A-b.C_9>x</A-b.C_9><_>y</_>"},
};

static void test_trees(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(trees); i++) {
		try_content(trees[i].line, json_of(trees[i].json), trees[i].xml);
	}
}

static void test_root(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	json_t *content = json_of("{'List':['x'],'RequestId':'1'}");
	buf_add(&out, STR("before "));
	assert_int_equal(xml_document(&out, STR("ListResponse"), STR("http://a/?b=1&c=\"<2"),
				 content, XML_ITEM_QUERY),
		0);
	buf_add_char(&out, '\0');
	assert_string_equal(out.p,
		"before " PROLOGUE "<ListResponse xmlns=\"http://a/?b=1&amp;c=&quot;&lt;2\">"
		"<List><member>x</member></List><RequestId>1</RequestId></ListResponse>");
	json_decref(content);
}

/* --- text -------------------------------------------------------------------------------------- */

#define FFFD "\xef\xbf\xbd"

static const struct {
	int line;
	struct str text;
	const char *xml;
} texts[] = {
	{__LINE__, STR_INIT("<a b=\"c\" d='e'>&amp;"),
		"&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;amp;"},
	{__LINE__, STR_INIT("]]>"), "]]&gt;"},
	{__LINE__, STR_INIT(" a  b "), " a  b "},
	{__LINE__, STR_INIT("a\tb\nc\rd"), "a&#x9;b&#xA;c&#xD;d"},
	{__LINE__, STR_INIT("a\0b\x01\x08\x0b\x0c\x0e\x1f"),
		"a" FFFD "b" FFFD FFFD FFFD FFFD FFFD FFFD},
	{__LINE__, STR_INIT("\x7f\xc2\x80\xc2\x85"), "\x7f\xc2\x80\xc2\x85"},
	{__LINE__, STR_INIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	{__LINE__, STR_INIT("\xef\xbf\xbd\xef\xbf\xbe\xef\xbf\xbf"), FFFD FFFD FFFD},
	/* Not UTF-8: a byte for a byte. */
	{__LINE__, STR_INIT("a\xff\xc3"), "a" FFFD FFFD},
	{__LINE__, STR_INIT("\xc0\xbc"), FFFD FFFD},
	{__LINE__, STR_INIT("\xed\xa0\x80<"), FFFD FFFD FFFD "&lt;"},
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		json_t *text = json_stringn_nocheck(texts[i].text.p, texts[i].text.n);
		char expected[256];
		(void)snprintf(expected, sizeof expected, "<t>%s</t>", texts[i].xml);
		try_content(texts[i].line, json_pack("{s:o}", "t", text), expected);
	}
}

/* --- numbers ----------------------------------------------------------------------------------- */

static const struct {
	int line;
	double value;
	const char *xml;
} reals[] = {
	{__LINE__, 0.0, "<n>0.0</n>"},
	{__LINE__, -0.0, "<n>-0.0</n>"},
	{__LINE__, 1.0, "<n>1.0</n>"},
	{__LINE__, -1.5, "<n>-1.5</n>"},
	{__LINE__, 0.1, "<n>0.1</n>"},
	{__LINE__, 0.1 + 0.2, "<n>0.30000000000000004</n>"},
	{__LINE__, 1.0 / 3, "<n>0.3333333333333333</n>"},
	{__LINE__, 100.0, "<n>100.0</n>"},
	{__LINE__, 12345.678, "<n>12345.678</n>"},
	{__LINE__, 1e15, "<n>1000000000000000.0</n>"},
	{__LINE__, 1e22, "<n>10000000000000000000000.0</n>"},
	{__LINE__, 1e23, "<n>100000000000000000000000.0</n>"},
	{__LINE__, 9007199254740993.0, "<n>9007199254740992.0</n>"},
	{__LINE__, 1e-7, "<n>0.0000001</n>"},
	{__LINE__, 2.5e-10, "<n>0.00000000025</n>"},
};

static void test_reals(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(reals); i++) {
		try_content(reals[i].line, json_pack("{s:f}", "n", reals[i].value), reals[i].xml);
	}
}

/* Whatever the number, its text is read back as the same one, and has nothing but digits and a point. */
static void test_reals_read_back(void **state)
{
	(void)state;
	uint64_t bits = 88172645463325252U;
	for (unsigned i = 0; i < 20000; i++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		double value;
		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&value, &bits, sizeof value);
		json_t *content =
			json_pack("{s:o*}", "n", isfinite(value) ? json_real(value) : NULL);
		assert_int_equal(xml_document(&out, STR("R"), STR_EMPTY, content, XML_ITEM_EC2), 0);
		json_decref(content);
		if (isfinite(value)) {
			const char *text = out.p + sizeof(PROLOGUE "<R><n>") - 1;
			char *end;
			assert_true(strtod(text, &end) == value);
			assert_int_equal(strspn(text, "-.0123456789"), end - text);
			assert_true(*end == '<');
		}
	}
}

/* --- what must not be -------------------------------------------------------------------------- */

/* Names are never a caller's: one that could break out of its tag ends the process. */
static void write_name(void *ctx)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	json_t *content = json_pack("{s:s}", (const char *)ctx, "x");
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CHECK(nowhere >= 0 && dup2(nowhere, STDERR_FILENO) >= 0); /* the assertion's words */
	int rc = xml_document(&out, STR("R"), STR_EMPTY, content, XML_ITEM_EC2);
	json_decref(content);
	CHECK(rc == 0);
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *name;
		bool good;
	} cases[] = {
		{__LINE__, "Name-1.", true},
		{__LINE__, "_", true},
		{__LINE__, "", false},
		{__LINE__, "1a", false},
		{__LINE__, "-a", false},
		{__LINE__, ".a", false},
		{__LINE__, "a b", false},
		{__LINE__, "a>", false},
		{__LINE__, "a/", false},
		{__LINE__, "a:b", false},
		{__LINE__, "\xc3\xa4", false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		HOLDS(cases[i].line, child_run(write_name, (void *)(uintptr_t)cases[i].name) ==
					     (cases[i].good ? 0 : 128 + SIGABRT));
	}
}

/* --- memory ------------------------------------------------------------------------------------ */

static void test_out_of_memory(void **state)
{
	(void)state;
	json_t *list = json_array();
	for (int i = 0; i < 100; i++) {
		json_t *item = json_pack("{s:s, s:f}", "Id", "a<b", "Sum", 1.5);
		assert_int_equal(json_array_append_new(list, item), 0);
	}
	json_t *content = json_pack("{s:o}", "List", list);
	for (unsigned n = 1;; n++) {
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		(void)alloc_fail_at(n);
		int rc = xml_document(&out, STR("R"), STR_EMPTY, content, XML_ITEM_EC2);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			assert_true(n > 3);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(buf_status(&out), -ENOMEM);
	}
	json_decref(content);
}

/* A buffer of every size that is too small. */
static void test_no_room(void **state)
{
	(void)state;
	json_t *content = json_of("{'a':['<',1.5,-3,true,null,''],'b':{}}");
	char memory[256];
	size_t cap = 0;
	for (; cap < sizeof memory; cap++) {
		struct buf out = buf_fixed(memory, cap);
		int rc = xml_document(&out, STR("R"), STR("u"), content, XML_ITEM_EC2);
		if (rc == 0) {
			break;
		}
		assert_int_equal(rc, E_LIMIT);
		assert_true(out.n <= cap);
	}
	assert_true(cap > 100 && cap < sizeof memory);
	json_decref(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_reals),
		cmocka_unit_test(test_reals_read_back),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
