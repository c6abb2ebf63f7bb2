"""The page of an explanation, in a real browser: it plays, follows, seeks, fits, and asks nobody for anything."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest
from support.pages import watch

from earmark.data.synth import compose
from earmark.explanation.explainer import Explainer

WICKED = "</script><script>alert(1)</script> & {{data}}.mp3"


@pytest.fixture(scope="module")
def explanation():
    sound = np.concatenate([compose(style, np.random.default_rng(0), seconds=10) for style in ("carillon", "ragtime")])
    return Explainer("paper-attention-2x60").explain((sound, 22050))


@pytest.fixture(scope="module")
def path(explanation, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(explanation.to_html(["jazz", "classical"], WICKED), encoding="utf-8")
    return path


@pytest.fixture
def page(open_page, path):
    return open_page(path)


def ink(page, canvas):
    """How many different colours a canvas shows."""
    return page.evaluate(f"""(() => {{
        const c = document.getElementById("{canvas}");
        const all = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, seen = new Set();
        for (let i = 0; i < all.length; i += 4) seen.add((all[i] << 16) | (all[i + 1] << 8) | all[i + 2]);
        return seen.size;
    }})()""")


def cursor(page):
    """Where the cursor stands: seconds, of what the axis shows."""
    return page.evaluate("""(() => {
        const box = document.getElementById("cursor").getBoundingClientRect();
        return time(box.left + box.width / 2 - stack.getBoundingClientRect().left);
    })()""")


def point(page, canvas, seconds):
    """Window coordinates of a moment in the middle of a row."""
    return page.evaluate(f"""(() => {{
        const box = document.getElementById("{canvas}").getBoundingClientRect(), left = gutter();
        const x = left + (({seconds} - state.from) / (state.to - state.from)) * (box.width - left);
        return [box.left + x, box.top + box.height / 2];
    }})()""")


def test_the_page_holds_everything_and_names_the_only_script_that_may_run(path):
    text = path.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    for loose in ("unsafe", "http", "*"):
        assert loose not in policy
    without_names = text.replace("http://www.w3.org/2000/svg", "")
    assert "://" not in without_names and " src=" not in without_names and " href=" not in without_names
    assert path.stat().st_size < 600_000
    assert text.count("<script") == 3  # a wicked title adds none


@pytest.mark.parametrize("dark", [False, True])
def test_without_a_genre_it_tells_what_won(open_page, explanation, tmp_path, dark):
    best, second = explanation.pair
    assert [best, second] == list(explanation.verdict.genres)[:2]
    (tmp_path / "page.html").write_text(explanation.to_html(), encoding="utf-8")
    page = open_page(tmp_path / "page.html", dark=dark)
    assert page.evaluate("$('question').textContent").startswith(
        f"Why {best}, and not {second}? Blue speaks for {best}"
    )
    assert page.evaluate("document.querySelector('.genre input:checked').value") == f"{best}, not {second}"
    # the last map is the pair's
    column, band = np.unravel_index(np.nanargmax(explanation.contrast), explanation.contrast.shape)
    at, f = (column + 0.5) * explanation.cell_seconds, int(explanation.bands[band])
    assert page.evaluate(f"cell({at}, {f})") == pytest.approx(explanation.contrast[column, band], rel=0.1)
    page.evaluate(f"tell({at}, {f})")
    assert f"bits for {best}, not {second}" in page.evaluate("$('readout').textContent")
    page.evaluate(f"choose('{second}')")
    assert page.evaluate("$('question').textContent") == f"Why not {second}? What speaks for it or against it (Hz)"
    assert page.evaluate(f"cell({at}, {f})") == pytest.approx(explanation.of(second)[column, band], abs=0.05)


def test_a_genre_in_another_spelling_is_the_models(explanation):
    genre = explanation.genres[1]
    assert explanation.to_html([genre.upper()]) == explanation.to_html([genre])


def test_where_no_region_decides_the_page_says_so(explanation):
    best, second = explanation.pair
    said = f"the regions speak more for {second} than for {best}"
    for sign in (1, -1):
        changed = replace(explanation, contrast=sign * np.abs(explanation.contrast))
        assert (said in changed.to_html()) == (sign < 0)


def test_every_row_is_drawn(page):
    page.wait_for_function("() => player.readyState >= 4")
    assert page.evaluate("player.duration") == pytest.approx(20, abs=0.05)
    for canvas, colours in (("spectrogram", 200), ("map", 200), ("probability", 10), ("attention", 3), ("waveform", 2)):
        assert ink(page, canvas) >= colours, canvas
    assert page.evaluate("document.querySelector('.title').textContent") == WICKED
    assert page.evaluate("document.title").endswith(WICKED)
    names = page.evaluate("[...document.querySelectorAll('.genre')].map((l) => l.querySelector('input').value)")
    assert names[1:3] == ["jazz", "classical"] and len(names) == 11
    assert page.evaluate("state.genre") == "jazz"


def test_the_cursor_follows_the_sound(page):
    page.wait_for_function("() => player.readyState >= 4")
    assert cursor(page) == pytest.approx(0, abs=0.05)
    page.evaluate("player.play()")
    page.wait_for_function("() => player.currentTime > 0.7")
    for _ in range(5):
        time.sleep(0.05)
        # asked of one frame: the cursor is drawn before the question is answered
        said, drawn = page.evaluate("""new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
            const box = document.getElementById("cursor").getBoundingClientRect();
            const at = time(box.left + box.width / 2 - stack.getBoundingClientRect().left);
            done([player.currentTime, at]);
        })))""")
        assert drawn == pytest.approx(said, abs=0.1)
    page.evaluate("window.ticks = 0; const real = follow; follow = () => { ticks++; real(); }")
    frames = page.evaluate("""new Promise((done) => {
        let frames = 0;
        const count = () => (++frames < 30 ? requestAnimationFrame(count) : done(frames));
        requestAnimationFrame(count);
    })""")
    assert page.evaluate("ticks") <= frames + 2  # one loop, however long it plays
    page.evaluate("player.pause()")
    said, at = page.evaluate("[$('readout').textContent, clock(state.at, 1)]")
    assert said.startswith(at)


def test_click_and_drag_seek_in_every_row(page):
    page.wait_for_function("() => player.readyState >= 4")
    for canvas, seconds in (("waveform", 3), ("spectrogram", 6.5), ("map", 17), ("probability", 11), ("attention", 2)):
        page.mouse.click(*point(page, canvas, seconds))
        page.wait_for_function("() => !player.seeking")
        assert page.evaluate("player.currentTime") == pytest.approx(seconds, abs=0.05)
        assert cursor(page) == pytest.approx(seconds, abs=0.05)
    page.mouse.move(*point(page, "map", 4))
    page.mouse.down()
    page.mouse.move(*point(page, "map", 9))
    page.mouse.up()
    page.wait_for_function("() => !player.seeking")
    assert page.evaluate("player.currentTime") == pytest.approx(9, abs=0.05)


def test_what_is_heard_stands_where_the_axis_says(page):
    """The second piece begins at 10 s: the sound that plays after a click there is that piece's."""
    page.wait_for_function("() => player.readyState >= 4")
    heard = page.evaluate("""(async () => {
        const context = new OfflineAudioContext(1, 44100, 44100);
        const sound = await context.decodeAudioData(bytes($("sound").textContent).buffer);
        const all = sound.getChannelData(0), width = Math.round(data.envelopeSeconds * 44100), out = [];
        for (let i = 0; i + width <= all.length; i += width) {
            out.push(all.subarray(i, i + width).reduce((a, v) => Math.max(a, v), 0));
        }
        return out;
    })()""")
    drawn = page.evaluate("Array.from(envelope).filter((v, i) => i % 2).map((v) => v / 127)")
    length = min(len(heard), len(drawn)) - 10
    fit = [np.corrcoef(heard[5 + lag : length + lag], drawn[5:length])[0, 1] for lag in range(-5, 6)]
    assert int(np.argmax(fit)) - 5 == 0 and max(fit) > 0.9  # to a fiftieth of a second


