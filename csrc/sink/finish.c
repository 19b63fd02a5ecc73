/* Finishes the file of a process that died without a stop: what lies in its live buffers becomes blocks, and the file ends behind them. Done by
 * a process that outlives it: where it dies nobody can.
 *
 * At each instant every event is in a block below data_end or in a live buffer, here too: blocks are appended first, data_end and the number of live
 * areas told next, the rest cut off last. The process is dead for certain: nobody but us has the file's lock, which its descriptors and its
 * mappings held; a store into a mapping that has been cut would be a SIGBUS. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sink/sink_state.h"

#define SUFFIX ".rprof"
/* The kernel takes the io_uring of a dead process apart a few milliseconds later; its file is locked until then. */
#define LOCK_TRIES 50
#define LOCK_WAIT_NS 2000000
#define PATH_BYTES 4096

struct dead {
	int fd;
	struct rp_file_header head;
	uint8_t *buffer; /* one live buffer, header included */
	uint64_t at;     /* where the next block goes */
};

static int read_all(int fd, uint8_t *bytes, size_t len, uint64_t offset)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, bytes + done, len - done, (off_t)(offset + done));
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t len, uint64_t offset)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, bytes + done, len - done, (off_t)(offset + done));
		if (n <= 0 && !(n < 0 && errno == EINTR))
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* A zombie has no executable any more. */
static int process_is_gone(uint32_t pid)
{
	char path[64], target[1];
	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return 1;
	snprintf(path, sizeof path, "/proc/%u/exe", pid);
	return readlink(path, target, sizeof target) < 0 && errno == ENOENT;
}

static int lock(int fd)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -1;
		nanosleep(&(struct timespec){ 0, LOCK_WAIT_NS }, NULL);
	}
	return -1;
}

/* The block of the live buffer in d->buffer, behind its header, which is as long as a live buffer's. */
static int write_block(struct dead *d, const struct rp_live_header *live)
{
	struct rp_block_header h = { .type = live->type, .codec = RP_CODEC_NONE, .stored_bytes = (uint32_t)live->used,
				     .raw_bytes = (uint32_t)live->used, .thread = live->thread, .seq = live->seq, .ticks_first = live->ticks_first };
	h.payload_crc = rp_crc32c(0, d->buffer + RP_LIVE_HEADER_BYTES, live->used);
	rp_block_header_encode(&h, d->buffer);
	if (write_all(d->fd, d->buffer, RP_BLOCK_HEADER_BYTES + live->used, d->at))
		return RP_EIO;
	d->at += RP_BLOCK_HEADER_BYTES + live->used;
	return 0;
}

/* Calls fn for each buffer that something was committed to; with `with_payload` its bytes are in d->buffer. */
static int each_buffer(struct dead *d, int with_payload, int (*fn)(struct dead *d, const struct rp_live_header *live))
{
	uint32_t step = d->head.live_buffer_bytes;
	for (uint32_t i = 0; i < d->head.live_count; i++)
		for (uint64_t at = 0; at + step <= d->head.live[i].bytes; at += step) {
			struct rp_live_header live;
			uint64_t offset = d->head.live[i].offset + at;
			if (read_all(d->fd, d->buffer, RP_LIVE_HEADER_BYTES, offset))
				return RP_EIO;
			if (rp_live_header_decode(&live, d->buffer, step) || !live.type || !live.used)
				continue;
			if (with_payload && read_all(d->fd, d->buffer, RP_LIVE_HEADER_BYTES + live.used, offset))
				return RP_EIO;
			int code = fn(d, &live);
			if (code)
				return code;
		}
	return 0;
}

static int add_bytes(struct dead *d, const struct rp_live_header *live)
{
	d->at += RP_BLOCK_HEADER_BYTES + live->used;
	return 0;
}

/* Whether the blocks have room before the first live area that is not among the data already. */
static int has_room(struct dead *d)
{
	d->at = d->head.data_end;
	if (each_buffer(d, 0, add_bytes))
		return 0;
	uint64_t end = d->at;
	d->at = d->head.data_end;
	for (uint32_t i = 0; i < d->head.live_count; i++)
		if (d->head.live[i].offset >= d->head.data_end && d->head.live[i].offset < end)
			return 0;
	return 1;
}

