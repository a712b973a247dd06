"""Builds told from people: what starts write, what ends them, and what they are compared with."""

from httpprocessproxy.core.change.outputs import PATIENCE, FileState, Outputs

NOTHING: frozenset[str] = frozenset()


class Project:
    """Starts of a server, and what the files contain when it is about to answer."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.files: dict[str, FileState] = {}
        self._now_ns = 0

    def start(self, **written: bytes | None) -> set[str] | None:
        """Start, and write these; return what ends the start, None if it ended before its end."""
        self.outputs.started()
        for path, content in written.items():
            self._now_ns += 1
            self.files[path] = content, self._now_ns if content is not None else 0
            if self.outputs.changed(frozenset((path,))):
                return None
        return self.answer()

    def report(self, *paths: str) -> set[str] | None:
        """Start, and have files reported that were not written since the last start."""
        self.outputs.started()
        if self.outputs.changed(frozenset(paths)):
            return None
        return self.answer()

    def answer(self) -> set[str]:
        return set(self.outputs.answered(lambda path: self.files.get(path, (None, 0)))[0])


def impatient() -> Project:
    """One of which a change has ended PATIENCE starts."""
    project = Project()
    for _ in range(PATIENCE):
        assert project.start(a=b"1", b=b"1") is None
    return project


def test_build_that_writes_the_same_again_is_left_to_end() -> None:
    project = impatient()
    assert project.start(a=b"1", b=b"1") == {"a", "b"}
    assert project.start(a=b"1", b=b"1") == set()
    # After a save the outputs are others.
    project.outputs.saved(frozenset(("main.ts",)))
    assert project.start(a=b"2", b=b"2") == set()


def test_save_in_a_start_that_goes_on_ends_it_before_it_answers() -> None:
    project = impatient()
    assert project.start(a=b"1", main=b"saved") == {"a", "main"}
    assert project.start(a=b"1", main=b"saved again") == {"main"}
    assert project.start(a=b"1") == set()


def test_save_reported_twice_does_not_become_an_output() -> None:
    project = impatient()
    assert project.start(main=b"saved") == {"main"}
    # The same write, for example seen empty and then whole: this start came after it.
    assert project.report("main") == set()
    # The next save ends the start during which it is written, or before that start answers.
    assert project.start(main=b"saved again") is None


def test_new_file_once_the_build_is_known_ends_the_start_at_once() -> None:
    project = impatient()
    project.start(a=b"1", b=b"1")
    assert project.start(a=b"1", main=b"saved") is None


def test_start_that_answers_undisturbed_begins_the_count_again() -> None:
    project = Project()
    for _ in range(3 * PATIENCE):
        assert project.start(a=b"1") is None
        assert project.start() == set()


def test_file_that_changes_while_the_server_runs_is_no_output() -> None:
    project = impatient()
    project.start(a=b"1")
    project.start(a=b"1")
    project.outputs.saved(frozenset(("a",)))
    assert project.start(a=b"2") is None
    assert not project.outputs.found(frozenset(("a",)))


def test_temporary_file_beside_an_output_is_no_save() -> None:
    project = impatient()
    written: dict[str, bytes | None] = {"app": b"1", "app-go-tmp-umask": None}
    assert project.start(**written) == {"app"}
    assert project.start(app=b"1") == set()


def test_removed_file_is_a_save() -> None:
    project = impatient()
    assert project.start(app=b"1", main=None) == {"app", "main"}


def test_file_that_the_server_has_open_is_an_output_from_then_on() -> None:
    outputs = Outputs()
    outputs.started()
    assert outputs.found(frozenset("a")) == {"a"}
    assert outputs.found(frozenset("a")) == NOTHING
    assert outputs.changed(frozenset("a")) == NOTHING
    assert outputs.changed(frozenset("ab")) == {"b"}
