/* A limited file: detail gives way in its order, CPU time and regions reach the end, all that is missing is counted by kind, and the file
 * keeps its limit. */
#define _GNU_SOURCE
#include "../record/record_bed.h"

#define PATH "limited.rprof"
#define LIMIT (2u << 20)
#define REGIONS 4000
#define CALLS_EACH 60

static uint64_t calls, allocations, frees, regions, cpu_readings, told_events, told_bytes, contexts_lost;
static uint64_t last_allocation, last_call, last_region;

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	switch (e->kind) {
	case RP_EV_ENTER:
		calls += e->size; /* what it stands for */
		last_call = e->ticks;
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
		break;
	case RP_EV_MORE:
		told_events += e->how == RP_MORE_LOST ? e->words[0] : 0;
		told_bytes += e->how == RP_MORE_LOST ? e->words[1] : 0;
		break;
	}
}

static uint64_t noise(void)
{
	static uint64_t state = 88172645463325252u;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void emit_region(struct rp_thread *t, uint32_t region)
{
	rp_record_begin(t);
	rp_emit_2(t, RP_EV_REGION_BEGIN, 0, region);
	for (int i = 0; i < CALLS_EACH; i++) {
		uint64_t address = noise() >> 16;
		rp_emit_enter(t, 1 + (uint32_t)(noise() & 1023), (uint32_t)(noise() & 1023));
		rp_emit_3(t, RP_EV_ALLOC, rp_alloc_arg(RP_A_MALLOC, 0), address, 100);
		rp_emit_2(t, RP_EV_FREE, RP_A_FREE, address);
		rp_emit_1(t, RP_EV_EXIT, RP_EXIT_RETURN);
	}
	rp_emit_2(t, RP_EV_REGION_END, 0, region);
	rp_record_end(t);
}

int main(void)
{
	struct rp_sink_status status;
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .buffer_bytes = 65536, .file_bytes_max = LIMIT }, 60000);
	for (uint32_t i = 0; i < REGIONS; i++)
		emit_region(rp_thread_enter(), i + 1);
	CHECK_INT(bed_stop(sink, &status), 0);
	CHECK_INT(status.gave_way, RP_GAVE_CALLS);
	CHECK_UINT(status.lost_buffers, 0);

	struct walk w = { .on_event = on_event };
	walk_trace(&w, PATH);
	CHECK(w.file_bytes <= LIMIT);
	CHECK_UINT(w.head.state, RP_STATE_COMPLETE);
	CHECK_UINT(regions, REGIONS); /* to the end */
	CHECK(contexts_lost > 0);
	CHECK(allocations > 0 && last_allocation < last_call && last_call < last_region);
	CHECK_UINT(allocations + status.lost.allocations, REGIONS * CALLS_EACH);
	CHECK_UINT(frees + status.lost.frees, REGIONS * CALLS_EACH);
	CHECK_UINT(calls + status.lost.calls, REGIONS * CALLS_EACH);
	CHECK_UINT(told_bytes, 100 * status.lost.allocations);
	CHECK(told_events >= status.lost.allocations + status.lost.frees + 2 * status.lost.calls - status.lost.calls / 2);
	CHECK(cpu_readings > 0);
	return 0;
}
