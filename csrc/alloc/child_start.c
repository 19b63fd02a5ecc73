#define _GNU_SOURCE
#include "alloc/child_start.h"

#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/alloc.h"
#include "alloc/guard.h"

#define NAMES_MAX 64
#define OTHERS "others" /* names beyond them */
/* A count is told at once up to this one, then each that is a multiple: a program that starts thousands fills no trace with it. */
#define TOLD_AT_ONCE 64
#define DEFINITION_BYTES 64
#define COUNT_BYTES 24
#define LOCK_ROUNDS_MAX 10000

static struct {
	char name[RP_CHILD_NAME_BYTES];
	uint64_t count;
} children[NAMES_MAX + 1];
static uint32_t n_names;
static uint64_t n_children;
/* Held for moments. A flag, not a mutex: a forked child finds it as it was, and starts afresh. */
static atomic_flag lock = ATOMIC_FLAG_INIT;

/* Replaced, never freed: a hook may be reading the former ones. Bounded by the number of starts of a session. */
static _Atomic(char *) follow_words;

/* ---- counting ---- */

static int take_lock(void)
{
	/* acquire: pairs with the release of the thread that counted before */
	for (int i = 0; atomic_flag_test_and_set_explicit(&lock, memory_order_acquire); i++) {
		if (i == LOCK_ROUNDS_MAX)
			return 0;
		sched_yield();
	}
	return 1;
}

static void give_lock(void)
{
	atomic_flag_clear_explicit(&lock, memory_order_release);
}

static void tell(const char *name, uint64_t count)
{
	char key[RP_CHILD_NAME_BYTES + 16], value[COUNT_BYTES];
	int n_key = snprintf(key, sizeof key, "children.%s", name), n = snprintf(value, sizeof value, "%llu", (unsigned long long)count);
	uint8_t *end, *p = rp_define_begin(DEFINITION_BYTES + (size_t)n_key + (size_t)n, &end);
	if (p)
		rp_define_end(rp_def_put_meta(p, end, (struct rp_str){ key, (uint32_t)n_key }, (struct rp_str){ value, (uint32_t)n }));
}

void rp_children_open(void)
{
	atomic_flag_clear_explicit(&lock, memory_order_relaxed); /* relaxed: nobody else counts */
	n_names = 0;
	n_children = 0;
}

static uint32_t place_of(const char *name)
{
	uint32_t i = 0;
	while (i < n_names && strcmp(children[i].name, name) != 0)
		i++;
	if (i < n_names || i > NAMES_MAX)
		return i < n_names ? i : NAMES_MAX;
	snprintf(children[i].name, sizeof children[i].name, "%s", i == NAMES_MAX ? OTHERS : name);
	children[i].count = 0;
	n_names++;
	return i;
}

/* Its number in this session, from 1 on; 0 when nothing is recorded. */
static uint32_t count_child(const char *name)
{
	/* relaxed: as in rp_guard_enter */
	if (!atomic_load_explicit(&rp_record_on, memory_order_relaxed) || rp_thread_is_tool || !take_lock())
		return 0;
	int saved = errno;
	uint32_t number = (uint32_t)++n_children, i = place_of(name);
	uint64_t count = ++children[i].count;
	char told[RP_CHILD_NAME_BYTES];
	memcpy(told, children[i].name, sizeof told);
	give_lock();
	if (count <= TOLD_AT_ONCE || count % TOLD_AT_ONCE == 0)
		tell(told, count);
	errno = saved;
	return number;
}

void rp_children_define(void)
{
	for (uint32_t i = 0; i < n_names; i++)
		if (children[i].count > TOLD_AT_ONCE)
			tell(children[i].name, children[i].count);
}

/* ---- following ---- */

void rp_children_follow(const char *words)
{
	char *now = atomic_load_explicit(&follow_words, memory_order_relaxed); /* relaxed: changed under the GIL only */
	if (now == words || (now && words && !strcmp(now, words)))
		return;
	atomic_store_explicit(&follow_words, words ? strdup(words) : NULL, memory_order_release); /* release: hooks read the text */
}

