"""Load a tokenizer, and refuse one that does not suit the model beside it or the tokens that are asked of it.

in : the path of a tokenizer      out: a Tokenizer, or one line that names the cure
"""

import json
from pathlib import Path

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer, load_tokenizer, vocabulary_file


def load_usable_tokenizer(path: Path, *, bos: bool = False, eos: bool = False) -> Tokenizer:
    """The tokenizer in `path`; InputError where it lacks a wanted token or has more ids than the model beside it."""
    tokenizer = load_tokenizer(path)
    for name, wanted, token in (("bos", bos, tokenizer.bos_id), ("eos", eos, tokenizer.eos_id)):
        if wanted and token is None:
            cure = f"set {name}: false, or name its {name}_token in tokenizer_config.json"
            raise InputError(f"{path}: the tokenizer has no {name.upper()} token; {cure}")
    config = vocabulary_file(Path(path)).with_name("config.json")
    rows = model_vocabulary(config)
    if rows is not None and tokenizer.vocab_size > rows:
        raise InputError(
            f"{path}: the tokenizer has {tokenizer.vocab_size} ids, but the model of {config} has {rows}; "
            "name the tokenizer of this model"
        )
    return tokenizer


def model_vocabulary(config: Path) -> int | None:
    """The vocabulary that a Hugging Face config.json tells; None where there is none."""
    if not config.is_file():
        return None
    try:
        return json.loads(config.read_text(encoding="utf-8-sig")).get("vocab_size")
    except (json.JSONDecodeError, AttributeError):
        raise InputError(f"{config}: not a model's config.json; fetch the file again") from None
