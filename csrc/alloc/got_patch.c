/* How a slot is changed safely:
 *   - Under ld.so's list lock, so that no object vanishes while it is read and written, and only in objects that are relocated: ld.so would add
 *     the bias to our address. Those are all that were listed before its other lock, which a dlopen holds to its end, was free once.
 *   - Only a slot that holds what we know is changed: the original, another symbol of the original's own library, or the stub of
 *     lazy binding. Whatever else stands there belongs to another tool or to an allocator of the object's own, and sending its
 *     frees to the wrong heap would be worse than not seeing them.
 *   - NULL stays NULL: the program asks whether a weak function exists. */
#define _GNU_SOURCE

#include "alloc/got_patch.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/record.h"

#define LIST_ROUNDS 16
#define FORK_WAIT_MS 50
#define SLOTS_MAX (1u << 18) /* reserved, touched as needed; a process with 300 libraries has about 500 */

/* A power of two. A symbol has one or two versions, and at most half of the slots are taken. */
#define TARGET_SLOTS 512u

struct patch {
	uintptr_t *slot;
	uintptr_t saved;  /* put back at removal */
	uint32_t hook;
	uint32_t object;  /* index in known[] */
};

struct known {
	const ElfW(Phdr) *phdr; /* with bias and path: an identity; never dereferenced */
	uintptr_t bias;
	uint64_t path_hash;
	int gone;
};

static struct {
	const struct rp_got_hook *hooks;
	uint32_t n_hooks;
	uintptr_t home_start[RP_GOT_HOOKS_MAX], home_end[RP_GOT_HOOKS_MAX]; /* the object each original is in */
	uint8_t used[RP_GOT_HOOKS_MAX];
	struct {
		uintptr_t start, bytes;
	} homes[RP_GOT_HOOKS_MAX]; /* of used hooks, each object once */
	uint32_t n_homes;
	uintptr_t targets[TARGET_SLOTS]; /* where a slot for a hooked symbol leads, in any version: a hash table, 0 is free */
	uint32_t n_targets;
	struct patch *patches;
	uint32_t n_patches;
	struct known *known;
	uint32_t n_known;
	/* Changed by who holds `owner`, read by all: relaxed, a stale value costs one more look. */
	_Atomic unsigned long long adds, subs;
	/* pid of the process one of whose threads refreshes now, 0: none. In a forked child the parent's value does not count. */
	_Atomic int owner;
	_Atomic int again;
	_Atomic int active; /* stored when all else is there, acquired by each thread that refreshes */
} got;

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* ---- one object ---- */

struct object_patch {
	const struct rp_elf *elf;
	const struct rp_elf_dyn *dyn;
	uint32_t index;
	uintptr_t relro_start, relro_end;
	int relro_open; /* 1: made writable; -1: could not be */
};

static int in_relro(const struct object_patch *o, uintptr_t at)
{
	return at >= o->relro_start && at < o->relro_end;
}

static int make_writable(struct object_patch *o, uintptr_t at)
{
	if (!in_relro(o, at)) {
		for (uint32_t i = 0; i < o->elf->phnum; i++) {
			const ElfW(Phdr) *p = &o->elf->phdr[i];
			if (p->p_type == PT_LOAD && p->p_flags & PF_W && at - (o->elf->bias + p->p_vaddr) < p->p_memsz)
				return 1;
		}
		return 0;
	}
	if (!o->relro_open)
		o->relro_open = mprotect((void *)o->relro_start, o->relro_end - o->relro_start, PROT_READ | PROT_WRITE) ? -1 : 1;
	return o->relro_open > 0;
}

static void close_relro(struct object_patch *o)
{
	if (o->relro_open > 0)
		mprotect((void *)o->relro_start, o->relro_end - o->relro_start, PROT_READ);
	o->relro_open = 0;
}

static int find_hook(const char *symbol)
{
	for (uint32_t i = 0; i < got.n_hooks; i++)
		if (!strcmp(got.hooks[i].symbol, symbol))
			return (int)i;
	return -1;
}

/* What to put back when `value` is found in a slot for hook h; 0: the slot is to be left alone. */
static uintptr_t replaceable(const struct object_patch *o, uint32_t h, uintptr_t value)
{
	uintptr_t real = (uintptr_t)*got.hooks[h].real;
	if (value == real || (value >= got.home_start[h] && value < got.home_end[h]))
		return value;
	if (rp_elf_is_code(o->elf, value) && !rp_elf_defined(o->elf, o->dyn, got.hooks[h].symbol))
		return real; /* the stub that would look the symbol up at the first call */
	return 0;
}

