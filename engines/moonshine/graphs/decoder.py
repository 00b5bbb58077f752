"""Writes the decoder as an ONNX graph: the next tokens' logits, for several sequences at once.

One graph is for the first pass over all tokens that are known and for the steps after it. Each sequence has
positions of its own, and a mask says what it may see, so that sequences of different lengths go together.
Each token is quantized by itself: what a sequence gets depends neither on the others nor on how many of its
tokens go through the decoder at once.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from engines.moonshine.graphs.layers import LayerWriter
from engines.moonshine.graphs.onnx_file import FLOAT, INT64, MICROSOFT
from engines.moonshine.graphs.weights import HEADS, Floats, Weights

LONGEST: Final = 2_048  # Tokens: positions of which the graph has the sines.


def decoder_graph(decoder: Weights) -> bytes:
    """The decoder.

    Inputs: `ids` and `positions` [B, L]; what is added to the scores of attention, 0 or a large negative
    number: `own` [B, 1, L, P + L] for the tokens, `heard` [B, 1, L, S] for the encoder's states; for layer N
    `past.N.k`, `past.N.v` [B, 8, P, d], the keys and values of earlier passes, and `cross.N.k`, `cross.N.v`
    [B, 8, S, d], the encoder's.
    Outputs: `logits` [B, L, V]; for layer N `present.N.k`, `present.N.v` [B, 8, P + L, d]; for the
    `listening_layers` `asked.N` [B, L, C], by which the tokens choose what they listen to. Where nobody
    fetches these, they cost nothing.

    Raises:
        UnknownGraph: a weight is missing or has another shape.
    """
    graph = _DecoderWriter(decoder, LONGEST, row_scales=True)
    ids, positions = (graph.input(name, INT64, ("B", "L")) for name in ("ids", "positions"))
    own = graph.input("own", FLOAT, ("B", 1, "L", "PL"))
    heard = graph.input("heard", FLOAT, ("B", 1, "L", "S"))
    values = graph.embedding(ids)
    for layer in range(decoder.layers):
        values = graph.own_attention(values, layer, positions, own)
        values = graph.cross_attention(values, layer, heard)
        values = graph.gated(values, f"layers.{layer}")
    vocabulary = decoder.parameter("embed_tokens").shape[0]
    graph.output(graph.linear(graph.norm(values, "norm"), "logits", into="logits"), ("B", "L", vocabulary))
    return graph.serialize()


def listening_layers(layers: int) -> range:
    """The layers that listen to where the next token is said, those of the last third (measured)."""
    return range(layers - layers // 3, layers)


class _DecoderWriter(LayerWriter):
    """The parts of the decoder."""

    def embedding(self, ids: str) -> str:
        """The vectors of tokens; the table has bytes, of which the looked-up rows become floats."""
        values, scale, zero = _as_bytes(self.weights.parameter("embed_tokens"))
        rows = self.add("Gather", self.constant(values), ids)
        return self.add("DequantizeLinear", rows, self.constant(scale), self.constant(zero))

    def own_attention(self, values: str, layer: int, positions: str, own: str) -> str:
        """Attention of the tokens to those before them."""
        path = f"layers.{layer}"
        shape = ("B", HEADS, "P", "d")
        past = [self.input(f"past.{layer}.{part}", FLOAT, shape) for part in "kv"]
        present = [self.output(f"present.{layer}.{part}", ("B", HEADS, "PL", "d")) for part in "kv"]
        inputs = [*self.own_attention_inputs(values, path, positions), "", "", own, *past]
        seen = f"{path}.seen"
        self.add_node("MultiHeadAttention", inputs, [seen, *present], MICROSOFT, num_heads=HEADS)
        return self.add("Add", values, self.linear(seen, f"{path}.self_attn.o_proj"))

    def cross_attention(self, values: str, layer: int, heard: str) -> str:
        """Attention of the tokens to the encoder's states."""
        path = f"layers.{layer}"
        states = [self.input(f"cross.{layer}.{part}", FLOAT, ("B", HEADS, "S", "d")) for part in "kv"]
        queries = self.linear(
            self.norm(values, f"{path}.post_attention_layernorm"),
            f"{path}.encoder_attn.q_proj",
            into=f"asked.{layer}",
        )
        if layer in listening_layers(self.weights.layers):
            self.output(queries, ("B", "L", "C"))
        inputs = queries, *states, "", "", heard
        found = self.add("MultiHeadAttention", *inputs, domain=MICROSOFT, num_heads=HEADS)
        return self.add("Add", values, self.linear(found, f"{path}.encoder_attn.o_proj"))

    def gated(self, values: str, path: str) -> str:
        """Two products with a gate between them: SwiGLU (Shazeer, 2020, https://arxiv.org/abs/2002.05202)."""
        normed = self.norm(values, f"{path}.final_layernorm")
        wide = self.linear(normed, f"{path}.mlp.fc1", bias=f"{path}.mlp.fc1.bias")
        value, gate = self.add_many("Split", wide, count=2, axis=2, num_outputs=2)
        gated = self.add("Mul", value, self.add("QuickGelu", gate, domain=MICROSOFT, alpha=1.0))
        return self.add("Add", values, self.linear(gated, f"{path}.mlp.fc2", bias=f"{path}.mlp.fc2.bias"))


def _as_bytes(table: Floats) -> tuple[npt.NDArray[np.uint8], np.float32, np.uint8]:
    """The table as bytes, their scale and zero point; one that was made of bytes loses nothing."""
    low, high = float(table.min()), float(table.max())
    scale = (high - low) / 255
    zero = round(-low / scale)
    values = np.clip(np.round(table / scale) + zero, 0, 255).astype(np.uint8)
    return values, np.float32(scale), np.uint8(zero)
