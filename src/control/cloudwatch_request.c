#include "control/cloudwatch_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/timefmt.h"
#include "control/statistics.h"

#define TOKEN       "NextToken"
#define TOKEN_BYTES 1024
#define SEAL_CHARS  16
#define NAME_BYTES  64

struct cloudwatch_at cloudwatch_top(struct call *call)
{
	return (struct cloudwatch_at){.call = call, .object = call->request};
}

struct str cloudwatch_quote(struct str text)
{
	size_t n = text.n < CLOUDWATCH_QUOTE_CHARS ? text.n : CLOUDWATCH_QUOTE_CHARS;
	return (struct str){text.p, n};
}

/* NULL when it is not there. */
static const json_t *get(const struct cloudwatch_at *at, const char *member)
{
	const json_t *value = json_object_get(at->object, member);
	return json_is_null(value) ? NULL : value;
}

/* "The value for parameter Period is not a whole number." */
static int wrong(const struct cloudwatch_at *at, const char *member, int rc, const char *what)
{
	return diag_set(&at->call->diag, rc, "The value for parameter %s%s is %s.", at->prefix,
		member, what);
}

bool cloudwatch_has(const struct cloudwatch_at *at, const char *member)
{
	return get(at, member) != NULL;
}

int cloudwatch_missing(const struct cloudwatch_at *at, const char *member)
{
	at->call->code = "MissingParameter";
	return diag_set(
		&at->call->diag, E_SYNTAX, "The parameter %s%s is required.", at->prefix, member);
}

int cloudwatch_only(const struct cloudwatch_at *at, const char *const *members)
{
	const char *name;
	const json_t *value;
	/* Jansson takes a non-const object but does not change it. */
	json_object_foreach (json_loose(at->object), name, value) {
		const char *const *known = members;
		while (*known && strcmp(*known, name) != 0) {
			known++;
		}
		if (!*known) {
			return diag_set(&at->call->diag, E_SYNTAX, "unknown parameter %s%.*s",
				at->prefix, STR_FMT(cloudwatch_quote(str_of(name))));
		}
	}
	return 0;
}

/* --- leaves ---------------------------------------------------------------------------------- */

static int check_text(const struct cloudwatch_at *at, const char *member, const json_t *value,
	size_t most, struct str *ret_text)
{
	if (!json_is_string(value)) {
		return wrong(at, member, E_SYNTAX, "not a text");
	}
	struct str text = json_str(value);
	if (text.n == 0 || text.n > most) {
		return wrong(at, member, E_RANGE, text.n ? "too long" : "empty");
	}
	*ret_text = text;
	return 0;
}

int cloudwatch_text_if(
	const struct cloudwatch_at *at, const char *member, size_t most, struct str *ret_text)
{
	const json_t *value = get(at, member);
	if (!value) {
		*ret_text = STR_EMPTY;
		return 0;
	}
	return check_text(at, member, value, most, ret_text);
}

int cloudwatch_text(
	const struct cloudwatch_at *at, const char *member, size_t most, struct str *ret_text)
{
	const json_t *value = get(at, member);
	return value ? check_text(at, member, value, most, ret_text)
		     : cloudwatch_missing(at, member);
}

int cloudwatch_number(const struct cloudwatch_at *at, const char *member, int64_t *ret_number)
{
	const json_t *value = get(at, member);
	uint64_t number = 0;
	if (!value) {
		return cloudwatch_missing(at, member);
	}
	int rc = E_SYNTAX;
	if (json_is_integer(value)) {
		json_int_t integer = json_integer_value(value);
		number = (uint64_t)integer;
		rc = integer < 0 ? E_RANGE : 0;
	} else if (json_is_string(value)) {
		rc = str_to_u64(json_str(value), &number);
	}
	if (rc == E_SYNTAX) {
		return wrong(at, member, rc, "not a whole number");
	}
	if (rc < 0 || number > INT64_MAX) {
		return wrong(at, member, E_RANGE, "out of range");
	}
	*ret_number = (int64_t)number;
	return 0;
}

int cloudwatch_flag(
	const struct cloudwatch_at *at, const char *member, bool missing, bool *ret_flag)
{
	const json_t *value = get(at, member);
	struct str text = json_is_string(value) ? json_str(value) : STR_EMPTY;
	if (!value) {
		*ret_flag = missing;
	} else if (json_is_true(value) || str_eq(text, STR("true"))) {
		*ret_flag = true;
	} else if (json_is_false(value) || str_eq(text, STR("false"))) {
		*ret_flag = false;
	} else {
		return wrong(at, member, E_SYNTAX, "neither true nor false");
	}
	return 0;
}

/* "1800000000" or "1800000000.25" */
static int parse_epoch(struct str text, double *ret_time_s)
{
	size_t point = str_find(text, '.');
	uint64_t whole, fraction;
	TRY(str_to_u64((struct str){text.p, point}, &whole));
	if (point < text.n) {
		int rc = str_to_u64(str_from(text, point + 1), &fraction);
		TRY(rc == E_RANGE ? 0 : rc); /* digits, however many */
	}
	*ret_time_s = (double)whole;
	return 0;
}

