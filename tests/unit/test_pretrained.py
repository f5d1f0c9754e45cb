"""What a saved model says of itself, read and written without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from semid.errors import InputError
from semid.pretrained import HEADER_ENTRY, config_text, header_text, read_header, write_config

DESCRIPTION = {
    "class": "RQKMeans",
    "arguments": {"num_levels": 2, "codebook_sizes": None},
    "at_encode": {"beam": 1},
    "fitted": {"dim": 3},
    "metadata": {"dataset": "Ünlike"},
}


def model(folder: Path, metadata: dict[str, str] | None) -> Path:
    save_file({"a": np.zeros(3, np.float32)}, folder / "model.safetensors", metadata)
    return folder / "model.safetensors"


def test_a_header_is_read_as_it_was_written(tmp_path: Path):
    assert read_header(model(tmp_path, {HEADER_ENTRY: header_text(DESCRIPTION)})) == DESCRIPTION
    assert read_header(model(tmp_path, {"format": "pt"})) is None
    assert read_header(model(tmp_path, None)) is None


@pytest.mark.parametrize(("given", "beam"), [({}, 1), ({"beam": 8}, 8)])
def test_the_config_has_the_options_of_training_and_those_of_encoding(given: dict, beam: int, tmp_path: Path):
    write_config(model(tmp_path, {HEADER_ENTRY: header_text(DESCRIPTION)}), tmp_path / "config.json", given)
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    assert text == config_text(DESCRIPTION, given)
    assert json.loads(text) == {
        "class": "RQKMeans",
        "arguments": {"num_levels": 2, "codebook_sizes": None, "beam": beam},
        "fitted": {"dim": 3},
        "metadata": {"dataset": "Ünlike"},
    }


def test_an_option_that_is_none_of_encoding_is_refused(tmp_path: Path):
    path = model(tmp_path, {HEADER_ENTRY: header_text(DESCRIPTION)})
    for name in ("num_levels", "width"):
        with pytest.raises(InputError, match=f"'{name}' is no option of RQKMeans .*; those are: beam$"):
            write_config(path, tmp_path / "config.json", {name: 3})
    with pytest.raises(InputError, match=r"those are: none$"):
        config_text({**DESCRIPTION, "at_encode": {}}, {"beam": 2})
    assert not (tmp_path / "config.json").exists()


def test_a_model_without_a_header_has_no_config_to_write(tmp_path: Path):
    with pytest.raises(InputError, match=r"model\.safetensors does not say what it is: .* train it again"):
        write_config(model(tmp_path, None), tmp_path / "config.json", {})


@pytest.mark.parametrize("content", [b"", b"{}" * 9, b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]", b"\x09\0\0\0\0\0\0\0{"])
def test_what_is_no_safetensors_file_is_named(content: bytes, tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(
        InputError, match=r"model\.safetensors is not a whole safetensors file .*; train or copy it again"
    ):
        read_header(tmp_path / "model.safetensors")


def test_a_config_is_written_without_torch():
    code = "import sys, semid.pretrained; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
