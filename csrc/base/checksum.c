#include "base/checksum.h"

#include <stdatomic.h>

#include "base/bytes.h"

#define CRC32C_POLYNOMIAL 0x82F63B78u

/* table[k][b]: the CRC of byte b followed by k zero bytes ("slicing by 8", Kounavis and Berry 2005). */
static uint32_t table[8][256];
static atomic_int table_ready;

/* Every thread that finds the table unfinished computes the same values, so a race writes equal words. */
static void make_table(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
		table[0][b] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t b = 0; b < 256; b++)
			table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
	atomic_store_explicit(&table_ready, 1, memory_order_release); /* rp_crc32c acquires it. Several threads may fill it: with the same words */
}

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t len)
{
	if (!atomic_load_explicit(&table_ready, memory_order_acquire))
		make_table();
	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8) {
		uint32_t lo = rp_get_u32(p) ^ crc, hi = rp_get_u32(p + 4);
		crc = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^ table[5][lo >> 16 & 0xff] ^ table[4][lo >> 24] ^
		      table[3][hi & 0xff] ^ table[2][hi >> 8 & 0xff] ^ table[1][hi >> 16 & 0xff] ^ table[0][hi >> 24];
	}
	for (; len; len--, p++)
		crc = (crc >> 8) ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}

#if defined(__x86_64__) && defined(__linux__) /* elsewhere some compilers lack what asks the processor */
#define BY_INSTRUCTION 1
/* The processor's own instruction is for this very polynomial: a fifth of the time. */
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t c = ~crc;

	for (; len >= 8; len -= 8, p += 8)
		c = __builtin_ia32_crc32di(c, rp_get_u64(p));
	for (; len; len--, p++)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p);
	return ~(uint32_t)c;
}
#else
#define BY_INSTRUCTION 0
#endif

uint32_t rp_crc32c(uint32_t crc, const void *bytes, size_t len)
{
#if BY_INSTRUCTION
	if (__builtin_cpu_supports("sse4.2"))
		return by_instruction(crc, bytes, len);
#endif
	return by_table(crc, bytes, len);
}
