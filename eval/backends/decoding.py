"""Greedy answers to several prompts side by side, each the one that its prompt gets alone.

in : requests in any number and of any lengths
out: token lists in the order of the requests
Every prompt is read alone, and attention is computed row by row. Only the matrix products of an answer's tokens are
shared, and they round differently for another number of rows:
* in float32, a row whose two likeliest tokens come closer than NEAR_TIE is answered again alone from its first token,
  so that rounding never chooses;
* in bfloat16 ties are everywhere; there every step has the same number of rows, the last ones filling, and that
  number belongs to the protocol of the predictions.
shapes of a cache: a layer of one row holds [1, groups, room, d]; of these, `filled` tokens are there. Rows never share
memory and are never padded, so a row's attention reads its own tokens only.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer

from contracts.tokenizer import Tokenizer
from eval.backends.request import Request, early_ends, first_stop
from eval.inference.prompt_attention import PromptAttention


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


# Gap between the two largest logits, relative to the largest: 1,000 units in the last place of float32.
NEAR_TIE = 2.0**-13


@dataclass
class Row:
    """One prompt that is being answered: its tokens so far, and those that cannot come yet (`least` of its request)."""

    index: int
    request: Request
    cache: Cache
    not_yet: list[int]
    tokens: list[int] = field(default_factory=list)
    done: bool = False
    # Share of the blocks of attention that were computed over the prompt, where a method chose them.
    share: float | None = None
    # Whether other rows stood beside it in a step.
    shared: bool = False

    @property
    def position(self) -> int:
        """Where its last token stands."""
        return len(self.request.input_ids) + len(self.tokens) - 1


@dataclass(frozen=True)
class Decoder:
    """Answers requests with one model; `attention` is None where the model cannot be given one, for rows one by one."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    ends: frozenset[int]
    batch_rows: int
    batch_tokens: int
    attention: PromptAttention | None

    @property
    def exact(self) -> bool:
        """Whether near ties are rare enough to be answered alone."""
        return self.model.dtype == torch.float32

    @torch.no_grad()
    def rows(self, requests: Sequence[Request]) -> Iterator[Row]:
        """The answered rows in the order of the requests, each when it and those before it are done."""
        waiting = deque(enumerate(requests))
        active: list[Row] = []
        finished: dict[int, Row] = {}
        for index in range(len(requests)):
            while index not in finished:
                self.fill(active, waiting)
                self.step([row for row in active if not row.done])
                finished |= {row.index: row for row in active if row.done}
                active = [row for row in active if not row.done]
            yield finished.pop(index)

    def fill(self, active: list[Row], waiting: deque) -> None:
        """Read further prompts while there is place; a prompt without rows beside it always has."""
        held = sum(row.request.room for row in active)
        most = self.batch_rows if self.attention else 1
        while waiting and len(active) < most:
            held += waiting[0][1].room
            if active and held > self.batch_tokens:
                break
            active.append(self.read(*waiting.popleft()))

    def read(self, index: int, request: Request) -> Row:
        """Read one prompt, alone; the last logits give the first token of its answer."""
        config = self.model.config
        cache = RowCache(config.num_hidden_layers, request.room) if self.attention else DynamicCache(config=config)
        row = Row(index, request, cache, self.not_yet(request))
        logits = self.forward([request.input_ids], cache)
        row.share = self.attention.share() if self.attention else None
        self.take(row, self.two_best([row], logits)[0])
        return row

    def not_yet(self, request: Request) -> list[int]:
        """What would end an answer too early."""
        return sorted(self.ends | early_ends(self.tokenizer, request)) if request.least else []

    def step(self, rows: list[Row]) -> None:
        """One more token for every row."""
        if len(rows) < 2 and (self.exact or not self.attention):
            for row in rows:
                self.step_alone(row)
            return
        filling = 0 if self.exact else self.batch_rows - len(rows)
        ids = [row.tokens[-1:] for row in rows] + [[0]] * filling
        positions = [row.position for row in rows] + [0] * filling
        logits = self.forward(ids, RowsCache([row.cache for row in rows]), positions)
        for row, best in zip(rows, self.two_best(rows, logits), strict=True):
            row.shared = True
            self.take(row, best)

    def step_alone(self, row: Row) -> None:
        """One more token for one row."""
        logits = self.forward([row.tokens[-1:]], row.cache, [row.position])
        self.take(row, self.two_best([row], logits)[0])

    def forward(self, ids: list[list[int]], cache: Cache, positions: list[int] | None = None) -> torch.Tensor:
        """Logits [rows, vocabulary] of the token after the last of each row."""
        device = self.model.device
        output = self.model(
            input_ids=torch.tensor(ids, device=device),
            position_ids=None if positions is None else torch.tensor(positions, device=device)[:, None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]

    def two_best(self, rows: list[Row], logits: torch.Tensor) -> list[tuple[int, bool]]:
        """(likeliest token that may come, whether the second is so close that rounding could decide) of every row."""
        logits = logits[: len(rows)]
        for index, row in enumerate(rows):
            if len(row.tokens) < row.request.least:
                logits[index, row.not_yet] = -torch.inf
        best = logits.topk(2)
        gaps = (best.values[:, 0] - best.values[:, 1]) / best.values.abs().amax(1).clamp(min=1)
        return list(zip(best.indices[:, 0].tolist(), (gaps < NEAR_TIE).tolist(), strict=True))

    def take(self, row: Row, best: tuple[int, bool]) -> None:
        """Add the best token, and see whether the answer is complete; a near tie beside others is answered alone."""
        token, tie = best
        if tie and row.shared and self.exact:
            return self.answer_alone(row)
        if token in self.ends:
            row.done = True
            return
        row.tokens.append(token)
        row.done = len(row.tokens) >= row.request.most or self.stopped(row)

    def answer_alone(self, row: Row) -> None:
        """Answer a row again from its first token on, which its prompt gave alone."""
        row.cache.forget_after(len(row.request.input_ids))
        del row.tokens[1:]
        row.shared = False
        while not row.done:
            self.step_alone(row)

    def stopped(self, row: Row) -> bool:
        """Whether a stop string is in the answer."""
        return bool(row.request.stop) and first_stop(self.tokenizer.decode(row.tokens), row.request.stop) is not None
