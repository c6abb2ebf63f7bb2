"""Ten styles, each a function that writes a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from earmark.data.synth import instruments as band
from earmark.data.synth.score import DORIAN, MAJOR, MINOR, PELOG, SLENDRO, Scale, Score, Style

BOOK: dict[str, Style] = {}
Writer = Callable[[Score], None]


def _style(
    low: float, high: float, modes: dict[Scale, str], beats: int = 4, **feel: float
) -> Callable[[Writer], Writer]:
    """Enter the decorated function in the book of styles, under its name; `low` and `high` bound the BPM."""

    def enter(write: Writer) -> Writer:
        BOOK[write.__name__.lstrip("_")] = Style(write, (low, high), modes, beats, **feel)
        return write

    return enter


_WASHES = {
    MAJOR: "Cmaj9 Am9 Fmaj9 Gsus | Fmaj9 Cmaj7 Dm9 Am7 | Am9 Fmaj9 Cmaj9 Gsus",
    DORIAN: "Cm9 F9 Cm9 Bbmaj7 | Ebmaj9 Bb Cm9 Gm7 | Cm9 Gm7 Ebmaj7 F9",
}


@_style(50, 66, _WASHES, room=0.8, feel=0.02)
def _ambient(score: Score) -> None:
    """Write slow washes of wide chords over a drone, and single drops of glass."""
    score.play(score.pick(band.PAD, band.CHOIR, band.STRINGS), "x", low=score.pick(50, 53, 55), level=0.3)
    score.play(score.pick(band.SUB, band.PAD), "0", low=36, level=0.4)
    score.play(band.PAD, ".x", low=67, level=0.12, presence=0.6)
    drops = score.pick(band.GLASS, band.FLUTE, band.BELL)
    score.sing(drops, "x-..x--- ..x---x- x---..x- x", low=67, level=0.4, echo=0.5)
    score.play(band.GLASS, "..0.2.4. ....3.1.", low=72, level=0.2, presence=0.5, echo=0.5)


_SEVENTHS = {
    MAJOR: "Cmaj9 Cmaj7 Dm9 G9 | Cmaj7 A7 Dm9 G9 | Fmaj7 Fm6 Em7 A7 | Dm9 G9 Cmaj9 Cmaj7",
    MINOR: "Cm9 Cm6 Fm7 G7 | Abmaj7 G7 Cm9 Cm7 | Fm7 Bb9 Ebmaj7 G7",
}


@_style(120, 146, _SEVENTHS)
def _bossa(score: Score) -> None:
    """Write guitar chords around the clave, root and fifth in the bass, and a soft tune."""
    chops = score.pick("x-.x-.x- .x-.x-x.", "x-.xx-.x x..x-x..", "x-.x-.x- x-.xx-.x")
    score.play(score.pick(band.GUITAR, band.PIANO), chops, low=score.pick(50, 53), level=0.35)
    score.play(band.BASS, score.pick("0--02--0 0--02--2", "0--02--0 0--22-2-", "0--0 0--2"), low=36, level=0.8)
    score.play(band.RIM, score.pick("x..x..x. ..x..x..", "..x.x... x..x..x."), level=0.5)
    score.play(band.SHAKER, score.ghosts(score.pick("XoxoXoxo", "oXooxXoo", "x.x.x.x."), 0.3), level=0.6)
    score.play(band.BOOM, score.pick("ox", "o..xo..x", "o..ox..o"), level=0.3, presence=0.8)
    lead, rhythms = score.pick(band.FLUTE, band.CLARINET, band.GUITAR), "x--x--x- .x-x-x-- x-xx-x-- .x-xx-x- x"
    score.sing(lead, rhythms, low=score.pick(64, 67), presence=0.8)


@_style(160, 178, {MINOR: "Cm9 Cm9 Abmaj7 Bb | Cm7 Ebmaj7 Fm9 Gm7 | Abmaj9 Gm7 Cm9 Cm9"}, swing=0.2, feel=0.002)
def _breakbeat(score: Score) -> None:
    """Write a chopped drum break at double speed over a slow, deep bass."""
    kick = score.pick("x.x.......xx....", "x.....x...x.....", "x..x......x..x..")
    snare = score.pick("....x..o.o..x..o", ".x.x", "....x..x.o..x.o.", "....x.....x...x.")
    fill = score.pick("....x..x..x.x.xx", "x.xxx.x.xxx.xxxx", "....x.......xxxx")
    score.play(band.KICK, f"{kick} {kick} {kick} x.x.......x..x..", level=1.1)
    score.play(band.SNARE, f"{score.ghosts(snare, 0.1)} {snare} {score.ghosts(snare, 0.1)} {fill}", level=0.8)
    score.play(band.HAT, score.ghosts("x.x.x.x.x.x.x.x.", 0.3), level=0.4)
    score.play(band.OPEN_HAT, ".......x .", level=0.3)
    bass = score.pick("0-----2-", "0--..0-3", "0-0----.....0-3-", "0-------0---1---")
    score.play(score.pick(band.REESE, band.SUB), f"{bass} {score.pick(bass, '0')}", low=31, level=0.9)
    score.play(band.PAD, "x", low=57, level=0.16, presence=0.7)
    score.play(band.STAB, score.pick("...x............ .", "x.....x......... ."), level=0.2, presence=0.7, echo=0.5)
    score.sing(score.pick(band.GLASS, band.SQUARE), "x-..x-....x-.... x--..x-. .", low=69, level=0.2, presence=0.5)


_HYMNS = {
    MAJOR: "C G Am F | F C G C | C F Dm G | Am Em F G | C Am F G",
    MINOR: "Cm Gm Ab Bb | Fm Cm G Cm | Cm Bb Ab G",
}


@_style(66, 92, _HYMNS, room=0.5, feel=0.012)
def _carillon(score: Score) -> None:
    """Write for a tower of bells: a hymn tune, great bells below it, and peals that run down."""
    score.sing(band.BELL, "xxxx x--xx-x- x-xxx--- xx-x x-xxx-x- xx", low=67, level=0.7)
    score.play(band.BELL, f"0 {score.pick('02', '0', '0..2')}", low=48, level=0.7)
    inner = score.pick(".012.012", "02120212", "..12", ".2.1.2.1", "..0121..")
    score.play(band.BELL, inner, low=60, level=0.35, presence=0.8)
    peal = score.pick("76543210", "..654321", "45342312", "7654321076543210")
    score.play(band.BELL, f". {score.pick('.', peal)} . {peal}", low=72, level=0.4, presence=0.8)


_CARTRIDGES = {
    MAJOR: "C G Am F | F G Em Am | C Bb F C | Am F C G",
    MINOR: "Cm Ab Bb Cm | Cm Bb Ab G | Fm Cm Ab Bb | Ab Bb Cm Cm",
}


@_style(132, 168, _CARTRIDGES, room=0.03, feel=0.0)
def _chiptune(score: Score) -> None:
    """Write for a sound chip's voices and its noise: racing arpeggios, leaping bass, square tune."""
    run = score.pick("0120", "0123", "0213", "0012", "3210") * 4
    score.play(band.PULSE, run, low=60, level=0.3, presence=0.9)
    bass = score.pick("03030303", "00300032", "0-..0-3-0-..3-2-", "0-003-000-003-20")
    score.play(score.pick(band.TRIANGLE, band.SQUARE), bass, low=36, level=0.7)
    rhythms = "xxx-xxx- x--x--x-x---x-x- xxx-x-x-x---x--- x-------x---x-x- x--xx---"
    score.sing(score.pick(band.SQUARE, band.PULSE), rhythms, low=69, presence=0.9, echo=0.3)
    score.play(band.KICK, score.pick("xxxx", "x..xx...", "x..x..x.x..x...."), level=0.6)
    fill = score.pick("....x.....x.x.xx", "x.x.x.x.xxxxxxxx", "..x...x...x.xxxx")
    score.play(band.NOISE, f".x.x .x.x .x.x {fill}", level=0.4)
    score.play(replace(band.NOISE, hiss=0.012), score.pick("xxxxxxxx", "xoxoxoxoxoxoxoxo", ".x.x.x.x"), level=0.3)


