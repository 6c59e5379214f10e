"""The instructions with which the product asks the house model for its small jobs.

They are the same in training, in evaluation and in the product, and so are no part of the evaluation's hand-written text.
"""

TITLE = "Write a title of at most six words for this conversation."
INTENT = "Choose the label that fits the message. Answer with the label only."


def title_request(turns: list[tuple[str, str]]) -> str:
    """What the model is asked: `turns` are (speaker, text), the speaker being "User" or "Assistant"."""
    return TITLE + "\n\n" + "\n".join(f"{speaker}: {text}" for speaker, text in turns)


def intent_request(labels: list[str], message: str) -> str:
    """What the model is asked: the labels on offer, and the message."""
    return f"{INTENT}\nLabels: {', '.join(labels)}\nMessage: {message}"
