use crate::{translate::StreamTranslation, upstream::plan::Way};

/// What comes out.
pub(in crate::upstream) enum Output {
    /// The same, but for an extra chunk that the client did not ask for.
    Same { hides_usage: bool },
    /// The data of the events, as the elements of an array.
    Array { begun: bool },
    /// The same in other words.
    Other(Box<StreamTranslation>),
}

impl Output {
    /// What comes out on this way; nothing if its caller wants no stream.
    pub(in crate::upstream) fn of(way: &Way) -> Option<Self> {
        Some(match way {
            Way::Same { hides_usage } => Self::Same {
                hides_usage: *hides_usage,
            },
            Way::Array => Self::Array { begun: false },
            Way::Translated(translation) => Self::Other(Box::new(translation.stream()?)),
            Way::Count(_) => return None,
        })
    }
}