@_style(58, 80, {PELOG: "Cpelog " * 4, SLENDRO: "Cslendro " * 4}, room=0.35, feel=0.012)
def _gamelan(score: Score) -> None:
    """Write for bronze in a tuning of its own: gongs mark the cycle, slow tunes, parts that interlock."""
    score.tuning = score.rng.uniform(-0.35, 0.35, 12)
    score.play(band.GONG, "0 . . .", low=34, level=1.0)
    score.play(band.GONG, score.pick("..2. ..1.", ".2.1", "..1. 0.3."), low=46, level=0.4)
    score.sing(band.SARON, "xxxx x-xx xxx- xxxx xx-x", low=60, level=0.6)
    score.sing(replace(band.SARON, ring=1.5), "xx x xx xx", low=48, level=0.4)
    first, second = score.pick(
        ("0.10.10.10.10.10", ".2.32.3.2.32.3.2"),
        ("1.21.2.11.21.2.1", ".3.34.4..3.34.4."),
        ("01010101", ".2.3.2.3"),
    )
    score.play(band.BONANG, f"{first} {first[::-1]}", low=72, level=0.35)
    score.play(band.BONANG, f"{second} {second[::-1]}", low=72, level=0.35, presence=0.8)
    score.play(band.RIM, "xxxx", level=0.15)
    score.play(band.TOM, score.ghosts(score.pick("x..xx..x", "....x..x....x.x."), 0.15), level=0.35, presence=0.8)


