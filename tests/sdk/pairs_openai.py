"""OpenAI's SDK, before each provider."""

import json

import openai
from pydantic import BaseModel, ConfigDict

import pairs
from pairs import ANSWER, equal, raises


def client(key=pairs.KEY):
    return openai.OpenAI(base_url=f"{pairs.BASE_URL}/v1", api_key=key, max_retries=0, timeout=20)


SDK = client()
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather", "parameters": pairs.WEATHER}},
    {"type": "function", "function": {"name": "get_time", "description": "The time", "parameters": pairs.TIME}},
]


def user(content):
    return {"role": "user", "content": content}


def ask(model, messages="hello", **more):
    messages = [user(messages)] if isinstance(messages, str) else messages
    return SDK.chat.completions.create(model=model, messages=messages, **more)


def check_usage(usage, entry):
    equal((usage.prompt_tokens, usage.completion_tokens), pairs.tokens(entry))
    equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)


def chat(case):
    answer = ask(case.model())
    equal(answer.choices[0].message.content, ANSWER + "hello")
    equal(answer.choices[0].message.role, "assistant")
    equal(answer.choices[0].finish_reason, "stop")
    check_usage(answer.usage, case.bill()[-1])
    assert answer.id and answer.object == "chat.completion" and answer.created > 0


def stream(case):
    chunks = list(ask(case.model(), stream=True))
    pieces = [it.choices[0].delta.content for it in chunks if it.choices and it.choices[0].delta.content]
    equal("".join(pieces), ANSWER + "hello")
    assert len(pieces) > 2, pieces
    equal([it.choices[0].finish_reason for it in chunks if it.choices and it.choices[0].finish_reason], ["stop"])
    assert all(it.choices for it in chunks), "usage was not asked for"
    equal(len({it.id for it in chunks}), 1)


def stream_usage(case):
    chunks = list(ask(case.model(), stream=True, stream_options={"include_usage": True}))
    equal(chunks[-1].choices, [])
    check_usage(chunks[-1].usage, case.bill()[-1])
    equal([it.usage for it in chunks[:-1]], [None] * (len(chunks) - 1))


def stream_helper(case):
    with SDK.chat.completions.stream(model=case.model(), messages=[user("hello")]) as events:
        final = events.get_final_completion()
    equal(final.choices[0].message.content, ANSWER + "hello")


def turns(case):
    messages = [
        {"role": "system", "content": "Be brief."},
        user("one"),
        {"role": "assistant", "content": "two"},
        user([{"type": "text", "text": "three"}, {"type": "text", "text": "four"}]),
    ]
    seen = json.loads(ask(case.model("-echo"), messages).choices[0].message.content)
    equal(seen["system"], ["Be brief."])
    equal([it["role"] for it in seen["messages"]], ["user", "assistant", "user"])
    equal([it["text"] for it in seen["messages"][2]["parts"]], ["three", "four"])


def stop(case):
    answer = ask(case.model(), stop=["answer"])
    equal(answer.choices[0].message.content, "This is a simulated ")
    equal(answer.choices[0].finish_reason, "stop")


def length(case):
    for field in ["max_completion_tokens", "max_tokens"]:
        answer = ask(case.model(), **{field: 3})
        equal(answer.choices[0].message.content, "This is a ")
        equal(answer.choices[0].finish_reason, "length")
        equal(answer.usage.completion_tokens, 3)


def temperature(case):
    seen = json.loads(ask(case.model("-echo"), temperature=0.5, top_p=0.9).choices[0].message.content)
    equal(seen["params"].get("temperature"), 0.5)
    equal(seen["params"].get("top_p"), 0.9)


def round_trip(case, question, names, **more):
    """Asks, is called back, answers with the assistant's message as it came, and with the results."""
    messages = [user(question)]
    message = ask(case.model(), messages, tools=TOOLS, **more).choices[0].message
    equal([it.function.name for it in message.tool_calls], names)
    assert len({it.id for it in message.tool_calls}) == len(names), message
    messages.append(message)
    for call in message.tool_calls:
        arguments = json.loads(call.function.arguments)
        equal(set(arguments), {"city"} if call.function.name == "get_weather" else {"zone", "seconds"})
        messages.append({"role": "tool", "tool_call_id": call.id, "content": pairs.RESULTS[call.function.name]})
    answer = ask(case.model(), messages, tools=TOOLS, **more).choices[0]
    equal(answer.finish_reason, "stop")
    equal(answer.message.content, "The tools said: " + "; ".join(f"{it}: {pairs.RESULTS[it]}" for it in names))
    return message


