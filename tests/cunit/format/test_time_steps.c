/* A step of time is read as it was written, of whatever length, and takes the half bytes that pack_time.h says. */
#include "../harness.h"
#include "format/pack_time.h"

#define STEPS 5000

/* Half bytes of a step, by the table of pack_time.h. */
static uint32_t halves(uint64_t v)
{
	uint32_t n = 4;
	if (v < 4380)
		return 1 + (v >= 12) + (v >= 28) + (v >= 284);
	while (n < 16 && v >> 4 * n)
		n++;
	return 2 + n;
}

static void check_all(const uint64_t *steps, size_t n)
{
	static uint8_t bytes[STEPS * 9 + 8];
	struct rp_time_writer w = { .at = bytes };
	uint64_t all = 0;
	int bad = 0;

	for (size_t i = 0; i < n; i++) {
		rp_time_put(&w, steps[i]);
		all += halves(steps[i]);
		CHECK_UINT((uint64_t)(w.at - bytes) * 2 + w.bits / 4, all);
	}
	struct rp_time_reader r = { bytes, 0, all };
	for (size_t i = 0; i < n; i++)
		CHECK_UINT(rp_time_get(&r, &bad), steps[i]);
	CHECK(!bad && r.at == all);
}

/* Many at a time become the same bytes as one by one. */
static void check_together(uint32_t most)
{
	static uint8_t one[STEPS * 9 + 8], together[STEPS * 9 + 8];
	static uint32_t steps[STEPS];
	struct rp_time_writer w = { .at = one }, all = { .at = together };
	uint32_t seed = most;

	for (uint32_t i = 0; i < STEPS; i++) {
		seed = seed * 1664525u + 1013904223u;
		steps[i] = seed % 7 ? (seed >> 8) % most : seed; /* some of any length */
		rp_time_put(&w, steps[i]);
	}
	for (uint32_t i = 0, n = 0; i < STEPS; i += n, n = (n + 1) % 41 < STEPS - i ? (n + 1) % 41 : STEPS - i)
		rp_time_put_all(&all, steps + i, n < STEPS - i ? n : STEPS - i);
	CHECK(w.at - one == all.at - together && w.bits == all.bits);
	CHECK(memcmp(one, together, (size_t)(w.at - one) + 1) == 0);
}

/* Steps of 0 that are counted and written later are those that are written one by one. */
static void check_none(void)
{
	static uint8_t one[STEPS], late[STEPS];
	struct rp_time_writer a = { .at = one }, b = { .at = late };

	for (uint32_t n = 0; n < 70; n++) {
		for (uint32_t i = 0; i < n; i++)
			rp_time_put(&a, 0);
		b.none = n;
		rp_time_put_none(&b);
		rp_time_put(&a, 5 + n);
		rp_time_put(&b, 5 + n);
	}
	CHECK(a.at - one == b.at - late && a.bits == b.bits && a.pending == b.pending);
	CHECK(memcmp(one, late, (size_t)(a.at - one)) == 0);
}

int main(void)
{
	static uint64_t steps[STEPS];

	for (uint32_t i = 0; i < STEPS; i++)
		steps[i] = i;
	check_all(steps, STEPS);
	uint32_t n = 0;
	for (uint32_t bit = 0; bit < 64; bit++)
		for (int by = -1; by <= 1; by++) {
			steps[n++] = (UINT64_C(1) << bit) + (uint64_t)by;
			steps[n++] = 3; /* so that each length begins in either half of a byte */
		}
	check_all(steps, n);
	check_together(12);
	check_together(40);
	check_together(RP_TIME_SHORT);
	check_together(6000);
	check_none();
	return 0;
}
