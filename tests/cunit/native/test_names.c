/* C++ names for people. */
#include "../harness.h"
#include "native/native.h"

static void check(const char *name, const char *expected)
{
	char text[256];

	rp_name_shorten(name, text, sizeof(text));
	CHECK_STR(text, expected);
}

int main(void)
{
	check("main", "main");
	check("galsim::SBProfile::draw(galsim::Image<float>&, double) const", "galsim::SBProfile::draw(...)");
	check("f()", "f()");
	check("void std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector<int>::push_back(...)");
	check("std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >::append(char const*)",
	      "std::string::append(...)");
	check("std::ostream& operator<< <char>(std::ostream&, char)", "operator<< <char>(...)");
	check("Foo::operator()(int) const", "Foo::operator()(...)");
	check("(anonymous namespace)::helper(int)", "helper(...)");
	check("a::b(int)::{lambda(double)#1}::operator()(double) const", "a::b(...)::{lambda(double)#1}::operator()(...)");
	check("Image<float, std::map<std::string, std::vector<unsigned long> >, int, int>::x()", "Image<...>::x()");
	check("broken<int", "broken<int");
	check("<polars_core::frame::DataFrame as core::fmt::Debug>::fmt", "<polars_core::frame::DataFrame as core::fmt::Debug>::fmt");
	check("<a::Very<b::Long, c::List, d::Of, e::Arguments> as f::Trait>::g", "<a::Very<...> as f::Trait>::g");
	check("f(int) [clone .isra.0]", "f(...)");
	CHECK_INT(rp_frame_classify("_PyEval_EvalFrameDefault", "python3.12"), RP_FRAME_DISPATCH);
	CHECK_INT(rp_frame_classify("pybind11::cpp_function::dispatcher(_object*, _object*, _object*)", "x.so"), RP_FRAME_DISPATCH);
	CHECK_INT(rp_frame_classify("PyObject_Vectorcall", ""), RP_FRAME_DISPATCH);
	CHECK_INT(rp_frame_classify("_Py_BuiltinCallFastWithKeywords_StackRef", "python3.15"), RP_FRAME_DISPATCH);
	CHECK_INT(rp_frame_classify("_Py_VectorCall_StackRefSteal", "python3.15"), RP_FRAME_DISPATCH);
	CHECK_INT(rp_frame_classify("PyList_Append", ""), RP_FRAME_WORK);
	CHECK_INT(rp_frame_classify("galsim::SBProfile::draw()", "_galsim.so"), RP_FRAME_WORK);
	return 0;
}
