/* Our reading of .debug_aranges agrees with libdw's for addresses all over this program, many at once and one alone. Cut at any place it is refused, or
 * read within its bounds. */
/* rp-test: sources=csrc/names/dwarf_aranges.c,csrc/names/dwarf_frames.c,csrc/names/dwarf_lines.c,csrc/names/symbol_file.c libraries=libdw,libelf flags=-g */
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <libelf.h>
#include <unistd.h>

#include "../harness.h"
#include "names/dwarf_aranges.h"
#include "names/dwarf_lines.h"

#define N 4000

int main(void);

static struct rp_lookup lookups[N];

static uint64_t entry_of(Dwarf *dw, uint64_t header)
{
	Dwarf_Off next;
	size_t bytes;
	CHECK_INT(dwarf_nextcu(dw, header, &next, &bytes, NULL, NULL, NULL), 0);
	return header + bytes;
}

static uint64_t by_libdw(Dwarf_Aranges *aranges, uint64_t vaddr)
{
	Dwarf_Arange *a = dwarf_getarange_addr(aranges, vaddr);
	Dwarf_Off entry = 0;
	CHECK(!a || !dwarf_getarangeinfo(a, NULL, NULL, &entry));
	return entry;
}

static void spread(uint64_t from, uint64_t step)
{
	for (size_t i = 0; i < N; i++)
		lookups[i] = (struct rp_lookup){ .vaddr = from + i * step };
}

static void cut_everywhere(struct rp_cursor section)
{
	for (size_t len = 0; len < rp_cursor_left(&section); len++) {
		uint8_t *copy = malloc(len + !len); /* a sanitizer sees any byte read past it */
		memcpy(copy, section.at, len);
		spread(0, 16);
		(void)rp_aranges_find(rp_cursor_over(copy, len), lookups, N);
		if (len >= 4) /* a length that fits, so that the cut is met further in */
			rp_put_u32(copy, (uint32_t)len - 4);
		(void)rp_aranges_find(rp_cursor_over(copy, len), lookups, N);
		free(copy);
	}
}

static uint8_t *put_set(uint8_t *p, uint32_t unit, uint64_t at, uint64_t length)
{
	static const uint8_t header[] = { 44, 0, 0, 0, 2, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0 }; /* with two pairs */
	memcpy(p, header, sizeof header);
	rp_put_u32(p + 6, unit);
	rp_put_u64(p + 16, at);
	rp_put_u64(p + 24, length);
	memset(p + 32, 0, 16);
	return p + 48;
}

/* A function that the linker dropped has kept its length. */
static void check_dropped(void)
{
	uint8_t bytes[96], *end = put_set(put_set(bytes, 0, 0, 0x9000), 0x100, 0x1000, 0x40);
	struct rp_lookup two[] = { { .vaddr = 0x1010 }, { .vaddr = 0x1040 } };
	CHECK_INT(rp_aranges_find(rp_cursor_over(bytes, (size_t)(end - bytes)), two, 2), 0);
	CHECK_UINT(two[0].cu, 0x101);
	CHECK_UINT(two[1].cu, 0);
}

extern const char __executable_start[];

int main(void)
{
	Dwarf_Aranges *aranges;
	size_t count, placed = 0;
	elf_version(EV_CURRENT);
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Dwarf *dw = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	CHECK(dw != NULL);
	CHECK_INT(dwarf_getaranges(dw, &aranges, &count), 0);
	struct rp_cursor section = rp_section_find(elf, ".debug_aranges");
	CHECK(section.at != NULL);
	for (uint64_t step = 1; step < 100; step += 14) {
		spread((uintptr_t)main - (uintptr_t)__executable_start, step);
		CHECK_INT(rp_aranges_find(section, lookups, N), 0);
		for (size_t i = 0; i < N; i++) {
			uint64_t right = by_libdw(aranges, lookups[i].vaddr), ours = lookups[i].cu ? entry_of(dw, lookups[i].cu - 1) : 0;
			CHECK_UINT(ours, right);
			placed += right != 0;
			struct rp_lookup one = { .vaddr = lookups[i].vaddr };
			if (i % 16 == 0) {
				CHECK_INT(rp_aranges_find(section, &one, 1), 0);
				CHECK_UINT(one.cu, lookups[i].cu);
			}
		}
	}
	printf("%zu addresses agree\n", placed);
	CHECK(placed > 1000);
	cut_everywhere(section);
	check_dropped();
	dwarf_end(dw);
	elf_end(elf);
	close(fd);
	return 0;
}
