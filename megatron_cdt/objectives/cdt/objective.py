"""Context Denoising Training, Eq. 2 to 4 of arXiv 2510.05862: detect noise tokens, denoise, train.

Detection freezes every parameter, so that its backward pass makes the gradient of the embeddings alone and
no main_grad is touched. The threshold is a mean over the real tokens of the whole row, so its sum and
count are reduced over the ranks that share the row.
Invariant: with beta = 0 the step equals cross-entropy bit for bit.

# T embeddings that this rank holds (under sequence parallelism a tp-th of its tokens), B = 1 row, H hidden
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
import torch.distributed as dist
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.fp8 import fp8_layers
from megatron_cdt.engine.lora.adapters import without_adapters
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.options import Fp8Pass
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.engine.pipeline import learn_in_order
from megatron_cdt.objectives.cdt import CdtSettings, ControlSettings
from megatron_cdt.objectives.cdt.controls import controlled_shift
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy
from megatron_cdt.objectives.objective import Column, Objective, row_work
from megatron_cdt.objectives.row import LocalRow, WholeRow

# Rows whose noise is detected before the first of them is learned from, for each stage of a pipeline: with four, the
# stages idle for a fifth of the time at most.
ROWS_PER_STAGE = 4


@dataclass(frozen=True)
class Detection:
    """What the frozen pass found out about this rank's tokens, and about the whole row."""

    grad_TBH: Tensor  # fp32, dL/dE
    norms_T: Tensor  # fp32, s_i = ||g_i||_2
    noise_T: Tensor  # bool, s_i < t; never a padding token
    threshold: Tensor  # fp64 scalar t, of the whole row
    loss: Tensor  # fp64 scalar, mean cross-entropy of the whole row, in nats per labelled token


@dataclass(frozen=True)
class Denoising:
    """What Eq. 3 does to a row."""

    shift_TBH: Tensor  # fp32, what is subtracted from this rank's embeddings
    telemetry: dict[str, float]  # of the whole row


@dataclass(frozen=True)
class ContextDenoising(Objective):
    """L_CDT(X, Y) = L_CE(f(E'), Y) (Eq. 4), with E' denoised for this very step and this very model."""

    telemetry: ClassVar[Mapping[str, Column]] = {
        "detection_loss": Column("labels", "How much denoising lowers the loss at once", "nats per token"),
        "noise_share": Column("tokens", "Share of tokens called noise", "share of tokens", "noise"),
        "threshold": Column("rows", "Threshold between noise and critical", "gradient norm"),
        "relative_shift": Column(
            *("rows", "How far denoising moves the embeddings", "shift / length of embedding", "shift", "{:>9.2e}"),
            # An embedding moved by less than this share is the same embedding for all a loss can tell.
            least=1e-5,
            remark="denoising moved the embeddings by at most {value:.1e} of their length. So small a step makes the "
            "method nearly equal to plain cross-entropy.",
        ),
        "changed_share": Column(
            *("tokens", "Embedding elements that really change", "share of elements"),
            remark="no embedding element changed in any step. This was plain training.",
            warning="denoising changed no embedding element; this is plain cross-entropy at twice the price. Set "
            'cdt.reduction to "sum", raise cdt.beta or learning_rate, or set cdt.residual_dtype to "float32".',
        ),
    }
    explanation: ClassVar[str] = (
        "In every step the gradient of the loss with respect to each token's embedding is measured first. Tokens whose "
        "gradient norm is below the row's mean are called noise; their embeddings are moved a little against the "
        "gradient, and the model is then trained on the moved embeddings."
    )
    plain_loss: ClassVar[str | None] = "detection_loss"
    plain_loss_reason: ClassVar[str] = (
        "A method that denoises is shown by its loss before denoising; the loss after it is lower because the "
        "embeddings have then been moved with the answers in sight."
    )
    settings: CdtSettings = field(default_factory=CdtSettings)
    # The lr of Eq. 3; only a step knows it (at_rates).
    lr: float | None = None

    def at_rates(self, lr_nominal: float, lr_scheduled: float) -> Self:
        """The method with the rate of Eq. 3 that the settings name."""
        return replace(self, lr=lr_nominal if self.settings.lr_source == "nominal" else lr_scheduled)

    def __call__(self, model: LanguageModel, row: LocalRow) -> tuple[Tensor, dict[str, float]]:
        """This rank's loss sum on E' (nats, differentiable), and the row's denoising telemetry."""
        (loss_and_telemetry,) = self.losses(model, [row])
        return loss_and_telemetry

    def losses(self, model: LanguageModel, rows: Sequence[LocalRow]) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """Detects in all rows first, the weights being the same for all, then each row's loss sum and telemetry."""
        embeddings = [model.embed(row.input_ids_T) for row in rows]
        detections = detect_in_rows(
            model,
            rows,
            embeddings,
            reduction=self.settings.reduction,
            groups=self.groups,
            fp8=self.settings.fp8_pass,
            through_base=self.settings.detect_through == "base",
        )
        detached = self.settings.embedding_gradient == "detached"
        denoisings = [self.denoising_of(model, *of_row) for of_row in zip(rows, embeddings, detections, strict=True)]
        del detections
        for row, embeddings_TBH, denoising in zip(rows, embeddings, denoisings, strict=True):
            denoised_TBH = denoise_embeddings(embeddings_TBH, denoising.shift_TBH, detached=detached)
            yield summed_cross_entropy(model, denoised_TBH, row, self.groups), denoising.telemetry

    @classmethod
    def rows_together(cls, stages: int) -> int | None:
        """One; in a pipeline a few, so that its stages work at the same time: the first stage holds their shifts."""
        return 1 if stages == 1 else ROWS_PER_STAGE * stages

    @classmethod
    def held_element_bytes(cls, residual_bytes: int) -> int:
        """An fp32 shift, and the embedding."""
        return torch.float32.itemsize + residual_bytes

    @classmethod
    def row_flops(cls, architecture: Architecture, row: WholeRow, settings: CdtSettings) -> float:
        """Detection, and the step."""
        work = row_work(architecture, row)
        return work.detection + work.training

    def denoising_of(
        self, model: LanguageModel, row: LocalRow, embeddings_TBH: Tensor, detection: Detection
    ) -> Denoising:
        """The shift of a row, and what it does; the ranks that share the row talk, so no row may be under way."""
        shift_TBH = self.shift_of(model, row, detection)
        with torch.no_grad():
            denoised_TBH = denoise_embeddings(embeddings_TBH, shift_TBH)
        telemetry = denoising_telemetry(
            embeddings_TBH,
            denoised_TBH,
            detection,
            real_T=real_embeddings(row, model, self.groups),
            groups=row_groups(model, self.groups),
        )
        return Denoising(shift_TBH, telemetry)

    def shift_of(self, model: LanguageModel, row: LocalRow, detection: Detection) -> Tensor:
        """What is subtracted from this rank's embeddings: Eq. 3, or what the experiment puts in its place."""
        if self.settings.control == ControlSettings():
            return denoising_shift(detection.grad_TBH, detection.noise_T, lr=self.lr, beta=self.settings.beta)
        return controlled_shift(
            detection.grad_TBH,
            detection.noise_T,
            real_embeddings(row, model, self.groups),
            own_embeddings(row.indices_T, model, self.groups).numpy(),
            row.whole,
            self.settings.control,
            step=self.lr * self.settings.beta,
            groups=row_groups(model, self.groups),
        )


