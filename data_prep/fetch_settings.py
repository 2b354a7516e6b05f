"""The `fetch` section of the configuration: files that are downloaded before anything else, by their hash."""

from pydantic import Field

from contracts.settings import Settings


class FetchedFile(Settings):
    """One file to download; its key in `fetch` is the path to write."""

    url: str = Field(pattern=r"^https?://", description="address of the file")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hash of its bytes, in hexadecimal")
