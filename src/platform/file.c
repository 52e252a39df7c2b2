#include "platform/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* How much is asked for at a time where the size is not known. */
#define PIECE_BYTES 16384

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd); /* it was only read */
	}
}

static void free_text(char **text)
{
	free(*text);
}

static int fault(const char *path, int rc, struct diag *diag)
{
	return diag_set(diag, rc, "%s: %s", path, result_name(rc));
}

/*
 * Up to cap_bytes + 1, which is how a file that is too large shows. The first piece is one byte
 * larger than the file is said to be: its end is then found without more memory.
 */
static int read_up_to(int fd, size_t cap_bytes, size_t expected_bytes, struct buf *bytes)
{
	size_t left = cap_bytes;
	size_t piece = expected_bytes < cap_bytes ? expected_bytes + 1 : cap_bytes;
	for (;;) {
		piece = piece ? piece : PIECE_BYTES;
		size_t want = piece <= left ? piece : left + 1;
		char *at = buf_room(bytes, want);
		if (!at) {
			return buf_status(bytes);
		}
		ssize_t n = read(fd, at, want);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : 0;
		}
		if ((size_t)n > left) {
			return E_LIMIT;
		}
		bytes->n += (size_t)n;
		left -= (size_t)n;
		piece -= (size_t)n;
	}
}

static int read_open(const char *path, int fd, const struct stat *st, size_t cap_bytes,
	struct buf *ret_bytes, struct diag *diag)
{
	size_t before = ret_bytes->n;
	int rc = read_up_to(fd, cap_bytes, st->st_size > 0 ? (size_t)st->st_size : 0, ret_bytes);
	if (rc < 0) {
		ret_bytes->n = before;
	}
	if (rc == E_LIMIT) {
		return diag_set(diag, rc, "%s: more than %zu bytes", path, cap_bytes);
	}
	return rc < 0 ? fault(path, rc, diag) : 0;
}

int file_read(const char *path, size_t cap_bytes, struct buf *ret_bytes, struct diag *diag)
{
	/* O_NONBLOCK: to open a FIFO that nobody writes to would wait. */
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		return fault(path, -errno, diag);
	}
	if (!S_ISREG(st.st_mode)) {
		return diag_set(diag, E_SYNTAX, "%s: not a regular file", path);
	}
	return read_open(path, fd, &st, cap_bytes, ret_bytes, diag);
}

int file_read_any(const char *path, size_t cap_bytes, struct buf *ret_bytes, struct diag *diag)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		return fault(path, -errno, diag);
	}
	return read_open(path, fd, &st, cap_bytes, ret_bytes, diag);
}

bool file_is_open_to_others(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && st.st_mode & (S_IROTH | S_IWOTH);
}

static int make_folder(const char *path, mode_t mode)
{
	struct stat st;
	if (mkdir(path, mode) == 0) {
		return chmod(path, mode) < 0 ? -errno : 0; /* the umask may have taken bits */
	}
	if (errno != EEXIST) {
		return -errno;
	}
	if (stat(path, &st) < 0) {
		return -errno;
	}
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_make_folders(const char *path, mode_t mode, struct diag *diag)
{
	CLEANUP(free_text) char *part = str_dup(str_of(path));
	if (!part) {
		return fault(path, -ENOMEM, diag);
	}
	for (char *end = part; *end; end++) {
		if (*end != '/' || end == part) {
			continue;
		}
		*end = '\0';
		int rc = make_folder(part, mode);
		if (rc < 0) {
			return fault(part, rc, diag);
		}
		*end = '/';
	}
	int rc = make_folder(part, mode);
	return rc < 0 ? fault(path, rc, diag) : 0;
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9E3779B97F4A7C15U;
	return sum ^ sum >> 32;
}

static uint64_t mix_time(uint64_t sum, struct timespec time)
{
	return mix(mix(sum, (uint64_t)time.tv_sec), (uint64_t)time.tv_nsec);
}

uint64_t file_stamp(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		return 0;
	}
	uint64_t sum = mix(mix(1, st.st_dev), st.st_ino);
	sum = mix(sum, (uint64_t)st.st_size);
	sum = mix_time(mix_time(sum, st.st_mtim), st.st_ctim);
	return sum ? sum : 1;
}
