/* From a request to a reply: the order of checks, tokens, content and signatures. */
#include "tests/unit/service_help.h"

/* A token of an instance, in the caller's memory. */
static struct str token_of(
	struct fixture *f, const char *name, int64_t now_ns, uint32_t ttl_s, char text[TOKEN_CHARS])
{
	const struct instance *instance = entry_instance(entry_of(f, name));
	struct token_owner owner = {str_of(instance->id), instance->record.token_epoch};
	assert_int_equal(
		token_mint(&f->workers[0]->keys, &owner, &f->workers[0]->rng, now_ns, ttl_s, text),
		0);
	return (struct str){text, TOKEN_CHARS};
}

/* --- the order of checks ----------------------------------------------------------------------- */

enum token_kind { NONE, GOOD, EXPIRED, FOREIGN, GARBAGE, EMPTY };

/* What is sent, and what comes back. `counts` is one of the first three counters, or -1. */
struct check {
	int line;
	const char *name; /* NULL: an unknown caller */
	enum service_method method;
	const char *target;
	enum token_kind token;
	const char *ttl; /* NULL: no such field */
	bool forwarded;
	bool ipv6;
	uint16_t status;
	enum service_body body;
	enum service_allow allow;
	int counts;
};

#define TOKEN   "/latest/api/token"
#define NOTHING -1
#define NEITHER SERVICE_ALLOW_NONE
#define READ    SERVICE_ALLOW_GET_HEAD
#define ASK     SERVICE_ALLOW_OPTIONS_PUT

