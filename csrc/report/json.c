#include "report/report.h"
#include "report/utf8.h"

static void comma(struct rp_json *j)
{
	if (j->need_comma)
		rp_out_bytes(j->o, ",", 1);
	j->need_comma = 1;
}

void rp_json_open(struct rp_json *j, char bracket)
{
	comma(j);
	rp_out_bytes(j->o, &bracket, 1);
	j->need_comma = 0;
}

void rp_json_close(struct rp_json *j, char bracket)
{
	rp_out_bytes(j->o, &bracket, 1);
	j->need_comma = 1;
}

void rp_json_key(struct rp_json *j, const char *key)
{
	rp_json_text(j, key);
	rp_out_bytes(j->o, ":", 1);
	j->need_comma = 0;
}

void rp_json_string(struct rp_json *j, const char *s, size_t len)
{
	comma(j);
	rp_out_bytes(j->o, "\"", 1);
	while (len) {
		uint32_t c;
		size_t n = rp_utf8_next(s, len, &c);
		if (c == RP_UTF8_BAD)
			rp_out_bytes(j->o, "\xef\xbf\xbd", 3);
		else if (c == '"' || c == '\\')
			rp_out_format(j->o, "\\%c", (int)c);
		else if (c < 0x20 || c == 0x7f || c == '<' || c == '>' || c == '&' || c == 0x2028 || c == 0x2029)
			rp_out_format(j->o, "\\u%04x", (unsigned)c); /* safe inside a <script> too */
		else
			rp_out_bytes(j->o, s, n);
		s += n;
		len -= n;
	}
	rp_out_bytes(j->o, "\"", 1);
}

void rp_json_text(struct rp_json *j, const char *s)
{
	rp_json_string(j, s, strlen(s));
}

void rp_json_int(struct rp_json *j, int64_t v)
{
	comma(j);
	rp_out_int(j->o, v);
}

void rp_json_ns(struct rp_json *j, int64_t ns)
{
	comma(j);
	rp_out_ns(j->o, ns);
}

void rp_json_seconds(struct rp_json *j, double seconds)
{
	comma(j);
	rp_out_seconds(j->o, seconds);
}

void rp_json_bool(struct rp_json *j, int v)
{
	comma(j);
	rp_out_text(j->o, v ? "true" : "false");
}

void rp_json_null(struct rp_json *j)
{
	comma(j);
	rp_out_text(j->o, "null");
}

void rp_json_kint(struct rp_json *j, const char *key, int64_t v)
{
	rp_json_key(j, key);
	rp_json_int(j, v);
}

void rp_json_kns(struct rp_json *j, const char *key, int64_t ns)
{
	rp_json_key(j, key);
	rp_json_ns(j, ns);
}

void rp_json_kseconds(struct rp_json *j, const char *key, double seconds)
{
	rp_json_key(j, key);
	rp_json_seconds(j, seconds);
}

void rp_json_kbool(struct rp_json *j, const char *key, int v)
{
	rp_json_key(j, key);
	rp_json_bool(j, v);
}

void rp_json_ktext(struct rp_json *j, const char *key, const char *s)
{
	rp_json_key(j, key);
	rp_json_text(j, s);
}

void rp_json_kstr(struct rp_json *j, const char *key, const struct rp_result *r, uint32_t string)
{
	rp_json_key(j, key);
	rp_json_string(j, rp_strpool_get(&r->strings, string), rp_strpool_len(&r->strings, string));
}
