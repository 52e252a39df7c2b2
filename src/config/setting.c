#include "config/setting.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "config/check.h"
#include "config/source.h"
#include "config/store_url.h"
#include "metadata/registry.h"

#define NETWORK_MAX     64
#define USER_MAX        32
#define HOST_MAX        64
#define SOCKET_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path - 1)
#define RATE_MAX        1000000
#define CONNECTIONS_MAX 1000000
#define TIMEOUT_MAX_S   86400

/* --- the rows ---------------------------------------------------------------------------------- */

static bool is_network(struct str text)
{
	return check_word(text) && text.n <= NETWORK_MAX;
}

static bool is_host(struct str text)
{
	return check_word(text) && text.n <= HOST_MAX;
}

static int default_store(struct buf *ret_text, struct diag *diag);
static int default_host(struct buf *ret_text, struct diag *diag);
static int default_copy(struct buf *ret_text, struct diag *diag);

/* A name, or the start of some with "*" behind it, and nowhere else. */
static bool is_interfaces(struct str text)
{
	return check_interface(text) && str_find(text, '*') + 1 >= text.n;
}

/* As ip-netns(8) names them, or a path. */
static bool is_netns(struct str text)
{
	return str_starts(text, STR("/")) ? check_line(text) && text.n < PATH_MAX
					  : check_path_segment(text);
}

static bool is_user(struct str text)
{
	return check_word(text) && text.n <= USER_MAX && str_find(text, ':') == text.n &&
	       str_find(text, '/') == text.n;
}

static bool is_log_level(struct str text)
{
	return check_choice(text, "error|warn|info|debug");
}

#define AT(member)        offsetof(struct config, member)
#define LISTEN_AT(member) offsetof(struct config_listen, member)