/* clang-format off */
static const struct check checks[] = {
	/* Unknown callers and stopped instances: the 404 page for everything. */
	{__LINE__, NULL, SERVICE_GET, ID, NONE, NULL, false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, NULL, SERVICE_PUT, TOKEN, NONE, "300", false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, NULL, SERVICE_PUT, TOKEN, NONE, "300", true, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, NULL, SERVICE_GET, "/..", NONE, NULL, false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, NULL, SERVICE_OTHER, ID, NONE, NULL, false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, NULL, SERVICE_GET, ID, GARBAGE, NULL, true, true, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "stopped", SERVICE_GET, ID, NONE, NULL, false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "stopped", SERVICE_PUT, TOKEN, NONE, "300", false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "stopped", SERVICE_GET, ID, GOOD, NULL, false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	/* The endpoint is disabled: before everything about the request. */
	{__LINE__, "off", SERVICE_GET, ID, NONE, NULL, false, false, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "off", SERVICE_GET, ID, GOOD, NULL, false, false, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "off", SERVICE_PUT, TOKEN, NONE, "300", false, false, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "off", SERVICE_PUT, TOKEN, NONE, "0", true, false, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "off", SERVICE_GET, "/..", NONE, NULL, false, false, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "off", SERVICE_OTHER, ID, NONE, NULL, false, false, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "off", SERVICE_HEAD, ID, NONE, NULL, false, false, 403, SERVICE_PAGE, NEITHER, NOTHING},
	/* IPv6 that is not enabled is the same; IPv4 goes on. */
	{__LINE__, "plain", SERVICE_GET, ID, NONE, NULL, false, true, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, TOKEN, NONE, "300", false, true, 403, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "six", SERVICE_GET, ID, NONE, NULL, false, true, 200, SERVICE_VALUE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "six", SERVICE_GET, ID, NONE, NULL, false, false, 200, SERVICE_VALUE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "six", SERVICE_PUT, TOKEN, NONE, "300", false, true, 200, SERVICE_TOKEN, NEITHER, STATS_TOKENS_ISSUED},
	/* A malformed target: before method, token and the rest. */
	{__LINE__, "plain", SERVICE_GET, "/latest/../x", NONE, NULL, false, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_OTHER, "/%zz", NONE, NULL, false, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "latest/api/token", NONE, "300", true, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, "/%00", GARBAGE, NULL, true, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, "/..", NONE, NULL, false, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	/* PUT: the token's path and what looks like it. */
	{__LINE__, "plain", SERVICE_PUT, TOKEN, NONE, "300", false, false, 200, SERVICE_TOKEN, NEITHER, STATS_TOKENS_ISSUED},
	{__LINE__, "required", SERVICE_PUT, TOKEN, NONE, "300", false, false, 200, SERVICE_TOKEN, NEITHER, STATS_TOKENS_ISSUED},
	{__LINE__, "plain", SERVICE_PUT, "//latest//api/token?x", NONE, "300", false, false, 200, SERVICE_TOKEN, NEITHER, STATS_TOKENS_ISSUED},
	{__LINE__, "plain", SERVICE_PUT, TOKEN, GARBAGE, "300", false, false, 200, SERVICE_TOKEN, NEITHER, STATS_TOKENS_ISSUED},
	{__LINE__, "plain", SERVICE_PUT, TOKEN "/", NONE, "300", false, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, TOKEN "//", NONE, NULL, false, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/2021-03-23/api/token", NONE, "300", false, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/1.0/api/token", NONE, "300", false, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/x/api/token", NONE, "0", true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/api/token", NONE, "300", false, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/LATEST/api/token", NONE, "300", false, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/latest/api/Token", NONE, "300", false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/latest/api", NONE, "300", false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, ID, NONE, NULL, false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, ID, NONE, NULL, true, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, "/", NONE, NULL, false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	/* Other methods on the token's path. */
	{__LINE__, "plain", SERVICE_GET, TOKEN, NONE, NULL, false, false, 405, SERVICE_EMPTY, ASK, NOTHING},
	{__LINE__, "required", SERVICE_GET, TOKEN, NONE, NULL, false, false, 405, SERVICE_EMPTY, ASK, NOTHING},
	{__LINE__, "plain", SERVICE_GET, TOKEN, GARBAGE, NULL, true, false, 405, SERVICE_EMPTY, ASK, NOTHING},
	{__LINE__, "plain", SERVICE_HEAD, TOKEN, NONE, NULL, false, false, 405, SERVICE_EMPTY, ASK, NOTHING},
	{__LINE__, "plain", SERVICE_OTHER, TOKEN, NONE, "300", false, false, 405, SERVICE_EMPTY, ASK, NOTHING},
	{__LINE__, "plain", SERVICE_OPTIONS, TOKEN, NONE, NULL, false, false, 200, SERVICE_EMPTY, ASK, NOTHING},
	{__LINE__, "required", SERVICE_OPTIONS, TOKEN, NONE, NULL, true, false, 200, SERVICE_EMPTY, ASK, NOTHING},
	{__LINE__, "plain", SERVICE_GET, TOKEN "/", NONE, NULL, false, false, 404, SERVICE_PAGE, NEITHER, STATS_NO_TOKEN},
	/* Other methods elsewhere: before any token. */
	{__LINE__, "plain", SERVICE_OTHER, ID, NONE, NULL, false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "required", SERVICE_OTHER, ID, NONE, NULL, false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_OTHER, ID, GARBAGE, NULL, true, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_OPTIONS, ID, NONE, NULL, false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_OPTIONS, TOKEN "/", NONE, NULL, false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	{__LINE__, "plain", SERVICE_OTHER, "/no/such", NONE, NULL, false, false, 405, SERVICE_EMPTY, READ, NOTHING},
	/* X-Forwarded-For: on PUT before the TTL, with a token before it is looked at, else ignored. */
	{__LINE__, "plain", SERVICE_PUT, TOKEN, NONE, "300", true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, TOKEN, NONE, "0", true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, TOKEN, NONE, NULL, true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, ID, GOOD, NULL, true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, ID, GOOD, NULL, true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, ID, GARBAGE, NULL, true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_HEAD, ID, EMPTY, NULL, true, false, 403, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, ID, NONE, NULL, true, false, 200, SERVICE_VALUE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "plain", SERVICE_GET, "/no/such", NONE, NULL, true, false, 404, SERVICE_PAGE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "required", SERVICE_GET, ID, NONE, NULL, true, false, 401, SERVICE_EMPTY, NEITHER, STATS_NO_TOKEN_REJECTED},
	/* The TTL. */
	{__LINE__, "plain", SERVICE_PUT, TOKEN, NONE, NULL, false, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_PUT, TOKEN, NONE, "21601", false, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_PUT, TOKEN, GOOD, NULL, false, false, 400, SERVICE_PAGE, NEITHER, NOTHING},
	/* No token. */
	{__LINE__, "plain", SERVICE_GET, ID, NONE, NULL, false, false, 200, SERVICE_VALUE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "plain", SERVICE_HEAD, ID, NONE, NULL, false, false, 200, SERVICE_VALUE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "plain", SERVICE_GET, "/", NONE, NULL, false, false, 200, SERVICE_VALUE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "plain", SERVICE_GET, "/no/such", NONE, NULL, false, false, 404, SERVICE_PAGE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "required", SERVICE_GET, ID, NONE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, STATS_NO_TOKEN_REJECTED},
	{__LINE__, "required", SERVICE_HEAD, ID, NONE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, STATS_NO_TOKEN_REJECTED},
	{__LINE__, "required", SERVICE_GET, "/", NONE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, STATS_NO_TOKEN_REJECTED},
	{__LINE__, "required", SERVICE_GET, "/no/such", NONE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, STATS_NO_TOKEN_REJECTED},
	/* Only the TTL field is no token. */
	{__LINE__, "plain", SERVICE_GET, ID, NONE, "300", false, false, 200, SERVICE_VALUE, NEITHER, STATS_NO_TOKEN},
	{__LINE__, "required", SERVICE_GET, ID, NONE, "300", false, false, 401, SERVICE_EMPTY, NEITHER, STATS_NO_TOKEN_REJECTED},
	/* A good token. */
	{__LINE__, "plain", SERVICE_GET, ID, GOOD, NULL, false, false, 200, SERVICE_VALUE, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, ID, GOOD, NULL, false, false, 200, SERVICE_VALUE, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_HEAD, ID, GOOD, NULL, false, false, 200, SERVICE_VALUE, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, "/", GOOD, NULL, false, false, 200, SERVICE_VALUE, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, "/no/such", GOOD, NULL, false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, "/latest/user-data", GOOD, NULL, false, false, 200, SERVICE_BYTES, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, "/latest/user-data", GOOD, NULL, false, false, 404, SERVICE_PAGE, NEITHER, NOTHING},
	/* A bad one, whether tokens are needed or not, and before the path is looked at. */
	{__LINE__, "plain", SERVICE_GET, ID, GARBAGE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, ID, EMPTY, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, ID, EXPIRED, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, ID, FOREIGN, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_HEAD, ID, GARBAGE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "plain", SERVICE_GET, "/no/such", GARBAGE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, ID, GARBAGE, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, ID, EXPIRED, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, ID, FOREIGN, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
	{__LINE__, "required", SERVICE_GET, "/no/such", EMPTY, NULL, false, false, 401, SERVICE_EMPTY, NEITHER, NOTHING},
};
/* clang-format on */

static struct str check_token(struct fixture *f, const struct check *c, char text[TOKEN_CHARS])
{
	switch (c->token) {
	case GOOD:
		return token_of(f, c->name, NOW_NS, 300, text);
	case EXPIRED:
		return token_of(f, c->name, NOW_NS - 300 * NS_PER_S, 300, text);
	case FOREIGN:
		return token_of(f, "six", NOW_NS, 300, text);
	case GARBAGE:
		return STR("AQAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==");
	case NONE:
	case EMPTY:
		break;
	}
	return STR("");
}

/* Exactly one reply was counted, as what it was, and beside it `counts` alone. */
static void check_counters(
	const struct check *c, const struct stats *before, const struct stats *after)
{
	bool v2 = c->token != NONE || c->method == SERVICE_PUT;
	for (unsigned i = 0; i < STATS_COUNTERS; i++) {
		uint64_t more = stats_get(after, i) - stats_get(before, i);
		unsigned status = (unsigned)stats_status_of(c->status);
		bool expected = (int)i == c->counts || i == (v2 ? STATS_V2 : STATS_V1) + status;
		if (more != expected) {
			fail_msg("case of line %d: counter %u has %llu more", c->line, i,
				(unsigned long long)more);
		}
	}
}

static void run_check(struct fixture *f, const struct check *c)
{
	char text[TOKEN_CHARS];
	struct service_request request = {.method = c->method,
		.target = str_of(c->target),
		.has_token = c->token != NONE,
		.has_ttl = c->ttl != NULL,
		.ttl = str_of(c->ttl),
		.forwarded = c->forwarded,
		.ipv6 = c->ipv6,
		.now_ns = NOW_NS};
	struct entry *entry = entry_of(f, c->name);
	bool known = entry && strcmp(c->name, "stopped") != 0;
	if (request.has_token) {
		request.token = c->name ? check_token(f, c, text) : STR("x");
	}
	const struct stats before = f->workers[0]->stats;
	const struct stats own_before = known ? *entry_stats(entry, 0) : (struct stats){0};
	uint64_t unknown = atomic_load(&f->workers[0]->unknown);
	struct service_reply reply = answer(f, c->name, &request);

	case_int(c->line, reply.status, c->status);
	case_int(c->line, reply.body, c->body);
	case_int(c->line, reply.allow, c->allow);
	case_int(c->line, reply.head, c->method == SERVICE_HEAD);
	case_int(c->line, reply.hop_limit != 0, c->body == SERVICE_TOKEN);
	bool granted = c->body == SERVICE_TOKEN || (c->token == GOOD && c->status == 200);
	case_int(c->line, reply.has_ttl, granted);
	if (granted) {
		case_int(c->line, reply.ttl_s, 300);
	}
	case_int(c->line, reply.value.n > 0,
		c->body == SERVICE_TOKEN || c->body == SERVICE_VALUE || c->body == SERVICE_BYTES);

	check_counters(c, &before, &f->workers[0]->stats);
	if (known) {
		check_counters(c, &own_before, entry_stats(entry, 0));
	}
	case_int(c->line, (long long)(atomic_load(&f->workers[0]->unknown) - unknown), !known);
}

static void order_of_checks(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < COUNT(checks); i++) {
		run_check(f, &checks[i]);
	}
	assert_int_equal(f->n_wanted, 0);
}

/* --- tokens ------------------------------------------------------------------------------------ */

static void ttl_texts(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		struct str ttl;
		uint32_t granted; /* 0: 400 */
	} cases[] = {
		{__LINE__, STR_INIT("1"), 1}, {__LINE__, STR_INIT("21600"), 21600},
		{__LINE__, STR_INIT("00300"), 300}, {__LINE__, STR_INIT("0"), 0},
		{__LINE__, STR_INIT("21601"), 0}, {__LINE__, STR_INIT("-1"), 0},
		{__LINE__, STR_INIT("+1"), 0}, {__LINE__, STR_INIT(""), 0},
		{__LINE__, STR_INIT(" "), 0}, {__LINE__, STR_INIT(" 5"), 0},
		{__LINE__, STR_INIT("5 "), 0}, {__LINE__, STR_INIT("5s"), 0},
		{__LINE__, STR_INIT("5.0"), 0}, {__LINE__, STR_INIT("1e3"), 0},
		{__LINE__, STR_INIT("0x10"), 0}, {__LINE__, STR_INIT("5, 5"), 0},
		{__LINE__, STR_INIT("five"), 0}, {__LINE__, STR_INIT("5\0"), 0},
		{__LINE__, STR_INIT("4294967301"), 0},           /* 2^32 + 5 */
		{__LINE__, STR_INIT("18446744073709551621"), 0}, /* 2^64 + 5 */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct service_request request = get(TOKEN);
		request.method = SERVICE_PUT;
		request.has_ttl = true;
		request.ttl = cases[i].ttl;
		struct service_reply reply = answer(f, "plain", &request);
		case_int(cases[i].line, reply.status, cases[i].granted ? 200 : 400);
		if (cases[i].granted) {
			case_int(cases[i].line, reply.ttl_s, cases[i].granted);
		}
	}
}

static void a_token_from_put_to_its_end(void **state)
{
	struct fixture *f = *state;
	char text[TOKEN_CHARS];
	struct service_request request = get(TOKEN);
	request.method = SERVICE_PUT;
	request.has_ttl = true;
	request.ttl = STR("60");
	request.now_ns = NOW_NS + 1;
	struct service_reply reply = answer(f, "required", &request);
	assert_int_equal(reply.value.n, TOKEN_CHARS);
	assert_int_equal(reply.hop_limit, 64);
	memcpy(text, reply.value.p, TOKEN_CHARS);

	request = get(ID);
	request.has_token = true;
	request.token = (struct str){text, TOKEN_CHARS};
	request.now_ns = NOW_NS + 1;
	assert_int_equal(answer(f, "required", &request).ttl_s, 60);
	request.now_ns = NOW_NS + 10 * NS_PER_S;
	assert_int_equal(answer(f, "required", &request).ttl_s, 51);
	request.now_ns = NOW_NS + 60 * NS_PER_S;
	assert_int_equal(answer(f, "required", &request).status, 200);
	request.now_ns = NOW_NS + 61 * NS_PER_S;
	assert_int_equal(answer(f, "required", &request).status, 401);
	/* Of no use to another instance, or after all were revoked. */
	request.now_ns = NOW_NS;
	assert_int_equal(answer(f, "plain", &request).status, 401);
	struct instance_record record = help_record;
	struct instance *instance = NULL;
	json_t *spec = instance_spec(entry_instance(entry_of(f, "required")));
	record.token_epoch++;
	assert_int_equal(instance_new(spec, &record, &help_site, NULL, &instance, NULL), 0);
	json_decref(spec);
	assert_int_equal(registry_put(f->registry, instance, NULL), 0);
	assert_int_equal(answer(f, "required", &request).status, 401);
}

static void hop_limits(void **state)
{
	struct fixture *f = *state;
	struct service_request request = get(TOKEN);
	request.method = SERVICE_PUT;
	request.has_ttl = true;
	request.ttl = STR("60");
	assert_int_equal(answer(f, "plain", &request).hop_limit, 1);
	assert_int_equal(answer(f, "required", &request).hop_limit, 64);
}

/* --- content ----------------------------------------------------------------------------------- */

static void content(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int line;
		const char *target;
		const char *value; /* NULL: 404 */
	} cases[] = {
		{__LINE__, ID, "i-048aa991debca0cc2"},
		{__LINE__, ID "/", "i-048aa991debca0cc2"},
		{__LINE__, "/latest//meta-data///instance-id", "i-048aa991debca0cc2"},
		{__LINE__, "//latest/meta-data/instance-id?x=y", "i-048aa991debca0cc2"},
		{__LINE__, "/latest/meta-data/instance%2Did", "i-048aa991debca0cc2"},
		{__LINE__, "/1.0/meta-data/instance-id", "i-048aa991debca0cc2"},
		{__LINE__, "/2009-04-04/meta-data/placement", "availability-zone"},
		{__LINE__, "/latest/meta-data/placement",
			"availability-zone\navailability-zone-id\nregion"},
		{__LINE__, "/latest/meta-data/placement/",
			"availability-zone\navailability-zone-id\nregion"},
		{__LINE__, "/latest", "dynamic\nmeta-data\nuser-data"},
		{__LINE__, "/latest/", "dynamic\nmeta-data\nuser-data"},
		{__LINE__, "/1.0", "meta-data\nuser-data"},
		{__LINE__, "/latest/meta-data/iam/security-credentials/", "app"},
		{__LINE__, "/latest/meta-data/iam/security-credentials/app/",
			"{\n"
			"  \"Code\" : \"Success\",\n"
			"  \"LastUpdated\" : \"2023-11-15T01:00:00Z\",\n"
			"  \"Type\" : \"AWS-HMAC\",\n"
			"  \"AccessKeyId\" : \"ASIAX\",\n"
			"  \"SecretAccessKey\" : \"s\",\n"
			"  \"Token\" : \"t\",\n"
			"  \"Expiration\" : \"2023-11-15T07:00:00Z\"\n"
			"}"},
		{__LINE__, "/nope", NULL},
		{__LINE__, "/2009-04-05/meta-data", NULL},
		{__LINE__, "/Latest", NULL},
		{__LINE__, "/latest/nope", NULL},
		{__LINE__, "/latest/meta-data/nope", NULL},
		{__LINE__, ID "/nope", NULL},
		{__LINE__, "/1.0/meta-data/placement", NULL},
		{__LINE__, "/latest/meta-data/public-ipv4", NULL},
		{__LINE__, "/latest/.", NULL},
		{__LINE__, "/meta-data/instance-id", NULL},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct service_request request = get(cases[i].target);
		struct service_reply reply = answer(f, "plain", &request);
		case_int(cases[i].line, reply.status, cases[i].value ? 200 : 404);
		if (cases[i].value) {
			case_int(cases[i].line, reply.body, SERVICE_VALUE);
			case_text(cases[i].line, reply.value, cases[i].value);
			case_int(cases[i].line, reply.modified_s, HELP_CHANGED_S);
		}
	}
	struct service_request request = get("/");
	case_str(__LINE__, answer(f, "plain", &request).value, tree_versions());
	request = get("/latest/user-data/");
	struct service_reply reply = answer(f, "plain", &request);
	assert_int_equal(reply.body, SERVICE_BYTES);
	case_str(__LINE__, reply.value, STR("\0\1\2"));
}

static void compiled_once(void **state)
{
	struct fixture *f = *state;
	const struct instance *instance = entry_instance(entry_of(f, "plain"));
	struct service_request request = get(ID);
	assert_null(atomic_load(&instance->tree));
	(void)answer(f, "plain", &request);
	struct tree *tree = atomic_load(&instance->tree);
	assert_non_null(tree);
	(void)answer(f, "plain", &request);
	assert_ptr_equal(atomic_load(&instance->tree), tree);
	/* What needs no content needs no tree. */
	request = get(ID);
	(void)answer(f, "required", &request);
	assert_null(atomic_load(&entry_instance(entry_of(f, "required"))->tree));
}

/* A specification whose tree can't be built: 503, and nothing breaks. */
static void no_tree(void **state)
{
	struct fixture *f = *state;
	put(f, "{'name': 'bad', 'userDataBase64': '!', 'privateIpAddress': '10.0.0.9'}");
	struct service_request request = get(ID);
	assert_int_equal(answer(f, "bad", &request).status, 503);
	request = get("/");
	assert_int_equal(answer(f, "bad", &request).status, 200);
}

/* --- signatures -------------------------------------------------------------------------------- */

static int ask(
	struct fixture *f, const struct service_request *request, struct service_reply *ret_reply)
{
	return service_answer(&f->service, f->workers[0], entry_of(f, "plain"), request, ret_reply);
}

static struct signed_document *sign(const char *document)
{
	struct signed_document *out = calloc(1, sizeof *out);
	assert_non_null(out);
	out->document = str_of(document);
	out->signature = STR("the signature");
	out->pkcs7 = STR("the pkcs7");
	return out;
}

static void signature_that_is_not_there_yet(void **state)
{
	struct fixture *f = *state;
	struct service_worker *worker = f->workers[0];
	struct entry *entry = entry_of(f, "plain");
	struct service_request request = get("/latest/dynamic/instance-identity/signature");
	struct service_reply reply = {.status = 12345};
	service_limit(worker, (struct service_throttle){1, 4});
	/* Asked again and again: nothing is counted, and the throttle is not used up. */
	const struct stats before = worker->stats;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ask(f, &request, &reply), E_AGAIN);
	}
	assert_int_equal(f->n_wanted, 20);
	assert_ptr_equal(f->wanted, entry);
	assert_memory_equal(&worker->stats, &before, sizeof before);
	assert_int_equal(reply.status, 12345);
	assert_true(str_starts(str_of(f->document), STR("{\n  \"accountId\" : \"123456789012\"")));

	registry_signed(f->registry, entry, sign(f->document));
	assert_int_equal(ask(f, &request, &reply), 0);
	case_text(__LINE__, reply.value, "the signature");
	assert_int_equal(stats_get(&worker->stats, STATS_V1 + STATS_200), 1);
	assert_int_equal(stats_get(&worker->stats, STATS_NO_TOKEN), 1);
	request = get("/latest/dynamic/instance-identity/pkcs7");
	assert_int_equal(ask(f, &request, &reply), 0);
	case_text(__LINE__, reply.value, "the pkcs7");
	request = get("/latest/dynamic/instance-identity/rsa2048");
	assert_int_equal(ask(f, &request, &reply), 0);
	case_text(__LINE__, reply.value, "the pkcs7");
	assert_int_equal(f->n_wanted, 20);
	request.method = SERVICE_HEAD;
	assert_int_equal(ask(f, &request, &reply), 0);
	assert_true(reply.head);
	assert_int_equal(ask(f, &request, &reply), 0);
	assert_int_equal(reply.status, 503); /* four of four */
}

