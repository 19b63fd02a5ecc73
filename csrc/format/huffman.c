#include "format/huffman.h"

#define BITS_MAX RP_HUFFMAN_BITS_MAX
#define STREAMS RP_HUFFMAN_STREAMS
#define TABLE_ENTRIES (1u << BITS_MAX)
/* Half bytes of the table of lengths that are no length. */
#define RUN_SHORT 12u
#define RUN_LONG 13u
#define LENGTHS_BYTES_MAX 128u /* 256 half bytes; a run is never longer than what it stands for */
#define STEP 5u /* codes that surely lie in the 57 bits which eight bytes give from any bit on */

/* ---- how long each code is ---- */

void rp_huffman_count(const uint8_t *bytes, size_t len, uint32_t ret_counts[256])
{
	uint32_t part[4][256]; /* four, because a count that was just raised is not ready to be raised again */
	size_t i = 0;

	memset(part, 0, sizeof(part));
	for (; len - i >= 4; i += 4) {
		part[0][bytes[i]]++;
		part[1][bytes[i + 1]]++;
		part[2][bytes[i + 2]]++;
		part[3][bytes[i + 3]]++;
	}
	for (; i < len; i++)
		part[0][bytes[i]]++;
	for (int v = 0; v < 256; v++)
		ret_counts[v] = part[0][v] + part[1][v] + part[2][v] + part[3][v];
}

/* The number of the highest bit of v > 0. */
static uint32_t highest_bit(uint32_t v)
{
#if defined(__GNUC__)
	return 31 - (uint32_t)__builtin_clz(v);
#else
	uint32_t n = 31;
	while (!(v >> n))
		n--;
	return n;
#endif
}

/* log2(v) in 1/4096, v > 0: behind the point f + 0.34 f (1 - f), which is within 1/100. */
static uint64_t log2_4096(uint32_t v)
{
	uint32_t n = highest_bit(v);
	uint32_t f = (uint32_t)((uint64_t)v << 12 >> n) & 4095;
	return (n << 12) + f + (f * (4096 - f) >> 12) * 87 / 256;
}

size_t rp_huffman_estimate(const uint32_t counts[256])
{
	uint64_t known = 0, total = 0;
	size_t used = 0;

	for (int v = 0; v < 256; v++) {
		if (!counts[v])
			continue;
		used++;
		total += counts[v];
		known += counts[v] * log2_4096(counts[v]);
	}
	if (!total)
		return 0;
	/* A code wastes about a hundredth; the table of lengths takes half a byte a value and some for the runs. */
	return (size_t)((total * log2_4096((uint32_t)total) - known) >> 15) + (size_t)(total >> 7) + used / 2 + 16;
}

struct tree {
	uint32_t leaves;
	uint8_t value[256]; /* of the leaves, the rarest first */
	uint64_t weight[2 * 256];
	uint16_t parent[2 * 256];
	uint8_t depth[2 * 256];
};

/* The leaves in order of weight: counts, those below `least` raised to it, cut to their three highest bits. So they fall into few
 * classes and need no sorting; what the code loses by it is less than a hundredth of a bit. */
static void make_leaves(struct tree *t, const uint32_t counts[256], uint32_t least)
{
	uint32_t first[128] = { 0 }, leaves = 0;
	uint8_t class[256];

	for (int v = 0; v < 256; v++) {
		uint32_t w = counts[v] < least ? least : counts[v], n = w > 7 ? highest_bit(w) - 2 : 0;
		class[v] = (uint8_t)(4 * n + (w >> n)); /* at most 4 * 29 + 7 */
		first[class[v]] += counts[v] > 0;
	}
	for (int c = 0; c < 128; c++) {
		uint32_t many = first[c];
		first[c] = leaves;
		leaves += many;
	}
	for (int v = 0; v < 256; v++) {
		uint32_t c = class[v];
		if (!counts[v])
			continue;
		t->value[first[c]] = (uint8_t)v;
		t->weight[first[c]++] = c < 8 ? c : (uint64_t)(4 + c % 4) << (c / 4 - 1);
	}
	t->leaves = leaves;
}

/* Huffman's tree from two queues: leaves, and nodes in the order they are made, which is that of their weights. Returns the greatest
 * depth of a leaf. Two leaves at least. */
