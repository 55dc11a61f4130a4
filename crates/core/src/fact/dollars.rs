use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// An amount of dollars, exact to the nano-dollar and never negative.
///
/// It is read from decimal text, digit by digit. A number in a configuration is read as it is shortest written, so that
/// `0.1` is a tenth.
///
/// ```
/// use tollgate_core::fact::Dollars;
///
/// let price: Dollars = "0.075".parse().unwrap();
/// assert_eq!(price.nanos(), 75_000_000);
/// assert_eq!(price.to_string(), "0.075");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Dollars(u64);

impl Dollars {
    /// So many billionths of a dollar.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// In billionths of a dollar.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    fn whole(dollars: u64) -> Result<Self, DollarsError> {
        let nanos = dollars.checked_mul(BILLION);
        nanos.map(Self).ok_or(DollarsError::TooLarge)
    }
}

impl FromStr for Dollars {
    type Err = DollarsError;

    fn from_str(text: &str) -> Result<Self, DollarsError> {
        if text.starts_with('-') {
            return Err(DollarsError::Negative);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(DollarsError::NotDecimal);
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > DIGITS {
            return Err(DollarsError::TooPrecise);
        }
        // All that is left to go wrong is the size.
        let whole = whole.parse().map_err(|_| DollarsError::TooLarge)?;
        let nanos = format!("{fraction:0<DIGITS$}").parse::<u64>();
        let nanos = nanos.map_err(|_| DollarsError::TooLarge)?;
        let sum = Self::whole(whole)?.0.checked_add(nanos);
        sum.map(Self).ok_or(DollarsError::TooLarge)
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:0DIGITS$}", self.0 / BILLION, self.0 % BILLION);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Amount)
    }
}

/// As text, so that no digit is lost.
impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct Amount;

impl Visitor<'_> for Amount {
    type Value = Dollars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of dollars, such as 2.5")
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<Dollars, E> {
        Dollars::whole(dollars).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, dollars: i64) -> Result<Dollars, E> {
        let dollars = u64::try_from(dollars).map_err(|_| E::custom(DollarsError::Negative))?;
        self.visit_u64(dollars)
    }

    fn visit_f64<E: Error>(self, dollars: f64) -> Result<Dollars, E> {
        // The shortest text that means this number, and no other number.
        dollars.to_string().parse().map_err(E::custom)
    }

    fn visit_str<E: Error>(self, dollars: &str) -> Result<Dollars, E> {
        dollars.parse().map_err(E::custom)
    }
}

/// Why a text is not an amount of dollars.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DollarsError {
    /// It is below zero.
    Negative,
    /// It is not made of digits and one point between them.
    NotDecimal,
    /// It is finer than a nano-dollar.
    TooPrecise,
    /// It is more than can be held.
    TooLarge,
}

impl fmt::Display for DollarsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negative => "an amount of dollars is not negative here",
            Self::NotDecimal => "an amount of dollars is a decimal number, such as 2.5",
            Self::TooPrecise => "an amount of dollars is not finer than a nano-dollar",
            Self::TooLarge => "an amount of dollars is less than eighteen billion dollars",
        })
    }
}

impl std::error::Error for DollarsError {}

const BILLION: u64 = 1_000_000_000;

/// How many digits after the point there are.
const DIGITS: usize = 9;
