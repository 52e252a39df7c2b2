/* Unit tests of config/node.h, near.h and source.h: YAML with places, likely words, paths and files. */
#include "config_help.h"

#include "config/near.h"
#include "config/node.h"
#include "config/source.h"

/* --- near -------------------------------------------------------------------------------------- */

static void test_near_words(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *word, *best;
	} cases[] = {
		{__LINE__, "listen", "listen"},
		{__LINE__, "LISTEN", "listen"},
		{__LINE__, "lisen", "listen"},
		{__LINE__, "lsiten", "listen"},
		{__LINE__, "listens", "listen"},
		{__LINE__, "lissten", "listen"},
		{__LINE__, "glisten", "listen"},
		{__LINE__, "lost", "list"},
		{__LINE__, "l", ""},
		{__LINE__, "", ""},
		{__LINE__, "banana", ""},
		{__LINE__, "listenlistenlistenlistenlistenlistenlistenlisten", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct near near = near_to(str_of(cases[i].word));
		near_try(&near, STR("list"));
		near_try(&near, STR("listen"));
		near_try(&near, STR("a-word-that-is-so-long-that-nobody-means-it"));
		if (!str_eq(near.best, str_of(cases[i].best))) {
			fail_msg("line %d: \"%.*s\"", cases[i].line, STR_FMT(near.best));
		}
	}
}

/* --- node -------------------------------------------------------------------------------------- */

/* A tree as text: {k@1:1=v@1:4}, [..], quoted scalars in quotes. */
static void dump(const struct node *node, struct buf *out)
{
	const char *open = node->kind == NODE_MAP ? "{" : node->kind == NODE_LIST ? "[" : "";
	const char *close = node->kind == NODE_MAP ? "}" : node->kind == NODE_LIST ? "]" : "";
	if (node->kind == NODE_SCALAR) {
		const char *quote = node->plain ? "" : "\"";
		buf_add_f(out, "%s%.*s%s", quote, STR_FMT(node->text), quote);
	}
	buf_add(out, str_of(open));
	for (const struct node *member = node->first; member; member = member->next) {
		if (member != node->first) {
			buf_add_char(out, ' ');
		}
		if (member->key.p) {
			buf_add_f(out, "%.*s@%u:%u=", STR_FMT(member->key), member->key_line,
				member->key_column);
		}
		dump(member, out);
	}
	buf_add(out, str_of(close));
	buf_add_f(out, "@%u:%u", node->line, node->column);
}

