/* An index file: a head, then a result. */
#include <stdio.h>
#include <stdlib.h>

#include "index/arrays.h"
#include "index/place.h"
#include "os/os.h"

#define MAGIC UINT64_C(0x0003786e69707201) /* little-endian bytes of a name; another order of bytes does not match */
#define BYTES_MAX ((uint64_t)1 << 32)

struct head {
	uint64_t magic;
	struct rp_index_of of;
	uint32_t needs, timeline;
	uint64_t bytes; /* of what follows */
	uint32_t crc;   /* of what follows */
	uint32_t head_crc; /* of all before it */
};

static uint32_t crc_of_head(const struct head *h)
{
	return rp_crc32c(0, h, offsetof(struct head, head_crc));
}

static int is_same(const struct rp_index_of *a, const struct rp_index_of *b)
{
	return a->files[0] == b->files[0] && a->files[1] == b->files[1] && a->build == b->build;
}

static int head_answers(const struct head *h, const struct rp_index_of *of, const struct rp_analyze_options *wanted)
{
	return h->magic == MAGIC && h->head_crc == crc_of_head(h) && is_same(&h->of, of) && !(wanted->needs & ~h->needs) &&
	       h->timeline >= (uint32_t)wanted->timeline && h->bytes <= BYTES_MAX;
}

/* The result in the file at path; NULL: none that answers. */
static struct rp_result *load_from(const char *path, const struct rp_index_of *of, const struct rp_analyze_options *wanted, struct head *ret_head)
{
	struct rp_result *r = NULL;
	struct rp_os_file *file;
	uint8_t *bytes = NULL;
	size_t len;

	if (rp_os_open(&file, path))
		return NULL;
	if (!rp_os_read(file, 0, ret_head, sizeof(*ret_head), &len) && len == sizeof(*ret_head) && head_answers(ret_head, of, wanted) &&
	    rp_os_size(file) == sizeof(*ret_head) + ret_head->bytes && (bytes = malloc(ret_head->bytes ? ret_head->bytes : 1)) &&
	    !rp_os_read(file, sizeof(*ret_head), bytes, ret_head->bytes, &len) && len == ret_head->bytes && rp_crc32c(0, bytes, len) == ret_head->crc)
		r = rp_index_get_result(bytes, len);
	free(bytes);
	rp_os_close(file);
	return r;
}

struct rp_result *rp_index_load(const struct rp_trace *trace, const struct rp_analyze_options *wanted, struct rp_analyze_options *ret_made)
{
	struct rp_analyze_options scope = *wanted; /* what is made with native frames answers those who want none, too */
	struct rp_result *r = NULL;
	struct rp_index_of of;
	struct head head;

	if (rp_index_wish() == RP_INDEX_OFF || rp_index_identify(trace, &of))
		return NULL;
	for (;; scope.needs |= RP_NEED_NATIVE) {
		for (int home = 0; !r && home < RP_INDEX_HOMES; home++) {
			char *path = rp_index_path(trace, &scope, (enum rp_index_home)home, 0);
			if (path)
				r = load_from(path, &of, wanted, &head);
			free(path);
		}
		if (r || scope.needs & RP_NEED_NATIVE)
			break;
	}
	if (r) {
		ret_made->needs = head.needs;
		ret_made->timeline = (enum rp_timeline_of)head.timeline;
	}
	return r;
}

/* ---- saving ---- */

/* What is still written will have more to say. */
static int is_running(const struct rp_result *r)
{
	for (uint32_t i = 0; i < r->n_processes; i++)
		if (r->processes[i].ended != RP_ENDED_STOPPED && r->processes[i].ended != RP_ENDED_KILLED)
			return 1;
	return 0;
}

/* 0, or a code; then nothing is there but what was there before. */
static int write_whole(const char *path, const struct head *head, const struct rp_buf *body)
{
	size_t size = strlen(path) + 32;
	char *beside = malloc(size);
	struct rp_os_file *file;

	if (!beside)
		return RP_ENOMEM;
	snprintf(beside, size, "%s.%llx", path, (unsigned long long)rp_hash_pair(rp_os_monotonic_ns(), (uintptr_t)&file));
	int rc = rp_os_create(&file, beside);
	if (!rc) {
		rc = rp_os_write(file, 0, head, sizeof(*head));
		if (!rc)
			rc = rp_os_write(file, sizeof(*head), body->bytes, body->len);
		int closed = rp_os_close(file);
		rc = rc ? rc : closed ? closed : rp_os_replace(beside, path);
		if (rc)
			(void)rp_os_remove(beside);
	}
	free(beside);
	return rc;
}

void rp_index_save(const struct rp_trace *trace, const struct rp_analyze_options *made, struct rp_result *result, uint64_t took_ns)
{
	struct head head = { .magic = MAGIC, .needs = made->needs, .timeline = (uint32_t)made->timeline };
	enum rp_index_wish wish = rp_index_wish();
	struct rp_buf body = RP_BUF_INIT;
	int is_done = 0;

	if (wish == RP_INDEX_OFF || (wish == RP_INDEX_WHEN_SLOW && took_ns < RP_INDEX_FROM_NS) || is_running(result) ||
	    rp_index_identify(trace, &head.of))
		return;
	rp_index_put_result(&body, result);
	head.bytes = body.len;
	head.crc = rp_crc32c(0, body.bytes, body.len);
	head.head_crc = crc_of_head(&head);
	for (int home = 0; !is_done && !body.failed && home < RP_INDEX_HOMES; home++) {
		char *path = rp_index_path(trace, made, (enum rp_index_home)home, 1);
		is_done = path && !write_whole(path, &head, &body);
		free(path);
	}
	rp_buf_release(&body);
}
