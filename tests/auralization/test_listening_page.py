"""The page to listen through: what is on it, and how it behaves in a browser."""

import base64
import io
import re
from html.parser import HTMLParser

import av
import numpy as np
import pytest

from earmark.audio.encode import write_wav
from earmark.auralization.listening_page import Entry, draw_spectrogram, write_listening_page
from earmark.errors import AudioError, SettingError

SOUNDS = ("jazz.wav", "a b/100% #1.wav", "off.wav")
NASTY = "rock & roll </script><script>document.title='taken'</script> \"'{{ 7 * 7 }}"


class Elements(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.fixture(scope="module")
def page(tmp_path_factory, tone):
    """Three sounds of two seconds, one in a folder with a name to be escaped, one silent."""
    root = tmp_path_factory.mktemp("page")
    for name, sound in (("jazz", tone(440, 2, 16000)), ("a b/100% #1", tone(2000, 2, 16000)), ("off", np.zeros(32000))):
        write_wav(root / f"{name}.wav", sound, 16000)
    entries = [
        Entry("jazz", root / "jazz.wav", {"blues": 0.2, "pop": 0.05, "rock": 0.04, "jazz": 0.01}, "jazz", {"seed": 3}),
        Entry(
            NASTY, root / "a b" / "100% #1.wav", {NASTY: 0.9}, parts=[{"track": NASTY, "start": 0.5, "artist": None}]
        ),
        Entry("silence", root / "off.wav", highest=2000.0),
    ]
    return write_listening_page(entries, root / "index.html", title=f"All {NASTY}", notes=["Licence: " + NASTY])


def pixels(png):
    with av.open(io.BytesIO(png)) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24")


def test_every_sound_has_its_row(page):
    text = page.read_text(encoding="utf-8")
    elements = Elements(text).found
    sources = [a["src"] for tag, a in elements if tag == "audio"]
    assert sources == ["jazz.wav", "a%20b/100%25%20%231.wav", "off.wav"]
    assert all("controls" in a for tag, a in elements if tag == "audio")
    bars = re.findall(r"<dt>(\w+)</dt>\s*<dd>.*?</span> (\d+) %", text)
    assert bars == [("blues", "20"), ("pop", "5"), ("rock", "4"), ("jazz", "1")]  # the wanted one in any case
    assert text.count('class="wanted"') == 1
    assert "seed <b>3</b>" in text
    assert "1 part<" in text
    assert "2 kHz" in text and "8 kHz" in text
    assert [p.name for p in page.parent.iterdir() if p.name.startswith(".")] == []


def test_nothing_is_fetched_from_elsewhere_and_nothing_gets_through(page):
    text = page.read_text(encoding="utf-8")
    elements = Elements(text).found
    assert [tag for tag, _ in elements].count("script") == 1
    assert "document.title='taken'" not in text
    assert "49" not in re.sub(r"base64,[^\"]*", "", text)  # no template within a template
    addresses = [a[key] for _, a in elements for key in ("src", "href", "action", "data") if key in a]
    assert not [address for address in addresses if re.match(r"(https?:)?//", address)]
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)


def test_pictures_show_the_sound(page):
    found = re.findall(r"base64,([^\"]*)\"", page.read_text(encoding="utf-8"))
    low, high, silent = (pixels(base64.b64decode(png)).sum(axis=2).mean(axis=1) for png in found)
    assert low.argmax() > high.argmax()  # rows from above
    assert silent.max() < 10


@pytest.mark.parametrize("n", [1, 100, 5000, 200000])
def test_pictures_of_any_length(n, rng):
    image = pixels(draw_spectrogram(rng.normal(0, 0.1, n).astype(np.float32), 22050))
    assert image.shape[0] == 96
    assert 1 <= image.shape[1] <= 480


def test_what_cannot_be_shown(tmp_path, tone):
    elsewhere = write_wav(tmp_path / "a.wav", tone(440, 0.1, 16000), 16000)
    with pytest.raises(SettingError, match="its own folder"):
        write_listening_page([Entry("x", elsewhere)], tmp_path / "pages" / "index.html", title="x")
    with pytest.raises(AudioError):
        write_listening_page([Entry("x", tmp_path / "gone.wav")], tmp_path / "index.html", title="x")
    assert not (tmp_path / "index.html").exists()


def test_a_page_without_sounds(tmp_path):
    assert "<h1>Nothing</h1>" in write_listening_page([], tmp_path / "i.html", title="Nothing").read_text(
        encoding="utf-8"
    )


def test_in_a_browser(open_page, page):
    shown = open_page(page, files=SOUNDS)
    assert shown.evaluate("document.title").startswith("All rock & roll </script>")
    shown.wait_for_function("() => [...document.querySelectorAll('audio')].every(a => a.duration > 1.9)")
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("Space")
    shown.wait_for_function("() => !document.querySelectorAll('audio')[0].paused")
    shown.wait_for_function("() => parseFloat(document.querySelector('.cursor').style.left) > 5")
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("Space")
    shown.wait_for_function("() => !document.querySelectorAll('audio')[1].paused")
    shown.wait_for_function("() => document.querySelectorAll('audio')[0].paused")  # one at a time
    shown.keyboard.press("Space")
    shown.wait_for_function("() => document.querySelectorAll('audio')[1].paused")
    x, y = shown.evaluate(
        "(b => [b.left + 0.75 * b.width, b.top + b.height / 2])"
        "(document.querySelector('.picture').getBoundingClientRect())"
    )
    shown.mouse.click(x, y)
    shown.wait_for_function("() => document.querySelectorAll('audio')[0].currentTime >= 1.45")


def test_all_are_played_one_after_another(open_page, page):
    shown = open_page(page, files=SOUNDS)
    shown.wait_for_function("() => [...document.querySelectorAll('audio')].every(a => a.duration > 1.9)")
    shown.evaluate("document.querySelectorAll('audio').forEach(a => a.playbackRate = 8)")
    shown.evaluate(
        "window.heard = []; document.querySelectorAll('audio').forEach((a, i) => a.onended = () => heard.push(i))"
    )
    shown.evaluate("document.getElementById('all').click()")
    shown.wait_for_function("() => heard.length === 3")
    assert shown.evaluate("heard") == [0, 1, 2]
    shown.wait_for_function("() => document.getElementById('all').getAttribute('aria-pressed') === 'false'")


def test_on_a_phone(open_page, page):
    shown = open_page(page, files=SOUNDS, width=360, height=700)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
