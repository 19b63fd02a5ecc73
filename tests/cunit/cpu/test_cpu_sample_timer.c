/* As test_cpu_sample.c where perf is refused: the thread's CPU timer samples, at the rate of the kernel's tick. */
/* rp-test: flags=-fexceptions */
#define REFUSE_PERF
#include "test_cpu_sample.c"
