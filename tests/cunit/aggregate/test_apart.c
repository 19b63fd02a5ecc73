/* What is mapped and no memory of the process: pages of files, shared memory, addresses. Mapped, unmapped in part, moved, made writable, mapped
 * over, left behind by a fork: in no figure of the heap, and each line has its own. */
#include "../harness.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define FILES UINT64_C(0x100000000)
#define SHARED UINT64_C(0x200000000)
#define PRIVATE UINT64_C(0x300000000)
#define MIB (UINT64_C(1) << 20)

static void move(struct tw_thread *t, uint64_t dt, uint64_t old, uint64_t address, uint64_t size)
{
	tw_put(t, tw_word0(t, RP_EV_REALLOC, dt, RP_A_MREMAP, 4));
	tw_put(t, address | (uint64_t)TW_NONE << 48);
	tw_put(t, size);
	tw_put(t, old);
}

static const char *report(const char *name, double from_s, double to_s)
{
	struct rp_report_options options = RP_REPORT_OPTIONS_INIT;

	options.format = RP_FORMAT_JSON;
	options.from_s = from_s;
	options.to_s = to_s;
	return rr_report("apart.rprof", name, &options);
}

static void expect_of(const char *function, uint64_t file, uint64_t shared)
{
	const char *row = rr_row(report("table", 0, 0), function);

	CHECK_INT(rr_number(row, "mapped_file_bytes"), (int64_t)(file * MIB));
	CHECK_INT(rr_number(row, "shared_bytes"), (int64_t)(shared * MIB));
}

int main(void)
{
	struct tw w;

	tw_open(&w, "apart.rprof");
	tw_clock(&w);
	tw_region_def(&w, 1, 0, "first", "", "");
	tw_region_def(&w, 2, 0, "second", "", "");
	tw_code(&w, 1, "maps", "/x/a.py", 1, RP_STR(""));
	tw_code(&w, 2, "moves", "/x/a.py", 20, RP_STR(""));
	tw_code(&w, 3, "shares", "/x/a.py", 40, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_range(t, 10, RP_A_FILE_SHARED, FILES, 8 * MIB);                /* at 20: files 8 */
	tw_unmap(t, 10, FILES + 2 * MIB, MIB);                            /* a hole: 7 */
	tw_mprotect(t, 10, FILES, 2 * MIB);                               /* at 40: what is shared stays shared */
	tw_range(t, 10, RP_A_FILE_PRIVATE, PRIVATE, 4 * MIB);             /* 11 */
	tw_mprotect(t, 10, PRIVATE + MIB, MIB);                           /* at 60: a page of it may be written now, and is the file's still */
	tw_mprotect(t, 10, PRIVATE + MIB, MIB);                           /* and again */
	tw_mmap(t, 10, PRIVATE, MIB);                                     /* at 80, MAP_FIXED over the first: files 10, heap 1 */
	tw_range(t, 10, RP_A_FILE_PRIVATE, PRIVATE, MIB);                 /* at 90, and over that: files 11, heap 0 */
	tw_region(t, 0, RP_EV_REGION_BEGIN, 1);                           /* with files 11 */
	tw_unmap(t, 0, SHARED, MIB);
	tw_region(t, 0, RP_EV_REGION_END, 1);
	tw_region(t, 0, RP_EV_REGION_BEGIN, 2);
	tw_enter(t, 10, 2, TW_NONE);
	move(t, 10, FILES + 3 * MIB, FILES + 32 * MIB, 10 * MIB);         /* at 110: 5 of maps become 10 of moves: files 16, the most */
	tw_exit(t, 10);
	tw_unmap(t, 10, FILES, 2 * MIB);                                  /* at 130: 14 */
	tw_region(t, 0, RP_EV_REGION_END, 2);
	tw_enter(t, 10, 3, TW_NONE);
	tw_range(t, 10, RP_A_SHARED, SHARED, 6 * MIB);                    /* at 150 */
	tw_unmap(t, 10, SHARED, 2 * MIB);                                 /* 4 */
	tw_range(t, 10, RP_A_SHARED, SHARED + 64 * MIB, 3 * MIB);         /* at 170: 7, the most */
	tw_unmap(t, 10, SHARED + 2 * MIB, 4 * MIB);                       /* 3 */
	tw_unmap(t, 10, SHARED + 512 * MIB, MIB);                         /* a fork's child unmaps what its parent had mapped: nothing of ours */
	tw_free(t, 10, 0);
	tw_exit(t, 10);
	tw_unmap(t, 10, FILES + 32 * MIB, 10 * MIB);                      /* files 4 */
	tw_range(t, 10, RP_A_FILE_COPY, FILES, 2 * MIB);                  /* files 6 */
	tw_mprotect(t, 10, FILES, MIB);                                   /* it could be written before */
	tw_exit(t, 10);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = report("stats", 0, 0);
	CHECK_INT(rr_number(json, "mapped_file_bytes"), (int64_t)(16 * MIB));
	CHECK_INT(rr_number(json, "shared_bytes"), (int64_t)(7 * MIB));
	CHECK_INT(rr_number(json, "reserved_bytes"), 0);
	CHECK_INT(rr_number(json, "peak_bytes"), (int64_t)MIB);
	CHECK_INT(rr_number(json, "leaked_bytes"), 0);
	CHECK_INT(rr_number(json, "allocated_bytes"), (int64_t)MIB);
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "map_file_shared"), 1);
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "map_file_private"), 2);
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "map_shared"), 2);
	/* The rows sum to the whole. */
	expect_of("maps", 6, 0);
	expect_of("moves", 10, 0);
	expect_of("shares", 0, 7);
	CHECK_INT(rr_number(rr_row(report("table", 0, 0), "maps"), "total_mapped_file_bytes"), (int64_t)(16 * MIB));

	json = report("regions", 0, 0);
	const char *second = strstr(json, "\"second\"");
	CHECK_INT(rr_number(json, "mapped_file_bytes"), (int64_t)(11 * MIB));
	CHECK_INT(rr_number(second, "mapped_file_bytes"), (int64_t)(16 * MIB));
	CHECK_INT(rr_number(second, "shared_bytes"), 0);

	/* A stretch of time has the most of then: what was mapped before it counts. */
	json = report("stats", 45e-9, 105e-9);
	CHECK_INT(rr_number(json, "mapped_file_bytes"), (int64_t)(11 * MIB));
	CHECK_INT(rr_number(json, "shared_bytes"), 0);
	json = report("stats", 125e-9, 160e-9);
	CHECK_INT(rr_number(json, "mapped_file_bytes"), (int64_t)(16 * MIB));
	CHECK_INT(rr_number(json, "shared_bytes"), (int64_t)(6 * MIB));
	rp_buf_release(&rr_json);
	return 0;
}