static void signature_of_another_document(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = entry_of(f, "plain");
	struct service_request request = get("/latest/dynamic/instance-identity/signature");
	struct service_reply reply;
	assert_int_equal(ask(f, &request, &reply), E_AGAIN);
	registry_signed(f->registry, entry, sign(f->document));
	assert_int_equal(ask(f, &request, &reply), 0);
	/* The instance has become another: what was signed is of no use. */
	put(f, "{'name': 'plain', 'privateIpAddress': '10.0.0.1', 'instanceType': 'm7i.metal'}");
	assert_int_equal(ask(f, &request, &reply), E_AGAIN);
	assert_non_null(strstr(f->document, "m7i.metal"));
}

static void no_signature_for_who_may_not_have_it(void **state)
{
	struct fixture *f = *state;
	struct service_request request = get("/latest/dynamic/instance-identity/signature");
	assert_int_equal(answer(f, "required", &request).status, 401);
	assert_int_equal(answer(f, "off", &request).status, 403);
	assert_int_equal(answer(f, NULL, &request).status, 404);
	request = get("/2008-09-01/dynamic/instance-identity/signature");
	assert_int_equal(answer(f, "plain", &request).status, 404);
	assert_int_equal(f->n_wanted, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(order_of_checks),
		TEST(ttl_texts),
		TEST(a_token_from_put_to_its_end),
		TEST(hop_limits),
		TEST(content),
		TEST(compiled_once),
		TEST(no_tree),
		TEST(signature_that_is_not_there_yet),
		TEST(signature_of_another_document),
		TEST(no_signature_for_who_may_not_have_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
