use std::cmp::Reverse;

use crate::fact::{Cost, Usage};

/// Shares a whole number out by weight: each part is the exact one, rounded down or up, and the parts' sum is the whole.
/// Who is nearest to the next number is rounded up first (the method of the largest remainder). Without any weight, all
/// weigh the same.
///
/// ```
/// use tollgate_core::share_out;
///
/// assert_eq!(share_out(10, &[1, 1, 1]), [4, 3, 3]);
/// assert_eq!(share_out(10, &[1, 8, 0]), [1, 9, 0]);
/// ```
#[must_use]
pub fn share_out(whole: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().copied().map(u128::from).sum();
    let (sum, even) = match sum {
        0 => (weights.len() as u128, true),
        sum => (sum, false),
    };
    let mut left = whole;
    let mut remainders = Vec::with_capacity(weights.len());
    let mut shares: Vec<u64> = Vec::with_capacity(weights.len());
    for (index, &weight) in weights.iter().enumerate() {
        let weight = if even { 1 } else { u128::from(weight) };
        let product = u128::from(whole) * weight;
        // A part is not more than the whole.
        let share = u64::try_from(product / sum).unwrap_or(whole);
        left -= share;
        remainders.push((Reverse(product % sum), index));
        shares.push(share);
    }
    remainders.sort_unstable();
    // There are fewer left than there are remainders, each being less than one.
    for (_, index) in remainders {
        if left == 0 {
            break;
        }
        shares[index] += 1;
        left -= 1;
    }
    shares
}

/// Shares out each field. The part of the output that was reasoning stays a part of it in each share.
pub(super) fn share_usage(whole: Usage, weights: &[u64]) -> Vec<Usage> {
    let reasoning = share_out(whole.reasoning, weights);
    let output = match whole.output.checked_sub(whole.reasoning) {
        Some(rest) => {
            let rest = share_out(rest, weights);
            rest.iter().zip(&reasoning).map(|(a, b)| a + b).collect()
        }
        None => share_out(whole.output, weights),
    };
    let input = share_out(whole.input, weights);
    let cache_read = share_out(whole.cache_read, weights);
    let cache_write = share_out(whole.cache_write, weights);
    let cache_write_1h = share_out(whole.cache_write_1h, weights);
    let share = |index: usize| Usage {
        input: input[index],
        cache_read: cache_read[index],
        cache_write: cache_write[index],
        cache_write_1h: cache_write_1h[index],
        output: output[index],
        reasoning: reasoning[index],
        estimated: whole.estimated,
    };
    (0..weights.len()).map(share).collect()
}

pub(super) fn share_cost(whole: Cost, weights: &[u64]) -> Vec<Cost> {
    let nanos = whole.nanos();
    let shares = share_out(nanos.unsigned_abs(), weights);
    let signed = shares.into_iter().map(|share| {
        // Only the smallest number of all has no positive counterpart.
        let share =
            i64::try_from(share).map_or(i64::MIN, |share| if nanos < 0 { -share } else { share });
        Cost::from_nanos(share)
    });
    signed.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{share_cost, share_out, share_usage};
    use crate::fact::{Cost, Usage};

    fn weights() -> impl Strategy<Value = Vec<u64>> {
        let weight = prop_oneof![Just(0), 0..9_u64, 0..100_000_u64, Just(u64::MAX)];
        prop::collection::vec(weight, 1..20)
    }

    fn amount() -> impl Strategy<Value = u64> {
        prop_oneof![0..100_u64, 0..1_000_000_u64, Just(u64::MAX)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn shares_sum_up_to_the_whole_and_none_is_off_by_one(whole in amount(), weights in weights()) {
            let shares = share_out(whole, &weights);

            prop_assert_eq!(shares.iter().copied().map(u128::from).sum::<u128>(), u128::from(whole));
            let sum: u128 = weights.iter().copied().map(u128::from).sum();
            for (&share, &weight) in shares.iter().zip(&weights).filter(|_| sum > 0) {
                let exact = u128::from(whole) * u128::from(weight);
                prop_assert!(u128::from(share) >= exact / sum);
                prop_assert!(u128::from(share) <= exact.div_ceil(sum));
            }
        }

        #[test]
        fn every_field_of_usage_sums_up_to_the_whole(
            (input, cache_read) in (amount(), amount()),
            (cache_write, cache_write_1h) in (amount(), amount()),
            (output, reasoning) in (amount(), amount()),
            estimated in any::<bool>(),
            weights in weights(),
        ) {
            let whole = Usage {
                input, cache_read, cache_write, cache_write_1h, output, reasoning, estimated,
            };

            let shares = share_usage(whole, &weights);

            prop_assert_eq!(shares.iter().copied().sum::<Usage>(), whole);
            if reasoning <= output {
                prop_assert!(shares.iter().all(|share| share.reasoning <= share.output));
            }
        }

        #[test]
        fn a_cost_is_shared_to_the_last_nano(nanos in any::<i64>(), weights in weights()) {
            let shares = share_cost(Cost::from_nanos(nanos), &weights);

            let sum: i128 = shares.iter().map(|share| i128::from(share.nanos())).sum();
            prop_assert_eq!(sum, i128::from(nanos));
        }
    }

    #[test]
    fn nobody_gets_nothing_of_something() {
        assert_eq!(share_out(7, &[]), Vec::<u64>::new());
        assert_eq!(share_out(7, &[0, 0]), [4, 3]);
        assert_eq!(
            share_cost(Cost::from_nanos(i64::MIN), &[3])[0].nanos(),
            i64::MIN
        );
    }
}
