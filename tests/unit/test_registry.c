/*
 * The registry of instances: who calls, changes and their order, what is freed and when, and what is
 * left as it was when memory runs out.
 */
#include <malloc.h>
#include <stdint.h>

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

static void put(struct registry *registry, const char *spec)
{
	struct diag diag = {{0}};
	if (registry_put(registry, help_instance(spec), &diag) < 0) {
		fail_msg("%s: %s", spec, diag.text);
	}
}

static struct entry *lookup(
	struct registry *registry, const char *network, const char *interface, const char *address)
{
	struct ipaddr addr;
	assert_int_equal(ipaddr_parse(str_of(address), &addr), 0);
	return registry_lookup(registry, str_of(network), str_of(interface), &addr);
}

/* The name of who calls; "" when nobody is known. */
static struct str who(
	struct registry *registry, const char *network, const char *interface, const char *address)
{
	struct entry *entry = lookup(registry, network, interface, address);
	return entry ? entry_instance(entry)->name : STR("");
}

/* --- who calls --------------------------------------------------------------------------------- */

static void most_specific_match_wins(void **state)
{
	struct registry *registry = *state;
	static const struct {
		int line;
		const char *network, *interface, *address, *name;
	} cases[] = {
		/* The longest prefix. */
		{__LINE__, "", "", "10.0.0.1", "address"},
		{__LINE__, "", "", "10.0.0.2", "slash-24"},
		{__LINE__, "", "", "10.0.1.1", "slash-8"},
		{__LINE__, "", "", "11.0.0.1", "all-v4"},
		{__LINE__, "", "", "fd00::1", "six-128"},
		{__LINE__, "", "", "fd00::2", "six-64"},
		{__LINE__, "", "", "fd00:1::1", "all"},
		/* An interface goes before none, whatever the prefix. */
		{__LINE__, "", "tap0", "10.0.0.1", "tap-all"},
		{__LINE__, "", "tap0", "10.0.0.9", "tap-9"},
		{__LINE__, "", "tap0", "fd00::1", "six-128"},
		{__LINE__, "", "tap1", "10.0.0.1", "address"},
		{__LINE__, "", "tap", "10.0.0.1", "address"},
		/* Networks have nothing to do with each other. */
		{__LINE__, "lab", "", "10.0.0.1", "lab-1"},
		{__LINE__, "lab", "tap0", "10.0.0.1", "lab-1"},
		{__LINE__, "lab", "", "10.0.0.2", ""},
		{__LINE__, "la", "", "10.0.0.1", ""},
		{__LINE__, "labtap0", "", "10.0.0.1", ""},
		/* A caller over IPv4 on a dual-stack socket is the same caller. */
		{__LINE__, "", "", "::ffff:10.0.0.1", "address"},
	};
	put(registry, "{'name': 'all', 'match': {'addresses': ['::/0']}}");
	put(registry, "{'name': 'all-v4', 'match': {'addresses': ['0.0.0.0/0']}}");
	put(registry, "{'name': 'slash-8', 'match': {'addresses': ['10.0.0.0/8']}}");
	put(registry, "{'name': 'slash-24', 'match': {'addresses': ['10.0.0.0/24']}}");
	put(registry, "{'name': 'address', 'match': {'addresses': ['10.0.0.1']}}");
	put(registry, "{'name': 'six-64', 'match': {'addresses': ['fd00::/64']}}");
	put(registry, "{'name': 'six-128', 'match': {'addresses': ['fd00::1']}}");
	put(registry,
		"{'name': 'tap-all', 'match': {'interface': 'tap0', 'addresses': ['0.0.0.0/0']}}");
	put(registry,
		"{'name': 'tap-9', 'match': {'interface': 'tap0', 'addresses': ['10.0.0.9']}}");
	put(registry, "{'name': 'lab-1', 'match': {'network': 'lab', 'addresses': ['10.0.0.1']}}");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		case_text(cases[i].line,
			who(registry, cases[i].network, cases[i].interface, cases[i].address),
			cases[i].name);
	}
	assert_int_equal(registry_count(registry), 10);
}

