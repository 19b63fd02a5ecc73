/* Tables of symbol bundles, and of the cache of names: what was put in is found, and nothing else; of 40,000 mutations of each kind every one is refused, or read without a look outside of it. */
#include "../harness.h"
#include "format/symbol_table.h"

#define MUTATIONS 20000

static void seal(uint8_t *bytes, uint32_t len, uint32_t index)
{
	rp_put_u32(bytes + RP_ST_BYTES, len);
	rp_put_u32(bytes + RP_ST_INDEX_CRC, rp_crc32c(0, bytes + 64, index));
	rp_put_u32(bytes + RP_ST_REST_CRC, rp_crc32c(0, bytes + 64 + index, len - 64 - index));
	rp_put_u32(bytes + RP_ST_HEADER_CRC, rp_crc32c(0, bytes, RP_ST_HEADER_CRC));
}

static uint32_t begin(uint8_t *bytes, enum rp_symbol_table_kind kind, uint32_t rows, uint32_t files)
{
	memset(bytes, 0, 64);
	memcpy(bytes, RP_SYMBOL_TABLE_MAGIC, 8);
	rp_put_u32(bytes + RP_ST_VERSION, RP_SYMBOL_TABLE_VERSION);
	rp_put_u32(bytes + RP_ST_KIND, kind);
	rp_put_u32(bytes + RP_ST_ROWS, rows);
	rp_put_u32(bytes + RP_ST_FILES, files);
	return 64;
}

/* [100, 200) is "one", [200, 300) nothing, from 300 on "two". */
static uint32_t make_object(uint8_t *bytes)
{
	static const uint64_t starts[] = { 100, 200, 300 };
	static const uint32_t names[] = { 0, UINT32_MAX, 4 };
	uint32_t at = begin(bytes, RP_SYMBOL_TABLE_OBJECT, 3, 0);
	for (int i = 0; i < 3; i++, at += 8)
		rp_put_u64(bytes + at, starts[i]);
	for (int i = 0; i < 3; i++, at += 4)
		rp_put_u32(bytes + at, names[i]);
	memcpy(bytes + at, "one\0two", 8);
	seal(bytes, at + 8, 24);
	return at + 8;
}

static uint32_t make_code(uint8_t *bytes)
{
	uint32_t at = begin(bytes, RP_SYMBOL_TABLE_CODE, 1, 1);
	rp_put_u64(bytes + at, rp_symbol_code_key(RP_STR("f"), RP_STR("/x.py"), RP_STR("x"), 7, 3));
	rp_put_u64(bytes + at + 8, rp_symbol_file_key(RP_STR("/x.py")));
	rp_put_u64(bytes + at + 16, 99);
	rp_put_u64(bytes + at + 24, 12345);
	at += 32;
	const uint32_t rest[] = { 0, 2, 8, 7, 3, 2, 4711 };
	for (int i = 0; i < 7; i++, at += 4)
		rp_put_u32(bytes + at, rest[i]);
	memcpy(bytes + at, "f\0/x.py\0x", 10);
	seal(bytes, at + 10, 32);
	return at + 10;
}

/* 50 is one() of a.c, inlined in two(); 60 is nothing; 70 is two(). */
static uint32_t make_places(uint8_t *bytes)
{
	static const uint64_t places[] = { 50, 60, 70 };
	static const uint32_t rest[] = { 0, 2, 2, 8, 12, 7, 16, 12, 9, 16, 12, 8 };
	uint32_t at = begin(bytes, RP_SYMBOL_TABLE_PLACE, 3, 3);
	for (int i = 0; i < 3; i++, at += 8)
		rp_put_u64(bytes + at, places[i]);
	for (int i = 0; i < 12; i++, at += 4)
		rp_put_u32(bytes + at, rest[i]);
	memcpy(bytes + at, "subject\0one\0a.c\0two", 20);
	seal(bytes, at + 20, 24);
	return at + 20;
}

static void check_frame(const struct rp_symbol_frame *f, const char *function, uint32_t line)
{
	CHECK_STR(f->function.s, function);
	CHECK_UINT(f->function.len, strlen(function));
	CHECK_STR(f->file.s, "a.c");
	CHECK_UINT(f->line, line);
}

static void check_places(const uint8_t *bytes, uint32_t len)
{
	struct rp_symbol_table t;
	struct rp_symbol_frame frames[4];
	CHECK_INT(rp_symbol_table_open(bytes, len, &t), 0);
	CHECK_STR(rp_symbol_table_subject(&t), "subject");
	CHECK_UINT(rp_symbol_table_frames(&t, rp_symbol_table_place(&t, 50), frames, 4), 2);
	check_frame(&frames[0], "one", 7);
	check_frame(&frames[1], "two", 9);
	CHECK_UINT(rp_symbol_table_frames(&t, rp_symbol_table_place(&t, 50), frames, 1), 1);
	CHECK_UINT(rp_symbol_table_place(&t, 60), 1);
	CHECK_UINT(rp_symbol_table_frames(&t, 1, frames, 4), 0);
	CHECK_UINT(rp_symbol_table_frames(&t, rp_symbol_table_place(&t, 70), frames, 4), 1);
	check_frame(&frames[0], "two", 8);
	for (uint64_t v = 0; v < 100; v++)
		CHECK(v == 50 || v == 60 || v == 70 || rp_symbol_table_place(&t, v) == UINT32_MAX);
	CHECK_UINT(rp_symbol_table_find(&t, 50), UINT32_MAX); /* nor is it taken for one of the other kinds */
	CHECK_UINT(rp_symbol_table_code(&t, 50), UINT32_MAX);
	CHECK(!rp_symbol_table_name(&t, 0));
}

