use std::{error::Error, fmt};

/// Why an [`Issuer`](super::Issuer) cannot be believed as it is configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum InvalidIssuer {
    /// It has no name, no audience or no algorithm.
    Incomplete,
    /// The keys that were given are no JWK set, or none of them can be used.
    Keys,
    /// One issuer is called as another with a colon behind it: their callers could have the same names.
    Names,
    /// Two issuers have the same `iss` or are [called](super::Issuer::named) the same.
    Twice,
    /// The address of the keys is none, or neither HTTPS nor of this machine.
    Url,
}

impl fmt::Display for InvalidIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "an issuer needs a name, an audience and an algorithm",
            Self::Keys => {
                "an issuer's keys are a JWK set with at least one key that fits its algorithms"
            }
            Self::Names => "an issuer is called as another with a colon behind it: name them apart",
            Self::Twice => "an issuer, or the name of one, is configured twice",
            Self::Url => "an issuer's keys come over HTTPS, or over HTTP from this machine",
        })
    }
}

impl Error for InvalidIssuer {}
