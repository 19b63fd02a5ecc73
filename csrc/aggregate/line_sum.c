/* Figures per source line.
 *
 * Of a Python line are known exactly: the calls made from it with all their time (each call site has its own node), and its
 * allocations. What a function ran between calls is shared among its lines by samples (time_share.c): those of the same callers; where these
 * have none, those of the function. What is not known by either stands at the place RP_LINE_UNKNOWN of the function, and so does what it
 * waited; a function that has one line only has all of it there. So the lines of a function add up to the function.
 * A line that is several times on the stack (recursion) counts once in its total. */
#include <stdlib.h>

#include "aggregate/resolve.h"

#define NO_LINE UINT32_MAX

/* A line of a unit or function, and the weight of the samples there. */
struct part {
	uint32_t owner, line;
	double weight;
};

/* What the time of a unit goes to. */
struct spread {
	uint32_t first, n; /* of parts; n 0: nothing is known */
	double weight;
	uint32_t wait_line; /* for what it waited; NO_LINE: not made yet */
};

/* What the walk looks at of a call node, together: nodes are met in no order of their numbers. */
struct place {
	uint32_t call_line;  /* the line of the caller that it was called from */
	uint32_t def_line;   /* the line of its "def" */
	uint32_t first_site; /* list through next_site */
	uint32_t first_child, next_child;
};

struct sum {
	struct rp_resolve *f;
	struct place *places; /* by call node */
	uint32_t *site_line;  /* by site */
	uint32_t *next_site;
	struct part *parts;     /* of units, by owner; then of functions, by owner; then of functions of one line */
	uint32_t n_parts, n_unit_parts, n_sampled_parts, parts_cap;
	struct spread *spreads; /* by unit */
	uint32_t *on_path; /* by line: how often it is on the stack */
	double *time;      /* by line, CPU and wall: what its own code ran and waited while the line was not on the stack. Rounded once: parts of
			    * many nodes must not lose a fraction each */
};

int rp_resolve_line(struct rp_resolve *f, uint32_t node, uint32_t lasti, uint32_t *ret_line)
{
	const struct rp_replay *r = f->replay;
	uint32_t id = rp_call_code(&r->tree.nodes[node]);
	uint64_t place = (uint64_t)id << 32 | lasti;

	*ret_line = NO_LINE;
	if (f->nodes[node].frame == UINT32_MAX)
		return 0;
	/* A function is at many nodes, and its table of lines is read from its begin. */
	const uint32_t *known = rp_idmap_find(&f->line_of, place);
	if (known) {
		*ret_line = *known;
		return 0;
	}
	const struct rp_code *code = rp_tables_code(r->tables, id);
	uint32_t number = RP_LINE_UNKNOWN;
	if (code && rp_line_cache_find(&f->line_cache, code, lasti, &number))
		return RP_ENOMEM;
	int rc = rp_result_line(f->result, f->nodes[node].frame, number, ret_line);
	return rc ? rc : rp_idmap_put(&f->line_of, place, *ret_line);
}

int rp_resolve_def_line(struct rp_resolve *f, uint32_t node, uint32_t *ret_line)
{
	uint32_t frame = f->nodes[node].frame;

	*ret_line = NO_LINE;
	return frame == UINT32_MAX ? 0 : rp_result_line(f->result, frame, f->result->frames[frame].line, ret_line);
}

static int find_lines(struct sum *s)
{
	const struct rp_replay *r = s->f->replay;

	for (uint32_t i = 0; i < r->tree.n; i++) {
		const struct rp_call_node *n = &r->tree.nodes[i];
		s->places[i].call_line = s->places[i].def_line = NO_LINE;
		s->places[i].first_site = s->places[i].first_child = NO_LINE;
		if (s->f->nodes[i].frame == UINT32_MAX)
			continue;
		if (rp_resolve_def_line(s->f, i, &s->places[i].def_line) || rp_resolve_line(s->f, n->parent, rp_call_lasti(n), &s->places[i].call_line))
			return RP_ENOMEM;
	}
	for (uint32_t i = r->tree.n; i-- > 1;) {
		uint32_t parent = r->tree.nodes[i].parent;
		s->places[i].next_child = s->places[parent].first_child;
		s->places[parent].first_child = i;
	}
	for (uint32_t i = 0; i < r->sites.n; i++) {
		const struct rp_site *site = &r->sites.sites[i];
		s->next_site[i] = s->places[site->node].first_site;
		s->places[site->node].first_site = i;
		if (rp_resolve_line(s->f, site->node, site->lasti, &s->site_line[i]))
			return RP_ENOMEM;
	}
	return 0;
}

