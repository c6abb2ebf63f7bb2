#!/bin/sh
# The main jobs, start to end. `make demo` runs this; `make demo-paper` runs it with the word "paper".
set -eu
PATH="$(cd "${BIN:-.venv/bin}" && pwd):$PATH"

say() { printf '\n\033[1m%s\033[0m\n' "$(echo "$1" | fold -s -w 80)"; }
run() {
    printf '\033[2m$ %s\033[0m\n' "$1"
    eval "$1"
}

main() {
    if [ -n "${MUSIC:-}" ] && [ ! -e "$MUSIC" ]; then
        echo "MUSIC=$MUSIC: no such file or folder" >&2
        exit 2
    fi
    mkdir -p demo
    rm -f demo/mine.onnx demo/why.html
    say "1. Name seven recordings: five of music, a reading, a whale. Their makers are named in examples/CREDITS.md."
    run "earmark classify examples/*.opus --top 3"

    say "2. Two answers are wrong: the Sugar Plum Fairy is ballet, and Vibe Ace is not reggae. Ask why."
    run "earmark explain examples/sugar-plum-fairy.opus -o demo/why.html"

    say "3. You know better. Teach it words of your own: each folder's name is one, with excerpts of ten seconds in it."
    run "earmark train examples/lessons -o demo/mine.onnx"
    say "Ask again. The excerpts are other parts of two of these recordings. What it was not taught gets the nearest word, or none."
    run "earmark classify examples/*.opus --model demo/mine.onnx"

    say "4. Let's Go Fishin' is neither ballet nor lounge. Add a third word, with four excerpts of that song, and ask again."
    run "earmark train examples/more-lessons --add demo/mine.onnx"
    run "earmark classify examples/lets-go-fishin.opus --model demo/mine.onnx"

    say "5. Follow two minutes of radio in your words: a reader, Brahms from 0:15, a whale from 0:40, the fairy from 1:00, the song from 1:24, a reader from 1:49."
    run "earmark listen examples/programme.ogg --segments --memory 2 -m demo/mine.onnx"

    say "See and hear why it said jazz in step 2. Open this page in a browser; it plays the music:"
    echo "file://$PWD/demo/why.html"
    if [ -n "${MUSIC:-}" ]; then
        say "6. And your own music?"
        run 'earmark classify "$MUSIC" --top 3'
    else
        say "Now your own music:"
        echo "${BIN:-.venv/bin}/earmark classify ~/Music --top 3"
        echo "${BIN:-.venv/bin}/earmark train ~/Music/by-genre -o mine.onnx    # one folder a genre"
    fi
}

paper() {
    rm -rf demo/paper
    say "1. Compose a corpus: ten made-up styles, twelve tracks each."
    run "earmark data synth demo/paper/corpus --tracks 12 --seconds 15 --seed 1"

    say "2. Train the paper's LSTM with attention on it, from random weights. A fifth of the tracks is kept aside to judge it."
    run "earmark train demo/paper/corpus -o demo/paper/styles.onnx --recipe paper-attention-2x60"

    say "3. Classify tracks that it has not met, and show where it paid attention."
    run "earmark data synth demo/paper/new --tracks 1 --seconds 15 --seed 99"
    run "earmark classify demo/paper/new --model demo/paper/styles.onnx --timeline"
}

"${1:-main}"
