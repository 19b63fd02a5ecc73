#define _GNU_SOURCE

#include "stack/elf_walk.h"

#include <elf.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack/arch.h"

#define PATH_BYTES_MAX 4096
#define OBJECTS_FIRST 512

/* ---- the list ---- */

static void note_range(struct rp_elf *e)
{
	e->start = UINTPTR_MAX;
	for (uint32_t i = 0; i < e->phnum; i++) {
		const ElfW(Phdr) *p = &e->phdr[i];
		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		uintptr_t start = e->bias + p->p_vaddr, end = start + p->p_memsz;
		if (start < e->start)
			e->start = start;
		if (end > e->end)
			e->end = end;
	}
	if (e->start > e->end)
		e->start = e->end;
}

static const char *keep_text(struct rp_elf_list *l, const char *s, size_t len)
{
	if (l->text_cap - l->text_used < len + 1) {
		l->too_small = 1;
		return "";
	}
	char *kept = l->text + l->text_used;
	memcpy(kept, s, len);
	kept[len] = 0;
	l->text_used += len + 1;
	return kept;
}

/* Runs under ld.so's lock: must not allocate, or a thread that allocates while it waits for that lock stands still for ever. */
static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct rp_elf_list *l = arg;
	l->adds = info->dlpi_adds;
	l->subs = info->dlpi_subs;
	if (l->count == l->cap) {
		l->too_small = 1;
		return 0;
	}
	if (!l->count) {
		l->vdso = getauxval(AT_SYSINFO_EHDR);
		l->loader = getauxval(AT_BASE);
	}
	struct rp_elf *e = &l->objects[l->count];
	*e = (struct rp_elf){ .bias = info->dlpi_addr, .phdr = info->dlpi_phdr, .phnum = info->dlpi_phnum };
	note_range(e);
	uintptr_t self = (uintptr_t)&rp_elf_list;
	e->is_main = l->count == 0;
	e->is_vdso = l->vdso && l->vdso >= e->start && l->vdso < e->end;
	e->is_loader = l->loader && l->loader >= e->start && l->loader < e->end;
	e->is_self = self >= e->start && self < e->end && !e->is_main;
	const char *path = info->dlpi_name ? info->dlpi_name : "";
	if (e->is_vdso)
		path = "[vdso]";
	e->path = keep_text(l, path, strnlen(path, PATH_BYTES_MAX));
	l->count++;
	return 0;
}

static uint64_t hash_path(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return h;
}

static void hash_paths(struct rp_elf_list *l, uint32_t from)
{
	for (uint32_t i = from; i < l->count; i++)
		l->objects[i].path_hash = hash_path(l->objects[i].path);
}

