// Anthropic's SDK, before each provider.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import * as pairs from "./pairs.mjs";

const { ANSWER, all, raises } = pairs;
const client = (apiKey) => new Anthropic({ baseURL: pairs.BASE_URL, apiKey, maxRetries: 0, timeout: 20_000 });
const SDK = client(pairs.KEY);
const TOOLS = [
  { name: "get_weather", description: "The weather", input_schema: pairs.WEATHER },
  { name: "get_time", description: "The time", input_schema: pairs.TIME },
];
// What is shown without being asked for depends on the model.
const THINKING = { thinking: { type: "enabled", budget_tokens: 1024, display: "summarized" }, max_tokens: 4000 };
const user = (content) => ({ role: "user", content });
const asked = (model, messages = "hello", more = {}) => ({
  model,
  max_tokens: 1000,
  messages: Array.isArray(messages) ? messages : [user(messages)],
  ...more,
});
const ask = (...what) => SDK.messages.create(asked(...what));
const text = (message) => message.content.filter((it) => it.type === "text").map((it) => it.text).join("");
const calls = (message) => message.content.filter((it) => it.type === "tool_use");

function checkUsage(usage, entry) {
  const read = usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);
  assert.deepEqual([read, usage.output_tokens], pairs.tokens(entry));
}

// OpenAI's chat completions think in silence.
function shown(message) {
  const thought = message.content.find((it) => it.type === "thinking");
  return thought?.thinking.startsWith("Thinking about") ? "yes" : "yes, not shown";
}

async function roundTrip(model, question, names, more = {}, stream = false) {
  const messages = [user(question)];
  const settings = { tools: TOOLS, ...more };
  const first = asked(model, messages, settings);
  const answer = await (stream ? SDK.messages.stream(first).finalMessage() : SDK.messages.create(first));
  assert.equal(answer.stop_reason, "tool_use");
  assert.deepEqual(calls(answer).map((it) => it.name), names);
  messages.push({ role: "assistant", content: answer.content });
  messages.push(user(calls(answer).map((it) => ({ type: "tool_result", tool_use_id: it.id, content: pairs.RESULTS[it.name] }))));
  assert.equal(text(await ask(model, messages, settings)), pairs.said(names));
  return answer;
}

async function broken(it, fault) {
  let read = "";
  await assert.rejects(async () => {
    for await (const event of await ask(it.model(fault), "hello", { stream: true })) {
      if (event.type === "content_block_delta") read += event.delta.text;
      assert.ok(!["message_delta", "message_stop"].includes(event.type), "a broken stream came to an end");
    }
  }, Anthropic.APIError);
  assert.ok(read && `${ANSWER}hello`.startsWith(read), read);
}

const BOTH = "both get_weather and get_time";
const NAMES = ["get_weather", "get_time"];

