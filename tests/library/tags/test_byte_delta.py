"""From a changed file and a short note, the file that it was."""

from hypothesis import given
from hypothesis import strategies as st

from earmark.library.tags.byte_delta import apply_delta, encode_delta

pieces = st.lists(st.binary(max_size=40) | st.integers(1, 9000).map(bytes), max_size=5).map(b"".join)


@given(old=pieces, new=pieces, common=pieces)
def test_a_delta_gives_back_any_file(tmp_path_factory, old, new, common):
    folder = tmp_path_factory.getbasetemp()
    one, two = folder / "one", folder / "two"
    one.write_bytes(common + old + common)
    two.write_bytes(common + new + common)
    with two.open("rb") as file:
        assert b"".join(apply_delta(encode_delta(one, two), file)) == one.read_bytes()


def test_a_delta_of_a_long_file_is_small(tmp_path, rng):
    one, two = tmp_path / "one", tmp_path / "two"
    data = rng.bytes(3_000_000)
    one.write_bytes(data)
    two.write_bytes(data[:4] + b"size" + data[8:1234] + bytes(2000) + data[1234:2_000_000] + b"x" + data[2_000_001:])
    note = encode_delta(one, two)
    assert len(note) < 300
    with two.open("rb") as file:
        assert b"".join(apply_delta(note, file)) == data
