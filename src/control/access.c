#include "control/access.h"

#include <errno.h>

static const struct credential *find(const struct access *access, struct str key)
{
	const struct credential *found = credential_find(access->list, access->n, key);
	return found || !access->more ? found : credential_find(access->more, 1, key);
}

int access_check(const struct access *access, const struct http1_req *req, struct str action,
	int64_t now_s, struct access_who *ret_who)
{
	struct sigv4_claim claim;
	if (access->n == 0 && !access->more) {
		return -ENXIO;
	}
	TRY(sigv4_parse(req, &claim));
	const struct credential *credential = find(access, claim.access_key_id);
	if (!credential) {
		ret_who->why = "unknown key";
		return -ENOKEY;
	}
	int rc = sigv4_verify(req, &claim, &access->scope, &credential->secret, now_s);
	if (rc < 0) {
		ret_who->why = rc == E_AUTH ? sigv4_mismatch(&claim, &access->scope)
					    : (rc == E_RANGE ? "clock" : NULL);
		return rc;
	}
	struct buf text = buf_fixed(ret_who->access_key_id, sizeof ret_who->access_key_id - 1);
	buf_add(&text, claim.access_key_id);
	ret_who->access_key_id[text.n] = '\0';
	return action.n && !credential_allows(credential, action) ? E_DENIED : 0;
}
