/* The door of stack/: the native stack and the Python stack of the calling thread, read at any moment; what is loaded, which both need.
 *
 * Contract of what walks. A thread walks its own stack only, and believes no word before it is known to be readable.
 *   GIL        never needed.
 *   signal     safe where a name ends in _signal.
 *   allocates  never; mmap, where a table grows or is first needed.
 *   locks      none that is waited for (a code object is defined where the lock is free: rp_define_try).
 *   blocks     never in a signal handler; from a hook for a buffer, a bounded time (record.h).
 * What installs, and what lists loaded objects (module_map.c), is not for signal handlers. It takes ld.so's list lock for short times, then a mutex of its
 * own for some loads and stores, and the lock of the definitions; it allocates nothing.
 *
 * Further doors: elf_walk.h, what is loaded; arch.h, what differs by machine. */
#ifndef RP_STACK_STACK_H
#define RP_STACK_STACK_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"

/* ---- unwind.c: native stacks ---- */

/* The native frames from the caller of the hook (its return address `first`) out to the innermost evaluator call of t, interned
 * in t's own table; emits STACK at first sight. RP_STACK_NONE when there is none. Callable in the allocator hook, t busy;
 * never in a signal handler. No GIL. Keeps errno. */
uint32_t rp_unwind_stack(struct rp_thread *t, void *first, void *frame_address);
/* From a signal handler: up to `max` return addresses, innermost first, into ret_addresses; *ret_cut set when it ended early. loop_frame:
 * an address in the C frame of the innermost call of the interpreter's loop, where the walk ends; 0: at the innermost evaluator call of t. */
uint32_t rp_unwind_signal(const struct rp_thread *t, void *ucontext, uintptr_t loop_frame, uint64_t *ret_addresses, uint32_t max,
			  int *ret_cut);
/* The same from a hook, whose frame address is given; t busy. Nothing is remembered nor emitted. */
uint32_t rp_unwind_hook(struct rp_thread *t, void *frame_address, uintptr_t loop_frame, uint64_t *ret_addresses, uint32_t max, int *ret_cut);
/* Native walks of the session that ended early, by all threads. Callable anywhere. */
struct rp_unwind_ends {
	uint64_t too_deep;   /* more frames than a stack keeps */
	uint64_t no_table;   /* at code without frame information */
	uint64_t refused;    /* at a row that needs a register which is not known */
	uint64_t unreadable; /* the stack did not agree with its rows */
	uint64_t asked, answered; /* samples that were walked again with all registers, and got past what was refused */
};
void rp_unwind_ends(struct rp_unwind_ends *ret_ends);
/* Whether frame tables are found through ld.so, without a list of our own. After rp_modules_install. */
int rp_unwind_finds_tables(void);
/* Forgets the thread's table: ids defined in lost buffers must be defined again. */
void rp_unwind_forget(struct rp_thread *t);

/* ---- snapshot.c: whole stacks, where calls are not seen ---- */

/* From here on threads have no shadow stack: each sample carries its stack. native: with the C and C++ functions below Python. tasks: with
 * the asyncio tasks that wait for the running one, from CPython 3.14 on. No evaluator is installed. No GIL needed. */
int rp_snapshot_install(int native, int tasks);
void rp_snapshot_remove(void);
/* Nonzero while installed. */
extern int rp_snapshot_on;
/* The node of t's stack tree that is its stack now; new nodes are emitted. 0 (the root) when that was lost. From a signal handler: */
uint32_t rp_snapshot_signal(struct rp_thread *t, void *ucontext, int *ret_cut);
/* From a hook, with its frame address: */
uint32_t rp_snapshot_hook(struct rp_thread *t, void *frame_address);
/* Forgets the nodes: those defined in lost buffers must be defined again. */
void rp_snapshot_forget(struct rp_thread *t);

/* ---- readable.c ---- */

/* Memory of the process has just gone, or can be read no more. Any thread, in hooks. */
void rp_readable_changed(void);
/* Another number after each change. */
uint32_t rp_readable_changes(void);

/* ---- loop_code.c: the interpreter's loop beyond the function of its name ---- */

/* From here on native walks end at such code, too: what the JIT has made, and what the compiler cut off. Called out of Python code, in the loop
 * itself, with the GIL. After rp_modules_install, before the first walk. */
void rp_loop_code_install(void);

/* ---- module_map.c: loaded objects; defines MODULE and UNLOAD ---- */

/* Scans once and again after each dlopen/dlclose (alloc hooks call rp_modules_refresh). No GIL needed. */
int rp_modules_install(void);
/* yes: objects are defined when rp_modules_find finds an address in them, or they are unloaded; those with an allocator of their own always are. Before
 * rp_modules_install. */
void rp_modules_only_used(int yes);
void rp_modules_refresh(void);
void rp_modules_remove(void);

struct rp_module_info {
	uint32_t id; /* as in its MODULE definition */
	uint64_t bias, start, end;
	const char *path; /* valid until the next rp_modules_install */
	const uint8_t *build_id; /* as path. What the object in memory says: its file may have been replaced since */
	uint32_t build_id_len;   /* 0: it has none */
};

/* The module loaded at this address as of the last refresh; 0 or RP_ENOTFOUND. From rp_modules_install on, after rp_modules_remove too. Takes a
 * lock, so not in a hook. */
int rp_modules_find(uint64_t address, struct rp_module_info *ret_info);
/* In a forked child: the lock's owner may not exist here. */
void rp_modules_fork_child(void);

#endif
