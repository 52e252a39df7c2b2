/* Request targets: what they name, and which are none. */
#include "tests/unit/metadata_help.h"

#include "metadata/path.h"

/* What a target becomes; NULL where it is refused with rc. */
struct target {
	int line;
	const char *target;
	const char *path;
	bool slash;
	int rc;
};

#define IS(target, path)                         \
	{                                        \
		__LINE__, target, path, false, 0 \
	}
#define IS_SLASH(target, path)                  \
	{                                       \
		__LINE__, target, path, true, 0 \
	}
#define BAD(target)                                     \
	{                                               \
		__LINE__, target, NULL, false, E_SYNTAX \
	}

static const struct target targets[] = {
	IS("/", ""),
	IS("//", ""),
	IS("////", ""),
	IS("/latest", "latest"),
	IS_SLASH("/latest/", "latest"),
	IS("/latest/meta-data/instance-id", "latest/meta-data/instance-id"),
	/* a leaf, and a directory, with and without slash */
	IS_SLASH("/latest/meta-data/instance-id/", "latest/meta-data/instance-id"),
	IS_SLASH("/latest/meta-data/", "latest/meta-data"),
	IS_SLASH("/latest/meta-data//", "latest/meta-data"),
	IS_SLASH("/latest/meta-data////", "latest/meta-data"),
	/* repeated slashes, as ec2-metadata, Cloud9's guide and the SDK for JavaScript send them */
	IS("/latest//meta-data/ramdisk-id", "latest/meta-data/ramdisk-id"),
	IS("//latest/meta-data/instance-id", "latest/meta-data/instance-id"),
	IS("///latest///meta-data///instance-id", "latest/meta-data/instance-id"),
	IS_SLASH("//latest//", "latest"),
	/* the query goes, whatever is in it */
	IS("/latest/user-data?", "latest/user-data"),
	IS("/latest/user-data?a=b&c=/../%00", "latest/user-data"),
	IS_SLASH("/latest/?/", "latest"),
	IS("/?", ""),
	IS("/latest?x?y", "latest"),
	/* escapes are decoded, and once only */
	IS("/l%61test", "latest"),
	IS("/%6c%61%74%65%73%74", "latest"),
	IS("/%6C%61", "la"),
	IS("/latest%2fmeta-data", "latest/meta-data"),
	IS("/latest%2Fmeta-data", "latest/meta-data"),
	IS_SLASH("/latest%2F", "latest"),
	IS("/latest/%2Fmeta-data", "latest/meta-data"),
	IS("/%2561", "%61"),
	IS("/%252e%252e/x", "%2e%2e/x"),
	IS("/a%3Fb", "a?b"),
	IS("/a%20b", "a b"),
	IS("/a b", "a b"),
	IS("/a%23b", "a#b"),
	IS("/a#b", "a#b"),
	IS("/tags/%C3%A9", "tags/\xc3\xa9"),
	IS("/tags/\xc3\xa9", "tags/\xc3\xa9"),
	IS("/%ff", "\xff"),
	IS("/a+b", "a+b"),
	/* case matters */
	IS("/Latest/META-DATA", "Latest/META-DATA"),
	/* dots that are no way up */
	IS("/latest/.", "latest/."),
	IS("/latest/./x", "latest/./x"),
	IS("/latest/...", "latest/..."),
	IS("/latest/..x", "latest/..x"),
	IS("/latest/x..", "latest/x.."),
	IS("/latest/.hidden", "latest/.hidden"),
	IS("/a..b", "a..b"),
	/* and those that are */
	BAD("/.."),
	BAD("/../"),
	BAD("/latest/.."),
	BAD("/latest/../"),
	BAD("/latest/../x"),
	BAD("/../latest"),
	BAD("//../latest"),
	BAD("/latest//..//x"),
	BAD("/latest/%2e%2e/x"),
	BAD("/latest/.%2e/x"),
	BAD("/latest/%2E./x"),
	BAD("/latest%2f..%2fx"),
	BAD("/latest%2f.."),
	BAD("/%2e%2e"),
	BAD("/..?"),
	/* bad escapes */
	BAD("/%"),
	BAD("/a%"),
	BAD("/a%4"),
	BAD("/a%4/"),
	BAD("/a%4g"),
	IS("/a%41", "aA"),
	BAD("/a%g4"),
	BAD("/a%%41"),
	BAD("/a% 41"),
	BAD("/a%+1"),
	BAD("/a%-1"),
	BAD("/a%0x"),
	BAD("/a%4?1"),
	BAD("/a%u0041"),
	/* control bytes, as they are and escaped */
	BAD("/a\001"),
	BAD("/a\t"),
	BAD("/a\nb"),
	BAD("/a\rb"),
	BAD("/a\x1f"),
	BAD("/a\x7f"),
	BAD("/a%00"),
	BAD("/%00"),
	BAD("/a%01"),
	BAD("/a%0a"),
	BAD("/a%0D%0Ab"),
	BAD("/a%1f"),
	BAD("/a%7F"),
	/* not a path */
	BAD(""),
	BAD("latest"),
	BAD("?"),
	BAD("?/latest"),
	BAD("*"),
	BAD("%2Flatest"),
	BAD(" /latest"),
	BAD("http://169.254.169.254/latest/"),
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		const struct target *c = &targets[i];
		char memory[PATH_BYTES];
		struct str path = STR("untouched");
		bool slash = !c->slash;
		case_int(c->line, path_clean(str_of(c->target), memory, &path, &slash), c->rc);
		case_text(c->line, path, c->path ? c->path : "untouched");
		case_int(c->line, slash, c->path ? c->slash : !c->slash);
	}
}

