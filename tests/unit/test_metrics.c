/* The counters as Prometheus reads them: byte for byte, and by its grammar. */
#include "tests/unit/control_help.h"

#include "control/metrics.h"

#define WORKERS CONTROL_WORKERS

struct fixture {
	struct control *control;
	struct service_worker *workers[WORKERS];
	struct metrics metrics;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	if (!f || control_setup((void **)&f->control) < 0) {
		return -1;
	}
	*state = f;
	for (unsigned i = 0; i < WORKERS; i++) {
		f->workers[i] = calloc(1, sizeof *f->workers[i]);
		if (!f->workers[i]) {
			return -1;
		}
		f->workers[i]->index = i;
	}
	f->metrics = (struct metrics){.registry = f->control->registry,
		.workers = f->workers,
		.n_workers = WORKERS,
		.connections = 3,
		.started_s = 1700000000,
		.version = "1.2.3"};
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < WORKERS; i++) {
		free(f->workers[i]);
	}
	int rc = control_teardown((void **)&f->control);
	free(f);
	return rc;
}

/* Each worker's reply to an instance of that name. */
static void count(struct fixture *f, const char *name, unsigned counter, unsigned worker)
{
	struct entry *entry = registry_find(f->control->registry, str_of(name));
	stats_add(&f->workers[worker]->stats, counter);
	stats_add(entry_stats(entry, worker), counter);
}

static void count_some(struct fixture *f)
{
	assert_int_equal(control_put(f->control, "[{name: aa}, {name: bb}]"), 0);
	count(f, "aa", STATS_NO_TOKEN, 0);
	count(f, "aa", STATS_NO_TOKEN, 1);
	count(f, "bb", STATS_NO_TOKEN, 1);
	count(f, "aa", STATS_NO_TOKEN_REJECTED, 0);
	count(f, "aa", STATS_V1 + STATS_200, 0);
	count(f, "bb", STATS_V2 + STATS_401, 1);
	count(f, "bb", STATS_V2 + STATS_401, 1);
	atomic_store(&f->workers[0]->unknown, 4);
	atomic_store(&f->workers[1]->unknown, 5);
	atomic_store(&f->workers[0]->mismatches, 1);
	atomic_store(&f->workers[1]->mismatches, 2);
}

static const char totals[] =
	"# HELP telltale_requests_total Replies by status and by the version of the protocol that the"
	" request spoke.\n"
	"# TYPE telltale_requests_total counter\n"
	"telltale_requests_total{status=\"200\",version=\"v1\"} 1\n"
	"telltale_requests_total{status=\"400\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"401\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"403\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"404\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"405\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"413\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"414\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"431\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"503\",version=\"v1\"} 0\n"
	"telltale_requests_total{status=\"200\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"400\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"401\",version=\"v2\"} 2\n"
	"telltale_requests_total{status=\"403\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"404\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"405\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"413\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"414\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"431\",version=\"v2\"} 0\n"
	"telltale_requests_total{status=\"503\",version=\"v2\"} 0\n"
	"# HELP telltale_metadata_no_token_total Requests without a token that were answered 200 or 404"
	" (MetadataNoToken).\n"
	"# TYPE telltale_metadata_no_token_total counter\n"
	"telltale_metadata_no_token_total 3\n"
	"# HELP telltale_metadata_no_token_rejected_total Requests without a token that were answered 401"
	" (MetadataNoTokenRejected).\n"
	"# TYPE telltale_metadata_no_token_rejected_total counter\n"
	"telltale_metadata_no_token_rejected_total 1\n"
	"# HELP telltale_tokens_issued_total Session tokens handed out.\n"
	"# TYPE telltale_tokens_issued_total counter\n"
	"telltale_tokens_issued_total 0\n"
	"# HELP telltale_throttled_total Requests and connections refused by a limit (503).\n"
	"# TYPE telltale_throttled_total counter\n"
	"telltale_throttled_total 0\n"
	"# HELP telltale_unknown_callers_total Requests from addresses that belong to no running"
	" instance.\n"
	"# TYPE telltale_unknown_callers_total counter\n"
	"telltale_unknown_callers_total 9\n"
	"# HELP telltale_identity_mismatch_total Connections with an instance's address, but not its"
	" MAC or interface.\n"
	"# TYPE telltale_identity_mismatch_total counter\n"
	"telltale_identity_mismatch_total 3\n"
	"# HELP telltale_connections Open connections of guests.\n"
	"# TYPE telltale_connections gauge\n"
	"telltale_connections 3\n"
	"# HELP telltale_instances Instances that are served.\n"
	"# TYPE telltale_instances gauge\n"
	"telltale_instances 2\n"
	"# HELP telltale_start_time_seconds When the daemon started, seconds since the epoch.\n"
	"# TYPE telltale_start_time_seconds gauge\n"
	"telltale_start_time_seconds 1700000000\n"
	"# HELP telltale_build_info The release that runs.\n"
	"# TYPE telltale_build_info gauge\n"
	"telltale_build_info{version=\"1.2.3\"} 1\n";