const struct setting settings[] = {
	{.name = STR_INIT("listen"),
		.type = SETTING_LISTEN,
		.change = SETTING_RESTART,
		.offset = AT(listen),
		.flag = "--listen",
		.help = "addresses that serve metadata; unless set 127.0.0.1 and ::1, port 1338"},
	{.name = STR_INIT("control.address"),
		.type = SETTING_ADDRESS,
		.change = SETTING_RESTART,
		.offset = AT(control.address),
		.fallback = "127.0.0.1",
		.flag = "--control",
		.help = "address of the AWS protocols, /metrics and /healthz"},
	{.name = STR_INIT("control.port"),
		.type = SETTING_PORT,
		.change = SETTING_RESTART,
		.offset = AT(control.port),
		.max = UINT16_MAX,
		.fallback = "1339",
		.flag = "--control",
		.help = "its port; 0 is any that is free"},
	{.name = STR_INIT("control.socket"),
		.type = SETTING_PATH,
		.change = SETTING_RESTART,
		.offset = AT(control.socket),
		.max = SOCKET_PATH_MAX,
		.usual = setting_default_socket,
		.flag = "--socket",
		.help = "path of the socket that the other commands use"},
	{.name = STR_INIT("control.tls.certificateFile"),
		.type = SETTING_FILE,
		.change = SETTING_RELOAD,
		.offset = AT(control.certificate_file),
		.max = PATH_MAX - 1,
		.help = "certificate of the control address, which speaks TLS then; PEM"},
	{.name = STR_INIT("control.tls.keyFile"),
		.type = SETTING_FILE,
		.change = SETTING_RELOAD,
		.offset = AT(control.key_file),
		.max = PATH_MAX - 1,
		.help = "private key of the certificate; PEM"},
	{.name = STR_INIT("control.insecure"),
		.type = SETTING_FLAG,
		.change = SETTING_RELOAD,
		.offset = AT(control.insecure),
		.fallback = "false",
		.help = "whether the control address may be no loopback one without TLS"},
	{.name = STR_INIT("control.credentials"),
		.type = SETTING_CREDENTIALS,
		.change = SETTING_RELOAD,
		.offset = AT(control.credentials),
		.help = "who may use the AWS protocols, and which of their actions"},
	{.name = STR_INIT("user"),
		.type = SETTING_TEXT,
		.change = SETTING_RESTART,
		.offset = AT(user),
		.fits = is_user,
		.must = "the name of a user",
		.help = "who a daemon started as root becomes; unless set it stays root"},
	{.name = STR_INIT("store"),
		.type = SETTING_STORE,
		.change = SETTING_RESTART,
		.offset = AT(store),
		.usual = default_store,
		.flag = "--store",
		.help = "where instances and secrets are kept, sqlite:PATH or postgresql://…"},
	{.name = STR_INIT("storeReplica"),
		.type = SETTING_STORE,
		.change = SETTING_RESTART,
		.offset = AT(replica),
		.fits = store_url_is_fleet,
		.must = "postgresql://…",
		.help = "a replica of the fleet's database, for lists, records and metrics"},
	{.name = STR_INIT("host"),
		.type = SETTING_TEXT,
		.change = SETTING_RESTART,
		.offset = AT(host),
		.usual = default_host,
		.fits = is_host,
		.must = "a name of up to 64 letters, digits, '.', '-' and '_'",
		.help = "which of a fleet's hosts this is; unless set the machine's name"},
	{.name = STR_INIT("localCopy"),
		.type = SETTING_PATH,
		.change = SETTING_RESTART,
		.offset = AT(local_copy),
		.max = PATH_MAX - 1,
		.usual = default_copy,
		.help = "file that this host starts from while the fleet's database is away"},
	{.name = STR_INIT("region"),
		.type = SETTING_TEXT,
		.change = SETTING_RESTART,
		.offset = AT(region),
		.fallback = "us-east-1",
		.fits = check_region,
		.must = "a region such as us-east-1",
		.help = "region of all instances"},
	{.name = STR_INIT("accountId"),
		.type = SETTING_TEXT,
		.change = SETTING_RESTART,
		.offset = AT(account_id),
		.fallback = "123456789012",
		.fits = check_account,
		.must = "12 digits",
		.help = "account that the instances belong to"},
	{.name = STR_INIT("limits.requestsPerSecond"),
		.type = SETTING_NUMBER,
		.change = SETTING_RELOAD,
		.offset = AT(limits.requests_per_second),
		.unit = "1/s",
		.max = RATE_MAX,
		.fallback = "0",
		.help = "requests of one instance, in the long run; 0 is not limited"},
	{.name = STR_INIT("limits.burst"),
		.type = SETTING_NUMBER,
		.change = SETTING_RELOAD,
		.offset = AT(limits.burst),
		.unit = "requests",
		.max = RATE_MAX,
		.fallback = "0",
		.help = "requests of one instance at once; 0 is twice requestsPerSecond"},
	{.name = STR_INIT("limits.connectionsPerInstance"),
		.type = SETTING_NUMBER,
		.change = SETTING_RELOAD,
		.offset = AT(limits.connections_per_instance),
		.unit = "connections",
		.min = 1,
		.max = CONNECTIONS_MAX,
		.fallback = "1024",
		.help = "open connections of one instance"},
	{.name = STR_INIT("limits.headerTimeoutSeconds"),
		.type = SETTING_NUMBER,
		.change = SETTING_RELOAD,
		.offset = AT(limits.header_timeout_s),
		.unit = "s",
		.min = 1,
		.max = TIMEOUT_MAX_S,
		.fallback = "10",
		.help = "time for the head of a request"},
	{.name = STR_INIT("limits.idleTimeoutSeconds"),
		.type = SETTING_NUMBER,
		.change = SETTING_RELOAD,
		.offset = AT(limits.idle_timeout_s),
		.unit = "s",
		.min = 1,
		.max = TIMEOUT_MAX_S,
		.fallback = "60",
		.help = "time between two requests of a connection"},
	{.name = STR_INIT("limits.requestTimeoutSeconds"),
		.type = SETTING_NUMBER,
		.change = SETTING_RELOAD,
		.offset = AT(limits.request_timeout_s),
		.unit = "s",
		.min = 1,
		.max = TIMEOUT_MAX_S,
		.fallback = "30",
		.help = "time from the first byte of a request until its reply is sent"},
	{.name = STR_INIT("workers"),
		.type = SETTING_NUMBER,
		.change = SETTING_RESTART,
		.offset = AT(workers),
		.unit = "threads",
		.max = REGISTRY_WORKERS_MAX,
		.fallback = "0",
		.flag = "--workers",
		.help = "threads that serve metadata; 0 is one a core"},
	{.name = STR_INIT("metrics.perInstance"),
		.type = SETTING_FLAG,
		.change = SETTING_RELOAD,
		.offset = AT(metrics_per_instance),
		.fallback = "false",
		.help = "whether metrics have an instance label"},
	{.name = STR_INIT("logLevel"),
		.type = SETTING_TEXT,
		.change = SETTING_RELOAD,
		.offset = AT(log_level),
		.fallback = "info",
		.fits = is_log_level,
		.must = "error, warn, info or debug",
		.flag = "--log-level",
		.help = "error, warn, info or debug"},
	{.name = STR_INIT("instances"),
		.type = SETTING_INSTANCES,
		.change = SETTING_RELOAD,
		.offset = AT(instances),
		.flag = "--instances",
		.help = "the instances, or the path of a file or folder with them"},
	{.name = {NULL, 0}},
};

