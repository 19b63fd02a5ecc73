/* Slots that hold the address of a hooked function are made to hold the hook's, and put back.
 *
 * Thread rules: install and remove are called by the session, one at a time; refresh from any thread (a second caller at the same time
 * returns at once and the first goes round again). All take ld.so's lock for short times and must not be called with a lock
 * of our own held that a constructor of a library could want. The program's threads run on meanwhile: a slot is one word, stored
 * at once, and hooks are ready before the first store. */
#ifndef RP_ALLOC_GOT_PATCH_H
#define RP_ALLOC_GOT_PATCH_H

#include <stdint.h>

#include "stack/elf_walk.h"

struct rp_got_hook {
	const char *symbol;
	void *hook;
	void **real; /* what the program would have called. Filled before the first slot changes, never cleared: a hook may be called
		      * long after its removal, by who has kept its address */
	const char *beside; /* NULL, or another hook's symbol: this one counts only when the original is in the same object as that one's */
};

#define RP_GOT_HOOKS_MAX 64

struct rp_got_counts {
	uint32_t objects; /* seen */
	uint32_t slots;   /* that hold our hooks now */
};

/* Finds the originals, then patches all that is loaded. hooks stays the caller's, for good. RP_ENOMEM, RP_EUNSUPPORTED (an original
 * is missing that every libc has). */
int rp_got_install(const struct rp_got_hook *hooks, uint32_t n);
/* Patches what was loaded since, forgets what was unloaded. 1 when something changed. */
int rp_got_refresh(void);
/* Puts back each slot that still holds our hook. */
void rp_got_remove(void);
/* Around a fork: no other thread holds ld.so's list lock for us when the process is copied, for glibc does not free it in the child.
 * Waits for 50 ms at most: a constructor of a library may fork, and have what the other thread waits for. */
void rp_got_fork_prepare(void);
void rp_got_fork_parent(void);
void rp_got_fork_child(void);
void rp_got_counts(struct rp_got_counts *ret_counts);

#endif
