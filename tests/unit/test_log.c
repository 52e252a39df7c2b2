/* Unit tests of base/log.h: what is on stderr. */
#include "tests/unit/cases.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timefmt.h"

#define TS_CHARS       28 /* ts=2023-10-02T11:22:33.000Z and a space */
#define TEXT_MAX       (1024 * 1024)
#define THREADS        4
#define LINES          500
#define CALLS          10000
#define CALLS_A_SECOND 80

static int kept_stderr;
static int caught;
static char text[TEXT_MAX];

/* From now on stderr is in memory. */
static void catch_lines(void)
{
	caught = memfd_create("stderr", MFD_CLOEXEC);
	kept_stderr = dup(STDERR_FILENO);
	assert_true(caught >= 0 && kept_stderr >= 0);
	assert_int_equal(dup2(caught, STDERR_FILENO), STDERR_FILENO);
}

/* What was written. */
static struct str caught_lines(void)
{
	assert_int_equal(dup2(kept_stderr, STDERR_FILENO), STDERR_FILENO);
	ssize_t n = pread(caught, text, sizeof text - 1, 0);
	assert_in_range(n, 0, sizeof text - 2);
	text[n] = '\0';
	(void)close(caught);
	(void)close(kept_stderr);
	return (struct str){text, (size_t)n};
}

/* The one line without the time at its start and the line end. */
static struct str one_line(void)
{
	struct str line = caught_lines();
	int64_t when = 0;
	char iso[TIMEFMT_ISO_BYTES + 4];
	assert_true(line.n > TS_CHARS && line.p[line.n - 1] == '\n');
	assert_true(str_find(line, '\n') == line.n - 1);
	assert_true(str_starts(line, STR("ts=")));
	(void)snprintf(iso, sizeof iso, "%.24s", line.p + 3);
	assert_int_equal(timefmt_parse_iso(str_of(iso), &when), 0);
	assert_int_equal(line.p[TS_CHARS - 1], ' ');
	line.n--;
	return str_from(line, TS_CHARS);
}

static void test_fields(void **state)
{
	(void)state;
	catch_lines();
	LOG(LOG_INFO, "store", "opened", LOG_TEXT("path", "/a/b"), LOG_INT("n", -5),
		LOG_INT("most", INT64_MAX), LOG_STR("cut", ((struct str){"abcdef", 3})));
	assert_true(str_eq(one_line(),
		STR("level=info src=store msg=opened path=/a/b n=-5 most=9223372036854775807 "
		    "cut=abc")));
	catch_lines();
	log_write(LOG_WARN, "x", "two words", NULL, 0);
	assert_true(str_eq(one_line(), STR("level=warn src=x msg=\"two words\"")));
}

static void test_escaping(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str value, written;
	} cases[] = {
		{__LINE__, STR_INIT("plain"), STR_INIT("plain")},
		{__LINE__, STR_INIT("!#$%&'()*+,-./09:;<>?@AZ[]^_`az{|}~"),
			STR_INIT("!#$%&'()*+,-./09:;<>?@AZ[]^_`az{|}~")},
		{__LINE__, {NULL, 0}, STR_INIT("\"\"")},
		{__LINE__, STR_INIT(""), STR_INIT("\"\"")},
		{__LINE__, STR_INIT("a b"), STR_INIT("\"a b\"")},
		{__LINE__, STR_INIT("a=b"), STR_INIT("\"a=b\"")},
		{__LINE__, STR_INIT("a\"b"), STR_INIT("\"a\\\"b\"")},
		{__LINE__, STR_INIT("a\\b"), STR_INIT("\"a\\\\b\"")},
		{__LINE__, STR_INIT("a\nlevel=error"), STR_INIT("\"a\\x0alevel=error\"")},
		{__LINE__, STR_INIT("\r\t"), STR_INIT("\"\\x0d\\x09\"")},
		{__LINE__, STR_INIT("a\0b"), STR_INIT("\"a\\x00b\"")},
		{__LINE__, STR_INIT("\x1b[31m"), STR_INIT("\"\\x1b[31m\"")},
		{__LINE__, STR_INIT("\x7f"), STR_INIT("\"\\x7f\"")},
		{__LINE__, STR_INIT("\x1f"), STR_INIT("\"\\x1f\"")},
		{__LINE__, STR_INIT("\xc3\xa9"), STR_INIT("\"\xc3\xa9\"")},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char expected[256];
		catch_lines();
		LOG(LOG_ERROR, "s", "m", LOG_STR("k", cases[i].value), LOG_INT("z", 1));
		struct str line = one_line();
		(void)snprintf(expected, sizeof expected, "level=error src=s msg=m k=%.*s z=1",
			STR_FMT(cases[i].written));
		HOLDS(cases[i].line, str_eq(line, str_of(expected)));
	}
	catch_lines();
	log_write(LOG_ERROR, "s", "a\nb", NULL, 0); /* the message is escaped as well */
	assert_true(str_eq(one_line(), STR("level=error src=s msg=\"a\\x0ab\"")));
}

