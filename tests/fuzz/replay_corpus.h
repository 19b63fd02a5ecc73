/* A target's corpus, replayed: what once crashed stays in it. Included by tests/cunit/reader/test_fuzz_*.c behind the target itself. */
#include <dirent.h>

#include "../cunit/harness.h"

static void replay_file(const char *path)
{
	static uint8_t bytes[1 << 22];
	FILE *f = fopen(path, "rb");

	CHECK(f);
	size_t len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, len);
	/* And cut, and with a byte changed. */
	LLVMFuzzerTestOneInput(bytes, len / 2);
	if (len) {
		bytes[len * 2 / 3] ^= 0x55;
		LLVMFuzzerTestOneInput(bytes, len);
	}
}

/* `program` is argv[0]: it lies in build/ of the tree. */
static int replay_corpus(const char *program, const char *target)
{
	char directory[4096], path[8192];
	struct dirent *entry;
	int n = 0;

	snprintf(directory, sizeof(directory), "%s", program);
	char *build = strstr(directory, "/build/");
	if (!build)
		RP_SKIP("not run from build/, so the corpus is not known");
	snprintf(build, sizeof(directory) - (size_t)(build - directory), "/tests/fuzz/corpus/%s", target);
	DIR *dir = opendir(directory);
	CHECK(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		replay_file(path);
		n++;
	}
	closedir(dir);
	CHECK(n >= 5);
	return 0;
}
