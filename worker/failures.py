"""What a call of `reelqueue.text_inference` raises: typed, and readable by any Celery program.

Celery carries an exception as the name of its class and its arguments. A program that has this
module loaded gets these classes; another one gets classes of the same names and arguments.
"""


class JobFailed(Exception):
    """A job ended without a result; `args` are code, message and taskUUID."""

    def __init__(self, code: str, message: str, task_uuid: str) -> None:
        super().__init__(code, message, task_uuid)
        self.code, self.message, self.task_uuid = code, message, task_uuid

    def __str__(self) -> str:
        return f"{self.code}: {self.message} (taskUUID {self.task_uuid})"


class JobExpired(JobFailed):
    """No result came before the job's deadline; a late one still makes it a success."""


class BadCall(Exception):
    """The arguments are no row of a manifest; the text names each wrong field and the fix.

    Args:
        text: For the caller, whose own values it may repeat.
        shown: The same for others, without values.
    """

    def __init__(self, text: str, shown: str = "") -> None:
        super().__init__(text)
        self.shown = shown or text
