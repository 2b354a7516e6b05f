"""Jobs leave records where a workflow asks for them, and none elsewhere."""

import json
from pathlib import Path

import pytest

from contracts import command_line
from contracts.errors import InputError
from contracts.job_record import FOLDER_VARIABLE, recorded
from contracts.secrets import REDACTED

TOKEN = "hf_abcdefghijklmnopqrstuvwx"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that records go to."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "records"))
    monkeypatch.delenv("MEGATRON_CDT_PARENT_JOB", raising=False)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("SOME_OTHER_VARIABLE", "private things")
    return tmp_path / "records"


def jobs(records: Path) -> list[dict]:
    """All records, by their start."""
    return [json.loads(path.read_text()) for path in sorted((records / "jobs").glob("*.json"))]


def test_a_job_has_a_record_from_its_start_and_an_end_when_it_ends(records):
    with recorded("eval", ["score", "--output", "x"]):
        [begun] = jobs(records)
        assert begun["ended"] is None
        assert begun["exit_code"] is None
    [ended] = jobs(records)
    assert ended["exit_code"] == 0
    assert ended["arguments"] == ["score", "--output", "x"]
    assert ended["seconds"] >= 0
    environment = json.loads((records / "environments" / f"{ended['environment']}.json").read_text())
    assert environment["variables"]["PYTHONHASHSEED"] == "0"
    assert "pytest" in environment["packages"]
    code = json.loads((records / "code" / f"{ended['code']}.json").read_text())
    assert "contracts.errors" in code


@pytest.mark.parametrize(("error", "code"), [(InputError("x"), 2), (SystemExit(75), 75), (ValueError("x"), 1)])
def test_the_exit_code_is_that_of_the_job(records, error, code):
    with pytest.raises(type(error)), recorded("eval", ["score"]):
        raise error
    assert [job["exit_code"] for job in jobs(records)] == [code]


COMMANDS = {"tokenize": ("data_prep.commands.tokenize", "x"), "inspect": ("data_prep.commands.inspect", "x")}
BAD_INPUTS = {
    "an option that does not exist": ["tokenize", "--no-such-option"],
    "a command that does not exist": ["tokenise"],
    "a text longer than any path": ["inspect", 300 * "long "],
    "a file that is not there": ["inspect", "nowhere"],
}


@pytest.mark.parametrize("words", BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_bad_input_of_every_kind_is_recorded_as_2_with_the_line_that_a_person_saw(records, capsys, words):
    assert command_line.main("data_prep", COMMANDS, words) == 2
    [job] = jobs(records)
    assert job["exit_code"] == 2
    assert f"error: {job['error']}" == capsys.readouterr().err.strip()


def test_a_reader_that_has_gone_is_no_failure_and_ctrl_c_is_130(records, monkeypatch, tmp_path):
    monkeypatch.setattr("data_prep.commands.inspect.run", raising(BrokenPipeError()))
    monkeypatch.setattr("contracts.command_line.os.dup2", lambda *_: None)
    assert command_line.main("data_prep", COMMANDS, ["inspect", str(tmp_path)]) == 0
    with pytest.raises(KeyboardInterrupt), recorded("eval", ["score"]):
        raise KeyboardInterrupt
    assert [job["exit_code"] for job in jobs(records)] == [0, 130]


def raising(error: BaseException):
    """A command that ends with this error."""

    def run(_arguments):
        raise error

    return run


def test_the_complaint_in_a_record_has_no_secret(records):
    with pytest.raises(InputError), recorded("data_prep", ["fetch"]):
        raise InputError(f"https://host?token={TOKEN}: refused")
    assert REDACTED in jobs(records)[0]["error"]
    assert TOKEN not in jobs(records)[0]["error"]


def test_equal_jobs_share_their_environment_and_code(records):
    for _ in range(3):
        with recorded("eval", ["score"]):
            pass
    assert len(jobs(records)) == 3
    assert len(list((records / "environments").iterdir())) == len(list((records / "code").iterdir())) == 1


def test_no_secret_and_no_unlisted_variable_is_written(records):
    with recorded(
        "data_prep", ["fetch", "--url", f"https://me:hunter2hunter2@host?token={TOKEN}", "--token", "plain1"]
    ):
        pass
    written = "".join(path.read_text() for path in records.rglob("*.json"))
    assert REDACTED in written
    for secret in (TOKEN, "hunter2hunter2", "plain1", "private things", "SOME_OTHER_VARIABLE"):
        assert secret not in written


def test_without_a_folder_nothing_is_written(records, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE)
    with recorded("eval", ["score"]):
        pass
    assert not records.exists()


def test_of_a_host_s_processes_one_is_recorded(records, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    with recorded("megatron_cdt", ["train"]):
        pass
    assert not records.exists()


def test_a_record_that_cannot_be_written_ends_no_job(records, capsys):
    records.write_text("a file where the folder should be")
    with recorded("eval", ["score"]):
        pass
    assert "this job is not recorded" in capsys.readouterr().err
