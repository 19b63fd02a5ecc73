/* The door of probe/: what we see. The only room that touches foreign code: CPython, libc's entry points, ELF.
 *
 * install and remove are called by the session, in the order given there, with the GIL held unless said otherwise. Each
 * remove undoes its install completely, or leaves hooks that pass straight through where undoing would be unsafe. */
#ifndef RP_PROBE_PROBE_H
#define RP_PROBE_PROBE_H

#include <stdint.h>

#include "base/base.h"
#include "record/record.h"

/* ---- evalframe.c, pyframe.c: Python frames ---- */

/* Installs the PEP 523 evaluator in every interpreter and seeds the shadow stacks of all threads that run Python now. Frames of
 * rubinprof's own modules are left out. RP_EFOREIGN when the evaluator in place is not CPython's own and chaining is not possible. */
int rp_frames_install(void);
void rp_frames_remove(void);
/* How calls of __init__ that CPython inlines are seen: "asked", "watched", or "not watched: " and why. */
const char *rp_frames_init_calls(void);
/* lasti of the innermost Python frame of the calling thread, for the ALLOC or REALLOC that follows; RP_LASTI_NONE where unknown, or where it
 * does not fit: then it is told before (MORE_LASTI). Also pops seeded frames that have ended unseen, emitting their EXIT. No GIL; callable in the
 * allocator hook, t busy. */
uint32_t rp_frames_lasti(struct rp_thread *t);
/* The same without popping or emitting, however great it is: for signal handlers. */
uint32_t rp_frames_lasti_signal(const struct rp_thread *t);

/* ---- program.c: a program in place of the command that was to run it ---- */

enum rp_program { RP_PROGRAM_FILE, RP_PROGRAM_CODE, RP_PROGRAM_MODULE, RP_PROGRAM_DIRECTORY };
/* Runs `what` (a path, "-" for the standard input; Python source; a module; the module in the directory sys.path[0]) in the module
 * __main__ as the interpreter runs its argument, with no Python frame below it, and ends the process as the interpreter does: Python's
 * shutdown, exit status, death by SIGINT. sys.argv, sys.path[0] and __main__ are set already. Main thread, GIL. */
_Noreturn void rp_program_run(enum rp_program kind, const char *what);

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

/* ---- snapshot.c: whole stacks, where calls are not seen ---- */

/* From here on threads have no shadow stack: each sample carries its stack. native: with the C and C++ functions below Python. No evaluator
 * is installed. No GIL needed. */
int rp_snapshot_install(int native);
void rp_snapshot_remove(void);
/* Nonzero while installed. */
extern int rp_snapshot_on;
/* The node of t's stack tree that is its stack now; new nodes are emitted. 0 (the root) when that was lost. From a signal handler: */
uint32_t rp_snapshot_signal(struct rp_thread *t, void *ucontext, int *ret_cut);
/* From a hook, with its frame address: */
uint32_t rp_snapshot_hook(struct rp_thread *t, void *frame_address);
/* Forgets the nodes: those defined in lost buffers must be defined again. */
void rp_snapshot_forget(struct rp_thread *t);

/* ---- calibrate.c and the probes themselves: what they cost ---- */

/* Words of scratch that a measurement may fill. */
#define RP_COST_WORDS_MAX 16384
/* The three run their probe on the calling thread, with tracing on meanwhile, into the scratch that t's live buffer is set to. Installed, tracing
 * off, t not busy. Of `ret_cost` the first sets call16 and inside16 (GIL). The others return ticks x 16: of a malloc and its free, of a sample. */
void rp_frames_measure(struct rp_thread *t, struct rp_cost *ret_cost);
uint64_t rp_alloc_measure(struct rp_thread *t);
/* What the sampled allocations since rp_alloc_install have taken, of all threads. Means something when memory is sampled. */
uint64_t rp_alloc_sample_ticks(void);
uint64_t rp_cpu_measure_sample(struct rp_thread *t);

/* ---- module_map.c: loaded objects; defines MODULE and UNLOAD ---- */

/* Scans once and again after each dlopen/dlclose (alloc hooks call rp_modules_refresh). No GIL needed. */
int rp_modules_install(void);
void rp_modules_refresh(void);
void rp_modules_remove(void);

