#include "cli/args.h"
#include "config/config.h"
#include "daemon/daemon.h"

int cli_serve(const struct args *args)
{
	const struct config_flags flags = {
		.file = args->value[ARGS_CONFIG],
		.listen = args->listen.at,
		.n_listen = args->listen.n,
		.instances = args->instances.at,
		.n_instances = args->instances.n,
		.control = args->value[ARGS_CONTROL],
		.socket = args->value[ARGS_SOCKET],
		.store = args->value[ARGS_STORE],
		.workers = args->value[ARGS_WORKERS],
		.log_level = args->value[ARGS_LOG_LEVEL],
	};
	return daemon_run(&flags);
}
