"""The arithmetic of the charts."""

from mdm.admin_home.charts import SEEN, Item, bars, parts


def items(*numbers: int) -> list[Item]:
    return [Item(f"key-{place}", f"Label {place}", number, "/") for place, number in enumerate(numbers)]


def test_parts_are_shares_of_the_whole_one_after_the_other() -> None:
    found = parts(items(50, 25, 25))
    assert [part.share for part in found] == [50, 25, 25]
    assert [part.start for part in found] == [0, 50, 75]
    assert [part.offset for part in found] == [25, -25, -50]


def test_a_small_part_is_seen_all_the_same_and_the_whole_stays_whole() -> None:
    found = parts(items(100_000, 1, 1))
    assert [part.share for part in found[1:]] == [SEEN, SEEN]
    assert round(sum(part.share for part in found), 1) == 100
    assert all(part.dash > 0 for part in found)


def test_what_nobody_has_is_not_drawn() -> None:
    assert [part.item.number for part in parts(items(0, 3, 0))] == [3]
    assert [part.share for part in parts(items(0, 3, 0))] == [100]
    assert parts(items(0, 0)) == []
    assert parts([]) == []


def test_many_small_parts_share_the_whole() -> None:
    found = parts(items(*[1] * 200))
    assert {part.share for part in found} == {0.5}
    assert round(sum(part.share for part in found)) == 100


def test_bars_are_measured_by_the_largest() -> None:
    assert [bar.size for bar in bars(items(10, 5, 0))] == [100, 50, 0]
    assert [bar.size for bar in bars(items(10_000, 1))] == [100, SEEN]
    assert [bar.size for bar in bars(items(0, 0))] == [0, 0]
    assert bars([]) == []