/* ---- which lines a unit's time goes to ---- */

static int by_owner(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static int add_part(struct sum *s, uint32_t owner, uint32_t line, double weight)
{
	if (rp_result_grow((void **)&s->parts, s->n_parts, &s->parts_cap, sizeof(*s->parts)))
		return RP_ENOMEM;
	s->parts[s->n_parts++] = (struct part){ owner, line, weight };
	return 0;
}

/* Sorts the parts from `first` on, and puts those of one line together. */
static void settle_parts(struct sum *s, uint32_t first)
{
	uint32_t n = first;

	if (s->n_parts == first)
		return; /* there may be no array */
	rp_sort(s->parts + first, s->n_parts - first, sizeof(*s->parts), by_owner);
	for (uint32_t i = first; i < s->n_parts; i++) {
		if (n > first && s->parts[n - 1].owner == s->parts[i].owner && s->parts[n - 1].line == s->parts[i].line)
			s->parts[n - 1].weight += s->parts[i].weight;
		else
			s->parts[n++] = s->parts[i];
	}
	s->n_parts = n;
}

static uint32_t frame_of(const struct sum *s, uint32_t unit)
{
	return s->f->nodes[s->f->units[unit].node].frame;
}

static int find_parts(struct sum *s)
{
	const struct rp_site_set *set = &s->f->replay->sites;

	for (uint32_t i = 0; i < set->n; i++)
		if (s->site_line[i] != NO_LINE && rp_site_weight(&set->sites[i]) > 0 &&
		    add_part(s, s->f->unit_of[set->sites[i].node], s->site_line[i], rp_site_weight(&set->sites[i])))
			return RP_ENOMEM;
	settle_parts(s, 0);
	s->n_unit_parts = s->n_parts;
	for (uint32_t i = 0; i < s->n_unit_parts; i++)
		if (add_part(s, frame_of(s, s->parts[i].owner), s->parts[i].line, s->parts[i].weight))
			return RP_ENOMEM;
	settle_parts(s, s->n_unit_parts);
	s->n_sampled_parts = s->n_parts;
	return 0;
}

/* The parts of an owner among those in [first, end). */
static struct spread parts_of(const struct sum *s, uint32_t owner, uint32_t first, uint32_t end)
{
	struct spread found = { .first = end, .wait_line = NO_LINE };

	for (uint32_t last = end; first < last;) {
		uint32_t middle = first + (last - first) / 2;
		if (s->parts[middle].owner < owner)
			first = middle + 1;
		else
			last = middle;
	}
	found.first = first;
	for (; first < end && s->parts[first].owner == owner; first++, found.n++)
		found.weight += s->parts[first].weight;
	return found;
}

/* A function all of whose code is on one line needs no sample. *known: by frame, place of its part + 1; 0: it has several lines. */
static int only_line(struct sum *s, uint32_t unit, struct rp_idmap *known, struct spread *ret_spread)
{
	const struct rp_replay *r = s->f->replay;
	uint32_t node = s->f->units[unit].node, frame = frame_of(s, unit), *place = rp_idmap_find(known, frame), at = 0, line;

	if (place) {
		at = *place;
	} else {
		const struct rp_code *code = rp_tables_code(r->tables, rp_call_code(&r->tree.nodes[node]));
		uint32_t number = code ? rp_line_only(code) : RP_LINE_UNKNOWN;
		if (number != RP_LINE_UNKNOWN) {
			if (rp_result_line(s->f->result, frame, number, &line) || add_part(s, frame, line, 1))
				return RP_ENOMEM;
			at = s->n_parts;
		}
		if (rp_idmap_put(known, frame, at))
			return RP_ENOMEM;
	}
	*ret_spread = (struct spread){ .first = at - 1, .n = at > 0, .weight = at > 0, .wait_line = at ? s->parts[at - 1].line : NO_LINE };
	return 0;
}

static int find_spreads(struct sum *s)
{
	struct rp_idmap known = RP_IDMAP_INIT;
	int rc = find_parts(s);

	for (uint32_t u = 0; u < s->f->n_units && !rc; u++) {
		struct spread only;
		s->spreads[u] = (struct spread){ .wait_line = NO_LINE };
		if (frame_of(s, u) == UINT32_MAX)
			continue; /* of a thread */
		s->spreads[u] = parts_of(s, u, 0, s->n_unit_parts);
		if (!s->spreads[u].n)
			s->spreads[u] = parts_of(s, frame_of(s, u), s->n_unit_parts, s->n_sampled_parts);
		rc = only_line(s, u, &known, &only);
		if (!rc && only.n && !s->spreads[u].n)
			s->spreads[u] = only;
		s->spreads[u].wait_line = only.wait_line;
	}
	rp_idmap_release(&known);
	return rc;
}

/* The line for what has none. */
static int wait_line_of(struct sum *s, uint32_t unit, uint32_t *ret_line)
{
	struct spread *to = &s->spreads[unit];

	if (to->wait_line == NO_LINE && rp_result_line(s->f->result, frame_of(s, unit), RP_LINE_UNKNOWN, &to->wait_line))
		return RP_ENOMEM;
	*ret_line = to->wait_line;
	return 0;
}

/* ---- own figures ---- */

void rp_resolve_site_and_share(const struct rp_resolve *f, uint32_t site, int64_t *m)
{
	rp_resolve_site(f, &f->replay->sites.sites[site], m);
	m[RP_M_CPU] = f->shares[site].cpu;
	m[RP_M_WALL] = f->shares[site].wall;
}

/* The innermost frame has the figures as its own. *ret_kept: there is one. */
static int add_innermost(struct sum *s, uint32_t native, const int64_t *m, int *ret_kept)
{
	struct rp_chain_frame frame;
	uint32_t line;
	int rc = rp_resolve_innermost(s->f, native, &frame);

	*ret_kept = rc > 0;
	if (rc <= 0)
		return rc;
	if (rp_result_line(s->f->result, frame.frame, frame.line, &line))
		return RP_ENOMEM;
	rp_figures_add(s->f->result->lines[line].self, m);
	rp_figures_add(s->f->result->lines[line].own, m);
	return 0;
}

static void add_to(struct sum *s, uint32_t line, enum rp_metric metric, int64_t value)
{
	struct rp_line *l = &s->f->result->lines[line];

	l->self[metric] = rp_add(l->self[metric], value);
	l->own[metric] = rp_add(l->own[metric], value);
}

/* What a unit without samples ran. */
static int add_unsampled(struct sum *s, uint32_t unit)
{
	const struct rp_time_unit *u = &s->f->units[unit];
	const struct spread *to = &s->spreads[unit];
	struct rp_split cpu = { u->cpu, to->weight, 0, 0 }, wall = { rp_unit_run(u), to->weight, 0, 0 };
	uint32_t line;

	if (!to->n && (u->cpu || rp_unit_run(u))) {
		if (wait_line_of(s, unit, &line))
			return RP_ENOMEM;
		add_to(s, line, RP_M_CPU, u->cpu);
		add_to(s, line, RP_M_WALL, rp_unit_run(u));
	}
	for (uint32_t i = to->first; i < to->first + to->n; i++) {
		add_to(s, s->parts[i].line, RP_M_CPU, rp_split_next(&cpu, s->parts[i].weight));
		add_to(s, s->parts[i].line, RP_M_WALL, rp_split_next(&wall, s->parts[i].weight));
	}
	return 0;
}

static int add_units(struct sum *s)
{
	for (uint32_t unit = 0; unit < s->f->n_units; unit++) {
		const struct rp_time_unit *u = &s->f->units[unit];
		int64_t waited = rp_add(u->wall, -rp_unit_run(u));
		uint32_t line;
		if (frame_of(s, unit) == UINT32_MAX)
			continue;
		if (u->weight <= 0 && add_unsampled(s, unit))
			return RP_ENOMEM;
		if (!waited && !s->f->replay->timeline.n_bins) /* of a stretch without a sample, time may have no line that has one in the whole */
			continue;
		if (wait_line_of(s, unit, &line))
			return RP_ENOMEM;
		add_to(s, line, RP_M_WALL, waited);
	}
	return 0;
}

static int add_nodes(struct sum *s)
{
	uint32_t line;

	for (uint32_t node = 0; node < s->f->replay->tree.n; node++) {
		const int64_t *m = s->f->nodes[node].m;
		if (s->places[node].def_line == NO_LINE)
			continue;
		add_to(s, s->places[node].def_line, RP_M_CALLS, m[RP_M_CALLS]);
		if (!m[RP_M_GIL_WAIT])
			continue;
		if (wait_line_of(s, s->f->unit_of[node], &line))
			return RP_ENOMEM;
		add_to(s, line, RP_M_GIL_WAIT, m[RP_M_GIL_WAIT]);
	}
	return 0;
}

/* Self and own figures, and the totals of native lines. */
static int add_own(struct sum *s)
{
	const struct rp_replay *r = s->f->replay;

	if (rp_resolve_native_lines(s->f))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < r->sites.n; i++) {
		int64_t m[RP_M_COUNT];
		int kept = 0;
		rp_resolve_site_and_share(s->f, i, m);
		if (r->sites.sites[i].native && add_innermost(s, r->sites.sites[i].native, m, &kept))
			return RP_ENOMEM;
		if (s->site_line[i] == NO_LINE)
			continue;
		struct rp_line *line = &s->f->result->lines[s->site_line[i]];
		rp_figures_add(line->own, m);
		if (!kept)
			rp_figures_add(line->self, m);
	}
	return add_units(s) || add_nodes(s) ? RP_ENOMEM : 0;
}

