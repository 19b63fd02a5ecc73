#include "aggregate/thin_tree.h"

#include <stdlib.h>

#include "aggregate/leaf.h"

#define NONE UINT32_MAX
#define BELOW (UINT32_C(1) << 31) /* in place_of and leaf_place, until all have places: folded below that one */

/* A grade is the least power of 2, `parts`, for which the subtree is at least 1/parts of the whole by any metric. */
#define PARTS_LOG_MAX 24
#define GRADE_NEVER 255
#define PARTS_ALL -1
#define GRADED RP_M_SAMPLES /* metrics before it */

/* A native frame below the node at hand. */
struct native {
	uint32_t parent; /* among them; NONE: the node itself */
	uint32_t tail;
	uint32_t leaf;   /* that ends here, or NONE */
	uint32_t maker;  /* the leaf for which it was made */
	uint32_t kept;   /* when it stays: its place among the kept; else that of what it is folded below, and BELOW */
	uint8_t grade;
	int64_t total[RP_M_COUNT]; /* of the metrics that matter */
};

/* The native of a tail, of another node when `below` is not the node's number + 1. */
struct mark {
	uint32_t below, native;
};

/* What stays, parents first. */
struct kept {
	uint32_t parent, frame, of;
	uint32_t place;
	uint64_t key; /* among children of equal weight the lower comes first */
	int64_t weight;
	uint8_t has_folded;
};

struct thinning {
	struct rp_thin_tree *to;
	const struct rp_result *r;
	int sort_by;
	uint32_t most;
	const uint8_t *wants_folded;
	int64_t least[GRADED][PARTS_LOG_MAX + 1]; /* falling */
	uint8_t *grade;  /* by node */
	uint8_t *bound;  /* by node: no frame below it has a lower grade */
	int64_t *weight; /* by node */
	struct rp_leaf_list leaves; /* by node */
	struct mark *marks;         /* by tail */
	struct native *natives;
	uint32_t n_natives, natives_cap;
	struct kept *kept;
	uint32_t n_kept, kept_cap;
};

/* ---- grades ---- */

static void set_least(struct thinning *t, const int64_t *whole)
{
	for (int k = 0; k < GRADED; k++)
		for (int log = 0; log <= PARTS_LOG_MAX; log++)
			t->least[k][log] = whole[k] / (INT64_C(1) << log);
}

static void grade(const struct thinning *t, int k, int64_t total, uint8_t *grade)
{
	uint8_t log = *grade <= PARTS_LOG_MAX ? *grade : PARTS_LOG_MAX + 1;

	if (total <= 0)
		return;
	for (; log > 0 && total >= t->least[k][log - 1]; log--)
		*grade = (uint8_t)(log - 1);
}

/* Totals of a metric by node, leaves among them. */
static void sum_totals(const struct thinning *t, enum rp_metric metric, int64_t *ret_total)
{
	const struct rp_result *r = t->r;

	rp_nodes_figure(r, metric, ret_total);
	for (uint32_t i = 0; i < r->n_leaves; i++)
		ret_total[r->leaves[i].node] = rp_add(ret_total[r->leaves[i].node], rp_node_figure(r, RP_LEAF_BIT | i, metric));
	for (uint32_t i = r->n_nodes; i-- > 1;)
		ret_total[r->nodes[i].parent] = rp_add(ret_total[r->nodes[i].parent], ret_total[i]);
}

static void grade_nodes(struct thinning *t)
{
	memset(t->grade, GRADE_NEVER, t->r->n_nodes);
	for (int k = 0; k < GRADED; k++) {
		sum_totals(t, (enum rp_metric)k, t->weight);
		for (uint32_t i = 0; i < t->r->n_nodes; i++)
			grade(t, k, t->weight[i], &t->grade[i]);
	}
	sum_totals(t, (enum rp_metric)t->sort_by, t->weight);
}

