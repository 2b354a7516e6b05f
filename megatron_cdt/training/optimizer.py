"""Megatron's data parallel wrapper and distributed Adam around a language model, and the learning rate of every step.

Gradients are sums over tokens until `finish_gradients` divides them once by the labelled tokens of the whole step, so
that a rank without a label weighs nothing (calculate_per_token_loss). Communication is not overlapped: the same
sums in the same order in every run. The rate is a pure function of the step: linear warm-up, then a cosine.
"""

import math

import torch
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads
from megatron.core.optimizer import MegatronOptimizer, OptimizerConfig, get_megatron_optimizer
from megatron.core.process_groups_config import ProcessGroupCollection

from megatron_cdt.engine.device import device, megatron_calls
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.training.settings import TrainSettings


def learning_rate_at(step: int, settings: TrainSettings) -> float:
    """The rate of optimizer step `step` (1 to settings.steps).

    Warm-up reaches the peak at step warmup_steps; the cosine reaches the minimum at the last step.
    """
    peak, lowest = settings.learning_rate, settings.min_learning_rate
    if step <= settings.warmup_steps:
        return peak * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / (settings.steps - settings.warmup_steps)
    return lowest + (peak - lowest) * (1 + math.cos(math.pi * progress)) / 2


def wrap_model(model: LanguageModel, groups: ProcessGroupCollection) -> DistributedDataParallel:
    """The model with its gradients in one fp32 buffer, sharded over the data and context parallel ranks."""
    config = DistributedDataParallelConfig(
        grad_reduce_in_fp32=True,
        overlap_grad_reduce=False,
        overlap_param_gather=False,
        use_distributed_optimizer=True,
    )
    with megatron_calls():
        return DistributedDataParallel(model.config, config, model, pg_collection=groups)


def build_optimizer(
    ddp: DistributedDataParallel, settings: TrainSettings, groups: ProcessGroupCollection
) -> MegatronOptimizer:
    """Adam with decoupled weight decay and fp32 main weights, each data/context rank holding its share."""
    config = OptimizerConfig(
        optimizer="adam",
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.adam_betas[0],
        adam_beta2=settings.adam_betas[1],
        adam_eps=settings.adam_eps,
        clip_grad=settings.clip_grad,
        bf16=settings.dtype == "bfloat16",
        params_dtype=getattr(torch, settings.dtype),
        use_distributed_optimizer=True,
    )
    with megatron_calls():
        return get_megatron_optimizer(config, [ddp], use_gloo_process_groups=False, pg_collection=groups)


def finish_gradients(ddp: DistributedDataParallel, own_units: int, groups: ProcessGroupCollection) -> None:
    """Sum the gradients over data and context ranks and divide them by the units of the step (labelled tokens).

    `own_units` counts this rank's own; their sum over those ranks is the step's.
    """
    units = torch.tensor(own_units, dtype=torch.int64, device=device())
    finalize_model_grads([ddp], num_tokens=units, pg_collection=groups)


def update_weights(optimizer: MegatronOptimizer, learning_rate: float) -> float:
    """Clip by the global gradient norm, take one Adam step; returns the norm before clipping."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
        # Vectors (norms) are not decayed: Megatron marks them with wd_mult 0.
        group["weight_decay"] = optimizer.config.weight_decay * group["wd_mult"]
    with megatron_calls():
        _, grad_norm, _ = optimizer.step()
    return float(grad_norm)
