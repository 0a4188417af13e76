import json
import time
from unittest import mock

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory, SimpleTestCase

from api.errors import ApiError
from api.parsing import MAX_VALUES, load_json, overridden_method, read_parameters

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def parse(body: bytes | str = b"", content_type: str = JSON, *, method: str = "POST", query: str = "", **options):
    raw = body.encode() if isinstance(body, str) else body
    request = RequestFactory().generic(method, f"/api/v1/x?{query}", raw, content_type=content_type)
    return read_parameters(request, **options)


class ParsingTest(SimpleTestCase):
    def refused(self, status: int, *arguments, **options) -> str:
        with self.assertRaises(ApiError) as raised:
            parse(*arguments, **options)
        self.assertEqual(raised.exception.status_code, status)
        return raised.exception.title

    def test_query_form_and_json_are_merged_and_the_body_wins(self):
        self.assertEqual(parse("name=body", FORM, query="name=query&page=2"), {"name": "body", "page": "2"})
        self.assertEqual(parse('{"name": "body"}', query="name=query&a=1"), {"name": "body", "a": "1"})

    def test_a_file_in_the_body_and_the_rest_in_the_query(self):
        request = RequestFactory().post("/x?name=tool", {"binary": SimpleUploadedFile("tool.pkg", b"xar!")})
        parameters = read_parameters(request)
        self.assertEqual(parameters["name"], "tool")
        self.assertEqual(parameters["binary"].read(), b"xar!")

    def test_a_json_label_on_an_empty_body_is_harmless(self):
        for method in ("GET", "POST", "DELETE", "PATCH"):
            self.assertEqual(parse(b"", method=method, query="a=1"), {"a": "1"})
        self.assertEqual(parse(b"  \n "), {})

    def test_a_body_of_a_get_is_not_looked_at(self):
        self.assertEqual(parse("{broken", method="GET"), {})

    def test_multipart_labelled_json(self):
        body = (
            b'--abc123\r\nContent-Disposition: form-data; name="name"\r\n\r\nSara\'s iPad\r\n'
            b'--abc123\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncontent\r\n--abc123--\r\n'
        )
        for label in (JSON, "multipart/form-data", ""):
            parameters = parse(body, label)
            self.assertEqual(parameters["name"], "Sara's iPad", label)
            self.assertEqual(parameters["file"].read(), b"content")

    def test_arrays(self):
        self.assertEqual(parse("ids[]=1&ids[]=2", FORM), {"ids": ["1", "2"]})
        self.assertEqual(parse('{"ids": [1, 2]}'), {"ids": [1, 2]})
        self.assertEqual(parse('{"ids[]": [1, 2]}'), {"ids": [1, 2]})
        self.assertEqual(parse(method="GET", query="ids[]=7"), {"ids": ["7"]})

    def test_json_with_too_many_values_is_refused_before_it_is_built(self):
        title = f"The JSON body has more than {MAX_VALUES} keys and values."
        for item in (b"1,", b"[],", b'{"a":1},'):
            with mock.patch("api.parsing.json.loads") as loads:
                self.assertEqual(self.refused(400, b'{"ids":[' + item * MAX_VALUES + b"1]}"), title)
            loads.assert_not_called()

    def test_commas_and_brackets_in_strings_do_not_count(self):
        for text in ("a,[{:" * MAX_VALUES, '\\"[,' * MAX_VALUES):
            self.assertEqual(parse(json.dumps({"content": text})), {"content": text})

    def test_a_string_without_an_end_is_read_once(self):
        began = time.monotonic()
        for text in (b'\\"' * 1_000_000 + b"," * MAX_VALUES, b"\\" * 2_000_001, b'"' * 2_000_000):
            self.assertIn("not valid JSON", self.refused(400, b'{"a":"' + text + b"," * MAX_VALUES))
        self.assertLess(time.monotonic() - began, 2)

    def test_of_a_name_given_twice_the_last_counts(self):
        self.assertEqual(parse("a=1&a=2", FORM), {"a": "2"})

    def test_a_body_without_a_label_is_recognised(self):
        self.assertEqual(parse('{"a": 1}', ""), {"a": 1})
        self.assertEqual(parse("a=1", ""), {"a": "1"})

    def test_other_spellings_of_json(self):
        for label in ("application/json; charset=utf-8", "application/vnd.api+json", "text/json"):
            self.assertEqual(parse('{"a": 1}', label), {"a": 1})
        self.assertEqual(parse(b'\xef\xbb\xbf{"a": 1}'), {"a": 1})

    def test_malformed_json_is_400_and_says_where(self):
        self.assertIn("line 1", self.refused(400, '{"a": '))

    def test_odd_json_is_400(self):
        bodies = [
            "[1]",
            '"text"',
            "1",
            "null",
            '{"a": NaN}',
            '{"a": 1e999}',
            '{"a": 1, "a": 2}',
            "{" * 5000,
            "[" * 100_000,
        ]
        bodies += ['{"a": ' + "9" * 5000 + "}", '{"a": ' + "[" * 80 + "]" * 80 + "}", '{"a\\u0000": 1}']
        for body in bodies:
            self.refused(400, body)
        self.refused(400, b'{"a": "\xff"}')

    def test_what_a_database_cannot_keep_is_400(self):
        self.refused(400, "a=%00", FORM)
        self.refused(400, '{"a": "\\u0000"}')
        self.refused(400, '{"a": ["\\ud800"]}')
        self.refused(400, method="GET", query="search=%00")

    def test_broken_multipart_is_400(self):
        self.refused(400, b"--\r\n", "multipart/form-data; boundary=")
        self.refused(400, b"nothing", "multipart/form-data; boundary=" + "b" * 300)

    def test_unknown_content_types_are_415(self):
        self.assertIn("text/csv", self.refused(415, "a,b", "text/csv"))

    def test_too_much_is_413(self):
        self.refused(413, "a=" + "x" * 100, FORM, max_bytes=50)

    def test_a_body_of_unknown_length_is_411_and_not_taken_for_empty(self):
        request = RequestFactory().generic("POST", "/x", b"", content_type=JSON, HTTP_TRANSFER_ENCODING="chunked")
        with self.assertRaises(ApiError) as raised:
            read_parameters(request)
        self.assertEqual(raised.exception.status_code, 411)


class OverrideTest(SimpleTestCase):
    def method(self, value: object, method: str = "POST") -> str:
        parameters = {"_method": value, "name": "x"}
        answer = overridden_method(RequestFactory().generic(method, "/x"), parameters)
        self.assertEqual(parameters, {"name": "x"})
        return answer

    def test_a_post_stands_for_another_method(self):
        self.assertEqual(self.method("PATCH"), "PATCH")
        self.assertEqual(self.method("delete"), "DELETE")
        self.assertEqual(self.method("Put"), "PUT")

    def test_nothing_else_can_be_had(self):
        self.assertEqual(self.method("GET"), "POST")
        self.assertEqual(self.method(["PATCH"]), "POST")
        self.assertEqual(self.method("PATCH", "GET"), "GET")


class LoadJsonTest(SimpleTestCase):
    def test_unicode_survives(self):
        self.assertEqual(load_json(json.dumps({"name": "Zoë 😀"}).encode()), {"name": "Zoë 😀"})
