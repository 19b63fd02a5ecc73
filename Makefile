# One word each; what a word does is in ci/.
# ARGS are handed on:  make check ARGS="tests/unit -k cli"   make demo ARGS="--keep"

newest = py="$$(ci/pythons.sh --newest)" && "$$py"

.PHONY: help dev check demo cunit asan tsan sanitize fuzz valgrind axe kill mixed campaign-faults soak unwind-judge bench bench-quick analyze cross check-aarch64 newest wheels release docs clean

help:
	@echo "make demo     trace a small real pipeline of the Rubin middleware and open its page"
	@echo "make check    all tests, on every supported Python of this machine"
	@echo "make dev      .venv with an editable install, for work on the code"
	@echo "make cunit    the C unit tests alone     make asan, make tsan: the same under sanitizers"
	@echo "make sanitize  the Python tests of capture with the extension under ASan and UBSan, then TSan (an hour)"
	@echo "make analyze  build/rubinprof-analyze, the analyzer as a plain program (C compiler, LZ4 and zstd only)"
	@echo "make kill     ARGS=1000: that many programs killed at random instants, nothing lost (after make dev)"
	@echo "make mixed    ARGS=1000: that many programs that fork, cancel, execute, kill and switch regions at once: as untraced (after make dev)"
	@echo "make campaign-faults ARGS=200: that many adds to a campaign under kills, full disks, doubles: the store is as without (after make dev)"
	@echo "make wheels   dist/: wheels for other Linux machines, with their C libraries inside"
	@echo "make release  dist/ as it is uploaded: archive, wheels and recipe, each checked and used    ARGS=--trial before the version is one"
	@echo "make cross    the analyzer for macOS, Windows and Linux aarch64; the last is run under qemu-user"
	@echo "make check-aarch64  capture and analysis for Linux aarch64, run under qemu-user: the figures of this machine"
	@echo "make newest   tests on CPython 3.14 and 3.15 of Debian's sid, in a folder beside the system, with and without the JIT (root, mmdebstrap)"
	@echo "make soak     the suites of CPython, NumPy and others, untraced and traced: the same pass and fail (hours)"
	@echo "make unwind-judge  stacks and rows beside libunwind and libdw: ARGS=scipy (minutes; after make dev)"
	@echo "make valgrind  the analyzer under memcheck, every report over the fuzz corpus and a real trace"
	@echo "make axe      the pages under axe-core, in light and dark: accessibility (npm; after make dev)"
	@echo "make bench    what tracing costs, beside other tools: tables and a page     make bench-quick: the main ratios against their bars"
	@echo "make docs     the documentation site in build/docs"
	@echo "make fuzz, make clean"

dev:
	@$(newest) ci/dev.py

check:
	@$(newest) ci/check.py $(ARGS)

demo:
	@$(newest) ci/demo.py $(ARGS)

analyze:
	@$(newest) ci/cbuild.py analyze

cross:
	@$(newest) ci/cross.py $(ARGS)

check-aarch64:
	@$(newest) ci/aarch64.py

newest:
	@$(newest) ci/debian_sid.py $(ARGS)

docs:
	@$(newest) ci/docs.py

wheels:
	@$(newest) ci/wheels.py $(ARGS)

release:
	@$(newest) ci/release.py $(ARGS)

cunit:
	@$(newest) ci/cbuild.py cunit

asan:
	@$(newest) ci/cbuild.py cunit --sanitize address

tsan:
	@$(newest) ci/cbuild.py cunit --sanitize thread

sanitize:
	@$(newest) ci/sanitize.py $(ARGS)

fuzz:
	@$(newest) ci/fuzz.py $(ARGS)

valgrind:
	@$(newest) ci/valgrind.py $(ARGS)

axe:
	@$(newest) ci/axe.py

kill:
	@.venv/bin/python tests/fault/kill_runs.py $(ARGS)

mixed:
	@.venv/bin/python tests/soak/mixed_runs.py $(ARGS)

campaign-faults:
	@.venv/bin/python tests/soak/campaign_faults.py $(ARGS)

soak:
	@$(newest) tests/soak/soak.py $(ARGS)

unwind-judge:
	@.venv/bin/python tests/unwind/judge.py $(ARGS)

bench:
	@ci/bench.sh $(ARGS)

bench-quick:
	@ci/bench.sh --quick $(ARGS)

clean:
	rm -rf build dist .venvs .pytest_cache python/*.egg-info python/rubinprof/_bin/rubinprof-analyze
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name '*.so' \) -print0 | xargs -0 rm -rf
