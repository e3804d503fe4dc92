# SPDX-License-Identifier: Apache-2.0
"""The mutants themselves: what is broken and what is left alone, which tests are run, and that a survivor is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import __main__ as campaign
from tests.mutants.bench import ROOT, Copy, Verdict
from tests.mutants.by_hand import FAULTS, Fault
from tests.mutants.touching import NETWORKS, touching
from tests.mutants.verilog import mutants

MODULE = """// a < b in a comment
`default_nettype none
module m #(parameter N = 4) (input wire clk, input wire [N-1:0] a, output reg [N-1:0] q);
    localparam HALF = N / 2;
    generate
        if (N < 2) begin : gen_bad
            error_m_N_must_be_at_least_2 u_error ();
        end
    endgenerate
    wire low = a[HALF-1:0] == 2'd1;
    wire [N-1:0] b = {N{1'b0}};
    wire unused = &{1'b0, b};
    child #(.WIDTH(N + 1)) u_child (.x(a), .y(!low));
    always @(posedge clk) begin
        if (low) q <= a + b;
        case (a)
            0: q <= b;
            default: ;
        endcase
        for (i = 0; i < N; i = i + 1) q[i] <= low ? a[i +: 1] : b[0];
    end
`ifdef FORMAL
    always @(posedge clk) assert (a < b);
`endif
endmodule
"""


def test_every_kind_of_fault_and_nothing_else() -> None:
    changes = [(mutant.kind, *mutant.change(MODULE)) for mutant in mutants("m.v", MODULE)]
    low = "wire low = a[HALF-1:0] == 2'd1;"
    add = "if (low) q <= a + b;"
    loop = "for (i = 0; i < N; i = i + 1) q[i] <= low ? a[i +: 1] : b[0];"
    arms = "0: q <= b; default: ;"
    assert sorted(changes) == sorted(
        [
            ("operator", low, low.replace("==", "!=")),
            ("constant", low, low.replace("2'd1", "2'd2")),
            ("constant", "wire [N-1:0] b = {N{1'b0}};", "wire [N-1:0] b = {N{1'b1}};"),
            ("operator", "child #(.WIDTH(N + 1)) u_child (.x(a), .y(!low));",
             "child #(.WIDTH(N + 1)) u_child (.x(a), .y(low));"),
            ("condition", add, add.replace("(low)", "(1'b1)")),
            ("condition", add, add.replace("(low)", "(1'b0)")),
            ("condition", add, add.replace("(low)", "(!(low))")),
            ("operator", add, add.replace("+", "-")),
            ("dropped", add, "if (low) ;"),
            ("dropped", "0: q <= b;", "0: ;"),
            ("swapped", arms, "0: ; default: q <= b;"),
            ("constant", loop, loop.replace("b[0]", "b[1]")),
            ("swapped", loop, loop.replace("a[i +: 1] : b[0]", "(b[0]) : (a[i +: 1])")),
            ("dropped", loop, "for (i = 0; i < N; i = i + 1) ;"),
        ]
    )  # fmt: skip


def test_every_file_can_be_broken() -> None:
    texts = campaign.sources([])
    counts = {file: len(mutants(file, text)) for file, text in texts.items()}
    assert min(counts.values()) > 0
    assert sum(counts.values()) > 2000
    for file, text in texts.items():
        assert all(mutant.apply(text) != text for mutant in mutants(file, text))


def test_a_seed_draws_the_same_mutants_again() -> None:
    texts = campaign.sources(["fifo", "packer"])
    assert list(campaign.drawn(texts, 3)) == list(campaign.drawn(texts, 3))
    assert list(campaign.drawn(texts, 3)) != list(campaign.drawn(texts, 4))


def test_the_quickest_test_comes_first_and_networks_last() -> None:
    assert touching(ROOT, "fetch") == ("tests/rtl/test_sequencer.py", "tests/rtl/test_pu.py", *NETWORKS)
    assert touching(ROOT, "gather")[0] == "tests/rtl/test_gather.py"
    assert touching(ROOT, "chip") == NETWORKS
    with pytest.raises(KeyError):
        touching(ROOT, "no_such_module")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: Path(fault.file).stem)
def test_what_is_broken_by_hand_stands_there(fault: Fault) -> None:
    assert fault.apply(ROOT) != (ROOT / fault.file).read_text()


def test_what_is_not_there_cannot_be_broken() -> None:
    with pytest.raises(ValueError, match=r"rtl/fifo\.v: 'no such text' stands there 0 times"):
        Fault("rtl/fifo.v", "no such text", "", "").apply(ROOT)


def test_explained_mutants_are_mutants_of_today() -> None:
    changes = {
        (mutant.file, *mutant.change(text))
        for file, text in campaign.sources([]).items()
        for mutant in mutants(file, text)
    }
    stale = sorted(set(campaign.reasons()) - changes)
    assert not stale, "drop or rewrite these entries of tests/mutants/equivalent.yaml"
    assert all(len(reason) > 10 for reason in campaign.reasons().values())


def test_a_survivor_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Copy, "run", lambda self, test, patience=None: Verdict(test, True, 0.0, ""))
    assert campaign.main(["--count", "1", "--generated-only", "ram"]) == 1
    told = capsys.readouterr().out
    assert "SURVIVES   rtl/ram.v:" in told
    assert "0 of 1 killed (0.0 %)" in told


@pytest.mark.slow
def test_a_sample_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    """Of modules whose tests take seconds; `make mutants N=100` draws from all."""
    assert campaign.main(["--count", "5", "--generated-only", "accumulator", "counters", "ram"]) == 0
    told = capfd.readouterr().out
    assert told.count(" min  killed ") + told.count(" min  equivalent ") == 5
    assert " min  killed " in told
