use memchr::memchr2;

/// What is left of a JSON text to be passed over. Whatever is not as the grammar has it gives nothing, and so does what
/// nests deeper than requests do.
pub(super) struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    pub(super) const fn of(json: &'a [u8]) -> Self {
        Self(json)
    }

    /// Whether nothing but space is left.
    pub(super) fn is_over(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Takes this byte, if it comes next.
    pub(super) fn byte(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.skip(1))
    }

    /// Takes a whole value, and gives it as it is written.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let whole = self.0;
        let mut open = Nest::new();
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' => {
                    self.skip(1);
                    if self.byte(b'}').is_none() {
                        self.name()?;
                        open.enter(true)?;
                        continue;
                    }
                }
                b'[' => {
                    self.skip(1);
                    if self.byte(b']').is_none() {
                        open.enter(false)?;
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            loop {
                let Some(in_object) = open.innermost() else {
                    return Some(&whole[..whole.len() - self.0.len()]);
                };
                match (self.peek()?, in_object) {
                    (b',', _) => {
                        self.skip(1);
                        if in_object {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.skip(1);
                        open.leave();
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Takes a string, and gives what stands between its quotes.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        self.byte(b'"')?;
        let whole = self.0;
        loop {
            let end = memchr2(b'"', b'\\', self.0)?;
            if has_control(&self.0[..end]) {
                return None;
            }
            let after = &self.0[end + 1..];
            if self.0[end] == b'"' {
                let string = &whole[..whole.len() - self.0.len() + end];
                self.0 = after;
                return Some(string);
            }
            self.0 = match after {
                [
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    rest @ ..,
                ] => rest,
                [b'u', a, b, c, d, rest @ ..]
                    if [a, b, c, d].iter().all(|it| it.is_ascii_hexdigit()) =>
                {
                    rest
                }
                _ => return None,
            };
        }
    }

    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.byte(b':')
    }

    fn number(&mut self) -> Option<()> {
        self.0 = self.0.strip_prefix(b"-").unwrap_or(self.0);
        match self.0 {
            [b'0', ..] => self.skip(1),
            _ => self.digits()?,
        }
        if let Some(rest) = self.0.strip_prefix(b".") {
            self.0 = rest;
            self.digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.0 {
            self.0 = match rest {
                [b'+' | b'-', rest @ ..] => rest,
                _ => rest,
            };
            self.digits()?;
        }
        Some(())
    }

    /// One digit at least.
    fn digits(&mut self) -> Option<()> {
        let digits = self.0.iter().take_while(|it| it.is_ascii_digit()).count();
        self.skip(digits);
        (digits > 0).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    /// The byte that comes next, after space.
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
        self.0.first().copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.0 = &self.0[bytes..];
    }
}

/// Which brackets are open: a bit for each, the innermost last, after a first bit that stands for none.
struct Nest(u64);

impl Nest {
    const fn new() -> Self {
        Self(1)
    }

    fn enter(&mut self, object: bool) -> Option<()> {
        (self.0.leading_zeros() > 0).then(|| self.0 = self.0 << 1 | u64::from(object))
    }

    const fn leave(&mut self) {
        self.0 >>= 1;
    }

    /// Whether the innermost is an object, if one is open.
    fn innermost(&self) -> Option<bool> {
        (self.0 > 1).then_some(self.0 & 1 == 1)
    }
}

/// Without an early exit, so that many bytes are compared at once.
fn has_control(text: &[u8]) -> bool {
    text.iter()
        .fold(false, |found, byte| found | (*byte < b' '))
}