def test_keys(page):
    page.wait_for_function("() => player.readyState >= 4")
    page.evaluate("stack.focus()")
    for key, seconds in (("Shift+ArrowRight", 5), ("ArrowRight", 6), ("ArrowLeft", 5), ("End", 20), ("Home", 0)):
        page.keyboard.press(key)
        page.wait_for_function("() => !player.seeking")
        assert page.evaluate("player.currentTime") == pytest.approx(seconds, abs=0.05)
    page.keyboard.press("Space")
    page.wait_for_function("() => !player.paused && player.currentTime > 0.1")
    page.keyboard.press("Space")
    assert page.evaluate("player.paused")
    page.keyboard.press("+")
    assert page.evaluate("state.to - state.from") == pytest.approx(10, abs=0.01)
    page.keyboard.press("End")
    assert page.evaluate("[state.from, state.to]") == pytest.approx([10, 20], abs=0.01)  # what is played is seen
    page.evaluate("stack.dispatchEvent(new WheelEvent('wheel', {deltaX: -stack.clientWidth / 2, cancelable: true}))")
    assert page.evaluate("[state.from, state.to]") == pytest.approx([5, 15], abs=0.01)
    page.keyboard.press("-")
    assert page.evaluate("state.to - state.from") == pytest.approx(20, abs=0.01)


