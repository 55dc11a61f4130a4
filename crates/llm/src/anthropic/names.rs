use crate::canon::Names;

/// What Anthropic calls things. What it has no name for goes by OpenAI's.
pub(crate) const NAMES: Names = Names {
    system: "system",
    turns: "messages",
    tools: "tools",
    tool_choice: "tool_choice",
    parallel_tools: "tool_choice.disable_parallel_tool_use",
    max_output: "max_tokens",
    temperature: "temperature",
    top_p: "top_p",
    top_k: "top_k",
    seed: "seed",
    presence_penalty: "presence_penalty",
    frequency_penalty: "frequency_penalty",
    stop: "stop_sequences",
    choices: "n",
    logprobs: "logprobs",
    format: "output_config.format",
    reasoning: "thinking",
    user: "metadata.user_id",
};