static struct str behind(
	struct registry *registry, const char *port, const char *interface, const char *address)
{
	struct ipaddr addr;
	assert_int_equal(ipaddr_parse(str_of(address), &addr), 0);
	struct entry *entry =
		registry_lookup_port(registry, STR_EMPTY, str_of(port), str_of(interface), &addr);
	return entry ? entry_instance(entry)->name : STR("");
}

static void ports_of_a_bridge(void **state)
{
	struct registry *registry = *state;
	static const struct {
		int line;
		const char *port, *interface, *address, *name;
	} cases[] = {
		{__LINE__, "tap0", "br0", "10.0.0.1", "port"},
		{__LINE__, "tap1", "br0", "10.0.0.1", "bridge"},
		{__LINE__, "", "br0", "10.0.0.1", "bridge"},
		{__LINE__, "tap1", "br1", "10.0.0.1", ""},
		{__LINE__, "tap1", "br0", "10.0.0.2", "any"},
		{__LINE__, "tap0", "br0", "10.0.0.2", "any"},
		{__LINE__, "", "tap0", "10.0.0.1", "port"},
		{__LINE__, "br0", "tap0", "10.0.0.1", "bridge"}, /* what is given first */
	};
	put(registry,
		"{'name': 'port', 'match': {'interface': 'tap0', 'addresses': ['10.0.0.1']}}");
	put(registry,
		"{'name': 'bridge', 'match': {'interface': 'br0', 'addresses': ['10.0.0.1']}}");
	put(registry, "{'name': 'any', 'match': {'addresses': ['10.0.0.2']}}");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		case_text(cases[i].line,
			behind(registry, cases[i].port, cases[i].interface, cases[i].address),
			cases[i].name);
	}
}

static bool is_claimed(const struct registry *registry, const char *network, const char *address)
{
	struct ipaddr addr;
	assert_int_equal(ipaddr_parse(str_of(address), &addr), 0);
	return registry_claimed(registry, str_of(network), &addr);
}

static void claims(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'any', 'match': {'addresses': ['10.0.0.1']}}");
	assert_false(is_claimed(registry, "", "10.0.0.1")); /* at no interface */
	put(registry,
		"{'name': 'tap0', 'match': {'interface': 'tap0', 'addresses': ['10.0.0.1']}}");
	put(registry, "{'name': 'tap1', 'match': {'interface': 'tap1', 'addresses': ['10.0.0.1',"
		      " '10.0.0.1', '10.1.0.0/16']}}");
	assert_true(is_claimed(registry, "", "10.0.0.1"));
	assert_true(is_claimed(registry, "", "10.1.2.3"));
	assert_false(is_claimed(registry, "", "10.0.0.2"));
	assert_false(is_claimed(registry, "lab", "10.0.0.1"));
	assert_int_equal(registry_remove(registry, STR("tap0")), 0);
	assert_true(is_claimed(registry, "", "10.0.0.1")); /* by the other */
	put(registry,
		"{'name': 'tap1', 'match': {'interface': 'tap2', 'addresses': ['10.0.0.1']}}");
	assert_true(is_claimed(registry, "", "10.0.0.1"));
	assert_false(is_claimed(registry, "", "10.1.2.3"));
	assert_int_equal(registry_remove(registry, STR("tap1")), 0);
	assert_false(is_claimed(registry, "", "10.0.0.1"));
	assert_true(str_eq(who(registry, "", "", "10.0.0.1"), STR("any")));
}

static void nobody_is_known_at_first(void **state)
{
	struct registry *registry = *state;
	assert_null(lookup(registry, "", "", "10.0.0.1"));
	assert_null(lookup(registry, "", "tap0", "::1"));
	assert_null(registry_find(registry, STR("web-1")));
	assert_int_equal(registry_count(registry), 0);
	assert_int_equal(registry_remove(registry, STR("web-1")), E_NOTFOUND);
	registry_detach(registry, STR("web-1"));
	assert_int_equal(registry_reclaim(registry), 0);
}

static void several_addresses(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1', '10.0.0.1', 'fd00::1',"
		      " '10.0.0.0/30', '10.0.0.1']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "one");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "one");
	case_text(__LINE__, who(registry, "", "", "fd00::1"), "one");
	case_text(__LINE__, who(registry, "", "", "10.0.0.4"), "");
	assert_int_equal(registry_remove(registry, STR("one")), 0);
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "");
	case_text(__LINE__, who(registry, "", "", "fd00::1"), "");
}

