"""Complaints about the backend: each once per generation, and a few of them."""

from httpprocessproxy.proxy.destination import MAX_COMPLAINTS, Complaints


def test_complaint_is_shown_once_per_generation() -> None:
    said: list[str] = []
    complaints = Complaints(said.append)
    for _ in range(2):
        complaints.add("a")
        complaints.add("b")
    assert said == ["a", "b"]
    complaints.clear()
    complaints.add("a")
    assert said == ["a", "b", "a"]


def test_number_of_complaints_is_limited() -> None:
    said: list[str] = []
    complaints = Complaints(said.append)
    for number in range(MAX_COMPLAINTS + 5):
        complaints.add(str(number))
    assert len(said) == MAX_COMPLAINTS
    complaints.clear()
    complaints.add("another")
    assert said[-1] == "another"
