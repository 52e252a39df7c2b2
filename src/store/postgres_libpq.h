/*
 * postgres_libpq - libpq, which is loaded when a store is PostgreSQL, and not before.
 *
 * Layer:   store
 * Threads: any
 * Memory:  loaded once, for as long as the process lives
 * Secrets: none
 * Limits:  none
 * Spec:    docs/adr/0007-postgresql-store.md
 *
 * It brings some twenty libraries along (Kerberos, LDAP, GnuTLS), which take 5 MiB of each process and the
 * time of its start: a host that is in no fleet has none of that.
 */
#ifndef TELLTALE_STORE_POSTGRES_LIBPQ_H
#define TELLTALE_STORE_POSTGRES_LIBPQ_H

#include <libpq-fe.h>

#include "base/result.h"

/* What is used of it. */
#define POSTGRES_LIBPQ(X)       \
	X(PQclear)              \
	X(PQcmdStatus)          \
	X(PQcmdTuples)          \
	X(PQconnectPoll)        \
	X(PQconnectStartParams) \
	X(PQconninfoFree)       \
	X(PQconninfoParse)      \
	X(PQconsumeInput)       \
	X(PQenterPipelineMode)  \
	X(PQerrorMessage)       \
	X(PQexitPipelineMode)   \
	X(PQfinish)             \
	X(PQflush)              \
	X(PQfreemem)            \
	X(PQgetResult)          \
	X(PQgetisnull)          \
	X(PQgetlength)          \
	X(PQgetvalue)           \
	X(PQhost)               \
	X(PQisBusy)             \
	X(PQnotifies)           \
	X(PQntuples)            \
	X(PQpipelineSync)       \
	X(PQport)               \
	X(PQresultErrorField)   \
	X(PQresultStatus)       \
	X(PQsendPrepare)        \
	X(PQsendQuery)          \
	X(PQsendQueryPrepared)  \
	X(PQsetNoticeReceiver)  \
	X(PQsetSingleRowMode)   \
	X(PQsetnonblocking)     \
	X(PQsocket)             \
	X(PQstatus)

struct postgres_libpq {
#define POSTGRES_LIBPQ_MEMBER(name) __typeof__(name) *name;
	POSTGRES_LIBPQ(POSTGRES_LIBPQ_MEMBER)
#undef POSTGRES_LIBPQ_MEMBER
};

/* Zeroed until it is loaded. */
extern struct postgres_libpq libpq;

/* Returns 0, also when it has been before, or -ENOENT. */
MUST_CHECK int postgres_libpq_load(struct diag *diag);

#endif
