/*
 * The command line's pure parts: arguments, endpoints, replies, what is shown; and `serve`, whose
 * daemon is a fake.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/output.h"
#include "config/config.h"
#include "config/setting.h"
#include "daemon/daemon.h"

#define N_OF(array)  (sizeof(array) / sizeof((array)[0]))
#define WORDS_MAX    16
#define ASSERT_AT(c) assert_at((c), #c, __LINE__)

/* A case of a table that fails says which it is. */
static int case_line;

static void assert_at(bool holds, const char *what, int line)
{
	if (!holds) {
		print_error("case of line %d: %s\n", case_line, what);
	}
	_assert_true(holds, what, __FILE__, line);
}

/* -- the fake daemon */

static struct config_flags served;
static const char *served_listen[WORDS_MAX];
static const char *served_instances[WORDS_MAX];

int daemon_run(const struct config_flags *flags)
{
	served = *flags;
	memcpy(served_listen, flags->listen, flags->n_listen * sizeof *flags->listen);
	memcpy(served_instances, flags->instances, flags->n_instances * sizeof *flags->instances);
	return 7;
}

/* -- arguments */

static int run_nothing(const struct args *args)
{
	(void)args; /* rows need a function */
	return 0;
}

static const struct command rows[] = {
	{"serve", NULL, NULL,
		ARGS_BIT(ARGS_CONFIG) | ARGS_BIT(ARGS_LISTEN) | ARGS_BIT(ARGS_WORKERS), run_nothing,
		"", NULL},
	{"instance", "list", NULL, ARGS_BIT(ARGS_JSON) | ARGS_BIT(ARGS_SOCKET), run_nothing, "",
		NULL},
	{"instance", "show", "NAME", ARGS_BIT(ARGS_JSON) | ARGS_BIT(ARGS_SOCKET), run_nothing, "",
		NULL},
	{"options", NULL, "NAME",
		ARGS_BIT(ARGS_HTTP_TOKENS) | ARGS_BIT(ARGS_HOP_LIMIT) | ARGS_BIT(ARGS_SOCKET),
		run_nothing, "", NULL},
	{0},
};

/* Parse a line of words with one space between; "''" is an empty word. */
static int parse(struct args *args, char *line, struct diag *diag)
{
	char *argv[WORDS_MAX] = {line};
	int argc = 1;
	for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	}
	return args_init(args, rows, argc, argv, diag);
}

static void args_are_accepted(void **state)
{
	static const struct {
		int line;
		const char *words;
		const char *word, *subcommand, *operand, *socket, *tokens;
		bool json;
	} cases[] = {
		{__LINE__, "instance list", "instance", "list", NULL, NULL, NULL, false},
		{__LINE__, "instance list --json", "instance", "list", NULL, NULL, NULL, true},
		{__LINE__, "--json instance list", "instance", "list", NULL, NULL, NULL, true},
		{__LINE__, "instance --socket /s show --json a", "instance", "show", "a", "/s",
			NULL, true},
		{__LINE__, "instance show a --socket=/s", "instance", "show", "a", "/s", NULL,
			false},
		{__LINE__, "instance show --socket --json a", "instance", "show", "a", "--json",
			NULL, false},
		{__LINE__, "instance show -- --json", "instance", "show", "--json", NULL, NULL,
			false},
		{__LINE__, "-- instance show -a", "instance", "show", "-a", NULL, NULL, false},
		{__LINE__, "instance show -", "instance", "show", "-", NULL, NULL, false},
		{__LINE__, "instance show help", "instance", "show", "help", NULL, NULL, false},
		{__LINE__, "instance show ''", "instance", "show", "", NULL, NULL, false},
		{__LINE__, "options --http-tokens required a", "options", NULL, "a", NULL,
			"required", false},
		{__LINE__, "options a --http-tokens=optional", "options", NULL, "a", NULL,
			"optional", false},
		{__LINE__, "options a --http-put-response-hop-limit 1", "options", NULL, "a", NULL,
			NULL, false},
		{__LINE__, "options a --http-put-response-hop-limit 64", "options", NULL, "a", NULL,
			NULL, false},
		{__LINE__, "serve", "serve", NULL, NULL, NULL, NULL, false},
		{__LINE__, "serve -c f", "serve", NULL, NULL, NULL, NULL, false},
		{__LINE__, "serve -cf", "serve", NULL, NULL, NULL, NULL, false},
		{__LINE__, "serve --workers 0", "serve", NULL, NULL, NULL, NULL, false},
		{__LINE__, "serve --workers 64", "serve", NULL, NULL, NULL, NULL, false},
		{__LINE__, "serve --listen 127.0.0.1:0 --listen [::1]:65535", "serve", NULL, NULL,
			NULL, NULL, false},
	};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct args args;
		struct diag diag = {""};
		char line[200];
		case_line = cases[i].line;
		(void)snprintf(line, sizeof line, "%s", cases[i].words);
		ASSERT_AT(parse(&args, line, &diag) == 0);
		const char *sub = args.command->subcommand;
		const char *socket = args.value[ARGS_SOCKET];
		const char *tokens = args.value[ARGS_HTTP_TOKENS];
		ASSERT_AT(str_eq(str_of(args.word), str_of(cases[i].word)));
		ASSERT_AT(str_eq(str_of(sub), str_of(cases[i].subcommand)));
		ASSERT_AT(!args.operand == !cases[i].operand);
		ASSERT_AT(str_eq(str_of(args.operand), str_of(cases[i].operand)));
		ASSERT_AT(str_eq(str_of(socket), str_of(cases[i].socket)));
		ASSERT_AT(str_eq(str_of(tokens), str_of(cases[i].tokens)));
		ASSERT_AT(args_has(&args, ARGS_JSON) == cases[i].json);
		args_done(&args);
	}
}

