# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints, and that every mistake of a user is one line, exit code 2, and nothing written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from PIL import Image

from mapping.models import load_model
from mapping.models.builder import GraphBuilder
from pyimc import program_file
from pyimc.arch import CONFIGS
from pyimc.errors import ToolError
from sim.run import flow
from sim.toolchain import simulator
from tests.sim import small
from tests.sim.runs import AGAIN, ROOT, Said, pyimc, read_result

SIM = ("sim", "--arch", "tiny", "--level", "golden", "--images", "1")


def tree() -> dict[str, bytes]:
    """Every file below the current directory, but for the compiled chips."""
    return {str(file): file.read_bytes() for file in sorted(Path().rglob("*")) if file.is_file()}


def refused(*arguments: object, says: tuple[str, ...], code: int = 2) -> Said:
    """Asserts that a command is refused as a user's mistake, and that it leaves nothing behind."""
    before = tree()
    said = pyimc(*arguments)
    assert said.code == code, said
    assert said.err.startswith("pyimc: ") and said.err.count("\n") == 1 and said.err.endswith("\n"), said.err
    for part in says:
        assert part in said.err, said.err
    assert tree() == before
    return said


def saved(model: onnx.ModelProto, name: str = "net.onnx") -> str:
    """The model in a file."""
    onnx.save(model, name)
    return name


def architecture(**changes: object) -> str:
    """The architecture `tiny` with changes, in a file; None takes a key away."""
    data = yaml.safe_load((CONFIGS / "tiny.yaml").read_text()) | changes
    Path("chip.yaml").write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    return "chip.yaml"


# ------------------------------------------------------------------------------------------------------ models


def test_unsupported_operators_are_listed_at_once_with_their_nodes(workspace: Path) -> None:
    graph = GraphBuilder("net", (1, 2, 6, 6), seed=1)
    value = graph.op("Sin", "first", [graph.input])
    value = graph.conv("fine", value, 2, 2, (1, 1), (1, 1), (0, 0, 0, 0), bias=True)
    model = saved(graph.finish(graph.op("Cos", "last", [graph.op("Sin", "second", [value])])))
    said = refused(*SIM, "--model", model, says=("Sin", "(2 times: first, second)", "Cos", "(last)"))
    assert "fine" not in said.err


@pytest.mark.parametrize("shape", [[1, 1, "height", 8], [4, 1, 8, 8], [1, 1, 1, 8, 8]])
def test_a_shape_that_is_not_static(workspace: Path, shape: list[int | str]) -> None:
    model = load_model("digits")
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape))
    refused(*SIM, "--model", saved(model), says=("input image has shape", "needs a static"))


def test_a_shape_that_the_nodes_do_not_take(workspace: Path) -> None:
    """A row (1, C, W) is an input of its own right, but not of a convolution over an image."""
    model = load_model("digits")
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 8, 8]))
    refused(*SIM, "--model", saved(model), says=("onnxruntime refuses it", "Conv", "mend the model"))


def test_a_missing_shape(workspace: Path) -> None:
    model = load_model("digits")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    refused(*SIM, "--model", saved(model), says=("net.onnx", "'shape' of 'type' is required but missing"))


def test_files_that_are_no_models(workspace: Path) -> None:
    Path("text.onnx").write_text("not a model")
    Path("empty.onnx").write_bytes(b"")
    whole = load_model("digits").SerializeToString()
    Path("half.onnx").write_bytes(whole[: len(whole) // 2])
    Path("folder.onnx").mkdir()
    for name in ("text", "empty", "half"):
        refused(*SIM, "--model", f"{name}.onnx", says=(f"{name}.onnx: not a complete ONNX model", "again"))
    refused(*SIM, "--model", "folder.onnx", says=("folder.onnx: no such file",))
    refused(*SIM, "--model", "missing.onnx", says=("missing.onnx: no such file",))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"crossbar": {"rows": 64, "columns": 32, "planes": 1, "adcs": 8, "dac_bits": 2}},
         ("take 16 planes of 64x32", "have 4", "crossbar.planes of 4 or more")),
        ({"activation_words": 16}, ("activation words: needed 32, available", "activation words, 4 PUs have 64")),
        ({"instructions": 4}, ("needed", "available", "instructions")),
        ({"contexts": 1}, ("needed", "available", "contexts")),
        ({"destinations": 1}, ("needs 2 destinations", "has 1")),
        ({"parameters": 8}, ("needed 8, available 0 of 8", "takes 120 parameter channels")),
        ({"dpus": []}, ("needs a PU of kind dpu", "has none")),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit(workspace: Path, changes: dict[str, object], says: tuple[str, ...]) -> None:
    chip = architecture(**changes)
    refused("sim", "--model", "digits", "--arch", chip, "--images", "1", says=says)
    refused("compile", "--model", "digits", "--arch", chip, says=says)


