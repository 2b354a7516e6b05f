"""A page in headless Chromium: what its document holds after a script has used it, and made-up data for large pages."""

import html
import json
import random
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=900,800")
WORDS = ("the", "of", "and", "lamp", "attic", "Edgar", "got", "moved", "to", "was", "in", "garden", "she", "letter")


def used(folder: Path, page: str, script: str) -> dict:
    """What `script`, an async function's body, returns when it runs in the page; AssertionError where it throws."""
    run = (
        "<script>(async () => { let found; try { found = await (async () => {" + script + "})(); } "
        "catch (error) { found = {error: String(error)}; } const told = document.createElement('pre'); "
        "told.id = 'told'; told.textContent = JSON.stringify(found); document.body.append(told); })();</script></body>"
    )
    path = folder / "used.html"
    path.write_text(page.replace("</body>", run), encoding="utf-8")
    flags = (*FLAGS, "--virtual-time-budget=5000", f"--user-data-dir={folder / 'profile'}", "--dump-dom")
    done = subprocess.run([CHROMIUM, *flags, path.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told, done.stderr[-2000:]
    found = json.loads(html.unescape(told[1]))
    assert "error" not in found, found
    return found


def made_up_data(tokens: int, **more: object) -> dict:
    """The page's data of so many tokens: most of them noise, clusters of critical ones, two instruments."""
    draw = random.Random(7)
    units = [draw.choice(("\n", "\n\n")) if draw.random() < 0.02 else f" {draw.choice(WORDS)}" for _ in range(tokens)]
    scores = [
        draw.lognormvariate(-2.0, 0.6) + (20 * draw.random() if place % 2500 < 15 else 0) for place in range(tokens)
    ]
    end = tokens - 8
    parts = [("irrelevant", 0, end - 12), ("question", end - 12, end), ("answer", end, tokens)]
    losses = [2.0 - 0.1 * place for place in range(3)]
    return {
        "model": "tiny",
        "source": "book.txt",
        "question": "Where is the lamp?",
        "answer": "attic",
        "window": 131072,
        "tokens": tokens,
        "units": units,
        "starts": None,
        "parts": [{"kind": kind, "start": start, "end": stop} for kind, start, stop in parts],
        "instruments": [
            {
                "name": "embedding_gradient",
                "title": "embedding gradient (CDT)",
                "scores": [float(f"{s:.5g}") for s in scores],
            },
            {"name": "occlusion", "title": "occlusion", "scores": [float(f"{s - 5:.5g}") for s in reversed(scores)]},
        ],
        "own": {"text": "attic", "right": True},
        "loss": 2.1,
        "threshold": 0.1,
        "noise_tokens": 0,
        "curve": {
            "steps": [0.1, 1.0, 10.0],
            "lines": [{"name": "noise", "title": "noise tokens", "losses": losses, "right": [True, False, True]}],
        },
        **more,
    }