static int finish(struct dead *d)
{
	uint8_t word[8];
	int code = has_room(d) ? each_buffer(d, 1, write_block) : RP_ENOSPACE;
	if (code)
		return code;
	rp_put_u64(word, d->at);
	if (write_all(d->fd, word, 8, RP_FH_DATA_END))
		return RP_EIO;
	rp_put_u32(word, 0);
	if (write_all(d->fd, word, 4, RP_FH_LIVE_COUNT))
		return RP_EIO;
	for (uint32_t i = 0; i < d->head.live_count; i++)
		if (d->head.live[i].offset < d->head.data_end)
			(void)!fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)d->head.live[i].offset, (off_t)d->head.live[i].bytes);
	return ftruncate(d->fd, (off_t)d->at) ? RP_EIO : 0;
}

/* Whether the file is of the kind, whose writer held the lock, and has something to cut off. */
static int is_unfinished(struct dead *d)
{
	uint8_t bytes[RP_FILE_HEADER_BYTES_MAX];
	struct stat st;
	if (fstat(d->fd, &st) || !S_ISREG(st.st_mode) || read_all(d->fd, bytes, sizeof bytes, 0) || rp_file_header_decode(&d->head, bytes, sizeof bytes))
		return 0;
	const struct rp_file_header *h = &d->head;
	if (h->state == RP_STATE_COMPLETE || !(h->compat & RP_COMPAT_LOCKED) || !h->live_count || h->data_end > (uint64_t)st.st_size)
		return 0;
	for (uint32_t i = 0; i < h->live_count; i++)
		if (h->live[i].offset > (uint64_t)st.st_size || h->live[i].bytes > (uint64_t)st.st_size - h->live[i].offset)
			return 0; /* cut by somebody else */
	return 1;
}

int rp_sink_finish(const char *path, int is_own_past)
{
	struct dead d = { .fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) };
	int code = RP_EOPEN;
	if (d.fd < 0)
		return code;
	code = RP_EINVAL;
	/* Looked at once more under the lock: somebody may have been here in between. */
	if (is_unfinished(&d)) {
		code = RP_EBUSY;
		if ((is_own_past || process_is_gone(d.head.pid)) && lock(d.fd) == 0)
			code = is_unfinished(&d) ? 0 : RP_EINVAL;
	}
	if (!code)
		d.buffer = malloc(d.head.live_buffer_bytes);
	if (!code)
		code = d.buffer ? finish(&d) : RP_ENOMEM;
	free(d.buffer);
	close(d.fd);
	return code;
}

/* What the names of this process's children begin with: all but its own pid and start, or all (tracker.py). Into ret_prefix, of PATH_BYTES. */
static void family_prefix(const char *name, char *ret_prefix)
{
	char pid[32];
	snprintf(pid, sizeof pid, "-%ld-", (long)getpid());
	const char *own = strstr(name, pid), *end = own ? own : name + strlen(name);
	if (!own && end - name > (ptrdiff_t)strlen(SUFFIX) && !strcmp(end - strlen(SUFFIX), SUFFIX))
		end -= strlen(SUFFIX);
	snprintf(ret_prefix, PATH_BYTES, "%.*s-", (int)(end - name), name);
}

void rp_sink_finish_family(const char *path)
{
	char directory[PATH_BYTES], prefix[PATH_BYTES], other[2 * PATH_BYTES];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	snprintf(directory, sizeof directory, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
	family_prefix(name, prefix);
	DIR *entries = opendir(directory);
	for (struct dirent *e; entries && (e = readdir(entries));) {
		size_t len = strlen(e->d_name);
		if (strncmp(e->d_name, prefix, strlen(prefix)) || len < strlen(SUFFIX) || strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX))
			continue;
		snprintf(other, sizeof other, "%s/%s", directory, e->d_name);
		(void)rp_sink_finish(other, 0);
	}
	if (entries)
		closedir(entries);
}