static void *map_bytes(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* ld.so leaves the executable nameless. The kernel tells it by the thread's entry also when the first thread has ended; qemu-user answers for the
 * process's entry alone. */
static void name_main(struct rp_elf_list *l)
{
	char path[PATH_BYTES_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path);
	if (len <= 0)
		len = readlink("/proc/thread-self/exe", path, sizeof path);
	if (len > 0 && l->count)
		l->objects[0].path = keep_text(l, path, (size_t)len);
}

static void unmap_list(struct rp_elf_list *l)
{
	if (l->objects)
		munmap(l->objects, l->cap * sizeof *l->objects);
	if (l->text)
		munmap(l->text, l->text_cap);
	*l = (struct rp_elf_list)RP_ELF_LIST_INIT;
}

static int map_list(struct rp_elf_list *l, uint32_t cap)
{
	l->cap = cap;
	l->text_cap = (size_t)cap * 160 + PATH_BYTES_MAX; /* a path has 60 to 120 bytes; more grows the list */
	l->objects = map_bytes(cap * sizeof *l->objects);
	l->text = map_bytes(l->text_cap);
	if (l->objects && l->text)
		return 0;
	unmap_list(l);
	return RP_ENOMEM;
}

/* The list that was given back last. A start asks for six, and each dlopen for three, mostly of the same objects; and its pages are there. Who finds
 * it held does without: nobody waits, whatever a fork or a signal has cut short. */
static struct {
	_Atomic int held; /* acquire by who takes it, of the release of who had it before */
	struct rp_elf_list list;
} spare;

/* *l for the spare one. */
static void exchange_with_spare(struct rp_elf_list *l)
{
	struct rp_elf_list mine = *l;
	if (atomic_exchange_explicit(&spare.held, 1, memory_order_acquire))
		return;
	*l = spare.list;
	spare.list = mine;
	atomic_store_explicit(&spare.held, 0, memory_order_release);
}

static int is_still_true(const struct rp_elf_list *l)
{
	unsigned long long adds, subs;
	rp_elf_counters(&adds, &subs);
	return l->objects && l->adds == adds && l->subs == subs;
}

struct look {
	struct rp_elf_list *list;
	uint32_t kept, seen; /* the first objects of the list are of an earlier look, and those before `seen` are there still */
	int differs;
};

/* As add_object. */
static int compare_or_add(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct look *k = arg;
	struct rp_elf_list *l = k->list;
	if (k->seen == k->kept)
		return add_object(info, size, l);
	const struct rp_elf *e = &l->objects[k->seen++];
	k->differs = info->dlpi_subs != l->subs || info->dlpi_addr != e->bias || info->dlpi_phdr != e->phdr;
	l->adds = info->dlpi_adds; /* what another namespace has loaded is counted, too */
	return k->differs;
}

/* ld.so appends what it loads: where nothing was unloaded since the list was made, what it has stays. Returns how many those are. */
static uint32_t look(struct rp_elf_list *l)
{
	struct look k = { l, l->count, 0, 0 };
	dl_iterate_phdr(compare_or_add, &k);
	if (!k.differs && k.seen == k.kept)
		return k.kept;
	l->count = 0;
	l->text_used = 0;
	k = (struct look){ l, 0, 0, 0 };
	dl_iterate_phdr(compare_or_add, &k);
	return 0;
}

int rp_elf_list(struct rp_elf_list *ret_list)
{
	struct rp_elf_list l = RP_ELF_LIST_INIT;
	exchange_with_spare(&l);
	if (is_still_true(&l)) {
		*ret_list = l;
		return 0;
	}
	for (uint32_t cap = l.objects ? l.cap : OBJECTS_FIRST; cap <= RP_ELF_OBJECTS_MAX; cap *= 2) {
		if (!l.objects && map_list(&l, cap))
			return RP_ENOMEM;
		uint32_t kept = look(&l);
		if (!kept)
			name_main(&l);
		if (!l.too_small) {
			hash_paths(&l, kept);
			*ret_list = l;
			return 0;
		}
		unmap_list(&l);
	}
	return RP_ENOMEM;
}

void rp_elf_list_release(struct rp_elf_list *l)
{
	if (l->objects)
		exchange_with_spare(l);
	unmap_list(l);
}

struct listed {
	const struct rp_elf_list *list;
	void (*fn)(const struct rp_elf_list *l, void *arg);
	void *arg;
	int is_true;
};

static int call_listed(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct listed *c = arg;
	c->is_true = info->dlpi_adds == c->list->adds && info->dlpi_subs == c->list->subs;
	if (c->is_true)
		c->fn(c->list, c->arg);
	return 1; /* the first object is as good as any */
}

int rp_elf_while_listed(const struct rp_elf_list *l, void (*fn)(const struct rp_elf_list *l, void *arg), void *arg)
{
	struct listed c = { l, fn, arg, 0 };
	dl_iterate_phdr(call_listed, &c);
	return c.is_true;
}

static int read_counters(struct dl_phdr_info *info, size_t size, void *arg)
{
	unsigned long long *counters = arg;
	counters[0] = info->dlpi_adds;
	counters[1] = info->dlpi_subs;
	return 1;
}

void rp_elf_counters(unsigned long long *ret_adds, unsigned long long *ret_subs)
{
	unsigned long long counters[2] = { 0, 0 };
	dl_iterate_phdr(read_counters, counters);
	*ret_adds = counters[0];
	*ret_subs = counters[1];
}

/* ---- one object ---- */

static const ElfW(Phdr) *segment_of(const struct rp_elf *e, uintptr_t at)
{
	for (uint32_t i = 0; i < e->phnum; i++) {
		const ElfW(Phdr) *p = &e->phdr[i];
		if (p->p_type == PT_LOAD && at - (e->bias + p->p_vaddr) < p->p_memsz)
			return p;
	}
	return NULL;
}

static int segment_holds(const struct rp_elf *e, uintptr_t at, size_t bytes, uint32_t flags)
{
	for (uint32_t i = 0; i < e->phnum; i++) {
		const ElfW(Phdr) *p = &e->phdr[i];
		uintptr_t start = e->bias + p->p_vaddr;
		if (p->p_type == PT_LOAD && (p->p_flags & flags) == flags && at >= start && at - start <= p->p_memsz
		    && bytes <= p->p_memsz - (at - start))
			return 1;
	}
	return 0;
}

int rp_elf_holds(const struct rp_elf *e, uintptr_t at, size_t bytes)
{
	return segment_holds(e, at, bytes, PF_R);
}

int rp_elf_is_code(const struct rp_elf *e, uintptr_t at)
{
	return segment_holds(e, at, 1, PF_X);
}

static const ElfW(Phdr) *find_phdr(const struct rp_elf *e, uint32_t type)
{
	for (uint32_t i = 0; i < e->phnum; i++)
		if (e->phdr[i].p_type == type)
			return &e->phdr[i];
	return NULL;
}

static const uint8_t *build_id_in_notes(uintptr_t at, size_t bytes, uint32_t *ret_len)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)at;
		size_t name = ((size_t)n->n_namesz + 3) & ~(size_t)3, desc = ((size_t)n->n_descsz + 3) & ~(size_t)3;
		size_t all = sizeof *n + name + desc;
		if (all > bytes)
			return NULL;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && !memcmp(n + 1, "GNU", 4)) {
			*ret_len = n->n_descsz;
			return (const uint8_t *)(n + 1) + name;
		}
		at += all;
		bytes -= all;
	}
	return NULL;
}

