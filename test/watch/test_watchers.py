"""One suite for every watcher: the same files reported for the same changes."""

import asyncio
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from httpprocessproxy.config import WatcherName
from httpprocessproxy.core.patterns import ANYTHING
from test.watch.watching import run, watching

CHECKED_OUT = 10_000


def in_place(file: Path) -> None:
    """As VS Code saves."""
    file.write_text("new content")


def by_rename(file: Path) -> None:
    """As most others save."""
    file.with_name("a.py~").write_text("new content")
    file.with_name("a.py~").replace(file)


def like_vim(file: Path) -> None:
    """Vim's 'backupcopy=no'."""
    file.with_name("4913").touch()
    file.with_name("4913").unlink()
    file.with_name(".a.py.swp").write_text("swap")
    file.rename(file.with_name("a.py~"))
    file.write_text("new content")
    file.with_name("a.py~").unlink()
    file.with_name(".a.py.swp").unlink()


def like_jetbrains(file: Path) -> None:
    file.with_name("a.py___jb_tmp___").write_text("new content")
    file.rename(file.with_name("a.py___jb_old___"))
    file.with_name("a.py___jb_tmp___").rename(file)
    file.with_name("a.py___jb_old___").unlink()


def delete(file: Path) -> None:
    file.unlink()


def touch(file: Path) -> None:
    os.utime(file)


def replace_by_an_older_one(file: Path) -> None:
    """As `mv` does, or an archive that is unpacked; the size is the same."""
    other = file.with_name(".#other")
    other.write_text("old content")
    os.utime(other, (1, 1))
    other.replace(file)


def write_and_set_back_the_time(file: Path) -> None:
    file.write_text("new content")
    os.utime(file, (1, 1))


def replace_by_a_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("elsewhere")


SAVES = [
    *(in_place, by_rename, like_vim, like_jetbrains, delete, touch),
    *(replace_by_an_older_one, write_and_set_back_the_time, replace_by_a_link),
]


@pytest.mark.parametrize("save", SAVES)
def test_a_save_is_that_of_one_file(name: WatcherName, project: Path, save: object) -> None:
    assert callable(save)
    file = project / "src" / "a.py"
    file.parent.mkdir()
    file.write_text("the content")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            save(file)
            await reports.see("src/a.py")
            assert await reports.all() == {"src/a.py"}

    run(main())


def change_mode(file: Path) -> None:
    file.chmod(0o777)


def open_to_write(file: Path) -> None:
    file.open("r+").close()


def read(file: Path) -> None:
    file.read_text()


def link(file: Path) -> None:
    """Changes the number of names, which is a property of the file."""
    os.link(file, file.with_name("another~"))


def make_and_remove_a_folder(file: Path) -> None:
    (file.parent / "folder").mkdir()
    (file.parent / "folder").rmdir()


def write_bytecode(file: Path) -> None:
    (file.parent / "__pycache__").mkdir()
    (file.parent / "__pycache__" / "a.cpython-311.pyc").write_text("")


def install_packages(file: Path) -> None:
    (file.parent / "node_modules" / "x").mkdir(parents=True)
    (file.parent / "node_modules" / "x" / "index.js").write_text("")


@pytest.mark.parametrize(
    "act",
    [
        *(change_mode, open_to_write, read, link),
        *(make_and_remove_a_folder, write_bytecode, install_packages),
    ],
)
def test_what_is_no_change(name: WatcherName, project: Path, act: object) -> None:
    assert callable(act)
    file = project / "a.py"
    file.write_text("the content")
    # Older than the watcher, by far: nothing of its past may be taken for new.
    os.utime(file, (1_000_000_000, 1_000_000_000))

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            act(file)
            assert await reports.all() == set()

    run(main())


def test_new_folders_with_files_in_them(name: WatcherName, project: Path) -> None:
    files = [f"{number}/b/c/file.py" for number in range(100)]

    async def main() -> None:
        async with watching(name, project, ["**/*.py"]) as (reports, _):
            for file in files:
                (project / file).parent.mkdir(parents=True)
                (project / file).write_text("")
            await reports.see(*files)
            assert await reports.all() == set(files)
            for file in files[::10]:
                (project / file).write_text("again")
            await reports.see(*files[::10])

    run(main())


def test_folders_made_one_by_one_while_events_are_read(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        async with watching(name, project) as (reports, _):
            for number in range(10 if name == "polling" else 30):
                file = project / str(number) / "x" / "file.py"
                file.parent.mkdir(parents=True)
                file.write_text("")
                await reports.see(f"{number}/x/file.py")
                file.write_text("again")
                reports.paths.clear()
                await reports.see(f"{number}/x/file.py")

    run(main())


def test_a_folder_renamed(name: WatcherName, project: Path) -> None:
    (project / "old" / "deep").mkdir(parents=True)
    (project / "old" / "deep" / "a.py").write_text("")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / "old").rename(project / "new")
            await reports.see("old/deep/a.py", "new/deep/a.py")
            await reports.all()
            (project / "new" / "deep" / "a.py").write_text("again")
            (project / "new" / "deep" / "b.py").write_text("")
            assert await reports.all() == {"new/deep/a.py", "new/deep/b.py"}

    run(main())


def test_a_folder_moved_out_and_in(name: WatcherName, project: Path, tmp_path: Path) -> None:
    (project / "folder").mkdir()
    (project / "folder" / "a.py").write_text("")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / "folder").rename(tmp_path / "outside")
            assert await reports.all() == {"folder/a.py"}
            (tmp_path / "outside" / "a.py").write_text("not ours now")
            assert await reports.all() == set()
            (tmp_path / "outside").rename(project / "back")
            assert await reports.all() == {"back/a.py"}

    run(main())


