use bytes::Bytes;
use memchr::memmem;
use tollgate_core::{Trail, fact::Usage};

use crate::{Prices, dialect::Api, meter::Meter};

/// Whatever events say, what was used is known at any moment, and an estimate does not shrink. The first byte says in
/// whose words the lines after it are.
pub(super) fn check(input: &[u8]) {
    let Some((form, events)) = input.split_first() else {
        return;
    };
    let form = FORMS[usize::from(*form) % FORMS.len()];
    let events: Vec<&[u8]> = events
        .split(|&byte| byte == b'\n')
        .take(MOST_EVENTS)
        .collect();
    let mut before = used(form, &[]);
    assert!(before.estimated && before.output == 0);
    for end in 1..=events.len() {
        let (after, event) = (used(form, &events[..end]), events[end - 1]);
        let tells = memmem::find(event, b"sage").is_some() || event.contains(&b'\\');
        assert!(
            tells || !after.estimated || after.output >= before.output,
            "{before:?}, then {after:?}"
        );
        assert!(tells || after.total_input() == before.total_input());
        before = after;
    }
}

fn used(form: Api, events: &[&[u8]]) -> Usage {
    let trail = Trail::new();
    let price = Prices::built_in()
        .get("openai", "gpt-4o-mini")
        .and_then(|it| it.price.clone());
    let mut meter = Meter::new(trail.clone(), form, Bytes::from_static(b"sent")).priced(price);
    for event in events {
        meter.read(event);
    }
    drop(meter);
    trail.get().expect("a meter says what was used")
}

const FORMS: [Api; 4] = [
    Api::Chat,
    Api::Messages,
    Api::StreamGenerate { array: false },
    Api::Responses,
];
const MOST_EVENTS: usize = 24;
