"""Google's SDK, before each provider."""

import json
import urllib.request

from google import genai
from google.genai import errors, types
from pydantic import BaseModel

import pairs
from pairs import ANSWER, equal, raises


def client(key=pairs.KEY, version="v1beta"):
    options = types.HttpOptions(base_url=pairs.BASE_URL, api_version=version, timeout=20_000)
    return genai.Client(api_key=key, vertexai=False, http_options=options)


SDK = client()
DECLARATIONS = [
    {"name": "get_weather", "description": "The weather", "parameters_json_schema": pairs.WEATHER},
    {"name": "get_time", "description": "The time", "parameters_json_schema": pairs.TIME},
]
TOOLS = {
    "tools": [{"function_declarations": DECLARATIONS}],
    "automatic_function_calling": {"disable": True},
}


def user(*parts):
    return types.UserContent(parts=list(parts))


def ask(model, contents="hello", sdk=SDK, **config):
    return sdk.models.generate_content(model=model, contents=contents, config=config or None)


def ask_stream(model, contents="hello", sdk=SDK, **config):
    return sdk.models.generate_content_stream(model=model, contents=contents, config=config or None)


def finish(answer):
    return answer.candidates[0].finish_reason.value


def check_usage(usage, entry):
    output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    equal((usage.prompt_token_count, output), pairs.tokens(entry))
    equal(usage.total_token_count, usage.prompt_token_count + output)


def chat(case):
    answer = ask(case.model())
    equal(answer.text, ANSWER + "hello")
    equal(finish(answer), "STOP")
    equal(answer.candidates[0].content.role, "model")
    check_usage(answer.usage_metadata, case.bill()[-1])


def v1(case):
    sdk = client(version="v1")
    equal(ask(case.model(), sdk=sdk).text, ANSWER + "hello")
    chunks = list(ask_stream(case.model(), sdk=sdk))
    equal("".join(it.text or "" for it in chunks), ANSWER + "hello")


def stream(case):
    chunks = list(ask_stream(case.model()))
    pieces = [it.text for it in chunks if it.text]
    equal("".join(pieces), ANSWER + "hello")
    assert len(pieces) > 2, pieces
    equal([finish(it) for it in chunks if it.candidates and it.candidates[0].finish_reason], ["STOP"])


def stream_usage(case):
    chunks = list(ask_stream(case.model()))
    check_usage(chunks[-1].usage_metadata, case.bill()[-1])


def stream_array(case):
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}).encode()
    url = f"{pairs.BASE_URL}/v1beta/models/{case.model()}:streamGenerateContent"
    headers = {"content-type": "application/json", "x-goog-api-key": pairs.KEY}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        equal(answer.headers.get_content_type(), "application/json")
        items = json.load(answer)
    assert len(items) > 2, items
    parts = [part for it in items for part in it["candidates"][0].get("content", {}).get("parts", [])]
    equal("".join(part.get("text", "") for part in parts), ANSWER + "hello")


def turns(case):
    contents = [
        types.UserContent(parts=[types.Part(text="one")]),
        types.ModelContent(parts=[types.Part(text="two")]),
        user(types.Part(text="three"), types.Part(text="four")),
    ]
    seen = json.loads(ask(case.model("-echo"), contents, system_instruction="Be brief.").text)
    equal(seen["system"], ["Be brief."])
    equal([it["role"] for it in seen["messages"]], ["user", "assistant", "user"])
    equal([it["text"] for it in seen["messages"][2]["parts"]], ["three", "four"])


def chat_helper(case):
    talk = SDK.chats.create(model=case.model())
    equal(talk.send_message("one").text, ANSWER + "one")
    equal("".join(it.text or "" for it in talk.send_message_stream("two")), ANSWER + "two")


def stop(case):
    answer = ask(case.model(), stop_sequences=["answer"])
    equal(answer.text, "This is a simulated ")
    equal(finish(answer), "STOP")


def length(case):
    answer = ask(case.model(), max_output_tokens=3)
    equal(answer.text, "This is a ")
    equal(finish(answer), "MAX_TOKENS")