def tool(case):
    answer = ask(case.model(), "get_weather please", tools=TOOLS)
    equal(answer.choices[0].finish_reason, "tool_calls")
    round_trip(case, "get_weather please", ["get_weather"])


def tools_parallel(case):
    round_trip(case, "both get_weather and get_time", ["get_weather", "get_time"])


def tools_stream(case):
    chunks = list(ask(case.model(), "both get_weather and get_time, aloud", tools=TOOLS, stream=True))
    calls, text = {}, ""
    for choice in (it.choices[0] for it in chunks if it.choices):
        text += choice.delta.content or ""
        for piece in choice.delta.tool_calls or []:
            call = calls.setdefault(piece.index, {"id": None, "name": "", "arguments": ""})
            call["id"] = call["id"] or piece.id
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""
    equal(sorted(calls), [0, 1])
    equal([calls[it]["name"] for it in (0, 1)], ["get_weather", "get_time"])
    equal(set(json.loads(calls[1]["arguments"])), {"zone", "seconds"})
    equal(text.strip(), "I will look it up.")
    equal([it.choices[0].finish_reason for it in chunks if it.choices and it.choices[0].finish_reason], ["tool_calls"])


def tool_choice(case):
    choice = {"type": "function", "function": {"name": "get_time"}}
    answer = ask(case.model(), "hello", tools=TOOLS, tool_choice=choice, parallel_tool_calls=True)
    equal([it.function.name for it in answer.choices[0].message.tool_calls], ["get_time"])
    answer = ask(case.model(), "hello", tools=TOOLS, tool_choice="none")
    equal(answer.choices[0].message.tool_calls or [], [])
    answer = ask(case.model(), "hello", tools=TOOLS, tool_choice="required")
    equal(len(answer.choices[0].message.tool_calls), 1)


def tools_alone(case):
    question = "both get_weather and get_time"
    answer = ask(case.model(), question, tools=TOOLS, parallel_tool_calls=False)
    equal(len(answer.choices[0].message.tool_calls), 1)


def image(case):
    url = "data:image/png;base64," + pairs.base64.b64encode(pairs.PIXEL).decode()
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = ask(case.model(), [user(parts)])
    equal(answer.choices[0].message.content, f"{ANSWER}look I saw 1: image image/png of {len(pairs.PIXEL)} bytes")


def image_url(case):
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": pairs.IMAGE_URL}}]
    answer = ask(case.model(), [user(parts)])
    return pairs.saw_address(answer.choices[0].message.content)


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    age: int


def json_schema(case):
    answer = SDK.chat.completions.parse(model=case.model(), messages=[user("hello")], response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person), answer


def json_object(case):
    answer = ask(case.model(), "answer in json", response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict), answer


def thinking(case):
    answer = ask(case.model(start=case.thinker()), reasoning_effort="low", max_completion_tokens=4000)
    equal(answer.choices[0].message.content, ANSWER + "hello")
    entry = case.bill(start=case.thinker())[-1]
    check_usage(answer.usage, entry)
    equal(answer.usage.completion_tokens_details.reasoning_tokens, entry["tokens"]["reasoning"])
    assert entry["tokens"]["reasoning"] > 0, entry


def thinking_tools(case):
    model = case.model(start=case.thinker())
    more = {"tools": TOOLS, "reasoning_effort": "low", "max_completion_tokens": 4000}
    messages = [user("both get_weather and get_time")]
    message = ask(model, messages, **more).choices[0].message
    messages.append(message)
    for call in message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "yes"})
    answer = ask(model, messages, **more).choices[0].message
    equal(answer.content, "The tools said: get_weather: yes; get_time: yes")


def cached(case):
    messages = [{"role": "developer", "content": "Be brief. " * 600}, user("hello")]
    for _ in range(2):
        answer = ask(case.model(), messages)
        entry = case.bill()[-1]
        check_usage(answer.usage, entry)
        equal((answer.usage.prompt_tokens_details or NOTHING_CACHED).cached_tokens or 0, entry["tokens"]["cached"])
    # Anthropic keeps what is marked only.
    assert case.behind == "anthropic" or entry["tokens"]["cached"] > 0, entry


