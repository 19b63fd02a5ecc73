/* Questions to the module map from within probe/; installing it is in probe.h. */
#ifndef RP_PROBE_MODULE_MAP_H
#define RP_PROBE_MODULE_MAP_H

#include <stdint.h>

#include "base/base.h"

struct rp_module_info {
	uint32_t id; /* as in its MODULE definition */
	uint64_t bias, start, end;
	const char *path; /* valid until the next rp_modules_install */
};

/* The module loaded at this address now; 0 or RP_ENOTFOUND. From rp_modules_install on, after rp_modules_remove too; not while
 * another thread may refresh. */
int rp_modules_find(uint64_t address, struct rp_module_info *ret_info);

#endif
