"""What can go wrong with a model server, each as one sentence with its mend.

Everything that a server or the network does wrong is something the user can mend; none of it traces back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tools.errors import SouschefError


@contextmanager
def saying_what_the_server_refused(base_url: str, model: str) -> Iterator[None]:
    """Turn the errors of the openai client into SouschefError."""
    import openai

    try:
        yield
    except openai.APIError as error:
        raise SouschefError(_sentence(error, base_url, model)) from error


def _sentence(error: Exception, base_url: str, model: str) -> str:
    import openai

    match error:
        case openai.APITimeoutError():
            return (
                f"The server at {base_url} does not answer in time: look whether it is overloaded or stuck."
            )
        case openai.APIConnectionError():
            return f"No server answers at {base_url}: start it, or correct OPENAI_BASE_URL."
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return f"The server at {base_url} refuses the key: set OPENAI_API_KEY to one that it knows."
        case openai.NotFoundError():
            return f"The server at {base_url} has no model {model!r}: choose one that it serves."
        case openai.RateLimitError():
            return f"The server at {base_url} takes no more requests now: try again later."
        case openai.BadRequestError() | openai.UnprocessableEntityError():
            return f"The server at {base_url} does not take the request: {_reason(error)}"
    return f"The server at {base_url} failed: {_reason(error)}"


def _reason(error: Exception) -> str:
    """The server's own words, on one line and not endless."""
    import openai

    body = error.body if isinstance(error, openai.APIError) else None
    said = body.get("message") if isinstance(body, dict) else None
    words = " ".join(str(said or error).split())
    return words[:300].rstrip(".") + "."
