#include "config/config.h"

#include <errno.h>
#include <stdlib.h>

#include "config/node.h"
#include "config/setting.h"
#include "config/source.h"
#include "config/spec.h"
#include "platform/file.h"

/* What is needed while a configuration is being loaded. */
struct loader {
	struct config *config;
	const struct config_flags *flags;
	struct spec_set set; /* what the file's list of instances holds */
	struct diag *diag;
};

/* --- sources ----------------------------------------------------------------------------------- */

static const char **source_of(const struct config *config, const struct setting *row)
{
	return &config->sources_[row - settings];
}

static int set_source_node(
	struct loader *loader, const struct setting *row, const struct node *node)
{
	struct config *config = loader->config;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	if (config->file) {
		buf_add(&text, str_of(config->file));
		buf_add_char(&text, ':');
	}
	buf_add_f(&text, "%u:%u", node->line, node->column);
	TRY(buf_status(&text));
	struct str copy = arena_str(&config->arena_, buf_str(&text));
	*source_of(config, row) = copy.p;
	return copy.p ? 0 : -ENOMEM;
}

static const struct setting *find_setting(struct str name)
{
	for (const struct setting *row = settings; row->name.n; row++) {
		if (str_eq(row->name, name)) {
			return row;
		}
	}
	return NULL;
}

/* --- the file ---------------------------------------------------------------------------------- */

static int load_scalar(struct loader *loader, const struct setting *row, struct str name,
	const struct node *node, void *base)
{
	struct config *config = loader->config;
	struct diag why = {"must be true or false"};
	if (node->kind != NODE_SCALAR) {
		return node_fail(node, config->file, loader->diag, E_SYNTAX,
			"%.*s: must be text, not a %s", STR_FMT(name),
			node->kind == NODE_LIST ? "list" : "map");
	}
	if (node_is_null(node)) {
		return node_fail(node, config->file, loader->diag, E_SYNTAX, "%.*s: needs a value",
			STR_FMT(name));
	}
	int rc = E_SYNTAX;
	if (row->type != SETTING_FLAG || node->plain) {
		rc = setting_take(row, &config->arena_, config->file, node->text, base, &why);
	}
	if (rc == E_SYNTAX || rc == E_RANGE || rc == E_LIMIT) {
		return node_fail(node, config->file, loader->diag, rc, "%.*s: %s, not \"%.*s\"",
			STR_FMT(name), why.text, STR_FMT(node_excerpt(node->text)));
	}
	if (rc < 0) {
		return node_fail(
			node, config->file, loader->diag, rc, "%.*s: %s", STR_FMT(name), why.text);
	}
	return 0;
}

static const struct setting *find_listen_row(struct str key)
{
	for (const struct setting *row = setting_listen; row->name.n; row++) {
		if (str_eq(row->name, key)) {
			return row;
		}
	}
	return NULL;
}

static int load_listen_member(
	struct loader *loader, const struct node *member, struct config_listen *listen)
{
	const struct setting *row = find_listen_row(member->key);
	if (!row) {
		struct near near = near_to(member->key);
		for (row = setting_listen; row->name.n; row++) {
			near_try(&near, row->name);
		}
		return node_fail_unknown(member, loader->config->file, loader->diag, &near);
	}
	return load_scalar(loader, row, row->name, member, listen);
}

/* Another listener before the n-th has its address, port, interface and namespace. */
static bool is_twin(const struct config_listen *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (all[i].port == all[n].port && all[n].port != 0 &&
			ipaddr_eq(&all[i].address, &all[n].address) &&
			str_eq(all[i].interface, all[n].interface) &&
			str_eq(all[i].netns, all[n].netns)) {
			return true;
		}
	}
	return false;
}

static int listen_defaults(struct config *config, struct config_listen *listen)
{
	for (const struct setting *row = setting_listen; row->name.n; row++) {
		if (row->fallback) {
			TRY(setting_take(
				row, &config->arena_, NULL, str_of(row->fallback), listen, NULL));
		}
	}
	return 0;
}

