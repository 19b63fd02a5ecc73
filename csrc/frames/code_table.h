/* Code objects to ids: each is defined in the trace when first seen, and carries its id from then on (co_extra), so that a
 * code object that dies takes its id along and its address may be used again. */
#ifndef RP_FRAMES_CODE_TABLE_H
#define RP_FRAMES_CODE_TABLE_H

#include "frames/pyframe.h"
#include "record/record.h"

/* The number kept with a code object is session << 32 | RP_CODE_LONG_WAY? | id. */
#define RP_CODE_LONG_WAY 0x80000000u /* of generators and coroutines, and of what is not shown */
/* The id of code that is not shown: rubinprof's own Python functions. More code objects than that fit into no memory. */
#define RP_CODE_HIDDEN 0x7fffffffu

/* 0 or -1 with a Python error set. GIL. */
int rp_code_table_init(void);
/* Defines the code of f. Its id, RP_CODE_HIDDEN or RP_CODE_UNKNOWN. GIL; keeps the error indicator; t (may be NULL) is made busy. */
uint32_t rp_code_define(struct rp_thread *t, rp_pyframe *f);

/* Whether f runs rubinprof's command line. GIL; keeps the error indicator. */
int rp_code_is_command(rp_pyframe *f);
/* Where f is the first frame of a threading.Thread: defines the name that it has in Python for the thread. GIL; the thread is busy; keeps the
 * error indicator. */
void rp_code_name_thread(rp_pyframe *f, uint32_t os_tid);
/* Never shows this code. GIL; keeps the error indicator. */
void rp_code_hide(PyCodeObject *code);

/* The id the code got in this session; RP_CODE_UNKNOWN when it has none yet. No GIL needed for a thread's own frames. */
RP_INLINE uint32_t rp_code_known(const PyCodeObject *code, uint32_t session)
{
	uint64_t v = rp_code_extra(code);
	return RP_LIKELY(v >> 32 == session) ? (uint32_t)v & ~RP_CODE_LONG_WAY : RP_CODE_UNKNOWN;
}

#endif
