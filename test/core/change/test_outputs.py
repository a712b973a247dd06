"""Build outputs distinguished from saves: files written by starts, and the starts they end."""

from httpprocessproxy.core.change.outputs import PATIENCE, FileState, Outputs

NOTHING: frozenset[str] = frozenset()


class Project:
    """A server's starts, and the digests of its files when it is about to answer."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.files: dict[str, FileState] = {}
        self._now_ns = 0

    def start(self, **written: bytes | None) -> set[str] | None:
        """Start and write these files; return the saved files, or None if a change ended it."""
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
    """A project in which changes have ended PATIENCE starts."""
    project = Project()
    for _ in range(PATIENCE):
        assert project.start(a=b"1", b=b"1") is None
    return project


def test_build_that_writes_the_same_content_again_may_finish() -> None:
    project = impatient()
    assert project.start(a=b"1", b=b"1") == {"a", "b"}
    assert project.start(a=b"1", b=b"1") == set()
    # After a save the build writes other contents.
    project.outputs.saved(frozenset(("main.ts",)))
    assert project.start(a=b"2", b=b"2") == set()


def test_save_in_a_continued_start_ends_it_before_the_answer() -> None:
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


def test_file_new_to_the_build_ends_the_start_at_once() -> None:
    project = impatient()
    project.start(a=b"1", b=b"1")
    assert project.start(a=b"1", main=b"saved") is None


def test_undisturbed_start_resets_the_count_of_ended_starts() -> None:
    project = Project()
    for _ in range(3 * PATIENCE):
        assert project.start(a=b"1") is None
        assert project.start() == set()


def test_file_saved_while_the_server_runs_is_not_an_output() -> None:
    project = impatient()
    project.start(a=b"1")
    project.start(a=b"1")
    project.outputs.saved(frozenset(("a",)))
    assert project.start(a=b"2") is None
    assert not project.outputs.found(frozenset(("a",)))


def test_temporary_file_beside_an_output_is_not_a_save() -> None:
    project = impatient()
    written: dict[str, bytes | None] = {"app": b"1", "app-go-tmp-umask": None}
    assert project.start(**written) == {"app"}
    assert project.start(app=b"1") == set()


def test_removed_file_is_a_save() -> None:
    project = impatient()
    assert project.start(app=b"1", main=None) == {"app", "main"}


def test_file_open_for_writing_becomes_an_output() -> None:
    outputs = Outputs()
    outputs.started()
    assert outputs.found(frozenset("a")) == {"a"}
    assert outputs.found(frozenset("a")) == NOTHING
    assert outputs.changed(frozenset("a")) == NOTHING
    assert outputs.changed(frozenset("ab")) == {"b"}
    assert outputs.among(frozenset("ab")) == {"a"}


def test_change_of_a_continued_start_is_pending_until_the_server_answers() -> None:
    project = impatient()
    project.outputs.started()
    pending = [project.outputs.is_pending]
    assert project.outputs.changed(frozenset("a")) == NOTHING
    pending.append(project.outputs.is_pending)
    assert project.answer() == {"a"}
    pending.append(project.outputs.is_pending)
    assert pending == [False, True, False]


def test_file_that_was_saved_ends_each_start_with_saves_end() -> None:
    """A user may save again and again while a build runs; a new file has to be judged."""
    outputs = Outputs(saves_end=True)
    outputs.saved(frozenset({"a.py"}))
    for _ in range(2 * PATIENCE):
        outputs.started()
        assert outputs.changed(frozenset({"a.py", "b.txt"})) == {"a.py", "b.txt"}
    for _ in range(PATIENCE):
        outputs.started()
        assert outputs.changed(frozenset({"b.txt"})) == {"b.txt"}
    outputs.started()
    assert outputs.changed(frozenset({"b.txt"})) == NOTHING
    assert outputs.is_pending
    assert outputs.changed(frozenset({"a.py"})) == {"a.py"}
    assert not outputs.is_pending
