/* Unit tests of config/config.h: settings, their sources, defaults, and what is in force. */
#include "config_help.h"
#include "tls_help.h"

#include <sys/stat.h>

#include "config/config.h"
#include "config/setting.h"
#include "config/spec.h"

#define MAN_PAGE "man/telltale.yaml.5"

/* --- settings ---------------------------------------------------------------------------------- */

#define FAULTS VECTORS "settings-faults.txt"
#define GOOD   VECTORS "settings-good.txt"

static const struct config_flags no_flags;

static void on_fault(const struct config_case *one)
{
	const struct config_flags flags = {.file = FAULTS};
	struct diag diag = {{0}};
	struct config *config = NULL;
	char *want = filled_in(one->result, FAULTS);
	int rc = config_from_text(&flags, one->text, &config, &diag);
	if (rc >= 0 || config || strlen(diag.text) < sizeof FAULTS ||
		strcmp(diag.text + sizeof FAULTS, want) != 0) {
		fail_msg("%.*s: %d \"%s\" instead of \"" FAULTS ":%s\"", STR_FMT(one->name), rc,
			diag.text, want);
	}
	free(want);
	assert_int_equal(config_from_text(&flags, one->text, &config, NULL), rc);
}

static void test_faults_are_named_with_their_place(void **state)
{
	(void)state;
	each_case(FAULTS, on_fault);
}

/* The settings that are not at their default, by name. */
static json_t *said(const struct config *config)
{
	json_t *shown = config_to_json(config, config), *out = json_object();
	size_t i;
	json_t *row;
	assert_non_null(shown);
	json_array_foreach (json_object_get(shown, "settings"), i, row) {
		const char *source = json_string_value(json_object_get(row, "source"));
		if (strcmp(source, "default") != 0) {
			json_object_set(out, json_string_value(json_object_get(row, "name")),
				json_object_get(row, "value"));
		}
	}
	json_decref(shown);
	return out;
}

static void on_good(const struct config_case *one)
{
	const struct config_flags flags = {.file = GOOD};
	struct diag diag = {{0}};
	struct config *config = NULL;
	char *name = str_dup(one->name);
	json_t *want = json_loadb(one->result.p, one->result.n, 0, NULL);
	if (!want || config_from_text(&flags, one->text, &config, &diag) < 0) {
		fail_msg("%s: %s", name, diag.text);
	}
	json_t *have = said(config);
	assert_same_json(name, __LINE__, have, want);
	json_decref(have);
	json_decref(want);
	free(name);
	config_free(config);
}

static void test_right_files_are_accepted(void **state)
{
	(void)state;
	each_case(GOOD, on_good);
}

static void test_a_file_sets_the_struct(void **state)
{
	(void)state;
	static const char text[] =
		"listen: [{address: 127.0.0.1, interface: lo, network: tenant-a, netns: blue,\n"
		"  setUp: true}]\n"
		"control: {address: 127.0.0.2, port: 1, socket: /run/s}\n"
		"user: telltale\nstore: sqlite:/s.db\nregion: eu-north-1\naccountId: 000000000001\n"
		"limits: {requestsPerSecond: 2, burst: 3, connectionsPerInstance: 4,\n"
		"  headerTimeoutSeconds: 5, idleTimeoutSeconds: 6, requestTimeoutSeconds: 7}\n"
		"workers: 8\nmetrics: {perInstance: true}\nlogLevel: warn\n"
		"instances: [{name: web-1}]\n";
	struct config *config = NULL;
	assert_int_equal(config_from_text(&no_flags, str_of(text), &config, NULL), 0);
	assert_int_equal(config->n_listen, 1);
	assert_int_equal(config->listen[0].port, 1338);
	assert_int_equal(config->listen[0].address.b[15], 1);
	assert_string_equal(config->listen[0].interface.p, "lo");
	assert_string_equal(config->listen[0].network.p, "tenant-a");
	assert_string_equal(config->listen[0].netns.p, "blue");
	assert_true(config->listen[0].set_up);
	assert_false(config->listen_default);
	assert_int_equal(config->control.address.b[15], 2);
	assert_int_equal(config->control.port, 1);
	assert_string_equal(config->control.socket.p, "/run/s");
	assert_string_equal(config->user.p, "telltale");
	assert_string_equal(config->store.p, "sqlite:///s.db");
	assert_string_equal(config->region.p, "eu-north-1");
	assert_string_equal(config->account_id.p, "000000000001");
	assert_int_equal(config->limits.requests_per_second, 2);
	assert_int_equal(config->limits.burst, 3);
	assert_int_equal(config->limits.connections_per_instance, 4);
	assert_int_equal(config->limits.header_timeout_s, 5);
	assert_int_equal(config->limits.idle_timeout_s, 6);
	assert_int_equal(config->limits.request_timeout_s, 7);
	assert_int_equal(config->workers, 8);
	assert_true(config->metrics_per_instance);
	assert_string_equal(config->log_level.p, "warn");
	assert_int_equal(json_array_size(config->instances), 1);
	assert_int_equal(config->n_instances, 1);
	assert_false(config->sample);
	config_forget_instances(config);
	assert_null(config->instances);
	assert_int_equal(config->n_instances, 1);
	config_free(config);
	config_free(NULL);
}

