"""The inspector's page in a browser: its controls change the colours, texts stay texts, nothing is fetched."""

import json
import re

import pytest

from eval.inspector.page import as_json, page
from tests.eval.inspector.browser import CHROMIUM, made_up_data, used

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: the page is not opened")
EVIL = "</script><img src=x onerror=document.title='owned'><!--<script>"
COUNTS = """
const wait = () => new Promise((done) => setTimeout(done, 300));
const colours = () => [...document.querySelectorAll("#text .t")].map((each) => each.className).join();
const summary = () => document.getElementById("summary").textContent;
const set = async (id, value, event) => {
  const control = document.getElementById(id);
  if (typeof value === "boolean") control.checked = value; else control.value = value;
  control.dispatchEvent(new Event(event));
  await wait();
};
await wait();
"""


@needs_chromium
def test_switch_and_slider_change_the_colours_and_nothing_is_fetched(tmp_path):
    found = used(
        tmp_path,
        page(made_up_data(300)),
        COUNTS
        + """
        const seen = [[colours(), summary()]];
        await set("instrument", "occlusion", "change"); seen.push([colours(), summary()]);
        await set("threshold", "900", "input"); seen.push([colours(), summary()]);
        document.getElementById("mean").click(); await wait(); seen.push([colours(), summary()]);
        await set("instrument", "embedding_gradient", "change"); seen.push([colours(), summary()]);
        document.querySelector("#text .c3").dispatchEvent(new Event("pointerover", {bubbles: true}));
        return {seen, tip: document.getElementById("tip").textContent,
          fetched: performance.getEntriesByType("resource").length,
          dots: document.querySelectorAll("#curve circle").length, top: document.querySelectorAll("#top tr").length,
          verdict: document.getElementById("verdict").textContent, shown: document.getElementById("text").textContent};
        """,
    )
    colours = [each[0] for each in found["seen"]]
    assert len(set(colours[:3])) == 3
    assert colours[3] == colours[1]
    assert found["seen"][4] == found["seen"][0]
    assert found["shown"].replace("␣", "") != ""
    assert "rank " in found["tip"]
    assert (found["fetched"], found["dots"], found["top"], found["verdict"]) == (0, 3, 20, "✓ right")
    # The slider says the share of noise: at 900 of 1000, 1 - 0.1 ** 2.
    assert re.search(r"99\.0 % of the 300 tokens are noise; 3 are critical", found["seen"][2][1])


@needs_chromium
def test_a_text_that_spells_markup_stays_a_text(tmp_path):
    data = made_up_data(
        120, model=EVIL, question=f"Where? {EVIL}", answer=EVIL, source=EVIL, own={"text": EVIL, "right": False}
    )
    data["units"][5:8] = [EVIL, "<b>bold</b>", "&amp;"]
    data["instruments"][0]["title"] = EVIL
    data["curve"]["lines"][0]["title"] = EVIL
    found = used(
        tmp_path,
        page(data),
        COUNTS
        + """
        return {images: document.querySelectorAll("img, b").length, title: document.title, fold: colours().length,
          text: document.getElementById("text").textContent, model: document.getElementById("model").textContent,
          errors: document.scripts.length};
        """,
    )
    assert found["images"] == 0
    assert found["title"].startswith("Inspector: ")
    assert found["model"] == EVIL
    assert f"{EVIL}<b>bold</b>&amp;" in found["text"]
    assert found["errors"] == 3  # the data, the page's script, and this test's


@needs_chromium
def test_a_hundred_thousand_tokens_put_few_elements_into_the_page(tmp_path):
    found = used(
        tmp_path,
        page(made_up_data(100_000)),
        COUNTS
        + """
        const out = {folded: document.querySelectorAll(".t").length, folds: document.querySelectorAll(".fold").length};
        document.querySelector(".fold")?.click(); await wait();
        out.opened = document.querySelectorAll(".t").length;
        await set("fold", false, "change");
        out.unfolded = document.querySelectorAll(".t").length;
        document.querySelector("#top button").click(); await wait();
        out.found = document.querySelector(".found")?.dataset.unit;
        out.highest = document.querySelector("#top tr").children[4].textContent;
        return out;
        """,
    )
    assert 0 < found["folded"] < 6000
    assert 0 < found["unfolded"] < 6000
    assert int(found["found"]) + 1 == int(found["highest"].replace(",", ""))


@pytest.mark.parametrize("text", [EVIL, "a\u2028b", "\ud800", "</SCRIPT >", "\x00"])
def test_data_hold_nothing_that_ends_a_script(text):
    found = as_json({"text": text})
    assert "<" not in found
    assert "\u2028" not in found
    assert json.loads(found) == {"text": text}
    found.encode("utf-8")


def test_the_page_names_no_address():
    made = page(made_up_data(50))
    assert not re.search(r"""(src|href|action)\s*=""", made)
    assert "default-src 'none'" in made
    assert set(re.findall(r"https?://[^\"' ]+", made)) == {"http://www.w3.org/2000/svg"}