def temperature(case):
    seen = json.loads(ask(case.model("-echo"), temperature=0.5, top_p=0.9).text)
    equal(seen["params"].get("temperature"), 0.5)
    equal(seen["params"].get("top_p"), 0.9)


def top_k(case):
    seen = json.loads(ask(case.model("-echo"), top_k=7).text)
    equal(seen["params"].get("top_k"), 7)


def round_trip(case, question, names, model=None, **more):
    """Asks, is called back, answers with the model's content as it came, and with the results."""
    model = model or case.model()
    contents = [user(types.Part(text=question))]
    answer = ask(model, contents, **TOOLS, **more)
    equal(finish(answer), "STOP")
    equal([it.name for it in answer.function_calls], names)
    contents.append(answer.candidates[0].content)
    results = []
    for call in answer.function_calls:
        equal(set(call.args), {"city"} if call.name == "get_weather" else {"zone", "seconds"})
        result = {"result": pairs.RESULTS[call.name]}
        results.append(types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response=result)))
    contents.append(user(*results))
    last = ask(model, contents, **TOOLS, **more)
    assert last.text.startswith("The tools said: "), last.text
    for name in names:
        assert name in last.text and pairs.RESULTS[name] in last.text, last.text
    return answer


def tool(case):
    round_trip(case, "get_weather please", ["get_weather"])


def tools_parallel(case):
    round_trip(case, "both get_weather and get_time", ["get_weather", "get_time"])


def tools_without_ids(case):
    contents = [user(types.Part(text="both get_weather and get_time"))]
    answer = ask(case.model(), contents, **TOOLS)
    contents.append(answer.candidates[0].content)
    for part in contents[-1].parts:
        if part.function_call:
            part.function_call.id = None
    name = lambda it: types.Part.from_function_response(name=it.name, response={"result": pairs.RESULTS[it.name]})
    contents.append(user(*[name(it) for it in answer.function_calls]))
    last = ask(case.model(), contents, **TOOLS)
    for text in pairs.RESULTS.values():
        assert text in last.text, last.text


def tools_stream(case):
    contents = [user(types.Part(text="both get_weather and get_time, aloud"))]
    chunks = list(ask_stream(case.model(), contents, **TOOLS))
    parts = [part for it in chunks if it.candidates and it.candidates[0].content for part in it.candidates[0].content.parts or []]
    called = [it.function_call for it in parts if it.function_call]
    equal([it.name for it in called], ["get_weather", "get_time"])
    equal(set(called[1].args), {"zone", "seconds"})
    equal("".join(it.text or "" for it in parts).strip(), "I will look it up.")


def tools_automatic(case):
    asked = []

    def get_weather(city: str) -> str:
        """The weather."""
        asked.append(city)
        return "sunny"

    answer = ask(case.model(), "get_weather please", tools=[get_weather])
    equal(len(asked), 1)
    assert answer.text.startswith("The tools said: get_weather: ") and "sunny" in answer.text, answer.text


def tool_choice(case):
    choose = lambda **how: ask(case.model(), tool_config={"function_calling_config": how}, **TOOLS).function_calls or []
    equal([it.name for it in choose(mode="ANY", allowed_function_names=["get_time"])], ["get_time"])
    equal(choose(mode="NONE"), [])
    equal(len(choose(mode="ANY")), 1)


def image(case):
    part = types.Part.from_bytes(data=pairs.PIXEL, mime_type="image/png")
    answer = ask(case.model(), [user(types.Part(text="look"), part)])
    equal(answer.text, f"{ANSWER}look I saw 1: image image/png of {len(pairs.PIXEL)} bytes")


def image_url(case):
    part = types.Part.from_uri(file_uri=pairs.IMAGE_URL, mime_type="image/png")
    answer = ask(case.model(), [user(types.Part(text="look"), part)])
    return pairs.saw_address(answer.text)


class Person(BaseModel):
    name: str
    age: int


def json_schema(case):
    answer = ask(case.model(), response_mime_type="application/json", response_schema=Person)
    assert isinstance(answer.parsed, Person), answer.text
    answer = ask(case.model(), response_mime_type="application/json", response_json_schema=Person.model_json_schema())
    Person.model_validate_json(answer.text)


