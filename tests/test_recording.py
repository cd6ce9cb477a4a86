"""A recording says again what was recorded, or says that it cannot."""

from __future__ import annotations

import builtins
import gzip

import msgspec
import pytest

from booksync import inputs
from booksync.errors import ConfigurationError, RecordingError, redacted
from booksync.recording import FORMAT, Recorder, Recording, frame_of
from booksync.states import Cause

SUFFIXES = pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
HEADER = {"venue": "binance", "symbols": ["X"]}

GIVEN = [
    inputs.Opened(1, ("X", "Y")),
    inputs.Closed(1, Cause.SILENT, "gone"),
    inputs.Closed(2),
    inputs.Subscribed(1, ("Z",)),
    inputs.Removed("X"),
    inputs.Asked("X", 3),
    inputs.Compared("X"),
    inputs.Resubscribed("X"),
    inputs.Answered(
        "X", 3, 200, 1000, "https://host/depth?symbol=X", b'{"a":"\xc3\xa9"}'
    ),
    inputs.Answered("X", 4, 429),
    inputs.Failed("X", 3, "no answer"),
    inputs.Ticked(),
]


def recorded(path, write, header=HEADER):
    recorder = Recorder(path, header)
    write(recorder)
    recorder.close()
    return Recording(path)


# -- round trips -----------------------------------------------------------------------


@SUFFIXES
def test_frames_come_back_as_they_came_off_the_wire(tmp_path, suffix):
    frames = ['{"u":1}', "né\n\u2028", b"\x00\xff\n", "", b""]

    def write(recorder):
        for n, frame in enumerate(frames):
            recorder.frame(n + 0.5, 7, "wss://host/ws", frame, out=n % 2 == 1)
        assert recorder.records == 1 + len(frames)

    recording = recorded(tmp_path / f"day.{suffix}", write)
    header, *records = recording
    assert header == recording.header == {"booksync": FORMAT, **HEADER}
    assert recording.ours
    assert [frame_of(record) for record in records] == frames
    assert [record["t"] for record in records] == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert [record["dir"] for record in records] == ["in", "out", "in", "out", "in"]
    assert {(r["ch"], r["conn"], r["url"]) for r in records} == {
        ("ws", 7, "wss://host/ws")
    }


@pytest.mark.parametrize("given", GIVEN, ids=lambda g: type(g).__name__)
@SUFFIXES
def test_every_input_comes_back(tmp_path, suffix, given):
    path = tmp_path / f"day.{suffix}"
    _, record, *rest = recorded(path, lambda recorder: recorder.event(9.25, given))
    assert record["t"] == 9.25
    assert record["ch"] == "event"
    again = msgspec.convert(record, inputs.Input)
    if isinstance(given, inputs.Answered):
        (body,) = rest
        assert (body["ch"], body["dir"], body["t"]) == ("http", "in", 9.25)
        assert body["url"] == given.url
        again = msgspec.structs.replace(again, body=frame_of(body).encode())
    else:
        assert not rest
    assert again == given


def test_every_kind_of_input_is_tried():
    assert {type(given) for given in GIVEN} == set(inputs.Input.__args__)


def test_checkpoint_of_a_book_comes_back(tmp_path):
    held = inputs.Held(1, 2, [("9", "1")], [], 3.5)
    seed = inputs.Seed("X", "live", 7, [("9.50", "1")], [], buffered=[held])
    path = tmp_path / "day.jsonl"
    _, record = recorded(path, lambda recorder: recorder.book(1.0, 4, seed))
    assert (record["ch"], record["conn"], record["t"]) == ("book", 4, 1.0)
    assert msgspec.convert(record, inputs.Seed) == msgspec.structs.replace(
        seed,
        time=record["time"],  # a record's own time is "t"
    )


def test_record_made_before_is_written_as_it_is(tmp_path):
    record = {"t": 1.0, "ch": "ws", "raw": "x"}
    path = tmp_path / "day.jsonl"
    assert list(recorded(path, lambda recorder: recorder.write(record)))[1] == record


def test_recording_is_one_object_a_line(tmp_path):
    path = tmp_path / "day.jsonl"
    recorded(path, lambda recorder: recorder.frame(1.0, 1, "ws://h", "a\nb"))
    lines = path.read_bytes().splitlines()
    assert len(lines) == 2
    assert msgspec.json.decode(lines[1])["raw"] == "a\nb"


def test_existing_file_is_replaced_and_closing_twice_is_harmless(tmp_path):
    path = tmp_path / "day.jsonl"
    path.write_text("old\n")
    recorder = Recorder(str(path), {})
    recorder.close()
    recorder.close()
    assert list(Recording(str(path))) == [{"booksync": FORMAT}]


def test_recording_can_be_read_more_than_once(tmp_path):
    path = tmp_path / "day.jsonl"
    recording = recorded(path, lambda recorder: recorder.event(1.0, inputs.Ticked()))
    assert list(recording) == list(recording)


