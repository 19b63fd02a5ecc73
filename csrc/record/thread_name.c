/* What threads are called in the trace. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "record/record_state.h"

#define NAME_DEFINITION_BYTES 64
#define PYTHON_NAME_BYTES_MAX 256

static uint32_t pid;
static uint32_t process_name_len;
static char process_name[16]; /* threads that nobody named have it too, from the thread that made them */

void rp_thread_names_open(void)
{
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, process_name, sizeof process_name - 1) : 0;
	process_name[n > 0 ? n : 0] = 0;
	process_name[strcspn(process_name, "\n")] = 0;
	process_name_len = (uint32_t)strlen(process_name);
	pid = (uint32_t)getpid();
	if (fd >= 0)
		close(fd);
}

struct rp_str rp_thread_shown_name(uint32_t os_tid, const char *name)
{
	uint32_t len = (uint32_t)strnlen(name, sizeof process_name);
	if (len != process_name_len || memcmp(name, process_name, len))
		return (struct rp_str){ name, len };
	return os_tid == pid ? RP_STR("MainThread") : RP_STR("unnamed thread");
}

static void define_name(uint32_t id, uint32_t os_tid, struct rp_str name)
{
	if (name.len > PYTHON_NAME_BYTES_MAX)
		name.len = PYTHON_NAME_BYTES_MAX;
	uint8_t *end, *p = id ? rp_define_begin(NAME_DEFINITION_BYTES + name.len, &end) : NULL;
	if (p)
		rp_define_end(rp_def_put_thread(p, end, id, os_tid, name));
}

void rp_define_thread_name(uint32_t os_tid, struct rp_str name)
{
	define_name(rp_thread_id_of(os_tid, 1), os_tid, name);
}

void rp_define_ended_thread_name(uint32_t os_tid, struct rp_str name)
{
	define_name(rp_thread_id_of(os_tid, 0), os_tid, name);
}