def test_why_not_another_genre(page, explanation):
    page.wait_for_function("() => player.readyState >= 4")
    assert "jazz?" in page.evaluate("$('question').textContent")
    before = page.evaluate("$('map').toDataURL()")
    page.evaluate("document.querySelector('input[value=metal]').click()")
    assert page.evaluate("$('question').textContent").startswith("Why not metal?")
    assert page.evaluate("$('map').toDataURL()") != before
    page.mouse.move(*point(page, "map", 7.0))
    said = page.evaluate("$('readout').textContent")
    said = said.replace("\N{MINUS SIGN}", "-")
    (bits,) = re.search(r"([-+]\d+\.\d) bits for metal", said).groups()
    middle = explanation.of("metal")[int(7.0 / explanation.cell_seconds), 7:9]
    assert min(abs(middle - float(bits))) < 0.06
    assert "Hz, -" in said and said.startswith("0:07.0")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_of_it(open_page, path, dark):
    page = open_page(path, width=360, height=740, dark=dark)
    page.wait_for_function("() => player.readyState >= 4")
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    out = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > 361).length"
    )
    assert out == 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 150) == dark
    page.evaluate("player.scrollIntoView()")
    page.mouse.click(*point(page, "waveform", 12))
    page.wait_for_function("() => !player.seeking")
    assert page.evaluate("player.currentTime") == pytest.approx(12, abs=0.1)


def test_words_are_readable_in_both_schemes(open_page, path):
    """WCAG 2's contrast: 4.5 for words, 3 for lines."""
    for dark in (False, True):
        page = open_page(path, dark=dark)
        for names, least in ((("ink", "quiet"), 4.5), ([f"line-{i}" for i in range(7)], 3)):
            for name in names:
                for ground in ("paper", "panel"):
                    seen = page.evaluate(f"[colour('{name}'), colour('{ground}')]")
                    assert contrast(*seen) >= least, (name, ground, dark)


def contrast(*colours):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted(map(light, colours))
    return (high + 0.05) / (low + 0.05)


def test_a_wicked_genre_stays_a_word(open_page, explanation, tmp_path):
    def renamed(genre):
        return WICKED if genre == "jazz" else genre

    verdict = replace(explanation.verdict, genres={renamed(g): p for g, p in explanation.verdict.genres.items()})
    other = replace(explanation, labels=tuple(map(renamed, explanation.labels)), verdict=verdict)
    (tmp_path / "page.html").write_text(other.to_html([WICKED]), encoding="utf-8")
    page = open_page(tmp_path / "page.html")
    assert page.evaluate("$('question').textContent").count(WICKED) == 1
    assert page.evaluate("document.querySelectorAll('script').length") == 3
    assert page.evaluate("document.querySelectorAll('.genre').length") == 11


@pytest.mark.parametrize("seconds", [0.01, 6])
def test_silence_has_a_page(open_page, tmp_path, seconds):
    silence = Explainer("paper-attention-2x60").explain((np.zeros(round(seconds * 22050)), 22050))
    (tmp_path / "page.html").write_text(silence.to_html(), encoding="utf-8")
    page = open_page(tmp_path / "page.html")
    assert page.evaluate("document.querySelector('h1').textContent").startswith("unknown (")
    assert page.evaluate("document.querySelectorAll('.genre').length") == 10
    page.evaluate("seek(0.005)")
    assert page.evaluate("$('readout').textContent") == "0:00.0 · silence"


@pytest.mark.parametrize(
    "changes",
    [
        {"sound": None},
        {"relevance": None, "contrast": None, "method": None},
        {"attention": None},
        {"start": 3725.0, "whole": 4000.0},
    ],
)
def test_what_is_not_there_is_not_shown(open_page, explanation, tmp_path, changes):
    path = tmp_path / "page.html"
    path.write_text(replace(explanation, **changes).to_html(), encoding="utf-8")
    page = open_page(path)
    hidden = page.evaluate("['player', 'regions', 'attending'].map((id) => $(id).hidden)")
    assert hidden == ["sound" in changes, "relevance" in changes, "attention" in changes]
    page.evaluate("stack.focus()")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("state.at") == pytest.approx(1, abs=0.01)
    note = page.evaluate("document.querySelector('.note')?.textContent || ''")
    assert note == ("Only a part is explained, and named: 62:05 to 62:25 of 66:40." if "start" in changes else "")


def test_the_browser_tells_of_errors_and_requests(chromium, tmp_path):
    """What every other test of a page relies on."""
    path, image = tmp_path / "bad.html", "http://127.0.0.1:9/x.png"
    path.write_text(f"<img src='{image}'><script>console.warn('careful'); throw new Error('thrown')</script>")
    page = chromium.new_page()
    errors, requests = watch(page)
    page.goto(path.as_uri())
    page.close()
    assert requests == [path.as_uri(), image]
    assert {"careful", "thrown"} <= set(errors) and len(errors) == 3  # and that the image did not come
