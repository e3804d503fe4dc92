"""What real cells, wires and converters do to exact integers: models with published coefficients, integers out."""
