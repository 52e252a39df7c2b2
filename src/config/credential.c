#include "config/credential.h"

#include <errno.h>

#include "config/check.h"
#include "config/source.h"

#define KEY_ID_MAX     128
#define ACTION_MAX     128
#define KEY_FILE_BYTES 4096

#define WORD_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

struct reading {
	struct arena *arena;
	const char *file;
	struct diag *diag;
	struct credential *credential;
};

static bool only(struct str text, const char *set)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\0' || !strchr(set, text.p[i])) {
			return false;
		}
	}
	return text.n > 0;
}

static bool is_key_id(struct str text)
{
	return text.n <= KEY_ID_MAX && only(text, WORD_CHARS "_");
}

static bool is_secret(struct str text)
{
	return check_word(text) && text.n <= CREDENTIAL_SECRET_BYTES;
}

static bool is_action(struct str text)
{
	return text.n <= ACTION_MAX && only(text, WORD_CHARS ":*-") &&
	       (str_find(text, ':') < text.n || str_eq(text, STR("*")));
}

static int fail(const struct reading *reading, const struct node *node, int rc, const char *must)
{
	return node_fail(node, reading->file, reading->diag, rc, "control.credentials: %s", must);
}

/* --- members --------------------------------------------------------------------------------- */

static int want_text(const struct reading *reading, const struct node *node)
{
	return node->kind == NODE_SCALAR && !node_is_null(node)
		       ? 0
		       : node_fail(node, reading->file, reading->diag, E_SYNTAX,
				 "control.credentials: %.*s must be text", STR_FMT(node->key));
}

static int keep(const struct reading *reading, struct str text, struct str *ret_text)
{
	struct str copy = arena_str(reading->arena, text);
	if (!copy.p) {
		return -ENOMEM;
	}
	*ret_text = copy;
	return 0;
}

static int take_key_id(const struct reading *reading, const struct node *node)
{
	TRY(want_text(reading, node));
	if (!is_key_id(node->text)) {
		return fail(reading, node, E_SYNTAX,
			"accessKeyId must be up to 128 letters, digits and _");
	}
	return keep(reading, node->text, &reading->credential->access_key_id);
}

static int want_secret(const struct reading *reading, const struct node *node)
{
	TRY(want_text(reading, node));
	return reading->credential->secret.p
		       ? fail(reading, node, E_EXISTS,
				 "either secretAccessKey or secretAccessKeyFile, not both")
		       : 0;
}

static int take_secret(const struct reading *reading, const struct node *node, struct str text)
{
	struct secret *secret = &reading->credential->secret;
	if (!is_secret(text)) {
		return fail(reading, node, E_SYNTAX,
			"the secret key must be up to 128 characters without spaces");
	}
	TRY(secret_init(secret, text.n));
	memcpy(secret->p, text.p, text.n);
	return 0;
}

static int take_secret_text(const struct reading *reading, const struct node *node)
{
	TRY(want_secret(reading, node));
	return take_secret(reading, node, node->text);
}

/* Whoever made the file should hear what is wrong with it, and nobody what is in it. */
static int check_line_of(const char *path, struct str line, struct diag *why)
{
	if (line.n == 0) {
		return diag_set(why, E_SYNTAX, "%s is empty", path);
	}
	if (str_find(line, '\n') < line.n) {
		return diag_set(why, E_SYNTAX,
			"%s has several lines; it must be one line, the secret key", path);
	}
	return 0;
}

/* The only line is the key. What was read of the file is wiped. */
static int take_secret_of(
	const struct reading *reading, const struct node *node, const char *path, struct buf *text)
{
	struct diag why = {{0}};
	int rc = source_read(path, KEY_FILE_BYTES, text, &why);
	struct str line = buf_str(text);
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r')) {
		line.n--;
	}
	if (rc == 0) {
		rc = check_line_of(path, line, &why);
	}
	return rc < 0 ? fail(reading, node, rc, why.text) : take_secret(reading, node, line);
}

static int take_secret_file(const struct reading *reading, const struct node *node)
{
	CLEANUP(buf_done) struct buf path = BUF_EMPTY, text = BUF_EMPTY;
	TRY(want_secret(reading, node));
	if (!reading->file) {
		return fail(reading, node, E_SYNTAX, "only a file may name a file");
	}
	if (node->text.n == 0 || !check_line(node->text)) {
		return fail(reading, node, E_SYNTAX, "secretAccessKeyFile must be a path");
	}
	TRY(source_resolve(reading->file, node->text, &path));
	buf_add_char(&path, '\0');
	TRY(buf_status(&path));
	int rc = take_secret_of(reading, node, path.p, &text);
	if (text.p) {
		crypto_wipe(text.p, text.cap_);
	}
	TRY(rc);
	path.n--; /* arena_str() ends it again */
	return keep(reading, buf_str(&path), &reading->credential->secret_file);
}

