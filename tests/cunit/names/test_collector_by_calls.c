/* The garbage collector of a stripped interpreter is found by whom PyGC_Collect calls: in code of x86-64 and of aarch64, both on any machine.
 * An object of six functions is made by hand; what looks like a call and is none leads to a longer one than the collector. */
/* rp-test: libraries=libelf */
#include "../harness.h"

#include "base/base.h"
#include "names/collector.h"

/* Functions in a row, in this order: the collector lies before its caller, so the way to it is a jump backwards. */
enum { COLLECTOR = 0x1000, COLLECT = 0x2000, SHORT = 0x2040, NAMED = 0x2080, NO_CALL = 0x5000, ACROSS = 0x8000, END = 0xb000 };
static const uint32_t BEGINS[] = { COLLECTOR, COLLECT, SHORT, NAMED, NO_CALL, ACROSS, END };
enum { N_BEGINS = sizeof BEGINS / sizeof BEGINS[0] };

/* The file: code lies where it is loaded. */
enum { SEGMENT = 0x40, SECTIONS = 0x100, SYMBOLS = 0x300, NAMES = 0x400, INDEX = 0x500, FILE_BYTES = END };
static _Alignas(16) uint8_t file[FILE_BYTES];

static void put32(uint32_t at, uint32_t word)
{
	memcpy(file + at, &word, sizeof word);
}

static void section(int i, uint32_t type, uint64_t flags, uint64_t at, uint64_t bytes, uint32_t link, uint64_t entry_bytes)
{
	Elf64_Shdr h = { .sh_type = type, .sh_flags = flags, .sh_addr = at, .sh_offset = at, .sh_size = bytes, .sh_link = link, .sh_entsize = entry_bytes, .sh_addralign = 1 };
	memcpy(file + SECTIONS + (size_t)i * sizeof h, &h, sizeof h);
}

static void make_object(int machine)
{
	static const char names[] = "\0PyGC_Collect\0PyGC_Enable";
	Elf64_Ehdr header = { .e_type = ET_DYN, .e_machine = (uint16_t)machine, .e_version = EV_CURRENT, .e_phoff = SEGMENT, .e_shoff = SECTIONS, .e_ehsize = sizeof header,
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1, .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 4 };
	Elf64_Phdr segment = { .p_type = PT_GNU_EH_FRAME, .p_offset = INDEX, .p_vaddr = INDEX, .p_filesz = 12 + 8 * N_BEGINS };
	Elf64_Sym symbols[] = { { 0 }, { .st_name = 1, .st_value = COLLECT }, { .st_name = 14, .st_value = NAMED } };
	memset(file, 0, sizeof file);
	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(file, &header, sizeof header);
	memcpy(file + SEGMENT, &segment, sizeof segment);
	memcpy(file + SYMBOLS, symbols, sizeof symbols);
	memcpy(file + NAMES, names, sizeof names);
	section(1, SHT_DYNSYM, 0, SYMBOLS, sizeof symbols, 2, sizeof *symbols);
	section(2, SHT_STRTAB, 0, NAMES, sizeof names, 0, 0);
	section(3, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, COLLECTOR, END - COLLECTOR, 0, 0);
	memcpy(file + INDEX, "\x01\x1b\x03\x3b", 4); /* the version, and how pointers, the count and the table are written */
	put32(INDEX + 8, N_BEGINS);
	for (uint32_t i = 0; i < N_BEGINS; i++)
		put32(INDEX + 12 + 8 * i, BEGINS[i] - INDEX);
}

static int find(struct rp_collector *ret_collector)
{
	Elf *elf = elf_memory((char *)file, sizeof file);
	CHECK(elf);
	int status = rp_collector_find(elf, ret_collector);
	elf_end(elf);
	return status;
}

/* call (e8) and jmp (e9): a displacement from the end of the instruction. */
static void x86_64(uint32_t at, uint8_t opcode, uint32_t to)
{
	file[at] = opcode;
	put32(at + 1, to - (at + 5));
}

static void test_x86_64(void)
{
	struct rp_collector found = { 0, 0 };
	make_object(EM_X86_64);
	x86_64(COLLECT + 3, 0xe8, SHORT);
	x86_64(COLLECT + 9, 0xe8, NAMED);
	x86_64(COLLECT + 20, 0xb8, NO_CALL); /* mov: its number is the displacement there would be */
	x86_64(SHORT - 4, 0xe8, ACROSS); /* goes on in the next function: its opcode and three bytes are here */
	CHECK_INT(find(&found), RP_ENOTFOUND);
	x86_64(SHORT + 7, 0xe9, COLLECTOR);
	CHECK_INT(find(&found), 0);
	CHECK_UINT(found.start, COLLECTOR);
	CHECK_UINT(found.end, COLLECT);
}

/* B (0x14) and BL (0x94): 26 bits, in words, from the instruction itself. */
static uint32_t aarch64(uint32_t at, uint32_t opcode, uint32_t to)
{
	return opcode << 24 | (((to - at) >> 2) & 0x3ffffff);
}

static void test_aarch64(void)
{
	struct rp_collector found = { 0, 0 };
	make_object(EM_AARCH64);
	put32(COLLECT + 4, aarch64(COLLECT + 4, 0x94, SHORT));
	put32(COLLECT + 8, aarch64(COLLECT + 8, 0x94, NAMED));
	put32(COLLECT + 12, aarch64(COLLECT + 12, 0x54, NO_CALL)); /* b.cond, cbz and tbz have the bits of a branch's number, and mean others by them */
	put32(COLLECT + 16, aarch64(COLLECT + 16, 0xb4, NO_CALL));
	put32(COLLECT + 20, aarch64(COLLECT + 20, 0x36, NO_CALL));
	CHECK_INT(find(&found), RP_ENOTFOUND);
	put32(SHORT + 8, aarch64(SHORT + 8, 0x14, COLLECTOR));
	CHECK_INT(find(&found), 0);
	CHECK_UINT(found.start, COLLECTOR);
	CHECK_UINT(found.end, COLLECT);
	put32(SHORT + 8, aarch64(SHORT + 8, 0x94, COLLECTOR));
	CHECK_INT(find(&found), 0);
	CHECK_UINT(found.start, COLLECTOR);
	put32(SHORT + 8, aarch64(SHORT + 8, 0x14, COLLECTOR + 4)); /* into it, not to where it begins */
	CHECK_INT(find(&found), RP_ENOTFOUND);
}

int main(void)
{
	CHECK(elf_version(EV_CURRENT) != EV_NONE);
	test_x86_64();
	test_aarch64();
	return 0;
}
