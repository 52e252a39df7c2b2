/* 100,000 changes of the registry at random, beside a model that does the same the slow way. */
#include "tests/unit/metadata_help.h"

#include "metadata/registry.h"

#define WORKERS 3

static int setup(void **state)
{
	*state = registry_new(WORKERS);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	registry_free(*state);
	return 0;
}

#define MODEL_STEPS     100000
#define MODEL_NAMES     24
#define MODEL_ADDRESSES 8 /* of 10.0.0.0/29 */
#define MODEL_IDS       30

static const char *const model_networks[] = {"", "lab"};
static const char *const model_interfaces[] = {"", "tap0", "tap1"};
static const unsigned model_lengths[] = {32, 32, 32, 31, 30, 29, 8, 0};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct model_prefix {
	unsigned address; /* the last byte */
	unsigned length;
};

struct model_instance {
	bool there;
	bool detached;
	unsigned id;
	const char *network;
	const char *interface;
	struct model_prefix prefixes[4];
	size_t n;
	/* What it had when it was detached stays vacant until nobody is. */
};

struct model_vacant {
	int owner;
	const char *network;
	const char *interface;
	struct model_prefix prefix;
};

struct model {
	struct model_instance instances[MODEL_NAMES];
	struct model_vacant vacant[64];
	size_t n_vacant;
	size_t n_detached;
	uint64_t random;
};

static unsigned draw(struct model *model, size_t below)
{
	model->random ^= model->random << 13;
	model->random ^= model->random >> 7;
	model->random ^= model->random << 17;
	return (unsigned)(model->random % below);
}

static bool prefix_eq(const struct model_prefix *a, const struct model_prefix *b)
{
	return a->address == b->address && a->length == b->length;
}

static bool prefix_has(const struct model_prefix *prefix, unsigned address)
{
	return prefix->length < 29 || (prefix->address ^ address) >> (32 - prefix->length) == 0;
}

/* How specific a match of this interface is: -1 where it is another. */
static int model_score(const char *own, const char *port, const char *interface)
{
	if (!own || !own[0]) {
		return 0;
	}
	if (strcmp(own, port) == 0) {
		return 2000;
	}
	return strcmp(own, interface) == 0 ? 1000 : -1;
}

/* The name's number, -1 for nobody. */
static int model_lookup(const struct model *model, const char *network, const char *port,
	const char *interface, unsigned address)
{
	int best = -1;
	int best_score = -1;
	for (int i = 0; i < MODEL_NAMES; i++) {
		const struct model_instance *one = &model->instances[i];
		int base = model_score(one->interface, port, interface);
		if (!one->there || one->detached || strcmp(one->network, network) != 0 ||
			base < 0) {
			continue;
		}
		for (size_t k = 0; k < one->n; k++) {
			int score = (int)one->prefixes[k].length + base;
			if (prefix_has(&one->prefixes[k], address) && score > best_score) {
				best = i;
				best_score = score;
			}
		}
	}
	for (size_t i = 0; i < model->n_vacant; i++) {
		const struct model_vacant *one = &model->vacant[i];
		int base = model_score(one->interface, port, interface);
		int score = (int)one->prefix.length + base;
		if (base >= 0 && strcmp(one->network, network) == 0 && score > best_score &&
			prefix_has(&one->prefix, address)) {
			best = -1;
			best_score = score;
		}
	}
	return best;
}

static bool model_claimed(const struct model *model, const char *network, unsigned address)
{
	for (int i = 0; i < MODEL_NAMES; i++) {
		const struct model_instance *one = &model->instances[i];
		bool counts = one->there && !one->detached && one->interface[0] &&
			      strcmp(one->network, network) == 0;
		for (size_t k = 0; counts && k < one->n; k++) {
			if (prefix_has(&one->prefixes[k], address)) {
				return true;
			}
		}
	}
	for (size_t i = 0; i < model->n_vacant; i++) {
		const struct model_vacant *one = &model->vacant[i];
		if (one->interface[0] && strcmp(one->network, network) == 0 &&
			prefix_has(&one->prefix, address)) {
			return true;
		}
	}
	return false;
}