static void args_are_refused_with_a_reason(void **state)
{
	static const struct {
		int line;
		const char *words;
		const char *wanted; /* all of the message */
	} cases[] = {
		{__LINE__, "",
			"no command is given; usage: telltale COMMAND [FLAG]... (see telltale help)"},
		{__LINE__, "instanse list", "unknown command 'instanse'; did you mean 'instance'?"},
		{__LINE__, "zzz", "unknown command 'zzz'; there is serve, instance or options"},
		{__LINE__, "instance lst",
			"unknown command 'instance lst'; did you mean "
			"'instance list'?"},
		{__LINE__, "instance zzzzzz",
			"unknown command 'instance zzzzzz'; there is list or show"},
		{__LINE__, "instance", "instance needs a subcommand: list or show"},
		{__LINE__, "instance --json", "instance needs a subcommand: list or show"},
		{__LINE__, "instance show",
			"instance show needs NAME; see telltale help instance show"},
		{__LINE__, "instance show a b", "instance show takes one NAME; 'b' is too much"},
		{__LINE__, "instance list a", "instance list takes no name; 'a' is too much"},
		{__LINE__, "instance list --jsno", "unknown flag --jsno; did you mean --json?"},
		{__LINE__, "instance list --js",
			"unknown flag --js; see telltale help instance "
			"list"},
		{__LINE__, "instance list --x=y",
			"unknown flag --x; see telltale help instance list"},
		{__LINE__, "instance list --=", "unknown flag --; see telltale help instance list"},
		{__LINE__, "instance list -x", "unknown flag -x; see telltale help instance list"},
		{__LINE__, "--http-token",
			"unknown flag --http-token; did you mean "
			"--http-tokens?"},
		{__LINE__, "instance list --http-token",
			"unknown flag --http-token; see telltale help instance list"},
		{__LINE__, "instance list --http-tokens required",
			"instance list takes no --http-tokens"},
		{__LINE__, "instance list --socket", "--socket needs a value: PATH"},
		{__LINE__, "instance list --socket=", "--socket needs a value: PATH"},
		{__LINE__, "instance list --socket ''", "--socket needs a value: PATH"},
		{__LINE__, "instance list --json=1", "--json takes no value"},
		{__LINE__, "instance list --socket a --socket b", "--socket is given twice"},
		{__LINE__, "options a --http-tokens on",
			"--http-tokens: 'on' is not one of required|optional"},
		{__LINE__, "options a --http-tokens required|optional",
			"--http-tokens: 'required|optional' is not one of required|optional"},
		{__LINE__, "options a --http-put-response-hop-limit 0",
			"--http-put-response-hop-limit: '0' is not a number from 1 to 64"},
		{__LINE__, "options a --http-put-response-hop-limit 65",
			"--http-put-response-hop-limit: '65' is not a number from 1 to 64"},
		{__LINE__, "options a --http-put-response-hop-limit -1",
			"--http-put-response-hop-limit: '-1' is not a number from 1 to 64"},
		{__LINE__, "options a --http-put-response-hop-limit 4294967297",
			"--http-put-response-hop-limit: '4294967297' is not a number from 1 to 64"},
		{__LINE__, "serve --workers 65", "--workers: '65' is not a number from 0 to 64"},
		{__LINE__, "serve --listen 127.0.0.1",
			"--listen: '127.0.0.1' is not ADDR:PORT, with brackets around an IPv6 ADDR"},
		{__LINE__, "serve --listen ::1:80",
			"--listen: '::1:80' is not ADDR:PORT, with brackets around an IPv6 ADDR"},
		{__LINE__, "serve --listen [::1:80",
			"--listen: '[::1:80' is not ADDR:PORT, with brackets around an IPv6 ADDR"},
		{__LINE__, "serve --listen [1.2.3.4]:80",
			"--listen: '[1.2.3.4]:80' is not ADDR:PORT, with brackets around an IPv6 "
			"ADDR"},
		{__LINE__, "serve --listen 1.2.3.4:65536",
			"--listen: '1.2.3.4:65536' is not ADDR:PORT, with brackets around an IPv6 "
			"ADDR"},
		{__LINE__, "serve --listen x:",
			"--listen: 'x:' is not ADDR:PORT, with brackets around an IPv6 ADDR"},
	};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct args args;
		struct diag diag = {""};
		char line[200];
		case_line = cases[i].line;
		(void)snprintf(line, sizeof line, "%s", cases[i].words);
		ASSERT_AT(parse(&args, line, &diag) == E_SYNTAX);
		assert_string_equal(diag.text, cases[i].wanted);
		args_done(&args);
	}
}

