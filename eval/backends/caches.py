"""Keys and values of the rows that are being answered, with room for their answers made beforehand.

shapes: a layer of one row holds [1, groups, room, d]; of these, `filled` tokens are there.
invariant: rows never share memory and are never padded, so a row's attention reads its own tokens only.
"""

import torch
from transformers.cache_utils import Cache, DynamicLayer


class RoomyLayer(DynamicLayer):
    """One layer of one row: grows inside memory that is taken once, where the stock one copies all at every token."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.filled = 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_, **__):
        """Add the new tokens; (keys, values) of all tokens as views."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            rows, groups, _, width = key_states.shape
            self.keys = key_states.new_empty(rows, groups, self.room, width)
            self.values = value_states.new_empty(rows, groups, self.room, value_states.shape[-1])
        end = self.filled + key_states.shape[2]
        self.keys[:, :, self.filled : end] = key_states
        self.values[:, :, self.filled : end] = value_states
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Tokens that are there."""
        return self.filled


class RowCache(Cache):
    """All layers of one row."""

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[RoomyLayer(room) for _ in range(layers)])

    def forget_after(self, tokens: int) -> None:
        """Keep the first `tokens` tokens."""
        for layer in self.layers:
            layer.filled = tokens


class RowsCache(Cache):
    """Several rows of different lengths that go on side by side, one new token each."""

    def __init__(self, rows: list[RowCache]) -> None:
        super().__init__(layers=rows[0].layers)
        self.rows = rows

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_, **__):
        """Add a token to every row; lists of the rows' keys and values, for `rows_attention`."""
        pairs = [
            row.layers[layer_idx].update(key_states[index, None], value_states[index, None])
            for index, row in enumerate(self.rows)
        ]
        return [keys for keys, _ in pairs], [values for _, values in pairs]
