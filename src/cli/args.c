#include "cli/args.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/ipaddr.h"
#include "config/check.h"
#include "config/near.h"

#define WORKERS_MAX 64 /* as the setting has it; a test compares them */

const struct args_flag_row args_flags[ARGS_FLAGS] = {
	[ARGS_HELP] = {.name = "help", .letter = 'h', .help = "show this text"},
	[ARGS_VERSION] = {.name = "version", .letter = 'V', .help = "show the version"},
	[ARGS_CONFIG] = {.name = "config",
		.letter = 'c',
		.value = "FILE",
		.help = "read this configuration"},
	[ARGS_LISTEN] = {.name = "listen",
		.repeats = true,
		.value = "ADDR:PORT",
		.is_address = true,
		.help = "answer metadata requests here; may be repeated"},
	[ARGS_INSTANCES] = {.name = "instances",
		.repeats = true,
		.value = "PATH",
		.help = "a file of instances, or a folder of them; may be repeated"},
	[ARGS_CONTROL] = {.name = "control",
		.value = "ADDR:PORT",
		.is_address = true,
		.help = "answer control requests here"},
	[ARGS_STORE] = {.name = "store",
		.value = "URL",
		.help = "sqlite:///PATH or postgresql://…"},
	[ARGS_WORKERS] = {.name = "workers",
		.value = "N",
		.max = WORKERS_MAX,
		.help = "threads that answer; 0: one a core"},
	[ARGS_LOG_LEVEL] = {.name = "log-level",
		.value = "LEVEL",
		.choices = "error|warn|info|debug",
		.help = "log lines up to this level"},
	[ARGS_HTTP_TOKENS] = {.name = "http-tokens",
		.value = "STATE",
		.choices = "required|optional",
		.help = "whether a request needs a session token"},
	[ARGS_HTTP_ENDPOINT] = {.name = "http-endpoint",
		.value = "STATE",
		.choices = "enabled|disabled",
		.help = "whether the instance is answered at all"},
	[ARGS_HOP_LIMIT] = {.name = "http-put-response-hop-limit",
		.value = "N",
		.min = 1,
		.max = 64,
		.help = "hops that a token's reply may take, 1 to 64"},
	[ARGS_HTTP_IPV6] = {.name = "http-protocol-ipv6",
		.value = "STATE",
		.choices = "enabled|disabled",
		.help = "whether the IPv6 endpoint answers"},
	[ARGS_METADATA_TAGS] = {.name = "instance-metadata-tags",
		.value = "STATE",
		.choices = "enabled|disabled",
		.help = "whether tags are in the metadata"},
	[ARGS_ENDPOINT] = {.name = "endpoint",
		.value = "URL",
		.help = "http://HOST[:PORT] of the metadata service"},
	[ARGS_SINCE] = {.name = "since",
		.value = "TIME",
		.is_duration = true,
		.help = "how far back: 90s, 15m, 24h, 7d, 4w; without it 24h"},
	[ARGS_PERIOD] = {.name = "period",
		.value = "SECONDS",
		.min = 60,
		.max = ARGS_DURATION_MAX_S,
		.help = "the time of one row, a multiple of 60; without it what fits"},
	[ARGS_TO] = {.name = "to", .value = "HOST", .help = "the host that is to serve it"},
	[ARGS_FORCE] = {.name = "force",
		.help = "do not wait for the old host: both may serve it for a while"},
	[ARGS_FORGET] = {.name = "forget",
		.value = "HOST",
		.help = "forget a host that has gone for good and has no instances"},
	[ARGS_JSON] = {.name = "json", .help = "print JSON"},
	[ARGS_SOCKET] = {.name = "socket", .value = "PATH", .help = "the control socket"},
};

const char *args_value_text(const struct args_flag_row *row)
{
	return row->choices ? row->choices : row->value;
}

void args_done(struct args *args)
{
	if (args) {
		free(args->lists_);
		*args = (struct args){0};
	}
}

