#include "load_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

static const char usage[] =
	"usage: load --port PORT [options]\n"
	"  --address A       server's address (127.0.0.1)\n"
	"  --mode MODE       keep: kept connections; new: one for each GET, we close;\n"
	"                    close: one for each GET, the server closes;\n"
	"                    pair: PUT a token, then GET, each on a new connection (keep);\n"
	"                    clock: ask nobody, only look at the clock when one was due\n"
	"  --serial          one after another with blocking calls (modes new and close)\n"
	"  --connections N   at a time (1)\n"
	"  --count N         exchanges, then stop; a pair is one\n"
	"  --seconds S       stop after that long (10)\n"
	"  --rate N          start N a second on schedule, latency counted from there\n"
	"  --source A        first source address\n"
	"  --sources N       this many consecutive ones in turn (1)\n"
	"  --fields N        further header fields in each GET (0)\n"
	"  --path P          what to GET (/latest/meta-data/instance-id)\n"
	"  --token T         send it with each GET\n"
	"  --mint            each kept connection first PUTs for a token of its own\n";

static _Noreturn void wrong_usage(const char *why)
{
	(void)fprintf(stderr, "load: %s\n%s", why, usage);
	exit(2);
}

static uint64_t parse_number(const char *text)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-') {
		wrong_usage("not a number");
	}
	return v;
}

static struct in_addr parse_address(const char *text)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1) {
		wrong_usage("not an IPv4 address");
	}
	return address;
}

static enum mode parse_mode(const char *text)
{
	static const char *const names[] = {"keep", "new", "close", "pair", "clock"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			return (enum mode)i;
		}
	}
	wrong_usage("unknown mode");
}

static void parse_option(struct options *options, int option)
{
	switch (option) {
	case 'a':
		options->server.sin_addr = parse_address(optarg);
		break;
	case 'p':
		options->server.sin_port = htons((uint16_t)parse_number(optarg));
		break;
	case 'm':
		options->mode = parse_mode(optarg);
		break;
	case 'S':
		options->serial = true;
		break;
	case 'M':
		options->mint = true;
		break;
	case 'c':
		options->connections = parse_number(optarg);
		break;
	case 'n':
		options->count = parse_number(optarg);
		break;
	case 's':
		options->duration_ns = (uint64_t)(strtod(optarg, NULL) * (double)NS_PER_S);
		break;
	case 'r':
		options->rate = parse_number(optarg);
		break;
	case 'f':
		options->source = ntohl(parse_address(optarg).s_addr);
		break;
	case 'F':
		options->sources = (uint32_t)parse_number(optarg);
		break;
	case 'H':
		options->fields = (unsigned)parse_number(optarg);
		break;
	case 'P':
		options->path = optarg;
		break;
	case 't':
		options->token = optarg;
		break;
	default:
		wrong_usage("unknown option");
	}
}

void load_options_parse(struct options *options, int argc, char **argv)
{
	static const struct option table[] = {
		{"address", required_argument, NULL, 'a'},
		{"port", required_argument, NULL, 'p'},
		{"mode", required_argument, NULL, 'm'},
		{"serial", no_argument, NULL, 'S'},
		{"mint", no_argument, NULL, 'M'},
		{"connections", required_argument, NULL, 'c'},
		{"count", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{"rate", required_argument, NULL, 'r'},
		{"source", required_argument, NULL, 'f'},
		{"sources", required_argument, NULL, 'F'},
		{"fields", required_argument, NULL, 'H'},
		{"path", required_argument, NULL, 'P'},
		{"token", required_argument, NULL, 't'},
		{0},
	};
	int option;

	*options = (struct options){
		.server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
		.sources = 1,
		.connections = 1,
		.count = UINT64_MAX,
		.duration_ns = 10 * NS_PER_S,
		.path = "/latest/meta-data/instance-id",
	};
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		parse_option(options, option);
	}
	if (optind < argc || (options->server.sin_port == 0) != (options->mode == MODE_CLOCK)) {
		wrong_usage("a port is needed but for the clock, and nothing beside options");
	}
	if (options->mode == MODE_CLOCK && options->rate == 0) {
		wrong_usage("--mode clock is for a --rate");
	}
	if (options->connections == 0 || options->connections > 1000000 || options->sources == 0) {
		wrong_usage("so many connections or sources make no sense");
	}
	if (options->serial && options->mode != MODE_NEW && options->mode != MODE_CLOSE) {
		wrong_usage("--serial is for the modes new and close");
	}
}
