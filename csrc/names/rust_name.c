/* A reader of the grammar in RFC 2603, one function a rule, which writes as it reads. Where a part is read but not shown it writes nothing. */
#include "names/rust_name.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define DEPTH_MAX 200
#define STEPS_MAX 20000 /* a few back references can ask for an endless name */
#define HASH_BYTES 16

struct reader {
	const char *s;
	size_t n, at;
	char *out;
	size_t len;
	uint64_t bound; /* lifetimes that binders around have named */
	uint32_t depth, steps;
	int silent, failed;
	int is_legacy;
};

static void put_n(struct reader *r, const char *s, size_t n)
{
	if (r->silent || r->failed)
		return;
	if (n > RP_RUST_NAME_BYTES_MAX - r->len)
		n = RP_RUST_NAME_BYTES_MAX - r->len;
	memcpy(r->out + r->len, s, n);
	r->len += n;
}

static void put(struct reader *r, const char *s)
{
	put_n(r, s, strlen(s));
}

static void put_number(struct reader *r, uint64_t v)
{
	char text[24];
	put_n(r, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)v));
}

static char peek(const struct reader *r)
{
	return !r->failed && r->at < r->n ? r->s[r->at] : 0;
}

static int take(struct reader *r, char c)
{
	if (peek(r) != c)
		return 0;
	r->at++;
	return 1;
}

static char next(struct reader *r)
{
	char c = peek(r);
	r->at++;
	r->failed |= !c;
	return c;
}

