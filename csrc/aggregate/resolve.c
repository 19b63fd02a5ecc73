/* One file's call nodes and sites become nodes of the result: names instead of ids, call sites of one caller put together, native
 * frames below their Python frame, the tool's own cost taken out.
 *
 * The cost of an event is measured by the capture (RP_DEF_COST). An enter and an exit each take their time stamp in the middle of
 * our work, so a part of a call's cost lies inside the call, and the rest in its caller; all of an allocation's lies where it happened.
 * What remains is never below 0. */
#include <stdio.h>
#include <stdlib.h>

#include "aggregate/resolve.h"
#include "aggregate/frame_key.h"

#define AHEAD 8 /* nodes whose look-ups are on their way */

int64_t rp_resolve_ns(const struct rp_resolve *f, double ticks)
{
	double ns = ticks * f->ns_per_tick;

	return ns <= 0 ? 0 : ns < 9e18 ? (int64_t)ns : (int64_t)9e18;
}

static void resolve_variance(const struct rp_resolve *f, const struct rp_site *s, const struct rp_site_variance *v, int64_t *m)
{
	double peak = s->epoch == f->replay->sites.epoch ? v->peak : v->current, ns2 = f->ns_per_tick * f->ns_per_tick;

	m[RP_M_CPU_VARIANCE] = rp_variance_units(v->cpu * ns2, RP_VARIANCE_NS2);
	m[RP_M_ALLOCATED_VARIANCE] = rp_variance_units(v->allocated, RP_VARIANCE_BYTES2);
	m[RP_M_ALLOCATIONS_VARIANCE] = rp_variance_units(v->allocations, 1);
	m[RP_M_PEAK_VARIANCE] = rp_variance_units(peak, RP_VARIANCE_BYTES2);
	m[RP_M_LEAKED_VARIANCE] = rp_variance_units(v->current, RP_VARIANCE_BYTES2);
}

void rp_resolve_site(const struct rp_resolve *f, const struct rp_site *s, int64_t *m)
{
	const struct rp_site_variance *v = f->replay->sites.variances ? &f->replay->sites.variances[s - f->replay->sites.sites] : NULL;
	uint32_t carry = v ? v->carry : 0; /* without estimates counts are whole */

	memset(m, 0, RP_M_COUNT * sizeof(*m));
	m[RP_M_ALLOCATED] = (int64_t)s->allocated_bytes;
	m[RP_M_ALLOCATIONS] = rp_count_whole(s->allocations, &carry);
	m[RP_M_PEAK] = (int64_t)(s->epoch == f->replay->sites.epoch ? s->peak_bytes : s->current_bytes);
	m[RP_M_LEAKED] = (int64_t)s->current_bytes;
	m[RP_M_TEMPORARY] = (int64_t)s->temporary_bytes;
	m[RP_M_TEMPORARY_COUNT] = (int64_t)s->temporary_count;
	m[RP_M_SAMPLES] = s->samples;
	m[RP_M_WEIGHT] = rp_resolve_ns(f, (double)s->sample_cpu);
	m[RP_M_MAPPED_FILE] = (int64_t)rp_apart_most_of(&f->replay->memory.mapped[RP_APART_FILE], (uint32_t)(s - f->replay->sites.sites));
	m[RP_M_SHARED] = (int64_t)rp_apart_most_of(&f->replay->memory.mapped[RP_APART_SHARED], (uint32_t)(s - f->replay->sites.sites));
	if (v)
		resolve_variance(f, s, v, m);
}

/* ---- frames ---- */

static int add_text(struct rp_resolve *f, const char *s, uint32_t *ret_id)
{
	return rp_strpool_add(&f->result->strings, s, strlen(s), ret_id);
}

/* Between what is known of a stack and what called it. */
#define FRAMES_CUT "[outer frames not kept]"

int rp_resolve_code_frame(struct rp_resolve *f, uint32_t id, uint32_t *ret_frame)
{
	const struct rp_code *code = id >= RP_CODE_CUT ? NULL : rp_tables_code(f->replay->tables, id);
	const char *name = id == RP_CODE_LOST ? "[events lost]" : id == RP_CODE_NOT_SAMPLED ? "[not sampled]" : id == RP_CODE_CUT ? FRAMES_CUT : "[unknown function]";
	struct rp_frame frame = { .kind = RP_KIND_PYTHON, .met = f->met };

	if (code) {
		frame.name = code->name;
		frame.file = code->file;
		frame.module = code->module;
		frame.line = code->first_line;
		if ((f->needs & RP_NEED_UNITS) && rp_frame_key_python(&f->result->strings, code, &frame))
			return RP_ENOMEM;
	} else if (add_text(f, name, &frame.name)) {
		return RP_ENOMEM;
	}
	return rp_result_frame(f->result, &frame, ret_frame);
}

