//! Names as this dialect spells them: 25 letters and digits that begin with a `c`, in the order in which they were made.

use uuid::Uuid;

const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A new name.
pub(crate) fn fresh() -> String {
    of(Uuid::now_v7())
}

/// The name of something that has an id of ours.
pub(crate) fn of(id: Uuid) -> String {
    // 24 digits hold 124 bits. The four that go are the last of the random ones.
    const TWELVE: u128 = 36_u128.pow(12);
    let bits = id.as_u128() >> 4;
    let mut text = [b'c'; 25];
    // In halves: numbers of 64 bits are divided much faster than larger ones.
    write(&mut text[1..13], (bits / TWELVE) as u64);
    write(&mut text[13..], (bits % TWELVE) as u64);
    text.iter().map(|byte| char::from(*byte)).collect()
}

fn write(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 36) as usize];
        number /= 36;
    }
}

/// The same for an id that may be spelled otherwise; then it stays as it is.
pub(crate) fn spelled(id: &str) -> String {
    Uuid::try_parse(id).map_or_else(|_| id.to_owned(), of)
}

/// Twelve letters and digits for an update: the same whenever and to whomever it is told.
pub(crate) fn update(account: &str, seq: u64) -> String {
    let seed = account
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut left = (u128::from(stirred(seed ^ seq)) << 64) | u128::from(stirred(seed.wrapping_add(seq)));
    let mut text = String::with_capacity(12);
    for _ in 0..12 {
        text.push(char::from(DIGITS[(left % 62) as usize]));
        left /= 62;
    }
    text
}

/// One bit more or less changes half of them.
fn stirred(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_25_characters_and_stand_in_the_order_they_were_made() {
        let names: Vec<String> = (0..100).map(|_| fresh()).collect();
        assert!(names.iter().all(|name| name.len() == 25 && name.starts_with('c')));
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted, names);
        assert_eq!(of(Uuid::from_u128(u128::MAX)).len(), 25);
        assert_eq!(of(Uuid::from_u128(0)), format!("c{}", "0".repeat(24)));
    }

    #[test]
    fn updates_have_names_of_their_own() {
        let names: std::collections::HashSet<String> = (0..10_000).map(|seq| update("c1", seq)).collect();
        assert_eq!(names.len(), 10_000);
        assert!(names.iter().all(|name| name.len() == 12));
        assert_ne!(update("c1", 1), update("c2", 1));
        assert_eq!(update("c1", 1), update("c1", 1));
    }
}
