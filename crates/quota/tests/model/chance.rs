/// Numbers that look random and follow from a seed (SplitMix64): a run can be played again.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// At least the first, and less than the second.
    pub(crate) fn between(&mut self, least: i64, end: i64) -> i64 {
        let span = u64::try_from(end - least)
            .expect("a range goes upwards")
            .max(1);
        least + i64::try_from(self.next() % span).expect("it is less than the span")
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % len as u64).expect("it is less than a usize")
    }

    /// So often in a thousand.
    pub(crate) fn happens(&mut self, per_mille: i64) -> bool {
        self.between(0, 1_000) < per_mille
    }

    pub(crate) fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}
