# Sourced by ./hearth and ./test: configures and builds below build/, one at a time, with as many compilers as memory allows.

# A writable place for the compiler cache even where the home directory is read-only or absent.
choose_compiler_cache() {
    [[ -n ${CCACHE_DIR:-} ]] && return
    local usual=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/ccache
    if ! mkdir -p "$usual" 2>/dev/null || [[ ! -w $usual ]]; then
        export CCACHE_DIR=$root/build/ccache
    fi
}

# Two builds at once in one tree would break each other; the second waits for the first. The lock is released with
# release_build_lock or at the end of the process.
take_build_lock() {
    mkdir -p "$root/build" 2>/dev/null && [[ -w $root/build ]] ||
        fail "cannot write to $root/build, where the program is built; make it writable or copy the sources elsewhere"
    exec 9>"$root/build/.lock"
    if ! flock -n 9; then
        say "another build runs in $root/build; waiting for it"
        flock 9
    fi
    choose_compiler_cache
}
release_build_lock() { exec 9>&-; }

# A compiler of these sources takes up to 1.2 GB.
build_jobs() {
    local cores megabytes
    cores=$(nproc)
    megabytes=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
    local jobs=$((${megabytes:-4096} / 1200))
    ((jobs < 1)) && jobs=1
    echo $((jobs < cores ? jobs : cores))
}

# On a terminal the command shows its progress; elsewhere its output goes to a log, of which a failure shows the end.
show_or_log() {
    local log=$1
    shift
    if [[ -t 2 ]]; then
        "$@" >&2 9>&- && return
    else
        "$@" >"$log" 2>&1 9>&- && return
        grep -m 20 -E 'error:|FAILED:|CMake Error' -A 6 "$log" | head -n 60 >&2 || tail -n 30 "$log" >&2
    fi
    return 1
}

# configure PRESET [cmake arguments]
configure() {
    local preset=$1 directory=$root/build/$1
    shift
    # A tree that was moved or copied keeps the old path in its cache, which CMake refuses.
    if [[ -f $directory/CMakeCache.txt ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$directory/CMakeCache.txt"; then
        rm -rf "$directory"
    fi
    # A preset whose compiler changed would keep nothing else of its cache, silently: no sanitizers, say.
    local compiler
    compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$directory/CMakeCache.txt" 2>/dev/null || true)
    if [[ -n $compiler && $preset =~ ^(asan|tsan|fuzz)$ && $compiler != *clang* ]]; then
        rm -rf "$directory"
    fi
    mkdir -p "$directory"
    (cd "$root" && show_or_log "$directory/configure.log" cmake --preset "$preset" "$@") ||
        fail "cannot configure the build in $directory; see the lines above"
}

# build PRESET [targets]
build() {
    local preset=$1 directory=$root/build/$1
    shift
    show_or_log "$directory/build.log" cmake --build "$directory" -j "$(build_jobs)" ${1:+--target "$@"} ||
        fail "the build in $directory failed; see the lines above"
}
