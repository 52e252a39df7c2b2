#include "store/sqlite_store.h"

#include <errno.h>

int sqlite_may_change(const struct sqlite_store *s, struct diag *diag)
{
	if (!s->begun) {
		return place_fault(s->db.place.path, -EINVAL, diag, "no transaction has begun");
	}
	if (s->failed < 0) {
		return place_fault(
			s->db.place.path, s->failed, diag, "the transaction has failed before");
	}
	return 0;
}

int sqlite_lose(struct sqlite_store *s, int rc)
{
	s->failed = rc;
	return rc;
}

int sqlite_execute(struct sqlite_store *s, enum sqlite_statement which, struct diag *diag)
{
	int code = sqlite_db_step(s->stmts[which]);
	int rc = code == SQLITE_DONE ? 0 : sqlite_db_fault(&s->db, code, diag);
	stmt_end(s->stmts[which]);
	return rc;
}

int sqlite_change(
	struct sqlite_store *s, enum sqlite_statement which, int bind_code, struct diag *diag)
{
	int rc;
	if (bind_code == SQLITE_OK) {
		rc = sqlite_execute(s, which, diag);
	} else {
		rc = sqlite_db_fault(&s->db, bind_code, diag);
		stmt_end(s->stmts[which]);
	}
	return rc < 0 ? sqlite_lose(s, rc) : 0;
}

int sqlite_number(struct sqlite_store *s, enum sqlite_statement which, uint64_t *ret_number,
	struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[which];
	int code = sqlite_db_step(stmt);
	int rc = 0;
	if (code == SQLITE_ROW) {
		*ret_number = stmt_number(stmt, 0);
	} else {
		rc = sqlite_db_fault(&s->db, code == SQLITE_DONE ? SQLITE_CORRUPT : code, diag);
	}
	stmt_end(stmt);
	return rc < 0 ? sqlite_lose(s, rc) : 0;
}

int sqlite_each(struct sqlite_store *s, enum sqlite_statement which,
	int (*on_step)(struct sqlite_store *s, sqlite3_stmt *stmt, void *ctx, struct diag *diag),
	void *ctx, struct diag *diag)
{
	sqlite3_stmt *stmt = s->stmts[which];
	int rc = 0;
	int code;
	while ((code = sqlite_db_step(stmt)) == SQLITE_ROW) {
		rc = on_step(s, stmt, ctx, diag);
		if (rc != 0) {
			break;
		}
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE) {
		rc = sqlite_db_fault(&s->db, code, diag);
	}
	stmt_end(stmt);
	return rc;
}

int sqlite_columns_status(const struct sqlite_store *s, struct diag *diag)
{
	if (sqlite3_errcode(s->db.handle) == SQLITE_NOMEM) {
		return sqlite_db_fault(&s->db, SQLITE_NOMEM, diag);
	}
	return 0;
}