def json_object(case):
    answer = ask(case.model(), "answer in json", response_mime_type="application/json")
    assert isinstance(json.loads(answer.text), dict), answer.text


def thinking_config(case):
    return {"thinking_config": {"include_thoughts": True, "thinking_level": "LOW"}}


def shown(answer):
    """OpenAI's chat completions think in silence."""
    thoughts = [it for it in answer.candidates[0].content.parts if it.thought]
    return "yes" if thoughts and "Thinking about" in thoughts[0].text else "yes, not shown"


def thinking(case):
    answer = ask(case.model(start=case.thinker()), **thinking_config(case))
    equal(answer.text, ANSWER + "hello")
    entry = case.bill(start=case.thinker())[-1]
    check_usage(answer.usage_metadata, entry)
    assert entry["tokens"]["reasoning"] > 0, entry
    return shown(answer)


def thinking_budget(case):
    config = {"include_thoughts": True, "thinking_budget": 1024}
    answer = ask(case.model(), thinking_config=config)
    equal(answer.text, ANSWER + "hello")
    return shown(answer)


def thinking_stream(case):
    chunks = list(ask_stream(case.model(start=case.thinker()), **thinking_config(case)))
    parts = [part for it in chunks if it.candidates and it.candidates[0].content for part in it.candidates[0].content.parts or []]
    equal("".join(it.text or "" for it in parts if not it.thought), ANSWER + "hello")
    check_usage(chunks[-1].usage_metadata, case.bill(start=case.thinker())[-1])
    return "yes" if any(it.thought for it in parts) else "yes, not shown"


def thinking_tools(case):
    model = case.model(start=case.thinker())
    names = ["get_weather", "get_time"]
    return shown(round_trip(case, "both get_weather and get_time", names, model, **thinking_config(case)))


def thinking_tools_stream(case):
    model = case.model(start=case.thinker())
    contents = [user(types.Part(text="both get_weather and get_time"))]
    chunks = list(ask_stream(model, contents, **TOOLS, **thinking_config(case)))
    parts = [part for it in chunks if it.candidates and it.candidates[0].content for part in it.candidates[0].content.parts or []]
    contents.append(types.ModelContent(parts=parts))
    called = [it.function_call for it in parts if it.function_call]
    result = lambda it: types.FunctionResponse(id=it.id, name=it.name, response={"result": "yes"})
    contents.append(user(*[types.Part(function_response=result(it)) for it in called]))
    answer = ask(model, contents, **TOOLS, **thinking_config(case)).text
    assert answer.startswith("The tools said: get_weather: ") and answer.count("yes") == 2, answer


def chat_helper_stream(case):
    """The helper keeps each piece of a stream as a content, and sends them all back."""
    talk = SDK.chats.create(model=case.model(start=case.thinker()), config=TOOLS | thinking_config(case))
    called = []
    for chunk in talk.send_message_stream("both get_weather and get_time"):
        called += chunk.function_calls or []
    equal([it.name for it in called], ["get_weather", "get_time"])
    result = lambda it: types.FunctionResponse(id=it.id, name=it.name, response={"result": "yes"})
    answer = talk.send_message([types.Part(function_response=result(it)) for it in called]).text
    assert answer.startswith("The tools said: get_weather: ") and answer.count("yes") == 2, answer


def cached(case):
    for _ in range(2):
        usage = ask(case.model(), system_instruction="Be brief. " * 600).usage_metadata
        entry = case.bill()[-1]
        check_usage(usage, entry)
        equal(usage.cached_content_token_count or 0, entry["tokens"]["cached"])
    # Anthropic keeps what is marked only.
    assert case.behind == "anthropic" or entry["tokens"]["cached"] > 0, entry


def blocked(case):
    answer = ask(case.model("-blocked"))
    assert answer.prompt_feedback or finish(answer) in ("SAFETY", "PROHIBITED_CONTENT"), answer
    equal(answer.text or "", "")


