"""What lies beside a vocabulary file: tokenizer_config.json and special_tokens_map.json; and bytes for people to read.

in : the path of a vocabulary file      out: the special token of a role, e.g. bos_token
"""

import json
from pathlib import Path

from contracts.errors import InputError


def named_token(path: Path, role: str) -> str | None:
    """The token that the companion files of `path` name for `role`, e.g. bos_token; None if they name none."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        token = read_companion(path.with_name(name)).get(role)
        text = token.get("content") if isinstance(token, dict) else token
        if text is not None:
            return text
    return None


# The classes of transformers that make their own rule for the first space mark, whatever tokenizer.json says.
LLAMA_CLASSES = ("LlamaTokenizer", "LlamaTokenizerFast")


def prefix_scheme(path: Path) -> str | None:
    """Where transformers (5.x) puts a space mark: before the `first` text, `always` after a special token too, `never`.

    None where the companion files of `path` name no Llama tokenizer: then the vocabulary's own file says it.
    """
    config = read_companion(path.with_name("tokenizer_config.json"))
    kind = config.get("tokenizer_class")
    if kind is None and read_companion(path.with_name("config.json")).get("model_type") == "llama":
        kind = LLAMA_CLASSES[0] if config else None
    if kind not in LLAMA_CLASSES:
        return None
    if config.get("add_prefix_space") is False:
        return "never" if config.get("legacy") else "first"
    return "always" if config.get("legacy") else "first"


def read_companion(path: Path) -> dict:
    """The JSON object in a companion file, or {} where there is none."""
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}: not valid JSON; fetch the file again") from None


def readable_bytes(data: bytes) -> str:
    """`data` as text where it is whole UTF-8, and as <0xHH> per byte where it is a part of a character."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"<0x{byte:02X}>" for byte in data)
