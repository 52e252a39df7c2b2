#include "daemon/banner.h"

#include <errno.h>
#include <stdio.h>

#include "platform/listen.h"
#include "version.h"

void banner_print(const struct config *config, const struct credential *key)
{
	char first[LISTEN_TEXT_BYTES], control[LISTEN_TEXT_BYTES];
	const char *name = CONFIG_SAMPLE_NAME;
	if (!config->sample || config->n_listen == 0) {
		return;
	}
	listen_format(&config->listen[0].address, config->listen[0].port, first);
	listen_format(&config->control.address, config->control.port, control);
	(void)printf("telltale " TELLTALE_VERSION " serves the sample instance %s on", name);
	for (size_t i = 0; i < config->n_listen; i++) {
		char text[LISTEN_TEXT_BYTES];
		listen_format(&config->listen[i].address, config->listen[i].port, text);
		(void)printf("%s http://%s", i ? " and" : "", text);
	}
	(void)printf("\n\n"
		     "Ask it, the old way and with a session token:\n\n"
		     "  curl http://%s/latest/meta-data/instance-id\n\n"
		     "  TOKEN=$(curl -sX PUT http://%s/latest/api/token \\\n"
		     "    -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600')\n"
		     "  curl -H \"X-aws-ec2-metadata-token: $TOKEN\" "
		     "http://%s/latest/meta-data/\n\n",
		first, first, first);
	(void)printf("Point the AWS CLI and SDKs at it:\n\n"
		     "  export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://%s/\n\n"
		     "Require tokens, while it runs, and see who still comes without:\n\n"
		     "  %s options %s --http-tokens required\n"
		     "  curl -s http://%s/metrics | grep no_token\n\n",
		first, program_invocation_name, name, control); /* as it was called */
	(void)printf("Or with the AWS CLI, and a key that is good until it stops:\n\n"
		     "  export AWS_ACCESS_KEY_ID=%.*s\n"
		     "  export AWS_SECRET_ACCESS_KEY=%.*s\n"
		     "  export AWS_DEFAULT_REGION=%.*s\n"
		     "  aws lightsail update-instance-metadata-options \\\n"
		     "    --endpoint-url http://%s --instance-name %s --http-tokens required\n\n"
		     "Stop it with Ctrl-C.\n",
		STR_FMT(key->access_key_id), (int)key->secret.n, (const char *)key->secret.p,
		STR_FMT(config->region), control, name);
	(void)fflush(stdout); /* stdout is no place to report its own failure */
}
