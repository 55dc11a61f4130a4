use std::{collections::BTreeMap, env};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error};

/// A string in which `${NAME}` stands for a variable of the environment.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    expand(&text, |name| env::var(name).ok()).map_err(Error::custom)
}

/// The same, for what may be left out.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    text(deserializer).map(Some)
}

/// Secrets by name.
pub(super) fn secrets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SecretString>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
    let expanded = texts.into_iter().map(|(name, text)| {
        let text = expand(&text, |name| env::var(name).ok()).map_err(Error::custom)?;
        Ok((name, text.into()))
    });
    expanded.collect()
}

/// The same, for what must not be shown.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    text(deserializer).map(|text| Some(text.into()))
}

/// The same, for what must be there.
pub(super) fn needed_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SecretString, D::Error> {
    text(deserializer).map(Into::into)
}

fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or("`${` without `}`")?;
        let value =
            variable(name).ok_or_else(|| format!("the environment has no variable `{name}`"))?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn names_stand_for_variables_and_must_be_there() {
        let variable = |name: &str| (name == "KEY").then(|| "${KEY}".to_owned());
        assert_eq!(expand("a$b", variable).unwrap(), "a$b");
        assert_eq!(
            expand("<${KEY}>", variable).unwrap(),
            "<${KEY}>",
            "a value is not expanded again"
        );
        assert!(
            expand("${OTHER}", variable)
                .unwrap_err()
                .contains("`OTHER`")
        );
        assert!(expand("${KEY", variable).is_err());
    }
}
