"""Train a start checkpoint on packed rows and export the result as a Hugging Face folder.

in : --settings (TrainSettings), --data and --validation packs, --start-checkpoint, --tokenizer
out: --run-folder (checkpoints, metrics) and --output (Hugging Face folder with done.json)
The same command goes on where a killed or stopped one left off; exit code 75 says "run me again".
"""

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

import torch
import torch.distributed as dist

from contracts.errors import InputError
from contracts.fingerprint import sha256_file, sha256_value
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, write_manifest
from contracts.settings import load_settings
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.checkpoint import CHECKPOINTS_NAME, load_model_checkpoint
from megatron_cdt.engine.device import has_gpu
from megatron_cdt.engine.fp8 import check_fp8
from megatron_cdt.engine.lora.adapters import add_adapters
from megatron_cdt.engine.model import LanguageModel, ModelOptions, build_model
from megatron_cdt.engine.parallel import start_processes, stop_processes
from megatron_cdt.huggingface.fresh import initialize_adapters
from megatron_cdt.huggingface.weights import save_model
from megatron_cdt.stop_signals import RESUME_EXIT_CODE
from megatron_cdt.training.checkpoint import Progress, TrainingState, gather, load_newest_checkpoint
from megatron_cdt.training.determinism import make_deterministic
from megatron_cdt.training.dry_run import dry_run
from megatron_cdt.training.inputs import Inputs, Paths, code_roots, open_inputs, run_fingerprint
from megatron_cdt.training.launch import die_with_launcher, is_launched, launch_processes
from megatron_cdt.training.loop import Run, StopRequest, train
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.run_folder import claim_run_folder, cut_records_back, note_event, read_fingerprint
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.sinks import check_sinks
from megatron_cdt.training.telemetry import say

DONE = "done.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--settings", required=True, metavar="S", help="the `train` settings: a YAML/JSON file, or JSON text")
    add("--data", required=True, metavar="PACKS", help="folder of packed rows to train on")
    add("--validation", metavar="PACKS", help="folder of packed rows held back for validation")
    add("--start-checkpoint", required=True, metavar="CHECKPOINT", help="what import-hf made, or another run's")
    add("--tokenizer", required=True, metavar="FOLDER", help="tokenizer of the packs; copied beside the weights")
    add("--run-folder", required=True, metavar="R", help="checkpoints and metrics; the run goes on from it")
    add("--output", required=True, metavar="HF_FOLDER", help="Hugging Face folder to write at the end")
    add("--dry-run", action="store_true", help="check everything, print what the run would take, and train nothing")
    add(
        "--if-changed",
        choices=("refuse", "set-aside", "go-on"),
        default="refuse",
        help="what to do with a run folder that was begun as another run: refuse it (default), rename it and begin "
        "anew, or go on where only the code has changed",
    )


def run(arguments: argparse.Namespace) -> None:
    settings = load_settings(TrainSettings, arguments.settings)
    if arguments.dry_run:
        print(dry_run(given_paths(arguments), settings, arguments.if_changed))
        return
    if not is_launched() and settings.layout.processes > 1:
        sys.exit(launch_processes(settings.layout.processes))
    try:
        finished = run_as_one_process(arguments, settings)
    except InputError:
        # Every process meets the same bad input; one line is enough.
        if dist.is_initialized() and dist.get_rank() > 0:
            sys.exit(2)
        raise
    if not finished:
        sys.exit(RESUME_EXIT_CODE)


def given_paths(arguments: argparse.Namespace) -> Paths:
    """The files and folders of the command line."""
    named = {field.name: getattr(arguments, field.name) for field in fields(Paths)}
    return Paths(**{name: Path(given) if given else None for name, given in named.items()})


def run_as_one_process(arguments: argparse.Namespace, settings: TrainSettings) -> bool:
    """Train and export as one process of the run; False where a signal asked to stop before the end."""
    if is_launched():
        die_with_launcher()
    check_sinks(settings.sinks)
    if fp8_pass := settings.section.fp8_pass:
        check_fp8(getattr(torch, settings.dtype), fp8_pass)
    if settings.deterministic:
        make_deterministic(settings.layout.engine_layout, on_gpu=has_gpu(), fp8_pass=fp8_pass)
    if not has_gpu():
        torch.set_num_threads(settings.cpu_threads)
    groups = start_processes(settings.layout.engine_layout)
    check_world(settings)
    paths = given_paths(arguments)
    folder, output = paths.run_folder, paths.output
    inputs = open_inputs(paths, settings)
    lock = claim(folder, settings, inputs, arguments.if_changed)
    state, progress = resume_or_start(folder, inputs, settings, groups)
    note_event(folder, "start")
    finished = train(Run(settings, folder, inputs.pack, inputs.validation, state), progress, StopRequest())
    note_event(folder, "end")
    if finished:
        export(output, folder, state, settings, inputs)
    elif dist.get_rank() == 0:
        say(f"stopped on a signal, saved in {folder}; run the same command to go on (exit code {RESUME_EXIT_CODE})")
    dist.barrier()
    if lock:
        lock.release()
    stop_processes()
    return finished


