/* The order of starting and stopping, and nothing else. */
#define _GNU_SOURCE
#include "session/session.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/single_threaded.h>

#include "alloc/alloc.h"
#include "cpu/cpu.h"
#include "frames/frames.h"
#include "names/names.h"
#include "record/known_names.h"
#include "session/session_state.h"
#include "stack/stack.h"

/* A fraction of what the cheapest call costs, and the grain of some machines' counters. */
#define RESOLUTION_NS 13
/* Times of allocations change no time of a call, and what they say, when memory was taken, is drawn in pixels of milliseconds. */
#define ALONE_RESOLUTION_NS 13000
/* Without calls nothing is told more finely than by samples: this part of the time between two (6 us at 40 Hz). Not less: where one thread maps what
 * another has just unmapped, their order must show. */
#define RESOLUTION_OF_SAMPLES 4096
#define STALL_MS_DEFAULT 1000
#define SAMPLED_BUFFER_BYTES (64u << 10) /* a few minutes of samples */
#define SYNC_NS_MAX UINT64_C(10000000000)
#define CHOICE_NS_MAX UINT64_C(1000000000) /* the GIL is held */
/* For the names of native code while the program runs: CPU time at once, and a share of one CPU; and CPU time for what is left of them at
 * the stop, after which lines and inlined functions are given up. */
#define NAMER_BURST_NS UINT64_C(150000000)
#define NAMER_PERCENT 5
#define NAMER_PATIENCE_NS UINT64_C(100000000)

struct rp_session rp_session;
static char symbols[PATH_MAX]; /* options.symbols */
_Atomic uint32_t rp_session_children;

/* ---- start ---- */

static int fail(char *ret_detail, int code, const char *what)
{
	if (errno && (code == RP_EOPEN || code == RP_EIO))
		snprintf(ret_detail, RP_DETAIL_BYTES, "%s: %s", what, strerrordesc_np(errno));
	else
		snprintf(ret_detail, RP_DETAIL_BYTES, "%s: %s", what, rp_error_text(code));
	return code;
}

static int install(unsigned bit, int code)
{
	if (code == 0)
		rp_session.installed |= bit;
	return code;
}

/* Exact figures of either kind need the Python calls: they say where an allocation happened. */
static int traces_calls(const struct rp_session_options *o)
{
	return o->cpu == RP_MODE_EXACT || o->memory == RP_MODE_EXACT;
}

/* Frames last: from then on every Python call is an event. */
static int install_probes(const struct rp_session_options *o, char *ret_detail)
{
	int by_calls = traces_calls(o);
	rp_turns_open(by_calls);
	rp_symbols_functions_only(!by_calls); /* code is told by function there (snapshot.c) */
	struct rp_alloc_options alloc = { .memory = o->memory != RP_MODE_OFF, .threads = o->cpu != RP_MODE_OFF,
					  .native = o->native, .pymalloc = o->pymalloc,
					  .sampled = o->memory == RP_MODE_SAMPLED, .on_loaded = rp_namer_look };
	rp_modules_only_used(!by_calls); /* a sampled trace shall be small */
	int code = install(RP_HAS_MODULES, rp_modules_install());
	if (code)
		return fail(ret_detail, code, "the loaded libraries cannot be listed");
	rp_loop_code_install();
	if (!by_calls && (code = install(RP_HAS_SNAPSHOT, rp_snapshot_install(o->native, o->tasks))))
		return fail(ret_detail, code, "stacks cannot be read");
	if ((alloc.memory || o->cpu != RP_MODE_OFF) && (code = install(RP_HAS_ALLOC, rp_alloc_install(&alloc))))
		return fail(ret_detail, code, "the allocator cannot be hooked");
	if (o->memory == RP_MODE_SAMPLED)
		rp_alloc_limit(o->sampled_bytes);
	if (o->cpu != RP_MODE_OFF) {
		if ((code = install(RP_HAS_CPU, rp_cpu_install(o->sample_hz, o->native))))
			return fail(ret_detail, code, "CPU time cannot be measured");
		rp_cpu_limit(o->sampled_bytes);
	} else {
		rp_record_read_cpu_every(UINT64_MAX);
	}
	if (by_calls && (code = install(RP_HAS_FRAMES, rp_frames_install())))
		return fail(ret_detail, code, "Python calls cannot be traced");
	if (!by_calls)
		rp_thread_enter();
	if (o->cpu != RP_MODE_OFF) /* threads that have begun already */
		rp_cpu_watch_others();
	return 0;
}

