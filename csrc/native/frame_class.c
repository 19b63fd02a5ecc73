/* Who is who among native frames. Names are CPython's of 3.11 to 3.15, and pybind11's and nanobind's of their 2.x. */
#include "native/native.h"

/* Most differ in their first letters: calls of libc would cost more than the comparison. */
static int begins(const char *s, const char *with)
{
	while (*with && *s == *with)
		s++, with++;
	return !*with;
}

static int is_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Whole names. Sorted by what they belong to, searched one by one: a name is classified once per file. */
static const char *const dispatch_names[] = {
	/* evaluator */
	"_PyEval_EvalFrameDefault", "_PyEval_EvalFrame", "_PyEval_Vector", "PyEval_EvalCode", "PyEval_EvalFrame",
	"PyEval_EvalFrameEx", "_PyEval_EvalCodeWithName", "run_eval_code_obj", "run_mod", "pyrun_file", "_PyRun_SimpleFileObject",
	"_PyRun_AnyFileObject", "pymain_run_python", "Py_RunMain", "Py_BytesMain", "builtin_exec", "builtin_exec_impl",
	"builtin_eval", "builtin___build_class__", "_PyRun_SimpleFile", "PyRun_StringFlags", "_PyRun_StringFlagsWithName",
	/* calls */
	"_PyFunction_Vectorcall", "PyVectorcall_Call", "_PyVectorcall_Call", "_PyVectorcall_FunctionInline", "vectorcall_method",
	"vectorcall_unbound", "vectorcall_maybe", "object_vacall", "method_vectorcall", "_PyStack_AsDict",
	"cfunction_call", "type_call", "type_vectorcall", "slot_tp_call", "slot_tp_init", "slot_tp_new", "slot_tp_iternext",
	"slot_tp_repr", "slot_tp_str", "slot_tp_hash", "slot_tp_getattr_hook", "slot_tp_getattro", "slot_tp_setattro",
	"slot_tp_richcompare", "slot_tp_descr_get", "slot_tp_iter", "slot_nb_bool", "slot_sq_length", "slot_sq_contains",
	"slot_mp_subscript", "slot_mp_ass_subscript", "slot_am_await", "call_method", "call_unbound", "call_attribute",
	"wrapperdescr_call", "wrapperdescr_raw_call", "wrapper_call", "method_call", "methoddescr_call", "partial_call",
	"partial_vectorcall", "partial_vectorcall_fallback", "lookup_maybe_method", "property_descr_get",
	"classmethoddescr_call", "cm_descr_get", "_Py_HandleSystemExit",
	/* the way to the collector */
	"_Py_RunGC", "gc_collect_with_callback", "gc_collect_generations",
	/* generators and coroutines */
	"gen_send_ex", "gen_send_ex2", "gen_iternext", "gen_send", "_gen_throw", "gen_close", "_PyGen_Send", "PyIter_Send",
	"async_gen_asend_send", "async_gen_asend_iternext", "coro_wrapper_send",
};

static const char *const dispatch_beginnings[] = {
	"_PyObject_Vectorcall", "PyObject_Vectorcall", "_PyObject_Call", "PyObject_Call", "_PyObject_MakeTpCall",
	"_PyObject_FastCall", "_PyObject_FunctionCall", "PyEval_CallObject", "cfunction_vectorcall_", "method_vectorcall_",
	"PyCFunction_Call", "_PyCFunction_", "_TAIL_CALL_", "_PyFunction_FastCall", "cfunction_enter_call", "slot_nb_",
	"_Py_VectorCall", "_Py_BuiltinCallFast", "_Py_CallBuiltinClass", "_PyCallMethodDescriptorFast", /* 3.15 */
	/* pybind11: all that lies between the interpreter's call and the bound function */
	"pybind11::cpp_function::", "pybind11::detail::argument_loader<", "pybind11_meta_call", "pybind11_object_init",
	"pybind11::detail::initimpl::", "void pybind11::cpp_function::", "pybind11::detail::void_type pybind11::detail::argument_loader",
	"void pybind11::detail::argument_loader<", "nanobind::detail::nb_func_vectorcall", "nb_func_vectorcall", "nb_method_vectorcall",
	"nb_bound_method_vectorcall", "nb_type_vectorcall",
};

/* The collector, whoever set it off. Compilers add to the names of functions that they split or specialise (.isra.0). 3.14 has one for each kind of collection. */
static const char *const collector_names[] = { "gc_collect_main", "_PyGC_Collect", "gc_collect_young", "gc_collect_increment", "gc_collect_full" };

static int is_collector(const char *f)
{
	for (size_t i = 0; i < RP_COUNT_OF(collector_names); i++) {
		size_t len = strlen(collector_names[i]);
		if (!strncmp(f, collector_names[i], len) && (!f[len] || f[len] == '.' || f[len] == ' '))
			return 1;
	}
	return 0;
}

static int is_pybind_dispatch(const char *f)
{
	f = strstr(f, "pybind11::");
	return f && (strstr(f, "pybind11::cpp_function::dispatcher") || strstr(f, "pybind11::cpp_function::initialize<") ||
		      strstr(f, "pybind11::detail::argument_loader<"));
}

enum rp_frame_class rp_frame_classify(const char *f, const char *module)
{
	if (begins(module, "_capture.") && (begins(f, "rp_") || begins(f, "hook_") || !*f))
		return RP_FRAME_TOOL;
	if (begins(f, "rp_hook_") || begins(f, "rp_evalframe") || begins(f, "rp_eval_frame"))
		return RP_FRAME_TOOL;
	for (size_t i = 0; i < RP_COUNT_OF(dispatch_names); i++)
		if (is_same(f, dispatch_names[i]))
			return RP_FRAME_DISPATCH;
	for (size_t i = 0; i < RP_COUNT_OF(dispatch_beginnings); i++)
		if (begins(f, dispatch_beginnings[i]))
			return RP_FRAME_DISPATCH;
	if (is_collector(f))
		return RP_FRAME_COLLECTOR;
	return is_pybind_dispatch(f) ? RP_FRAME_DISPATCH : RP_FRAME_WORK;
}
