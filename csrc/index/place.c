/* Where the index of a trace lies, and of what it is the index. */
#include <stdio.h>
#include <stdlib.h>

#include "index/place.h"
#include "os/os.h"

#define EDGE_BYTES 4096u /* of both ends of a file: header and, where it was stopped, the last blocks */

enum rp_index_wish rp_index_wish(void)
{
	const char *word = getenv("RUBINPROF_INDEX");

	if (!word)
		return RP_INDEX_WHEN_SLOW;
	return !strcmp(word, "off") ? RP_INDEX_OFF : !strcmp(word, "always") ? RP_INDEX_ALWAYS : RP_INDEX_WHEN_SLOW;
}

struct digest {
	uint64_t a, b;
};

static void digest_add(struct digest *d, const void *bytes, size_t len)
{
	d->a = rp_hash_pair(d->a, rp_hash_bytes(bytes, len));
	d->b = rp_hash_pair(d->b + len, rp_crc32c((uint32_t)d->a, bytes, len));
}

static void digest_add_number(struct digest *d, uint64_t n)
{
	digest_add(d, &n, sizeof(n));
}

static int add_edge(struct digest *d, struct rp_os_file *file, uint64_t offset)
{
	uint8_t bytes[EDGE_BYTES];
	size_t len;
	int rc = rp_os_read(file, offset, bytes, sizeof(bytes), &len);

	if (!rc)
		digest_add(d, bytes, len);
	return rc;
}

static int add_file(struct digest *d, const struct rp_trace_file *f)
{
	struct rp_os_file *file;

	digest_add(d, f->path, strlen(f->path) + 1); /* reports name it */
	digest_add(d, f->uuid, sizeof(f->uuid));
	digest_add_number(d, f->bytes);
	digest_add_number(d, (uint64_t)(int64_t)f->status);
	if (f->status)
		return 0;
	int rc = rp_os_open(&file, f->path);
	if (rc)
		return rc;
	uint64_t bytes = rp_os_size(file);
	digest_add_number(d, bytes);
	digest_add_number(d, rp_os_changed_ns(file));
	rc = add_edge(d, file, 0);
	if (!rc && bytes > EDGE_BYTES)
		rc = add_edge(d, file, bytes - EDGE_BYTES);
	rp_os_close(file);
	return rc;
}

int rp_index_identify(const struct rp_trace *trace, struct rp_index_of *ret_of)
{
	struct digest d = { 1, 2 };

	for (size_t i = 0; i < trace->count; i++) {
		int rc = add_file(&d, &trace->files[i]);
		if (rc)
			return rc;
	}
	*ret_of = (struct rp_index_of){ { d.a, d.b }, rp_os_build_id() };
	return ret_of->build ? 0 : RP_ENOTFOUND;
}

/* ---- paths ---- */

static char *join(const char *directory, size_t len, const char *name)
{
	size_t name_len = strlen(name) + 1;
	char *path = malloc(len + 1 + name_len);

	if (!path)
		return NULL;
	memcpy(path, directory, len);
	path[len] = '/';
	memcpy(path + len + 1, name, name_len);
	return path;
}

static char *directory_beside(const struct rp_trace *trace)
{
	const char *path = trace->files[0].path, *end = rp_os_base_name(path);
	size_t len = end > path ? (size_t)(end - path) - 1 : 0;

	if (end == path)
		return join(".", 1, RP_INDEX_DIRECTORY);
	return join(path, len, RP_INDEX_DIRECTORY);
}

/* As the XDG base directory specification says: $XDG_CACHE_HOME, else ~/.cache. */
static char *directory_in_cache(int make)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *base = NULL, *made = NULL;

	if (cache && cache[0] == '/')
		base = join(cache, strlen(cache), "");
	else if (home && home[0] == '/')
		base = join(home, strlen(home), ".cache");
	if (!base)
		return NULL;
	if (make)
		(void)rp_os_make_directory(base);
	made = join(base, strlen(base), "rubinprof");
	free(base);
	return made;
}

/* One name for one set of files and one scope, whatever has happened to the files: what is new replaces what is old. */
static void name_of(const struct rp_trace *trace, const struct rp_analyze_options *scope, char *ret_name, size_t size)
{
	struct digest d = { 3, 4 };

	for (size_t i = 0; i < trace->count; i++) {
		digest_add(&d, trace->files[i].path, strlen(trace->files[i].path) + 1);
		digest_add(&d, trace->files[i].uuid, sizeof(trace->files[i].uuid));
	}
	if (scope->region)
		digest_add(&d, scope->region, strlen(scope->region) + 1);
	if (scope->has_interval) {
		digest_add(&d, &scope->from_s, sizeof(scope->from_s));
		digest_add(&d, &scope->to_s, sizeof(scope->to_s));
	}
	digest_add_number(&d, (uint64_t)(scope->keep_dispatch != 0));
	digest_add_number(&d, scope->needs & RP_NEED_NATIVE); /* neither of the two answers replaces the other */
	snprintf(ret_name, size, "%016llx%016llx" RP_INDEX_SUFFIX, (unsigned long long)d.a, (unsigned long long)d.b);
}

char *rp_index_path(const struct rp_trace *trace, const struct rp_analyze_options *scope, enum rp_index_home home, int make)
{
	char name[64];
	char *directory = trace->count == 0 ? NULL : home == RP_INDEX_BESIDE ? directory_beside(trace) : directory_in_cache(make);
	char *path = NULL;

	if (!directory)
		return NULL;
	if (!make || !rp_os_make_directory(directory)) {
		name_of(trace, scope, name, sizeof(name));
		path = join(directory, strlen(directory), name);
	}
	free(directory);
	return path;
}
