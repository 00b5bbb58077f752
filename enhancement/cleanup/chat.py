"""Asks a language model through any server with OpenAI's API. It is the only module that imports openai."""

from dataclasses import dataclass
from typing import Final, Protocol

from runtime.errors import StartupError

TIMEOUT_S: Final = 60.0  # Seconds for one answer: a local model on a CPU writes about ten words a second.
RETRIES: Final = 2  # Of the library, with growing pauses, where the server is busy or away.
MOST_TOKENS: Final = 4_096  # Tokens of an answer; a window of text has some hundred.


class ChatFailed(Exception):
    """The server did not answer, or not with a text; the message says which."""


class Chat(Protocol):
    """A language model that answers one question."""

    @property
    def name(self) -> str:
        """What it is, for the record."""
        ...

    def ask(self, rules: str, question: str) -> str:
        """The answer to a question under these rules.

        Raises:
            ChatFailed: there is none.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChatServer:
    """Where a language model is asked; `key` is the server's, where it wants one.

    Without a `model` it is the first one that the server lists.
    """

    url: str
    model: str | None = None
    key: str | None = None
    timeout: float = TIMEOUT_S
    retries: int = RETRIES


class OpenAiChat:
    """A language model behind OpenAI's API."""

    def __init__(self, server: ChatServer) -> None:
        """Nothing is sent yet.

        Raises:
            StartupError: the library is not installed.
        """
        try:
            from openai import OpenAI
        except ImportError:
            text = "a language model needs openai: pip install 'dalston-realtime[enhancement]'"
            raise StartupError(text) from None
        self._server, self._model = server, server.model
        self._client = OpenAI(
            base_url=server.url,
            api_key=server.key or "none",
            timeout=server.timeout,
            max_retries=server.retries,
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model or self._server.url

    def ask(self, rules: str, question: str) -> str:
        """The answer of the server.

        Raises:
            ChatFailed: it did not answer in time, refused, or answered without a text.
        """
        from openai import OpenAIError

        try:
            self._model = self._model or self._client.models.list().data[0].id
            answer = self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "system", "content": rules}, {"role": "user", "content": question}],
                temperature=0.0,
                max_tokens=MOST_TOKENS,
            )
            text = answer.choices[0].message.content
        except OpenAIError as error:
            raise ChatFailed(f"the language model at {self._server.url}: {error}") from None
        except (AttributeError, IndexError, TypeError, ValueError):
            raise ChatFailed(f"the language model at {self._server.url} gave no answer") from None
        if not text:
            raise ChatFailed(f"the language model at {self._server.url} gave an empty answer")
        return text

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
