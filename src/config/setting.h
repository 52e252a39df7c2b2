/*
 * setting - the daemon's settings: one row each, and what a row's type means.
 *
 * Layer:   config
 * Threads: rows are constant
 * Memory:  texts go to the caller's arena
 * Secrets: none
 * Limits:  min and max of each row
 * Spec:    telltale.yaml(5); from these rows come the parser, `config show` and the test that the
 *          page names them all
 */
#ifndef TELLTALE_CONFIG_SETTING_H
#define TELLTALE_CONFIG_SETTING_H

#include <jansson.h>

#include "config/config.h"

enum setting_type {
	SETTING_ADDRESS,     /* struct ipaddr */
	SETTING_PORT,        /* uint16_t */
	SETTING_NUMBER,      /* uint32_t */
	SETTING_FLAG,        /* bool */
	SETTING_TEXT,        /* struct str, from here on */
	SETTING_PATH,        /* made absolute */
	SETTING_FILE,        /* the same, and unless set there is none */
	SETTING_STORE,       /* a URL, the path of sqlite: made absolute */
	SETTING_LISTEN,      /* a list of maps with setting_listen's rows */
	SETTING_CREDENTIALS, /* a list of maps, config/credential.h */
	SETTING_INSTANCES,   /* a list, or a path */
};

enum setting_change { SETTING_RELOAD, SETTING_RESTART };

struct setting {
	struct str name; /* "limits.burst" */
	enum setting_type type;
	enum setting_change change;
	size_t offset; /* in struct config, or struct config_listen */
	const char *unit;
	uint32_t min, max;
	const char *fallback; /* the default as text; NULL: usual(), or none */
	/* The default where it depends on the machine; nothing appended: there is none. */
	int (*usual)(struct buf *ret_text, struct diag *diag);
	bool (*fits)(struct str text);
	const char *must; /* what a text must be when it does not fit */
	const char *flag; /* of the command line; NULL: none */
	const char *help;
};

/* Both end with a row without name. */
extern const struct setting settings[];
extern const struct setting setting_listen[];

/* How many rows there are in settings[]. */
size_t setting_count(void);

/*
 * Take a value's text. file: for relative paths, NULL for the working folder.
 * base  the struct that the row's offset is in.
 * Returns 0, -ENOMEM, -errno, E_SYNTAX, E_RANGE or E_LIMIT; diag is "must be …".
 */
MUST_CHECK int setting_take(const struct setting *row, struct arena *arena, const char *file,
	struct str text, void *base, struct diag *diag);

/*
 * The value as JSON: instances are their number. NULL when out of memory.
 */
json_t *setting_value(const struct setting *row, const void *base);

/*
 * Where the control socket is when nothing is said, as a path; the store and the local copy are found
 * alike. As root /run/telltale and /var/lib/telltale; else $XDG_RUNTIME_DIR/telltale and $XDG_STATE_HOME/telltale,
 * the latter ~/.local/state/telltale when unset and taken for the socket, too, when there is no
 * XDG_RUNTIME_DIR.
 * Returns 0, -ENOMEM, or E_NOTFOUND when the environment does not say where home is.
 */
MUST_CHECK int setting_default_socket(struct buf *ret_path, struct diag *diag);

#endif