def check_world(settings: TrainSettings) -> None:
    """The processes that were started are those that the settings count on."""
    world = dist.get_world_size()
    if world != settings.layout.processes:
        raise InputError(
            f"{world} processes were started, but layout.processes is {settings.layout.processes}; "
            f"start that many (torchrun --nproc-per-node {settings.layout.processes}), or change the setting"
        )


def claim(folder: Path, settings: TrainSettings, inputs: Inputs, if_changed: str):
    """Rank 0 takes the run folder; its refusal is every process's."""
    lock, refusal = None, None
    if dist.get_rank() == 0:
        try:
            fingerprint = run_fingerprint(inputs, settings)
            lock = claim_run_folder(folder, settings.model_dump(mode="json"), fingerprint, if_changed)
            warn_of_mixed_code(folder)
        except InputError as error:
            refusal = str(error)
    if refusal := gather(refusal)[0]:
        raise InputError(refusal)
    return lock


def warn_of_mixed_code(folder: Path) -> None:
    """Say it at every start of a run that went on under another code: no single version reproduces it."""
    if codes := read_fingerprint(folder).get("earlier_code"):
        say(
            f"WARNING: {folder}: begun with other code ({', '.join(code[:12] for code in codes)}) and gone on with "
            f"(--if-changed go-on); no single version reproduces this run"
        )


def model_to_train(architecture: Architecture, settings: TrainSettings, groups) -> LanguageModel:
    """The model as the settings want it, with fresh weights."""
    return build_model(
        architecture,
        groups,
        ModelOptions(
            dtype=getattr(torch, settings.dtype),
            fp32_residual=settings.fp32_residual,
            sequence_parallel=settings.layout.sequence_parallel,
            recompute=settings.recompute,
            deterministic=settings.deterministic,
        ),
    )


def resume_or_start(folder: Path, inputs: Inputs, settings: TrainSettings, groups) -> tuple[TrainingState, Progress]:
    """Model and optimizer as the newest whole checkpoint left them, or as the start checkpoint has them."""
    model = model_to_train(inputs.architecture, settings, groups)
    if settings.lora:
        add_adapters(model, settings.lora, groups)
        initialize_adapters(model, inputs.architecture, settings.seed, groups)
    load_model_checkpoint(model, inputs.start, groups)
    ddp = wrap_model(model, groups)
    optimizer = build_optimizer(ddp, settings, groups)
    start_sha256 = gather(read_fingerprint(folder)["start"] if dist.get_rank() == 0 else None)[0]
    state = TrainingState(ddp, optimizer, inputs.architecture, groups, inputs.start, start_sha256)
    progress = load_newest_checkpoint(folder / CHECKPOINTS_NAME, state) or Progress()
    if dist.get_rank() == 0:
        cut_records_back(folder, progress.step)
        if progress.step:
            say(f"{folder}: going on after step {progress.step} of {settings.steps}")
    dist.barrier()
    return state, progress


def export(output: Path, folder: Path, state: TrainingState, settings: TrainSettings, inputs: Inputs) -> None:
    """Write the trained model, unless the output already is this run's."""
    done = done_record(folder) if dist.get_rank() == 0 else None
    if gather(done is not None and is_exported(output, done))[0]:
        return
    text = json.dumps(done, indent=1, sort_keys=True) + "\n"
    save_model(
        state.ddp.module,
        state.architecture,
        output,
        state.groups,
        tokenizer_folder=inputs.tokenizer,
        dtype=getattr(torch, settings.dtype),
        finish=lambda unfinished: describe(unfinished, text, done, read_fingerprint(folder)),
    )
    if dist.get_rank() == 0:
        say(f"{output}: written")


def describe(unfinished: Path, done_text: str, done: dict, fingerprint: dict) -> None:
    """Put done.json and the manifest beside the weights: what the training read, and every file's hash."""
    (unfinished / DONE).write_text(done_text, encoding="utf-8")
    manifest = build_manifest(
        stage="train",
        inputs={name: fingerprint[name] for name in ("start", "data", "validation", "tokenizer")},
        outputs=describe_files((path for path in unfinished.rglob("*") if path.is_file()), unfinished),
        settings=fingerprint["settings"],
        code={"code_roots": list(code_roots(fingerprint["settings"]["method"])), "code_sha256": fingerprint["code"]},
        counts={"steps": done["step"], "rows": done["consumed_rows"], "tokens": done["consumed_tokens"]},
        packages=("torch", "megatron-core", "safetensors"),
        seed=fingerprint["settings"]["seed"],
    )
    write_manifest(unfinished / MANIFEST_NAME, manifest)


def done_record(folder: Path) -> dict:
    """What done.json says: how the run ended, and which run it was."""
    last = json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    return {
        "step": last["step"],
        "consumed_rows": last["consumed_rows"],
        "consumed_tokens": last["consumed_tokens"],
        "loss": last["loss"],
        "metrics_sha256": sha256_file(folder / "metrics.jsonl"),
        "run_fingerprint": sha256_value(read_fingerprint(folder)),
    }


def is_exported(output: Path, done: dict) -> bool:
    """Whether the output folder is the finished export of this very run."""
    path = output / DONE
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == done