/* No frame has more than all leaves together, unless one of them has less than nothing. */
static void bound_nodes(struct thinning *t)
{
	memset(t->bound, GRADE_NEVER, t->r->n_nodes);
	for (uint32_t i = 0; i < t->r->n_nodes; i++) {
		int64_t sum[RP_M_COUNT] = { 0 }, m[RP_M_COUNT];
		int any_negative = 0;
		for (uint32_t k = t->leaves.first[i]; k < t->leaves.first[i + 1]; k++) {
			rp_node_figures(t->r, RP_LEAF_BIT | t->leaves.of[k], m);
			for (int j = 0; j < GRADED; j++) {
				any_negative |= m[j] < 0;
				sum[j] = rp_add(sum[j], m[j]);
				any_negative |= sum[j] < 0;
			}
		}
		for (int k = 0; k < GRADED && t->leaves.first[i] < t->leaves.first[i + 1]; k++)
			grade(t, k, sum[k], &t->bound[i]);
		if (any_negative)
			t->bound[i] = 0;
	}
}

/* ---- native frames below one node ---- */

static int make_chain(struct thinning *t, uint32_t node, uint32_t leaf)
{
	const struct rp_tail *tails = t->r->tails;
	uint32_t n = 0, parent = NONE, id;

	for (uint32_t at = t->r->leaves[leaf].tail; at; at = tails[at].parent, n++)
		if (t->marks[at].below == node + 1) {
			parent = t->marks[at].native;
			break;
		}
	while (t->natives_cap - t->n_natives < n)
		if (rp_result_grow((void **)&t->natives, t->natives_cap, &t->natives_cap, sizeof(*t->natives)))
			return RP_ENOMEM;
	id = t->n_natives += n;
	for (uint32_t at = t->r->leaves[leaf].tail; n; at = tails[at].parent, n--) {
		t->marks[at] = (struct mark){ node + 1, --id };
		t->natives[id] = (struct native){ .parent = n > 1 ? id - 1 : parent, .tail = at, .leaf = NONE, .maker = leaf, .grade = GRADE_NEVER };
	}
	id = t->marks[t->r->leaves[leaf].tail].native;
	t->natives[id].leaf = leaf;
	rp_figures_add_node(t->natives[id].total, t->r, RP_LEAF_BIT | leaf);
	return 0;
}

/* In the order of rp_result_expand: callers first. */
static int make_natives(struct thinning *t, uint32_t node)
{
	t->n_natives = 0;
	for (uint32_t k = t->leaves.first[node]; k < t->leaves.first[node + 1]; k++)
		if (make_chain(t, node, t->leaves.of[k]))
			return RP_ENOMEM;
	for (uint32_t i = t->n_natives; i-- > 0;) {
		struct native *n = &t->natives[i];
		int64_t *up = n->parent == NONE ? NULL : t->natives[n->parent].total;
		for (int k = 0; k < GRADED; k++) {
			grade(t, k, n->total[k], &n->grade);
			if (up)
				up[k] = rp_add(up[k], n->total[k]);
		}
		if (up && t->sort_by >= GRADED)
			up[t->sort_by] = rp_add(up[t->sort_by], n->total[t->sort_by]);
	}
	return 0;
}

/* The marks of what was made before are void. */
static void forget_marks(struct thinning *t)
{
	if (t->r->n_tails)
		memset(t->marks, 0, (size_t)t->r->n_tails * sizeof(*t->marks));
}

/* Nodes by bound: those of bound b are of[first[b]] up to of[first[b + 1]]. NULL: out of memory. */
static uint32_t *list_by_bound(const struct thinning *t, uint32_t first[GRADE_NEVER + 2])
{
	uint32_t *of = malloc(((size_t)t->r->n_nodes + 1) * sizeof(*of));

	memset(first, 0, (GRADE_NEVER + 2) * sizeof(*first));
	for (uint32_t i = 0; i < t->r->n_nodes; i++)
		first[t->bound[i] + 1]++;
	for (int b = 0; b <= GRADE_NEVER; b++)
		first[b + 1] += first[b];
	if (!of)
		return NULL;
	for (uint32_t i = t->r->n_nodes; i-- > 0;)
		of[--first[t->bound[i] + 1]] = i;
	for (int b = 0; b <= GRADE_NEVER; b++)
		first[b] = first[b + 1];
	first[GRADE_NEVER + 1] = t->r->n_nodes;
	return of;
}

