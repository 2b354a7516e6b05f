"""The mean loss on held-back rows: nats per labelled token, the same for every layout of processes."""

import torch
from megatron.core.process_groups_config import ProcessGroupCollection

from contracts.packs import PackReader
from megatron_cdt.engine.device import device
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.engine.pipeline import is_last_stage
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.objective import own_labels
from megatron_cdt.objectives.row import local_row
from megatron_cdt.training.data_order import turn_of_rank


@torch.no_grad()
def validation_loss(model: LanguageModel, pack: PackReader, groups: ProcessGroupCollection) -> float:
    """Cross-entropy over every row of `pack`, whatever the method trains on (all processes call this)."""
    objective = CrossEntropy(groups)
    loss_and_labels = torch.zeros(2, dtype=torch.float64)
    for index in turn_of_rank(list(range(len(pack))), groups.dp.rank(), groups.dp.size()):
        row = local_row(pack.row(index), groups)
        if row.num_labels:
            loss_sum, _ = objective(model, row)
            loss_and_labels += torch.tensor([loss_sum.item(), own_labels(row)], dtype=torch.float64)
    if not is_last_stage(groups):
        loss_and_labels.zero_()
    loss, labels = sum_over(loss_and_labels.to(device()), groups.dp_cp, groups.pp).tolist()
    return loss / labels
