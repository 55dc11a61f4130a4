"""What the scripts of all fronts share: cases, run one after the other, each printed as a line of JSON."""

import base64
import json
import os
import sys
import time
import traceback
import urllib.request

BASE_URL = os.environ["BASE_URL"]
KEY = os.environ["KEY"]
PROVIDER_URL = os.environ["PROVIDER_URL"]
BEHINDS = os.environ["BEHINDS"].split(",")
ONLY = os.environ.get("ONLY")

# Without a prefix, the scripts speak to the simulated provider itself.
PREFIX = os.environ.get("PREFIX", "")

ANSWER = "This is a simulated answer to: "
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGE_URL = "https://images.example.com/cat.png"
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TIME = {
    "type": "object",
    "properties": {"zone": {"type": "string"}, "seconds": {"type": "boolean"}},
    "required": ["zone", "seconds"],
    "additionalProperties": False,
}
RESULTS = {"get_weather": "sunny, 21 degrees", "get_time": "ten past nine"}


class Case:
    """Where a case is run: before which provider, and under which name of a model."""

    def __init__(self, front, behind, name):
        self.front, self.behind, self.name = front, behind, name

    def model(self, suffix="", start=""):
        """A name that no other case uses, so that the bill can be asked for it."""
        prefix = PREFIX and f"{PREFIX}{self.behind}-"
        return f"{prefix}{self.target(suffix, start)}"

    def target(self, suffix="", start=""):
        return f"{start}py-{self.front}-{self.behind}-{self.name.replace('_', '-')}{suffix}"

    def bill(self, suffix="", start="", closed=True):
        """The provider's accounts for this case's model, once they are closed."""
        model = self.target(suffix, start)
        for _ in range(200):
            with urllib.request.urlopen(f"{PROVIDER_URL}/_control/bill") as answer:
                entries = [it for it in json.load(answer)["requests"] if it["model"] == model]
            if entries and not (closed and any(it["open"] for it in entries)):
                return entries
            time.sleep(0.02)
        raise AssertionError(f"no closed account of {model}: {entries}")

    def thinker(self):
        """How the names of models begin that reason, and mind what is sent back."""
        return {"openai": "gpt-5-", "anthropic": "claude-4-6-", "gemini": "gemini-3-"}[self.behind]


def tokens(entry):
    it = entry["tokens"]
    return it["input"] + it["cached"] + it["cache_write"] + it["cache_write_1h"], it["output"]


def equal(got, expected):
    assert got == expected, f"{got!r} and not {expected!r}"


def saw_address(text):
    """Whether the model saw the image by its address. To Gemini it is a file, whose kind nobody has said."""
    if text == f"{ANSWER}look I saw 1: file at {IMAGE_URL}":
        return "yes, as a file"
    equal(text, f"{ANSWER}look I saw 1: image at {IMAGE_URL}")


def raises(kinds, call):
    """Runs what must fail with an exception of exactly this kind."""
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    try:
        got = call()
    except kinds as error:
        assert type(error) in kinds, f"{type(error).__name__}: {error}"
        return error
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} and not {kinds}: {error}") from error
    raise AssertionError(f"nothing was raised, and not {kinds}: {got!r}")


def run(front, cases, refusal):
    """Runs each case before each provider. `refusal` tells from an exception what was refused."""
    for behind in BEHINDS:
        for case in cases:
            name = case.__name__
            if ONLY and ONLY not in (name, behind, f"{behind}-{name}"):
                continue
            outcome, detail = "yes", ""
            try:
                outcome = case(Case(front, behind, name)) or "yes"
            except Exception as error:
                refused = refusal(error)
                if refused:
                    outcome = refused
                else:
                    outcome = "failed"
                    frames = traceback.extract_tb(error.__traceback__)
                    here = [f"{os.path.basename(it.filename)}:{it.lineno}" for it in frames if "site-packages" not in it.filename]
                    detail = f"{type(error).__name__}: {error} ({', '.join(here)})"
            line = {"front": front, "sdk": "python", "behind": behind, "case": name, "outcome": outcome}
            line |= {"ok": outcome != "failed", "detail": detail}
            print(json.dumps(line), flush=True)
    sys.stdout.flush()


def refused(message):
    """What the gateway says cannot be told to a provider."""
    if "cannot be told" in str(message):
        field = str(message).split("cannot be told: ", 1)[1].split("`")[1]
        return f"refused: `{field}`"
    if "does not serve this" in str(message):
        return "refused: unknown there"
    return None