static int load_listen_item(struct loader *loader, const struct node *item, size_t n)
{
	struct config *config = loader->config;
	struct config_listen *listen = &config->listen[n];
	if (item->kind != NODE_MAP) {
		return node_fail(item, config->file, loader->diag, E_SYNTAX,
			"listen: must be a list of maps with an address");
	}
	TRY(listen_defaults(config, listen));
	for (const struct node *member = item->first; member; member = member->next) {
		TRY(load_listen_member(loader, member, listen));
	}
	if (!node_get(item, STR("address"))) {
		return node_fail(
			item, config->file, loader->diag, E_SYNTAX, "listen: address is missing");
	}
	if (listen->set_up && ipaddr_is_any(&listen->address)) {
		return node_fail(item, config->file, loader->diag, E_SYNTAX,
			"listen: setUp needs an address of its own, not 0.0.0.0 or ::");
	}
	if (is_twin(config->listen, n)) {
		return node_fail(item, config->file, loader->diag, E_EXISTS,
			"listen: this address and port is there twice");
	}
	return 0;
}

static int make_listeners(struct config *config, size_t n)
{
	config->listen = arena_alloc(&config->arena_, (n + 1) * sizeof *config->listen);
	config->n_listen = n;
	return config->listen ? 0 : -ENOMEM;
}

static int load_listen(struct loader *loader, const struct node *node)
{
	const char *file = loader->config->file;
	size_t n = 0;
	for (const struct node *item = node->first; item; item = item->next) {
		n++;
	}
	if (node->kind != NODE_LIST || n == 0) {
		return node_fail(node, file, loader->diag, E_SYNTAX,
			"listen: must be a list of at least one map with an address");
	}
	if (n > CONFIG_LISTEN_MAX) {
		return node_fail(node, file, loader->diag, E_LIMIT,
			"listen: more than %d addresses", CONFIG_LISTEN_MAX);
	}
	TRY(make_listeners(loader->config, n));
	n = 0;
	for (const struct node *item = node->first; item; item = item->next) {
		TRY(load_listen_item(loader, item, n++));
	}
	return 0;
}

/* The file's own list of instances. Those of the command line come instead. */
static int on_instance(void *ctx, const struct node *node)
{
	struct loader *loader = ctx;
	return loader->flags->n_instances ? 0 : spec_set_add(&loader->set, node);
}

static int load_instances(struct loader *loader, const struct node *node)
{
	struct config *config = loader->config;
	CLEANUP(buf_done) struct buf path = BUF_EMPTY;
	if (loader->flags->n_instances) {
		return 0;
	}
	if (node->kind == NODE_LIST || node_is_empty(node)) {
		config->instances = json_incref(loader->set.specs);
		return 0;
	}
	if (node->kind != NODE_SCALAR || node_is_null(node) ||
		strlen(node->text.p) != node->text.n) {
		return node_fail(node, config->file, loader->diag, E_SYNTAX,
			"instances: must be a list, or the path of a file or folder");
	}
	if (!config->file) {
		return node_fail(node, config->file, loader->diag, E_SYNTAX,
			"instances: only a file may name a file");
	}
	struct diag why = {{0}};
	TRY(source_resolve(config->file, node->text, &path));
	buf_add_char(&path, '\0');
	TRY(buf_status(&path));
	const char *only = path.p;
	int rc = spec_from_paths(&only, 1, &config->files, &config->instances, &why);
	if (rc < 0 && rc > E_AGAIN) {
		/* The file can't be read; what is in it is told with its own place. */
		return node_fail(node, config->file, loader->diag, rc, "instances: %s", why.text);
	}
	return rc < 0 ? diag_set(loader->diag, rc, "%s", why.text) : 0;
}

static int load_row(struct loader *loader, const struct setting *row, const struct node *node)
{
	TRY(set_source_node(loader, row, node));
	switch (row->type) {
	case SETTING_LISTEN:
		return load_listen(loader, node);
	case SETTING_CREDENTIALS:
		return credential_list(&loader->config->arena_, loader->config->file, node,
			&loader->config->control.credentials,
			&loader->config->control.n_credentials, loader->diag);
	case SETTING_INSTANCES:
		return load_instances(loader, node);
	case SETTING_ADDRESS:
	case SETTING_PORT:
	case SETTING_NUMBER:
	case SETTING_FLAG:
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_FILE:
	case SETTING_STORE:
		break;
	}
	return load_scalar(loader, row, row->name, node, loader->config);
}

