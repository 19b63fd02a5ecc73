/* Makes a synthetic trace of any size, to measure the analyzer with.
 *
 *     make_trace OUT.rprof [events=20e6] [threads=2] [kind=mixed|calls|allocs] [live=100000]
 *
 * calls:   a tree of 2,000 functions, 12 deep at most.
 * allocs:  malloc and free of `live` blocks in random order, each function in four places.
 * mixed:   two calls (enter and exit), an allocation and a free in turn, a sample every 4,000 events and a CPU event every 500. */
#include "../../tests/cunit/trace_writer.h"

#define CODES 2000
#define STACKS 200
#define DEPTH_MAX 12

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct load {
	struct tw_thread *t;
	uint32_t depth;
	uint64_t *live;
	size_t n_live, live_max;
	uint64_t next_address, cpu;
};

static void one_call(struct load *l)
{
	if (l->depth < 2 || (l->depth < DEPTH_MAX && next_random() & 1)) {
		/* Each function calls few others, each from its line, as in life: about 90,000 distinct stacks. */
		uint32_t which = (uint32_t)(next_random() % 3);
		which = which == 2 ? 2 : 0 + (next_random() % 8 == 0);
		tw_enter(l->t, 60 + next_random() % 40, 1 + (l->depth * 160 + which) % CODES, which * 8);
		l->depth++;
	} else {
		tw_exit(l->t, 40 + next_random() % 40);
		l->depth--;
	}
}

static void one_allocation(struct load *l)
{
	if (l->n_live < l->live_max && (l->n_live < 16 || next_random() & 1)) {
		uint64_t address = l->next_address += 16 + (next_random() & 15) * 16, size = 8 << (next_random() & 7);
		uint32_t site = (uint32_t)(next_random() & 3); /* each function allocates in four places */
		tw_alloc(l->t, 50, address, size, site * 4, 1 + (l->depth * 4 + site) % STACKS);
		l->live[l->n_live++] = address;
	} else {
		size_t i = next_random() % l->n_live;
		tw_free(l->t, 50, l->live[i]);
		l->live[i] = l->live[--l->n_live];
	}
}

static void define(struct tw *w)
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
}

static void stack_words(uint32_t i, uint64_t words[8])
{
	for (uint32_t k = 0; k < 8; k++)
		words[k] = 0x7f0000000000u + (i * 8 + k * (i % 5 + 1)) % (STACKS * 4) * 16;
}

int main(int argc, char **argv)
{
	static struct tw w;
	static struct load loads[TW_THREADS_MAX];
	uint64_t events = argc > 2 ? (uint64_t)strtod(argv[2], NULL) : 20000000, words[8];
	uint32_t threads = argc > 3 ? (uint32_t)atoi(argv[3]) : 2;
	const char *kind = argc > 4 ? argv[4] : "mixed";
	size_t live_max = argc > 5 ? (size_t)strtod(argv[5], NULL) : 100000;

	if (argc < 2 || threads < 1 || threads > TW_THREADS_MAX || live_max < 32) {
		fprintf(stderr, "usage: make_trace OUT.rprof [events] [threads] [mixed|calls|allocs] [live]\n");
		return 2;
	}
	tw_open(&w, argv[1]);
	define(&w);
	for (uint32_t i = 0; i < threads; i++) {
		struct load *l = &loads[i];
		l->t = tw_thread(&w, i + 1);
		l->live = malloc(live_max * sizeof(*l->live));
		l->live_max = live_max;
		l->next_address = 0x100000000000u * (i + 1) >> 4;
		for (uint32_t k = 0; k < STACKS; k++) {
			stack_words(k, words);
			tw_stack(l->t, 10, k + 1, words, 8);
		}
		while (l->depth < 5)
			one_call(l);
	}
	for (uint64_t n = 0; n < events; n++) {
		/* Threads in stretches, as a GIL makes them. */
		struct load *l = &loads[n / 500 % threads];
		if (l->t->ticks < loads[(n / 500 + threads - 1) % threads].t->ticks)
			l->t->ticks = loads[(n / 500 + threads - 1) % threads].t->ticks;
		if (!strcmp(kind, "calls") || (!strcmp(kind, "mixed") && n & 1))
			one_call(l);
		else
			one_allocation(l);
		if (n % 4000 == 0) {
			stack_words((uint32_t)(next_random() % STACKS), words);
			tw_sample(l->t, 10, 3, words + n / 4000 % 4, 4);
		}
		if (n % 500 == 0)
			tw_cpu(l->t, 100, l->cpu += 30000);
	}
	tw_close(&w, RP_STATE_COMPLETE);
	return 0;
}
