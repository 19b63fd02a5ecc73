/* Loaded objects as MODULE definitions, and what the unwinder needs to know of them.
 *
 * The list is made by elf_walk.c without allocating; it is compared and written out after ld.so's lock is free again. One thread
 * at a time does so; another that comes meanwhile leaves a note and goes on, for the reason told in got_patch.c. */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack/cfi.h"
#include "stack/elf_walk.h"
#include "stack/stack.h"
#include "stack/unwind.h"

struct module {
	uintptr_t bias, start, end;
	const char *path; /* kept for the session */
	const uint8_t *build_id; /* as path */
	uint32_t build_id_len;
	uint64_t path_hash;
	uint32_t id;
	int seen, told; /* told: its definition is in the trace */
};

static struct {
	struct module *modules;
	uint32_t n;
	char *paths;
	size_t paths_used;
	_Atomic uint32_t ids;
	/* Relaxed: a stale value costs one more scan. */
	_Atomic unsigned long long adds, subs;
	_Atomic int owner; /* pid of the process whose thread scans, 0: none; acquire on take, release on give */
	_Atomic int again;
	_Atomic int active;
	int pid; /* of the process that records */
	int only_used; /* set before the first scan */
	struct rp_cfi_objects *retired; /* tables of an earlier scan; the last one may still be read by a walk in flight */
} map;

/* Around changes of the list, by who scans, and around reads by others. Held for some loads and stores: nothing is allocated, defined or waited
 * for, and ld.so's lock is not taken, so who waits for it waits for a moment. Never in a signal handler; made anew in a forked child. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

#define ROUNDS_MAX 4 /* libraries may come all the time */
#define PATHS_BYTES ((size_t)RP_ELF_OBJECTS_MAX * 160)

/* Allocators that come inside a library under a name of its own, and malloc itself. Found only when they are exported: a hidden
 * one leaves no name in memory. */
static const char *const allocator_names[] = { "malloc", "mi_malloc", "je_malloc", "tc_malloc", "_rjem_malloc", "scalable_malloc" };

static int has_own_allocator(const struct rp_elf *e, uintptr_t malloc_home)
{
	struct rp_elf_dyn dyn;
	if (e->is_vdso || e->is_loader || e->is_self || e->start == malloc_home || rp_elf_dyn_open(&dyn, e))
		return 0;
	const char *name = strrchr(e->path, '/');
	if (name && !strncmp(name, "/libc.so", 8)) /* with an allocator preloaded libc's own is not used */
		return 0;
	for (size_t i = 0; i < RP_COUNT_OF(allocator_names); i++)
		if (rp_elf_defined(e, &dyn, allocator_names[i]))
			return 1;
	return 0;
}

/* Where the malloc is that the whole program uses: the first in load order. */
static uintptr_t find_malloc_home(const struct rp_elf_list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct rp_elf_dyn dyn;
		const struct rp_elf *e = &l->objects[i];
		if (!e->is_vdso && !e->is_loader && !e->is_self && !rp_elf_dyn_open(&dyn, e) && rp_elf_defined(e, &dyn, "malloc"))
			return e->start;
	}
	return 0;
}

/* Without list_lock: it may wait for the writer. */
static void define_module(const struct module *m, uint32_t flags)
{
	struct rp_str path = { m->path, (uint32_t)strlen(m->path) }, build_id = { m->build_id_len ? (const char *)m->build_id : "", m->build_id_len };
	uint8_t *end, *p = rp_define_begin(path.len + build_id.len + 96, &end);
	if (p)
		rp_define_end(rp_def_put_module(p, end, m->id, m->bias, m->start, m->end, path, build_id, flags));
}

/* Whether it falls to the caller to define it. list_lock is held, or nobody else knows of it. */
static int is_first_to_tell(struct module *m)
{
	int is_first = !m->told;
	m->told = 1;
	return is_first;
}

static void define_unload(uint32_t id)
{
	uint8_t *end, *p = rp_define_begin(64, &end);
	if (p)
		rp_define_end(rp_def_put_unload(p, end, id, rp_clock_ticks()));
}