/* --- changes ----------------------------------------------------------------------------------- */

static void a_new_state_of_the_same(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1', '10.0.0.2']}}");
	struct entry *entry = lookup(registry, "", "", "10.0.0.1");
	const struct instance *before = entry_instance(entry);
	uint32_t generation = registry_generation(registry);
	/* The same addresses: the same entry, no new generation. */
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1', '10.0.0.2']},"
		      " 'metadataOptions': {'httpTokens': 'required'}}");
	assert_ptr_equal(lookup(registry, "", "", "10.0.0.1"), entry);
	assert_ptr_not_equal(entry_instance(entry), before);
	assert_true(entry_instance(entry)->options.tokens_required);
	assert_int_equal(registry_generation(registry), generation);
	/* Others: the same entry, but connections must look again. */
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.2', '10.0.0.3']}}");
	assert_null(lookup(registry, "", "", "10.0.0.1"));
	assert_ptr_equal(lookup(registry, "", "", "10.0.0.2"), entry);
	assert_ptr_equal(lookup(registry, "", "", "10.0.0.3"), entry);
	assert_int_not_equal(registry_generation(registry), generation);
	generation = registry_generation(registry);
	put(registry, "{'name': 'one', 'match': {'interface': 'tap0', 'addresses': ['10.0.0.2']}}");
	assert_null(lookup(registry, "", "", "10.0.0.2"));
	assert_ptr_equal(lookup(registry, "", "tap0", "10.0.0.2"), entry);
	assert_int_not_equal(registry_generation(registry), generation);
	assert_int_equal(registry_count(registry), 1);
	assert_ptr_equal(registry_find(registry, STR("one")), entry);
}

static void duplicates_are_named(void **state)
{
	struct registry *registry = *state;
	static const struct {
		int line;
		const char *spec;
		int rc;
		const char *says;
	} cases[] = {
		{__LINE__, "{'name': 'two', 'match': {'addresses': ['10.0.0.9', '10.0.0.1']}}",
			E_EXISTS, "instances 'one' and 'two' both have the address 10.0.0.1"},
		{__LINE__, "{'name': 'two', 'match': {'addresses': ['fd00::/64']}}", E_EXISTS,
			"instances 'one' and 'two' both have the address fd00::"},
		{__LINE__, "{'name': 'two', 'instanceId': 'i-0123456789abcdef0'}", E_EXISTS,
			"instances 'one' and 'two' both have the instance id i-0123456789abcdef0"},
		/* A prefix around an address, another interface, another network are no duplicates. */
		{__LINE__, "{'name': 'two', 'match': {'addresses': ['10.0.0.0/31']}}", 0, ""},
		{__LINE__,
			"{'name': 'two', 'match': {'interface': 'tap0', 'addresses': ['10.0.0.1']}}",
			0, ""},
		{__LINE__,
			"{'name': 'two', 'match': {'network': 'lab', 'addresses': ['10.0.0.1']}}",
			0, ""},
	};
	put(registry, "{'name': 'one', 'instanceId': 'i-0123456789abcdef0',"
		      " 'match': {'addresses': ['10.0.0.1', 'fd00::/64']}}");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct diag diag = {{0}};
		struct instance *instance = help_instance(cases[i].spec);
		uint32_t generation = registry_generation(registry);
		case_int(cases[i].line, registry_can_put(registry, instance, &diag), cases[i].rc);
		case_text(cases[i].line, str_of(diag.text), cases[i].says);
		case_int(cases[i].line, registry_put(registry, instance, &diag), cases[i].rc);
		case_text(cases[i].line, str_of(diag.text), cases[i].says);
		case_text(cases[i].line, who(registry, "", "", "10.0.0.1"), "one");
		if (cases[i].rc == 0) {
			assert_int_equal(registry_remove(registry, STR("two")), 0);
		} else {
			case_int(cases[i].line, registry_generation(registry), generation);
			assert_null(registry_find(registry, STR("two")));
			case_text(cases[i].line, who(registry, "", "", "10.0.0.9"), "");
		}
	}
}