/* The part of a row's name that is a key below prefix ("limits."): "limits" or "burst". */
static struct str key_below(const struct setting *row, struct str prefix)
{
	struct str rest = str_from(row->name, prefix.n);
	return (struct str){rest.p, str_find(rest, '.')};
}

static int fail_unknown(struct loader *loader, const struct node *member, struct str prefix)
{
	struct near near = near_to(member->key);
	for (const struct setting *row = settings; row->name.n; row++) {
		if (str_starts(row->name, prefix)) {
			near_try(&near, key_below(row, prefix));
		}
	}
	return node_fail_unknown(member, loader->config->file, loader->diag, &near);
}

static int load_group(struct loader *loader, const struct node *group, struct str prefix);

/* A key below prefix: a setting, or a further part of the names of some. */
static int load_member(struct loader *loader, const struct node *member, struct str prefix)
{
	for (const struct setting *row = settings; row->name.n; row++) {
		if (!str_starts(row->name, prefix) ||
			!str_eq(key_below(row, prefix), member->key)) {
			continue;
		}
		struct str name = {row->name.p, prefix.n + member->key.n};
		return name.n == row->name.n
			       ? load_row(loader, row, member)
			       : load_group(loader, member, (struct str){name.p, name.n + 1});
	}
	return fail_unknown(loader, member, prefix);
}

/* Groups are nested as deep as names of rows have parts, and no deeper. */
static int load_group(struct loader *loader, const struct node *group, struct str prefix)
{
	if (group->kind != NODE_MAP && !node_is_empty(group)) {
		return node_fail(group, loader->config->file, loader->diag, E_SYNTAX,
			"%.*s: must be a map", (int)prefix.n - 1, prefix.p);
	}
	for (const struct node *member = group->first; member; member = member->next) {
		TRY(load_member(loader, member, prefix));
	}
	return 0;
}

static int load_text(struct loader *loader, struct str text)
{
	CLEANUP(arena_done) struct arena arena = ARENA_EMPTY;
	const struct node_items items = {
		.key = STR("instances"), .on_item = on_instance, .ctx = loader};
	const char *file = loader->config->file;
	struct node *root;
	TRY(node_parse_items(&arena, file, text, &items, &root, loader->diag));
	if (root->kind != NODE_MAP) {
		return node_fail(root, file, loader->diag, E_SYNTAX, "must be a map of settings");
	}
	for (const struct node *member = root->first; member; member = member->next) {
		TRY(load_member(loader, member, STR_EMPTY));
	}
	return 0;
}

/* --- the command line -------------------------------------------------------------------------- */

static int fail_flag(
	const struct loader *loader, int rc, const char *flag, const char *value, const char *what)
{
	return diag_set(
		loader->diag, rc, "%s %.*s: %s", flag, STR_FMT(node_excerpt(str_of(value))), what);
}

static int flag_value(struct loader *loader, const char *name, const char *flag, const char *value)
{
	struct config *config = loader->config;
	const struct setting *row = find_setting(str_of(name));
	struct diag why = {{0}};
	if (!value) {
		return 0;
	}
	int rc = setting_take(row, &config->arena_, NULL, str_of(value), config, &why);
	if (rc < 0) {
		return fail_flag(loader, rc, flag, value, why.text);
	}
	*source_of(config, row) = flag;
	return 0;
}

/* ADDRESS:PORT or [ADDRESS]:PORT */
static int take_endpoint(const char *text, struct ipaddr *ret_address, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	struct str address = {text, colon ? (size_t)(colon - text) : 0};
	bool brackets = address.n >= 2 && text[0] == '[' && text[address.n - 1] == ']';
	uint64_t port;
	if (brackets) {
		address = (struct str){text + 1, address.n - 2};
	}
	if (brackets != (str_find(address, ':') < address.n)) {
		return E_SYNTAX;
	}
	if (ipaddr_parse(address, ret_address) < 0 || str_to_u64(str_of(colon + 1), &port) < 0 ||
		port > UINT16_MAX) {
		return E_SYNTAX;
	}
	*ret_port = (uint16_t)port;
	return 0;
}

