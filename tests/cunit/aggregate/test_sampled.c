/* Estimates from samples: what a sampled allocation stands for and how far off it may be, also in a stretch of time; CPU time of a thread
 * whose calls are not seen, by the nodes of its stack tree. */
#include <math.h>

#include "../harness.h"
#include "aggregate/weight.h"
#include "../report_reader.h"
#include "../trace_writer.h"

#define PERIOD 1000
#define PYTHON(code, line) (RP_NODE_PYTHON | (uint64_t)(code) << 16 | (line))

static void put_nodes(struct tw_thread *t, uint64_t parent, uint64_t first, const uint64_t *keys, uint32_t n)
{
	tw_put(t, tw_word0(t, RP_EV_MORE, 0, RP_MORE_NODES | (uint64_t)(n + 2) << 8, 3 + n));
	tw_put(t, parent);
	tw_put(t, first);
	for (uint32_t i = 0; i < n; i++)
		tw_put(t, keys[i]);
}

static void put_sample(struct tw_thread *t, uint64_t dt, uint64_t node)
{
	tw_put(t, tw_word0(t, RP_EV_SAMPLE, dt, (uint64_t)RP_SAMPLE_TREE << 16, 2));
	tw_put(t, node);
}

static void write_trace(void)
{
	struct tw w;
	const uint64_t outer[] = { PYTHON(1, 4), PYTHON(2, 1), 0x1000 }, other[] = { PYTHON(3, 0) };

	tw_open(&w, "sampled.rprof");
	tw_clock(&w);
	tw_meta(&w, "stacks", "tree");
	for (uint32_t code = 1; code <= 3; code++)
		tw_code_flags(&w, code, code == 1 ? "a" : code == 2 ? "b" : "c", "/x/a.py", 10 * code, RP_CODE_LINES);
	tw_symbol(&w, 0x1000, "grow", "grow.cc", 7);
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_cpu(t, 0, 0);
	put_nodes(t, 0, 1, outer, 3); /* 1: a, 2: a b, 3: a b grow */
	put_nodes(t, 1, 4, other, 1); /* 4: a c */
	put_sample(t, 300, 3);
	put_sample(t, 200, 4);
	tw_more(t, 0, RP_MORE_PERIOD, PERIOD, 0, 1);
	tw_alloc(t, 0, 16, 501, 0, 3);
	tw_alloc(t, 0, 32, 501, 0, 4);
	tw_free(t, 0, 16);
	put_sample(t, 400, 2);
	tw_more(t, 100, RP_MORE_THREAD_END, 0, 0, 0); /* after the last sample: counts there */
	tw_cpu(u, 0, 0);
	tw_more(u, 50, RP_MORE_THREAD_END, 0, 0, 0); /* no sample at all */
	tw_close(&w, RP_STATE_COMPLETE);
}

/* Counts are sums of fractions, each rounded once: of one place, of many that were hit once each, of what remains, by size, by allocator, in a
 * region, in a stretch of time. */
