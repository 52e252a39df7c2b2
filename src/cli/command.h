/*
 * command - the command line: one row a command, help, dispatch.
 *
 * Layer:   cli
 * Threads: one
 * Memory:  rows are constant; arguments point into argv
 * Secrets: none
 * Limits:  none
 * Spec:    telltale(1)
 *
 * Every command has one function with this shape: it prints its result on stdout and its error, if
 * any, as one line on stderr (output_fail), and returns the exit code.
 */
#ifndef TELLTALE_CLI_COMMAND_H
#define TELLTALE_CLI_COMMAND_H

#include <jansson.h>

#include "base/str.h"

enum command_exit { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

struct args;

struct command {
	const char *word;       /* NULL ends a table */
	const char *subcommand; /* NULL: the word is the whole command */
	const char *operand;    /* the one name that it needs, "[NAME]" that it takes; NULL: none */
	uint32_t flags;         /* ARGS_BIT(…) of those that it takes (args.h) */
	int (*run)(const struct args *args);
	const char *summary; /* one line */
	const char *help;    /* more lines, each ends in \n; NULL: none */
};

/* Parse, dispatch, and see to it that all output was written. Returns the exit code. */
int command_main(int argc, char **argv);

/*
 * Ask the daemon: run one operation over the control socket that the arguments name.
 * request  taken; may be NULL, as json_pack() gives it when the operand is not UTF-8 or memory is
 *          short: then that is the error.
 * Returns COMMAND_DONE, or another exit code after printing why.
 */
MUST_CHECK int command_call(
	const struct args *args, const char *operation, json_t *request, json_t **ret_reply);

/* The functions of the rows, one file a command. */
int cli_serve(const struct args *args);
int cli_instance_list(const struct args *args);
int cli_instance_show(const struct args *args);
int cli_instance_put(const struct args *args);
int cli_instance_delete(const struct args *args);
int cli_instance_revoke(const struct args *args);
int cli_instance_move(const struct args *args);
int cli_options(const struct args *args);
int cli_identity_certificate(const struct args *args);
int cli_fleet(const struct args *args);
int cli_secret_rotate(const struct args *args);
int cli_audit(const struct args *args);
int cli_metrics(const struct args *args);
int cli_get(const struct args *args);
int cli_config_check(const struct args *args);
int cli_config_show(const struct args *args);

#endif