def row_groups(model: LanguageModel, groups: ProcessGroupCollection) -> tuple[dist.ProcessGroup, dist.ProcessGroup]:
    """The ranks that share a row: context parallel, under sequence parallelism tensor parallel too; and the stages."""
    return groups.tp_cp if model.config.sequence_parallel else groups.cp, groups.pp


def real_embeddings(row: LocalRow, model: LanguageModel, groups: ProcessGroupCollection) -> Tensor:
    """Which of this rank's embeddings are of real tokens: bool, one for each (see own_embeddings)."""
    return own_embeddings(row.real_T, model, groups)


def own_embeddings(values_T: Tensor, model: LanguageModel, groups: ProcessGroupCollection) -> Tensor:
    """Of a rank's tokens, those whose embeddings it holds: [T], or [T/tp] under sequence parallelism.

    [0] on a later pipeline stage, which has no embeddings.
    """
    if not model.pre_process:
        return values_T[:0]
    if not model.config.sequence_parallel:
        return values_T
    return values_T.chunk(groups.tp.size())[groups.tp.rank()]


def detect(
    model: LanguageModel,
    row: LocalRow,
    embeddings_TBH: Tensor,
    *,
    reduction: str,
    groups: ProcessGroupCollection,
    fp8: Fp8Pass | None = None,
) -> Detection:
    """Critical token detection (Eq. 2): one forward and one backward through the frozen model, in fp8 where asked."""
    (detection,) = detect_in_rows(model, [row], [embeddings_TBH], reduction=reduction, groups=groups, fp8=fp8)
    return detection


