/* Writes the seed corpus of fuzz_reader into the current directory: small traces of each shape. */
#define TW_LIVE_BYTES 4096
#include "../cunit/trace_writer.h"

static void fill(struct tw *w, struct tw_thread *t)
{
	const uint64_t stack[] = { 0x1000, 0x2000, 0x3000 };

	tw_region(t, 10, RP_EV_REGION_BEGIN, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_stack(t, 1, 3, stack, 3);
	tw_alloc(t, 10, 0x10000, 320, 1, 3);
	tw_cpu(t, 5, 1000);
	tw_enter(t, 1 << 25, 2, 2);
	tw_sample(t, 10, 1, stack, 3);
	tw_realloc(t, 5, 0x10000, 0x20000, 640);
	tw_mmap(t, 5, 0x400000, 0x4000);
	tw_unmap(t, 5, 0x401000, 0x1000);
	tw_free(t, 5, 0x20000);
	tw_more(t, 1, RP_MORE_GIL_WAIT, 50, 0, 1);
	tw_more(t, 1, RP_MORE_LOST, 5, 50, 2);
	tw_exit(t, 10);
	tw_flush(t);
	tw_context(t, 10, RP_CONTEXT_BUFFER, (const uint64_t[]){ (uint64_t)TW_NONE << 32 | 1 }, 1);
	tw_exit(t, 10);
	tw_region(t, 10, RP_EV_REGION_END, 1);
	(void)w;
}

static struct tw_thread *start(struct tw *w, const char *path)
{
	tw_open(w, path);
	tw_clock(w);
	tw_meta(w, "command", "x");
	tw_code(w, 1, "main", "/x/m.py", 1, RP_STR("\x80\x00\xd8\x01\x02\x01\x01"));
	tw_code(w, 2, "f", "/x/m.py", 9, RP_STR("\xf0\x03\x01\x01\x01\xe8\x05"));
	tw_symbol(w, 0x1000, "kernel(double)", "kernel.cc", 7);
	tw_symbol(w, 0x2000, "void ns::f<int, std::allocator<int> >(int)", "k.cc", 8);
	TW_DEF(w, rp_def_put_module(w->defs_at, w->defs_end, 1, 0, 0x3000, 0x4000, RP_STR("/lib/x.so"), RP_STR("abc"), 0));
	TW_DEF(w, rp_def_put_cost(w->defs_at, w->defs_end, 160, 80, 80, 1600));
	TW_DEF(w, rp_def_put_lost(w->defs_at, w->defs_end, 1, 1, 10, 100));
	TW_DEF(w, rp_def_put_thread(w->defs_at, w->defs_end, 1, 77, RP_STR("MainThread")));
	tw_region_def(w, 1, 0, "r", "k", "v");
	return tw_thread(w, 1);
}

int main(void)
{
	struct tw w;

	fill(&w, start(&w, "complete.rprof"));
	tw_close(&w, RP_STATE_COMPLETE);

	struct tw_thread *t = start(&w, "raw.rprof");
	w.raw_blocks = 1;
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);

	t = start(&w, "killed.rprof");
	fill(&w, t);
	tw_make_live(t, 0);
	t = tw_thread(&w, 2);
	tw_enter(t, 3, 1, 0);
	tw_make_live(t, 1);
	tw_close(&w, RP_STATE_RUNNING);

	t = start(&w, "periodic.rprof");
	tw_meta(&w, "switch", "periodic");
	fill(&w, t);
	fill(&w, t);
	t = tw_thread(&w, 2);
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);

	t = start(&w, "gap.rprof");
	fill(&w, t);
	t->lose_next = 1;
	tw_flush(t);
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);
	return 0;
}
