/* The names first, each ended by a zero; then the metadata as definitions, in the order in which a session writes them. */
#include "format/words.h"

#include "format/format.h"

/* Of code and libraries that nearly each process has. */
static const char *const names[] = {
	"<genexpr>", "<listcomp>", "<lambda>", "__getattr__", "__call__", "__new__", "__init__", "__enter__", "__exit__",
	"<frozen importlib._bootstrap_external>", "importlib._bootstrap_external", "SourceFileLoader.get_code", "_compile_bytecode",
	"FileFinder.find_spec", "PathFinder._get_spec", "path_stats", "cache_from_source", "ExtensionFileLoader.create_module",
	"FileLoader.get_data", "_LoaderBasics.exec_module", "ExtensionFileLoader.exec_module", "<frozen importlib._bootstrap>",
	"importlib._bootstrap", "_find_spec", "module_from_spec", "_handle_fromlist", "_call_with_frames_removed", "_find_and_load_unlocked",
	"_load_unlocked", "_find_and_load", "operator new(unsigned long)", "operator delete(void*)",
	"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >::_M_append(char const*, unsigned long)",
	"_M_replace(unsigned long, unsigned long, char const*, unsigned long)", "_M_mutate(unsigned long, unsigned long, char const*, unsigned long)",
	"pybind11::cpp_function::dispatcher(_object*, _object*, _object*)", "_dl_relocate_object", "dl_open_worker_begin", "dl_open_worker",
	"_dl_open", "_dl_catch_exception", "_dl_catch_error", "_dlerror_run", "dlopen_doit", "dlopen@GLIBC_2.2.5", "__tls_get_addr",
	"/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/", "/lib/x86_64-linux-gnu/libc.so.6", "libm.so.6", "libgcc_s.so.1", "libgomp.so.1",
	"libstdc++.so.6", "/lib/libpython3.13.so.1.0", ".libs/../", "/lib/python3.13/site-packages/", "_core/", ".abi3.so", ".cpython-313-x86_64-linux-gnu.so",
	".py", "<module>", "__main__", "MainThread",
};

/* Metadata, with the values that most processes have; empty where each has its own. */
static const char *const metadata[][2] = {
	{ "sample.source", "timer" },
	{ "sample.signal", "SIGURG" },
	{ "sample.reason", "" },
	{ "gil_wait", "not measured" },
	{ "rubinprof", "0.1.0" },
	{ "pid", "" },
	{ "parent_pid", "" },
	{ "cwd", "/" },
	{ "cpus", "" },
	{ "host", "" },
	{ "os", "Linux x86_64" },
	{ "mode.cpu", "sampled" },
	{ "mode.memory", "sampled" },
	{ "stacks", "tree" },
	{ "mode.native", "1" },
	{ "mode.sources", "0" },
	{ "mode.pymalloc", "0" },
	{ "sample_hz", "40" },
	{ "symbols.bundle", "" },
	{ "symbols.path", "/cvmfs/" },
	{ "sampled_bytes", "16384" },
	{ "clock", "tsc" },
	{ "init_calls", "asked" },
	{ "switch", "periodic" },
	{ "switch.reason", "read at samples and regions" },
	{ "writer", "io_uring" },
	{ "writer.reason", "" },
	{ "live", "mapped" },
	{ "live.reason", "" },
	{ "python", "3.13." },
	{ "executable", "/bin/python" },
	{ "command", "pipetask run-qbb" },
	{ "end.raw_bytes", "" },
	{ "end.blocks", "1" },
	{ "end.writer_cpu_ns", "" },
	{ "end.lost_buffers", "0" },
	{ "end.lost_events", "0" },
	{ "gave_way", "" },
	{ "gave_way.ticks", "0" },
	{ "by_samples.first_ticks", "0" },
	{ "by_samples.ticks", "0" },
	{ "end.lost_calls", "0" },
	{ "end.lost_allocations", "0" },
	{ "end.lost_frees", "0" },
	{ "end.lost_samples", "0" },
	{ "end.sampling_ticks", "" },
	{ "end.threads", "1" },
	{ "writer", "io_uring" },
	{ "writer.reason", "" },
	{ "live", "mapped" },
	{ "live.reason", "" },
	{ "end.process_cpu_ns", "" },
	{ "end.tool_cpu_ns", "" },
	{ "end.walks_too_deep", "0" },
	{ "end.walks_no_table", "0" },
	{ "end.walks_refused", "0" },
	{ "end.walks_unreadable", "0" },
	{ "end.walks_again", "0" },
	{ "end.walks_again_answered", "0" },
};

static struct rp_str str_of(const char *text)
{
	return (struct rp_str){ text, (uint32_t)strlen(text) };
}

size_t rp_words_put(uint8_t *ret_words)
{
	uint8_t *at = ret_words, *end = ret_words + RP_WORDS_BYTES_MAX;

	for (size_t i = 0; i < RP_COUNT_OF(names); i++) {
		struct rp_str name = str_of(names[i]);
		rp_assert(name.len < (size_t)(end - at));
		memcpy(at, name.s, name.len + 1);
		at += name.len + 1;
	}
	for (size_t i = 0; i < RP_COUNT_OF(metadata); i++) {
		at = rp_def_put_meta(at, end, str_of(metadata[i][0]), str_of(metadata[i][1]));
		rp_assert(at);
	}
	return (size_t)(at - ret_words);
}
