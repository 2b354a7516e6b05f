"""Every settings class of this room in one place, for the configuration's schema.

Stages import their own module, so that a new key of one stage leaves the others' code fingerprints alone.
"""

from data_prep.corpus_settings import CorpusSettings
from data_prep.fetch_settings import FetchedFile
from data_prep.mix_settings import MixSettings
from data_prep.pack_settings import PackSettings
from data_prep.tokenize_settings import TokenizeSettings
from data_prep.tokenizer_settings import TokenizerSettings

__all__ = ["CorpusSettings", "FetchedFile", "MixSettings", "PackSettings", "TokenizeSettings", "TokenizerSettings"]
