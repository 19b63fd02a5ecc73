/* The corpus of fuzz_header. */
#include "../../fuzz/fuzz_header.c"
#include "../../fuzz/replay_corpus.h"

int main(int argc, char **argv)
{
	(void)argc;
	return replay_corpus(argv[0], "fuzz_header");
}
