use http::{HeaderMap, Uri, header::AUTHORIZATION};

use super::{
    gemini,
    refusal::Refusal,
    route::{Wire, query},
};

impl Wire {
    /// The key that a request brings, by the provider's own header; any will do if none is asked for.
    pub(crate) fn check(
        self,
        uri: &Uri,
        headers: &HeaderMap,
        key: Option<&str>,
    ) -> Result<(), Refusal> {
        let field = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
        let bearer = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let bearer = bearer
            .and_then(|it| it.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let bearer = bearer.map(|(_, token)| token.trim());
        let given = match self {
            Self::OpenAi => bearer.or_else(|| field("api-key")),
            Self::Azure => field("api-key").or(bearer),
            Self::Anthropic => field("x-api-key").or(bearer),
            Self::Gemini => field("x-goog-api-key")
                .or_else(|| query(uri, "key"))
                .or(bearer),
        };
        let given = given.filter(|it| !it.is_empty());
        match (self, given, key) {
            (_, Some(_), None) => Ok(()),
            (_, Some(given), Some(key)) if given == key => Ok(()),
            (Self::OpenAi, None, _) => {
                let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
                Err(Refusal::new(401, message))
            }
            (Self::OpenAi, Some(_), _) => Err(Refusal::new(401, "Incorrect API key provided.")),
            (Self::Azure, ..) => {
                let message = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";
                Err(Refusal::new(401, message))
            }
            (Self::Anthropic, None, _) => Err(Refusal::new(401, "x-api-key header is required")),
            (Self::Anthropic, Some(_), _) => Err(Refusal::new(401, "invalid x-api-key")),
            (Self::Gemini, None, _) => Err(gemini::no_key()),
            (Self::Gemini, Some(_), _) => Err(gemini::wrong_key()),
        }
    }
}
