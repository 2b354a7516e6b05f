"""What the data of a run are made from: its books and samples as files, and the settings that each stage of data reads.

Every file is an input of its own, so that a touched, added or removed one is seen. A stage is told what it reads of a
section and nothing else: a change reruns what reads it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.fingerprint import canonical_json
from data_prep.sources import CONVERSATIONS, CORPUS_KEYS, ENCODERS, MORE_CORPUS_KEYS, UNREAD_SAMPLE_KEYS


def files_of(path: str) -> list[str]:
    """A file, or the files of a folder: each an input of its own, since a folder's time says little."""
    return sorted(str(file) for file in Path(path).iterdir() if file.is_file()) if Path(path).is_dir() else [path]


class DataPlan:
    """The data of one checked configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self._books: dict[str, list[str]] = {}
        self._files: dict[Path, list[str]] = {}

    def books(self, split: str) -> list[str]:
        """The files of one split of the corpus, each an input of its own: a touched, added or removed book is seen."""
        if split not in self._books:
            corpus, kind = Path(self.config["corpus"]["path"]), self.config["corpus"]["source"]
            if kind == "pg19" and not (corpus / split).is_dir() and not self.fetched_below(corpus):
                self._books[split] = [str(corpus)]
            else:
                has_split = kind == "pg19" or (corpus / split).is_dir()
                self._books[split] = self.files_below(corpus / split if has_split else corpus)
        return self._books[split]

    def files_below(self, path: Path) -> list[str]:
        """The files of a set of data that are there or are to be fetched; the path itself where there are none."""
        if path not in self._files:
            there = {str(file) for file in path.rglob("*") if file.is_file() and not file.name.endswith(".partial")}
            self._files[path] = sorted(there | self.fetched_below(path)) or [str(path)]
        return self._files[path]

    def fetched_below(self, path: Path) -> set[str]:
        """The files that the configuration fetches to a place in a folder."""
        return {name for name in self.config["fetch"] if path in Path(name).parents}

    def metadata_of_books(self) -> list[str]:
        """The corpus's list of its books, where it has one."""
        return [str(path) for path in Path(self.config["corpus"]["path"]).glob("metadata.csv")]

    def tokenizer_sources(self) -> dict[str, list[str]]:
        """What the tokenizer is made from: the one that the configuration names, or the books to train it on."""
        given = self.config["tokenizer"]["path"]
        return {"given": files_of(given)} if given else {"books": self.books(self.config["tokenizer"]["split"])}

    def set_files(self, dataset: str) -> list[str]:
        """The files of one set of samples, each an input of its own."""
        return self.files_below(Path(self.config["mix"][dataset]["path"]))

    def corpus(self, **own: str) -> str:
        """How a corpus is read: what its source reads of the section, with `source` and `path` of its own."""
        section = self.config["corpus"] | own
        return canonical_json({key: section[key] for key in (*CORPUS_KEYS, *MORE_CORPUS_KEYS[section["source"]])})

    def set_corpus(self, dataset: str) -> str:
        """How one set of samples is read: as the corpus, but for its format and its place."""
        return self.corpus(source=dataset, path=self.config["mix"][dataset]["path"])

    def tokenize_settings(self) -> str:
        """How the corpus becomes tokens; a source of documents has no samples to choose from."""
        unread = () if ENCODERS[self.config["corpus"]["source"]] in CONVERSATIONS else ("samples",)
        return canonical_json({key: value for key, value in self.config["tokenize"].items() if key not in unread})

    def set_tokenize(self, dataset: str) -> str:
        """The tokenize settings of one set, with its own shortest sample where it has one."""
        least, unread = self.config["mix"][dataset]["min_tokens"], UNREAD_SAMPLE_KEYS.get(dataset, ())
        samples = {key: value for key, value in self.config["tokenize"]["samples"].items() if key not in unread}
        own = {"min_tokens": least} if least else {}
        return canonical_json({**self.config["tokenize"], "samples": {**samples, **own}})

    def pair_settings(self, stage: str) -> str:
        """How chunks are ranked, or which of them stay."""
        return canonical_json(self.config["pairs"][stage])

    def retriever(self) -> list[str]:
        """The files of the model that ranks chunks; none for BM25."""
        folder = self.config["pairs"]["rank"]["retriever"]
        return files_of(folder) if folder else []

    @property
    def trains_tokenizer(self) -> bool:
        """Whether the tokenizer is trained here; a given one is taken as it is."""
        return self.config["tokenizer"]["path"] is None

    def tokenizer_corpus(self) -> str:
        """What the tokenizer is trained on."""
        return self.corpus() if self.trains_tokenizer else "{}"

    def tokenizer_settings(self) -> str:
        """How it is trained, or where the given one lies."""
        section = self.config["tokenizer"]
        return canonical_json(section if self.trains_tokenizer else {"path": section["path"]})

    def mix_settings(self) -> str:
        """What decides the mix; where its sets lie does not."""
        places = ("path", "min_tokens")
        return canonical_json(
            {
                name: {key: value for key, value in part.items() if key not in places}
                if isinstance(part, dict)
                else part
                for name, part in self.config["mix"].items()
            }
        )

    def samples_template(self) -> list[str]:
        """The chat template that supervised samples are written in, as an input; none where it is the tokenizer's."""
        template = self.config["tokenize"]["samples"]["chat_template"]
        return [template] if template else []
