/* What is loaded, read from memory alone: objects, their dynamic sections, relocations, symbols, build ids.
 *
 * Vocabulary.
 *   object   one executable or library that ld.so has mapped, or the vdso.
 *   bias     what ld.so added to the object's own addresses.
 *   slot     a word of an object that holds the address of a function: GOT, PLT-GOT, or a function pointer in data.
 *
 * Thread rules: nothing here takes a lock except rp_elf_list (ld.so's own, briefly), allocates from malloc, or needs the GIL.
 * The memory of an object is read without asking again whether it is loaded: the caller keeps it from being unloaded (rp_elf_while_listed). */
#ifndef RP_STACK_ELF_WALK_H
#define RP_STACK_ELF_WALK_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

struct rp_elf {
	const char *path;    /* in the list's own memory; the program's own path for the executable, "[vdso]" for the vdso */
	uint64_t path_hash;  /* with bias and start: tells an object from another that takes its place */
	uintptr_t bias;
	uintptr_t start, end; /* first and past the last mapped byte */
	const ElfW(Phdr) *phdr;
	uint32_t phnum;
	int is_main, is_vdso, is_loader, is_self; /* self: the object this code is in */
};

struct rp_elf_list {
	struct rp_elf *objects; /* in load order: the order in which symbols are looked up */
	uint32_t count, cap;
	char *text; /* paths */
	size_t text_used, text_cap;
	unsigned long long adds, subs; /* ld.so's counters when the list was made */
	uintptr_t vdso, loader; /* addresses in them; 0: there is none */
	int too_small;
};

#define RP_ELF_LIST_INIT { NULL, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0 }
#define RP_ELF_OBJECTS_MAX 65536

/* Lists what is loaded now, into memory of its own (mmap): where nothing has come or gone since, the list that was released last. 0 or RP_ENOMEM. Takes
 * ld.so's list lock. */
int rp_elf_list(struct rp_elf_list *ret_list);
void rp_elf_list_release(struct rp_elf_list *l);
/* Calls fn under ld.so's list lock, where nothing is loaded or unloaded: what the list names is there, and can be read. Something that
 * was being loaded when the list was made may not be relocated yet. fn may neither allocate nor wait, nor take a lock of ours that is ever held around a
 * call of ld.so: another thread may be in dlopen, or unwind an exception. 0 without a call when objects have
 * come or gone since the list was made, else 1. */
int rp_elf_while_listed(const struct rp_elf_list *l, void (*fn)(const struct rp_elf_list *l, void *arg), void *arg);
/* ld.so's counters of objects loaded and unloaded so far: 50 ns, to see whether a list is still true. */
void rp_elf_counters(unsigned long long *ret_adds, unsigned long long *ret_subs);
/* Whether [at, at + bytes) lies in a loaded segment of the object. */
int rp_elf_holds(const struct rp_elf *e, uintptr_t at, size_t bytes);
/* Whether the address is in an executable segment. */
int rp_elf_is_code(const struct rp_elf *e, uintptr_t at);

/* The build id's bytes in the object's memory, NULL when it has none. */
const uint8_t *rp_elf_build_id(const struct rp_elf *e, uint32_t *ret_len);
/* The PT_GNU_EH_FRAME header, 0 when it has none. */
uintptr_t rp_elf_eh_frame_hdr(const struct rp_elf *e);
/* Pages ld.so made read-only after relocation; 0 when there are none. */
int rp_elf_relro(const struct rp_elf *e, uintptr_t *ret_start, uintptr_t *ret_end);

/* The dynamic section, with all addresses checked to lie in the object. */
struct rp_elf_dyn {
	const ElfW(Sym) *symtab;
	uintptr_t symtab_end; /* of the segment it is in: how many symbols there are is written nowhere */
	const char *strtab;
	size_t strsz; /* the last byte is 0 */
	uint32_t first_defined; /* from this symbol on the object has them all itself, by its hash table; UINT32_MAX: nothing is known */
	const uint32_t *gnu_hash;
	const uint32_t *hash;
	const uint16_t *versym;
	struct rp_elf_rel_table {
		uintptr_t at;
		size_t bytes;
		int has_addend;
	} rel[3]; /* DT_RELA, DT_REL, DT_JMPREL, without the relative ones that stand first; at = 0 where missing */
};
/* 0, or RP_EDAMAGED when a table is missing or lies outside. */
int rp_elf_dyn_open(struct rp_elf_dyn *ret_d, const struct rp_elf *e);
/* Address of a symbol the object defines (default version, function), 0 when it does not. */
uintptr_t rp_elf_defined(const struct rp_elf *e, const struct rp_elf_dyn *d, const char *name);
/* The next definition of that name in any version, after the symbol at *index (0 at first), which becomes the one found. 0: there are no more. */
uintptr_t rp_elf_next_definition(const struct rp_elf *e, const struct rp_elf_dyn *d, const char *name, uint32_t *index);

/* Calls fn for each relocation that puts the address of a symbol into a word of the object. A process has some 200,000, whose names lie far
 * apart in memory: who can tell by the rest should not look at them. */
struct rp_elf_slot {
	uintptr_t *word;
	uint32_t symbol;
	int is_call; /* of the procedure linkage table: bound at the first call perhaps, all others when the object is loaded */
};
typedef void rp_elf_slot_fn(const struct rp_elf_slot *slot, void *arg);
/* The slot's symbol: its name, terminated; whether the object has it itself; whether, not having it, it lives without. */
const char *rp_elf_symbol(const struct rp_elf_dyn *d, const struct rp_elf_slot *slot, int *ret_undefined, int *ret_weak);
void rp_elf_slots(const struct rp_elf *e, const struct rp_elf_dyn *d, rp_elf_slot_fn *fn, void *arg);

#endif
