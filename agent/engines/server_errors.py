"""What can go wrong with a model server, each as one sentence with its mend.

Everything that a server or the network does wrong is something the user can mend; none of it traces back.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tools.errors import SouschefError


@contextmanager
def saying_what_the_server_refused(base_url: str, model: str) -> Iterator[None]:
    """Turn the errors of the openai client, and of httpx and json below it, into SouschefError."""
    import openai

    http = _transport()
    try:
        yield
    except (openai.APIError, http.HTTPError, http.InvalidURL, json.JSONDecodeError) as error:
        raise SouschefError(_sentence(error, base_url, model)) from error


def _sentence(error: Exception, base_url: str, model: str) -> str:
    import openai

    http = _transport()
    if isinstance(error, openai.APIConnectionError):
        error = _below(error)
    match error:
        case http.InvalidURL() | http.UnsupportedProtocol():
            return f"{base_url} is no address of a server: correct it, as in http://localhost:8000/v1."
        case http.TimeoutException():
            return f"The server at {base_url} stopped in the middle of its answer: look whether it is stuck."
        case http.HTTPError():
            return broken_off(base_url)
        case json.JSONDecodeError():
            return no_model_server(base_url)
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


def _below(error: Exception) -> Exception:
    """The cause of an APIConnectionError where it tells more: the client raises it for broken answers too."""
    http, cause = _transport(), error.__cause__
    telling = (http.ProtocolError, http.ReadError, http.UnsupportedProtocol)
    return cause if isinstance(cause, Exception) and isinstance(cause, telling) else error


def _transport() -> Any:
    """httpx2 or httpx, whichever the imported version of the openai client is built on."""
    return importlib.import_module("httpx2" if "httpx2" in sys.modules else "httpx")


def broken_off(base_url: str) -> str:
    """The sentence for an answer that ended before it was said to."""
    return f"The server at {base_url} broke off its answer: look whether it still runs, and ask again."


def no_model_server(base_url: str) -> str:
    """The sentence for an answer that is no model server's, such as a web page."""
    return f"What answers at {base_url} is no model server: correct the address, which often ends in /v1."


def _reason(error: Exception) -> str:
    """The server's own words, on one line and not endless."""
    import openai

    body = error.body if isinstance(error, openai.APIError) else None
    said = body.get("message") if isinstance(body, dict) else None
    words = " ".join(str(said or error).split())
    return words[:300].rstrip(".") + "."
