"""Anthropic's SDK, before each provider."""

import json

import anthropic
from pydantic import BaseModel, ConfigDict

import pairs
from pairs import ANSWER, equal, raises


def client(key=pairs.KEY, version=None):
    headers = {"anthropic-version": version} if version else None
    return anthropic.Anthropic(
        base_url=pairs.BASE_URL, api_key=key, max_retries=0, timeout=20, default_headers=headers
    )


SDK = client()
OLD = client(version="2023-06-01")
TOOLS = [
    {"name": "get_weather", "description": "The weather", "input_schema": pairs.WEATHER},
    {"name": "get_time", "description": "The time", "input_schema": pairs.TIME},
]

# What is shown without being asked for depends on the model.
SHOWN = {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}


def user(content):
    return {"role": "user", "content": content}


def asked(model, messages="hello", **more):
    messages = [user(messages)] if isinstance(messages, str) else messages
    return {"max_tokens": 1000} | more | {"model": model, "messages": messages}


def ask(model, messages="hello", sdk=SDK, **more):
    return sdk.messages.create(**asked(model, messages, **more))


def text(message):
    return "".join(it.text for it in message.content if it.type == "text")


def calls(message):
    return [it for it in message.content if it.type == "tool_use"]


def check_usage(usage, entry):
    read = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    equal((read, usage.output_tokens), pairs.tokens(entry))


def chat(case):
    answer = ask(case.model())
    equal(text(answer), ANSWER + "hello")
    equal((answer.type, answer.role), ("message", "assistant"))
    equal(answer.stop_reason, "end_turn")
    check_usage(answer.usage, case.bill()[-1])


def stream(case):
    events = list(ask(case.model(), stream=True))
    kinds = [it.type for it in events if it.type != "ping"]
    equal(kinds[:2], ["message_start", "content_block_start"])
    equal(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])
    pieces = [it.delta.text for it in events if it.type == "content_block_delta"]
    equal("".join(pieces), ANSWER + "hello")
    assert len(pieces) > 2, pieces
    equal(events[-2].delta.stop_reason, "end_turn")


def stream_usage(case):
    with SDK.messages.stream(**asked(case.model())) as events:
        final = events.get_final_message()
    equal(text(final), ANSWER + "hello")
    check_usage(final.usage, case.bill()[-1])


def stream_helper(case):
    with SDK.messages.stream(**asked(case.model())) as events:
        equal("".join(events.text_stream), ANSWER + "hello")


def turns(case):
    messages = [
        user("one"),
        {"role": "assistant", "content": "two"},
        user([{"type": "text", "text": "three"}, {"type": "text", "text": "four"}]),
    ]
    seen = json.loads(text(ask(case.model("-echo"), messages, system="Be brief.")))
    equal(seen["system"], ["Be brief."])
    equal([it["role"] for it in seen["messages"]], ["user", "assistant", "user"])
    equal([it["text"] for it in seen["messages"][2]["parts"]], ["three", "four"])


def stop(case):
    answer = ask(case.model(), stop_sequences=["answer"])
    equal(text(answer), "This is a simulated ")
    # Others do not say which sequence it was.
    assert answer.stop_reason in ("stop_sequence", "end_turn"), answer


def length(case):
    answer = ask(case.model(), max_tokens=3)
    equal(text(answer), "This is a ")
    equal(answer.stop_reason, "max_tokens")
    equal(answer.usage.output_tokens, 3)


def temperature(case):
    sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 7} if case.behind != "openai" else {"temperature": 0.5, "top_p": 0.9}
    seen = json.loads(text(ask(case.model("-echo"), sdk=OLD, extra_body=sampling)))
    for name, value in sampling.items():
        equal(seen["params"].get(name), value)


def top_k(case):
    seen = json.loads(text(ask(case.model("-echo"), sdk=OLD, extra_body={"top_k": 7})))
    equal(seen["params"].get("top_k"), 7)


def round_trip(case, question, names, model=None, **more):
    """Asks, is called back, answers with the assistant's content as it came, and with the results."""
    model = model or case.model()
    messages = [user(question)]
    answer = ask(model, messages, tools=TOOLS, **more)
    equal(answer.stop_reason, "tool_use")
    equal([it.name for it in calls(answer)], names)
    assert len({it.id for it in calls(answer)}) == len(names), answer
    messages.append({"role": "assistant", "content": answer.content})
    results = []
    for call in calls(answer):
        equal(set(call.input), {"city"} if call.name == "get_weather" else {"zone", "seconds"})
        results.append({"type": "tool_result", "tool_use_id": call.id, "content": pairs.RESULTS[call.name]})
    messages.append(user(results))
    last = ask(model, messages, tools=TOOLS, **more)
    equal(last.stop_reason, "end_turn")
    equal(text(last), "The tools said: " + "; ".join(f"{it}: {pairs.RESULTS[it]}" for it in names))
    return answer


