use http::HeaderValue;

use super::{Endpoint, EndpointError};
use crate::{
    Dialect,
    bedrock::{AwsCredentials, Signer, VERSION},
};

/// What an endpoint at AWS Bedrock needs beside an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Bedrock {
    signer: Option<Signer>,
}

impl Endpoint {
    /// Speaks to Anthropic's models at AWS Bedrock: the model is named in the path, and streams are binary. The base URL is
    /// then `https://bedrock-runtime.{region}.amazonaws.com`, and targets name models by their ids there, those of inference
    /// profiles, or ARNs. Requests are signed with [`aws_credentials`](Self::aws_credentials), or else bear a
    /// [`key`](Self::key).
    #[must_use]
    pub fn bedrock(mut self) -> Self {
        self.dialect = Dialect::Anthropic;
        self.version = HeaderValue::from_static(VERSION);
        self.bedrock = Some(Bedrock::default());
        self
    }

    /// Signs requests to [`bedrock`](Self::bedrock), which is set before, with these credentials for this region. The
    /// environment and the instance's metadata are never asked.
    ///
    /// # Errors
    /// If the region, the key's id or the token cannot stand in a header.
    pub fn aws_credentials(
        mut self,
        region: &str,
        credentials: &AwsCredentials,
    ) -> Result<Self, EndpointError> {
        if !credentials.fits_headers() || !region.bytes().all(is_in_regions) {
            return Err(EndpointError::Secret);
        }
        let signer = Some(Signer::new(region, credentials));
        self.bedrock = Some(Bedrock { signer });
        Ok(self)
    }

    pub(in crate::upstream) fn signer(&self) -> Option<&Signer> {
        self.bedrock.as_ref()?.signer.as_ref()
    }
}

const fn is_in_regions(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