/* Numbers and listeners at their limits, and one more. */
static void test_listeners_up_to_their_number(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		CLEANUP(buf_done) struct buf text = BUF_EMPTY;
		struct config *config = NULL;
		buf_add(&text, STR("listen:\n"));
		for (int i = 0; i < CONFIG_LISTEN_MAX + more; i++) {
			buf_add_f(&text, "  - {address: 127.0.0.1, port: %d}\n", i + 1);
		}
		assert_int_equal(config_from_text(&no_flags, buf_str(&text), &config, NULL),
			more ? E_LIMIT : 0);
		config_free(config);
	}
}

static void test_numbers_up_to_their_limits(void **state)
{
	(void)state;
	for (const struct setting *row = settings; row->name.n; row++) {
		if (row->type != SETTING_NUMBER && row->type != SETTING_PORT) {
			continue;
		}
		const int64_t values[] = {
			(int64_t)row->min - 1, row->min, row->max, (int64_t)row->max + 1};
		struct config config = {0};
		for (size_t i = 0; i < 4; i++) {
			char text[32];
			(void)snprintf(text, sizeof text, "%lld", (long long)values[i]);
			int rc = setting_take(
				row, &config.arena_, NULL, str_of(text), &config, NULL);
			assert_int_equal(rc == 0, i == 1 || i == 2);
		}
		arena_done(&config.arena_);
	}
}

/* --- the command line -------------------------------------------------------------------------- */

static void test_flags_go_over_the_file(void **state)
{
	(void)state;
	static const char *const names[] = {"i.yaml", "t.yaml"};
	static const char *const listen[] = {"127.0.0.9:80", "[::1]:0"};
	const char *folder = make_folder();
	char file[PATH_MAX], more[PATH_MAX];
	(void)snprintf(file, sizeof file, "%s/t.yaml", folder);
	(void)snprintf(more, sizeof more, "%s/i.yaml", folder);
	write_file(folder, "i.yaml", "- name: flag-1\n");
	write_file(folder, "t.yaml",
		"listen: [{address: 127.0.0.1}]\nworkers: 3\nregion: eu-west-1\n"
		"control: {socket: s, port: 7}\nstore: sqlite:file.db\nlogLevel: warn\n"
		"instances: [{name: file-1}, {name: not right}]\n");
	const char *const instances[] = {more};
	const struct config_flags flags = {.file = file,
		.listen = listen,
		.n_listen = 2,
		.instances = instances,
		.n_instances = 1,
		.control = "[::1]:9",
		.socket = "/run/flag.sock",
		.store = "sqlite:///flag.db",
		.workers = "5",
		.log_level = "debug"};
	struct diag diag = {{0}};
	struct config *config = NULL;
	if (config_new(&flags, &config, &diag) < 0) {
		fail_msg("%s", diag.text);
	}
	json_t *shown = config_to_json(config, config), *row;
	size_t i;
	char sources[2048] = "";
	json_array_foreach (json_object_get(shown, "settings"), i, row) {
		const char *source = json_string_value(json_object_get(row, "source"));
		size_t n = strlen(sources);
		(void)snprintf(sources + n, sizeof sources - n, "%s=%s\n",
			json_string_value(json_object_get(row, "name")),
			strncmp(source, file, strlen(file)) == 0 ? source + strlen(file) : source);
	}
	assert_string_equal(sources,
		"listen=--listen\ncontrol.address=--control\n"
		"control.port=--control\ncontrol.socket=--socket\n"
		"control.tls.certificateFile=default\ncontrol.tls.keyFile=default\n"
		"control.insecure=default\n"
		"control.credentials=default\nuser=default\nstore=--store\nstoreReplica=default\n"
		"host=default\nlocalCopy=default\nregion=:3:9\n"
		"accountId=default\nlimits.requestsPerSecond=default\n"
		"limits.burst=default\n"
		"limits.connectionsPerInstance=default\n"
		"limits.headerTimeoutSeconds=default\n"
		"limits.idleTimeoutSeconds=default\n"
		"limits.requestTimeoutSeconds=default\n"
		"workers=--workers\nmetrics.perInstance=default\n"
		"logLevel=--log-level\ninstances=--instances\n");
	json_decref(shown);
	json_t *have = said(config);
	json_t *want = json_of("{'listen':[{'address':'127.0.0.9','port':80},"
			       "{'address':'::1','port':0}],'control.address':'::1',"
			       "'control.port':9,'control.socket':'/run/flag.sock',"
			       "'store':'sqlite:///flag.db','region':'eu-west-1','workers':5,"
			       "'logLevel':'debug','instances':1}");
	assert_same_json("flags", __LINE__, have, want);
	json_decref(have);
	json_decref(want);
	config_free(config);
	remove_folder(folder, names, 2);
}