/* Whatever the lengths are, one line of at most LOG_LINE_BYTES comes out, and a good start of it. */
static void test_cut(void **state)
{
	(void)state;
	char value[3 * LOG_LINE_BYTES];
	for (int kind = 0; kind < 3; kind++) {
		memset(value, "x \n"[kind], sizeof value);
		for (size_t n = 0; n <= sizeof value; n += n < 1100 ? 1 : 97) {
			catch_lines();
			LOG(LOG_INFO, "s", "m", LOG_STR("k", ((struct str){value, n})),
				LOG_TEXT("z", "end"));
			struct str line = caught_lines();
			assert_in_range(line.n, 1, LOG_LINE_BYTES);
			assert_int_equal(str_find(line, '\n'), line.n - 1);
			line.n--;
			assert_true(str_starts(
				str_from(line, TS_CHARS), STR("level=info src=s msg=m k=")));
			bool whole = str_ends(line, STR(" z=end"));
			/* Of escapes every byte takes four. */
			size_t fits = TS_CHARS + 25 + n * (kind == 2 ? 4 : 1) + 2 + 6;
			assert_true(whole || fits >= LOG_LINE_BYTES - 8);
			assert_true(!whole || fits <= LOG_LINE_BYTES + 8);
		}
	}
}

static unsigned evaluated;

static struct str evaluate(void)
{
	evaluated++;
	return STR("x");
}

static void test_levels(void **state)
{
	(void)state;
	static const char *const names[] = {"error", "warn", "info", "debug"};
	assert_true(log_enabled(LOG_INFO) && !log_enabled(LOG_DEBUG)); /* before it is set */
	for (int set = LOG_ERROR; set <= LOG_DEBUG; set++) {
		enum log_level parsed = LOG_ERROR;
		assert_int_equal(log_level_parse(str_of(names[set]), &parsed), 0);
		assert_int_equal(parsed, set);
		log_set_level(parsed);
		for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
			evaluated = 0;
			catch_lines();
			LOG((enum log_level)level, "s", "m", LOG_STR("k", evaluate()));
			struct str lines = caught_lines();
			assert_int_equal(log_enabled((enum log_level)level), level <= set);
			assert_int_equal(lines.n != 0, level <= set);
			assert_int_equal(evaluated, level <= set);
			assert_true(level > set || strstr(lines.p, names[level]) != NULL);
		}
	}
	log_set_level(LOG_INFO);
	static const char *const wrong[] = {"", "INFO", "Info", "inf", "infos", " info", "3"};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		enum log_level parsed = LOG_DEBUG;
		assert_int_equal(log_level_parse(str_of(wrong[i]), &parsed), E_SYNTAX);
		assert_int_equal(parsed, LOG_DEBUG);
	}
	enum log_level parsed = LOG_DEBUG;
	assert_int_equal(log_level_parse(STR_EMPTY, &parsed), E_SYNTAX);
}

