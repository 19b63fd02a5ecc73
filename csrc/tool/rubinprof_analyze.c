/* rubinprof-analyze: the analyzer as a program. Needs neither Python nor the machine the trace was made on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "rubinprof/rp_report.h"
#include "rubinprof/rp_trace.h"

#ifndef RUBINPROF_VERSION
#define RUBINPROF_VERSION "unknown"
#endif

#define PIPE_COLUMNS 1000 /* what is read by no window has names whole */
#define PATHS_MAX 65536
#define BESIDE_MAX 100 /* names of a file beside the output: those of programs that were killed stay */

enum { EXIT_FINE = 0, EXIT_CHECK_FAILED = 1, EXIT_BAD_USE = 2 };

static const char help[] =
	"usage: rubinprof-analyze COMMAND [options] TRACE...\n"
	"\n"
	"TRACE is a trace file, a directory (every *.rprof below it), or several of either: one merged trace.\n"
	"\n"
	"commands\n"
	"";

static const char help_of_options[] =
	"  recover     a clean copy of a damaged trace  -o OUT TRACE\n"
	"\n"
	"options\n"
	"  --by function|line|file|module|thread|region\n"
	"  --metric cpu|wall|gil_wait|calls|allocated|allocations|peak|leaked|temporary|mapped_file|shared\n"
	"  -n N             rows at most (-1: all)\n"
	"  --depth N        levels of the tree\n"
	"  --min-share X    hide nodes below this share of the whole (0.01: one percent)\n"
	"  --file FILE      lines: a file's name or the end of its path\n"
	"  --region R       only what happened in this region: its name, or its index in 'regions'\n"
	"  --from S, --to S  only what happened then: seconds since the run began\n"
	"  --native         temporary: rows of C and C++ functions instead of Python ones\n"
	"  --full-names     C++ names whole\n"
	"  --keep-dispatch  show the interpreter's own frames and pybind11's dispatcher\n"
	"  --width N        columns of text\n"
	"  -j N             processes read at the same time, each on a core and in memory (as there are cores)\n"
	"  --json, --csv    instead of text\n"
	"  -o FILE          write there instead of to standard output\n"
	"  --version, --help\n"
	"\n"
	"example\n"
	"  rubinprof-analyze table --by function --metric cpu -n 10 isr.rprof\n";

static void put_help(void)
{
	const char *options;

	fputs(help, stdout);
	for (size_t i = 0; rp_report_name(i); i++) {
		const char *summary = rp_report_summary(i, &options);
		if (options)
			printf("  %-11s %s%s%s\n", rp_report_name(i), summary, *options ? "   " : "", options);
	}
	fputs(help_of_options, stdout);
}

struct command_line {
	const char *command, *out;
	struct rp_report_options options;
	const char *paths[PATHS_MAX];
	size_t n_paths;
};

static int bad_use(const char *what, const char *word)
{
	fprintf(stderr, "rubinprof-analyze: %s%s%s%s; --help lists what there is.\n", what, word ? " '" : "", word ? word : "",
		word ? "'" : "");
	return EXIT_BAD_USE;
}

static int parse_int(const char *s, int64_t *ret_v)
{
	char *end;
	long long v = strtoll(s, &end, 10);

	if (!*s || *end)
		return -1;
	*ret_v = v;
	return 0;
}

/* An option that takes a value: 1 taken, 0 not such an option, -1 a bad value. */
static int parse_value(struct command_line *c, const char *name, const char *value)
{
	static const char *const names[] = { "--by", "--metric", "-n", "--depth", "--min-share", "--file", "--region", "--width", "--from", "--to", "-j", "-o" };
	struct rp_report_options *o = &c->options;
	int64_t n = 0;
	char *end;
	size_t which = 0;

	while (which < sizeof(names) / sizeof(*names) && strcmp(names[which], name))
		which++;
	if (which == sizeof(names) / sizeof(*names))
		return 0;
	if (!value)
		return -1;
	switch (which) {
	case 0:
		o->by = value;
		return 1;
	case 1:
		o->metric = value;
		return 1;
	case 2:
		return parse_int(value, &o->n) ? -1 : 1;
	case 3:
		return parse_int(value, &o->depth) ? -1 : 1;
	case 4:
		o->min_share = strtod(value, &end);
		if (!*value || *end || !(o->min_share >= 0))
			return -1;
		if (!(o->min_share > 0)) /* asked for: 0 would be the default */
			o->min_share = -1;
		return 1;
	case 5:
		o->file = value;
		return 1;
	case 6:
		o->region = value;
		return 1;
	case 7:
		if (parse_int(value, &n) || n < 0 || n > 10000)
			return -1;
		o->width = (int)n;
		return 1;
	case 8:
	case 9: {
		double *seconds = which == 8 ? &o->from_s : &o->to_s;
		*seconds = strtod(value, &end);
		return *value && !*end && *seconds >= 0 ? 1 : -1;
	}
	case 10:
		if (parse_int(value, &n) || n < 1 || n >= 1 << 16)
			return -1;
		o->jobs = (int)n;
		return 1;
	default:
		c->out = value;
		return 1;
	}
}

