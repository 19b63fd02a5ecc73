/* The checksum is CRC-32C, bit by bit, whatever the length, the place in memory and the cut between two calls; by the table and by the processor alike. */
#include "../harness.h"
#include "base/checksum.c"

#define BYTES 300

static uint32_t bitwise(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
	}
	return ~crc;
}

int main(void)
{
	uint8_t bytes[BYTES];
	CHECK_UINT(rp_crc32c(0, "123456789", 9), 0xe3069283); /* RFC 3720, B.4 */
	for (int i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)test_below(256);
	for (int i = 0; i < 2000; i++) {
		size_t from = test_below(BYTES), len = test_below(BYTES - from + 1), cut = test_below(len + 1);
		uint32_t want = bitwise(0, bytes + from, len);
		CHECK_UINT(rp_crc32c(0, bytes + from, len), want);
		CHECK_UINT(by_table(0, bytes + from, len), want);
		CHECK_UINT(rp_crc32c(rp_crc32c(0, bytes + from, cut), bytes + from + cut, len - cut), want);
		CHECK_UINT(by_table(rp_crc32c(0, bytes + from, cut), bytes + from + cut, len - cut), want);
	}
	return 0;
}
