/* Rust's linker symbols, as RFC 2603 and the compiler's own test suites have them. */
#include "../harness.h"
#include "names/rust_name.h"

static const struct {
	const char *symbol, *name;
} names[] = {
	/* the RFC's own */
	{ "_RNvCs1234_7mycrate3foo", "mycrate::foo" },
	{ "_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar" },
	{ "_RNCNvCs1234_7mycrate3foo0B3_", "mycrate::foo::{closure#0}" },
	{ "_RNCNvCs1234_7mycrate3foo0", "mycrate::foo::{closure#0}" },
	{ "_RNCNvCs1234_7mycrate3foos_0", "mycrate::foo::{closure#1}" },
	{ "_RNvMs_Cs1234_7mycrateNtB4_3Foo3bar", "<mycrate::Foo>::bar" },
	{ "_RNvXCs1234_7mycrateNtB2_3FooNtB2_3Bar3baz", "<mycrate::Foo as mycrate::Bar>::baz" },
	{ "_RNvYNtC7mycrate3FooNtB4_3Bar3baz", "<mycrate::Foo as mycrate::Bar>::baz" },
	{ "_RINvNtC3std3mem8align_ofjE", "std::mem::align_of::<usize>" },
	{ "_RINvNtC3std3mem8align_ofdEC12foo", NULL },
	{ "_RINvNtC3std3mem8align_ofdEC3foo", "std::mem::align_of::<f64>" },
	{ "_RINvC1a1fRNtC1b1TE", "a::f::<&b::T>" },
	{ "_RINvC1a1fTlEE", "a::f::<(i32,)>" },
	{ "_RINvC1a1fAhj20_E", "a::f::<[u8; 32]>" },
	{ "_RINvC1a1fShE", "a::f::<[u8]>" },
	{ "_RINvC1a1fKj7b_KlnA_E", NULL },
	{ "_RINvC1a1fKj7b_Klna_Kb1_Kc41_E", "a::f::<123, -10, true, 'A'>" },
	{ "_RINvC1a1fFUKCmElE", "a::f::<unsafe extern \"C\" fn(u32) -> i32>" },
	{ "_RINvC1a1fFG_RL0_hEuE", "a::f::<for<'a> fn(&'a u8)>" },
	{ "_RINvC1a1fDINtC1b1ThEp4ItemlEL_E", "a::f::<dyn b::T<u8, Item = i32>>" },
	{ "_RINvC1a1fDNtC1b1Tp4ItemlNtC1b1SEL_E", "a::f::<dyn b::T<Item = i32> + b::S>" },
	{ "_RNvC1au8gdel_5qa", "a::punycode{gdel_5qa}" },
	{ "_RNSC1a6vtable.llvm.9D1C9369", "a::{shim:vtable#0}" },
	{ "_RNvC6_123foo3bar.llvm.9D1C9369", "123foo::bar" },
	/* the scheme before */
	{ "_ZN4testE", NULL },
	{ "_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write" },
	{ "_ZN4test1a2bc17h05af221e174051e9E", "test::a::bc" },
	{ "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE",
	  "<Test + 'static as foo::Bar<Test>>::bar" },
	{ "_ZN13test$u20$test4foob17h05af221e174051e9E.llvm.A5310EB9", "test test::foob" },
	{ "_ZN3foo3barEv", NULL }, /* C++ */
	/* damage */
	{ "_R", NULL },
	{ "_RNvC", NULL },
	{ "_RNvC9999999999999999999999a3foo", NULL },
	{ "_RB_", NULL },
	{ "_RNvB0_1a", NULL },
	{ "_RNvMB_B_", NULL },
	{ "_RINvC1a1fRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"
	  "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRhE",
	  NULL },
	/* 2^30 letters, if it were written out */
	{ "_RINvC1a1fTTTTTTTTTTTTTTTTTTTTTTTTTTTTTThhEB9_EB8_EB7_EB6_EB5_EE", NULL },
};

static void test_names(void)
{
	char text[RP_RUST_NAME_BYTES_MAX];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t n = rp_rust_name(names[i].symbol, text);
		const char *want = names[i].name ? names[i].name : "";
		printf("%s: %.*s\n", names[i].symbol, (int)n, text);
		CHECK_UINT(n, strlen(want));
		CHECK_MEM(text, want, n);
	}
}

/* Every beginning of every name, and each with every byte changed, is read to an end inside its bounds. */
static void test_damage(void)
{
	char text[RP_RUST_NAME_BYTES_MAX], name[512];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (size_t k = 0, n = strlen(names[i].symbol); k < n; k++) {
			static const char others[] = "BKTDFGLIE_9zn";
			snprintf(name, sizeof name, "%.*s", (int)k, names[i].symbol);
			CHECK(rp_rust_name(name, text) <= sizeof text);
			for (const char *c = others; *c; c++) {
				snprintf(name, sizeof name, "%s", names[i].symbol);
				name[k] = *c;
				CHECK(rp_rust_name(name, text) <= sizeof text);
			}
		}
}

int main(void)
{
	test_names();
	test_damage();
	return 0;
}
