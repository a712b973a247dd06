"""Mailboxes of relays in Redis, and all that one relay asks of Redis, in order.

The rule: what is asked first is done first. Everything goes over one connection, many questions at
a time, so that a visit cannot leave before it has entered; a second one waits at the mailbox.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from httpprocessproxy.companions.share.relay.shared import scripts
from httpprocessproxy.companions.share.relay.shared.messages import Message, decode, encode
from httpprocessproxy.core.errors import UserError

Argument = str | bytes | int
Reply = object

_WAIT_S: Final = 1.0
_RETRY_S: Final = 0.5
_AT_ONCE: Final = 200

# To ourselves, so that we wait for nothing else.
_BYE: Final = Message("bye")

_log = logging.getLogger(__name__)


class BusError(Exception):
    """Redis could not be asked, or said no."""


@dataclass(frozen=True, slots=True)
class Question:
    """A script to be run, and who waits for what it says."""

    future: asyncio.Future[Reply]
    script: str
    arguments: tuple[Argument, ...]

    def settle(self, reply: Reply) -> None:
        if self.future.done():
            return
        if isinstance(reply, Exception):
            self.future.set_exception(BusError(str(reply)))
        else:
            self.future.set_result(reply)


class Bus:
    """One relay's connections to Redis."""

    def __init__(self, url: str, name: str) -> None:
        """`name` is this relay's. Raises UserError for what is no URL of a Redis."""
        try:
            # A blocking pop has to be able to wait for longer than an answer may take.
            self._redis = Redis.from_url(url, socket_connect_timeout=5, socket_timeout=10)
        except ValueError as error:
            raise UserError(f"--redis: {error}") from None
        self.name = name
        self.is_up = False
        self._is_stopped = False
        self._questions: list[Question] = []
        self._news = asyncio.Event()

    async def check(self) -> None:
        """Raises UserError if there is no Redis, or one that is too old."""
        try:
            info = await self._redis.info("server")
        except (RedisError, OSError) as error:
            raise UserError(f"--redis: {error}") from None
        version = str(info.get("redis_version", "0"))
        if int(version.split(".")[0]) < 7:
            raise UserError(f"--redis: Redis 7 or later is needed, this is {version}")
        self.is_up = True

    def stop(self) -> None:
        """Ask what is left to ask, and end both tasks.

        To be told, and not cancelled: a blocking pop that is cancelled just as its reply comes may
        take no notice.
        """
        self.post(self.name, _BYE)
        self.ask(scripts.BYE, self.name)
        self._is_stopped = True

    async def close(self) -> None:
        await self._redis.aclose()

    def post(self, relay: str, message: Message) -> None:
        """Send a message to a relay. Lost if Redis is."""
        self.ask(scripts.POST, relay, encode(message))

    def ask(self, script: str, *arguments: Argument) -> asyncio.Future[Reply]:
        """Run a script, after all that were asked before. The future may have a BusError."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        # Whoever does not want to know need not look.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._questions.append(Question(future, script, arguments))
        self._news.set()
        return future

    async def answer_questions(self) -> None:
        """Ask Redis what is asked here, until `stop`."""
        while not self._is_stopped or self._questions:
            await self._news.wait()
            self._news.clear()
            questions, self._questions = self._questions, []
            await self._ask_all(questions)

    async def read_mailbox(self, handle: Callable[[Message], None]) -> None:
        """Hand on each message to this relay, until `stop`."""
        inbox = f"hpp:inbox:{self.name}"
        while not self._is_stopped:
            try:
                popped = await self._redis.blmpop(
                    _WAIT_S, 1, inbox, direction="LEFT", count=_AT_ONCE
                )
            except (RedisError, OSError) as error:
                self._is_down(error)
                await asyncio.sleep(_RETRY_S)
                continue
            self._is_back()
            for text in popped[1] if popped else ():
                assert isinstance(text, bytes)
                message = decode(text)
                if message != _BYE:
                    handle(message)

    async def _ask_all(self, questions: Sequence[Question]) -> None:
        try:
            replies = await self._replies(questions)
            unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                # A new Redis, or one that has started anew. None of these was run.
                for script in {questions[n].script for n in unknown}:
                    await self._redis.script_load(script)
                for n, reply in zip(
                    unknown, await self._replies([questions[n] for n in unknown]), strict=True
                ):
                    replies[n] = reply
        except (RedisError, OSError) as error:
            self._is_down(error)
            replies = [error] * len(questions)
        for question, reply in zip(questions, replies, strict=True):
            question.settle(reply)

    async def _replies(self, questions: Sequence[Question]) -> list[Reply]:
        pipeline = self._redis.pipeline(transaction=False)
        for question in questions:
            pipeline.execute_command("EVALSHA", _sha1(question.script), 0, *question.arguments)
        return await pipeline.execute(raise_on_error=False)

    def _is_down(self, error: Exception) -> None:
        if self.is_up:
            _log.error("Redis: %s; trying again", error)
        self.is_up = False

    def _is_back(self) -> None:
        if not self.is_up:
            _log.info("Redis is back")
        self.is_up = True


@cache
def _sha1(script: str) -> str:
    """What Redis knows a script by: a few bytes in place of two thousand."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
