/* Shortens demangled C++ names. Works on brackets, not on a grammar: what it does not understand stays as it is. */
#include "native/native.h"

/* Template arguments longer than this, once shortened themselves, become "...". */
#define ARGUMENT_BYTES_MAX 24
#define NAME_BYTES_MAX 4096
#define DEPTH_MAX 64

struct out {
	char *at;
	size_t len, cap;
	int is_cut;
};

static void put(struct out *o, const char *s, size_t n)
{
	size_t room = o->cap - 1 - o->len;

	o->is_cut |= n > room;
	for (size_t i = 0; i < n && i < room; i++)
		o->at[o->len++] = s[i];
}

static int begins_n(const char *s, size_t n, const char *with)
{
	size_t len = strlen(with);
	return n >= len && !memcmp(s, with, len);
}

/* Length of a bracketed part starting at s[0] ('<' or '('), the closing one included; 0 when it is not closed. */
static size_t bracket(const char *s, size_t n)
{
	char open = s[0], close = open == '<' ? '>' : ')';
	int depth = 0, round = 0;

	for (size_t i = 0; i < n; i++) {
		if (open == '<' && (s[i] == '(' || s[i] == '{'))
			round++;
		else if (open == '<' && (s[i] == ')' || s[i] == '}'))
			round--;
		else if (round)
			continue;
		else if (s[i] == open)
			depth++;
		else if (s[i] == close && !(close == '>' && i && s[i - 1] == '-') && --depth == 0)
			return i + 1;
	}
	return 0;
}

static const struct {
	const char *long_name, *short_name;
} whole[] = {
	{ "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string" },
	{ "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char>>", "std::string" },
	{ "std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string" },
	{ "std::basic_string_view<char, std::char_traits<char> >", "std::string_view" },
	{ "std::basic_ostream<char, std::char_traits<char> >", "std::ostream" },
	{ "std::basic_istream<char, std::char_traits<char> >", "std::istream" },
	{ "std::__cxx11::", "std::" },
	{ "std::__1::", "std::" },
	{ "(anonymous namespace)::", "" },
	{ "unsigned long", "ulong" },
	{ "unsigned int", "uint" },
	{ "unsigned char", "uchar" },
};

/* Arguments that are there by default and say nothing. */
static int is_noise(const char *s, size_t n)
{
	static const char *const noise[] = { "std::allocator<", "std::char_traits<", "std::less<", "std::hash<", "std::equal_to<",
					     "std::default_delete<", "std::enable_if<" };
	while (n && *s == ' ') {
		s++;
		n--;
	}
	for (size_t i = 0; i < RP_COUNT_OF(noise); i++)
		if (begins_n(s, n, noise[i]))
			return 1;
	return 0;
}

static void shorten(struct out *o, const char *s, size_t n, int depth);

static void put_arguments(struct out *o, const char *s, size_t n, int depth)
{
	size_t start = o->len, from = 0;
	int first = 1, round = 0;

	put(o, "<", 1);
	for (size_t i = 0; i <= n; i++) {
		if (i < n && (s[i] == '<' || s[i] == '(' || s[i] == '{'))
			round++;
		else if (i < n && (s[i] == '>' || s[i] == ')' || s[i] == '}'))
			round--;
		if (i < n && (s[i] != ',' || round > 0))
			continue;
		if (!is_noise(s + from, i - from)) {
			size_t skip = from < i && s[from] == ' ';
			put(o, ", ", first ? 0 : 2);
			shorten(o, s + from + skip, i - from - skip, depth + 1);
			first = 0;
		}
		from = i + 1;
	}
	while (o->len > start + 1 && o->at[o->len - 1] == ' ')
		o->len--;
	if (o->len - start - 1 > ARGUMENT_BYTES_MAX) {
		o->len = start;
		put(o, "<...", 4);
	}
	put(o, ">", 1);
}

static size_t put_operator(struct out *o, const char *s, size_t n)
{
	static const char *const ops[] = { "operator()", "operator<<=", "operator>>=", "operator<=>", "operator<<", "operator>>",
					   "operator<=", "operator>=", "operator->*", "operator->", "operator<", "operator>" };
	for (size_t i = 0; i < RP_COUNT_OF(ops); i++)
		if (begins_n(s, n, ops[i])) {
			put(o, ops[i], strlen(ops[i]));
			return strlen(ops[i]);
		}
	return 0;
}

