/* Writes the seed corpora, one directory a target, below the current directory: small traces of each shape for fuzz_reader, and their
 * parts for the others.
 *     cc ... tests/fuzz/make_corpus.c ... && cd tests/fuzz/corpus && make_corpus */
#include <sys/stat.h>

#define TW_LIVE_BYTES 4096
#include "../cunit/trace_writer.h"

#include "../cunit/fold_room.h"
#include "reader/reader.h"

static void put_input(const char *target, const char *trace, uint32_t part, const uint8_t *head, size_t head_len, const uint8_t *bytes,
		      size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s-%u", target, trace, part);
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(head, 1, head_len, f) != head_len || fwrite(bytes, 1, len, f) != len || fclose(f))
		abort();
}

/* The headers, blocks and event streams of fuzz_reader/<name>.rprof as inputs of the other targets. */
static void cut_up(const char *name)
{
	char path[64];
	struct rp_file *file;
	uint8_t header[RP_FILE_HEADER_BYTES_MAX], *bytes = NULL, *stored = malloc(1 << 20);
	uint32_t cap = 0, len;
	size_t got;

	snprintf(path, sizeof(path), "fuzz_reader/%s.rprof", name);
	if (!stored || rp_file_open(&file, path) || rp_os_read(file->os, 0, header, sizeof(header), &got))
		abort();
	put_input("fuzz_header", name, 0, header, RP_FH_LIVE_TABLE + 32, NULL, 0);
	for (uint32_t i = 0; i < file->n_blocks; i++) {
		const struct rp_block_ref *b = &file->blocks[i];
		uint8_t head[6] = { b->type == RP_BLOCK_DEFS ? 1 : b->type == RP_BLOCK_RAW_EVENTS ? 2 : 0, b->codec };
		uint8_t kind = b->type != RP_BLOCK_RAW_EVENTS;
		if (rp_os_read(file->os, b->offset - RP_BLOCK_HEADER_BYTES, stored, RP_BLOCK_HEADER_BYTES + b->stored_bytes, &got) ||
		    rp_block_unpack(file, b, &bytes, &cap, &len))
			abort();
		rp_put_u32(head + 2, b->raw_bytes);
		put_input("fuzz_header", name, i + 1, stored, RP_BLOCK_HEADER_BYTES, NULL, 0);
		put_input("fuzz_block", name, i, head, sizeof(head), stored + RP_BLOCK_HEADER_BYTES, b->stored_bytes);
		if (b->type != RP_BLOCK_DEFS)
			put_input("fuzz_event", name, i, &kind, 1, bytes, len);
	}
	free(bytes);
	free(stored);
	rp_file_close(file);
}

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
	TW_DEF(w, rp_def_put_cost(w->defs_at, w->defs_end, &(struct rp_cost){ 160, 80, 80, 1600, 80 }));
	TW_DEF(w, rp_def_put_lost(w->defs_at, w->defs_end, 1, 1, 10, 100));
	TW_DEF(w, rp_def_put_thread(w->defs_at, w->defs_end, 1, 77, RP_STR("MainThread")));
	tw_region_def(w, 1, 0, "r", "k", "v");
	return tw_thread(w, 1);
}

int main(void)
{
	struct tw w;

	mkdir("fuzz_reader", 0755);
	mkdir("fuzz_header", 0755);
	mkdir("fuzz_block", 0755);
	mkdir("fuzz_event", 0755);
	fill(&w, start(&w, "fuzz_reader/complete.rprof"));
	tw_close(&w, RP_STATE_COMPLETE);

	struct tw_thread *t = start(&w, "fuzz_reader/raw.rprof");
	w.raw_blocks = 1;
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);

	t = start(&w, "fuzz_reader/killed.rprof");
	fill(&w, t);
	tw_make_live(t, 0);
	t = tw_thread(&w, 2);
	tw_enter(t, 3, 1, 0);
	tw_make_live(t, 1);
	tw_close(&w, RP_STATE_RUNNING);

	t = start(&w, "fuzz_reader/periodic.rprof");
	tw_meta(&w, "switch", "periodic");
	fill(&w, t);
	fill(&w, t);
	t = tw_thread(&w, 2);
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);

	t = start(&w, "fuzz_reader/folded.rprof");
	struct rp_call_fold *fold = w.encoder->fold = fold_room(100);
	w.encoder->shifts = (struct rp_pack_shifts){ 2, 4 };
	tw_enter(t, 100, 1, TW_NONE);
	for (int i = 0; i < 40; i++) {
		tw_enter(t, 100, 2, 2);
		tw_exit(t, 100);
		if (i % 4 == 0)
			tw_alloc(t, 100, 0x10000 + 64 * (uint64_t)(i % 12), 40, 1, 0);
		if (i % 7 == 0)
			tw_free(t, 100, 0x10000 + 64 * (uint64_t)(i % 12));
	}
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);
	fold_room_free(fold);

	t = start(&w, "fuzz_reader/gap.rprof");
	fill(&w, t);
	t->lose_next = 1;
	tw_flush(t);
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);

	/* Long enough that columns become parts of their own, some of them Zstandard. */
	t = start(&w, "fuzz_reader/parts.rprof");
	uint32_t random = 1;
	for (uint32_t i = 0; i < 600; i++) {
		random = random * 1664525 + 1013904223;
		uint64_t address = 0x10000 + 64 * (uint64_t)(random >> 20 & 63);
		if (i % 3 == 0)
			tw_enter(t, random >> 24, 1 + random % 2, random >> 28);
		else if (i % 3 == 1)
			tw_exit(t, random >> 26);
		tw_alloc(t, random >> 25, address, 16 * (random >> 29), i % 5, 0);
		tw_free(t, random >> 26, address);
	}
	tw_close(&w, RP_STATE_COMPLETE);

	t = start(&w, "fuzz_reader/sources.rprof");
	for (uint64_t at = 0; at < 12; at += 4)
		TW_DEF(&w, rp_def_put_source(w.defs_at, w.defs_end, 1, 12, at, RP_STR("/x/m.py"), RP_STR("f()\n")));
	TW_DEF(&w, rp_def_put_source(w.defs_at, w.defs_end, UINT64_MAX, UINT64_MAX, UINT64_MAX - 1, RP_STR("/x/n.py"), RP_STR("g()\n")));
	tw_meta(&w, "end.sources_left_out", "3");
	fill(&w, t);
	tw_close(&w, RP_STATE_COMPLETE);

	static const char *const names[] = { "complete", "raw", "killed", "periodic", "folded", "gap", "parts", "sources" };
	for (size_t i = 0; i < RP_COUNT_OF(names); i++)
		cut_up(names[i]);
	return 0;
}
