"""Writes hostile.rprof: functions, files, modules, threads, regions and labels with names that would act if a report let them."""

import threading

import rubinprof

NAMES = [
    "</script><script>window.hacked=1</script>",
    "\"><img src=x onerror=window.hacked=2>",
    "--><!-- ]]></style></title><svg onload=window.hacked=3>",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1)",
    "a\nfn=(0) injected\r\nb\tc; d 7",
    "\u202egnp.exe\u2066",
    "\x9b31m c1 \x85 \u2028",
    "half \udcff\ud800",
    "nul \x00 in it",
    "{{flame}} ${x} %s %n",
    "__proto__",
    "../../etc/passwd",
    "",
    "L" * (1 << 20),
]


def main():
    def body(n):
        return [bytes(900 + n) for _ in range(20)] + list(range(20000))

    functions = []
    for name in NAMES:
        code = body.__code__.replace(co_name=name, co_qualname=name, co_filename=name)
        functions.append(type(body)(code, {"__name__": name, "__builtins__": __builtins__}))

    with rubinprof.Tracker("hostile.rprof", program="x", sample_hz=20000, labels={"first": NAMES[0], NAMES[3]: NAMES[4]}):
        for function, name in zip(functions, NAMES):
            def work():
                try:
                    region = rubinprof.region(name, **{"key": name, name or "empty": name})
                    region.__enter__()
                except (ValueError, TypeError, UnicodeError):  # refused is as good as made harmless
                    region = None
                function(1)
                if region:
                    region.__exit__(None, None, None)
            thread = threading.Thread(target=work, name=name)
            thread.start()
            thread.join()


if __name__ == "__main__":
    main()