/* ---- totals ---- */

static void add_time(struct sum *s, uint32_t line, double cpu, double wall)
{
	if (line == NO_LINE || s->on_path[line])
		return;
	s->time[(size_t)line * 2] += cpu;
	s->time[(size_t)line * 2 + 1] += wall;
}

/* A node's own time, to those of its lines that are not on the stack already. */
static void total_time(struct sum *s, uint32_t node)
{
	uint32_t unit = s->f->unit_of[node];
	const struct rp_time_unit *u = &s->f->units[unit];
	const struct spread *to = &s->spreads[unit];
	double cpu = (double)s->f->nodes[node].m[RP_M_CPU], wall = (double)s->f->nodes[node].m[RP_M_WALL];
	double run = u->wall > 0 ? wall * ((double)rp_unit_run(u) / (double)u->wall) : 0;

	add_time(s, to->wait_line, to->n ? 0 : cpu, wall - (to->n ? run : 0));
	for (uint32_t i = to->first; i < to->first + to->n; i++)
		add_time(s, s->parts[i].line, cpu * (s->parts[i].weight / to->weight), run * (s->parts[i].weight / to->weight));
}

/* Adds a node's own figures to the totals of those of its lines that are not on the stack already. */
static void total_own(struct sum *s, uint32_t node)
{
	struct rp_line *lines = s->f->result->lines;
	uint32_t def = s->places[node].def_line, wait = s->spreads[s->f->unit_of[node]].wait_line;

	if (s->f->nodes[node].frame == UINT32_MAX)
		return;
	total_time(s, node);
	if (def != NO_LINE && !s->on_path[def])
		lines[def].total[RP_M_CALLS] = rp_add(lines[def].total[RP_M_CALLS], s->f->nodes[node].m[RP_M_CALLS]);
	if (wait != NO_LINE && !s->on_path[wait])
		lines[wait].total[RP_M_GIL_WAIT] = rp_add(lines[wait].total[RP_M_GIL_WAIT], s->f->nodes[node].m[RP_M_GIL_WAIT]);
}