static size_t put_whole(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < RP_COUNT_OF(whole); i++)
		if (begins_n(s, n, whole[i].long_name)) {
			put(o, whole[i].short_name, strlen(whole[i].short_name));
			return strlen(whole[i].long_name);
		}
	return 0;
}

static void shorten(struct out *o, const char *s, size_t n, int depth)
{
	for (size_t i = 0; i < n;) {
		size_t used = put_whole(o, s + i, n - i);
		if (!used && s[i] == '{') {
			/* {lambda(double)#1}: part of a name, whole. */
			const char *close = memchr(s + i, '}', n - i);
			used = close ? (size_t)(close - s) - i + 1 : 0;
			put(o, s + i, used);
		}
		if (!used && s[i] == 'o')
			used = put_operator(o, s + i, n - i);
		size_t len = !used && (s[i] == '<' || s[i] == '(') ? bracket(s + i, n - i) : 0;
		if (len && s[i] == '<') {
			if (depth < DEPTH_MAX)
				put_arguments(o, s + i + 1, len - 2, depth);
			used = len;
		} else if (len && begins_n(s + i, len, "(anonymous")) {
			put(o, s + i, len);
			used = len;
		} else if (len && depth == 0) {
			/* Parameters: what stands behind them (const, [clone ...]) is no part of the name, "::" begins a
			 * local one. */
			put(o, len > 2 ? "(...)" : "()", len > 2 ? 5 : 2);
			used = len;
			if (!begins_n(s + i + len, n - i - len, "::"))
				return;
		}
		if (!used) {
			put(o, s + i, 1);
			used = 1;
		}
		i += used;
	}
}

/* "int foo<int>(int)": the return type of a template function goes. The blank that ends it is outside of all brackets. */
static size_t return_type(const char *s, size_t n)
{
	size_t end = 0;

	for (size_t i = 0; i < n;) {
		if (begins_n(s + i, n - i, "operator"))
			break;
		if (s[i] == '<' || s[i] == '(') {
			size_t len = bracket(s + i, n - i);
			if (!len || (s[i] == '(' && !begins_n(s + i, len, "(anonymous")))
				break;
			i += len;
			continue;
		}
		if (s[i] == ' ')
			end = i + 1;
		i++;
	}
	return end;
}

/* At the end, in place of the last characters where there is no room for it. */
static void put_cut_mark(struct out *o)
{
	static const char mark[] = "...";
	size_t len = sizeof mark - 1;

	if (o->cap <= len)
		return;
	if (o->len > o->cap - 1 - len)
		o->len = o->cap - 1 - len;
	while (o->len && ((unsigned char)o->at[o->len - 1] & 0xc0) == 0x80) /* the rest of a character */
		o->len--;
	while (o->len && (unsigned char)o->at[o->len - 1] >= 0xc0)
		o->len--;
	put(o, mark, len);
}

size_t rp_name_shorten(const char *name, char *ret_text, size_t cap)
{
	struct out o = { ret_text, 0, cap, 0 };
	size_t n = strlen(name);

	if (cap == 0)
		return 0;
	if (n > NAME_BYTES_MAX) {
		n = NAME_BYTES_MAX;
		o.is_cut = 1;
	}
	if (!memchr(name, '<', n) && !memchr(name, '(', n)) {
		put(&o, name, n);
	} else {
		/* Rust's <Type as Trait>::f is no list of arguments: it stays. */
		size_t qualified = name[0] == '<' ? bracket(name, n) : 0, skip = qualified ? qualified : return_type(name, n);
		if (qualified) {
			put(&o, "<", 1);
			shorten(&o, name + 1, qualified - 2, 1);
			put(&o, ">", 1);
		}
		shorten(&o, name + skip, n - skip, 0);
	}
	if (o.is_cut)
		put_cut_mark(&o);
	o.at[o.len] = 0;
	return o.len;
}
