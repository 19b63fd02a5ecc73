/* The arrays of a result as bytes and back. */
#include <stdlib.h>
#include <zstd.h>

#include "index/arrays.h"
#include "index/sound.h"

#define PART_BYTES (1u << 18)  /* packed at once; more than an element has */
#define TIMES_MAX 1024u        /* bytes out of one, at most: what packs better is filled up, so that a file cannot ask for more memory */
#define LEVEL 3                /* 1 saves no time, and higher ones little room: the columns are short */

struct array {
	size_t at, n, cap; /* where in struct rp_result: the pointer, the number, and the room (0: it has none) */
	size_t bytes;      /* of an element */
};

#define OFFSET(member) offsetof(struct rp_result, member)
#define ARRAY(member) { OFFSET(member), OFFSET(n_##member), OFFSET(member##_cap), sizeof(*((struct rp_result *)0)->member) }
#define FIGURES(group, from, to) { OFFSET(figures[group].at), OFFSET(figures[group].n), OFFSET(figures[group].cap), (size_t)((to) - (from)) * sizeof(int64_t) }

RP_STATIC_ASSERT(sizeof(struct rp_result) <= PART_BYTES && sizeof(struct rp_bin) <= PART_BYTES, "an element fits a part");

static const struct array arrays[] = {
	ARRAY(nodes),
	ARRAY(frames),
	FIGURES(RP_G_TIME, RP_M_CPU, RP_M_ALLOCATED),
	FIGURES(RP_G_SITE, RP_M_ALLOCATED, RP_M_CPU_VARIANCE),
	FIGURES(RP_G_VARIANCE, RP_M_CPU_VARIANCE, RP_M_MAPPED_FILE),
	FIGURES(RP_G_APART, RP_M_MAPPED_FILE, RP_M_COUNT),
	ARRAY(lines),
	ARRAY(processes),
	ARRAY(threads),
	ARRAY(regions),
	ARRAY(labels),
	ARRAY(metas),
	{ OFFSET(unseen.at), OFFSET(unseen.n), OFFSET(unseen.cap), sizeof(struct rp_unseen) },
	{ OFFSET(bins), OFFSET(n_bins), 0, sizeof(struct rp_bin) },
	ARRAY(places),
	ARRAY(bin_rows),
	ARRAY(tails),
	ARRAY(leaves),
};

static void *pointer_of(const struct rp_result *r, const struct array *a)
{
	void *p;

	memcpy(&p, (const char *)r + a->at, sizeof(p));
	return p;
}

static uint32_t number_of(const struct rp_result *r, const struct array *a)
{
	uint32_t n;

	memcpy(&n, (const char *)r + a->n, sizeof(n));
	return n;
}

/* ---- ids as differences, which are small: in place; whoever changed them changes them back ---- */

/* sign 1: the places of figures mostly are the next ones. -1: back. */
static void change_groups(uint32_t *group, uint32_t *last, int sign)
{
	for (int g = 0; g < RP_G_COUNT; g++) {
		uint32_t was = group[g];
		if (!was)
			continue;
		group[g] = sign > 0 ? was - last[g] : was + last[g];
		last[g] = sign > 0 ? was : group[g];
	}
}

static void change_id(uint32_t *id, uint32_t *last, int sign)
{
	uint32_t was = *id;

	*id = sign > 0 ? was - *last : was + *last;
	*last = sign > 0 ? was : *id;
}

/* A parent mostly is the one before. */
static void change_ids(struct rp_result *r, int sign)
{
	uint32_t last[RP_G_COUNT] = { 0 }, node = 0, tail = 0, after = 0;

	for (uint32_t i = 0; i < r->n_nodes; i++) {
		r->nodes[i].parent = i - r->nodes[i].parent;
		change_groups(r->nodes[i].group, last, sign);
	}
	memset(last, 0, sizeof(last));
	for (uint32_t i = 0; i < r->n_tails; i++)
		r->tails[i].parent = i - r->tails[i].parent;
	for (uint32_t i = 0; i < r->n_leaves; i++) {
		change_id(&r->leaves[i].node, &node, sign);
		change_id(&r->leaves[i].tail, &tail, sign);
		change_id(&r->leaves[i].after, &after, sign);
		change_groups(r->leaves[i].group, last, sign);
	}
}

