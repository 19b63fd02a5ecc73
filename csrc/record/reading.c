/* Readings: what the kernel says of the process, for definitions. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "record/record_state.h"
#include "sink/sink.h"

#define STATUS_BYTES 4096

/* Regions may come by the million: their readings take at most this part of the time... */
#define SHARE 100
/* ...and may use it up in advance. */
#define ADVANCE_NS (UINT64_C(10) * 1000000 * SHARE)
/* A reading is charged with no more: what lies above is another process's turn on this core. */
#define PRICE_NS_MAX UINT64_C(100000)

/* Until when, in ticks, the readings so far are paid for. Relaxed: two threads that read at once pay once, which does no harm. */
static _Atomic uint64_t paid_until;

/* The figure of a line "VmHWM:     1234 kB", in bytes; 0: there is none. */
static uint64_t kib_line(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

static uint64_t resident_of_statm(const char *text)
{
	const char *at = strchr(text, ' '); /* "size resident shared ...", in pages */

	return at ? strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t ns_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

/* Into text[STATUS_BYTES]; "" when it cannot be read. */
static void read_file(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, STATUS_BYTES - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
}

void rp_reading_take(struct rp_reading *ret_reading)
{
	char text[STATUS_BYTES];
	struct rp_reading r = { .ticks = rp_clock_ticks() };

	/* Not ru_maxrss: that lives on through execve, so a small program started by a large one would have the large one's. */
	read_file("/proc/thread-self/status", text); /* of this thread: the process's first may have ended */
	r.resident_bytes = kib_line(text, "\nVmRSS:");
	r.high_water_bytes = kib_line(text, "\nVmHWM:");
	r.file_bytes = kib_line(text, "\nRssFile:") + kib_line(text, "\nRssShmem:");
	if (!r.resident_bytes) {
		read_file("/proc/thread-self/statm", text);
		r.resident_bytes = resident_of_statm(text);
	}
	r.cpu_ns = rp_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct rusage usage;
	if (!getrusage(RUSAGE_SELF, &usage)) {
		r.n_counters = RP_COUNTER_COUNT;
		r.counters[RP_COUNTER_USER] = ns_of(usage.ru_utime);
		r.counters[RP_COUNTER_SYSTEM] = ns_of(usage.ru_stime);
		r.counters[RP_COUNTER_MINOR_FAULTS] = (uint64_t)usage.ru_minflt;
		r.counters[RP_COUNTER_MAJOR_FAULTS] = (uint64_t)usage.ru_majflt;
	}
	*ret_reading = r;
}

void rp_define_region_reading(uint32_t region, enum rp_reading_moment moment)
{
	struct rp_reading r;
	RP_HOLD_CANCEL();
	uint64_t now = rp_clock_ticks(), paid = atomic_load_explicit(&paid_until, memory_order_relaxed);

	if (paid > now + rp_clock_ticks_of_ns(ADVANCE_NS))
		return;
	rp_reading_take(&r);
	r.region = region;
	r.moment = moment;
	uint8_t *end, *p = rp_define_begin(RP_READING_BYTES_MAX, &end);
	if (p)
		rp_define_end(rp_def_put_reading(p, end, &r));
	uint64_t price = rp_clock_ticks() - now, price_max = rp_clock_ticks_of_ns(PRICE_NS_MAX);
	paid = (paid > now ? paid : now) + (price < price_max ? price : price_max) * SHARE;
	atomic_store_explicit(&paid_until, paid, memory_order_relaxed);
}
