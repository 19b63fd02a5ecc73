/* How much more the process may map. Where malloc refuses it, libdw ends the process (it says so and exits, or an assertion fails), so it is asked only where there is room.
 * The namer's thread; opens a file for a moment where there is a limit, below rp_symbol_file_hold. */
#ifndef RP_NAMES_MEMORY_LEFT_H
#define RP_NAMES_MEMORY_LEFT_H

#include <stdint.h>

/* Bytes below RLIMIT_AS and RLIMIT_DATA, the lesser; UINT64_MAX: neither is set; 0: one is, and what is mapped cannot be read. Another thread may take them at any time. */
uint64_t rp_memory_left(void);

#endif
