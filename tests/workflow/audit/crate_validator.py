"""The public RO-Crate validator, without a network.

It asks w3id.org for the JSON-LD context of RO-Crate 1.1; its cache is filled beforehand with that context, as published
(CC0). Nothing else is replaced: the command line, the profiles and the checks are its own.
"""

import io
import json
import subprocess
import sys
from pathlib import Path

import requests
from requests.adapters import BaseAdapter
from requests_cache import CachedSession

CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"
CONTEXT_FILE = Path(__file__).with_name("ro-crate-1.1-context.jsonld")
PROFILE = "workflow-run-crate-0.5"


class CarriedContext(BaseAdapter):
    """Answers every request with the context."""

    def send(self, request: requests.PreparedRequest, **_options) -> requests.Response:
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        response.headers["Content-Type"] = "application/ld+json"
        response.raw = requests.packages.urllib3.HTTPResponse(
            body=io.BytesIO(CONTEXT_FILE.read_bytes()),
            headers=response.headers,
            status=200,
            preload_content=False,
            request_url=request.url,
        )
        return response

    def close(self) -> None:
        """Nothing is open."""


def fill_cache(cache: Path) -> None:
    """Put the context into a cache of the validator, as a request of its own would have."""
    session = CachedSession(str(cache), expire_after=-1, backend="sqlite", allowable_methods=("GET",))
    session.mount("https://", CarriedContext())
    session.get(CONTEXT_URL, headers={"Accept": "application/ld+json, application/json"})
    session.close()


def validate(crate: Path, cache: Path, severity: str = "required") -> tuple[int, list[str]]:
    """The validator's exit code, and what it complains about, for a crate folder."""
    fill_cache(cache)
    report = cache.with_suffix(".json")
    command = [str(Path(sys.executable).parent / "rocrate-validator"), "-y", "validate", "--offline"]
    command += ["--cache-path", str(cache), "--no-paging", "--profile-identifier", PROFILE]
    command += ["--requirement-severity", severity, "--output-format", "json", "--output-file", str(report), str(crate)]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert report.is_file(), asked.stdout + asked.stderr
    issues = json.loads(report.read_text(encoding="utf-8"))["issues"]
    return asked.returncode, [f"{issue['check']['identifier']}: {issue['message']}" for issue in issues]