static int flag_control(struct loader *loader)
{
	struct config *config = loader->config;
	const char *value = loader->flags->control;
	if (!value) {
		return 0;
	}
	if (take_endpoint(value, &config->control.address, &config->control.port) < 0) {
		return fail_flag(loader, E_SYNTAX, "--control", value,
			"must be ADDRESS:PORT or [ADDRESS]:PORT");
	}
	*source_of(config, find_setting(STR("control.address"))) = "--control";
	*source_of(config, find_setting(STR("control.port"))) = "--control";
	return 0;
}

static int flag_listen(struct loader *loader)
{
	struct config *config = loader->config;
	size_t n = loader->flags->n_listen;
	if (n == 0) {
		return 0;
	}
	if (n > CONFIG_LISTEN_MAX) {
		return diag_set(loader->diag, E_LIMIT, "--listen: more than %d addresses",
			CONFIG_LISTEN_MAX);
	}
	TRY(make_listeners(config, n));
	for (size_t i = 0; i < n; i++) {
		const char *value = loader->flags->listen[i];
		struct config_listen *listen = &config->listen[i];
		if (take_endpoint(value, &listen->address, &listen->port) < 0) {
			return fail_flag(loader, E_SYNTAX, "--listen", value,
				"must be ADDRESS:PORT or [ADDRESS]:PORT");
		}
		if (is_twin(config->listen, i)) {
			return fail_flag(loader, E_EXISTS, "--listen", value, "is there twice");
		}
	}
	*source_of(config, find_setting(STR("listen"))) = "--listen";
	return 0;
}

static int flag_instances(struct loader *loader)
{
	const struct config_flags *flags = loader->flags;
	if (flags->n_instances == 0) {
		return 0;
	}
	*source_of(loader->config, find_setting(STR("instances"))) = "--instances";
	return spec_from_paths(flags->instances, flags->n_instances, &loader->config->files,
		&loader->config->instances, loader->diag);
}

static int load_flags(struct loader *loader)
{
	const struct config_flags *flags = loader->flags;
	TRY(flag_listen(loader));
	TRY(flag_control(loader));
	TRY(flag_value(loader, "control.socket", "--socket", flags->socket));
	TRY(flag_value(loader, "store", "--store", flags->store));
	TRY(flag_value(loader, "workers", "--workers", flags->workers));
	TRY(flag_value(loader, "logLevel", "--log-level", flags->log_level));
	return flag_instances(loader);
}

/* --- defaults ---------------------------------------------------------------------------------- */

static int default_listen(struct config *config)
{
	TRY(make_listeners(config, 2));
	config->listen_default = true;
	for (size_t i = 0; i < 2; i++) {
		TRY(listen_defaults(config, &config->listen[i]));
		TRY(ipaddr_parse(i ? STR("::1") : STR("127.0.0.1"), &config->listen[i].address));
	}
	return 0;
}

static int default_usual(struct loader *loader, const struct setting *row)
{
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	struct diag why = {{0}};
	int rc = row->usual(&text, &why);
	if (rc == 0 && text.n > 0) {
		rc = setting_take(
			row, &loader->config->arena_, NULL, buf_str(&text), loader->config, &why);
	}
	return rc < 0 ? diag_set(loader->diag, rc, "%s: %s", row->name.p, why.text) : 0;
}

static int default_instances(struct loader *loader, bool sample)
{
	struct config *config = loader->config;
	if (!sample) {
		config->instances = json_array();
		return config->instances ? 0 : -ENOMEM;
	}
	config->sample = true;
	*source_of(config, find_setting(STR("instances"))) = "sample";
	return spec_from_text(config_sample(), NULL, &config->instances, loader->diag);
}

static int load_default(struct loader *loader, const struct setting *row, bool sample)
{
	struct config *config = loader->config;
	*source_of(config, row) = "default";
	if (row->fallback) {
		return setting_take(
			row, &config->arena_, NULL, str_of(row->fallback), config, loader->diag);
	}
	if (row->usual) {
		return default_usual(loader, row);
	}
	switch (row->type) {
	case SETTING_LISTEN:
		return default_listen(config);
	case SETTING_INSTANCES:
		return default_instances(loader, sample);
	case SETTING_ADDRESS:
	case SETTING_PORT:
	case SETTING_NUMBER:
	case SETTING_FLAG:
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_FILE:
	case SETTING_STORE:
	case SETTING_CREDENTIALS:
		break;
	}
	return 0; /* zeroed is right */
}

