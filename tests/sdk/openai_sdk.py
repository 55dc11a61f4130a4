"""Drives the gateway with OpenAI's SDK: each check is a function; the first that fails ends the script."""

import os

import openai

MESSAGES = [{"role": "user", "content": "hello"}]
EXPECTED = "This is a simulated answer to: hello"


def client(url="BASE_URL", key="KEY"):
    return openai.OpenAI(base_url=os.environ[url], api_key=os.environ.get(key, key), max_retries=0, timeout=30)


def raises(kind, call):
    try:
        call()
    except openai.OpenAIError as error:
        assert type(error) is kind, f"{type(error).__name__} and not {kind.__name__}: {error}"
        return error
    raise AssertionError(f"nothing was raised, and not {kind.__name__}")


def chat(sdk, model="small", **more):
    return sdk.chat.completions.create(model=model, messages=MESSAGES, **more)


def check_chat():
    answer = chat(client())
    assert answer.choices[0].message.content == EXPECTED
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def check_stream():
    chunks = list(chat(client(), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == EXPECTED
    assert all(chunk.choices for chunk in chunks), "a chunk of usage that was not asked for"


def check_stream_with_usage():
    chunks = list(chat(client(), stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0


def check_completions():
    answer = client().completions.create(model="small", prompt="hello")
    assert answer.choices[0].text == EXPECTED
    chunks = client().completions.create(model="small", prompt="hello", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == EXPECTED


def check_embeddings():
    answer = client().embeddings.create(model="embed", input=["one", "two"])
    one, two = (item.embedding for item in answer.data)
    assert len(one) == len(two) > 0 and one != two
    assert all(isinstance(number, float) for number in one)
    floats = client().embeddings.create(model="embed", input="one", encoding_format="float")
    assert max(abs(a - b) for a, b in zip(floats.data[0].embedding, one)) < 1e-6


def check_models():
    names = [model.id for model in client().models.list()]
    assert {"small", "embed"} <= set(names), names
    assert client().models.retrieve("small").id == "small"
    assert [model.id for model in client(key="NARROW_KEY").models.list()] == ["embed"]


def check_async():
    import asyncio

    async def ask():
        async with openai.AsyncOpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["KEY"]) as sdk:
            answers = await asyncio.gather(*(chat(sdk, seed=seed) for seed in range(10)))
            return [answer.choices[0].message.content for answer in answers]

    assert asyncio.run(ask()) == [EXPECTED] * 10


def check_authentication_error():
    error = raises(openai.AuthenticationError, lambda: chat(client(key="tg-unknown")))
    assert error.code == "invalid_api_key", error.code


def check_permission_denied_error():
    error = raises(openai.PermissionDeniedError, lambda: chat(client(key="NARROW_KEY")))
    assert error.param == "model", error


def check_rate_limit_error():
    sdk = client(url="TIGHT_URL")
    chat(sdk)
    error = raises(openai.RateLimitError, lambda: chat(sdk))
    assert error.code == "rate_limit_exceeded", error.code
    assert int(error.response.headers["retry-after"]) > 0


def check_bad_request_error():
    error = raises(openai.BadRequestError, lambda: client().chat.completions.create(model="", messages=MESSAGES))
    assert error.type == "invalid_request_error", error.type
    assert error.param == "model", error.param
    raises(openai.BadRequestError, lambda: chat(client(), temperature=7))


def check_not_found_error():
    error = raises(openai.NotFoundError, lambda: chat(client(), model="unheard-of"))
    assert error.code == "model_not_found" and "unheard-of" in error.message, error
    raises(openai.NotFoundError, lambda: client().models.retrieve("unheard-of"))


def check_internal_server_error():
    raises(openai.InternalServerError, lambda: chat(client(), model="failing"))
    raises(openai.InternalServerError, lambda: chat(client(), model="cut"))


def check_failure_in_mid_stream():
    read = []

    def stream():
        for chunk in chat(client(), model="cut", stream=True):
            read.append(chunk.choices[0].delta.content or "")

    raises(openai.APIError, stream)
    assert read and EXPECTED.startswith("".join(read)), read


if __name__ == "__main__":
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            print(name, flush=True)
            check()