static void help_and_version_excuse_what_is_missing(void **state)
{
	static const char *const helps[] = {"--help", "-h", "help", "instance --help",
		"help instance", "options -h", "help instance show", "--help serve"};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(helps); i++) {
		struct args args;
		char line[200];
		(void)snprintf(line, sizeof line, "%s", helps[i]);
		assert_int_equal(parse(&args, line, NULL), 0);
		assert_true(args_has(&args, ARGS_HELP));
		args_done(&args);
	}
	struct args args;
	char version[] = "--version";
	assert_int_equal(parse(&args, version, NULL), 0);
	assert_true(args_has(&args, ARGS_VERSION) && !args_has(&args, ARGS_HELP));
	args_done(&args);
}

static void limits_are_those_of_the_settings(void **state)
{
	const struct setting *row = settings;
	(void)state; /* has none */
	while (row->name.n && !str_eq(row->name, STR("workers"))) {
		row++;
	}
	assert_int_equal(row->max, args_flags[ARGS_WORKERS].max);
	assert_int_equal(row->min, args_flags[ARGS_WORKERS].min);
}

static void serve_passes_its_flags_on(void **state)
{
	char *argv[] = {(char[]){"telltale"}, (char[]){"serve"}, (char[]){"--listen"},
		(char[]){"127.0.0.1:80"}, (char[]){"-c"}, (char[]){"file"},
		(char[]){"--listen=[::1]:80"}, (char[]){"--instances"}, (char[]){"folder"},
		(char[]){"--instances=file2"}, (char[]){"--control=127.0.0.1:1"},
		(char[]){"--socket=s"}, (char[]){"--store=u"}, (char[]){"--workers=2"},
		(char[]){"--log-level=debug"}, NULL};
	(void)state; /* has none */
	assert_int_equal(command_main((int)N_OF(argv) - 1, argv), 7);
	assert_string_equal(served.file, "file");
	assert_int_equal(served.n_listen, 2);
	assert_string_equal(served_listen[0], "127.0.0.1:80");
	assert_string_equal(served_listen[1], "[::1]:80");
	assert_int_equal(served.n_instances, 2);
	assert_string_equal(served_instances[0], "folder");
	assert_string_equal(served_instances[1], "file2");
	assert_string_equal(served.control, "127.0.0.1:1");
	assert_string_equal(served.socket, "s");
	assert_string_equal(served.store, "u");
	assert_string_equal(served.workers, "2");
	assert_string_equal(served.log_level, "debug");
}

/* -- the control socket's place */

