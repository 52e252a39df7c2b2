#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE      0600
#define FOLDER_MODE    0700
#define OTHERS_MODE    0077
#define HEADER_BYTES   100
#define MAGIC_BYTES    16
#define WRITE_FORMAT   18 /* these two bytes: 1 for a rollback journal, 2 for WAL */
#define READ_FORMAT    19
#define NEWEST_FORMAT  2
#define APPLICATION    68 /* four bytes, the highest first */
#define PID_TEXT_BYTES 24
#define NAME_BYTES     (PLACE_PATH_BYTES + 16)

/* What SQLite may leave beside the file. */
static const char *const side_files[] = {"-journal", "-wal", "-shm"};
#define SIDE_JOURNAL 0
#define SIDE_WAL     1
#define SIDE_FILES   (sizeof side_files / sizeof side_files[0])

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd); /* nothing was written through it that must be on disk */
	}
}

static void free_text(char **text)
{
	free(*text);
}

int place_result(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return E_FULL;
	case EROFS:
	case EACCES:
	case EPERM:
		return E_READONLY;
	default:
		return err > 0 ? -err : -EIO;
	}
}

static const char *advice(int rc)
{
	switch (rc) {
	case E_FULL:
		return "; free some space there and try again";
	case E_READONLY:
		return "; check its owner, its permissions and how it is mounted";
	case E_DAMAGED:
		return "; it was left as it is: restore a copy, or name another store";
	case E_VERSION:
		return "; install that release, or name another store";
	case E_BUSY:
		return "; another program is using it, try again";
	default:
		return "";
	}
}

int place_fault(const char *path, int rc, struct diag *diag, const char *what)
{
	return diag_set(diag, rc, "store %s: %s%s", path, what, advice(rc));
}

static int fault_errno(const char *path, int err, struct diag *diag, const char *what)
{
	int rc = place_result(err);
	return diag_set(diag, rc, "store %s: %s: %s%s", path, what, result_name(-err), advice(rc));
}

/* A new name in a folder is not durable before the folder is. */
static void sync_folder(const char *folder)
{
	CLEANUP(close_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd); /* some file systems can't; SQLite syncs it as well */
	}
}

static int make_folder(const char *folder)
{
	if (mkdir(folder, FOLDER_MODE) < 0) {
		return errno == EEXIST ? 0 : -errno;
	}
	return chmod(folder, FOLDER_MODE) < 0 ? -errno : 0; /* the umask may have taken bits */
}

/* Every folder on the way to an absolute path's last part. */
static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int rc = make_folder(path);
		*slash = '/';
		TRY(rc);
	}
	return 0;
}

/* The path as it is given, made absolute. NULL with errno. */
static char *absolute(struct str path)
{
	CLEANUP(free_text) char *folder = path.p[0] == '/' ? str_dup(STR("")) : getcwd(NULL, 0);
	char *whole = NULL;
	if (!folder || asprintf(&whole, "%s%s%.*s", folder, path.p[0] == '/' ? "" : "/",
			       STR_FMT(path)) < 0) {
		return NULL;
	}
	return whole;
}

/* Two ways to one file must lead to one lock, so symbolic links are followed. NULL with errno. */
static char *resolve(char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0) {
		return realpath(path, NULL);
	}
	char *slash = strrchr(path, '/');
	*slash = '\0';
	CLEANUP(free_text) char *folder = realpath(slash == path ? "/" : path, NULL);
	*slash = '/';
	char *whole = NULL;
	if (!folder ||
		asprintf(&whole, "%s%s", strcmp(folder, "/") == 0 ? "" : folder, slash) < 0) {
		return NULL;
	}
	return whole;
}

