/* Code of a module whose debug sections are compressed has the same functions, whole paths and lines as without. DWARF 5. */
/* rp-test: libraries=libdw,libelf flags=-gdwarf-5 */
#define _GNU_SOURCE
#include "compressed_lines_check.h"

int main(void)
{
	return check_compressed_lines();
}