/* The times of totals, rounded; a total is not less than what the line itself had. */
static void settle_totals(struct sum *s)
{
	for (uint32_t i = 0; i < s->f->result->n_lines; i++) {
		struct rp_line *l = &s->f->result->lines[i];
		for (int k = 0; k < 2; k++) {
			enum rp_metric metric = k ? RP_M_WALL : RP_M_CPU;
			l->total[metric] = rp_add(l->total[metric], rp_int64(s->time[(size_t)i * 2 + (size_t)k] + 0.5));
			if (l->total[metric] < l->own[metric])
				l->total[metric] = l->own[metric];
		}
	}
}

/* A total is a difference of the running sum: what it is when the subtree has been walked, less what it was before. */
static void enter_node(struct sum *s, uint32_t node, int64_t *sum)
{
	const struct rp_replay *r = s->f->replay;
	const int64_t *own = s->f->nodes[node].m;
	uint32_t line = s->places[node].call_line;
	int has_lines = s->f->nodes[node].frame != UINT32_MAX;

	if (line != NO_LINE) {
		struct rp_line *l = &s->f->result->lines[line];
		l->calls_out = rp_add(l->calls_out, own[RP_M_CALLS]);
		if (s->on_path[line]++ == 0)
			rp_figures_subtract(l->total, sum);
	}
	total_own(s, node);
	for (int k = 0; k < RP_RESOLVE_METRICS; k++)
		sum[k] = rp_add(sum[k], own[k]);
	for (uint32_t i = s->places[node].first_site; i != NO_LINE; i = s->next_site[i]) {
		int64_t m[RP_M_COUNT];
		rp_resolve_site(s->f, &r->sites.sites[i], m);
		rp_figures_add(sum, m);
		if (has_lines && s->site_line[i] != NO_LINE && !s->on_path[s->site_line[i]])
			rp_figures_add(s->f->result->lines[s->site_line[i]].total, m);
	}
}