static void refused_change_of_an_instance_that_is_there(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1']}}");
	put(registry, "{'name': 'two', 'match': {'addresses': ['10.0.0.2']}}");
	const struct instance *before = entry_instance(registry_find(registry, STR("two")));
	assert_int_equal(
		registry_put(registry,
			help_instance(
				"{'name': 'two', 'match': {'addresses': ['10.0.0.3', '10.0.0.1']}}"),
			NULL),
		E_EXISTS);
	assert_ptr_equal(entry_instance(registry_find(registry, STR("two"))), before);
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "one");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "two");
	case_text(__LINE__, who(registry, "", "", "10.0.0.3"), "");
	/* Its own address and id are in nobody's way. */
	put(registry, "{'name': 'two', 'match': {'addresses': ['10.0.0.2', '10.0.0.3']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.3"), "two");
}

static void another_id(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one', 'instanceId': 'i-00000001'}");
	put(registry, "{'name': 'one', 'instanceId': 'i-00000002'}");
	put(registry, "{'name': 'two', 'instanceId': 'i-00000001'}");
	assert_int_equal(
		registry_put(registry, help_instance("{'name': 'two', 'instanceId': 'i-00000002'}"),
			NULL),
		E_EXISTS);
	assert_int_equal(registry_remove(registry, STR("one")), 0);
	put(registry, "{'name': 'two', 'instanceId': 'i-00000002'}");
}

/* --- changing places --------------------------------------------------------------------------- */

static void swap_of_two_addresses(void **state)
{
	struct registry *registry = *state;
	put(registry,
		"{'name': 'one', 'instanceId': 'i-00000001', 'match': {'addresses': ['10.0.0.1']}}");
	put(registry,
		"{'name': 'two', 'instanceId': 'i-00000002', 'match': {'addresses': ['10.0.0.2']}}");
	struct entry *one = registry_find(registry, STR("one"));
	uint32_t generation = registry_generation(registry);
	registry_detach(registry, STR("one"));
	registry_detach(registry, STR("two"));
	registry_detach(registry, STR("two")); /* again: nothing */
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "");
	/* It is there as an instance all the while. */
	assert_ptr_equal(registry_find(registry, STR("one")), one);
	assert_non_null(entry_instance(one));
	put(registry,
		"{'name': 'one', 'instanceId': 'i-00000002', 'match': {'addresses': ['10.0.0.2']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "one");
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "");
	assert_int_not_equal(registry_generation(registry), generation);
	generation = registry_generation(registry);
	put(registry,
		"{'name': 'two', 'instanceId': 'i-00000001', 'match': {'addresses': ['10.0.0.1']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "two");
	assert_int_not_equal(registry_generation(registry), generation);
	assert_ptr_equal(lookup(registry, "", "", "10.0.0.2"), one);
	assert_int_equal(registry_count(registry), 2);
}

/*
 * Whose address is about to change must not be taken meanwhile for whoever has the network around
 * it: that one's credentials would be handed out.
 */
static void detached_callers_are_nobody_else(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'all', 'match': {'addresses': ['10.0.0.0/8']}}");
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1', '10.0.0.4']}}");
	put(registry, "{'name': 'two', 'match': {'addresses': ['10.0.0.2']}}");
	put(registry, "{'name': 'tap', 'match': {'interface': 'tap0', 'addresses': ['10.0.0.1']}}");
	registry_detach(registry, STR("one"));
	registry_detach(registry, STR("two"));
	registry_detach(registry, STR("tap"));
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "");
	case_text(__LINE__, who(registry, "", "", "10.0.0.3"), "all");
	case_text(__LINE__, who(registry, "", "tap0", "10.0.0.1"), "");
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.2']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "one");
	put(registry, "{'name': 'two', 'match': {'addresses': ['10.0.0.1']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "two");
	case_text(__LINE__, who(registry, "", "", "10.0.0.4"), "");
	/* When all have found their place, what nobody has taken is the network's. */
	put(registry, "{'name': 'tap', 'match': {'interface': 'tap1', 'addresses': ['10.0.0.1']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.4"), "all");
	case_text(__LINE__, who(registry, "", "tap0", "10.0.0.1"), "two");
	case_text(__LINE__, who(registry, "", "tap1", "10.0.0.1"), "tap");
}