const struct setting setting_listen[] = {
	{.name = STR_INIT("address"),
		.type = SETTING_ADDRESS,
		.change = SETTING_RESTART,
		.offset = LISTEN_AT(address),
		.help = "IPv4 or IPv6 address"},
	{.name = STR_INIT("port"),
		.type = SETTING_PORT,
		.change = SETTING_RESTART,
		.offset = LISTEN_AT(port),
		.max = UINT16_MAX,
		.fallback = "1338",
		.help = "port; 0 is any that is free"},
	{.name = STR_INIT("interface"),
		.type = SETTING_TEXT,
		.change = SETTING_RESTART,
		.offset = LISTEN_AT(interface),
		.fits = is_interfaces,
		.must = "the name of an interface, or the start of several and *",
		.help = "only what comes in there; a listener comes and goes with its interface"},
	{.name = STR_INIT("network"),
		.type = SETTING_TEXT,
		.change = SETTING_RESTART,
		.offset = LISTEN_AT(network),
		.fits = is_network,
		.must = "a word without spaces, up to 64 bytes",
		.help = "the network that callers belong to, as in an instance's match"},
	{.name = STR_INIT("netns"),
		.type = SETTING_TEXT,
		.change = SETTING_RESTART,
		.offset = LISTEN_AT(netns),
		.fits = is_netns,
		.must = "the name of a network namespace, or an absolute path",
		.help = "network namespace to listen in, and to look for interfaces"},
	{.name = STR_INIT("setUp"),
		.type = SETTING_FLAG,
		.change = SETTING_RESTART,
		.offset = LISTEN_AT(set_up),
		.fallback = "false",
		.help = "whether to give the address to the interface, and take it away at the end"},
	{.name = {NULL, 0}},
};

size_t setting_count(void)
{
	return sizeof settings / sizeof settings[0] - 1;
}

/* --- from text --------------------------------------------------------------------------------- */

static int keep(struct arena *arena, struct str text, struct str *ret_text)
{
	struct str copy = arena_str(arena, text);
	if (!copy.p) {
		return -ENOMEM;
	}
	*ret_text = copy;
	return 0;
}

static int take_number(
	const struct setting *row, struct str text, uint32_t *ret_number, struct diag *diag)
{
	uint64_t number;
	int rc = str_to_u64(text, &number);
	if (rc == 0 && (number < row->min || number > row->max)) {
		rc = E_RANGE;
	}
	if (rc < 0) {
		return diag_set(diag, rc, "must be a number from %u to %u", row->min, row->max);
	}
	*ret_number = (uint32_t)number;
	return 0;
}

static int take_flag(struct str text, bool *ret_flag, struct diag *diag)
{
	bool yes = str_eq(text, STR("true"));
	if (!yes && !str_eq(text, STR("false"))) {
		return diag_set(diag, E_SYNTAX, "must be true or false");
	}
	*ret_flag = yes;
	return 0;
}

