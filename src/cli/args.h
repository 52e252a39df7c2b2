/*
 * args - the words behind `telltale`: command, one name, flags.
 *
 * Layer:   cli (pure)
 * Threads: no state
 * Memory:  args_init fills the caller's struct, args_done frees its lists; everything else points
 *          into argv, which is left as it is
 * Secrets: none
 * Limits:  none
 * Spec:    telltale(1)
 *
 * Flags may stand anywhere: --name VALUE, --name=VALUE, -c VALUE, -cVALUE; after "--" everything is
 * a name. This is not getopt_long(), because that takes abbreviations, which stop working when a
 * flag is added, and lets the last of two values win, which hides a mistake.
 */
#ifndef TELLTALE_CLI_ARGS_H
#define TELLTALE_CLI_ARGS_H

#include "cli/command.h"

/* In the order in which help shows them. */
enum args_flag {
	ARGS_HELP,
	ARGS_VERSION,
	ARGS_CONFIG,
	ARGS_LISTEN,
	ARGS_INSTANCES,
	ARGS_CONTROL,
	ARGS_STORE,
	ARGS_WORKERS,
	ARGS_LOG_LEVEL,
	ARGS_HTTP_TOKENS,
	ARGS_HTTP_ENDPOINT,
	ARGS_HOP_LIMIT,
	ARGS_HTTP_IPV6,
	ARGS_METADATA_TAGS,
	ARGS_ENDPOINT,
	ARGS_SINCE,
	ARGS_PERIOD,
	ARGS_TO,
	ARGS_FORCE,
	ARGS_FORGET,
	ARGS_JSON,
	ARGS_SOCKET,
	ARGS_FLAGS
};

#define ARGS_BIT(flag) (UINT32_C(1) << (flag))

struct args_flag_row {
	const char *name;    /* behind the "--" */
	char letter;         /* behind one "-"; 0: none */
	bool repeats;        /* may be given several times */
	const char *value;   /* what stands behind it, for help; NULL: takes no value */
	const char *choices; /* "a|b": the value is one of these; NULL: anything */
	uint32_t min, max;   /* the value is a number from min to max; max 0: is no number */
	bool is_address;     /* the value is ADDR:PORT or [ADDR]:PORT */
	bool is_duration;    /* the value is what args_duration() takes */
	const char *help;
};

extern const struct args_flag_row args_flags[ARGS_FLAGS];

/* The values of a flag that may be repeated, in order. */
struct args_list {
	const char **at;
	size_t n;
};

struct args {
	const char *word;              /* the command's first word; NULL: none given */
	const struct command *command; /* NULL: none, or the subcommand is missing */
	const char *operand;           /* NULL: none given */
	const char *value[ARGS_FLAGS]; /* NULL: not given; "" for a flag without value */
	struct args_list listen;
	struct args_list instances;
	const char **lists_; /* memory of both */
	bool names_only_;    /* "--" was seen */
};

/*
 * Parse. What is found before the first fault stays in *args. With ARGS_HELP or ARGS_VERSION given,
 * a missing command, subcommand or operand is no fault.
 * commands  ends with a row whose word is NULL.
 * Returns 0, -ENOMEM, or E_SYNTAX with diag: what is wrong, what is allowed, what is near.
 */
MUST_CHECK int args_init(struct args *args, const struct command *commands, int argc, char **argv,
	struct diag *diag);
void args_done(struct args *args);

static inline bool args_has(const struct args *args, enum args_flag flag)
{
	return args->value[flag] != NULL;
}

/* As long as metric history is kept. */
#define ARGS_DURATION_MAX_S (455 * UINT32_C(86400))

/*
 * A time of at least a second: a number and one of s, m, h, d, w, as 15m.
 * Returns 0, E_SYNTAX, or E_RANGE for 0 and beyond ARGS_DURATION_MAX_S.
 */
MUST_CHECK int args_duration(struct str text, uint32_t *ret_s);

/* How a flag's value is written in help: its choices, or its name; NULL: takes none. */
const char *args_value_text(const struct args_flag_row *row);

#endif
