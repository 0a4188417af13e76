from django.test import SimpleTestCase, TestCase

from mdm.accounts.models import Account
from mdm.common.batches import batches, rows_by_key
from mdm.common.text import clean_text
from mdm.common.tokens import digest, new_token
from tests.factories import make_account


class CleanTextTest(SimpleTestCase):
    def test_ordinary_text_stays_as_it_is(self) -> None:
        for text in ("", "Robin & Kim's iPhone", "日本語", "😀", "a\nb\tc"):
            self.assertEqual(clean_text(text, 100), text)

    def test_nul_and_lone_surrogates_go(self) -> None:
        self.assertEqual(clean_text("a\x00b\ud800c\udfffd", 100), "ab?c?d")

    def test_long_text_is_cut(self) -> None:
        self.assertEqual(clean_text("é" * 300, 255), "é" * 255)


class BatchesTest(SimpleTestCase):
    def test_everything_comes_once_and_in_order(self) -> None:
        self.assertEqual([list(some) for some in batches(range(7), 3)], [[0, 1, 2], [3, 4, 5], [6]])
        self.assertEqual(list(batches([], 3)), [])


class RowsByKeyTest(TestCase):
    def test_every_row_comes_once_in_the_order_of_keys(self) -> None:
        accounts = [make_account() for _ in range(5)]
        rows = Account.objects.order_by("name").exclude(pk=accounts[1].pk)
        with self.assertNumQueries(3):
            pieces = list(rows_by_key(rows, 2))
        self.assertEqual(pieces, [[accounts[0], accounts[2]], [accounts[3], accounts[4]]])

    def test_a_last_piece_that_is_not_full_needs_no_further_statement(self) -> None:
        account = make_account()
        with self.assertNumQueries(1):
            self.assertEqual(list(rows_by_key(Account.objects.all(), 2)), [[account]])


class TokensTest(SimpleTestCase):
    def test_tokens_are_long_url_safe_and_never_the_same(self) -> None:
        tokens = {new_token() for _ in range(1000)}
        self.assertEqual(len(tokens), 1000)
        for token in tokens:
            self.assertRegex(token, r"^[A-Za-z0-9_-]{32}$")

    def test_a_digest_is_sha_256(self) -> None:
        self.assertEqual(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