static void test_trees_and_places(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		int rc;
		const char *want; /* the tree, or diag */
	} cases[] = {
		{__LINE__, STR_INIT(""), 0, "{}@1:1"},
		{__LINE__, STR_INIT("# a\n\n"), 0, "{}@1:1"},
		{__LINE__, STR_INIT("---\n"), 0, "{}@1:1"},
		{__LINE__, STR_INIT("---\n...\n"), 0, "{}@1:1"},
		{__LINE__, STR_INIT("{}"), 0, "{}@1:1"},
		{__LINE__, STR_INIT("[]"), 0, "[]@1:1"},
		{__LINE__, STR_INIT("a"), 0, "a@1:1"},
		{__LINE__, STR_INIT("  'a'"), 0, "\"a\"@1:3"},
		{__LINE__, STR_INIT("a: b\nc:\n  - d\n  - \"e\"\n"), 0,
			"{a@1:1=b@1:4 c@2:1=[d@3:5 \"e\"@4:5]@3:3}@1:1"},
		{__LINE__, STR_INIT("a: {b: c, d: [e]}"), 0,
			"{a@1:1={b@1:5=c@1:8 d@1:11=[e@1:15]@1:14}@1:4}@1:1"},
		/* columns count characters, not bytes */
		{__LINE__, STR_INIT("{\xc3\xa9: \xe2\x82\xac, b: c}"), 0,
			"{\xc3\xa9@1:2=\xe2\x82\xac@1:5 b@1:8=c@1:11}@1:1"},
		{__LINE__, STR_INIT("a: |\n  b\n  c\nd: >-\n  e\n  f\n"), 0,
			"{a@1:1=\"b\nc\n\"@1:4 d@4:1=\"e f\"@4:4}@1:1"},
		{__LINE__, STR_INIT("a:\nb: ~\n"), 0, "{a@1:1=@1:3 b@2:1=~@2:4}@1:1"},
		{__LINE__, STR_INIT("a: !!str 1\nb: ! 2\n"), 0,
			"{a@1:1=\"1\"@1:4 b@2:1=\"2\"@2:4}@1:1"},
		{__LINE__, STR_INIT("%YAML 1.1\n---\na: b\n"), 0, "{a@3:1=b@3:4}@3:1"},
		{__LINE__, STR_INIT("? a\n: b\n"), 0, "{a@1:3=b@2:3}@1:1"},
		{__LINE__, STR_INIT("a: b\na: c\n"), E_SYNTAX,
			"f:2:1: \"a\" is there twice; first in line 1"},
		{__LINE__, STR_INIT("a: b\n\"a\": c\n"), E_SYNTAX,
			"f:2:1: \"a\" is there twice; first in line 1"},
		{__LINE__, STR_INIT("x:\n  - {a: 1, b: 2, a: 3, b: 4}\n"), E_SYNTAX,
			"f:2:18: \"a\" is there twice; first in line 2"},
		{__LINE__, STR_INIT("a: &x b\n"), E_SYNTAX, "f:1:4: anchors are not allowed"},
		{__LINE__, STR_INIT("a: &x [b]\n"), E_SYNTAX, "f:1:4: anchors are not allowed"},
		{__LINE__, STR_INIT("&x a: b\n"), E_SYNTAX, "f:1:1: anchors are not allowed"},
		{__LINE__, STR_INIT("a: *x\n"), E_SYNTAX, "f:1:4: aliases are not allowed"},
		{__LINE__, STR_INIT("a: !!int 1\n"), E_SYNTAX,
			"f:1:4: tags other than !!str are not allowed"},
		{__LINE__, STR_INIT("a: !x {}\n"), E_SYNTAX,
			"f:1:4: tags other than !!str are not allowed"},
		{__LINE__, STR_INIT("? {a: b}\n: c\n"), E_SYNTAX,
			"f:1:3: a key must be text, not a list or map"},
		{__LINE__, STR_INIT("a\n---\nb\n"), E_SYNTAX, "f:2:1: more than one document"},
		{__LINE__, STR_INIT("a: b: c\n"), E_SYNTAX,
			"f:1:5: mapping values are not allowed in this context"},
		{__LINE__, STR_INIT("a\nb: \x01\n"), E_SYNTAX,
			"f:2:4: control characters are not allowed"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
		CLEANUP(buf_done) struct buf out = BUF_EMPTY;
		struct node *root = NULL;
		struct diag diag = {{0}};
		int rc = node_parse(&arena, "f", cases[i].text, &root, &diag);
		if (rc == 0) {
			dump(root, &out);
		} else {
			assert_null(root);
			buf_add(&out, str_of(diag.text));
		}
		if (rc != cases[i].rc || !str_eq(buf_str(&out), str_of(cases[i].want))) {
			fail_msg("line %d: %d %.*s", cases[i].line, rc, STR_FMT(buf_str(&out)));
		}
	}
}

static void test_depth_at_the_limit_and_one_more(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		for (int maps = 0; maps < 2; maps++) {
			CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
			CLEANUP(buf_done) struct buf text = BUF_EMPTY;
			struct node *root = NULL;
			for (int i = 0; i < NODE_DEPTH_MAX + more; i++) {
				buf_add(&text, maps ? STR("{a: ") : STR("["));
			}
			for (int i = 0; i < NODE_DEPTH_MAX + more; i++) {
				buf_add_char(&text, maps ? '}' : ']');
			}
			assert_int_equal(node_parse(&arena, "f", buf_str(&text), &root, NULL),
				more ? E_LIMIT : 0);
		}
	}
}

static void test_deep_and_unending_is_refused_quickly(void **state)
{
	(void)state;
	static const char *const parts[] = {"[", "{", "{a: ", "- ", "? ", "a: [", "\"", "'"};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
		CLEANUP(buf_done) struct buf text = BUF_EMPTY;
		struct node *root = NULL;
		for (int n = 0; n < 20001; n++) {
			buf_add(&text, str_of(parts[i]));
		}
		assert_true(node_parse(&arena, "f", buf_str(&text), &root, NULL) < 0);
	}
}

