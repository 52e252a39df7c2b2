/*
 * Random changes at random hosts, of which some are away now and then. However it comes: no instance is
 * served by two hosts unless one of them was forced away, and in the end every host has what the
 * database has of it.
 */
#include "tests/unit/fleet_help.h"

#define STEPS 400
#define SEEDS 40
#define NAMES 6

static const char *const names[NAMES] = {"i0", "i1", "i2", "i3", "i4", "i5"};

struct model {
	struct fleet_test *f;
	uint32_t dice;
	bool may_force;
	bool forced; /* somebody was */
};

static unsigned throw_dice(struct model *m, unsigned sides)
{
	m->dice = m->dice * 1664525 + 1013904223;
	return (m->dice >> 8) % sides;
}

static struct host *any_host(struct model *m)
{
	return &m->f->hosts[throw_dice(m, FLEET_HOSTS)];
}

static const char *any_name(struct model *m)
{
	return names[throw_dice(m, NAMES)];
}

/* What a change may say. */
static void allowed(int rc)
{
	if (rc != 0 && rc != E_AWAY && rc != E_NOTFOUND && rc != E_EXISTS) {
		fail_msg("%s", result_name(rc));
	}
}

static void put_one(struct model *m, struct host *h, const char *name)
{
	char spec[96];
	(void)snprintf(spec, sizeof spec, "name: %s\nmatch: {addresses: [10.0.0.%u]}\n", name,
		throw_dice(m, 8) + 1);
	allowed(fleet_put(m->f, h, spec));
}

static void change_one(struct model *m, struct host *h, struct deed *deed)
{
	static const char *const changes[] = {"{'httpTokens': 'required'}",
		"{'httpTokens': 'optional'}", "{'httpPutResponseHopLimit': 3}"};
	allowed(fleet_options(m->f, h, deed, any_name(m), changes[throw_dice(m, 3)]));
}

static void move_one(struct model *m, struct host *h, struct deed *deed)
{
	bool force = throw_dice(m, 8) == 0 && m->may_force;
	const char *to = any_host(m)->name, *name = any_name(m);
	allowed(fleet_move(m->f, h, deed, name, to, force));
	m->forced = m->forced || force;
}

/* The database goes, or comes back. */
static void come_or_go(struct model *m, struct host *h)
{
	unsigned dice = throw_dice(m, 5);
	bool is_there = registrar_is_attached(h->registrar);
	if (is_there && dice == 0) {
		store_shared_away(h->connection, throw_dice(m, 30) + 1);
	} else if (is_there && dice == 1) {
		store_shared_doubt(h->connection, throw_dice(m, 3) + 1);
	} else if (dice == 2) {
		registrar_detach(h->registrar);
	}
	if (!registrar_is_attached(h->registrar) && throw_dice(m, 3) == 0) {
		if (throw_dice(m, 3) == 0) {
			store_memory_fail(h->copy, 0, 0);
			fleet_restart(m->f, h);
		}
		fleet_find(m->f, h);
	}
}

static void copy_or_not(struct model *m, struct host *h)
{
	store_memory_fail(h->copy, throw_dice(m, 20) + 1, E_FULL);
}

static void work(struct model *m, struct host *h)
{
	if (throw_dice(m, 2)) {
		fleet_busy(h);
	} else {
		fleet_idle(h);
	}
}

static void see(struct model *m, struct host *h)
{
	int rc = registrar_catch_up(h->registrar, throw_dice(m, 4) == 0, &m->f->diag);
	if (rc != 0 && rc != E_AWAY) {
		fail_msg("%s", m->f->diag.text);
	}
}

static void step(struct model *m)
{
	struct host *h = any_host(m);
	struct deed deed = fleet_deed("UpdateInstanceMetadataOptions");
	switch (throw_dice(m, 16)) {
	case 0:
	case 1:
		put_one(m, h, any_name(m));
		break;
	case 2:
		allowed(fleet_delete(m->f, h, throw_dice(m, 2) ? &deed : NULL, any_name(m)));
		break;
	case 3:
	case 4:
		change_one(m, h, &deed);
		break;
	case 5:
	case 6:
		deed.operation_type = "MoveInstance";
		move_one(m, h, &deed);
		break;
	case 7:
	case 8:
		see(m, h);
		break;
	case 9:
	case 10:
		(void)registrar_acknowledge(h->registrar);
		break;
	case 11:
		come_or_go(m, h);
		break;
	case 12:
		copy_or_not(m, h);
		break;
	case 13:
		registrar_tick(h->registrar);
		break;
	default:
		work(m, h);
		break;
	}
	json_decref(deed.operations);
}

/* Two of a name: one was deleted and made anew while its host was away. */
static bool is_same_one(struct host *left, struct host *right, const char *name)
{
	const struct instance *one = fleet_instance(left, name);
	const struct instance *other = fleet_instance(right, name);
	return one && other && one->record.token_epoch == other->record.token_epoch;
}

static void assert_served_once(struct model *m)
{
	struct host *h = m->f->hosts;
	for (unsigned i = 0; i < NAMES && !m->forced; i++) {
		const char *name = names[i];
		if (is_same_one(&h[0], &h[1], name) || is_same_one(&h[0], &h[2], name) ||
			is_same_one(&h[1], &h[2], name)) {
			fail_msg("%s is served by two hosts", name);
		}
	}
}

static void end(struct model *m)
{
	struct fleet_test *f = m->f;
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		store_memory_fail(f->hosts[i].copy, 0, 0);
		fleet_find(f, &f->hosts[i]);
	}
	fleet_settle(f);
	for (unsigned i = 0; i < FLEET_HOSTS; i++) {
		fleet_assert_in_step(f, &f->hosts[i]);
		struct registrar_fleet fleet = fleet_numbers(f->hosts[i].registrar);
		assert_int_equal(fleet.moving, 0);
	}
	fleet_assert_none_open(f);
}

static void whatever_happens(void **state)
{
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct model m = {.f = *state, .dice = seed, .may_force = seed % 2 == 0};
		for (unsigned i = 0; i < STEPS; i++) {
			step(&m);
			assert_served_once(&m);
		}
		end(&m);
		assert_int_equal(fleet_teardown(state), 0);
		assert_int_equal(fleet_setup(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLEET_TEST(whatever_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
