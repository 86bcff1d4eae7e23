/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Feeds files to a fuzz target without a fuzzer: each argument is a file, or a
 * folder of files. Prints one TAP line for each, so that a corpus counts like
 * any other test. Each input is copied to a block of its exact size, so that
 * a sanitizer sees a read past its end.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int played;

static bool slurp(const char *path, uint8_t **data, size_t *len)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	bool ok;

	*data = NULL;
	*len = 0;
	if(!f)
		return false;
	ok = fstat(fileno(f), &st) == 0;
	if(ok && st.st_size > 0) {
		*len = (size_t)st.st_size;
		*data = malloc(*len);
		ok = *data && fread(*data, 1, *len, f) == *len;
	}
	fclose(f);
	return ok;
}

static bool play_file(const char *path)
{
	uint8_t *data;
	size_t len;
	bool ok = slurp(path, &data, &len);

	/* a target that ends the process must leave a trace of the input */
	printf("# %s\n", path);
	fflush(stdout);
	if(ok)
		LLVMFuzzerTestOneInput(data, len);
	free(data);
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++played, path);
	return ok;
}

static bool play_folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	bool ok = n >= 0;

	for(int i = 0; i < n; i++) {
		char file[4096];
		int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);

		if(names[i]->d_name[0] != '.')
			ok = len < (int)sizeof file && play_file(file) && ok;
		free(names[i]);
	}
	if(n >= 0)
		free(names);
	return ok;
}

int main(int argc, char **argv)
{
	bool ok = true;

	for(int i = 1; i < argc; i++) {
		struct stat st;

		if(stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			ok = play_folder(argv[i]) && ok;
		else
			ok = play_file(argv[i]) && ok;
	}
	/* the empty input belongs to every corpus */
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	played++;
	printf("ok %d - empty input\n1..%d\n", played, played);
	return ok ? 0 : 1;
}
