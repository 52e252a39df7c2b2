#include <errno.h>

#include "base/json.h"
#include "control/cloudwatch_metric.h"
#include "control/cloudwatch_operations.h"

#define PAGE        500  /* metrics, as with the real service */
#define LOOK_MOST   1000 /* instances one answer looks at: with a filter it may be short, or empty */
#define RECENT      "PT3H"
#define RECENT_S    INT64_C(10800)
#define ACCOUNT_MAX 255
#define FILTERS_MAX 10
#define OF_INSTANCE ((size_t)2 * HISTORY_METRICS) /* at most, in both namespaces */

/* What is asked for; p NULL: any. */
struct asked {
	struct str namespace;
	struct str metric;
	struct str by[FILTERS_MAX];
	struct str value[FILTERS_MAX];
	size_t n_filters;
	int64_t since_s;
	bool accounts; /* each is told whose it is */
	bool foreign;  /* another account's are asked for: there are none */
	struct str after;
};

/* The answer as far as it is made. */
struct listing {
	struct call *call;
	const struct asked *asked;
	json_t *metrics;
	json_t *accounts;
};

/* --- the request ----------------------------------------------------------------------------- */

static int read_filters(const struct cloudwatch_at *at, struct asked *asked)
{
	static const char *const members[] = {"Name", "Value", NULL};
	const json_t *list;
	TRY(cloudwatch_list(at, "Dimensions", FILTERS_MAX, &list));
	asked->n_filters = json_array_size(list);
	for (size_t i = 0; i < asked->n_filters; i++) {
		struct cloudwatch_at one;
		TRY(cloudwatch_element(at, "Dimensions", list, i, &one));
		TRY(cloudwatch_only(&one, members));
		TRY(cloudwatch_text(&one, "Name", CLOUDWATCH_NAME_MAX, &asked->by[i]));
		TRY(cloudwatch_text_if(&one, "Value", CLOUDWATCH_VALUE_MAX, &asked->value[i]));
	}
	return 0;
}

static int read_recent(const struct cloudwatch_at *at, int64_t *ret_since_s)
{
	struct str recent;
	TRY(cloudwatch_text_if(at, "RecentlyActive", CLOUDWATCH_NAME_MAX, &recent));
	if (recent.p && !str_eq(recent, STR(RECENT))) {
		return diag_set(&at->call->diag, E_RANGE,
			"The parameter RecentlyActive must be " RECENT ".");
	}
	*ret_since_s = recent.p ? at->call->api->now_ms() / 1000 - RECENT_S : 0;
	return 0;
}

static int read_request(struct call *call, struct asked *asked)
{
	const struct cloudwatch_at at = cloudwatch_top(call);
	struct str account;
	TRY(cloudwatch_text_if(&at, "Namespace", CLOUDWATCH_NAME_MAX, &asked->namespace));
	TRY(cloudwatch_text_if(&at, "MetricName", CLOUDWATCH_NAME_MAX, &asked->metric));
	TRY(read_filters(&at, asked));
	TRY(read_recent(&at, &asked->since_s));
	TRY(cloudwatch_flag(&at, "IncludeLinkedAccounts", false, &asked->accounts));
	TRY(cloudwatch_text_if(&at, "OwningAccount", ACCOUNT_MAX, &account));
	asked->foreign = account.p && !str_eq(account, call->api->site->account_id);
	return cloudwatch_token(call, &asked->after);
}

/* --- one instance ---------------------------------------------------------------------------- */

static bool is_asked(const struct asked *asked, struct str namespace, enum history_metric metric,
	struct str by, struct str value)
{
	for (size_t i = 0; i < asked->n_filters; i++) {
		if (!str_eq(asked->by[i], by) ||
			(asked->value[i].p && !str_eq(asked->value[i], value))) {
			return false;
		}
	}
	return (!asked->namespace.p || str_eq(asked->namespace, namespace)) &&
	       (!asked->metric.p || str_eq(asked->metric, str_of(statistics_metric_name(metric))));
}

