/*
 * metadata_help - what the tests of src/metadata/ and src/control/ share: instances from short
 *                 texts, and checks that name the line of a case.
 *
 * Layer:   tests
 * Threads: none
 * Memory:  the caller's to free
 * Secrets: none
 * Limits:  none
 * Spec:    none
 */
#ifndef TELLTALE_UNIT_METADATA_HELP_H
#define TELLTALE_UNIT_METADATA_HELP_H

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "metadata/instance.h"
#include "metadata/role.h"
#include "metadata/tree.h"
#include "tests/fake/alloc.h"

/* The site and the record of every instance in these tests. */
#define HELP_REGION     "us-west-2"
#define HELP_ACCOUNT    "123456789012"
#define HELP_EPOCH      UINT32_C(7)
#define HELP_CREATED_S  INT64_C(1700000000) /* 2023-11-14T22:13:20Z */
#define HELP_LAUNCHED_S INT64_C(1700000060)
#define HELP_CHANGED_S  INT64_C(1700003600)

static const struct site help_site = {STR_INIT(HELP_REGION), STR_INIT(HELP_ACCOUNT)};

static const struct instance_record help_record = {
	.token_epoch = HELP_EPOCH,
	.created_s = HELP_CREATED_S,
	.launched_s = HELP_LAUNCHED_S,
	.changed_s = HELP_CHANGED_S,
};

/* --- checks that name a case's line ------------------------------------------------------------ */

static inline void case_int(int line, long long have, long long want)
{
	if (have != want) {
		fail_msg("case of line %d: %lld instead of %lld", line, have, want);
	}
}

static inline void case_str(int line, struct str have, struct str want)
{
	if (!str_eq(have, want)) {
		fail_msg("case of line %d: \"%.*s\"\n   instead of \"%.*s\"", line, STR_FMT(have),
			STR_FMT(want));
	}
}

static inline void case_text(int line, struct str have, const char *want)
{
	case_str(line, have, str_of(want));
}

/* --- instances --------------------------------------------------------------------------------- */

/* JSON in which ' stands for ". */
static inline json_t *help_json(const char *text)
{
	json_error_t error;
	char *quoted = str_dup(str_of(text));
	assert_non_null(quoted);
	for (char *c = quoted; *c; c++) {
		if (*c == '\'') {
			*c = '"';
		}
	}
	json_t *json = json_loads(quoted, JSON_DECODE_ANY, &error);
	if (!json) {
		fail_msg("%s: %s", text, error.text);
	}
	free(quoted);
	return json;
}

/* What instance_new() says of a specification. */
static inline int help_instance_rc(
	const char *spec_text, struct instance **ret_instance, struct diag *diag)
{
	json_t *spec = help_json(spec_text);
	int rc = instance_new(spec, &help_record, &help_site, NULL, ret_instance, diag);
	json_decref(spec);
	return rc;
}

static inline struct instance *help_instance(const char *spec_text)
{
	struct diag diag = {{0}};
	struct instance *instance = NULL;
	if (help_instance_rc(spec_text, &instance, &diag) < 0) {
		fail_msg("%s: %s", spec_text, diag.text);
	}
	return instance;
}

static inline struct tree *help_tree(const char *spec_text)
{
	struct diag diag = {{0}};
	struct instance *instance = help_instance(spec_text);
	struct tree *tree = NULL;
	if (tree_compile(instance, &tree, &diag) < 0) {
		fail_msg("%s: %s", spec_text, diag.text);
	}
	instance_free(instance);
	return tree;
}

/* --- memory that runs out ---------------------------------------------------------------------- */

/*
 * Call with the first of our own allocations failing, then the second, … until none has to. Each
 * failure is told as -ENOMEM. Returns how many there were.
 */
static inline unsigned help_each_allocation_fails(int (*call)(void *ctx), void *ctx)
{
	for (unsigned n = 1;; n++) {
		alloc_fail_at(n);
		int rc = call(ctx);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			return n - 1;
		}
		assert_int_equal(rc, -ENOMEM);
	}
}

/* --- a realistic one --------------------------------------------------------------------------- */

#define HELP_KEY \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2rZK7m1Yp0mVnQ6z0Xq9kqkq0mPq1v8rY0b7s2cXy1 ops@example"
#define HELP_USER_DATA                                                                             \
	"I2Nsb3VkLWNvbmZpZwpwYWNrYWdlczoKICAtIG5naW54CnJ1bmNtZDoKICAtIFtzeXN0ZW1jdGwsIGVuYWJsZSwg" \
	"LS1ub3csIG5naW54XQo="

/* One address of each kind, a key, tags, a role whose credentials are in a file, user-data. */
#define HELP_REALISTIC                                                                           \
	"{'name': 'web-1', 'match': {'addresses': ['172.26.2.10'], 'mac': '02:aa:bb:cc:dd:01'}," \
	" 'blueprintId': 'amazon_linux_2023', 'bundleId': 'small_3_0',"                          \
	" 'location': {'availabilityZone': 'us-west-2a', 'regionName': 'us-west-2'},"            \
	" 'metadataOptions': {'httpTokens': 'required', 'httpPutResponseHopLimit': 2,"           \
	" 'instanceMetadataTags': 'enabled'},"                                                   \
	" 'publicKeys': {'ops': '" HELP_KEY "'},"                                                \
	" 'tags': {'Name': 'web-1', 'environment': 'production', 'team': 'platform'},"           \
	" 'userDataBase64': '" HELP_USER_DATA "',"                                               \
	" 'role': {'name': 'AmazonLightsailInstanceRole',"                                       \
	" 'credentials': {'file': '/etc/telltale/credentials/web-1.json'}},"                     \
	" 'publicIpAddress': '192.0.2.10', 'ipv6Addresses': ['2600:1f14:a10:cf01::10']}"

#endif
