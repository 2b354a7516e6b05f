"""The little training job, made once for all tests of this folder."""

import pytest

from tests.megatron_cdt.training.job import Job, make_job


@pytest.fixture(scope="session")
def job(tmp_path_factory) -> Job:
    """Packs, tokenizer and start checkpoint."""
    return make_job(tmp_path_factory.mktemp("job"))