void rp_session_remove_hooks(void)
{
	if (rp_session.installed & RP_HAS_FRAMES)
		rp_frames_remove();
	if (rp_session.installed & RP_HAS_ALLOC)
		rp_alloc_remove();
	rp_session.installed &= ~(unsigned)(RP_HAS_FRAMES | RP_HAS_ALLOC);
}

void rp_session_remove_sources(void)
{
	if (rp_session.installed & RP_HAS_CPU)
		rp_cpu_remove();
	if (rp_session.installed & RP_HAS_SNAPSHOT)
		rp_snapshot_remove();
	if (rp_session.installed & RP_HAS_MODULES)
		rp_modules_remove();
	rp_session.installed = 0;
}

static void detach_records(void)
{
	rp_record_quiesce();
	rp_record_close();
	rp_record_detach();
}

static void undo_start(void)
{
	atomic_store_explicit(&rp_record_on, 0, memory_order_seq_cst);
	rp_session_remove_hooks();
	detach_records();
	rp_session_remove_sources();
	rp_sink_close(rp_session.sink, NULL);
	rp_session.sink = NULL;
	remove(rp_session.path);
}

/* ---- the process ends with its last thread, and not by a stop ---- */

static void stop_with_last_thread(void)
{
	if (rp_session.phase == RP_SESSION_ACTIVE && rp_record_is_last_thread())
		(void)rp_session_stop_without_python();
}

/* On the namer. The last thread may have had no record, or have ended at the same time as another. */
static int look(void)
{
	if (rp_cpu_look())
		stop_with_last_thread();
	if (rp_session.phase == RP_SESSION_ACTIVE)
		rp_session_define_choice();
	return rp_session.phase == RP_SESSION_OFF;
}

static void mark_writer(void)
{
	rp_thread_is_tool = RP_TOOL_WRITER;
}

/* What a thread has defined in buffers that were lost. */
static void forget(struct rp_thread *t)
{
	rp_unwind_forget(t);
	rp_snapshot_forget(t);
}

static uint64_t resolution_ns(const struct rp_session_options *o)
{
	uint64_t of_samples = o->sample_hz ? UINT64_C(1000000000) / o->sample_hz / RESOLUTION_OF_SAMPLES : 0;
	return traces_calls(o) || of_samples < RESOLUTION_NS ? RESOLUTION_NS : of_samples;
}

static int start_all(const struct rp_session_options *o, char *ret_detail)
{
	struct rp_session_options *mine = &rp_session.options;
	*mine = *o;
	mine->sink.path = rp_session.path;
	if (o->symbols && o->symbols != symbols) /* a forked child starts with these options again */
		snprintf(symbols, sizeof symbols, "%s", o->symbols);
	mine->symbols = o->symbols ? symbols : NULL;
	mine->sink.on_writer = mark_writer;
	mine->sink.on_second = o->sampled_bytes ? rp_define_clock_at_times : rp_define_clock;
	mine->sink.is_quiet = !traces_calls(o);
	if (!mine->sink.buffer_bytes && !traces_calls(o))
		mine->sink.buffer_bytes = SAMPLED_BUFFER_BYTES;
	if (!mine->stall_ms_max)
		mine->stall_ms_max = STALL_MS_DEFAULT;

	if (__libc_single_threaded) /* a microsecond, before the tool's threads; else the namer takes the time */
		(void)rp_record_register_barrier();
	errno = 0;
	rp_clock_init(); /* before the sink: its writer takes time pairs */
	mine->sink.resolution_ticks = rp_clock_ticks_of_ns(resolution_ns(o));
	mine->sink.alone_resolution_ticks = rp_clock_ticks_of_ns(ALONE_RESOLUTION_NS);
	int code = rp_sink_open(&rp_session.sink, &mine->sink);
	if (code) {
		char what[RP_DETAIL_BYTES - 64];
		snprintf(what, sizeof what, "%s cannot be created", rp_session.path);
		return fail(ret_detail, code, what);
	}
	rp_record_open(rp_session.sink, mine->stall_ms_max);
	rp_record_on_loss(forget);
	rp_children_open();
	rp_define_clock();
	(void)rp_bundle_open(traces_calls(o) ? NULL : o->symbols); /* one that is not sound knows nothing */
	rp_symbols_open();
	code = rp_sources_open(mine->sources);
	code = code ? fail(ret_detail, code, "sources cannot be kept") : install_probes(mine, ret_detail);
	if (code) {
		undo_start();
		return code;
	}
	rp_session_define_cost();
	rp_session_define_start();
	rp_define_clock(); /* a second pair: even a trace that is killed at once knows its rate */
	rp_record_on_thread_gone(stop_with_last_thread);
	rp_namer_on_look(look);
	(void)rp_namer_start(NAMER_BURST_NS, NAMER_PERCENT); /* refused: the stop names everything */
	return 0;
}

