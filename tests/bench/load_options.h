/*
 * load_options - what the load generator is to do, from its command line.
 *
 * Layer:   bench (load.c alone)
 * Threads: none.
 * Memory:  strings are borrowed from argv.
 * Secrets: none.
 * Limits:  a million connections.
 * Spec:    the usage text in load_options.c
 */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mode { MODE_KEEP, MODE_NEW, MODE_CLOSE, MODE_PAIR, MODE_CLOCK };

struct options {
	struct sockaddr_in server;
	uint32_t source; /* first source address, host order; 0: the kernel's choice */
	uint32_t sources;
	enum mode mode;
	bool serial;
	bool mint;
	size_t connections;
	uint64_t count;
	uint64_t duration_ns;
	uint64_t rate;   /* starts per second; 0: as fast as answers come */
	unsigned fields; /* of no meaning, in each GET */
	const char *path;
	const char *token; /* NULL: none */
};

/* Fill the options, or say what is wrong with them and end the process with 2. */
void load_options_parse(struct options *options, int argc, char **argv);

#endif
