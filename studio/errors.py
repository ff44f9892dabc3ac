"""The one exception family for what a user can cause or mend, and the one for what a user stopped."""


class StudioError(Exception):
    """One sentence: what happened and what to do about it.

    The command line prints it as one line and exits with code 2; the window shows it beside
    what caused it. Everything else that is raised is a bug and keeps its traceback.
    """


class OutOfMemory(StudioError):
    """A device had too little memory for a call; a smaller one may fit."""


class NoTokenizer(StudioError):
    """The tokenizer.json of a published text model is not there, or what was given is not the model's."""


TO_TRAIN = "type ./run train --help once, or pip install '.[train]', in the folder of the program"
"""What brings the packages that only training needs. Never a name that somebody else may hold on PyPI."""


REINSTALL = "`pip install --force-reinstall .` in the folder of the program"
"""What brings packages that are missing or damaged; as `TO_TRAIN`."""


class Stopped(Exception):
    """The user stopped what was running: nothing went wrong, and there is nothing to show."""


def shown(text: object, limit: int = 80) -> str:
    """Text of a stranger, fit to stand in one line of a message or terminal."""
    text = "".join(character if character.isprintable() else "?" for character in str(text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def digits(value: float) -> str:
    """A number as a refusal tells it: a whole one in all its digits, as it is typed."""
    if abs(value) < 1e21 and value == int(value):
        return f"{int(value):,}"
    try:
        return f"{value:g}"
    except OverflowError:  # a whole number beyond all floats
        return "a number of more than 300 digits"