NOTHING_CACHED = openai.types.completion_usage.PromptTokensDetails(cached_tokens=0)


def blocked(case):
    choice = ask(case.model("-blocked")).choices[0]
    equal(choice.finish_reason, "content_filter")
    chunks = list(ask(case.model("-blocked"), stream=True))
    equal([it.choices[0].finish_reason for it in chunks if it.choices and it.choices[0].finish_reason], ["content_filter"])


def choices(case):
    answer = ask(case.model(), n=2)
    equal([it.index for it in answer.choices], [0, 1])
    equal([it.message.content for it in answer.choices], [ANSWER + "hello"] * 2)


def thinking_tools_stream(case):
    more = {"tools": TOOLS, "reasoning_effort": "low", "max_completion_tokens": 4000}
    model = case.model(start=case.thinker())
    messages = [user("both get_weather and get_time")]
    with SDK.chat.completions.stream(model=model, messages=messages, **more) as events:
        message = events.get_final_completion().choices[0].message
    messages.append(message)
    for call in message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "yes"})
    equal(ask(model, messages, **more).choices[0].message.content, "The tools said: get_weather: yes; get_time: yes")


def wrong_key(case):
    wrong = client("tg-wrong")
    raises(openai.AuthenticationError, lambda: wrong.chat.completions.create(model=case.model(), messages=[user("a")]))


def unknown_model(case):
    error = raises(openai.NotFoundError, lambda: ask("unheard-of"))
    equal(error.code, "model_not_found")


def malformed(case):
    raises(openai.BadRequestError, lambda: ask(case.model(), []))
    raises(openai.BadRequestError, lambda: ask(case.model(), [{"role": "nobody", "content": "a"}]))


def rate_limited(case):
    error = raises(openai.RateLimitError, lambda: ask(case.model("-error-429")))
    equal(error.response.headers.get("retry-after"), "1")
    raises(openai.RateLimitError, lambda: ask(case.model("-error-429"), stream=True))


def provider_failed(case):
    raises(openai.InternalServerError, lambda: ask(case.model("-error-500")))


def overloaded(case):
    raises(openai.InternalServerError, lambda: ask(case.model("-overloaded")))


def broken(case, fault):
    read = []

    def consume():
        for chunk in ask(case.model(fault), "hello", stream=True):
            read.extend(it.delta.content for it in chunk.choices if it.delta.content)
            assert not any(it.finish_reason for it in chunk.choices), "a broken stream came to an end"

    raises(openai.APIError, consume)
    assert read and (ANSWER + "hello").startswith("".join(read)), read


def stream_cut(case):
    broken(case, "-cut")


def stream_error_event(case):
    broken(case, "-error-event")


def cancel(case):
    answer = ask(case.model("-stall"), stream=True)
    next(iter(answer))
    answer.close()
    equal(case.bill("-stall")[-1]["complete"], False)


def completions(case):
    answer = SDK.completions.create(model=case.model(), prompt="hello")
    equal(answer.choices[0].text, ANSWER + "hello")
    chunks = SDK.completions.create(model=case.model(), prompt="hello", stream=True)
    equal("".join(it.choices[0].text for it in chunks if it.choices), ANSWER + "hello")


def embeddings(case):
    answer = SDK.embeddings.create(model=case.model(), input=["one", "two"])
    one, two = (it.embedding for it in answer.data)
    assert len(one) == len(two) > 0 and one != two
    floats = SDK.embeddings.create(model=case.model(), input="one", encoding_format="float").data[0].embedding
    assert max(abs(a - b) for a, b in zip(floats, one)) < 1e-6
    equal(answer.usage.prompt_tokens, case.bill()[0]["tokens"]["embedding"])


def models(case):
    names = [it.id for it in SDK.models.list()]
    assert names, "no models"
    equal(SDK.models.retrieve(names[0]).id, names[0])


RESPONSE_TOOLS = [{"type": "function", "strict": False, **it["function"]} for it in TOOLS]


def responses(case):
    answer = SDK.responses.create(model=case.model(), input="hello", instructions="Be brief.")
    equal(answer.output_text, ANSWER + "hello")
    equal(answer.status, "completed")
    equal((answer.usage.input_tokens, answer.usage.output_tokens), pairs.tokens(case.bill()[-1]))