def tool(case):
    round_trip(case, "get_weather please", ["get_weather"])


def tools_parallel(case):
    round_trip(case, "both get_weather and get_time", ["get_weather", "get_time"])


def tools_stream(case):
    with SDK.messages.stream(**asked(case.model(), "both get_weather and get_time, aloud", tools=TOOLS)) as events:
        read = list(events)
        final = events.get_final_message()
    equal(text(final).strip(), "I will look it up.")
    equal([it.name for it in calls(final)], ["get_weather", "get_time"])
    equal(set(calls(final)[1].input), {"zone", "seconds"})
    equal(final.stop_reason, "tool_use")
    opened = [it.index for it in read if it.type == "content_block_start"]
    equal(opened, list(range(len(opened))))


def tool_error(case):
    messages = [user("get_weather please")]
    answer = ask(case.model(), messages, tools=TOOLS)
    messages.append({"role": "assistant", "content": answer.content})
    result = {"type": "tool_result", "tool_use_id": calls(answer)[0].id, "content": "no such city", "is_error": True}
    messages.append(user([result]))
    assert "no such city" in text(ask(case.model(), messages, tools=TOOLS))


def tool_choice(case):
    choose = lambda **choice: ask(case.model(), tools=TOOLS, tool_choice=choice)
    equal([it.name for it in calls(choose(type="tool", name="get_time"))], ["get_time"])
    equal(calls(choose(type="none")), [])
    equal(len(calls(choose(type="any"))), 1)


def tools_alone(case):
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    answer = ask(case.model(), "both get_weather and get_time", tools=TOOLS, tool_choice=choice)
    equal(len(calls(answer)), 1)


def image(case):
    source = {"type": "base64", "media_type": "image/png", "data": pairs.base64.b64encode(pairs.PIXEL).decode()}
    answer = ask(case.model(), [user([{"type": "text", "text": "look"}, {"type": "image", "source": source}])])
    equal(text(answer), f"{ANSWER}look I saw 1: image image/png of {len(pairs.PIXEL)} bytes")


def image_url(case):
    source = {"type": "url", "url": pairs.IMAGE_URL}
    answer = ask(case.model(), [user([{"type": "text", "text": "look"}, {"type": "image", "source": source}])])
    return pairs.saw_address(text(answer))


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    age: int


def json_schema(case):
    answer = SDK.messages.parse(**asked(case.model()), output_format=Person)
    assert isinstance(answer.parsed_output, Person), answer


def thinking(case):
    model = case.model(start=case.thinker())
    answer = ask(model, thinking=SHOWN, max_tokens=4000)
    equal(text(answer), ANSWER + "hello")
    entry = case.bill(start=case.thinker())[-1]
    check_usage(answer.usage, entry)
    assert entry["tokens"]["reasoning"] > 0, entry
    return shown(answer)


def shown(answer):
    """OpenAI's chat completions think in silence."""
    thought = [it for it in answer.content if it.type == "thinking"]
    return "yes" if thought and "Thinking about" in thought[0].thinking else "yes, not shown"


def thinking_adaptive(case):
    model = case.model(start=case.thinker())
    more = {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}}
    answer = ask(model, max_tokens=4000, **more)
    equal(text(answer), ANSWER + "hello")
    return shown(answer)


def thinking_stream(case):
    model = case.model(start=case.thinker())
    more = asked(model, thinking=SHOWN, max_tokens=4000)
    with SDK.messages.stream(**more) as events:
        final = events.get_final_message()
    equal(text(final), ANSWER + "hello")
    check_usage(final.usage, case.bill(start=case.thinker())[-1])
    return shown(final)


def thinking_tools(case):
    model = case.model(start=case.thinker())
    more = {"thinking": SHOWN, "max_tokens": 4000}
    return shown(round_trip(case, "both get_weather and get_time", ["get_weather", "get_time"], model, **more))


def thinking_tools_stream(case):
    model = case.model(start=case.thinker())
    more = {"thinking": SHOWN, "max_tokens": 4000, "tools": TOOLS}
    messages = [user("both get_weather and get_time")]
    with SDK.messages.stream(**asked(model, messages, **more)) as events:
        final = events.get_final_message()
    messages.append({"role": "assistant", "content": final.content})
    messages.append(user([{"type": "tool_result", "tool_use_id": it.id, "content": "yes"} for it in calls(final)]))
    equal(text(ask(model, messages, **more)), "The tools said: get_weather: yes; get_time: yes")
    return shown(final)