@_style(108, 124, {MAJOR: "C C G7 G7 | C F G7 C | F C G7 C | C A7 D7 G7 | Am Em D7 G7"}, room=0.3, feel=0.008)
def _march(score: Score) -> None:
    """Write for a parade band: tuba and drum on the beat, horns off it, snare rolls, brass tune, piccolo."""
    score.play(band.TUBA, f"0.2.0.2. 0.2.0.2. 0.2.0.2. {score.pick('0.2.0.2.', '0.0.1.2.')}", low=36, level=0.8)
    score.play(band.BRASS, ".x.x.x.x", low=55, level=0.2)
    score.play(band.BOOM, score.pick("xxxx", "XoXo", "xxx."), level=0.9)
    taps = score.pick("x..xx.x.x..xx.x.", "x.xxx.x.x.xxx.x.", "x.x.x.xxx.x.x.xx", ".x.x.x.x")
    roll = score.pick("x.x.x.x.x.x.xxxxxxxxxxxxxxxxxxxx", "x.x.xxxxx.x.xxxxx.x.xxxxxxxxxxxx")
    score.play(band.SNARE, f"{taps} {taps} {taps} {roll}", level=0.5)
    score.play(band.CRASH, score.pick("x... . . .", "x... . x... ."), level=0.35)
    rhythms = "x---x--xx---x--- xx-xx-x- xx-x x--xx--xx---x--- x---x---x--xx--- x-xxx-xx x-x."
    score.sing(band.BRASS, rhythms, low=score.pick(60, 63), level=0.6)
    score.sing(score.pick(band.PICCOLO, band.CLARINET), rhythms, low=77, level=0.2, presence=0.6)


_RAGS = {MAJOR: "C A7 D7 G7 | C E7 F G7 | F Cdim C A7 | D7 G7 C C | C G7 C G7 | Am E7 D7 G7"}


@_style(84, 106, _RAGS, beats=2, swing=0.15, room=0.12, feel=0.008)
def _ragtime(score: Score) -> None:
    """Write a striding left hand and a right hand against the beat, for a piano that wants tuning."""
    piano = score.pick(band.HONKY_TONK, band.PIANO)
    score.play(piano, f"0-..2-.. 0-..2-.. 0-..2-.. {score.pick('0.2.', '0210')}", low=36, level=0.7)
    score.play(piano, ".x.x", low=52, level=0.3)
    rhythms = f"xx-xx-x- x-xx-xx- .x-xx-x- x-x-xx-x xx-x.xx- xxxxx-x- {score.pick('x--xx---', 'xxx.')}"
    score.sing(piano, rhythms, low=score.pick(64, 67, 70), octave=score.pick(0.0, 0.6), level=0.6)


_LOOPS = {MINOR: "Cm Cm Cm Cm | Cm7 Cm7 Abmaj7 Bb | Cm9 Cm9 Fm9 Fm9 | Cm Eb Cm Bb"}


@_style(124, 138, _LOOPS, swing=0.2, feel=0.0)
def _techno(score: Score) -> None:
    """Write four on the floor, hats off the beat, a bass riff without end and stabs that echo."""
    score.play(band.KICK, f"xxxx xxxx xxxx {score.pick('xxxx', 'x.x.x.xx', 'x...x...x...xxxx')}", level=1.3)
    score.play(band.OPEN_HAT, ".x.x.x.x", level=0.6)
    score.play(band.HAT, score.ghosts("x.x.x.x.x.x.x.x.", 0.4), level=0.45, presence=0.8)
    score.play(band.CLAP, ".x.x", level=0.4, presence=0.7)
    riff = "0" + "".join(score.pick(*"000122334-....") for _ in range(15))
    score.play(score.pick(band.ACID, band.REESE), riff, low=33, level=0.8)
    stab = score.pick("..x..x....x.....", "...x..x.........", "x..x..x.........")
    score.play(band.STAB, f"{stab} {score.pick(stab, '.')}", level=0.25, presence=0.8, echo=0.45)
    score.play(band.PAD, "x", low=55, level=0.12, presence=0.4)
    score.play(band.TOM, score.ghosts("................", 0.2), level=0.4, presence=0.5)


_DANCES = {
    MAJOR: "C C G7 G7 | G7 G7 C C | F C G7 C | C A7 Dm G7 | C Am Dm G7",
    MINOR: "Cm Cm G7 G7 | Fm Cm G7 Cm | Cm Ab Fm G7 | Eb Bb G7 Cm",
}


@_style(156, 190, _DANCES, beats=3, room=0.4, feel=0.01)
def _waltz(score: Score) -> None:
    """Write one in the bass, two and three above it, and strings or an accordion that sing and turn."""
    score.play(score.pick(band.BASS, band.TUBA), "0.. 2..", low=36, level=0.8)
    score.play(
        score.pick(band.STRINGS, band.ACCORDION, band.PIANO), score.pick("..x.x.", ".xx", "..x-x."), low=55, level=0.35
    )
    lead = score.pick(band.STRINGS, band.ACCORDION, band.CLARINET)
    score.sing(lead, "x-x xxx x--xx- x-xxxx x x-.", low=67, level=0.6)
    score.sing(score.pick(band.FLUTE, band.STRINGS), "x x-x x", low=74, level=0.25, presence=0.5)
    score.play(band.STRINGS, "x", low=60, level=0.15, presence=0.6)


STYLES: tuple[str, ...] = tuple(sorted(BOOK))
TEMPI: Mapping[str, tuple[float, float]] = {name: BOOK[name].tempo for name in STYLES}
