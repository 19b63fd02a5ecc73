/* A library loaded while recording is seen from the dlsym that follows on, unloaded without a trace of us left in its memory, and seen
 * again when it is loaded again; dlsym and dlopen keep their caller. C++ new is one event. */
/* rp-test: flags=-fexceptions,-fno-builtin,-fno-optimize-sibling-calls */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

#include "alloc/got_patch.h"
#include "../probe_bed.h"

static int loaded_new(void)
{
	struct rp_event e[8];
	void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		RP_SKIP("no libstdc++.so.6 here");
	void *(*new)(size_t) = (void *(*)(size_t))dlsym(library, "_Znwm");
	void (*delete)(void *) = (void (*)(void *))dlsym(library, "_ZdlPv");
	CHECK(new && delete);
	uint64_t *m = bed_mark();
	void *p = new(321);
	uint32_t n = bed_events(m, e, 8);
	CHECK(n >= 1 && n <= 2); /* with the STACK before it when it is new */
	CHECK_INT(e[n - 1].kind, RP_EV_ALLOC);
	CHECK_UINT(e[n - 1].size, 321);
	CHECK_UINT(e[n - 1].address, (uintptr_t)p);
	m = bed_mark();
	delete (p);
	CHECK_UINT(bed_events(m, e, 8), 1);
	CHECK_INT(e[0].kind, RP_EV_FREE);
	CHECK_INT(dlclose(library), 0);
	return 0;
}

int main(void)
{
	struct rp_got_counts before, after;
	bed_open(1);
	rp_got_counts(&before);
	for (int i = 0; i < 3; i++)
		loaded_new();
	/* NODELETE libraries stay; all that is counted is loaded. */
	rp_got_counts(&after);
	CHECK(after.slots >= before.slots);
	/* RTLD_NEXT is answered by who asks: from the executable the next malloc is another object's. */
	void *next = dlsym(RTLD_NEXT, "malloc");
	CHECK(next != NULL);
	Dl_info info;
	CHECK(dladdr(next, &info) && strstr(info.dli_fname, ".so"));
	CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol_anywhere") == NULL);
	CHECK(dlerror() != NULL);
	bed_close();
	rp_got_counts(&after);
	CHECK_UINT(after.slots, 0);
	return 0;
}
