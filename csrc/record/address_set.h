/* Addresses of code in the trace, noted to be named later: as they stand in events, a return address or one past a sample's pc.
 *
 * Thread rules: noting from any thread, hooks and signal handlers; no lock, no GIL; memory comes from mmap and is never given back. Taking: one
 * caller at a time, on a thread of the tool or with hooks absent. */
#ifndef RP_RECORD_ADDRESS_SET_H
#define RP_RECORD_ADDRESS_SET_H

#include <stdint.h>

void rp_address_note(uint64_t address);
/* Addresses that found no place in the set, in all sessions of the process so far. */
uint64_t rp_addresses_lost(void);
/* How many were noted so far, in all sessions: whether a look is worth while. */
uint64_t rp_addresses_noted(void);
/* How many were noted in this session and not taken. */
uint64_t rp_addresses_waiting(void);
/* Takes them out, `cap` at most, in no order; their number. More may be noted meanwhile: they stay for the next time. */
uint64_t rp_addresses_take(uint64_t *ret_addresses, uint64_t cap);

#endif