def cached(case):
    system = [{"type": "text", "text": "Be brief. " * 600, "cache_control": {"type": "ephemeral"}}]
    for _ in range(2):
        answer = ask(case.model(), system=system)
        entry = case.bill()[-1]
        check_usage(answer.usage, entry)
        equal(answer.usage.cache_read_input_tokens or 0, entry["tokens"]["cached"])
        equal(answer.usage.cache_creation_input_tokens or 0, entry["tokens"]["cache_write"])
    assert entry["tokens"]["cached"] > 0, entry


def blocked(case):
    equal(ask(case.model("-blocked")).stop_reason, "refusal")
    with SDK.messages.stream(**asked(case.model("-blocked"))) as events:
        equal(events.get_final_message().stop_reason, "refusal")


def tools_quirky(case):
    """A server that is only compatible: all calls are number 0, without ids, and whole in their first piece."""
    with SDK.messages.stream(**asked(case.model("-quirky"), "both get_weather and get_time", tools=TOOLS)) as events:
        final = events.get_final_message()
    equal([it.name for it in calls(final)], ["get_weather", "get_time"])
    equal(set(calls(final)[1].input), {"zone", "seconds"})
    equal(final.stop_reason, "tool_use")
    assert len({it.id for it in calls(final)}) == 2, final


def wrong_key(case):
    wrong = client("tg-wrong")
    raises(anthropic.AuthenticationError, lambda: ask(case.model(), sdk=wrong))


def unknown_model(case):
    error = raises(anthropic.NotFoundError, lambda: ask("unheard-of"))
    equal(error.body["error"]["type"], "not_found_error")


def malformed(case):
    error = raises(anthropic.BadRequestError, lambda: ask(case.model(), []))
    equal(error.body["error"]["type"], "invalid_request_error")
    raises(anthropic.BadRequestError, lambda: ask(case.model(), max_tokens=0))


def rate_limited(case):
    error = raises(anthropic.RateLimitError, lambda: ask(case.model("-error-429")))
    equal(error.response.headers.get("retry-after"), "1")
    equal(error.body["error"]["type"], "rate_limit_error")


def provider_failed(case):
    raises((anthropic.InternalServerError,), lambda: ask(case.model("-error-500")))


def overloaded(case):
    kinds = (anthropic.OverloadedError, anthropic.ServiceUnavailableError) if hasattr(anthropic, "OverloadedError") else ()
    raises((*kinds, anthropic.InternalServerError), lambda: ask(case.model("-overloaded")))


def broken(case, fault):
    read = []

    def consume():
        for event in ask(case.model(fault), stream=True):
            if event.type == "content_block_delta":
                read.append(event.delta.text)
            assert event.type not in ("message_delta", "message_stop"), "a broken stream came to an end"

    try:
        consume()
    except anthropic.APIError:
        assert read and (ANSWER + "hello").startswith("".join(read)), read
        return
    raise AssertionError(f"nothing was raised: {read}")


def stream_cut(case):
    broken(case, "-cut")


def stream_error_event(case):
    broken(case, "-error-event")


def cancel(case):
    answer = ask(case.model("-stall"), stream=True)
    for event in answer:
        if event.type == "content_block_delta":
            break
    answer.close()
    equal(case.bill("-stall")[-1]["complete"], False)


def count_tokens(case):
    answer = SDK.messages.count_tokens(model=case.model(), messages=[user("hello")], system="Be brief.", tools=TOOLS)
    whole = ask(case.model("-whole"), system="Be brief.", tools=TOOLS)
    if case.behind == "openai":
        assert answer.input_tokens > 0  # counted by the gateway
        return "estimated"
    equal(answer.input_tokens, whole.usage.input_tokens)


def models(case):
    names = [it.id for it in SDK.models.list()]
    assert names, "no models"
    equal(SDK.models.retrieve(names[0]).id, names[0])


CASES = [
    chat, stream, stream_usage, stream_helper, turns, stop, length, temperature, top_k,
    tool, tools_parallel, tools_stream, tool_error, tool_choice, tools_alone,
    image, image_url, json_schema,
    thinking, thinking_adaptive, thinking_stream, thinking_tools, thinking_tools_stream, cached, blocked, tools_quirky,
    wrong_key, unknown_model, malformed, rate_limited, provider_failed, overloaded,
    stream_cut, stream_error_event, cancel, count_tokens, models,
]


def refusal(error):
    return pairs.refused(error) if isinstance(error, anthropic.BadRequestError) else None


if __name__ == "__main__":
    pairs.run("anthropic", CASES, refusal)
