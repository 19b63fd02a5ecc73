"""A seccomp filter as the beginning of a program: system calls that a container or a hardened machine refuses."""

REFUSE = """
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
code = [(LOAD, 0, 0, 0)]
for i, number in enumerate(numbers):
    code.append((EQUAL, len(numbers) - i, 0, number))
code += [(RETURN, 0, 0, 0x7fff0000), (RETURN, 0, 0, 0x00050000 | error)]
program = b"".join(struct.pack("<HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("code", ctypes.c_void_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Filter(len(code), ctypes.addressof(buffer)))) == 0
"""
IO_URING_SETUP = 425


def refuse(numbers, error):
    """Source text after which these system calls fail with this errno."""
    return f"numbers, error = {list(numbers)}, {int(error)}\n{REFUSE}\n"
