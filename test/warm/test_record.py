"""The record of a program's imports, made during a cold run."""

from pathlib import Path

import pytest

from httpprocessproxy.warm import ImportRecord
from httpprocessproxy.warm.record import record_of
from test.warm.program import Program
from test.warm.starts import Project


def recorded(folder: Path, files: dict[str, str]) -> ImportRecord:
    _, record = Project.make(folder, Program(files)).recorded()
    assert record is not None
    return record


def test_modules_are_sorted_by_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = recorded(
        tmp_path,
        {
            "site/library.py": "import decimal, own",
            "own.py": "import sys\nsys.path.append('more')",
            "more/other.py": "",
            "main.py": "import library, other\ntry:\n    import missing\nexcept ImportError: pass",
        },
    )
    assert [name for name in record.modules if name in ("library", "decimal")] == [
        "library",
        "decimal",
    ]
    assert record.foreign == ("own", "other")
    assert record.paths == ("more",)
    assert not {"missing", "__main__"} & {*record.modules}
    assert any(folder.endswith("site-packages") for folder in record.folders)


def test_imports_of_forked_processes_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main = "import os\nif os.fork():\n    os.wait()\n    import wave\nelse:\n    import decimal"
    record = recorded(tmp_path, {"main.py": main})
    assert {"decimal", "wave"} < {*record.modules}


def test_load_returns_dumped_record() -> None:
    record = ImportRecord(("a", "b"), ("c",), ("d",), ("e",))
    assert ImportRecord.load(record.dump()) == record


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"modules": [1]}', '{"other": ["a"]}'])
def test_load_of_invalid_text_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"record|Expecting"):
        ImportRecord.load(text)


def test_empty_recording_is_none() -> None:
    assert record_of("") is None
