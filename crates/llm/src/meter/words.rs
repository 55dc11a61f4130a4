use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The words that events are searched for. How to search is worked out once: that takes longer than to search an event.
pub(super) struct Words {
    /// Inside a text it would be escaped, as all of these.
    pub(super) finish: Finder<'static>,
    pub(super) choices: Finder<'static>,
    /// The fields that hold what a model has written, the reasoning of compatible servers too.
    pub(super) texts: [Finder<'static>; 7],
    pub(super) delta: Finder<'static>,
    /// Those of Anthropic's deltas.
    pub(super) deltas: [Finder<'static>; 3],
    pub(super) finish_reason: Finder<'static>,
    pub(super) block_reason: Finder<'static>,
    pub(super) call: Finder<'static>,
    pub(super) candidates: Finder<'static>,
    pub(super) text: Finder<'static>,
    pub(super) item: Finder<'static>,
    pub(super) name: Finder<'static>,
    pub(super) block: Finder<'static>,
    /// What a block of Anthropic's begins with; a tool's name is output as well.
    pub(super) blocks: [Finder<'static>; 3],
}

pub(super) static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let word = |word: &'static str| Finder::new(word);
    Words {
        finish: word("\"finish_reason\""),
        choices: word("\"choices\""),
        texts: [
            "\"name\"",
            "\"content\"",
            "\"arguments\"",
            "\"text\"",
            "\"refusal\"",
            "\"reasoning_content\"",
            "\"reasoning\"",
        ]
        .map(word),
        delta: word("\"delta\""),
        deltas: ["\"text\"", "\"partial_json\"", "\"thinking\""].map(word),
        finish_reason: word("\"finishReason\""),
        block_reason: word("\"blockReason\""),
        call: word("\"functionCall\""),
        candidates: word("\"candidates\""),
        text: word("\"text\""),
        item: word("\"item\""),
        name: word("\"name\""),
        block: word("\"content_block\""),
        blocks: ["\"text\"", "\"thinking\"", "\"name\""].map(word),
    }
});
