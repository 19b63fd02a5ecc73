/* The corpus of fuzz_block. */
#include "../../fuzz/fuzz_block.c"
#include "../../fuzz/replay_corpus.h"

int main(int argc, char **argv)
{
	(void)argc;
	return replay_corpus(argv[0], "fuzz_block");
}
