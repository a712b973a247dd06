"""Builds told from people: what starts write, what ends them, and what they are compared with."""

from httpprocessproxy.core.outputs import PATIENCE, Digest, Outputs

NOTHING: frozenset[str] = frozenset()


class Project:
    """Starts of a server, and what the files contain when it is about to answer."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.files: dict[str, Digest] = {}

    def start(self, **written: Digest) -> set[str] | None:
        """Start, and write these; return what ends the start, None if it ended before its end."""
        self.outputs.started()
        for path, content in written.items():
            self.files[path] = content
            if self.outputs.changed(frozenset((path,))):
                return None
        return set(self.outputs.answered(self.files.get)[0])


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
    written: dict[str, Digest] = {"app": b"1", "app-go-tmp-umask": None}
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
