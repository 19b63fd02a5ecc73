#include "names/collector.h"

#include <gelf.h>
#include <link.h>
#include <string.h>

#include "base/base.h"

#define EXPORTED "PyGC_Collect"
/* What only passes on: gc_collect_with_callback of 3.11 has 95 bytes. The collector has 7,000 and more in the builds that were looked at. */
#define SHORT_BYTES_MAX 512
#define COLLECTOR_BYTES_MIN 2048

struct object {
	Elf *elf;
	const ElfW(Sym) *exported;
	size_t n_exported;
	uint64_t collect; /* PyGC_Collect */
	const uint8_t *index;
	uint64_t index_at;
	uint32_t n_functions;
};

/* ---- what the object exports ---- */

static int read_exported(struct object *o)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(o->elf, scn));) {
		GElf_Shdr h;
		if (!gelf_getshdr(scn, &h) || h.sh_type == SHT_SYMTAB)
			return RP_ENOTFOUND; /* it has its names */
		if (h.sh_type != SHT_DYNSYM)
			continue;
		Elf_Data *symbols = elf_getdata(scn, NULL), *strings = elf_getdata(elf_getscn(o->elf, h.sh_link), NULL);
		if (!symbols || !strings || !strings->d_size || ((const char *)strings->d_buf)[strings->d_size - 1])
			return RP_ENOTFOUND;
		o->exported = symbols->d_buf;
		o->n_exported = symbols->d_size / sizeof *o->exported;
		for (size_t i = 0; i < o->n_exported && !o->collect; i++)
			if (o->exported[i].st_name < strings->d_size && !strcmp((const char *)strings->d_buf + o->exported[i].st_name, EXPORTED))
				o->collect = o->exported[i].st_value;
	}
	return o->collect ? 0 : RP_ENOTFOUND;
}

static int has_name(const struct object *o, uint64_t address)
{
	for (size_t i = 0; i < o->n_exported; i++)
		if (o->exported[i].st_value == address)
			return 1;
	return 0;
}

/* ---- functions, as the index of the frame table (.eh_frame_hdr) has them: where each begins ---- */

#define INDEX_HEAD_BYTES 12
#define INDEX_VERSION 1
#define COUNT_UDATA4 0x03
#define TABLE_DATAREL_SDATA4 0x3b

/* Entries are two words: where a function begins, from where the index does, and its row. Sorted. */
static int read_index(struct object *o)
{
	size_t n;
	const ElfW(Phdr) *segments = !elf_getphdrnum(o->elf, &n) && n ? elf64_getphdr(o->elf) : NULL;
	for (size_t i = 0; segments && i < n; i++) {
		Elf_Data *data = segments[i].p_type == PT_GNU_EH_FRAME ? elf_getdata_rawchunk(o->elf, (int64_t)segments[i].p_offset, segments[i].p_filesz, ELF_T_BYTE) : NULL;
		const uint8_t *p = data && data->d_size > INDEX_HEAD_BYTES ? data->d_buf : NULL;
		uint32_t count;
		if (!p || p[0] != INDEX_VERSION || p[2] != COUNT_UDATA4 || p[3] != TABLE_DATAREL_SDATA4)
			continue;
		memcpy(&count, p + 8, sizeof count);
		if (count > (data->d_size - INDEX_HEAD_BYTES) / 8)
			continue;
		o->index = p + INDEX_HEAD_BYTES;
		o->index_at = segments[i].p_vaddr;
		o->n_functions = count;
	}
	return o->index ? 0 : RP_ENOTFOUND;
}

static uint64_t begin_of(const struct object *o, uint32_t i)
{
	int32_t from_index;
	memcpy(&from_index, o->index + 8 * (size_t)i, sizeof from_index);
	return o->index_at + (uint64_t)(int64_t)from_index;
}

/* The function that begins at `address`, up to the next. */
static int function_at(const struct object *o, uint64_t address, struct rp_collector *ret_function)
{
	uint32_t low = 0, high = o->n_functions;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (begin_of(o, middle) < address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low + 1 >= o->n_functions || begin_of(o, low) != address || begin_of(o, low + 1) <= address)
		return RP_ENOTFOUND;
	*ret_function = (struct rp_collector){ address, begin_of(o, low + 1) };
	return 0;
}

/* Its instructions; NULL: not in the file. */
static const uint8_t *code_of(const struct object *o, const struct rp_collector *function)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(o->elf, scn));) {
		GElf_Shdr h;
		if (!gelf_getshdr(scn, &h) || h.sh_type != SHT_PROGBITS || !(h.sh_flags & SHF_EXECINSTR) || function->start < h.sh_addr ||
		    function->end > h.sh_addr + h.sh_size)
			continue;
		Elf_Data *data = elf_rawdata(scn, NULL);
		return data && data->d_size == h.sh_size ? (const uint8_t *)data->d_buf + (function->start - h.sh_addr) : NULL;
	}
	return NULL;
}

/* ---- calls ---- */

/* Where the bytes at p, which are at `address`, would call or jump to if they were such an instruction; 0: they are none. */
static uint64_t target_of(int machine, const uint8_t *p, uint64_t left, uint64_t address)
{
	int32_t by;
	if (machine == EM_X86_64 && left >= 5 && (p[0] == 0xe8 || p[0] == 0xe9)) {
		memcpy(&by, p + 1, sizeof by);
		return address + 5 + (uint64_t)(int64_t)by;
	}
	if (machine == EM_AARCH64 && left >= 4 && !(address & 3)) {
		uint32_t word;
		memcpy(&word, p, sizeof word);
		if ((word & 0x7c000000) == 0x14000000) /* B, BL: 26 bits, in words */
			return address + (uint64_t)((int64_t)((uint64_t)word << 38) >> 36);
	}
	return 0;
}

/* The longest of the functions without a name that are called from `from`, or from a short one of them. */
static void find_longest(const struct object *o, const struct rp_collector *from, int is_first, struct rp_collector *longest)
{
	GElf_Ehdr header;
	const uint8_t *code = gelf_getehdr(o->elf, &header) ? code_of(o, from) : NULL;
	for (uint64_t i = 0; code && i < from->end - from->start; i++) {
		struct rp_collector called;
		uint64_t to = target_of(header.e_machine, code + i, from->end - from->start - i, from->start + i);
		if (!to || function_at(o, to, &called) || has_name(o, to))
			continue;
		if (called.end - called.start > longest->end - longest->start)
			*longest = called;
		if (is_first && called.end - called.start <= SHORT_BYTES_MAX)
			find_longest(o, &called, 0, longest);
	}
}

int rp_collector_find(Elf *elf, struct rp_collector *ret_collector)
{
	struct object o = { .elf = elf };
	struct rp_collector collect, longest = { 0, 0 };
	if (read_exported(&o) || read_index(&o) || function_at(&o, o.collect, &collect) || collect.end - collect.start > SHORT_BYTES_MAX)
		return RP_ENOTFOUND;
	find_longest(&o, &collect, 1, &longest);
	if (longest.end - longest.start < COLLECTOR_BYTES_MIN)
		return RP_ENOTFOUND;
	*ret_collector = longest;
	return 0;
}
