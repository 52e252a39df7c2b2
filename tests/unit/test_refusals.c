/* Unit tests of daemon/refusals.h. */
#include "tests/unit/cases.h"

#include "daemon/refusals.h"

#define NOW_MS UINT64_C(1000000)
#define TOLD   4

static struct ipaddr addr_of(const char *text)
{
	struct ipaddr addr;
	assert_int_equal(ipaddr_parse(str_of(text), &addr), 0);
	return addr;
}

static bool cut_off(
	struct refusals *refusals, unsigned listener, const struct ipaddr *addr, uint64_t now_ms)
{
	struct refusal *slot = refusals_slot(refusals, listener, addr);
	return refusals_may_cut_off(slot, TOLD) && refusals_cut_off(slot, listener, addr, now_ms);
}

static void tell(struct refusals *refusals, unsigned listener, const struct ipaddr *addr,
	uint64_t now_ms, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		refusals_add(refusals_slot(refusals, listener, addr), listener, addr, now_ms);
	}
}

static void test_some_are_told_and_then_no_more(void **state)
{
	(void)state;
	static struct refusals refusals;
	struct ipaddr addr = addr_of("172.26.2.11");
	uint64_t now_ms = NOW_MS;
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < TOLD; i++) {
			assert_false(cut_off(&refusals, 1, &addr, now_ms));
			refusals_add(refusals_slot(&refusals, 1, &addr), 1, &addr, now_ms++);
		}
		/* One is heard now and then, whatever becomes of it, for as long as it goes on. */
		for (unsigned i = 0; i < 1000; i++, now_ms++) {
			bool heard = i % REFUSALS_PACE_MS == 0;
			assert_int_equal(cut_off(&refusals, 1, &addr, now_ms), !heard);
			assert_true(cut_off(&refusals, 1, &addr, now_ms));
			tell(&refusals, 1, &addr, now_ms, heard && i % 2 ? 1 : 0);
		}
		/* And it is forgotten after a while in which it didn't come. */
		now_ms += REFUSALS_MS - 2;
		assert_false(cut_off(&refusals, 1, &addr, now_ms));
		assert_true(cut_off(&refusals, 1, &addr, now_ms));
		now_ms += REFUSALS_MS;
	}
}

static void test_now_and_then_is_never_too_often(void **state)
{
	(void)state;
	static struct refusals refusals;
	struct ipaddr addr = addr_of("172.26.2.11");
	uint64_t now_ms = NOW_MS;
	for (unsigned i = 0; i < 10 * TOLD; i++) {
		now_ms += REFUSALS_MS / (TOLD - 1) + 1;
		for (int n = 0; n < 3; n++) {
			assert_false(cut_off(&refusals, 1, &addr, now_ms));
		}
		refusals_add(refusals_slot(&refusals, 1, &addr), 1, &addr, now_ms);
	}
}

/* Cut off, or it would be but for the once in a while. */
static bool is_known(struct refusals *refusals, unsigned listener, const struct ipaddr *addr)
{
	bool first = cut_off(refusals, listener, addr, NOW_MS);
	return cut_off(refusals, listener, addr, NOW_MS) || first;
}

static void test_each_for_itself(void **state)
{
	(void)state;
	static struct refusals refusals;
	static const char *const texts[] = {"172.26.2.12", "172.26.11.2", "2001:db8::11", "::1"};
	struct ipaddr addr = addr_of("172.26.2.11");
	tell(&refusals, 1, &addr, NOW_MS, TOLD);
	assert_true(is_known(&refusals, 1, &addr));
	assert_false(is_known(&refusals, 2, &addr)); /* another tenant's */
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct ipaddr other = addr_of(texts[i]);
		assert_false(is_known(&refusals, 1, &other));
	}
}

/* However many there are: nobody is cut off for what another did. */
static void test_more_than_there_are_slots(void **state)
{
	(void)state;
	static struct refusals refusals;
	struct ipaddr addr = addr_of("2001:db8::");
	for (unsigned i = 0; i < 20 * REFUSALS_SLOTS; i++) {
		addr.b[14] = (uint8_t)(i >> 8);
		addr.b[15] = (uint8_t)i;
		assert_false(is_known(&refusals, 1, &addr));
		tell(&refusals, 1, &addr, NOW_MS, TOLD);
		assert_true(is_known(&refusals, 1, &addr));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_some_are_told_and_then_no_more),
		cmocka_unit_test(test_now_and_then_is_never_too_often),
		cmocka_unit_test(test_each_for_itself),
		cmocka_unit_test(test_more_than_there_are_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