static bool model_taken(const struct model *model, int own, const struct model_instance *wish)
{
	for (int i = 0; i < MODEL_NAMES; i++) {
		const struct model_instance *one = &model->instances[i];
		if (i == own || !one->there || one->detached) {
			continue;
		}
		if (one->id == wish->id) {
			return true;
		}
		if (strcmp(one->network, wish->network) != 0 ||
			strcmp(one->interface, wish->interface) != 0) {
			continue;
		}
		for (size_t k = 0; k < one->n; k++) {
			for (size_t l = 0; l < wish->n; l++) {
				if (prefix_eq(&one->prefixes[k], &wish->prefixes[l])) {
					return true;
				}
			}
		}
	}
	return false;
}

/* What an instance has is vacant no more; owner: only what that one has left, -1: whoever has. */
static void model_fill(struct model *model, int owner, const struct model_instance *one)
{
	size_t kept = 0;
	for (size_t i = 0; i < model->n_vacant; i++) {
		const struct model_vacant *vacant = &model->vacant[i];
		bool mine = (owner < 0 || owner == vacant->owner) &&
			    strcmp(vacant->network, one->network) == 0 &&
			    strcmp(vacant->interface, one->interface) == 0;
		bool filled = false;
		for (size_t k = 0; mine && k < one->n; k++) {
			filled |= prefix_eq(&vacant->prefix, &one->prefixes[k]);
		}
		if (!filled) {
			model->vacant[kept++] = *vacant;
		}
	}
	model->n_vacant = kept;
}

static void model_settle(struct model *model, struct model_instance *one)
{
	if (one->detached) {
		one->detached = false;
		if (--model->n_detached == 0) {
			model->n_vacant = 0;
		}
	}
}

static struct model_instance model_wish(struct model *model)
{
	struct model_instance wish = {
		.there = true, .id = draw(model, MODEL_IDS), .n = 1 + draw(model, 4)};
	wish.network = model_networks[draw(model, COUNT(model_networks))];
	wish.interface = model_interfaces[draw(model, COUNT(model_interfaces))];
	for (size_t i = 0; i < wish.n; i++) {
		struct model_prefix *prefix = &wish.prefixes[i];
		prefix->length = model_lengths[draw(model, COUNT(model_lengths))];
		prefix->address = draw(model, MODEL_ADDRESSES);
		if (prefix->length < 29) {
			prefix->address = 0;
		} else {
			prefix->address &= ~0u << (32 - prefix->length);
		}
	}
	return wish;
}

static struct instance *model_instance(int name, const struct model_instance *wish)
{
	struct instance *instance = NULL;
	json_t *addresses = json_array(), *spec;
	for (size_t i = 0; i < wish->n; i++) {
		const struct model_prefix *prefix = &wish->prefixes[i];
		char text[32];
		(void)snprintf(text, sizeof text, "%d.0.0.%u/%u", prefix->length ? 10 : 0,
			prefix->address, prefix->length);
		json_array_append_new(addresses, json_string(text));
	}
	char name_text[16], id[INSTANCE_ID_CHARS + 1];
	(void)snprintf(name_text, sizeof name_text, "n%d", name);
	(void)snprintf(id, sizeof id, "i-%08x", wish->id);
	spec = json_pack("{s:s, s:s, s:{s:s, s:s, s:o}}", "name", name_text, "instanceId", id,
		"match", "network", wish->network, "interface", wish->interface, "addresses",
		addresses);
	assert_int_equal(instance_new(spec, &help_record, &help_site, NULL, &instance, NULL), 0);
	json_decref(spec);
	return instance;
}

static void step_put(struct model *model, struct registry *registry, int name)
{
	struct model_instance *one = &model->instances[name];
	struct model_instance wish = model_wish(model);
	if (one->there && draw(model, 3) == 0) {
		wish = *one; /* the same again, or from being detached */
		wish.detached = false;
	}
	bool taken = model_taken(model, name, &wish);
	struct diag diag = {{0}};
	struct instance *instance = model_instance(name, &wish);
	assert_int_equal(registry_can_put(registry, instance, NULL), taken ? E_EXISTS : 0);
	assert_int_equal(registry_put(registry, instance, &diag), taken ? E_EXISTS : 0);
	if (taken) {
		char text[16];
		(void)snprintf(text, sizeof text, "'n%d'", name);
		assert_non_null(strstr(diag.text, text));
		return;
	}
	bool was_detached = one->there && one->detached;
	wish.detached = was_detached;
	model_fill(model, -1, &wish);
	*one = wish;
	model_settle(model, one);
}

