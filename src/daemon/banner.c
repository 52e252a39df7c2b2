#include "daemon/banner.h"

#include <errno.h>
#include <stdio.h>

#include "platform/listen.h"
#include "version.h"

#define STORE_SCHEME "sqlite://"

struct banner {
	const struct config *config;
	enum banner_sample sample;
	char first[LISTEN_TEXT_BYTES]; /* of the metadata addresses */
	char control[LISTEN_TEXT_BYTES];
};

static void print_title(const struct banner *banner)
{
	const struct config *config = banner->config;
	(void)printf("telltale " TELLTALE_VERSION " serves %s on",
		banner->sample == BANNER_GONE ? "no sample instance"
					      : "the sample instance " CONFIG_SAMPLE_NAME);
	for (size_t i = 0; i < config->n_listen; i++) {
		char text[LISTEN_TEXT_BYTES];
		listen_format(&config->listen[i].address, config->listen[i].port, text);
		(void)printf("%s http://%s", i ? " and" : "", text);
	}
	(void)printf("\n\n");
}

static void print_guest(const struct banner *banner)
{
	const char *first = banner->first;
	if (banner->sample == BANNER_OPTIONAL) {
		(void)printf("Ask it, the old way and with a session token:\n\n"
			     "  curl http://%s/latest/meta-data/instance-id\n\n",
			first);
	} else {
		(void)printf("Ask it, with a session token, as it requires one by now:\n\n");
	}
	(void)printf("  TOKEN=$(curl -sX PUT http://%s/latest/api/token \\\n"
		     "    -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600')\n"
		     "  curl -H \"X-aws-ec2-metadata-token: $TOKEN\" "
		     "http://%s/latest/meta-data/\n\n",
		first, first);
	(void)printf("Point the AWS CLI and SDKs at it:\n\n"
		     "  export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://%s/\n\n",
		first);
}

/* The other value than the one in force, to see that a change shows. */
static const char *next_tokens(const struct banner *banner)
{
	return banner->sample == BANNER_REQUIRED ? "optional" : "required";
}

static void print_switch(const struct banner *banner)
{
	(void)printf("%s tokens, while it runs, and see who still comes without:\n\n"
		     "  %s options " CONFIG_SAMPLE_NAME " --http-tokens %s\n"
		     "  curl -s http://%s/metrics | grep no_token\n\n",
		banner->sample == BANNER_REQUIRED ? "No longer require" : "Require",
		program_invocation_name, next_tokens(banner),
		banner->control); /* as it was called */
}

static void print_aws(const struct banner *banner, const struct credential *key)
{
	(void)printf("%s with the AWS CLI, and a key that is good until it stops:\n\n"
		     "  export AWS_ACCESS_KEY_ID=%.*s\n"
		     "  export AWS_SECRET_ACCESS_KEY=%.*s\n"
		     "  export AWS_DEFAULT_REGION=%.*s\n",
		banner->sample == BANNER_GONE ? "Ask who is there" : "Or",
		STR_FMT(key->access_key_id), (int)key->secret.n, (const char *)key->secret.p,
		STR_FMT(banner->config->region));
	if (banner->sample == BANNER_GONE) {
		(void)printf("  aws lightsail get-instances --endpoint-url http://%s\n\n",
			banner->control);
	} else {
		(void)printf("  aws lightsail update-instance-metadata-options \\\n"
			     "    --endpoint-url http://%s --instance-name " CONFIG_SAMPLE_NAME
			     " --http-tokens %s\n\n",
			banner->control, next_tokens(banner));
	}
}

static void print_store(const struct banner *banner)
{
	struct str store = banner->config->store;
	if (str_starts(store, STR(STORE_SCHEME))) {
		store = str_from(store, sizeof STORE_SCHEME - 1);
	}
	(void)printf("Changes are kept in %.*s, also over restarts.\n", STR_FMT(store));
}

void banner_print(
	const struct config *config, const struct credential *key, enum banner_sample sample)
{
	struct banner banner = {.config = config, .sample = sample};
	if (!config->sample || config->n_listen == 0) {
		return;
	}
	listen_format(&config->listen[0].address, config->listen[0].port, banner.first);
	listen_format(&config->control.address, config->control.port, banner.control);
	print_title(&banner);
	if (sample == BANNER_GONE) {
		(void)printf(CONFIG_SAMPLE_NAME " was deleted, and stays so.\n\n");
	} else {
		print_guest(&banner);
		print_switch(&banner);
	}
	print_aws(&banner, key);
	print_store(&banner);
	(void)printf("Stop it with Ctrl-C.\n");
	(void)fflush(stdout); /* stdout is no place to report its own failure */
}