/* "list, show or put": the words of one command, or all commands. */
static void add_words(struct buf *out, const struct command *commands, const char *word)
{
	const char *last = NULL;
	size_t n = 0;
	for (const struct command *c = commands; c->word; c++) {
		if (word && strcmp(c->word, word) != 0) {
			continue;
		}
		const char *next = word ? c->subcommand : c->word;
		if (last && strcmp(last, next) == 0) {
			continue;
		}
		if (last) {
			buf_add_f(out, "%s%s", n++ ? ", " : "", last);
		}
		last = next;
	}
	buf_add_f(out, "%s%s", n ? " or " : "", last ? last : "");
	buf_add_char(out, '\0');
}

static int fail_word(
	const struct command *commands, const char *word, const char *given, struct diag *diag)
{
	struct near near = near_to(str_of(given));
	for (const struct command *c = commands; c->word; c++) {
		if (!word) {
			near_try(&near, str_of(c->word));
		} else if (strcmp(c->word, word) == 0) {
			near_try(&near, str_of(c->subcommand));
		}
	}
	const char *before = word ? word : "";
	const char *space = word ? " " : "";
	if (near.best.n) {
		return diag_set(diag, E_SYNTAX,
			"unknown command '%s%s%s'; did you mean '%s%s%.*s'?", before, space, given,
			before, space, STR_FMT(near.best));
	}
	char memory[200];
	struct buf words = buf_fixed(memory, sizeof memory);
	add_words(&words, commands, word);
	return diag_set(diag, E_SYNTAX, "unknown command '%s%s%s'; there is %s", before, space,
		given, buf_status(&words) == 0 ? words.p : "telltale help");
}

/* The flags of the command, or of all commands that the words so far can become. */
static uint32_t flags_of(const struct args *args, const struct command *commands)
{
	uint32_t flags = ARGS_BIT(ARGS_HELP) | ARGS_BIT(ARGS_VERSION);
	if (args->command) {
		return flags | args->command->flags;
	}
	for (const struct command *c = commands; c->word; c++) {
		if (!args->word || strcmp(c->word, args->word) == 0) {
			flags |= c->flags;
		}
	}
	return flags;
}

/* shown is the flag with its dashes and without its value. */
static int fail_flag(const struct args *args, const struct command *commands, struct str shown,
	struct diag *diag)
{
	bool is_letter = !str_starts(shown, STR("--"));
	struct near near = near_to(is_letter ? STR_EMPTY : str_from(shown, 2));
	uint32_t flags = flags_of(args, commands);
	for (size_t i = 0; i < ARGS_FLAGS; i++) {
		if (flags & ARGS_BIT(i)) {
			near_try(&near, str_of(args_flags[i].name));
		}
	}
	if (near.best.n) {
		return diag_set(diag, E_SYNTAX, "unknown flag %.*s; did you mean --%.*s?",
			STR_FMT(shown), STR_FMT(near.best));
	}
	const char *sub = args->command ? args->command->subcommand : NULL;
	return diag_set(diag, E_SYNTAX, "unknown flag %.*s; see telltale help%s%s%s%s",
		STR_FMT(shown), args->word ? " " : "", args->word ? args->word : "", sub ? " " : "",
		sub ? sub : "");
}

/* IPv4:PORT or [IPv6]:PORT */
static bool is_address(struct str text)
{
	struct ipaddr addr;
	uint64_t port;
	bool brackets = str_starts(text, STR("["));
	size_t end = str_find(text, brackets ? ']' : ':');
	struct str host = {text.p + brackets, end - brackets};
	if (end == text.n || (brackets && str_find(host, ':') == host.n)) {
		return false;
	}
	text = str_from(text, end + brackets);
	return ipaddr_parse(host, &addr) == 0 && str_starts(text, STR(":")) &&
	       str_to_u64(str_from(text, 1), &port) == 0 && port <= UINT16_MAX;
}