/* The finest share, as the power of 2 that divides the whole, with which few enough nodes remain; PARTS_ALL: all may stay. A frame is made only when it
 * may be counted. 0 or RP_ENOMEM. */
static int choose_parts(struct thinning *t, int *ret_parts_log)
{
	uint64_t graded[GRADE_NEVER + 1] = { 0 }, kept = 0, all = t->r->n_nodes;
	uint32_t first[GRADE_NEVER + 2], *of = list_by_bound(t, first);
	int log = 0, rc = of ? 0 : RP_ENOMEM;

	for (uint32_t i = 0; i < t->r->n_nodes; i++)
		graded[t->grade[i]]++;
	for (; !rc && log <= GRADE_NEVER; log++) {
		for (uint32_t i = first[log]; i < first[log + 1] && !rc; i++) {
			rc = make_natives(t, of[i]);
			all += t->n_natives;
			for (uint32_t k = 0; k < t->n_natives; k++)
				graded[t->natives[k].grade]++;
		}
		if (log <= PARTS_LOG_MAX && (kept += graded[log]) > t->most)
			break;
	}
	free(of);
	if (log > PARTS_LOG_MAX)
		*ret_parts_log = all <= t->most ? PARTS_ALL : PARTS_LOG_MAX;
	else
		*ret_parts_log = log ? log - 1 : 0;
	return rc;
}

/* ---- what stays ---- */

static int keep(struct thinning *t, const struct kept *k)
{
	if (rp_result_grow((void **)&t->kept, t->n_kept, &t->kept_cap, sizeof(*t->kept)))
		return RP_ENOMEM;
	t->kept[t->n_kept++] = *k;
	return 0;
}

static int keep_natives(struct thinning *t, uint32_t node, int parts_log)
{
	if (make_natives(t, node))
		return RP_ENOMEM;
	for (uint32_t i = 0; i < t->n_natives; i++) {
		struct native *n = &t->natives[i];
		n->kept = n->parent == NONE ? t->to->place_of[node] : t->natives[n->parent].kept;
		if (!(n->kept & BELOW) && (parts_log == PARTS_ALL || n->grade <= parts_log)) {
			/* It came before the node of the result that was made next. */
			struct kept k = { .parent = n->kept, .frame = t->r->tails[n->tail].frame, .of = n->leaf == NONE ? NONE : RP_LEAF_BIT | n->leaf,
					  .key = (uint64_t)t->r->leaves[n->maker].after << 33 | i, .weight = n->total[t->sort_by] };
			if (keep(t, &k))
				return RP_ENOMEM;
			n->kept = t->n_kept - 1;
		} else if (!(n->kept & BELOW)) {
			t->kept[n->kept].has_folded = 1;
			n->kept |= BELOW;
		}
		if (n->leaf != NONE)
			t->to->leaf_place[n->leaf] = n->kept;
	}
	return 0;
}

/* No frame below the node stays. */
static void fold_leaves(struct thinning *t, uint32_t node)
{
	uint32_t at = t->to->place_of[node];

	for (uint32_t k = t->leaves.first[node]; k < t->leaves.first[node + 1]; k++)
		t->to->leaf_place[t->leaves.of[k]] = at | BELOW;
	if (!(at & BELOW) && t->leaves.first[node] < t->leaves.first[node + 1])
		t->kept[at].has_folded = 1;
}

/* Nodes, and the frames below each, into kept; place_of and leaf_place say where each went. */
static int choose_kept(struct thinning *t, int parts_log)
{
	const struct rp_result *r = t->r;
	uint32_t *place_of = t->to->place_of;
	int rc = 0;

	forget_marks(t);
	for (uint32_t i = 0; i < r->n_nodes && !rc; i++) {
		uint32_t above = i ? place_of[r->nodes[i].parent] : NONE;
		place_of[i] = above;
		if (i && !(above & BELOW) && parts_log != PARTS_ALL && t->grade[i] > parts_log) {
			t->kept[above].has_folded = 1;
			place_of[i] |= BELOW;
		} else if (!i || !(above & BELOW)) {
			struct kept k = { .parent = above, .frame = r->nodes[i].frame, .of = i, .key = (uint64_t)i << 33 | UINT64_C(1) << 32, .weight = t->weight[i] };
			k.has_folded = t->wants_folded && t->wants_folded[i];
			rc = keep(t, &k);
			place_of[i] = t->n_kept - 1;
		}
		if (rc || t->leaves.first[i] == t->leaves.first[i + 1])
			continue;
		if (place_of[i] & BELOW || (parts_log != PARTS_ALL && t->bound[i] > parts_log))
			fold_leaves(t, i);
		else
			rc = keep_natives(t, i, parts_log);
	}
	return rc;
}

