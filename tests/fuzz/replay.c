/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other main of every fuzzer: feeds each file of the given corpus folders to the fuzz target,
 * with any compiler. So every input that once broke a parser is tried in every test run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return 1;
	}
	fseek(f, 0, SEEK_END);
	long size = ftell(f);
	rewind(f);
	uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
	size_t n = data ? fread(data, 1, (size_t)size, f) : 0;
	fclose(f);
	if (!data)
		return 1;
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int bad = 0;
	size_t n_files = 0;
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		if (!dir) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *de; (de = readdir(dir));) {
			char path[4096];
			if (de->d_name[0] == '.')
				continue;
			snprintf(path, sizeof path, "%s/%s", argv[i], de->d_name);
			bad += replay_file(path);
			n_files++;
		}
		closedir(dir);
	}
	printf("%zu inputs replayed\n", n_files);
	return bad || n_files == 0;
}
