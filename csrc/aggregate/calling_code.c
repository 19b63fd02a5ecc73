/* Which code without a name is the interpreter's calling machinery. An interpreter that was stripped of its local names (Debian's) calls an extension
 * module through functions that nothing names, where an unstripped one shows dispatch (frame_class.c). Their place tells what they are: a call from there
 * went into an extension module. They are folded as dispatch is. What has no name and calls no extension is work of the interpreter's own, and stays. */
#include <stdlib.h>

#include "aggregate/resolve.h"
#include "native/native.h"

static int begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static int ends(const char *s, const char *with)
{
	size_t n = strlen(s), k = strlen(with);

	return n >= k && !strcmp(s + n - k, with);
}

static int is_interpreter(const char *module)
{
	return begins(module, "python") || begins(module, "libpython");
}

/* By its file's name: _json.cpython-313-x86_64-linux-gnu.so, pydantic_core.abi3.so, fast.so; no library that is linked. */
static int is_extension(const char *module)
{
	return !begins(module, "lib") && !begins(module, "ld-") && ends(module, ".so");
}

enum kind { OTHER, EXTENSION, NAMELESS, DISPATCH };

static enum kind kind_of(const struct rp_resolve *f, uint32_t symbol)
{
	const struct rp_tables *tables = f->replay->tables;
	const struct rp_symbol *s = &tables->symbols.at[symbol];
	const char *module = s->module < tables->modules.n ? rp_strpool_get(&f->result->strings, tables->modules.at[s->module].name) : "";

	if (is_extension(module))
		return EXTENSION;
	if (!is_interpreter(module))
		return OTHER;
	const char *name = s->n_frames ? rp_strpool_get(&f->result->strings, tables->native_frames.at[s->first_frame].function) : rp_tables_bundled(tables, s);
	if (!name)
		return NAMELESS;
	return rp_frame_classify(name, module) == RP_FRAME_DISPATCH ? DISPATCH : OTHER;
}

int rp_resolve_calling_code(struct rp_resolve *f)
{
	const struct rp_trie *native = &f->replay->native.trie;
	uint32_t n_symbols = f->replay->tables->symbols.n;
	uint8_t *kinds = malloc((size_t)n_symbols + 1), *leads = calloc((size_t)native->n + 1, 1); /* to an extension's function, by native node */

	for (uint32_t i = 0; kinds && i < n_symbols; i++)
		kinds[i] = (uint8_t)kind_of(f, i);
	for (uint32_t i = native->n; kinds && leads && i-- > 1;) { /* what a node calls comes after it */
		enum kind kind = kinds[native->nodes[i].value];
		if (kind == OTHER || (kind != EXTENSION && !leads[i]))
			continue;
		rp_assert(native->nodes[i].parent < i);
		leads[native->nodes[i].parent] = 1;
		if (kind == NAMELESS) {
			f->is_stale |= f->symbol_n[native->nodes[i].value] != UINT32_MAX && f->symbol_n[native->nodes[i].value] != 0;
			f->symbol_first[native->nodes[i].value] = 0;
			f->symbol_n[native->nodes[i].value] = 0;
		}
	}
	int rc = kinds && leads ? 0 : RP_ENOMEM;
	free(kinds);
	free(leads);
	return rc;
}
