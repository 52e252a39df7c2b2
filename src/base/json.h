/*
 * json - what Jansson's calls lack beside the project's own types.
 *
 * Layer:   base
 * Threads: no state
 * Memory:  a view of a text lives as long as its JSON value.
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_BASE_JSON_H
#define TELLTALE_BASE_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/str.h"

/* For CLEANUP. */
static inline void json_done(json_t **value)
{
	json_decref(*value);
}

/* The text of a JSON string; STR_EMPTY of anything else, and of NULL. */
static inline struct str json_str(const json_t *value)
{
	return (struct str){json_string_value(value), json_string_length(value)};
}

static inline struct str json_str_member(const json_t *object, const char *name)
{
	return json_str(json_object_get(object, name));
}

static inline struct str json_str_at(const json_t *array, size_t i)
{
	return json_str(json_array_get(array, i));
}

/* A new reference; NULL when out of memory, or when the text is not UTF-8. */
static inline json_t *json_from_str(struct str text)
{
	return json_stringn(text.p ? text.p : "", text.n);
}

/* For Jansson's loops and copies: they take what is not const, but do not change it. */
static inline json_t *json_loose(const json_t *value)
{
	return (json_t *)(uintptr_t)value;
}

#endif