static void nul_is_refused(void **state)
{
	(void)state;
	char memory[PATH_BYTES];
	struct str path;
	bool slash;
	assert_int_equal(path_clean(STR("/latest/\0"), memory, &path, &slash), E_SYNTAX);
	assert_int_equal(path_clean(STR("/\0/"), memory, &path, &slash), E_SYNTAX);
	assert_int_equal(path_clean(STR("\0/"), memory, &path, &slash), E_SYNTAX);
	assert_int_equal(path_clean(STR_EMPTY, memory, &path, &slash), E_SYNTAX);
}

/* The target need not end anywhere in particular: nothing is read behind it. */
static void reads_nothing_behind_the_target(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		char memory[PATH_BYTES];
		struct str whole = str_of(targets[i].target);
		for (size_t n = 0; n <= whole.n; n++) {
			struct str path;
			bool slash;
			char *exact = malloc(n ? n : 1);
			assert_non_null(exact);
			memcpy(exact, whole.p, n);
			int rc = path_clean((struct str){exact, n}, memory, &path, &slash);
			assert_true(rc == 0 || rc == E_SYNTAX);
			/* What stands behind it makes no difference. */
			assert_int_equal(
				path_clean((struct str){whole.p, n}, memory, &path, &slash), rc);
			free(exact);
		}
	}
}

/* What makes a path another one is seen wherever it stands, in targets of any length. */
static void is_seen_anywhere(void **state)
{
	(void)state;
	static const struct {
		const char *odd;
		const char *becomes; /* NULL: is refused */
	} odds[] = {{"//", "/"}, {"/../", NULL}, {"%41", "A"}, {"\t", NULL}, {"\x7f", NULL},
		{"%", NULL}, {"/..?x", NULL}};
	for (size_t i = 0; i < sizeof odds / sizeof odds[0]; i++) {
		for (size_t before = 0; before < 50; before++) {
			for (size_t after = 0; after < 50; after++) {
				char text[128], memory[PATH_BYTES], expected[128];
				const char *letters =
					"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr";
				struct str path = STR("untouched");
				bool slash;
				(void)snprintf(text, sizeof text, "/%.*s%s%.*s", (int)before,
					letters, odds[i].odd, (int)after, letters);
				int rc = path_clean(str_of(text), memory, &path, &slash);
				assert_int_equal(rc, odds[i].becomes ? 0 : E_SYNTAX);
				(void)snprintf(expected, sizeof expected, "%.*s%s%.*s", (int)before,
					letters, odds[i].becomes ? odds[i].becomes : "", (int)after,
					letters);
				size_t n = strlen(expected);
				bool ends = n > 0 && expected[n - 1] == '/';
				bool begins = expected[0] == '/'; /* three slashes in a row */
				struct str is = {expected + begins, n - ends - (begins && n > 1)};
				assert_true(rc < 0 || str_eq(path, is));
			}
		}
	}
}

/* Where something had to be decoded, the result has to fit. */
static void limit(void **state)
{
	(void)state;
	static char target[PATH_BYTES + 64];
	char memory[PATH_BYTES];
	memset(target, 'a', sizeof target);
	memcpy(target, "/%61", 4); /* three characters that become one */
	for (size_t n = PATH_BYTES - 2; n <= PATH_BYTES + 6; n++) {
		struct str path = STR_EMPTY;
		bool slash;
		int rc = path_clean((struct str){target, n}, memory, &path, &slash);
		assert_int_equal(rc, n - 2 <= PATH_BYTES ? 0 : E_LIMIT);
		assert_int_equal(path.n, rc == 0 ? n - 3 : 0);
	}
	/* A path with nothing to decode is not copied, so it needs no room. */
	memcpy(target, "/aaa", 4);
	struct str path;
	bool slash;
	assert_int_equal(path_clean((struct str){target, sizeof target}, memory, &path, &slash), 0);
	assert_ptr_equal(path.p, target + 1);
}

static void segments(void **state)
{
	(void)state;
	struct str path = STR("latest/meta-data//x");
	assert_true(str_eq(path_next(&path), STR("latest")));
	assert_true(str_eq(path, STR("meta-data//x")));
	assert_true(str_eq(path_next(&path), STR("meta-data")));
	assert_true(str_eq(path_next(&path), STR("")));
	assert_true(str_eq(path_next(&path), STR("x")));
	assert_int_equal(path.n, 0);
	assert_true(str_eq(path_next(&path), STR("")));
	assert_int_equal(path.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(reads_nothing_behind_the_target),
		cmocka_unit_test(is_seen_anywhere),
		cmocka_unit_test(limit),
		cmocka_unit_test(segments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