static uint32_t grow(struct tree *t)
{
	uint32_t leaf = 0, node = t->leaves, end = t->leaves, last = 2 * t->leaves - 2, most = 0;

	for (; end <= last; end++) {
		t->weight[end] = 0;
		for (int k = 0; k < 2; k++) {
			uint32_t least = node == end || (leaf < t->leaves && t->weight[leaf] <= t->weight[node]) ? leaf++ : node++;
			t->weight[end] += t->weight[least];
			t->parent[least] = (uint16_t)end;
		}
	}
	t->depth[last] = 0;
	for (uint32_t i = last; i-- > 0;) {
		t->depth[i] = (uint8_t)(t->depth[t->parent[i]] + 1);
		if (t->depth[i] > most)
			most = t->depth[i];
	}
	return most;
}

/* A complete code of at most BITS_MAX bits. */
static void choose_lengths(const uint32_t counts[256], uint8_t ret_lengths[256])
{
	struct tree t;
	uint64_t total = 0;

	memset(ret_lengths, 0, 256);
	for (int v = 0; v < 256; v++)
		total += counts[v];
	uint32_t least = (uint32_t)(total >> BITS_MAX);
	make_leaves(&t, counts, least);
	if (t.leaves == 1) {
		ret_lengths[t.value[0]] = ret_lengths[t.value[0] ^ 1] = 1;
		return;
	}
	/* Rare values are made less rare until no code is too long; 256 equal ones have 8 bits. */
	while (grow(&t) > BITS_MAX) {
		least = 2 * least + 1;
		make_leaves(&t, counts, least);
	}
	for (uint32_t i = 0; i < t.leaves; i++)
		ret_lengths[t.value[i]] = t.depth[i];
}

/* ---- the table of lengths ---- */

static uint8_t *put_lengths(uint8_t *out, const uint8_t lengths[256])
{
	uint8_t half[256];
	uint32_t n = 0;

	for (uint32_t v = 0; v < 256;) {
		uint32_t run = 0;
		while (v + run < 256 && !lengths[v + run])
			run++;
		if (run < 2) {
			half[n++] = lengths[v++];
		} else if (run < 18) {
			half[n++] = RUN_SHORT;
			half[n++] = (uint8_t)(run - 2);
			v += run;
		} else {
			half[n++] = RUN_LONG;
			half[n++] = (run - 18) & 15;
			half[n++] = (uint8_t)((run - 18) >> 4);
			v += run;
		}
	}
	for (uint32_t i = 0; i < n; i += 2)
		*out++ = (uint8_t)(half[i] | (i + 1 < n ? half[i + 1] << 4 : 0));
	return out;
}

struct halves {
	struct rp_cursor *c;
	uint32_t byte, has_high;
};

static uint32_t next_half(struct halves *h)
{
	if (h->has_high) {
		h->has_high = 0;
		return h->byte >> 4;
	}
	h->byte = rp_cursor_u8(h->c);
	h->has_high = 1;
	return h->byte & 15;
}

/* 0, or RP_EDAMAGED when it is not a complete code. */
static int get_lengths(struct rp_cursor *c, uint8_t ret_lengths[256])
{
	struct halves h = { c, 0, 0 };
	uint32_t sum = 0;

	memset(ret_lengths, 0, 256);
	for (uint32_t v = 0; v < 256;) {
		uint32_t half = next_half(&h);
		if (half <= BITS_MAX) {
			ret_lengths[v++] = (uint8_t)half;
			sum += half ? TABLE_ENTRIES >> half : 0;
		} else if (half == RUN_SHORT) {
			v += next_half(&h) + 2;
		} else if (half == RUN_LONG) {
			uint32_t low = next_half(&h);
			v += low + 16 * next_half(&h) + 18;
		} else {
			return RP_EDAMAGED;
		}
		if (c->bad || v > 256)
			return RP_EDAMAGED;
	}
	return sum == TABLE_ENTRIES ? 0 : RP_EDAMAGED;
}

