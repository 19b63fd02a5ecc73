/* One object: open, look everything up in one pass over its symbols, hand out, close. */
#define _GNU_SOURCE
#include "names/rust_name.h"
#include "names/symbol_file.h"

#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "names/collector.h"
#include "names/dwarf_frames.h"
#include "names/memory_left.h"

#define NAME_BUCKETS 1024 /* a power of two */

#define STT_GNU_IFUNC_ 10

/* What libdw and its files may take at one object, and the program at the same time. */
#define DWARF_BYTES (UINT64_C(256) << 20)

#define FORK_WAIT_ROUNDS 100
#define FORK_WAIT_NS 200000

struct opened {
	Elf *elf;
	void *map; /* of the file; NULL for the vdso */
	size_t bytes;
};
#define OPENED_NONE ((struct opened){ NULL, NULL, 0 })

/* Held while a descriptor is open and while ld.so is asked for the demangler. */
static pthread_mutex_t files = PTHREAD_MUTEX_INITIALIZER;
static __thread int locked_for_fork __attribute__((tls_model("initial-exec")));

struct demangled {
	struct demangled *next;
	const char *from; /* the string's address in the file: equal names are mostly the same string */
	char *to;
};

struct names {
	struct demangled *buckets[NAME_BUCKETS];
	int is_linked; /* one had to be left as it is linked */
	int failed; /* no memory for one */
};

static char *(*cxa_demangle)(const char *, char *, size_t *, int *);

/* ---- demangling: with the program's own C++ runtime, which we never link ---- */

static void find_demangler(void)
{
	static int tried;
	if (tried)
		return;
	tried = 1;
	pthread_mutex_lock(&files);
	void *lib = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
	if (!lib)
		lib = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
	if (lib)
		cxa_demangle = (char *(*)(const char *, char *, size_t *, int *))dlsym(lib, "__cxa_demangle");
	pthread_mutex_unlock(&files);
}

static struct rp_str whole(const char *s)
{
	return (struct rp_str){ s, (uint32_t)strlen(s) };
}

/* Owned by the caller; NULL when it cannot be. */
static char *demangle(const char *name)
{
	char rust[RP_RUST_NAME_BYTES_MAX];
	size_t n = rp_rust_name(name, rust);
	int status;
	if (n)
		return strndup(rust, n);
	find_demangler();
	return cxa_demangle ? cxa_demangle(name, NULL, NULL, &status) : NULL;
}

static struct rp_str readable(struct names *names, const char *name)
{
	struct demangled **bucket = &names->buckets[((uintptr_t)name * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (NAME_BUCKETS - 1)];
	if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R'))
		return whole(name);
	for (struct demangled *d = *bucket; d; d = d->next)
		if (d->from == name)
			return whole(d->to);
	char *text = demangle(name);
	struct demangled *d = text ? malloc(sizeof *d) : NULL;
	names->is_linked |= !text;
	if (!d) {
		names->failed |= text != NULL;
		free(text);
		return whole(name);
	}
	*d = (struct demangled){ *bucket, name, text };
	*bucket = d;
	return whole(text);
}

static void release_names(struct names *names)
{
	for (size_t i = 0; i < NAME_BUCKETS; i++)
		for (struct demangled *d = names->buckets[i], *next; d; d = next) {
			next = d->next;
			free(d->to);
			free(d);
		}
	free(names);
}

/* ---- files ---- */

static struct opened open_path(const char *path)
{
	struct opened o = OPENED_NONE;
	struct stat st;
	pthread_mutex_lock(&files);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0) {
		o.bytes = (size_t)st.st_size;
		/* Libelf writes the new size of a section that it unpacks into the header in this memory; the file is never written. */
		o.map = mmap(NULL, o.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
		if (o.map == MAP_FAILED)
			o.map = NULL;
	}
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&files);
	if (o.map)
		o.elf = elf_memory(o.map, o.bytes);
	return o;
}

static void close_opened(struct opened *o)
{
	if (o->elf)
		elf_end(o->elf);
	if (o->map)
		munmap(o->map, o->bytes);
	*o = OPENED_NONE;
}

static int is_same_build(Elf *elf, const struct rp_symbol_source *source)
{
	const void *id;
	ssize_t len = source->build_id ? dwelf_elf_gnu_build_id(elf, &id) : -1;
	return !source->build_id || ((size_t)len == source->build_id_len && !memcmp(id, source->build_id, (size_t)len));
}

