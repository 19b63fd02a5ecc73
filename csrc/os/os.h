/* What the analyzer needs of a system. Nothing else in the analysis half asks which system this is.
 *
 * Files are read with positioned reads, not mapped: a trace that is cut off by its writer while it is read must give a
 * short read, not a signal. Paths are UTF-8 (any bytes on POSIX). Functions return 0 or a negative code of rp_error.h. */
#ifndef RP_OS_OS_H
#define RP_OS_OS_H

#include <stddef.h>
#include <stdint.h>

struct rp_os_file;

enum rp_os_kind { RP_OS_MISSING = 0, RP_OS_FILE = 1, RP_OS_DIRECTORY = 2, RP_OS_OTHER = 3 };

/* What the path leads to, links followed. */
enum rp_os_kind rp_os_kind(const char *path);

/* Opens for reading. RP_EOPEN (errno says why), RP_ENOMEM. */
int rp_os_open(struct rp_os_file **ret_file, const char *path);
/* Creates a file that must not exist, for writing. RP_EEXIST, RP_EOPEN, RP_ENOMEM. */
int rp_os_create(struct rp_os_file **ret_file, const char *path);
uint64_t rp_os_size(struct rp_os_file *file);
/* When its content was last changed: ns on a clock of the system's own; 0: it does not say. */
uint64_t rp_os_changed_ns(struct rp_os_file *file);
/* 1 when another open file has the exclusive lock of flock(2); 0 when not, or where there is no such thing. The kernel may hold it for a moment
 * longer than process `pid`, which took it, lives: that is waited for, 200 ms at most in the life of this process. */
int rp_os_is_locked(struct rp_os_file *file, uint32_t pid);
/* Reads up to len bytes at offset; *ret_len is less at the end of the file. RP_EIO. */
int rp_os_read(struct rp_os_file *file, uint64_t offset, void *bytes, size_t len, size_t *ret_len);
/* Writes all len bytes at offset. RP_EIO, RP_ENOSPACE. */
int rp_os_write(struct rp_os_file *file, uint64_t offset, const void *bytes, size_t len);
/* Closes and frees; RP_EIO when the system could not keep what was written. NULL is allowed. */
int rp_os_close(struct rp_os_file *file);
int rp_os_remove(const char *path);
/* Makes a directory that only this user may look into; 0 too where there is one of that name. RP_EOPEN. */
int rp_os_make_directory(const char *path);
/* What follows the last separator of a path; the whole path when it has none. */
const char *rp_os_base_name(const char *path);
/* 1 when both paths lead to one file that is there, links followed; else 0. */
int rp_os_is_same(const char *a, const char *b);
/* The path without links when it leads to something, else as it is: what to replace when the link is to stay. To be freed; NULL when
 * out of memory. */
char *rp_os_resolve(const char *path);
/* Gives a file the name `to`, in the same directory; what had it is gone, whole, in the same moment. RP_EIO. */
int rp_os_replace(const char *from, const char *to);

/* Calls fn with the path of each entry of a directory, "." and ".." left out, in no order. Stops at the first nonzero result of
 * fn and returns it. RP_EOPEN. */
typedef int rp_os_list_fn(void *user, const char *path);
int rp_os_list(const char *directory, rp_os_list_fn *fn, void *user);

/* From here on arrays of some MiB go back to the system when they are freed, in the whole process: for programs that are the analyzer and nothing
 * else. Where the system's allocator cannot be told so it does what it does. */
void rp_os_give_memory_back(void);

/* ---- crew.c ---- */
/* Cores that this process may use. Where there are no threads (Windows here): 1. */
unsigned rp_os_cores(void);
/* Threads that run what they are given, first given first taken. With one thread or none, or where none can be had, a task runs inside
 * rp_os_crew_give(). A task belongs to the caller and stays where it is until it is done. */
struct rp_os_crew;
struct rp_os_task {
	void (*run)(void *user);
	void *user;
	struct rp_os_task *next; /* of the crew, as: */
	int is_done;
};
/* RP_ENOMEM, or 0. */
int rp_os_crew_open(struct rp_os_crew **ret_crew, unsigned threads);
void rp_os_crew_give(struct rp_os_crew *crew, struct rp_os_task *task);
/* Waits for a task that was given: 1 when it is done, 0 when it is not after so many ms. What it wrote is seen then. */
int rp_os_crew_wait(struct rp_os_crew *crew, struct rp_os_task *task, unsigned ms);
/* Runs what was given to its end first. NULL is allowed. */
void rp_os_crew_close(struct rp_os_crew *crew);

/* Runs fn in a process that is a copy of this one: what fn changes is lost with it. What it writes to `to` is handed to `take` here, in order. Returns what fn did; what take did when that is not 0; RP_EIO when the copy died,
 * RP_ENOMEM, RP_EUNSUPPORTED (no more processes; Windows). fn may allocate; it must not wait for other threads of this process: they are not in the copy. */
typedef int rp_os_take_fn(void *user, const void *bytes, size_t len);
typedef int rp_os_copy_fn(void *user, rp_os_take_fn *write, void *to);
int rp_os_in_copy(rp_os_copy_fn *fn, void *user, rp_os_take_fn *take, void *taker);
/* An array that is changed here and there between copies. The system may put it into large pages: a copy, and writing for the first time after one, costs a page
 * each, whatever its size. Without effect where it cannot. */
void rp_os_in_large_pages(void *at, size_t bytes);

/* A number that another build of this very code has not: from size and time of the file that it was loaded from. 0: it cannot be told. */
uint64_t rp_os_build_id(void);
/* ns of a clock that never goes back. */
uint64_t rp_os_monotonic_ns(void);
/* Between the directories of a list, as PATH is one. */
char rp_os_list_separator(void);
/* Text of the last system error on this thread; static or thread-local storage. */
const char *rp_os_error_text(void);
/* Standard output takes bytes as they are (Windows would change line ends). */
void rp_os_binary_stdout(void);
/* Columns of the terminal on standard output, 0 when it is none. */
int rp_os_terminal_columns(void);

#endif