/* --- the control address ----------------------------------------------------------------------- */

static int fail_setting(const struct loader *loader, const char *name, int rc, const char *what)
{
	const struct setting *row = find_setting(str_of(name));
	return diag_set(
		loader->diag, rc, "%s: %s: %s", *source_of(loader->config, row), name, what);
}

/* Read one file of the pair and put it into control.tls. What was read is wiped. */
static int take_pem(const struct loader *loader, const char *name, struct str path,
	int (*take)(struct tls_context *context, struct str pem, struct diag *diag))
{
	struct buf pem = BUF_EMPTY;
	struct diag why = {{0}};
	int rc = file_read(path.p, TLS_FILE_BYTES, &pem, &why);
	if (rc == 0) {
		rc = take(loader->config->control.tls, buf_str(&pem), &why);
		rc = rc < 0 ? diag_prefix(&why, rc, "%s", path.p) : rc;
	}
	crypto_wipe_buf(&pem);
	return rc < 0 && rc != -ENOMEM ? fail_setting(loader, name, rc, why.text) : rc;
}

static int load_tls(struct loader *loader)
{
	static const char certificate[] = "control.tls.certificateFile",
			  key[] = "control.tls.keyFile";
	struct config_control *control = &loader->config->control;
	if (!control->certificate_file.n && !control->key_file.n) {
		return 0;
	}
	if (!control->certificate_file.n || !control->key_file.n) {
		return control->key_file.n ? fail_setting(loader, key, E_SYNTAX,
						     "needs control.tls.certificateFile as well")
					   : fail_setting(loader, certificate, E_SYNTAX,
						     "needs control.tls.keyFile as well");
	}
	if (!loader->config->file) {
		return fail_setting(loader, certificate, E_SYNTAX, "only a file may name a file");
	}
	int rc = tls_context_new(&control->tls);
	if (rc < 0) {
		return diag_set(loader->diag, rc, "can't set up TLS: %s", result_name(rc));
	}
	TRY(take_pem(loader, certificate, control->certificate_file, tls_context_certify));
	return take_pem(loader, key, control->key_file, tls_context_set_key);
}

int config_may_listen(const struct config *config, const struct ipaddr *address, struct diag *diag)
{
	char text[IPADDR_TEXT_BYTES];
	if (ipaddr_is_loopback(address) || config->control.key_file.n || config->control.insecure) {
		return 0;
	}
	ipaddr_format(address, text);
	return diag_set(diag, E_DENIED,
		"%s is no loopback address: set control.tls, or control.insecure: true to do without TLS",
		text);
}

static int check_control(struct loader *loader)
{
	struct diag why = {{0}};
	int rc = config_may_listen(loader->config, &loader->config->control.address, &why);
	return rc < 0 ? fail_setting(loader, "control.address", rc, why.text) : 0;
}

/* --- all together ------------------------------------------------------------------------------ */

void config_free(struct config *config)
{
	if (config) {
		for (size_t i = 0; i < config->control.n_credentials; i++) {
			credential_done(&config->control.credentials[i]);
		}
		tls_context_free(config->control.tls);
		json_decref(config->instances);
		files_done(&config->files);
		arena_done(&config->arena_);
		free(config);
	}
}

void config_forget_instances(struct config *config)
{
	json_decref(config->instances);
	config->instances = NULL;
}

void config_forget_tls(struct config *config)
{
	tls_context_free(config->control.tls);
	config->control.tls = NULL;
}

static int load(struct loader *loader, const struct str *text)
{
	struct config *config = loader->config;
	config->sources_ = arena_alloc(&config->arena_, setting_count() * sizeof *config->sources_);
	if (!config->sources_) {
		return -ENOMEM;
	}
	if (loader->flags->file) {
		struct str name = arena_str(&config->arena_, str_of(loader->flags->file));
		if (!name.p) {
			return -ENOMEM;
		}
		config->file = name.p;
	}
	TRY(spec_set_init(&loader->set, config->file, loader->diag));
	if (text) {
		TRY(load_text(loader, *text));
	}
	TRY(load_flags(loader));
	for (const struct setting *row = settings; row->name.n; row++) {
		if (!*source_of(config, row)) {
			TRY(load_default(loader, row, !text));
		}
	}
	config->n_instances = json_array_size(config->instances);
	TRY(check_control(loader));
	return load_tls(loader);
}

