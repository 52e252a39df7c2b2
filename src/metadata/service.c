#include "metadata/service.h"

#include "metadata/role.h"

#define NS_PER_S       INT64_C(1000000000)
#define CLOCK_SLACK_NS NS_PER_S

/* --- replies --------------------------------------------------------------------------------- */

static struct service_reply empty(uint16_t status)
{
	return (struct service_reply){.status = status, .body = SERVICE_EMPTY};
}

static struct service_reply page(uint16_t status)
{
	return (struct service_reply){.status = status, .body = SERVICE_PAGE};
}

static struct service_reply not_allowed(enum service_allow allow)
{
	return (struct service_reply){.status = 405, .body = SERVICE_EMPTY, .allow = allow};
}

static struct service_reply value(const struct instance *instance, struct str text)
{
	return (struct service_reply){.status = 200,
		.body = SERVICE_VALUE,
		.value = text,
		.modified_s = instance->record.changed_s};
}

/* --- throttle -------------------------------------------------------------------------------- */

/*
 * A token bucket as one number, the time at which it would be full again (the "theoretical arrival
 * time" of ATM's generic cell rate algorithm), so that workers share it with one compare-and-swap.
 */
struct bucket {
	int64_t cost_ns; /* of a request; 0: not limited */
	int64_t room_ns;
};

static struct bucket bucket_of(const struct service_worker *worker)
{
	uint64_t limit = atomic_load_explicit(&worker->throttle, memory_order_relaxed);
	int64_t cost_ns = limit >> 32 ? NS_PER_S / (int64_t)(limit >> 32) : 0;
	return (struct bucket){cost_ns, cost_ns * (int64_t)(uint32_t)limit};
}

/* When it would be full after one more request; 0: there is no room for one. */
static int64_t full_after(const struct bucket *bucket, int64_t full_ns, int64_t now_ns)
{
	/*
	 * Full by now; or the clock was set back, and the number means nothing. A little ahead
	 * is no such thing: another worker looked at the clock a moment later.
	 */
	if (full_ns < now_ns || full_ns > now_ns + bucket->room_ns + CLOCK_SLACK_NS) {
		full_ns = now_ns;
	}
	full_ns += bucket->cost_ns;
	return full_ns > now_ns + bucket->room_ns ? 0 : full_ns;
}

static bool throttled(const struct service_worker *worker, struct entry *entry, int64_t now_ns)
{
	const struct bucket bucket = bucket_of(worker);
	if (bucket.cost_ns == 0) {
		return false;
	}
	int64_t full_ns = atomic_load_explicit(&entry->throttle_ns, memory_order_relaxed);
	for (;;) {
		int64_t next_ns = full_after(&bucket, full_ns, now_ns);
		if (next_ns == 0) {
			return true;
		}
		if (atomic_compare_exchange_weak_explicit(&entry->throttle_ns, &full_ns, next_ns,
			    memory_order_relaxed, memory_order_relaxed)) {
			return false;
		}
	}
}

bool service_is_throttled(
	const struct service_worker *worker, const struct entry *entry, int64_t now_ns)
{
	const struct bucket bucket = bucket_of(worker);
	int64_t full_ns = atomic_load_explicit(&entry->throttle_ns, memory_order_relaxed);
	return bucket.cost_ns && full_after(&bucket, full_ns, now_ns) == 0;
}

void service_charge(const struct service_worker *worker, struct entry *entry, int64_t now_ns)
{
	(void)throttled(
		worker, entry, now_ns); /* when there is nothing left to take, that is all */
}

/* A request that will be asked again has not been answered. */
static void unthrottle(const struct service_worker *worker, struct entry *entry)
{
	atomic_fetch_sub_explicit(
		&entry->throttle_ns, bucket_of(worker).cost_ns, memory_order_relaxed);
}

/* --- content --------------------------------------------------------------------------------- */

/* The snapshot's tree, compiled by whoever asks first. NULL when that can't be done. */
static const struct tree *tree_of(const struct instance *instance)
{
	/* The only part of a snapshot that is not constant. */
	_Atomic(struct tree *) *slot = (_Atomic(struct tree *) *)(uintptr_t)&instance->tree;
	struct tree *tree = atomic_load_explicit(slot, memory_order_acquire);
	struct tree *mine = NULL;
	if (tree || tree_compile(instance, &mine, NULL) < 0) {
		return tree;
	}
	if (!atomic_compare_exchange_strong_explicit(
		    slot, &tree, mine, memory_order_acq_rel, memory_order_acquire)) {
		tree_free(mine); /* another worker was first */
		return tree;
	}
	return mine;
}