/* ---- order ---- */

struct child {
	int64_t weight;
	uint64_t key;
	uint32_t kept;
};

static int by_weight(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

/* Children of what is kept, lightest last: children[first[i]] up to children[first[i + 1]]. */
static void list_children(const struct thinning *t, uint32_t *first, struct child *children)
{
	memset(first, 0, ((size_t)t->n_kept + 1) * sizeof(*first));
	for (uint32_t i = 1; i < t->n_kept; i++)
		first[t->kept[i].parent]++;
	for (uint32_t i = 0, sum = 0; i <= t->n_kept; i++) {
		sum += first[i];
		first[i] = sum;
	}
	for (uint32_t i = t->n_kept; i-- > 1;)
		children[--first[t->kept[i].parent]] = (struct child){ t->kept[i].weight, t->kept[i].key, i };
	for (uint32_t i = 0; i < t->n_kept; i++)
		rp_sort(children + first[i], first[i + 1] - first[i], sizeof(*children), by_weight);
}

static void put_node(struct thinning *t, struct kept *k)
{
	struct rp_thin_tree *to = t->to;
	const struct rp_thin_node *up = k->parent == NONE ? NULL : &to->nodes[t->kept[k->parent].place];

	k->place = to->n++;
	to->folded_of[k->place] = NONE;
	to->nodes[k->place] = (struct rp_thin_node){ .parent = up ? t->kept[k->parent].place : NONE, .frame = k->frame, .of = k->of,
						     .met = up ? up->met & t->r->frames[k->frame].met : t->r->totals.met };
}

static void put_folded(struct thinning *t, uint32_t above)
{
	struct rp_thin_tree *to = t->to;

	to->folded_of[above] = to->n;
	to->folded_of[to->n] = NONE;
	to->nodes[to->n++] = (struct rp_thin_node){ .parent = above, .frame = RP_THIN_FOLDED, .of = NONE, .met = to->nodes[above].met };
}

/* Room for all, and what is folded at the end of its subtree. */
static int put_in_order(struct thinning *t)
{
	struct rp_thin_tree *to = t->to;
	uint32_t n = t->n_kept, depth = 1, n_folded = 0;
	uint32_t *first = malloc(((size_t)n + 1) * sizeof(*first)), *stack = malloc((size_t)n * 2 * sizeof(*stack));
	struct child *children = malloc(((size_t)n + 1) * sizeof(*children));

	for (uint32_t i = 0; i < n; i++)
		n_folded += t->kept[i].has_folded;
	to->nodes = malloc(((size_t)n + n_folded) * sizeof(*to->nodes));
	to->folded_of = malloc(((size_t)n + n_folded) * sizeof(*to->folded_of));
	to->sum_of = malloc(((size_t)n + n_folded) * sizeof(*to->sum_of));
	to->sums = calloc((size_t)n_folded + 1, RP_M_COUNT * sizeof(*to->sums));
	int rc = first && stack && children && to->nodes && to->folded_of && to->sum_of && to->sums ? 0 : RP_ENOMEM;
	if (!rc) {
		list_children(t, first, children);
		stack[0] = 0;
	}
	while (!rc && depth) {
		uint32_t at = stack[--depth];
		if (at & BELOW) {
			put_folded(t, t->kept[at & ~BELOW].place);
			continue;
		}
		put_node(t, &t->kept[at]);
		if (t->kept[at].has_folded)
			stack[depth++] = at | BELOW;
		for (uint32_t k = first[at + 1]; k-- > first[at];)
			stack[depth++] = children[k].kept;
	}
	free(first);
	free(stack);
	free(children);
	return rc;
}

/* ---- sums of what is folded ---- */

/* Where it has gone; when it was folded its figures are added. */
static uint32_t settle(struct thinning *t, uint32_t kept, uint32_t node)
{
	struct rp_thin_tree *to = t->to;
	uint32_t place = t->kept[kept & ~BELOW].place;

	if (!(kept & BELOW))
		return place;
	place = to->folded_of[place];
	rp_figures_add_node(&to->sums[(size_t)to->sum_of[place] * RP_M_COUNT], t->r, node);
	return place;
}

static void settle_places(struct thinning *t)
{
	struct rp_thin_tree *to = t->to;

	for (uint32_t i = 0, n = 0; i < to->n; i++)
		to->sum_of[i] = to->nodes[i].frame == RP_THIN_FOLDED ? n++ : NONE;
	for (uint32_t i = 0; i < t->r->n_nodes; i++)
		to->place_of[i] = settle(t, to->place_of[i], i);
	for (uint32_t i = 0; i < t->r->n_leaves; i++)
		to->leaf_place[i] = settle(t, to->leaf_place[i], RP_LEAF_BIT | i);
}

/* ---- door ---- */

static int make_room(struct thinning *t)
{
	const struct rp_result *r = t->r;

	t->to->place_of = malloc((size_t)r->n_nodes * sizeof(*t->to->place_of));
	t->to->leaf_place = malloc(((size_t)r->n_leaves + 1) * sizeof(*t->to->leaf_place));
	t->grade = malloc(r->n_nodes);
	t->bound = malloc(r->n_nodes);
	t->weight = malloc((size_t)r->n_nodes * sizeof(*t->weight));
	t->marks = calloc((size_t)r->n_tails + 1, sizeof(*t->marks));
	return t->to->place_of && t->to->leaf_place && t->grade && t->bound && t->weight && t->marks ? rp_leaf_list_by_node(&t->leaves, r) : RP_ENOMEM;
}

int rp_thin_tree_open(struct rp_thin_tree *to, const struct rp_result *r, int sort_by, const int64_t *whole, uint32_t most, const uint8_t *wants_folded)
{
	struct thinning t = { .to = to, .r = r, .sort_by = sort_by, .most = most, .wants_folded = wants_folded };
	int parts_log = PARTS_ALL, rc;

	*to = (struct rp_thin_tree){ 0 };
	rc = make_room(&t);
	if (!rc) {
		set_least(&t, whole);
		grade_nodes(&t);
		bound_nodes(&t);
		rc = choose_parts(&t, &parts_log);
	}
	to->is_folded = parts_log != PARTS_ALL;
	if (!rc)
		rc = choose_kept(&t, parts_log);
	if (!rc)
		rc = put_in_order(&t);
	if (!rc)
		settle_places(&t);
	rp_leaf_list_release(&t.leaves);
	free(t.grade);
	free(t.bound);
	free(t.weight);
	free(t.marks);
	free(t.natives);
	free(t.kept);
	return rc;
}

uint32_t rp_thin_tree_place(const struct rp_thin_tree *t, uint32_t node)
{
	return node & RP_LEAF_BIT ? t->leaf_place[node & ~RP_LEAF_BIT] : t->place_of[node];
}

int64_t rp_thin_tree_figure(const struct rp_thin_tree *t, const struct rp_result *r, uint32_t place, int metric)
{
	if (t->nodes[place].frame == RP_THIN_FOLDED)
		return t->sums[(size_t)t->sum_of[place] * RP_M_COUNT + (size_t)metric];
	return t->nodes[place].of == NONE ? 0 : rp_node_figure(r, t->nodes[place].of, (enum rp_metric)metric);
}

void rp_thin_tree_close(struct rp_thin_tree *t)
{
	free(t->nodes);
	free(t->sums);
	free(t->sum_of);
	free(t->folded_of);
	free(t->place_of);
	free(t->leaf_place);
	memset(t, 0, sizeof(*t));
}
