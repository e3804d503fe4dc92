"""`make study`: what cutting layers, pipelining and buffers bring, on the cycle model; written into docs/results.md.

split     one layer over P processing units, against P times the rate of one
dataflow  rows that flow from layer to layer, against layer by layer; whole layers and cut ones
buffers   latency and interval against the words of all rings
packing   layers that share planes and stay, against weights that are loaded for every image
travel    networks larger than the chip, against the share that fits and the memory's rate
"""
