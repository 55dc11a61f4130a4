// OpenAI's SDK, before each provider.

import assert from "node:assert/strict";
import OpenAI from "openai";
import * as pairs from "./pairs.mjs";

const { ANSWER, all, raises } = pairs;
const client = (apiKey) => new OpenAI({ baseURL: `${pairs.BASE_URL}/v1`, apiKey, maxRetries: 0, timeout: 20_000 });
const SDK = client(pairs.KEY);
const TOOLS = [
  { type: "function", function: { name: "get_weather", description: "The weather", parameters: pairs.WEATHER } },
  { type: "function", function: { name: "get_time", description: "The time", parameters: pairs.TIME } },
];
const RESPONSE_TOOLS = TOOLS.map((it) => ({ type: "function", strict: false, ...it.function }));
const user = (content) => ({ role: "user", content });
const ask = (model, messages = "hello", more = {}) =>
  SDK.chat.completions.create({ model, messages: Array.isArray(messages) ? messages : [user(messages)], ...more });

function checkUsage(usage, entry) {
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], pairs.tokens(entry));
}

async function roundTrip(model, question, names, more = {}) {
  const messages = [user(question)];
  const { message, finish_reason } = (await ask(model, messages, { tools: TOOLS, ...more })).choices[0];
  assert.equal(finish_reason, "tool_calls");
  assert.deepEqual(message.tool_calls.map((it) => it.function.name), names);
  messages.push(message);
  for (const call of message.tool_calls) {
    JSON.parse(call.function.arguments);
    messages.push({ role: "tool", tool_call_id: call.id, content: pairs.RESULTS[call.function.name] });
  }
  const last = (await ask(model, messages, { tools: TOOLS, ...more })).choices[0];
  assert.equal(last.message.content, pairs.said(names));
}

async function broken(it, fault) {
  let read = "";
  await assert.rejects(async () => {
    for await (const chunk of await ask(it.model(fault), "hello", { stream: true })) {
      read += chunk.choices[0]?.delta.content ?? "";
      assert.ok(!chunk.choices[0]?.finish_reason, "a broken stream came to an end");
    }
  }, OpenAI.APIError);
  assert.ok(read && `${ANSWER}hello`.startsWith(read), read);
}