int args_duration(struct str text, uint32_t *ret_s)
{
	static const struct {
		char letter;
		uint32_t s;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	uint64_t value;
	size_t i = 0;
	if (text.n < 2) {
		return E_SYNTAX;
	}
	while (i < sizeof units / sizeof units[0] && units[i].letter != text.p[text.n - 1]) {
		i++;
	}
	if (i == sizeof units / sizeof units[0]) {
		return E_SYNTAX;
	}
	TRY(str_to_u64((struct str){text.p, text.n - 1}, &value));
	if (value == 0 || value > ARGS_DURATION_MAX_S / units[i].s) {
		return E_RANGE;
	}
	*ret_s = (uint32_t)value * units[i].s;
	return 0;
}

/* A value is checked before anything is sent. */
static int check_value(const struct args_flag_row *row, const char *value, struct diag *diag)
{
	if (*value == '\0') {
		return diag_set(
			diag, E_SYNTAX, "--%s needs a value: %s", row->name, args_value_text(row));
	}
	if (row->choices && !check_choice(str_of(value), row->choices)) {
		return diag_set(diag, E_SYNTAX, "--%s: '%s' is not one of %s", row->name, value,
			row->choices);
	}
	if (row->is_address && !is_address(str_of(value))) {
		return diag_set(diag, E_SYNTAX,
			"--%s: '%s' is not ADDR:PORT, with brackets around an IPv6 ADDR", row->name,
			value);
	}
	uint32_t duration_s;
	if (row->is_duration && args_duration(str_of(value), &duration_s) < 0) {
		return diag_set(diag, E_SYNTAX,
			"--%s: '%s' is not a time as 90s, 15m, 24h, 7d or 4w, 455d at most",
			row->name, value);
	}
	uint64_t number;
	if (row->max && (str_to_u64(str_of(value), &number) < 0 || number < row->min ||
				number > row->max)) {
		return diag_set(diag, E_SYNTAX, "--%s: '%s' is not a number from %u to %u",
			row->name, value, row->min, row->max);
	}
	return 0;
}

static int set_flag(struct args *args, size_t flag, const char *value, struct diag *diag)
{
	const struct args_flag_row *row = &args_flags[flag];
	if (!row->value) {
		args->value[flag] = "";
		return 0;
	}
	TRY(check_value(row, value, diag));
	if (args->value[flag] && !row->repeats) {
		return diag_set(diag, E_SYNTAX, "--%s is given twice", row->name);
	}
	args->value[flag] = value;
	if (row->repeats) {
		struct args_list *list = flag == ARGS_LISTEN ? &args->listen : &args->instances;
		list->at[list->n++] = value;
	}
	return 0;
}

/* ARGS_FLAGS when there is none. */
static size_t find_flag(struct str name, bool is_letter)
{
	for (size_t i = 0; i < ARGS_FLAGS; i++) {
		const struct args_flag_row *row = &args_flags[i];
		if (is_letter ? row->letter == name.p[0] : str_eq(name, str_of(row->name))) {
			return i;
		}
	}
	return ARGS_FLAGS;
}

/* argv[*at] is a flag: "--name", "--name=value", "-c" or "-cvalue". */
static int take_flag(struct args *args, const struct command *commands, char **argv, int argc,
	int *at, struct diag *diag)
{
	struct str given = str_of(argv[*at]);
	bool is_letter = given.p[1] != '-';
	struct str name = str_from(given, is_letter ? 1 : 2);
	const char *value = NULL;
	size_t end = is_letter ? 1 : str_find(name, '=');
	if (end < name.n) {
		value = name.p + end + (is_letter ? 0 : 1);
		name.n = end;
	}
	size_t flag = find_flag(name, is_letter);
	if (flag == ARGS_FLAGS) {
		struct str shown = {given.p, (size_t)(name.p + name.n - given.p)};
		return fail_flag(args, commands, shown, diag);
	}
	const struct args_flag_row *row = &args_flags[flag];
	if (!row->value && value) {
		return diag_set(diag, E_SYNTAX, "--%s takes no value", row->name);
	}
	if (row->value && !value) {
		value = *at + 1 < argc ? argv[++*at] : "";
	}
	return set_flag(args, flag, value, diag);
}

static int take_word(
	struct args *args, const struct command *commands, const char *given, struct diag *diag)
{
	if (strcmp(given, args_flags[ARGS_HELP].name) == 0) {
		args->value[ARGS_HELP] = "";
		return 0;
	}
	for (const struct command *c = commands; c->word; c++) {
		if (strcmp(c->word, given) == 0) {
			args->word = c->word;
			args->command = c->subcommand ? NULL : c;
			return 0;
		}
	}
	return fail_word(commands, NULL, given, diag);
}

static int take_subcommand(
	struct args *args, const struct command *commands, const char *given, struct diag *diag)
{
	for (const struct command *c = commands; c->word; c++) {
		if (strcmp(c->word, args->word) == 0 && strcmp(c->subcommand, given) == 0) {
			args->command = c;
			return 0;
		}
	}
	return fail_word(commands, args->word, given, diag);
}

static int take_operand(struct args *args, const char *given, struct diag *diag)
{
	const struct command *c = args->command;
	const char *space = c->subcommand ? " " : "";
	const char *sub = c->subcommand ? c->subcommand : "";
	if (!c->operand || args->operand) {
		return diag_set(diag, E_SYNTAX, "%s%s%s takes %s%s; '%s' is too much", c->word,
			space, sub, c->operand ? "one " : "no name", c->operand ? c->operand : "",
			given);
	}
	args->operand = given;
	return 0;
}

/* All words are read: is this a command, and does it take these flags? */
static int check_whole(const struct args *args, const struct command *commands, struct diag *diag)
{
	if (args_has(args, ARGS_HELP) || args_has(args, ARGS_VERSION)) {
		return 0;
	}
	if (!args->word) {
		return diag_set(diag, E_SYNTAX,
			"no command is given; usage: telltale COMMAND [FLAG]... (see telltale help)");
	}
	const struct command *c = args->command;
	if (!c) {
		char memory[200];
		struct buf words = buf_fixed(memory, sizeof memory);
		add_words(&words, commands, args->word);
		return diag_set(diag, E_SYNTAX, "%s needs a subcommand: %s", args->word,
			buf_status(&words) == 0 ? words.p : "see telltale help");
	}
	const char *space = c->subcommand ? " " : "";
	const char *sub = c->subcommand ? c->subcommand : "";
	for (size_t i = ARGS_CONFIG; i < ARGS_FLAGS; i++) {
		if (args->value[i] && !(c->flags & ARGS_BIT(i))) {
			return diag_set(diag, E_SYNTAX, "%s%s%s takes no --%s", c->word, space, sub,
				args_flags[i].name);
		}
	}
	if (c->operand && c->operand[0] != '[' && !args->operand) {
		return diag_set(diag, E_SYNTAX, "%s%s%s needs %s; see telltale help %s%s%s",
			c->word, space, sub, c->operand, c->word, space, sub);
	}
	return 0;
}

int args_init(
	struct args *args, const struct command *commands, int argc, char **argv, struct diag *diag)
{
	*args = (struct args){0};
	/* Neither list can be longer than argv. */
	args->lists_ = calloc((size_t)argc + 1, 2 * sizeof *args->lists_);
	if (!args->lists_) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	args->listen.at = args->lists_;
	args->instances.at = args->lists_ + argc;
	for (int at = 1; at < argc; at++) {
		const char *given = argv[at];
		if (!args->names_only_ && strcmp(given, "--") == 0) {
			args->names_only_ = true;
		} else if (!args->names_only_ && given[0] == '-' && given[1] != '\0') {
			TRY(take_flag(args, commands, argv, argc, &at, diag));
		} else if (!args->word) {
			TRY(take_word(args, commands, given, diag));
		} else if (!args->command) {
			TRY(take_subcommand(args, commands, given, diag));
		} else {
			TRY(take_operand(args, given, diag));
		}
	}
	return check_whole(args, commands, diag);
}