const uint8_t *rp_elf_build_id(const struct rp_elf *e, uint32_t *ret_len)
{
	for (uint32_t i = 0; i < e->phnum; i++) {
		const ElfW(Phdr) *p = &e->phdr[i];
		/* A note segment may lie outside what is mapped. */
		if (p->p_type != PT_NOTE || !rp_elf_holds(e, e->bias + p->p_vaddr, p->p_memsz))
			continue;
		const uint8_t *id = build_id_in_notes(e->bias + p->p_vaddr, p->p_memsz, ret_len);
		if (id)
			return id;
	}
	return NULL;
}

uintptr_t rp_elf_eh_frame_hdr(const struct rp_elf *e)
{
	const ElfW(Phdr) *p = find_phdr(e, PT_GNU_EH_FRAME);
	return p && rp_elf_holds(e, e->bias + p->p_vaddr, 12) ? e->bias + p->p_vaddr : 0;
}

int rp_elf_relro(const struct rp_elf *e, uintptr_t *ret_start, uintptr_t *ret_end)
{
	const ElfW(Phdr) *p = find_phdr(e, PT_GNU_RELRO);
	if (!p)
		return 0;
	/* As ld.so rounds it: a page that only begins inside stays writable. */
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	*ret_start = (e->bias + p->p_vaddr) & ~(page - 1);
	*ret_end = (e->bias + p->p_vaddr + p->p_memsz) & ~(page - 1);
	return *ret_start < *ret_end;
}

/* ---- the dynamic section ---- */

/* glibc adds the bias to the addresses in a dynamic section it can write to, other linkers and read-only sections leave them as in
 * the file: whichever of the two lies in the object is meant. 0 when neither does. */
static uintptr_t dyn_address(const struct rp_elf *e, uintptr_t value, size_t bytes)
{
	if (rp_elf_holds(e, value, bytes))
		return value;
	if (rp_elf_holds(e, e->bias + value, bytes))
		return e->bias + value;
	return 0;
}

struct gnu_table {
	uint32_t n_buckets, first; /* first: of the symbols that it has */
	const uint32_t *buckets, *chain;
};

/* 0 when it does not lie in the object. */
static int open_gnu_table(const struct rp_elf *e, const uint32_t *hash, struct gnu_table *ret_t)
{
	uint32_t n_buckets = hash[0], n_bloom = hash[2];
	const ElfW(Addr) *bloom = (const void *)(hash + 4);
	const uint32_t *buckets = (const void *)(bloom + n_bloom);
	if (!n_buckets || !rp_elf_holds(e, (uintptr_t)buckets, (size_t)n_buckets * 4))
		return 0;
	*ret_t = (struct gnu_table){ n_buckets, hash[1], buckets, buckets + n_buckets };
	return 1;
}

/* A table of nothing says nothing: ld writes that its first symbol is the first of all. The executable's has functions of others too, those whose
 * address is that of its own stub. */
static uint32_t first_defined(const struct rp_elf *e, const uint32_t *hash)
{
	struct gnu_table t;
	if (e->is_main || !hash || !open_gnu_table(e, hash, &t) || (t.n_buckets == 1 && !t.buckets[0]))
		return UINT32_MAX;
	return t.first;
}