def test_links(name: WatcherName, project: Path) -> None:
    (project / "folder").mkdir()
    (project / "folder" / "a.py").write_text("")
    (project / "link.py").symlink_to("folder/a.py")
    (project / "linked").symlink_to("folder")
    (project / "folder" / "round").symlink_to("..")
    (project / "itself").symlink_to("itself")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / "linked" / "a.py").write_text("by its link")
            assert await reports.all() == {"folder/a.py"}
            (project / "linked").unlink()
            (project / "linked").symlink_to("folder")
            (project / "link.py").write_text("by its link")
            await reports.see("folder/a.py")

    run(main())


def test_ten_thousand_files_checked_out(name: WatcherName, repository: Path) -> None:
    everything = {f"{number % 100}/{number}.py" for number in range(CHECKED_OUT)}

    async def main() -> None:
        async with watching(name, repository) as (reports, _):
            await asyncio.to_thread(git, "checkout", "--quiet", "--force", "-", at=repository)
            await reports.until(lambda: ANYTHING in reports.paths or everything <= reports.paths)
            await reports.all()
            (repository / "99" / "99.py").write_text("the very last")
            assert await reports.all() == {"99/99.py"}

    run(main())


def test_below_the_root_of_a_repository(name: WatcherName, project: Path) -> None:
    (project / ".git").mkdir()
    below = project / "service" / "web"
    below.mkdir(parents=True)

    async def main() -> None:
        async with watching(name, below, ["*.py"]) as (reports, _):
            (project / "a.py").write_text("")
            (project / "service" / "a.py").write_text("")
            (below / "b.py").write_text("")
            assert await reports.all() == {"b.py"}

    run(main())


def test_a_change_at_once_after_entering(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        for number in range(10):
            async with watching(name, project) as (reports, _):
                (project / "a.py").write_text(str(number))
                await reports.see("a.py")

    run(main())


def test_nothing_from_before_is_reported(name: WatcherName, project: Path) -> None:
    (project / "a.py").write_text("")

    async def main() -> None:
        (project / "b.py").write_text("")
        async with watching(name, project) as (reports, _):
            assert await reports.all() == set()

    run(main())


def test_patterns_and_excludes(name: WatcherName, project: Path) -> None:
    for folder in ("src", "gen", "node_modules/ours", "node_modules/theirs"):
        (project / folder).mkdir(parents=True)

    async def main() -> None:
        patterns = ["**/*.py", "node_modules/ours/**"]
        async with watching(name, project, patterns, ["gen/**"]) as (reports, _):
            for folder in ("src", "gen", "node_modules/ours", "node_modules/theirs"):
                (project / folder / "a.py").write_text("")
                (project / folder / "a.js").write_text("")
            found = await reports.all()
            assert found == {"src/a.py", "node_modules/ours/a.py", "node_modules/ours/a.js"}

    run(main())


def test_names_that_are_not_utf8(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / os.fsdecode(b"\xff\n.py")).write_text("")
            assert await reports.all() == {"\udcff\n.py"}

    run(main())


def test_a_root_whose_name_is_not_utf8(name: WatcherName, project: Path) -> None:
    root = project / os.fsdecode(b"\xff")
    root.mkdir()

    async def main() -> None:
        async with watching(name, root) as (reports, _):
            (root / "a.py").write_text("")
            await reports.see("a.py")

    run(main())


def test_the_root_deleted_and_made_again(name: WatcherName, project: Path) -> None:
    (project / "a.py").write_text("")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            shutil.rmtree(project)
            os.mkdir(project)
            reports.paths.clear()
            # Polling sees files and no folders: it never lost track.
            await reports.see("a.py" if name == "polling" else ANYTHING)
            await reports.all()
            (project / "a.py").write_text("again")
            assert await reports.all() == {"a.py"}

    run(main())


def test_nothing_is_left_behind(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        async def once() -> tuple[int, int]:
            async with watching(name, project) as (reports, _):
                (project / "a.py").write_text("")
                await reports.see("a.py")
            return len(os.listdir("/proc/self/fd")), threading.active_count()

        before = await once()
        for _ in range(5 if name == "polling" else 50):
            assert await once() == before

    run(main())


def test_leaving_takes_no_time(name: WatcherName, project: Path) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with watching(name, project):
            began_at = loop.time()
        return loop.time() - began_at

    assert min(asyncio.run(main()) for _ in range(3)) < 0.1


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 files in 100 folders, all of them different in two branches."""
    root = tmp_path_factory.mktemp("repository")
    git("init", "--quiet", at=root)
    git("fast-import", "--quiet", at=root, stdin=_commit("main") + _commit("other"))
    git("checkout", "--quiet", "main", at=root)
    git("checkout", "--quiet", "other", at=root)
    return root


def _commit(branch: str) -> str:
    """What git-fast-import(1) makes the whole branch of."""
    lines = [f"commit refs/heads/{branch}", "committer test <test@localhost> 0 +0000", "data 0"]
    for number in range(CHECKED_OUT):
        content = f"{branch} {number}"
        lines += [f"M 644 inline {number % 100}/{number}.py", f"data {len(content)}", content]
    return "\n".join([*lines, ""])


def git(*arguments: str, at: Path, stdin: str = "") -> None:
    subprocess.run(["git", *arguments], cwd=at, check=True, input=stdin, text=True)
