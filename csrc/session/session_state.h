/* What the files of session/ share. Private to this room. */
#ifndef RP_SESSION_SESSION_STATE_H
#define RP_SESSION_SESSION_STATE_H

#include <stdatomic.h>

#include "session/session.h"

enum rp_session_phase {
	RP_SESSION_OFF = 0,
	RP_SESSION_STARTING = 1,
	RP_SESSION_ACTIVE = 2,
	RP_SESSION_FORKED = 3, /* a child that carries its parent's probes, all inert */
};

/* Which probes have to be removed again. */
enum rp_installed { RP_HAS_MODULES = 1, RP_HAS_ALLOC = 2, RP_HAS_CPU = 4, RP_HAS_FRAMES = 8, RP_HAS_SNAPSHOT = 16 };

struct rp_session {
	_Atomic int phase; /* enum rp_session_phase */
	struct rp_session_options options;
	char *path;
	struct rp_sink *sink;
	unsigned installed;
	_Atomic int writer_told; /* the trace says how it is written */
	uint64_t process_cpu_ns, tool_cpu_ns; /* since the start; known at the stop, 0 before */
};
extern struct rp_session rp_session;
extern _Atomic uint32_t rp_session_children;

/* Removes the probes in `rp_session.installed` that emit: frames, then allocator. */
void rp_session_remove_hooks(void);
/* A stop on the only thread that is left beside the tool's, which may be the namer: no GIL. The evaluator stays, and passes straight through. */
int rp_session_stop_without_python(void);
/* Removes the rest: CPU, modules. */
void rp_session_remove_sources(void);

/* ---- session_meta.c ---- */
/* `format` makes the value. */
RP_PRINTF(2, 3) void rp_session_metaf(const char *key, const char *format, ...);
void rp_session_define_start(void);
void rp_session_define_end(void);
/* Says how the trace is written, once that is chosen: for one that will be killed. */
void rp_session_define_choice(void);

/* ---- session_cost.c ---- */
void rp_session_define_cost(void);

/* ---- session_fork.c ---- */
void rp_session_watch_forks(void);

/* ---- region.c ---- */

#endif
