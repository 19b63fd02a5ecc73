/* What a C unit test says things with, and nothing else.
 *
 * One program tests one behaviour. It exits 0 when the behaviour holds, 1 at the first check that fails, 77 when this
 * machine cannot tell (RP_SKIP). Each check prints the place and both values before it leaves.
 *
 *     #include "../harness.h"
 *     #include "base/base.h"
 *
 *     int main(void)
 *     {
 *         CHECK_INT(rp_varint_bytes(127), 1);
 *         return 0;
 *     }
 *
 * A test that needs more than the archive of its room says so in one comment line, see Wishes in ci/cbuild.py. */
#ifndef RP_TEST_HARNESS_H
#define RP_TEST_HARNESS_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RP_TEST_FAIL_(...)                                                                                            \
    do {                                                                                                               \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                                                \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fputc('\n', stderr);                                                                                           \
        exit(1);                                                                                                       \
    } while (0)

#define RP_SKIP(reason)                                                                                                \
    do {                                                                                                               \
        puts(reason);                                                                                                  \
        exit(77);                                                                                                      \
    } while (0)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            RP_TEST_FAIL_("not true: %s", #condition);                                                                 \
    } while (0)

/* Signed values, and status codes: 0 or a negative enum rp_error. */
#define CHECK_INT(actual, expected)                                                                                    \
    do {                                                                                                               \
        int64_t rp_actual_ = (int64_t)(actual), rp_expected_ = (int64_t)(expected);                                    \
        if (rp_actual_ != rp_expected_)                                                                                \
            RP_TEST_FAIL_("%s is %" PRId64 ", not %" PRId64, #actual, rp_actual_, rp_expected_);                       \
    } while (0)

#define CHECK_UINT(actual, expected)                                                                                   \
    do {                                                                                                               \
        uint64_t rp_actual_ = (uint64_t)(actual), rp_expected_ = (uint64_t)(expected);                                 \
        if (rp_actual_ != rp_expected_)                                                                                \
            RP_TEST_FAIL_("%s is %" PRIu64 ", not %" PRIu64, #actual, rp_actual_, rp_expected_);                       \
    } while (0)

#define CHECK_STR(actual, expected)                                                                                    \
    do {                                                                                                               \
        const char *rp_actual_ = (actual), *rp_expected_ = (expected);                                                 \
        if (!rp_actual_ || strcmp(rp_actual_, rp_expected_) != 0)                                                      \
            RP_TEST_FAIL_("%s is \"%s\", not \"%s\"", #actual, rp_actual_ ? rp_actual_ : "(null)", rp_expected_);      \
    } while (0)

#define CHECK_MEM(actual, expected, bytes)                                                                             \
    do {                                                                                                               \
        const unsigned char *rp_actual_ = (const void *)(actual), *rp_expected_ = (const void *)(expected);            \
        size_t rp_bytes_ = (bytes);                                                                                    \
        for (size_t rp_i_ = 0; rp_i_ < rp_bytes_; rp_i_++)                                                             \
            if (rp_actual_[rp_i_] != rp_expected_[rp_i_])                                                              \
                RP_TEST_FAIL_("%s differs from %s at byte %zu: %02x, not %02x", #actual, #expected, rp_i_,             \
                              rp_actual_[rp_i_], rp_expected_[rp_i_]);                                                 \
    } while (0)

/* A fixed sequence (xorshift) that no coder makes smaller. Where it is; a test that wants the same numbers again sets it, never to 0. */
static uint64_t test_noise_state = 88172645463325252u;

static inline uint64_t test_noise(void)
{
	test_noise_state ^= test_noise_state << 13;
	test_noise_state ^= test_noise_state >> 7;
	test_noise_state ^= test_noise_state << 17;
	return test_noise_state;
}

static inline uint32_t test_below(uint32_t n)
{
	return (uint32_t)(test_noise() >> 16) % n;
}

#endif