static int add_chain_frame(struct rp_resolve *f, const struct rp_frame *frame)
{
	uint32_t id;

	if (rp_result_frame(f->result, frame, &id) ||
	    rp_result_grow((void **)&f->chain_frames, f->n_chain_frames, &f->chain_frames_cap, sizeof(*f->chain_frames)))
		return RP_ENOMEM;
	f->chain_frames[f->n_chain_frames++] = (struct rp_chain_frame){ id, frame->line };
	return 0;
}

/* A name for an address without one: its module and the place in it. */
static int add_nameless(struct rp_resolve *f, const struct rp_symbol *s, const struct rp_module *module, uint32_t module_name)
{
	struct rp_frame frame = { .kind = RP_KIND_NATIVE, .module = module_name, .met = f->met };
	char name[64];

	if (s->address == RP_ADDRESS_CUT)
		return add_text(f, FRAMES_CUT, &frame.name) ? RP_ENOMEM : add_chain_frame(f, &frame);
	/* By module only: a row per address would hide what they have in common. */
	if (module)
		snprintf(name, sizeof(name), "[%.50s]", rp_strpool_get(&f->result->strings, module_name));
	else
		snprintf(name, sizeof(name), "[unknown native code]");
	if (add_text(f, name, &frame.name) || ((f->needs & RP_NEED_UNITS) && rp_frame_key_native(&f->result->strings, module, &frame)))
		return RP_ENOMEM;
	return add_chain_frame(f, &frame);
}

/* One frame, however the collector is made up: it calls itself by other names. Where it is written differs by version, and says nothing to users. */
static int add_collector(struct rp_resolve *f, const struct rp_module *module)
{
	struct rp_frame frame = { .module = module ? module->name : 0, .kind = RP_KIND_NATIVE, .met = f->met };

	if (add_text(f, RP_COLLECTOR_NAME, &frame.name) || ((f->needs & RP_NEED_UNITS) && rp_frame_key_native(&f->result->strings, module, &frame)))
		return RP_ENOMEM;
	if (add_chain_frame(f, &frame))
		return RP_ENOMEM;
	f->collector = f->chain_frames[f->n_chain_frames - 1].frame;
	return 0;
}

/* One function that the trace leaves to its bundle. */
static int add_named(struct rp_resolve *f, const struct rp_module *module, const char *module_name, const char *name)
{
	enum rp_frame_class class = rp_frame_classify(name, module_name);
	struct rp_frame frame = { .module = module->name, .kind = RP_KIND_NATIVE, .met = f->met };

	if (class == RP_FRAME_TOOL || (class == RP_FRAME_DISPATCH && !f->keep_dispatch))
		return 0;
	if (class == RP_FRAME_COLLECTOR && !f->keep_dispatch)
		return add_collector(f, module);
	if (add_text(f, name, &frame.name) || ((f->needs & RP_NEED_UNITS) && rp_frame_key_native(&f->result->strings, module, &frame)))
		return RP_ENOMEM;
	return add_chain_frame(f, &frame);
}

/* The frames of one symbol, outermost first: without those that are folded away. */
static int resolve_symbol(struct rp_resolve *f, uint32_t symbol)
{
	const struct rp_tables *tables = f->replay->tables;
	const struct rp_symbol *s = &tables->symbols.at[symbol];
	const struct rp_module *module = s->module < tables->modules.n ? &tables->modules.at[s->module] : NULL;
	const char *module_name = module ? rp_strpool_get(&f->result->strings, module->name) : "";

	const char *bundled = s->n_frames ? NULL : rp_tables_bundled(tables, s);
	if (bundled)
		return add_named(f, module, module_name, bundled);
	if (s->n_frames == 0) {
		enum rp_frame_class class = rp_frame_classify("", module_name);
		return class == RP_FRAME_TOOL ? 0 : add_nameless(f, s, module, module ? module->name : 0);
	}
	for (uint32_t i = s->n_frames; i-- > 0;) {
		const struct rp_native_frame *n = &tables->native_frames.at[s->first_frame + i];
		enum rp_frame_class class = rp_frame_classify(rp_strpool_get(&f->result->strings, n->function), module_name);
		if (class == RP_FRAME_TOOL || (class == RP_FRAME_DISPATCH && !f->keep_dispatch))
			continue;
		if (class == RP_FRAME_COLLECTOR && !f->keep_dispatch) {
			if (add_collector(f, module))
				return RP_ENOMEM;
			continue;
		}
		struct rp_frame frame = { .name = n->function, .file = n->file, .line = n->line, .module = module ? module->name : 0,
					  .kind = i + 1 == s->n_frames ? RP_KIND_NATIVE : RP_KIND_INLINED, .met = f->met };
		if ((f->needs & RP_NEED_UNITS) && rp_frame_key_native(&f->result->strings, module, &frame))
			return RP_ENOMEM;
		if (add_chain_frame(f, &frame))
			return RP_ENOMEM;
	}
	return 0;
}