static void removed_while_detached(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'all', 'match': {'addresses': ['10.0.0.0/8']}}");
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1', '10.0.0.2']}}");
	put(registry, "{'name': 'two', 'match': {'addresses': ['10.0.0.3']}}");
	registry_detach(registry, STR("one"));
	registry_detach(registry, STR("two"));
	put(registry, "{'name': 'new', 'match': {'addresses': ['10.0.0.1']}}");
	assert_int_equal(registry_remove(registry, STR("one")), 0);
	case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "new");
	case_text(__LINE__, who(registry, "", "", "10.0.0.2"), "all");
	assert_int_equal(registry_remove(registry, STR("two")), 0);
	case_text(__LINE__, who(registry, "", "", "10.0.0.3"), "all");
	/* Name, id and addresses are free again. */
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.2', '10.0.0.3']}}");
	case_text(__LINE__, who(registry, "", "", "10.0.0.3"), "one");
}

/* Their ids are out while they are detached, and need room when they come back. */
static void many_come_back(void **state)
{
	struct registry *registry = *state;
	enum { OLD = 32, ALL = 64 };
	for (int i = 0; i < ALL + OLD; i++) {
		char name[16], spec[128];
		int number = i % ALL; /* the old ones again, at last */
		(void)snprintf(name, sizeof name, "web-%d", number);
		(void)snprintf(spec, sizeof spec,
			"{'name': '%s', 'match': {'addresses': ['10.0.0.%d']}}", name, number);
		put(registry, spec);
		if (i < OLD) {
			registry_detach(registry, str_of(name));
		}
	}
	struct instance *new = help_instance("{'name': 'new', 'privateIpAddress': '10.1.0.1'}");
	assert_int_equal(registry_can_put(registry, new, NULL), 0);
	instance_free(new);
	assert_int_equal(registry_count(registry), ALL);
	case_text(__LINE__, who(registry, "", "", "10.0.0.31"), "web-31");
}

static void check_of_several(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *one, *two;
		int rc;
		const char *says;
	} cases[] = {
		{__LINE__, "{'name': 'one'}", "{'name': 'two'}", 0, ""},
		{__LINE__, "{'name': 'one'}",
			"{'name': 'one', 'instanceId': 'i-00000001', 'privateIpAddress': '10.0.0.1'}",
			E_EXISTS, "two instances have the name 'one'"},
		{__LINE__, "{'name': 'one', 'privateIpAddress': '10.0.0.1'}",
			"{'name': 'two', 'privateIpAddress': '10.0.0.1'}", E_EXISTS,
			"instances 'one' and 'two' both have the address 10.0.0.1"},
		{__LINE__, "{'name': 'one', 'instanceId': 'i-00000001'}",
			"{'name': 'two', 'instanceId': 'i-00000001'}", E_EXISTS,
			"instances 'one' and 'two' both have the instance id i-00000001"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct diag diag = {{0}};
		struct instance *both[2] = {
			help_instance(cases[i].one), help_instance(cases[i].two)};
		case_int(cases[i].line, registry_check(both, 2, &diag), cases[i].rc);
		case_text(cases[i].line, str_of(diag.text), cases[i].says);
		case_int(cases[i].line, registry_check(both, 1, &diag), 0);
		case_int(cases[i].line, registry_check(both, 0, &diag), 0);
		/* They were only lent. */
		instance_free(both[0]);
		instance_free(both[1]);
	}
}

/* --- what is freed, and when ------------------------------------------------------------------- */

static void snapshot_lives_until_all_have_turned(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one'}");
	registry_turn(registry, 0);
	registry_turn(registry, 1); /* worker 2 waits, and holds nothing */
	const struct instance *old = entry_instance(registry_find(registry, STR("one")));
	put(registry, "{'name': 'one', 'state': 'stopped'}");
	uint64_t mark = registry_mark(registry);
	assert_false(registry_passed(registry, mark));
	assert_true(registry_reclaim(registry) > 0);
	assert_true(old->running); /* a sanitizer would tell */
	registry_turn(registry, 0);
	assert_false(registry_passed(registry, mark));
	assert_true(registry_reclaim(registry) > 0);
	assert_true(old->running);
	registry_turn(registry, 1);
	assert_true(registry_passed(registry, mark));
	assert_int_equal(registry_reclaim(registry), 0);
	/* Going to wait does as well. */
	put(registry, "{'name': 'one'}");
	mark = registry_mark(registry);
	registry_turn(registry, 0);
	assert_false(registry_passed(registry, mark));
	registry_idle(registry, 1);
	assert_true(registry_passed(registry, mark));
	assert_int_equal(registry_reclaim(registry), 0);
}