static int find(struct place *place, struct str path, struct diag *diag)
{
	struct str last = path;
	for (size_t at = str_find(last, '/'); at < last.n; at = str_find(last, '/')) {
		last = str_from(last, at + 1);
	}
	if (last.n == 0 || str_eq(last, STR(".")) || str_eq(last, STR("..")) ||
		str_find(path, '\0') < path.n) {
		return diag_set(
			diag, E_SYNTAX, "store %.*s: the path does not name a file", STR_FMT(path));
	}
	CLEANUP(free_text) char *whole = absolute(path);
	if (!whole) {
		return diag_set(diag, -errno, "store %.*s: %s", STR_FMT(path), result_name(-errno));
	}
	int rc = make_folders(whole);
	if (rc < 0) {
		return fault_errno(whole, -rc, diag, "its folder can't be made");
	}
	place->path = resolve(whole);
	if (!place->path) {
		return fault_errno(whole, errno, diag, "it can't be found");
	}
	if (strlen(place->path) > PLACE_PATH_BYTES) {
		return place_fault(place->path, -ENAMETOOLONG, diag, "the path is too long");
	}
	return 0;
}

/* Whose lock it is, as that process wrote; 0 when it did not say. */
static long read_owner(int fd)
{
	char text[PID_TEXT_BYTES] = {0};
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	return n > 0 ? strtol(text, NULL, 10) : 0;
}

/* Only a courtesy to who comes second; whether there is space is proved elsewhere. */
static void write_owner(int fd)
{
	char text[PID_TEXT_BYTES];
	int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) == 0) {
		ssize_t written = pwrite(fd, text, (size_t)n, 0);
		(void)written; /* as above */
	}
}

/*
 * The lock is on a file beside: SQLite's own locks, which belong to a process and not to a
 * descriptor, are lost when the process closes the database file by any descriptor.
 * The lock file stays when the lock ends; to remove it would let two processes lock two files of
 * one name.
 */
static int lock(struct place *place, struct diag *diag)
{
	CLEANUP(free_text) char *name = NULL;
	if (asprintf(&name, "%s-lock", place->path) < 0) {
		name = NULL;
		return place_fault(place->path, -ENOMEM, diag, "out of memory");
	}
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
	if (fd < 0) {
		return fault_errno(place->path, errno, diag, "its lock file can't be opened");
	}
	place->lock_fd_ = fd;
	place->locked_ = true;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK) {
			return fault_errno(place->path, errno, diag, "it can't be locked");
		}
		long owner = read_owner(fd);
		return diag_set(diag, E_BUSY,
			owner > 0 ? "store %s: in use by process %ld; stop that one, or name "
				    "another store"
				  : "store %s: in use by another process; stop that one, or name "
				    "another store",
			place->path, owner);
	}
	(void)fchmod(fd, FILE_MODE); /* another owner's lock file keeps its mode */
	write_owner(fd);
	return 0;
}

static const char *side_name(const struct place *place, size_t i, char ret_name[NAME_BYTES])
{
	/* find() has limited the path */
	(void)snprintf(ret_name, NAME_BYTES, "%s%s", place->path, side_files[i]);
	return ret_name;
}

static uint32_t read_u32(const char *bytes)
{
	uint32_t value = 0;
	for (size_t i = 0; i < sizeof value; i++) {
		value = value << 8 | (unsigned char)bytes[i];
	}
	return value;
}

/*
 * SQLite believes a journal or WAL that lies beside the file, and would write it over a file that
 * is none of its own. So the first bytes are read before SQLite sees the file. A file of zeros with
 * a journal is one whose making was cut short; SQLite takes it back to nothing.
 */
static int check_header(const struct place *place, int fd, struct diag *diag)
{
	static const char magic[MAGIC_BYTES] = "SQLite format 3";
	static const char zeros[MAGIC_BYTES];
	char head[HEADER_BYTES] = {0};
	char journal[NAME_BYTES];
	ssize_t n = pread(fd, head, sizeof head, 0);
	if (n < 0) {
		return fault_errno(place->path, errno, diag, "it can't be read");
	}
	if (memcmp(head, zeros, MAGIC_BYTES) == 0 &&
		access(side_name(place, SIDE_JOURNAL, journal), F_OK) == 0) {
		return 0;
	}
	if (n < HEADER_BYTES || memcmp(head, magic, MAGIC_BYTES) != 0) {
		return place_fault(place->path, E_DAMAGED, diag, "not an SQLite database");
	}
	if (head[WRITE_FORMAT] < 1 || head[WRITE_FORMAT] > NEWEST_FORMAT || head[READ_FORMAT] < 1 ||
		head[READ_FORMAT] > NEWEST_FORMAT) {
		return place_fault(place->path, E_DAMAGED, diag, "its header makes no sense");
	}
	if (read_u32(head + APPLICATION) != PLACE_APPLICATION_ID) {
		return place_fault(
			place->path, E_DAMAGED, diag, "an SQLite database of another program");
	}
	return 0;
}