int rp_resolve_symbol(struct rp_resolve *f, uint32_t native, const struct rp_chain_frame **ret_frames, uint32_t *ret_n)
{
	uint32_t symbol = f->replay->native.trie.nodes[native].value;

	if (f->symbol_n[symbol] == UINT32_MAX) {
		f->symbol_first[symbol] = f->n_chain_frames;
		if (resolve_symbol(f, symbol))
			return RP_ENOMEM;
		f->symbol_n[symbol] = f->n_chain_frames - f->symbol_first[symbol];
	}
	*ret_frames = f->chain_frames + f->symbol_first[symbol];
	*ret_n = f->symbol_n[symbol] < RP_CHAIN_MAX ? f->symbol_n[symbol] : RP_CHAIN_MAX;
	return 0;
}

uint32_t rp_resolve_path(const struct rp_resolve *f, uint32_t native, uint32_t *ret_path)
{
	uint32_t depth = 0;

	for (; native && depth < RP_NATIVE_FRAMES_MAX; native = f->replay->native.trie.nodes[native].parent)
		ret_path[depth++] = native;
	return depth;
}

int rp_resolve_chain(struct rp_resolve *f, uint32_t native, struct rp_chain_frame *chain, uint32_t *ret_n)
{
	uint32_t path[RP_NATIVE_FRAMES_MAX], depth = rp_resolve_path(f, native, path), n = 0, frames_n;
	const struct rp_chain_frame *frames;

	while (depth-- > 0) {
		if (rp_resolve_symbol(f, path[depth], &frames, &frames_n))
			return RP_ENOMEM;
		for (uint32_t i = 0; i < frames_n && n < RP_CHAIN_MAX; i++)
			if (!n || frames[i].frame != f->collector || chain[n - 1].frame != f->collector)
				chain[n++] = frames[i];
	}
	*ret_n = n;
	return 0;
}

/* ---- nodes ---- */

void rp_resolve_call_figures(const struct rp_resolve *f, uint32_t i, double outside, double inside, int64_t *m)
{
	const struct rp_call_node *n = &f->replay->tree.nodes[i];
	double cost = outside + (double)n->calls * inside + (double)n->cost16 / 16;

	m[RP_M_WALL] = rp_resolve_ns(f, (double)n->wall - cost);
	m[RP_M_CPU] = rp_resolve_ns(f, (double)n->cpu - cost);
	m[RP_M_GIL_WAIT] = (int64_t)(n->gil_wait_ns & INT64_MAX);
	m[RP_M_CALLS] = (int64_t)n->calls;
	if (f->met & RP_MET_CPU_OFF) /* what its clocks showed is of no place */
		m[RP_M_CPU] = m[RP_M_WALL] = 0;
	if (i == 0 || n->parent == 0) /* What a thread does outside of Python. Its wall time there is mostly waiting for work: left out. */
		m[RP_M_WALL] = m[RP_M_WALL] < m[RP_M_CPU] ? m[RP_M_WALL] : m[RP_M_CPU];
}

/* frame_of: code id to frame. */
static int frame_of_node(struct rp_resolve *f, uint32_t i, struct rp_idmap *frame_of)
{
	uint32_t code = rp_call_code(&f->replay->tree.nodes[i]), *known = rp_idmap_find(frame_of, code);

	if (known) {
		f->nodes[i].frame = *known;
		return 0;
	}
	return rp_resolve_code_frame(f, code, &f->nodes[i].frame) || rp_idmap_put(frame_of, code, f->nodes[i].frame) ? RP_ENOMEM : 0;
}

