/* The corpus of fuzz_event. */
#include "../../fuzz/fuzz_event.c"
#include "../../fuzz/replay_corpus.h"

int main(int argc, char **argv)
{
	(void)argc;
	return replay_corpus(argv[0], "fuzz_event");
}
