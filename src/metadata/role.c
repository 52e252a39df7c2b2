#include "metadata/role.h"

#include <errno.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/json.h"
#include "base/timefmt.h"
#include "metadata/document.h"

static size_t text_bytes(const struct role_credentials *role)
{
	return role->access_key_id.n + role->secret_access_key.n + role->token.n + role->file.n;
}

/* One heap block: the struct, then its texts. */
static struct role_credentials *pack(const struct role_credentials *from)
{
	struct role_credentials *role = malloc(sizeof *role + text_bytes(from));
	if (!role) {
		return NULL;
	}
	*role = *from;
	char *at = (char *)(role + 1);
	struct str *members[] = {
		&role->access_key_id, &role->secret_access_key, &role->token, &role->file};
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		if (!members[i]->p) {
			continue;
		}
		memcpy(at, members[i]->p, members[i]->n);
		members[i]->p = at;
		at += members[i]->n;
	}
	return role;
}

struct role_credentials *role_clone(const struct role_credentials *role)
{
	return role ? pack(role) : NULL;
}

struct role_credentials *role_failed(void)
{
	return pack(&(struct role_credentials){.failed = true});
}

void role_free(struct role_credentials *role)
{
	if (role) {
		crypto_wipe(role, sizeof *role + text_bytes(role));
		free(role);
	}
}

/* Read one time; 0 when it is not there. */
static int time_member(
	const json_t *object, const char *name, int64_t *ret_unix_s, struct diag *diag)
{
	struct str text = json_str_member(object, name);
	*ret_unix_s = 0;
	if (text.p && timefmt_parse_iso(text, ret_unix_s) < 0) {
		return diag_set(
			diag, E_SYNTAX, "%s is not a time such as 2030-01-02T03:04:05Z", name);
	}
	return 0;
}

static int from_json(const json_t *object, struct role_credentials *ret_role, struct diag *diag)
{
	struct role_credentials role = {
		.access_key_id = json_str_member(object, "AccessKeyId"),
		.secret_access_key = json_str_member(object, "SecretAccessKey"),
		.token = json_str_member(object, "Token"),
	};
	if (!role.token.p) {
		role.token = json_str_member(
			object, "SessionToken"); /* as a credential_process spells it */
	}
	if (role.access_key_id.n == 0 || role.secret_access_key.n == 0) {
		return diag_set(diag, E_SYNTAX, "no %s in the credentials",
			role.access_key_id.n ? "SecretAccessKey" : "AccessKeyId");
	}
	if (role.access_key_id.n > ROLE_TEXT_BYTES || role.secret_access_key.n > ROLE_TEXT_BYTES ||
		role.token.n > ROLE_TEXT_BYTES) {
		return diag_set(diag, E_LIMIT,
			"a member of the credentials is larger than %d bytes", ROLE_TEXT_BYTES);
	}
	TRY(time_member(object, "Expiration", &role.expiration_s, diag));
	TRY(time_member(object, "LastUpdated", &role.updated_s, diag));
	*ret_role = role;
	return 0;
}

int role_parse(struct str text, struct role_credentials **ret_role, struct diag *diag)
{
	json_error_t error;
	struct role_credentials role;
	json_t *object = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		return diag_set(
			diag, E_SYNTAX, "not JSON: line %d, column %d", error.line, error.column);
	}
	int rc = from_json(object, &role, diag);
	if (rc == 0) {
		*ret_role = pack(&role);
		rc = *ret_role ? 0 : -ENOMEM;
	}
	json_decref(object);
	return rc;
}

void role_document(const struct role_credentials *role, int64_t now_s, struct buf *out)
{
	int64_t rolling_s = now_s - now_s % ROLE_RENEWAL_S;
	int64_t updated_s = role->updated_s ? role->updated_s : rolling_s;
	int64_t expiration_s =
		role->expiration_s ? role->expiration_s : rolling_s + ROLE_LIFETIME_S;

	struct document document = document_begin(out, 2);
	if (role->failed) {
		/* As the service says it when it can't assume a role: still 200. */
		document_text(&document, "Code", STR("AssumeRoleUnauthorizedAccess"));
		document_text(&document, "Message",
			STR("The credentials of this role could not be read. "
			    "Ask whoever runs the metadata service."));
		document_time(&document, "LastUpdated", updated_s);
	} else {
		document_text(&document, "Code", STR("Success"));
		document_time(&document, "LastUpdated", updated_s);
		document_text(&document, "Type", STR("AWS-HMAC"));
		document_text(&document, "AccessKeyId", role->access_key_id);
		document_text(&document, "SecretAccessKey", role->secret_access_key);
		document_text(&document, "Token", role->token);
		document_time(&document, "Expiration", expiration_s);
	}
	document_end(&document);
}
