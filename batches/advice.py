"""What to do about jobs that ended without all of their results, by the code of their error."""

import shlex

from tasks.errors import MEDIUM_GONE, Category, category

_AGAIN = "often passes: reelqueue retry {batch} --code {code}"
_CHANGE = "correct the rows: reelqueue results {batch} --failed -o fix.jsonl, then submit them"
_ADVICE = {
    Category.AUTH: "correct RUNWARE_API_KEY, then: reelqueue retry {batch} --code {code}",
    Category.QUOTA: "top up the account, then: reelqueue retry {batch} --code {code}",
    Category.SAFETY: "the provider refuses the content; the same again is refused again",
    Category.MEDIUM: _CHANGE,
    Category.VALIDATION: _CHANGE,
    Category.GONE: "over at the provider; reelqueue retry {batch} --code {code} buys it again",
}
_UPLOAD = (
    "of local files: submit the same manifest again, which uploads and retries; of other media: "
    "correct the rows"
)
_OURS = {
    "expired": "no answer before REELQUEUE_DEADLINE; reelqueue retry {batch} --code {code} asks "
    "again, and may be billed again",
    "unsendable": _CHANGE,
    "downloadFailed": "see that the media's URLs open without a login, then: "
    "reelqueue retry {batch} --code {code}",
    "uploadFailed": "mend the files, then submit the same manifest again: it uploads and retries",
    **dict.fromkeys(MEDIUM_GONE, _UPLOAD),
    "partial": "some results are missing; reelqueue retry {batch} --partial asks for those alone",
    "other": "reelqueue results {batch} shows the error of each",
}


def advice(code: str, batch: str) -> str:
    """Return what to do about an error code in the batch of this name."""
    told = _OURS.get(code) or _ADVICE.get(category(code), _AGAIN)
    return told.format(batch=batch, code=shlex.quote(code))
