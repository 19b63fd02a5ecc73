/* As test_cpu_sample.c where perf is refused: the thread's CPU timer samples, at the rate of the kernel's tick. */
/* rp-test: sources=csrc/probe/got_patch.c,csrc/probe/elf_walk.c,csrc/probe/alloc_hook.c,csrc/probe/unwind.c,csrc/probe/stack_ids.c,csrc/probe/walk_trail.c,csrc/probe/native_walk.c,csrc/probe/cfi.c,csrc/probe/module_map.c,csrc/probe/operator_new.c,csrc/probe/alloc_sample.c,csrc/probe/byte_sampler.c,csrc/probe/budget.c,csrc/probe/kept_sample.c,csrc/probe/map_kind.c,csrc/probe/thread_start.c,csrc/probe/child_start.c,csrc/probe/child_name.c,csrc/probe/own_signal.c,csrc/probe/cpu_sample.c,csrc/probe/cpu_timer.c,csrc/probe/thread_watch.c,csrc/probe/switch_count.c,csrc/probe/gil_wait.c flags=-fexceptions */
#define REFUSE_PERF
#include "test_cpu_sample.c"