static int config_load(const struct config_flags *flags, const struct str *text,
	struct config **ret_config, struct diag *diag)
{
	struct loader loader = {.flags = flags, .diag = diag};
	loader.config = calloc(1, sizeof *loader.config);
	int rc = loader.config ? load(&loader, text) : -ENOMEM;
	spec_set_done(&loader.set);
	if (rc < 0) {
		config_free(loader.config);
		return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
	}
	*ret_config = loader.config;
	return 0;
}

int config_from_text(const struct config_flags *flags, struct str text, struct config **ret_config,
	struct diag *diag)
{
	return config_load(flags, &text, ret_config, diag);
}

int config_new(const struct config_flags *flags, struct config **ret_config, struct diag *diag)
{
	CLEANUP(buf_done) struct buf content = BUF_EMPTY;
	if (!flags->file) {
		return config_load(flags, NULL, ret_config, diag);
	}
	TRY(source_read(flags->file, CONFIG_FILE_BYTES, &content, diag));
	struct str text = buf_str(&content);
	return config_load(flags, &text, ret_config, diag);
}

int config_default_socket(struct buf *ret_path, struct diag *diag)
{
	return setting_default_socket(ret_path, diag);
}

/* --- what is in force -------------------------------------------------------------------------- */

static json_t *limits_json(const struct setting *row)
{
	json_t *object = json_object();
	bool number = row->type == SETTING_NUMBER || row->type == SETTING_PORT;
	if ((row->unit && json_object_set_new(object, "unit", json_string(row->unit)) != 0) ||
		(number && json_object_set_new(object, "min", json_integer(row->min)) != 0) ||
		(number && json_object_set_new(object, "max", json_integer(row->max)) != 0) ||
		(row->fallback &&
			json_object_set_new(object, "default", json_string(row->fallback)) != 0)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* A value that waits for a restart, as a member of its row. */
static json_t *pending_json(
	const struct config *first, const struct config *last, const struct setting *row)
{
	json_t *object = json_object();
	json_t *now = setting_value(row, first), *then = setting_value(row, last);
	bool waits = row->change == SETTING_RESTART && !json_equal(now, then);
	if (!now || !then || (waits && json_object_set(object, "pending", then) != 0)) {
		json_decref(object);
		object = NULL;
	}
	json_decref(now);
	json_decref(then);
	return object;
}

static json_t *setting_json(
	const struct config *first, const struct config *last, const struct setting *row)
{
	json_t *limits = limits_json(row), *pending = pending_json(first, last, row);
	const struct config *config = json_object_size(pending) ? first : last;
	json_t *source = json_string(*source_of(config, row));
	json_t *object = json_pack("{s:s, s:o, s:o, s:s, s:s}", "name", row->name.p, "value",
		setting_value(row, config), "source", source ? source : json_string("file"),
		"change", row->change == SETTING_RELOAD ? "reload" : "restart", "help", row->help);
	if (!object || json_object_update(object, pending) != 0 ||
		json_object_update(object, limits) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(limits);
	json_decref(pending);
	return object;
}

json_t *config_to_json(const struct config *first, const struct config *last)
{
	json_t *list = json_array();
	for (const struct setting *row = settings; row->name.n; row++) {
		if (json_array_append_new(list, setting_json(first, last, row)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:o}", "settings", list);
}

size_t config_restart_needed(
	const struct config *config, const struct config *next, struct diag *diag)
{
	char names[DIAG_TEXT_BYTES];
	struct buf out = buf_fixed(names, sizeof names - 1);
	size_t n = 0;
	for (const struct setting *row = settings; row->name.n; row++) {
		if (row->change == SETTING_RELOAD) {
			continue;
		}
		json_t *old = setting_value(row, config), *new = setting_value(row, next);
		if (!json_equal(old, new)) {
			buf_add(&out, n++ ? STR(", ") : STR_EMPTY);
			buf_add(&out, row->name);
		}
		json_decref(old);
		json_decref(new);
	}
	names[out.n] = '\0';
	diag_write(diag, "%s", names);
	return n;
}
