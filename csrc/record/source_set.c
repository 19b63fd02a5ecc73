/* A set of hashes, and the paths one behind the other in a mapping that never moves. */
#define _GNU_SOURCE
#include "record/source_set.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS (1u << 13)
#define PROBES 64
#define PATHS_BYTES (1u << 20)

/* The paths: length, then bytes, from a multiple of 4 on. A length is stored (release) when its bytes are there. */
struct noted {
	_Atomic uint64_t hashes[SLOTS];
	_Atomic uint32_t used; /* of paths */
	uint8_t paths[PATHS_BYTES];
};

static struct noted *noted; /* mapped once, never unmapped: a hook may be looking */
static _Atomic int is_on; /* relaxed: set before the hooks are */
static _Atomic uint32_t without_room;

int rp_source_set_open(void)
{
	atomic_store_explicit(&is_on, 0, memory_order_relaxed);
	atomic_store_explicit(&without_room, 0, memory_order_relaxed);
	if (noted) { /* of an earlier session: fresh pages, all zero */
		if (madvise(noted, sizeof *noted, MADV_DONTNEED))
			return RP_ENOMEM;
	} else {
		void *p = mmap(NULL, sizeof *noted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return RP_ENOMEM;
		noted = p;
	}
	atomic_store_explicit(&is_on, 1, memory_order_relaxed);
	return 0;
}

static int ends_with(struct rp_str path, const char *ending)
{
	size_t len = strlen(ending);
	return path.len > len && memcmp(path.s + path.len - len, ending, len) == 0;
}

/* A file that people write: nothing else is ever read. */
static int is_source(struct rp_str path)
{
	static const char *const endings[] = { ".py", ".pyx", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx" };

	if (path.len > RP_SOURCE_PATH_BYTES_MAX || path.len == 0 || path.s[0] == '<')
		return 0;
	for (size_t i = 0; i < RP_COUNT_OF(endings); i++)
		if (ends_with(path, endings[i]))
			return 1;
	return 0;
}

static uint64_t hash_of(struct rp_str path)
{
	uint64_t h = rp_hash_bytes(path.s, path.len);
	return h ? h : 1;
}

/* 1 for the first who brings this hash. */
static int is_new(uint64_t hash)
{
	for (uint32_t i = 0; i < PROBES; i++) {
		_Atomic uint64_t *slot = &noted->hashes[(hash + i) & (SLOTS - 1)];
		uint64_t had = atomic_load_explicit(slot, memory_order_relaxed);
		if (had == 0 && atomic_compare_exchange_strong_explicit(slot, &had, hash, memory_order_relaxed, memory_order_relaxed))
			return 1;
		if (had == hash)
			return 0;
	}
	return 0;
}

void rp_source_note(struct rp_str path)
{
	if (!atomic_load_explicit(&is_on, memory_order_relaxed) || !is_source(path) || !is_new(hash_of(path)))
		return;
	uint32_t bytes = (4 + path.len + 3) & ~3u;
	uint32_t at = atomic_fetch_add_explicit(&noted->used, bytes, memory_order_relaxed);
	if (at >= PATHS_BYTES || PATHS_BYTES - at < bytes) {
		atomic_fetch_sub_explicit(&noted->used, bytes, memory_order_relaxed);
		atomic_fetch_add_explicit(&without_room, 1, memory_order_relaxed);
		return;
	}
	memcpy(noted->paths + at + 4, path.s, path.len);
	/* Release: the namer takes the path by its length, with acquire, in rp_source_next. */
	atomic_store_explicit((_Atomic uint32_t *)(void *)(noted->paths + at), path.len, memory_order_release);
}

uint32_t rp_source_next(uint32_t *at, char ret_path[RP_SOURCE_PATH_BYTES_MAX + 1])
{
	if (!atomic_load_explicit(&is_on, memory_order_relaxed) || *at + 4 >= PATHS_BYTES)
		return 0;
	uint32_t len = atomic_load_explicit((_Atomic uint32_t *)(void *)(noted->paths + *at), memory_order_acquire);
	rp_assert(len <= RP_SOURCE_PATH_BYTES_MAX);
	if (!len)
		return 0;
	memcpy(ret_path, noted->paths + *at + 4, len);
	ret_path[len] = 0;
	*at += (4 + len + 3) & ~3u;
	return len;
}

uint32_t rp_sources_without_room(void)
{
	return atomic_load_explicit(&without_room, memory_order_relaxed);
}