static void a_worker_that_comes_later_does_not_matter(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one'}");
	put(registry, "{'name': 'one'}");
	uint64_t mark = registry_mark(registry);
	registry_turn(registry, 2);
	assert_true(registry_passed(registry, mark));
	assert_int_equal(registry_reclaim(registry), 0);
}

static void removed_while_held(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1']}}");
	registry_turn(registry, 0);
	struct entry *entry = lookup(registry, "", "", "10.0.0.1");
	atomic_fetch_add(&entry->holds, 1);
	struct stats *stats = entry_stats(entry, 0);
	assert_non_null(stats);
	assert_ptr_equal(entry_stats(entry, 0), stats);
	uint32_t generation = registry_generation(registry);
	assert_int_equal(registry_remove(registry, STR("one")), 0);
	assert_int_not_equal(registry_generation(registry), generation);
	assert_null(lookup(registry, "", "", "10.0.0.1"));
	assert_null(registry_find(registry, STR("one")));
	assert_null(entry_instance(entry));
	/* Another of its name is another entry. */
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1']}}");
	assert_ptr_not_equal(lookup(registry, "", "", "10.0.0.1"), entry);
	for (int i = 0; i < 3; i++) {
		registry_turn(registry, 0);
		assert_int_equal(registry_reclaim(registry), 1);
	}
	stats_add(stats, STATS_THROTTLED); /* still there */
	atomic_fetch_sub(&entry->holds, 1);
	assert_int_equal(registry_reclaim(registry), 0);
}

static void removed_and_looked_at(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1']}}");
	registry_turn(registry, 0);
	struct entry *entry = lookup(registry, "", "", "10.0.0.1"); /* not held, but used */
	assert_int_equal(registry_remove(registry, STR("one")), 0);
	(void)registry_reclaim(registry);
	assert_null(entry_instance(entry));
	registry_turn(registry, 0);
	assert_int_equal(registry_reclaim(registry), 0);
}

static void counters_are_summed(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one'}");
	struct entry *entry = registry_find(registry, STR("one"));
	assert_int_equal(entry_counter(registry, entry, STATS_TOKENS_ISSUED), 0);
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		for (unsigned i = 0; i <= worker; i++) {
			stats_add(entry_stats(entry, worker), STATS_TOKENS_ISSUED);
		}
	}
	assert_int_equal(entry_counter(registry, entry, STATS_TOKENS_ISSUED), 6);
	assert_int_equal(entry_counter(registry, entry, STATS_THROTTLED), 0);
	/* They stay with the instance through its changes. */
	put(registry, "{'name': 'one', 'state': 'stopped'}");
	assert_int_equal(entry_counter(registry, entry, STATS_TOKENS_ISSUED), 6);
}

static struct signed_document *signed_document(const char *text)
{
	struct signed_document *document = calloc(1, sizeof *document);
	assert_non_null(document);
	document->document = str_of(text);
	return document;
}

static void signed_documents(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one'}");
	registry_turn(registry, 0);
	struct entry *entry = registry_find(registry, STR("one"));
	atomic_store(&entry->signing, true);
	registry_signed(registry, entry, signed_document("first"));
	assert_false(atomic_load(&entry->signing));
	struct signed_document *first = atomic_load(&entry->signed_document);
	case_text(__LINE__, first->document, "first");
	registry_signed(registry, entry, signed_document("second"));
	registry_signed(registry, entry, signed_document("third"));
	case_text(__LINE__, atomic_load(&entry->signed_document)->document, "third");
	/* The replaced ones are there until the worker has turned. */
	assert_int_equal(registry_reclaim(registry), 2);
	case_text(__LINE__, first->document, "first");
	registry_turn(registry, 0);
	assert_int_equal(registry_reclaim(registry), 0);
	/* One that was replaced and never reclaimed goes with the registry. */
	registry_signed(registry, entry, signed_document("fourth"));
}

