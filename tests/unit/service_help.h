/*
 * service_help - what the tests of metadata/service.h share: five instances, two workers, and a
 *                question to them.
 *
 * Layer:   tests
 * Threads: the test's own thread alone
 * Memory:  setup() gives, teardown() takes
 * Secrets: a key that is drawn anew for each test
 * Limits:  WORKERS
 * Spec:    none
 *
 * Included once in a program. The instances:
 *
 *	plain        has user data and a role
 *	required     requires tokens, with hop limit 64
 *	off          has its endpoint disabled
 *	six          has IPv6 enabled
 *	stopped      is not running
 */
#ifndef TELLTALE_UNIT_SERVICE_HELP_H
#define TELLTALE_UNIT_SERVICE_HELP_H

#include "tests/unit/cases.h"
#include "tests/unit/metadata_help.h"

#include "metadata/service.h"

#define NS_PER_S INT64_C(1000000000)
#define NOW_NS   (INT64_C(1700010000) * NS_PER_S)
#define WORKERS  2

#define ID "/latest/meta-data/instance-id"

struct fixture {
	struct registry *registry;
	struct service service;
	struct service_worker *workers[WORKERS];
	struct secret secret;
	/* What on_want() was asked. */
	struct entry *wanted;
	char document[1024];
	unsigned n_wanted;
};

static inline void on_want(void *ctx, struct entry *entry, struct str document)
{
	struct fixture *f = ctx;
	f->wanted = entry;
	f->n_wanted++;
	(void)snprintf(f->document, sizeof f->document, "%.*s", STR_FMT(document));
}

static inline void put(struct fixture *f, const char *spec)
{
	struct diag diag = {{0}};
	if (registry_put(f->registry, help_instance(spec), &diag) < 0) {
		fail_msg("%s: %s", spec, diag.text);
	}
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	if (!f || secret_init(&f->secret, TOKEN_KEY_BYTES) < 0) {
		return -1;
	}
	*state = f;
	f->registry = registry_new(WORKERS);
	f->service = (struct service){.registry = f->registry,
		.nobody = calloc(1, sizeof(struct entry) + WORKERS * sizeof(struct stats *)),
		.want_signature = on_want,
		.ctx = f};
	for (unsigned i = 0; i < WORKERS; i++) {
		f->workers[i] = calloc(1, sizeof *f->workers[i]);
		f->workers[i]->index = i;
		if (token_keys_init(&f->workers[i]->keys, &f->secret, 1) < 0) {
			return -1;
		}
	}
	put(f, "{'name': 'plain', 'privateIpAddress': '10.0.0.1', 'userDataBase64': 'AAEC',"
	       " 'role': {'name': 'app', 'credentials': {'accessKeyId': 'ASIAX',"
	       " 'secretAccessKey': 's', 'token': 't'}}}");
	put(f, "{'name': 'required', 'privateIpAddress': '10.0.0.2',"
	       " 'metadataOptions': {'httpTokens': 'required', 'httpPutResponseHopLimit': 64}}");
	put(f, "{'name': 'off', 'privateIpAddress': '10.0.0.3',"
	       " 'metadataOptions': {'httpEndpoint': 'disabled'}}");
	put(f, "{'name': 'six', 'privateIpAddress': '10.0.0.4',"
	       " 'metadataOptions': {'httpProtocolIpv6': 'enabled'}}");
	put(f, "{'name': 'stopped', 'privateIpAddress': '10.0.0.5', 'state': 'stopped'}");
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < WORKERS; i++) {
		token_keys_done(&f->workers[i]->keys);
		free(f->workers[i]);
	}
	secret_done(&f->secret);
	free(f->service.nobody);
	registry_free(f->registry);
	free(f);
	return 0;
}

static inline struct entry *entry_of(struct fixture *f, const char *name)
{
	return name ? registry_find(f->registry, str_of(name)) : NULL;
}

static inline struct service_reply answer(
	struct fixture *f, const char *name, const struct service_request *request)
{
	struct service_reply reply = {0};
	assert_int_equal(
		service_answer(&f->service, f->workers[0], entry_of(f, name), request, &reply), 0);
	return reply;
}

static inline struct service_request get(const char *target)
{
	return (struct service_request){
		.method = SERVICE_GET, .target = str_of(target), .now_ns = NOW_NS};
}

#endif