/*
 * A WAL without its database holds changes that were promised to be kept, and SQLite would remove
 * it: somebody has moved or emptied the file.
 */
static int check_no_wal(const struct place *place, struct diag *diag)
{
	char wal[NAME_BYTES];
	struct stat st;
	if (stat(side_name(place, SIDE_WAL, wal), &st) == 0 && st.st_size > 0) {
		return place_fault(place->path, E_DAMAGED, diag,
			"there is nothing in it, but there are changes to it in its -wal file");
	}
	return 0;
}

static int inspect(struct place *place, int fd, struct diag *diag)
{
	struct stat st;
	if (fstat(fd, &st) < 0) {
		return fault_errno(place->path, errno, diag, "it can't be read");
	}
	if (!S_ISREG(st.st_mode)) {
		return place_fault(place->path, E_DAMAGED, diag, "not a regular file");
	}
	if (place->made_ && fchmod(fd, FILE_MODE) < 0) { /* the umask may have taken bits */
		return fault_errno(place->path, errno, diag, "its mode can't be set");
	}
	if (st.st_size == 0) {
		place->fresh = true;
		return check_no_wal(place, diag);
	}
	return check_header(place, fd, diag);
}

static int open_file(struct place *place, struct diag *diag)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	CLEANUP(close_fd) int fd = open(place->path, O_RDONLY | flags);
	if (fd < 0 && errno == ENOENT) {
		TRY(check_no_wal(place, diag));
		fd = open(place->path, O_RDWR | O_CREAT | O_EXCL | flags, FILE_MODE);
		place->made_ = fd >= 0;
	}
	if (fd < 0) {
		return fault_errno(place->path, errno, diag, "it can't be opened");
	}
	TRY(inspect(place, fd, diag));
	if (place->made_) {
		char *slash = strrchr(place->path, '/');
		*slash = '\0';
		sync_folder(slash == place->path ? "/" : place->path);
		*slash = '/';
	}
	return 0;
}

int place_init(struct place *place, struct str path, struct diag *diag)
{
	*place = (struct place){0};
	int rc = find(place, path, diag);
	if (rc == 0) {
		rc = lock(place, diag);
	}
	if (rc == 0) {
		rc = open_file(place, diag);
	}
	if (rc < 0) {
		place_discard(place);
		place_done(place);
	}
	return rc;
}

void place_done(struct place *place)
{
	if (!place) {
		return;
	}
	if (place->locked_) {
		close_fd(&place->lock_fd_);
	}
	free(place->path);
	*place = (struct place){0};
}

static void tighten(const char *name)
{
	struct stat st;
	if (lstat(name, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & OTHERS_MODE) {
		(void)chmod(name, FILE_MODE); /* only its owner may */
	}
}

void place_tighten(const struct place *place)
{
	tighten(place->path);
	char name[NAME_BYTES];
	for (size_t i = 0; i < SIDE_FILES; i++) {
		tighten(side_name(place, i, name));
	}
}

void place_discard(struct place *place)
{
	if (!place->made_) {
		return;
	}
	char name[NAME_BYTES];
	for (size_t i = 0; i < SIDE_FILES; i++) {
		(void)unlink(side_name(place, i, name)); /* most often it is not there */
	}
	(void)unlink(place->path); /* an empty file that stays is a new store next time */
	place->made_ = false;
}