/* A signed document, or E_AGAIN after the signer was asked for it. */
static int signed_text(const struct service *service, struct entry *entry, const struct tree *tree,
	enum tree_kind kind, struct str *ret_text)
{
	struct str document = tree_document(tree);
	const struct signed_document *is =
		atomic_load_explicit(&entry->signed_document, memory_order_seq_cst);
	if (is && str_eq(is->document, document)) {
		*ret_text = kind == TREE_SIGNATURE ? is->signature : is->pkcs7;
		return 0;
	}
	service->want_signature(service->ctx, entry, document);
	return E_AGAIN;
}

static struct service_reply of_buf(const struct instance *instance, const struct buf *text)
{
	return buf_status(text) < 0 ? empty(503) : value(instance, buf_str(text));
}

static int hit_reply(const struct service *service, struct service_worker *worker,
	struct entry *entry, const struct instance *instance, const struct tree *tree,
	tree_version version, const struct tree_hit *hit, int64_t now_ns,
	struct service_reply *ret_reply)
{
	struct buf scratch = buf_fixed(worker->scratch, sizeof worker->scratch);
	struct str text;
	switch (hit->kind) {
	case TREE_DIRECTORY:
		tree_list(tree, version, hit->node, &scratch);
		*ret_reply = of_buf(instance, &scratch);
		return 0;
	case TREE_ROLE:
	case TREE_INSTANCE_ROLE:
		role_document(tree_role(tree, hit->kind), now_ns / NS_PER_S, &scratch);
		*ret_reply = of_buf(instance, &scratch);
		return 0;
	case TREE_SIGNATURE:
	case TREE_PKCS7:
		TRY(signed_text(service, entry, tree, hit->kind, &text));
		*ret_reply = value(instance, text);
		return 0;
	case TREE_USER_DATA:
		*ret_reply = value(instance, hit->value);
		ret_reply->body = SERVICE_BYTES;
		return 0;
	case TREE_TEXT:
		break;
	}
	*ret_reply = value(instance, hit->value);
	return 0;
}

static int content(const struct service *service, struct service_worker *worker,
	struct entry *entry, const struct instance *instance, struct str path, int64_t now_ns,
	struct service_reply *ret_reply)
{
	tree_version version;
	struct tree_hit hit;
	if (path.n == 0) {
		*ret_reply = value(instance, tree_versions());
		return 0;
	}
	if (str_starts(path, STR("latest/"))) {
		version = TREE_LATEST; /* nearly always */
		path = str_from(path, strlen("latest/"));
	} else if (tree_version_find(path_next(&path), &version) < 0) {
		*ret_reply = page(404);
		return 0;
	}
	const struct tree *tree = tree_of(instance);
	if (!tree) {
		*ret_reply = empty(503);
		return 0;
	}
	if (tree_find(tree, version, path, &hit) < 0) {
		*ret_reply = page(404);
		return 0;
	}
	return hit_reply(service, worker, entry, instance, tree, version, &hit, now_ns, ret_reply);
}

/* --- tokens ---------------------------------------------------------------------------------- */

static struct token_owner owner_of(const struct instance *instance)
{
	return (struct token_owner){{instance->id, instance->id_n}, instance->record.token_epoch};
}

static struct service_reply mint(struct service_worker *worker, const struct instance *instance,
	const struct service_request *request)
{
	struct token_owner owner = owner_of(instance);
	uint64_t ttl_s;
	if (!request->has_ttl || str_to_u64(request->ttl, &ttl_s) < 0 || ttl_s < TOKEN_TTL_MIN_S ||
		ttl_s > TOKEN_TTL_MAX_S) {
		return page(400);
	}
	if (token_mint(&worker->keys, &owner, &worker->rng, request->now_ns, (uint32_t)ttl_s,
		    worker->token) < 0) {
		return empty(503);
	}
	return (struct service_reply){.status = 200,
		.body = SERVICE_TOKEN,
		.has_ttl = true,
		.ttl_s = (uint32_t)ttl_s,
		.hop_limit = instance->options.hop_limit,
		.value = {worker->token, TOKEN_CHARS}};
}

/* --- the order of checks --------------------------------------------------------------------- */

/* What the method and the path ask for. */
enum ask { ASK_CONTENT, ASK_TOKEN, ASK_NOTHING };

static enum ask ask_of(const struct service_request *request, struct str path, bool slash_at_end,
	struct service_reply *ret_reply)
{
	bool is_token = !slash_at_end && str_eq(path, STR("latest/api/token"));
	if (request->method == SERVICE_PUT) {
		if (is_token) {
			return ASK_TOKEN;
		}
		bool variant = str_eq(path, STR("api/token")) || str_ends(path, STR("/api/token"));
		*ret_reply = variant ? empty(403) : not_allowed(SERVICE_ALLOW_GET_HEAD);
		return ASK_NOTHING;
	}
	if (is_token) {
		*ret_reply = not_allowed(SERVICE_ALLOW_OPTIONS_PUT);
		if (request->method == SERVICE_OPTIONS) {
			ret_reply->status = 200;
		}
		return ASK_NOTHING;
	}
	if (request->method != SERVICE_GET && request->method != SERVICE_HEAD) {
		*ret_reply = not_allowed(SERVICE_ALLOW_GET_HEAD);
		return ASK_NOTHING;
	}
	return ASK_CONTENT;
}

