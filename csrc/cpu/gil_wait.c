#define _GNU_SOURCE
#include "cpu/gil_wait.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "record/record.h"
#include "stack/elf_walk.h"

#define WAIT_FUNCTION "pthread_cond_timedwait"
#define SLOTS_MAX 4 /* one in practice; a second relocation type could make two */

typedef int wait_fn(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static struct {
	_Atomic uintptr_t *slots[SLOTS_MAX];
	uintptr_t before[SLOTS_MAX];
	uint32_t n;
	uintptr_t relro_start, relro_end;
	wait_fn *_Atomic real; /* set before the first slot changes, never cleared: a wait may outlast a session */
} gil;

static int timed_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	struct rp_thread *t = rp_thread_current();
	wait_fn *real = atomic_load_explicit(&gil.real, memory_order_relaxed);
	if (!atomic_load_explicit(&rp_record_on, memory_order_relaxed) || !t || t->busy)
		return real(cond, mutex, until);
	uint64_t start = rp_clock_ns(CLOCK_MONOTONIC);
	int result = real(cond, mutex, until);
	uint64_t ns = rp_clock_ns(CLOCK_MONOTONIC) - start;
	t = rp_thread_current(); /* the session may have ended meanwhile */
	if (t && !t->busy && atomic_load_explicit(&rp_record_on, memory_order_relaxed)) {
		rp_record_begin(t);
		/* No waiting for the writer: all of Python would wait with us, for the GIL's mutex. */
		rp_emit_words(t, RP_EV_MORE, RP_MORE_GIL_WAIT | 1 << 8, &ns, 1, NULL, 0, 0);
		rp_record_end(t);
	}
	return result;
}

static void keep_slot(const struct rp_elf_slot *slot, void *arg)
{
	const struct rp_elf_dyn *d = arg;
	int undefined, weak;
	if (slot->symbol >= d->first_defined)
		return; /* of 5,000, all but some hundreds: the interpreter's own functions */
	const char *symbol = rp_elf_symbol(d, slot, &undefined, &weak);
	if (gil.n < SLOTS_MAX && !weak && !strcmp(symbol, WAIT_FUNCTION))
		gil.slots[gil.n++] = (_Atomic uintptr_t *)slot->word;
}

/* dlsym takes ld.so's lock and may allocate where nothing is found: free to be called here, at the session's start and by its thread. */
static const struct rp_elf *find_interpreter(const struct rp_elf_list *l)
{
	uintptr_t at = (uintptr_t)dlsym(RTLD_DEFAULT, "PyEval_SaveThread");
	for (uint32_t i = 0; at && i < l->count; i++)
		if (at >= l->objects[i].start && at < l->objects[i].end)
			return &l->objects[i];
	return NULL;
}

static void find_slots(void)
{
	struct rp_elf_list l = RP_ELF_LIST_INIT;
	struct rp_elf_dyn d;
	if (rp_elf_list(&l))
		return;
	const struct rp_elf *e = find_interpreter(&l);
	if (e && !rp_elf_dyn_open(&d, e)) {
		rp_elf_slots(e, &d, keep_slot, &d);
		if (!rp_elf_relro(e, &gil.relro_start, &gil.relro_end))
			gil.relro_start = gil.relro_end = 0;
	}
	rp_elf_list_release(&l);
}

static int in_relro(const void *slot)
{
	return (uintptr_t)slot >= gil.relro_start && (uintptr_t)slot < gil.relro_end;
}

static int set_relro(int protection)
{
	return gil.relro_start ? mprotect((void *)gil.relro_start, gil.relro_end - gil.relro_start, protection) : 0;
}

int rp_gil_wait_install(void)
{
	gil.n = 0;
	wait_fn *real = (wait_fn *)dlsym(RTLD_DEFAULT, WAIT_FUNCTION);
	if (!real)
		return 0;
	atomic_store_explicit(&gil.real, real, memory_order_relaxed);
	find_slots();
	int protected = gil.n && in_relro((void *)gil.slots[0]);
	if (protected && set_relro(PROT_READ | PROT_WRITE))
		gil.n = 0;
	for (uint32_t i = 0; i < gil.n; i++)
		gil.before[i] = atomic_load_explicit(gil.slots[i], memory_order_relaxed);
	if (gil.n)
		rp_record_publish(); /* whoever calls through the slot finds `real` set: a call acquires nothing */
	for (uint32_t i = 0; i < gil.n; i++)
		atomic_store_explicit(gil.slots[i], (uintptr_t)timed_wait, memory_order_release);
	if (protected && gil.n)
		set_relro(PROT_READ);
	return (int)gil.n;
}

void rp_gil_wait_remove(void)
{
	int protected = gil.n && in_relro((void *)gil.slots[0]);
	if (protected && set_relro(PROT_READ | PROT_WRITE))
		return;
	for (uint32_t i = 0; i < gil.n; i++) {
		uintptr_t ours = (uintptr_t)timed_wait; /* only where nobody has come after us */
		atomic_compare_exchange_strong_explicit(gil.slots[i], &ours, gil.before[i], memory_order_release, memory_order_relaxed);
	}
	if (protected)
		set_relro(PROT_READ);
	gil.n = 0;
}
