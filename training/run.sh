#!/usr/bin/env bash
# Makes Ember from nothing: corpus, tokenizer, training, model directory, GGUF file, evaluation. Stopped and started again
# it goes on where it was. Options go to train.py (--tokens N, --processes N; see `training/train.py --help`).
# PYTHON names another python than Debian's, such as one whose torch sees a CUDA device, which is then used.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/packages.sh"
if [[ -z ${PYTHON:-} ]]; then need_packages build train; else need_packages build; fi

work=${EMBER_WORK:-$root/build/ember}
documents=${EMBER_DOCUMENTS:-250000}
python=${PYTHON:-/usr/bin/python3}  # Debian's: the one that its torch belongs to
mkdir -p "$work"
cd "$root/training"
# OpenBLAS knows this kernel by name only, and some machines name an older one for everybody.
grep -q avx512bw /proc/cpuinfo && export OPENBLAS_CORETYPE=SkylakeX

if [[ ! -e $work/heldout.npz ]]; then
    $python corpus/make.py --out "$work/corpus" --documents "$documents"
    $python tokenizer.py train --corpus "$work/corpus" --out "$work/tokenizer"
    for part in train train_long heldout; do
        $python tokenizer.py encode --tokenizer "$work/tokenizer" "$work/corpus/$part.jsonl" "$work/$part.npz"
    done
fi

nice -n 5 $python train.py --data "$work" --out "$work/run" "$@"

$python export.py --checkpoint "$work/run/checkpoint.pt" --tokenizer "$work/tokenizer" --out "$work/Ember" --dtype BF16
hearth=${HEARTH:-$root/build/release/src/cli/hearth}
if [[ -x $hearth ]]; then
    "$hearth" convert "$work/Ember" "$work/ember.gguf" --type q8_0
else
    echo "$hearth is not there: build hearth, then 'hearth convert $work/Ember $work/ember.gguf --type q8_0'" >&2
fi
$python evaluate.py --checkpoint "$work/run/checkpoint.pt" --heldout "$work/heldout.npz" | tee "$work/evaluation.md"
