"""Take secrets out of what is written down: command lines, settings, environments.

in : text, a command line, or a JSON value      out: the same with every secret replaced by `REDACTED`
What counts: values under a key that names a secret, known shapes of tokens, passwords and signed queries in URLs,
and, literally, the value of every environment variable whose name names a secret.
Invariant: nothing is guessed from entropy, so hashes stay; a secret of unknown shape under a harmless name passes.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping

REDACTED = "REDACTED"
# A value shorter than this is a word (`yes`, `none`) and would be taken out of every sentence.
SHORTEST_SECRET = 8

_NAMES = "token|secret|passwd|password|passphrase|api_?key|access_?key|private_?key|credentials?|authorization|cookie"
SECRET_NAME = re.compile(rf"(?:^|[^a-z])(?:{_NAMES})(?:$|[^a-z])", re.IGNORECASE)
SECRET_SHAPES = (
    re.compile(r"\bhf_[A-Za-z0-9]{16,}"),  # Hugging Face
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}"),  # GitHub, GitLab
    re.compile(r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}"),  # OpenAI, Anthropic, Stripe
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),  # AWS
    re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),  # Slack
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),  # JSON Web Token
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
    re.compile(r"(?<=Bearer )[A-Za-z0-9._~+/-]{8,}=*"),
    re.compile(r"(?<=://)[^/\s@:\"']*:[^/\s@\"']+(?=@)"),  # user:password@ of a URL
    re.compile(rf"(?<=[?&])(?:[A-Za-z-]*(?:{_NAMES}|signature|sig|key))=[^&\s\"']+", re.IGNORECASE),
)
ASSIGNMENT = re.compile(r"^(?P<name>-{0,2}[A-Za-z][\w.-]*)=(?P<value>.+)$", re.DOTALL)


def is_secret_name(name: str) -> bool:
    """Whether a key, option or variable says that its value is a secret: `hf_token` is one, `tokens` is none."""
    return bool(SECRET_NAME.search(name.replace("-", "_")))


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """The values of the variables whose names name secrets, longest first."""
    values = {value for name, value in environment.items() if is_secret_name(name) and len(value) >= SHORTEST_SECRET}
    return sorted(values, key=len, reverse=True)


def scrub_text(text: str, secrets: Iterable[str] | None = None) -> str:
    """`text` without secrets; `secrets` are literal secrets (default: those of this process's environment)."""
    for secret in secrets_of(os.environ) if secrets is None else secrets:
        text = text.replace(secret, REDACTED)
    for shape in SECRET_SHAPES:
        text = shape.sub(REDACTED, text)
    return text


def scrub_value(value: object, secrets: Iterable[str] | None = None) -> object:
    """A JSON value without secrets, keys included; what stands under a secret's name goes whole."""
    secrets = secrets_of(os.environ) if secrets is None else secrets
    if isinstance(value, Mapping):
        return {
            scrub_text(key, secrets): REDACTED if is_secret_name(key) and inner else scrub_value(inner, secrets)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrub_value(inner, secrets) for inner in value]
    return scrub_text(value, secrets) if isinstance(value, str) else value


def scrub_arguments(arguments: Iterable[str], secrets: Iterable[str] | None = None) -> list[str]:
    """A command line without secrets: `--token X`, `--token=X` and `name_token=X` lose X."""
    secrets = secrets_of(os.environ) if secrets is None else secrets
    scrubbed, secret_next = [], False
    for argument in arguments:
        assignment = ASSIGNMENT.match(argument)
        if secret_next and not argument.startswith("--"):
            scrubbed.append(REDACTED)
        elif assignment and is_secret_name(assignment["name"]):
            scrubbed.append(f"{assignment['name']}={REDACTED}")
        else:
            scrubbed.append(scrub_argument(argument, secrets))
        secret_next = argument.startswith("-") and not assignment and is_secret_name(argument)
    return scrubbed


def scrub_argument(argument: str, secrets: Iterable[str]) -> str:
    """One word of a command line; settings given as JSON text lose what stands under a secret's name."""
    if argument.startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):
            given = json.loads(argument)
            scrubbed = scrub_value(given, secrets)
            return argument if scrubbed == given else json.dumps(scrubbed, sort_keys=True, separators=(",", ":"))
    return scrub_text(argument, secrets)