static uint32_t target_slot(uintptr_t at)
{
	uint32_t i = (uint32_t)((at >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (TARGET_SLOTS - 1);
	while (got.targets[i] && got.targets[i] != at)
		i = (i + 1) & (TARGET_SLOTS - 1);
	return i;
}

static void add_target(uintptr_t at)
{
	uint32_t i = target_slot(at);
	if (got.targets[i] || got.n_targets == TARGET_SLOTS / 2)
		return;
	got.targets[i] = at;
	got.n_targets++;
}

static int is_target(uintptr_t value)
{
	for (uint32_t i = 0; i < got.n_homes; i++)
		if (value - got.homes[i].start < got.homes[i].bytes)
			return got.targets[target_slot(value)] != 0;
	return 0;
}

/* A slot of the procedure linkage table that was not bound yet leads to a stub of the object's own, and so may one of a function that the object
 * has itself. Who has it is told by the order of the symbols. */
static int may_be_stub(const struct rp_elf_slot *slot, const struct object_patch *o, uintptr_t value)
{
	return slot->is_call && slot->symbol < o->dyn->first_defined && value - o->elf->start < o->elf->end - o->elf->start;
}

/* Of 100,000 slots some hundreds come to the name, which costs two misses of the cache. */
static void patch_slot(const struct rp_elf_slot *slot, void *arg)
{
	struct object_patch *o = arg;
	uintptr_t value = *slot->word, saved;
	int is_known = is_target(value), undefined, weak;
	if (!is_known && !may_be_stub(slot, o, value))
		return;
	const char *symbol = rp_elf_symbol(o->dyn, slot, &undefined, &weak);
	int h = is_known || undefined ? find_hook(symbol) : -1;
	if (h < 0 || !got.used[h] || !(saved = replaceable(o, (uint32_t)h, value)))
		return;
	if (got.n_patches == SLOTS_MAX || !make_writable(o, (uintptr_t)slot->word))
		return;
	got.patches[got.n_patches++] = (struct patch){ slot->word, saved, (uint32_t)h, o->index };
	/* Release, with rp_record_publish in find_and_patch: whoever calls through the slot finds the hook's table filled. */
	__atomic_store_n(slot->word, (uintptr_t)got.hooks[h].hook, __ATOMIC_RELEASE);
}

static void patch_object(const struct rp_elf *e, uint32_t index)
{
	struct rp_elf_dyn dyn;
	if (rp_elf_dyn_open(&dyn, e))
		return;
	struct object_patch o = { e, &dyn, index, 0, 0, 0 };
	if (!rp_elf_relro(e, &o.relro_start, &o.relro_end))
		o.relro_start = o.relro_end = 0;
	rp_elf_slots(e, &dyn, patch_slot, &o);
	close_relro(&o);
}

/* ---- all objects ---- */

/* *next: where it is looked for first. Objects are listed in the order in which they became known. */
static int known_index(const struct rp_elf *e, uint32_t *next)
{
	for (uint32_t n = 0; n < got.n_known; n++) {
		uint32_t i = *next < got.n_known ? *next : 0;
		const struct known *k = &got.known[i];
		*next = i + 1;
		if (!k->gone && k->bias == e->bias && k->phdr == e->phdr && k->path_hash == e->path_hash)
			return (int)i;
	}
	return -1;
}

static int remember(const struct rp_elf *e)
{
	if (got.n_known == RP_ELF_OBJECTS_MAX)
		return -1;
	got.known[got.n_known] = (struct known){ e->phdr, e->bias, e->path_hash, 0 };
	return (int)got.n_known++;
}

static void forget_unloaded(const struct rp_elf_list *l)
{
	for (uint32_t i = 0; i < got.n_known; i++) {
		int found = 0;
		for (uint32_t j = 0; j < l->count && !found; j++)
			found = l->objects[j].bias == got.known[i].bias && l->objects[j].phdr == got.known[i].phdr;
		got.known[i].gone |= !found;
	}
	uint32_t kept = 0;
	for (uint32_t i = 0; i < got.n_patches; i++)
		if (!got.known[got.patches[i].object].gone)
			got.patches[kept++] = got.patches[i];
	got.n_patches = kept;
}

/* An object that was unloaded and loaded again at the same place looks like the old one but has fresh slots. */
static void drop_lost_patches(uint32_t object)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < got.n_patches; i++)
		if (got.patches[i].object != object)
			got.patches[kept++] = got.patches[i];
	got.n_patches = kept;
}

