/*
 * row - an instance as the store has it, to be changed and written back.
 *
 * Layer:   control (only for src/control/registrar*.c)
 * Threads: under the registrar's lock
 * Memory:  row_done()
 * Secrets: specifications may hold a role's key; they are freed, not wiped, by Jansson
 * Limits:  none
 * Spec:    store/store.h
 */
#ifndef TELLTALE_CONTROL_ROW_H
#define TELLTALE_CONTROL_ROW_H

#include <jansson.h>

#include "metadata/instance.h"
#include "store/store.h"

/* The specification of a row that only remembers what its file said. */
#define ROW_HIDDEN "null"

/* A row of the store that outlives the callback. */
struct row {
	json_t *spec;
	char *file_spec; /* NULL: not from a file */
	char *host, *next_host;
	uint64_t revision;
	struct instance_record record;
};

void row_done(struct row *row);

/*
 * Read one. E_NOTFOUND when there is none, or a hidden one (ROW_HIDDEN), whose row is there then;
 * E_DAMAGED and the store's errors. row_done() in any case.
 */
MUST_CHECK int row_get(
	struct store *store, struct str name, struct row *ret_row, struct diag *diag);

/* The same by its instance's id. */
MUST_CHECK int row_find(struct store *store, struct str id, struct row *ret_row, struct diag *diag);

/* What is in a row that the store shows; 0, -ENOMEM or E_DAMAGED. row_done() in any case. */
MUST_CHECK int row_take(struct row *ret_row, const struct store_instance *from);

/* The instance that it is, without the credentials of a role's file. As instance_new(). */
MUST_CHECK int row_instance(const struct row *row, const struct site *site,
	struct instance **ret_instance, struct diag *diag);

/* A specification as the store has it; a hidden one's is JSON's null. NULL: it is none. */
json_t *row_parse(struct str text);
bool row_is_hidden(const struct store_instance *row);

struct instance_record row_record(const struct store_instance *from);

/* Of a new instance. Fails when there is no randomness. */
MUST_CHECK int row_new_record(int64_t now_s, struct instance_record *ret_record);

/* Note the time of a change. A start after a stop is a launch. */
void row_note_change(
	struct instance_record *record, const json_t *before, const json_t *after, int64_t now_s);

/* What a file said of a row, and on which host: one that was moved is not from a file of its host. */
struct row_file {
	json_t *said; /* NULL: it is not from a file */
	char *text;   /* the same, as it is read from the file */
	char *host;
};

void row_file_done(struct row_file *file);

/* Of a row's file_spec. 0, -ENOMEM or E_DAMAGED; row_file_done() in any case. */
MUST_CHECK int row_file_read(struct str file_spec, struct str host, struct row_file *ret_file);

/*
 * The file_spec of a row that goes from one host to another. ret_text: for free(3); NULL when it is not
 * from a file. Returns 0 or -ENOMEM.
 */
MUST_CHECK int row_file_moved(
	struct str file_spec, struct str from, struct str to, char **ret_text);

/*
 * The specification with those options (NULL: none) that it does not name; a new reference. NULL when
 * out of memory.
 */
json_t *row_with_options(const json_t *spec, const json_t *live);

#endif