# ------------------------------------------------------------------------------------------------ architectures


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": "red", "wrod_bits": 64}, ("chip.yaml", "colour", "wrod_bits")),
        ({"mesh": {"columns": 3, "rows": 2, "fifo_depth": 2, "torus": True}}, ("mesh.torus",)),
        ({"word_bits": "64"}, ("word_bits", "'64'")),
        ({"packet_words": 4.0}, ("packet_words",)),
        ({"contexts": True}, ("contexts",)),
        ({"host": None}, ("host",)),
        ({"word_bits": 96}, ("word_bits is 96", "64, 128 or 256")),
        ({"packet_words": 0}, ("packet_words", "0")),
        ({"dpus": [0]}, ("must not name the host",)),
        ({"dpus": [17]}, ("node 17 does not exist",)),
        ({"crossbar": {"rows": 60, "columns": 32, "planes": 4, "adcs": 8, "dac_bits": 2}}, ("crossbar", "rows is 60")),
        ({"crossbar": {"rows": 64, "columns": 32, "planes": 4, "adcs": 8, "dac_bits": 3}}, ("dac_bits is 3",)),
        ({"mesh": {"columns": 3, "rows": 2, "fifo_depth": 1}}, ("mesh.fifo_depth",)),
    ],
)
def test_an_architecture_with_faults(workspace: Path, changes: dict[str, object], says: tuple[str, ...]) -> None:
    refused(*SIM[:1], "--model", "digits", "--arch", architecture(**changes), says=says)


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\x00", "just words"])
def test_an_architecture_that_is_no_mapping(workspace: Path, text: str) -> None:
    Path("chip.yaml").write_text(text)
    refused("sim", "--model", "digits", "--arch", "chip.yaml", says=("chip.yaml",))


