/* As test_line_table.c, for DWARF 4. */
/* rp-test: sources=csrc/probe/line_table.c,csrc/probe/symbol_file.c,csrc/probe/dwarf_frames.c libraries=libdw,libelf flags=-gdwarf-4 */
#include "line_table_check.h"

int main(void)
{
	return check_line_tables();
}