static int parse_flag(struct rp_report_options *o, const char *name)
{
	if (!strcmp(name, "--json"))
		o->format = RP_FORMAT_JSON;
	else if (!strcmp(name, "--csv"))
		o->format = RP_FORMAT_CSV;
	else if (!strcmp(name, "--full-names"))
		o->full_names = 1;
	else if (!strcmp(name, "--native"))
		o->native = 1;
	else if (!strcmp(name, "--keep-dispatch"))
		o->keep_dispatch = 1;
	else
		return 0;
	return 1;
}

/* 0, or the exit status with the sentence said. -1: help or version was printed. */
static int parse(struct command_line *c, int argc, char **argv)
{
	static char names[32][64];
	int split = 0;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
		char *equals = strchr(argv[i], '=');
		int inline_value = 0;
		if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
			put_help();
			return -1;
		}
		if (!strcmp(word, "--version")) {
			puts("rubinprof-analyze " RUBINPROF_VERSION);
			return -1;
		}
		if (word[0] != '-' || !word[1]) {
			if (!c->command)
				c->command = word;
			else if (c->n_paths < PATHS_MAX)
				c->paths[c->n_paths++] = word;
			continue;
		}
		if (word[1] == '-' && equals && equals - word < 64 && split < 32) {
			memcpy(names[split], word, (size_t)(equals - word));
			word = names[split++];
			value = equals + 1;
			inline_value = 1;
		}
		if (!inline_value && parse_flag(&c->options, word))
			continue;
		int taken = parse_value(c, word, value);
		if (taken < 0)
			return bad_use("bad or missing value for", word);
		if (!taken)
			return bad_use("unknown option", argv[i]);
		i += !inline_value;
	}
	if (!c->command)
		return bad_use("no command was given", NULL);
	return 0;
}

static int write_out(void *user, const void *bytes, size_t len)
{
	return fwrite(bytes, 1, len, user) != len;
}

/* What is missing in the copy is what is missing in the original, but for its live buffers. */
static int tell_missing(const char *path)
{
	char detail[RP_DETAIL_BYTES] = "";
	struct rp_trace *trace;

	int rc = rp_trace_open(&trace, &path, 1, detail);
	if (rc)
		return rc;
	rc = rp_report(trace, "verify", NULL, write_out, stdout, detail);
	rp_trace_close(trace);
	return rc;
}

static int run_recover(const struct command_line *c)
{
	char detail[RP_DETAIL_BYTES] = "";

	if (!c->out || c->n_paths != 1)
		return bad_use("recover takes one trace and -o OUT", NULL);
	int rc = rp_trace_recover(c->paths[0], c->out, detail);
	fprintf(rc ? stderr : stdout, "%s%s\n", rc ? "rubinprof-analyze: " : "", detail);
	if (!rc)
		rc = tell_missing(c->paths[0]);
	return rc ? EXIT_BAD_USE : EXIT_FINE;
}

/* Where a report goes: standard output, something that is no file, or a file beside the one named, which takes its place at the end, so
 * that a failure leaves what was there. */
struct output {
	FILE *stream;
	char *target, *beside; /* NULL: written directly */
};

static int is_trace(const char *path, const struct rp_trace *trace)
{
	for (size_t i = 0; i < rp_trace_file_count(trace); i++)
		if (rp_os_is_same(path, rp_trace_file_path(trace, i)))
			return 1;
	return 0;
}