/* ---- alloc_hook.c, got_patch.c, pymalloc.c: the allocator ---- */

struct rp_alloc_options {
	int memory;   /* allocations at all; 0: only loads of libraries, and threads as they start */
	int threads;  /* threads get their record when they start */
	int native;   /* take native stacks at allocations */
	int pymalloc; /* trace CPython's mem and object domains too */
	int sampled;  /* a Poisson sample of allocations, and the frees of those */
};
int rp_alloc_install(const struct rp_alloc_options *options);
void rp_alloc_remove(void);
/* Patches objects loaded since. Called after dlopen. */
void rp_alloc_refresh(void);
/* pthread_atfork handlers: nobody patches while the process is copied. */
void rp_alloc_fork_prepare(void);
void rp_alloc_fork_parent(void);
void rp_alloc_fork_child(void);

/* ---- unwind.c: native stacks ---- */

/* The native frames from the caller of the hook (its return address `first`) out to the innermost evaluator call of t, interned
 * in t's own table; emits STACK at first sight. RP_STACK_NONE when there is none. Callable in the allocator hook, t busy;
 * never in a signal handler. No GIL. */
uint32_t rp_unwind_stack(struct rp_thread *t, void *first, void *frame_address);
/* From a signal handler: up to `max` return addresses, innermost first, into ret_addresses; *ret_cut set when it ended early. loop_frame:
 * an address in the C frame of the innermost call of the interpreter's loop, where the walk ends; 0: at the innermost evaluator call of t. */
uint32_t rp_unwind_signal(const struct rp_thread *t, void *ucontext, uintptr_t loop_frame, uint64_t *ret_addresses, uint32_t max,
			  int *ret_cut);
/* The same from a hook, whose frame address is given; t busy. Nothing is remembered nor emitted. */
uint32_t rp_unwind_hook(struct rp_thread *t, void *frame_address, uintptr_t loop_frame, uint64_t *ret_addresses, uint32_t max, int *ret_cut);
/* Forgets the thread's table: ids defined in lost buffers must be defined again. */
void rp_unwind_forget(struct rp_thread *t);

/* ---- cpu_sample.c, switch_count.c: CPU time and samples ---- */

/* Arms a CPU-clock timer of sample_hz for each thread (through rp_record_on_thread), opens the perf page that tells of context switches
 * where allowed. native: samples in exact mode carry the C and C++ functions below Python. No GIL. */
int rp_cpu_install(uint32_t sample_hz, int native);
void rp_cpu_remove(void);
/* Around an exec by the calling thread: no signal of ours is pending when it happens. errno may change. */
void rp_cpu_before_exec(void);
void rp_cpu_after_failed_exec(void);
/* Also samples threads that have no record, those of now and those that rp_cpu_look finds: each gets one at its first signal. After rp_cpu_install. */
void rp_cpu_watch_others(void);
/* Whether the signal of samples is ours still: if not, samples end. No lock; callable in hooks. */
void rp_cpu_check_signal(void);
/* The same, and looks for threads without a record. On the namer's thread, now and then. */
void rp_cpu_look(void);
/* "perf" or "periodic", and the reason for the latter. */
const char *rp_cpu_switch_source(const char **ret_reason);
struct rp_cpu_counts {
	uint32_t threads_without_page, threads_without_samples; /* refused: the periodic reading, no samples of them */
	uint64_t samples_in_tool; /* of ended threads: landed inside rubinprof, not in the trace */
	uint64_t samples_lost;    /* no room in the buffer */
	uint64_t sample_ticks;    /* spent in handlers that read whole stacks */
	uint64_t gave_up_ticks;   /* when the program took the signal for itself; 0: it did not */
};
void rp_cpu_counts(struct rp_cpu_counts *ret_counts);

/* ---- thread_watch.c: CPU time that no thread tells ---- */

/* CPU time of the process from here on counts. No GIL. */
void rp_watch_begin(void);
/* After the last event of all threads: those that still have no record go into the trace, each as a thread with its CPU time alone. */
void rp_watch_close(void);
/* Since rp_watch_begin, ns: CPU time of the process, and in it that of the tool's own threads that live. */
void rp_watch_process(uint64_t *ret_process_ns, uint64_t *ret_tool_ns);

