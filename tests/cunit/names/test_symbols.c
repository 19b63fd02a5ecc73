/* What threads note at the same time is asked for once, all of it, in order; noted again it is not asked for again in the same session,
 * but is in the next. */
/* rp-test: libraries=libdw,libelf */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "../harness.h"
#include "names/names.h"
#include "stack/stack.h"

#define THREADS 4
#define ADDRESSES 100000

static uint64_t asked, last;

void rp_modules_refresh(void)
{
}

int rp_modules_find(uint64_t address, struct rp_module_info *ret_info)
{
	CHECK(address > last || !asked);
	last = address;
	asked++;
	return RP_ENOTFOUND;
}

/* Addresses as code has them: dense, and of few objects. */
static uint64_t address_of(uint64_t i)
{
	return UINT64_C(0x7f0000001001) + (i % 7) * UINT64_C(0x10000000) + i / 7 * 5;
}

static void *note_all(void *arg)
{
	uint64_t from = (uint64_t)(uintptr_t)arg * (ADDRESSES / THREADS);
	for (uint64_t i = 0; i < ADDRESSES; i++)
		rp_address_note(address_of((from + i) % ADDRESSES));
	return NULL;
}

static uint64_t define(void)
{
	asked = 0;
	CHECK_INT(rp_symbols_define(NULL, 0), 0);
	return asked;
}

static struct rp_sink *begin(void)
{
	struct rp_sink *sink;
	struct rp_sink_options options = { .path = "s.rprof", .buffer_bytes = 65536, .memory_bytes_max = 4u << 20, .no_uring = 1 };
	unlink(options.path);
	CHECK_INT(rp_sink_open(&sink, &options), 0);
	rp_record_open(sink, 100);
	return sink;
}

static void end(struct rp_sink *sink)
{
	rp_record_quiesce();
	rp_record_close();
	rp_record_detach();
	CHECK_INT(rp_sink_close(sink, NULL), 0);
}

int main(void)
{
	pthread_t threads[THREADS];
	rp_clock_init();
	struct rp_sink *sink = begin();
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, note_all, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_UINT(define(), ADDRESSES);
	note_all(NULL);
	CHECK_UINT(define(), 0);
	rp_address_note(5);
	CHECK_UINT(define(), 1);
	end(sink);

	sink = begin();
	CHECK_UINT(define(), 0);
	for (uint64_t i = 0; i < 1000; i++)
		rp_address_note(address_of(i));
	CHECK_UINT(define(), 1000);
	end(sink);
	unlink("s.rprof");
	return 0;
}
