"""What the vector engine computes, and the entries that are its own: a part of `pyimc.isa`."""

from pyimc.layout import ENTRY_BITS, Field, Layout

OPERATIONS = {
    "ADD": 0, "MAX": 1, "AVERAGE": 2, "CONCAT": 3, "LUT": 4, "DEPTHWISE": 5, "MUL": 6, "SUB": 7, "LARGER": 8, "SMALLER": 9,
    "MATMUL": 10, "SOFTMAX": 11, "NORMALISE": 12,
}
PAIRS = ("ADD", "MUL", "SUB", "LARGER", "SMALLER")
"""Operations on two maps, whose kernel columns are their inputs."""
VECTOR = Layout(
    "VECTOR", ENTRY_BITS,
    "ENGINE, dpu: the vector operation. A pixel of lut and of two maps is a word, but with `broadcast`. A pixel of concat is "
    "`run` bytes of input 0, then WINDOW.step bytes of input 1: their channels, or a row of each. A pixel of matmul is one "
    "group of one output pixel: see MATRIX.",
    (
        Field("operation", 4, "", "0 add, 1 max pool, 2 average pool, 3 concat, 4 lut, 5 depthwise; of two maps: 6 mul, 7 sub, "
              "8 larger, 9 smaller; 10 matmul; 11 softmax, 12 normalise"),
        Field("zero_point_0", 8, "", "zero point of input 0"),
        Field("zero_point_1", 8, "", "zero point of input 1"),
        Field("shift", 6, "bits", "right shift with rounding, 1..62"),
        Field("kernel_columns", 8, "columns", "Kw; of two maps: 2, the inputs"),
        Field("repeat", 8, "pixels", "further output pixels that a window gives; matmul: further groups; softmax, normalise: further "
              "readings of a pixel, 2 and 1"),
        Field("broadcast", 1, "", "of two maps: input 1 is one pixel, which every pixel of input 0 meets"),
    ),
)
KERNEL = Layout(
    "KERNEL", ENTRY_BITS,
    "ENGINE, dpu: the weights of depthwise, in words: kernel row by kernel row, pixel by pixel, `pixel` words each.",
    (
        Field("weights", 16, "word", "first word of the weight memory"),
        Field("row", 16, "words", "of a kernel row, Kw * pixel"),
        Field("pixel", 16, "words", "of a kernel pixel, ceil(C / lanes)"),
    ),
)
MATRIX = Layout(
    "MATRIX", ENTRY_BITS,
    "ENGINE, dpu: matmul, every pixel of input 0 times input 1, whose pixels are the rows of a matrix. An output pixel is "
    "`repeat` + 1 groups of WINDOW.run bytes. A group takes the next `inner` bytes of input 0, and as many pixels of input 1.",
    (
        Field("inner", 16, "bytes", "of input 0 for a group: products of an output value"),
        Field("pitch", 16, "bytes", "of input 1 from a pixel to the next; WINDOW.step: from a group's first to the next group's"),
    ),
)
ROW = Layout(
    "ROW", ENTRY_BITS,
    "ENGINE, dpu: softmax and normalise, whose pixel is a row: `run` bytes that become an output together. It is read "
    "VECTOR.repeat + 1 times; what is counted by FIRE.pixels are readings. Only the last one gives an output.",
    (
        Field("exponent", 20, "2**-16 octaves", "softmax: what a step of the input is worth"),
        Field("pause", 8, "cycles", "between two readings of a pixel"),
        Field("epsilon", 32, "", "normalise: added to the variance of the bytes, times run**2"),
    ),
)
