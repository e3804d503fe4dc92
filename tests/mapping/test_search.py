"""mapping.placement.search: moves and swaps by loads, plans compared on the cycle model."""

from dataclasses import replace

import pytest

from mapping.actors.graph import Graph
from mapping.actors.plan import Plan, planned_graph, program_of, read_settings
from mapping.placement import search
from mapping.placement.ledger import Placement, loads, totals
from mapping.placement.search import Score, Trial, balance, failed, fits, improve, measure
from mapping.placement.strategies import lpt
from pyimc.arch import Arch
from pyimc.cycle import Run, simulate
from pyimc.measurement import Measurement
from pyimc.program import Origin
from pyimc.steady import steady_state
from tests.mapping.networks import Builder, residual, small_arch


def test_balance_only_lowers_loads_and_keeps_to_the_room() -> None:
    graph = planned_graph(residual(), small_arch(), {}, read_settings({}))
    layers = [name for name, node in graph.nodes.items() if node.kind == "imc"]
    one = Placement({name: 1 if name in layers else 4 for name in graph.nodes})
    after = balance(graph, small_arch(), one)
    assert max(loads(graph, small_arch(), after).values()) < max(loads(graph, small_arch(), one).values()) / 2
    assert fits(graph, small_arch(), after)
    assert not fits(graph, small_arch(contexts=1), after)


def test_the_search_relieves_a_crowded_unit() -> None:
    network, arch = residual(), small_arch()
    graph = planned_graph(network, arch, {}, read_settings({}))
    crowded = Placement({name: 1 if node.kind == "imc" else 4 for name, node in graph.nodes.items()})
    start = measure(graph, arch, Plan(crowded))
    assert start.score < failed(graph, start.plan).score
    assert all(start.busy[name] >= node.cycles // 2 for name, node in graph.nodes.items())
    assert improve(graph, arch, start, 0) == start
    after = improve(graph, arch, start, 20)
    assert after.score < start.score and fits(graph, arch, after.plan.placement)
    assert measure(graph, arch, after.plan) == after
    assert len({unit for name, unit in after.plan.placement.nodes.items() if graph.nodes[name].kind == "imc"}) > 1


def test_the_search_goes_by_what_nodes_were_measured_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = small_arch()
    graph = planned_graph(residual(), arch, {}, read_settings({}))
    start = measure(graph, arch, Plan(balance(graph, arch, lpt.place(graph, arch, {}, 0))))
    tried: list[Placement] = []

    def note(graph: Graph, arch: Arch, plan: Plan, beat: Score) -> Trial:
        tried.append(plan.placement)
        return failed(graph, plan)

    monkeypatch.setattr(search, "measure", note)
    for slow in (name for name, node in graph.nodes.items() if node.kind == "imc"):
        unit = start.plan.placement.nodes[slow]
        beside = [name for name, other in start.plan.placement.nodes.items() if other == unit]
        if len(beside) > 1:
            busy = dict.fromkeys(graph.nodes, 100) | {slow: 10_000}
            tried.clear()
            improve(graph, arch, replace(start, busy=busy), 6)
            assert any(tried[0].nodes[name] != unit for name in beside)
            after = [sorted(totals(arch, placement, busy).values(), reverse=True) for placement in tried]
            assert after == sorted(after)
    assert tried


def test_a_plan_that_cannot_beat_the_best_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = small_arch()
    graph = planned_graph(residual(), arch, {}, read_settings({}))
    plan = Plan(lpt.place(graph, arch, {}, 0))
    assert measure(graph, arch, plan, (1, 0, 0)) == measure(graph, arch, plan)
    monkeypatch.delattr(search, "Run")
    assert measure(graph, arch, plan, (0, 0, 0)) == failed(graph, plan)


def test_a_rate_that_nobody_knows_comes_after_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = small_arch()
    graph = planned_graph(residual(), arch, {}, read_settings({}))
    plan = Plan(lpt.place(graph, arch, {}, 0))
    known = measure(graph, arch, plan).score
    monkeypatch.setattr(search, "LOOKS", ((2, 0.05),))
    monkeypatch.setattr(search, "MANY_IMAGES", 3)  # all enter before two have left
    unknown = measure(graph, arch, plan).score
    assert (known[0], unknown[0]) == (0, 1) and known < unknown < failed(graph, plan).score


def test_what_is_much_worse_than_the_best_is_given_up_at_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    arch = small_arch()
    graph = planned_graph(residual(), arch, {}, read_settings({}))
    plan = Plan(lpt.place(graph, arch, {}, 0))
    images: list[int] = []

    class Watched(Run):
        def until(self, count: int) -> Measurement:
            images.append(count)
            return super().until(count)

    monkeypatch.setattr(search, "Run", Watched)
    known = measure(graph, arch, plan)
    program = program_of(graph, arch, plan, Origin("", "", {}, 0, [], {}, ""))
    result = simulate(program, 192)
    steady = steady_state(result.first_cycles, result.last_cycles)
    assert images == [32, 96, 192] and steady is not None and known.score[2] == steady.latency
    assert known.busy == {name: actor["busy"] // 192 for name, actor in result.actors.items()}
    monkeypatch.setattr(search, "loads", lambda *_: {0: 1})  # or the load says already that it cannot be better
    for steps, looks in ((2, [32, 96, 192]), (7, [32, 96]), (15, [32])):  # of half a percent
        images.clear()
        trial = measure(graph, arch, plan, (0, known.score[1] - steps, 0))
        assert images == looks and trial == (known if looks[-1] == 192 else failed(graph, plan))


@pytest.mark.parametrize("images", [32, 96, 192])
def test_a_run_that_hangs_is_none_to_go_on_with(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    arch = small_arch()
    graph = planned_graph(residual(), arch, {}, read_settings({}))
    plan = Plan(lpt.place(graph, arch, {}, 0))

    class Hangs(Run):
        def until(self, count: int) -> Measurement:
            return replace(super().until(count), deadlock=count == images)

    monkeypatch.setattr(search, "Run", Hangs)
    assert measure(graph, arch, plan) == failed(graph, plan)


def test_at_a_look_one_output_may_be_far_behind_another(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Builder(1, 1, 16)
    value = early = net.dense("first", "x", 8)
    for index in range(6):
        value = net.dense(f"d{index}", value, 8)
    late = net.dense("last", value, 8)
    arch = small_arch(activation_words=65535, host_words=4096)
    graph = planned_graph(net.finish(early, late), arch, {}, read_settings({}))
    plan = Plan(lpt.place(graph, arch, {}, 0), settings=read_settings({"slack_rows": 32}))
    monkeypatch.setattr(search, "LOOKS", ((8, 0.05),))  # the words of as many images, all of them of the early output
    assert measure(graph, arch, plan) != failed(graph, plan)
