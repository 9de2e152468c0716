//! Taking the mask off what a client sent.

/// Unmasks `bytes`, which stand `offset` bytes behind the start of their frame's payload.
///
/// Eight bytes at a time; the compiler makes wider steps of it where the machine has them.
pub(crate) fn unmask(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let mut turned = key;
    turned.rotate_left(offset % 4);
    let [a, b, c, d] = turned;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);

    let (words, rest) = bytes.as_chunks_mut::<8>();
    for eight in words {
        *eight = (u64::from_ne_bytes(*eight) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bytes_agree_at_every_length_and_offset() {
        let key = [0x6d, 0xb6, 0xb2, 0x80];
        let plain: Vec<u8> = (0..100).collect();
        for start in 0..plain.len() {
            let mut fast = plain[start..].to_vec();
            unmask(&mut fast, key, start);
            let slow: Vec<u8> = (start..plain.len()).map(|at| plain[at] ^ key[at % 4]).collect();
            assert_eq!(fast, slow, "from {start}");
        }
    }
}