static void check_object(const uint8_t *bytes, uint32_t len)
{
	struct rp_symbol_table t;
	CHECK_INT(rp_symbol_table_open(bytes, len, &t), 0);
	CHECK_UINT(rp_symbol_table_find(&t, 99), UINT32_MAX);
	CHECK_STR(rp_symbol_table_name(&t, rp_symbol_table_find(&t, 100)), "one");
	CHECK_STR(rp_symbol_table_name(&t, rp_symbol_table_find(&t, 199)), "one");
	CHECK(!rp_symbol_table_name(&t, rp_symbol_table_find(&t, 200)));
	CHECK_STR(rp_symbol_table_name(&t, rp_symbol_table_find(&t, UINT64_MAX)), "two");
	CHECK(!rp_symbol_table_name(&t, UINT32_MAX));
}

static void check_code(const uint8_t *bytes, uint32_t len)
{
	struct rp_symbol_table t;
	struct rp_symbol_code code;
	struct rp_symbol_source_file file;
	uint64_t size, mtime;
	CHECK_INT(rp_symbol_table_open(bytes, len, &t), 0);
	uint32_t row = rp_symbol_table_code(&t, rp_symbol_code_key(RP_STR("f"), RP_STR("/x.py"), RP_STR("x"), 7, 3));
	CHECK_INT(rp_symbol_table_code_at(&t, row, &code), 0);
	CHECK_STR(code.name, "f");
	CHECK_STR(code.file, "/x.py");
	CHECK_STR(code.module, "x");
	CHECK_UINT(code.first_line, 7);
	CHECK_UINT(rp_symbol_table_code(&t, rp_symbol_code_key(RP_STR("f"), RP_STR("/x.py"), RP_STR("x"), 8, 3)), UINT32_MAX); /* the file was edited */
	CHECK_UINT(rp_symbol_table_code(&t, rp_symbol_code_key(RP_STR("f/"), RP_STR("x.py"), RP_STR("x"), 7, 3)), UINT32_MAX);
	row = rp_symbol_table_file(&t, rp_symbol_file_key(RP_STR("/x.py")), &size, &mtime);
	CHECK_INT(rp_symbol_table_file_at(&t, row, &file), 0);
	CHECK_UINT(size, 99);
	CHECK_UINT(file.crc, 4711);
	CHECK_UINT(rp_symbol_table_file(&t, rp_symbol_file_key(RP_STR("/y.py")), &size, &mtime), UINT32_MAX);
}

/* All that can be asked. */
static uint64_t read_all(const struct rp_symbol_table *t)
{
	struct rp_symbol_code code;
	struct rp_symbol_source_file file;
	struct rp_symbol_frame frames[8];
	uint64_t sum = 0, size, mtime;
	for (uint32_t i = 0; i < t->n_rows && i < 8; i++) {
		const char *name = rp_symbol_table_name(t, i);
		sum += name ? strlen(name) : 0;
		if (!rp_symbol_table_code_at(t, i, &code))
			sum += strlen(code.name) + strlen(code.file) + strlen(code.module);
		if (!rp_symbol_table_file_at(t, i, &file))
			sum += strlen(file.path);
		for (uint32_t n = rp_symbol_table_frames(t, i, frames, 8); n-- > 0;)
			sum += strlen(frames[n].function.s) + strlen(frames[n].file.s) + frames[n].function.len;
	}
	sum += strlen(rp_symbol_table_subject(t)) + rp_symbol_table_place(t, test_noise_state);
	return sum + rp_symbol_table_find(t, test_noise_state) + rp_symbol_table_code(t, test_noise_state) + rp_symbol_table_file(t, test_noise_state, &size, &mtime);
}

/* Of exact length, so that a sanitizer sees each byte too far. sealed: the checksums are made right again, as a hostile file's would be. */
static void mutate(const uint8_t *bytes, uint32_t len, uint32_t index, int sealed)
{
	uint64_t opened = 0, sum = 0;
	for (int i = 0; i < MUTATIONS; i++) {
		uint32_t n = test_below(4) ? len : test_below(len + 1);
		uint8_t *copy = malloc(n + 1);
		memcpy(copy, bytes, n);
		for (uint32_t k = 1 + test_below(4); k-- > 0 && n;)
			copy[test_below(n)] = (uint8_t)(test_below(3) ? test_below(256) : 255);
		if (sealed && n > 64 + index)
			seal(copy, n, index);
		copy = realloc(copy, n ? n : 1);
		struct rp_symbol_table t;
		if (!rp_symbol_table_open(copy, n, &t)) {
			opened++;
			sum += read_all(&t);
		}
		free(copy);
	}
	CHECK(sealed ? opened > 0 : opened < MUTATIONS / 100); /* a byte may be set to what it was */
	CHECK(sum != 1);
}

int main(void)
{
	uint8_t bytes[256];
	uint32_t len = make_object(bytes);
	check_object(bytes, len);
	mutate(bytes, len, 24, 0);
	mutate(bytes, len, 24, 1);
	len = make_code(bytes);
	check_code(bytes, len);
	mutate(bytes, len, 32, 0);
	mutate(bytes, len, 32, 1);
	len = make_places(bytes);
	check_places(bytes, len);
	mutate(bytes, len, 24, 0);
	mutate(bytes, len, 24, 1);
	return 0;
}