/* Maps larger than what is compared pair by pair: sorted, and still the first in the file. */
static void test_duplicates_in_large_maps(void **state)
{
	(void)state;
	for (int n = 30; n < 36; n++) {
		CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
		CLEANUP(buf_done) struct buf text = BUF_EMPTY;
		struct node *root = NULL;
		struct diag diag = {{0}};
		for (int i = 0; i < n; i++) {
			buf_add_f(&text, "k%d: %d\n", (i * 7) % n + (n % 7 == 0 ? i * n : 0), i);
		}
		assert_int_equal(node_parse(&arena, "f", buf_str(&text), &root, &diag), 0);
		assert_non_null(node_get(root, STR("k0")));
		assert_null(node_get(root, STR("k")));
		buf_add(&text, STR("zz: 1\nk7: 1\nk0: 1\nzz: 1\n"));
		if (n % 7 != 0) {
			assert_int_equal(
				node_parse(&arena, "f", buf_str(&text), &root, &diag), E_SYNTAX);
			char want[128];
			(void)snprintf(want, sizeof want,
				"f:%d:1: \"k7\" is there twice; first in line 2", n + 2);
			assert_string_equal(diag.text, want);
		}
	}
}

struct seen_items {
	struct buf text;
	int end_after;
};

static int on_item(void *ctx, const struct node *item)
{
	struct seen_items *seen = ctx;
	dump(item, &seen->text);
	buf_add_char(&seen->text, ';');
	return --seen->end_after == 0 ? E_DENIED : 0;
}

static void test_items_are_handed_over_one_by_one(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text;
		bool top;
		int rc;
		const char *items, *tree;
	} cases[] = {
		{__LINE__, "k: [a, {b: [c]}]\nl: [d]\n", false, 0,
			"a@1:5;{b@1:9=[c@1:13]@1:12}@1:8;", "{k@1:1=[]@1:4 l@2:1=[d@2:5]@2:4}@1:1"},
		{__LINE__, "l: {k: [a]}\n", true, 0, "", "{l@1:1={k@1:5=[a@1:9]@1:8}@1:4}@1:1"},
		{__LINE__, "[a, [b], {k: [c]}]\n", true, 0,
			"a@1:2;[b@1:6]@1:5;{k@1:11=[c@1:15]@1:14}@1:10;", "[]@1:1"},
		{__LINE__, "[a, b]\n", false, 0, "", "[a@1:2 b@1:5]@1:1"},
		{__LINE__, "- {k: [a]}\n", false, 0, "", "[{k@1:4=[a@1:8]@1:7}@1:3]@1:1"},
		{__LINE__, "k: a\n", true, 0, "", "{k@1:1=a@1:4}@1:1"},
		{__LINE__, "k: {k: a}\n", true, 0, "", "{k@1:1={k@1:5=a@1:8}@1:4}@1:1"},
		{__LINE__, "a\n", true, 0, "", "a@1:1"},
		{__LINE__, "[a, b, c, d]\n", true, E_DENIED, "a@1:2;b@1:5;c@1:8;", NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
		CLEANUP(buf_done) struct buf tree = BUF_EMPTY;
		struct seen_items seen = {.end_after = 4 - (cases[i].rc < 0)};
		struct node_items items = {
			.key = STR("k"), .top = cases[i].top, .on_item = on_item, .ctx = &seen};
		struct node *root = NULL;
		int rc = node_parse_items(&arena, "f", str_of(cases[i].text), &items, &root, NULL);
		if (rc == 0) {
			dump(root, &tree);
		}
		if (rc != cases[i].rc || !str_eq(buf_str(&seen.text), str_of(cases[i].items)) ||
			!str_eq(buf_str(&tree), str_of(cases[i].tree))) {
			fail_msg("line %d: %d %.*s %.*s", cases[i].line, rc,
				STR_FMT(buf_str(&seen.text)), STR_FMT(buf_str(&tree)));
		}
		buf_done(&seen.text);
	}
}