/* ---- region_turn.c: regions of contexts that take turns. GIL held in all ---- */

/* Forgets all. At the start. follows: an evaluator is there to tell of resumed frames; else a region that would be bound says that its turns are
 * not known. */
void rp_turns_open(int follows);
/* The context variable (a PyObject) whose value is the region begun last, an object with the attributes id and outer. Kept. */
struct _object;
void rp_turns_set_variable(struct _object *variable);
/* A region begins, or ends, on this thread; t busy. elsewhere: in another context (PEP 567) than it began in. */
void rp_turns_bind(struct rp_thread *t, uint32_t region);
void rp_turns_unbind(struct rp_thread *t, uint32_t region, int elsewhere);
/* Whether the region is left here: it was begun in the context that is set, and the generator or coroutine that holds it is suspended, or runs on
 * another thread. 0 of regions that are not bound or have ended. */
int rp_turns_is_left(uint32_t region);

/* ---- symbols.c: names of the addresses in the trace; namer.c: the thread that looks them up ---- */

/* Notes an address for symbolisation. Lock-free set; callable in hooks and signal handlers. */
void rp_symbols_note(uint64_t address);
/* From here on addresses are told by the function alone, which symbol tables know: DWARF is not read. Before the first is named. */
void rp_symbols_functions_only(int yes);
/* Addresses that found no place in the set, in all sessions of the process so far. */
uint64_t rp_symbols_lost(void);
/* Defines SYMBOL for each address noted since the last call. One caller at a time; on a thread of the tool, or busy, or without hooks. No GIL
 * needed. `between` (may be NULL) is called before each object; nonzero: this one gets the names of its symbol table only. */
typedef int rp_symbols_between_fn(void);
int rp_symbols_define(rp_symbols_between_fn *between);

/* ---- source_text.c: sums of the source files that ran; their text, where the user asks for it ---- */
#define RP_SOURCE_BYTES_MAX (512 << 10) /* a longer file is generated, and nobody reads it */
#define RP_SOURCES_BYTES_MAX (UINT64_C(32) << 20) /* all files of a process together */
/* At the start, hooks absent: forgets what was noted. wanted 0: sums alone are defined. RP_ENOMEM (only when wanted), or 0. */
int rp_sources_open(int wanted);
/* Notes the file of a function that ran: paths with an ending of Python, C or C++ alone; relative ones are from the working directory of the start. Lock-free, allocates nothing; callable in hooks
 * and signal handlers. */
void rp_sources_note(struct rp_str path);
/* Reads the files noted since the last call and writes SOURCE_SUM and SOURCE definitions. As rp_symbols_define; while `between` says nonzero files are left out. */
void rp_sources_define(rp_symbols_between_fn *between);
/* Of the session, where text was wanted: files written; noted but not to be read, too long, or beyond the room for all. After rp_namer_finish. */
void rp_sources_counts(uint32_t *ret_files, uint32_t *ret_left_out);

/* Begins to define symbols, and sources, as they are noted: with `burst_ns` of CPU time at once, since most of what a program calls is called early,
 * and from then on with `percent` (1 to 100) of one CPU. RP_ENOMEM: no thread could be made; all naming is then left to
 * rp_namer_finish. After rp_modules_install; by the session. */
int rp_namer_start(uint64_t burst_ns, uint32_t percent);
/* fn runs on the thread at each look, at least every two seconds. Nonzero: it has called rp_namer_finish itself, and the thread ends. NULL: none.
 * Before rp_namer_start. */
void rp_namer_on_look(int (*fn)(void));
/* Makes the thread look for threads without a record now (rp_cpu_look), which it else does once a second. Callable in a hook. */
void rp_namer_look(void);
/* Names what is left and ends the thread, or returns on it when it is the caller. Once it has cost `patience_ns` of CPU time, the rest get the names of symbol tables only: no
 * lines and no inlined functions. Does nothing more when called again. Waits for files to be read. By the session, hooks removed or busy. */
void rp_namer_finish(uint64_t patience_ns);
/* pthread_atfork handlers. The child has no thread, and none of its descriptors. */
void rp_namer_fork_prepare(void);
void rp_namer_fork_parent(void);
void rp_namer_fork_child(void);

#endif
