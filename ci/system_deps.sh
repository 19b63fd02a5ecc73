#!/usr/bin/env bash
# Makes sure that what pip cannot bring is there: a compiler, pkg-config and the development files
# of the libraries that rubinprof is linked with. `--for-tests` adds a C++ compiler and Chromium, `--for-cross` an
# emulator for programs of other CPUs, `--for-wheels` what elfutils is built with; `--python PATH` adds what a distribution leaves out of that Python: its headers and venv.
# Exit 0: all there. Exit 2: something is missing and may not be installed; one sentence names the packages.
set -euo pipefail

# library or program | how to ask for it | Debian package | Fedora / RHEL package
needed() {
    cat <<'TABLE'
cc        command  gcc            gcc
pkg-config command pkg-config     pkgconf-pkg-config
liblz4    library  liblz4-dev     lz4-devel
libzstd   library  libzstd-dev    libzstd-devel
liburing  library  liburing-dev   liburing-devel
libdw     library  libdw-dev      elfutils-devel
libelf    library  libelf-dev     elfutils-libelf-devel
TABLE
    if [ "$for_tests" = yes ]; then
        echo "c++ command g++ gcc-c++"
        echo "ccache command ccache ccache"
        echo "chromium browser chromium chromium"
        echo "perf command linux-perf perf"
        echo "libunwind library libunwind-dev libunwind-devel" # the judge of stack walks
        # File systems with a quota, and without shared mappings.
        echo "mkfs.btrfs command btrfs-progs btrfs-progs"
        echo "bindfs command bindfs bindfs"
        # Readers of what `rubinprof export` writes.
        echo "callgrind_annotate command valgrind valgrind"
        echo "flamegraph.pl flamegraph libdevel-nytprof-perl flamegraph"
        echo "go command golang-go golang"
        echo "npm command npm nodejs-npm"
        echo "tmux command tmux tmux"
    fi
    if [ "$for_wheels" = yes ]; then
        echo "m4 command m4 m4"
        echo "readelf command binutils binutils"
    fi
    if [ "$for_cross" = yes ]; then
        echo "qemu-aarch64 command qemu-user qemu-user"
    fi
    if [ -n "$python" ]; then
        local name
        name=python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "Python.h python $name-dev $name-devel"
        echo "ensurepip python $name-venv $name-pip"
    fi
}

for_tests=no for_cross=no for_wheels=no python=
while [ $# -gt 0 ]; do
    case $1 in
        --for-tests) for_tests=yes ;;
        --for-cross) for_cross=yes ;;
        --for-wheels) for_wheels=yes ;;
        --python) python=$2; shift ;;
        *) echo "system_deps.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done

python_has() {
    case $1 in
        Python.h) "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ;;
        ensurepip) "$python" -c 'import venv, ensurepip' ;;
    esac
}

have() {
    case $2 in
        command) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ;;
        library) command -v pkg-config >/dev/null && pkg-config --exists "$1" ;;
        python) python_has "$1" ;;
        flamegraph) command -v flamegraph.pl || [ -e /usr/share/perl5/Devel/NYTProf/flamegraph.pl ] ;;
        browser) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
    esac >/dev/null 2>&1
}

# Prints the packages that are still missing, in the words of package manager $1 (apt or dnf).
missing_packages() {
    local what how debian fedora
    needed | while read -r what how debian fedora; do
        if ! have "$what" "$how"; then
            if [ "$1" = dnf ]; then echo "$fedora"; else echo "$debian"; fi
        fi
    done | sort -u | tr '\n' ' '
}

[ "$(uname -s)" = Linux ] || exit 0 # elsewhere only the analyzer is built, and it needs LZ4 and zstd alone

manager=apt
if ! command -v apt-get >/dev/null && command -v dnf >/dev/null; then manager=dnf; fi
packages=$(missing_packages $manager)
[ -n "$packages" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=no; fi
fi
refuse() {
    echo "rubinprof needs these system packages, which could not be installed here: ${packages% } (as root: $1)." >&2
    exit 2
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ $manager = apt ]; then
    by_hand="apt-get install ${packages% }"
    [ "$as_root" != no ] && command -v apt-get >/dev/null || refuse "$by_hand"
    echo "system packages: installing ${packages% }"
    # shellcheck disable=SC2086 # words are wanted
    { $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages; } \
        >"$log" 2>&1 </dev/null || { tail -n 5 "$log" >&2; refuse "$by_hand"; }
else
    by_hand="dnf install ${packages% }"
    [ "$as_root" != no ] || refuse "$by_hand"
    echo "system packages: installing ${packages% }"
    # RHEL and its kin keep some of the -devel packages in the CRB repository.
    # shellcheck disable=SC2086
    { $as_root dnf install -y $packages || $as_root dnf install -y --enablerepo=crb $packages; } \
        >"$log" 2>&1 </dev/null || { tail -n 5 "$log" >&2; refuse "$by_hand"; }
fi
packages=$(missing_packages $manager)
[ -z "$packages" ] || refuse "$by_hand"
