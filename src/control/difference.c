#include "control/difference.h"

#include "base/json.h"

#define OPTIONS "metadataOptions"
#define STATE   "state"
#define DEFAULT "default"
#define RUNNING "running"

static void add_piece(struct buf *out, const char *name)
{
	buf_add(out, out->n ? STR(", ") : STR(""));
	buf_add(out, str_of(name));
}

static void add_value(struct buf *out, const json_t *value, const char *unsaid)
{
	if (json_is_string(value)) {
		buf_add(out, str_of(json_string_value(value)));
	} else if (json_is_integer(value)) {
		buf_add_f(out, "%lld", (long long)json_integer_value(value));
	} else {
		buf_add(out, value ? STR("set") : str_of(unsaid));
	}
}

/* unsaid: what it is when nothing is said. */
static void add_told(struct buf *out, const char *name, const char *unsaid, const json_t *before,
	const json_t *after)
{
	if (!json_equal(before, after)) {
		add_piece(out, name);
		buf_add_char(out, ' ');
		add_value(out, before, unsaid);
		buf_add(out, STR(" -> "));
		add_value(out, after, unsaid);
	}
}

void difference_add_values(struct buf *out, const json_t *before, const json_t *after)
{
	const char *name;
	json_t *value;
	/* Jansson takes non-const objects but does not change them. */
	json_object_foreach (json_loose(after), name, value) {
		add_told(out, name, DEFAULT, json_object_get(before, name), value);
	}
	json_object_foreach (json_loose(before), name, value) {
		if (!json_object_get(after, name)) {
			add_told(out, name, DEFAULT, value, NULL);
		}
	}
}

/* Members whose values are nobody's business are named. */
static void add_member(struct buf *out, const char *name, const json_t *before, const json_t *after)
{
	if (strcmp(name, OPTIONS) == 0) {
		difference_add_values(out, before, after);
	} else if (strcmp(name, STATE) == 0) {
		add_told(out, name, RUNNING, before, after);
	} else if (!json_equal(before, after)) {
		/* A file says userData or userDataFile; what becomes of them is all one. */
		add_piece(out, strcmp(name, "userDataBase64") == 0 ? "userData" : name);
	}
}

void difference_add(struct buf *out, const json_t *before, const json_t *after)
{
	const char *name;
	json_t *value;
	if (!before || !after) {
		buf_add(out, after ? STR("made") : STR("deleted"));
		return;
	}
	json_object_foreach (json_loose(after), name, value) {
		add_member(out, name, json_object_get(before, name), value);
	}
	json_object_foreach (json_loose(before), name, value) {
		if (!json_object_get(after, name)) {
			add_member(out, name, value, NULL);
		}
	}
}