static void step_remove(struct model *model, struct registry *registry, int name)
{
	struct model_instance *one = &model->instances[name];
	char text[16];
	(void)snprintf(text, sizeof text, "n%d", name);
	assert_int_equal(registry_remove(registry, str_of(text)), one->there ? 0 : E_NOTFOUND);
	if (!one->there) {
		return;
	}
	if (one->detached) {
		model_fill(model, name, one); /* what it left is free, not vacant */
	}
	model_settle(model, one);
	one->there = false;
}

static void step_detach(struct model *model, struct registry *registry, int name)
{
	struct model_instance *one = &model->instances[name];
	char text[16];
	if (model->n_detached == 4 && !one->detached) {
		return;
	}
	(void)snprintf(text, sizeof text, "n%d", name);
	registry_detach(registry, str_of(text));
	if (!one->there || one->detached) {
		return;
	}
	one->detached = true;
	model->n_detached++;
	model_fill(model, -1, one);
	for (size_t i = 0; i < one->n; i++) {
		assert_true(model->n_vacant < COUNT(model->vacant));
		model->vacant[model->n_vacant++] =
			(struct model_vacant){name, one->network, one->interface, one->prefixes[i]};
	}
}

static int number_of(const struct entry *entry)
{
	return entry ? atoi(entry_instance(entry)->name.p + 1) : -1;
}

/* What the registry says of an address: the same as the model. Returns whose it is. */
static int check_one(const struct model *model, const struct registry *registry,
	const char *network, size_t interface, unsigned address)
{
	const char *at = model_interfaces[interface];
	const char *port = model_interfaces[(interface + 1) % COUNT(model_interfaces)];
	struct ipaddr addr = {{[10] = 0xff, 0xff, 10, 0, 0, (uint8_t)address}};
	int have = number_of(registry_lookup(registry, str_of(network), str_of(at), &addr));
	assert_int_equal(have, model_lookup(model, network, "", at, address));
	assert_int_equal(number_of(registry_lookup_port(
				 registry, str_of(network), str_of(port), str_of(at), &addr)),
		model_lookup(model, network, port, at, address));
	assert_int_equal(registry_claimed(registry, str_of(network), &addr),
		model_claimed(model, network, address));
	return have;
}

/* Every question has the model's answer. */
static void check_all(const struct model *model, struct registry *registry, int *owners)
{
	size_t there = 0;
	for (size_t w = 0; w < COUNT(model_networks); w++) {
		for (size_t f = 0; f < COUNT(model_interfaces); f++) {
			for (unsigned a = 0; a < MODEL_ADDRESSES; a++) {
				*owners++ = check_one(model, registry, model_networks[w], f, a);
			}
		}
	}
	for (int i = 0; i < MODEL_NAMES; i++) {
		there += model->instances[i].there;
	}
	assert_int_equal(registry_count(registry), there);
}

static void beside_a_model(void **state)
{
	struct registry *registry = *state;
	static struct model model;
	enum { QUESTIONS = 2 * 3 * MODEL_ADDRESSES };
	int owners[QUESTIONS], before[QUESTIONS];
	uint32_t generation = registry_generation(registry);
	model.random = UINT64_C(88172645463325252);
	check_all(&model, registry, before);
	for (int step = 0; step < MODEL_STEPS; step++) {
		int name = (int)draw(&model, MODEL_NAMES);
		switch (draw(&model, 8)) {
		case 0:
			step_remove(&model, registry, name);
			break;
		case 1:
			step_detach(&model, registry, name);
			break;
		case 2:
			registry_turn(registry, draw(&model, WORKERS));
			(void)registry_reclaim(registry);
			break;
		default:
			step_put(&model, registry, name);
		}
		if (step % 4 == 0 || step > MODEL_STEPS - 100) {
			check_all(&model, registry, owners);
			/* An address does not go to another without a new generation. */
			for (int i = 0; i < QUESTIONS; i++) {
				assert_true(owners[i] == before[i] || owners[i] < 0 ||
					    generation != registry_generation(registry));
			}
			memcpy(before, owners, sizeof before);
			generation = registry_generation(registry);
		}
	}
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		registry_idle(registry, worker);
	}
	assert_int_equal(registry_reclaim(registry), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(beside_a_model, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
