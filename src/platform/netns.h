/*
 * netns - network namespaces: to find one, and to go there.
 *
 * Layer:   platform
 * Threads: a namespace is a thread's; netns_enter() moves the calling one alone
 * Memory:  descriptors belong to the caller
 * Secrets: none
 * Limits:  PATH_MAX
 * Spec:    network_namespaces(7), setns(2), ip-netns(8)
 */
#ifndef TELLTALE_PLATFORM_NETNS_H
#define TELLTALE_PLATFORM_NETNS_H

#include "base/str.h"

/* Where ip-netns(8) keeps those that have a name. */
#define NETNS_FOLDER "/run/netns/"

/*
 * A namespace by the name that ip-netns(8) knows, or by an absolute path (/proc/PID/ns/net).
 * Returns its descriptor, or -errno with diag.
 */
MUST_CHECK int netns_open(struct str name, struct diag *diag);

/*
 * Have the calling thread live there: its sockets from now on are opened there. Needs CAP_SYS_ADMIN.
 * Returns 0 or -errno.
 */
MUST_CHECK int netns_enter(int fd);

#endif
