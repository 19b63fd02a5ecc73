/* C++ new and delete, for programs under an allocator of their own; see operator_new.c. */
#ifndef RP_ALLOC_OPERATOR_NEW_H
#define RP_ALLOC_OPERATOR_NEW_H

#include "alloc/got_patch.h"

#define RP_OPERATOR_HOOKS 20
extern const struct rp_got_hook rp_operator_hooks[RP_OPERATOR_HOOKS];

#endif
