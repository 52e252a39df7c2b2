#include "metadata/instance.h"

#include <errno.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/json.h"
#include "metadata/derive.h"
#include "metadata/role.h"
#include "metadata/tree.h"

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

bool instance_name_valid(struct str name)
{
	if (name.n < INSTANCE_NAME_MIN || name.n > INSTANCE_NAME_MAX || !is_word(name.p[0]) ||
		!is_word(name.p[name.n - 1])) {
		return false;
	}
	for (size_t i = 1; i < name.n; i++) {
		if (!is_word(name.p[i]) && name.p[i] != '-') {
			return false;
		}
	}
	return true;
}

/* What instance_new() gathers before it knows how large the block is. */
struct facts {
	struct instance head;
	struct ipprefix addresses[INSTANCE_ADDRESSES_MAX];
	char *spec;
};

static int read_addresses(
	const json_t *spec, const json_t *match, struct facts *facts, struct diag *diag)
{
	const json_t *list = json_object_get(match, "addresses");
	size_t n = json_array_size(list);
	if (n > INSTANCE_ADDRESSES_MAX) {
		return diag_set(
			diag, E_LIMIT, "match.addresses: more than %d", INSTANCE_ADDRESSES_MAX);
	}
	for (size_t i = 0; i < n; i++) {
		struct str text = json_str_at(list, i);
		if (ipprefix_parse(text, &facts->addresses[i]) < 0) {
			return diag_set(diag, E_SYNTAX, "match.addresses: '%.*s' is not an address",
				STR_FMT(text));
		}
	}
	facts->head.n_addresses = (uint8_t)n;
	if (n == 0) {
		/* Without match: by its private address. */
		struct str text = json_str_member(spec, "privateIpAddress");
		struct ipaddr own = derive_private_address(facts->head.name);
		if (text.p && ipaddr_parse(text, &own) < 0) {
			return diag_set(diag, E_SYNTAX,
				"privateIpAddress: '%.*s' is not an address", STR_FMT(text));
		}
		facts->addresses[0] = (struct ipprefix){own, 128};
		facts->head.n_addresses = 1;
	}
	return 0;
}

static int read_match(const json_t *spec, struct facts *facts, struct diag *diag)
{
	const json_t *match = json_object_get(spec, "match");
	struct str mac = json_str_member(match, "mac");
	facts->head.network = json_str_member(match, "network");
	facts->head.interface = json_str_member(match, "interface");
	if (mac.p) {
		if (macaddr_parse(mac, facts->head.mac) < 0) {
			return diag_set(diag, E_SYNTAX, "match.mac: '%.*s' is not a MAC address",
				STR_FMT(mac));
		}
		facts->head.has_mac = true;
	}
	return read_addresses(spec, match, facts, diag);
}

static int read_id(const json_t *spec, struct instance *head, struct diag *diag)
{
	struct str id = json_str_member(spec, "instanceId");
	struct buf out = buf_fixed(head->id, INSTANCE_ID_CHARS);
	if (id.p) {
		buf_add(&out, id);
	} else {
		derive_id(&out, "i-", head->name);
	}
	if (buf_status(&out) < 0) {
		return diag_set(
			diag, E_RANGE, "instanceId: longer than %d characters", INSTANCE_ID_CHARS);
	}
	head->id[out.n] = '\0';
	head->id_n = (uint8_t)out.n;
	return 0;
}

static int read_kind(const json_t *spec, struct instance *head, struct diag *diag)
{
	struct str blueprint = json_str_member(spec, "blueprintId");
	struct str bundle = json_str_member(spec, "bundleId");
	head->blueprint = blueprint_find(blueprint.p ? blueprint : STR(BLUEPRINT_DEFAULT_ID));
	head->bundle = bundle_find(bundle.p ? bundle : STR(BUNDLE_DEFAULT_ID));
	if (!head->blueprint) {
		return diag_set(
			diag, E_RANGE, "blueprintId: there is no '%.*s'", STR_FMT(blueprint));
	}
	if (!head->bundle) {
		return diag_set(diag, E_RANGE, "bundleId: there is no '%.*s'", STR_FMT(bundle));
	}
	return 0;
}