static int take_text(const struct setting *row, struct arena *arena, struct str text,
	struct str *ret_text, struct diag *diag)
{
	if (!row->fits(text)) {
		return diag_set(diag, E_SYNTAX, "must be %s", row->must);
	}
	return keep(arena, text, ret_text);
}

static int resolve(const char *file, struct str path, struct buf *out, struct diag *diag)
{
	int rc = source_resolve(file, path, out);
	return rc < 0 && rc != -ENOMEM ? diag_set(diag, rc, "working folder: %s", result_name(rc))
				       : rc;
}

static int take_path(const struct setting *row, struct arena *arena, const char *file,
	struct str text, struct str *ret_text, struct diag *diag)
{
	CLEANUP(buf_done) struct buf path = BUF_EMPTY;
	if (text.n == 0 || !check_line(text)) {
		return diag_set(diag, E_SYNTAX, "must be a path");
	}
	TRY(resolve(file, text, &path, diag));
	if (path.n > row->max) {
		return diag_set(diag, E_LIMIT, "must be a path of up to %u bytes", row->max);
	}
	return keep(arena, buf_str(&path), ret_text);
}

/*
 * sqlite:PATH, sqlite://PATH; three slashes are an absolute path. What libpq understands is left to it, but
 * it must be a URL.
 */
static int take_store(const struct setting *row, struct arena *arena, const char *file,
	struct str text, struct str *ret_text, struct diag *diag)
{
	CLEANUP(buf_done) struct buf url = BUF_EMPTY;
	struct str path = text;
	if (row->fits && !row->fits(text)) {
		return diag_set(diag, E_SYNTAX, "must be %s", row->must);
	}
	if (store_url_is_fleet(text) && check_line(text)) {
		return keep(arena, text, ret_text);
	}
	if (str_starts(text, STR("sqlite:"))) {
		path = str_from(text, sizeof "sqlite:" - 1);
		path = str_starts(path, STR("//")) ? str_from(path, 2) : path;
	}
	if (path.p == text.p || path.n == 0 || !check_line(path)) {
		return diag_set(diag, E_SYNTAX, "must be sqlite:PATH or postgresql://…");
	}
	buf_add(&url, STR("sqlite://"));
	TRY(resolve(file, path, &url, diag));
	return keep(arena, buf_str(&url), ret_text);
}

int setting_take(const struct setting *row, struct arena *arena, const char *file, struct str text,
	void *base, struct diag *diag)
{
	void *at = (char *)base + row->offset;
	uint32_t number = 0;
	switch (row->type) {
	case SETTING_ADDRESS:
		return ipaddr_parse(text, at) < 0
			       ? diag_set(diag, E_SYNTAX, "must be an IPv4 or IPv6 address")
			       : 0;
	case SETTING_PORT:
		TRY(take_number(row, text, &number, diag));
		*(uint16_t *)at = (uint16_t)number;
		return 0;
	case SETTING_NUMBER:
		return take_number(row, text, at, diag);
	case SETTING_FLAG:
		return take_flag(text, at, diag);
	case SETTING_TEXT:
		return take_text(row, arena, text, at, diag);
	case SETTING_PATH:
	case SETTING_FILE:
		return take_path(row, arena, file, text, at, diag);
	case SETTING_STORE:
		return take_store(row, arena, file, text, at, diag);
	case SETTING_LISTEN:
	case SETTING_CREDENTIALS:
	case SETTING_INSTANCES:
		break;
	}
	return diag_set(diag, E_SYNTAX, "must be a list");
}

/* --- to JSON ----------------------------------------------------------------------------------- */

static json_t *address_json(const struct ipaddr *address)
{
	char text[IPADDR_TEXT_BYTES];
	ipaddr_format(address, text);
	return json_string_nocheck(text);
}

/* Texts have been through check_line(), but a folder's name may be anything. */
static json_t *text_json(struct str text)
{
	json_t *json = json_from_str(text);
	return json ? json : json_string("?");
}