static int get(const struct service *service, struct service_worker *worker, struct entry *entry,
	const struct instance *instance, const struct service_request *request, struct str path,
	struct service_reply *ret_reply)
{
	uint32_t left_s = 0;
	if (request->has_token) {
		struct token_owner owner = owner_of(instance);
		if (request->forwarded) {
			*ret_reply = empty(403);
			return 0;
		}
		if (token_verify(&worker->keys, &owner, request->token, request->now_ns, &left_s) <
			0) {
			*ret_reply = empty(401);
			return 0;
		}
	} else if (instance->options.tokens_required) {
		*ret_reply = empty(401);
		return 0;
	}
	TRY(content(service, worker, entry, instance, path, request->now_ns, ret_reply));
	if (request->has_token && ret_reply->status == 200) {
		ret_reply->has_ttl = true;
		ret_reply->ttl_s = left_s;
	}
	return 0;
}

static int answer_known(const struct service *service, struct service_worker *worker,
	struct entry *entry, const struct instance *instance, const struct service_request *request,
	struct service_reply *ret_reply)
{
	struct str path;
	bool slash_at_end;
	if (!instance->options.endpoint || (request->ipv6 && !instance->options.ipv6)) {
		*ret_reply = page(403);
		return 0;
	}
	if (path_clean(request->target, worker->path, &path, &slash_at_end) < 0) {
		*ret_reply = page(400);
		return 0;
	}
	switch (ask_of(request, path, slash_at_end, ret_reply)) {
	case ASK_NOTHING:
		return 0;
	case ASK_TOKEN:
		*ret_reply = request->forwarded ? empty(403) : mint(worker, instance, request);
		return 0;
	case ASK_CONTENT:
		break;
	}
	return get(service, worker, entry, instance, request, path, ret_reply);
}

/* --- counting -------------------------------------------------------------------------------- */

static void count_both(struct service_worker *worker, struct stats *own, unsigned counter)
{
	stats_add(&worker->stats, counter);
	if (own) {
		stats_add(own, counter);
	}
}

static void count(struct service_worker *worker, struct entry *entry,
	const struct service_request *request, const struct service_reply *reply)
{
	struct stats *own = entry ? entry_stats(entry, worker->index) : NULL;
	bool v2 = request->has_token || request->method == SERVICE_PUT;
	bool read = request->method == SERVICE_GET || request->method == SERVICE_HEAD;
	count_both(
		worker, own, (v2 ? STATS_V2 : STATS_V1) + (unsigned)stats_status_of(reply->status));
	if (reply->body == SERVICE_TOKEN) {
		count_both(worker, own, STATS_TOKENS_ISSUED);
	}
	if (!entry || request->has_token || !read) {
		return;
	}
	if (reply->status == 200 || reply->status == 404) {
		count_both(worker, own, STATS_NO_TOKEN);
	} else if (reply->status == 401) {
		count_both(worker, own, STATS_NO_TOKEN_REJECTED);
	}
}

void service_count(struct service_worker *worker, struct entry *entry, unsigned status)
{
	struct stats *own = entry ? entry_stats(entry, worker->index) : NULL;
	count_both(worker, own, STATS_V1 + (unsigned)stats_status_of(status));
	if (status == 503) {
		count_both(worker, own, STATS_THROTTLED);
	}
}

void service_count_throttled(struct service_worker *worker, struct entry *entry)
{
	count_both(worker, entry ? entry_stats(entry, worker->index) : NULL, STATS_THROTTLED);
}

int service_answer(const struct service *service, struct service_worker *worker,
	struct entry *entry, const struct service_request *request, struct service_reply *ret_reply)
{
	const struct instance *instance = entry ? entry_instance(entry) : NULL;
	struct service_reply reply;
	if (!instance || !instance->running) {
		entry = NULL;
	}
	if (throttled(worker, entry ? entry : service->nobody, request->now_ns)) {
		reply = empty(503);
		reply.throttled = true;
		service_count_throttled(worker, entry);
	} else if (!entry) {
		uint64_t unknown = atomic_load_explicit(&worker->unknown, memory_order_relaxed);
		atomic_store_explicit(&worker->unknown, unknown + 1, memory_order_relaxed);
		reply = page(404);
	} else {
		int rc = answer_known(service, worker, entry, instance, request, &reply);
		if (rc < 0) {
			unthrottle(worker, entry);
			return rc;
		}
	}
	reply.head = request->method == SERVICE_HEAD;
	count(worker, entry, request, &reply);
	*ret_reply = reply;
	return 0;
}
