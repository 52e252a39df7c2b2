#include "platform/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>

int netns_open(struct str name, struct diag *diag)
{
	char path[PATH_MAX] = NETNS_FOLDER;
	size_t at = str_starts(name, STR("/")) ? 0 : sizeof NETNS_FOLDER - 1;
	if (name.n == 0 || name.n >= sizeof path - at) {
		return diag_set(
			diag, -ENAMETOOLONG, "netns %.*s: too long for a path", STR_FMT(name));
	}
	memcpy(path + at, name.p, name.n);
	path[at + name.n] = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return diag_set(diag, -errno, "netns %s: %s", path, result_name(-errno));
	}
	return fd;
}

int netns_enter(int fd)
{
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}
