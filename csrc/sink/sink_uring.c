/* Writes through io_uring: the writer packs the next block while the kernel copies the previous one.
 *
 * The file and the ring itself are registered, so that a program that closes all descriptors (a daemon) does not take them away. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "sink/sink_state.h"

#define RING_ENTRIES (2 * RP_SLOTS)
#define FILE_INDEX 0 /* of the registered file */
#define BROKEN_RING_WAIT_MS 1000

static int queue_write(struct rp_sink *s, const uint8_t *bytes, uint32_t len, uint64_t offset, uint64_t data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	if (!sqe)
		return -EBUSY;
	io_uring_prep_write(sqe, FILE_INDEX, bytes, len, offset);
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, data);
	int n = io_uring_submit(&s->ring);
	return n < 0 ? n : 0;
}

/* A ring that can be made is not yet one that may write: seccomp profiles differ by call. The header is written over itself. */
static int prove(struct rp_sink *s)
{
	struct io_uring_cqe *cqe;
	uint8_t *copy = s->slots[0].bytes; /* not the mapping: a page is not written from itself */
	memcpy(copy, s->header, RP_FH_FIXED_CRC + 4); /* the part that never changes */
	int code = queue_write(s, copy, RP_FH_FIXED_CRC + 4, 0, 0);
	if (code)
		return code;
	code = io_uring_wait_cqe(&s->ring, &cqe);
	if (code)
		return code;
	code = cqe->res < 0 ? cqe->res : 0;
	io_uring_cqe_seen(&s->ring, cqe);
	return code;
}

int rp_uring_open(struct rp_sink *s)
{
	int code = io_uring_queue_init(RING_ENTRIES, &s->ring, 0);
	if (code < 0)
		return code;
	s->ring_open = 1;
	int high = fcntl(s->ring.ring_fd, F_DUPFD_CLOEXEC, RP_FILE_FD_MIN);
	if (high >= 0) {
		close(s->ring.ring_fd);
		s->ring.ring_fd = s->ring.enter_ring_fd = high;
	}
	code = io_uring_ring_dontfork(&s->ring); /* a shared queue would be corrupted by both sides */
	int fd = rp_sink_fd(s); /* the program may have closed it by now, and have a file of its own under its number */
	if (code == 0 && fd < 0)
		code = -errno;
	if (code == 0)
		code = io_uring_register_files(&s->ring, &fd, 1);
	if (code == 0)
		code = prove(s);
	if (code < 0) {
		rp_uring_close(s);
		return code;
	}
	(void)io_uring_register_ring_fd(&s->ring); /* since Linux 5.18; without it the number may be closed under us */
	return 0;
}

/* Not when a program has closed it and the number is now a file of its own. */
int rp_uring_fd_is_ours(const struct rp_sink *s)
{
	char link[64], target[64];
	snprintf(link, sizeof link, "/proc/thread-self/fd/%d", s->ring.ring_fd);
	ssize_t n = readlink(link, target, sizeof target - 1);
	if (n < 0)
		return 0;
	target[n] = 0;
	return strstr(target, "[io_uring]") != NULL;
}

void rp_uring_close(struct rp_sink *s)
{
	if (!s->ring_open)
		return;
	if (!rp_uring_fd_is_ours(s))
		s->ring.ring_fd = -1; /* queue_exit closes it */
	io_uring_queue_exit(&s->ring);
	s->ring_open = 0;
}

/* A write that never ended may still read the slot's bytes, one day. They are left to it: the slot gets others, and lives on with the same
 * content. Without memory for that, it keeps them. */
static void leave_bytes(struct rp_sink *s, struct rp_slot *slot)
{
	uint8_t *fresh = mmap(NULL, s->buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED)
		return;
	memcpy(fresh, slot->bytes, slot->len);
	slot->bytes = fresh;
}

/* The ring no longer answers: plain writes from here on. Writes under way are waited for in the completion ring, which needs no
 * system call; they would write the same bytes to the same place. `refused` (may be NULL) never got under way. */
static void give_up(struct rp_sink *s, const struct rp_slot *refused, int error)
{
	struct io_uring_cqe *cqe;
	uint32_t open = 0; /* a bit for each slot */
	for (uint32_t i = s->slot_head; i != s->slot_tail; i++) {
		const struct rp_slot *slot = &s->slots[i % RP_SLOTS];
		if (slot != refused && !slot->error && slot->written < slot->len)
			open |= 1u << i % RP_SLOTS;
	}
	for (int ms = 0; ms < BROKEN_RING_WAIT_MS && open; ms++) {
		while (open && io_uring_peek_cqe(&s->ring, &cqe) == 0) {
			open &= ~(1u << io_uring_cqe_get_data64(cqe));
			io_uring_cqe_seen(&s->ring, cqe);
		}
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	for (uint32_t i = 0; i < RP_SLOTS; i++)
		if (open >> i & 1)
			leave_bytes(s, &s->slots[i]);
	snprintf(s->writer_reason, sizeof s->writer_reason, "io_uring failed while tracing: %s", strerrordesc_np(error));
	s->ops = &rp_writer_pwrite;
	for (uint32_t i = s->slot_head; i != s->slot_tail; i++)
		if (s->slots[i % RP_SLOTS].written < s->slots[i % RP_SLOTS].len && !s->slots[i % RP_SLOTS].error)
			s->ops->submit(s, &s->slots[i % RP_SLOTS]);
}

static void submit(struct rp_sink *s, struct rp_slot *slot)
{
	int code = queue_write(s, slot->bytes + slot->written, slot->len - slot->written, slot->offset + slot->written,
			       (uint64_t)(slot - s->slots));
	if (code)
		give_up(s, slot, -code);
}

static void reap(struct rp_sink *s)
{
	struct io_uring_cqe *cqe;
	int code;
	do
		code = io_uring_wait_cqe(&s->ring, &cqe);
	while (code == -EINTR);
	if (code) {
		give_up(s, NULL, -code);
		return;
	}
	struct rp_slot *slot = &s->slots[io_uring_cqe_get_data64(cqe)];
	int res = cqe->res;
	io_uring_cqe_seen(&s->ring, cqe);
	if (res > 0)
		slot->written += (uint32_t)res;
	else if (res == 0)
		slot->error = EIO;
	else if (res != -EINTR && res != -EAGAIN)
		slot->error = -res;
	if (slot->written < slot->len && !slot->error)
		submit(s, slot); /* a short write: the rest */
}

const struct rp_writer_ops rp_writer_uring = { "io_uring", submit, reap };