def test_plain_frames_are_a_recording_but_not_ours(tmp_path):
    path = tmp_path / "frames.jsonl"
    path.write_text('{"t": 1, "ch": "ws", "raw": "x"}\n{"ch": "ws", "raw": "y"}')
    recording = Recording(path)
    assert not recording.ours
    assert recording.header == {}
    assert [frame_of(record) for record in recording] == ["x", "y"]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_instruments_stand_beside_the_recording(tmp_path, suffix):
    path = tmp_path / f"day.1.{suffix}"
    recording = recorded(path, lambda _: None)
    assert recording.instruments == tmp_path / "day.1.instruments.json"


# -- secrets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://host/ws", "wss://host/ws"),
        ("wss://host:9443/ws?symbol=X#part", "wss://host:9443/ws?symbol=X#part"),
        ("wss://user:pass@host:1/ws", "wss://host:1/ws"),
        ("wss://a@b@host/ws", "wss://host/ws"),
        ("wss://h/?token=abc", "wss://h/?token=REDACTED"),
        ("wss://h/?Token=abc&x=%20&y=", "wss://h/?Token=REDACTED&x=+&y="),
        ("wss://h/?token=a&token=b", "wss://h/?token=REDACTED&token=REDACTED"),
        ("wss://h/?x=a%26b", "wss://h/?x=a%26b"),
        *[
            (f"https://h/?{name}=abc", f"https://h/?{name}=REDACTED")
            for name in ("apiKey", "api_key", "signature", "sign", "connectId")
        ],
        ("", ""),
        ("wss://user:hunter2@[h/?token=hunter2", "[h/"),
    ],
)
def test_secrets_are_hidden_and_the_rest_stays(url, shown):
    assert redacted(url) == shown


def test_secrets_do_not_reach_the_file(tmp_path):
    secret = "wss://user:hunter2@host/ws?token=hunter2"
    answer = inputs.Answered("X", 1, 200, url=secret, body=b"{}")

    def write(recorder):
        recorder.frame(1.0, 1, secret, "x")
        recorder.frame(1.0, 1, secret, b"x", out=True)
        recorder.event(1.0, answer)

    recorded(tmp_path / "day.jsonl", write)
    assert b"hunter2" not in (tmp_path / "day.jsonl").read_bytes()


# -- what cannot be recorded or read ---------------------------------------------------


def test_file_that_cannot_be_made_is_an_error_of_the_caller(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot record to .*nowhere"):
        Recorder(tmp_path / "nowhere" / "day.jsonl", {})
    with pytest.raises(ConfigurationError, match="cannot record"):
        Recorder(tmp_path, {})


def test_missing_zstandard_is_named(tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **more):
        if name == "zstandard":
            raise ImportError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"booksync\[zstd\]"):
        Recorder(tmp_path / "day.jsonl.zst", {})


def test_missing_recording_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"there is no recording .*none\.jsonl"):
        Recording(tmp_path / "none.jsonl")
    with pytest.raises(RecordingError, match="there is no recording"):
        Recording(tmp_path)


HEAD = b'{"booksync": 1}\n'
BAD = [
    pytest.param("a.jsonl", b"", "is empty", id="empty"),
    pytest.param("a.jsonl", b"no json\n", "line 1: not a recording", id="no JSON"),
    pytest.param("a.jsonl", b"[1]\n", "line 1: not a recording", id="no object"),
    pytest.param("a.jsonl", b"\xff\xfe\n", "line 1: not a recording", id="no text"),
    pytest.param("a.jsonl", b"\n" + HEAD, "line 1: not a recording", id="empty line"),
    pytest.param("a.jsonl", b"[" * 90_000, "line 1: not a recording", id="deep"),
    pytest.param("a.jsonl.gz", HEAD, "line 1: not a recording", id="no gzip"),
    pytest.param(
        "a.jsonl", b'{"booksync": 99}\n', "has format 99, not 1: .* another", id="newer"
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_what_is_no_recording_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        Recording(path)


def test_broken_line_is_named_by_its_number(tmp_path):
    path = tmp_path / "day.jsonl"
    path.write_bytes(HEAD + b'{"ch": "ws"}\n{"ch":\n')
    recording = Recording(path)
    lines = iter(recording)
    assert next(lines)
    assert next(lines)
    with pytest.raises(RecordingError, match=r"day\.jsonl, line 3: not a recording"):
        next(lines)


def test_recording_cut_in_its_middle_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "day.jsonl.gz"
    # Text that does not compress, so that the cut is not within the first block.
    lines = [b'{"n":%d}\n' % (n * 7_919**3) for n in range(20_000)]
    content = gzip.compress(HEAD + b"".join(lines))
    path.write_bytes(content[: len(content) // 2])
    read = 0
    with pytest.raises(RecordingError, match="not a recording"):  # noqa: PT012
        for _ in Recording(path):
            read += 1
    assert read > 1_000


def test_line_longer_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("booksync.recording.MAX_LINE", 100)
    path = tmp_path / "day.jsonl"
    path.write_bytes(HEAD + b'{"raw": "' + b"x" * 200 + b'"}\n')
    with pytest.raises(RecordingError, match="line 2"):
        list(Recording(path))


@pytest.mark.parametrize(
    "record", [{}, {"ch": "ws"}, {"b64": "no base64!"}, {"b64": None}, {"b64": "abc"}]
)
def test_record_without_a_frame_is_refused(record):
    with pytest.raises(RecordingError, match="a record without a frame"):
        frame_of(record)
