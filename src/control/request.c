#include "control/request.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"

#define NAME "instanceName"

int request_text(const json_t *request, const char *member, struct str *ret_text, struct diag *diag)
{
	const json_t *value = json_object_get(request, member);
	if (!json_is_string(value)) {
		return diag_set(
			diag, E_SYNTAX, value ? "%s: expected text" : "%s is missing", member);
	}
	*ret_text = json_str(value);
	return 0;
}

int request_text_if(
	const json_t *request, const char *member, struct str *ret_text, struct diag *diag)
{
	if (!json_object_get(request, member)) {
		*ret_text = STR_EMPTY;
		return 0;
	}
	return request_text(request, member, ret_text, diag);
}

const char *request_unknown(const json_t *request, const char *const *members)
{
	const char *name;
	json_t *value;
	/* Jansson takes a non-const object but does not change it. */
	json_object_foreach (json_loose(request), name, value) {
		const char *const *known = members;
		while (*known && strcmp(*known, name) != 0) {
			known++;
		}
		if (!*known) {
			return name;
		}
	}
	return NULL;
}

void request_drop_place(struct diag *diag)
{
	size_t n = strspn(diag->text, "0123456789:");
	if (n > 0 && diag->text[n] == ' ') {
		memmove(diag->text, diag->text + n + 1, strlen(diag->text + n + 1) + 1);
	}
}

int request_page(const json_t *request, uint64_t *ret_before, struct diag *diag)
{
	struct str token;
	char *end;
	TRY(request_text_if(request, "pageToken", &token, diag));
	if (!token.p) {
		*ret_before = 0;
		return 0;
	}
	errno = 0;
	uint64_t before = strtoull(token.p, &end, 10); /* a JSON text ends in NUL */
	if (token.p[0] < '0' || token.p[0] > '9' || *end || errno || before == 0) {
		return diag_set(diag, E_SYNTAX, "pageToken is of no page that was sent");
	}
	*ret_before = before;
	return 0;
}

int request_options(struct registrar *registrar, const struct deed *deed, const json_t *request,
	struct str *ret_name, struct diag *diag)
{
	struct str name;
	TRY(request_text(request, NAME, &name, diag));
	json_t *changes = json_copy(json_loose(request));
	if (!changes) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	(void)json_object_del(changes, NAME); /* it is there */
	int rc = registrar_options(registrar, deed, name, changes, diag);
	json_decref(changes);
	TRY(rc);
	*ret_name = name;
	return 0;
}
