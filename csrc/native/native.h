/* The door of native/: Python stack + native stack = one stack.
 *
 * The native stack of an event is walked from the event to the innermost Python frame and no further, so it hangs as a whole below
 * that frame. What lies between is the interpreter's own calling machinery, which says nothing to the reader of a profile:
 *
 *     innermost  words[0]  galsim::SBProfile::draw        kept
 *                words[1]  pybind11::cpp_function::dispatcher   folded (keep_dispatch shows it)
 *                words[2]  cfunction_call                 folded
 *                words[3]  _PyEval_EvalFrameDefault       folded
 *     outermost  ---- innermost Python frame: measure.py:88 ----
 *
 * In an interpreter without local names words[2] has none: aggregate/calling_code.c tells it by its place.
 *
 * Native stacks are kept as a tree from the outermost frame inwards: equal beginnings share their nodes. */
#ifndef RP_NATIVE_NATIVE_H
#define RP_NATIVE_NATIVE_H

#include "reader/reader.h"

/* ---- native_tree.c ---- */
struct rp_native_tree {
	struct rp_trie trie; /* keys: addresses, from the outermost inwards; values: index in rp_tables.symbols. Node 0: no native frame */
	/* The stack added last, outermost first: the next often begins like it. */
	struct {
		uint64_t word;
		uint32_t node;
	} last[RP_NATIVE_FRAMES_MAX];
	uint32_t last_n;
	int is_full;
};

#define RP_NATIVE_TREE_INIT { .trie = RP_TRIE_INIT }
/* Beyond, what lies further in counts for the frame outside it: a trace cannot make us use more than this. */
#ifndef RP_NATIVE_NODES_MAX
#define RP_NATIVE_NODES_MAX (1u << 22)
#endif

/* The node of a stack given innermost first, as events carry it (RP_NATIVE_FRAMES_MAX); *ret_node is 0 for an empty one. 0 or RP_ENOMEM. */
int rp_native_tree_add(struct rp_native_tree *t, struct rp_tables *tables, const uint64_t *words, uint32_t n, uint32_t *ret_node);
/* The node of one more frame, `address`, further in than `parent` (0: the root); `parent` itself when there is no room. 0 or RP_ENOMEM. */
int rp_native_tree_child(struct rp_native_tree *t, struct rp_tables *tables, uint32_t parent, uint64_t address, uint32_t *ret_node);
void rp_native_tree_release(struct rp_native_tree *t);

/* ---- frame_class.c ---- */
enum rp_frame_class {
	RP_FRAME_WORK = 0,     /* shown */
	RP_FRAME_DISPATCH = 1, /* evaluator, call helpers, descriptors, pybind11's dispatcher: folded */
	RP_FRAME_TOOL = 2,     /* rubinprof's own hooks: always folded */
	RP_FRAME_COLLECTOR = 3, /* CPython's garbage collector at its work: shown under one name in every version (RP_COLLECTOR_NAME) */
};

#define RP_COLLECTOR_NAME "[garbage collector]"

/* Who a native function is; either may be "". */
enum rp_frame_class rp_frame_classify(const char *function, const char *module);

/* ---- names.c ---- */
/* A demangled C++ name for people: std::__cxx11::basic_string<...> is std::string, default allocators, comparators and deleters go,
 * parameters and long template arguments become "(...)" and "<...>". Writes at most cap bytes, the zero included; returns the
 * length. Names without '<' or '(' come out as they are. */
size_t rp_name_shorten(const char *name, char *ret_text, size_t cap);

#endif
