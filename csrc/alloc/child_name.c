/* What a command is called in reports. */
#include <ctype.h>
#include <string.h>

#include "alloc/child_start.h"
#include "base/base.h"

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static void append(char *name, const char *text)
{
	size_t used = strlen(name), n = strlen(text);
	if (used + n >= RP_CHILD_NAME_BYTES) {
		n = RP_CHILD_NAME_BYTES - 1 - used;
		while (n && ((unsigned char)text[n] & 0xC0) == 0x80) /* not within a letter */
			n--;
	}
	memcpy(name + used, text, n);
	name[used + n] = 0;
}

static int is_shell(const char *program)
{
	static const char *const shells[] = { "sh", "bash", "dash", "zsh", "ksh" };
	for (size_t i = 0; i < RP_COUNT_OF(shells); i++)
		if (!strcmp(program, shells[i]))
			return 1;
	return 0;
}

/* What a Python runs: the script, -m MODULE or -c. */
static void append_script(const char *const *words, uint32_t n, char *name)
{
	for (uint32_t i = 1; i < n; i++) {
		const char *word = words[i];
		if (!strcmp(word, "-m") && i + 1 < n) {
			append(name, " -m ");
			append(name, words[i + 1]);
			return;
		}
		if (!strcmp(word, "-c")) {
			append(name, " -c");
			return;
		}
		if (word[0] != '-') {
			append(name, " ");
			append(name, base_of(word));
			return;
		}
		if (!strcmp(word, "-W") || !strcmp(word, "-X"))
			i++; /* with a value */
	}
}

static int ends_command(char c)
{
	return c && strchr(";&|<>()\n", c);
}

/* The words of a shell's first command, as far as blanks and quotes tell; `text` is cut into them. */
static uint32_t split(char *text, const char **ret_words)
{
	uint32_t n = 0;
	for (char *at = text; *at && n < RP_CHILD_WORDS_MAX;) {
		while (*at == ' ' || *at == '\t')
			at++;
		if (ends_command(*at) && n)
			break;
		char quote = 0, *begin = at, first = *at;
		for (; *at && (quote || (!isspace((unsigned char)*at) && !ends_command(*at))); at++)
			if (*at == quote)
				quote = 0;
			else if (!quote && (*at == '"' || *at == '\''))
				quote = *at;
		int is_end = ends_command(*at), is_assignment = n == 0 && memchr(begin, '=', (size_t)(at - begin));
		if (at > begin + 1 && (first == '"' || first == '\'') && at[-1] == first) {
			begin++;
			at[-1] = 0;
		}
		if (*at)
			*at++ = 0;
		if (*begin && !is_assignment)
			ret_words[n++] = begin;
		if (is_end && n)
			break;
	}
	return n;
}

static void name_plain(const char *const *words, uint32_t n, char *ret_name)
{
	ret_name[0] = 0;
	const char *program = n ? base_of(words[0]) : "";
	append(ret_name, *program ? program : "?");
	if (!strncmp(program, "python", 6) || !strncmp(program, "pypy", 4))
		append_script(words, n, ret_name);
}

void rp_child_name(const char *const *words, uint32_t n, char ret_name[RP_CHILD_NAME_BYTES])
{
	const char *given[RP_CHILD_WORDS_MAX], *inner[RP_CHILD_WORDS_MAX];
	char command[512];
	uint32_t n_given = 0;

	for (uint32_t i = 0; i < n && n_given < RP_CHILD_WORDS_MAX; i++)
		if (words[i])
			given[n_given++] = words[i];
	if (n_given >= 3 && is_shell(base_of(given[0])) && !strcmp(given[1], "-c")) {
		size_t length = strnlen(given[2], sizeof command - 1);
		memcpy(command, given[2], length);
		command[length] = 0;
		uint32_t n_inner = split(command, inner);
		if (n_inner) {
			name_plain(inner, n_inner, ret_name);
			return;
		}
	}
	name_plain(given, n_given, ret_name);
}