static void the_socket_is_where_flag_or_environment_say(void **state)
{
	struct buf path = BUF_EMPTY;
	(void)state; /* has none */
	assert_int_equal(setenv("TELLTALE_CONTROL_SOCKET", "/e", 1), 0);
	assert_int_equal(client_socket_path("/f", &path, NULL), 0);
	assert_string_equal(path.p, "/f");
	buf_reset(&path);
	assert_int_equal(client_socket_path(NULL, &path, NULL), 0);
	assert_string_equal(path.p, "/e");
	buf_done(&path);
	assert_int_equal(unsetenv("TELLTALE_CONTROL_SOCKET"), 0);
}

static void a_call_without_daemon_says_where_it_looked(void **state)
{
	struct diag diag = {""};
	json_t *request = json_object();
	json_t *reply = NULL;
	(void)state; /* has none */
	assert_true(client_call("/nonexistent/s", "GetInstances", request, &reply, &diag) < 0);
	assert_string_equal(diag.text,
		"no daemon answers at /nonexistent/s (is telltale serve running? another place: "
		"--socket or TELLTALE_CONTROL_SOCKET)");
	char longest[200];
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(client_call(longest, "GetInstances", request, &reply, &diag), E_LIMIT);
	assert_null(reply);
	json_decref(request);
}

/* -- endpoints */

static void endpoints_are_parsed(void **state)
{
	static const struct {
		int line;
		const char *url;
		const char *host;
		uint16_t port;
		bool is_ipv6;
		const char *authority;
	} cases[] = {
		{__LINE__, "http://169.254.169.254", "169.254.169.254", 80, false,
			"169.254.169.254"},
		{__LINE__, "http://169.254.169.254/", "169.254.169.254", 80, false,
			"169.254.169.254"},
		{__LINE__, "HTTP://localhost:1338", "localhost", 1338, false, "localhost:1338"},
		{__LINE__, "http://a-b_c.example:65535/", "a-b_c.example", 65535, false,
			"a-b_c.example:65535"},
		{__LINE__, "http://[fd00:ec2::254]", "fd00:ec2::254", 80, true, "[fd00:ec2::254]"},
		{__LINE__, "http://[::1]:1338", "::1", 1338, true, "[::1]:1338"},
		{__LINE__, "http://127.0.0.1:80", "127.0.0.1", 80, false, "127.0.0.1"},
	};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct endpoint endpoint;
		char authority[ENDPOINT_URL_BYTES];
		case_line = cases[i].line;
		ASSERT_AT(endpoint_parse(str_of(cases[i].url), &endpoint, NULL) == 0);
		ASSERT_AT(strcmp(endpoint.host, cases[i].host) == 0);
		ASSERT_AT(endpoint.port == cases[i].port);
		ASSERT_AT(endpoint.is_ipv6 == cases[i].is_ipv6);
		endpoint_authority(&endpoint, authority);
		ASSERT_AT(strcmp(authority, cases[i].authority) == 0);
	}
}

static void endpoints_are_refused(void **state)
{
	static const char *const urls[] = {"", "http://", "http:///", "nonsense", "https://a",
		"http:/a", "ftp://a", "http://a:", "http://a:0", "http://a:65536", "http://a:x",
		"http://a:80:80", "http://a//", "http://a/latest", "http://a?x", "http://a#x",
		"http://u@a", "http://u:p@a", "http://::1", "http://[::1", "http://::1]",
		"http://[::1]x", "http://[127.0.0.1]", "http://[::1%25lo]", "http://[]",
		"http://a b", "http://a\r\nX: y", "http://127.1", "http://1.2.3.256", "http://.a",
		"http://-a", " http://a", "http://a ", "http://[::1]:", "http://\xc3\xa9"};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(urls); i++) {
		struct endpoint endpoint = {.port = 7};
		struct diag diag = {""};
		if (endpoint_parse(str_of(urls[i]), &endpoint, &diag) != E_SYNTAX) {
			fail_msg("accepted: %s", urls[i]);
		}
		assert_int_equal(endpoint.port, 7);
		assert_non_null(strstr(diag.text, "http://HOST[:PORT]"));
	}
}

static void a_host_is_as_long_as_it_may_be(void **state)
{
	char url[ENDPOINT_HOST_BYTES + 16];
	struct endpoint endpoint;
	(void)state; /* has none */
	memset(url, 'a', sizeof url);
	memcpy(url, "http://", 7);
	size_t most = 7 + ENDPOINT_HOST_BYTES - 1;
	assert_int_equal(endpoint_parse((struct str){url, most}, &endpoint, NULL), 0);
	assert_int_equal(strlen(endpoint.host), ENDPOINT_HOST_BYTES - 1);
	assert_int_equal(endpoint_parse((struct str){url, most + 1}, &endpoint, NULL), E_SYNTAX);
}

