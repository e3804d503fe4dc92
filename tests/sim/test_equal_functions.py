"""Merging of what Verilator writes several times over."""

from pathlib import Path

from sim.toolchain.equal_functions import share

LONG = "    vlSelf->sum += 1;\n" * 200


def function(name: str, number: int, kind: str = "Vtop_pu", port: str = "m_data") -> str:
    local = f"__Vfunc_add__{number}__lower"
    body = f"    int {local};\n    {local} = vlSelf->{port};\n{LONG}    vlSelf->sum = {local};\n"
    return f"void {kind}___{name}({kind}* vlSelf) {{\n{body}}}\n"


def test_functions_that_differ_in_numbers_of_temporaries_are_one(tmp_path: Path) -> None:
    first, second = tmp_path / "a.cpp", tmp_path / "b.cpp"
    first.write_text(function("nba__1", 17) + function("nba__other", 18, port="s_data"))
    second.write_text(
        "// before\n" + function("nba__2", 38) + function("nba__3", 38, kind="Vtop_router") + "// behind\n"
    )
    before = first.read_text()
    share(tmp_path.glob("*.cpp"))
    assert first.read_text() == before
    assert second.read_text() == (
        "// before\nvoid Vtop_pu___nba__1(Vtop_pu* vlSelf);\n"
        "void Vtop_pu___nba__2(Vtop_pu* vlSelf) { Vtop_pu___nba__1(vlSelf); }\n"
        + function("nba__3", 38, kind="Vtop_router")
        + "// behind\n"
    )


def test_temporaries_that_are_used_otherwise_make_another_function(tmp_path: Path) -> None:
    file = tmp_path / "a.cpp"
    both = "    int __Vfunc_f__1__a, __Vfunc_f__2__a;\n"
    same, swapped = "    __Vfunc_f__1__a = __Vfunc_f__2__a;\n", "    __Vfunc_f__2__a = __Vfunc_f__1__a;\n"
    text = "".join(
        f"void Vtop_pu___{name}(Vtop_pu* vlSelf) {{\n{both}{LONG}{body}}}\n"
        for name, body in (("one", same), ("two", swapped))
    )
    file.write_text(text)
    share([file])
    assert file.read_text() == text