static void *write_lines(void *ctx)
{
	const char *name = ctx;
	char value[700];
	memset(value, name[0], sizeof value);
	for (int i = 0; i < LINES; i++) {
		LOG(LOG_INFO, name, "m", LOG_STR("k", ((struct str){value, sizeof value})));
	}
	return NULL;
}

static void test_lines_do_not_mix(void **state)
{
	(void)state;
	static char names[THREADS][2] = {"a", "b", "c", "d"};
	static char all[THREADS * LINES * (LOG_LINE_BYTES - 200)];
	pthread_t threads[THREADS];
	unsigned lines = 0;
	int ends[2];
	size_t n = 0;
	assert_int_equal(pipe(ends), 0);
	kept_stderr = dup(STDERR_FILENO);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(ends[1]);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
	}
	/* Read until all are there, then end the writing side. */
	while (lines < THREADS * LINES) {
		ssize_t got = read(ends[0], all + n, sizeof all - n);
		assert_true(got > 0);
		for (size_t i = n; i < n + (size_t)got; i++) {
			lines += all[i] == '\n';
		}
		n += (size_t)got;
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(dup2(kept_stderr, STDERR_FILENO), STDERR_FILENO);
	(void)close(kept_stderr);
	(void)close(ends[0]);
	for (struct str rest = {all, n}; rest.n;) {
		size_t end = str_find(rest, '\n');
		char c = rest.p[end - 1];
		assert_true(c >= 'a' && c < 'a' + THREADS);
		assert_int_equal(end, TS_CHARS + 25 + 700);
		assert_int_equal(rest.p[TS_CHARS + 15], c);
		for (size_t i = end - 700; i < end; i++) {
			assert_int_equal(rest.p[i], c);
		}
		rest = str_from(rest, end + 1);
	}
}

static void test_limit(void **state)
{
	(void)state;
	static const struct {
		int line;
		int64_t now_s;
		bool pass;
		uint32_t held;
	} cases[] = {
		{__LINE__, 1000, true, 0},
		{__LINE__, 1000, false, 0},
		{__LINE__, 1001, false, 0},
		{__LINE__, 1000 + LOG_LIMIT_S - 1, false, 0},
		{__LINE__, 1000 + LOG_LIMIT_S, true, 3},
		{__LINE__, 1000 + LOG_LIMIT_S, false, 0},
		{__LINE__, 1000 + 2 * LOG_LIMIT_S, true, 1},
		{__LINE__, 1000 + 5 * LOG_LIMIT_S, true, 0},
		/* The wall clock may be set back: that must not silence a place for as long. */
		{__LINE__, 500, true, 0},
		{__LINE__, 500, false, 0},
		{__LINE__, 500 + LOG_LIMIT_S, true, 1},
		{__LINE__, 500 + LOG_LIMIT_S - 1, false, 0},
	};
	struct log_limit limit = {0};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t held = 4711;
		HOLDS(cases[i].line,
			log_limit_pass(&limit, cases[i].now_s, &held) == cases[i].pass);
		HOLDS(cases[i].line, held == (cases[i].pass ? cases[i].held : 4711));
	}
}

static struct log_limit shared_limit;
static _Atomic uint32_t calls, passed, told;

static void *try_limit(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < CALLS; i++) {
		uint32_t held = 0;
		int64_t now_s = 100000 + atomic_fetch_add(&calls, 1) / CALLS_A_SECOND;
		if (log_limit_pass(&shared_limit, now_s, &held)) {
			atomic_fetch_add(&passed, 1);
			atomic_fetch_add(&told, held);
		}
	}
	return NULL;
}

/* Every call passes, is told of later, or is still held. */
static void test_limit_loses_nothing(void **state)
{
	(void)state;
	const uint32_t seconds = THREADS * CALLS / CALLS_A_SECOND;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, try_limit, NULL), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(passed + told + shared_limit.held_, THREADS * CALLS);
	/* A thread that was held up for long comes with an old time, as if the clock was set back. */
	assert_in_range(passed, seconds / LOG_LIMIT_S, seconds / LOG_LIMIT_S + 1 + 2 * THREADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_lines_do_not_mix),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