static void test_flags_that_are_wrong(void **state)
{
	(void)state;
	static const char *const none[] = {"/nonexistent"};
	static const struct {
		int line;
		const char *endpoint;
		struct config_flags flags;
		const char *diag;
	} cases[] = {
		{__LINE__, "127.0.0.1", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "127.0.0.1:", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "127.0.0.1:65536", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "127.0.0.1:x", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, ":80", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "::1:80", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "[::1]", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "[]:80", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "[127.0.0.1]:80", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, "localhost:80", {0}, "must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, NULL, {.control = "1339"},
			"--control 1339: must be ADDRESS:PORT or [ADDRESS]:PORT"},
		{__LINE__, NULL, {.control = "0.0.0.0:1339"},
			"--control: control.address: 0.0.0.0 is no loopback address: set "
			"control.tls, or control.insecure: true to do without TLS"},
		{__LINE__, NULL, {.workers = "65"}, "--workers 65: must be a number from 0 to 64"},
		{__LINE__, NULL, {.workers = ""}, "--workers : must be a number from 0 to 64"},
		{__LINE__, NULL, {.store = "/x.db"},
			"--store /x.db: must be sqlite:PATH or postgresql://…"},
		{__LINE__, NULL, {.socket = ""}, "--socket : must be a path"},
		{__LINE__, NULL, {.log_level = "loud"},
			"--log-level loud: must be error, warn, info or debug"},
		{__LINE__, NULL, {.file = "/nonexistent"},
			"/nonexistent: No such file or directory"},
		{__LINE__, NULL, {.instances = none, .n_instances = 1},
			"/nonexistent: No such file or directory"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct config_flags flags = cases[i].flags;
		char want[256];
		struct diag diag = {{0}};
		struct config *config = NULL;
		(void)snprintf(want, sizeof want, "%s", cases[i].diag);
		if (cases[i].endpoint) {
			flags.listen = &cases[i].endpoint;
			flags.n_listen = 1;
			(void)snprintf(want, sizeof want, "--listen %s: %s", cases[i].endpoint,
				cases[i].diag);
		}
		int rc = config_new(&flags, &config, &diag);
		if (rc >= 0 || config || strcmp(diag.text, want) != 0) {
			fail_msg("line %d: %d %s", cases[i].line, rc, diag.text);
		}
	}
}

static void test_the_same_listener_twice(void **state)
{
	(void)state;
	static const char *const listen[] = {"127.0.0.1:80", "[::1]:80", "127.0.0.1:80"};
	struct config_flags flags = {.listen = listen, .n_listen = 3};
	struct diag diag = {{0}};
	struct config *config = NULL;
	assert_int_equal(config_new(&flags, &config, &diag), E_EXISTS);
	assert_string_equal(diag.text, "--listen 127.0.0.1:80: is there twice");
}

/* --- defaults ---------------------------------------------------------------------------------- */

static void test_nothing_said_is_the_sample(void **state)
{
	(void)state;
	struct diag diag = {{0}};
	struct config *config = NULL;
	assert_int_equal(config_new(&no_flags, &config, &diag), 0);
	assert_null(config->file);
	assert_int_equal(config->n_listen, 2);
	assert_true(config->listen_default);
	assert_true(ipaddr_is_v4(&config->listen[0].address));
	assert_false(ipaddr_is_v4(&config->listen[1].address));
	assert_int_equal(config->listen[1].port, 1338);
	assert_int_equal(config->control.port, 1339);
	assert_string_equal(config->region.p, "us-east-1");
	assert_string_equal(config->account_id.p, "123456789012");
	assert_int_equal(config->limits.requests_per_second, 0);
	assert_int_equal(config->limits.burst, 0);
	assert_int_equal(config->limits.connections_per_instance, 1024);
	assert_int_equal(config->limits.header_timeout_s, 10);
	assert_int_equal(config->limits.idle_timeout_s, 60);
	assert_int_equal(config->limits.request_timeout_s, 30);
	assert_int_equal(config->workers, 0);
	assert_int_equal(config->user.n, 0);
	assert_string_equal(config->log_level.p, "info");
	assert_true(config->sample);
	json_t *have = said(config), *want = json_of("{'instances':1}");
	assert_same_json("sample", __LINE__, have, want);
	json_decref(have);
	json_decref(want);
	const json_t *one = json_array_get(config->instances, 0);
	assert_string_equal(json_string_value(json_object_get(one, "name")), "web-1");
	want = json_of("{'httpProtocolIpv6':'enabled'}");
	assert_same_json("options", __LINE__, json_object_get(one, "metadataOptions"), want);
	json_decref(want);
	config_free(config);
}

/* A file without instances has none, and so has a text. */
static void test_a_file_has_no_sample(void **state)
{
	(void)state;
	struct config *config = NULL;
	assert_int_equal(config_from_text(&no_flags, STR(""), &config, NULL), 0);
	assert_int_equal(json_array_size(config->instances), 0);
	assert_false(config->sample);
	config_free(config);
}

static void test_the_sample_is_a_file_of_instances(void **state)
{
	(void)state;
	json_t *specs = NULL;
	struct config *config = NULL;
	assert_int_equal(spec_from_text(config_sample(), NULL, &specs, NULL), 0);
	assert_int_equal(config_from_text(&no_flags, config_sample(), &config, NULL), 0);
	assert_same_json("sample", __LINE__, config->instances, specs);
	config_free(config);
	json_decref(specs);
}

static void set_or_unset(const char *name, const char *value)
{
	assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

/* Paths of a user that is not root, by what the environment says. */
static void test_paths_when_nothing_is_said(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *home, *state, *runtime, *socket, *store;
	} cases[] = {
		{__LINE__, "/h", NULL, "/r", "/r/telltale/control.sock",
			"/h/.local/state/telltale/telltale.db"},
		{__LINE__, "/h", "/s", "/r", "/r/telltale/control.sock", "/s/telltale/telltale.db"},
		{__LINE__, "/h", "/s", NULL, "/s/telltale/control.sock", "/s/telltale/telltale.db"},
		{__LINE__, "/h", NULL, NULL, "/h/.local/state/telltale/control.sock",
			"/h/.local/state/telltale/telltale.db"},
		{__LINE__, "/h", "", "", "/h/.local/state/telltale/control.sock",
			"/h/.local/state/telltale/telltale.db"},
		{__LINE__, "/h", "relative", "relative", "/h/.local/state/telltale/control.sock",
			"/h/.local/state/telltale/telltale.db"},
		{__LINE__, NULL, "/s", NULL, "/s/telltale/control.sock", "/s/telltale/telltale.db"},
		{__LINE__, NULL, NULL, NULL, NULL, NULL},
	};
	static const char *const names[] = {"HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"};
	char *kept[3];
	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);
		kept[i] = value ? strdup(value) : NULL;
	}
	bool root = geteuid() == 0;
	if (root) {
		struct config *config = NULL;
		assert_int_equal(config_from_text(&no_flags, STR("{}"), &config, NULL), 0);
		assert_string_equal(config->control.socket.p, "/run/telltale/control.sock");
		assert_string_equal(config->store.p, "sqlite:///var/lib/telltale/telltale.db");
		assert_string_equal(config->local_copy.p, "/var/lib/telltale/copy.db");
		config_free(config);
		assert_int_equal(seteuid(65534), 0);
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct diag diag = {{0}};
		struct config *config = NULL;
		set_or_unset("HOME", cases[i].home);
		set_or_unset("XDG_STATE_HOME", cases[i].state);
		set_or_unset("XDG_RUNTIME_DIR", cases[i].runtime);
		int rc = config_from_text(&no_flags, STR("{}"), &config, &diag);
		if (!cases[i].socket) {
			assert_int_equal(rc, E_NOTFOUND);
			assert_string_equal(diag.text,
				"control.socket: no default, as HOME is not set; set it");
		} else if (rc < 0 || strcmp(config->control.socket.p, cases[i].socket) != 0 ||
			   strcmp(config->store.p + sizeof "sqlite://" - 1, cases[i].store) != 0) {
			fail_msg("line %d: %s", cases[i].line, diag.text);
		} else {
			/* Beside the store. */
			size_t n = strlen(cases[i].store) - strlen("telltale.db");
			assert_memory_equal(config->local_copy.p, cases[i].store, n);
			assert_string_equal(config->local_copy.p + n, "copy.db");
		}
		config_free(config);
	}
	if (root) {
		assert_int_equal(seteuid(0), 0);
	}
	for (size_t i = 0; i < 3; i++) {
		set_or_unset(names[i], kept[i]);
		free(kept[i]);
	}
}

