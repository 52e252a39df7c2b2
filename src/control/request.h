/*
 * request - the members of an operation's JSON request, for every protocol that has such.
 *
 * Layer:   control
 * Threads: no state
 * Memory:  what is read points into the request
 * Secrets: none
 * Limits:  none of its own
 * Spec:    docs/control.md
 */
#ifndef TELLTALE_CONTROL_REQUEST_H
#define TELLTALE_CONTROL_REQUEST_H

#include "control/registrar.h"

/* A text that must be there. Returns 0, or E_SYNTAX with diag. */
MUST_CHECK int request_text(
	const json_t *request, const char *member, struct str *ret_text, struct diag *diag);

/* A text that may be there; empty when it is not. */
MUST_CHECK int request_text_if(
	const json_t *request, const char *member, struct str *ret_text, struct diag *diag);

/* A member that is none of these, a list that ends in NULL; NULL: there is nothing else. */
const char *request_unknown(const json_t *request, const char *const *members);

/*
 * Take the "1:90: " off a message about a text that was made of the request: where in it something is
 * wrong is of no use to one who has not written it.
 */
void request_drop_place(struct diag *diag);

/* pageToken, where pages are told apart by a number; 0 when it is not there. As request_text(). */
MUST_CHECK int request_page(const json_t *request, uint64_t *ret_before, struct diag *diag);

/*
 * Change the options of the instance that `instanceName` names by all other members.
 * Returns 0, or what request_text() and registrar_options() say.
 */
MUST_CHECK int request_options(struct registrar *registrar, const struct deed *deed,
	const json_t *request, struct str *ret_name, struct diag *diag);

#endif