static int read_options(const json_t *spec, struct instance *head, struct diag *diag)
{
	const json_t *options = json_object_get(spec, "metadataOptions");
	head->options = options_default;
	head->options.tokens_required = head->blueprint->tokens_required;
	return options ? options_apply(&head->options, options, diag) : 0;
}

static int read_facts(const json_t *spec, struct facts *facts, struct diag *diag)
{
	facts->head.name = json_str_member(spec, "name");
	if (!instance_name_valid(facts->head.name)) {
		return diag_set(diag, E_SYNTAX,
			"name: '%.*s' is not a name of %d to %d word characters "
			"and inner hyphens",
			STR_FMT(facts->head.name), INSTANCE_NAME_MIN, INSTANCE_NAME_MAX);
	}
	struct str state = json_str_member(spec, "state");
	facts->head.running = !str_eq(state, STR("stopped"));
	TRY(read_kind(spec, &facts->head, diag));
	TRY(read_options(spec, &facts->head, diag));
	TRY(read_id(spec, &facts->head, diag));
	return read_match(spec, facts, diag);
}

/* Put text at *at and have s point there. */
static void settle(struct str *s, char **at)
{
	if (s->n) {
		memcpy(*at, s->p, s->n);
	}
	s->p = *at;
	*at += s->n;
}

/* One block: the struct, the addresses, the texts. */
static struct instance *pack(const struct facts *facts)
{
	size_t addresses = facts->head.n_addresses * sizeof *facts->addresses;
	size_t bytes = sizeof(struct instance) + addresses + facts->head.name.n +
		       facts->head.network.n + facts->head.interface.n + facts->head.spec.n;
	struct instance *instance = malloc(bytes);
	if (!instance) {
		return NULL;
	}
	*instance = facts->head;
	instance->bytes_ = bytes;
	instance->addresses = (struct ipprefix *)(void *)(instance + 1);
	memcpy(instance->addresses, facts->addresses, addresses);
	char *at = (char *)(instance + 1) + addresses;
	settle(&instance->name, &at);
	settle(&instance->network, &at);
	settle(&instance->interface, &at);
	settle(&instance->spec, &at);
	return instance;
}

int instance_new(const json_t *spec, const struct instance_record *record, const struct site *site,
	struct role_credentials *role, struct instance **ret_instance, struct diag *diag)
{
	struct facts facts = {.head = {.record = *record, .site = site, .role = role}};
	struct instance *instance = NULL;
	int rc = read_facts(spec, &facts, diag);
	if (rc == 0) {
		facts.spec = json_dumps(spec, JSON_COMPACT);
		facts.head.spec = str_of(facts.spec);
		instance = facts.spec ? pack(&facts) : NULL;
		rc = instance ? 0 : diag_set(diag, -ENOMEM, "out of memory");
	}
	if (facts.spec) {
		crypto_wipe(facts.spec, facts.head.spec.n);
		free(facts.spec);
	}
	if (rc < 0) {
		role_free(role);
		return rc;
	}
	*ret_instance = instance;
	return 0;
}

void instance_free(struct instance *instance)
{
	if (instance) {
		tree_free(atomic_load_explicit(&instance->tree, memory_order_acquire));
		role_free(instance->role);
		crypto_wipe(instance, instance->bytes_);
		free(instance);
	}
}

json_t *instance_spec(const struct instance *instance)
{
	return json_loadb(instance->spec.p, instance->spec.n, 0, NULL);
}

bool instance_same_match(const struct instance *a, const struct instance *b)
{
	return a->n_addresses == b->n_addresses && str_eq(a->network, b->network) &&
	       str_eq(a->interface, b->interface) &&
	       memcmp(a->addresses, b->addresses, a->n_addresses * sizeof *a->addresses) == 0;
}
