/* As test_cpu_sample.c where perf is refused: the thread's CPU timer samples, at the rate of the kernel's tick. */
/* rp-test: sources=csrc/alloc/got_patch.c,csrc/stack/elf_walk.c,csrc/alloc/alloc_hook.c,csrc/stack/unwind.c,csrc/stack/stack_ids.c,csrc/stack/walk_trail.c,csrc/stack/native_walk.c,csrc/stack/cfi.c,csrc/stack/module_map.c,csrc/alloc/operator_new.c,csrc/alloc/alloc_sample.c,csrc/alloc/byte_sampler.c,csrc/alloc/kept_sample.c,csrc/alloc/map_kind.c,csrc/alloc/thread_start.c,csrc/alloc/child_start.c,csrc/alloc/child_name.c,csrc/alloc/signal_hook.c,csrc/cpu/cpu_sample.c,csrc/cpu/own_signal.c,csrc/cpu/cpu_timer.c,csrc/cpu/thread_watch.c,csrc/cpu/switch_count.c,csrc/cpu/gil_wait.c flags=-fexceptions */
#define REFUSE_PERF
#include "test_cpu_sample.c"
