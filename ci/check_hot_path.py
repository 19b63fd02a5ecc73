"""docs/hot-path.md is held: what runs inside the traced program's calls reaches no function of the system or of CPython but those listed here.

Each source is compiled with -fcallgraph-info, and from each root every call is followed, across files. A name that is not on the root's list is
either a mistake or a line for that page and for this list. Calls through pointers cannot be followed: they are the real allocators, the
evaluator that was there before, and the callbacks of record/, which are roots of their own here.

The same for cancellation (csrc/sink/cancel.h): from what runs on a thread of the program, a function that may act on a pending pthread_cancel is
reached only below one that holds it off.

Each CPython of this machine has a graph of its own; what needs none of their headers is compiled once.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "ci"))
import csources  # noqa: E402
import environment  # noqa: E402

TEXT = {"memcpy", "memcmp", "memset", "memmove", "strlen", "strnlen", "__errno_location"}
EMIT = TEXT | {"clock_gettime", "syscall", "nanosleep", "pthread_setcancelstate"}  # hand-over of a full buffer: futex, and the bounded wait for a free one
DEFINE = {"pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_unlock"}
FIRST_EVENT = EMIT | DEFINE | {"mmap", "munmap", "prctl", "pthread_setspecific", "_Unwind_Resume"}
WALK = {"madvise", "getpid", "pthread_self", "PyGILState_GetThisThreadState"}
SAMPLED = {"log1p", "sched_yield", "PyCode_Addr2Line"}  # a drawn allocation
MAPS = {"fstat", "fstatfs"}  # of a file that is mapped: is it /dev/zero; and if shared, does it lie in memory? Beside an mmap they cost little
LOADER = {"dl_iterate_phdr", "dlopen", "dlclose", "dlsym", "mprotect", "qsort", "readlink", "sigaction", "sysconf", "strcmp", "strncmp", "strrchr"}
PYTHON = {
    *{"PyBytes_AsStringAndSize", "PyDict_GetItemString", "PyErr_Clear", "PyErr_Fetch", "PyErr_Restore", "PyList_Append"},
    *{"PyObject_CallFunctionObjArgs", "PyObject_CallMethod", "PyObject_GetAttrString", "PyThreadState_Get", "PyUnicode_AsEncodedString", "PyUnicode_EqualToUTF8", "PyUnstable_Code_SetExtra", "_PyCode_SetExtra"},
    *{"PyContextVar_Get", "PyDict_GetItem", "PyLong_AsUnsignedLongMask", "PyUnicode_CompareWithASCIIString"},
    *{"PyWeakref_NewRef", "_PyType_Lookup", "_Py_Dealloc"},
    *{"_PyInterpreterState_GetEvalFrameFunc", "_PyInterpreterState_SetEvalFrameFunc"},
}
GREENLET = {"PyContextVar_Set", "PyImport_GetModuleDict", "PyObject_CallNoArgs", "PyType_IsSubtype", "_PyObject_CallMethod_SizeT"}  # the first call of a new one
SIGNAL_SETS = {"sigaddset", "sigdelset", "sigismember"}
STACK_END = {"pthread_self", "pthread_getattr_np", "pthread_attr_getstack", "pthread_attr_destroy", "getauxval", "getrlimit", "strlen"}
SWITCH_COUNT = {"sysconf"}
TIMERS = {
    *{"timer_create", "timer_settime", "timer_delete", "ioctl", "fcntl", "open", "close", "read", "sigaction", "snprintf"},
    *{"strerrordesc_np", "strerrorname_np"},
}

# (title of the root in the call graph, what it may reach). A title is `file:function`.
ROOTS = [
    (r"alloc/alloc_hook\.c:hook_(?!dl|mmap)\w+$", FIRST_EVENT | WALK | SAMPLED),
    (r"alloc/alloc_hook\.c:hook_mmap(64)?$", FIRST_EVENT | WALK | SAMPLED | MAPS),
    (r"alloc/operator_new\.c:hook_\w+$", FIRST_EVENT | WALK | SAMPLED),
    (r"alloc/pymalloc\.c:wrap_\w+$", FIRST_EVENT | WALK | SAMPLED),
    (r"alloc/alloc_hook\.c:hook_dl\w+$", FIRST_EVENT | WALK | SAMPLED | LOADER),
    (r"frames/evalframe\.c:evaluate$", FIRST_EVENT | PYTHON | GREENLET | STACK_END),
    (r"frames/class_init\.c:on_\w+$", FIRST_EVENT | PYTHON | GREENLET),
    (r"cpu/cpu_sample\.c:on_signal$", FIRST_EVENT | SWITCH_COUNT | {"madvise", "PyGILState_GetThisThreadState", "PyCode_Addr2Line"}),
    (r"alloc/alloc_sample\.c:sample_(?!mmap)\w+$", FIRST_EVENT | WALK | SAMPLED),
    (r"alloc/alloc_sample\.c:sample_mmap(64)?$", FIRST_EVENT | WALK | SAMPLED | MAPS),
    (r"cpu/gil_wait\.c:timed_wait$", FIRST_EVENT),
    (r"alloc/thread_start\.c:hook_pthread_create$", {"malloc", "free"} | TEXT | PYTHON | WALK | {"_PyThreadState_UncheckedGet", "PyThreadState_GetUnchecked", "pthread_setcancelstate", "_Unwind_Resume"}),
    (r"alloc/thread_start\.c:begin$", FIRST_EVENT | {"free"}),
    (r"alloc/signal_hook\.c:hook_\w+$", SIGNAL_SETS | {"clock_gettime", "mmap", "sigaction", "getpid", "memset", "munmap", "syscall", "sysconf", "__errno_location"}),
    (r"names/namer\.c:rp_namer_look$", {"syscall"}),  # alloc's on_loaded
    (r"record/thread\.c:thread_ended$", FIRST_EVENT),
    (r"\w+/\w+\.c:on_thread_(begin|end)$", FIRST_EVENT | WALK | TIMERS | SWITCH_COUNT),
]

# Roots that the code for earlier CPythons does not have.
SINCE = {r"frames/class_init\.c:on_\w+$": "3.13"}

# Cancellation points that any code of ours calls (pthreads(7)), and calls of CPython that may wait for the GIL.
CANCELLATION_POINTS = {
    *{"open", "openat", "creat", "close", "read", "write", "pread", "pwrite", "pread64", "pwrite64", "fcntl", "nanosleep", "clock_nanosleep", "usleep"},
    *{"sleep", "poll", "ppoll", "select", "pselect", "pause", "wait", "waitpid", "fsync", "msync", "fopen", "fclose", "fread", "fwrite", "fprintf"},
    *{"opendir", "readdir", "closedir", "pthread_join", "pthread_testcancel", "pthread_cond_wait", "pthread_cond_timedwait", "pthread_getattr_np"},
    *{"pthread_setcanceltype", "sem_wait", "dlopen", "io_uring_wait_cqe", "PyObject_CallFunctionObjArgs", "PyObject_CallMethod", "PyObject_GetAttrString"},
    *{"PyObject_CallNoArgs", "_PyObject_CallMethod_SizeT"},
}
# Where every call that we make of the program's threads begins. `real` calls go through pointers, and are the program's.
ON_PROGRAM_THREADS = [
    *(pattern for pattern, _ in ROOTS if not re.search("thread_ended|on_thread", pattern)),  # those that begin hold; those that end are past it
    *(r"session/session_fork\.c:prepare$", r"session/session_fork\.c:in_parent$", r"session/session_fork\.c:in_child$"),
    r"session/session\.h:rp_session_(?!stop_without|define|remove|watch)\w+$",
]


def compile_one(source, directory, include):
    """The call graph of one source as text."""
    out = Path(directory) / f"{source.replace('/', '_')}.o"
    command = ["gcc", "-std=gnu11", "-O1", "-fno-inline", "-DNDEBUG", "-fcallgraph-info"]
    command += [f"-I{path}" for path in [*csources.INCLUDE_DIRS, *include]] + ["-fexceptions", "-c", source, "-o", str(out)]
    # A compiler cache gives the object back, not the graph beside it.
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=os.environ | {"CCACHE_DISABLE": "1"})
    return out.with_suffix(".ci").read_text(encoding="utf-8")


def call_graphs(pythons):
    """What is found for each of these CPythons: calls by caller, and the functions that we define ourselves."""
    needs_python = set(csources.sources(csources.PROBE_ROOMS)) - set(csources.pythonless_probes())
    calls, ours = call_graph([s for s in csources.sources(csources.CAPTURE_ROOMS) if s not in needs_python])
    for python in pythons:
        question = "import sysconfig; print(sysconfig.get_path('include'))"
        include = subprocess.run([python.path, "-c", question], check=True, capture_output=True, text=True).stdout.strip()
        more_calls, more_ours = call_graph(sorted(needs_python), [include])
        for caller, callees in calls.items():  # functions of headers are in both
            more_calls.setdefault(caller, set()).update(callees)
        yield python, more_calls, ours | more_ours


def call_graph(sources, include=()):
    calls, ours = {}, set()
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor() as pool:
        for text in pool.map(lambda s: compile_one(s, directory, include), sources):
            for title, ellipse in re.findall(r'^node: \{ title: "([^"]+)" label: "[^"]*"( shape : ellipse)? \}', text, re.M):
                if not ellipse:
                    ours.add(title)
            for caller, callee in re.findall(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text, re.M):
                calls.setdefault(caller, set()).add(callee)
    return calls, ours


def reached(root, calls, ours, but=None):
    """What is not ours and can be reached, each with the way to it. With `but`, not below functions that call that one."""
    way, todo, found = {root: None}, [root], {}
    while todo:
        caller = todo.pop()
        if but in calls.get(caller, ()):
            continue
        for callee in calls.get(caller, ()):
            if callee in way:
                continue
            way[callee] = caller
            if callee in ours:
                todo.append(callee)
            elif callee != "__indirect_call":
                at, steps = callee, []
                while at:
                    steps.append(at.rpartition(":")[2])
                    at = way[at]
                found[callee] = " < ".join(steps)
    return found


def roots_of(pattern, ours):
    # A static function's title is its file and name, another's its name alone.
    name = pattern.rpartition(":")[2]
    return sorted(title for title in ours if re.search(pattern, title) or re.fullmatch(name.rstrip("$"), title))


def version_of(text):
    return tuple(map(int, text.split(".")))


def cancellation_problems(calls, ours, version="3.13"):
    for pattern in ON_PROGRAM_THREADS:
        roots = roots_of(pattern, ours)
        if not roots and version_of(version) >= version_of(SINCE.get(pattern, version)):
            yield f"no function is {pattern}: has it another name now?"
        for root in roots:
            for callee, steps in sorted(reached(root, calls, ours, but="pthread_setcancelstate").items()):
                if callee in CANCELLATION_POINTS:
                    yield f"{callee} is a cancellation point, reached from {root} without RP_HOLD_CANCEL: {steps}"


def problems(calls, ours, version="3.13"):
    for pattern, allowed in ROOTS:
        roots = roots_of(pattern, ours)
        if not roots and version_of(version) >= version_of(SINCE.get(pattern, version)):
            yield f"no function is {pattern}: has it another name now?"
        for root in roots:
            for callee, steps in sorted(reached(root, calls, ours).items()):
                if callee.removeprefix("__builtin_") not in allowed:
                    yield f"{callee} is reached from {root}: {steps}"


def main():
    pythons, found = environment.pythons(), []
    for python, calls, ours in call_graphs(pythons):
        for check in (problems, cancellation_problems):
            found += [f"CPython {python.minor}: {problem}" for problem in check(calls, ours, python.minor)]
    for problem in found:
        print(f"hot path: {problem}")
    if not found:
        minors = ", ".join(python.minor for python in pythons)
        print(f"hot path: nothing is reached from a hook that docs/hot-path.md does not allow (CPython {minors})")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
