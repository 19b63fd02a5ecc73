/* A program that loads hundreds of libraries in a second asks for as many looks, and the thread looks some fifty times: at once when it is first asked, and again
 * after the last that asked. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <time.h>

#include "../harness.h"
#include "names/names.h"

#define ASKED 300

static _Atomic uint32_t looks;

static int look(void)
{
	atomic_fetch_add(&looks, 1);
	return 0;
}

static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static void ask_and_wait(uint32_t before)
{
	rp_namer_look();
	for (int i = 0; i < 2000 && atomic_load(&looks) == before; i++)
		wait_ms(1);
	CHECK(atomic_load(&looks) > before);
}

int main(void)
{
	rp_clock_init();
	rp_namer_on_look(look);
	CHECK_INT(rp_namer_start(UINT64_C(1000000000), 5), 0);
	wait_ms(20); /* its thread has begun */
	ask_and_wait(0);
	uint64_t from = rp_clock_ns(CLOCK_MONOTONIC);
	uint32_t before = atomic_load(&looks);
	for (int i = 0; i < ASKED; i++) {
		rp_namer_look();
		wait_ms(1);
	}
	uint64_t took_ms = (rp_clock_ns(CLOCK_MONOTONIC) - from) / 1000000;
	uint32_t n = atomic_load(&looks) - before;
	CHECK(n >= 1 && n <= took_ms / 20 + 5); /* with those for names, which are due twice */
	ask_and_wait(atomic_load(&looks));
	rp_namer_finish(0);
	rp_namer_on_look(NULL);
	return 0;
}
