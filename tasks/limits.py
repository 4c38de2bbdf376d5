"""What the provider was found to take at most, where that is less than our settings say."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from tasks.connection import store_errors
from tasks.keys import Keys

LIMITS = ("tasks", "bytes", "uuids", "without")
"""What may be limited: tasks or bytes in one POST, taskUUIDs in one poll, fields of ours (contract
§16 leaves all four open)."""
KNOWN_FOR = 0.5
"""Seconds for which limits that were read are taken to stand."""
FORGET = 600
"""Seconds after which a limit that was found is tried again."""


class Limits:
    """The limits of one namespace, as one process knows them.

    They are not read again for `KNOWN_FOR` seconds: another process that has found less has done so
    by a refusal, and one more does no harm.
    """

    def __init__(self, client: Any, keys: Keys) -> None:  # noqa: ANN401  as Store has it
        self._client, self._keys = client, keys
        self._found, self._until = dict[str, str](), 0.0

    def found(self) -> Mapping[str, str]:
        """Return what was found, by what is limited.

        Raises:
            StoreAway: the store does not answer.
        """
        if self._until < monotonic():
            with store_errors():
                found = self._client.mget([self._keys("limit", what) for what in LIMITS])
            told = zip(LIMITS, found, strict=True)
            self._found = {what: text.decode() for what, text in told if text}
            self._until = monotonic() + KNOWN_FOR
        return self._found

    def most(self, what: str, setting: int) -> int:
        """Return how many tasks, bytes or uuids to send at once where the setting is `setting`."""
        return min(setting, int(self.found().get(what, setting)))

    def without(self) -> frozenset[str]:
        """Return the fields that the provider refuses."""
        return frozenset(filter(None, self.found().get("without", "").split(",")))

    def takes_fewer(self, what: str, most: int) -> int | None:
        """Remember that the provider took `most` where it had refused more.

        Returns the new limit, None where as little was known.
        """
        most, known = max(1, most), self.found().get(what)
        if known is not None and int(known) <= most:
            return None
        self._learn(what, str(most))
        return most

    def leave_out(self, field: str) -> bool:
        """Remember that the provider refuses a field; returns whether that is new."""
        known = self.without()
        if field in known:
            return False
        self._learn("without", ",".join(sorted(known | {field})))
        return True

    def _learn(self, what: str, limit: str) -> None:
        with store_errors():
            self._client.set(self._keys("limit", what), limit, ex=FORGET)
        self._until = 0.0