static struct opened open_object(const struct rp_symbol_source *source)
{
	struct opened o = OPENED_NONE;
	if (!strcmp(source->path, "[vdso]")) {
		o.elf = elf_memory((char *)(uintptr_t)source->start, source->end - source->start);
		return o;
	}
	o = open_path(source->path);
	if (o.elf && (elf_kind(o.elf) != ELF_K_ELF || gelf_getclass(o.elf) != ELFCLASS64 || !is_same_build(o.elf, source))) {
		close_opened(&o);
	}
	return o;
}

static int has_section(Elf *elf, const char *name)
{
	size_t names;
	if (elf_getshdrstrndx(elf, &names))
		return 0;
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr h;
		const char *s = gelf_getshdr(scn, &h) ? elf_strptr(elf, names, h.sh_name) : NULL;
		if (s && !strcmp(s, name) && h.sh_type != SHT_NOBITS)
			return 1;
	}
	return 0;
}

/* Where distributions put what they strip. */
int rp_symbol_debug_path(char ret_path[RP_SYMBOL_DEBUG_PATH_BYTES], const struct rp_symbol_source *source)
{
	char name[RP_BUILD_ID_PATH_BYTES];
	if (!rp_build_id_path(name, source->build_id, source->build_id_len))
		return 0;
	snprintf(ret_path, RP_SYMBOL_DEBUG_PATH_BYTES, "/usr/lib/debug/.build-id/%s.debug", name);
	return 1;
}

/* *ret_is_missed: there is one, and it could not be opened (no descriptor, no memory, no right). */
static struct opened open_debug_file(const struct rp_symbol_source *source, int *ret_is_missed)
{
	char path[RP_SYMBOL_DEBUG_PATH_BYTES];
	struct stat st;
	struct opened o = OPENED_NONE;
	if (!rp_symbol_debug_path(path, source))
		return o;
	o = open_path(path);
	*ret_is_missed = !o.elf && !stat(path, &st);
	return o;
}

/* ---- symbol tables ---- */

/* Of several names for the same code the one others link to, then the tightest. */
static int is_better(const struct rp_lookup *l, const GElf_Sym *s, int rank)
{
	return !l->symbol || rank > l->symbol_rank || (rank == l->symbol_rank && s->st_size < l->symbol_bytes);
}

static void offer(struct rp_lookup *l, size_t n, const GElf_Sym *s, const char *name)
{
	int bind = GELF_ST_BIND(s->st_info), rank = bind == STB_GLOBAL ? 3 : bind == STB_WEAK ? 2 : 1;
	for (size_t i = rp_lookup_first(l, n, s->st_value); i < n && l[i].vaddr < s->st_value + s->st_size; i++)
		if (is_better(&l[i], s, rank)) {
			l[i].symbol = name;
			l[i].symbol_rank = rank;
			l[i].symbol_bytes = s->st_size;
		}
}

static int is_function(const GElf_Sym *s)
{
	int type = GELF_ST_TYPE(s->st_info);
	return s->st_size && s->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC_ || type == STT_NOTYPE);
}

static void read_symbols(Elf *elf, uint32_t type, struct rp_lookup *l, size_t n)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr h;
		if (!gelf_getshdr(scn, &h) || h.sh_type != type)
			continue;
		Elf_Data *symbols = elf_getdata(scn, NULL), *strings = elf_getdata(elf_getscn(elf, h.sh_link), NULL);
		if (!symbols || !strings || !strings->d_size)
			continue;
		const ElfW(Sym) *at = symbols->d_buf;
		for (size_t i = 0; i < symbols->d_size / sizeof *at; i++)
			if (at[i].st_value <= l[n - 1].vaddr && is_function(&at[i]) && at[i].st_name < strings->d_size
			    && at[i].st_value + at[i].st_size > l[0].vaddr)
				offer(l, n, &at[i], (const char *)strings->d_buf + at[i].st_name);
	}
}

/* The collector of a stripped interpreter. */
static void name_collector(Elf *main, struct rp_lookup *l, size_t n)
{
	struct rp_collector c;
	size_t nameless = 0;
	while (nameless < n && l[nameless].symbol)
		nameless++;
	if (nameless == n || rp_collector_find(main, &c))
		return;
	for (size_t i = rp_lookup_first(l, n, c.start); i < n && l[i].vaddr < c.end; i++)
		if (!l[i].symbol)
			l[i].symbol = RP_COLLECTOR_SYMBOL;
}

