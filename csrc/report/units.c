/* Figures for people. Integers only, so that no locale and no rounding mode shows. */
#include <stdio.h>

#include "report/report.h"

/* v / unit with three significant digits. */
static const char *three_digits(char *text, uint64_t v, uint64_t unit, int negative, const char *name)
{
	uint64_t hundredths = unit >= 100 ? (v + unit / 200) / (unit / 100) : v * 100 / unit;
	const char *sign = negative ? "-" : "";

	if (hundredths >= 10000)
		snprintf(text, RP_UNIT_BYTES, "%s%llu %s", sign, (unsigned long long)((hundredths + 50) / 100), name);
	else if (hundredths >= 1000)
		snprintf(text, RP_UNIT_BYTES, "%s%llu.%llu %s", sign, (unsigned long long)((hundredths + 5) / 100),
			 (unsigned long long)((hundredths + 5) / 10 % 10), name);
	else
		snprintf(text, RP_UNIT_BYTES, "%s%llu.%02llu %s", sign, (unsigned long long)(hundredths / 100),
			 (unsigned long long)(hundredths % 100), name);
	return text;
}

const char *rp_unit_ns(char *text, int64_t ns)
{
	uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

	if (v == 0)
		return strcpy(text, "0 s");
	if (v < 1000) {
		snprintf(text, RP_UNIT_BYTES, "%s%llu ns", ns < 0 ? "-" : "", (unsigned long long)v);
		return text;
	}
	if (v < 1000000)
		return three_digits(text, v, 1000, ns < 0, "us");
	if (v < 1000000000)
		return three_digits(text, v, 1000000, ns < 0, "ms");
	return three_digits(text, v, 1000000000, ns < 0, "s");
}

const char *rp_unit_bytes(char *text, int64_t bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	uint64_t v = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;
	unsigned i = 0;

	if (v < 1024) {
		snprintf(text, RP_UNIT_BYTES, "%lld B", (long long)bytes);
		return text;
	}
	while (i + 1 < RP_COUNT_OF(names) && v >> (10 * (i + 1)))
		i++;
	return three_digits(text, v, UINT64_C(1) << (10 * i), bytes < 0, names[i]);
}

const char *rp_unit_count(char *text, int64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n), at = 0;

	for (int i = 0; i < len; i++) {
		int left = len - i;
		text[at++] = digits[i];
		if (left > 1 && left % 3 == 1 && digits[i] != '-')
			text[at++] = ',';
	}
	text[at] = 0;
	return text;
}

const char *rp_unit_share(char *text, int64_t part, int64_t whole)
{
	int64_t thousandths = whole > 0 ? rp_int64((double)part / (double)whole * 1000 + 0.5) : 0;

	snprintf(text, RP_UNIT_BYTES, "%lld.%lld %%", (long long)(thousandths / 10), (long long)(thousandths % 10));
	return text;
}

const char *rp_unit_figure(char *text, enum rp_unit unit, int64_t v)
{
	if (unit == RP_AS_NS)
		return rp_unit_ns(text, v);
	if (unit == RP_AS_BYTES)
		return rp_unit_bytes(text, v);
	if (unit == RP_AS_SHARE)
		return rp_unit_share(text, v, RP_SHARE_WHOLE);
	return rp_unit_count(text, v);
}

const char *rp_unit_metric(char *text, enum rp_metric metric, int64_t v)
{
	return rp_unit_figure(text, rp_metric_info(metric)->unit, v);
}

const char *rp_unit_word(enum rp_unit unit)
{
	static const char *const words[] = { "text", "flag", "id", "count", "bytes", "s", "share" };

	return words[unit];
}

int64_t rp_ns_of(double seconds)
{
	return rp_int64(seconds * 1e9 + (seconds < 0 ? -0.5 : 0.5));
}

const char *rp_allocator_name(unsigned allocator)
{
	static const char *const names[RP_A_COUNT] = {
		[RP_A_MALLOC] = "malloc", [RP_A_FREE] = "free", [RP_A_CALLOC] = "calloc", [RP_A_REALLOC] = "realloc",
		[RP_A_POSIX_MEMALIGN] = "posix_memalign", [RP_A_ALIGNED_ALLOC] = "aligned_alloc", [RP_A_MEMALIGN] = "memalign",
		[RP_A_VALLOC] = "valloc", [RP_A_PVALLOC] = "pvalloc", [RP_A_MMAP] = "mmap", [RP_A_MUNMAP] = "munmap",
		[RP_A_MREMAP] = "mremap", [RP_A_PYMALLOC_MALLOC] = "pymalloc_malloc", [RP_A_PYMALLOC_CALLOC] = "pymalloc_calloc",
		[RP_A_PYMALLOC_REALLOC] = "pymalloc_realloc", [RP_A_PYMALLOC_FREE] = "pymalloc_free",
		[RP_A_RESERVE] = "reserve", [RP_A_MPROTECT] = "mprotect", [RP_A_FILE_PRIVATE] = "map_file_private",
		[RP_A_FILE_SHARED] = "map_file_shared", [RP_A_SHARED] = "map_shared", [RP_A_FILE_COPY] = "map_file_copy",
	};
	return allocator < RP_A_COUNT && names[allocator] ? names[allocator] : "other";
}
