/* Programs that this one starts. A *child* is another program in a process of its own: not a fork, which goes on with this program. Each is counted
 * under the name of its command, and told as metadata `children.NAME`. Where children are followed, each gets words in its environment
 * by which a Python that starts there, or below, goes on tracing (after_exec.py).
 *
 * posix_spawn, posix_spawnp, system and popen are hooked here. What Python starts by _posixsubprocess.fork_exec comes from ext/wrappers.c.
 *
 * Any thread; no GIL; not in a signal handler. errno is kept. */
#ifndef RP_ALLOC_CHILD_START_H
#define RP_ALLOC_CHILD_START_H

#include "alloc/got_patch.h"

#define RP_CHILD_NAME_BYTES 80 /* with the 0 */
#define RP_CHILD_WORDS_MAX 8   /* of a command: more say nothing of its name */
#define RP_CHILD_VARIABLE "RUBINPROF_EXEC"

#define RP_CHILD_HOOKS 4
extern const struct rp_got_hook rp_child_hooks[RP_CHILD_HOOKS];

/* The name of a command of n words (RP_CHILD_WORDS_MAX at most; NULL words are left out), with its 0: the program, of a Python also what it runs,
 * of a shell's -c the command therein. */
void rp_child_name(const char *const *words, uint32_t n, char ret_name[RP_CHILD_NAME_BYTES]);

#endif