/* A sanitizer's runtime lets libc allocate on threads that it has not set up yet, where none of our (instrumented) code may run: in such a build
 * libc's own calls and the runtime's are left alone. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
static const char *const left_alone[] = { "/libc.so", "/libtsan.so", "/libasan.so" };
#else
static const char *const left_alone[] = { NULL };
#endif

static int is_left_alone(const struct rp_elf *e)
{
	for (size_t i = 0; i < RP_COUNT_OF(left_alone) && left_alone[i]; i++)
		if (strstr(e->path, left_alone[i]))
			return 1;
	return e->is_vdso || e->is_loader || e->is_self;
}

static int has_lost(uint32_t object)
{
	for (uint32_t p = 0; p < got.n_patches; p++)
		if (got.patches[p].object == object && *got.patches[p].slot != (uintptr_t)got.hooks[got.patches[p].hook].hook)
			return 1;
	return 0;
}

/* Under ld.so's list lock, by the owner of `got`: reads the objects' memory, mprotects, stores words. It neither allocates nor waits: a thread that
 * loads a library, or unwinds an exception by an old libgcc, waits for it meanwhile. */
static void patch_all(const struct rp_elf_list *l, void *arg)
{
	rp_assert(atomic_load_explicit(&got.owner, memory_order_relaxed) == (int)getpid());
	int unloaded = atomic_load_explicit(&got.subs, memory_order_relaxed) != l->subs;
	uint32_t next = 0;
	if (unloaded)
		forget_unloaded(l);
	for (uint32_t i = 0; i < l->count; i++) {
		const struct rp_elf *e = &l->objects[i];
		if (is_left_alone(e))
			continue;
		int index = known_index(e, &next);
		if (index >= 0 && unloaded && has_lost((uint32_t)index))
			drop_lost_patches((uint32_t)index);
		else if (index >= 0 || (index = remember(e)) < 0)
			continue;
		patch_object(e, (uint32_t)index);
	}
	atomic_store_explicit(&got.adds, l->adds, memory_order_relaxed);
	atomic_store_explicit(&got.subs, l->subs, memory_order_relaxed);
}

/* Until nothing comes or goes between the list and its use. Gives up after some rounds: the next dlopen comes here again. */
static int with_all(void (*fn)(const struct rp_elf_list *l, void *arg))
{
	for (int round = 0; round < LIST_ROUNDS; round++) {
		struct rp_elf_list l;
		if (rp_elf_list(&l))
			return RP_ENOMEM;
		void *self = dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD); /* waits for a dlopen in flight on another thread */
		if (self)
			dlclose(self);
		int done = rp_elf_while_listed(&l, fn, NULL);
		rp_elf_list_release(&l);
		if (done)
			return 0;
	}
	return RP_EBUSY;
}

static int own(void)
{
	int none = 0, pid = (int)getpid();
	/* Acquire and release: the other side is the previous owner, whose changes to `got` must be seen. */
	while (!atomic_compare_exchange_weak_explicit(&got.owner, &none, pid, memory_order_acquire, memory_order_relaxed)) {
		if (none == pid)
			return 0;
		/* 0 again (spurious), or the parent's: its thread does not exist here. The next round takes it over. */
	}
	return 1;
}

static void disown(void)
{
	atomic_store_explicit(&got.owner, 0, memory_order_release);
}

static __thread int owned_for_fork __attribute__((tls_model("initial-exec")));

void rp_got_fork_prepare(void)
{
	for (int ms = 0; !(owned_for_fork = own()) && ms < FORK_WAIT_MS; ms++)
		usleep(1000);
}

/* A child may have its parent's pid: the first of a namespace of its own, forked by the first of another. */
void rp_got_fork_child(void)
{
	disown();
	owned_for_fork = 0;
}

void rp_got_fork_parent(void)
{
	if (owned_for_fork)
		disown();
}

int rp_got_refresh(void)
{
	if (!atomic_load_explicit(&got.active, memory_order_acquire))
		return 0;
	unsigned long long adds, subs;
	int changed = 0;
	for (int round = 0; round < 4; round++) {
		rp_elf_counters(&adds, &subs);
		if (adds == atomic_load_explicit(&got.adds, memory_order_relaxed)
		    && subs == atomic_load_explicit(&got.subs, memory_order_relaxed))
			return changed;
		if (!own()) {
			/* Waiting here could wait for ourselves: the owner may stand before ld.so's lock, which a constructor's
			 * thread holds. The owner looks at the counters once more. */
			atomic_store_explicit(&got.again, 1, memory_order_release);
			return changed;
		}
		do {
			atomic_store_explicit(&got.again, 0, memory_order_relaxed);
			if (atomic_load_explicit(&got.active, memory_order_relaxed))
				with_all(patch_all);
		} while (atomic_load_explicit(&got.again, memory_order_acquire));
		disown();
		changed = 1;
	}
	return changed;
}

/* ---- install and remove ---- */