/* *next: where it is looked for first. Both lists are in the order of loading. */
static struct module *find_module(const struct rp_elf *e, uint32_t *next)
{
	for (uint32_t n = 0; n < map.n; n++) {
		struct module *m = &map.modules[*next < map.n ? *next : 0];
		*next = (uint32_t)(m - map.modules) + 1;
		if (m->start == e->start && m->bias == e->bias && m->path_hash == e->path_hash)
			return m;
	}
	return NULL;
}

static const void *keep(const void *bytes, size_t len)
{
	if (!bytes || PATHS_BYTES - map.paths_used < len)
		return NULL;
	char *kept = memcpy(map.paths + map.paths_used, bytes, len);
	map.paths_used += len;
	rp_assert(map.paths_used <= PATHS_BYTES);
	return kept;
}

static struct module describe(const struct rp_elf *e)
{
	struct module m = { .bias = e->bias, .start = e->start, .end = e->end, .path_hash = e->path_hash, .id = rp_define_id(&map.ids) };
	const uint8_t *build_id = rp_elf_build_id(e, &m.build_id_len);
	m.path = keep(e->path, strlen(e->path) + 1);
	m.build_id = keep(build_id, m.build_id_len);
	if (!m.path)
		m.path = "";
	if (!m.build_id)
		m.build_id_len = 0;
	return m;
}

static void add_new(const struct rp_elf_list *l)
{
	uintptr_t malloc_home = find_malloc_home(l);
	uint32_t next = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		const struct rp_elf *e = &l->objects[i];
		struct module *m = find_module(e, &next);
		if (!m && map.n < RP_ELF_OBJECTS_MAX) {
			struct module fresh = describe(e);
			uint32_t flags = has_own_allocator(e, malloc_home) ? RP_MODULE_STATIC_ALLOCATOR : 0;
			int is_told = !map.only_used || flags;
			fresh.told = is_told;
			fresh.seen = 1;
			pthread_mutex_lock(&list_lock);
			map.modules[map.n++] = fresh;
			pthread_mutex_unlock(&list_lock);
			if (is_told)
				define_module(&fresh, flags);
		} else if (m) {
			pthread_mutex_lock(&list_lock);
			m->seen = 1;
			pthread_mutex_unlock(&list_lock);
		}
	}
}

static void drop_unseen(void)
{
	uint32_t kept = 0, before = map.n;
	for (uint32_t i = 0; i < map.n; i++)
		if (!map.modules[i].seen) {
			pthread_mutex_lock(&list_lock);
			int is_first = is_first_to_tell(&map.modules[i]);
			pthread_mutex_unlock(&list_lock);
			if (is_first) /* addresses in it may be waiting for their names */
				define_module(&map.modules[i], 0);
			define_unload(map.modules[i].id);
		}
	pthread_mutex_lock(&list_lock);
	for (uint32_t i = 0; i < before; i++) {
		struct module m = map.modules[i];
		if (!m.seen)
			continue;
		m.seen = 0;
		map.modules[kept++] = m;
	}
	map.n = kept;
	pthread_mutex_unlock(&list_lock);
	if (kept != before)
		rp_unwind_code_gone();
}

static int by_start(const void *a, const void *b)
{
	const struct rp_cfi_object *x = a, *y = b;
	return x->start < y->start ? -1 : x->start > y->start;
}

static size_t objects_bytes(uint32_t n)
{
	return sizeof(struct rp_cfi_objects) + n * sizeof(struct rp_cfi_object);
}

static void release_objects(struct rp_cfi_objects *o)
{
	if (o)
		munmap(o, objects_bytes(o->count));
}

