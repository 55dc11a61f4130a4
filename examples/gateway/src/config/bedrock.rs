use secrecy::SecretString;
use serde::Deserialize;

use super::expand;

/// AWS Bedrock in a region, and what requests there are signed with, unless the provider has an API key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bedrock {
    #[serde(deserialize_with = "expand::text")]
    region: String,
    #[serde(default, deserialize_with = "expand::optional_text")]
    access_key_id: Option<String>,
    #[serde(default, deserialize_with = "expand::secret")]
    secret_access_key: Option<SecretString>,
    #[serde(default, deserialize_with = "expand::secret")]
    session_token: Option<SecretString>,
}

impl Bedrock {
    /// Its usual address.
    pub(super) fn base_url(&self) -> String {
        format!("https://bedrock-runtime.{}.amazonaws.com", self.region)
    }

    /// What one field alone cannot show.
    pub(super) fn mistake(&self, has_key: bool) -> Option<&'static str> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.region.is_empty() || !self.region.bytes().all(is_plain) {
            return Some("needs a `region` such as `eu-west-1`");
        }
        match (&self.access_key_id, &self.secret_access_key) {
            _ if cfg!(not(feature = "bedrock")) => {
                Some("needs a gateway that is built with the feature `bedrock`")
            }
            (Some(_), Some(_)) if has_key => Some("has two credentials, one of them an `api_key`"),
            (Some(_), Some(_)) => None,
            (None, None) if self.session_token.is_none() && has_key => None,
            _ => Some("needs an `access_key_id` and a `secret_access_key`, or an `api_key`"),
        }
    }

    #[cfg(feature = "bedrock")]
    pub(super) fn set(
        &self,
        endpoint: tollgate::llm::Endpoint,
    ) -> Result<tollgate::llm::Endpoint, tollgate::llm::EndpointError> {
        let endpoint = endpoint.bedrock();
        let (Some(id), Some(secret)) = (&self.access_key_id, &self.secret_access_key) else {
            return Ok(endpoint);
        };
        let mut credentials = tollgate::llm::AwsCredentials::new(id, secret.clone());
        if let Some(token) = &self.session_token {
            credentials = credentials.session_token(token.clone());
        }
        endpoint.aws_credentials(&self.region, &credentials)
    }
}