int cloudwatch_time(const struct cloudwatch_at *at, const char *member, int64_t *ret_time_s)
{
	const json_t *value = get(at, member);
	double time_s = 0;
	int64_t iso_s;
	if (!value) {
		return cloudwatch_missing(at, member);
	}
	int rc = json_is_number(value) ? 0 : E_SYNTAX;
	if (rc == 0) {
		time_s = json_number_value(value);
	} else if (json_is_string(value) && timefmt_parse_iso(json_str(value), &iso_s) == 0) {
		time_s = (double)iso_s;
		rc = 0;
	} else if (json_is_string(value)) {
		rc = parse_epoch(json_str(value), &time_s);
	}
	if (rc == E_SYNTAX) {
		return wrong(at, member, rc, "not a time");
	}
	if (rc < 0 || !(time_s >= 0 && time_s <= (double)STATISTICS_TIME_MAX_S)) {
		return wrong(at, member, E_RANGE, "not in the years from 1970 to 9999");
	}
	*ret_time_s = (int64_t)time_s;
	return 0;
}

/* --- lists and structures -------------------------------------------------------------------- */

int cloudwatch_list(
	const struct cloudwatch_at *at, const char *member, size_t most, const json_t **ret_list)
{
	const json_t *value = get(at, member);
	bool none = at->call->form && json_is_string(value) && json_string_length(value) == 0;
	if (!value || none) {
		*ret_list = NULL;
		return 0;
	}
	if (!json_is_array(value)) {
		return wrong(at, member, E_SYNTAX, "not a list");
	}
	if (json_array_size(value) > most) {
		return diag_set(&at->call->diag, E_RANGE,
			"The collection %s%s must not have a size greater than %zu.", at->prefix,
			member, most);
	}
	*ret_list = value;
	return 0;
}

/* "Dimensions.member.1" */
static void name_element(const char *member, size_t i, char ret_name[NAME_BYTES])
{
	(void)snprintf(ret_name, NAME_BYTES, "%s.member.%zu", member, i + 1); /* ours, so it fits */
}

/* A structure within another, whose name is its prefix. */
static int enter(const struct cloudwatch_at *at, const char *member, const json_t *value,
	struct cloudwatch_at *ret_structure)
{
	if (!json_is_object(value)) {
		return wrong(at, member, E_SYNTAX, "not a structure");
	}
	struct cloudwatch_at inner = {.call = at->call, .object = value};
	struct buf prefix =
		buf_fixed(inner.prefix, sizeof inner.prefix); /* both are ours, and fit */
	buf_add_f(&prefix, "%s%s.", at->prefix, member);
	*ret_structure = inner;
	return 0;
}

int cloudwatch_element(const struct cloudwatch_at *at, const char *member, const json_t *list,
	size_t i, struct cloudwatch_at *ret_element)
{
	char name[NAME_BYTES];
	name_element(member, i, name);
	return enter(at, name, json_array_get(list, i), ret_element);
}

int cloudwatch_element_text(const struct cloudwatch_at *at, const char *member, const json_t *list,
	size_t i, struct str *ret_text)
{
	char name[NAME_BYTES];
	name_element(member, i, name);
	return check_text(at, name, json_array_get(list, i), SIZE_MAX, ret_text);
}

int cloudwatch_structure(
	const struct cloudwatch_at *at, const char *member, struct cloudwatch_at *ret_structure)
{
	const json_t *value = get(at, member);
	return value ? enter(at, member, value, ret_structure) : cloudwatch_missing(at, member);
}

/* --- answers --------------------------------------------------------------------------------- */

json_t *cloudwatch_time_json(const struct call *call, int64_t at_s)
{
	char text[TIMEFMT_ISO_BYTES];
	if (!call->form) {
		return json_integer(at_s);
	}
	timefmt_iso(at_s, text);
	return json_string(text);
}

/* Of the position, the operation and all parameters but the token itself. */
static int seal(const struct call *call, struct str position, char ret_seal[SEAL_CHARS + 1])
{
	json_t *asked = json_copy(json_loose(call->request));
	if (!asked) {
		return -ENOMEM;
	}
	(void)json_object_del(asked, TOKEN); /* it need not be there */
	char *text = json_dumps(asked, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(asked);
	if (!text) {
		return -ENOMEM;
	}
	uint64_t hash = hash_str(HASH_START, str_of(text));
	free(text);
	hash = hash_str(hash, call->operation->name);
	hash = hash_str(hash, position);
	(void)snprintf(ret_seal, SEAL_CHARS + 1, "%016llx", (unsigned long long)hash);
	return 0;
}

int cloudwatch_set_token(struct call *call, struct str position)
{
	char text[SEAL_CHARS + 1];
	CLEANUP(buf_done) struct buf token = BUF_EMPTY;
	TRY(seal(call, position, text));
	buf_add_f(&token, "%s.%.*s", text, STR_FMT(position));
	TRY(buf_status(&token));
	return call_set(call, TOKEN, json_from_str(buf_str(&token)));
}

int cloudwatch_token(struct call *call, struct str *ret_position)
{
	const struct cloudwatch_at top = cloudwatch_top(call);
	char text[SEAL_CHARS + 1];
	struct str token;
	TRY(cloudwatch_text_if(&top, TOKEN, TOKEN_BYTES, &token));
	if (!token.p) {
		*ret_position = STR_EMPTY;
		return 0;
	}
	struct str position =
		token.n > SEAL_CHARS + 1 ? str_from(token, SEAL_CHARS + 1) : STR_EMPTY;
	TRY(seal(call, position, text));
	if (!position.n || token.p[SEAL_CHARS] != '.' || !str_starts(token, str_of(text))) {
		return diag_set(&call->diag, E_SYNTAX,
			"The parameter " TOKEN " is of no page of this question.");
	}
	*ret_position = position;
	return 0;
}