/* ---- elements as columns of bytes, packed; some at a time, so that they stay in the processor's cache ---- */

static uint32_t part_of(uint32_t left, size_t element)
{
	uint32_t most = (uint32_t)(PART_BYTES / element);

	return left < most ? left : most;
}

/* What a part of len bytes takes at least. */
static size_t least_of(size_t len)
{
	return len / TIMES_MAX;
}

static int put_packed(struct rp_buf *out, ZSTD_CCtx *zstd, const uint8_t *bytes, size_t len)
{
	size_t most = ZSTD_compressBound(len) + least_of(len), got;
	uint32_t packed;

	if (rp_buf_reserve(out, sizeof(packed) + most))
		return RP_ENOMEM;
	got = ZSTD_compressCCtx(zstd, out->bytes + out->len + sizeof(packed), most, bytes, len, LEVEL);
	if (ZSTD_isError(got))
		return RP_ENOMEM;
	packed = (uint32_t)got;
	memcpy(out->bytes + out->len, &packed, sizeof(packed));
	out->len += sizeof(packed) + packed;
	if (got < least_of(len)) {
		memset(out->bytes + out->len, 0, least_of(len) - got);
		out->len += least_of(len) - got;
	}
	return 0;
}

static void put_columns(struct rp_buf *out, const uint8_t *from, uint32_t n, size_t element)
{
	uint8_t *columns = malloc(PART_BYTES);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	uint32_t part;

	rp_buf_add(out, &n, sizeof(n));
	out->failed |= !columns || !zstd;
	for (uint32_t done = 0; done < n && !out->failed; done += part, from += part * element) {
		part = part_of(n - done, element);
		for (size_t c = 0; c < element; c++)
			for (uint32_t i = 0; i < part; i++)
				columns[c * part + i] = from[i * element + c];
		out->failed |= put_packed(out, zstd, columns, part * element) != 0;
	}
	ZSTD_freeCCtx(zstd);
	free(columns);
}

struct input {
	const uint8_t *at, *end;
	ZSTD_DCtx *zstd;
};

static int get_number(struct input *in, uint32_t *ret)
{
	if ((size_t)(in->end - in->at) < sizeof(*ret))
		return RP_EDAMAGED;
	memcpy(ret, in->at, sizeof(*ret));
	in->at += sizeof(*ret);
	return 0;
}

static int get_packed(struct input *in, uint8_t *ret_bytes, size_t len)
{
	uint32_t packed;

	if (get_number(in, &packed))
		return RP_EDAMAGED;
	size_t stored = packed > least_of(len) ? packed : least_of(len);
	if (stored > (size_t)(in->end - in->at) || ZSTD_decompressDCtx(in->zstd, ret_bytes, len, in->at, packed) != len)
		return RP_EDAMAGED;
	in->at += stored;
	return 0;
}

/* *ret_array: to be freed, NULL when there is nothing. */
static int get_columns(struct input *in, size_t element, uint8_t **ret_array, uint32_t *ret_n)
{
	uint32_t n = 0, part;

	*ret_array = NULL;
	if (get_number(in, &n) || n * (uint64_t)element > (uint64_t)(in->end - in->at) * TIMES_MAX)
		return RP_EDAMAGED;
	*ret_n = n;
	if (!n)
		return 0;
	uint8_t *columns = malloc(PART_BYTES), *array = malloc(n * element), *to = array;
	int rc = columns && array ? 0 : RP_ENOMEM;
	for (uint32_t done = 0; !rc && done < n; done += part, to += part * element) {
		part = part_of(n - done, element);
		rc = get_packed(in, columns, part * element);
		for (size_t c = 0; !rc && c < element; c++)
			for (uint32_t i = 0; i < part; i++)
				to[i * element + c] = columns[c * part + i];
	}
	free(columns);
	if (rc)
		free(array);
	else
		*ret_array = array;
	return rc;
}

/* ---- strings: their lengths, then all bytes ---- */

