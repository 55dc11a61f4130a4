/// Which of the last calls failed: one bit a call.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    bits: Box<[u64]>,
    size: u32,
    /// Where the next call goes, which is where the oldest stands once the window is full.
    next: u32,
    calls: u32,
    failures: u32,
}

impl Window {
    pub(crate) fn new(size: u32) -> Self {
        Self {
            bits: vec![0; size.div_ceil(64) as usize].into(),
            size,
            next: 0,
            calls: 0,
            failures: 0,
        }
    }

    pub(crate) fn push(&mut self, failed: bool) {
        let word = &mut self.bits[(self.next / 64) as usize];
        let bit = 1 << (self.next % 64);
        if self.calls == self.size {
            self.failures -= u32::from(*word & bit != 0);
        } else {
            self.calls += 1;
        }
        *word = if failed { *word | bit } else { *word & !bit };
        self.failures += u32::from(failed);
        self.next = (self.next + 1) % self.size;
    }

    pub(crate) fn clear(&mut self) {
        (self.next, self.calls, self.failures) = (0, 0, 0);
    }

    pub(crate) const fn calls(&self) -> u32 {
        self.calls
    }

    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) const fn size(&self) -> u32 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_counts_the_last_calls(size in 1_u32..200, calls in prop::collection::vec(any::<bool>(), 0..600)) {
            let mut window = Window::new(size);
            for (index, failed) in calls.iter().enumerate() {
                window.push(*failed);
                let from = (index + 1).saturating_sub(size as usize);
                let last = &calls[from..=index];
                prop_assert_eq!(window.calls() as usize, last.len());
                let failures = last.iter().filter(|failed| **failed).count();
                prop_assert_eq!(window.failures() as usize, failures);
            }
        }
    }
}