def responses_stream(case):
    events = list(SDK.responses.create(model=case.model(), input="hello", stream=True))
    kinds = [it.type for it in events]
    equal(kinds[0], "response.created")
    equal(kinds[-1], "response.completed")
    pieces = [it.delta for it in events if it.type == "response.output_text.delta"]
    equal("".join(pieces), ANSWER + "hello")
    assert len(pieces) > 2, pieces
    equal([it.sequence_number for it in events], list(range(len(events))))
    final = events[-1].response
    equal(final.output_text, ANSWER + "hello")
    equal((final.usage.input_tokens, final.usage.output_tokens), pairs.tokens(case.bill()[-1]))


def responses_stream_helper(case):
    with SDK.responses.stream(model=case.model(), input="hello") as events:
        equal(events.get_final_response().output_text, ANSWER + "hello")


def responses_tools(case):
    asked = [user("both get_weather and get_time")]
    answer = SDK.responses.create(model=case.model(), input=asked, tools=RESPONSE_TOOLS)
    calls = [it for it in answer.output if it.type == "function_call"]
    equal([it.name for it in calls], ["get_weather", "get_time"])
    asked += answer.output
    for call in calls:
        json.loads(call.arguments)
        asked.append({"type": "function_call_output", "call_id": call.call_id, "output": pairs.RESULTS[call.name]})
    answer = SDK.responses.create(model=case.model(), input=asked, tools=RESPONSE_TOOLS)
    equal(answer.output_text, "The tools said: " + "; ".join(f"{name}: {text}" for name, text in pairs.RESULTS.items()))


def responses_tools_stream(case):
    asked = [user("both get_weather and get_time")]
    events = list(SDK.responses.create(model=case.model(), input=asked, tools=RESPONSE_TOOLS, stream=True))
    done = [it for it in events if it.type == "response.function_call_arguments.done"]
    equal(len(done), 2)
    equal(set(json.loads(done[1].arguments)), {"zone", "seconds"})
    calls = [it for it in events[-1].response.output if it.type == "function_call"]
    equal([it.name for it in calls], ["get_weather", "get_time"])


def responses_json_schema(case):
    answer = SDK.responses.parse(model=case.model(), input="hello", text_format=Person)
    assert isinstance(answer.output_parsed, Person), answer


def responses_length(case):
    question = "one two three four five six seven eight nine ten eleven"
    answer = SDK.responses.create(model=case.model(), input=question, max_output_tokens=16)
    equal(answer.status, "incomplete")
    equal(answer.incomplete_details.reason, "max_output_tokens")


def responses_thinking(case):
    model = case.model(start=case.thinker())
    more = {"tools": RESPONSE_TOOLS, "reasoning": {"effort": "low", "summary": "auto"}}
    more |= {"store": False, "include": ["reasoning.encrypted_content"]}
    asked = [user("get_weather please")]
    answer = SDK.responses.create(model=model, input=asked, **more)
    kinds = [it.type for it in answer.output]
    equal(kinds, ["reasoning", "function_call"])
    asked += answer.output
    asked.append({"type": "function_call_output", "call_id": answer.output[-1].call_id, "output": "yes"})
    answer = SDK.responses.create(model=model, input=asked, **more)
    equal(answer.output_text, "The tools said: get_weather: yes")


def responses_stream_cut(case):
    read = []

    def consume():
        for event in SDK.responses.create(model=case.model("-cut"), input="hello", stream=True):
            if event.type in ("error", "response.failed"):
                raise openai.APIError(event.type, request=None, body=None)
            assert event.type not in ("response.completed", "response.incomplete"), event
            read.append(event.type)

    raises((openai.APIError, openai.APIConnectionError), consume)
    assert "response.output_text.delta" in read, read


CASES = [
    chat, stream, stream_usage, stream_helper, turns, stop, length, temperature,
    tool, tools_parallel, tools_stream, tool_choice, tools_alone,
    image, image_url, json_schema, json_object, thinking, thinking_tools, thinking_tools_stream, cached, blocked, choices,
    wrong_key, unknown_model, malformed, rate_limited, provider_failed, overloaded,
    stream_cut, stream_error_event, cancel, completions, embeddings, models,
    responses, responses_stream, responses_stream_helper, responses_tools, responses_tools_stream,
    responses_json_schema, responses_length, responses_thinking, responses_stream_cut,
]


def refusal(error):
    return pairs.refused(error) if isinstance(error, openai.BadRequestError) else None


if __name__ == "__main__":
    pairs.run("openai", CASES, refusal)