int rp_elf_dyn_open(struct rp_elf_dyn *ret_d, const struct rp_elf *e)
{
	const ElfW(Phdr) *p = find_phdr(e, PT_DYNAMIC);
	if (!p || !rp_elf_holds(e, e->bias + p->p_vaddr, p->p_memsz))
		return RP_EDAMAGED;
	const ElfW(Dyn) *dyn = (const void *)(e->bias + p->p_vaddr);
	uintptr_t symtab = 0, strtab = 0, gnu_hash = 0, hash = 0, versym = 0, at[3] = { 0 };
	size_t strsz = 0, bytes[3] = { 0 }, relative[3] = { 0 };
	int plt_has_addend = RP_ARCH_R_SLOT != 0;
	for (size_t n = p->p_memsz / sizeof *dyn; n && dyn->d_tag != DT_NULL; n--, dyn++) {
		uintptr_t v = dyn->d_un.d_ptr;
		switch (dyn->d_tag) {
		case DT_SYMTAB: symtab = v; break;
		case DT_STRTAB: strtab = v; break;
		case DT_STRSZ: strsz = v; break;
		case DT_GNU_HASH: gnu_hash = v; break;
		case DT_HASH: hash = v; break;
		case DT_VERSYM: versym = v; break;
		case DT_RELA: at[0] = v; break;
		case DT_RELASZ: bytes[0] = v; break;
		case DT_REL: at[1] = v; break;
		case DT_RELSZ: bytes[1] = v; break;
		case DT_JMPREL: at[2] = v; break;
		case DT_PLTRELSZ: bytes[2] = v; break;
		case DT_PLTREL: plt_has_addend = v == DT_RELA; break;
		case DT_RELACOUNT: relative[0] = v; break;
		case DT_RELCOUNT: relative[1] = v; break;
		}
	}
	struct rp_elf_dyn d = { 0 };
	d.symtab = (const void *)dyn_address(e, symtab, sizeof(ElfW(Sym)));
	d.strtab = (const void *)dyn_address(e, strtab, strsz);
	if (!d.symtab || !d.strtab)
		return RP_EDAMAGED;
	while (strsz && d.strtab[strsz - 1])
		strsz--; /* so that every name is terminated */
	d.strsz = strsz;
	const ElfW(Phdr) *home = segment_of(e, (uintptr_t)d.symtab);
	d.symtab_end = home ? e->bias + home->p_vaddr + home->p_memsz : 0;
	d.gnu_hash = gnu_hash ? (const void *)dyn_address(e, gnu_hash, 16) : NULL;
	d.first_defined = first_defined(e, d.gnu_hash);
	d.hash = hash ? (const void *)dyn_address(e, hash, 8) : NULL;
	d.versym = versym ? (const void *)dyn_address(e, versym, 2) : NULL;
	for (int i = 0; i < 3; i++) {
		d.rel[i].at = at[i] && bytes[i] ? dyn_address(e, at[i], bytes[i]) : 0;
		d.rel[i].bytes = bytes[i];
		d.rel[i].has_addend = i == 0 || (i == 2 && plt_has_addend);
		/* Two thirds of all relocations stand first in their table and have no symbol. */
		size_t stride = d.rel[i].has_addend ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
		if (d.rel[i].at && relative[i] <= bytes[i] / stride) {
			d.rel[i].at += relative[i] * stride;
			d.rel[i].bytes -= relative[i] * stride;
		}
	}
	*ret_d = d;
	return 0;
}

static const ElfW(Sym) *symbol_at(const struct rp_elf_dyn *d, uint32_t index)
{
	const ElfW(Sym) *s = d->symtab + index;
	return (uintptr_t)(s + 1) <= d->symtab_end ? s : NULL;
}

/* The name, or "" when it is not inside the string table. */
static const char *symbol_name(const struct rp_elf_dyn *d, const ElfW(Sym) *s)
{
	return s->st_name < d->strsz ? d->strtab + s->st_name : "";
}

static int is_definition(const struct rp_elf_dyn *d, uint32_t index, const char *name)
{
	const ElfW(Sym) *s = symbol_at(d, index);
	return s && s->st_shndx != SHN_UNDEF && s->st_value && !strcmp(symbol_name(d, s), name);
}

/* Bit 15 marks a version kept for old binaries only. */
static int is_default_function(const struct rp_elf *e, const struct rp_elf_dyn *d, uint32_t index)
{
	if (d->versym && rp_elf_holds(e, (uintptr_t)(d->versym + index), 2) && d->versym[index] & 0x8000)
		return 0;
	return ELF64_ST_TYPE(d->symtab[index].st_info) == STT_FUNC;
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t h = 5381;
	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	return h;
}

