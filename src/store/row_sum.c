#include "store/row_sum.h"

#include "store/sum.h"

uint64_t row_sum_instance(const struct store_instance *row)
{
	uint64_t sum = sum_text(sum_text(sum_text('i', row->name), row->spec), row->file_spec);
	sum = sum_number(sum, row->token_epoch);
	sum = sum_number(sum, (uint64_t)row->created_s);
	sum = sum_number(sum, (uint64_t)row->launched_s);
	sum = sum_number(sum, (uint64_t)row->changed_s);
	sum = sum_number(sum, row->revision);
	if (row->id.n + row->host.n + row->next_host.n > 0) { /* others are older than these */
		sum = sum_text(sum_text(sum_text(sum, row->id), row->host), row->next_host);
	}
	return sum;
}

uint64_t row_sum_deleted(struct str host, struct str name, uint64_t revision)
{
	uint64_t sum = sum_number(sum_text('d', name), revision);
	return host.n > 0 ? sum_text(sum, host) : sum;
}

uint64_t row_sum_secret(struct str name, struct str value)
{
	return sum_text(sum_text('s', name), value);
}

uint64_t row_sum_host(const struct store_host *host, int64_t put_ms)
{
	uint64_t sum = sum_text(sum_text('h', host->name), host->version);
	sum = sum_number(sum_number(sum, host->applied), host->instances);
	return sum_number(sum_number(sum, host->recorded), (uint64_t)put_ms);
}

uint64_t row_sum_operation(const struct store_operation *operation)
{
	uint64_t sum = sum_text(sum_number('o', operation->number), operation->id);
	sum = sum_text(sum_text(sum, operation->resource), operation->body);
	sum = sum_number(sum, operation->open);
	return operation->host.n > 0 ? sum_text(sum, operation->host) : sum; /* others are older */
}

uint64_t row_sum_audit(const struct store_audit *audit)
{
	uint64_t sum = sum_number(sum_number('a', audit->number), (uint64_t)audit->at_ms);
	sum = sum_text(sum_text(sum, audit->who), audit->from);
	sum = sum_text(sum_text(sum, audit->action), audit->resource);
	return sum_text(sum_text(sum_text(sum, audit->change), audit->result), audit->request_id);
}
