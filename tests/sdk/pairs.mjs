// What the scripts of all fronts share: cases, run one after the other, each printed as a line of JSON.

import assert from "node:assert/strict";

export const { BASE_URL, KEY, PROVIDER_URL } = process.env;
const BEHINDS = process.env.BEHINDS.split(",");
const { ONLY } = process.env;

// Without a prefix, the scripts speak to the simulated provider itself.
const PREFIX = process.env.PREFIX ?? "";

export const ANSWER = "This is a simulated answer to: ";
export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PIXEL_BYTES = Buffer.from(PIXEL, "base64").length;
export const IMAGE_URL = "https://images.example.com/cat.png";
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const TIME = {
  type: "object",
  properties: { zone: { type: "string" }, seconds: { type: "boolean" } },
  required: ["zone", "seconds"],
  additionalProperties: false,
};
export const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};
export const RESULTS = { get_weather: "sunny, 21 degrees", get_time: "ten past nine" };

// What the model says when it has been given these results.
export const said = (names) => "The tools said: " + names.map((it) => `${it}: ${RESULTS[it]}`).join("; ");

// Where a case is run: before which provider, and under which name of a model.
class Case {
  constructor(front, behind, name) {
    Object.assign(this, { front, behind, name });
  }

  // A name that no other case uses, so that the bill can be asked for it.
  model(suffix = "", start = "") {
    return (PREFIX && `${PREFIX}${this.behind}-`) + this.target(suffix, start);
  }

  target(suffix = "", start = "") {
    return `${start}js-${this.front}-${this.behind}-${this.name.replaceAll("_", "-")}${suffix}`;
  }

  // The provider's last account for this case's model, once it is closed.
  async bill(suffix = "", start = "") {
    const model = this.target(suffix, start);
    for (let tries = 0; tries < 200; tries++) {
      const bill = await (await fetch(`${PROVIDER_URL}/_control/bill`)).json();
      const entries = bill.requests.filter((it) => it.model === model);
      if (entries.length && !entries.some((it) => it.open)) return entries.at(-1);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`no closed account of ${model}`);
  }

  // How the names of models begin that reason, and mind what is sent back.
  thinker() {
    return { openai: "gpt-5-", anthropic: "claude-4-6-", gemini: "gemini-3-" }[this.behind];
  }
}

export function tokens({ tokens: it }) {
  return [it.input + it.cached + it.cache_write + it.cache_write_1h, it.output];
}

// Runs what must fail with an exception of exactly this kind.
export async function raises(kind, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.constructor.name, kind.name, String(error));
    return error;
  }
  throw new Error(`nothing was raised, and not ${kind.name}`);
}

export async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

// What the gateway says cannot be told to a provider.
function refused(message) {
  const field = /cannot be told: `([^`]*)`/.exec(message);
  if (field) return `refused: \`${field[1]}\``;
  return message.includes("does not serve this") ? "refused: unknown there" : undefined;
}

// Whether the model saw the image by its address. To Gemini it is a file, whose kind nobody has said.
export function sawAddress(text) {
  if (text === `${ANSWER}look I saw 1: file at ${IMAGE_URL}`) return "yes, as a file";
  assert.equal(text, `${ANSWER}look I saw 1: image at ${IMAGE_URL}`);
}

// Runs each case before each provider; `cases` are functions by their names.
export async function run(front, cases) {
  for (const behind of BEHINDS) {
    for (const [name, test] of Object.entries(cases)) {
      if (ONLY && ![name, behind, `${behind}-${name}`].includes(ONLY)) continue;
      let outcome = "yes";
      let detail = "";
      try {
        outcome = (await test(new Case(front, behind, name))) ?? "yes";
      } catch (error) {
        outcome = (error.status === 400 && refused(String(error.message))) || "failed";
        if (outcome === "failed") detail = String(error.stack);
      }
      const line = { front, sdk: "javascript", behind, case: name, outcome, ok: outcome !== "failed", detail };
      console.log(JSON.stringify(line));
    }
  }
}