/* Whether a link of the chain is there, and that of symbol `index` is not its last. */
static int goes_on(const struct rp_elf *e, const struct gnu_table *t, uint32_t index)
{
	const uint32_t *link = &t->chain[index - t->first];
	return rp_elf_holds(e, (uintptr_t)link, 4) && !(*link & 1);
}

static uint32_t next_by_gnu_hash(const struct rp_elf *e, const struct rp_elf_dyn *d, const char *name, uint32_t after)
{
	struct gnu_table t;
	uint32_t h = gnu_hash_of(name), index;
	if (!open_gnu_table(e, d->gnu_hash, &t))
		return 0;
	index = after ? after + 1 : t.buckets[h % t.n_buckets];
	if (index < t.first || (after && !goes_on(e, &t, after)))
		return 0;
	for (;; index++) {
		const uint32_t *link = &t.chain[index - t.first];
		if (!rp_elf_holds(e, (uintptr_t)link, 4))
			return 0;
		if ((*link | 1) == (h | 1) && is_definition(d, index, name))
			return index;
		if (*link & 1)
			return 0;
	}
}

static uint32_t next_by_hash(const struct rp_elf_dyn *d, const char *name, uint32_t after)
{
	uint32_t n = d->hash[1];
	for (uint32_t i = after + 1; i < n; i++)
		if (is_definition(d, i, name))
			return i;
	return 0;
}

uintptr_t rp_elf_next_definition(const struct rp_elf *e, const struct rp_elf_dyn *d, const char *name, uint32_t *index)
{
	*index = d->gnu_hash ? next_by_gnu_hash(e, d, name, *index) : d->hash ? next_by_hash(d, name, *index) : 0;
	return *index ? e->bias + d->symtab[*index].st_value : 0;
}

uintptr_t rp_elf_defined(const struct rp_elf *e, const struct rp_elf_dyn *d, const char *name)
{
	uintptr_t at;
	for (uint32_t index = 0; (at = rp_elf_next_definition(e, d, name, &index));)
		if (is_default_function(e, d, index))
			return at;
	return 0;
}

const char *rp_elf_symbol(const struct rp_elf_dyn *d, const struct rp_elf_slot *slot, int *ret_undefined, int *ret_weak)
{
	const ElfW(Sym) *s = &d->symtab[slot->symbol];
	*ret_undefined = s->st_shndx == SHN_UNDEF;
	*ret_weak = *ret_undefined && ELF64_ST_BIND(s->st_info) == STB_WEAK;
	return symbol_name(d, s);
}

/* Whether the word lies in the object; slots lie together, so that the segment of the last one nearly always serves. */
static int holds_word(const struct rp_elf *e, uintptr_t word, const ElfW(Phdr) **last)
{
	if (word % sizeof(uintptr_t))
		return 0;
	if (!*last || word - (e->bias + (*last)->p_vaddr) >= (*last)->p_memsz)
		*last = segment_of(e, word);
	return *last && (*last)->p_flags & PF_R && (*last)->p_memsz - (word - (e->bias + (*last)->p_vaddr)) >= sizeof(uintptr_t);
}

void rp_elf_slots(const struct rp_elf *e, const struct rp_elf_dyn *d, rp_elf_slot_fn *fn, void *arg)
{
	const ElfW(Phdr) *segment = NULL;
	for (int table = 0; table < 3; table++) {
		const struct rp_elf_rel_table *r = &d->rel[table];
		size_t stride = r->has_addend ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
		for (size_t at = 0; r->at && at + stride <= r->bytes; at += stride) {
			const ElfW(Rela) *rela = (const void *)(r->at + at); /* a Rel is its beginning */
			uint32_t type = ELF64_R_TYPE(rela->r_info), index = ELF64_R_SYM(rela->r_info);
			if (!index || (type != RP_ARCH_R_SLOT && type != RP_ARCH_R_GLOB_DAT && type != RP_ARCH_R_ABS))
				continue;
			if (r->has_addend && type == RP_ARCH_R_ABS && rela->r_addend)
				continue; /* a pointer into the middle of something */
			uintptr_t word = e->bias + rela->r_offset;
			if (!symbol_at(d, index) || !holds_word(e, word, &segment))
				continue;
			struct rp_elf_slot slot = { (uintptr_t *)word, index, type == RP_ARCH_R_SLOT };
			fn(&slot, arg);
		}
	}
}
