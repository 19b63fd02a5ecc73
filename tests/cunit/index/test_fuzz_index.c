/* The corpus of fuzz_index. */
#include "../../fuzz/fuzz_index.c"
#include "../../fuzz/replay_corpus.h"

int main(int argc, char **argv)
{
	(void)argc;
	return replay_corpus(argv[0], "fuzz_index");
}
