# SPDX-License-Identifier: Apache-2.0
"""Where runs leave their files: two never meet, whatever the path; what the file system refuses is one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from mapping.models.builder import GraphBuilder
from pyimc.errors import ConfigError
from sim.cli import CLOSED_PIPE
from sim.run.folder import LONGEST_NAME, Identity, claimed, reading
from tests.sim import small
from tests.sim.runs import ROOT, pyimc, read_result

DIGITS = ("sim", "--model", "digits", "--arch", "tiny", "--images", "1")
PYIMC = (sys.executable, "-m", "sim.entry")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def model(name: str, seed: int, *, node: str = "conv") -> str:
    """A convolution, in a file."""
    graph = GraphBuilder("net", (1, 2, 6, 6), seed=seed)
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(graph.finish(graph.conv(node, graph.input, 2, 4, (3, 3), (1, 1), (0, 0, 0, 0), bias=True)), path)
    return name


def test_options_and_seed_have_folders_of_their_own(workspace: Path) -> None:
    golden = (*DIGITS, "--level", "cycle")
    seen = set()
    for extra in ((), ("--option", "slack_rows=0"), ("--option", "grain=pixel"), ("--seed", "3")):
        said = pyimc(*golden, *extra)
        assert said.code == 0, said
        (found,) = [word for word in said.out.split() if word.endswith("result.json")]
        assert json.loads(Path(found).read_text())["level"] == "cycle"
        seen.add(found)
        assert pyimc(*golden, *extra).out.count(found) == 1, "the same command has the same folder"
    assert len(seen) == 4 and "build/digits-tiny-lblp-cycle/result.json" in seen


def test_two_models_of_one_name_do_not_meet(workspace: Path) -> None:
    reports = []
    for path in (model("a/net.onnx", 1), model("b/net.onnx", 2)):
        assert pyimc("sim", "--model", path, "--arch", "tiny", "--level", "golden", "--images", "1").code == 0
    for folder in sorted(Path("build").glob("net-tiny-lblp-golden*")):
        reports.append(read_result(folder)["model_sha256"])
    assert len(set(reports)) == 2
    assert Path("build/net-tiny-lblp-golden/result.json").is_file()


def test_two_runs_at_once_with_other_options_report_their_own_cycles(workspace: Path) -> None:
    command = (*PYIMC, "sim", "--model", "digits", "--arch", "tiny", "--images", "2", "--option")
    assert pyimc(*DIGITS).code == 0  # the chip is compiled
    started = [
        subprocess.Popen((*command, option), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        for option in ("slack_rows=0", "grain=pixel")
    ]
    both = [process.communicate()[0] for process in started]
    alone = [pyimc(*command[3:], option).out for option in ("slack_rows=0", "grain=pixel")]
    latencies = [[line.split(";")[0] for line in out.splitlines() if line.startswith("latency")] for out in both]
    assert latencies == [
        [line.split(";")[0] for line in out.splitlines() if line.startswith("latency")] for out in alone
    ]
    assert latencies[0] != latencies[1]


def test_a_folder_in_use_is_refused_and_an_earlier_result_is_gone_while_it_is(workspace: Path) -> None:
    mine = Identity("net", ("a",))
    with claimed(mine) as folder:
        (folder / "result.json").write_text("{}")
    with claimed(mine) as again:
        assert again == folder == Path("build/net") and not (folder / "result.json").exists()
        with pytest.raises(ConfigError, match=r"build/net-\w{8}: another run uses it|build/net: another run uses it"):
            _claim_twice(mine)
        with pytest.raises(ConfigError, match="another run uses it just now"), reading(folder):
            pass
    with claimed(Identity("net", ("b",))) as other:
        assert other != folder and other.name.startswith("net-")


def _claim_twice(identity: Identity) -> None:
    """The first choice is locked; the second is taken, and a third run finds neither."""
    with claimed(identity), claimed(identity):
        pass


def test_output_names_the_folder_and_spares_what_is_no_run(workspace: Path) -> None:
    assert pyimc(*DIGITS, "--level", "golden", "--output", "mine/run").code == 0
    assert Path("mine/run/result.json").is_file() and not Path("build/digits-tiny-lblp-golden").exists()
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("once")
    said = pyimc(*DIGITS, "--level", "golden", "--output", "thesis")
    assert said.code == 2 and "thesis: holds something else than a run" in said.err
    assert [path.name for path in Path("thesis").iterdir()] == ["chapter.txt"]


def test_a_rerun_leaves_the_run_that_it_reads_alone(workspace: Path) -> None:
    run = small.prepared(Path("run"))
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    assert pyimc("rerun", run, "--level", "golden").code == 0
    assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} == before
    assert Path("build/run-rerun-golden/result.json").is_file()
    said = pyimc("rerun", run, "--level", "golden", "--output", "run")
    assert said.code == 2 and "run: is the run that is to be run again" in said.err


@pytest.mark.parametrize("name", ["ü", "with space", "/".join(["d" * 200] * 3), "100% [red]$HOME;'\""])
def test_any_path_will_do(workspace: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = workspace / name
    (place / "build").mkdir(parents=True)
    (place / "build" / "simulator").symlink_to((workspace / "build" / "simulator").resolve())
    monkeypatch.chdir(place)
    said = pyimc(*DIGITS)
    assert said.code == 0 and said.out.endswith("PASS\n"), said
    report = read_result(Path("build/digits-tiny-lblp-rtl"))
    assert all(node["values_compared"] > 0 for node in report["nodes"].values())


def test_names_of_files_and_nodes_are_printed_as_they_are(workspace: Path) -> None:
    for node in ("blk[/relu]conv", "model/conv:0", "[red]", "a:smile:b"):
        path = model("grün[0].onnx", 3, node=node)
        said = pyimc("sim", "--model", path, "--arch", "tiny", "--level", "cycle", "--images", "1", "--output", "out")
        assert said.code == 0 and node in said.out, said
        split = pyimc("sim", "--model", path, "--arch", "tiny", "--level", "cycle", "--images", "1", "--output", "out",
                      "--option", f"split={node}:horizontal=2")  # fmt: skip
        assert split.code == 0 and f"{node}/h0" in split.out and f"{node}/h1" in split.out, split


def test_a_name_beyond_what_a_file_system_takes_is_cut(workspace: Path) -> None:
    long = Identity("m" * 400, ("a",))
    assert [folder.name for folder in long.folders()] == [f"{'m' * LONGEST_NAME}-{long.digest[:8]}"]
    with claimed(long) as folder:
        assert folder.is_dir()


def test_what_the_file_system_refuses_is_one_line(workspace: Path) -> None:
    golden = (*DIGITS, "--level", "golden")
    shutil.rmtree("build")
    Path("build").write_text("")
    said = pyimc(*golden)
    assert said.code == 2 and said.err.count("\n") == 1 and "Not a directory; remove what is in the way" in said.err
    Path("build").unlink()
    Path("build").symlink_to("/proc")
    said = pyimc(*golden)
    assert said.code == 2 and said.err.count("\n") == 1 and "nothing can be created there" in said.err
    with open("/dev/full", "w") as full:
        ended = subprocess.run((*PYIMC, *golden, "--output", "out"), env=ENVIRONMENT, stdout=full, stderr=-1, text=True)
    assert (
        ended.returncode == 2 and ended.stderr == "pyimc: output: No space left on device; make room and run it again\n"
    )


def _namespaces() -> bool:
    return subprocess.run(("unshare", "-rm", "true"), check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(shutil.which("unshare") is None or not _namespaces(), reason="no mount namespaces here")
@pytest.mark.parametrize("level", ["golden", "cycle", "rtl"])
def test_a_file_system_that_cannot_be_written_is_one_line(workspace: Path, level: str) -> None:
    mounted = 'mount --bind . "$PWD" && mount -o remount,ro,bind "$PWD" && cd "$PWD" && exec "$@"'
    command = ("unshare", "-rm", "sh", "-c", mounted, "sh", *PYIMC, *DIGITS, "--level", level)
    before = sorted(workspace.rglob("*"))
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended
    assert "Read-only file system; go to a directory that you may write in, or name one with --output" in ended.stderr
    assert sorted(workspace.rglob("*")) == before


def test_a_pipe_that_nobody_reads_ends_it_without_a_word(workspace: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run((*PYIMC, *DIGITS, "--level", "golden"), env=ENVIRONMENT, stdout=writer, stderr=-1, text=True)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (CLOSED_PIPE, "")


def test_slack_beyond_all_memories_fills_them_at_once(workspace: Path) -> None:
    rings = []
    for rows in (1000, 10**11):
        start = time.monotonic()
        option = f"slack_rows={rows}"
        assert pyimc(*DIGITS, "--level", "cycle", "--option", option, "--output", f"out{rows}").code == 0
        assert time.monotonic() - start < 60
        rings.append(read_result(Path(f"out{rows}"))["ring_words"])
    assert rings[0] == rings[1]