static void byte_for_byte(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	count_some(f);
	metrics_render(&f->metrics, &out);
	case_text(__LINE__, buf_str(&out), totals);
}

static bool has_line(const struct buf *out, const char *line)
{
	char whole[128];
	int n = snprintf(whole, sizeof whole, "\n%s\n", line);
	return memmem(out->p, out->n, whole, (size_t)n) != NULL;
}

static void by_instance_where_that_is_asked_for(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	count_some(f);
	metrics_render(&f->metrics, &out);
	assert_null(memmem(out.p, out.n, "instance=", 9));
	buf_reset(&out);
	f->metrics.per_instance = true;
	metrics_render(&f->metrics, &out);
	assert_true(has_line(&out, "telltale_metadata_no_token_total{instance=\"aa\"} 2"));
	assert_true(has_line(&out, "telltale_metadata_no_token_total{instance=\"bb\"} 1"));
	assert_true(has_line(&out, "telltale_metadata_no_token_rejected_total{instance=\"aa\"} 1"));
	assert_true(has_line(&out, "telltale_metadata_no_token_rejected_total{instance=\"bb\"} 0"));
	assert_false(has_line(&out, "telltale_metadata_no_token_total 3"));
	assert_true(has_line(&out, "telltale_instances 2"));
}

/* A stretch of characters of a metric's name. */
static size_t name_chars(struct str s)
{
	size_t n = 0;
	while (n < s.n && (s.p[n] == '_' || (s.p[n] >= 'a' && s.p[n] <= 'z') ||
				  (n > 0 && s.p[n] >= '0' && s.p[n] <= '9'))) {
		n++;
	}
	return n;
}

/* NAME="VALUE" with commas between, then }. What is behind it. */
static struct str skip_labels(struct str s)
{
	for (;;) {
		size_t n = name_chars(s);
		assert_true(n > 0 && n + 1 < s.n && s.p[n] == '=' && s.p[n + 1] == '"');
		s = str_from(s, n + 2);
		n = str_find(s, '"');
		assert_true(n < s.n && str_find((struct str){s.p, n}, '\\') == n);
		s = str_from(s, n + 1);
		assert_true(s.n > 0 && (s.p[0] == ',' || s.p[0] == '}'));
		bool end = s.p[0] == '}';
		s = str_from(s, 1);
		if (end) {
			return s;
		}
	}
}

/* The grammar of the text format 0.0.4, as far as it is used; each name in one group, once. */
static void by_the_grammar(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	char group[128] = "";
	unsigned helps = 0, types = 0, samples = 0;
	count_some(f);
	f->metrics.per_instance = true;
	metrics_render(&f->metrics, &out);
	struct str rest = buf_str(&out);
	while (rest.n) {
		struct str line = {rest.p, str_find(rest, '\n')};
		assert_true(line.n < rest.n); /* the last line ends, too */
		rest = str_from(rest, line.n + 1);
		if (str_starts(line, STR("# HELP "))) {
			struct str name = str_from(line, 7);
			name.n = name_chars(name);
			assert_true(name.n > 0 && name.p[name.n] == ' ');
			(void)snprintf(group, sizeof group, "%.*s", STR_FMT(name));
			helps++;
			continue;
		}
		if (str_starts(line, STR("# TYPE "))) {
			struct str name = str_from(line, 7);
			assert_true(str_starts(name, str_of(group)));
			struct str type = str_from(name, strlen(group) + 1);
			bool counter = str_eq(type, STR("counter"));
			assert_true(counter || str_eq(type, STR("gauge")));
			assert_int_equal(counter, str_ends(str_of(group), STR("_total")));
			types++;
			continue;
		}
		struct str name = {line.p, name_chars(line)};
		case_text(__LINE__, name, group);
		struct str value = str_from(line, name.n);
		if (value.n && value.p[0] == '{') {
			value = skip_labels(str_from(value, 1));
		}
		uint64_t number;
		assert_true(value.n > 1 && value.p[0] == ' ');
		assert_int_equal(str_to_u64(str_from(value, 1), &number), 0);
		samples++;
	}
	assert_int_equal(helps, 11);
	assert_int_equal(types, 11);
	assert_int_equal(samples, 20 + 4 * 2 + 6);
}

static void without_instances(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	f->metrics.per_instance = true;
	metrics_render(&f->metrics, &out);
	assert_true(has_line(&out, "telltale_instances 0"));
	assert_true(has_line(&out, "telltale_unknown_callers_total 0"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(byte_for_byte),
		TEST(by_instance_where_that_is_asked_for),
		TEST(by_the_grammar),
		TEST(without_instances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