static int add_metric(struct listing *listing, struct str namespace, enum history_metric metric,
	struct str by, struct str value)
{
	if (!is_asked(listing->asked, namespace, metric, by, value)) {
		return 0;
	}
	json_t *shown = json_pack("{s:o, s:s, s:[{s:o, s:o}]}", "Namespace",
		json_from_str(namespace), "MetricName", statistics_metric_name(metric),
		"Dimensions", "Name", json_from_str(by), "Value", json_from_str(value));
	int rc = json_array_append_new(listing->metrics, shown);
	if (listing->accounts) {
		rc |= json_array_append_new(
			listing->accounts, json_from_str(listing->call->api->site->account_id));
	}
	return rc < 0 ? -ENOMEM : 0;
}

/* By its id, and by its name while it has one that is known here. */
static int add_instance(struct listing *listing, struct str id)
{
	struct registrar *registrar = listing->call->api->registrar;
	CLEANUP(buf_done) struct buf name = BUF_EMPTY;
	bool has[HISTORY_METRICS];
	TRY(registrar_history_has(
		registrar, id, listing->asked->since_s, has, &listing->call->diag));
	int rc = registrar_name_of(registrar, id, &name, NULL);
	TRY(rc == E_NOTFOUND || rc == E_AWAY ? 0 : rc);
	for (unsigned metric = 0; metric < HISTORY_METRICS; metric++) {
		if (has[metric]) {
			TRY(add_metric(
				listing, STR(CLOUDWATCH_EC2), metric, STR(CLOUDWATCH_EC2_BY), id));
		}
		if (has[metric] && rc == 0) {
			TRY(add_metric(listing, STR(CLOUDWATCH_LIGHTSAIL), metric,
				STR(CLOUDWATCH_LIGHTSAIL_BY), buf_str(&name)));
		}
	}
	return 0;
}

/* --- the answer ------------------------------------------------------------------------------ */

/* The ids that there are, in order, until the page is full. */
static int add_instances(struct listing *listing, const json_t *ids, bool more)
{
	size_t i = 0, n = json_array_size(ids);
	for (; i < n && json_array_size(listing->metrics) + OF_INSTANCE <= PAGE; i++) {
		TRY(add_instance(listing, json_str_at(ids, i)));
	}
	return i < n || more ? cloudwatch_set_token(listing->call, json_str_at(ids, i - 1)) : 0;
}

/* The id that the filters want, if they want one; no need to look at all others then. */
static int find_one(const struct listing *listing, struct buf *ret_id)
{
	const struct asked *asked = listing->asked;
	for (size_t i = 0; i < asked->n_filters; i++) {
		if (asked->value[i].p && str_eq(asked->by[i], STR(CLOUDWATCH_EC2_BY))) {
			buf_add(ret_id, asked->value[i]);
			return buf_status(ret_id);
		}
		if (asked->value[i].p && str_eq(asked->by[i], STR(CLOUDWATCH_LIGHTSAIL_BY))) {
			return registrar_id_of(
				listing->call->api->registrar, asked->value[i], ret_id, NULL);
		}
	}
	return 0;
}

static int list(struct listing *listing)
{
	struct call *call = listing->call;
	CLEANUP(buf_done) struct buf id = BUF_EMPTY;
	json_t *ids;
	bool more;
	int rc = find_one(listing, &id);
	if (rc == E_NOTFOUND || listing->asked->foreign) {
		return 0;
	}
	TRY(rc);
	if (id.n) {
		return add_instance(listing, buf_str(&id));
	}
	TRY(registrar_history_instances(
		call->api->registrar, listing->asked->after, LOOK_MOST, &ids, &more, &call->diag));
	rc = add_instances(listing, ids, more);
	json_decref(ids);
	return rc;
}

int cloudwatch_list_metrics(struct call *call)
{
	struct asked asked = {.n_filters = 0};
	TRY(read_request(call, &asked));
	struct listing listing = {.call = call, .asked = &asked, .metrics = json_array()};
	TRY(call_set(call, "Metrics", listing.metrics));
	if (asked.accounts) {
		listing.accounts = json_array();
		TRY(call_set(call, "OwningAccounts", listing.accounts));
	}
	return list(&listing);
}
