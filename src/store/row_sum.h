/*
 * row_sum - the sums of the rows of every table, the same in every back end.
 *
 * Layer:   store (pure)
 * Threads: no state
 * Memory:  borrows
 * Secrets: store/sum.h
 * Limits:  none
 * Spec:    none; a sum that was written must stay the same for ever
 *
 * What is younger than a table, an instance's host say, is in a row's sum only when it is not empty: so
 * rows that were there before keep theirs. Strings with p NULL and empty ones have different sums.
 */
#ifndef TELLTALE_STORE_ROW_SUM_H
#define TELLTALE_STORE_ROW_SUM_H

#include "store/store.h"

uint64_t row_sum_instance(const struct store_instance *row);

/* A row that a host does not have any more. */
uint64_t row_sum_deleted(struct str host, struct str name, uint64_t revision);

uint64_t row_sum_secret(struct str name, struct str value);

/* put_ms: when the host was put, negative where it stopped then; 0 where only the store knows. */
uint64_t row_sum_host(const struct store_host *host, int64_t put_ms);

uint64_t row_sum_operation(const struct store_operation *operation);
uint64_t row_sum_audit(const struct store_audit *audit);

#endif
