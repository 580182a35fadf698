#!/usr/bin/env bash
# Does a clean clone build and pass its tests on a bare system? Makes a minimal Debian in a folder, clones the committed state
# into it, and runs ./hearth --help and ./test there. Needs root, debootstrap and git.
#   scripts/rehearsal.sh [--suite bookworm] [--folder DIR] [--keep] [--only-hearth] [-- arguments for ./test]
# Mirror, proxy and certificates are those this machine's apt uses. Uncommitted changes do not take part.
set -euo pipefail
root=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
suite=bookworm
folder=
keep=false
only_hearth=false
while (($#)); do
    case $1 in
        --suite) suite=$2 && shift ;;
        --folder) folder=$2 && shift ;;
        --keep) keep=true ;;
        --only-hearth) only_hearth=true ;;
        --) shift && break ;;
        *) echo "rehearsal: unknown argument $1" >&2 && exit 2 ;;
    esac
    shift
done

fail() {
    printf 'rehearsal: %s\n' "$*" >&2
    exit 1
}
((EUID == 0)) || fail "needs root, for debootstrap and chroot"
for program in debootstrap git chroot; do command -v $program >/dev/null || fail "$program is not installed"; done

mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' | awk -v suite="$suite" '$1 == suite {print $2; exit}')
[[ -n $mirror ]] || fail "this machine's apt knows no mirror of $suite; run apt-get update, or choose another --suite"
: "${folder:=$(mktemp -d "${TMPDIR:-/tmp}/hearth-rehearsal.XXXXXX")}"
system=$folder/system
mkdir -p "$system"

clean_up() {
    umount "$system/proc" "$system/dev/shm" "$system/dev/pts" 2>/dev/null || true
    # Never delete through a mount that is still there.
    if ! $keep && ! grep -q " $system/" /proc/mounts; then rm -rf "$system"; fi
}
trap clean_up EXIT

echo "== a minimal $suite in $system"
begin=$SECONDS
if [[ ! -x $system/usr/bin/apt-get ]]; then
    debootstrap --variant=minbase "$suite" "$system" "$mirror" >"$folder/debootstrap.log" 2>&1 ||
        fail "debootstrap failed: $(tail -n 1 "$folder/debootstrap.log")"
fi
echo "   $((SECONDS - begin)) s"

# What lets this machine's apt reach its mirror lets the bare one reach it.
apt-config dump | grep -E '^Acquire::((https?|ftp)::|Check-)' >"$system/etc/apt/apt.conf.d/90rehearsal" || true
cp -L /etc/resolv.conf /etc/hosts "$system/etc/"
if [[ $mirror == https:* ]]; then
    mkdir -p "$system/etc/ssl/certs"
    cp -L /etc/ssl/certs/ca-certificates.crt "$system/etc/ssl/certs/"
fi
mount -t proc proc "$system/proc"
mkdir -p "$system/dev/shm"
mkdir -p "$system/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$system/dev/pts" # terminals for the tests that need one
ln -sfn pts/ptmx "$system/dev/ptmx"
mount -t tmpfs shm "$system/dev/shm"

# A path with a space, as people have them.
place="/home/some one"
rm -rf "$system$place"
mkdir -p "$system$place"
git clone -q --no-local "$root" "$system$place/hearth"
if [[ -d $root/../shared ]]; then cp -rL "$root/../shared" "$system$place/shared"; fi

# inside NAME command...: runs it in the bare system, from the folder above the clone, with a home that cannot be written.
inside() {
    local name=$1 begin=$SECONDS status=0
    shift
    echo "== $name"
    chroot "$system" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/proc/no-home LANG=C.UTF-8 \
        ${CI:+CI="$CI"} /bin/bash -c 'cd "$0" && exec "$@"' "$place" "$@" </dev/null || status=$?
    echo "   exit $status after $((SECONDS - begin)) s"
    return $status
}

failures=0
if inside 'nobody may install: one clear line' setpriv --reuid=65534 --regid=65534 --clear-groups ./hearth/hearth --help; then
    echo "   expected to fail" && failures=$((failures + 1))
fi
inside './hearth --help, nothing preinstalled' ./hearth/hearth --help || failures=$((failures + 1))
inside './hearth --help again' ./hearth/hearth --help >/dev/null || failures=$((failures + 1))
# Twenty starts each way: what does the script add to the program?
if ((failures == 0)); then
    inside 'milliseconds that ./hearth adds (under 100)' bash -c '
        now() { date +%s%N; }
        begin=$(now); for i in {1..20}; do ./hearth/hearth --help >/dev/null; done; middle=$(now)
        for i in {1..20}; do ./hearth/build/release/src/cli/hearth --help >/dev/null; done; end=$(now)
        added=$((((middle - begin) - (end - middle)) / 20000000)); echo "   $added ms"; ((added < 100))' || failures=$((failures + 1))
fi
if ! $only_hearth; then
    inside './test' ./hearth/test "$@" || failures=$((failures + 1))
fi
if ((failures > 0)); then fail "$failures of the steps above failed"; fi
echo "the rehearsal succeeded"