static void add_home(uintptr_t start, uintptr_t end)
{
	for (uint32_t i = 0; i < got.n_homes; i++)
		if (got.homes[i].start == start)
			return;
	got.homes[got.n_homes].start = start;
	got.homes[got.n_homes++].bytes = end - start;
}

/* The first definition in load order is the one the program's own calls reach: a preloaded allocator comes before libc.
 * Not dlsym: in an executable that is not position-independent it may answer with the executable's PLT stub, which goes through
 * a slot we patch. */
static void find_originals(const struct rp_elf_list *l, void *arg)
{
	uintptr_t originals[RP_GOT_HOOKS_MAX] = { 0 };
	for (uint32_t i = 0; i < l->count; i++) {
		const struct rp_elf *e = &l->objects[i];
		struct rp_elf_dyn dyn;
		if (e->is_vdso || e->is_loader || e->is_self || rp_elf_dyn_open(&dyn, e))
			continue;
		for (uint32_t h = 0; h < got.n_hooks; h++) {
			uintptr_t at = got.home_end[h] ? 0 : rp_elf_defined(e, &dyn, got.hooks[h].symbol);
			if (!at)
				continue;
			got.home_start[h] = e->start;
			got.home_end[h] = e->end;
			originals[h] = at;
			for (uint32_t i = 0; (at = rp_elf_next_definition(e, &dyn, got.hooks[h].symbol, &i));)
				add_target(at);
		}
	}
	for (uint32_t h = 0; h < got.n_hooks; h++) {
		int beside = got.hooks[h].beside ? find_hook(got.hooks[h].beside) : (int)h;
		got.used[h] = originals[h] && beside >= 0 && got.home_start[h] == got.home_start[beside];
		if (got.used[h] && !*got.hooks[h].real)
			*got.hooks[h].real = (void *)originals[h];
		if (got.used[h])
			add_home(got.home_start[h], got.home_end[h]);
	}
}

static void find_and_patch(const struct rp_elf_list *l, void *arg)
{
	find_originals(l, arg);
	rp_record_publish(); /* whoever calls through a slot finds the hook's table filled */
	patch_all(l, arg);
}

static int reserve_tables(void)
{
	if (!got.patches)
		got.patches = reserve(SLOTS_MAX * sizeof *got.patches);
	if (!got.known)
		got.known = reserve(RP_ELF_OBJECTS_MAX * sizeof *got.known);
	return got.patches && got.known ? 0 : RP_ENOMEM;
}

int rp_got_install(const struct rp_got_hook *hooks, uint32_t n)
{
	rp_assert(n <= RP_GOT_HOOKS_MAX);
	if (atomic_load(&got.active))
		return RP_EBUSY;
	if (reserve_tables())
		return RP_ENOMEM;
	got.hooks = hooks;
	got.n_hooks = n;
	got.n_patches = got.n_known = got.n_homes = got.n_targets = 0;
	memset(got.home_end, 0, sizeof got.home_end);
	memset(got.targets, 0, sizeof got.targets);
	/* ld.so's counters begin at the number of startup objects: these values mean "never looked". */
	atomic_store(&got.adds, 0);
	atomic_store(&got.subs, 0);
	while (!own()) /* a refresh in flight of the session before */
		usleep(100);
	int err = with_all(find_and_patch);
	disown();
	if (err)
		return err;
	atomic_store(&got.active, 1);
	rp_got_refresh();
	return 0;
}

static void put_back(const struct rp_elf *e, uint32_t index)
{
	struct object_patch o = { e, NULL, index, 0, 0, 0 };
	if (!rp_elf_relro(e, &o.relro_start, &o.relro_end))
		o.relro_start = o.relro_end = 0;
	for (uint32_t i = 0; i < got.n_patches; i++) {
		const struct patch *p = &got.patches[i];
		uintptr_t hook = (uintptr_t)got.hooks[p->hook].hook;
		if (p->object == index && *p->slot == hook && make_writable(&o, (uintptr_t)p->slot))
			__atomic_store_n(p->slot, p->saved, __ATOMIC_RELEASE);
	}
	close_relro(&o);
}

static void put_back_all(const struct rp_elf_list *l, void *arg)
{
	uint32_t next = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		int index = known_index(&l->objects[i], &next);
		if (index >= 0)
			put_back(&l->objects[i], (uint32_t)index);
	}
}

void rp_got_remove(void)
{
	if (!atomic_exchange(&got.active, 0))
		return;
	while (!own()) /* a refresh in flight on another thread ends soon: it needs no lock the caller holds */
		usleep(100);
	with_all(put_back_all);
	got.n_patches = got.n_known = 0;
	disown();
}

void rp_got_counts(struct rp_got_counts *ret_counts)
{
	*ret_counts = (struct rp_got_counts){ got.n_known, got.n_patches };
}
