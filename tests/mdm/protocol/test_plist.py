import contextlib
import plistlib
import struct
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm.protocol import plist
from mdm.protocol.binary_plist import MAX_DEPTH, MAX_OBJECTS
from mdm.protocol.errors import Malformed, ProtocolError, TooLarge

XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
DOCTYPE = b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'

text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20)
scalars = (
    text
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=40)
    | st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4))
dictionaries = st.dictionaries(text | st.sampled_from(["Status", "UDID"]), values, max_size=8)


def xml(inner: str | bytes) -> bytes:
    inner = inner.encode() if isinstance(inner, str) else inner
    return XML + DOCTYPE + b'<plist version="1.0">' + inner + b"</plist>"


def naive(value):
    """As plistlib wants it: datetimes without a zone."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dict):
        return {key: naive(item) for key, item in value.items()}
    return [naive(item) for item in value] if isinstance(value, list) else value


def binary(objects: list[bytes], *, top: int = 0, ref_size: int = 1) -> bytes:
    """A binary property list of hand-made objects."""
    body = b"bplist00"
    offsets = []
    for item in objects:
        offsets.append(len(body))
        body += item
    table = b"".join(offset.to_bytes(4, "big") for offset in offsets)
    return body + table + struct.pack(">6xBBQQQ", 4, ref_size, len(objects), top, len(body))


class TestRoundTrip:
    @given(dictionaries)
    def test_what_is_written_is_read(self, value):
        assert plist.loads(plist.dumps(value)) == value

    @given(dictionaries)
    def test_another_writer_is_understood_in_both_forms(self, value):
        for form in (plistlib.FMT_XML, plistlib.FMT_BINARY):
            assert plist.loads(plistlib.dumps(naive(value), fmt=form)) == value

    @given(dictionaries)
    def test_another_reader_understands_what_is_written(self, value):
        assert plistlib.loads(plist.dumps(value)) == naive(value)

    def test_keys_keep_their_order(self):
        value = {"b": 1, "a": 2, "c": 3}
        assert list(plist.loads(plist.dumps(value))) == ["b", "a", "c"]

    def test_times_are_read_and_written_in_utc(self):
        noon = datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
        assert b"<date>2024-07-01T10:00:00Z</date>" in plist.dumps({"at": noon})
        assert plist.loads(plist.dumps({"at": noon}))["at"] == noon
        assert plist.loads(plist.dumps({"at": datetime(2024, 7, 1)}))["at"] == datetime(2024, 7, 1, tzinfo=UTC)

    def test_markup_and_line_ends_in_strings_survive(self):
        value = {"a<b>&amp;": "1 < 2 & 3 > 2\r\nnext\rlast\ttab"}
        assert plist.loads(plist.dumps(value)) == value


class TestWritingRefuses:
    @pytest.mark.parametrize(
        "value",
        [None, object(), {1: "x"}, "a\x00b", "a\x1fb", "\ud800", 2**64, float("nan"), float("inf"), {"k\x01": 1}],
    )
    def test_what_a_property_list_cannot_hold(self, value):
        with pytest.raises(Malformed):
            plist.dumps({"value": value})

    def test_a_value_that_contains_itself(self):
        value: dict = {}
        value["again"] = value
        with pytest.raises(Malformed):
            plist.dumps(value)


class TestXml:
    def test_comments_cdata_and_a_byte_order_mark_are_understood(self):
        data = b"\xef\xbb\xbf" + XML + b"<!-- a > comment -->" + DOCTYPE
        data += b"<plist><dict><key>a</key><string>x<!-- y -->z<![CDATA[<&>]]></string></dict></plist>\n\n"
        assert plist.loads(data) == {"a": "xz<&>"}

    def test_stripped_line_ends_are_understood(self):
        data = plistlib.dumps({"a": b"x" * 200, "b": "c"}).replace(b"\n", b"")
        assert plist.loads(data) == {"a": b"x" * 200, "b": "c"}

    def test_a_list_without_xml_declaration_is_understood(self):
        assert plist.loads(b" <plist><array><true/><false/></array></plist>") == [True, False]

    @pytest.mark.parametrize(
        ("inner", "value"),
        [
            ("<integer>-5</integer>", -5),
            ("<integer> 0x1F </integer>", 31),
            ("<integer>18446744073709551615</integer>", 2**64 - 1),
            ("<real>1.5e3</real>", 1500.0),
            ("<string/>", ""),
            ("<data>\n\tAAEC\n\tAw==\n</data>", b"\0\1\2\3"),
            ("<date>2024-07-01T21:32:19Z</date>", datetime(2024, 7, 1, 21, 32, 19, tzinfo=UTC)),
        ],
    )
    def test_values_are_read(self, inner, value):
        assert plist.loads(xml(inner)) == value

    @pytest.mark.parametrize(
        "inner",
        [
            "",
            "<string>a</string><string>b</string>",
            "<dict><key>a</key></dict>",
            "<dict><string>a</string><key>a</key></dict>",
            "<dict><key>a</key><string>1</string><key>a</key><string>2</string></dict>",
            "<dict><key>a</key><string>1</string><key>&#97;</key><string>2</string></dict>",
            "<dict><key><b/></key><string>1</string></dict>",
            "<string>a<b/></string>",
            "<integer>1_000</integer>",
            "<integer>18446744073709551616</integer>",
            "<integer>٣</integer>",
            "<integer>" + "9" * 5000 + "</integer>",
            "<real>nan</real>",
            "<real>1e999</real>",
            "<date>2024-13-01T00:00:00Z</date>",
            "<date>yesterday</date>",
            "<data>A</data>",
            "<foo/>",
            "<dict>",
            "<string>&undeclared;</string>",
            "<string>&#0;</string>",
            '<x:dict xmlns:x="urn:x"/>',
        ],
    )
    def test_broken_values_are_refused(self, inner):
        with pytest.raises(Malformed):
            plist.loads(xml(inner))

    @pytest.mark.parametrize("data", [b"", b"hello", b"{}", b"<html/>", b"<plist>", b"\xff\xfe", b"bplist00", XML])
    def test_something_else_is_refused(self, data):
        with pytest.raises(Malformed):
            plist.loads(data)
        with pytest.raises(Malformed):
            plist.top_level(data, frozenset({"a"}))

    def test_text_after_the_end_is_refused(self):
        with pytest.raises(Malformed):
            plist.loads(xml("<true/>") + b"<plist><false/></plist>")

    def test_invalid_utf8_is_refused(self):
        for broken in (b"\xff", b"\xed\xa0\x80", b"\xc0\x80"):
            with pytest.raises(Malformed):
                plist.loads(xml(b"<string>" + broken + b"</string>"))


class TestDocumentTypes:
    BOMB = (
        '<!DOCTYPE plist [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
        "<plist><dict><key>a</key><string>&b;</string></dict></plist>"
    )

    @pytest.mark.parametrize(
        "document",
        [
            BOMB,
            '<?xml version="1.0"?>' + BOMB,
            "<!-- <plist > -->" + BOMB,
            "<!-- <!DOCTYPE plist> -->" + BOMB,
            '<!DOCTYPE plist SYSTEM "> <plist >" [<!ENTITY b "x">]><plist><string>&b;</string></plist>',
            '<!DOCTYPE plist SYSTEM "file:///etc/passwd" [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]><plist><true/></plist>',
            "<plist>" + BOMB + "</plist>",
        ],
    )
    def test_entity_declarations_are_refused_everywhere(self, document):
        for read in (plist.loads, lambda data: plist.top_level(data, frozenset({"a"}))):
            with pytest.raises(Malformed):
                read(document.encode())

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp037"])
    def test_other_encodings_hide_nothing(self, encoding):
        document = f'<?xml version="1.0" encoding="{encoding}"?>{self.BOMB}'.encode(encoding)
        for read in (plist.loads, lambda data: plist.top_level(data, frozenset({"a"}))):
            with pytest.raises(Malformed):
                read(document)

    def test_a_declared_encoding_other_than_utf8_is_refused(self):
        data = xml("<dict/>").replace(b"UTF-8", b"ISO-8859-1")
        with pytest.raises(Malformed, match="UTF-8"):
            plist.loads(data)
        assert plist.loads(data.replace(b"ISO-8859-1", b"us-ascii")) == {}

    @pytest.mark.parametrize("piece", [b"<?xml ", b"<?xml encoding=", b"<!--", b"<!DOCTYPE ", b"<!DOCTYPE plist ["])
    def test_a_prolog_that_begins_again_and_again_costs_no_more_than_its_length(self, piece):
        pieces = piece * (1_000_000 // len(piece))
        begin = time.process_time()
        for data in (pieces, b"<?" + pieces + b" ?><plist><dict/></plist>"):
            with contextlib.suppress(Malformed):
                plist.loads(data)
        assert time.process_time() - begin < 5

    def test_an_external_document_type_is_not_fetched(self):
        data = b'<!DOCTYPE plist SYSTEM "http://127.0.0.1:9/never"><plist><dict/></plist>'
        assert plist.loads(data) == {}


class TestBounds:
    def test_size(self):
        data = plist.dumps({"a": "x" * 100})
        for form in (data, plistlib.dumps({"a": "x" * 100}, fmt=plistlib.FMT_BINARY)):
            assert plist.loads(form, max_bytes=len(form)) == {"a": "x" * 100}
            with pytest.raises(TooLarge):
                plist.loads(form, max_bytes=len(form) - 1)
            with pytest.raises(TooLarge):
                plist.top_level(form, frozenset({"a"}), max_bytes=len(form) - 1)

    @pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
    def test_nesting(self, form):
        value: list = []
        for _ in range(MAX_DEPTH - 1):
            value = [value]
        assert plist.loads(plistlib.dumps(value, fmt=form)) == value
        with pytest.raises(Malformed, match="nested"):
            plist.loads(plistlib.dumps([value], fmt=form))

    def test_very_deep_nesting_is_refused_without_a_crash(self):
        with pytest.raises(Malformed):
            plist.loads(xml("<array>" * 100_000 + "</array>" * 100_000))

    def test_number_of_values(self):
        with pytest.raises(TooLarge):
            plist.loads(xml("<array>" + "<true/>" * (2 * MAX_OBJECTS) + "</array>"))

    def test_a_long_namespace_does_not_multiply(self):
        started = time.monotonic()
        with pytest.raises(ProtocolError):
            plist.loads(xml(f'<array xmlns="{"x" * 1_000_000}">' + "<a/>" * 200_000 + "</array>"))
        assert time.monotonic() - started < 5


class TestBinary:
    def test_an_array_of_itself_is_refused(self):
        with pytest.raises(Malformed):
            plist.loads(binary([b"\xa1\x00"]))

    def test_a_reference_bomb_is_refused(self):
        # Each array holds the next one ten times: 10^20 values in 300 bytes.
        objects = [b"\xaa" + bytes([number + 1] * 10) for number in range(20)] + [b"\x09"]
        with pytest.raises(TooLarge):
            plist.loads(binary(objects))

    def test_one_big_value_referred_to_many_times_is_refused(self):
        blob = b"\x4f\x12" + (100_000).to_bytes(4, "big") + bytes(100_000)
        many = b"\xaf\x11" + (1000).to_bytes(2, "big") + b"\x01" * 1000
        with pytest.raises(TooLarge):
            plist.loads(binary([many, blob]))

    @pytest.mark.parametrize(
        "objects",
        [
            [b"\xa1\x07"],  # no such object
            [b"\xd1\x01\x02", b"\x09", b"\x09"],  # a key that is not a string
            [b"\xd2\x01\x01\x02\x02", b"\x51a", b"\x09"],  # the same key twice
            [b"\x00"],  # null
            [b"\x80\x01"],  # a UID
            [b"\x53a\x00b"],  # NUL in a string
            [b"\x51\xff"],  # not ASCII
            [b"\x61\xd8\x00"],  # half a surrogate pair
            [b"\x4f\x13" + b"\xff" * 8],  # a length beyond everything
            [b"\x33" + struct.pack(">d", float("nan"))],
            [b"\x33" + struct.pack(">d", 1e300)],
            [b"\x23" + struct.pack(">d", float("inf"))],
            [b"\x14" + b"\x7f" * 16],
            [b"\x17"],
            [],
        ],
    )
    def test_damage_is_refused(self, objects):
        with pytest.raises(ProtocolError):
            plist.loads(binary(objects))

    @pytest.mark.parametrize("trailer", [(0, 1, 1, 0, 8), (4, 0, 1, 0, 8), (4, 1, 2**63, 0, 8), (4, 1, 1, 0, 2**63)])
    def test_an_impossible_trailer_is_refused(self, trailer):
        with pytest.raises(Malformed):
            plist.loads(b"bplist00\x09\x00\x00\x00\x08" + struct.pack(">6xBBQQQ", *trailer))


class TestTopLevel:
    WANTED = frozenset({"Status", "UDID"})

    def test_only_wanted_keys_are_returned(self):
        data = plist.dumps({"A": [1, {"Status": "no"}], "Status": "Idle", "Z": "z"})
        assert plist.top_level(data, self.WANTED) == {"Status": "Idle"}

    @given(st.dictionaries(text, values, max_size=5), text, st.booleans(), st.booleans())
    def test_it_agrees_with_the_full_reader(self, value, status, in_binary, nested):
        value["Status"] = status
        if nested:
            value["Inner"] = {"Status": 5, "UDID": ["x"], "List": [{"UDID": "y"}]}
        data = plistlib.dumps(naive(value), fmt=plistlib.FMT_BINARY) if in_binary else plist.dumps(value)
        assert plist.top_level(data, self.WANTED) == {"Status": status}

    @pytest.mark.parametrize(
        ("inner", "found"),
        [
            ("<dict/>", {}),
            ("<dict></dict>", {}),
            ("<dict><key>Status</key><string/></dict>", {"Status": ""}),
            ("<dict><key>Status</key><string>a &amp; b</string></dict>", {"Status": "a & b"}),
            ("<dict><key>Status</key><string><![CDATA[a]]></string></dict>", {"Status": "a"}),
            ("<dict><key>Stat&#117;s</key><string>a</string></dict>", {"Status": "a"}),
            ("<dict><key >Status</key ><string >a</string ></dict >", {"Status": "a"}),
            (
                "<dict><!-- <key>Status</key><string>b</string> --><key>UDID</key><string>ü</string></dict>",
                {"UDID": "ü"},
            ),
            ("<dict><key>A</key><dict/><key>Status</key>\n\t<string>a</string></dict>", {"Status": "a"}),
            ("<dict><key>A</key><dict /><key>UDID</key><string>a</string></dict>", {"UDID": "a"}),
            (
                "<dict><key>A</key><array ><dict ></dict ></array ><key>UDID</key><string>a</string></dict>",
                {"UDID": "a"},
            ),
            ("<dict><key>Status</key><string>a\r\nb</string></dict>", {"Status": "a\nb"}),
        ],
    )
    def test_unusual_spellings_mean_the_same(self, inner, found):
        assert plist.top_level(xml(inner), self.WANTED) == found

    @pytest.mark.parametrize(
        "inner",
        [
            "<dict><key>Status</key><integer>1</integer></dict>",
            "<dict><key>Status</key><dict/></dict>",
            "<dict><key>Status</key><string>a</string><key>Status</key><string>b</string></dict>",
            "<dict><key>Status</key><string>a</string><key>St&#97;tus</key><string>b</string></dict>",
            "<dict/><dict><key>Status</key><string>a</string></dict>",
            "<array><string>Status</string></array>",
            "<string>Status</string>",
            "<dict><key>Status</key><string>a</string>",
            "<dict><key>Status</key><string>&x;</string></dict>",
            "<dict><plist><dict><key>Status</key><string>a</string></dict></plist></dict>",
        ],
    )
    def test_wrong_types_duplicates_and_broken_structure_are_refused(self, inner):
        with pytest.raises(Malformed):
            plist.top_level(xml(inner), self.WANTED)

    @pytest.mark.parametrize("value", [{"Status": 1}, ["Status"], "Status"])
    def test_wrong_types_in_binary_are_refused(self, value):
        with pytest.raises(Malformed):
            plist.top_level(plistlib.dumps(value, fmt=plistlib.FMT_BINARY), self.WANTED)


class TestGarbage:
    """Whatever arrives, nothing but a ProtocolError leaves."""

    @staticmethod
    def read(data: bytes) -> None:
        for reader in (plist.loads, lambda body: plist.top_level(body, TestTopLevel.WANTED)):
            with contextlib.suppress(Malformed, TooLarge):
                reader(data)

    @given(st.binary(max_size=300))
    def test_random_bytes(self, data):
        self.read(data)

    @given(st.binary(max_size=300))
    def test_random_bytes_inside_a_plist(self, data):
        self.read(xml(data))

    @given(
        st.lists(
            st.sampled_from(
                [
                    "dict",
                    "/dict",
                    "dict/",
                    "array",
                    "/array",
                    "key",
                    "/key",
                    "string",
                    "/string",
                    "plist",
                    "/plist",
                    "integer",
                    "/integer",
                    "true/",
                    "data",
                    "/data",
                    "!--",
                    "--",
                    "![CDATA[",
                    "]]",
                ]
            ),
            max_size=25,
        )
    )
    def test_random_markup(self, tags):
        self.read(xml("Status".join(f"<{tag}>" for tag in tags)))

    @given(
        st.binary(max_size=200),
        st.tuples(*[st.integers(0, 255)] * 2),
        st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3),
    )
    def test_random_bytes_in_binary_form(self, body, sizes, numbers):
        self.read(b"bplist00" + body + struct.pack(">6xBBQQQ", *sizes, *numbers))

    @given(st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=12))
    def test_random_objects_in_binary_form(self, objects):
        self.read(binary(objects))

    @given(st.data())
    def test_damaged_binary_form(self, data):
        intact = bytearray(plistlib.dumps({"a": [1, "b", {"c": b"d"}], "Status": "x"}, fmt=plistlib.FMT_BINARY))
        for _ in range(data.draw(st.integers(1, 4))):
            intact[data.draw(st.integers(0, len(intact) - 1))] = data.draw(st.integers(0, 255))
        self.read(bytes(intact))
