use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Log probabilities as Google has them: the tokens that were chosen, and beside them the alternatives.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LogprobsResult {
    chosen_candidates: Vec<Token>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_candidates: Vec<Alternatives>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Alternatives {
    candidates: Vec<Token>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Token {
    token: String,
    log_probability: f64,
}

impl LogprobsResult {
    /// In OpenAI's form.
    pub(super) fn read(self) -> Value {
        let mut top = self.top_candidates.into_iter();
        let tokens = self.chosen_candidates.into_iter().map(|chosen| {
            let mut token = chosen.read();
            let others = top.next().unwrap_or_default().candidates;
            let others: Vec<_> = others.into_iter().map(Token::read).collect();
            token["top_logprobs"] = others.into();
            token
        });
        json!({ "content": tokens.collect::<Vec<_>>() })
    }

    /// Of OpenAI's form; nothing if it is not that.
    pub(super) fn of(logprobs: &Value) -> Option<Self> {
        let mut result = Self::default();
        for token in logprobs["content"].as_array()? {
            result.chosen_candidates.push(Token::of(token));
            let others = token["top_logprobs"].as_array();
            let others = others.map(|others| others.iter().map(Token::of).collect());
            result.top_candidates.push(Alternatives {
                candidates: others.unwrap_or_default(),
            });
        }
        if result
            .top_candidates
            .iter()
            .all(|it| it.candidates.is_empty())
        {
            result.top_candidates.clear();
        }
        Some(result)
    }
}

impl Token {
    fn read(self) -> Value {
        json!({ "token": self.token, "logprob": self.log_probability, "bytes": self.token.as_bytes() })
    }

    fn of(token: &Value) -> Self {
        Self {
            token: token["token"].as_str().unwrap_or_default().to_owned(),
            log_probability: token["logprob"].as_f64().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::LogprobsResult;

    #[test]
    fn probabilities_are_told_in_both_forms() {
        let google = json!({
            "chosenCandidates": [{"token": "h\u{e9}", "tokenId": 7, "logProbability": -0.5}],
            "topCandidates": [{"candidates": [{"token": "x", "logProbability": -2.0}]}],
        });
        let openai = json!({"content": [{
            "token": "h\u{e9}", "logprob": -0.5, "bytes": [104, 195, 169],
            "top_logprobs": [{"token": "x", "logprob": -2.0, "bytes": [120]}],
        }]});
        let read: LogprobsResult = serde_json::from_value(google).unwrap();
        assert_eq!(read.read(), openai);
        assert_eq!(LogprobsResult::of(&openai).unwrap().read(), openai);
        for nothing in [json!(null), json!({"content": null}), json!([])] {
            assert!(LogprobsResult::of(&nothing).is_none());
        }
    }
}
