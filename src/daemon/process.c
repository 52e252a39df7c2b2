#include "daemon/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/log.h"
#include "platform/file.h"
#include "platform/privileges.h"
#include "version.h"

#define FOLDER_MODE     0700
#define ABOVE_MODE      0755
#define FIRST_FREE_PORT 1024
#define FILES_MAX       ((size_t)4 * 1024 * 1024)
#define FILES_AT_ONCE   ((size_t)64 * 1024)

/*
 * Capabilities for what is still to come: low ports, sockets bound to a device, addresses that are set
 * up, and the way into other network namespaces.
 */
static uint64_t still_needed(const struct config *config)
{
	uint64_t mask = 0;
	for (size_t i = 0; i < config->n_listen; i++) {
		if (config->listen[i].port < FIRST_FREE_PORT) {
			mask |= PRIVILEGES_CAPABILITY(CAP_NET_BIND_SERVICE);
		}
		if (config->listen[i].interface.n) {
			mask |= PRIVILEGES_CAPABILITY(CAP_NET_RAW);
		}
		if (config->listen[i].set_up) {
			mask |= PRIVILEGES_CAPABILITY(CAP_NET_ADMIN);
		}
		if (config->listen[i].netns.n) {
			mask |= PRIVILEGES_CAPABILITY(CAP_SYS_ADMIN);
		}
	}
	if (config->control.port < FIRST_FREE_PORT) {
		mask |= PRIVILEGES_CAPABILITY(CAP_NET_BIND_SERVICE);
	}
	return mask;
}

/* The folder that a file will be in, made if need be and owned by whoever writes there. */
static int make_folder_for(
	struct str file, const struct config *config, uid_t uid, gid_t gid, struct diag *diag)
{
	char path[PATH_MAX];
	if (file.n >= sizeof path) {
		return diag_set(diag, -ENAMETOOLONG, "%.*s: too long for a path", STR_FMT(file));
	}
	memcpy(path, file.p, file.n);
	path[file.n] = '\0';
	char *slash = strrchr(path, '/');
	if (!slash || slash == path) {
		return 0;
	}
	*slash = '\0';
	if (access(path, F_OK) == 0) {
		return 0; /* somebody else's arrangement */
	}
	/* What is missing above it must let the user through. */
	char *above = strrchr(path, '/');
	if (above != path) {
		*above = '\0';
		TRY(file_make_folders(path, ABOVE_MODE, diag));
		*above = '/';
	}
	TRY(file_make_folders(path, FOLDER_MODE, diag));
	if (config->user.n && geteuid() == 0 && chown(path, uid, gid) < 0) {
		return diag_set(diag, -errno, "%s: %s", path, result_name(-errno));
	}
	return 0;
}

static int make_folders(const struct config *config, struct diag *diag)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct str store = config->store, scheme = STR("sqlite://");
	if (config->user.n && uid == 0) {
		TRY(privileges_find_user(config->user.p, &uid, &gid, diag));
	}
	TRY(make_folder_for(config->control.socket, config, uid, gid, diag));
	return str_starts(store, scheme)
		       ? make_folder_for(str_from(store, scheme.n), config, uid, gid, diag)
		       : 0;
}

/* A service manager may have started us as the user already. */
static bool is_already(const char *user)
{
	uid_t uid;
	gid_t gid;
	return privileges_find_user(user, &uid, &gid, NULL) == 0 && uid == geteuid();
}

/* Those that there may be, in a log's words. */
static void log_kept(const char *msg)
{
	static const struct {
		unsigned number;
		const char *name;
	} known[] = {{CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"}, {CAP_NET_RAW, "CAP_NET_RAW"},
		{CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}};
	char memory[128];
	struct buf text = buf_fixed(memory, sizeof memory);
	uint64_t held = privileges_held();
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (held & PRIVILEGES_CAPABILITY(known[i].number)) {
			buf_add_f(&text, "%s%s", text.n ? " " : "", known[i].name);
		}
	}
	LOG(LOG_DEBUG, "daemon", msg, LOG_INT("uid", geteuid()), LOG_INT("gid", getegid()),
		LOG_STR("kept", text.n ? buf_str(&text) : STR("none")));
}

/*
 * Have the table of descriptors as large as connections may make it. It begins with 256 and is doubled when it
 * is full, and when a process has several threads the kernel waits then until each processor has done with
 * the old one: 7 to 24 ms in which no connection is accepted, eight times on the way to 65,536. As long as
 * there is one thread nobody waits. It takes 8 bytes each, 512 KiB of the kernel's memory; beyond that it
 * grows when needed.
 */
static void make_table(size_t files)
{
	int last = (int)(files < FILES_AT_ONCE ? files : FILES_AT_ONCE) - 1;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return; /* it grows when needed, here and below */
	}
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, last);
	if (copy >= 0) {
		close(copy);
	}
	close(fd);
}

int process_prepare(const struct config *config, size_t *ret_files, struct diag *diag)
{
	struct privileges_wish wish = {
		.user = config->user.p, /* texts of the configuration end in NUL */
		.capabilities = still_needed(config),
		.dumpable = TELLTALE_DUMPABLE};
	uint64_t files = privileges_raise_files();
	*ret_files = files < FILES_MAX ? (size_t)files : FILES_MAX;
	make_table(*ret_files);
	if (config->user.n && geteuid() != 0) {
		if (!is_already(config->user.p)) {
			LOG(LOG_WARN, "daemon",
				"user: is ignored, the daemon was not started as root",
				LOG_STR("user", config->user));
		}
		wish.user = NULL;
	}
	TRY(make_folders(config, diag));
	TRY(privileges_drop(&wish, diag));
	log_kept("privileges are dropped");
	return 0;
}

int process_settle(struct diag *diag)
{
	int rc = privileges_narrow(
		~(PRIVILEGES_CAPABILITY(CAP_SYS_ADMIN) | PRIVILEGES_CAPABILITY(CAP_NET_ADMIN)));
	if (rc < 0) {
		return diag_set(diag, rc, "privileges: %s", result_name(rc));
	}
	log_kept("privileges of what serves");
	return 0;
}
