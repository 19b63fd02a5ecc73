/* What a trace says of itself: META at the start, totals at the end. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "cpu/cpu.h"
#include "frames/frames.h"
#include "names/names.h"
#include "record/known_names.h"
#include "session/session_state.h"
#include "stack/stack.h"

#define VALUE_BYTES 512
#define DEFINITION_BYTES 64 /* tag, lengths and numbers, without strings */

#ifndef RUBINPROF_VERSION
#define RUBINPROF_VERSION "unknown"
#endif

void rp_session_meta(struct rp_str key, struct rp_str value)
{
	if (value.len > RP_STRING_BYTES_MAX / 2)
		value.len = RP_STRING_BYTES_MAX / 2;
	uint8_t *end, *p = rp_define_begin(DEFINITION_BYTES + key.len + value.len, &end);
	if (p)
		rp_define_end(rp_def_put_meta(p, end, key, value));
}

void rp_session_metaf(const char *key, const char *format, ...)
{
	char value[VALUE_BYTES];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(value, sizeof value, format, args);
	va_end(args);
	if (n < 0)
		return;
	rp_session_meta((struct rp_str){ key, (uint32_t)strlen(key) },
			(struct rp_str){ value, (uint32_t)n < sizeof value ? (uint32_t)n : (uint32_t)sizeof value - 1 });
}

static const char *mode_name(enum rp_mode mode)
{
	return mode == RP_MODE_OFF ? "off" : mode == RP_MODE_SAMPLED ? "sampled" : "exact";
}

static void define_writer(const struct rp_sink_status *sink)
{
	rp_session_metaf("writer", "%s", sink->writer);
	rp_session_metaf("writer.reason", "%s", sink->writer_reason);
	rp_session.writer_told |= sink->writer_chosen;
}

void rp_session_define_choice(void)
{
	struct rp_sink_status sink;
	if (rp_session.writer_told)
		return;
	rp_sink_status(rp_session.sink, &sink);
	if (sink.writer_chosen)
		define_writer(&sink);
}

