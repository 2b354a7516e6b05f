"""Drills: the same bytes everywhere, answers that the text gives, labels on answers alone, and splits apart."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import InputError
from contracts.packs import PackReader
from contracts.tokenizer import load_tokenizer
from data_prep.settings import CorpusSettings, DrillSettings, TokenizeSettings
from data_prep.sources import drills
from data_prep.sources.drills import words
from data_prep.sources.drills.sample import digest_of
from data_prep.sources.source import Document, Drill, open_source
from data_prep.tokens.encode import drill_encoder
from eval.benchmarks.hops import stories as probe
from eval.benchmarks.ruler.niah import NEEDLE_TASKS, needle_sentence
from eval.benchmarks.ruler.wording import needle_prompt, noise

PG19 = Path(__file__).resolve().parents[3] / "resources" / "pg19"
MOVED = re.compile(r"(\w+) (?:walked|moved|went|went back|journeyed|travelled) to the (\w+)\.")
TOOK = re.compile(r"(\w+) (?:picked up|took|got|grabbed) the (\w+)\.")
DROPPED = re.compile(r"(\w+) (?:dropped|put down|left) the (\w+)\.")
ASKED = re.compile(r"\nQuestion: (.*?)\nAnswer:(.*?)(?=\nQuestion: |$)", re.DOTALL)
SMALL = {"samples": 400, "validation_samples": 60, "characters_min": 100, "characters_max": 1200}


def generated(split: str = "train", **settings: object) -> list[Drill | Document]:
    """The samples of a split."""
    corpus = CorpusSettings(source="drills", path=str(PG19), drills=DrillSettings(**SMALL | settings))
    source = open_source(corpus, split)
    return [record for shard in source.shards(10_000) for record in source.records(shard)]


@pytest.fixture(scope="module")
def stories() -> list[Drill]:
    return generated(repeats=0, needles=0, books=0)


def place_asked_for(text: str, question: str) -> str:
    """What a careful reader of the facts in `text` answers."""
    found = re.search(r"the (\w+)(?: before the (\w+))?", question)
    thing, last_place = found.groups() if found else (None, None)
    person = question.split()[-1].rstrip("?") if thing is None else taker_of(text, thing)
    places = [place for name, place in MOVED.findall(text) if name == person]
    if thing is None or last_place is None:
        return places[-1]
    if last_place == "place":
        dropped = re.search(rf"{person} (?:dropped|put down|left) the {thing}\.", text).start()
        places = [place for name, place in MOVED.findall(text[:dropped]) if name == person]
        return places[-2]
    return places[places.index(last_place) - 1]


def taker_of(text: str, thing: str) -> str:
    """Who took the thing."""
    (person,) = {name for name, taken in TOOK.findall(text) if taken == thing}
    return person


def test_every_answer_is_what_the_facts_say(stories: list[Drill]) -> None:
    asked = 0
    for story in stories:
        facts = story.text.split("\nSome sentences of the text")[0]
        for question, answer in ASKED.findall(story.text):
            last_word = re.findall(r"\w+", answer)[-1]
            assert last_word == place_asked_for(facts, question), (story.text, question)
            asked += 1
    assert asked > len(stories)


def test_an_answer_that_names_the_chain_holds_facts_of_the_text_alone(stories: list[Drill]) -> None:
    forms = {words.PLACE_ALONE: 0, words.NAME_THE_CHAIN: 0}
    for story in stories:
        form = words.PLACE_ALONE if words.PLACE_ALONE in story.text else words.NAME_THE_CHAIN
        forms[form] += 1
        evidence = {story.text[begin:end].strip() for begin, end in story.evidence}
        for begin, end in story.answers:
            steps = re.findall(r"[A-Z][^.:]*\.", story.text[begin:end])
            assert bool(steps) == (form == words.NAME_THE_CHAIN)
            assert set(steps) <= evidence
    assert all(forms.values())


def test_a_needle_lies_in_the_text_once_and_is_asked_for_by_its_key() -> None:
    for drill in generated(repeats=0, stories=0, books=0):
        body, *asked = re.split(r"\nWhat is the special magic number for ", drill.text)
        needles = dict(re.findall(r"One of the special magic numbers for (.+?) is: (\d{7})\.", body))
        assert {question.split(" mentioned")[0]: question.split(" ")[-1] for question in asked} == needles
        assert [drill.text[begin:end] for begin, end in drill.evidence] == [
            words.NEEDLE.format(key=key, value=value) for key, value in needles.items()
        ]


def copied(kind: str, **settings: object) -> list[Drill]:
    """Samples of one kind of copying alone."""
    return generated(**{"repeats": 0, "needles": 0, "stories": 0, "books": 0} | {kind: 1} | settings)


def test_an_echo_is_the_word_before_the_last() -> None:
    for drill in copied("echoes"):
        for begin, end in drill.answers:
            assert drill.text[:begin].split()[-2] == drill.text[begin:end].strip()
    a_fact = re.compile(rf"(?:{MOVED.pattern}|{TOOK.pattern}|{DROPPED.pattern})$")
    for drill in copied("echoes", fact_echoes=1):
        for begin, end in drill.answers:
            assert drill.text[begin:end].strip() in a_fact.search(drill.text[:begin]).groups()


def test_a_pair_stays_together_and_comes_again_at_many_distances() -> None:
    distances = set()
    for drill in copied("pairs", backward=0.5):
        follows = {}
        for begin, end in drill.answers:
            told, learned = drill.text[:begin].split()[-1], drill.text[begin:end].strip()
            assert follows.setdefault(told, learned) == learned
            forward, backward = (drill.text.find(f" {pair}") for pair in (f"{told} {learned}", f"{learned} {told}"))
            earlier = min(place for place in (forward, backward) if place >= 0)
            assert earlier < begin - len(told) - 1
            distances.add((begin - earlier) // 10)
    assert len(distances) > 20


def test_a_thing_is_followed_by_the_person_who_took_it() -> None:
    asked = 0
    for drill in copied("pairs", fact_pairs=1):
        facts = drill.text[: drill.answers[0][0]]
        for begin, end in drill.answers:
            thing = drill.text[:begin].split()[-1].removesuffix(":")
            assert drill.text[begin:end].strip() == taker_of(facts, thing)
            asked += 1
    assert asked > 200


def test_repeated_stretches_lie_at_many_distances_behind_the_first() -> None:
    distances = set()
    for drill in copied("repeats"):
        for begin, end in drill.answers:
            again = drill.text[begin:end]
            first = drill.text.index(again)
            assert first < begin
            distances.add((begin - first) // 10)
    assert len(distances) > 20


def test_no_sample_is_longer_than_asked_but_one_whose_facts_are() -> None:
    for record in generated():
        facts_alone = isinstance(record, Drill) and len(record.evidence) <= 4
        assert len(record.text) <= SMALL["characters_max"] or facts_alone


def test_the_words_are_those_of_the_benchmarks() -> None:
    one = NEEDLE_TASKS["niah_single_1"]
    assert needle_sentence(one, "a-b", "1234567") == words.NEEDLE.format(key="a-b", value="1234567")
    prompt, prefix = needle_prompt(1)
    asked = (prompt + prefix).format(type_needle_v="number", context="{text}", query="a-b")
    assert asked == words.HIDDEN_ONE + "{text}" + words.ASKED.format(key="a-b")
    assert noise() == words.NOISE
    places = {name: f"{{{name}}}" for name in ("person", "thing", "last_place")}
    for hops, question in probe.QUESTIONS.items():
        assert question.format(**places) == words.QUESTIONS[hops]
        line = f"{words.INSTRUCTION.format(form=words.PLACE_ALONE)}\nQuestion: {question}\nAnswer:"
        assert line == probe.INSTRUCTION.format(form=probe.FORMS["place"], question=question)
    assert {words.PLACE_ALONE, words.NAME_THE_CHAIN} == set(probe.FORMS.values())
    assert set(probe.PEOPLE) <= set(words.PEOPLE)
    assert set(probe.OBJECTS) <= set(words.THINGS)
    assert set(probe.PLACES) <= set(words.PLACES)
    theirs = {form.replace("{object}", "{thing}") for form in (*probe.TAKES, *probe.MOVES, *probe.DROPS)}
    assert theirs <= {*words.TAKES, *words.MOVES, *words.DROPS}


def secrets(records: list[Drill | Document]) -> set[str]:
    """The digests of every needle value and every chain of the samples."""
    found = set()
    for record in records:
        found |= {digest_of(value) for value in re.findall(r"(\d{7})\.", record.text)}
        body, _, asked = record.text.partition("\nSome sentences of the text")
        for question in re.findall(r"Question: (.*)\n", asked):
            thing = re.search(r"the (\w+)", question)
            person = taker_of(body, thing[1]) if thing else question.split()[-1].rstrip("?")
            evidence = {record.text[begin:end].strip() for begin, end in record.evidence}
            facts = [fact for fact in re.findall(rf"{person} [^.]*\.", body) if fact in evidence]
            found.add(digest_of("\n".join([*facts, question])))
    return found


def test_no_story_and_no_needle_value_lies_in_two_splits() -> None:
    only = {"repeats": 0, "books": 0, "hops": (1, 2), "samples": 3000, "validation_samples": 600}
    train, validation = (secrets(generated(split, **only)) for split in ("train", "validation"))
    assert len(train) > 3000
    assert len(validation) > 500
    assert not train & validation


def test_what_is_held_out_is_never_drawn() -> None:
    only = {"repeats": 0, "books": 0, "hops": (1,), "samples": 600}
    kept = sorted(secrets(generated(**only)))[::3]
    drawn = secrets(generated(**only, held_out=kept))
    assert drawn
    assert not drawn & set(kept)


def test_answers_and_the_end_are_learned_and_nothing_else(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    corpus = CorpusSettings(source="drills", path="-", drills=DrillSettings())
    encoder = drill_encoder(tokenizer, TokenizeSettings(), corpus, "")
    for record in generated(samples=60):
        encoded = encoder.encode(record)
        if isinstance(record, Document):
            assert encoded.label_spans is None
            continue
        learned = [tokenizer.decode(encoded.ids[begin:end].tolist()) for begin, end in encoded.label_spans]
        rested_on = [tokenizer.decode(encoded.ids[begin:end].tolist()) for begin, end in encoded.evidence_spans]
        assert learned == [record.text[begin:end] for begin, end in record.answers]
        assert "".join(rested_on) == "".join(record.text[begin:end] for begin, end in record.evidence)
        ends_in_answer = record.answers[-1][1] == len(record.text)
        assert encoded.ids[-1] == tokenizer.eos_id
        assert (encoded.label_spans[-1][1] == len(encoded.ids)) == ends_in_answer


@pytest.fixture
def tokenized(data_prep: Callable, tokenizer_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """A way to tokenize drills by the command."""

    def tokenize(name: str, *flags: object) -> Path:
        settings = tmp_path / "corpus.yaml"
        settings.write_text(f"{{source: drills, path: {PG19}, drills: {{samples: 600, characters_max: 400}}}}")
        output = tmp_path / name
        words = ("tokenize", "--corpus", settings, "--tokenizer", tokenizer_folder, "--output", output, *flags)
        assert data_prep(*words).code == 0
        return output

    return tokenize


def test_a_tokenizer_trained_on_drills_has_every_name_thing_and_place_whole(
    data_prep: Callable, tmp_path: Path
) -> None:
    settings, folder = tmp_path / "corpus.yaml", tmp_path / "tokenizer"
    settings.write_text(f"{{source: drills, path: {PG19}, drills: {{samples: 3000, characters_min: 300}}}}")
    assert data_prep("tokenizer", "--corpus", settings, "--vocab-size", 2048, "--output", folder).code == 0
    tokenizer = load_tokenizer(folder)
    parted = [word for word in (*words.PEOPLE, *words.THINGS, *words.PLACES) if len(tokenizer.encode(f" {word}")) > 1]
    assert not parted
    assert [tokenizer.piece(token) for token in tokenizer.encode("1997")] == list("1997")


def test_the_number_of_workers_changes_no_byte(tokenized: Callable[..., Path]) -> None:
    (one,) = tokenized("one", "--workers", 1).glob("*.arrow")
    (two,) = tokenized("two", "--workers", 2).glob("*.arrow")
    assert one.read_bytes() == two.read_bytes()


def test_drills_become_packs_whose_labels_are_the_answers(
    tokenized: Callable[..., Path], data_prep: Callable, tokenizer_folder: Path, tmp_path: Path
) -> None:
    tokens, packs = tokenized("tokens"), tmp_path / "packs"
    words = ("pack", "--input", tokens, "--length", 1024, "--mode", "best-fit", "--output", packs)
    assert data_prep(*words).code == 0
    tokenizer = load_tokenizer(tokenizer_folder)
    values = 0
    for row in PackReader(packs):
        text = tokenizer.decode(row.input_ids.tolist())
        for begin, end in row.label_spans if row.label_spans is not None else ():
            learned = tokenizer.decode(row.input_ids[begin:end].tolist())
            if re.fullmatch(r" \d{7}", learned):
                assert f"is:{learned}." in text
                values += 1
    assert values > 50


@pytest.mark.parametrize(
    ("corpus", "fragment"),
    [
        ("{source: drills, path: BOOKS}", "no corpus.drills"),
        ("{source: drills, path: BOOKS, drills: {hops: [5]}}", "1, 2, 3 or 4"),
        ("{source: drills, path: BOOKS, drills: {characters_min: 900, characters_max: 100}}", "swap them"),
        ("{source: drills, path: BOOKS, drills: {repeats: 0, needles: 0, stories: 0, books: 0}}", "weight"),
        ("{source: drills, path: BOOKS, drills: {held_out: [kitchen]}}", "kitchen"),
        ("{source: drills, path: absent, drills: {}}", "absent"),
    ],
)
def test_settings_that_generate_nothing_are_refused(
    data_prep: Callable, refused: Callable, tokenizer_folder: Path, tmp_path: Path, corpus: str, fragment: str
) -> None:
    (tmp_path / "corpus.yaml").write_text(corpus.replace("BOOKS", str(PG19)))
    words = ("--corpus", tmp_path / "corpus.yaml", "--tokenizer", tokenizer_folder, "--output", tmp_path / "out")
    assert refused(data_prep("tokenize", *words, "--workers", 1), fragment)


def test_a_split_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="train, validation"):
        generated("test")
    assert drills.SPLITS == ("train", "validation")