/* Has the place fetched where the node will be looked for, if its parent is among the first `merged`. */
static void ask_for_node(const struct rp_resolve *f, uint32_t i, uint32_t merged)
{
	if (i >= f->replay->tree.n || f->nodes[i].frame == UINT32_MAX || f->replay->tree.nodes[i].parent >= merged)
		return;
	rp_result_ask_child(f->result, f->merged[f->replay->tree.nodes[i].parent], f->nodes[i].frame);
}

static int merge_node(struct rp_resolve *f, uint32_t i)
{
	int64_t m[RP_M_COUNT] = { 0 };
	uint32_t parent = f->replay->tree.nodes[i].parent;

	f->merged[i] = 0;
	if (f->nodes[i].frame != UINT32_MAX && rp_result_child(f->result, f->merged[parent], f->nodes[i].frame, &f->merged[i]))
		return RP_ENOMEM;
	memcpy(m, f->nodes[i].m, sizeof(f->nodes[i].m));
	return rp_node_add(f->result, f->merged[i], m);
}

static int resolve_nodes(struct rp_resolve *f)
{
	const struct rp_call_tree *tree = &f->replay->tree;
	const struct rp_tables *tables = f->replay->tables;
	struct rp_idmap frame_of = RP_IDMAP_INIT;
	double inside = (double)tables->cost_inside16 / 16, around = (double)(tables->cost_call16 - tables->cost_inside16) / 16;
	double *outside = calloc(tree->n, sizeof(*outside));
	int rc = outside ? 0 : RP_ENOMEM;

	for (uint32_t i = 1; i < tree->n && !rc; i++)
		outside[tree->nodes[i].parent] += (double)tree->nodes[i].calls * around;
	for (uint32_t i = 0; i < tree->n && !rc; i++) {
		f->nodes[i] = (struct rp_resolve_node){ .frame = UINT32_MAX };
		rp_resolve_call_figures(f, i, outside[i], inside, f->nodes[i].m);
		f->result->cpu_ns = rp_add(f->result->cpu_ns, f->nodes[i].m[RP_M_CPU]);
		if (f->needs && i && tree->nodes[i].parent)
			rc = frame_of_node(f, i, &frame_of);
	}
	for (uint32_t i = 0; i < tree->n && !rc && (f->needs & RP_NEED_TREE); i++) {
		ask_for_node(f, i + AHEAD, i);
		rc = merge_node(f, i);
	}
	rp_idmap_release(&frame_of);
	free(outside);
	return rc;
}

/* Rounded each by itself, thousands of places with one sample each would all be rounded the same way. */
void rp_resolve_carries(struct rp_site_set *set)
{
	uint32_t carry = RP_COUNT_HALF;

	for (uint32_t i = 0; set->variances && i < set->n; i++) {
		set->variances[i].carry = carry;
		rp_count_whole(set->sites[i].allocations, &carry);
	}
}

void rp_resolve_release(struct rp_resolve *f)
{
	free(f->nodes);
	free(f->merged);
	free(f->unit_of);
	free(f->units);
	free(f->shares);
	free(f->symbol_first);
	free(f->symbol_n);
	free(f->chain_frames);
	free(f->natives);
	free(f->noted);
	rp_idmap_release(&f->line_of);
	rp_line_cache_release(&f->line_cache);
}

/* The calls that were made from no known line. */
static int resolve_unknown_calls(struct rp_resolve *f)
{
	const struct rp_call_tree *tree = &f->replay->tree;
	struct rp_idmap known = RP_IDMAP_INIT; /* of a position in a code: whether its line is not known */
	int rc = 0;

	for (uint32_t i = 1; i < tree->n && !rc; i++) {
		const struct rp_call_node *n = &tree->nodes[i];
		uint32_t code = rp_call_code(&tree->nodes[n->parent]), line;
		if (f->nodes[i].frame == UINT32_MAX || f->nodes[n->parent].frame == UINT32_MAX)
			continue;
		uint64_t key = (uint64_t)code << 32 | rp_call_lasti(n);
		uint32_t *is_unknown = rp_idmap_find(&known, key);
		if (!is_unknown) {
			const struct rp_code *c = rp_tables_code(f->replay->tables, code);
			line = RP_LINE_UNKNOWN;
			if ((c && rp_line_cache_find(&f->line_cache, c, rp_call_lasti(n), &line)) || rp_idmap_put(&known, key, line == RP_LINE_UNKNOWN))
				rc = RP_ENOMEM;
			is_unknown = rp_idmap_find(&known, key);
		}
		if (rc || !*is_unknown)
			continue;
		rc = rp_result_line(f->result, f->nodes[n->parent].frame, RP_LINE_UNKNOWN, &line);
		if (!rc)
			f->result->lines[line].calls_out = rp_add(f->result->lines[line].calls_out, f->nodes[i].m[RP_M_CALLS]);
	}
	rp_idmap_release(&known);
	return rc;
}

