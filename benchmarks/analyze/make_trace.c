/* Makes a synthetic trace of any size, to measure the analyzer with.
 *
 *     make_trace OUT.rprof [events=20e6] [threads=2] [kind=mixed] [live=100000] [stacks=90000]
 *
 * calls:    enters and exits in a tree of `stacks` nodes over 2,000 functions.
 * allocs:   malloc and free of `live` blocks in random order.
 * mixed:    two calls (enter and exit), an allocation and a free in turn, a sample every 4,000 events and a CPU event every 500.
 * parallel: as mixed, with the threads side by side, as code without the GIL runs: nearly every event is of another thread.
 * hour:     as mixed, spread over an hour with pauses (native code at work), in 2,000 regions (quanta); most blocks die young, the
 *           number of live ones grows to `live`.
 *
 * But for `parallel`, threads take turns of 500 events. The call tree is made beforehand, each node with up to six callees of which
 * the first are called far more often than the last; a node allocates in two places. Every 4,000 events a thread goes to
 * another part of the tree. What came out is printed. */
#include "../../tests/cunit/trace_writer.h"

#define CODES 2000
#define STACKS 2000
#define NATIVE_DEPTH 8
#define CALLEES_MAX 6
#define TURN 500
#define PHASE 4000
#define REGIONS 2000
#define HOUR_NS UINT64_C(3600000000000)

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(next_random() >> 33) % n;
}

/* ---- the call tree ---- */

struct place {
	uint32_t parent, code, lasti, depth;
	uint32_t callee[CALLEES_MAX], n_callees;
	uint8_t seen; /* bit 0: called; 1 and 2: allocated in its two places */
};

static struct place *places;
static uint32_t n_places;

static void grow_tree(uint32_t n)
{
	places = calloc(n, sizeof(*places));
	places[0].code = 1;
	n_places = 1;
	while (n_places < n) {
		/* Callers close to the node before, so that the tree is deep in places and broad in others, as programs are. */
		uint32_t near = n_places < 4000 || below(4) == 0 ? n_places : 4000, parent = n_places - 1 - below(near);
		struct place *p = &places[parent];
		if (p->n_callees == CALLEES_MAX || p->depth > 40)
			continue;
		places[n_places] = (struct place){ .parent = parent, .code = 1 + below(CODES), .lasti = 10 + 7 * p->n_callees,
						   .depth = p->depth + 1 };
		p->callee[p->n_callees++] = n_places++;
	}
}

/* ---- one thread's work ---- */

struct load {
	struct tw_thread *t;
	uint32_t at, base; /* places in the tree: now, and where this phase's work hangs */
	uint64_t *live;
	size_t n_live, live_max, live_aim;
	uint64_t next_address, waited;
};

static uint64_t pause_max;

static uint64_t time_step(void)
{
	uint64_t r = next_random();

	if (pause_max && r % 64 == 0)
		return r / 64 % pause_max;
	return 40 + r % 128;
}

static void go_up(struct load *l)
{
	tw_exit(l->t, time_step());
	l->at = places[l->at].parent;
}

static void go_down(struct load *l, uint32_t to)
{
	l->at = to;
	places[to].seen |= 1;
	tw_enter(l->t, time_step(), places[to].code, places[to].lasti);
}

static void begin_phase(struct load *l)
{
	uint32_t path[64], n = 0, to = below(n_places);

	for (uint32_t i = to; i && n < 64; i = places[i].parent)
		path[n++] = i;
	while (l->at && (places[l->at].depth > n || path[n - places[l->at].depth] != l->at))
		go_up(l);
	for (uint32_t i = n - places[l->at].depth; i-- > 0;)
		go_down(l, path[i]);
	l->base = l->at;
}

static void one_call(struct load *l)
{
	const struct place *p = &places[l->at];
	uint32_t which = 0;

	if (l->at == l->base && !p->n_callees) {
		l->base = p->parent;
		go_up(l);
	} else if (p->n_callees && (l->at == l->base || next_random() & 1)) {
		while (which + 1 < p->n_callees && next_random() % 3 == 0)
			which++;
		go_down(l, p->callee[which]);
	} else {
		go_up(l);
	}
}

static void one_allocation(struct load *l, int long_lived)
{
	if (l->n_live < 16 || (l->n_live < l->live_max && next_random() % 16 < (l->n_live < l->live_aim ? 11 : 7))) {
		uint32_t site = below(2);
		uint64_t r = next_random(), size = UINT64_C(8) << (r & 7), address = l->next_address;
		if (long_lived && r % 4096 < 2)
			size = 1 << 20;
		places[l->at].seen |= (uint8_t)(2 << site);
		l->next_address += (size + 31) & ~UINT64_C(15);
		tw_alloc(l->t, time_step(), address, size, site * 4, 1 + (places[l->at].code * 2 + site) % STACKS);
		l->live[l->n_live++] = address;
	} else {
		/* Most blocks die young. */
		size_t back = long_lived && next_random() % 8 ? below(16) : below((uint32_t)l->n_live), i = l->n_live - 1 - back % l->n_live;
		tw_free(l->t, time_step(), l->live[i]);
		l->live[i] = l->live[--l->n_live];
	}
}

