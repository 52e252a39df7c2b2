#include "control/ec2_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"

/* --- wildcards ------------------------------------------------------------------------------- */

/* Above all characters. */
#define ANY_MANY   UINT32_C(0x80000000)
#define ANY_OR_NOT UINT32_C(0x80000001)

struct pattern {
	uint32_t v[EC2_FILTER_CHARACTERS];
	size_t n;
};

/* Returns false for one that is too long. */
static bool read_pattern(struct str text, struct pattern *pattern)
{
	pattern->n = 0;
	while (text.n) {
		uint32_t c = str_take_character(&text);
		bool escape = c == '\\' && text.n;
		bool wild = c == '*' || c == '?';
		if (escape) {
			c = str_take_character(&text);
		} else if (wild) {
			c = c == '*' ? ANY_MANY : ANY_OR_NOT;
		}
		if (pattern->n == EC2_FILTER_CHARACTERS || c == UINT32_MAX) {
			return false;
		}
		pattern->v[pattern->n++] = c;
	}
	return true;
}

/* Where one can be in the pattern is where one can be without a further character as well. */
static void pass_empty(const struct pattern *pattern, bool *at)
{
	for (size_t i = 0; i < pattern->n; i++) {
		if (at[i] && pattern->v[i] >= ANY_MANY) {
			at[i + 1] = true;
		}
	}
}

/* Every place at once, so that the time is the product of the two lengths, whatever they say. */
bool ec2_filter_like(struct str text_of_pattern, struct str text)
{
	struct pattern pattern;
	bool at[EC2_FILTER_CHARACTERS + 1] = {true};
	if (!read_pattern(text_of_pattern, &pattern)) {
		return false;
	}
	pass_empty(&pattern, at);
	while (text.n) {
		uint32_t c = str_take_character(&text);
		if (c == UINT32_MAX) {
			return false;
		}
		/* From the end, so that no place is written before it is read. */
		for (size_t i = pattern.n; i > 0; i--) {
			uint32_t want = pattern.v[i - 1];
			bool stays = i < pattern.n && pattern.v[i] == ANY_MANY && at[i];
			at[i] = stays || (at[i - 1] && (want == c || want >= ANY_MANY));
		}
		at[0] = pattern.n && pattern.v[0] == ANY_MANY && at[0];
		pass_empty(&pattern, at);
	}
	return at[pattern.n];
}

static bool is_plain(struct str text)
{
	return str_find(text, '*') == text.n && str_find(text, '?') == text.n &&
	       str_find(text, '\\') == text.n;
}

bool ec2_filter_matches(const struct ec2_filter *filter, struct str text)
{
	for (size_t i = 0; text.p && i < filter->n; i++) {
		const struct ec2_filter_value *value = &filter->values[i];
		if (value->plain ? str_eq(value->text, text) : ec2_filter_like(value->text, text)) {
			return true;
		}
	}
	return false;
}

static bool accept(const struct ec2_filters *filters, bool costly, void *subject)
{
	for (size_t i = 0; i < filters->n; i++) {
		const struct ec2_filter *filter = &filters->v[i];
		if (filter->row->costly == costly && !filter->row->accepts(filter, subject)) {
			return false;
		}
	}
	return true;
}

bool ec2_filters_accept_cheap(const struct ec2_filters *filters, void *subject)
{
	return accept(filters, false, subject);
}

bool ec2_filters_accept(const struct ec2_filters *filters, void *subject)
{
	return accept(filters, false, subject) && accept(filters, true, subject);
}

bool ec2_filters_costly(const struct ec2_filters *filters)
{
	for (size_t i = 0; i < filters->n; i++) {
		if (filters->v[i].row->costly) {
			return true;
		}
	}
	return false;
}

/* --- reading --------------------------------------------------------------------------------- */

static bool is_long(struct str text)
{
	size_t n = 0;
	while (text.n && n <= EC2_FILTER_CHARACTERS) {
		if (str_take_character(&text) == UINT32_MAX) {
			return true;
		}
		n++;
	}
	return n > EC2_FILTER_CHARACTERS;
}