static int take_allow(const struct reading *reading, const struct node *node)
{
	struct credential *credential = reading->credential;
	size_t n = 0;
	for (const struct node *item = node->first; item; item = item->next) {
		n++;
	}
	if (node->kind != NODE_LIST || n == 0 || n > CREDENTIAL_ACTIONS) {
		return fail(reading, node, node->kind == NODE_LIST && n ? E_LIMIT : E_SYNTAX,
			"allow must be a list of 1 to 64 actions");
	}
	credential->allow = arena_alloc(reading->arena, n * sizeof *credential->allow);
	if (!credential->allow) {
		return -ENOMEM;
	}
	for (const struct node *item = node->first; item; item = item->next) {
		if (item->kind != NODE_SCALAR || !is_action(item->text)) {
			return fail(reading, item, E_SYNTAX,
				"allow: must be an action such as lightsail:GetInstance, ec2:* or "
				"\"*\"");
		}
		TRY(keep(reading, item->text, &credential->allow[credential->n_allow++]));
	}
	return 0;
}

static const struct member {
	struct str name;
	int (*take)(const struct reading *reading, const struct node *node);
} members[] = {
	{STR_INIT("accessKeyId"), take_key_id},
	{STR_INIT("secretAccessKey"), take_secret_text},
	{STR_INIT("secretAccessKeyFile"), take_secret_file},
	{STR_INIT("allow"), take_allow},
};

#define MEMBERS (sizeof members / sizeof members[0])

int credential_each_name(int (*on_name)(void *ctx, struct str name), void *ctx)
{
	for (size_t i = 0; i < MEMBERS; i++) {
		TRY(on_name(ctx, members[i].name));
	}
	return 0;
}

/* --- the list -------------------------------------------------------------------------------- */

static int take_member(const struct reading *reading, const struct node *node)
{
	struct near near = near_to(node->key);
	for (size_t i = 0; i < MEMBERS; i++) {
		if (str_eq(members[i].name, node->key)) {
			return members[i].take(reading, node);
		}
		near_try(&near, members[i].name);
	}
	return node_fail_unknown(node, reading->file, reading->diag, &near);
}

static int take_item(const struct reading *reading, const struct node *item)
{
	const struct credential *credential = reading->credential;
	if (item->kind != NODE_MAP) {
		return fail(reading, item, E_SYNTAX, "must be a list of maps");
	}
	for (const struct node *member = item->first; member; member = member->next) {
		TRY(take_member(reading, member));
	}
	const char *missing = !credential->access_key_id.n ? "accessKeyId is missing"
			      : !credential->secret.p
				      ? "secretAccessKeyFile or secretAccessKey is missing"
			      : !credential->n_allow ? "allow is missing"
						     : NULL;
	return missing ? fail(reading, item, E_SYNTAX, missing) : 0;
}

int credential_list(struct arena *arena, const char *file, const struct node *node,
	struct credential **ret_list, size_t *ret_n, struct diag *diag)
{
	struct reading reading = {.arena = arena, .file = file, .diag = diag};
	size_t n = 0;
	for (const struct node *item = node->first; item; item = item->next) {
		n++;
	}
	if (node->kind != NODE_LIST && !node_is_empty(node)) {
		return fail(&reading, node, E_SYNTAX, "must be a list of maps");
	}
	if (n > CREDENTIALS_MAX) {
		return fail(&reading, node, E_LIMIT, "more than 64");
	}
	struct credential *list = arena_alloc(arena, (n + 1) * sizeof *list);
	if (!list) {
		return -ENOMEM;
	}
	*ret_list = list;
	*ret_n = n;
	n = 0;
	for (const struct node *item = node->first; item; item = item->next, n++) {
		reading.credential = &list[n];
		TRY(take_item(&reading, item));
		if (credential_find(list, n, list[n].access_key_id)) {
			return fail(&reading, item, E_EXISTS, "this accessKeyId is there twice");
		}
	}
	return 0;
}

void credential_done(struct credential *credential)
{
	secret_done(&credential->secret);
}

/* --- asking ---------------------------------------------------------------------------------- */

const struct credential *credential_find(
	const struct credential *list, size_t n, struct str access_key_id)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(list[i].access_key_id, access_key_id)) {
			return &list[i];
		}
	}
	return NULL;
}

/* On a mismatch the last '*' takes one character more. */
static bool fits(struct str pattern, struct str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, again = 0;
	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			again = t;
		} else if (p < pattern.n && str_eq_nocase((struct str){pattern.p + p, 1},
						    (struct str){text.p + t, 1})) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++again;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*') {
		p++;
	}
	return p == pattern.n;
}

bool credential_allows(const struct credential *credential, struct str action)
{
	for (size_t i = 0; i < credential->n_allow; i++) {
		if (fits(credential->allow[i], action)) {
			return true;
		}
	}
	return false;
}

json_t *credential_json(const struct credential *list, size_t n)
{
	json_t *all = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *allow = json_array();
		for (size_t a = 0; a < list[i].n_allow; a++) {
			json_array_append_new(allow, json_string(list[i].allow[a].p));
		}
		json_t *one = json_pack(
			"{s:s, s:o}", "accessKeyId", list[i].access_key_id.p, "allow", allow);
		if (json_array_append_new(all, one) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}