static void check_counts(void)
{
	enum { SIZE = 96 << 10, T = 64 << 10, BLOCKS = 1000, PLACES = 300 };
	const double weight = 1 / (1 - exp(-(SIZE + 1.0) / T)); /* 1.29 */
	uint64_t keys[PLACES];
	const uint64_t one[] = { PYTHON(1, 4) };
	struct tw w;

	tw_open(&w, "counts.rprof");
	tw_clock(&w);
	tw_meta(&w, "stacks", "tree");
	for (uint32_t code = 1; code <= 2; code++)
		tw_code_flags(&w, code, code == 1 ? "a" : "b", "/x/a.py", 1000 * code, RP_CODE_LINES);
	tw_region_def(&w, 1, 0, "quantum", "", "");
	struct tw_thread *t = tw_thread(&w, 1);
	put_nodes(t, 0, 1, one, 1);
	for (uint64_t i = 0; i < PLACES; i++) {
		keys[0] = PYTHON(2, i);
		put_nodes(t, 0, 2 + i, keys, 1);
	}
	tw_more(t, 0, RP_MORE_PERIOD, T, 0, 1);
	tw_region(t, 1, RP_EV_REGION_BEGIN, 1);
	for (uint64_t i = 0; i < BLOCKS; i++)
		tw_alloc(t, 1, (i + 1) << 20, SIZE, 0, 1);
	for (uint64_t i = 0; i < BLOCKS; i += 2)
		tw_free(t, 1, (i + 1) << 20);
	tw_region(t, 1, RP_EV_REGION_END, 1);
	for (uint64_t i = 0; i < PLACES; i++)
		tw_alloc(t, 1, (i + 1) << 34, SIZE, 0, 2 + (uint32_t)i);
	tw_more(t, 0, RP_MORE_THREAD_END, 0, 0, 0);
	tw_close(&w, RP_STATE_COMPLETE);

	const char *json = rr_report("counts.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "allocations"), lround((BLOCKS + PLACES) * weight));
	CHECK_INT(rr_number(json, "deallocations"), lround(BLOCKS / 2 * weight));
	CHECK_INT(rr_number(json, "leaked_allocations"), lround((BLOCKS / 2 + PLACES) * weight));
	CHECK_INT(rr_number(rr_find(json, "by_allocator"), "malloc"), lround((BLOCKS + PLACES) * weight));
	CHECK_INT(rr_number(strstr(json, "\"from_bytes\":65536"), "count"), lround((BLOCKS + PLACES) * weight));
	json = rr_report("counts.rprof", "table", NULL);
	double a = rr_number(rr_row(json, "a"), "allocations"), b = rr_number(rr_row(json, "b"), "allocations");
	CHECK_INT(a, lround(BLOCKS * weight));
	CHECK_INT(a + b, lround((BLOCKS + PLACES) * weight));
	json = rr_report("counts.rprof", "regions", NULL);
	CHECK_INT(rr_number(json, "allocations"), lround(BLOCKS * weight));
	CHECK_INT(rr_number(json, "leaked_allocations"), lround(BLOCKS / 2 * weight));

	struct rp_report_options stretch = RP_REPORT_OPTIONS_INIT;
	stretch.format = RP_FORMAT_JSON;
	stretch.from_s = 100e-9; /* the clock begins with the region */
	stretch.to_s = 1100e-9;
	json = rr_report("counts.rprof", "stats", &stretch);
	double inside = rr_number(json, "allocations");
	CHECK(fabs(inside - (BLOCKS - 99) * weight) < 3 && fabs(rr_number(json, "deallocations") - 100 * weight) < 3);
	CHECK_INT(rr_number(strstr(json, "\"from_bytes\":65536"), "count"), inside);
	CHECK(fabs(rr_number(json, "leaked_allocations") - (BLOCKS / 2 - 49) * weight) < 3);
}

/* What is freed behind the region of a filter is its leak, with its error. */
static void check_late(void)
{
	struct tw w;

	tw_open(&w, "late.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	tw_region_def(&w, 1, 0, "quantum", "", "");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_more(t, 0, RP_MORE_PERIOD, 9000, 0, 1);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 1);
	tw_alloc(t, 10, 16, 1000, 0, 0);
	tw_region(t, 10, RP_EV_REGION_END, 1);
	tw_free(t, 10, 16);
	tw_exit(t, 10);
	tw_close(&w, RP_STATE_COMPLETE);

	struct rp_report_options only = RP_REPORT_OPTIONS_INIT;
	only.format = RP_FORMAT_JSON;
	only.region = "quantum";
	double weight = 1 / (1 - exp(-1001.0 / 9000)), deviation = 1000 * sqrt(weight * (weight - 1));
	const char *a = rr_row(rr_report("late.rprof", "table", &only), "a");
	CHECK_INT(rr_number(a, "leaked_bytes"), lround(1000 * weight));
	CHECK_INT(rr_number(a, "peak_bytes"), lround(1000 * weight));
	CHECK(rr_number(a, "leaked_bytes_error") > 1.96 * deviation);
	CHECK_INT(rr_number(rr_row(rr_report("late.rprof", "table", NULL), "a"), "leaked_bytes"), 0);
}

/* A sampled mapping goes away in pieces: nothing of it remains, neither bytes nor error, however the pieces are rounded. */
static void check_pieces(void)
{
	const uint64_t page = 4096, at = 0x100000;
	struct tw w;

	tw_open(&w, "pieces.rprof");
	tw_clock(&w);
	tw_meta(&w, "stacks", "tree");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_more(t, 0, RP_MORE_PERIOD, 9000, 0, 1);
	tw_alloc(t, 10, 16, 1000, 0, 0); /* stays */
	tw_mmap(t, 10, at, 7 * page);
	tw_unmap(t, 10, at + 3 * page, page); /* a hole, an end, a begin, and the rest in steps */
	tw_unmap(t, 10, at + 6 * page, page);
	tw_unmap(t, 10, at, page);
	tw_unmap(t, 10, at + 4 * page, page);
	tw_unmap(t, 10, at + 2 * page, page);
	tw_unmap(t, 10, at + page, page);
	tw_unmap(t, 10, at + 5 * page, page);
	tw_close(&w, RP_STATE_COMPLETE);

	double weight = 1 / (1 - exp(-1001.0 / 9000)), variance = 1e6 * weight * (weight - 1), unit = variance / (1000 * weight), z = 1.959964;
	const char *json = rr_report("pieces.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "leaked_bytes"), lround(1000 * weight));
	CHECK_INT(rr_number(json, "leaked_allocations"), lround(weight));
	CHECK(fabs(rr_number(json, "leaked_bytes_error") - (z * z * unit / 2 + z * sqrt(variance + z * z * unit * unit / 4))) < 2);
}

static double interval(double estimate, double variance, double unit)
{
	const double z = 1.959964;

	unit = variance > 0 && estimate > 0 ? variance / estimate : unit;
	return z * z * unit / 2 + z * sqrt(variance + z * z * unit * unit / 4);
}

/* By how much the heap grew in a region: what was there before and stays adds nothing to the error, what was there and goes does. A region without a
 * sample has the error of the sample that it may have missed. */
static void check_growth(void)
{
	const char *const names[] = { "", "grows", "shrinks first", "nothing" };
	struct tw w;

	tw_open(&w, "growth.rprof");
	tw_clock(&w);
	tw_code(&w, 1, "a", "/x/a.py", 1, RP_STR(""));
	for (uint32_t i = 1; i <= 3; i++)
		tw_region_def(&w, i, 0, names[i], "", "");
	struct tw_thread *t = tw_thread(&w, 1);
	tw_enter(t, 10, 1, TW_NONE);
	tw_more(t, 0, RP_MORE_PERIOD, PERIOD, 0, 1);
	for (uint64_t i = 1; i <= 50; i++)
		tw_alloc(t, 1, i << 12, 501, 0, 0);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 1);
	for (uint64_t i = 51; i <= 53; i++)
		tw_alloc(t, 1, i << 12, 501, 0, 0);
	tw_free(t, 1, 1 << 12);
	tw_region(t, 10, RP_EV_REGION_END, 1);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 2);
	tw_free(t, 1, 2 << 12);
	tw_free(t, 1, 3 << 12);
	for (uint64_t i = 61; i <= 64; i++)
		tw_alloc(t, 1, i << 12, 501, 0, 0);
	tw_region(t, 10, RP_EV_REGION_END, 2);
	tw_region(t, 10, RP_EV_REGION_BEGIN, 3);
	tw_region(t, 10, RP_EV_REGION_END, 3);
	tw_exit(t, 10);
	tw_close(&w, RP_STATE_COMPLETE);

	double weight = 1 / (1 - exp(-501.0 / PERIOD)), bytes = 501 * weight, variance = 501 * 501 * weight * (weight - 1), unit = variance / bytes;
	const char *json = rr_report("growth.rprof", "regions", NULL);
	CHECK(fabs(rr_number(json, "peak_above_start_bytes") - 3 * bytes) < 4);
	CHECK(fabs(rr_number(json, "peak_above_start_bytes_error") - interval(3 * bytes, 3 * variance, unit)) < 4);
	CHECK(fabs(rr_number(json, "start_bytes_error") - interval(50 * bytes, 50 * variance, unit)) < 4);
	CHECK(fabs(rr_number(json, "leaked_allocations_error") - interval(3 * weight, 3 * weight * (weight - 1), 0)) < 2);
	json = strstr(json, "shrinks first");
	CHECK(fabs(rr_number(json, "peak_above_start_bytes") - 2 * bytes) < 4);
	CHECK(fabs(rr_number(json, "peak_above_start_bytes_error") - interval(2 * bytes, 6 * variance, unit)) < 4);
	json = strstr(json, "nothing");
	CHECK_INT(rr_number(json, "peak_above_start_bytes"), 0);
	CHECK(fabs(rr_number(json, "peak_above_start_bytes_error") - interval(0, 0, unit)) < 4);
	CHECK(fabs(rr_number(json, "leaked_bytes_error") - interval(0, 0, unit)) < 4);
}

static double drawn(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(*state >> 11) / 9007199254740992.0;
}

/* How often the interval around a part holds its truth: n samples, each in it by this chance. */
static double coverage(double chance, int n)
{
	enum { RUNS = 4000 };
	uint64_t state = (uint64_t)(1 + n);
	int held = 0;

	for (int run = 0; run < RUNS; run++) {
		double part = 0, variance = 0, whole = 0, all = 0;
		for (int i = 0; i < n; i++) {
			double w = 25e6 * (0.9 + 0.2 * drawn(&state));
			int is_in = drawn(&state) < chance;
			whole += w;
			all += w * w;
			part += is_in * w;
			variance += is_in * w * w;
		}
		held += fabs(part - chance * whole) <= rp_error_of_part(part, variance, all / whole, whole);
	}
	return (double)held / RUNS;
}

/* The same by calculation, of equal samples. */
static double coverage_of(double chance, int n)
{
	double held = 0, of_hits = pow(1 - chance, n); /* the chance of just that many hits */

	for (int hits = 0; hits <= n; hits++) {
		if (fabs(hits - chance * n) <= rp_error_of_part(hits, hits, 1, n))
			held += of_hits;
		of_hits *= chance / (1 - chance) * (n - hits) / (hits + 1);
	}
	return held;
}

/* What docs/sampling.md says of shares for which it is poor. */
static void check_poor_coverage(void)
{
	const struct {
		int n;
		double least;
	} told[] = { { 1, 0.79 }, { 2, 0.81 }, { 3, 0.88 }, { 5, 0.91 }, { 10, 0.91 }, { 100, 0.94 } };

	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
		double least = 1, sum = 0;
		for (int k = 1; k <= 1000; k++) { /* those above one half are the same, turned */
			double held = coverage_of(k / 2000.0, told[i].n);
			least = held < least ? held : least;
			sum += held / 1000;
		}
		CHECK(least >= told[i].least && least < told[i].least + 0.015);
		CHECK(sum > 0.955 && sum < 0.975);
	}
}

