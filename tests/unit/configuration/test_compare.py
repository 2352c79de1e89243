from orchestrator.configuration.compare import compare
from orchestrator.configuration.document import Body

DESK = {"id": "desk", "ring_s": 20.0, "ha1_md5": "a"}
ANNA: Body = {"id": "anna", "role": "Sales", "devices": [DESK], "tags": ["a"]}


def lines(before: Body, after: Body) -> list[str]:
    return list(compare({("person", "anna"): before}, {("person", "anna"): after}))


def test_what_is_equal_is_not_told() -> None:
    assert lines(ANNA, dict(ANNA)) == []


def test_each_change_is_a_line() -> None:
    changed = {**ANNA, "devices": [{**DESK, "ring_s": 12.5, "ha1_md5": "b"}, {"id": "soft"}], "tags": ["b"]}
    del changed["role"]
    assert lines(ANNA, changed) == [
        "person anna: role Sales → (none)",
        "person anna: device desk ring_s 20 → 12.5",
        "person anna: device desk password changed",
        "person anna: device soft added",
        "person anna: tags − a",
        "person anna: tags + b",
    ]


def test_added_and_removed_objects_are_told_in_an_order_that_does_not_change() -> None:
    before: dict[tuple[str, str], Body] = {("site", name): {} for name in "cab"}
    assert list(compare(before, {("site", "new"): {}})) == [  # type: ignore[arg-type] # kinds are plain here
        "site new added",
        "site a removed",
        "site b removed",
        "site c removed",
    ]
