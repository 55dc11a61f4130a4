use std::{fmt, sync::Arc, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign},
    sign::v4::SigningParams,
};
use http::{HeaderName, HeaderValue, Request, header::CONTENT_TYPE};
use secrecy::ExposeSecret;

use super::AwsCredentials;

/// Signs requests by AWS' Signature Version 4.
#[derive(Clone)]
pub(crate) struct Signer {
    credentials: Credentials,
    region: Arc<str>,
}

impl Signer {
    pub(crate) fn new(region: impl Into<Arc<str>>, credentials: &AwsCredentials) -> Self {
        let session = credentials.session.as_ref();
        Self {
            credentials: Credentials::new(
                &*credentials.id,
                credentials.secret.expose_secret(),
                session.map(|token| token.expose_secret().to_owned()),
                None,
                "configuration",
            ),
            region: region.into(),
        }
    }

    /// Adds a signature that holds for a few minutes, to a request whose address and headers are final.
    pub(crate) fn sign<B>(
        &self,
        request: &mut Request<B>,
        body: &[u8],
    ) -> Result<(), SigningError> {
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .expect("all that is needed is set");
        // What is not signed may be changed on the way, as proxies do; AWS asks for its own fields.
        let signed = request.headers().iter().filter_map(|(name, value)| {
            let is_signed = *name == CONTENT_TYPE || is_own(name);
            Some((name.as_str(), value.to_str().ok().filter(|_| is_signed)?))
        });
        let address = request.uri().to_string();
        let body = SignableBody::Bytes(body);
        let signable = SignableRequest::new(request.method().as_str(), address, signed, body)?;
        let (instructions, _) = sign(signable, &params.into())?.into_parts();
        let (added, _) = instructions.into_parts();
        for header in added {
            let Ok(mut value) = HeaderValue::try_from(header.value()) else {
                continue; // It was looked at when the signer was made.
            };
            value.set_sensitive(true);
            request
                .headers_mut()
                .insert(HeaderName::from_static(header.name()), value);
        }
        Ok(())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Whether AWS reads it; those that the signature brings are kept from clients before.
fn is_own(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-amz")
}

/// Bedrock's name in signatures, whichever part of it is asked.
const SERVICE: &str = "bedrock";