static int count_entry(void *ctx, struct entry *entry)
{
	assert_non_null(entry_instance(entry));
	return ++*(int *)ctx == 3 ? -7 : 0;
}

static void each(void **state)
{
	struct registry *registry = *state;
	int n = 0;
	put(registry, "{'name': 'one'}");
	put(registry, "{'name': 'two'}");
	assert_int_equal(registry_each(registry, count_entry, &n), 0);
	assert_int_equal(n, 2);
	put(registry, "{'name': 'three'}");
	put(registry, "{'name': 'four'}");
	n = 0;
	assert_int_equal(registry_each(registry, count_entry, &n), -7);
	assert_int_equal(n, 3);
}

static void number_of_workers(void **state)
{
	(void)state;
	struct registry *registry = registry_new(REGISTRY_WORKERS_MAX);
	assert_non_null(registry);
	registry_turn(registry, REGISTRY_WORKERS_MAX - 1);
	registry_free(registry);
	assert_null(registry_new(REGISTRY_WORKERS_MAX + 1));
	registry_free(NULL);
}

/* --- memory that runs out ---------------------------------------------------------------------- */

#define BEFORE "{'name': 'one', 'instanceId': 'i-00000001', 'match': {'addresses': ['10.0.0.1']}}"

/* A change for which memory may not be there: then all is as before. */
static void change_without_memory(struct registry *registry, int line, const char *spec)
{
	for (unsigned n = 1;; n++) {
		struct diag diag = {{0}};
		struct entry *entry = registry_find(registry, STR("one"));
		const struct instance *before = entry_instance(entry);
		size_t count = registry_count(registry);
		struct instance *instance = help_instance(spec);
		alloc_fail_at(n);
		int rc = registry_put(registry, instance, &diag);
		bool failed = alloc_fail_at(0);
		if (rc == 0) {
			/* A list that could not grow is made up for by waiting. */
			if (!failed) {
				return;
			}
			put(registry, BEFORE);
			(void)!registry_remove(registry, STR("two")); /* if it is there */
			continue;
		}
		case_int(line, failed, true);
		case_int(line, rc, -ENOMEM);
		case_text(line, str_of(diag.text), "out of memory");
		assert_ptr_equal(entry_instance(entry), before);
		assert_int_equal(registry_count(registry), count);
		case_text(line, who(registry, "", "", "10.0.0.1"), "one");
		case_text(line, who(registry, "", "", "10.0.0.2"), "");
		case_text(line, who(registry, "", "", "10.0.0.9"), "");
		case_text(line, who(registry, "", "tap0", "10.0.0.9"), "");
		case_int(line, is_claimed(registry, "", "10.0.0.9"), false);
	}
}

static void memory_runs_out(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *spec;
	} cases[] = {
		{__LINE__, "{'name': 'one', 'instanceId': 'i-00000001', 'match': {'addresses':"
			   " ['10.0.0.1']}, 'state': 'stopped'}"},
		{__LINE__, "{'name': 'one', 'match': {'addresses': ['10.0.0.2', '10.0.0.9']}}"},
		{__LINE__, "{'name': 'two', 'match': {'addresses': ['10.0.0.2', '10.0.0.9']}}"},
		{__LINE__, "{'name': 'two', 'match': {'interface': 'tap0', 'addresses':"
			   " ['10.0.0.2', '10.0.0.9']}}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct registry *registry = registry_new(WORKERS);
		put(registry, BEFORE);
		change_without_memory(registry, cases[i].line, cases[i].spec);
		registry_free(registry);
	}
	for (unsigned n = 1; n <= 2; n++) {
		alloc_fail_at(n);
		struct registry *registry = registry_new(WORKERS);
		registry_free(registry);
		/* The registry itself is aligned memory, which does not count here. */
		assert_int_equal(alloc_fail_at(0), n == 1);
		assert_int_equal(registry == NULL, n == 1);
	}
}