static void leave_node(struct sum *s, uint32_t node, const int64_t *sum)
{
	uint32_t line = s->places[node].call_line;

	if (line != NO_LINE && --s->on_path[line] == 0)
		rp_figures_add(s->f->result->lines[line].total, sum);
}

static void walk(struct sum *s)
{
	const struct rp_call_tree *tree = &s->f->replay->tree;
	int64_t sum[RP_M_COUNT] = { 0 };
	uint32_t node = 0;

	for (;;) {
		if (s->places[node].first_child != NO_LINE) {
			node = s->places[node].first_child;
			enter_node(s, node, sum);
			continue;
		}
		while (node) {
			leave_node(s, node, sum);
			if (s->places[node].next_child != NO_LINE)
				break;
			node = tree->nodes[node].parent;
		}
		if (!node)
			break;
		node = s->places[node].next_child;
		enter_node(s, node, sum);
	}
}

int rp_resolve_lines(struct rp_resolve *f)
{
	struct sum s = { .f = f };
	size_t nodes = f->replay->tree.n, sites = f->replay->sites.n;
	uint32_t *block = malloc((sites * 2 + 1) * sizeof(*block));
	int rc = block ? 0 : RP_ENOMEM;

	s.spreads = malloc(((size_t)f->n_units + 1) * sizeof(*s.spreads));
	s.places = malloc(nodes * sizeof(*s.places));
	if (!rc && s.spreads && s.places) {
		s.site_line = block;
		s.next_site = s.site_line + sites;
		s.places[0].next_child = NO_LINE;
		rc = find_lines(&s);
	}
	if (!s.spreads || !s.places)
		rc = RP_ENOMEM;
	if (!rc)
		rc = find_spreads(&s);
	if (!rc)
		rc = add_own(&s);
	s.on_path = rc ? NULL : calloc((size_t)f->result->n_lines + 1, sizeof(*s.on_path));
	s.time = rc ? NULL : calloc(((size_t)f->result->n_lines + 1) * 2, sizeof(*s.time));
	if (!rc && !(s.on_path && s.time))
		rc = RP_ENOMEM;
	if (!rc) {
		walk(&s);
		settle_totals(&s);
	}
	free(s.time);
	free(s.on_path);
	free(s.parts);
	free(s.spreads);
	free(s.places);
	free(block);
	return rc;
}
