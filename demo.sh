#!/bin/sh
# The main jobs, start to end. `make demo` runs this; `make demo-paper` runs it with the word "paper".
set -eu
PATH="$(cd "${BIN:-.venv/bin}" && pwd):$PATH"

say() { printf '\n\033[1m%s\033[0m\n' "$1"; }
run() {
    printf '\033[2m$ %s\033[0m\n' "$*"
    "$@"
}

main() {
    rm -rf demo/composed demo/mine demo/mine.onnx demo/more demo/new
    say "1. Name seven recordings: five pieces of music, somebody reading, a whale (examples/CREDITS.md says whose)."
    run earmark classify examples --top 3

    say "2. Teach a model of your own. So that there is something to teach: ten made-up styles, ten tracks each."
    run earmark data synth demo/composed --tracks 10 --seconds 10 --seed 1
    say "It gets to hear four of the ten styles, and is judged by tracks that were kept aside."
    run mkdir -p demo/mine
    run mv demo/composed/bossa demo/composed/gamelan demo/composed/ragtime demo/composed/waltz demo/mine
    run earmark train demo/mine -o demo/mine.onnx

    say "3. New tracks, also of two styles that it has never heard: techno and chiptune."
    run earmark data synth demo/new --tracks 1 --seconds 10 --seed 99
    set -- demo/new/bossa demo/new/gamelan demo/new/ragtime demo/new/waltz demo/new/techno demo/new/chiptune
    run earmark classify "$@" --model demo/mine.onnx

    say "4. It can be sure and wrong about what it was never taught. So teach it ten tracks of chiptune, and ask again."
    run mkdir -p demo/more
    run mv demo/composed/chiptune demo/more
    run earmark train demo/more --add demo/mine.onnx
    run earmark classify "$@" --model demo/mine.onnx

    say "5. Jazz or classical? What in the Dance of the Sugar Plum Fairy spoke for each, to the bundled model."
    run earmark explain examples/sugar-plum-fairy.opus -g jazz -g classical -o demo/why.html
    echo "Open file://$PWD/demo/why.html in a browser: it plays the sound, and shows what spoke for either answer, and against it."

    if [ -n "${MUSIC:-}" ]; then
        say "6. And your own music?"
        run earmark classify "$MUSIC" --top 3
    else
        say "Now your own music:  MUSIC=~/Music make demo   or   ${BIN:-.venv/bin}/earmark classify ~/Music --top 3"
    fi
}

paper() {
    rm -rf demo/paper
    say "1. Compose a corpus: ten made-up styles, twelve tracks each."
    run earmark data synth demo/paper/corpus --tracks 12 --seconds 15 --seed 1

    say "2. Train the paper's LSTM with attention on it, from nothing; a fifth of the tracks is kept aside to judge by."
    run earmark train demo/paper/corpus -o demo/paper/styles.onnx --recipe paper-attention-2x60

    say "3. Let it classify tracks that nobody has heard, and show where it paid attention."
    run earmark data synth demo/paper/new --tracks 1 --seconds 15 --seed 99
    run earmark classify demo/paper/new --model demo/paper/styles.onnx --timeline
}

"${1:-main}"
