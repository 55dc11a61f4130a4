/// What the pattern's first `*` stands for in this name, if the name is covered. Any further `*` is a plain character.
pub(crate) fn run<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once('*')?;
    name.strip_prefix(before)?.strip_suffix(after)
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn one_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("a", "a", None),
            ("*", "", Some("")),
            ("openai/*", "openai/gpt-4o", Some("gpt-4o")),
            ("openai/*", "openai", None),
            ("gpt-*-mini", "gpt-4o-mini", Some("4o")),
            // The two ends do not overlap.
            ("aba*aba", "aba", None),
            ("aba*aba", "abaaba", Some("")),
            ("a*b*", "axb", None),
            ("a*b*", "axb*", Some("x")),
        ] {
            assert_eq!(run(pattern, name), expected, "{pattern} {name}");
        }
    }
}