static void test_null_and_empty(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool null, empty;
	} cases[] = {{"", true, true}, {"~", true, false}, {"null", true, false},
		{"Null", true, false}, {"NULL", true, false}, {"nULL", false, false},
		{"\"\"", false, false}, {"\"null\"", false, false}, {"0", false, false},
		{"[]", false, false}, {"{}", false, false}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
		char text[32];
		struct node *root = NULL;
		(void)snprintf(text, sizeof text, "a: %s\n", cases[i].text);
		assert_int_equal(node_parse(&arena, "f", str_of(text), &root, NULL), 0);
		assert_int_equal(node_is_null(root->first), cases[i].null);
		assert_int_equal(node_is_empty(root->first), cases[i].empty);
	}
}

static void test_excerpts_end_between_characters(void **state)
{
	(void)state;
	char text[80];
	memset(text, 'a', sizeof text);
	for (size_t at = 58; at < 68; at++) {
		memset(text, 'a', sizeof text);
		memcpy(text + at, "\xf0\x9f\x98\x80", 4);
		struct str excerpt = node_excerpt((struct str){text, sizeof text});
		assert_int_equal(excerpt.n, at > 60 && at < 64 ? at : 64);
	}
	assert_int_equal(node_excerpt((struct str){text, 64}).n, 64);
	assert_int_equal(node_excerpt(STR_EMPTY).n, 0);
}

/* --- paths ------------------------------------------------------------------------------------- */

static void test_paths_become_absolute(void **state)
{
	(void)state;
	char folder[PATH_MAX];
	assert_non_null(getcwd(folder, sizeof folder));
	static const struct {
		int line;
		const char *file, *path, *want; /* "." in front: the working folder */
	} cases[] = {
		{__LINE__, NULL, "/a/b", "/a/b"},
		{__LINE__, "/x/y.yaml", "/a/b", "/a/b"},
		{__LINE__, "/x/y.yaml", "b", "/x/b"},
		{__LINE__, "/y.yaml", "b", "/b"},
		{__LINE__, "/x/y.yaml", "../b", "/x/../b"},
		{__LINE__, NULL, "b", "./b"},
		{__LINE__, "y.yaml", "b", "./b"},
		{__LINE__, "x/y.yaml", "b", "./x/b"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(buf_done) struct buf path = BUF_EMPTY, want = BUF_EMPTY;
		bool here = cases[i].want[0] == '.';
		buf_add(&want, here ? str_of(folder) : STR_EMPTY);
		buf_add(&want, str_of(cases[i].want + here));
		assert_int_equal(source_resolve(cases[i].file, str_of(cases[i].path), &path), 0);
		if (!str_eq(buf_str(&path), buf_str(&want))) {
			fail_msg("line %d: %.*s", cases[i].line, STR_FMT(buf_str(&path)));
		}
	}
}

static void test_files_up_to_a_size(void **state)
{
	(void)state;
	static const char *const names[] = {"x"};
	const char *folder = make_folder();
	const char *path = write_file(folder, "x", "hello");
	for (size_t max = 3; max < 7; max++) {
		CLEANUP(buf_done) struct buf content = BUF_EMPTY;
		struct diag diag = {{0}};
		int rc = source_read(path, max, &content, &diag);
		assert_int_equal(rc, max < 5 ? E_LIMIT : 0);
		if (rc == 0) {
			assert_true(str_eq(buf_str(&content), STR("hello")));
		} else {
			assert_non_null(strstr(diag.text, "/x: larger than "));
		}
	}
	remove_folder(folder, names, 1);
}

/* --- memory that runs out ---------------------------------------------------------------------- */

static int large_map(struct diag *diag)
{
	CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
	static const char text[] = "{a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,"
				   "A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,Q,R,S,T,U,V,W,X,Y,Z}";
	struct node *root;
	return node_parse(&arena, "f", str_of(text), &root, diag);
}

static void test_every_allocation_fails_once(void **state)
{
	(void)state;
	each_allocation_fails(large_map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near_words),
		cmocka_unit_test(test_trees_and_places),
		cmocka_unit_test(test_depth_at_the_limit_and_one_more),
		cmocka_unit_test(test_deep_and_unending_is_refused_quickly),
		cmocka_unit_test(test_duplicates_in_large_maps),
		cmocka_unit_test(test_items_are_handed_over_one_by_one),
		cmocka_unit_test(test_null_and_empty),
		cmocka_unit_test(test_excerpts_end_between_characters),
		cmocka_unit_test(test_paths_become_absolute),
		cmocka_unit_test(test_files_up_to_a_size),
		cmocka_unit_test(test_every_allocation_fails_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
