"""Answers of the callback door: a status, and no word about what was sent."""

from flask import Response


class Bare(Response):
    """A response without a body, and so without a type of it."""

    default_mimetype = None
