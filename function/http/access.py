"""The rules for callers: who may call, from which pages, and how often."""

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from function.errors import Forbidden, TooManyRequests
from function.http.claims import Caller
from function.http.messages import Request
from function.http.origins import Origins
from function.settings import Settings

if TYPE_CHECKING:
    from function.buckets import Buckets
    from function.http.tokens import Tokens

log = logging.getLogger("function.http.access")


class Access(NamedTuple):
    """`tokens` is None where callers are not checked, `limiter` where there is no limit."""

    origins: Origins
    tokens: "Tokens | None" = None
    limiter: "Buckets | None" = None

    async def identify(self, request: Request) -> Caller | None:
        """Return the caller, before the body is read; None where callers are not checked.

        Raises Unauthenticated, and Unavailable while the issuer's keys can't be fetched.
        """
        return await self.tokens.check(request.headers) if self.tokens else None

    def admit(self, caller: Caller | None, students: Sequence[UUID]) -> None:
        """Raise Forbidden or TooManyRequests; `students` has one entry for each feedback."""
        if caller and not caller.trusted and any(one != caller.student_id for one in students):
            raise Forbidden("the token allows only feedback of its own student")
        if self.limiter and (wait := self.limiter.take(students)):
            raise TooManyRequests("too much feedback of this student", math.ceil(wait))


def make_access(settings: Settings) -> Access:
    """Put the rules together. A rule that is not configured is not imported."""
    tokens, limiter = None, None
    if settings.tokens:
        from function.http.tokens import Tokens

        tokens = Tokens(settings.tokens)
    else:
        log.warning("callers are not checked", extra={"hint": "docs/security.md"})
    if settings.rate_limit:
        from function.buckets import Buckets

        limiter = Buckets(*settings.rate_limit)
    return Access(Origins(settings.cors_origins), tokens, limiter)
