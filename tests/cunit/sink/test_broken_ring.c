/* The ring breaks while a write of it hangs: the slot goes on with the same content in other memory, since the write may still read the old. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness.h"
#include "sink/sink_state.h"

#define SLOT_BYTES 65536

static void fill_pipe(int fd)
{
	static const char zeros[4096];
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, zeros, sizeof zeros) > 0 || write(fd, zeros, 1) > 0)
		;
	fcntl(fd, F_SETFL, 0);
}

int main(void)
{
	static struct rp_sink s;
	static uint8_t header[RP_FILE_HEADER_BYTES_MAX], old[RP_SLOTS][SLOT_BYTES];
	struct stat st;
	int pipe_fds[2];
	s.buffer_bytes = SLOT_BYTES;
	s.header = header;
	for (int i = 0; i < RP_SLOTS; i++)
		s.slots[i].bytes = old[i];
	s.fd = open("ring.rprof", O_RDWR | O_CREAT, 0600);
	CHECK_INT(fstat(s.fd, &st), 0);
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	if (rp_uring_open(&s))
		RP_SKIP("io_uring is refused here");
	s.ops = &rp_writer_uring;
	CHECK_INT(pipe(pipe_fds), 0);
	fill_pipe(pipe_fds[1]);
	CHECK_INT(io_uring_register_files_update(&s.ring, 0, &pipe_fds[1], 1), 1); /* a disk that hangs */

	for (int i = 0; i < 2; i++) {
		struct rp_slot *slot = &s.slots[i];
		memset(slot->bytes, 'a' + i, SLOT_BYTES);
		slot->len = SLOT_BYTES;
		slot->offset = RP_FILE_HEADER_BYTES + (uint64_t)i * SLOT_BYTES;
		s.slot_tail++;
		if (i == 1) { /* no call of the ring gets through any more */
			io_uring_unregister_ring_fd(&s.ring);
			s.ring.enter_ring_fd = -1;
		}
		s.ops->submit(&s, slot);
	}
	CHECK_STR(s.ops->name, "write");
	CHECK(s.slots[0].bytes != old[0]);
	CHECK(s.slots[1].bytes == old[1]); /* never got under way */
	CHECK_MEM(s.slots[0].bytes, old[0], SLOT_BYTES);
	for (int i = 0; i < 2; i++) {
		uint8_t back[SLOT_BYTES];
		CHECK_UINT(s.slots[i].written, SLOT_BYTES);
		CHECK_INT(pread(s.fd, back, SLOT_BYTES, (off_t)s.slots[i].offset), SLOT_BYTES);
		CHECK_MEM(back, s.slots[i].bytes, SLOT_BYTES);
	}
	rp_uring_close(&s);
	return 0;
}