static int check_two(void *ctx)
{
	struct diag diag = {{0}};
	int rc = registry_check(ctx, 2, &diag);
	assert_int_equal(rc < 0, diag.text[0] != '\0');
	return rc;
}

static void memory_runs_out_in_a_check(void **state)
{
	(void)state;
	struct instance *both[2] = {
		help_instance("{'name': 'one'}"), help_instance("{'name': 'two'}")};
	assert_true(help_each_allocation_fails(check_two, both) > 4);
	instance_free(both[0]);
	instance_free(both[1]);
}

/* Going is always possible. */
static void removed_without_memory(void **state)
{
	struct registry *registry = *state;
	for (unsigned n = 1; n < 5; n++) {
		put(registry, "{'name': 'one', 'match': {'addresses': ['10.0.0.1', '10.0.0.2']}}");
		alloc_fail_at(n);
		assert_int_equal(registry_remove(registry, STR("one")), 0);
		alloc_fail_at(0);
		case_text(__LINE__, who(registry, "", "", "10.0.0.1"), "");
		assert_int_equal(registry_count(registry), 0);
		assert_int_equal(registry_reclaim(registry), 0);
	}
}

static void stats_without_memory(void **state)
{
	struct registry *registry = *state;
	put(registry, "{'name': 'one'}");
	struct entry *entry = registry_find(registry, STR("one"));
	alloc_fail_at(1);
	assert_null(entry_stats(entry, 0));
	alloc_fail_at(0);
	assert_non_null(entry_stats(entry, 0));
}

/* --- many -------------------------------------------------------------------------------------- */

/* What one more instance costs that was never asked: registry, indexes and all. */
static void memory_of_many(void **state)
{
	struct registry *registry = *state;
	enum { MANY = 10000 };
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < MANY; i++) {
		char spec[1024];
		(void)snprintf(spec, sizeof spec,
			"{'name': 'web-%d', 'match': {'addresses': ['10.0.%d.%d']},"
			" 'blueprintId': 'amazon_linux_2023', 'metadataOptions': {'httpTokens': 'required'},"
			" 'publicKeys': {'ops': '" HELP_KEY "'}, 'tags': {'Name': 'web-%d'},"
			" 'userDataBase64': '" HELP_USER_DATA "',"
			" 'role': {'name': 'app', 'credentials': {'file': '/etc/telltale/app.json'}}}",
			i, i / 256, i % 256, i);
		put(registry, spec);
	}
	assert_int_equal(registry_reclaim(registry), 0);
	assert_int_equal(registry_count(registry), MANY);
	case_text(__LINE__, who(registry, "", "", "10.0.39.15"), "web-9999");
	size_t after = mallinfo2().uordblks;
	if (after > before) { /* a sanitizer's allocator does not say */
		print_message("%zu heap bytes an instance that was never asked, %d of them\n",
			(after - before) / MANY, MANY);
		assert_true((after - before) / MANY <= 2048);
	}
	for (int i = 0; i < MANY; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "web-%d", i);
		assert_int_equal(registry_remove(registry, str_of(name)), 0);
	}
	assert_int_equal(registry_reclaim(registry), 0);
	assert_null(lookup(registry, "", "", "10.0.39.15"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(most_specific_match_wins),
		TEST(ports_of_a_bridge),
		TEST(claims),
		TEST(nobody_is_known_at_first),
		TEST(several_addresses),
		TEST(a_new_state_of_the_same),
		TEST(duplicates_are_named),
		TEST(refused_change_of_an_instance_that_is_there),
		TEST(another_id),
		TEST(swap_of_two_addresses),
		TEST(detached_callers_are_nobody_else),
		TEST(removed_while_detached),
		TEST(many_come_back),
		cmocka_unit_test(check_of_several),
		TEST(snapshot_lives_until_all_have_turned),
		TEST(a_worker_that_comes_later_does_not_matter),
		TEST(removed_while_held),
		TEST(removed_and_looked_at),
		TEST(counters_are_summed),
		TEST(signed_documents),
		TEST(each),
		cmocka_unit_test(number_of_workers),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(memory_runs_out_in_a_check),
		TEST(removed_without_memory),
		TEST(stats_without_memory),
		TEST(memory_of_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
