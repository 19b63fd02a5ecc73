/* The fuzzer's corpus, replayed: what once crashed stays in it. */
#include <dirent.h>

#include "../../fuzz/fuzz_reader.c"
#include "../harness.h"

static void replay(const char *path)
{
	static uint8_t bytes[1 << 22];
	FILE *f = fopen(path, "rb");

	CHECK(f);
	size_t len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, len);
	/* And cut, and with a byte changed. */
	LLVMFuzzerTestOneInput(bytes, len / 2);
	if (len > RP_FILE_HEADER_BYTES + 100) {
		bytes[RP_FILE_HEADER_BYTES + 99] ^= 0x55;
		LLVMFuzzerTestOneInput(bytes, len);
	}
}

int main(int argc, char **argv)
{
	char directory[4096], path[8192];
	struct dirent *entry;
	int n = 0;

	/* The program lies in build/ of the tree. */
	snprintf(directory, sizeof(directory), "%s", argc > 0 ? argv[0] : "");
	char *build = strstr(directory, "/build/");
	if (!build)
		RP_SKIP("not run from build/, so the corpus is not known");
	snprintf(build, sizeof(directory) - (size_t)(build - directory), "/tests/fuzz/corpus/fuzz_reader");
	DIR *dir = opendir(directory);
	if (!dir)
		RP_SKIP("there is no corpus");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		replay(path);
		n++;
	}
	closedir(dir);
	CHECK(n >= 5);
	return 0;
}
