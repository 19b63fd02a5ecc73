#include "reader/bundle.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

#define PATH_BYTES 4096
#define ID_BYTES_MAX 64
#define ID_LINE "id " /* of the file that makes a directory a bundle: "rubinprof symbols 1\nid HEX\n" */
#define BUNDLE_FILE_BYTES_MAX 256

struct object {
	struct object *next;
	char build_id[2 * ID_BYTES_MAX + 1];
	struct rp_symbol_table table; /* no rows: there is no sound one */
};

struct rp_bundle {
	struct rp_bundle *next;
	char id[ID_BYTES_MAX + 1];
	char directory[PATH_BYTES];
	struct rp_symbol_table codes;
	_Atomic(struct object *) objects; /* release when one is added, acquire when they are searched; none is ever taken out */
};

static _Atomic(struct rp_bundle *) bundles; /* as objects */

/* Memory of malloc; NULL when it cannot be read. */
static uint8_t *read_file(const char *path, uint32_t bytes_max, size_t *ret_len)
{
	struct rp_os_file *file;
	if (rp_os_open(&file, path))
		return NULL;
	uint64_t size = rp_os_size(file);
	uint8_t *bytes = size <= bytes_max ? malloc((size_t)size + 1) : NULL;
	if (bytes && (rp_os_read(file, 0, bytes, (size_t)size, ret_len) || *ret_len != size)) {
		free(bytes);
		bytes = NULL;
	}
	rp_os_close(file);
	if (bytes)
		bytes[size] = 0;
	return bytes;
}

/* Whether the directory is the bundle of this id. */
static int has_id(const char *directory, const char *id)
{
	char path[PATH_BYTES + 16];
	size_t len, id_len = strlen(id);
	snprintf(path, sizeof path, "%s/bundle", directory);
	char *text = (char *)read_file(path, BUNDLE_FILE_BYTES_MAX, &len);
	const char *line = text ? strstr(text, "\n" ID_LINE) : NULL;
	int is_same = line && !strncmp(line + 1 + strlen(ID_LINE), id, id_len) && line[1 + strlen(ID_LINE) + id_len] == '\n';
	free(text);
	return is_same;
}

/* Lists that grow at their head and are never cut: release when something is hung on, whole; acquire where they are walked. */
static int open_bundle(const char *directory, const char *id, const struct rp_bundle **ret_bundle)
{
	char path[PATH_BYTES + 16];
	size_t len;
	struct rp_bundle *b = calloc(1, sizeof *b);
	if (!b)
		return RP_ENOMEM;
	snprintf(b->id, sizeof b->id, "%s", id);
	snprintf(b->directory, sizeof b->directory, "%s", directory);
	snprintf(path, sizeof path, "%s/code.rpsym", directory);
	uint8_t *bytes = read_file(path, RP_SYMBOL_TABLE_BYTES_MAX, &len);
	if (!bytes || rp_symbol_table_open(bytes, len, &b->codes) || b->codes.kind != RP_SYMBOL_TABLE_CODE) {
		free(bytes);
		free(b);
		return RP_EBADBUNDLE;
	}
	b->next = atomic_load_explicit(&bundles, memory_order_acquire);
	while (!atomic_compare_exchange_weak_explicit(&bundles, &b->next, b, memory_order_release, memory_order_acquire))
		;
	*ret_bundle = b;
	return 0;
}

static int try_directory(const char *directory, size_t len, const char *id, const struct rp_bundle **ret_bundle)
{
	char path[PATH_BYTES];
	if (!len || len >= sizeof path)
		return RP_ENOBUNDLE;
	memcpy(path, directory, len);
	path[len] = 0;
	return has_id(path, id) ? open_bundle(path, id, ret_bundle) : RP_ENOBUNDLE;
}

int rp_bundle_of(const struct rp_bundle **ret_bundle, const char *id, const char *recorded)
{
	if (!*id || strlen(id) > ID_BYTES_MAX)
		return RP_ENOBUNDLE;
	for (struct rp_bundle *b = atomic_load_explicit(&bundles, memory_order_acquire); b; b = b->next)
		if (!strcmp(b->id, id)) {
			*ret_bundle = b;
			return 0;
		}
	int rc = RP_ENOBUNDLE;
	for (const char *at = getenv("RUBINPROF_SYMBOLS"); at && *at && rc == RP_ENOBUNDLE;) {
		const char *end = strchr(at, rp_os_list_separator());
		size_t len = end ? (size_t)(end - at) : strlen(at);
		rc = try_directory(at, len, id, ret_bundle);
		at += len + (end != NULL);
	}
	return rc == RP_ENOBUNDLE && recorded ? try_directory(recorded, strlen(recorded), id, ret_bundle) : rc;
}

const struct rp_symbol_table *rp_bundle_codes(const struct rp_bundle *b)
{
	return &b->codes;
}

static int is_hex(const char *s)
{
	return strspn(s, "0123456789abcdef") == strlen(s);
}

/* Read when it is asked for first, and remembered also where there is none. */
static const struct object *object_of(struct rp_bundle *b, const char *build_id)
{
	char path[PATH_BYTES + 2 * ID_BYTES_MAX + 32];
	size_t len;
	for (struct object *o = atomic_load_explicit(&b->objects, memory_order_acquire); o; o = o->next)
		if (!strcmp(o->build_id, build_id))
			return o;
	struct object *o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	snprintf(o->build_id, sizeof o->build_id, "%s", build_id);
	snprintf(path, sizeof path, "%s/native/%.2s/%s.rpsym", b->directory, build_id, build_id + 2);
	uint8_t *bytes = read_file(path, RP_SYMBOL_TABLE_BYTES_MAX, &len);
	if (!bytes || rp_symbol_table_open(bytes, len, &o->table) || o->table.kind != RP_SYMBOL_TABLE_OBJECT) {
		free(bytes);
		memset(&o->table, 0, sizeof o->table);
	}
	o->next = atomic_load_explicit(&b->objects, memory_order_acquire);
	while (!atomic_compare_exchange_weak_explicit(&b->objects, &o->next, o, memory_order_release, memory_order_acquire))
		;
	return o;
}

const char *rp_bundle_function(const struct rp_bundle *bundle, const char *build_id, uint64_t vaddr)
{
	size_t len = strlen(build_id);
	if (len < 4 || len > 2 * ID_BYTES_MAX || !is_hex(build_id))
		return NULL;
	const struct object *o = object_of((struct rp_bundle *)(uintptr_t)bundle, build_id); /* the list grows, what it says does not change */
	uint32_t row = o && o->table.index ? rp_symbol_table_find(&o->table, vaddr) : UINT32_MAX;
	return row == UINT32_MAX ? NULL : rp_symbol_table_name(&o->table, row);
}
