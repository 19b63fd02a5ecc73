/* As test_compressed_lines.c, for DWARF 4. */
/* rp-test: libraries=libdw,libelf flags=-gdwarf-4 */
#define _GNU_SOURCE
#include "compressed_lines_check.h"

int main(void)
{
	return check_compressed_lines();
}