static void paths_are_below_latest_or_absolute(void **state)
{
	char path[ENDPOINT_PATH_BYTES];
	char text[ENDPOINT_PATH_BYTES];
	(void)state; /* has none */
	assert_int_equal(endpoint_path(STR("meta-data/x"), path, NULL), 0);
	assert_string_equal(path, "/latest/meta-data/x");
	assert_int_equal(endpoint_path(STR("/2021-07-15/"), path, NULL), 0);
	assert_string_equal(path, "/2021-07-15/");
	assert_int_equal(endpoint_path(STR("/"), path, NULL), 0);
	assert_int_equal(endpoint_path(STR(""), path, NULL), E_SYNTAX);
	assert_int_equal(endpoint_path(STR("a b"), path, NULL), E_SYNTAX);
	assert_int_equal(endpoint_path(STR("a\r\nX: y"), path, NULL), E_SYNTAX);
	assert_int_equal(endpoint_path(STR("\xc3\xa9"), path, NULL), E_SYNTAX);
	assert_int_equal(endpoint_path(STR("a\x7f"), path, NULL), E_SYNTAX);
	memset(text, '/', sizeof text);
	assert_int_equal(endpoint_path((struct str){text, sizeof text - 1}, path, NULL), 0);
	assert_int_equal(endpoint_path((struct str){text, sizeof text}, path, NULL), E_LIMIT);
}

/* -- replies */

#define REPLY_CAP 10

static const struct reply_case {
	int line;
	struct str bytes;
	int rc;       /* after feeding */
	int close_rc; /* of reply_close(), where more was to come */
	int status;
	struct str body;
} reply_cases[] = {
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), 0, 0, 200,
		STR_INIT("abc")},
	{__LINE__, STR_INIT("HTTP/1.0 404 Not Found\r\ncontent-length:0\r\n\r\n"), 0, 0, 404,
		STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200\r\nContent-Length: \t3 \r\n\r\nabcdef"), 0, 0, 200,
		STR_INIT("abc")},
	{__LINE__, STR_INIT("HTTP/1.1 200 \r\nContent-Length: 10\r\n\r\n0123456789"), 0, 0, 200,
		STR_INIT("0123456789")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\n\r\nab\0c"), E_AGAIN, 0, 200, STR_INIT("ab\0c")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\n\r\n"), E_AGAIN, 0, 200, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 204 No Content\r\n\r\n"), 0, 0, 204, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nX-A: \xff\t!\r\nContent-Length: 0\r\n\r\n"), 0, 0,
		200, STR_INIT("")},
	/* cut off */
	{__LINE__, STR_INIT(""), E_AGAIN, E_SYNTAX, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Le"), E_AGAIN, E_SYNTAX, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), E_AGAIN, E_SYNTAX,
		200, STR_INIT("ab")},
	/* not HTTP */
	{__LINE__, STR_INIT("HTTP/2 200 OK\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("http/1.1 200 OK\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 2x0 OK\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 20 OK\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 2000 OK\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 100 Continue\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 600 X\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("\r\nHTTP/1.1 200 OK\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\nX: y\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nX : a\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\n: a\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nX\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nX\0: a\r\n\r\n"), E_SYNTAX, 0, 0, STR_INIT("")},
	/* lengths in dispute */
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\n"), E_SYNTAX, 0, 0,
		STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\n"), E_SYNTAX, 0, 0,
		STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n"), E_SYNTAX, 0, 0,
		STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n"), E_SYNTAX, 0, 0,
		STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
		E_SYNTAX, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), -ENOTSUP, 0,
		0, STR_INIT("")},
	/* caps */
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"), E_LIMIT, 0, 0,
		STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
		E_LIMIT, 0, 0, STR_INIT("")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\n\r\n0123456789"), E_AGAIN, 0, 200,
		STR_INIT("0123456789")},
	{__LINE__, STR_INIT("HTTP/1.1 200 OK\r\n\r\n0123456789a"), E_LIMIT, 0, 0, STR_INIT("")},
};

