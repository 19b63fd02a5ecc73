/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78): the checksum of headers and blocks. */
#ifndef RP_BASE_CHECKSUM_H
#define RP_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over `len` bytes. Takes no lock and allocates nothing; any thread may call it. */
uint32_t rp_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