/* Of each line of Python what it allocated itself. */
static int resolve_places(struct rp_resolve *f)
{
	const struct rp_site_set *set = &f->replay->sites;

	if (resolve_unknown_calls(f))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		int64_t m[RP_M_COUNT];
		uint32_t line;
		if (f->nodes[set->sites[i].node].frame == UINT32_MAX)
			continue;
		if (rp_resolve_line(f, set->sites[i].node, set->sites[i].lasti, &line))
			return RP_ENOMEM;
		rp_resolve_site(f, &set->sites[i], m);
		rp_figures_add(f->result->lines[line].own, m);
	}
	return 0;
}

uint32_t rp_resolve_met(const struct rp_totals *t)
{
	return (t->is_cpu_off ? RP_MET_CPU_OFF : t->is_cpu_sampled ? RP_MET_CPU_SAMPLED : RP_MET_CPU_EXACT) |
	       (t->is_memory_off ? RP_MET_MEMORY_OFF : t->is_memory_sampled ? RP_MET_MEMORY_SAMPLED : RP_MET_MEMORY_EXACT) |
	       (t->is_gil_wait_off ? RP_MET_NO_GIL_WAIT : 0);
}

static int resolve_tree(struct rp_resolve *f)
{
	int rc = rp_resolve_share(f);

	if (!rc)
		rc = rp_resolve_sites(f);
	if (!rc && (f->needs & RP_NEED_UNITS))
		rc = rp_resolve_units(f);
	if (!rc && !f->replay->has_interval)
		rc = rp_resolve_timeline(f);
	return rc;
}

int rp_resolve_replay(struct rp_result *result, struct rp_replay *r, const struct rp_analyze_options *o)
{
	struct rp_resolve f = { .result = result, .replay = r, .keep_dispatch = o->keep_dispatch, .needs = o->needs, .collector = UINT32_MAX,
			     .met = rp_resolve_met(&r->totals), .ns_per_tick = r->tables->ns_per_tick };
	uint32_t n_symbols = r->tables->symbols.n;
	int64_t cpu_ns = result->cpu_ns;

	f.nodes = malloc((size_t)r->tree.n * sizeof(*f.nodes));
	f.merged = malloc((size_t)r->tree.n * sizeof(*f.merged));
	f.symbol_first = malloc((n_symbols + 1) * sizeof(*f.symbol_first));
	f.symbol_n = malloc((n_symbols + 1) * sizeof(*f.symbol_n));
	f.natives = calloc((size_t)r->native.trie.n + 1, sizeof(*f.natives));
	int rc = f.nodes && f.merged && f.symbol_first && f.symbol_n && f.natives ? 0 : RP_ENOMEM;
	rp_resolve_carries(&r->sites);
	result->frames[0].met |= f.met; /* the root */
	if (!rc) {
		memset(f.symbol_n, 0xff, (n_symbols + 1) * sizeof(*f.symbol_n));
		rc = f.keep_dispatch ? 0 : rp_resolve_calling_code(&f);
	}
	if (!rc)
		rc = resolve_nodes(&f);
	cpu_ns = rp_add(result->cpu_ns, -cpu_ns);
	if (f.met & RP_MET_CPU_SAMPLED)
		result->totals.sampled_cpu_ns = rp_add(result->totals.sampled_cpu_ns, cpu_ns);
	if (f.met & RP_MET_CPU_EXACT)
		result->totals.exact_cpu_ns = rp_add(result->totals.exact_cpu_ns, cpu_ns);
	for (uint32_t i = 0; i < r->sites.n && f.met & RP_MET_CPU_EXACT; i++)
		result->totals.exact_samples += r->sites.sites[i].samples;
	if (!rc && (f.needs & RP_NEED_TREE))
		rc = resolve_tree(&f);
	if (!rc && (f.needs & RP_NEED_STACKS))
		rc = rp_resolve_last_stacks(&f);
	if (!rc)
		rc = rp_resolve_process(&f, r->file->path);
	if (!rc && (f.needs & RP_NEED_LINES))
		rc = rp_resolve_lines(&f);
	else if (!rc && (f.needs & RP_NEED_PLACES))
		rc = resolve_places(&f);
	rp_resolve_release(&f);
	return rc;
}