static void check_reply(const struct reply_case *c, size_t piece)
{
	struct reply reply;
	int rc = E_AGAIN;
	case_line = c->line;
	reply_init(&reply, REPLY_CAP);
	for (size_t at = 0; at < c->bytes.n && rc == E_AGAIN; at += piece) {
		size_t n = c->bytes.n - at < piece ? c->bytes.n - at : piece;
		rc = reply_feed(&reply, (struct str){c->bytes.p + at, n});
	}
	ASSERT_AT(rc == c->rc);
	if (rc == E_AGAIN) {
		ASSERT_AT(reply_close(&reply) == c->close_rc);
	}
	if (rc == 0 || rc == E_AGAIN) {
		ASSERT_AT(reply.status == c->status);
		ASSERT_AT(str_eq(buf_str(&reply.body), c->body));
	}
	reply_done(&reply);
}

static void replies_are_read_strictly(void **state)
{
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(reply_cases); i++) {
		check_reply(&reply_cases[i], SIZE_MAX / 2);
	}
}

static void replies_in_pieces_mean_the_same(void **state)
{
	(void)state; /* has none */
	for (size_t piece = 1; piece < 8; piece++) {
		for (size_t i = 0; i < N_OF(reply_cases); i++) {
			check_reply(&reply_cases[i], piece);
		}
	}
}

static void a_head_has_a_cap(void **state)
{
	static const char start[] = "HTTP/1.1 200 OK\r\nX: ";
	static const char end[] = "\r\n\r\n";
	(void)state; /* has none */
	for (size_t over = 0; over < 2; over++) {
		char head[REPLY_HEAD_BYTES + 1];
		size_t n = REPLY_HEAD_BYTES + over;
		memset(head, 'x', sizeof head);
		memcpy(head, start, sizeof start - 1);
		memcpy(head + n - (sizeof end - 1), end, sizeof end - 1);
		struct reply reply;
		reply_init(&reply, REPLY_CAP);
		int rc = reply_feed(&reply, (struct str){head, n});
		assert_int_equal(rc, over ? E_LIMIT : E_AGAIN);
		reply_done(&reply);
	}
}

static void a_reason_is_cut(void **state)
{
	char head[200];
	struct reply reply;
	(void)state; /* has none */
	int n = snprintf(head, sizeof head, "HTTP/1.1 500 %0100d\r\n\r\n", 0);
	reply_init(&reply, REPLY_CAP);
	assert_int_equal(reply_feed(&reply, (struct str){head, (size_t)n}), E_AGAIN);
	assert_int_equal(strlen(reply.reason), REPLY_REASON_BYTES - 1);
	reply_done(&reply);
}

/* -- what is shown */

static void nothing_unsafe_is_shown(void **state)
{
	static const struct {
		int line;
		struct str text;
		struct str one_line;
		struct str lines;
	} cases[] = {
		{__LINE__, STR_INIT("plain ~"), STR_INIT("plain ~"), STR_INIT("plain ~")},
		{__LINE__, STR_INIT("a\nb\tc\r"), STR_INIT("a\\u000ab\\u0009c\\u000d"),
			STR_INIT("a\nb\\u0009c\\u000d")},
		{__LINE__, STR_INIT("\x1b[31m\x7f"), STR_INIT("\\u001b[31m\\u007f"),
			STR_INIT("\\u001b[31m\\u007f")},
		{__LINE__, STR_INIT("a\0b"), STR_INIT("a\\u0000b"), STR_INIT("a\\u0000b")},
		{__LINE__, STR_INIT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
			STR_INIT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
			STR_INIT("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80")},
		/* C1 as a character and as a byte */
		{__LINE__, STR_INIT("\xc2\x9b\x9b"), STR_INIT("\\u009b\\x9b"),
			STR_INIT("\\u009b\\x9b")},
		/* direction */
		{__LINE__, STR_INIT("\xe2\x80\xae\xe2\x81\xa6"), STR_INIT("\\u202e\\u2066"),
			STR_INIT("\\u202e\\u2066")},
		/* overlong, surrogate, beyond Unicode, cut off */
		{__LINE__, STR_INIT("\xc0\x9b"), STR_INIT("\\xc0\\x9b"), STR_INIT("\\xc0\\x9b")},
		{__LINE__, STR_INIT("\xe0\x80\x9b"), STR_INIT("\\xe0\\x80\\x9b"),
			STR_INIT("\\xe0\\x80\\x9b")},
		{__LINE__, STR_INIT("\xed\xa0\x80"), STR_INIT("\\xed\\xa0\\x80"),
			STR_INIT("\\xed\\xa0\\x80")},
		{__LINE__, STR_INIT("\xf4\x90\x80\x80"), STR_INIT("\\xf4\\x90\\x80\\x80"),
			STR_INIT("\\xf4\\x90\\x80\\x80")},
		{__LINE__, STR_INIT("\xe2\x82"), STR_INIT("\\xe2\\x82"), STR_INIT("\\xe2\\x82")},
	};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf out = BUF_EMPTY;
		case_line = cases[i].line;
		output_escape(&out, cases[i].text, OUTPUT_ONE_LINE);
		ASSERT_AT(buf_status(&out) == 0 && str_eq(buf_str(&out), cases[i].one_line));
		buf_reset(&out);
		output_escape(&out, cases[i].text, OUTPUT_LINES);
		ASSERT_AT(buf_status(&out) == 0 && str_eq(buf_str(&out), cases[i].lines));
		buf_done(&out);
	}
}