void rp_session_define_start(void)
{
	const struct rp_session_options *o = &rp_session.options;
	struct rp_session_status status;
	struct utsname os;
	char cwd[VALUE_BYTES];

	rp_sink_status(rp_session.sink, &status.sink);
	status.switch_source = "off";
	status.switch_reason = "";
	if (o->cpu != RP_MODE_OFF)
		status.switch_source = rp_cpu_switch_source(&status.switch_reason);

	rp_session_metaf("rubinprof", "%s", RUBINPROF_VERSION);
	rp_session_metaf("pid", "%ld", (long)getpid());
	rp_session_metaf("parent_pid", "%ld", (long)getppid());
	rp_session_metaf("cwd", "%s", getcwd(cwd, sizeof cwd) ? cwd : "");
	rp_session_metaf("cpus", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	if (uname(&os) == 0) {
		rp_session_metaf("host", "%s", os.nodename);
		rp_session_metaf("os", "%s %s %s", os.sysname, os.release, os.machine);
	}
	rp_session_metaf("mode.cpu", "%s", mode_name(o->cpu));
	rp_session_metaf("mode.memory", "%s", mode_name(o->memory));
	rp_session_metaf("stacks", "%s", rp_session.installed & RP_HAS_SNAPSHOT ? "tree" : "calls");
	rp_session_metaf("mode.native", "%d", o->native);
	rp_session_metaf("mode.sources", "%d", o->sources);
	if (o->tasks)
		rp_session_metaf("mode.tasks", "1");
	rp_session_metaf("mode.pymalloc", "%d", o->pymalloc);
	rp_session_metaf("sample_hz", "%u", o->cpu == RP_MODE_OFF ? 0 : o->sample_hz);
	if (rp_bundle_id()) {
		rp_session_metaf("symbols.bundle", "%s", rp_bundle_id());
		rp_session_metaf("symbols.path", "%s", rp_bundle_directory());
	}
	if (o->sampled_bytes)
		rp_session_metaf("sampled_bytes", "%llu", (unsigned long long)o->sampled_bytes);
	rp_session_metaf("clock", "%s", rp_clock_name());
	rp_session_metaf("init_calls", "%s", rp_frames_init_calls());
	rp_session_metaf("switch", "%s", status.switch_source);
	rp_session_metaf("switch.reason", "%s", status.switch_reason ? status.switch_reason : "");
	define_writer(&status.sink); /* for one that is killed before it is chosen */
	rp_session_metaf("live", "%s", status.sink.live);
	rp_session_metaf("live.reason", "%s", status.sink.live_reason);
}

static void define_count(enum rp_lost_reason reason, uint64_t n, uint64_t bytes)
{
	uint8_t *end, *p = n ? rp_define_begin(DEFINITION_BYTES, &end) : NULL;
	if (p)
		rp_define_end(rp_def_put_lost(p, end, 0, reason, n, bytes));
}

/* What is missing without an event having been lost. */
static void define_unseen(void)
{
	struct rp_cpu_counts cpu;
	uint64_t dropped, dropped_bytes;
	rp_define_dropped(&dropped, &dropped_bytes);
	define_count(RP_LOST_DEFINITIONS, dropped, dropped_bytes);
	define_count(RP_LOST_SYMBOLS, rp_addresses_lost(), 0);
	if (rp_session.options.cpu == RP_MODE_OFF)
		return;
	rp_cpu_counts(&cpu);
	if (cpu.gave_up_ticks)
		rp_session_metaf("sample.end_ticks", "%llu", (unsigned long long)cpu.gave_up_ticks);
	define_count(RP_LOST_SAMPLES_IN_TOOL, cpu.samples_in_tool, 0);
	define_count(RP_LOST_THREADS_UNSAMPLED, cpu.threads_without_samples, 0);
}

static void define_unwritten(const struct rp_sink_status *sink)
{
	if (sink->lost_buffers)
		define_count(RP_LOST_NOT_WRITTEN, sink->lost_events, sink->lost_bytes);
	if (sink->error)
		rp_session_metaf("writer.error", "%s", strerrordesc_np(sink->error));
}

/* Ticks that samples have taken, where they are few and dear: what the average sample costs is not measured at the start. */
static uint64_t sampling_ticks(void)
{
	struct rp_cpu_counts cpu = { 0 };
	if (rp_session.options.cpu == RP_MODE_SAMPLED)
		rp_cpu_counts(&cpu);
	return cpu.sample_ticks + (rp_session.options.memory == RP_MODE_SAMPLED ? rp_alloc_sample_ticks() : 0);
}

/* As much of each native stack as there is, or why not. */
static void define_walks(void)
{
	struct rp_unwind_ends ends;
	if (!rp_session.options.native)
		return;
	rp_unwind_ends(&ends);
	rp_session_metaf("end.walks_too_deep", "%llu", (unsigned long long)ends.too_deep);
	rp_session_metaf("end.walks_no_table", "%llu", (unsigned long long)ends.no_table);
	rp_session_metaf("end.walks_refused", "%llu", (unsigned long long)ends.refused);
	rp_session_metaf("end.walks_unreadable", "%llu", (unsigned long long)ends.unreadable);
	rp_session_metaf("end.walks_again", "%llu", (unsigned long long)ends.asked);
	rp_session_metaf("end.walks_again_answered", "%llu", (unsigned long long)ends.answered);
}

static void define_names(void)
{
	uint64_t found, looked_up, written;
	rp_name_cache_counts(&found, &looked_up, &written);
	if (!found && !looked_up)
		return;
	rp_session_metaf("end.names_cached", "%llu", (unsigned long long)found);
	rp_session_metaf("end.names_looked_up", "%llu", (unsigned long long)looked_up);
	rp_session_metaf("end.name_tables_written", "%llu", (unsigned long long)written);
}

static void define_sources(void)
{
	uint32_t files, left_out;
	if (!rp_session.options.sources)
		return;
	rp_sources_counts(&files, &left_out);
	rp_session_metaf("end.sources", "%u", files);
	rp_session_metaf("end.sources_left_out", "%u", left_out);
}

/* Totals that only the end knows; after a checkpoint the later ones replace the earlier. */
void rp_session_define_end(void)
{
	static const char *const gave_way[] = RP_GAVE_WAY_NAMES;
	struct rp_sink_status sink;
	struct rp_record_totals record;
	rp_sink_status(rp_session.sink, &sink);
	rp_record_totals(&record);
	rp_session_metaf("end.raw_bytes", "%llu", (unsigned long long)sink.raw_bytes);
	rp_session_metaf("end.blocks", "%llu", (unsigned long long)sink.blocks);
	rp_session_metaf("end.writer_cpu_ns", "%llu", (unsigned long long)sink.writer_cpu_ns);
	rp_session_metaf("end.lost_buffers", "%llu", (unsigned long long)sink.lost_buffers);
	rp_session_metaf("end.lost_events", "%llu", (unsigned long long)(record.lost_events + sink.lost_events));
	rp_session_metaf("gave_way", "%s", gave_way[sink.gave_way]);
	rp_session_metaf("gave_way.ticks", "%llu", (unsigned long long)sink.gave_way_ticks);
	rp_session_metaf("by_samples.first_ticks", "%llu", (unsigned long long)record.samples_only_first);
	rp_session_metaf("by_samples.ticks", "%llu", (unsigned long long)record.samples_only_ticks);
	rp_session_metaf("end.lost_calls", "%llu", (unsigned long long)(record.lost.calls + sink.lost.calls));
	rp_session_metaf("end.lost_allocations", "%llu", (unsigned long long)(record.lost.allocations + sink.lost.allocations));
	rp_session_metaf("end.lost_frees", "%llu", (unsigned long long)(record.lost.frees + sink.lost.frees));
	rp_session_metaf("end.lost_samples", "%llu", (unsigned long long)(record.lost.samples + sink.lost.samples));
	rp_session_metaf("end.sampling_ticks", "%llu", (unsigned long long)sampling_ticks());
	rp_session_metaf("end.threads", "%u", record.threads);
	define_writer(&sink); /* it may have changed its mind */
	rp_session_metaf("live", "%s", sink.live);
	rp_session_metaf("live.reason", "%s", sink.live_reason);
	if (rp_session.process_cpu_ns) {
		rp_session_metaf("end.process_cpu_ns", "%llu", (unsigned long long)rp_session.process_cpu_ns);
		rp_session_metaf("end.tool_cpu_ns", "%llu", (unsigned long long)rp_session.tool_cpu_ns);
	}
	define_walks();
	define_names();
	define_sources();
	rp_children_define();
	define_unwritten(&sink);
	define_unseen();
	rp_define_clock();
}