static void stack_words(uint32_t i, uint64_t words[NATIVE_DEPTH])
{
	for (uint32_t k = 0; k < NATIVE_DEPTH; k++)
		words[k] = 0x7f0000000000u + (i * NATIVE_DEPTH + k * (i % 5 + 1)) % (STACKS * 4) * 16;
}

static void define(struct tw *w, int regions)
{
	char name[64], file[64];

	tw_clock(w);
	for (uint32_t i = 1; i <= CODES; i++) {
		snprintf(name, sizeof(name), "function_%u", i);
		snprintf(file, sizeof(file), "/lib/package/module_%u.py", i % 100);
		tw_code(w, i, name, file, i, RP_STR(""));
	}
	for (uint32_t i = 0; i < STACKS * 4; i++) {
		snprintf(name, sizeof(name), "ns::kernel_%u(double, int)", i);
		tw_symbol(w, 0x7f0000000000u + i * 16, name, "kernel.cc", i);
	}
	for (uint32_t i = 1; regions && i <= REGIONS; i++) {
		snprintf(name, sizeof(name), "%u", i);
		tw_region_def(w, i, 0, i % 3 ? "isr" : "calibrate", "exposure", name);
	}
}

static void begin_thread(struct load *l, struct tw *w, uint32_t id, size_t live_max)
{
	uint64_t words[NATIVE_DEPTH];

	l->t = tw_thread(w, id);
	l->live = malloc(live_max * sizeof(*l->live));
	l->live_max = live_max;
	l->next_address = 0x100000000000u * id >> 4;
	tw_enter(l->t, 0, 1, TW_NONE);
	for (uint32_t k = 0; k < STACKS; k++) {
		stack_words(k, words);
		tw_stack(l->t, 10, k + 1, words, NATIVE_DEPTH);
	}
}

int main(int argc, char **argv)
{
	static struct tw w;
	static struct load loads[TW_THREADS_MAX];
	uint64_t events = argc > 2 ? (uint64_t)strtod(argv[2], NULL) : 20000000, words[NATIVE_DEPTH];
	uint32_t threads = argc > 3 ? (uint32_t)atoi(argv[3]) : 2;
	const char *kind = argc > 4 ? argv[4] : "mixed";
	size_t live_max = argc > 5 ? (size_t)strtod(argv[5], NULL) : 100000;
	uint32_t stacks = argc > 6 ? (uint32_t)strtod(argv[6], NULL) : 90000;
	int calls = !strcmp(kind, "calls"), allocs = !strcmp(kind, "allocs"), parallel = !strcmp(kind, "parallel"),
	    hour = !strcmp(kind, "hour");

	if (argc < 2 || threads < 1 || threads > TW_THREADS_MAX || live_max < 32 || stacks < 10) {
		fprintf(stderr, "usage: make_trace OUT.rprof [events] [threads] [calls|allocs|mixed|parallel|hour] [live] [stacks]\n");
		return 2;
	}
	pause_max = hour ? HOUR_NS * 128 / events : 0;
	grow_tree(stacks);
	tw_open(&w, argv[1]);
	define(&w, hour);
	for (uint32_t i = 0; i < threads; i++)
		begin_thread(&loads[i], &w, i + 1, live_max / threads);

	struct load *before = &loads[0];
	uint64_t per_region = events / REGIONS + 1;
	for (uint64_t n = 0; n < events; n++) {
		struct load *l = parallel ? &loads[n % threads] : &loads[n / TURN % threads];
		if (hour && n % per_region == 0) {
			uint32_t id = 1 + (uint32_t)(n / per_region);
			if (id > 1)
				tw_region(before->t, 10, RP_EV_REGION_END, id - 1);
			tw_region(l->t, 10, RP_EV_REGION_BEGIN, id);
		}
		if (n % TURN == 0) {
			uint64_t gap = !parallel && before->t->ticks > l->t->ticks ? before->t->ticks - l->t->ticks : 0;
			l->waited += gap;
			tw_cpu(l->t, gap + 100, l->t->ticks + gap + 100 - l->waited);
		}
		if (!allocs && n / TURN / threads % (PHASE / TURN) == 0 && n % TURN < (parallel ? threads : 1))
			begin_phase(l);
		l->live_aim = hour ? (size_t)((double)l->live_max * (double)n / (double)events) : l->live_max;
		if (calls || (!allocs && n / (parallel ? threads : 1) & 1))
			one_call(l);
		else
			one_allocation(l, hour);
		if (n % 4000 == 0) {
			stack_words(below(STACKS), words);
			tw_sample(l->t, 10, 3, words + below(4), 4);
		}
		before = l;
#ifdef LOOK /* looks.c */
		LOOK(&w, argv[1], n, before->t->ticks, threads);
#endif
	}
	tw_close(&w, RP_STATE_COMPLETE);

	uint64_t called = 0, sites = 0, live = 0;
	for (uint32_t i = 0; i < n_places; i++) {
		called += places[i].seen & 1;
		sites += (places[i].seen >> 1 & 1) + (places[i].seen >> 2);
	}
	for (uint32_t i = 0; i < threads; i++)
		live += loads[i].n_live;
	printf("%.1f s, at least %llu call paths, %llu allocating stacks, %llu blocks live\n", (double)before->t->ticks / 1e9,
	       (unsigned long long)called, (unsigned long long)sites, (unsigned long long)live);
	return 0;
}
