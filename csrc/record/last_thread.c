/* Whether the program has ended but for the tool's threads: a process ends with its last thread, and ours are threads too. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record/record.h"

#define PATH_BYTES 64

/* A thread that has ended, the leader's zombie among them, has no memory and so no executable. Opens no descriptor. */
static int has_ended(const char *task)
{
	char path[PATH_BYTES], target[1];
	snprintf(path, sizeof path, "/proc/self/%.30s/exe", task);
	return readlink(path, target, sizeof target) < 0 && errno == ENOENT;
}

/* The name of the calling thread in /proc, which may be that of an outer namespace: "PID/task/TID". */
static int own_name(char *ret_name)
{
	ssize_t n = readlink("/proc/thread-self", ret_name, PATH_BYTES - 1);
	ret_name[n > 0 ? n : 0] = 0;
	return n > 0 ? 0 : -1;
}

/* Nonzero when each entry is the caller, the tool's, or has ended. */
static int all_others_have_ended(const char *own)
{
	DIR *tasks = opendir("/proc/self/task");
	int ended = tasks != NULL;
	for (struct dirent *entry; ended && (entry = readdir(tasks));) {
		char task[PATH_BYTES];
		snprintf(task, sizeof task, "task/%.20s", entry->d_name);
		ended = entry->d_name[0] == '.' || strcmp(task, strchr(own, '/') + 1) == 0 || has_ended(task) ||
			rp_is_own_thread(entry->d_name);
	}
	if (tasks)
		closedir(tasks);
	return ended;
}

int rp_record_is_last_thread(void)
{
	char own[PATH_BYTES];
	int is_leader = syscall(SYS_gettid) == getpid();
	/* As long as the leader lives, nobody else is the last: one call answers for nearly every thread of nearly every program. */
	if ((!is_leader && !has_ended(".")) || own_name(own) || !strchr(own, '/'))
		return 0;
	/* Twice: the list is read in parts, and a thread that begins and one that ends between two parts may hide each other. */
	return all_others_have_ended(own) && all_others_have_ended(own);
}
