"""The options in words: names, and one sentence of help for each."""

from studio.ui.inspector.forecast import Forecast
from studio.ui.words import count, duration

POLICIES = {
    "confidence": (
        "Most certain first",
        "The tokens that the network is surest of come first: few specks, less variety, more background.",
    ),
    "ancestral": ("Random (exact)", "Digits appear at random times, as in the published process: the exact sampler."),
    "even": ("Even", "Digits appear at random places, equally many in every step: no step is idle."),
    "entropy": (
        "Entropy-bounded",
        "As many tokens a step as are sure enough together: few calls where little is open.",
    ),
    "sequential": ("Left to right", "Tokens appear in reading order, equally many in every step."),
}
"""Orders in which digits are revealed: name and help."""

SCHEDULES = {"linear": "Linear", "cosine": "Cosine", "poly2": "Quadratic", "poly3": "Cubic"}

HELP = {
    "model": "The network that fills; each kind of picture or text has models of its own.",
    "granularity": "In how many parts a token is revealed: 1 whole at once, more from rough to fine.",
    "steps": "In how many steps the hole is filled: more steps take longer and are more consistent.",
    "policy": "Which of the digits that are missing come first.",
    "temperature": "How daring the draws are: below 1 safer and more uniform, above 1 more varied and noisier.",
    "top_p": "Draw only among the likeliest classes that together reach this share; 1 keeps all of them.",
    "top_k": "Draw only among this many of the likeliest classes; 0 keeps all of them.",
    "schedule": "How the share that is known grows over the steps: a slow start reveals little at first.",
    "remask": "After each step some of what was made is masked again and made anew: mends early mistakes.",
    "seed": "The number that chance starts from: the same seed and settings make the same result.",
    "variations": "How many results are made side by side, from seeds that follow one another.",
}


def policy_name(policy: str) -> str:
    return POLICIES[policy][0] if policy in POLICIES else policy


def schedule_name(schedule: str) -> str:
    return SCHEDULES.get(schedule, f"Power {schedule.removeprefix('poly')}")


def forecast_words(forecast: Forecast | None, provider: str) -> tuple[str, str]:
    """What a run will cost, in two lines: calls and time; idle calls."""
    if forecast is None:
        return "Nothing to make yet", "Calls and time are told once something is masked."
    calls = round(forecast.calls)
    about = "at most " if forecast.at_most else "" if calls == forecast.calls else "≈ "
    said = f"{about}{count(calls, 'call')}"
    said = said[:1].upper() + said[1:]
    if forecast.seconds is not None:
        where = f" on {provider}" if provider else ""
        said += f" · about {duration(forecast.seconds)}{where}"
    return said, f"0 idle calls; published sampler: {forecast.idle:.1f} of {forecast.published}"


FORECAST_HELP = (
    "Calls of the network that a run with these settings will take, from theory, and the time that they take on this "
    "device, from calls and runs that were measured. The published sampler calls the network in every step of a "
    "sample, also in the idle ones, in which nothing is revealed; here these cost nothing."
)