/* ---- all of it ---- */

/* The symbol table's name of the function that was not inlined is preferred where DWARF has none as linked (lambdas, C). */
static const char *outermost_name(const struct rp_lookup *l)
{
	const char *dwarf = l->frames[l->n_frames - 1].function;
	return dwarf && (!l->symbol || dwarf[0] == '_') ? dwarf : l->symbol ? l->symbol : dwarf;
}

static void hand_out(const struct rp_lookup *l, struct names *names, rp_symbol_fn *fn, void *arg)
{
	struct rp_symbol_frame frames[RP_SYMBOL_FRAMES_MAX];
	uint32_t n = l->n_frames;
	for (uint32_t i = 0; i < n; i++) {
		const char *function = i == n - 1 ? outermost_name(l) : l->frames[i].function;
		frames[i].function = function ? readable(names, function) : RP_STR("");
		frames[i].file = l->frames[i].file ? whole(l->frames[i].file) : RP_STR("");
		frames[i].line = l->frames[i].line;
	}
	if (!n && l->symbol) {
		frames[0] = (struct rp_symbol_frame){ readable(names, l->symbol), RP_STR(""), 0 };
		n = 1;
	}
	struct rp_symbol s = { l->address, frames, n };
	if (n)
		fn(&s, arg);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

struct places {
	uint64_t *at;
	size_t n, cap;
	int failed;
};

static void add_place(struct places *p, uint64_t at)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 1024;
		uint64_t *more = realloc(p->at, cap * sizeof *more);
		p->failed |= !more;
		if (!more)
			return;
		p->at = more;
		p->cap = cap;
	}
	p->at[p->n++] = at;
}

