/* What the command of a child process is called: child_name.c. */
#include <string.h>

#include "../harness.h"
#include "alloc/child_start.h"

static const char *name_of(const char *const *words)
{
	static char name[RP_CHILD_NAME_BYTES];
	uint32_t n = 0;
	while (words[n])
		n++;
	rp_child_name(words, n, name);
	return name;
}

#define COMMAND(...) ((const char *const[]){ __VA_ARGS__, NULL })

int main(void)
{
	CHECK_STR(name_of(COMMAND("/usr/bin/git", "status")), "git");
	CHECK_STR(name_of(COMMAND("/usr/bin/python3", "-u", "-W", "error", "/home/me/task.py", "-m", "x")), "python3 task.py");
	CHECK_STR(name_of(COMMAND("python3.13", "-m", "joblib.worker", "--x")), "python3.13 -m joblib.worker");
	CHECK_STR(name_of(COMMAND("python", "-c", "import os")), "python -c");
	CHECK_STR(name_of(COMMAND("python")), "python");
	/* A shell's command, as subprocess with shell=True, system and popen have it. */
	CHECK_STR(name_of(COMMAND("/bin/sh", "-c", "A=1 python3 'task.py' >out")), "python3 task.py");
	CHECK_STR(name_of(COMMAND("sh", "-c", "true")), "true");
	CHECK_STR(name_of(COMMAND("sh", "-c", "(cd /tmp; ls)")), "cd");
	CHECK_STR(name_of(COMMAND("sh", "-c", "X=\"a b\"; A='c d' python3 task.py;true")), "python3 task.py");
	CHECK_STR(name_of(COMMAND("sh", "-c", "  ")), "sh");
	CHECK_STR(name_of(COMMAND("sh", "script.sh")), "sh");
	CHECK_STR(name_of(COMMAND("")), "?");
	/* Long names end between two letters. */
	char name[RP_CHILD_NAME_BYTES], path[200] = "";
	for (int i = 0; i < 60; i++)
		strcat(path, "\xc3\xbc");
	const char *words[] = { NULL, path };
	rp_child_name(words, 2, name);
	CHECK(strlen(name) == RP_CHILD_NAME_BYTES - 2 && !strncmp(name, path, RP_CHILD_NAME_BYTES - 2));
	return 0;
}
