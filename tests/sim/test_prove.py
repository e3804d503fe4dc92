# SPDX-License-Identifier: Apache-2.0
"""The proofs hold, fail on broken modules and broken properties, and refuse to show nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sim.toolchain.prove import PROOFS, ROOT, Finding, Proof, main, prove

QUICK = [proof for proof in PROOFS if proof.quick]


@pytest.fixture
def rtl(tmp_path: Path) -> Path:
    """A copy of the modules to break."""
    shutil.copytree(ROOT / "rtl", tmp_path / "rtl")
    return tmp_path / "rtl"


def broken(rtl: Path, file: str, old: str, new: str, proof: Proof) -> Finding:
    """The proof after one change of a copied file."""
    text = (rtl / file).read_text()
    assert text.count(old) == 1, f"{file} has changed: {old!r}"
    (rtl / file).write_text(text.replace(old, new))
    return prove(proof, rtl, rtl.parent / "prove")


@pytest.mark.parametrize("proof", QUICK, ids=lambda proof: proof.name)
def test_it_is_proven(proof: Proof, tmp_path: Path) -> None:
    finding = prove(proof, build=tmp_path)
    assert not finding.faults
    assert finding.assertions and finding.covers


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("fifo", "full_q  <= push && (wr_d == rd_q)", "full_q  <= 1'b0"),  # overwrites what nobody has taken
        ("fifo", "rd_q <= rd_d", "rd_q <= rd_q"),  # gives a word twice
        ("fifo", "mem[wr_q] <= s_data", "mem[rd_q] <= s_data"),
        ("packer", "if (room)\n                m_valid", "if (1'b1)\n                m_valid"),  # does not wait
        ("packer", "flush_q <= s_last && full && over", "flush_q <= 1'b0"),  # loses the bytes left over
        ("packer", "hold_q <= merged[2*WORD-1:WORD]", "hold_q <= merged[WORD-1:0]"),
        ("converter", "&& !(tile_first && pixel_full[next_bank])", ""),  # writes what the drain still reads
        ("converter", "pixel_full <= pixel_full & ~pixel_done;", "pixel_full <= pixel_full & ~{2{pixel_done[0]}};"),
        ("fetch", "if (!is_loop) due_q[ctx_q] <= 1'b0;", ""),  # gives a FIRE that nobody asked for
        ("fetch", "decode_q <= start;", "decode_q <= start || due_q != 0;"),  # decodes what was not read
        ("router", "!(m_ready[o] && m_last[o]);", "1'b0;"),  # gives up an output in the middle of a packet
        ("egress", "assign s_ready = !full_q[fill_bank_q]", "assign s_ready = 1'b1"),
        ("egress", "dest_q + 8'd1 == destinations[send_ctx]", "1'b1"),  # one destination gets it, not all
        ("egress", "s_reply_valid && !full_q[send_bank_q] :", "s_reply_valid :"),  # in the middle of nothing
    ],
)
def test_a_broken_module_is_not(module: str, old: str, new: str, rtl: Path) -> None:
    proof = next(proof for proof in PROOFS if proof.module == module)
    faults = broken(rtl, f"{module}.v", old, new, proof).faults
    assert any(f"formal/{module}.vh:" in fault and "trace" in fault for fault in faults)
    assert (rtl.parent / "prove" / proof.name / "trace.vcd").is_file()


def test_a_contradiction_proves_nothing(rtl: Path) -> None:
    old = "always @* if (!f_past) assume (rst);"
    finding = broken(rtl, "formal/fifo.vh", old, f"{old}\n    always @* assume (rst);", PROOFS[0])
    assert len(finding.faults) == finding.covers
    assert all("is never reached" in fault for fault in finding.faults)


def test_no_properties_prove_nothing(rtl: Path) -> None:
    (rtl / "formal" / "fifo.vh").write_text("")
    assert prove(PROOFS[0], rtl, rtl.parent / "prove").faults[-1].startswith("nothing is shown: 0 assertions")


def test_every_proof_has_its_properties_and_the_other_way_round() -> None:
    assert {path.stem for path in (ROOT / "rtl" / "formal").glob("*")} == {proof.module for proof in PROOFS}
    assert QUICK


def test_an_unknown_module_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mesh"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
