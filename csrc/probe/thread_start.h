/* Threads get their record when they start, also those that never run Python nor allocate: where CPU time is sampled. */
#ifndef RP_PROBE_THREAD_START_H
#define RP_PROBE_THREAD_START_H

#include "probe/got_patch.h"

#define RP_THREAD_HOOKS 1
#define RP_THREAD_NAME_BYTES 256

/* The name of the threading.Thread that the calling thread is about to start, not 0-terminated; its length, 0 where it starts something else
 * or does not hold the GIL. May run the program's Python code (a __getattribute__ of its own): busy. code_table.c. */
uint32_t rp_thread_name_to_be(char *ret_name);
extern const struct rp_got_hook rp_thread_hooks[RP_THREAD_HOOKS];

#endif
