#include "platform/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ACCOUNT_BYTES_MOST ((size_t)1024 * 1024)
#define CAPABILITY_WORDS   _LINUX_CAPABILITY_U32S_3

/* What the process is to be. */
struct aim {
	uid_t uid;
	gid_t gid;
	uint64_t capabilities;
	bool becomes; /* another user */
	bool bounded; /* the bounding set could be changed */
	bool dumpable;
};

static int fault(int rc, struct diag *diag, const char *what)
{
	return diag_set(diag, rc, "privileges: %s: %s", what, result_name(rc));
}

uint64_t privileges_raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return 0; /* can't be: the call knows this limit, and the address is good */
	}
	if (limit.rlim_cur != limit.rlim_max) {
		struct rlimit raised = {limit.rlim_max, limit.rlim_max};
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
			return raised.rlim_cur;
		}
	}
	return limit.rlim_cur;
}

/* --- the account ----------------------------------------------------------------------------- */

int privileges_find_user(const char *user, uid_t *ret_uid, gid_t *ret_gid, struct diag *diag)
{
	struct passwd entry;
	struct passwd *found = NULL;
	int err = ERANGE;
	for (size_t bytes = 1024; err == ERANGE && bytes <= ACCOUNT_BYTES_MOST; bytes *= 4) {
		char *room = malloc(bytes);
		if (!room) {
			return fault(-ENOMEM, diag, "reading the accounts");
		}
		err = getpwnam_r(user, &entry, room, bytes, &found);
		free(room); /* the names in the entry are gone with it, the numbers are not */
	}
	if (!found && (err == 0 || err == ENOENT || err == ESRCH)) {
		return diag_set(diag, E_NOTFOUND, "user \"%s\": there is no such user", user);
	}
	if (!found) {
		return diag_set(diag, -err, "user \"%s\": %s", user, result_name(-err));
	}
	*ret_uid = entry.pw_uid;
	*ret_gid = entry.pw_gid;
	return 0;
}

static int become(const char *user, const struct aim *aim, struct diag *diag)
{
	/* Else the change of user would take all capabilities, those that are to stay, too. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) {
		return fault(-errno, diag, "can't keep capabilities");
	}
	if (initgroups(user, aim->gid) < 0) {
		return fault(-errno, diag, "can't take the user's groups");
	}
	if (setresgid(aim->gid, aim->gid, aim->gid) < 0 ||
		setresuid(aim->uid, aim->uid, aim->uid) < 0) {
		return fault(-errno, diag, "can't become the user");
	}
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0); /* ends at the next exec anyway */
	return 0;
}

/* --- capabilities ---------------------------------------------------------------------------- */

static int get_capabilities(struct __user_cap_data_struct ret_data[CAPABILITY_WORDS])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, &head, ret_data) < 0 ? -errno : 0;
}

static int set_capabilities(uint64_t capabilities)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[CAPABILITY_WORDS] = {{0}};
	for (size_t i = 0; i < CAPABILITY_WORDS; i++) {
		data[i].permitted = data[i].effective = (uint32_t)(capabilities >> 32 * i);
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static int permitted(uint64_t *ret_capabilities)
{
	struct __user_cap_data_struct data[CAPABILITY_WORDS] = {{0}};
	TRY(get_capabilities(data));
	*ret_capabilities = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return 0;
}

/* What is outside the set can't be had again, whatever the process runs. */
static int bound(struct aim *aim, struct diag *diag)
{
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		bool keep = i < 64 && aim->capabilities & PRIVILEGES_CAPABILITY(i);
		if (keep || prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0) {
			continue;
		}
		if (errno == EPERM) { /* who lacks CAP_SETPCAP has PR_SET_NO_NEW_PRIVS instead */
			return 0;
		}
		return fault(-errno, diag, "can't bound the capabilities");
	}
	aim->bounded = true;
	return 0;
}

/* --- reading back ---------------------------------------------------------------------------- */

static bool ids_are(const struct aim *aim)
{
	uid_t uid[3];
	gid_t gid[3];
	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0) {
		return false;
	}
	for (size_t i = 0; i < 3; i++) {
		if (uid[i] != aim->uid || gid[i] != aim->gid) {
			return false;
		}
	}
	return true;
}

static bool capabilities_are(const struct aim *aim)
{
	struct __user_cap_data_struct data[CAPABILITY_WORDS] = {{0}};
	if (get_capabilities(data) < 0) {
		return false;
	}
	for (size_t i = 0; i < CAPABILITY_WORDS; i++) {
		uint32_t word = (uint32_t)(aim->capabilities >> 32 * i);
		if (data[i].permitted != word || data[i].effective != word ||
			data[i].inheritable != 0) {
			return false;
		}
	}
	return true;
}

static bool sets_are(const struct aim *aim)
{
	int there;
	for (unsigned long i = 0; (there = prctl(PR_CAPBSET_READ, i, 0, 0, 0)) >= 0; i++) {
		bool keep = i < 64 && aim->capabilities & PRIVILEGES_CAPABILITY(i);
		if ((aim->bounded && there && !keep) ||
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) {
			return false;
		}
	}
	return true;
}

static int read_back(const struct aim *aim, struct diag *diag)
{
	const char *wrong = NULL;
	if (aim->becomes && !ids_are(aim)) {
		wrong = "the user";
	} else if (!capabilities_are(aim)) {
		wrong = "the capabilities";
	} else if (!sets_are(aim)) {
		wrong = "the bounding or ambient set";
	} else if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
		wrong = "PR_SET_NO_NEW_PRIVS";
	} else if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != (aim->dumpable ? 1 : 0)) {
		wrong = "PR_SET_DUMPABLE";
	}
	if (wrong) {
		return diag_set(
			diag, E_DENIED, "privileges: %s did not become what was asked for", wrong);
	}
	return 0;
}

int privileges_drop(const struct privileges_wish *wish, struct diag *diag)
{
	struct aim aim = {.uid = geteuid(), .gid = getegid(), .dumpable = wish->dumpable};
	aim.becomes = aim.uid == 0 && wish->user && wish->user[0];
	(void)privileges_raise_files(); /* as a user it could not be raised further either */
	if (aim.becomes) {
		TRY(privileges_find_user(wish->user, &aim.uid, &aim.gid, diag));
	}
	int rc = permitted(&aim.capabilities);
	if (rc < 0) {
		return fault(rc, diag, "can't read the capabilities");
	}
	aim.capabilities &= wish->capabilities;
	TRY(bound(&aim, diag)); /* before CAP_SETPCAP is gone */
	if (aim.becomes) {
		TRY(become(wish->user, &aim, diag));
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* read back below */
	rc = set_capabilities(aim.capabilities);
	if (rc < 0) {
		return fault(rc, diag, "can't give up capabilities");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_DUMPABLE, aim.dumpable ? 1 : 0, 0, 0, 0) < 0) {
		return fault(-errno, diag, "can't give up privileges");
	}
	return read_back(&aim, diag);
}

int privileges_narrow(uint64_t capabilities)
{
	struct aim aim = {.bounded = false};
	TRY(permitted(&aim.capabilities));
	aim.capabilities &= capabilities;
	TRY(set_capabilities(aim.capabilities));
	return capabilities_are(&aim) ? 0 : E_DENIED;
}

uint64_t privileges_held(void)
{
	struct __user_cap_data_struct data[CAPABILITY_WORDS];
	if (get_capabilities(data) < 0) {
		return 0; /* a kernel that has none: root is what counts there */
	}
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}
