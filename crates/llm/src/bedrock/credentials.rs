use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// What requests to AWS are signed with.
///
/// ```
/// use tollgate_llm::{AwsCredentials, Endpoint};
///
/// let credentials = AwsCredentials::new("AKIAEXAMPLE", "secret".into());
/// let bedrock = Endpoint::new("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com")?
///     .bedrock()
///     .aws_credentials("eu-west-1", &credentials)?;
/// # Ok::<_, tollgate_llm::EndpointError>(())
/// ```
#[derive(Clone)]
pub struct AwsCredentials {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) session: Option<SecretString>,
}

impl AwsCredentials {
    /// An access key's id and its secret.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, secret_access_key: SecretString) -> Self {
        Self {
            id: access_key_id.into(),
            secret: secret_access_key,
            session: None,
        }
    }

    /// Adds the token that belongs to a temporary key.
    #[must_use]
    pub fn session_token(mut self, token: SecretString) -> Self {
        self.session = Some(token);
        self
    }

    /// Whether what stands in headers can stand there.
    pub(crate) fn fits_headers(&self) -> bool {
        let session = self.session.as_ref().map(ExposeSecret::expose_secret);
        let mut texts = [Some(self.id.as_str()), session].into_iter().flatten();
        texts.all(|it| it.is_ascii() && HeaderValue::try_from(it).is_ok())
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsCredentials").finish_non_exhaustive()
    }
}
