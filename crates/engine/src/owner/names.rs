//! Names of receipts that there may be: exactly while they are few, and then about, in a fixed room.

use std::collections::HashSet;

/// How many are kept one by one.
const EXACT: usize = 8_192;
/// Bits of what is kept of more. Of a hundred thousand names one that is new is taken for known once in two thousand times,
/// of a quarter of a million once in forty.
const BITS: usize = 1 << 21;
/// Bits that are set for a name.
const MARKS: usize = 6;

pub(crate) type Name = [u8; 16];

/// Never forgets a name; may take a new one for known.
pub(crate) enum Names {
    Few(HashSet<Name>),
    Many(Box<[u64]>),
}

impl Default for Names {
    fn default() -> Names {
        Names::Few(HashSet::new())
    }
}

impl Names {
    pub(crate) fn may_have(&self, name: &Name) -> bool {
        match self {
            Names::Few(names) => names.contains(name),
            Names::Many(bits) => marks(name).all(|mark| bits[mark / 64] & (1 << (mark % 64)) != 0),
        }
    }

    pub(crate) fn add(&mut self, name: Name) {
        match self {
            Names::Few(names) => {
                names.insert(name);
                if names.len() > EXACT {
                    let mut bits = vec![0; BITS / 64].into_boxed_slice();
                    names.iter().for_each(|name| mark(&mut bits, name));
                    *self = Names::Many(bits);
                }
            }
            Names::Many(bits) => mark(bits, &name),
        }
    }
}

fn mark(bits: &mut [u64], name: &Name) {
    for mark in marks(name) {
        bits[mark / 64] |= 1 << (mark % 64);
    }
}

/// Names are digests, so any of their bits are as good as another digest.
fn marks(name: &Name) -> impl Iterator<Item = usize> {
    let (low, high) = name.split_at(8);
    let part = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half of sixteen bytes"));
    let (first, step) = (part(low), part(high) | 1);
    (0..MARKS as u64).map(move |at| (first.wrapping_add(step.wrapping_mul(at)) % BITS as u64) as usize)
}

#[cfg(test)]
mod tests {
    use rejoin_ports::store::body_digest;

    use super::*;

    fn name(number: usize) -> Name {
        body_digest(&number.to_le_bytes())
    }

    #[test]
    fn no_name_is_forgotten_and_few_new_ones_are_taken_for_known() {
        let mut names = Names::default();
        for count in [EXACT, 100_000] {
            (0..count).for_each(|number| names.add(name(number)));
            assert!((0..count).all(|number| names.may_have(&name(number))), "{count}");
        }
        let mistaken = (200_000..300_000).filter(|number| names.may_have(&name(*number))).count();
        assert!(mistaken < 200, "{mistaken} of 100,000");
    }

    #[test]
    fn while_they_are_few_there_is_no_doubt() {
        let mut names = Names::default();
        (0..EXACT).for_each(|number| names.add(name(number)));
        assert!((EXACT..100_000).all(|number| !names.may_have(&name(number))));
    }
}
