use serde_json::{Value, json};

use crate::simulated::{Fault, fault::Faults};

/// The names under which providers say what was used.
const USAGE: [&str; 2] = ["usage", "usageMetadata"];

/// Falsifies what an answer says about its usage, as the faults ask.
pub(crate) fn tamper(data: &mut Value, faults: Faults, last: bool) {
    let wrong = [
        Fault::NoUsage,
        Fault::NegativeUsage,
        Fault::HugeUsage,
        Fault::TextUsage,
        Fault::LateUsage,
    ];
    let Some(fault) = wrong.into_iter().find(|fault| faults.has(*fault)) else {
        return;
    };
    for holder in HOLDERS {
        let Some(holder) = data.pointer_mut(holder).and_then(Value::as_object_mut) else {
            continue;
        };
        for name in USAGE {
            if fault == Fault::NoUsage {
                holder.remove(name);
            } else if let Some(usage) = holder.get_mut(name) {
                numbers(usage, fault, last);
            }
        }
    }
}

pub(crate) fn has_usage(data: &Value) -> bool {
    let mut holders = HOLDERS.into_iter().filter_map(|it| data.pointer(it));
    holders.any(|holder| USAGE.iter().any(|name| holder[name].is_object()))
}

fn numbers(usage: &mut Value, fault: Fault, last: bool) {
    match usage {
        Value::Object(fields) => fields.values_mut().for_each(|it| numbers(it, fault, last)),
        Value::Number(number) => {
            let right = number.as_u64().unwrap_or(0);
            *usage = match fault {
                Fault::NegativeUsage => json!(-i64::try_from(right).unwrap_or(i64::MAX) - 1),
                Fault::HugeUsage => json!(u64::MAX),
                Fault::TextUsage => json!(right.to_string()),
                _ if last => json!(right),
                _ => json!(right / 2),
            };
        }
        _ => {}
    }
}

/// Where they say it: in the answer itself, or in what an event tells of it.
const HOLDERS: [&str; 3] = ["", "/message", "/response"];
