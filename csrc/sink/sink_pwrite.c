/* Plain writes: what is used where io_uring is refused, and for the rare write that must be done on the spot. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink/sink_state.h"

static int is_our_file(const struct rp_sink *s, int fd)
{
	struct stat st;
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

int rp_sink_fd(struct rp_sink *s)
{
	if (is_our_file(s, s->fd))
		return s->fd;
	/* The number is no longer ours, so it is not ours to close either. */
	int fd = open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && !is_our_file(s, fd)) {
		close(fd);
		fd = -1;
		errno = EBADF;
	}
	int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, RP_FILE_FD_MIN) : -1;
	if (high >= 0) {
		close(fd);
		fd = high;
	}
	if (fd >= 0 && s->is_locked)
		(void)flock(fd, LOCK_EX | LOCK_NB); /* refused where a mapping still has it */
	s->fd = fd;
	return fd;
}

int rp_pwrite_all(struct rp_sink *s, const uint8_t *bytes, size_t len, uint64_t offset)
{
	int fd = rp_sink_fd(s);
	if (fd < 0)
		return -1;
	while (len) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0) { /* not documented for regular files; never loop on it */
			errno = EIO;
			return -1;
		}
		bytes += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* A quota counts ahead what a write may need, beside what it has reserved, and sets that right when the write has been carried out (Btrfs: EDQUOT
 * within a reserved stretch). So the file is synced; then all of the file system, since what is given back counts as ours until then. */
int rp_make_room(struct rp_sink *s, int error, int round)
{
	int fd = rp_sink_fd(s);
	if (fd < 0 || round >= RP_ROOM_ROUNDS || (error != ENOSPC && error != EDQUOT))
		return 0;
	if (round == 0) {
		(void)fsync(fd);
		return 1;
	}
	if (!s->live_count && s->next_offset < s->reserved_end && ftruncate(fd, (off_t)s->next_offset) == 0)
		s->reserved_end = s->next_offset;
	(void)syncfs(fd);
	return 1;
}

static void submit(struct rp_sink *s, struct rp_slot *slot)
{
	if (rp_pwrite_all(s, slot->bytes, slot->len, slot->offset))
		slot->error = errno;
	else
		slot->written = slot->len;
}

static void reap(struct rp_sink *s)
{
	(void)s; /* submit has finished the slot */
}

const struct rp_writer_ops rp_writer_pwrite = { "write", submit, reap };