/* A part that every sample hit is as uncertain as one that none hit: the rest may have been missed. It was exact. */
static void check_part(void)
{
	const double z2 = 1.959964 * 1.959964, chances[] = { 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.995 };
	const int counts[] = { 1, 2, 3, 5, 10, 30, 100, 300 };
	double sum = 0;

	CHECK(fabs(rp_error_of_part(40e6, 1600e12, 40e6, 40e6) - 40e6 * z2 / (1 + z2)) < 1);
	CHECK(fabs(rp_error_of_part(0, 0, 40e6, 40e6) - 40e6 * z2 / (1 + z2)) < 1);
	CHECK(fabs(rp_error_of_part(100, 100, 1, 100) - 100 * z2 / (100 + z2)) < 1e-9);
	for (size_t i = 0; i < sizeof(chances) / sizeof(*chances); i++)
		for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++) {
			double held = coverage(chances[i], counts[k]);
			sum += held;
			if (held < 0.88)
				fprintf(stderr, "of a share of %g in %d samples: %g\n", chances[i], counts[k], held);
			CHECK(held >= 0.88); /* a score interval holds 95 % on average; of one sample, which is all or nothing, less or more */
		}
	CHECK(sum / 64 >= 0.95);
}

/* The variance of a part, and what draws of it say: on average that of the parts themselves, but for one of n. */
static void check_variance_of_part(void)
{
	enum { RUNS = 4000, n = 40 };
	const double whole = 1e9, chance = 0.3;
	uint64_t state = 11;
	double sum = 0, squares = 0, told = 0;

	CHECK(fabs(rp_variance_of_part(25, 100, 100, 16) - 1e4 * 0.25 * 0.75 / 16) < 1e-9);
	CHECK(fabs(rp_variance_of_part(25, 100, 400, 16) - 4e4 * 0.25 * 0.75 / 16) < 1e-9); /* one of four such wholes that these samples share out */
	CHECK(fabs(rp_variance_of_part(100, 100, 100, 1) - 1e4 / 2) < 1e-9); /* one sample cannot know that it is all */
	CHECK(rp_variance_of_part(0, 100, 100, 9) == 0 && rp_variance_of_part(5, 0, 0, 9) == 0 && rp_variance_of_part(5, 10, 10, 0) == 0);
	for (int run = 0; run < RUNS; run++) {
		int hits = 0;
		for (int i = 0; i < n; i++)
			hits += drawn(&state) < chance;
		double part = whole * hits / n;
		sum += part / RUNS;
		squares += part * part / RUNS;
		told += rp_variance_of_part(part, whole, whole, n) / RUNS;
	}
	CHECK(fabs(told / (squares - sum * sum) - (n - 1.0) / n) < 0.1);
}

