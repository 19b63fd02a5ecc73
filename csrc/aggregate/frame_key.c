#include "aggregate/frame_key.h"

#include <stdio.h>

#define TEXT_MAX 4096

struct text {
	char at[TEXT_MAX];
	size_t len;
};

/* A part, and a 0 behind it: no two lists of parts are one text, but where they are too long. */
static void add(struct text *t, const char *s)
{
	size_t len = strlen(s), room = TEXT_MAX - 1 - t->len;

	len = len < room ? len : room;
	memcpy(t->at + t->len, s, len);
	t->len += len;
	t->at[t->len++] = 0;
	t->len = t->len < TEXT_MAX ? t->len : TEXT_MAX - 1;
}

static uint64_t key_of(const struct text *t)
{
	uint64_t key = rp_hash_bytes(t->at, t->len);

	return key ? key : 1; /* 0 is no function */
}

static const char *after_last(const char *path, const char *mark)
{
	const char *found = NULL;

	for (const char *p = path; (p = strstr(p, mark)); p++)
		found = p + strlen(mark);
	return found;
}

/* "a.b" ends a path as /a/b.py or /a/b/__init__.py does: where that begins. */
static const char *module_tail(const char *path, const char *module)
{
	static const char *const ends[] = { ".py", "/__init__.py" };
	size_t len = strlen(path), n = strlen(module);

	for (size_t k = 0; n && k < RP_COUNT_OF(ends); k++) {
		size_t end = strlen(ends[k]);
		if (len <= n + end || strcmp(path + len - end, ends[k]) != 0)
			continue;
		const char *from = path + len - end - n;
		size_t i = 0;
		while (i < n && (from[i] == module[i] || (from[i] == '/' && module[i] == '.')))
			i++;
		if (i == n && from[-1] == '/')
			return from;
	}
	return NULL;
}

const char *rp_package_path(const char *path, const char *module)
{
	static const char *const marks[] = { "/site-packages/", "/dist-packages/" };
	const char *tail = module_tail(path, module);

	if (path[0] != '/' && path[0] != '.')
		return path; /* "<frozen importlib._bootstrap>" */
	for (size_t i = 0; !tail && i < RP_COUNT_OF(marks); i++)
		tail = after_last(path, marks[i]);
	if (!tail && (tail = after_last(path, "/lib/python")) != NULL)
		tail = strchr(tail, '/') ? strchr(tail, '/') + 1 : NULL;
	return tail ? tail : strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

static int is_hexadecimal(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

size_t rp_library_path(const char *path, char *ret_text, size_t cap)
{
	const char *from = rp_package_path(path, "");
	size_t n = 0;

	for (const char *p = from; *p && n + 1 < cap;) {
		size_t hash = 0, tag = 0;
		if (*p == '-') /* libopenblas-3f0c9b7a.so: auditwheel's */
			while (is_hexadecimal(p[1 + hash]))
				hash++;
		if (!strncmp(p, ".cpython-", 9) || !strncmp(p, ".abi3", 5))
			tag = strcspn(p + 1, ".") + 1;
		if (hash >= 8 && p[1 + hash] == '.')
			p += 1 + hash;
		else if (tag)
			p += tag;
		else
			ret_text[n++] = *p++;
	}
	ret_text[n] = 0;
	return n;
}

int rp_frame_key_python(struct rp_strpool *strings, const struct rp_code *code, struct rp_frame *frame)
{
	struct text t = { .len = 0 };
	const char *name = rp_strpool_get(strings, frame->name);
	char file[TEXT_MAX / 2], number[48];
	const char *within = rp_package_path(rp_strpool_get(strings, frame->file), rp_strpool_get(strings, frame->module));
	size_t len = strlen(within) < sizeof(file) - 1 ? strlen(within) : sizeof(file) - 1;

	memcpy(file, within, len); /* the pool may move */
	file[len] = 0;
	add(&t, "python");
	add(&t, file);
	add(&t, name);
	frame->release_key = key_of(&t);
	/* A sum of the bytes, as they differ where the code does. */
	snprintf(number, sizeof(number), "%u %llx", frame->line, (unsigned long long)rp_hash_bytes(code->linetable, code->linetable_len));
	add(&t, number);
	frame->key = key_of(&t);
	return rp_strpool_add(strings, file, len, &frame->package_file);
}

int rp_frame_key_native(struct rp_strpool *strings, const struct rp_module *module, struct rp_frame *frame)
{
	struct text t = { .len = 0 };
	char library[TEXT_MAX / 2] = "";
	const char *file = rp_strpool_get(strings, frame->file), *name = rp_strpool_get(strings, frame->name);
	const char *source = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

	if (module)
		rp_library_path(rp_strpool_get(strings, module->path), library, sizeof(library));
	add(&t, "native");
	add(&t, library);
	add(&t, source);
	add(&t, name);
	frame->release_key = key_of(&t);
	add(&t, module ? rp_strpool_get(strings, module->build_id) : "");
	add(&t, file);
	add(&t, frame->kind == RP_KIND_INLINED ? "inlined" : "");
	frame->key = key_of(&t);
	frame->build = module ? module->build_id : 0;
	return rp_strpool_add(strings, source, strlen(source), &frame->package_file);
}