/* For a libc without _dl_find_object. The table before the last is released: a walk takes microseconds, scans are seldom. */
static void publish_objects(const struct rp_elf_list *l)
{
	struct rp_cfi_objects *o = mmap(NULL, objects_bytes(l->count), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (o == MAP_FAILED)
		return;
	o->count = l->count;
	for (uint32_t i = 0; i < l->count; i++)
		o->at[i] = (struct rp_cfi_object){ l->objects[i].start, l->objects[i].end, rp_elf_eh_frame_hdr(&l->objects[i]) };
	rp_sort(o->at, o->count, sizeof o->at[0], by_start);
	release_objects(map.retired);
	map.retired = (struct rp_cfi_objects *)rp_cfi_set_objects(o);
}

static void scan(void)
{
	struct rp_elf_list l;
	rp_assert(atomic_load_explicit(&map.owner, memory_order_relaxed) == (int)getpid());
	if (rp_elf_list(&l))
		return;
	if (!rp_cfi_asks_loader())
		publish_objects(&l);
	add_new(&l);
	drop_unseen();
	atomic_store_explicit(&map.adds, l.adds, memory_order_relaxed);
	atomic_store_explicit(&map.subs, l.subs, memory_order_relaxed);
	rp_elf_list_release(&l);
}

/* Nobody waits here. 1: the calling thread scans from now on, until it stores 0. 0: another thread of this process does; it looks at `again` when it
 * is done. Spinning would wait for ourselves: the owner may stand before ld.so's lock, which a constructor's thread holds while it is here. */
static int own(void)
{
	int none = 0, pid = (int)getpid();
	while (!atomic_compare_exchange_weak_explicit(&map.owner, &none, pid, memory_order_acquire, memory_order_relaxed))
		if (none == pid)
			return 0; /* else spurious, or left by the parent of a fork: taken over in the next round */
	return 1;
}

void rp_modules_refresh(void)
{
	unsigned long long adds, subs;
	if (!atomic_load_explicit(&map.active, memory_order_acquire))
		return;
	/* The counters are read under ld.so's lock, and once more when the turn was given back: whoever came in vain had its library counted before we look,
	 * or finds the turn free. */
	for (int round = 0; round < ROUNDS_MAX; round++) {
		rp_elf_counters(&adds, &subs);
		if (adds == atomic_load_explicit(&map.adds, memory_order_relaxed)
		    && subs == atomic_load_explicit(&map.subs, memory_order_relaxed))
			return;
		if (!own()) {
			atomic_store_explicit(&map.again, 1, memory_order_release); /* for the owner's acquire below */
			return;
		}
		do {
			atomic_store_explicit(&map.again, 0, memory_order_relaxed);
			scan();
		} while (atomic_load_explicit(&map.again, memory_order_acquire));
		atomic_store_explicit(&map.owner, 0, memory_order_release);
	}
}

void rp_modules_only_used(int yes)
{
	map.only_used = yes;
}

int rp_modules_find(uint64_t address, struct rp_module_info *ret_info)
{
	int code = RP_ENOTFOUND, is_first = 0;
	struct module found;
	pthread_mutex_lock(&list_lock);
	for (uint32_t i = 0; i < map.n && code; i++) {
		struct module *m = &map.modules[i];
		if (address < m->start || address >= m->end)
			continue;
		*ret_info = (struct rp_module_info){ m->id, m->bias, m->start, m->end, m->path, m->build_id, m->build_id_len };
		found = *m;
		is_first = is_first_to_tell(m);
		code = 0;
	}
	pthread_mutex_unlock(&list_lock);
	if (is_first)
		define_module(&found, 0);
	return code;
}

void rp_modules_fork_child(void)
{
	list_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	atomic_store_explicit(&map.owner, 0, memory_order_relaxed);
}

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

int rp_modules_install(void)
{
	int err = rp_unwind_install();
	if (err)
		return err;
	if (!map.modules)
		map.modules = reserve(RP_ELF_OBJECTS_MAX * sizeof *map.modules);
	if (!map.paths)
		map.paths = reserve(PATHS_BYTES);
	if (!map.modules || !map.paths)
		return RP_ENOMEM;
	map.paths_used = 0;
	map.n = 0;
	map.pid = (int)getpid();
	atomic_store(&map.ids, 0);
	atomic_store(&map.adds, 0);
	atomic_store(&map.subs, 0);
	atomic_store(&map.owner, 0);
	atomic_store(&map.active, 1);
	rp_modules_refresh();
	return 0;
}

/* Once more before the end: without allocator hooks nothing has told us of a dlopen. Not in a forked child, whose definitions would go
 * into its parent's file. */
void rp_modules_remove(void)
{
	if (map.pid == (int)getpid())
		rp_modules_refresh();
	atomic_store(&map.active, 0);
}
