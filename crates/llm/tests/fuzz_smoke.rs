//! What the fuzz targets check holds for their corpora, and for mutations of them: fuzzing in small, on any toolchain.
//!
//! The mutations are the same in each run. `TOLLGATE_FUZZ_ROUNDS` sets how many there are for each target.

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use tollgate_llm::fuzzing::TARGETS;

#[test]
fn nothing_that_a_corpus_holds_breaks_its_target() {
    for (name, check) in TARGETS {
        for input in corpus(name) {
            run(name, *check, &input);
        }
    }
}

#[test]
fn mutations_of_a_corpus_break_nothing() {
    let rounds = std::env::var("TOLLGATE_FUZZ_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    for (name, check) in TARGETS {
        let corpus = corpus(name);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..rounds.unwrap_or(600) {
            let mut input = corpus[dice.below(corpus.len())].clone();
            for _ in 0..=dice.below(4) {
                mutate(&mut input, &corpus, &mut dice);
            }
            input.truncate(MOST_BYTES);
            run(name, *check, &input);
        }
    }
}

#[test]
fn each_target_can_be_fuzzed_and_each_corpus_has_a_target() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    for name in &names {
        let target = fuzz().join("fuzz_targets").join(name).with_extension("rs");
        let text = fs::read_to_string(&target).unwrap();
        assert!(
            text.contains(&format!("\"{name}\"")),
            "{} runs another target",
            target.display()
        );
    }
    let corpora = fs::read_dir(fuzz().join("corpus")).unwrap();
    for corpus in corpora {
        let corpus = corpus.unwrap().file_name();
        assert!(
            names.iter().any(|name| *name == corpus),
            "{corpus:?} has no target"
        );
    }
}

fn run(name: &str, check: fn(&[u8]), input: &[u8]) {
    assert!(
        catch_unwind(|| check(input)).is_ok(),
        "`{name}` breaks at this input, which belongs into its corpus: b\"{}\"",
        input.escape_ascii()
    );
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let end = (at + dice.below(24)).min(input.len());
    match dice.below(6) {
        0 => {
            input.drain(at..end);
        }
        1 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        2 => {
            let word = WORDS[dice.below(WORDS.len())];
            input.splice(at..end, word.iter().copied());
        }
        3 => {
            let word = WORDS[dice.below(WORDS.len())];
            input.splice(at..at, word.iter().copied());
        }
        4 => {
            let other = &corpus[dice.below(corpus.len())];
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
    }
}

/// In order, so that each run is the same.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(target);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Xorshift: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

const MOST_BYTES: usize = 4096;
/// What the formats are made of.
const WORDS: [&[u8]; 36] = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"data:",
    b"data",
    b"event: x",
    b"id:",
    b": ",
    b"\0",
    b"\xff",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0061",
    b"\\ud83c",
    b",",
    b":",
    b"null",
    b"true",
    b"false",
    b"-1",
    b"0",
    b"1e999",
    b"18446744073709551616",
    b"\"model\":\"m\"",
    b"\"stream\":true",
    b"\"stream_options\":{}",
    b"\"input\":[\"a\"]",
    b"\"index\":1",
    b"\"usage\":{}",
    b" ",
];
