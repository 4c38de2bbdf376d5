"""A Celery program that has none of reelqueue's code: it calls jobs and gathers what they answer.

pip install "celery[redis]"
export STORE="$(cat .reelqueue/secrets/redis_url)"      # of a running `reelqueue up`
celery -A celery_program worker --pool=threads          # runs `report`; in another terminal:
python celery_program.py https://media.example/7.mp4 https://media.example/8.mp4
"""

import os
import sys

from celery import Celery, Signature, chord

app = Celery("example", broker=os.environ["STORE"], backend=os.environ["STORE"])


@app.task(name="example.report")
def report(answers: list[dict]) -> str:
    """Return one line per job, in the order they were asked in."""
    return "\n".join(
        f"{one['custom_id']}  {one['state']}  {one['cost']} USD  {one['results'][0]['text']}"
        for one in answers
    )


def question(video: str) -> Signature:
    """Return the call of a job: the columns of a manifest's row, by name."""
    row = {"custom_id": video[-256:], "video": video, "prompt": "What happens in this video?"}
    return app.signature("reelqueue.text_inference", kwargs=row, queue="reelqueue")


if __name__ == "__main__":
    print(chord([question(video) for video in sys.argv[1:]])(report.s()).get(timeout=600))