def detect_in_rows(
    model: LanguageModel,
    rows: Sequence[LocalRow],
    embeddings: Sequence[Tensor],
    *,
    reduction: str,
    groups: ProcessGroupCollection,
    fp8: Fp8Pass | None = None,
    through_base: bool = False,
) -> list[Detection]:
    """The same for rows with their embeddings; the stages of a pipeline work on different ones at a time.

    `through_base`: LoRA's updates are left out.
    """
    leaves = [embeddings_TBH.detach().requires_grad_() for embeddings_TBH in embeddings]
    sums: list[Tensor] = []

    def losses() -> Iterator[Tensor]:
        for row, leaf_TBH in zip(rows, leaves, strict=True):
            loss_sum = summed_cross_entropy(model, leaf_TBH, row, groups)
            sums.append(loss_sum.detach())
            yield loss_sum / row.num_labels if reduction == "mean" else loss_sum

    numbers = fp8_layers(model, fp8) if fp8 else contextlib.nullcontext()
    updates = without_adapters(model) if through_base else contextlib.nullcontext()
    with frozen(model), torch.enable_grad(), numbers, updates:
        # backward(), not autograd.grad(): recomputed layers allow no other, and the leaf is all that takes a gradient.
        learn_in_order(losses(), groups)
    detected = zip(rows, leaves, sums, strict=True)
    return [detection_of(model, row, leaf_TBH.grad, loss_sum, groups) for row, leaf_TBH, loss_sum in detected]


def detection_of(
    model: LanguageModel, row: LocalRow, grad_TBH: Tensor, loss_sum: Tensor, groups: ProcessGroupCollection
) -> Detection:
    """What the gradient of a row's embeddings says; the ranks that share the row talk."""
    norms_T = embedding_grad_norms(grad_TBH)
    real_T = real_embeddings(row, model, groups)
    threshold = noise_threshold(norms_T, real_T, groups=row_groups(model, groups))
    return Detection(
        grad_TBH=grad_TBH.float(),
        norms_T=norms_T,
        noise_T=noise_mask(norms_T, real_T, threshold),
        threshold=threshold,
        loss=sum_over(loss_sum, groups.cp, groups.pp) / row.num_labels,
    )


@contextlib.contextmanager
def frozen(model: torch.nn.Module) -> Iterator[None]:
    """No parameter takes a gradient inside; frozen linears then compute the input's gradient only."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def embedding_grad_norms(grad_TBH: Tensor) -> Tensor:
    """s_i = ||g_i||_2 of every local token, in fp32 (Eq. 2): [T]."""
    return torch.linalg.vector_norm(grad_TBH.squeeze(1).float(), dim=-1)


def noise_threshold(norms_T: Tensor, real_T: Tensor, *, groups: Sequence[dist.ProcessGroup]) -> Tensor:
    """t = mean of s_i over the real tokens of the whole row (Eq. 2): fp64 scalar, the same on every rank."""
    norms_sum_and_count = torch.stack([norms_T.double()[real_T].sum(), real_T.sum().double()])
    total, count = sum_over(norms_sum_and_count, *groups)
    return total / count


def noise_mask(norms_T: Tensor, real_T: Tensor, threshold: Tensor) -> Tensor:
    """I(x_i) = 1 where s_i < t (Eq. 2); padding is neither noise nor critical: bool [T]."""
    return (norms_T.double() < threshold) & real_T


def denoising_shift(grad_TBH: Tensor, noise_T: Tensor, *, lr: float, beta: float) -> Tensor:
    """I(x_i) g_i x lr x beta, what Eq. 3 subtracts: fp32 [T, B, H]."""
    return grad_TBH * (noise_T[:, None, None] * (lr * beta))


def denoise_embeddings(embeddings_TBH: Tensor, shift_TBH: Tensor, *, detached: bool = False) -> Tensor:
    """E' = E - shift (Eq. 3), in the dtype of E; `detached` keeps the gradient from the embedding matrix."""
    if detached:
        embeddings_TBH = embeddings_TBH.detach().requires_grad_()
    return (embeddings_TBH.float() - shift_TBH).to(embeddings_TBH.dtype)


@torch.no_grad()
def denoising_telemetry(
    embeddings_TBH: Tensor,
    denoised_TBH: Tensor,
    detection: Detection,
    *,
    real_T: Tensor,
    groups: Sequence[dist.ProcessGroup],
) -> dict[str, float]:
    """How much the step really moved, over the whole row (padding excluded).

    detection_loss: nats per labelled token on E; noise_share: of real tokens; threshold: t;
    relative_shift: ||E' - E|| / ||E||; changed_share: of embedding elements, in the dtype in which E enters the layers.
    """
    before, after = embeddings_TBH.squeeze(1).float(), denoised_TBH.squeeze(1).float()
    # Norms of tokens first: whole embeddings in fp64 would be the step's largest tensors.
    shift_T, size_T = (torch.linalg.vector_norm(each, dim=-1)[real_T].double() for each in (after - before, before))
    changed_T = (after != before).sum(dim=-1)[real_T]
    sums = torch.stack(
        [detection.noise_T.sum(), shift_T.square().sum(), size_T.square().sum(), changed_T.sum(), real_T.sum()]
    ).double()
    noise, shift, energy, changed, tokens = sum_over(sums, *groups).tolist()
    return {
        "detection_loss": detection.loss.item(),
        "noise_share": noise / tokens,
        "threshold": detection.threshold.item(),
        "relative_shift": (shift / energy) ** 0.5 if energy else 0.0,
        "changed_share": changed / (tokens * embeddings_TBH.shape[-1]),
    }