static void test_a_hosts_name(void **state)
{
	(void)state;
	struct diag diag = {{0}};
	struct config *config = NULL;
	char name[HOST_NAME_MAX + 1] = "", text[96];
	assert_int_equal(gethostname(name, sizeof name - 1), 0);
	assert_int_equal(config_from_text(&no_flags, STR("{}"), &config, &diag), 0);
	if (config->host.n) {
		assert_true(str_eq(config->host, (struct str){name, strcspn(name, ".")}));
	}
	config_free(config);
	for (int n = 64; n <= 65; n++) {
		config = NULL;
		(void)snprintf(text, sizeof text, "host: %0*d", n, 0);
		text[sizeof "host: " - 1] = 'h';
		int rc = config_from_text(&no_flags, str_of(text), &config, &diag);
		assert_int_equal(rc == 0, n == 64);
		assert_int_equal(config ? config->host.n : 0, n == 64 ? 64 : 0);
		config_free(config);
	}
	assert_non_null(strstr(diag.text, "up to 64 letters"));
}

static void test_paths_in_a_file_are_relative_to_it(void **state)
{
	(void)state;
	static const char *const names[] = {"i/b.yaml", "i/a.json", "i", "t.yaml"};
	static const char *const stores[] = {"sqlite:s/x.db", "sqlite://s/x.db"};
	const char *folder = make_folder();
	char path[PATH_MAX], want[PATH_MAX + 32];
	(void)snprintf(path, sizeof path, "%s/i", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file(folder, "i/b.yaml", "name: bb\n");
	write_file(folder, "i/a.json", "[{\"name\": \"aa\"}]\n");
	for (size_t i = 0; i < 2; i++) {
		char text[256];
		struct config *config = NULL;
		struct diag diag = {{0}};
		(void)snprintf(text, sizeof text,
			"store: %s\ncontrol: {socket: c.sock}\ninstances: i\n", stores[i]);
		const struct config_flags flags = {.file = write_file(folder, "t.yaml", text)};
		if (config_new(&flags, &config, &diag) < 0) {
			fail_msg("%s", diag.text);
		}
		(void)snprintf(want, sizeof want, "sqlite://%s/s/x.db", folder);
		assert_string_equal(config->store.p, want);
		(void)snprintf(want, sizeof want, "%s/c.sock", folder);
		assert_string_equal(config->control.socket.p, want);
		json_t *specs = json_of("[{'name':'aa'},{'name':'bb'}]");
		assert_same_json("instances", __LINE__, config->instances, specs);
		json_decref(specs);
		config_free(config);
	}
	/* What is wrong in the other file is told with its place there. */
	write_file(folder, "i/b.yaml", "nam: bb\n");
	const struct config_flags flags = {
		.file = write_file(folder, "t.yaml", "instances: i/b.yaml\n")};
	struct config *config = NULL;
	struct diag diag = {{0}};
	assert_int_equal(config_new(&flags, &config, &diag), E_SYNTAX);
	(void)snprintf(want, sizeof want,
		"%s/i/b.yaml:1:1: unknown key \"nam\"; did you mean \"name\"?", folder);
	assert_string_equal(diag.text, want);
	remove_folder(folder, names, 4);
}

static void test_a_text_without_a_file_names_none(void **state)
{
	(void)state;
	struct config *config = NULL;
	struct diag diag = {{0}};
	assert_int_equal(
		config_from_text(&no_flags, STR("instances: /etc\n"), &config, &diag), E_SYNTAX);
	assert_string_equal(diag.text, "1:12: instances: only a file may name a file");
}

/* --- what is in force -------------------------------------------------------------------------- */

static void test_what_is_shown(void **state)
{
	(void)state;
	static const char text[] =
		"limits: {burst: 7}\n"
		"control: {credentials: [{accessKeyId: KEY1, secretAccessKey: geheim, allow: [\"*\"]}]}\n"
		"instances: [{name: web-1, role: {name: R, credentials: {accessKeyId: AKID,"
		" secretAccessKey: geheim, token: geheim}}}]\n";
	struct config *config = NULL;
	assert_int_equal(config_from_text(&no_flags, str_of(text), &config, NULL), 0);
	json_t *shown = config_to_json(config, config), *row;
	char *dumped = json_dumps(shown, 0);
	assert_null(strstr(dumped, "geheim"));
	assert_null(strstr(dumped, "AKID"));
	assert_non_null(strstr(dumped, "[{\"accessKeyId\": \"KEY1\", \"allow\": [\"*\"]}]"));
	free(dumped);
	size_t i, n = 0;
	json_array_foreach (json_object_get(shown, "settings"), i, row) {
		static const char *const texts[] = {"name", "source", "change", "help"};
		for (size_t t = 0; t < 4; t++) {
			assert_true(json_string_length(json_object_get(row, texts[t])) > 0);
		}
		assert_non_null(json_object_get(row, "value"));
		if (strcmp(json_string_value(json_object_get(row, "name")), "limits.burst") == 0) {
			json_t *want = json_of("{'name':'limits.burst','value':7,'source':'1:17',"
					       "'change':'reload','unit':'requests','min':0,"
					       "'max':1000000,'default':'0'}");
			json_object_del(row, "help");
			assert_same_json("row", __LINE__, row, want);
			json_decref(want);
			n++;
		}
	}
	assert_int_equal(n, 1);
	assert_int_equal(i, setting_count());
	json_decref(shown);
	config_free(config);
}

static void test_what_needs_a_restart(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *old, *new, *names;
	} cases[] = {
		{__LINE__, "{}", "{}", ""},
		{__LINE__, "{}", "region: us-east-1\nworkers: 0\n", ""},
		{__LINE__, "{}", "limits: {burst: 1}\nlogLevel: debug\ninstances: [{name: aa}]\n",
			""},
		{__LINE__, "{}", "metrics: {perInstance: true}\n", ""},
		{__LINE__, "{}", "region: us-west-2\n", "region"},
		{__LINE__, "workers: 1\n", "workers: 2\nuser: x\nlimits: {burst: 2}\n",
			"user, workers"},
		{__LINE__, "listen: [{address: 127.0.0.1}]\n",
			"listen: [{address: 127.0.0.1, port: 1338}]\n", ""},
		{__LINE__, "listen: [{address: 127.0.0.1}]\n",
			"listen: [{address: 127.0.0.1, network: n}]\n", "listen"},
		{__LINE__, "control: {port: 1}\n", "control: {address: \"::1\"}\n",
			"control.address, control.port"},
		{__LINE__, "store: sqlite:/a\n", "store: sqlite:/b\n", "store"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct config *old = NULL, *new = NULL;
		struct diag diag = {{0}};
		assert_int_equal(config_from_text(&no_flags, str_of(cases[i].old), &old, NULL), 0);
		assert_int_equal(config_from_text(&no_flags, str_of(cases[i].new), &new, NULL), 0);
		size_t n = config_restart_needed(old, new, &diag), commas = 0;
		for (const char *c = diag.text; *c; c++) {
			commas += *c == ',';
		}
		if (strcmp(diag.text, cases[i].names) != 0 ||
			n != commas + (cases[i].names[0] != '\0')) {
			fail_msg("line %d: %zu %s", cases[i].line, n, diag.text);
		}
		config_free(old);
		config_free(new);
	}
}

/* --- the manual page --------------------------------------------------------------------------- */

static int in_man_page(void *ctx, struct str name)
{
	const struct buf *page = ctx;
	struct str last = name;
	for (size_t dot = str_find(last, '.'); dot < last.n; dot = str_find(last, '.')) {
		last = str_from(last, dot + 1);
	}
	char *key = str_dup(last);
	bool found = false;
	for (const char *at = page->p; (at = strstr(at, key)) != NULL; at++) {
		char after = at[strlen(key)];
		if (at > page->p && (at[-1] == ' ' || at[-1] == '.') &&
			(after == '\n' || after == ' ' || after == '.' || after == ':')) {
			found = true;
			break;
		}
	}
	if (!found) {
		fail_msg(MAN_PAGE " does not have %.*s", STR_FMT(name));
	}
	free(key);
	return 0;
}

static void test_the_manual_page_has_every_name(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf page = BUF_EMPTY;
	read_whole(MAN_PAGE, &page);
	buf_add_char(&page, '\0');
	assert_int_equal(buf_status(&page), 0);
	for (const struct setting *row = settings; row->name.n; row++) {
		in_man_page(&page, row->name);
	}
	for (const struct setting *row = setting_listen; row->name.n; row++) {
		in_man_page(&page, row->name);
	}
	assert_int_equal(credential_each_name(in_man_page, &page), 0);
	assert_int_equal(spec_each_name(in_man_page, &page), 0);
}

/* --- memory that runs out ---------------------------------------------------------------------- */

static int load_everything(struct diag *diag)
{
	static const char *const listen[] = {"127.0.0.1:80"};
	const struct config_flags flags = {.file = VECTORS "x.yaml",
		.listen = listen,
		.n_listen = 1,
		.workers = "1",
		.socket = "/run/s"};
	struct config *config = NULL;
	int rc = config_from_text(&flags,
		STR("listen: [{address: 127.0.0.1, interface: lo}]\nstore: sqlite:x.db\n"
		    "control: {credentials: [{accessKeyId: AKID, secretAccessKeyFile: "
		    "secret.key, allow: [\"*\", \"ec2:*\"]}]}\n"
		    "limits: {burst: 1}\ninstances:\n  - {name: web-1}\n  - {name: web-2}\n"),
		&config, diag);
	assert_true((rc == 0) == (config != NULL));
	config_free(config);
	return rc;
}

static int load_sample(struct diag *diag)
{
	struct config *config = NULL;
	int rc = config_new(&no_flags, &config, diag);
	assert_true((rc == 0) == (config != NULL));
	config_free(config);
	return rc;
}

static int show(struct diag *diag)
{
	long left = allocations_left;
	struct config *config = NULL;
	allocations_left = LONG_MAX;
	assert_int_equal(config_from_text(&no_flags, STR("{}"), &config, NULL), 0);
	allocations_left = left;
	json_t *shown = config_to_json(config, config);
	allocations_left = LONG_MAX;
	config_free(config);
	bool done = shown != NULL;
	json_decref(shown);
	return done ? 0 : diag_set(diag, -ENOMEM, "no memory");
}

static void test_every_allocation_fails_once(void **state)
{
	(void)state;
	each_allocation_fails(load_everything);
	each_allocation_fails(load_sample);
	each_allocation_fails(show);
}

/* --- control.tls ------------------------------------------------------------------------------- */

static void write_buf(const char *folder, const char *name, const struct buf *text)
{
	CLEANUP(buf_done) struct buf copy = BUF_EMPTY;
	buf_add(&copy, buf_str(text));
	buf_add_char(&copy, '\0');
	assert_int_equal(buf_status(&copy), 0);
	(void)write_file(folder, name, copy.p);
}

static const char *secure_file;

static int load_secure(struct diag *diag)
{
	const struct config_flags flags = {.file = secure_file, .socket = "/run/s"};
	struct config *config = NULL;
	int rc = config_new(&flags, &config, diag);
	assert_true((rc == 0) == (config != NULL));
	config_free(config);
	return rc;
}

static void test_certificates(void **state)
{
	(void)state;
	static const char *const names[] = {"a.pem", "a.key", "b.key", "t.yaml"};
	const char *folder = make_folder();
	struct tls_pair a = tls_pair_make("a"), b = tls_pair_make("b");
	char file[PATH_MAX], want[PATH_MAX * 2];
	struct diag diag = {{0}};
	struct config *config = NULL;
	(void)snprintf(file, sizeof file, "%s/t.yaml", folder);
	const struct config_flags flags = {.file = file, .control = "[::]:9"};
	write_buf(folder, "a.pem", &a.certificate);
	write_buf(folder, "a.key", &a.key);
	write_buf(folder, "b.key", &b.key);
	/* With TLS the address may be any. */
	write_file(folder, "t.yaml", "control: {tls: {certificateFile: a.pem, keyFile: a.key}}\n");
	if (config_new(&flags, &config, &diag) < 0) {
		fail_msg("%s", diag.text);
	}
	assert_non_null(config->control.tls);
	(void)snprintf(want, sizeof want, "%s/a.key", folder);
	assert_string_equal(config->control.key_file.p, want);
	config_forget_tls(config);
	assert_null(config->control.tls);
	assert_int_equal(config_may_listen(config, &config->control.address, &diag), 0);
	config_free(config);
	secure_file = file;
	each_allocation_fails(load_secure);
	/* Another's key. */
	write_file(folder, "t.yaml", "control:\n  tls: {certificateFile: a.pem, keyFile: b.key}\n");
	assert_int_equal(config_new(&flags, &config, &diag), E_CRYPTO);
	(void)snprintf(want, sizeof want,
		"%s:2:42: control.tls.keyFile: %s/b.key: not the private key of the certificate",
		file, folder);
	assert_string_equal(diag.text, want);
	tls_pair_done(&a);
	tls_pair_done(&b);
	remove_folder(folder, names, 4);
}

/* A text that comes from nowhere may not have files read. */
static void test_certificates_need_a_file(void **state)
{
	(void)state;
	struct config *config = NULL;
	struct diag diag = {{0}};
	assert_int_equal(
		config_from_text(&no_flags,
			STR("control: {tls: {certificateFile: /etc/passwd, keyFile: /etc/passwd}}\n"),
			&config, &diag),
		E_SYNTAX);
	assert_string_equal(
		diag.text, "1:34: control.tls.certificateFile: only a file may name a file");
}

/* --- who may do what --------------------------------------------------------------------------- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults_are_named_with_their_place),
		cmocka_unit_test(test_right_files_are_accepted),
		cmocka_unit_test(test_a_file_sets_the_struct),
		cmocka_unit_test(test_listeners_up_to_their_number),
		cmocka_unit_test(test_numbers_up_to_their_limits),
		cmocka_unit_test(test_flags_go_over_the_file),
		cmocka_unit_test(test_flags_that_are_wrong),
		cmocka_unit_test(test_the_same_listener_twice),
		cmocka_unit_test(test_nothing_said_is_the_sample),
		cmocka_unit_test(test_a_file_has_no_sample),
		cmocka_unit_test(test_the_sample_is_a_file_of_instances),
		cmocka_unit_test(test_paths_when_nothing_is_said),
		cmocka_unit_test(test_a_hosts_name),
		cmocka_unit_test(test_paths_in_a_file_are_relative_to_it),
		cmocka_unit_test(test_a_text_without_a_file_names_none),
		cmocka_unit_test(test_what_is_shown),
		cmocka_unit_test(test_what_needs_a_restart),
		cmocka_unit_test(test_the_manual_page_has_every_name),
		cmocka_unit_test(test_every_allocation_fails_once),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_certificates_need_a_file),
	};
	return cmocka_run_group_tests(tests, enter_source_tree, NULL);
}
