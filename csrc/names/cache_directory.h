/* The user's directory of place tables (docs/name-cache.md): files by name, read and written whole. For place_cache.c; name_cache.c opens it.
 *
 * It may lie on a network and be shared by thousands of processes: nothing is locked, a file comes by rename alone, and what is there may be gone, damaged or
 * another user's at any time. Each failure is silent. One caller at a time, as the namer; no GIL. */
#ifndef RP_NAMES_CACHE_DIRECTORY_H
#define RP_NAMES_CACHE_DIRECTORY_H

#include <stdint.h>

#include "base/base.h"

/* What all files may take together; those unused for longest go. */
#define RP_NAME_CACHE_BYTES_MAX (UINT64_C(256) << 20)
#define RP_NAME_CACHE_SUFFIX ".rpsym"

/* Finds out where it is, out of the environment; touches nothing. By the session. */
void rp_cache_directory_open(void);
int rp_cache_directory_is_off(void);
/* The bytes of a file of this user, in memory of malloc; NULL: there is none that can be read. Says to the file, once a day, that it is used. */
uint8_t *rp_cache_directory_read(const char *name, size_t *ret_len);
/* Whether nobody has written the file for ten minutes, or said that it is used. */
int rp_cache_directory_is_old(const char *name);
/* Makes the directory when it must. 0; RP_EOPEN, RP_EIO. */
int rp_cache_directory_write(const char *name, const uint8_t *bytes, size_t len);

#endif