const CASES = {
  async chat(it) {
    const answer = await ask(it.model());
    assert.equal(answer.choices[0].message.content, `${ANSWER}hello`);
    assert.equal(answer.choices[0].finish_reason, "stop");
    checkUsage(answer.usage, await it.bill());
  },

  async stream(it) {
    const chunks = await all(ask(it.model(), "hello", { stream: true }));
    const pieces = chunks.map((it) => it.choices[0].delta.content).filter(Boolean);
    assert.equal(pieces.join(""), `${ANSWER}hello`);
    assert.ok(pieces.length > 2);
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  },

  async stream_usage(it) {
    const chunks = await all(ask(it.model(), "hello", { stream: true, stream_options: { include_usage: true } }));
    checkUsage(chunks.at(-1).usage, await it.bill());
  },

  async stream_helper(it) {
    const stream = SDK.chat.completions.stream({ model: it.model(), messages: [user("hello")] });
    assert.equal(await stream.finalContent(), `${ANSWER}hello`);
  },

  async turns(it) {
    const messages = [{ role: "system", content: "Be brief." }, user("one"), { role: "assistant", content: "two" }, user("three")];
    const seen = JSON.parse((await ask(it.model("-echo"), messages)).choices[0].message.content);
    assert.deepEqual(seen.system, ["Be brief."]);
    assert.deepEqual(seen.messages.map((it) => it.role), ["user", "assistant", "user"]);
  },

  async stop(it) {
    const { message, finish_reason } = (await ask(it.model(), "hello", { stop: ["answer"] })).choices[0];
    assert.deepEqual([message.content, finish_reason], ["This is a simulated ", "stop"]);
  },

  async length(it) {
    const { message, finish_reason } = (await ask(it.model(), "hello", { max_completion_tokens: 3 })).choices[0];
    assert.deepEqual([message.content, finish_reason], ["This is a ", "length"]);
  },

  tool: (it) => roundTrip(it.model(), "get_weather please", ["get_weather"]),

  tools_parallel: (it) => roundTrip(it.model(), "both get_weather and get_time", ["get_weather", "get_time"]),

  async tools_stream(it) {
    const question = user("both get_weather and get_time, aloud");
    const stream = SDK.chat.completions.stream({ model: it.model(), messages: [question], tools: TOOLS });
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    assert.equal(finish_reason, "tool_calls");
    assert.equal(message.content.trim(), "I will look it up.");
    assert.deepEqual(message.tool_calls.map((it) => it.function.name), ["get_weather", "get_time"]);
    assert.deepEqual(Object.keys(JSON.parse(message.tool_calls[1].function.arguments)).sort(), ["seconds", "zone"]);
  },

  async image(it) {
    const url = `data:image/png;base64,${pairs.PIXEL}`;
    const answer = await ask(it.model(), [user([{ type: "text", text: "look" }, { type: "image_url", image_url: { url } }])]);
    const expected = `${ANSWER}look I saw 1: image image/png of ${pairs.PIXEL_BYTES} bytes`;
    assert.equal(answer.choices[0].message.content, expected);
  },

  async image_url(it) {
    const part = { type: "image_url", image_url: { url: pairs.IMAGE_URL } };
    const answer = await ask(it.model(), [user([{ type: "text", text: "look" }, part])]);
    return pairs.sawAddress(answer.choices[0].message.content);
  },

  async json_schema(it) {
    const json_schema = { name: "person", strict: true, schema: pairs.PERSON };
    const answer = await ask(it.model(), "hello", { response_format: { type: "json_schema", json_schema } });
    const person = JSON.parse(answer.choices[0].message.content);
    assert.deepEqual([typeof person.name, typeof person.age], ["string", "number"]);
  },

  async thinking(it) {
    const model = it.model("", it.thinker());
    const answer = await ask(model, "hello", { reasoning_effort: "low", max_completion_tokens: 4000 });
    assert.equal(answer.choices[0].message.content, `${ANSWER}hello`);
    checkUsage(answer.usage, await it.bill("", it.thinker()));
    assert.ok(answer.usage.completion_tokens_details.reasoning_tokens > 0);
  },

  async thinking_tools(it) {
    const more = { reasoning_effort: "low", max_completion_tokens: 4000 };
    const names = ["get_weather", "get_time"];
    await roundTrip(it.model("", it.thinker()), "both get_weather and get_time", names, more);
  },

  async wrong_key(it) {
    const call = () => client("tg-wrong").chat.completions.create({ model: it.model(), messages: [user("a")] });
    await raises(OpenAI.AuthenticationError, call);
  },

  async unknown_model() {
    const error = await raises(OpenAI.NotFoundError, () => ask("unheard-of"));
    assert.equal(error.code, "model_not_found");
  },

  malformed: async (it) => void (await raises(OpenAI.BadRequestError, () => ask(it.model(), []))),

  rate_limited: async (it) => void (await raises(OpenAI.RateLimitError, () => ask(it.model("-error-429")))),

  provider_failed: async (it) => void (await raises(OpenAI.InternalServerError, () => ask(it.model("-error-500")))),

  stream_cut: (it) => broken(it, "-cut"),

  stream_error_event: (it) => broken(it, "-error-event"),

  async cancel(it) {
    const stream = await ask(it.model("-stall"), "hello", { stream: true });
    for await (const _ of stream) break;
    stream.controller.abort();
    assert.equal((await it.bill("-stall")).complete, false);
  },

  async embeddings(it) {
    const vectors = async (more) => (await SDK.embeddings.create({ model: it.model(), input: ["one", "two"], ...more })).data;
    const [byDefault, floats] = [await vectors({}), await vectors({ encoding_format: "float" })];
    assert.equal(byDefault.length, 2);
    const apart = byDefault[0].embedding.map((number, at) => Math.abs(number - floats[0].embedding[at]));
    assert.ok(apart.length > 0 && Math.max(...apart) < 1e-6);
  },

  async models() {
    assert.ok((await all(SDK.models.list())).length > 0);
  },

  async responses(it) {
    const answer = await SDK.responses.create({ model: it.model(), input: "hello", instructions: "Be brief." });
    assert.deepEqual([answer.output_text, answer.status], [`${ANSWER}hello`, "completed"]);
    const { input_tokens, output_tokens } = answer.usage;
    assert.deepEqual([input_tokens, output_tokens], pairs.tokens(await it.bill()));
  },

  async responses_stream(it) {
    const events = await all(SDK.responses.create({ model: it.model(), input: "hello", stream: true }));
    const pieces = events.filter((it) => it.type === "response.output_text.delta").map((it) => it.delta);
    assert.equal(pieces.join(""), `${ANSWER}hello`);
    assert.equal(events.at(-1).type, "response.completed");
  },

  async responses_stream_helper(it) {
    const final = await SDK.responses.stream({ model: it.model(), input: "hello" }).finalResponse();
    assert.equal(final.output_text, `${ANSWER}hello`);
  },

  async responses_tools(it) {
    const input = [user("both get_weather and get_time")];
    const answer = await SDK.responses.create({ model: it.model(), input, tools: RESPONSE_TOOLS });
    const calls = answer.output.filter((it) => it.type === "function_call");
    assert.deepEqual(calls.map((it) => it.name), ["get_weather", "get_time"]);
    input.push(...answer.output);
    for (const { call_id, name } of calls) input.push({ type: "function_call_output", call_id, output: pairs.RESULTS[name] });
    const last = await SDK.responses.create({ model: it.model(), input, tools: RESPONSE_TOOLS });
    assert.equal(last.output_text, pairs.said(["get_weather", "get_time"]));
  },

  async responses_tools_stream(it) {
    const input = [user("both get_weather and get_time")];
    const final = await SDK.responses.stream({ model: it.model(), input, tools: RESPONSE_TOOLS }).finalResponse();
    const calls = final.output.filter((it) => it.type === "function_call");
    assert.deepEqual(calls.map((it) => it.name), ["get_weather", "get_time"]);
    assert.deepEqual(Object.keys(JSON.parse(calls[1].arguments)).sort(), ["seconds", "zone"]);
  },
};

await pairs.run("openai", CASES);
