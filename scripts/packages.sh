# Sourced by ./hearth and ./test: installs the packages of scripts/packages.txt that are missing, and says so on stderr.

say() { printf 'hearth: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# The first of `a|b` that apt can install; the first at all when apt knows none (its own message then names it).
choose_package() {
    local name
    for name in ${1//|/ }; do
        if apt-cache policy "$name" 2>/dev/null | grep -q '^  Candidate: [^(]'; then
            printf '%s\n' "$name"
            return
        fi
    done
    printf '%s\n' "${1%%|*}"
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif [[ -t 2 ]]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# need_packages GROUP...: after it returns, every package of these groups is installed.
need_packages() {
    local groups=" $* " group package purpose installed
    local -a missing=() reasons=() names=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        # Other systems bring the same parts under other names; the build says which one it does not find.
        command -v cmake >/dev/null && command -v ninja >/dev/null && return
        fail "this system has no apt; install a C++23 compiler (GCC 12 or newer), cmake 3.25, ninja, fmt, CLI11 and Boost 1.81, then start again"
    fi
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
    while read -r group package purpose; do
        [[ $groups == *" $group "* ]] || continue
        grep -qxE -- "${package//+/\\+}" <<<"$installed" && continue
        missing+=("$package")
        reasons+=("${package%%|*} ($purpose)")
    done < <(grep '^[a-z]' "$root/scripts/packages.txt")
    ((${#missing[@]} == 0)) && return

    local list
    printf -v list '%s, ' "${reasons[@]}"
    say "installing ${list%, }"
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        fail "packages can only be installed by root, and there is no sudo; run as root: apt-get install ${missing[*]%%|*}"
    fi
    local log
    log=$(mktemp)
    if ! as_root apt-get update -q >"$log" 2>&1 </dev/null; then
        # Stale lists may still do: a machine behind a closed network has what it needs in its cache.
        say "apt-get update failed ($(grep -m 1 '^E:' "$log" || tail -n 1 "$log")); going on with the lists at hand"
    fi
    for package in "${missing[@]}"; do names+=("$(choose_package "$package")"); done
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${names[@]}" >"$log" 2>&1 </dev/null; then
        local reason
        reason=$(grep -m 1 -E '^(E:|sudo:)' "$log" || tail -n 1 "$log")
        rm -f "$log"
        fail "cannot install ${names[*]}: $reason"
    fi
    rm -f "$log"
}