# --------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--strategy", "best"), ("unknown strategy 'best'", "lblp", "round_robin")),
        (("--model", "vgg"), ("model 'vgg': unknown", "digits", "resnet18")),
        (("--level", "spice"), ("unknown level 'spice'", "rtl", "golden")),
        (("--level", "rtl", "--array", "analogue"), ("unknown array 'analogue'", "verilog", "numpy")),
        (("--arch", "huge"), ("architecture 'huge' not found", "default", "tiny")),
        (("--images", "0"), ("images", "0")),
        (("--images", "-3"), ("images", "-3")),
        (("--images", "many"), ("--images", "many")),
        (("--seed", "x"), ("--seed", "x")),
        (("--seed", "-1"), ("seed", "-1")),
        (("--option", "slack_rows"), ("slack_rows", "NAME=VALUE")),
        (("--option", "slack_rows=-1"), ("slack_rows", "-1")),
        (("--option", "slack_rows=few"), ("slack_rows", "few")),
        (("--option", "nothing=1"), ("unknown option 'nothing'",)),
        (("--strategy", "optimal", "--option", "seconds=0"), ("seconds is '0'", "a whole number from 1 to 3600")),
        (("--strategy", "optimal", "--option", "seconds=long"), ("seconds is 'long'", "a whole number")),
        (("--strategy", "lblp", "--option", "parallel=maybe"), ("parallel is 'maybe'", "exclude, penalty, ignore")),
        (("--strategy", "mine.py"), ("strategy mine.py: no such file",)),
        (("--input", "missing.npy"), ("missing.npy: no such file",)),
        (("--frobnicate",), ("--frobnicate",)),
    ],
)
def test_arguments_that_are_not_understood(workspace: Path, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    refused(*SIM, "--model", "digits", *arguments, says=says)


def test_no_command_and_an_unknown_one(workspace: Path) -> None:
    refused(says=("command",))
    refused("simulate", says=("simulate",))


def test_an_input_that_does_not_match(workspace: Path) -> None:
    np.save("shape.npy", np.zeros((1, 9, 9), np.float32))
    np.save("kind.npy", np.zeros((1, 8, 8), np.int64))
    np.save("nan.npy", np.full((1, 8, 8), np.nan, np.float32))
    np.save("none.npy", np.zeros((0, 1, 8, 8), np.float32))
    Path("text.npy").write_text("no numbers")
    Path("text.png").write_text("no picture")
    digits = (*SIM, "--model", "digits", "--input")
    refused(*digits, "shape.npy", says=("shape.npy: holds shape (1, 9, 9)", "(1, 8, 8)"))
    refused(*digits, "kind.npy", says=("kind.npy: holds int64",))
    refused(*digits, "nan.npy", says=("nan.npy", "not finite"))
    refused(*digits, "none.npy", says=("none.npy",))
    refused(*digits, "text.npy", says=("text.npy: not a .npy file",))
    refused(*digits, "text.png", says=("text.png: not a picture",))


def test_inputs_that_match(workspace: Path) -> None:
    np.save("pixels.npy", np.zeros((2, 8, 8, 1), np.uint8))
    Image.new("RGB", (20, 30), (10, 200, 30)).save("picture.png")
    for name in ("pixels.npy", "picture.png"):
        assert pyimc(*SIM, "--model", "digits", "--input", name).code == 0


def test_a_missing_simulator(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("bin").mkdir()
    run = small.prepared(Path("run"))
    monkeypatch.setenv("PATH", str(Path("bin").resolve()))
    says = ("Icarus Verilog is not installed", "apt-get install iverilog")
    refused("sim", "--model", "digits", "--arch", "tiny", "--images", "1", says=says)
    refused("rerun", run, says=says)
    assert pyimc(*SIM, "--model", "digits").code == 0


def test_a_chip_that_is_slow_in_rtl(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs, but not without a word about the level that takes seconds."""

    def build(*arguments: object) -> Path:
        raise ToolError("built for minutes")

    monkeypatch.setattr(simulator, "build", build)
    for arch, told in ((str(ROOT / "examples" / "large.yaml"), True), ("default", False)):
        said = pyimc("sim", "--model", "digits", "--arch", arch, "--images", "1")
        assert said.err == "pyimc: built for minutes\n"
        assert ("RTL of 256 nodes is slow: level cycle gives the same cycles in seconds" in said.out) == told


# ---------------------------------------------------------------------------------------------------- programs


LEVELS = pytest.mark.parametrize("level", flow.LEVELS)


@LEVELS
def test_a_program_that_is_not_what_its_manifest_says(workspace: Path, level: str) -> None:
    run = small.prepared(Path("run"))
    again = ("rerun", "--level", level)
    manifest = run / "program" / "manifest.json"
    intact = manifest.read_text()

    def changed(**values: object) -> None:
        manifest.write_text(json.dumps(json.loads(intact) | values))

    changed(schema_version=99)
    refused(
        *again, run, says=(f"schema version 99, this is {program_file.SCHEMA_VERSION}", "compile the Program again")
    )
    refused("seal", run / "program", says=("schema version 99",))
    changed(hash="0" * 64)
    refused(*again, run, says=("hash differs",))
    manifest.write_text(intact[:-20])
    refused(*again, run, says=("not a manifest",))
    manifest.unlink()
    refused(*again, run, says=("not a Program",))
    manifest.write_text(intact)
    (run / "program" / "arch.json").unlink()
    refused(*again, run, says=("arch.json is missing",))
    refused(*again, "nowhere", says=("nowhere",))


def test_sealed_nonsense_is_refused(workspace: Path) -> None:
    run = small.prepared(Path("run"))
    (run / "program" / "pu_01" / "stream.bin").write_bytes(b"123")
    assert pyimc("seal", run / "program").code == 0
    refused("rerun", run, says=("3 bytes, must be a multiple of 24",))


@LEVELS
def test_a_program_for_another_architecture(workspace: Path, level: str) -> None:
    """Also when somebody has sealed it, and whether or not its images would fit."""
    run = small.prepared(Path("run"))
    file = run / "program" / "arch.json"
    intact = json.loads(file.read_text())
    for changes in ({"dpus": [1]}, {"contexts": 1}, {"word_bits": 128}, {"mesh": {**intact["mesh"], "columns": 2}}):
        file.write_text(json.dumps(intact | changes))
        assert pyimc("seal", run / "program").code == 0
        refused("rerun", run, "--level", level, says=("arch.json is not the architecture", "compile it again"))


@LEVELS
def test_images_of_a_run_that_do_not_match(workspace: Path, level: str) -> None:
    run = small.prepared(Path("run"))
    again = ("rerun", "--level", level)
    np.save(run / "images.npy", np.zeros((2, 5, 5, 3), np.uint8))
    refused(*again, run, says=("(6, 6, 3)", "(5, 5, 3)"))
    (run / "images.npy").write_bytes(b"nothing")
    refused(*again, run, says=("images.npy",))
    (run / "images.npy").unlink()
    refused(*again, run, says=("holds no images.npy",))


def test_a_table_entry_that_no_packet_can_carry(workspace: Path) -> None:
    run = small.prepared(Path("run"))
    assert pyimc("corrupt", run / "program", "pu_03/tables.bin", 6).code == 0  # the space of the first entry
    refused("rerun", run, says=("program: a table is out of range", "space"))


def test_rerun_with_an_unknown_array(workspace: Path) -> None:
    refused("rerun", small.prepared(Path("run")), "--array", "analogue", says=("unknown array 'analogue'",))


def test_corrupt_names_what_there_is(workspace: Path) -> None:
    run = small.prepared(Path("run")) / "program"
    refused("corrupt", run, "pu_77/weights.bin", 0, says=("no file 'pu_77/weights.bin'", "pu_01/weights.bin"))
    size = (run / "pu_01" / "weights.bin").stat().st_size
    refused("corrupt", run, "pu_01/weights.bin", 8 * size, says=(f"it has bits 0..{8 * size - 1}",))
    refused("corrupt", run, "pu_01/weights.bin", "first", says=("first",))


def test_compile_writes_a_program_and_says_where_nodes_are(workspace: Path) -> None:
    said = pyimc("compile", "--model", "digits", "--arch", "tiny")
    assert (said.code, said.err) == (0, "")
    *lines, last = said.out.splitlines()
    units, rings = ([line.split() for line in lines if line.startswith(word)] for word in ("PU", "ring"))
    assert len(units) + len(rings) == len(lines)
    folder, digest = last.split()
    program = program_file.load(Path(folder))
    assert program_file.program_hash(program) == digest
    assert [int(words[1]) for words in units] == list(program.pus)
    assert {name for words in units for name in words[4:]} == {actor.name for actor in program.actors}
    assert [(words[-1], int(words[1])) for words in rings] == [(ring.name, ring.size) for ring in program.channels]
    assert all(0 < int(words[4]) <= int(words[1]) for words in rings)
    again = pyimc("compile", "--model", "digits", "--arch", "tiny", "--output", "elsewhere/here")
    assert again.out.splitlines()[-1] == f"elsewhere/here {digest}"


@pytest.mark.slow
def test_a_model_runs_on_its_own_architecture_unless_told_otherwise(workspace: Path) -> None:
    yolov8n = ("sim", "--model", "yolov8n", "--level", "cycle", "--images", "1")
    said = pyimc(*yolov8n)
    assert (said.code, said.err) == (0, "") and said.out.endswith("PASS\n")
    result = read_result(Path("build/yolov8n-detector-lblp-cycle"))
    assert result["arch"] == "detector"
    assert result["bounds"]["latency_cycles"] <= result["latency_cycles"] < 1.2 * result["bounds"]["latency_cycles"]
    refused(*yolov8n, "--arch", "default", says=("fits no dpu PU of architecture default", "contexts: needed 1"))


def test_compile_does_not_write_over_what_is_no_program(workspace: Path) -> None:
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("dear")
    Path("file").write_text("dear")
    compiler = ("compile", "--model", "digits", "--arch", "tiny", "--output")
    refused(*compiler, "mine", says=("mine: exists and is not a Program",))
    refused(*compiler, "file", says=("file: exists and is not a Program",))


def test_streams_round_trip_through_text(workspace: Path) -> None:
    run = small.prepared(Path("run"))
    for stream in sorted((run / "program").glob("pu_*/stream.bin")):
        text = pyimc("disasm", stream)
        assert text.code == 0 and "FIRE" in text.out and "LOOP" in text.out
        Path("stream.txt").write_text(text.out)
        assert pyimc("asm", "stream.txt", "again.bin").code == 0
        assert Path("again.bin").read_bytes() == stream.read_bytes()


def test_streams_that_are_none(workspace: Path) -> None:
    Path("odd.bin").write_bytes(b"12345")
    Path("wild.bin").write_bytes(b"\xff" * 24)
    Path("bad.txt").write_text("JUMP target=3\n")
    Path("wide.txt").write_text("FIRE need_0=99999999\n")
    Path("raw.txt").write_bytes(b"\xff\xfe\x00")
    Path("good.txt").write_text("")
    refused("disasm", "odd.bin", says=("odd.bin: 5 bytes",))
    refused("disasm", "missing.bin", says=("missing.bin: no such file",))
    refused("disasm", "wild.bin", says=("opcode",))
    refused("asm", "bad.txt", "out.bin", says=("JUMP",))
    refused("asm", "wide.txt", "out.bin", says=("need",))
    refused("asm", "missing.txt", "out.bin", says=("missing.txt: no such file",))
    refused("asm", "raw.txt", "out.bin", says=("raw.txt",))
    refused("asm", "good.txt", "nowhere/out.bin", says=("nowhere",))


def test_a_program_assembled_from_its_own_text_runs(workspace: Path) -> None:
    run = small.prepared(Path("run"))
    stream = run / "program" / "pu_01" / "stream.bin"
    Path("text").write_text(pyimc("disasm", stream).out)
    assert pyimc("asm", "text", stream).code == 0
    assert pyimc("rerun", run).code == 0
    assert not read_result(AGAIN)["deadlock"]


def test_one_image_has_no_interval_to_speak_of(workspace: Path) -> None:
    said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--level", "cycle", "--images", "1")
    assert (said.code, said.err) == (0, "")
    assert re.search(r"^latency (\d+) cycles, \1 in all for 1 images; \d+ cycles/s", said.out, re.MULTILINE)


def test_sim_says_what_it_did(workspace: Path) -> None:
    shutil.rmtree("build/digits-tiny-round_robin-rtl", ignore_errors=True)
    said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--strategy", "round_robin", "--images", "4")
    assert (said.code, said.err) == (0, "")
    assert re.search(
        r"golden against onnxruntime, layer by layer: \d+ of \d+ values differ .* at most [01] LSB", said.out
    )
    assert "left to the host: softmax: Softmax" in said.out
    report = read_result(Path("build/digits-tiny-round_robin-rtl"))
    few = "" if report["settled"] else r" \(few images\)"
    assert re.search(
        rf"latency \d+ cycles, \d+ with the chip full, interval \d+{few}, \d+ in all for 4 images", said.out
    )
    float_, ours, rtl = (report["accuracy"][level]["top1"] for level in ("float", "golden", "rtl"))
    assert f"top-1 of 4 images: float {float_:.2%}, golden {ours:.2%}, RTL {rtl:.2%}" in said.out
    assert report["strategy"] == "round_robin" and report["accuracy"]["rtl"] == report["accuracy"]["golden"]
    assert said.out.endswith("PASS\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def other(): pass", "mine.py: has no function place(graph, arch, options, seed)"),
        ("place = 3", "mine.py: has no function place"),
        ("import nothing_of_that_name", "mine.py: it cannot be loaded (ModuleNotFoundError: "),
        ("def place(", "mine.py: it cannot be loaded (SyntaxError: "),
    ],
)
def test_a_strategy_file_that_is_none(workspace: Path, text: str, says: str) -> None:
    Path("mine.py").write_text(text)
    refused(*SIM, "--model", "digits", "--strategy", "mine.py", says=(says,))


def test_a_strategy_that_places_nothing(workspace: Path) -> None:
    Path("mine.py").write_text("def place(graph, arch, options, seed): pass")
    says = ("mine.py:1: place returned NoneType, a Placement is needed",)
    refused(*SIM, "--model", "digits", "--strategy", "mine.py", says=says, code=3)


def test_a_strategy_from_a_file(workspace: Path) -> None:
    example = ROOT / "examples" / "first_fit.py"
    run = ("sim", "--model", "digits", "--arch", "tiny", "--images", "2", "--strategy", example)
    said = pyimc(*run, "--option", "percent=150", "--output", "build/digits-tiny-first_fit-rtl")
    assert said.code == 0 and said.out.endswith("PASS\n"), said
    report = read_result(Path("build/digits-tiny-first_fit-rtl"))
    assert report["options"] == {
        "percent": 150,
        "grain": "row",
        "priority": "output",
        "slack_rows": 2,
        "split": "",
    } and report["strategy"] == str(example)
    assert report["bounds"]["load_cycles"] <= report["largest_load_cycles"]


def test_optimal_says_what_it_has_proven(workspace: Path) -> None:
    said = pyimc("sim", "--model", "digits", "--arch", "tiny", "--images", "4", "--strategy", "optimal")
    assert "largest load 1280, proven lower bound 1280: gap 0.00%\n" in said.out
    report = read_result(Path("build/digits-tiny-optimal-rtl"))
    assert report["bounds"]["proven_load_cycles"] == report["largest_load_cycles"] == 1280
    assert re.search(r"bounds: interval 1280 \(conv3\), latency \d+\n", said.out)


def test_a_model_from_a_file(workspace: Path) -> None:
    assert (
        pyimc("sim", "--arch", "tiny", "--images", "1", "--model", saved(load_model("digits"), "mine.onnx")).code == 0
    )
    assert read_result(Path("build/mine-tiny-lblp-rtl"))["model"] == "mine"