/* Where functions begin and end. */
static void add_places(struct places *p, Elf *elf)
{
	for (Elf_Scn *scn = NULL; elf && (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr h;
		Elf_Data *symbols = gelf_getshdr(scn, &h) && (h.sh_type == SHT_SYMTAB || h.sh_type == SHT_DYNSYM) ? elf_getdata(scn, NULL) : NULL;
		const ElfW(Sym) *at = symbols ? symbols->d_buf : NULL;
		for (size_t i = 0; at && i < symbols->d_size / sizeof *at && !p->failed; i++)
			if (is_function(&at[i]) && at[i].st_value + at[i].st_size > at[i].st_value) {
				add_place(p, at[i].st_value);
				add_place(p, at[i].st_value + at[i].st_size);
			}
	}
}

/* 1 where all is known that could be. has_dwarf: of its own. */
static int look_up(Elf *main, Elf *debug, int has_dwarf, struct rp_lookup *l, size_t n, int tables_only, struct rp_place_cache *units,
		   rp_symbol_fn *fn, void *arg)
{
	struct names *names = calloc(1, sizeof *names);
	if (!names)
		return 0;
	read_symbols(main, SHT_SYMTAB, l, n);
	if (debug)
		read_symbols(debug, SHT_SYMTAB, l, n);
	read_symbols(main, SHT_DYNSYM, l, n);
	if (!debug)
		name_collector(main, l, n);
	/* Distributions compress the DWARF they strip: 30 ms for libc alone, to learn the lines of malloc. Its symbols will do. */
	struct rp_dwarf *dwarf = debug || tables_only || rp_memory_left() < DWARF_BYTES ? NULL : rp_dwarf_open(main, l, n, units);
	for (size_t i = 0; i < n; i++)
		hand_out(&l[i], names, fn, arg);
	int is_whole = (dwarf ? rp_dwarf_is_whole(dwarf) : !has_dwarf) && !names->failed && (cxa_demangle || !names->is_linked);
	rp_dwarf_close(dwarf);
	release_names(names);
	return is_whole;
}

int rp_symbol_file_resolve(const struct rp_symbol_source *source, const uint64_t *addresses, uint64_t n, int tables_only, struct rp_place_cache *units,
			   rp_symbol_fn *fn, void *arg)
{
	int is_whole = 0, is_missed = 0;
	for (uint64_t i = 1; i < n; i++)
		rp_assert(addresses[i - 1] < addresses[i]);
	elf_version(EV_CURRENT);
	struct opened main = open_object(source), debug = OPENED_NONE;
	struct rp_lookup *l = main.elf ? calloc(n, sizeof *l) : NULL;
	if (l) {
		for (uint64_t i = 0; i < n; i++) {
			l[i].address = addresses[i];
			l[i].vaddr = addresses[i] - 1 - source->bias;
		}
		int has_dwarf = has_section(main.elf, ".debug_info") || has_section(main.elf, ".zdebug_info");
		if (main.map && !has_section(main.elf, ".debug_info"))
			debug = open_debug_file(source, &is_missed);
		is_whole = look_up(main.elf, debug.elf, has_dwarf, l, n, tables_only, units, fn, arg) && !is_missed;
	}
	free(l);
	close_opened(&debug);
	close_opened(&main);
	return is_whole;
}

struct all {
	rp_symbol_fn *fn;
	void *arg;
	const struct rp_lookup *l;
	size_t n, at; /* up to here places have been told */
};

static void tell_up_to(struct all *a, uint64_t address)
{
	for (; a->at < a->n && a->l[a->at].address < address; a->at++)
		a->fn(&(struct rp_symbol){ a->l[a->at].address, NULL, 0 }, a->arg);
}

static void tell(const struct rp_symbol *s, void *arg)
{
	struct all *a = arg;
	tell_up_to(a, s->address);
	a->fn(s, a->arg);
	a->at++;
}

static int all_of(Elf *main, Elf *debug, rp_symbol_fn *fn, void *arg)
{
	struct places p = { NULL, 0, 0, 0 };
	size_t n = 0;
	struct rp_collector collector;
	add_places(&p, main);
	add_places(&p, debug);
	if (!debug && !rp_collector_find(main, &collector)) {
		add_place(&p, collector.start);
		add_place(&p, collector.end);
	}
	rp_sort(p.at, p.n, sizeof *p.at, by_value);
	for (size_t i = 0; i < p.n; i++)
		if (!i || p.at[i] != p.at[n - 1])
			p.at[n++] = p.at[i];
	struct rp_lookup *l = p.failed || !n ? NULL : calloc(n, sizeof *l);
	for (size_t i = 0; l && i < n; i++)
		l[i] = (struct rp_lookup){ .address = p.at[i] + 1, .vaddr = p.at[i] };
	struct all a = { fn, arg, l, n, 0 };
	if (l) {
		look_up(main, debug, 0, l, n, 1, NULL, tell, &a);
		tell_up_to(&a, UINT64_MAX);
	}
	int rc = p.failed || (n && !l) ? RP_ENOMEM : 0;
	free(l);
	free(p.at);
	return rc;
}

int rp_symbol_file_all(const char *path, uint8_t *ret_build_id, uint32_t *ret_build_id_len, rp_symbol_fn *fn, void *arg)
{
	struct rp_symbol_source source = { .path = path };
	elf_version(EV_CURRENT);
	struct opened main = open_object(&source), debug = OPENED_NONE;
	const void *id;
	ssize_t len = main.elf ? dwelf_elf_gnu_build_id(main.elf, &id) : -1;
	int rc = RP_ENOTFOUND, is_missed;
	if (len >= 2 && len <= RP_BUILD_ID_BYTES_MAX) {
		memcpy(ret_build_id, id, (size_t)len);
		*ret_build_id_len = (uint32_t)len;
		source.build_id = ret_build_id;
		source.build_id_len = (uint32_t)len;
		if (!has_section(main.elf, ".debug_info"))
			debug = open_debug_file(&source, &is_missed);
		rc = all_of(main.elf, debug.elf, fn, arg);
	}
	close_opened(&debug);
	close_opened(&main);
	return rc;
}

/* ---- fork ---- */

void rp_symbol_file_hold(void)
{
	pthread_mutex_lock(&files);
}

void rp_symbol_file_let_go(void)
{
	pthread_mutex_unlock(&files);
}

void rp_symbol_file_fork_prepare(void)
{
	locked_for_fork = 0;
	for (int i = 0; i < FORK_WAIT_ROUNDS && !locked_for_fork; i++) {
		locked_for_fork = pthread_mutex_trylock(&files) == 0;
		if (!locked_for_fork)
			nanosleep(&(struct timespec){ 0, FORK_WAIT_NS }, NULL);
	}
}

void rp_symbol_file_fork_parent(void)
{
	if (locked_for_fork)
		pthread_mutex_unlock(&files);
	locked_for_fork = 0;
}

/* Overwritten, not unlocked: its owner may not exist here. */
void rp_symbol_file_fork_child(void)
{
	files = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	locked_for_fork = 0;
}