static void tables_line_up(void **state)
{
	struct table table = {.columns = 3};
	struct buf out = BUF_EMPTY;
	static const char *const cells[] = {
		"NAME", "X", "TAGS", "\xc3\xa9", "", "a\x1b", "longer", "yy", ""};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(cells); i++) {
		table_add(&table, str_of(cells[i]));
	}
	assert_int_equal(table_format(&table, &out), 0);
	assert_true(str_eq(buf_str(&out), STR("NAME    X   TAGS\n"
					      "\xc3\xa9       -   a\\u001b\n"
					      "longer  yy  -\n")));
	buf_done(&out);
	table_done(&table);
}

static void values_are_shown_for_people(void **state)
{
	static const struct {
		int line;
		const char *json;
		const char *path;
		const char *wanted;
	} cases[] = {
		{__LINE__, "{\"a\": {\"b\": \"x\"}}", "a.b", "x"},
		{__LINE__, "{\"a\": {\"b\": \"x\"}}", "a.c", ""},
		{__LINE__, "{\"a\": {\"b\": \"x\"}}", "a.b.c", ""},
		{__LINE__, "{\"a\": 3}", "a", "3"},
		{__LINE__, "{\"a\": 0.5}", "a", "0.5"},
		{__LINE__, "{\"a\": true}", "a", "true"},
		{__LINE__, "{\"a\": null}", "a", ""},
		{__LINE__, "{\"a\": [\"x\", 1, false]}", "a", "x, 1, false"},
		{__LINE__, "{\"a\": [{\"key\": \"k\", \"value\": \"v\"}, {\"key\": \"l\"}]}", "a",
			"k=v, l"},
		{__LINE__, "{\"a\": {\"p\": [\"x\", \"y\"], \"q\": \"z\"}}", "a", "p=x,y q=z"},
	};
	(void)state; /* has none */
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct buf out = BUF_EMPTY;
		json_t *json = json_loads(cases[i].json, 0, NULL);
		case_line = cases[i].line;
		output_value(&out, output_member(json, cases[i].path));
		ASSERT_AT(str_eq(buf_str(&out), str_of(cases[i].wanted)));
		buf_done(&out);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(args_are_accepted),
		cmocka_unit_test(args_are_refused_with_a_reason),
		cmocka_unit_test(help_and_version_excuse_what_is_missing),
		cmocka_unit_test(limits_are_those_of_the_settings),
		cmocka_unit_test(serve_passes_its_flags_on),
		cmocka_unit_test(the_socket_is_where_flag_or_environment_say),
		cmocka_unit_test(a_call_without_daemon_says_where_it_looked),
		cmocka_unit_test(endpoints_are_parsed),
		cmocka_unit_test(endpoints_are_refused),
		cmocka_unit_test(a_host_is_as_long_as_it_may_be),
		cmocka_unit_test(paths_are_below_latest_or_absolute),
		cmocka_unit_test(replies_are_read_strictly),
		cmocka_unit_test(replies_in_pieces_mean_the_same),
		cmocka_unit_test(a_head_has_a_cap),
		cmocka_unit_test(a_reason_is_cut),
		cmocka_unit_test(nothing_unsafe_is_shown),
		cmocka_unit_test(tables_line_up),
		cmocka_unit_test(values_are_shown_for_people),
	};
	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
