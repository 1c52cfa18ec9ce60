"""Seeds that belong to a text and not to its place, so that order, batches and processes change no draw."""

import hashlib


def text_seed(seed: int, text: str) -> int:
    """A seed of 64 bits for one text, the same on every machine and in whatever order texts come."""
    digest = hashlib.sha256(f"{seed} {text}".encode(errors="surrogatepass"))
    return int.from_bytes(digest.digest()[:8])