/* NAME=VALUE; NULL: not followed, or no memory. */
static char *words_for(uint32_t number, const char *name)
{
	const char *words = atomic_load_explicit(&follow_words, memory_order_acquire);
	char *text = NULL;
	if (!words || asprintf(&text, "%s=child:%u:%zu:%s%s", RP_CHILD_VARIABLE, number, strlen(name), name, words) < 0)
		return NULL;
	return text;
}

char *rp_child_started(const char *const *words, uint32_t n)
{
	char name[RP_CHILD_NAME_BYTES];
	rp_child_name(words, n, name);
	uint32_t number = count_child(name);
	return number ? words_for(number, name) : NULL;
}

/* env with the variable; NULL: as it is. The array alone is ours. */
static char **with_variable(char *const *env, char *variable)
{
	size_t n = 0, out = 0;
	while (env && env[n])
		n++;
	char **all = variable ? malloc((n + 2) * sizeof *all) : NULL;
	if (!all)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(env[i], RP_CHILD_VARIABLE "=", sizeof RP_CHILD_VARIABLE) != 0)
			all[out++] = env[i];
	all[out++] = variable;
	all[out] = NULL;
	return all;
}

/* A shell's command behind an export of the variable; NULL: as it is. */
static char *with_export(const char *command, const char *variable)
{
	const char *value = variable ? strchr(variable, '=') : NULL;
	size_t n = variable ? strlen(variable) : 0, quotes = 0;
	for (size_t i = 0; i < n; i++)
		quotes += variable[i] == '\'';
	char *text = value ? malloc(n + 4 * quotes + strlen(command) + 32) : NULL;
	if (!text)
		return NULL;
	char *at = text + sprintf(text, "export %s='", RP_CHILD_VARIABLE);
	for (const char *from = value + 1; *from; from++)
		at = *from == '\'' ? stpcpy(at, "'\\''") : (*at = *from, at + 1);
	stpcpy(stpcpy(at, "'; "), command);
	return text;
}

/* ---- the hooks ---- */

static struct {
	int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
	int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
	int (*system)(const char *);
	FILE *(*popen)(const char *, const char *);
} real;

/* `file` stands for argv[0], which may be anything. */
static char *variable_of_argv(const char *file, char *const *argv)
{
	const char *words[RP_CHILD_WORDS_MAX] = { file };
	uint32_t n = 1;
	while (argv && argv[0] && n < RP_CHILD_WORDS_MAX && argv[n]) {
		words[n] = argv[n];
		n++;
	}
	return rp_child_started(words, n);
}

static int hook_posix_spawn(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
			    char *const *argv, char *const *env)
{
	char *variable = variable_of_argv(file, argv), **all = with_variable(env, variable);
	int error = real.posix_spawn(ret_pid, file, actions, attr, argv, all ? all : env);
	free(all);
	free(variable);
	return error;
}

static int hook_posix_spawnp(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
			     char *const *argv, char *const *env)
{
	char *variable = variable_of_argv(file, argv), **all = with_variable(env, variable);
	int error = real.posix_spawnp(ret_pid, file, actions, attr, argv, all ? all : env);
	free(all);
	free(variable);
	return error;
}

static char *command_to_follow(const char *command)
{
	const char *words[] = { "sh", "-c", command };
	char *variable = rp_child_started(words, RP_COUNT_OF(words)), *text = with_export(command, variable);
	free(variable);
	return text;
}

static int hook_system(const char *command)
{
	char *text = command ? command_to_follow(command) : NULL; /* NULL: is there a shell? */
	int status = real.system(text ? text : command);
	int saved = errno;
	free(text);
	errno = saved;
	return status;
}

static FILE *hook_popen(const char *command, const char *type)
{
	char *text = command ? command_to_follow(command) : NULL;
	FILE *stream = real.popen(text ? text : command, type);
	int saved = errno;
	free(text);
	errno = saved;
	return stream;
}

const struct rp_got_hook rp_child_hooks[RP_CHILD_HOOKS] = {
	{ "posix_spawn", (void *)hook_posix_spawn, (void **)&real.posix_spawn, NULL },
	{ "posix_spawnp", (void *)hook_posix_spawnp, (void **)&real.posix_spawnp, NULL },
	{ "system", (void *)hook_system, (void **)&real.system, NULL },
	{ "popen", (void *)hook_popen, (void **)&real.popen, NULL },
};
