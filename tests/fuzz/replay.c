/*
 * A plain main for a fuzz target: replays every file of the folders that are named, so that each test
 * run goes through the corpus without libFuzzer. Fails when a folder is missing or has no file.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH_BYTES_MAX 4096

/* One input, from heap memory of exactly its size, so that a sanitizer sees a read beyond it. */
static int replay_file(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return -1;
	}
	size_t size = fstat(fileno(file), &st) == 0 ? (size_t)st.st_size : 0;
	uint8_t *data = malloc(size ? size : 1);
	int rc = data && fread(data, 1, size, file) == size ? 0 : -1;
	if (rc == 0) {
		(void)LLVMFuzzerTestOneInput(
			data, size); /* 0 by contract; faults end the process */
	}
	free(data);
	(void)fclose(file); /* was only read */
	return rc;
}

/* How many files were replayed, or -1. */
static int replay_folder(const char *folder)
{
	int n = 0;
	DIR *dir = opendir(folder);
	if (!dir) {
		perror(folder);
		return -1;
	}
	for (struct dirent *entry = readdir(dir); entry && n >= 0; entry = readdir(dir)) {
		char path[PATH_BYTES_MAX];
		if (entry->d_name[0] == '.') {
			continue;
		}
		int used = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (used < 0 || (size_t)used >= sizeof path || replay_file(path) < 0) {
			n = -1;
		} else {
			n++;
		}
	}
	(void)closedir(dir); /* was only read */
	return n;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);
		if (n <= 0) {
			(void)fprintf(stderr, "%s: nothing to replay\n", argv[i]);
			return 1;
		}
		(void)printf("%s: %d inputs\n", argv[i], n);
	}
	return argc > 1 ? 0 : 2;
}
