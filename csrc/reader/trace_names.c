/* Names that a trace leaves to a symbol bundle. */
#include "reader/bundle.h"
#include "reader/reader.h"

static struct rp_str whole(const char *s)
{
	return (struct rp_str){ s, (uint32_t)strlen(s) };
}

static int add_code(struct rp_tables *t, const struct rp_code_ref *ref)
{
	struct rp_symbol_code code;
	struct rp_def def = { .tag = RP_DEF_CODE, .str[3] = RP_STR("") };

	if (rp_symbol_table_code_at(rp_bundle_codes(t->bundle), ref->row, &code))
		return 0; /* it stays without a name */
	def.num[0] = ref->code;
	def.num[1] = code.first_line;
	def.num[2] = code.flags | RP_CODE_LINES;
	def.str[0] = whole(code.name);
	def.str[1] = whole(code.file);
	def.str[2] = whole(code.module);
	return rp_tables_add(t, &def);
}

int rp_tables_name(struct rp_tables *t)
{
	const char *id = rp_tables_meta(t, "symbols.bundle");
	int rc = id ? rp_bundle_of(&t->bundle, id, rp_tables_meta(t, "symbols.path")) : t->code_refs.n ? RP_ENOBUNDLE : 0;

	for (uint32_t i = 0; i < t->code_refs.n && !rc; i++)
		rc = add_code(t, &t->code_refs.at[i]);
	return rc;
}

const char *rp_tables_bundled(const struct rp_tables *t, const struct rp_symbol *symbol)
{
	const struct rp_module *m = symbol->module < t->modules.n ? &t->modules.at[symbol->module] : NULL;

	if (!t->bundle || !m)
		return NULL;
	return rp_bundle_function(t->bundle, rp_strpool_get(t->strings, m->build_id), symbol->address - 1 - m->bias);
}