def wrong_key(case):
    wrong = client("tg-wrong")
    error = raises(errors.ClientError, lambda: ask(case.model(), sdk=wrong))
    assert error.code in (400, 401), error


def unknown_model(case):
    error = raises(errors.ClientError, lambda: ask("unheard-of"))
    equal((error.code, error.status), (404, "NOT_FOUND"))


def malformed(case):
    error = raises(errors.ClientError, lambda: ask(case.model(), [types.Content(role="nobody", parts=[types.Part(text="a")])]))
    equal((error.code, error.status), (400, "INVALID_ARGUMENT"))
    body = b'{"contents": 7}'
    url = f"{pairs.BASE_URL}/v1beta/models/{case.model()}:generateContent"
    headers = {"content-type": "application/json", "x-goog-api-key": pairs.KEY}
    request = urllib.request.Request(url, body, headers)
    error = raises(urllib.error.HTTPError, lambda: urllib.request.urlopen(request))
    equal(error.code, 400)


def rate_limited(case):
    error = raises(errors.ClientError, lambda: ask(case.model("-error-429")))
    equal((error.code, error.status), (429, "RESOURCE_EXHAUSTED"))
    error = raises(errors.ClientError, lambda: list(ask_stream(case.model("-error-429"))))
    equal((error.code, error.status), (429, "RESOURCE_EXHAUSTED"))


def provider_failed(case):
    error = raises(errors.ServerError, lambda: ask(case.model("-error-500")))
    assert error.code >= 500 and error.status, error


def overloaded(case):
    raises(errors.ServerError, lambda: ask(case.model("-overloaded")))


def broken(case, fault):
    read = []

    def consume():
        for chunk in ask_stream(case.model(fault)):
            read.append(chunk.text or "")
            assert not (chunk.candidates and chunk.candidates[0].finish_reason), "a broken stream came to an end"

    try:
        consume()
    except errors.APIError:
        assert read and (ANSWER + "hello").startswith("".join(read)), read
        return
    raise AssertionError(f"nothing was raised: {read}")


def stream_cut(case):
    broken(case, "-cut")


def stream_error_event(case):
    broken(case, "-error-event")


def cancel(case):
    sdk = client()
    answer = ask_stream(case.model("-stall"), sdk=sdk)
    next(answer)
    answer.close()
    sdk.close()
    equal(case.bill("-stall")[-1]["complete"], False)


def count_tokens(case):
    answer = SDK.models.count_tokens(model=case.model(), contents="hello")
    whole = ask(case.model("-whole"))
    if case.behind == "openai":
        assert answer.total_tokens > 0  # counted by the gateway
        return "estimated"
    equal(answer.total_tokens, whole.usage_metadata.prompt_token_count)


def embeddings(case):
    one = SDK.models.embed_content(model=case.model(), contents="one")
    assert len(one.embeddings[0].values) > 0, one
    both = SDK.models.embed_content(model=case.model(), contents=[user(types.Part(text=it)) for it in ("one", "two")])
    equal(len(both.embeddings), 2)
    assert max(abs(a - b) for a, b in zip(both.embeddings[0].values, one.embeddings[0].values)) < 1e-6


def models(case):
    names = [it.name for it in SDK.models.list()]
    assert names and all(it.startswith("models/") for it in names), names
    equal(SDK.models.get(model=names[0]).name, names[0])


CASES = [
    chat, v1, stream, stream_usage, stream_array, turns, chat_helper, stop, length, temperature, top_k,
    tool, tools_parallel, tools_without_ids, tools_stream, tools_automatic, tool_choice,
    image, image_url, json_schema, json_object,
    thinking, thinking_budget, thinking_stream, thinking_tools,
    thinking_tools_stream, chat_helper_stream, cached, blocked,
    wrong_key, unknown_model, malformed, rate_limited, provider_failed, overloaded,
    stream_cut, stream_error_event, cancel, count_tokens, embeddings, models,
]


def refusal(error):
    return pairs.refused(error) if isinstance(error, errors.ClientError) else None


if __name__ == "__main__":
    pairs.run("gemini", CASES, refusal)
