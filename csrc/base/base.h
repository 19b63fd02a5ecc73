/* The door of base/: words both halves speak. No operating system, no Python, no knowledge of traces. */
#ifndef RP_BASE_BASE_H
#define RP_BASE_BASE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/build_id.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/checksum.h"
#include "base/idmap.h"
#include "base/number.h"
#include "base/sort.h"
#include "base/strpool.h"
#include "base/trie.h"
#include "rubinprof/rp_error.h"

#endif