static const struct ec2_filter_row *find(
	const struct ec2_filter_row *rows, size_t n, struct str name, struct str *ret_key)
{
	for (size_t i = 0; i < n; i++) {
		struct str known = rows[i].name;
		bool keyed = known.p[known.n - 1] == ':';
		if (keyed ? str_starts(name, known) : str_eq(name, known)) {
			*ret_key = keyed ? str_from(name, known.n) : STR_EMPTY;
			return &rows[i];
		}
	}
	return NULL;
}

static int check_members(const json_t *item, struct diag *diag)
{
	const char *name;
	json_t *value;
	if (!json_is_object(item)) {
		return diag_set(diag, E_SYNTAX, "A filter has a Name and Values.");
	}
	/* Jansson takes a non-const object but does not change it. */
	json_object_foreach (json_loose(item), name, value) {
		if (strcmp(name, "Name") != 0 && strcmp(name, "Value") != 0) {
			return diag_set(
				diag, E_NOTFOUND, "The parameter %s is not recognized", name);
		}
	}
	return 0;
}

static int read_values(
	const json_t *list, struct ec2_filter *filter, const char *name, struct diag *diag)
{
	size_t i, n = json_array_size(list);
	const json_t *item;
	if (n == 0) {
		return diag_set(diag, E_SYNTAX, "The filter '%s' must have a value", name);
	}
	if (n > EC2_FILTER_VALUES_MAX) {
		return diag_set(diag, E_LIMIT,
			"The maximum number of values of one filter is %d; '%s' has %zu",
			EC2_FILTER_VALUES_MAX, name, n);
	}
	filter->values = calloc(n, sizeof *filter->values);
	if (!filter->values) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	json_array_foreach (list, i, item) {
		struct str text = json_str(item);
		if (!text.p) {
			return diag_set(diag, E_SYNTAX,
				"The filter '%s' has a value that is no text", name);
		}
		if (is_long(text)) {
			return diag_set(diag, E_RANGE,
				"The filter '%s' has a value of more than %d characters", name,
				EC2_FILTER_CHARACTERS);
		}
		filter->values[filter->n++] = (struct ec2_filter_value){text, is_plain(text)};
	}
	return 0;
}

static int read_filter(const json_t *item, const struct ec2_filter_row *rows, size_t n_rows,
	struct ec2_filter *filter, struct diag *diag)
{
	TRY(check_members(item, diag));
	struct str name = json_str_member(item, "Name");
	filter->row = name.p ? find(rows, n_rows, name, &filter->key) : NULL;
	if (!filter->row) {
		return diag_set(
			diag, E_RANGE, "The filter '%s' is invalid", name.p ? name.p : "null");
	}
	return read_values(json_object_get(item, "Value"), filter, name.p, diag);
}

int ec2_filters_read(const json_t *list, const struct ec2_filter_row *rows, size_t n_rows,
	struct ec2_filters *ret_filters, struct diag *diag)
{
	const json_t *item;
	size_t i;
	ret_filters->n = 0;
	if (!list || (json_is_string(list) && json_string_length(list) == 0)) {
		return 0; /* how an empty list is sent */
	}
	if (!json_is_array(list)) {
		return diag_set(diag, E_SYNTAX, "Filter must be a list: Filter.1.Name");
	}
	if (json_array_size(list) > EC2_FILTERS_MAX) {
		return diag_set(diag, E_LIMIT,
			"The maximum number of filters specified on a single call is %d",
			EC2_FILTERS_MAX);
	}
	json_array_foreach (list, i, item) {
		struct ec2_filter *filter = &ret_filters->v[ret_filters->n++];
		*filter = (struct ec2_filter){0};
		TRY(read_filter(item, rows, n_rows, filter, diag));
	}
	return 0;
}

void ec2_filters_done(struct ec2_filters *filters)
{
	for (size_t i = 0; i < filters->n; i++) {
		free(filters->v[i].values);
	}
	filters->n = 0;
}