/* A copy of a traced process made by a bare clone() finds the switches cleared (record.h) and becomes here what a fork's child is. GIL. */
static int is_active(void)
{
	if (rp_session.phase == RP_SESSION_ACTIVE && !atomic_load_explicit(&rp_record_on, memory_order_relaxed))
		rp_session.phase = RP_SESSION_FORKED;
	return rp_session.phase == RP_SESSION_ACTIVE;
}

int rp_session_start(const struct rp_session_options *options, char *ret_detail)
{
	RP_HOLD_CANCEL();
	ret_detail[0] = 0;
	if (is_active() || rp_session.phase == RP_SESSION_STARTING)
		return fail(ret_detail, RP_EBUSY, "tracing cannot start");
	rp_session_watch_forks();
	rp_session.path = strdup(options->sink.path);
	if (!rp_session.path)
		return fail(ret_detail, RP_ENOMEM, "tracing cannot start");
	int before = rp_session.phase;
	rp_session.process_cpu_ns = rp_session.tool_cpu_ns = 0;
	rp_session.writer_told = 0;
	rp_session.phase = RP_SESSION_STARTING; /* measuring runs Python code, which gives up the GIL: another thread may want to start too */
	int code = start_all(options, ret_detail);
	if (code) {
		rp_session.phase = before;
		free(rp_session.path);
		rp_session.path = NULL;
		return code;
	}
	rp_session.phase = RP_SESSION_ACTIVE;
	struct rp_thread *self = rp_thread_current();
	if (self && rp_session.installed & RP_HAS_SNAPSHOT) {
		rp_record_begin(self);
		rp_emit_cpu(self, 1); /* what is used up to the first sample counts from here */
		rp_record_end(self);
	}
	if (rp_session.installed & RP_HAS_CPU)
		rp_watch_begin();
	rp_record_publish(); /* hooks read `on` relaxed, and then what was set up above */
	atomic_store_explicit(&rp_record_on, 1, memory_order_release);
	return 0;
}

/* ---- stop ---- */

/* All threads are outside, and none tells any more: what they have used by now, and the process. since_ns: of this thread when its stop began. */
static void read_cpu_of_all(uint64_t since_ns)
{
	rp_record_last_cpu();
	rp_watch_close();
	rp_watch_process(&rp_session.process_cpu_ns, &rp_session.tool_cpu_ns);
	if (!rp_thread_is_tool) /* else it is among them */
		rp_session.tool_cpu_ns += rp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - since_ns;
}

