#include "control/metrics.h"

/* One metric of the whole daemon: a row for its HELP and TYPE lines. */
struct row {
	const char *name;
	const char *type;
	const char *help;
	unsigned counter;
};

static const struct row counters[] = {
	{"telltale_metadata_no_token_total", "counter",
		"Requests without a token that were answered 200 or 404 (MetadataNoToken).",
		STATS_NO_TOKEN},
	{"telltale_metadata_no_token_rejected_total", "counter",
		"Requests without a token that were answered 401 (MetadataNoTokenRejected).",
		STATS_NO_TOKEN_REJECTED},
	{"telltale_tokens_issued_total", "counter", "Session tokens handed out.",
		STATS_TOKENS_ISSUED},
	{"telltale_throttled_total", "counter",
		"Requests and connections refused by a limit (503).", STATS_THROTTLED},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_add_f(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t sum(const struct metrics *metrics, unsigned counter)
{
	uint64_t total = 0;
	for (size_t i = 0; i < metrics->n_workers; i++) {
		total += stats_get(&metrics->workers[i]->stats, counter);
	}
	return total;
}

static void add_value(
	struct buf *out, const char *name, const char *label, struct str value, uint64_t number)
{
	buf_add(out, str_of(name));
	if (label) {
		buf_add_f(out, "{%s=\"%.*s\"}", label, STR_FMT(value)); /* names need no escapes */
	}
	buf_add_char(out, ' ');
	buf_add_u64(out, number);
	buf_add_char(out, '\n');
}

/* One instance's value of one counter. */
struct each {
	const struct metrics *metrics;
	const struct row *row;
	struct buf *out;
};

static int add_instance(void *ctx, struct entry *entry)
{
	struct each *each = ctx;
	add_value(each->out, each->row->name, "instance", entry_instance(entry)->name,
		entry_counter(each->metrics->registry, entry, each->row->counter));
	return 0;
}

static void add_counter(const struct metrics *metrics, const struct row *row, struct buf *out)
{
	add_head(out, row->name, row->type, row->help);
	if (metrics->per_instance) {
		struct each each = {metrics, row, out};
		(void)registry_each(metrics->registry, add_instance, &each); /* never stopped */
	} else {
		add_value(out, row->name, NULL, STR_EMPTY, sum(metrics, row->counter));
	}
}

static void add_requests(const struct metrics *metrics, struct buf *out)
{
	static const struct {
		const char *version;
		unsigned first;
	} versions[] = {{"v1", STATS_V1}, {"v2", STATS_V2}};
	add_head(out, "telltale_requests_total", "counter",
		"Replies by status and by the version of the protocol that the request spoke.");
	for (size_t v = 0; v < COUNT(versions); v++) {
		for (unsigned s = 0; s < STATS_STATUSES; s++) {
			buf_add_f(out,
				"telltale_requests_total{status=\"%u\",version=\"%s\"} %llu\n",
				stats_status_number((enum stats_status)s), versions[v].version,
				(unsigned long long)sum(metrics, versions[v].first + s));
		}
	}
}

static void add_single(
	struct buf *out, const char *name, const char *type, const char *help, uint64_t number)
{
	add_head(out, name, type, help);
	add_value(out, name, NULL, STR_EMPTY, number);
}

static void add_fleet(const struct registrar_fleet *fleet, struct buf *out)
{
	if (!fleet->joined) {
		return;
	}
	add_single(out, "telltale_fleet_connected", "gauge",
		"Whether the fleet's database can be reached: 1 or 0.", fleet->attached);
	add_single(out, "telltale_fleet_revision", "gauge",
		"The revision of this host's instances that is in force.", fleet->revision);
	add_single(out, "telltale_fleet_instances_moving", "gauge",
		"Instances that are on their way to other hosts.", fleet->moving);
	add_single(out, "telltale_fleet_rows_refused_total", "counter",
		"Changes by other hosts that could not be published here.", fleet->refused);
	add_single(out, "telltale_fleet_samples_lost_total", "counter",
		"Counts of a minute that were forgotten, as the database was away for too long.",
		fleet->lost);
}

void metrics_render(const struct metrics *metrics, struct buf *out)
{
	uint64_t unknown = 0, mismatches = 0;
	for (size_t i = 0; i < metrics->n_workers; i++) {
		const struct service_worker *worker = metrics->workers[i];
		unknown += atomic_load_explicit(&worker->unknown, memory_order_relaxed);
		mismatches += atomic_load_explicit(&worker->mismatches, memory_order_relaxed);
	}
	add_requests(metrics, out);
	for (size_t i = 0; i < COUNT(counters); i++) {
		add_counter(metrics, &counters[i], out);
	}
	add_single(out, "telltale_unknown_callers_total", "counter",
		"Requests from addresses that belong to no running instance.", unknown);
	add_single(out, "telltale_identity_mismatch_total", "counter",
		"Connections with an instance's address, but not its MAC or interface.",
		mismatches);
	add_single(out, "telltale_connections", "gauge", "Open connections of guests.",
		metrics->connections);
	add_single(out, "telltale_instances", "gauge", "Instances that are served.",
		registry_count(metrics->registry));
	add_fleet(&metrics->fleet, out);
	add_single(out, "telltale_start_time_seconds", "gauge",
		"When the daemon started, seconds since the epoch.", (uint64_t)metrics->started_s);
	add_head(out, "telltale_build_info", "gauge", "The release that runs.");
	add_value(out, "telltale_build_info", "version", str_of(metrics->version), 1);
}
