/* Questions to the module map from within probe/; installing it is in probe.h. */
#ifndef RP_PROBE_MODULE_MAP_H
#define RP_PROBE_MODULE_MAP_H

#include <stdint.h>

#include "base/base.h"

struct rp_module_info {
	uint32_t id; /* as in its MODULE definition */
	uint64_t bias, start, end;
	const char *path; /* valid until the next rp_modules_install */
	const uint8_t *build_id; /* as path. What the object in memory says: its file may have been replaced since */
	uint32_t build_id_len;   /* 0: it has none */
};

/* The module loaded at this address as of the last refresh; 0 or RP_ENOTFOUND. From rp_modules_install on, after rp_modules_remove too. Takes a
 * lock, so not in a hook. */
int rp_modules_find(uint64_t address, struct rp_module_info *ret_info);
/* In a forked child: the lock's owner may not exist here. */
void rp_modules_fork_child(void);

#endif