const CASES = {
  async chat(it) {
    const answer = await ask(it.model());
    assert.deepEqual([text(answer), answer.stop_reason], [`${ANSWER}hello`, "end_turn"]);
    checkUsage(answer.usage, await it.bill());
  },

  async stream(it) {
    const events = await all(ask(it.model(), "hello", { stream: true }));
    const pieces = events.filter((it) => it.type === "content_block_delta").map((it) => it.delta.text);
    assert.equal(pieces.join(""), `${ANSWER}hello`);
    assert.ok(pieces.length > 2);
    assert.equal(events.at(-1).type, "message_stop");
  },

  async stream_usage(it) {
    const final = await SDK.messages.stream(asked(it.model())).finalMessage();
    checkUsage(final.usage, await it.bill());
  },

  async stream_helper(it) {
    assert.equal(await SDK.messages.stream(asked(it.model())).finalText(), `${ANSWER}hello`);
  },

  async turns(it) {
    const messages = [user("one"), { role: "assistant", content: "two" }, user("three")];
    const seen = JSON.parse(text(await ask(it.model("-echo"), messages, { system: "Be brief." })));
    assert.deepEqual(seen.system, ["Be brief."]);
    assert.deepEqual(seen.messages.map((it) => it.role), ["user", "assistant", "user"]);
  },

  async stop(it) {
    assert.equal(text(await ask(it.model(), "hello", { stop_sequences: ["answer"] })), "This is a simulated ");
  },

  async length(it) {
    const answer = await ask(it.model(), "hello", { max_tokens: 3 });
    assert.deepEqual([text(answer), answer.stop_reason], ["This is a ", "max_tokens"]);
  },

  tool: async (it) => void (await roundTrip(it.model(), "get_weather please", ["get_weather"])),

  tools_parallel: async (it) => void (await roundTrip(it.model(), BOTH, NAMES)),

  async tools_stream(it) {
    const answer = await roundTrip(it.model(), `${BOTH}, aloud`, NAMES, {}, true);
    assert.equal(text(answer).trim(), "I will look it up.");
    assert.deepEqual(Object.keys(calls(answer)[1].input).sort(), ["seconds", "zone"]);
  },

  async image(it) {
    const source = { type: "base64", media_type: "image/png", data: pairs.PIXEL };
    const answer = await ask(it.model(), [user([{ type: "text", text: "look" }, { type: "image", source }])]);
    assert.equal(text(answer), `${ANSWER}look I saw 1: image image/png of ${pairs.PIXEL_BYTES} bytes`);
  },

  async image_url(it) {
    const source = { type: "url", url: pairs.IMAGE_URL };
    const answer = await ask(it.model(), [user([{ type: "text", text: "look" }, { type: "image", source }])]);
    return pairs.sawAddress(text(answer));
  },

  async json_schema(it) {
    const output_config = { format: { type: "json_schema", schema: pairs.PERSON } };
    const person = JSON.parse(text(await ask(it.model(), "hello", { output_config })));
    assert.deepEqual([typeof person.name, typeof person.age], ["string", "number"]);
  },

  async thinking(it) {
    const answer = await ask(it.model("", it.thinker()), "hello", THINKING);
    assert.equal(text(answer), `${ANSWER}hello`);
    checkUsage(answer.usage, await it.bill("", it.thinker()));
    return shown(answer);
  },

  async thinking_tools(it) {
    return shown(await roundTrip(it.model("", it.thinker()), BOTH, NAMES, THINKING));
  },

  async thinking_tools_stream(it) {
    return shown(await roundTrip(it.model("", it.thinker()), BOTH, NAMES, THINKING, true));
  },

  async wrong_key(it) {
    await raises(Anthropic.AuthenticationError, () => client("tg-wrong").messages.create(asked(it.model())));
  },

  unknown_model: async () => void (await raises(Anthropic.NotFoundError, () => ask("unheard-of"))),

  malformed: async (it) => void (await raises(Anthropic.BadRequestError, () => ask(it.model(), "hello", { max_tokens: 0 }))),

  rate_limited: async (it) => void (await raises(Anthropic.RateLimitError, () => ask(it.model("-error-429")))),

  provider_failed: async (it) => void (await raises(Anthropic.InternalServerError, () => ask(it.model("-error-500")))),

  stream_cut: (it) => broken(it, "-cut"),

  stream_error_event: (it) => broken(it, "-error-event"),

  async cancel(it) {
    const stream = await ask(it.model("-stall"), "hello", { stream: true });
    for await (const event of stream) if (event.type === "content_block_delta") break;
    stream.controller.abort();
    assert.equal((await it.bill("-stall")).complete, false);
  },

  async count_tokens(it) {
    const { input_tokens } = await SDK.messages.countTokens({ model: it.model(), messages: [user("hello")] });
    assert.ok(input_tokens > 0);
    if (it.behind === "openai") return "estimated"; // counted by the gateway
    assert.equal(input_tokens, (await ask(it.model("-whole"))).usage.input_tokens);
  },

  async models() {
    assert.ok((await all(SDK.models.list())).length > 0);
  },
};

await pairs.run("anthropic", CASES);
