/* Build ids of native code (ELF notes): the name by which debug files and symbol tables are kept. */
#ifndef RP_BASE_BUILD_ID_H
#define RP_BASE_BUILD_ID_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define RP_BUILD_ID_BYTES_MAX 64
#define RP_BUILD_ID_PATH_BYTES (2 * RP_BUILD_ID_BYTES_MAX + 2)

/* "ab/cdef..." into ret_path, with the zero. Its length; 0, and nothing written, for an id of a length that none has. */
RP_INLINE size_t rp_build_id_path(char ret_path[RP_BUILD_ID_PATH_BYTES], const uint8_t *id, uint32_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	if (!id || len < 2 || len > RP_BUILD_ID_BYTES_MAX)
		return 0;
	for (uint32_t i = 0; i < len; i++) {
		ret_path[at++] = digits[id[i] >> 4];
		ret_path[at++] = digits[id[i] & 15];
		if (i == 0)
			ret_path[at++] = '/';
	}
	ret_path[at] = 0;
	return at;
}

#endif
