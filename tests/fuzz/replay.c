/* Runs a fuzz target over files, without a fuzzer: the corpus in ordinary runs, a crash at the desk.
 *     cc ... tests/fuzz/replay.c tests/fuzz/fuzz_reader.c ... && ./replay FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		static uint8_t bytes[1 << 22];
		FILE *f = fopen(argv[i], "rb");
		if (!f) {
			perror(argv[i]);
			return 2;
		}
		size_t len = fread(bytes, 1, sizeof(bytes), f);
		fclose(f);
		LLVMFuzzerTestOneInput(bytes, len);
	}
	printf("%d inputs, no crash\n", argc - 1);
	return 0;
}