/* Of each length the place of its first code in a table of all BITS_MAX bits, which is that code with zeros behind it. */
static void first_places(const uint8_t lengths[256], uint32_t ret_places[BITS_MAX + 2])
{
	memset(ret_places, 0, (BITS_MAX + 2) * sizeof(*ret_places));
	for (int v = 0; v < 256; v++)
		if (lengths[v])
			ret_places[lengths[v] + 1] += TABLE_ENTRIES >> lengths[v];
	for (uint32_t length = 1; length <= BITS_MAX + 1; length++)
		ret_places[length] += ret_places[length - 1];
}

/* ---- coding ---- */

RP_INLINE uint64_t big_endian(const uint8_t *p)
{
	return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 |
	       (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | p[7];
}

RP_INLINE void put_big_endian(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

size_t rp_huffman_bytes_max(size_t len)
{
	return LENGTHS_BYTES_MAX + (STREAMS - 1) * RP_VARINT_BYTES_MAX + STREAMS + len * BITS_MAX / 8 + 8;
}

/* The codes by value: code << 8 | length. */
static void make_codes(const uint8_t lengths[256], uint32_t ret_codes[256])
{
	uint32_t next[BITS_MAX + 2];

	first_places(lengths, next);
	for (int v = 0; v < 256; v++) {
		uint32_t length = lengths[v];
		if (!length)
			continue;
		ret_codes[v] = next[length] >> (BITS_MAX - length) << 8 | length;
		next[length] += TABLE_ENTRIES >> length;
	}
}

struct bits {
	uint64_t v; /* the next to be written are the highest */
	uint32_t n;
};

RP_INLINE void put_code(struct bits *b, uint32_t code)
{
	b->n += code & 255;
	b->v |= (uint64_t)(code >> 8) << (64 - b->n);
}

/* Whole bytes; up to eight behind what it returns are touched. */
RP_INLINE uint8_t *put_bits(struct bits *b, uint8_t *out)
{
	uint32_t bytes = b->n >> 3;

	put_big_endian(out, b->v);
	b->v <<= 8 * bytes;
	b->n &= 7;
	return out + bytes;
}

static uint8_t *put_stream(uint8_t *out, const uint8_t *bytes, size_t len, const uint32_t codes[256])
{
	struct bits b = { 0, 0 };

	for (; len >= STEP; len -= STEP, bytes += STEP) {
		put_code(&b, codes[bytes[0]]);
		put_code(&b, codes[bytes[1]]);
		put_code(&b, codes[bytes[2]]);
		put_code(&b, codes[bytes[3]]);
		put_code(&b, codes[bytes[4]]);
		out = put_bits(&b, out);
	}
	for (; len; len--)
		put_code(&b, codes[*bytes++]);
	out = put_bits(&b, out);
	return out + (b.n > 0);
}

static size_t part_of(size_t len, uint32_t stream)
{
	size_t quarter = (len + STREAMS - 1) / STREAMS, before = quarter * stream;

	return before >= len ? 0 : len - before < quarter ? len - before : quarter;
}

size_t rp_huffman_encode(const uint8_t *bytes, size_t len, const uint32_t counts[256], uint8_t *out)
{
	uint8_t lengths[256], *p, *streams;
	uint32_t codes[256];
	size_t sizes[STREAMS];

	choose_lengths(counts, lengths);
	make_codes(lengths, codes);
	p = put_lengths(out, lengths);
	/* The streams begin behind the longest sizes and move up when these are known. */
	streams = p + (STREAMS - 1) * RP_VARINT_BYTES_MAX;
	uint8_t *end = streams;
	for (uint32_t s = 0; s < STREAMS; s++) {
		uint8_t *start = end;
		end = put_stream(end, bytes, part_of(len, s), codes);
		bytes += part_of(len, s);
		sizes[s] = (size_t)(end - start);
	}
	for (uint32_t s = 0; s < STREAMS - 1; s++)
		p = rp_put_varint(p, sizes[s]);
	memmove(p, streams, (size_t)(end - streams));
	return (size_t)(p - out) + (size_t)(end - streams);
}

/* ---- decoding ---- */

/* By the next BITS_MAX bits: length << 8 | value. */
static void make_table(const uint8_t lengths[256], uint16_t ret_table[TABLE_ENTRIES])
{
	uint32_t next[BITS_MAX + 2];

	first_places(lengths, next);
	for (uint32_t v = 0; v < 256; v++) {
		uint32_t length = lengths[v], at = next[length];
		if (!length)
			continue;
		next[length] += TABLE_ENTRIES >> length;
		for (; at < next[length]; at++)
			ret_table[at] = (uint16_t)(length << 8 | v);
	}
}

/* One more value from `bits`, whose next are the highest, which began at bit *at. */
RP_INLINE uint8_t take(uint64_t *bits, uint64_t *at, const uint16_t *table)
{
	uint32_t entry = table[*bits >> (64 - BITS_MAX)], length = entry >> 8;

	*bits <<= length;
	*at += length;
	return (uint8_t)entry;
}

/* Values of all streams at once, while each has eight bytes to look at and STEP values to give: those of the last stream are the fewest.
 * at[k]: the bit of `coded` at which stream k goes on. Returns how many it has taken of each. */
static size_t take_all(const uint8_t *coded, size_t coded_len, uint64_t at[STREAMS], const uint16_t *table, uint8_t *out, size_t quarter,
		       size_t fewest)
{
	uint64_t a0 = at[0], a1 = at[1], a2 = at[2], a3 = at[3], most = coded_len < 8 ? 0 : (coded_len - 8) * 8;
	size_t i = 0;

	while (i + STEP <= fewest && coded_len >= 8 && a0 <= most && a1 <= most && a2 <= most && a3 <= most) {
		uint64_t b0 = big_endian(coded + a0 / 8) << a0 % 8, b1 = big_endian(coded + a1 / 8) << a1 % 8;
		uint64_t b2 = big_endian(coded + a2 / 8) << a2 % 8, b3 = big_endian(coded + a3 / 8) << a3 % 8;
		for (size_t end = i + STEP; i < end; i++) {
			out[i] = take(&b0, &a0, table);
			out[quarter + i] = take(&b1, &a1, table);
			out[2 * quarter + i] = take(&b2, &a2, table);
			out[3 * quarter + i] = take(&b3, &a3, table);
		}
	}
	at[0] = a0;
	at[1] = a1;
	at[2] = a2;
	at[3] = a3;
	return i;
}

/* The last values of a stream that ends at bit `end`; no byte behind it is read, bits there are zeros. */
static int finish(const uint8_t *coded, uint64_t at, uint64_t end, const uint16_t *table, uint8_t *out, const uint8_t *out_end)
{
	while (out < out_end && at < end) {
		uint64_t bits = 0;
		for (uint64_t i = 0; i < 3 && at / 8 + i < end / 8; i++)
			bits |= (uint64_t)coded[at / 8 + i] << (56 - 8 * i);
		bits <<= at % 8;
		*out++ = take(&bits, &at, table);
	}
	return out == out_end && (at + 7) / 8 == end / 8 ? 0 : RP_EDAMAGED;
}

int rp_huffman_decode(const uint8_t *coded, size_t coded_len, uint8_t *ret_bytes, size_t len)
{
	struct rp_cursor c = rp_cursor_over(coded, coded_len);
	uint8_t lengths[256];
	uint16_t table[TABLE_ENTRIES];
	uint64_t sizes[STREAMS - 1], at[STREAMS], end[STREAMS];

	if (get_lengths(&c, lengths))
		return RP_EDAMAGED;
	for (uint32_t k = 0; k < STREAMS - 1; k++)
		sizes[k] = rp_cursor_varint(&c);
	for (uint32_t k = 0; k < STREAMS; k++) {
		at[k] = (uint64_t)(c.at - coded) * 8;
		rp_cursor_bytes(&c, k < STREAMS - 1 ? sizes[k] : rp_cursor_left(&c));
		end[k] = (uint64_t)(c.at - coded) * 8;
	}
	if (c.bad)
		return RP_EDAMAGED;
	make_table(lengths, table);
	size_t taken = take_all(coded, coded_len, at, table, ret_bytes, part_of(len, 0), part_of(len, STREAMS - 1));
	for (uint32_t k = 0; k < STREAMS; k++, ret_bytes += part_of(len, k - 1))
		if (finish(coded, at[k], end[k], table, ret_bytes + taken, ret_bytes + part_of(len, k)))
			return RP_EDAMAGED;
	return 0;
}