/* Nonzero: one level deeper. The caller ends it with depth--. */
static int deeper(struct reader *r)
{
	r->failed |= ++r->depth > DEPTH_MAX || ++r->steps > STEPS_MAX;
	return !r->failed;
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "_" is 0, "0_" 1, "a_" 11. */
static uint64_t base_62(struct reader *r)
{
	uint64_t v = 0;
	if (take(r, '_'))
		return 0;
	while (!r->failed && !take(r, '_')) {
		char c = next(r);
		unsigned digit = is_digit(c) ? (unsigned)(c - '0') : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A') + 36 : 62;
		r->failed |= digit == 62 || v > (UINT64_MAX - 62) / 62;
		v = v * 62 + digit;
	}
	return v + 1;
}

/* With the tag, 1 and what follows; without, 0. */
static uint64_t tagged_62(struct reader *r, char tag)
{
	return take(r, tag) ? base_62(r) + 1 : 0;
}

struct identifier {
	const char *s;
	size_t n;
	int is_punycode;
	uint64_t number; /* of those with this name */
};

static struct identifier plain_identifier(struct reader *r)
{
	struct identifier id = { .is_punycode = take(r, 'u') };
	if (!is_digit(peek(r)))
		r->failed = 1;
	if (!take(r, '0'))
		while (is_digit(peek(r)) && id.n < r->n)
			id.n = id.n * 10 + (size_t)(next(r) - '0');
	if (!r->is_legacy) /* parts one from the other where the name begins with a digit or with it */
		take(r, '_');
	if (r->failed || id.n > r->n - r->at) {
		r->failed = 1;
		id.n = 0;
	}
	id.s = r->s + (r->failed ? 0 : r->at);
	r->at += id.n;
	return id;
}

static struct identifier identifier(struct reader *r)
{
	uint64_t number = tagged_62(r, 's');
	struct identifier id = plain_identifier(r);
	id.number = number;
	return id;
}

static void put_identifier(struct reader *r, const struct identifier *id)
{
	put(r, id->is_punycode ? "punycode{" : "");
	put_n(r, id->s, id->n);
	put(r, id->is_punycode ? "}" : "");
}

static void path(struct reader *r, int in_value);
static void type(struct reader *r);
static void constant(struct reader *r);

/* What stands at an earlier place is read again. */
static void again(struct reader *r, void (*fn)(struct reader *))
{
	size_t from = r->at - 1, here;
	uint64_t to = base_62(r);
	here = r->at;
	r->failed |= to >= from;
	if (r->failed)
		return;
	r->at = (size_t)to;
	fn(r);
	r->at = here;
}

static void type_path(struct reader *r)
{
	path(r, 0);
}

static void value_path(struct reader *r)
{
	path(r, 1);
}

static void lifetime(struct reader *r, uint64_t index)
{
	char letter[2] = { "abcdefghijklmnopqrstuvwxyz"[(r->bound - index) % 26], 0 };
	put(r, "'");
	if (index == 0) {
		put(r, "_");
	} else if (index > r->bound) {
		r->failed = 1;
	} else {
		put(r, letter);
	}
}

static void generic_arguments(struct reader *r)
{
	for (int first = 1; !r->failed && !take(r, 'E'); first = 0) {
		put(r, first ? "" : ", ");
		if (take(r, 'L'))
			lifetime(r, base_62(r));
		else if (take(r, 'K'))
			constant(r);
		else
			type(r);
	}
}

static void nested(struct reader *r, int in_value)
{
	char space = next(r);
	path(r, in_value);
	struct identifier id = identifier(r);
	if (space >= 'A' && space <= 'Z') {
		put(r, space == 'C' ? "::{closure" : space == 'S' ? "::{shim" : "::{");
		put_n(r, &space, space != 'C' && space != 'S');
		put(r, id.n ? ":" : "");
		put_identifier(r, &id);
		put(r, "#");
		put_number(r, id.number);
		put(r, "}");
	} else if (id.n) {
		put(r, "::");
		put_identifier(r, &id);
	}
}

/* Where an impl stands is not shown. */
static void skip_impl_path(struct reader *r)
{
	r->silent++;
	tagged_62(r, 's');
	path(r, 0);
	r->silent--;
}

static void path(struct reader *r, int in_value)
{
	struct identifier id;
	char tag = deeper(r) ? next(r) : 0;

	switch (tag) {
	case 'C':
		id = identifier(r);
		put_identifier(r, &id);
		break;
	case 'N':
		nested(r, in_value);
		break;
	case 'M':
	case 'X':
	case 'Y':
		if (tag != 'Y')
			skip_impl_path(r);
		put(r, "<");
		type(r);
		if (tag != 'M') {
			put(r, " as ");
			path(r, 0);
		}
		put(r, ">");
		break;
	case 'I':
		path(r, in_value);
		put(r, in_value ? "::<" : "<");
		generic_arguments(r);
		put(r, ">");
		break;
	case 'B':
		again(r, in_value ? value_path : type_path);
		break;
	default:
		r->failed = 1;
	}
	r->depth--;
}

static const char *basic_type(char c)
{
	static const char *const names[26] = {
		['a' - 'a'] = "i8",   ['b' - 'a'] = "bool",  ['c' - 'a'] = "char", ['d' - 'a'] = "f64", ['e' - 'a'] = "str",
		['f' - 'a'] = "f32",  ['h' - 'a'] = "u8",    ['i' - 'a'] = "isize", ['j' - 'a'] = "usize", ['l' - 'a'] = "i32",
		['m' - 'a'] = "u32",  ['n' - 'a'] = "i128",  ['o' - 'a'] = "u128", ['p' - 'a'] = "_",	['s' - 'a'] = "i16",
		['t' - 'a'] = "u16",  ['u' - 'a'] = "()",    ['v' - 'a'] = "...",  ['x' - 'a'] = "i64", ['y' - 'a'] = "u64",
		['z' - 'a'] = "!",
	};
	return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

/* The lifetimes that a binder names hold up to the end of what `fn` reads. */
static void bound_by(struct reader *r, void (*fn)(struct reader *))
{
	uint64_t before = r->bound, more = tagged_62(r, 'G');
	r->failed |= more > STEPS_MAX;
	if (more && !r->failed) {
		put(r, "for<");
		for (uint64_t i = 0; i < more && r->len < RP_RUST_NAME_BYTES_MAX; i++) {
			put(r, i ? ", " : "");
			r->bound++;
			lifetime(r, 1);
		}
		put(r, "> ");
	}
	r->bound = before + more;
	fn(r);
	r->bound = before;
}

static void function_type(struct reader *r)
{
	put(r, take(r, 'U') ? "unsafe " : "");
	if (take(r, 'K')) {
		put(r, "extern \"");
		if (take(r, 'C')) {
			put(r, "C");
		} else {
			struct identifier abi = plain_identifier(r);
			for (size_t i = 0; i < abi.n && !r->failed; i++)
				put_n(r, abi.s[i] == '_' ? "-" : abi.s + i, 1);
		}
		put(r, "\" ");
	}
	put(r, "fn(");
	for (int first = 1; !r->failed && !take(r, 'E'); first = 0) {
		put(r, first ? "" : ", ");
		type(r);
	}
	put(r, ")");
	if (take(r, 'u'))
		return;
	put(r, " -> ");
	type(r);
}

/* Trait<A, Item = B>: the associated types stand with the arguments, whose bracket is left open for them. */
static void dyn_trait(struct reader *r)
{
	size_t before = r->len;
	int is_open = 0;
	path(r, 0);
	if (!r->silent && r->len > before && r->out[r->len - 1] == '>' && peek(r) == 'p') {
		r->len--;
		is_open = 1;
	}
	while (take(r, 'p')) {
		put(r, is_open ? ", " : "<");
		is_open = 1;
		struct identifier id = plain_identifier(r);
		put_identifier(r, &id);
		put(r, " = ");
		type(r);
	}
	put(r, is_open ? ">" : "");
}

static void dyn_bounds(struct reader *r)
{
	put(r, "dyn ");
	for (int first = 1; !r->failed && !take(r, 'E'); first = 0) {
		put(r, first ? "" : " + ");
		dyn_trait(r);
	}
}

static void tuple(struct reader *r)
{
	uint32_t n = 0;
	put(r, "(");
	for (; !r->failed && !take(r, 'E'); n++) {
		put(r, n ? ", " : "");
		type(r);
	}
	put(r, n == 1 ? ",)" : ")");
}

static void reference(struct reader *r, char tag)
{
	put(r, tag == 'R' || tag == 'Q' ? "&" : "*");
	if ((tag == 'R' || tag == 'Q') && take(r, 'L')) {
		uint64_t index = base_62(r);
		if (index) {
			lifetime(r, index);
			put(r, " ");
		}
	}
	put(r, tag == 'Q' || tag == 'O' ? "mut " : tag == 'P' ? "const " : "");
	type(r);
}

static void type(struct reader *r)
{
	char tag = deeper(r) ? next(r) : 0;
	const char *basic = basic_type(tag);

	if (basic) {
		put(r, basic);
	} else if (tag == 'R' || tag == 'Q' || tag == 'P' || tag == 'O') {
		reference(r, tag);
	} else if (tag == 'A' || tag == 'S') {
		put(r, "[");
		type(r);
		if (tag == 'A') {
			put(r, "; ");
			constant(r);
		}
		put(r, "]");
	} else if (tag == 'T') {
		tuple(r);
	} else if (tag == 'F') {
		bound_by(r, function_type);
	} else if (tag == 'D') {
		bound_by(r, dyn_bounds);
		uint64_t index = take(r, 'L') ? base_62(r) : (r->failed = 1, 0);
		if (index) {
			put(r, " + ");
			lifetime(r, index);
		}
	} else if (tag == 'B') {
		again(r, type);
	} else if (tag) {
		r->at--;
		path(r, 0);
	}
	r->depth--;
}

/* Hexadecimal digits up to "_". Returns how many; the value of the last 16. */
static size_t hex_digits(struct reader *r, uint64_t *ret_value)
{
	size_t n = 0;
	uint64_t v = 0;
	for (; !r->failed && !take(r, '_'); n++) {
		char c = next(r);
		r->failed |= !is_digit(c) && !(c >= 'a' && c <= 'f');
		v = v << 4 | (uint64_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	*ret_value = v;
	return n;
}

static void put_char(struct reader *r, uint64_t c)
{
	char text[24];
	if (c >= 0x20 && c < 0x7f)
		snprintf(text, sizeof text, c == '\'' || c == '\\' ? "'\\%c'" : "'%c'", (char)c);
	else
		snprintf(text, sizeof text, "'\\u{%llx}'", (unsigned long long)c);
	put(r, text);
}

static void constant(struct reader *r)
{
	char tag = deeper(r) ? next(r) : 0;
	uint64_t v;

	if (tag == 'p') {
		put(r, "_");
	} else if (tag == 'B') {
		again(r, constant);
	} else if (tag && strchr("hmtyojlxasinbc", tag)) {
		put(r, take(r, 'n') ? "-" : "");
		size_t from = r->at, n = hex_digits(r, &v);
		if (tag == 'b' && !r->failed) {
			put(r, v ? "true" : "false");
		} else if (tag == 'c') {
			put_char(r, v);
		} else if (n > 16) {
			put(r, "0x");
			put_n(r, r->s + from, r->failed ? 0 : n);
		} else {
			put_number(r, v);
		}
	} else {
		r->failed = 1; /* later schemes have more */
	}
	r->depth--;
}

static size_t v0_name(const char *s, size_t n, char *out)
{
	struct reader r = { .s = s, .n = n, .out = out };
	path(&r, 1);
	if (!r.failed && r.at < r.n) { /* the crate that asked for it */
		r.silent = 1;
		path(&r, 0);
	}
	return r.failed || r.at != r.n ? 0 : r.len;
}

/* ---- the scheme before: Itanium's nested names, with escapes, and a hash as the last part ---- */

static const struct {
	const char *code, *text;
} escapes[] = { { "$LT$", "<" }, { "$GT$", ">" }, { "$RF$", "&" }, { "$BP$", "*" }, { "$LP$", "(" }, { "$RP$", ")" }, { "$C$", "," }, { "$SP$", "@" }, { "..", "::" } };

/* How many bytes the escape at s takes; 0: there is none. */
static size_t put_escape(struct reader *r, const char *s, size_t n)
{
	unsigned c = 0;
	size_t i = 2;
	for (size_t k = 0; k < RP_COUNT_OF(escapes); k++) {
		size_t len = strlen(escapes[k].code);
		if (n >= len && !memcmp(s, escapes[k].code, len)) {
			put(r, escapes[k].text);
			return len;
		}
	}
	if (n < 4 || s[0] != '$' || s[1] != 'u')
		return 0;
	for (; i < n && i < 8 && s[i] != '$'; i++)
		c = c << 4 | (unsigned)(is_digit(s[i]) ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
	if (i == n || s[i] != '$' || c < 0x20 || c > 0x7e)
		return 0;
	char text = (char)c;
	put_n(r, &text, 1);
	return i + 1;
}

static void put_part(struct reader *r, const char *s, size_t n)
{
	size_t i = n > 1 && s[0] == '_' && s[1] == '$';
	while (i < n) {
		size_t len = put_escape(r, s + i, n - i);
		if (!len)
			put_n(r, s + i, 1);
		i += len ? len : 1;
	}
}

static int is_hash(const char *s, size_t n)
{
	if (n != 1 + HASH_BYTES || s[0] != 'h')
		return 0;
	for (size_t i = 1; i < n; i++)
		if (!is_digit(s[i]) && !(s[i] >= 'a' && s[i] <= 'f'))
			return 0;
	return 1;
}

static size_t legacy_name(const char *s, size_t n, char *out)
{
	struct reader r = { .s = s, .n = n, .out = out, .is_legacy = 1 };
	int ended = 0;
	while (!r.failed && !take(&r, 'E')) {
		struct identifier id = plain_identifier(&r);
		int hash = is_hash(id.s, id.n) && peek(&r) == 'E';
		if (r.failed || id.is_punycode)
			return 0;
		ended = hash;
		if (!hash) {
			put(&r, r.len ? "::" : "");
			put_part(&r, id.s, id.n);
		}
	}
	return r.failed || !ended || r.at != r.n ? 0 : r.len;
}

size_t rp_rust_name(const char *name, char *ret_text)
{
	size_t n = strcspn(name, "."); /* ".llvm.123": the compiler's own */
	if (!strncmp(name, "_R", 2))
		return n > 2 ? v0_name(name + 2, n - 2, ret_text) : 0;
	/* Dots are part of a legacy name. */
	const char *end = strstr(name, "E.llvm.");
	n = end ? (size_t)(end - name) + 1 : strlen(name);
	return !strncmp(name, "_ZN", 3) && n > 23 ? legacy_name(name + 3, n - 3, ret_text) : 0;
}