static json_t *listen_json(const struct config_listen *listen)
{
	json_t *object = json_object();
	for (const struct setting *row = setting_listen; row->name.n; row++) {
		const void *at = (const char *)listen + row->offset;
		if ((row->type == SETTING_TEXT && ((const struct str *)at)->n == 0) ||
			(row->type == SETTING_FLAG && !*(const bool *)at)) {
			continue;
		}
		if (json_object_set_new(object, row->name.p, setting_value(row, listen)) != 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *listeners_json(const struct config *config)
{
	json_t *list = json_array();
	for (size_t i = 0; i < config->n_listen; i++) {
		if (json_array_append_new(list, listen_json(&config->listen[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* Without the password that a URL may have. */
static json_t *store_json(struct str url)
{
	CLEANUP(buf_done) struct buf shown = BUF_EMPTY;
	store_url_show(url, &shown);
	return buf_status(&shown) < 0 ? NULL : text_json(buf_str(&shown));
}

json_t *setting_value(const struct setting *row, const void *base)
{
	const void *at = (const char *)base + row->offset;
	switch (row->type) {
	case SETTING_ADDRESS:
		return address_json(at);
	case SETTING_PORT:
		return json_integer(*(const uint16_t *)at);
	case SETTING_NUMBER:
		return json_integer(*(const uint32_t *)at);
	case SETTING_FLAG:
		return json_boolean(*(const bool *)at);
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_FILE:
		return text_json(*(const struct str *)at);
	case SETTING_STORE:
		return store_json(*(const struct str *)at);
	case SETTING_LISTEN:
		return listeners_json(base);
	case SETTING_CREDENTIALS:
		return credential_json(((const struct config *)base)->control.credentials,
			((const struct config *)base)->control.n_credentials);
	case SETTING_INSTANCES:
		return json_integer((json_int_t)((const struct config *)base)->n_instances);
	}
	return NULL;
}

/* --- where things are when nothing is said ----------------------------------------------------- */

/* A folder that the environment names; as the XDG specification has it, a relative one is none. */
static bool folder_of(const char *variable, const char *below, struct buf *out)
{
	const char *folder = getenv(variable);
	if (!folder || folder[0] != '/') {
		return false;
	}
	buf_add(out, str_of(folder));
	buf_add(out, str_of(below));
	return true;
}

static int state_folder(struct buf *out, struct diag *diag)
{
	if (geteuid() == 0) {
		buf_add(out, STR("/var/lib"));
		return 0;
	}
	if (folder_of("XDG_STATE_HOME", "", out) || folder_of("HOME", "/.local/state", out)) {
		return 0;
	}
	return diag_set(diag, E_NOTFOUND, "no default, as HOME is not set; set it");
}

int setting_default_socket(struct buf *ret_path, struct diag *diag)
{
	if (geteuid() == 0) {
		buf_add(ret_path, STR("/run"));
	} else if (!folder_of("XDG_RUNTIME_DIR", "", ret_path)) {
		TRY(state_folder(ret_path, diag));
	}
	buf_add(ret_path, STR("/telltale/control.sock"));
	return buf_status(ret_path);
}

static int default_store(struct buf *ret_text, struct diag *diag)
{
	buf_add(ret_text, STR("sqlite://"));
	TRY(state_folder(ret_text, diag));
	buf_add(ret_text, STR("/telltale/telltale.db"));
	return buf_status(ret_text);
}

/* Only a fleet's hosts need it: who has no home has none. */
static int default_copy(struct buf *ret_text, struct diag *diag)
{
	(void)diag;
	if (state_folder(ret_text, NULL) < 0) {
		return 0;
	}
	buf_add(ret_text, STR("/telltale/copy.db"));
	return buf_status(ret_text);
}

/* Up to the first dot, as domains change; one with a strange name has none here. */
static int default_host(struct buf *ret_text, struct diag *diag)
{
	char name[HOST_NAME_MAX + 1] = "";
	(void)diag;
	(void)gethostname(name, sizeof name - 1); /* it fits: the kernel has no longer ones */
	struct str host = str_of(name);
	host.n = str_find(host, '.');
	if (host.n && is_host(host)) {
		buf_add(ret_text, host);
	}
	return buf_status(ret_text);
}
