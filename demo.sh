#!/bin/sh
# The main job, start to end, with nothing but the earmark command. Run it by `make demo`.
set -eu
earmark="${BIN:-.venv/bin}/earmark"

say() { printf '\n\033[1m%s\033[0m\n' "$1"; }
run() { printf '\033[2m$ earmark %s\033[0m\n' "$*"; "$earmark" "$@"; }

rm -rf demo
say "1. Compose a corpus: ten made-up styles, twelve tracks each."
run data synth demo/corpus --tracks 12 --seconds 15 --seed 1

say "2. Train an LSTM with attention on it; a fifth of the tracks is kept aside to judge by."
run train demo/corpus -o demo/styles.onnx

say "3. Let the new model classify tracks that nobody has heard, and show where it listened."
run data synth demo/new --tracks 1 --seconds 15 --seed 99
run classify demo/new --model demo/styles.onnx --timeline

say "4. The bundled model has learned from real music. What does it make of our composer?"
run classify demo/new --timeline --top 2
run models

if [ -n "${MUSIC:-}" ]; then
    say "5. And of your own music?"
    run classify "$MUSIC"
else
    say "Now your own music:  make demo MUSIC=~/Music   or   $earmark classify ~/Music"
fi
