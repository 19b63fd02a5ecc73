/* As test_dwarf_lines.c, for DWARF 4. */
/* rp-test: sources=csrc/names/dwarf_lines.c,csrc/names/symbol_file.c,csrc/names/rust_name.c,csrc/names/dwarf_frames.c libraries=libdw,libelf flags=-gdwarf-4 */
#include "dwarf_lines_check.h"

int main(void)
{
	return check_dwarf_lines();
}
