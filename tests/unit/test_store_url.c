/* What is shown of a store's URL: never a password. */
#include "tests/unit/cases.h"

#include "config/store_url.h"

static void test_shown(void **state)
{
	static const struct {
		int line;
		const char *url, *shown;
	} cases[] = {
		{__LINE__, "sqlite:///var/lib/x.db", "sqlite:///var/lib/x.db"},
		{__LINE__, "postgresql://", "postgresql://"},
		{__LINE__, "postgresql:///telltale", "postgresql:///telltale"},
		{__LINE__, "postgresql://h1,h2:5433/telltale?target_session_attrs=read-write",
			"postgresql://h1,h2:5433/telltale?target_session_attrs=read-write"},
		{__LINE__, "postgresql://me@h/db", "postgresql://me@h/db"},
		{__LINE__, "postgresql://me:secret@h/db", "postgresql://me:***@h/db"},
		{__LINE__, "postgres://me:secret@h", "postgres://me:***@h"},
		{__LINE__, "postgresql://me:s/e@c?r@h/db?a=b", "postgresql://me:***@h/db?a=b"},
		{__LINE__, "postgresql://h/db?password=secret&user=me",
			"postgresql://h/db?password=***&user=me"},
		{__LINE__, "postgresql://h/db?user=me&sslpassword=secret",
			"postgresql://h/db?user=me&sslpassword=***"},
		{__LINE__, "postgresql://h/db?user=me&password=",
			"postgresql://h/db?user=me&password=***"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEANUP(buf_done) struct buf shown = BUF_EMPTY;
		store_url_show(str_of(cases[i].url), &shown);
		if (!str_eq(buf_str(&shown), str_of(cases[i].shown))) {
			fail_msg("line %d: %.*s", cases[i].line, STR_FMT(buf_str(&shown)));
		}
	}
}

static void test_which_are_shared(void **state)
{
	(void)state;
	assert_true(store_url_is_fleet(STR("postgresql://h/db")));
	assert_true(store_url_is_fleet(STR("postgres://h/db")));
	assert_false(store_url_is_fleet(STR("sqlite:///x.db")));
	assert_false(store_url_is_fleet(STR("postgresql:h")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_which_are_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
