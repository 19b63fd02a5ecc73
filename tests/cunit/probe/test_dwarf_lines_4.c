/* As test_dwarf_lines.c, for DWARF 4. */
/* rp-test: sources=csrc/probe/dwarf_lines.c,csrc/probe/symbol_file.c,csrc/probe/rust_name.c,csrc/probe/dwarf_frames.c libraries=libdw,libelf flags=-gdwarf-4 */
#include "dwarf_lines_check.h"

int main(void)
{
	return check_dwarf_lines();
}
