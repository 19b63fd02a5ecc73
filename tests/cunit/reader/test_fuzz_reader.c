/* The corpus of fuzz_reader. */
#include "../../fuzz/fuzz_reader.c"
#include "../../fuzz/replay_corpus.h"

int main(int argc, char **argv)
{
	(void)argc;
	return replay_corpus(argv[0], "fuzz_reader");
}