static void put_strings(struct rp_buf *out, const struct rp_strpool *p)
{
	struct rp_buf lengths = RP_BUF_INIT, text = RP_BUF_INIT;

	for (uint32_t i = 1; i < p->count; i++) {
		rp_buf_add(&lengths, &p->entries[i].len, sizeof(p->entries[i].len));
		rp_buf_add(&text, p->entries[i].s, p->entries[i].len);
	}
	out->failed |= lengths.failed | text.failed | (text.len > UINT32_MAX);
	if (!out->failed) {
		put_columns(out, lengths.bytes, (uint32_t)(lengths.len / sizeof(uint32_t)), sizeof(uint32_t));
		put_columns(out, text.bytes, (uint32_t)text.len, 1);
	}
	rp_buf_release(&lengths);
	rp_buf_release(&text);
}

static int get_strings(struct input *in, struct rp_strpool *p)
{
	uint8_t *lengths, *text = NULL;
	uint32_t n, bytes = 0, at = 0;
	int rc = get_columns(in, sizeof(uint32_t), &lengths, &n);

	if (!rc)
		rc = get_columns(in, 1, &text, &bytes);
	for (uint32_t i = 0; !rc && i < n; i++) {
		uint32_t len, id;
		memcpy(&len, lengths + i * sizeof(len), sizeof(len));
		if (len > bytes - at)
			rc = RP_EDAMAGED;
		else
			rc = rp_strpool_add(p, len ? (const char *)text + at : "", len, &id);
		if (!rc && id != i + 1)
			rc = RP_EDAMAGED; /* twice the same */
		at += len;
	}
	free(lengths);
	free(text);
	return rc;
}

/* ---- a result ---- */

/* Named one by one: whatever else a result may own, a file does not bring it. */
static void take_figures(struct rp_result *r, const struct rp_result *from)
{
	r->quanta = from->quanta;
	r->quanta_retried = from->quanta_retried;
	r->totals = from->totals;
	r->axis_zero_ns = from->axis_zero_ns;
	r->has_begin = from->has_begin;
	r->axis_begin_ns = from->axis_begin_ns;
	r->axis_ns = from->axis_ns;
	r->cpu_ns = from->cpu_ns;
	r->outside_node = from->outside_node;
}

void rp_index_put_result(struct rp_buf *out, struct rp_result *r)
{
	struct rp_result figures = { .n_nodes = 0 };

	take_figures(&figures, r);
	put_strings(out, &r->strings);
	change_ids(r, 1);
	for (size_t i = 0; i < RP_COUNT_OF(arrays); i++)
		put_columns(out, pointer_of(r, &arrays[i]), number_of(r, &arrays[i]), arrays[i].bytes);
	change_ids(r, -1);
	put_columns(out, (const uint8_t *)&figures, 1, sizeof(figures));
}

static int get_array(struct input *in, struct rp_result *r, const struct array *a)
{
	uint8_t *array;
	uint32_t n;
	int rc = get_columns(in, a->bytes, &array, &n);

	if (rc)
		return rc;
	memcpy((char *)r + a->at, &array, sizeof(array));
	memcpy((char *)r + a->n, &n, sizeof(n));
	if (a->cap)
		memcpy((char *)r + a->cap, &n, sizeof(n));
	return 0;
}

struct rp_result *rp_index_get_result(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, bytes + len, ZSTD_createDCtx() };
	struct rp_result *r = calloc(1, sizeof(*r));
	int rc = r && in.zstd ? get_strings(&in, &r->strings) : RP_ENOMEM;
	uint8_t *figures = NULL;
	uint32_t n;

	for (size_t i = 0; !rc && i < RP_COUNT_OF(arrays); i++)
		rc = get_array(&in, r, &arrays[i]);
	if (!rc)
		change_ids(r, -1);
	if (!rc)
		rc = get_columns(&in, sizeof(*r), &figures, &n);
	if (!rc && n == 1)
		take_figures(r, (const struct rp_result *)figures);
	if (!rc && (n != 1 || in.at != in.end || !rp_index_is_sound(r)))
		rc = RP_EDAMAGED;
	free(figures);
	ZSTD_freeDCtx(in.zstd);
	if (rc) {
		rp_result_free(r);
		return NULL;
	}
	return r;
}
