/* Our reading of line programs agrees with libdw's for every function of this program and at every 7th byte in between, DWARF 4 and 5
 * both (see test_dwarf_lines_4.c). Cut at any place, a table is refused or read within its bounds. */
/* rp-test: sources=csrc/names/dwarf_lines.c,csrc/names/symbol_file.c,csrc/names/rust_name.c,csrc/names/dwarf_frames.c libraries=libdw,libelf flags=-gdwarf-5 */
#include "dwarf_lines_check.h"

int main(void)
{
	return check_dwarf_lines();
}
