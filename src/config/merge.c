#include "base/json.h"
#include "config/spec.h"

#include <errno.h>

/* A place in the three documents. before and now may be NULL: nothing is said there. */
struct merge {
	json_t *effective;
	const json_t *before;
	const json_t *now;
	bool top;          /* of an instance */
	const char *whole; /* the member here that is compared whole; NULL: none */
	bool *changed;
};

static int merge_object(const struct merge *merge);

static bool is_map(const json_t *value)
{
	return json_is_object(value);
}

static bool nothing_or_map(const json_t *value)
{
	return !value || json_is_object(value);
}

static int set(const struct merge *merge, const char *key, const json_t *value)
{
	json_t *there = json_object_get(merge->effective, key);
	if (json_equal(there, value)) {
		return 0;
	}
	json_t *copy = json_deep_copy(value);
	if (!copy || json_object_set_new_nocheck(merge->effective, key, copy) != 0) {
		return -ENOMEM;
	}
	*merge->changed = true;
	return 0;
}

static void drop(const struct merge *merge, const char *key)
{
	if (json_object_del(merge->effective, key) == 0) {
		*merge->changed = true;
	}
}

/* One member that the file has changed, added or dropped. */
static int merge_member(const struct merge *merge, const char *key)
{
	json_t *effective = json_object_get(merge->effective, key);
	const json_t *before = json_object_get(merge->before, key);
	const json_t *now = json_object_get(merge->now, key);
	bool by_member = is_map(effective) && nothing_or_map(before) && nothing_or_map(now) &&
			 !(merge->whole && strcmp(merge->whole, key) == 0);
	if (by_member) {
		struct merge below = {.effective = effective,
			.before = before,
			.now = now,
			.whole = merge->top && strcmp(key, "role") == 0 ? "credentials" : NULL,
			.changed = merge->changed};
		TRY(merge_object(&below));
		if (!now && json_object_size(effective) == 0) {
			drop(merge, key);
		}
		return 0;
	}
	if (now) {
		return set(merge, key, now);
	}
	drop(merge, key);
	return 0;
}

static int merge_object(const struct merge *merge)
{
	const char *key;
	json_t *value;
	/* json_object_foreach takes no const object, but changes nothing. */
	json_object_foreach (json_loose(merge->now), key, value) {
		if (!json_equal(json_object_get(merge->before, key), value)) {
			TRY(merge_member(merge, key));
		}
	}
	json_object_foreach (json_loose(merge->before), key, value) {
		if (!json_object_get(merge->now, key)) {
			TRY(merge_member(merge, key));
		}
	}
	return 0;
}

int spec_merge(json_t *effective, const json_t *before, const json_t *now, bool *ret_changed)
{
	bool changed = false;
	struct merge merge = {.effective = effective,
		.before = before,
		.now = now,
		.top = true,
		.changed = &changed};
	TRY(merge_object(&merge));
	*ret_changed = changed;
	return 0;
}
