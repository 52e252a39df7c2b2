/*
 * config - the daemon's settings: file, command line and defaults in one struct.
 *
 * Layer:   config
 * Threads: immutable once loaded
 * Memory:  config_new gives, config_free takes; lifetime "process"
 * Secrets: control.credentials, wiped by config_free(); control.tls has a private key; specifications in
 *          `instances` may hold a role's key; config_to_json() shows none
 * Limits:  CONFIG_FILE_BYTES, CONFIG_LISTEN_MAX
 * Spec:    telltale.yaml(5); the rows are in config/setting.h
 */
#ifndef TELLTALE_CONFIG_CONFIG_H
#define TELLTALE_CONFIG_CONFIG_H

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/ipaddr.h"
#include "config/credential.h"
#include "config/files.h"
#include "platform/tls.h"

#define CONFIG_FILE_BYTES ((size_t)256 * 1024 * 1024)
#define CONFIG_LISTEN_MAX 256

struct config_listen {
	struct ipaddr address;
	uint16_t port;
	struct str interface; /* empty: any; "tap*" is every one whose name starts so */
	struct str network;   /* empty: the default network */
	struct str netns; /* network namespace, a name or an absolute path; empty: the daemon's */
	bool set_up;      /* give the address to the interface, or to one of our own */
};

struct config_limits {
	uint32_t requests_per_second;      /* 0: not limited */
	uint32_t burst;                    /* 0: twice requests_per_second */
	uint32_t connections_per_instance; /* 1024 */
	uint32_t header_timeout_s;         /* 10: a request's head is complete by then */
	uint32_t idle_timeout_s;           /* 60: between requests */
	uint32_t request_timeout_s;        /* 30: from its first byte until its reply is sent */
};

struct config_control {
	struct ipaddr address;
	uint16_t port;
	struct str socket;           /* path, absolute; ends in NUL */
	struct str certificate_file; /* for TLS; both empty: none */
	struct str key_file;
	struct tls_context *tls; /* made of them; NULL: none, or config_forget_tls() */
	bool insecure;           /* the address may be any without TLS */
	struct credential *credentials;
	size_t n_credentials;
};

/* Texts end in NUL. */
struct config {
	struct arena arena_;
	const char **sources_; /* of each row of settings[]: where its value comes from */
	const char *file;      /* NULL: none */
	struct config_listen *listen;
	size_t n_listen;
	bool listen_default; /* nothing was said: an address that the machine lacks is no fault */
	struct config_control control;
	struct str store;      /* sqlite://PATH, absolute, or postgresql://… */
	struct str replica;    /* postgresql://… to read from; empty: none */
	struct str host;       /* which of a fleet's; empty: the machine has no fit name */
	struct str local_copy; /* path; empty: there is no usual place */
	struct str user;       /* empty: stays who it is */
	struct str region;
	struct str account_id;
	struct config_limits limits;
	uint32_t workers; /* 0: one a core */
	bool metrics_per_instance;
	struct str log_level; /* error, warn, info, debug */
	json_t *instances;    /* array of specifications (config/spec.h) */
	size_t n_instances;
	struct files files; /* that the instances are in; none when they are in `file` itself */
	bool sample;        /* the only one is the sample */
};

/* What the command line sets over the file; zeroed: nothing. */
struct config_flags {
	const char *file;
	const char *const *listen; /* ADDR:PORT, [ADDR]:PORT */
	size_t n_listen;
	const char *const *instances; /* PATH of a file or folder */
	size_t n_instances;
	const char *control; /* ADDR:PORT */
	const char *socket;  /* PATH */
	const char *store;   /* URL */
	const char *workers;
	const char *log_level;
};

/*
 * Read the file (if any), apply the flags, fill in the defaults. With neither file nor instances the
 * built-in sample instance is there. Defaults depend on root or not (config/setting.h).
 * The files of control.tls are read, and put together, as well.
 * Returns 0, -ENOMEM, -errno, E_SYNTAX, E_RANGE, E_LIMIT, E_EXISTS, E_NOTFOUND, E_CRYPTO or E_DENIED
 * (config_may_listen()), and diag in one line.
 */
MUST_CHECK int config_new(
	const struct config_flags *flags, struct config **ret_config, struct diag *diag);
void config_free(struct config *config);

/*
 * Let go of `instances`, which becomes NULL, once they have been applied: very many take much room.
 * How many there were stays.
 */
void config_forget_instances(struct config *config);

/* Let go of control.tls, which becomes NULL: a key that is in use no more need not stay in memory. */
void config_forget_tls(struct config *config);

/*
 * Whether the control address may be this one: a loopback one, or any with TLS or control.insecure.
 * Returns 0, or E_DENIED with diag.
 */
MUST_CHECK int config_may_listen(
	const struct config *config, const struct ipaddr *address, struct diag *diag);

/*
 * The same with the file's text given. flags->file is its name; when that is NULL the text comes
 * from no file and may name none (config/spec.h).
 */
MUST_CHECK int config_from_text(const struct config_flags *flags, struct str text,
	struct config **ret_config, struct diag *diag);

/*
 * What is in force and from where: {"settings": [{"name": "limits.burst", "value": 400, "source":
 * "file.yaml:12:10" | "default" | "sample" | "--workers", "change": "reload" | "restart", "help":
 * "…"}, …]}, with "unit", "min", "max" and "default" where the row has them, and with "pending" where
 * another value waits for a restart. `instances` is their number. Secrets are not in it. NULL when out of
 * memory.
 * first  what the process started with
 * last   what was read last; the same as first until a reload
 */
json_t *config_to_json(const struct config *first, const struct config *last);

/*
 * What differs from `next` and can only change with a restart: names into diag, ", " between.
 * Returns how many.
 */
size_t config_restart_needed(
	const struct config *config, const struct config *next, struct diag *diag);

/*
 * Where the control socket is when nothing is said, for those who want to reach a daemon.
 * Returns 0, -ENOMEM, or E_NOTFOUND when the environment does not say where home is.
 */
MUST_CHECK int config_default_socket(struct buf *ret_path, struct diag *diag);

/* The sample instance as YAML, and its name. */
#define CONFIG_SAMPLE_NAME "web-1"
struct str config_sample(void);

#endif
