/* No room for the last definitions, though it was reserved, as where a quota counts ahead: it is asked for again once the file system has settled.
 * Refused still, the file says that it was stopped, and what is missing; where they lie in a live area nothing is.
 *
 * The calls are defined here, in front of libc's. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../record/record_bed.h"

#define PATH "no_room.rprof"
#define EVENTS 2000

enum until { FSYNC, SYNCFS, NEVER };

static int refuses_maps; /* shared ones: header and buffers are then in memory */
static int refuses_writes, refuses_header;
static enum until until;
static int fsyncs, syncfss;

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	if (refuses_writes && (offset >= RP_FILE_HEADER_BYTES || refuses_header)) {
		errno = EDQUOT;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

int fsync(int fd)
{
	(void)fd;
	fsyncs++;
	refuses_writes &= until != FSYNC;
	return 0;
}

int syncfs(int fd)
{
	(void)fd;
	syncfss++;
	refuses_writes &= until != SYNCFS;
	return 0;
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (refuses_maps && flags & MAP_SHARED && prot & PROT_WRITE) {
		errno = ENODEV;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

static uint64_t found;

static void on_event(void *arg, uint32_t thread, const struct rp_event *e)
{
	(void)arg, (void)thread;
	found += e->kind == RP_EV_ALLOC;
}

/* Everything has been written but the last definitions when the room is gone. The code of the stop. */
static int record(struct rp_sink_status *ret_status)
{
	struct rp_sink *sink = bed_start((struct rp_sink_options){ .path = PATH, .no_uring = 1, .buffer_bytes = 65536 }, 1000);
	for (int i = 0; i < EVENTS; i++)
		bed_emit((uint64_t)i);
	atomic_store(&rp_record_on, 0);
	CHECK_INT(rp_record_quiesce(), 0);
	rp_record_close();
	CHECK_INT(rp_sink_sync(sink, UINT64_C(10000000000)), 0);
	fsyncs = syncfss = 0;
	refuses_writes = 1; /* before there is anything the writer could be quick with */
	rp_define_clock();
	rp_record_detach();
	int code = rp_sink_close(sink, ret_status);
	refuses_writes = 0;
	return code;
}

/* No event is missing. */
static struct rp_file_header read_it(void)
{
	struct walk w = { .on_event = on_event };
	found = 0;
	walk_trace(&w, PATH);
	CHECK_UINT(found, EVENTS);
	return w.head;
}

static void room_comes(enum until when, int with_header)
{
	struct rp_sink_status status;
	refuses_maps = 1;
	refuses_header = with_header;
	until = when;
	CHECK_INT(record(&status), 0);
	CHECK_UINT(status.lost_buffers, 0);
	CHECK_INT(fsyncs, 1);
	CHECK_INT(syncfss, when == SYNCFS);
	CHECK_UINT(read_it().state, RP_STATE_COMPLETE);
}

static void never_in_memory(void)
{
	struct rp_sink_status status;
	refuses_maps = 1;
	refuses_header = 0;
	until = NEVER;
	CHECK_INT(record(&status), RP_EIO);
	CHECK_INT(status.error, EDQUOT);
	CHECK_UINT(status.lost_buffers, 1);
	struct rp_file_header h = read_it();
	CHECK_UINT(h.state, RP_STATE_STOPPED);
	CHECK_UINT(h.unwritten_defs, 1);
	CHECK_UINT(h.lost_events, 0);
	CHECK(h.lost_bytes > 0);
	CHECK(h.end_realtime_ns > 0);
}

/* Nothing is lost: the buffer of definitions lies in the file. */
static void never_in_the_file(void)
{
	struct rp_sink_status status;
	refuses_maps = refuses_header = 0;
	until = NEVER;
	CHECK_INT(record(&status), RP_EIO);
	CHECK_UINT(status.lost_buffers, 0);
	struct rp_file_header h = read_it();
	CHECK_UINT(h.state, RP_STATE_STOPPED);
	CHECK(h.live_count > 0);
	CHECK_UINT(h.unwritten_defs, 0);
}

int main(void)
{
	room_comes(FSYNC, 0);
	room_comes(SYNCFS, 0);
	room_comes(FSYNC, 1);
	never_in_memory();
	never_in_the_file();
	return 0;
}