/* An early sample stands for the time of its cell before and after it, and only then; a region's end settles what is left of one. */
static void check_cells(void)
{
	struct tw w;
	const uint64_t a[] = { PYTHON(1, 0) }, b[] = { PYTHON(2, 0) };

	tw_open(&w, "cells.rprof");
	tw_clock(&w);
	tw_meta(&w, "stacks", "tree");
	tw_code_flags(&w, 1, "a", "/x/a.py", 10, RP_CODE_LINES);
	tw_code_flags(&w, 2, "b", "/x/a.py", 20, RP_CODE_LINES);
	struct tw_thread *t = tw_thread(&w, 1);
	tw_cpu(t, 0, 0);
	put_nodes(t, 0, 1, a, 1);
	put_nodes(t, 0, 2, b, 1);
	tw_put(t, tw_word0(t, RP_EV_SAMPLE, 100, (uint64_t)(RP_SAMPLE_TREE | RP_SAMPLE_EARLY) << 16, 2));
	tw_put(t, 1);
	tw_more(t, 300, RP_MORE_SETTLE, 0, 0, 0); /* 400 to a */
	put_sample(t, 50, 2);                     /* 50 to b */
	tw_more(t, 30, RP_MORE_SETTLE, 0, 0, 0);  /* a cell without a sample: to the one before */
	tw_put(t, tw_word0(t, RP_EV_SAMPLE, 20, (uint64_t)(RP_SAMPLE_TREE | RP_SAMPLE_EARLY) << 16, 2));
	tw_put(t, 1);
	tw_more(t, 40, RP_MORE_THREAD_END, 0, 0, 0); /* 60 to a: the end settles, too */
	tw_close(&w, RP_STATE_COMPLETE);
	const char *json = rr_report("cells.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "a"), "self_cpu_s") * 1e9 + 0.5, 460);
	CHECK_INT(rr_number(rr_row(json, "b"), "self_cpu_s") * 1e9 + 0.5, 80);
	CHECK_INT(rr_number(rr_report("cells.rprof", "stats", NULL), "samples"), 3);
}

/* No trace has calls and a tree; one that was damaged may: a thread ends once, whatever told that it was in Python. */
static void check_calls_in_tree(void)
{
	struct tw w;
	const uint64_t outer[] = { PYTHON(1, 0) };

	tw_open(&w, "calls.rprof");
	tw_clock(&w);
	tw_meta(&w, "stacks", "tree");
	tw_code(&w, 1, "a", "/x/a.py", 10, RP_STR(""));
	struct tw_thread *t = tw_thread(&w, 1), *u = tw_thread(&w, 2);
	tw_enter(t, 0, 1, TW_NONE);
	tw_exit(t, 10);
	tw_more(t, 10, RP_MORE_THREAD_END, 0, 0, 0);
	put_nodes(u, 0, 1, outer, 1);
	tw_cpu(u, 100, 100);
	put_sample(u, 10, 1);
	tw_enter(u, 10, 1, TW_NONE);
	tw_exit(u, 10);
	tw_more(u, 10, RP_MORE_THREAD_END, 0, 0, 0);
	tw_close(&w, RP_STATE_COMPLETE);
	CHECK_INT(rr_number(rr_report("calls.rprof", "stats", NULL), "threads"), 2);
}

int main(void)
{
	check_calls_in_tree();
	check_cells();
	check_part();
	check_variance_of_part();
	check_poor_coverage();
	double weight = 1 / (1 - exp(-501.0 / PERIOD)), bytes = 501 * weight;
	double deviation = 501 * sqrt(weight * (weight - 1));

	check_counts();
	check_late();
	check_pieces();
	check_growth();
	write_trace();
	const char *json = rr_report("sampled.rprof", "stats", NULL);
	CHECK_INT(rr_number(json, "allocated_bytes"), 2 * lround(bytes));
	CHECK_INT(rr_number(json, "allocations"), lround(2 * weight));
	CHECK_INT(rr_number(json, "leaked_bytes"), lround(bytes));
	CHECK_INT(rr_number(json, "peak_bytes"), 2 * lround(bytes));
	CHECK_INT(rr_number(json, "cpu_s") * 1e9 + 0.5, 1050);
	CHECK(rr_number(json, "allocated_bytes_error") > 1.96 * sqrt(2) * deviation);
	CHECK(rr_number(json, "allocated_bytes_error") < 4 * sqrt(2) * deviation);

	json = rr_report("sampled.rprof", "table", NULL);
	CHECK_INT(rr_number(rr_row(json, "b"), "self_cpu_s") * 1e9 + 0.5, 500);
	CHECK_INT(rr_number(rr_row(json, "b"), "total_cpu_s") * 1e9 + 0.5, 800);
	CHECK_INT(rr_number(rr_row(json, "grow"), "self_cpu_s") * 1e9 + 0.5, 300);
	CHECK_INT(rr_number(rr_row(json, "c"), "self_cpu_s") * 1e9 + 0.5, 200);
	CHECK_INT(rr_number(rr_row(json, "a"), "total_cpu_s") * 1e9 + 0.5, 1000);
	CHECK_INT(rr_number(rr_row(json, "[not sampled]"), "self_cpu_s") * 1e9 + 0.5, 50);
	CHECK(rr_number(rr_row(json, "a"), "total_cpu_s_error") * 1e9 > 500); /* every sample hit it: of three, one may have been missed */
	CHECK(!strncmp(rr_find(rr_row(json, "a"), "calls"), "null", 4));
	CHECK(!strncmp(rr_find(rr_row(json, "a"), "self_wall_s"), "null", 4));
	CHECK_INT(rr_number(rr_row(json, "grow"), "allocated_bytes"), lround(bytes));
	CHECK(rr_number(rr_row(json, "grow"), "allocated_bytes_error") > 1.96 * deviation);
	CHECK_INT(rr_number(rr_row(json, "c"), "leaked_bytes"), lround(bytes));

	struct rp_report_options by_line = RP_REPORT_OPTIONS_INIT;
	by_line.format = RP_FORMAT_JSON;
	by_line.by = "line";
	json = rr_report("sampled.rprof", "table", &by_line);
	CHECK_INT(rr_number(rr_row(json, "b"), "line"), 21); /* its first line and one */

	struct rp_report_options stretch = RP_REPORT_OPTIONS_INIT;
	stretch.format = RP_FORMAT_JSON;
	stretch.from_s = 450e-9;
	stretch.to_s = 2000e-9;
	json = rr_report("sampled.rprof", "table", &stretch);
	CHECK_INT(rr_number(rr_row(json, "c"), "peak_bytes"), lround(bytes));
	CHECK(rr_number(rr_row(json, "c"), "peak_bytes_error") > 1.96 * deviation); /* it has not changed since the peak of the run */
	CHECK(rr_number(rr_row(json, "c"), "leaked_bytes_error") > 1.96 * deviation);
	CHECK(rr_number(rr_row(json, "grow"), "peak_bytes_error") > 1.96 * deviation);
	return 0;
}
