/* A limited file: detail gives way in its order, CPU time and regions reach the end, all that is missing is counted by kind, and the file
 * keeps its limit. Samples outlive calls, each with its stack. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#define PATH "limited.rprof"
#define LIMIT (1u << 20)
#define REGIONS_AFTER 500 /* the last step */
#define REGIONS_MAX 1000000
#define CALLS_EACH 60

static uint64_t calls, allocations, frees, regions, cpu_readings, told_events, told_bytes, contexts_lost;
static uint64_t samples, last_allocation, last_call, last_sample, last_region;
static uint32_t stack_depth, stack_top;

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	switch (e->kind) {
	case RP_EV_ENTER:
		calls += e->size; /* what it stands for */
		last_call = e->ticks;
		stack_top = e->id;
		stack_depth++;
		break;
	case RP_EV_EXIT:
		stack_depth--;
		break;
	case RP_EV_SAMPLE:
		CHECK_UINT(stack_depth, 1);
		CHECK_UINT(stack_top, e->lasti);
		samples++;
		last_sample = e->ticks;
		break;
	case RP_EV_ALLOC:
		allocations++;
		last_allocation = e->ticks;
		break;
	case RP_EV_FREE:
		frees++;
		break;
	case RP_EV_REGION_BEGIN:
		regions++;
		last_region = e->ticks;
		break;
	case RP_EV_CPU:
		cpu_readings++;
		break;
	case RP_EV_CONTEXT:
		contexts_lost += e->n_words == 1 && (uint32_t)e->words[0] == RP_CODE_LOST;
		stack_depth = e->n_words;
		stack_top = e->n_words ? (uint32_t)e->words[e->n_words - 1] : 0;
		break;
	case RP_EV_MORE:
		told_events += e->how == RP_MORE_LOST ? e->words[0] : 0;
		told_bytes += e->how == RP_MORE_LOST ? e->words[1] : 0;
		break;
	}
}

static void on_def(void *arg, struct rp_def *def)
{
	told_events += def->tag == RP_DEF_LOST ? def->num[2] : 0;
	told_bytes += def->tag == RP_DEF_LOST ? def->num[3] : 0;
}

static void emit_region(struct rp_thread *t, uint32_t region)
{
	rp_record_begin(t);
	rp_emit_region(t, RP_EV_REGION_BEGIN, region);
	for (int i = 0; i < CALLS_EACH; i++) {
		uint64_t address = test_noise() >> 16;
		uint32_t code = 1 + (uint32_t)(test_noise() & 1023);
		rp_emit_enter(t, code, (uint32_t)(test_noise() & 1023));
		rp_shadow_push(t, NULL, code, 0, 0);
		rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), address, 100);
		rp_emit_2(t, RP_EV_FREE, RP_A_FREE, address);
		if (i == CALLS_EACH / 2)
			rp_emit_words(t, RP_EV_SAMPLE, 0, (const uint64_t[]){ code }, 1, NULL, 0, 0);
		rp_emit_1(t, RP_EV_EXIT, RP_EXIT_RETURN);
		t->top--;
	}
	rp_emit_region(t, RP_EV_REGION_END, region);
	rp_record_end(t);
}

int main(void)
{
	struct rp_sink_status status;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = 65536, .file_bytes_max = LIMIT }, 60000);
	struct rp_record_totals totals;
	uint32_t n = 0;
	for (uint32_t after = 0; after < REGIONS_AFTER && n < REGIONS_MAX; after += status.gave_way == RP_GAVE_SAMPLES) {
		emit_region(rp_thread_enter(), ++n);
		if (n % 16 == 0) /* the thread hears of each step in time */
			CHECK_INT(rp_sink_sync(sink, UINT64_C(60000000000)), 0);
		rp_sink_status(sink, &status);
	}
	rp_record_totals(&totals);
	CHECK_INT(bed_stop(sink, &status), 0);
	CHECK_INT(status.gave_way, RP_GAVE_SAMPLES);
	CHECK(status.gave_way_ticks > 0);
	CHECK_UINT(status.lost_buffers, 0);

	struct walk w = { .on_event = on_event, .on_def = on_def };
	walk_trace(&w, PATH);
	CHECK(w.file_bytes <= LIMIT);
	CHECK_UINT(w.head.state, RP_STATE_COMPLETE);
	CHECK_UINT(regions, n); /* to the end */
	CHECK(contexts_lost > 0);
	CHECK(allocations > 0 && last_allocation < last_call && last_call < last_sample && last_sample < last_region);
	const uint64_t lost_calls = status.lost.calls + totals.lost.calls, lost_allocations = status.lost.allocations + totals.lost.allocations;
	const uint64_t lost_frees = status.lost.frees + totals.lost.frees, lost_samples = status.lost.samples + totals.lost.samples;
	CHECK(totals.lost.calls > 0 && totals.samples_only_ticks > 0);
	CHECK_UINT(allocations + lost_allocations, n * CALLS_EACH);
	CHECK_UINT(frees + lost_frees, n * CALLS_EACH);
	CHECK_UINT(calls + lost_calls, n * CALLS_EACH);
	CHECK_UINT(samples + lost_samples, n);
	CHECK_UINT(told_bytes, 100 * lost_allocations);
	CHECK(told_events >= lost_allocations + lost_frees + 2 * lost_calls - lost_calls / 2 + lost_samples);
	CHECK(cpu_readings > 0);
	return 0;
}