static int open_beside(struct output *o, const char *path)
{
	o->target = rp_os_resolve(path);
	size_t bytes = o->target ? strlen(o->target) + sizeof(".part-00") : 0;
	o->beside = o->target ? malloc(bytes) : NULL;
	for (int i = 0; o->beside && !o->stream && i < BESIDE_MAX; i++) {
		snprintf(o->beside, bytes, "%s.part-%d", o->target, i);
		o->stream = fopen(o->beside, "wbx"); /* x: a file of that name is another's */
	}
	return o->stream ? 0 : -1;
}

/* 0, or -1. */
static int open_output(struct output *o, const char *path)
{
	enum rp_os_kind kind = path ? rp_os_kind(path) : RP_OS_OTHER;

	if (path && (kind == RP_OS_FILE || kind == RP_OS_MISSING))
		return open_beside(o, path);
	o->stream = path ? fopen(path, "wb") : stdout; /* /dev/stdout, a pipe; a directory cannot be opened */
	return o->stream ? 0 : -1;
}

/* keep: the report is whole. 0, or -1 when it could not be written. */
static int close_output(struct output *o, int keep)
{
	int failed = o->stream && fflush(o->stream) != 0;

	if (o->stream && o->stream != stdout)
		failed |= fclose(o->stream) != 0;
	if (o->stream && o->beside && (failed || !keep || rp_os_replace(o->beside, o->target))) {
		rp_os_remove(o->beside);
		failed |= keep;
	}
	free(o->target);
	free(o->beside);
	return failed ? -1 : 0;
}

static int render(const struct command_line *c, const char *name, struct rp_trace *trace)
{
	char detail[RP_DETAIL_BYTES] = "";
	struct output o = { 0 };

	if (c->out && is_trace(c->out, trace)) {
		fprintf(stderr, "rubinprof-analyze: %s is the trace itself; choose another file with -o.\n", c->out);
		return EXIT_BAD_USE;
	}
	int opened = !open_output(&o, c->out);
	int rc = opened ? rp_report(trace, name, &c->options, write_out, o.stream, detail) : RP_EIO;
	int failed = close_output(&o, rc == 0);
	if (rc == RP_EIO || (!rc && failed)) {
		fprintf(stderr, "rubinprof-analyze: cannot write %s.\n", c->out ? c->out : "to standard output");
		return EXIT_BAD_USE;
	}
	if (rc) {
		fprintf(stderr, "rubinprof-analyze: %s\n", detail);
		return EXIT_BAD_USE;
	}
	if (!strcmp(name, "verify"))
		return rp_report_is_whole(trace) == 1 ? EXIT_FINE : EXIT_CHECK_FAILED;
	return EXIT_FINE;
}

static int is_report(const char *name)
{
	for (size_t i = 0; rp_report_name(i); i++)
		if (!strcmp(rp_report_name(i), name))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static struct command_line c = { .options = RP_REPORT_OPTIONS_INIT };
	char detail[RP_DETAIL_BYTES] = "";
	struct rp_trace *trace;

	rp_os_binary_stdout();
	rp_os_give_memory_back();
	int status = parse(&c, argc, argv);
	if (status)
		return status < 0 ? EXIT_FINE : status;
	c.options.index = 1;
	if (!c.options.width && !c.out)
		c.options.colour = (c.options.width = rp_os_terminal_columns()) > 0 && !getenv("NO_COLOR");
	if (!c.options.width)
		c.options.width = PIPE_COLUMNS;
	if (!strcmp(c.command, "recover"))
		return run_recover(&c);
	const char *name = c.command;
	if (!strcmp(name, "json"))
		name = "flame";
	if (!strcmp(name, "flame") || !strcmp(name, "page"))
		c.options.format = RP_FORMAT_JSON;
	if (!is_report(name))
		return bad_use("unknown command", name);
	if (c.n_paths == 0)
		return bad_use("no trace was named", NULL);
	if (rp_trace_open(&trace, c.paths, c.n_paths, detail)) {
		fprintf(stderr, "rubinprof-analyze: %s\n", detail);
		return EXIT_BAD_USE;
	}
	status = render(&c, name, trace);
	rp_trace_close(trace);
	return status;
}
