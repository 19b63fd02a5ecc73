/* Wrappers for functions of posix that end, replace or copy the process behind atexit's back: os._exit (multiprocessing's workers),
 * os.execv, os.execve, and os.fork and os.forkpty, which would warn of our writer thread; and for _posixsubprocess.fork_exec, by which
 * multiprocessing and subprocess start programs. They carry the names, signatures and texts of the originals, and call them.
 *
 * GIL held. Python errors: -1 with an exception. */
#ifndef RP_EXT_WRAPPERS_H
#define RP_EXT_WRAPPERS_H

/* Imports the modules they stand in. */
int rp_wrappers_load(void);
/* Puts them in, in posix and os, where something else has not taken the place. `words` (copied; NULL: none) is handed to the image of an
 * exec, and to what multiprocessing spawns, in the environment variable RUBINPROF_EXEC. `child_words`: the same for all other programs that are started (session.h). Again while in: changes the words. */
int rp_wrappers_put(const char *words, const char *child_words);
/* Puts the originals back, where the wrappers still are. */
int rp_wrappers_remove(void);

#endif