static int stop(int without_python)
{
	RP_HOLD_CANCEL();
	struct rp_thread *self = rp_thread_current();
	if (self) {
		rp_record_begin(self); /* no sample of our own work */
		if (rp_session.installed & RP_HAS_CPU)
			rp_emit_cpu(self, 1); /* what was used since the last event */
	}
	uint64_t cpu_ns = rp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	atomic_store_explicit(&rp_record_on, 0, memory_order_seq_cst);
	if (without_python)
		rp_session.installed &= ~(unsigned)RP_HAS_FRAMES;
	rp_session_remove_hooks();
	rp_record_quiesce();
	if (rp_session.installed & RP_HAS_CPU)
		read_cpu_of_all(cpu_ns);
	rp_namer_finish(NAMER_PATIENCE_NS);
	rp_record_close(); /* `end` callbacks take the timers down: before the CPU probe goes */
	rp_session_remove_sources();
	/* What the writer has lost is known once it has been through all buffers; only definitions come after. */
	rp_sink_sync(rp_session.sink, SYNC_NS_MAX);
	rp_session_define_end();
	rp_record_detach();
	int code = rp_sink_close(rp_session.sink, NULL), error = errno;
	rp_session.sink = NULL;
	if (!without_python && atomic_load(&rp_session_children))
		rp_sink_finish_family(rp_session.path);
	rp_session.phase = RP_SESSION_OFF;
	free(rp_session.path);
	rp_session.path = NULL;
	if (self)
		rp_record_end(self);
	errno = error;
	return code;
}

int rp_session_stop(void)
{
	return is_active() ? stop(0) : RP_EINACTIVE;
}

int rp_session_stop_without_python(void)
{
	if (!is_active())
		return RP_EINACTIVE;
	rp_session.phase = RP_SESSION_STARTING; /* destructors that still run in this process find it neither active nor free */
	return stop(1);
}

/* ---- meanwhile ---- */

int rp_session_sync(void)
{
	RP_HOLD_CANCEL();
	if (!is_active())
		return RP_EINACTIVE;
	rp_define_clock();
	rp_record_flush();
	return rp_sink_sync(rp_session.sink, SYNC_NS_MAX);
}

int rp_session_checkpoint(void)
{
	RP_HOLD_CANCEL();
	if (!is_active())
		return RP_EINACTIVE;
	struct rp_thread *self = rp_thread_enter();
	if (self)
		rp_record_begin(self);
	rp_namer_finish(NAMER_PATIENCE_NS);
	(void)rp_namer_start(NAMER_BURST_NS, NAMER_PERCENT);
	rp_session_define_end();
	if (self)
		rp_record_end(self);
	return rp_session_sync();
}

int rp_session_before_exec(void)
{
	RP_HOLD_CANCEL();
	int code = rp_session_checkpoint();
	if (is_active() && rp_session.installed & RP_HAS_CPU)
		rp_cpu_before_exec();
	return code;
}

void rp_session_after_failed_exec(void)
{
	if (is_active() && rp_session.installed & RP_HAS_CPU)
		rp_cpu_after_failed_exec();
}

int rp_session_active(void)
{
	return is_active();
}

void rp_session_unseen_begin(void)
{
	if (rp_thread_current())
		rp_record_begin(rp_thread_current());
}

void rp_session_unseen_end(void)
{
	if (rp_thread_current())
		rp_record_end(rp_thread_current());
}

void rp_session_follow_children(const char *words)
{
	rp_children_follow(words);
}

char *rp_session_child_started(const char *const *words, uint32_t n)
{
	return is_active() ? rp_child_started(words, n) : NULL;
}

const char *rp_session_path(void)
{
	return is_active() ? rp_session.path : "";
}

int rp_session_status(struct rp_session_status *ret_status)
{
	if (!is_active())
		return RP_EINACTIVE;
	(void)rp_sink_choose_writer(rp_session.sink, CHOICE_NS_MAX); /* else it is as it says */
	rp_sink_status(rp_session.sink, &ret_status->sink);
	rp_record_totals(&ret_status->record);
	ret_status->clock = rp_clock_name();
	ret_status->clock_reason = rp_clock_reason();
	ret_status->switch_source = "off";
	ret_status->switch_reason = "";
	if (rp_session.options.cpu != RP_MODE_OFF)
		ret_status->switch_source = rp_cpu_switch_source(&ret_status->switch_reason);
	rp_unwind_ends(&ret_status->walks);
	ret_status->finds_tables = rp_unwind_finds_tables();
	return 0;
}
