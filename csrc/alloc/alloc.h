/* The door of alloc/: the functions of libc, and of CPython's allocator, that we stand in for: memory, threads, signals, programs started.
 *
 * Contract of the hooks. errno is kept. The guard (guard.h) is asked first, so that nothing of ours is recorded.
 *   GIL        never needed, never asked for: any thread, at any moment at which the program may call the real function.
 *   signal     as the real function.
 *   allocates  never; pthread_create and what starts a program do, as these do themselves.
 *   locks      at a thread's first event those of record; at a dlopen or dlclose also ld.so's, none of ours held; sampled, a spinlock around the list of
 *              mappings at mmap and munmap; a flag where programs are started.
 *   blocks     for a buffer, a bounded time (record.h).
 * install and remove: by the session, one at a time; with the GIL where CPython's domains are traced. */
#ifndef RP_ALLOC_ALLOC_H
#define RP_ALLOC_ALLOC_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"

/* ---- alloc_hook.c, got_patch.c, pymalloc.c: the allocator ---- */

struct rp_alloc_options {
	int memory;   /* allocations at all; 0: only loads of libraries, and threads as they start */
	int threads;  /* threads get their record when they start */
	int native;   /* take native stacks at allocations */
	int pymalloc; /* trace CPython's mem and object domains too */
	int sampled;  /* a Poisson sample of allocations, and the frees of those */
	void (*on_loaded)(void); /* libraries have come or gone. In a hook: as all here, it neither allocates nor waits. NULL: nobody wants to know */
};
int rp_alloc_install(const struct rp_alloc_options *options);
void rp_alloc_remove(void);
/* Patches objects loaded since. Called after dlopen. */
void rp_alloc_refresh(void);
/* pthread_atfork handlers: nobody patches while the process is copied. */
void rp_alloc_fork_prepare(void);
void rp_alloc_fork_parent(void);
void rp_alloc_fork_child(void);
/* Ticks x 16 of a malloc and its free: run on the calling thread, with tracing on meanwhile, into the scratch that t's live buffer is set to.
 * Installed, tracing off, t not busy. */
uint64_t rp_alloc_measure(struct rp_thread *t);
/* What the sampled allocations since rp_alloc_install have taken, of all threads. Means something when memory is sampled. */
uint64_t rp_alloc_sample_ticks(void);
/* Sampled allocations shall take about so many bytes of the file, of the trace or of an outermost region; 0: as many as they like. After rp_alloc_install,
 * before anything is recorded. */
void rp_alloc_limit(uint64_t bytes);
/* An outermost region begins on t, the calling thread, while memory is sampled: rates begin anew. */
void rp_alloc_region_begin(struct rp_thread *t);

/* ---- child_start.c: programs that this one starts ---- */

/* Forgets the counts of children (child_start.h): a new session. No other thread counts meanwhile. */
void rp_children_open(void);
/* Children get these words (copied; NULL: none). GIL, which keeps one change from another; hooks of other threads may run. */
void rp_children_follow(const char *words);
/* Counts one more child: a command of n words (NULL words are left out). What a child that is followed needs in its environment, as NAME=VALUE: free() it.
 * NULL: it is not followed. Any thread, no GIL. */
char *rp_child_started(const char *const *words, uint32_t n);
/* Tells the counts once more: those between two tellings. */
void rp_children_define(void);

#endif
