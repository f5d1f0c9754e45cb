"""Folders appear whole: what fails leaves what was there, and nothing beside it."""

from pathlib import Path

import pytest

from semid.folders import whole_folder


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "a/b") as folder:
        (folder / "file").write_text("new")
        assert not (tmp_path / "a/b").exists()
    assert files(tmp_path) == {"a/b/file": "new"}


def test_only_an_empty_folder_gives_way_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for text in ("first", "second"):
        with whole_folder(tmp_path / "a", replace=text == "second") as folder:
            (folder / text).write_text(text)
        assert files(tmp_path) == {f"a/{text}": text}
    with pytest.raises(OSError, match="a"), whole_folder(tmp_path / "a") as folder:
        (folder / "third").write_text("third")
    assert files(tmp_path) == {"a/second": "second"}


def test_what_fails_leaves_the_folder_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with whole_folder(tmp_path / "a") as folder:
        (folder / "file").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "a", replace=True) as folder:
        (folder / "file").write_text("half")
        raise RuntimeError
    assert files(tmp_path) == {"a/file": "old"}
    rename = Path.rename

    def fail_at_the_last_step(path: Path, target: Path) -> Path:
        if path.suffix == ".partial":
            raise OSError("refused")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_last_step)
    with pytest.raises(OSError, match="refused"), whole_folder(tmp_path / "a", replace=True) as folder:
        (folder / "file").write_text("new")
    assert files(tmp_path) == {"a/file": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_of_a_link_the_folder_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with whole_folder(tmp_path / "link", replace=True) as folder:
        (folder / "file").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert files(tmp_path / "disk") == {"file": "new"}
