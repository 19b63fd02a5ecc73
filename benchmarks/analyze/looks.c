/* CPU time of looks (rp_report_look) at a trace that grows to an hour: make_trace.c, which looks while it writes.
 *
 *   cc -O2 -std=gnu11 -DRUBINPROF_VERSION='"looks"' -Icsrc -Icsrc/include -o build/bench/looks benchmarks/analyze/looks.c \
 *       $(ls csrc/{base,format,os,reader,native,aggregate,index,report}/*.c | grep -v windows) -llz4 -lzstd -lm -lpthread
 *   build/bench/looks OUT.rprof 100e6 8 hour 2e6 113000
 *
 * At 10 million events, at 100 million and at the end: the first look of whoever begins there, and of one who has looked all the time the
 * looks after 100,000 and 1,000,000 events more, and after none. */
#include <sys/resource.h>
#include <time.h>

#include "rubinprof/rp_report.h"

struct tw;
static void look_at(struct tw *w, const char *path, unsigned long long n, unsigned long long ticks, unsigned threads);
#define LOOK(w, path, n, ticks, threads) look_at(w, path, n, ticks, threads)
#include "make_trace.c"

#define ROWS 100 /* as `rubinprof top` asks for */

static double cpu_ms(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1e3 +
	       (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec + children.ru_utime.tv_usec + children.ru_stime.tv_usec) / 1e3;
}

static int drop(void *user, const void *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)user += len;
	return 0;
}

static void look(struct rp_trace **trace, const char *path, const char *what)
{
	char detail[RP_DETAIL_BYTES] = "";
	size_t bytes = 0;
	const struct rp_report_options o = { .by = "function", .metric = "cpu", .n = ROWS };
	double begin = cpu_ms();

	if ((!*trace && rp_trace_open(trace, &path, 1, detail)) || rp_report_look(*trace, &o, drop, &bytes, detail)) {
		fprintf(stderr, "%s\n", detail);
		exit(1);
	}
	printf("  %-24s %9.1f ms CPU, %zu bytes of JSON\n", what, cpu_ms() - begin, bytes);
	fflush(stdout);
}

/* All that was written so far becomes a trace of a program that runs. */
static void settle(struct tw *w, unsigned long long ticks)
{
	uint8_t bytes[RP_FILE_HEADER_BYTES];

	for (uint32_t i = 0; i < w->n_threads; i++)
		tw_flush(&w->threads[i]);
	TW_DEF(w, rp_def_put_clock(w->defs_at, w->defs_end, ticks, ticks, 1700000000000000000u + ticks, 0));
	tw_flush_defs(w);
	w->header.state = RP_STATE_RUNNING;
	w->header.data_end = w->at;
	rp_file_header_encode(&w->header, bytes);
	rewind(w->file);
	tw_write(w, bytes, sizeof(bytes));
	w->at -= sizeof(bytes);
	fseek(w->file, 0, SEEK_END);
	fflush(w->file);
}

static void look_at(struct tw *w, const char *path, unsigned long long n, unsigned long long ticks, unsigned threads)
{
	static struct rp_trace *watched;
	unsigned long long since = n >= 100000000 ? n - 100000000 : n - 10000000;
	struct rp_trace *fresh = NULL;

	(void)threads;
	if (n < 10000000 || (since != 0 && since != 100000 && since != 1100000))
		return;
	settle(w, ticks);
	if (!since) {
		printf("%llu million events\n", n / 1000000);
		look(&fresh, path, "the first look");
		rp_trace_close(fresh);
		look(&watched, path, "after all since");
		look(&watched, path, "nothing new");
	} else {
		look(&watched, path, since == 100000 ? "100,000 new events" : "1,000,000 new events");
	}
}
