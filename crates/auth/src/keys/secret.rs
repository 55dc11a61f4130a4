use secrecy::SecretString;
use zeroize::Zeroizing;

/// A new key, and how it begins: `tg-`, eight characters that anybody may see, and 43 of 256 random bits.
///
/// That is 55 bytes, which with the pepper make one block of SHA-256 and the digest's second; and it is one word to whoever
/// selects it with two clicks.
pub(super) fn new() -> (SecretString, String) {
    let key = Zeroizing::new(format!("tg-{}_{}", &*random(8), &*random(43)));
    let hint = key[..11].to_owned();
    (SecretString::from(&**key), hint)
}

/// A new name for a key, which is not secret.
pub(super) fn new_id() -> String {
    format!("key_{}", &*random(16))
}

/// Characters of 62, all equally likely.
fn random(length: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut bytes = Zeroizing::new([0; 64]);
    while text.len() < length {
        getrandom::fill(&mut *bytes).expect("the system has random numbers");
        let numbers = bytes.iter().map(|byte| usize::from(byte & 63));
        let fair = numbers.filter_map(|number| ALPHABET.get(number));
        let missing = length - text.len();
        text.extend(fair.take(missing).map(|byte| char::from(*byte)));
    }
    text
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
