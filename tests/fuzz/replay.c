/* Gives every file of the folders that are named to a fuzz target: its corpus, once, without libFuzzer. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *data = NULL;
	long size = -1;
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "rbe");
	if (file && fseek(file, 0, SEEK_END) == 0) {
		size = ftell(file);
		rewind(file);
		data = malloc(size > 0 ? (size_t)size : 1);
	}
	bool whole = data && size >= 0 && fread(data, 1, (size_t)size, file) == (size_t)size;
	if (whole) {
		(void)LLVMFuzzerTestOneInput(data, (size_t)size);
	} else {
		(void)fprintf(stderr, "%s: can't be read\n", path);
	}
	free(data);
	if (file) {
		(void)fclose(file);
	}
	return whole ? 0 : 1;
}

int main(int argc, char **argv)
{
	size_t n = 0;
	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		const struct dirent *entry;
		while (folder && (entry = readdir(folder))) {
			if (entry->d_name[0] != '.') {
				n++;
				if (replay(argv[i], entry->d_name)) {
					return 1;
				}
			}
		}
		if (folder) {
			(void)closedir(folder);
		}
	}
	(void)printf("%zu inputs\n", n);
	return n ? 0 : 1;
}
